"""The store on PostgreSQL: what it is asked beside plans, and its upkeep."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
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
from runengine.stores.postgres.async_executing import AsyncExecuting
from runengine.stores.postgres.async_preparing import migrate_async, prepare_async
from runengine.stores.postgres.driver import (
    FAILURES,
    AsyncConnection,
    AsyncConnections,
    copy_async,
    hosted_async,
    understood,
)
from runengine.stores.postgres.listening import AsyncListener
from runengine.stores.postgres.looking import PAIRS, STILL, THINGS, problems
from runengine.stores.postgres.rows import place_of, placed, texts
from runengine.stores.postgres.wording import Conflict, Where
from runengine.stores.records import Entry, Key, Life, Row, RunQuery, Waiting
from runengine.stores.schema import TRIGGERS, birth_statements, drop_birth_statements

__all__ = ["AsyncPostgresStore"]

_TIMEOUT_S: Final = 30.0
_AT_ONCE: Final = 500


class AsyncPostgresStore(AsyncExecuting):
    """Runs in a PostgreSQL database, version 16 or later; `open` opens it.

    Example:
        >>> AsyncPostgresStore.has_clock
        True
    """

    def __init__(
        self,
        where: Where,
        policy: Policy,
        connections: AsyncConnections,
        host: AsyncConnection | None = None,
        home: list[Any] | None = None,
    ) -> None:
        super().__init__(where, policy, connections, host, home)
        self._listener: Final = AsyncListener(connections.connect)

    @classmethod
    async def open(
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
        connections = AsyncConnections(where, connections_max)
        connection = await connections.connect()
        try:
            await prepare_async(connection, where, policy, create=create)
        finally:
            await connection.close()
        await connections.open()
        return cls(where, policy, connections)

    @classmethod
    async def migrate(cls, url: str, policy: Policy = PRACTICAL, *, timeout_s: float = _TIMEOUT_S) -> bool:
        """Bring a store's tables up to this engine's version and to a policy; whether there was anything to do.

        Raises:
            StoreUnavailable: the address is none, or the database cannot be opened.
            SchemaMismatch: there are no tables, or they are newer.
        """
        where = Where(url=url, timeout_s=timeout_s)
        connection = await AsyncConnections(where, 1).connect()
        try:
            return await migrate_async(connection, where, policy)
        finally:
            await connection.close()

    def on(self, connection: Any) -> Self:
        """The same store on the host's own connection: it writes in the host's transaction, and the host commits.

        Each request is a savepoint of that transaction. Where the connection commits by itself and is in none, each
        request is a transaction of its own.

        Raises:
            StoreError: the connection is not psycopg's; at its first use: it is to another store.
        """
        return type(self)(self._where, self._policy, self._connections, hosted_async(connection), self._home)

    async def close(self) -> None:
        """As `Store.close`; the host's connection stays open."""
        await self._listener.close()
        if self._host is None:
            await self._connections.close()

    async def row(self, run_id: str) -> Row | None:
        """As `Store.row`."""
        lines = await self._read(sql.ROW, run_id)
        return row_of(lines[0]) if lines else None

    async def runs(self, query: RunQuery) -> tuple[Row, ...]:
        """As `Store.runs`."""
        statement, values = sql.runs(query)
        rows = tuple(row_of(line) for line in await self._read(statement, *values))
        if not rows and query.after is not None and await self.row(query.after) is None:
            raise RunNotFound(query.after)
        return rows

    async def history(self, run_id: str, after: int = 0, limit: int | None = None) -> tuple[Entry, ...]:
        """As `Store.history`."""
        return placed(await self._read(sql.HISTORY, *texts((run_id, after, limit))))

    async def feed(self, after: int = 0, limit: int = 1000) -> tuple[Entry, ...]:
        """As `Store.feed`; a transaction that is still open holds back what is written after it."""
        return placed(await self._read(sql.FEED, *place_of(after), str(limit)))

    async def head(self) -> int:
        """As `Store.head`."""
        newest = placed(await self._read(sql.HEAD))
        return newest[0].position if newest else 0

    async def wait(self, timeout_s: float, after: int) -> None:
        """As `Store.wait`; returns after a quarter of a second at the latest."""
        news = self._listener.news  # before it looks: what is told after that is heard
        if not await self.feed(after, 1):
            await self._listener.wait(timeout_s, news)

    async def waiting(self, thread_id: str | None = None, limit: int = 1000) -> tuple[Waiting, ...]:
        """As `Store.waiting`."""
        return tuple(waiting_of(line) for line in await self._read(sql.WAITING, *texts((thread_id, thread_id, limit))))

    async def due(self, now_us: int | None, limit: int = 1000) -> tuple[str, ...]:
        """As `Store.due`."""
        return tuple(run_id for _, run_id in sorted(await self._read(sql.DUE, *texts((now_us, limit)))))

    async def next_deadline(self) -> tuple[int, str] | None:
        """As `Store.next_deadline`."""
        for deadline_us, run_id in await self._read(sql.NEXT_DEADLINE):
            return deadline_us, run_id
        return None

    async def keys(self, after: str = "", limit: int = 1000) -> tuple[Key, ...]:
        """As `Store.keys`."""
        return tuple(key_of(line) for line in await self._read(sql.KEYS, after, str(limit)))

    async def compact(self, before_us: int, limit: int = 1000) -> int:
        """As `Store.compact`."""

        async def cut(connection: AsyncConnection) -> int:
            [lines] = await self._ask(connection, (sql.COMPACT, texts((before_us, limit))))
            entries = [entry_values(snapshot_of(row_of(line))) for line in lines]
            if not entries:
                return 0
            columns = [[str(entry[place]) for entry in entries] for place in (0, 1, 6)]
            [done] = await self._ask(connection, (sql.CUT, columns))
            return len(done)

        return await self._transaction(cut)

    async def forget(self, before_us: int, limit: int = 1000) -> int:
        """As `Store.forget`."""

        async def remove(connection: AsyncConnection) -> int:
            await self._ask(connection, (sql.FORGET_KEYS, texts((before_us,))))
            [done] = await self._ask(connection, (sql.FORGET, texts((before_us, limit))))
            return len(done)

        return await self._transaction(remove)

    async def restore(self, lives: Iterable[Life], waiting: Iterable[Waiting] = (), keys: Iterable[Key] = ()) -> None:
        """As `Store.restore`; others can read meanwhile, but not write."""
        lives, waiting, keys = iter(lives), iter(waiting), iter(keys)

        async def take_in(connection: AsyncConnection) -> None:
            for statement in drop_birth_statements("postgres"):
                await self._ask(connection, (statement.encode(), None))
            [[(xid,)]] = await self._ask(connection, (sql.XID, None))
            while batch := list(islice(lives, _AT_ONCE)):
                await self._refuse_taken(connection, [life.row.run.id for life in batch])
                await self._refuse_busy(connection, [life.row.run for life in batch])
                runs = [(*row_values(life.row), body_of(life.row.run), xid) for life in batch]
                entries = [(*entry_values(entry), xid) for life in batch for entry in life.entries]
                await self._copy(connection, sql.COPY_RUNS, runs)
                await self._copy(connection, sql.COPY_HISTORY, entries)
            while creates := list(islice(waiting, _AT_ONCE)):
                await self._refuse_taken(connection, [create.run_id for create in creates])
                await self._copy(connection, sql.COPY_WAITING, [waiting_values(create) for create in creates])
            while kept := list(islice(keys, _AT_ONCE)):
                await self._ask(connection, *((sql.RESTORE_KEY, texts(key_values(key))) for key in kept))
            for statement in birth_statements("postgres", self._policy):
                await self._ask(connection, (statement.encode(), None))

        try:
            await self._transaction(take_in, tries=1)
        except Conflict:
            raise StoreError(f"{self.url}: one entry of a history is there twice; nothing was taken in") from None

    async def _refuse_taken(self, connection: AsyncConnection, ids: list[str]) -> None:
        [taken] = await self._ask(connection, (sql.TAKEN, {"ids": ids}))
        seen = {run_id for (run_id,) in taken}
        for run_id in ids:
            if run_id in seen:
                raise RunExists(run_id)
            seen.add(run_id)

    async def _refuse_busy(self, connection: AsyncConnection, given: list[RunObject]) -> None:
        live = [run for run in given if run.status not in TERMINAL]
        [found] = await self._ask(connection, (sql.ACTIVE, {"threads": [run.thread_id for run in live]}))
        active: dict[str, str] = dict(found)
        for run in live:
            if (other := active.setdefault(run.thread_id, run.id)) != run.id:
                raise ThreadBusy(run.thread_id, other)

    async def _copy(self, connection: AsyncConnection, statement: bytes, lines: list[tuple[Any, ...]]) -> None:
        try:
            await copy_async(connection, statement, lines)
        except FAILURES as error:
            problem = understood(error, self._where)
        else:
            return
        raise problem

    async def settings(self) -> dict[str, str]:
        """What decides whether a commit survives a power cut, and the server's version."""
        return dict(await self._read(sql.SETTINGS))

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Self]:
        """The store as it is at one moment, for reading only; it holds up no writer."""
        connection = await self._connections.connect()
        try:
            for statement in STILL:
                await self._ask(connection, (statement, None))
            yield self.on(connection)
        finally:
            await connection.close()

    async def check_feed(self) -> str | None:
        """What is wrong with the feed's order, or None: a dump restored into another cluster brings a foreign one."""
        [(greatest, next_xid, _)] = await self._read(sql.CHECK_FEED)
        if greatest is None or greatest < next_xid:
            return None
        return (
            f"the feed has entries of transaction {greatest}, and this server's next is {next_xid}: they come from "
            "another server and are held back until then; renumber the feed, and let its readers begin again at 0"
        )

    async def problems(self) -> tuple[str, ...]:
        """What is wrong with the database itself, one sentence each."""
        settings = await self.settings()
        off = [name for name in sql.MUST_BE_ON if settings.get(name) == "off"]
        found = [f"{name} is off: what was acknowledged may be lost when the server is" for name in off]
        [[working]] = await self._read(sql.TRIGGERS_WORKING, list(TRIGGERS))
        missing = sorted(set(TRIGGERS) - set(working))
        found += [f"the trigger {name} is gone or disabled: raw SQL can break its rule" for name in missing]
        found += problems(await self._read(THINGS), await self._read(PAIRS), self._policy)
        foreign = await self.check_feed()
        return (*found, *([foreign] if foreign else []))

    async def renumber(self) -> None:
        """Make the feed of a dump that was restored into another cluster readable; its readers begin again at 0.

        Every run's entries stay in order; the runs among each other come in the order in which they began to write.
        """

        async def number(connection: AsyncConnection) -> None:
            for statement in sql.RENUMBER:
                await self._ask(connection, (statement, None))

        await self._transaction(number)
