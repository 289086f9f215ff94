"""A look at a whole store: whether every run is what its history says, and the database keeps what it is told.

`examine` only reads. What must be true of one run is in `runengine.stores.soundness`; this module asks the store, and
knows what must be true of runs, keys and waiting creates together. Memory grows with the creates that wait, not with
the runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final, Protocol, runtime_checkable

from runengine.core import PRACTICAL, SECOND_US, STATUSES, TERMINAL, Policy, Status
from runengine.errors import DialectError
from runengine.stores.base import Store
from runengine.stores.records import Key, Row, RunQuery, Waiting
from runengine.stores.soundness import (
    RULES,
    Finding,
    create_problems,
    history_findings,
    key_problems,
    row_findings,
)
from runengine.stores.walking import Hole, every_entry, every_key, every_waiting, readable_rows, steady

__all__ = ["OVERDUE_S", "RULES", "Examined", "Finding", "Shrinking", "examine"]

OVERDUE_S: Final = 60
"""How long after its deadline a run is still none that nobody sweeps, seconds."""

_LIVE: Final[tuple[Status, ...]] = tuple(status for status in STATUSES if status not in TERMINAL)
_LOOKS: Final = 3
_HOUR_S: Final = 3600


@runtime_checkable
class Examined(Protocol):
    """A store that can say what is wrong with its own database: its files, its settings, its tables."""

    def problems(self) -> Iterable[str]:
        """One sentence each."""
        ...


@runtime_checkable
class Shrinking(Protocol):
    """A store that does not give free room back to the disk by itself."""

    def shrink(self) -> int:
        """Give it back, while writers wait; how many bytes."""
        ...


def examine(
    store: Store,
    policy: Policy = PRACTICAL,
    *,
    now_us: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Finding]:
    """Look at everything a store holds.

    Args:
        store: The store; others may write to it meanwhile.
        policy: Whose rows hold.
        now_us: The time, by which it is told what is overdue; None: that is not told.
        progress: Told how many runs were looked at, every now and then.

    Yields:
        What is wrong: first with the database, then run by run, the oldest first, then with waiting creates and keys.

    Raises:
        StoreUnavailable: the store cannot be read at all.

    Example:
        >>> from runengine.stores.memory import MemoryStore
        >>> list(examine(MemoryStore()))
        []
    """
    if isinstance(store, Examined):
        for problem in store.problems():
            yield Finding(rule="store", message=problem)
    with steady(store) as still:
        creates = every_waiting(still)
        queues, active = Counter(waiting.thread_id for waiting in creates), set[str]()
        count = 0
        for row in readable_rows(still):
            if isinstance(row, Hole):
                yield Finding(rule="unreadable", message=row.message)
                continue
            count += 1
            yield from _life(still, row, policy)
            if row.run.status not in TERMINAL:
                yield from _among_others(still, row, queues[row.run.thread_id], now_us)
                if row.run.thread_id in queues:
                    active.add(row.run.thread_id)
            if progress is not None:
                progress(count)
        for waiting in creates:
            yield from _create(still, waiting, active)
        for key in every_key(still):
            yield from _key(still, key)


def _life(store: Store, row: Row, policy: Policy) -> list[Finding]:
    """What is wrong with a run; where it has moved while it was looked at, another look is taken."""
    found: list[Finding] = []
    for _ in range(_LOOKS):
        run_id = row.run.id
        try:
            found = [*row_findings(row), *history_findings(row, every_entry(store, run_id), policy)]
        except DialectError as error:
            found = [Finding(rule="unreadable", run_id=run_id, message=f"its history cannot be read: {error}")]
        now = store.row(run_id) if found else row
        if now is None:
            return []
        if now == row:
            break
        row = now
    return found


def _among_others(store: Store, row: Row, waiting: int, now_us: int | None) -> Iterator[Finding]:
    """What is wrong with a run that has not ended, seen with the rest of its thread."""
    run_id, thread_id = row.run.id, row.run.thread_id
    with suppress(DialectError):  # one that cannot be read is told of where it stands
        others = store.runs(RunQuery(thread_id=thread_id, statuses=_LIVE, limit=2, newest_first=False))
        if others and others[0].run.id != run_id:
            message = f"{others[0].run.id} on the same thread, {thread_id}, has not ended either"
            yield Finding(rule="one-active", run_id=run_id, message=message)
    if row.waiting != waiting:
        message = f"waiting is {row.waiting}, but {waiting} wait on {thread_id}"
        yield Finding(rule="waiting", run_id=run_id, message=message)
    if now_us is not None and row.deadline_us is not None:
        late_s = (now_us - row.deadline_us) // SECOND_US
        if late_s > OVERDUE_S:
            late = f"{late_s} s" if late_s < _HOUR_S else f"{late_s // _HOUR_S:,} h"
            message = f"its deadline passed {late} ago, and it is {row.run.status} still: does nobody sweep?"
            yield Finding(severity="warning", rule="overdue", run_id=run_id, message=message)


def _create(store: Store, waiting: Waiting, active: set[str]) -> Iterator[Finding]:
    run_id = waiting.run_id
    if waiting.thread_id not in active:
        message = f"its create waits, but no run on {waiting.thread_id} is left whose end would let it in"
        yield Finding(rule="waiting", run_id=run_id, message=message)
    with suppress(DialectError):
        if store.row(run_id) is not None:
            yield Finding(rule="waiting", run_id=run_id, message="its create waits, but the run is there already")
    for problem in create_problems(waiting):
        yield Finding(rule="waiting", run_id=run_id, message=problem)


def _key(store: Store, key: Key) -> Iterator[Finding]:
    found = list(key_problems(key))
    if key.seq:  # without one, the create was made to wait, and may have been withdrawn
        with suppress(DialectError):
            row = store.row(key.run_id)
            if row is None:
                found.append("there is no such run")
            elif row.version < key.seq:
                found.append(f"it was given for entry {key.seq}, but the last is {row.version}")
    for problem in found:
        yield Finding(rule="key", run_id=key.run_id, message=f"key {key.key!r}: {problem}")
