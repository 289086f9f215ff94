"""The store in memory: nothing outlives the process. The simplest store, and the reference for the others.

One lock makes every request whole. What it holds is not bounded: `compact` and `forget` as with the others.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition
from typing import Any, NoReturn, TypeVar

from attrs import evolve

from runengine.core import TERMINAL
from runengine.dialects import encode, write_run
from runengine.errors import RunExists, RunNotFound, StoreError, ThreadBusy
from runengine.stores.base import Request, one_by_one
from runengine.stores.records import Commit, Entry, Facts, Key, Life, Row, RunQuery, Step, Waiting, Wants

__all__ = ["MemoryStore", "snapshot_of"]

A = TypeVar("A")


def snapshot_of(row: Row, position: int = 0) -> Entry:
    """The entry that a compacted history begins with: it stands where the last entry stood.

    Example:
        >>> from runengine.core import RunObject
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="failed", created_at=0)
        >>> snapshot_of(Row(run=run, version=4, last_us=9, deadline_us=None)).seq
        4
    """
    return Entry(
        run_id=row.run.id,
        seq=row.version,
        kind="snapshot",
        name="snapshot",
        at_us=row.last_us,
        status=row.run.status,
        data={"run": write_run(row.run), "losses": row.losses},
        position=position,
    )


class MemoryStore:
    """Runs in memory, for tests, simulations and trying things out.

    Example:
        >>> MemoryStore().row("run_1") is None
        True
    """

    url = "memory:"

    def __init__(self) -> None:
        self._news = Condition()
        self._rows: dict[str, Row] = {}
        self._active: dict[str, str] = {}
        self._by_thread: dict[str, list[str]] = {}
        self._entries: dict[str, list[Entry]] = {}
        self._feed: list[tuple[int, Entry]] = []
        self._position = 0
        self._number = 0
        self._keys: dict[str, Key] = {}
        self._waiting: dict[str, tuple[tuple[int, int], Waiting]] = {}
        self._claimable: list[tuple[int, str]] = []
        self._deadlines: list[tuple[int, str]] = []

    def execute(self, request: Request[A]) -> A:
        """As `Store.execute`; the lock is held throughout, so facts are never stale."""
        with self._news:
            outcome = request.plan(self._facts(request.wants))
            if outcome.commit is not None:
                self._commit(outcome.commit)
            return outcome.answer

    def execute_all(self, requests: Sequence[Request[A]]) -> list[A]:
        """As `Store.execute_all`."""
        return one_by_one(self.execute, requests)

    def row(self, run_id: str) -> Row | None:
        """As `Store.row`."""
        return self._rows.get(run_id)

    def runs(self, query: RunQuery) -> tuple[Row, ...]:
        """As `Store.runs`."""
        with self._news:
            ids = self._rows if query.thread_id is None else self._by_thread.get(query.thread_id, ())
            rows = [self._rows[run_id] for run_id in ids]
        found = sorted((row for row in rows if _fits(row, query)), key=_age, reverse=query.newest_first)
        if query.after is not None:
            mark = self._rows.get(query.after)
            if mark is None:
                raise RunNotFound(query.after)
            found = [row for row in found if (_age(row) < _age(mark) if query.newest_first else _age(row) > _age(mark))]
        return tuple(found[: query.limit])

    def history(self, run_id: str, after: int = 0, limit: int | None = None) -> tuple[Entry, ...]:
        """As `Store.history`."""
        with self._news:
            entries = [entry for entry in self._entries.get(run_id, ()) if entry.seq > after]
        return tuple(entries if limit is None else entries[:limit])

    def feed(self, after: int = 0, limit: int = 1000) -> tuple[Entry, ...]:
        """As `Store.feed`."""
        with self._news:
            low, high = 0, len(self._feed)
            while low < high:
                middle = (low + high) // 2
                low, high = (middle + 1, high) if self._feed[middle][0] <= after else (low, middle)
            return tuple(entry for _, entry in self._feed[low : low + limit])

    def head(self) -> int:
        """As `Store.head`."""
        with self._news:
            return self._feed[-1][0] if self._feed else 0

    def wait(self, timeout_s: float, after: int) -> None:
        """As `Store.wait`."""
        with self._news:
            self._news.wait_for(lambda: bool(self._feed) and self._feed[-1][0] > after, timeout_s)

    def waiting(self, thread_id: str | None = None, limit: int = 1000) -> tuple[Waiting, ...]:
        """As `Store.waiting`."""
        with self._news:
            queue = sorted(self._waiting.values(), key=lambda pair: pair[0])
        return tuple(w for _, w in queue if thread_id is None or w.thread_id == thread_id)[:limit]

    def due(self, now_us: int | None, limit: int = 1000) -> tuple[str, ...]:
        """As `Store.due`; there is no clock here, so `now_us` must be given."""
        if now_us is None:
            raise ValueError("a store in memory has no clock of its own; say when")
        with self._news:
            return tuple(self._first(self._deadlines, "deadline_us", now_us, limit))

    def next_deadline(self) -> tuple[int, str] | None:
        """As `Store.next_deadline`."""
        with self._news:
            for run_id in self._first(self._deadlines, "deadline_us", None, 1):
                deadline_us = self._rows[run_id].deadline_us
                assert deadline_us is not None
                return deadline_us, run_id
        return None

    def compact(self, before_us: int, limit: int = 1000) -> int:
        """As `Store.compact`."""
        with self._news:
            long = [row for row in self._ended(before_us) if len(self._entries[row.run.id]) > 1][:limit]
            for row in long:
                last = self._entries[row.run.id][-1]
                self._entries[row.run.id] = [snapshot_of(row, last.position)]
            self._rebuild_feed()
            return len(long)

    def forget(self, before_us: int, limit: int = 1000) -> int:
        """As `Store.forget`."""
        with self._news:
            old = self._ended(before_us)[:limit]
            for row in old:
                del self._rows[row.run.id], self._entries[row.run.id]
                self._by_thread[row.run.thread_id].remove(row.run.id)
            self._keys = {key: kept for key, kept in self._keys.items() if kept.at_us >= before_us}
            self._rebuild_feed()
            return len(old)

    def restore(self, lives: Iterable[Life], waiting: Iterable[Waiting] = (), keys: Iterable[Key] = ()) -> None:
        """As `Store.restore`."""
        lives, waiting, keys = tuple(lives), tuple(waiting), tuple(keys)
        with self._news:
            for run_id in (*(life.row.run.id for life in lives), *(w.run_id for w in waiting)):
                if run_id in self._rows or run_id in self._waiting:
                    raise RunExists(run_id)
            active = dict(self._active)
            for run in (life.row.run for life in lives if life.row.run.status not in TERMINAL):
                if (other := active.setdefault(run.thread_id, run.id)) != run.id:
                    raise ThreadBusy(run.thread_id, other)
            for life in lives:
                self._write(Step(before=None, after=life.row))
                for entry in life.entries:
                    self._append(entry)
            for create in waiting:
                self._enqueue(create)
            self._keys.update({key.key: key for key in keys})
            self._news.notify_all()

    def keys(self, after: str = "", limit: int = 1000) -> tuple[Key, ...]:
        """As `Store.keys`."""
        with self._news:
            return tuple(self._keys[key] for key in sorted(k for k in self._keys if k > after)[:limit])

    @contextmanager
    def snapshot(self) -> Iterator[MemoryStore]:
        """The store as it is now, whoever writes to this one meanwhile."""
        still = MemoryStore()
        with self._news:
            still._rows, still._active, still._keys = dict(self._rows), dict(self._active), dict(self._keys)
            still._by_thread = {thread_id: list(ids) for thread_id, ids in self._by_thread.items()}
            still._entries = {run_id: list(entries) for run_id, entries in self._entries.items()}
            still._feed, still._position, still._waiting = list(self._feed), self._position, dict(self._waiting)
            still._claimable, still._deadlines = list(self._claimable), list(self._deadlines)
        yield still

    def on(self, connection: Any) -> NoReturn:
        """As `Store.on`: there is no connection that could be shared."""
        raise StoreError(f"memory: it has no connections, so it cannot write on {type(connection).__name__}")

    def close(self) -> None:
        """As `Store.close`: nothing is kept."""

    def _facts(self, wants: Wants) -> Facts:
        row = self._rows.get(wants.run_id) if wants.run_id is not None else None
        if wants.claim:
            if wants.at_us is None:
                raise ValueError("a store in memory has no clock of its own; say when")
            for run_id in self._first(self._claimable, "claimable_us", wants.at_us, 1):
                row = self._rows[run_id]
        pending = self._waiting[wants.run_id][1] if wants.run_id in self._waiting else None
        thread_id = wants.thread_id or (None if pending is None else pending.thread_id)
        active = self._rows.get(self._active.get(thread_id, "")) if thread_id is not None else None
        twin = None
        if wants.digest is not None and thread_id is not None:
            twins = [
                r for r in map(self._rows.__getitem__, self._by_thread.get(thread_id, ())) if r.digest == wants.digest
            ]
            twin = max(twins, key=_age, default=None)
            if pending is None:
                likes = [(place[1], w) for place, w in self._waiting.values() if w.thread_id == thread_id]
                same = [(number, w) for number, w in likes if w.digest == wants.digest]
                pending = max(same, key=lambda pair: pair[0])[1] if same else None
        behind = row if row is not None else active
        first = self.waiting(behind.run.thread_id, 1) if behind is not None and behind.waiting else ()
        return Facts(
            row=row,
            active=active,
            twin=twin,
            key=None if wants.key is None else self._keys.get(wants.key),
            waiting=first[0] if first else None,
            pending=pending,
        )

    def _first(self, heap: list[tuple[int, str]], name: str, until_us: int | None, limit: int) -> list[str]:
        """Ids in order of a moment that their rows still have; what rows no longer have is dropped on the way."""
        found: list[tuple[int, str]] = []
        while heap and len(found) < limit and (until_us is None or heap[0][0] <= until_us):
            moment = heapq.heappop(heap)
            row = self._rows.get(moment[1])
            if row is not None and getattr(row, name) == moment[0] and moment not in found[-1:]:
                found.append(moment)
        for moment in found:
            heapq.heappush(heap, moment)
        return [run_id for _, run_id in found]

    def _commit(self, commit: Commit) -> None:
        for step in commit.steps:
            if step.entry is not None:
                encode(dict(step.entry.data))  # what is no JSON is refused here as where it is stored
        for step in commit.steps:
            self._write(step)
            if step.entry is not None:
                self._append(step.entry)
        if commit.key is not None:
            self._keys[commit.key.key] = commit.key
        if commit.dequeue is not None:
            del self._waiting[commit.dequeue]
        if commit.enqueue is not None:
            self._enqueue(commit.enqueue)
        self._news.notify_all()

    def _write(self, step: Step) -> None:
        row, run = step.after, step.after.run
        if step.before is None:
            self._by_thread.setdefault(run.thread_id, []).append(run.id)
            self._entries.setdefault(run.id, [])
        self._rows[run.id] = row
        if run.status in TERMINAL:
            if self._active.get(run.thread_id) == run.id:
                del self._active[run.thread_id]
        else:
            self._active[run.thread_id] = run.id
        if row.claimable_us is not None and (step.before is None or step.before.claimable_us != row.claimable_us):
            heapq.heappush(self._claimable, (row.claimable_us, run.id))
        if row.deadline_us is not None and (step.before is None or step.before.deadline_us != row.deadline_us):
            heapq.heappush(self._deadlines, (row.deadline_us, run.id))

    def _append(self, entry: Entry) -> None:
        self._position += 1
        entry = evolve(entry, position=self._position)
        self._entries[entry.run_id].append(entry)
        self._feed.append((entry.position, entry))

    def _enqueue(self, create: Waiting) -> None:
        self._number += 1
        self._waiting[create.run_id] = ((0 if create.first else 1, self._number), create)

    def _ended(self, before_us: int) -> list[Row]:
        return [row for row in self._rows.values() if row.deadline_us is None and row.last_us < before_us]

    def _rebuild_feed(self) -> None:
        self._feed = sorted((e.position, e) for entries in self._entries.values() for e in entries)


def _age(row: Row) -> tuple[int, str]:
    return row.run.created_at, row.run.id


def _fits(row: Row, query: RunQuery) -> bool:
    if query.statuses and row.run.status not in query.statuses:
        return False
    if query.created_from is not None and row.run.created_at < query.created_from:
        return False
    return query.created_until is None or row.run.created_at < query.created_until
