"""The statements, for SQLite and PostgreSQL. The only importer of SQLAlchemy, and imported only when used.

Values are bound, never formatted, into SQL; names are quoted by SQLAlchemy. Reading takes cells raw, as the driver
gives them: what to make of a wrong one is decided in `runengine.dialects.kotlin_sql.rows`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, unquote

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import NullType

from runengine.dialects.kotlin_sql.recognition import recognise
from runengine.dialects.kotlin_sql.rows import Row, Rows
from runengine.dialects.kotlin_sql.tables import (
    POSITION,
    ROW_KEY,
    Array,
    Column,
    SqlType,
    Table,
    every_table,
    run_table,
)
from runengine.dialects.kotlin_sql.urls import NO_DRIVER, masked
from runengine.errors import DialectError, TraceUnreadable

__all__ = ["Database", "open_reading", "open_writing", "statements"]

_RUNS: Final = "RunObject"
_KEYS_MAX: Final = 10_000  # SQLite binds at most 32,766 values in a statement, PostgreSQL 65,535
_CONNECT_TIMEOUT_S: Final = 10
_DRIVERS: Final = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
_BIG: Final = sa.BigInteger()
_TYPES: Final[Mapping[SqlType, sa.types.TypeEngine[Any]]] = {
    "text": sa.Text(),
    "int": _BIG,
    "unsigned": _BIG,
    "long": _BIG,
    "decimal": sa.Numeric(),
    "boolean": sa.Boolean(),
    "blob": sa.LargeBinary(),
}
_KEY: Final = _BIG.with_variant(sa.Integer(), "sqlite")  # there only INTEGER PRIMARY KEY is the table's own order
_ID: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")  # one reading order everywhere


@frozen(eq=False)
class Database:
    """A connection to the tables of one generation, inside one transaction.

    Attributes:
        connection: The connection.
        run_table: The table of runs, with those it refers to.
        sql: All tables by name, as SQLAlchemy knows them.
        surplus: Columns of runs that no generation has.

    Example:
        >>> with open_reading("sqlite:///nowhere.db"): pass
        Traceback (most recent call last):
        runengine.errors.TraceUnreadable: sqlite:///nowhere.db: there is no such file
    """

    connection: sa.Connection
    run_table: Table
    sql: Mapping[str, sa.Table]
    surplus: tuple[str, ...] = ()

    def runs(self, after: str | None, count: int) -> list[Row]:
        """The next rows of runs by id, each with its surplus cells at the end."""
        table = self.sql[self.run_table.name]
        more = (sa.column(name, NullType()) for name in self.surplus)
        query = sa.select(*_raw(table), *more).order_by(table.c.id).limit(count)
        return self._rows(query if after is None else query.where(table.c.id > after))

    def count(self) -> int:
        """How many runs there are."""
        return self.connection.scalar(sa.select(sa.func.count()).select_from(self.sql[self.run_table.name])) or 0

    def runs_called(self, ids: Collection[str]) -> list[Row]:
        """The rows of runs with these ids."""
        table = self.sql[self.run_table.name]
        return self._rows(sa.select(*_raw(table)).where(table.c.id.in_(ids)))

    def rows_of(self, runs: Iterable[Row]) -> Rows:
        """The rows that runs refer to, and their own: one query a table, however many runs."""
        rows = Rows()
        self._gather(self.run_table, list(runs), rows)
        return rows

    def insert(self, many: Collection[Rows]) -> None:
        """Write rows."""
        for table in every_table(self.run_table):
            self._insert(table.name, [row for rows in many for row in rows.tables.get(table.name, {}).values()])
            for array in table.arrays:
                items = (joined for rows in many for joined in rows.joins.get(array.table, {}).items())
                places = [(owner, item, place) for owner, own in items for place, item in enumerate(own)]
                self._insert(array.table, places)

    def delete(self, rows: Rows) -> None:
        """Remove rows."""
        for table in every_table(self.run_table):
            for keys in _pieces(rows.tables.get(table.name, ())):
                own = self.sql[table.name]
                self.connection.execute(sa.delete(own).where(own.c[ROW_KEY].in_(keys)))
                for array in table.arrays:
                    join = self.sql[array.table]
                    self.connection.execute(sa.delete(join).where(join.c[array.owner].in_(keys)))

    def last_key(self) -> int:
        """The greatest `rowKey` of any table, 0 if there is none."""
        tables = (self.sql[table.name] for table in every_table(self.run_table))
        return max(self.connection.scalar(sa.select(sa.func.max(table.c[ROW_KEY]))) or 0 for table in tables)

    def _gather(self, table: Table, own: list[Row], rows: Rows) -> None:
        rows.tables[table.name].update((row[-1], row) for row in own)
        for place, column in enumerate(table.columns):
            if column.refers is not None:
                self._gather_inner(column.refers, (row[place] for row in own), rows)
        for array in table.arrays:
            items = self._items(array, [row[-1] for row in own])
            rows.joins[array.table].update(items)
            if array.items is not None:
                self._gather_inner(array.items, (item for some in items.values() for item in some), rows)

    def _gather_inner(self, table: Table, keys: Iterable[Any], rows: Rows) -> None:
        wanted = {key for key in keys if type(key) is int and key}
        sql = self.sql[table.name]
        own: list[Row] = []
        for some in _pieces(wanted):
            own += self._rows(sa.select(*_raw(sql)).where(sql.c[ROW_KEY].in_(some)))
        if own:
            self._gather(table, own, rows)

    def _items(self, array: Array, owners: list[Any]) -> dict[int, list[Any]]:
        join = self.sql[array.table]
        items: dict[int, list[Any]] = defaultdict(list)
        for some in _pieces([owner for owner in owners if type(owner) is int]):
            query = sa.select(*_raw(join)).where(join.c[array.owner].in_(some))
            for owner, item, _ in self._rows(query.order_by(join.c[array.owner], join.c[POSITION])):
                items[owner].append(item)
        return items

    def _rows(self, query: sa.Select[Any]) -> list[Row]:
        return [tuple(row) for row in self.connection.execute(query)]

    def _insert(self, name: str, rows: list[Row]) -> None:
        if not rows:
            return
        table, dialect = self.sql[name], self.connection.dialect
        if _is_sqlite(self.connection):
            self.connection.exec_driver_sql(str(sa.insert(table).compile(dialect=dialect)), rows)
            return
        quoted = dialect.identifier_preparer
        columns = ", ".join(quoted.format_column(column) for column in table.c)
        try:  # by COPY, which is ten times as fast as INSERT, and to which no float loses a digit
            cursor: Any = self.connection.connection.cursor()
            with cursor.copy(f"COPY {quoted.format_table(table)} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        except dialect.loaded_dbapi.Error as error:
            raise DBAPIError("COPY", None, error) from None


@contextmanager
def open_reading(url: str) -> Iterator[Database | None]:
    """Open a database for reading only: what it says stays the same until it is closed.

    Args:
        url: `sqlite:///FILE` or `postgresql://…`.

    Yields:
        The database, or None if it has no table `RunObject`.

    Raises:
        DialectError: the address is none, or a driver is not installed.
        TraceUnreadable: it cannot be opened or read, or lacks some of the tables or columns.

    Example:
        >>> with open_reading("sqlite:///nowhere.db"): pass
        Traceback (most recent call last):
        runengine.errors.TraceUnreadable: sqlite:///nowhere.db: there is no such file
    """
    address = _address(url)
    if address.drivername == "sqlite":
        file = Path(address.database or "").absolute()
        if not file.is_file():
            raise TraceUnreadable(masked(url), 0, 0, "there is no such file")
        read_only = address.set(database=f"file:{quote(str(file))}")
        address = read_only.update_query_dict({"mode": "ro", "uri": "true"} | _unlocked(file))
    try:
        with _connected(address) as connection:
            one_state = "TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
            connection.exec_driver_sql("BEGIN" if _is_sqlite(connection) else f"SET {one_state}")
            found = _found(connection)
            if _RUNS not in found:
                yield None
                return
            known = recognise(found)
            if known.problem:
                raise TraceUnreadable(masked(url), 0, 0, f"kotlin-sql: {known.problem}")
            yield Database(connection, run_table(known.generation), _sql_tables(known.generation), known.surplus)
    except SQLAlchemyError as error:
        raise TraceUnreadable(masked(url), 0, 0, _said(error)) from None
    except UnicodeDecodeError:  # not even the names of the tables are text
        raise TraceUnreadable(masked(url), 0, 0, "the file is damaged") from None


@contextmanager
def open_writing(url: str, generation: int) -> Iterator[Database]:
    """Open a database for writing, and make what tables it lacks. Nothing is kept unless all of it is.

    Args:
        url: `sqlite:///FILE` or `postgresql://…`.
        generation: Of the tables.

    Raises:
        DialectError: the address is none, a driver is not installed, it cannot be opened or written, or it has such
            tables of another generation.

    Example:
        >>> with open_writing("sqlite:///no/folder/runs.db", 6): pass
        Traceback (most recent call last):
        runengine.errors.DialectError: sqlite:///no/folder/runs.db: unable to open database file
    """
    wanted, address = run_table(generation), _address(url)
    try:
        with _cleared(address), _connected(address) as connection:
            if _is_sqlite(connection):
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            tables = _sql_tables(generation)
            tables[_RUNS].metadata.create_all(connection)
            if not _is_sqlite(connection):  # one writer at a time, as it numbers the rows; readers may read
                connection.exec_driver_sql(f'LOCK TABLE "{_RUNS}" IN SHARE ROW EXCLUSIVE MODE')
            known = recognise(_found(connection))
            if known.problem:
                raise DialectError(f"{masked(url)}: kotlin-sql: {known.problem}")
            if run_table(known.generation) != wanted:
                its = f"its tables are those of G{known.generation}, not of G{generation}"
                raise DialectError(f"{masked(url)}: kotlin-sql: {its}")
            yield Database(connection, wanted, tables)
            connection.commit()
    except SQLAlchemyError as error:
        raise DialectError(f"{masked(url)}: {_said(error)}") from None


def statements(generation: int, database: Literal["sqlite", "postgresql"]) -> list[str]:
    """The statements that make the tables, for reading: writing runs makes what is missing by itself.

    Args:
        generation: Of the tables.
        database: For which.

    Example:
        >>> print(statements(6, "sqlite")[-1])
        CREATE TABLE "AssistantsApiResponseFormatOption" (
          type TEXT,
          "rowKey" INTEGER NOT NULL,
          PRIMARY KEY ("rowKey")
        )
    """
    dialect = make_url(f"{_DRIVERS[database]}://").get_dialect()()
    return [
        str(CreateTable(table).compile(dialect=dialect)).strip().replace("\t", "  ").replace(", \n", ",\n")
        for table in _sql_tables(generation).values()
    ]


@cache
def _sql_tables(generation: int) -> Mapping[str, sa.Table]:
    metadata = sa.MetaData()
    for table in every_table(run_table(generation)):
        key = sa.Column(ROW_KEY, _BIG, unique=True, nullable=False)  # runs have a primary key of the document's
        if table.name != _RUNS:
            key = sa.Column(ROW_KEY, _KEY, primary_key=True, autoincrement=False)
        own = sa.Table(table.name, metadata, *(_sql_column(column, table) for column in table.columns), key)
        for column in table.columns:
            if column.type == "unsigned":
                own.append_constraint(sa.CheckConstraint(own.c[column.name] >= 0))
        for array in table.arrays:
            sa.Table(
                array.table,
                metadata,
                sa.Column(array.owner, _BIG, primary_key=True, autoincrement=False),
                sa.Column(array.item, _TYPES["long" if array.items else "text"], nullable=False),
                sa.Column(POSITION, _BIG, primary_key=True, autoincrement=False),
            )
    return metadata.tables


def _sql_column(column: Column, table: Table) -> sa.Column[Any]:
    is_key = table.name == _RUNS and column.name == "id"
    type_ = _ID if is_key else _TYPES[column.type]
    return sa.Column(column.name, type_, nullable=not column.required, primary_key=is_key)


def _address(url: str) -> sa.URL:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        address = None
    # an @ that is not quoted leaves (the end of) a password in the host or the name, which drivers and servers print
    known = address is not None and address.drivername in _DRIVERS and address.database
    if (
        address is None
        or not known
        or (address.drivername != "sqlite" and "@" in unquote(f"{address.host}{address.database}"))
    ):
        raise DialectError(f"{masked(url)}: expected sqlite:///FILE or postgresql://HOST/DATABASE")
    return address


def _unlocked(file: Path) -> dict[str, str]:
    """Whether a file is read without locks: SQLite cannot write those of a file in WAL mode where this user may not."""
    may_write = os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)
    return {} if may_write or Path(f"{file}-wal").exists() else {"immutable": "1"}


@contextmanager
def _connected(address: sa.URL) -> Iterator[sa.Connection]:
    """A connection whose transactions begin where we say so, and end without a trace unless committed."""
    if address.drivername == "sqlite":
        options: dict[str, Any] = {"isolation_level": None}
    else:
        options = {} if "connect_timeout" in address.query else {"connect_timeout": _CONNECT_TIMEOUT_S}
    driver = address.set(drivername=_DRIVERS[address.drivername])
    try:
        engine = sa.create_engine(driver, poolclass=NullPool, connect_args=options)
    except ModuleNotFoundError:
        raise DialectError(NO_DRIVER) from None
    with engine.connect() as connection:
        yield connection


@contextmanager
def _cleared(address: sa.URL) -> Iterator[None]:
    """Removes a SQLite file that was made by opening it, if nothing was written."""
    file = Path(address.database or "").absolute()
    made = address.drivername == "sqlite" and not file.exists()
    try:
        yield
    finally:
        if made and file.is_file() and not file.stat().st_size:
            file.unlink()


def _is_sqlite(connection: sa.Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _said(error: SQLAlchemyError) -> str:
    """What the driver said, in one line."""
    said = str(getattr(error, "orig", None) or error).strip()
    return said.splitlines()[0] if said else type(error).__name__


def _found(connection: sa.Connection) -> dict[str, set[str]]:
    """The columns of every table there is."""
    return {table: {c["name"] for c in own} for (_, table), own in sa.inspect(connection).get_multi_columns().items()}


def _raw(table: sa.Table) -> list[sa.ColumnElement[Any]]:
    return [sa.type_coerce(column, NullType()) for column in table.c]


def _pieces(keys: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(keys)
    while piece := list(islice(rest, _KEYS_MAX)):
        yield piece
