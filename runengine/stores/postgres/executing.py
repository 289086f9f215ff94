# Made by `python -m tests.unasync` from runengine/stores/postgres/async_executing.py: change that file, not this one.
# fmt: off
# ruff: noqa: I001, RUF100
"""Plans on PostgreSQL: read in one round trip, plan, commit in one more; again where another was first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from attrs import evolve

from runengine.core import Policy
from runengine.errors import StoreError, StoreUnavailable
from runengine.stores.base import Request
from runengine.stores.postgres.grouping import Grouping, Ticket
from runengine.stores.postgres.driver import (
    FAILURES,
    Connection,
    Connections,
    Lines,
    Statement,
    ask_all,
    ask,
    is_in_transaction,
    understood,
)
from runengine.stores.postgres.looking import HOME
from runengine.stores.postgres.rows import (
    HOSTED,
    OWN,
    Frame,
    Known,
    asking,
    facts_of,
    is_birth,
    is_plain,
    is_plain_step,
    together,
    writing,
)
from runengine.stores.postgres.timing import Timing
from runengine.stores.postgres.wording import DOUBT, HOST_GONE, STALE_HOST, Conflict, Gone, Where
from runengine.stores.records import Commit, Facts, Wants
from runengine.stores.ticks import ticks_s

__all__ = ["Executing"]

A = TypeVar("A")

_TRIES: Final = 3
_ROUNDS_MAX: Final = 50
_NOTIFY_EVERY_US: Final = 100_000


class Executing:
    """Connections, and requests executed on them.

    Args:
        where: The database.
        policy: Whose rules its tables are made for.
        connections: The pool; closed with the store.
        host: A connection of the host's, on which everything is done instead, in the host's transaction.
        home: What tells this store from others, once it is known; shared with the stores on hosts' connections.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> where = Where(url="postgresql://me:secret@h/runs", timeout_s=30)
        >>> Executing(where, PRACTICAL, Connections(where, 1)).url
        'postgresql://me:***@h/runs'
    """

    has_clock = True

    def __init__(
        self,
        where: Where,
        policy: Policy,
        connections: Connections,
        host: Connection | None = None,
        home: list[Any] | None = None,
    ) -> None:
        self._where: Final = where
        self._policy: Final = policy
        self._connections: Final = connections
        self._host: Final = host
        self._known: Final = Known()
        self._timing: Final = Timing()
        self._grouping: Final = Grouping(self._write_group, where.unavailable(DOUBT))
        self._notify_us = 0
        self._home: Final = [] if home is None else home
        self._is_at_home = False

    @property
    def url(self) -> str:
        """Where it is, its password hidden."""
        return self._where.shown

    def execute(self, request: Request[A]) -> A:
        """As `Store.execute`.

        A plan that wants a run only is first tried on the row as it was last seen here, and a birth on a thread that is
        free, at the time that the database must have by now: guard and indexes prove it right, and a round trip is
        saved. Where it is not, all is done from fresh facts. What plans of several callers write is written together.
        """
        guessed = self._guessed(request.wants)
        if guessed is not None:
            outcome = request.plan(guessed)
            if outcome.commit is not None and self._guess(outcome.commit):
                return outcome.answer
            if guessed.row is not None:
                self._known.drop(guessed.row.run.id)

        def planned(connection: Connection) -> A:
            return self._planned(connection, request)

        return self._on_connection(planned)

    def execute_all(self, requests: Sequence[Request[A]]) -> list[A]:
        """As `Store.execute_all`."""
        answers: list[A] = []
        errors: list[Exception] = []
        for request in requests:
            try:
                answers.append(self.execute(request))
            except StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - raised once the others are done
                errors.append(error)
        if errors:
            raise errors[0]
        return answers

    def _guessed(self, wants: Wants) -> Facts | None:
        now_us = None if wants.at_us is not None else self._timing.now_us(ticks_s())
        if self._host is not None or (now_us is None and wants.at_us is None):
            return None
        if is_birth(wants):
            return Facts(now_us=now_us)
        row = self._known.get(wants.run_id or "") if is_plain(wants) else None
        return None if row is None else Facts(row=row, now_us=now_us)

    def _guess(self, commit: Commit) -> bool:
        if is_plain_step(commit):
            return self._grouping.do(commit.steps[0].after.run.id, commit)
        return self._on_connection(self._guessing(commit))

    def _guessing(self, commit: Commit) -> Callable[[Connection], bool]:
        def guess(connection: Connection) -> bool:
            try:
                return self._write(connection, OWN, commit, begun=False)
            except StoreUnavailable:
                raise
            except StoreError:  # the database's own rules refuse what an old row leads to
                return False

        return guess

    def _write_group(self, tickets: Sequence[Ticket]) -> None:
        """Write all of them that nothing has changed under; where the statement fails, none, and each goes on alone."""

        def write(connection: Connection) -> Lines:
            statement = together((ticket.commit for ticket in tickets), self._notify_us)
            began_s = ticks_s()
            [lines] = self._ask(connection, statement, is_last=True)
            self._tell_time(lines, began_s)
            return lines

        lines: Lines = []
        try:
            lines = self._on_connection(write)
        except StoreUnavailable as error:
            for ticket in tickets:
                ticket.settle(error=error)
            return
        except (StoreError, ValueError, Conflict):
            pass  # of one of them; asked alone, that one is told
        written = {line[2]: line for line in lines}
        for ticket in tickets:
            line = written.get(ticket.run_id)
            if line is not None:
                self._remember(ticket.commit, line)
            ticket.settle(is_written=line is not None)

    def _planned(self, connection: Connection, request: Request[A]) -> A:
        frame = HOSTED if self._host is not None and is_in_transaction(connection) else OWN
        wants = request.wants
        seen, same = Facts(), 0
        while same < _ROUNDS_MAX:
            begin = frame.begin if wants.claim else ()
            try:
                facts = self._facts(connection, wants, begin)
                outcome = request.plan(facts)
                if outcome.commit is None:
                    if begin:
                        self._ask(connection, *frame.commit)
                    return outcome.answer
            except BaseException:
                if begin:
                    self._undo(connection, frame)
                raise
            if self._write(connection, frame, outcome.commit, begun=wants.claim):
                return outcome.answer
            facts = evolve(facts, now_us=None)
            seen, same = facts, same + 1 if facts == seen else 0
        raise self._where.unavailable(
            f"the same write met the same conflict {_ROUNDS_MAX} times over; look at its tables: runengine store doctor"
        )

    def _facts(self, connection: Connection, wants: Wants, begin: Sequence[Statement]) -> Facts:
        statement, names = asking(wants, whole=wants.thread_id is not None)
        began_s = ticks_s()
        found = self._ask(connection, *begin, statement)
        self._tell_time(found[-1], began_s)
        facts = facts_of(found[-1][0], names)
        if facts.row is None and wants.run_id is not None and not wants.claim and "pending" not in names:
            statement, names = asking(wants, whole=True)
            found = self._ask(connection, statement)
            facts = facts_of(found[0][0], names)
        return facts

    def _write(self, connection: Connection, frame: Frame, commit: Commit, *, begun: bool) -> bool:
        """Write all of it, or nothing because something has changed since."""
        statements = writing(commit, None if self._host is not None else self._notify_us)
        at_once = len(statements) == 1 and frame is OWN
        began_s = ticks_s()
        try:
            if at_once:
                end = frame.commit if begun else ()  # where nothing is found, nothing is committed
                found = (self._ask(connection, *statements, *end, is_last=True))[:1]
            else:
                found = self._ask(connection, *(() if begun else frame.begin), *statements)
                found = found[-len(statements) :]
                done = frame.commit if all(found) else frame.rollback
                self._ask(connection, *done, is_last=frame is OWN and all(found))
        except Conflict as conflict:
            if begun or not at_once:
                self._undo(connection, frame)
            if frame is HOSTED and not conflict.is_unique:  # reading again would show the same old rows
                raise self._where.unavailable(STALE_HOST) from None
            return False
        except BaseException:
            if begun or not at_once:
                self._undo(connection, frame)
            raise
        if not all(found):
            return False
        if commit.steps:
            if at_once:
                self._tell_time(found[0], began_s)
            self._remember(commit, found[0][0])
        return True

    def _remember(self, commit: Commit, line: tuple[Any, ...]) -> None:
        if self._host is not None:  # whether it stays is the host's to say
            return
        for step in commit.steps:
            self._known.put(step.after)
        now_us, told = line[:2]
        if told is not None:
            self._notify_us = now_us + _NOTIFY_EVERY_US
        elif now_us < self._notify_us - _NOTIFY_EVERY_US:  # the server's clock was put back
            self._notify_us = now_us

    def _tell_time(self, lines: Lines, began_s: float) -> None:
        if lines:
            self._timing.saw(lines[0][0], began_s, ticks_s())

    def _undo(self, connection: Connection, frame: Frame) -> None:
        """Roll back after an error. The driver's own way makes it forget what a broken pipeline did not prepare."""
        with suppress(*FAILURES):
            if frame is OWN:
                connection.rollback()
                return
            for statement in frame.rollback:
                ask(connection, statement)

    def _ask(self, connection: Connection, *statements: Statement, is_last: bool = False) -> list[Lines]:
        """Run statements in one round trip; `is_last`: what they write is durable after it, so its loss is a doubt."""
        problem: Exception
        try:
            if len(statements) == 1:
                return [ask(connection, statements[0])]
            return ask_all(connection, statements, is_hosts=self._host is not None)
        except FAILURES as error:
            problem = understood(error, self._where)
        if is_last and isinstance(problem, Gone):
            problem = self._where.unavailable(DOUBT)
        raise problem

    def _on_connection(self, work: Callable[[Connection], A], tries: int = _TRIES) -> A:
        """Do it on the host's connection, or on one of the pool."""
        if self._host is None:
            return self._on_own(work, tries)
        try:
            if not self._is_at_home:
                self._see_home(self._host)
            return work(self._host)
        except Gone:
            raise self._where.unavailable(HOST_GONE) from None

    def _see_home(self, host: Connection) -> None:
        """Refuse a connection of the host's to another store."""

        def look(connection: Connection) -> tuple[Any, ...]:
            [[line]] = self._ask(connection, (HOME, None))
            return line

        *found, name = look(host)
        if found != self._home:
            *self._home[:], _ = self._on_own(look)  # not known yet, or the tables were made anew
        if found != self._home:
            raise StoreError(f"{self.url}: the connection is to another store, {name}; give one to this")
        self._is_at_home = True

    def _on_own(self, work: Callable[[Connection], A], tries: int = _TRIES) -> A:
        """Do it on a connection of the pool, and on another where that one is lost before anything was to last."""
        for _ in range(tries):
            connection = self._connections.take()
            try:
                return work(connection)
            except Gone:
                connection.close()
            except BaseException as error:
                if not isinstance(error, Exception):  # cancelled midway, and what is still to come is anybody's guess
                    connection.close()
                raise
            finally:
                self._connections.give(connection)
        raise self._where.unavailable(f"the connection was lost, {tries} times in a row; nothing was written")

    def _read(self, statement: bytes, *values: Any) -> Lines:
        def reading(connection: Connection) -> Lines:
            try:
                return (self._ask(connection, (statement, values)))[0]
            except ValueError:  # what cannot be kept is not there
                return []

        return self._on_connection(reading)

    def _transaction(self, work: Callable[[Connection], A], tries: int = _TRIES) -> A:
        """Do it in a transaction of its own, or of the host's."""

        def whole(connection: Connection) -> A:
            frame = HOSTED if self._host is not None and is_in_transaction(connection) else OWN
            self._ask(connection, *frame.begin)
            try:
                result = work(connection)
                self._ask(connection, *frame.commit, is_last=frame is OWN)
            except BaseException:
                self._undo(connection, frame)
                raise
            return result

        return self._on_connection(whole, tries)
