"""A store of this engine: the history of each run, and the run as it was after each entry. Read-only, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Final

from runengine.core import PERMISSIVE, SECOND_US, RunObject
from runengine.dialects import write_run
from runengine.dialects.kotlin_sql import masked
from runengine.errors import DialectError, StoreError, TraceUnreadable
from runengine.stores.base import Store
from runengine.stores.folding import fold
from runengine.stores.opening import database_of, open_as_made, schema_of
from runengine.stores.records import Entry, Row
from runengine.stores.walking import Hole, every_entry, readable_rows, steady
from runengine.validation.observations import Item, Observation, Unreadable
from runengine.validation.readers.reader import DatabaseReader

__all__ = ["READER", "is_store", "read_store"]

_TO_MAKE: Final = "; make a store: "
"""What a store says to do about a file that is not there; to somebody who has runs to check it is no help."""


def is_store(url: str) -> bool:
    """Whether a database is a store of this engine, told by its table `runengine_schema`.

    Args:
        url: An address; one of which no store is known is that of none.

    Raises:
        TraceUnreadable: it cannot be opened.

    Example:
        >>> is_store("mysql://runs")
        False
    """
    try:
        database_of(url)
    except StoreError:
        return False
    try:
        return schema_of(url) is not None
    except StoreError as error:
        raise _unreadable(url, error) from None


def read_store(url: str) -> Iterator[Item]:
    """Every run, the oldest first, from its creation (of a compacted one, from its end) to its last event.

    The line of an observation is the number of the entry in the history of its run: `runengine runs history URL RUN`.
    Where a history cannot be folded it is unreadable from that entry on, and the record that is kept comes in its
    place; as it does where it is not what the history makes of it.

    Args:
        url: `sqlite:///FILE` or `postgresql://…`.

    Raises:
        TraceUnreadable: it is no store, or cannot be read.

    Example:
        >>> list(read_store("sqlite:///nowhere.db"))
        Traceback (most recent call last):
        runengine.errors.TraceUnreadable: sqlite:///nowhere.db: there is no such file
    """
    try:
        store, _ = open_as_made(url)
        with closing(store), steady(store) as still:
            for row in readable_rows(still):
                if isinstance(row, Hole):
                    yield Unreadable(line=0, problem=row.message)
                else:
                    yield from _life(still, row)
    except StoreError as error:
        raise _unreadable(url, error) from None


def _unreadable(url: str, error: StoreError) -> TraceUnreadable:
    problem = str(error).removeprefix(f"{masked(url)}: ")
    return TraceUnreadable(masked(url), 0, 0, problem.partition(_TO_MAKE)[0])


def _life(store: Store, row: Row) -> Iterator[Item]:
    after: RunObject | None = None
    seq = 0
    try:
        # What the policy allows is for the checker to say, of each step: any that can be folded is read.
        for entry, run in fold(every_entry(store, row.run.id, row.version), PERMISSIVE):
            after, seq = run, entry.seq
            if entry.kind in ("event", "snapshot"):
                yield _observation(entry, run)
    except DialectError as error:
        yield Unreadable(line=seq + 1, problem=f"{row.run.id}, an entry after {seq}: {error}")
        after = None
    except StoreError as error:
        yield Unreadable(line=seq + 1, problem=str(error))
        after = None
    else:
        if not seq:
            yield Unreadable(line=0, problem=f"{row.run.id}: it has no history")
    if after is None:
        yield Observation(write_run(row.run), row.version)
    elif after != row.run:
        yield Observation(write_run(row.run), row.version, "history")


def _observation(entry: Entry, run: RunObject) -> Observation:
    event = entry.name if entry.kind == "event" else None
    return Observation(
        write_run(run), entry.seq, "history", event, created=event == "create", observed_s=entry.at_us / SECOND_US
    )


READER: Final = DatabaseReader(
    name="store",
    says="a store of this engine: the whole history of each run",
    recognises=is_store,
    read=read_store,
)
"""For the registry."""
