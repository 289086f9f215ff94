"""Connections, pools, and what their errors mean. The only importer of psycopg and psycopg_pool.

What is said of an error is in `runengine.stores.postgres.wording`.
"""

from __future__ import annotations

import select
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from runengine.errors import StoreError, StoreUnavailable
from runengine.stores.postgres.hot import Hot
from runengine.stores.postgres.wording import NOT_TEXT, Gone, Where

try:
    import psycopg
    import psycopg_pool
    from psycopg.conninfo import conninfo_to_dict
    from psycopg.rows import tuple_row
except ImportError:
    raise StoreUnavailable("postgresql", "the store needs its driver: pip install 'runengine[sql]'") from None

__all__ = [
    "AsyncConnection",
    "AsyncConnections",
    "Connection",
    "Connections",
    "FAILURES",
    "Lines",
    "Statement",
    "ask",
    "ask_all",
    "ask_all_async",
    "ask_async",
    "copy",
    "copy_async",
    "hosted",
    "hosted_async",
    "is_in_transaction",
    "understood",
]

Connection: TypeAlias = "psycopg.Connection[Any]"
AsyncConnection: TypeAlias = "psycopg.AsyncConnection[Any]"
Statement: TypeAlias = "tuple[bytes, Any]"
Lines: TypeAlias = "list[tuple[Any, ...]]"

FAILURES: Final = (psycopg.Error, UnicodeError)
"""What the driver raises; `understood` tells what it means."""

_CONNECT_TIMEOUT_S_MAX: Final = 10
_SETTINGS: Final = b"""SELECT set_config('lock_timeout', %(ms)s, false),
  set_config('idle_in_transaction_session_timeout', %(ms)s, false),
  set_config('default_transaction_isolation', 'read committed', false),
  set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false),
  set_config('plan_cache_mode', 'force_generic_plan', false)"""
"""Every statement has its index. A plan made while the tables were small would read them whole when they are large;
and one plan serves all values, so that the first five executions need not each make their own."""


def understood(error: Exception, where: Where) -> Exception:
    """What an error of the driver means: `Conflict`, `Gone`, or what the caller is told.

    Example:
        >>> understood(psycopg.errors.DiskFull("no"), Where(url="postgresql://h/runs", timeout_s=30))
        StoreUnavailable('postgresql://h/runs', "the server's disk is full; make room, then ask again")
    """
    if not isinstance(error, psycopg.Error):
        return ValueError(NOT_TEXT)
    if error.sqlstate is not None:
        return where.answered(error.sqlstate, error.diag.message_primary or type(error).__name__)
    if isinstance(error, psycopg.DataError):
        return ValueError(NOT_TEXT)
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return Gone()
    return StoreError(f"{where.shown}: the driver fails: {type(error).__name__}")


def _options(where: Where) -> dict[str, Any]:
    """What a connection is opened with; an address that is none is refused."""
    try:
        given = conninfo_to_dict(where.url)
    except (psycopg.Error, UnicodeError):
        given = None
    if given is None or not where.url.startswith(("postgresql://", "postgres://")):
        form = "postgresql://user:password@host:port/database, special characters as %40"
        raise where.unavailable(f"this is no address that PostgreSQL's client library reads; write {form}")
    more = {
        "connect_timeout": min(max(2, round(where.timeout_s)), _CONNECT_TIMEOUT_S_MAX),
        "tcp_user_timeout": round(1000 * where.timeout_s),
        "fallback_application_name": "runengine",
    }
    missing = {name: value for name, value in more.items() if name not in given}
    return {"autocommit": True, "prepare_threshold": 1, "client_encoding": "utf8", **missing}


def _settings(where: Where) -> Statement:
    return _SETTINGS, {"ms": f"{max(1, round(1000 * where.timeout_s))}ms"}


def is_in_transaction(connection: Connection | AsyncConnection) -> bool:
    """Whether the host's connection has begun a transaction, or begins one with the next statement.

    Example:
        >>> is_in_transaction.__annotations__["return"]
        'bool'
    """
    return not connection.autocommit or connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE


