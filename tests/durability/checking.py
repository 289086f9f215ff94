"""What must be true of a store whenever nobody is in the middle of a write, checked from outside of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from runengine.core import TERMINAL
from runengine.stores import Entry, Row, RunQuery, Store
from runengine.stores.doctor import examine
from runengine.stores.folding import fold

__all__ = ["check_run", "check_store", "story", "every_run"]

_PAGE: Final = 500
_SIGNS: Final = {"event": "", "lost": "-", "note": "+", "snapshot": "="}


def story(entries: tuple[Entry, ...], after: int = 0) -> str:
    """The names of entries after a number: `-` stands before one that came too late, `+` before a note."""
    return " ".join(f"{_SIGNS[entry.kind]}{entry.name}" for entry in entries if entry.seq > after)


def check_run(store: Store, run_id: str) -> tuple[Row, tuple[Entry, ...]]:
    """A run and its history, which agree.

    The row is read first, and of the history only what the row knows of: a server process may still be finishing the
    commit of a client that was killed.
    """
    row = store.row(run_id)
    assert row is not None, f"{run_id}: no such run"
    entries = tuple(entry for entry in store.history(run_id) if entry.seq <= row.version)
    assert [entry.seq for entry in entries] == list(range(1, row.version + 1)), f"{run_id}: a gap in {entries}"
    *_, (last, run) = fold(entries)
    assert run == row.run, f"{run_id}: the row is not what its history leads to"
    assert row.last_us >= last.at_us
    times = [entry.at_us for entry in entries]
    assert times == sorted(times), f"{run_id}: time goes backward in its history"
    places = [entry.position for entry in entries]
    assert places == sorted(set(places)), f"{run_id}: the feed has it in another order"
    assert row.losses == sum(entry.kind == "lost" for entry in entries)
    assert (row.deadline_us is None) == (row.run.status in TERMINAL)
    return row, entries


def every_run(store: Store) -> Iterator[str]:
    """The ids of all runs."""
    after: str | None = None
    while rows := store.runs(RunQuery(after=after, limit=_PAGE, newest_first=False)):
        for row in rows:
            yield row.run.id
        after = rows[-1].run.id


def check_store(store: Store) -> int:
    """Check every run, every thread and whoever waits, and ask the doctor; the number of runs."""
    active: dict[str, Row] = {}
    count = 0
    for run_id in every_run(store):
        row, _ = check_run(store, run_id)
        count += 1
        if row.run.status not in TERMINAL:
            assert row.run.thread_id not in active, f"two active runs on {row.run.thread_id}"
            active[row.run.thread_id] = row
    waiting: dict[str, int] = {}
    for create in store.waiting(limit=1_000_000):
        assert store.row(create.run_id) is None, f"{create.run_id} waits and is born"
        waiting[create.thread_id] = waiting.get(create.thread_id, 0) + 1
    assert waiting == {thread_id: row.waiting for thread_id, row in active.items() if row.waiting}
    assert list(examine(store)) == []
    return count
