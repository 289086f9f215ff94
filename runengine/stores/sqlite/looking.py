"""A look at a SQLite file itself: which store it is, whether it is whole, whether it keeps what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from runengine.core import Policy
from runengine.stores.schema import ONE_ACTIVE, TABLES, TRIGGERS
from runengine.stores.schema.tables import SCHEMA, TRANSITIONS
from runengine.stores.sqlite import statements as sql
from runengine.stores.sqlite.driver import FAILURES, Connection, Place, connect, understood

__all__ = ["problems", "schema_rows", "shrink"]

_WHOLE_MAX: Final = 20
_FULL: Final = 2
_THINGS: Final = "SELECT name FROM sqlite_master"
_PAIRS: Final = f"SELECT source, target FROM {TRANSITIONS}"  # noqa: S608 - our own name


def schema_rows(path_or_url: str | Path) -> dict[str, str] | None:
    """What a file says of the store in it, or None where there is none.

    Raises:
        StoreUnavailable: there is no such file, or it cannot be read.

    Example:
        >>> schema_rows("nowhere.db")
        Traceback (most recent call last):
        runengine.errors.StoreUnavailable: sqlite:///nowhere.db: there is no such file; make a store: runengine ...
    """
    place = Place.of(path_or_url)
    try:
        with closing(connect(place)) as connection:
            tables = {name for (name,) in connection.execute(sql.TABLES)}
            return dict(connection.execute(sql.MADE)) if SCHEMA in tables else None
    except FAILURES as error:
        raise understood(error, place) from None


def problems(
    connection: Connection, policy: Policy, *, is_full: bool = True, is_writable: bool = True
) -> Iterator[str]:
    """What is wrong with the file, its settings and its tables; the whole file is read.

    Args:
        connection: To the file.
        policy: Whose rules its tables are made for.
        is_full: Whether commits are to survive a power cut.
        is_writable: Whether this user may write it; else nobody's mode is known, as it is read without one.

    Example:
        >>> import sqlite3
        >>> from runengine.core import PRACTICAL
        >>> list(problems(sqlite3.connect(":memory:"), PRACTICAL))[0][:31]
        'journal_mode is memory, not wal'
    """
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if is_writable and mode != "wal":
        yield f"journal_mode is {mode}, not wal: readers and the writer block each other"
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    if is_full and synchronous < _FULL:
        yield "synchronous is less than full: a power cut can take commits that were answered"
    for (message,) in connection.execute(f"PRAGMA integrity_check({_WHOLE_MAX})"):
        if message != "ok":
            yield f"integrity_check: {message}"
    for table, number, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"line {number} of {table} points to none of {parent}"
    there = {name for (name,) in connection.execute(_THINGS)}
    for name in (*TABLES, *TRIGGERS, ONE_ACTIVE):
        if name not in there:
            yield f"{name} is missing, so the database does not keep its rules"
    if TRANSITIONS in there and {*connection.execute(_PAIRS)} != policy.edges.keys():
        yield f"the legal steps in {TRANSITIONS} are not those of policy {policy.name}: runengine store migrate URL"


def shrink(place: Place) -> int:
    """Give the free room of a file back to the disk; how many bytes. Writers wait meanwhile, readers do not.

    Raises:
        StoreUnavailable: the file cannot be written.

    Example:
        >>> shrink(Place.of("nowhere/runs.db"))
        Traceback (most recent call last):
        runengine.errors.StoreUnavailable: sqlite:///nowhere/runs.db: there is no such folder; make it first
    """
    connection = connect(place)
    try:
        connection.execute("PRAGMA query_only = OFF")
        before = _bytes(connection)
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return max(0, before - _bytes(connection))
    except FAILURES as error:
        raise understood(error, place) from None
    finally:
        connection.close()


def _bytes(connection: Connection) -> int:
    pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages * size)