def hosted(connection: Any) -> Connection:
    """The host's connection, if the store can write on it.

    Raises:
        StoreError: it is another driver's, or asyncio's.

    Example:
        >>> hosted("no connection")
        Traceback (most recent call last):
        runengine.errors.StoreError: postgresql: a store writes on a psycopg.Connection, not on a builtins.str
    """
    if isinstance(connection, psycopg.Connection):
        return connection
    raise StoreError(f"postgresql: a store writes on a psycopg.Connection, not on {_kind(connection)}")


def hosted_async(connection: Any) -> AsyncConnection:
    """As `hosted`.

    Example:
        >>> hosted_async("no connection")
        Traceback (most recent call last):
        runengine.errors.StoreError: postgresql: an async store on a psycopg.AsyncConnection, not on a builtins.str
    """
    if isinstance(connection, psycopg.AsyncConnection):
        return connection
    raise StoreError(f"postgresql: an async store on a psycopg.AsyncConnection, not on {_kind(connection)}")


def _kind(connection: Any) -> str:
    kind = type(connection)
    more = " (of SQLAlchemy, give connection.connection.driver_connection)" if "sqlalchemy" in kind.__module__ else ""
    return f"a {kind.__module__}.{kind.__qualname__}{more}"


def ask(connection: Connection, statement: Statement) -> Lines:
    """Run a statement, with the rows as tuples whatever the host has set.

    Example:
        >>> ask.__name__
        'ask'
    """
    cursor = psycopg.Cursor(connection, row_factory=tuple_row).execute(*statement)
    return cursor.fetchall() if cursor.description else []


async def ask_async(connection: AsyncConnection, statement: Statement) -> Lines:
    """As `ask`.

    Example:
        >>> ask_async.__name__
        'ask_async'
    """
    cursor = await psycopg.AsyncCursor(connection, row_factory=tuple_row).execute(*statement)
    return await cursor.fetchall() if cursor.description else []


def ask_all(connection: Connection, statements: Sequence[Statement], *, is_hosts: bool) -> list[Lines]:
    """Run statements in one round trip; after the first that fails none is run.

    After an error `connection.rollback()` must follow: psycopg believes then that all of them are prepared. On the
    host's connection, where that cannot be, none of them is prepared.

    Example:
        >>> ask_all.__name__
        'ask_all'
    """
    prepare = False if is_hosts else None
    with connection.pipeline():
        cursors = [
            psycopg.Cursor(connection, row_factory=tuple_row).execute(*statement, prepare=prepare)
            for statement in statements
        ]
    return [cursor.fetchall() if cursor.description else [] for cursor in cursors]


async def ask_all_async(connection: AsyncConnection, statements: Sequence[Statement], *, is_hosts: bool) -> list[Lines]:
    """As `ask_all`.

    Example:
        >>> ask_all_async.__name__
        'ask_all_async'
    """
    cursors = []
    prepare = False if is_hosts else None
    async with connection.pipeline():
        for statement in statements:
            cursor = psycopg.AsyncCursor(connection, row_factory=tuple_row)
            cursors.append(await cursor.execute(*statement, prepare=prepare))
    return [await cursor.fetchall() if cursor.description else [] for cursor in cursors]


def copy(connection: Connection, sql: bytes, lines: Sequence[Sequence[Any]]) -> None:
    """Send lines of a table.

    Example:
        >>> copy.__name__
        'copy'
    """
    with psycopg.Cursor(connection).copy(sql) as sink:
        for line in lines:
            sink.write_row(line)


async def copy_async(connection: AsyncConnection, sql: bytes, lines: Sequence[Sequence[Any]]) -> None:
    """As `copy`.

    Example:
        >>> copy_async.__name__
        'copy_async'
    """
    async with psycopg.AsyncCursor(connection).copy(sql) as sink:
        for line in lines:
            await sink.write_row(line)


def _is_quiet(connection: Connection | AsyncConnection) -> bool:
    """Whether nothing has come in on an idle connection: what comes there is the server's farewell."""
    if not hasattr(select, "poll"):
        return not select.select([connection.fileno()], [], [], 0)[0]
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


def _is_fit(connection: Connection | AsyncConnection) -> bool:
    """Whether the next can use it as it is: the pool mends or replaces what is not."""
    return not connection.closed and connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


