"""Runs written to the tables and read from them, in batches, as native JSON documents.

SQLAlchemy is imported when a database is opened, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import count, islice
from typing import TYPE_CHECKING, Final

from runengine.core.generations import LATEST
from runengine.core.parts import JSON
from runengine.dialects.kotlin_sql.rows import Rows, from_row, legible, losses, to_rows
from runengine.dialects.kotlin_sql.tables import DOCUMENT, Table, run_table
from runengine.dialects.kotlin_sql.urls import NO_DRIVER, masked
from runengine.dialects.limits import Loss
from runengine.errors import DialectError, PayloadError, TraceUnreadable

if TYPE_CHECKING:
    from runengine.dialects.kotlin_sql.database import Database

__all__ = ["described", "is_kotlin_sql", "read_runs", "write_runs"]

_BATCH: Final = 1000
_NO_RUNS: Final = "kotlin-sql: no table RunObject"
_REPLACED: Final = Loss((), "an earlier snapshot of the run is replaced: the tables hold one for each")


def is_kotlin_sql(url: str) -> bool:
    """Whether a database has the tables: one is called `RunObject`.

    Args:
        url: `sqlite:///FILE` or `postgresql://…`.

    Raises:
        DialectError: the address is none, or a driver is not installed.
        TraceUnreadable: it cannot be opened, or has only some of the tables or columns.

    Example:
        >>> is_kotlin_sql("sqlite:///nowhere.db")
        Traceback (most recent call last):
        runengine.errors.TraceUnreadable: sqlite:///nowhere.db: there is no such file
    """
    with _open_reading(url) as database:
        return database is not None


def described(url: str) -> tuple[int, tuple[int, ...]]:
    """How many runs the tables hold, and the generations whose tables they are.

    Args:
        url: `sqlite:///FILE` or `postgresql://…`.

    Raises:
        DialectError: the address is none, or a driver is not installed.
        TraceUnreadable: it cannot be read, or has none, or only some, of the tables or columns.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     url = f"sqlite:///{folder}/runs.db"
        ...     written = write_runs(url, [{"id": "run_1", "status": "queued"}], lambda number, lost: None)
        ...     described(url)
        (1, (6,))
    """
    with _open_reading(url) as database:
        if database is None:
            raise TraceUnreadable(masked(url), 0, 0, _NO_RUNS)
        alike = (g for g in range(DOCUMENT, LATEST.number + 1) if run_table(g) == database.run_table)
        return database.count(), tuple(alike)


def read_runs(url: str, batch: int = _BATCH) -> Iterator[dict[str, JSON]]:
    """Read every run, in the order of ids. The connection is read-only and sees one state of the tables throughout.

    Args:
        url: `sqlite:///FILE` or `postgresql://…`.
        batch: How many runs are held at once.

    Yields:
        Native documents. 0 and '' are null where the field may be null; a cell that cannot be understood is left as it
        stands, in its field. A column that no generation has is a key of the same name.

    Raises:
        DialectError: the address is none, or a driver is not installed.
        TraceUnreadable: it cannot be read, or has none, or only some, of the tables or columns.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     url = f"sqlite:///{folder}/runs.db"
        ...     written = write_runs(url, [{"id": "run_1", "status": "queued"}], lambda number, lost: None)
        ...     [(run["status"], run["started_at"], run["tools"]) for run in read_runs(url)]
        [('queued', None, [])]
    """
    with _open_reading(url) as database:
        if database is None:
            raise TraceUnreadable(masked(url), 0, 0, _NO_RUNS)
        after, width = None, len(database.run_table.names)
        while runs := database.runs(after, batch):
            own = [row[:width] for row in runs]
            rows = database.rows_of(own)
            for row, whole in zip(own, runs, strict=True):
                more = zip(database.surplus, map(legible, whole[width:]), strict=True)
                yield {**from_row(row, database.run_table, rows), **dict(more)}
            after = runs[-1][0]


def write_runs(
    url: str,
    documents: Iterable[Mapping[str, JSON]],
    report: Callable[[int, list[Loss]], None],
    generation: int = DOCUMENT,
    batch: int = _BATCH,
) -> int:
    """Write runs, in one transaction: all of them, or none if anything is raised on the way.

    The tables hold one snapshot of a run. A later one of the same run replaces it, whenever that was written.

    Args:
        url: `sqlite:///FILE`, which is made if need be, or `postgresql://…`.
        documents: Native documents.
        report: Told of each document that the tables cannot carry whole: its number from 1, and what is lost. What it
            raises stops the writing.
        generation: Of the tables: 6, which is the document's, or a later one.
        batch: How many documents are held at once.

    Returns:
        How many documents there were.

    Raises:
        DialectError: the address is none, a driver is not installed, the database cannot be written or has tables of
            another generation, or a document has no id.

    Example:
        >>> import tempfile
        >>> document = {"id": "run_1", "object": "thread.run", "top_p": 0.5}
        >>> def first(number, losses): print(number, losses[0].path, losses[0].why)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_runs(f"sqlite:///{folder}/runs.db", [document], first)
        1 top_p there is no column for it
        1
    """
    table, rest, number = run_table(generation), iter(documents), 0
    with _open_writing(url, generation) as database:
        keys = count(database.last_key() + 1)
        while some := list(islice(rest, batch)):
            split = [_split(document, number, table, keys) for number, document in enumerate(some, number + 1)]
            old = database.runs_called({id for id, _, _ in split})
            last: dict[str, Rows] = {}
            written = {row[0] for row in old}
            for id, rows, lost in split:
                number += 1
                found = [*([_REPLACED] if id in written else ()), *lost]
                if found:
                    report(number, found)
                written.add(id)
                last[id] = rows
            if old:
                database.delete(database.rows_of(old))
            database.insert(last.values())
    return number


def _split(
    document: Mapping[str, JSON], number: int, table: Table, keys: Iterator[int]
) -> tuple[str, Rows, list[Loss]]:
    if not isinstance(document.get("id"), str):
        raise PayloadError([f"$.id: of document {number}: expected str, found {document.get('id')!r:.60}"])
    rows = Rows()
    try:
        row = rows.tables[table.name][to_rows(document, table, keys, rows)]
        lost = list(losses(dict(document), from_row(row, table, rows)))
    except RecursionError:
        raise PayloadError([f"$: document {number} is nested too deep"]) from None
    return row[0], rows, lost


def _open_reading(url: str) -> AbstractContextManager[Database | None]:
    try:
        from runengine.dialects.kotlin_sql.database import open_reading
    except ModuleNotFoundError:
        raise DialectError(NO_DRIVER) from None
    return open_reading(url)


def _open_writing(url: str, generation: int) -> AbstractContextManager[Database]:
    try:
        from runengine.dialects.kotlin_sql.database import open_writing
    except ModuleNotFoundError:
        raise DialectError(NO_DRIVER) from None
    return open_writing(url, generation)
