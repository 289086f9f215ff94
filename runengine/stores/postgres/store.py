# Made by `python -m tests.unasync` from runengine/stores/postgres/async_store.py: change that file, not this one.
# fmt: off
# ruff: noqa: I001, RUF100
"""The store on PostgreSQL: what it is asked beside plans, and its upkeep."""

from __future__ import annotations

from collections.abc import Iterator, Iterable
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, Self

from runengine.core import PRACTICAL, TERMINAL, Policy, RunObject
from runengine.errors import RunExists, RunNotFound, StoreError, ThreadBusy
from runengine.stores.columns import (
    body_of,
    entry_values,
    key_of,
    key_values,
    row_of,
    row_values,
    waiting_of,
    waiting_values,
)
from runengine.stores.memory import snapshot_of
from runengine.stores.postgres import statements as sql
from runengine.stores.postgres.executing import Executing
from runengine.stores.postgres.preparing import migrate, prepare
from runengine.stores.postgres.driver import (
    FAILURES,
    Connection,
    Connections,
    copy,
    hosted,
    understood,
)
from runengine.stores.postgres.listening import Listener
from runengine.stores.postgres.looking import PAIRS, STILL, THINGS, problems
from runengine.stores.postgres.rows import place_of, placed, texts
from runengine.stores.postgres.wording import Conflict, Where
from runengine.stores.records import Entry, Key, Life, Row, RunQuery, Waiting
from runengine.stores.schema import TRIGGERS, birth_statements, drop_birth_statements

__all__ = ["PostgresStore"]

_TIMEOUT_S: Final = 30.0
_AT_ONCE: Final = 500


