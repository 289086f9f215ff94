"""The tables of the ktorm document: each row of `RunObject` is one snapshot of a run. Read-only, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from runengine.dialects.kotlin_sql import is_kotlin_sql, masked, read_runs
from runengine.errors import DialectError, TraceUnreadable
from runengine.validation.observations import Observation
from runengine.validation.readers.reader import DatabaseReader

__all__ = ["READER", "read_kotlin_sql"]

_NEITHER: Final = (
    "it is neither a runengine store nor does it have the kotlin-sql tables (no table RunObject); runengine store init "
    "URL makes a store"
)


def read_kotlin_sql(url: str) -> Iterator[Observation]:
    """Snapshots in the order of ids; the line of one is its number in that order, from 1.

    Args:
        url: `sqlite:///FILE` or `postgresql://…`.

    Raises:
        TraceUnreadable: it is no such database, or cannot be read.

    Example:
        >>> list(read_kotlin_sql("sqlite:///nowhere.db"))
        Traceback (most recent call last):
        runengine.errors.TraceUnreadable: sqlite:///nowhere.db: there is no such file
    """
    try:
        if not is_kotlin_sql(url):
            raise TraceUnreadable(masked(url), 0, 0, _NEITHER)
        for number, document in enumerate(read_runs(url), 1):
            yield Observation(document, number)
    except DialectError as error:
        raise TraceUnreadable(masked(url), 0, 0, str(error).removeprefix(f"{masked(url)}: ")) from None


READER: Final = DatabaseReader(
    name="kotlin-sql",
    says="the tables of the Kotlin (ktorm) document",
    recognises=lambda _url: True,
    read=read_kotlin_sql,
)
"""For the registry."""
