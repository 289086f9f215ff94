"""One writer with group commit: whoever comes first writes for all who wait, and hands the role on.

There is no thread in the background. A caller who is alone writes at once, in its own thread; callers who come while
one writes are queued, and the next to write takes them all into one transaction: one wait for the disk for all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event, Lock, get_ident
from typing import Any, Final, Generic, TypeVar, cast

from runengine.errors import StoreUnavailable
from runengine.stores.base import Request
from runengine.stores.sqlite import statements as sql
from runengine.stores.sqlite.driver import FAILURES, Conflict, Connection, Place, connect, is_busy, understood
from runengine.stores.sqlite.lines import Rows, append, facts_of, write
from runengine.stores.ticks import ticks_s

__all__ = ["BATCH_MAX", "TRIES", "Piece", "Writer", "begin", "undo"]

A = TypeVar("A")

BATCH_MAX: Final = 256
"""Requests in one transaction at most."""

TRIES: Final = 3
"""How often a plan is made again. Inside a write transaction nothing is stale, so the second time never helps, unless
the file was changed by something that is no SQLite."""

_PAUSE_S: Final = 0.0005
_PAUSE_MAX_S: Final = 0.002
_HOLD_S: Final = 10.0


class Piece(Generic[A]):
    """One thing to do in a write transaction: a request, or a task of the store's own, which is alone in its own.

    Args:
        request: What is asked.
        task: What to do instead.

    Example:
        >>> Piece(task=lambda connection: None).error is None
        True
    """

    __slots__ = ("answer", "done", "error", "request", "task")

    def __init__(self, request: Request[Any] | None = None, task: Callable[[Connection], Any] | None = None) -> None:
        self.request = request
        self.task = task
        self.answer: A | None = None
        self.error: Exception | None = None
        self.done = False

    def do(self, connection: Connection, rows: Rows) -> None:
        """Read, plan, write. What a plan raises is kept: nothing was written for it.

        Raises:
            Exception: of the database; what was written of it is to be undone.
        """
        self.error = None
        if self.request is None:
            rows.clear()
            assert self.task is not None
            self.answer = self.task(connection)
            return
        facts = facts_of(connection, self.request.wants, rows)
        try:
            outcome = self.request.plan(facts)
        except Exception as error:  # noqa: BLE001 - it is the caller's, and is raised there
            self.error = error
            return
        if outcome.commit is not None:
            write(connection, outcome.commit, rows)
        self.answer = outcome.answer

    def result(self) -> A:
        """The answer; or what the plan or the database raised.

        Raises:
            Exception: that.
        """
        if self.error is not None:
            raise self.error
        return cast("A", self.answer)


class _Group:
    """The pieces of one caller, who sleeps on `woken` until they are done, or until the role of writer is its own."""

    __slots__ = ("pieces", "woken")

    def __init__(self, pieces: Sequence[Piece[Any]]) -> None:
        self.pieces = pieces
        self.woken = Lock()
        self.woken.acquire()

    @property
    def is_done(self) -> bool:
        return all(piece.done for piece in self.pieces)

    def wake(self) -> None:
        with suppress(RuntimeError):  # woken already, by a writer that was interrupted then
            self.woken.release()


class Writer:
    """The one who writes.

    Args:
        place: The file.
        identity: Of the file that was opened.
        told: Called after each commit.

    Example:
        >>> writer = Writer(Place.of("sqlite:///nowhere/runs.db"), None, lambda: None)
        >>> piece = Piece(task=lambda connection: 1)
        >>> writer.do([piece])
        >>> piece.result()
        Traceback (most recent call last):
        runengine.errors.StoreUnavailable: sqlite:///nowhere/runs.db: there is no such folder; make it first
    """

    def __init__(self, place: Place, identity: tuple[int, int] | None, told: Callable[[], None]) -> None:
        self._place = place
        self._identity = identity
        self._told = told
        self._rows = Rows()
        self._connection: Connection | None = None
        self._closed = False
        self._current: Sequence[Piece[Any]] = ()
        self._is_ending = False
        self._thread: int | None = None
        self.renew()

    def renew(self, *, whole: bool = True) -> None:
        """Begin afresh, as the child of a fork must: those who waited are not there."""
        self._closed = self._closed or not whole
        self._mutex = Lock()
        self._queue: deque[_Group] = deque()
        self._leader: _Group | None = None

    def do(self, pieces: Sequence[Piece[Any]]) -> None:
        """Do these, at least one, in order, and wait until they are durable; then each has its result."""
        group = _Group(pieces)
        try:
            with self._mutex:
                self._queue.append(group)
                waits = self._leader is not None
                if not waits:
                    self._leader = group
            while waits:
                group.woken.acquire()
                with self._mutex:
                    waits = self._leader is not group and not group.is_done
            if not group.is_done:
                self._lead(group)
        except BaseException:
            self._abandon(group)
            raise

    def hold(self, timeout_s: float = -1) -> bool:
        """Become the writer and write nothing, the connection closed, until `go_on`; False where that is not to be had.

        A process must not fork while it has SQLite's files open: the child would believe that it has their locks.
        """
        if self._thread == get_ident():
            return False
        group = _Group(())
        with self._mutex:
            self._queue.append(group)
            waits = self._leader is not None
            if not waits:
                self._leader = group
        is_woken = not waits or group.woken.acquire(timeout=timeout_s)
        with self._mutex:
            is_writer = is_woken and self._leader is group
            if is_writer:
                self._queue.popleft()
        if not is_writer:
            self._abandon(group)
            return False
        self._disconnect()
        return True

    def go_on(self) -> None:
        """Let others write again."""
        self._pass_on()

    def close(self) -> None:
        """Write what is queued, then nothing any more."""
        held = self.hold()
        self._closed = True
        if held:
            self._pass_on()

    def _abandon(self, group: _Group) -> None:
        """The caller is interrupted: it neither waits nor writes any more."""
        with self._mutex:
            if group in self._queue:
                self._queue.remove(group)
        if self._leader is group:
            self._pass_on()

    def _pass_on(self) -> None:
        with self._mutex:
            following = self._queue[0] if self._queue else None
            if following is not None:
                following.wake()
            self._leader = following  # last: one that is interrupted above is the leader still, and passes on again

    def _lead(self, own: _Group) -> None:
        """Write one batch, that of those who wait by the time the lock is had."""
        batch: list[_Group] = []
        try:
            self._thread = get_ident()
            try:
                connection = self._connected()
                begin(connection, self._place)
            except Exception as error:  # noqa: BLE001 - of all who wait, as none of them would fare better
                self._take(batch, whole=True)
                self._fail(_undone(batch), error)
            else:
                self._take(batch)
                self._write(_undone(batch), connection)
            for group in batch:
                if group is not own:
                    group.wake()
        except BaseException:
            self._give_back(batch, own)
            raise
        finally:
            self._thread = None
        self._pass_on()

    def _take(self, batch: list[_Group], *, whole: bool = False) -> None:
        with self._mutex:
            queue = self._queue
            batch.append(queue.popleft())
            size = len(batch[0].pieces)
            while queue and queue[0].pieces and (whole or _fits(batch[0], queue[0], size)):
                size += len(queue[0].pieces)
                batch.append(queue.popleft())

    def _give_back(self, batch: list[_Group], own: _Group) -> None:
        """The writer is interrupted: what is not committed is for the next, what is committed is answered."""
        connection = self._connection
        if connection is not None:
            if self._is_ending and not connection.in_transaction:
                _settle(self._current)
            undo(connection)
        self._rows.clear()
        for group in reversed(batch):
            if group.is_done:
                group.wake()
            elif group is not own:
                with self._mutex:
                    self._queue.appendleft(group)

    def _write(self, pieces: Sequence[Piece[Any]], connection: Connection) -> None:
        try:
            self._together(pieces, connection)
            return
        except Exception as error:  # noqa: BLE001 - raised where it was asked
            self._undo(connection)
            if len(pieces) == 1 and not isinstance(error, Conflict):
                self._fail(pieces, error)
                return
        for place, piece in enumerate(pieces):  # so that only the guilty one sees its error
            try:
                self._alone(piece, connection)
            except StoreUnavailable as error:
                self._fail(pieces[place:], error)
                return

    def _alone(self, piece: Piece[Any], connection: Connection) -> None:
        for tries in range(1, TRIES + 1):
            begin(connection, self._place)
            try:
                self._together([piece], connection)
                return
            except Exception as error:  # noqa: BLE001 - raised where it was asked
                self._undo(connection)
                if tries == TRIES or not isinstance(error, Conflict):
                    self._fail([piece], error)
                    return

    def _together(self, pieces: Sequence[Piece[Any]], connection: Connection) -> None:
        self._is_ending = False
        self._current = pieces
        self._place.check(self._identity)
        rows = self._rows
        rows.begin(connection.execute(sql.VERSION).fetchone()[0])
        for piece in pieces:
            piece.do(connection, rows)
        append(connection, rows)
        self._is_ending = True
        connection.execute("COMMIT")
        _settle(pieces)
        rows.settle()
        self._told()

    def _undo(self, connection: Connection) -> None:
        undo(connection)
        self._rows.clear()

    def _fail(self, pieces: Sequence[Piece[Any]], error: Exception) -> None:
        for piece in pieces:
            piece.error = understood(error, self._place)
            piece.done = True

    def _connected(self) -> Connection:
        if self._closed:
            raise self._place.unavailable("the store is closed; open it again")
        if self._connection is None:
            connection = connect(self._place, writes=True)
            self._place.check(self._identity)
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self._rows = Rows()
        if connection is not None:
            connection.close()


def begin(connection: Connection, place: Place) -> None:
    """Begin a write transaction, as soon as no other process has one.

    SQLite's own way of waiting sleeps for up to a tenth of a second at a time and may never be lucky beside a busy
    writer; this one looks again after milliseconds.

    Raises:
        StoreUnavailable: somebody has kept the lock for longer than `busy_s`.
        Exception: of the driver.

    Example:
        >>> import sqlite3
        >>> connection = sqlite3.connect(":memory:", isolation_level=None)
        >>> begin(connection, Place.of("runs.db"))
        >>> connection.in_transaction
        True
    """
    until_s, pause_s = ticks_s() + place.busy_s, _PAUSE_S
    while True:
        try:
            connection.execute(sql.BEGIN)
            return
        except FAILURES as error:
            if not is_busy(error):
                raise
        if ticks_s() >= until_s:
            raise place.busy()
        Event().wait(pause_s)
        pause_s = min(pause_s * 1.5, _PAUSE_MAX_S)


def undo(connection: Connection) -> None:
    """Roll back, unless SQLite has done so by itself.

    Example:
        >>> import sqlite3
        >>> undo(sqlite3.connect(":memory:"))
    """
    if connection.in_transaction:
        with suppress(*FAILURES):
            connection.execute("ROLLBACK")


def _undone(batch: Sequence[_Group]) -> list[Piece[Any]]:
    return [piece for group in batch for piece in group.pieces if not piece.done]


def _settle(pieces: Sequence[Piece[Any]]) -> None:
    for piece in pieces:
        piece.done = True


def _fits(first: _Group, group: _Group, size: int) -> bool:
    return first.pieces[0].task is None and group.pieces[0].task is None and size + len(group.pieces) <= BATCH_MAX
