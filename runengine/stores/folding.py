"""From a history back to the run: what every entry made of it. `doctor`, `check` and export stand on this."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runengine.core import PRACTICAL, Policy, RunObject, apply
from runengine.dialects import read_run
from runengine.dialects.events import read_event
from runengine.errors import DialectError, StoreError, TransitionNotAllowed
from runengine.stores.records import Entry

__all__ = ["fold"]


def fold(entries: Iterable[Entry], policy: Policy = PRACTICAL) -> Iterator[tuple[Entry, RunObject]]:
    """The run after each entry.

    Args:
        entries: A run's history from its beginning: a create, or a snapshot.
        policy: Whose rows hold.

    Yields:
        Each entry with the run as it was after it.

    Raises:
        StoreError: the history has a gap, does not begin with a create or a snapshot, has an event that the table
            refuses or that cannot be read, or says a status that is not what its events lead to.

    Example:
        >>> from runengine.stores.records import Entry
        >>> list(fold([Entry(run_id="r", seq=2, kind="event", name="start", at_us=5, status="in_progress")]))
        Traceback (most recent call last):
        runengine.errors.StoreError: r, entry 2: a history begins with create or a snapshot, not with start
    """
    run: RunObject | None = None
    seq = 0
    for entry in entries:
        where = f"{entry.run_id}, entry {entry.seq}"
        if run is not None and entry.seq != seq + 1:
            raise StoreError(f"{where}: the one before is {seq}; the history has a gap")
        try:
            run = _next(run, entry, policy)
        except (DialectError, TransitionNotAllowed, KeyError) as error:
            raise StoreError(f"{where}: {error}") from None
        if run is None:
            raise StoreError(f"{where}: a history begins with create or a snapshot, not with {entry.name}")
        if run.status != entry.status:
            raise StoreError(f"{where}: it says {entry.status}, but its events lead to {run.status}")
        seq = entry.seq
        yield entry, run


def _next(run: RunObject | None, entry: Entry, policy: Policy) -> RunObject | None:
    if run is None:
        begins = entry.kind == "snapshot" or (entry.kind == "event" and entry.name == "create" and entry.seq == 1)
        return read_run(entry.data["run"]) if begins else None
    if entry.kind != "event":
        return run
    return apply(run, read_event(entry.name, entry.at_us, dict(entry.data)), policy)