class PostgresStore(Executing):
    """Runs in a PostgreSQL database, version 16 or later; `open` opens it.

    Example:
        >>> PostgresStore.has_clock
        True
    """

    def __init__(
        self,
        where: Where,
        policy: Policy,
        connections: Connections,
        host: Connection | None = None,
        home: list[Any] | None = None,
    ) -> None:
        super().__init__(where, policy, connections, host, home)
        self._listener: Final = Listener(connections.connect)

    @classmethod
    def open(
        cls,
        url: str,
        policy: Policy = PRACTICAL,
        *,
        create: bool = True,
        connections_max: int = 10,
        timeout_s: float = _TIMEOUT_S,
    ) -> Self:
        """Open the store of an address.

        Args:
            url: `postgresql://user:password@host:port/database`, and whatever else libpq understands.
            policy: Whose rules the tables are made for, or were made for.
            create: Whether to make the tables where there are none.
            connections_max: Connections at once; one more listens, once `wait` is called.
            timeout_s: How long to wait for a connection, and for what others have locked.

        Raises:
            StoreUnavailable: the address is none, or the database cannot be opened.
            SchemaMismatch: the tables are of another version, or were made for another policy.
        """
        where = Where(url=url, timeout_s=timeout_s)
        connections = Connections(where, connections_max)
        connection = connections.connect()
        try:
            prepare(connection, where, policy, create=create)
        finally:
            connection.close()
        connections.open()
        return cls(where, policy, connections)

    @classmethod
    def migrate(cls, url: str, policy: Policy = PRACTICAL, *, timeout_s: float = _TIMEOUT_S) -> bool:
        """Bring a store's tables up to this engine's version and to a policy; whether there was anything to do.

        Raises:
            StoreUnavailable: the address is none, or the database cannot be opened.
            SchemaMismatch: there are no tables, or they are newer.
        """
        where = Where(url=url, timeout_s=timeout_s)
        connection = Connections(where, 1).connect()
        try:
            return migrate(connection, where, policy)
        finally:
            connection.close()

    def on(self, connection: Any) -> Self:
        """The same store on the host's own connection: it writes in the host's transaction, and the host commits.

        Each request is a savepoint of that transaction. Where the connection commits by itself and is in none, each
        request is a transaction of its own.

        Raises:
            StoreError: the connection is not psycopg's; at its first use: it is to another store.
        """
        return type(self)(self._where, self._policy, self._connections, hosted(connection), self._home)

    def close(self) -> None:
        """As `Store.close`; the host's connection stays open."""
        self._listener.close()
        if self._host is None:
            self._connections.close()

    def row(self, run_id: str) -> Row | None:
        """As `Store.row`."""
        lines = self._read(sql.ROW, run_id)
        return row_of(lines[0]) if lines else None

    def runs(self, query: RunQuery) -> tuple[Row, ...]:
        """As `Store.runs`."""
        statement, values = sql.runs(query)
        rows = tuple(row_of(line) for line in self._read(statement, *values))
        if not rows and query.after is not None and self.row(query.after) is None:
            raise RunNotFound(query.after)
        return rows

    def history(self, run_id: str, after: int = 0, limit: int | None = None) -> tuple[Entry, ...]:
        """As `Store.history`."""
        return placed(self._read(sql.HISTORY, *texts((run_id, after, limit))))

    def feed(self, after: int = 0, limit: int = 1000) -> tuple[Entry, ...]:
        """As `Store.feed`; a transaction that is still open holds back what is written after it."""
        return placed(self._read(sql.FEED, *place_of(after), str(limit)))

    def head(self) -> int:
        """As `Store.head`."""
        newest = placed(self._read(sql.HEAD))
        return newest[0].position if newest else 0

    def wait(self, timeout_s: float, after: int) -> None:
        """As `Store.wait`; returns after a quarter of a second at the latest."""
        news = self._listener.news  # before it looks: what is told after that is heard
        if not self.feed(after, 1):
            self._listener.wait(timeout_s, news)

    def waiting(self, thread_id: str | None = None, limit: int = 1000) -> tuple[Waiting, ...]:
        """As `Store.waiting`."""
        return tuple(waiting_of(line) for line in self._read(sql.WAITING, *texts((thread_id, thread_id, limit))))

    def due(self, now_us: int | None, limit: int = 1000) -> tuple[str, ...]:
        """As `Store.due`."""
        return tuple(run_id for _, run_id in sorted(self._read(sql.DUE, *texts((now_us, limit)))))

    def next_deadline(self) -> tuple[int, str] | None:
        """As `Store.next_deadline`."""
        for deadline_us, run_id in self._read(sql.NEXT_DEADLINE):
            return deadline_us, run_id
        return None

    def keys(self, after: str = "", limit: int = 1000) -> tuple[Key, ...]:
        """As `Store.keys`."""
        return tuple(key_of(line) for line in self._read(sql.KEYS, after, str(limit)))

    def compact(self, before_us: int, limit: int = 1000) -> int:
        """As `Store.compact`."""

        def cut(connection: Connection) -> int:
            [lines] = self._ask(connection, (sql.COMPACT, texts((before_us, limit))))
            entries = [entry_values(snapshot_of(row_of(line))) for line in lines]
            if not entries:
                return 0
            columns = [[str(entry[place]) for entry in entries] for place in (0, 1, 6)]
            [done] = self._ask(connection, (sql.CUT, columns))
            return len(done)

        return self._transaction(cut)

    def forget(self, before_us: int, limit: int = 1000) -> int:
        """As `Store.forget`."""

        def remove(connection: Connection) -> int:
            self._ask(connection, (sql.FORGET_KEYS, texts((before_us,))))
            [done] = self._ask(connection, (sql.FORGET, texts((before_us, limit))))
            return len(done)

        return self._transaction(remove)

    def restore(self, lives: Iterable[Life], waiting: Iterable[Waiting] = (), keys: Iterable[Key] = ()) -> None:
        """As `Store.restore`; others can read meanwhile, but not write."""
        lives, waiting, keys = iter(lives), iter(waiting), iter(keys)

        def take_in(connection: Connection) -> None:
            for statement in drop_birth_statements("postgres"):
                self._ask(connection, (statement.encode(), None))
            [[(xid,)]] = self._ask(connection, (sql.XID, None))
            while batch := list(islice(lives, _AT_ONCE)):
                self._refuse_taken(connection, [life.row.run.id for life in batch])
                self._refuse_busy(connection, [life.row.run for life in batch])
                runs = [(*row_values(life.row), body_of(life.row.run), xid) for life in batch]
                entries = [(*entry_values(entry), xid) for life in batch for entry in life.entries]
                self._copy(connection, sql.COPY_RUNS, runs)
                self._copy(connection, sql.COPY_HISTORY, entries)
            while creates := list(islice(waiting, _AT_ONCE)):
                self._refuse_taken(connection, [create.run_id for create in creates])
                self._copy(connection, sql.COPY_WAITING, [waiting_values(create) for create in creates])
            while kept := list(islice(keys, _AT_ONCE)):
                self._ask(connection, *((sql.RESTORE_KEY, texts(key_values(key))) for key in kept))
            for statement in birth_statements("postgres", self._policy):
                self._ask(connection, (statement.encode(), None))

        try:
            self._transaction(take_in, tries=1)
        except Conflict:
            raise StoreError(f"{self.url}: one entry of a history is there twice; nothing was taken in") from None

    def _refuse_taken(self, connection: Connection, ids: list[str]) -> None:
        [taken] = self._ask(connection, (sql.TAKEN, {"ids": ids}))
        seen = {run_id for (run_id,) in taken}
        for run_id in ids:
            if run_id in seen:
                raise RunExists(run_id)
            seen.add(run_id)

    def _refuse_busy(self, connection: Connection, given: list[RunObject]) -> None:
        live = [run for run in given if run.status not in TERMINAL]
        [found] = self._ask(connection, (sql.ACTIVE, {"threads": [run.thread_id for run in live]}))
        active: dict[str, str] = dict(found)
        for run in live:
            if (other := active.setdefault(run.thread_id, run.id)) != run.id:
                raise ThreadBusy(run.thread_id, other)

    def _copy(self, connection: Connection, statement: bytes, lines: list[tuple[Any, ...]]) -> None:
        try:
            copy(connection, statement, lines)
        except FAILURES as error:
            problem = understood(error, self._where)
        else:
            return
        raise problem

    def settings(self) -> dict[str, str]:
        """What decides whether a commit survives a power cut, and the server's version."""
        return dict(self._read(sql.SETTINGS))

    @contextmanager
    def snapshot(self) -> Iterator[Self]:
        """The store as it is at one moment, for reading only; it holds up no writer."""
        connection = self._connections.connect()
        try:
            for statement in STILL:
                self._ask(connection, (statement, None))
            yield self.on(connection)
        finally:
            connection.close()

    def check_feed(self) -> str | None:
        """What is wrong with the feed's order, or None: a dump restored into another cluster brings a foreign one."""
        [(greatest, next_xid, _)] = self._read(sql.CHECK_FEED)
        if greatest is None or greatest < next_xid:
            return None
        return (
            f"the feed has entries of transaction {greatest}, and this server's next is {next_xid}: they come from "
            "another server and are held back until then; renumber the feed, and let its readers begin again at 0"
        )

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the database itself, one sentence each."""
        settings = self.settings()
        off = [name for name in sql.MUST_BE_ON if settings.get(name) == "off"]
        found = [f"{name} is off: what was acknowledged may be lost when the server is" for name in off]
        [[working]] = self._read(sql.TRIGGERS_WORKING, list(TRIGGERS))
        missing = sorted(set(TRIGGERS) - set(working))
        found += [f"the trigger {name} is gone or disabled: raw SQL can break its rule" for name in missing]
        found += problems(self._read(THINGS), self._read(PAIRS), self._policy)
        foreign = self.check_feed()
        return (*found, *([foreign] if foreign else []))

    def renumber(self) -> None:
        """Make the feed of a dump that was restored into another cluster readable; its readers begin again at 0.

        Every run's entries stay in order; the runs among each other come in the order in which they began to write.
        """

        def number(connection: Connection) -> None:
            for statement in sql.RENUMBER:
                self._ask(connection, (statement, None))

        self._transaction(number)