class Connections:
    """A pool of connections to one database, for threads.

    Example:
        >>> Connections(Where(url="postgresql://h/runs", timeout_s=30), 10).where.shown
        'postgresql://h/runs'
    """

    def __init__(self, where: Where, connections_max: int) -> None:
        self.where: Final = where
        self._max: Final = connections_max
        self._pool: psycopg_pool.ConnectionPool[Connection] = psycopg_pool.ConnectionPool(
            where.url,
            kwargs=_options(where),
            min_size=0,
            max_size=connections_max,
            open=False,
            timeout=where.timeout_s,
            configure=self._configure,
        )
        self._hot: Final[Hot[Connection]] = Hot()

    def _configure(self, connection: Connection) -> None:
        ask(connection, _settings(self.where))

    def open(self) -> None:
        """Begin; connections are made when they are wanted."""
        self._pool.open()

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()
        for connection in self._hot.close():
            connection.close()

    def connect(self) -> Connection:
        """A connection outside the pool."""
        try:
            connection = psycopg.Connection.connect(self.where.url, **_options(self.where))
            self._configure(connection)
        except FAILURES as error:
            problem = self.where.unreachable(error)
        else:
            return connection
        raise problem

    def take(self) -> Connection:
        """A connection that was alive a moment ago."""
        for _ in range(self._max + 1):
            try:
                connection = self._any()
            except psycopg_pool.PoolClosed:
                raise self.where.unavailable("the store is closed") from None
            except psycopg_pool.PoolTimeout:
                break
            try:
                if not connection.closed and (_is_quiet(connection) or not self._pool.check_connection(connection)):
                    return connection
            except (psycopg.Error, OSError, ValueError):
                connection.close()
            self.give(connection)
        self.connect().close()
        raise self.where.busy(self._max)

    def give(self, connection: Connection) -> None:
        """Give it back, or away if it is broken."""
        if not (_is_fit(connection) and self._hot.keep(connection)):
            self._pool.putconn(connection)

    def _any(self) -> Connection:
        connection = self._hot.take()
        if connection is not None:
            return connection
        try:
            return self._pool.getconn()
        finally:
            self._hot.served()


class AsyncConnections:
    """As `Connections`, for asyncio.

    Example:
        >>> AsyncConnections(Where(url="postgresql://h/runs", timeout_s=30), 10).where.shown
        'postgresql://h/runs'
    """

    def __init__(self, where: Where, connections_max: int) -> None:
        self.where: Final = where
        self._max: Final = connections_max
        self._pool: psycopg_pool.AsyncConnectionPool[AsyncConnection] = psycopg_pool.AsyncConnectionPool(
            where.url,
            kwargs=_options(where),
            min_size=0,
            max_size=connections_max,
            open=False,
            timeout=where.timeout_s,
            configure=self._configure,
        )
        self._hot: Final[Hot[AsyncConnection]] = Hot()

    async def _configure(self, connection: AsyncConnection) -> None:
        await ask_async(connection, _settings(self.where))

    async def open(self) -> None:
        """As `Connections.open`."""
        await self._pool.open()

    async def close(self) -> None:
        """As `Connections.close`."""
        await self._pool.close()
        for connection in self._hot.close():
            await connection.close()

    async def connect(self) -> AsyncConnection:
        """As `Connections.connect`."""
        try:
            connection = await psycopg.AsyncConnection.connect(self.where.url, **_options(self.where))
            await self._configure(connection)
        except FAILURES as error:
            problem = self.where.unreachable(error)
        else:
            return connection
        raise problem

    async def take(self) -> AsyncConnection:
        """As `Connections.take`."""
        for _ in range(self._max + 1):
            try:
                connection = await self._any()
            except psycopg_pool.PoolClosed:
                raise self.where.unavailable("the store is closed") from None
            except psycopg_pool.PoolTimeout:
                break
            try:
                if not connection.closed:
                    if not _is_quiet(connection):
                        await self._pool.check_connection(connection)
                    return connection
            except (psycopg.Error, OSError, ValueError):
                await connection.close()
            await self.give(connection)
        await (await self.connect()).close()
        raise self.where.busy(self._max)

    async def give(self, connection: AsyncConnection) -> None:
        """As `Connections.give`."""
        if not (_is_fit(connection) and self._hot.keep(connection)):
            await self._pool.putconn(connection)

    async def _any(self) -> AsyncConnection:
        connection = self._hot.take()
        if connection is not None:
            return connection
        try:
            return await self._pool.getconn()
        finally:
            self._hot.served()
