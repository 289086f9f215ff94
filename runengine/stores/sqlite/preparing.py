"""The tables of a store in a SQLite file: made where there are none, compared, brought up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event
from typing import Final, TypeVar

from runengine.core import PRACTICAL, Policy
from runengine.stores.schema import TABLES, forward, mismatch, newer, statements
from runengine.stores.sqlite import statements as sql
from runengine.stores.sqlite.driver import FAILURES, Connection, Place, connect, is_busy, understood
from runengine.stores.sqlite.writer import begin, undo

__all__ = ["compare", "migrate", "prepare"]

A = TypeVar("A")

_PAUSE_S: Final = 0.005


def prepare(place: Place, policy: Policy, *, create: bool) -> tuple[int, int] | None:
    """See that the file is there, in WAL mode, and its tables are this engine's; what tells the file from another.

    One that this user may only read is left in the mode it is in, unless it is to be made where there is none.

    Args:
        place: The file.
        policy: Whose rules the tables keep.
        create: Whether to make file and tables where there are none.

    Raises:
        SchemaMismatch: there are no tables, or others.
        StoreUnavailable: the file cannot be used.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     prepare(Place.of(f"{folder}/runs.db"), PRACTICAL, create=True) is None
        False
    """

    def prepared(connection: Connection) -> tuple[int, int] | None:
        if create and not _names(connection):
            _switch_to_wal(connection, place)
            begin(connection, place)
            if not _names(connection):  # of several that open a new file at once, the first makes the tables
                _run(connection, statements("sqlite", policy))
            connection.execute("COMMIT")
        compare(connection, place, policy)
        if create or place.is_writable():
            _switch_to_wal(connection, place)
        return place.identity()

    return _patiently(place, prepared, create=create)


def migrate(path_or_url: str | Path, policy: Policy = PRACTICAL, *, busy_s: float = 60.0) -> bool:
    """Bring a store's tables up to this engine's version and to a policy; whether there was anything to do.

    Args:
        path_or_url: The file, as a path or as `sqlite:///FILE`.
        policy: Whose rules they are to keep.
        busy_s: For how long a lock of another process is waited for.

    Raises:
        SchemaMismatch: there are no tables, or they are newer.
        StoreUnavailable: the file cannot be used.

    Example:
        >>> migrate("sqlite:///nowhere/runs.db")
        Traceback (most recent call last):
        runengine.errors.StoreUnavailable: sqlite:///nowhere/runs.db: there is no such folder; make it first
    """
    place = Place.of(path_or_url, busy_s)

    def migrated(connection: Connection) -> bool:
        begin(connection, place)
        found = _made(connection, place)
        steps = forward("sqlite", _version(found, place), found, policy)
        _run(connection, steps)
        connection.execute("COMMIT")
        return bool(steps)

    return _patiently(place, migrated)


def compare(connection: Connection, place: Place, policy: Policy) -> None:
    """See that the tables are those of this engine and of a policy.

    Raises:
        SchemaMismatch: there are none, or they are others.
        Exception: of the driver.

    Example:
        >>> import sqlite3
        >>> compare(sqlite3.connect(":memory:"), Place.of("sqlite:///runs.db"), PRACTICAL)
        Traceback (most recent call last):
        runengine.errors.SchemaMismatch: sqlite:///runs.db: there is no runengine store in it; make one: runengine ...
    """
    found = _made(connection, place)
    if problem := mismatch(_version(found, place), found, policy):
        raise place.mismatch(problem)


def _names(connection: Connection) -> set[str]:
    cursor = connection.cursor()
    cursor.row_factory = None
    return {name for (name,) in cursor.execute(sql.TABLES)} & set(TABLES)


def _made(connection: Connection, place: Place) -> dict[str, str]:
    names = _names(connection)
    if not names:
        raise place.mismatch("there is no runengine store in it; make one: runengine store init URL")
    if missing := set(TABLES) - names:
        raise place.mismatch(f"of the store's tables it lacks {', '.join(sorted(missing))}; restore a backup")
    cursor = connection.cursor()
    cursor.row_factory = None
    return dict(cursor.execute(sql.MADE))


def _version(found: dict[str, str], place: Place) -> int:
    version = str(found.get("version"))
    if not (version.isascii() and version.isdecimal()) or int(version) < 1:
        raise place.mismatch(f"its table runengine_schema says version {version!r}, which is none")
    if problem := newer(int(version)):
        raise place.mismatch(problem)
    return int(version)


def _patiently(place: Place, do: Callable[[Connection], A], *, create: bool = False) -> A:
    """Do something on a new connection, again as long as another has the file for itself.

    Who switches it to WAL has it, and who is the last to close it; SQLite does not wait for these by itself.
    """
    waited_s = 0.0
    while True:
        connection = connect(place, create=create, writes=True)
        try:
            return do(connection)
        except FAILURES as error:
            if not is_busy(error):
                raise understood(error, place) from None
        finally:
            undo(connection)
            connection.close()
        if waited_s >= place.busy_s:
            raise place.busy()
        Event().wait(_PAUSE_S)
        waited_s += _PAUSE_S


def _switch_to_wal(connection: Connection, place: Place) -> None:
    """Readers and the writer do not wait for each other then."""
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise place.unavailable(f"its file system cannot do WAL (it stays in mode {mode}); use a local disk")


def _run(connection: Connection, many: Iterable[str]) -> None:
    for statement in many:
        connection.execute(statement)
