"""All that a store holds, page by page: memory does not grow with the runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol, runtime_checkable

from attrs import evolve, frozen

from runengine.errors import DialectError, RunNotFound
from runengine.stores.base import Store
from runengine.stores.records import Entry, Key, Row, RunQuery, Waiting

__all__ = [
    "Hole",
    "Steady",
    "every_entry",
    "every_key",
    "every_row",
    "every_waiting",
    "readable_rows",
    "steady",
]

_PAGE: Final = 500
_ALL: Final = 2**31 - 1


@runtime_checkable
class Steady(Protocol):
    """A store that can show itself as it is at one moment, whoever writes meanwhile."""

    def snapshot(self) -> AbstractContextManager[Store]:
        """The store as of now, for reading only; it holds up no writer."""
        ...


@contextmanager
def steady(store: Store) -> Iterator[Store]:
    """The store as it is at one moment, where it can show that; else the store itself.

    Example:
        >>> from runengine.stores.memory import MemoryStore
        >>> with steady(MemoryStore()) as still:
        ...     list(every_row(still))
        []
    """
    if isinstance(store, Steady):
        with store.snapshot() as still:
            yield still
    else:
        yield store


def every_row(
    store: Store, *, after: str | None = None, newest_first: bool = False, page: int = _PAGE
) -> Iterator[Row]:
    """Every run, however many, by created_at and id.

    Args:
        store: Where.
        after: Id of the run after which to begin.
        newest_first: Or the oldest.
        page: How many are read at once.

    Raises:
        RunNotFound: there is no run `after`.
        DialectError: a run cannot be read; those of its page are not given either.

    Example:
        >>> from runengine.stores.memory import MemoryStore
        >>> list(every_row(MemoryStore()))
        []
    """
    query = RunQuery(after=after, newest_first=newest_first, limit=page)
    second, seen = 0, set[str]()
    while True:
        try:
            rows = store.runs(query)
        except RunNotFound:
            if not seen:
                raise
            # The last of the page before was removed meanwhile: once more from its second on.
            query = evolve(query, after=None, limit=page + len(seen))
            edge = second + 1 if newest_first else second
            query = evolve(query, created_until=edge) if newest_first else evolve(query, created_from=edge)
            continue
        for row in rows:
            if row.run.created_at != second:
                second, seen = row.run.created_at, set()
            if row.run.id not in seen:
                seen.add(row.run.id)
                yield row
        if len(rows) < query.limit:
            return
        query = evolve(query, after=rows[-1].run.id, limit=page)


@frozen
class Hole:
    """A place in the order of creation where a store cannot read what it has.

    Attributes:
        message: Between which runs, and why.

    Example:
        >>> Hole("what was created first of all cannot be read: $.model: missing").message[:16]
        'what was created'
    """

    message: str


def readable_rows(store: Store) -> Iterator[Row | Hole]:
    """Every run; where one cannot be read, those behind it are read from the other end, and the hole comes last.

    Example:
        >>> from runengine.stores.memory import MemoryStore
        >>> list(readable_rows(MemoryStore()))
        []
    """
    ends: list[str | None] = []
    problem = ""
    for newest_first in (False, True):
        last: str | None = None
        for page in (_PAGE, 1):  # of a page that cannot be read, the runs before the one that is to blame
            try:
                for row in every_row(store, after=last, newest_first=newest_first, page=page):
                    last = row.run.id
                    yield row
            except DialectError as error:
                problem = str(error)
            else:
                return
        ends.append(last)
    first, then = ends
    between = f"after {first}" if first else "first of all"
    yield Hole(f"what was created {between}{f' and before {then}' if then else ''} cannot be read: {problem}")


def every_entry(store: Store, run_id: str, until: int | None = None, page: int = _PAGE) -> Iterator[Entry]:
    """A run's history, however long.

    Args:
        store: Where.
        run_id: The run.
        until: The last seq, where later ones are not wanted.
        page: How many are read at once.

    Example:
        >>> from runengine.stores.memory import MemoryStore
        >>> list(every_entry(MemoryStore(), "r"))
        []
    """
    after = 0
    while True:
        entries = store.history(run_id, after, page)
        for entry in entries:
            if until is not None and entry.seq > until:
                return
            yield entry
        if len(entries) < page:
            return
        after = entries[-1].seq


def every_key(store: Store, page: int = _PAGE) -> Iterator[Key]:
    """Every idempotency key, in order.

    Example:
        >>> from runengine.stores.memory import MemoryStore
        >>> list(every_key(MemoryStore()))
        []
    """
    after = ""
    while True:
        keys = store.keys(after, page)
        yield from keys
        if len(keys) < page:
            return
        after = keys[-1].key


def every_waiting(store: Store) -> tuple[Waiting, ...]:
    """Every create that waits, in the order in which they will be born. Read at once: a store has no pages of them.

    Example:
        >>> from runengine.stores.memory import MemoryStore
        >>> every_waiting(MemoryStore())
        ()
    """
    return store.waiting(limit=_ALL)
