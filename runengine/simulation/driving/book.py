"""The book: what is true in a simulated world, written from what was committed, entry by entry.

It is the model the store is compared with. It knows nothing of how the engine plans: who holds a run, who waits, which
keys were used and what is in the feed, it keeps by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from attrs import frozen

from runengine.core import TERMINAL, Policy, RunObject, Status, apply
from runengine.dialects import read_run
from runengine.dialects.events import read_event
from runengine.embedding import Settings
from runengine.embedding.plans import Act, Birth
from runengine.simulation.driving.asked import Asked, identity_of
from runengine.stores import Entry, Row

__all__ = ["Book", "Known", "Life", "Queued"]


class Life:
    """What the book knows of a run.

    Attributes:
        run: The record its history leads to.
        entries: Its history.
        began: The record and the events, as a recording of it would have them: (entry, record after it).
        row: The row as it was read last.
        seq, at_us, status: Of the last entry.
        fence: Of the last claim.
        holder: The worker that holds it.
        losses: Entries of kind "lost".

    Example:
        >>> Life("run_1").seq
        0
    """

    __slots__ = ("at_us", "entries", "fence", "holder", "losses", "row", "run", "run_id", "seq", "status", "trace")

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.entries: list[Entry] = []
        self.trace: list[tuple[Entry, RunObject]] = []
        self.run: RunObject | None = None
        self.row: Row | None = None
        self.status: Status | None = None
        self.seq = self.at_us = self.fence = self.losses = 0
        self.holder: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether its status is terminal."""
        return self.status in TERMINAL


@frozen
class Known:
    """What was answered under a key.

    Attributes:
        identity: The request.
        run_id: The run.
        run: As it was answered, or None.
        at_us: When.

    Example:
        >>> Known((), "run_1", None, 5).at_us
        5
    """

    identity: tuple[Any, ...]
    run_id: str
    run: RunObject | None
    at_us: int


@frozen
class Queued:
    """A create that waits.

    Attributes:
        run_id: Of the run it will be.
        at_us: Since when.
        first: Whether it interrupted.

    Example:
        >>> Queued("run_1", 5, False).first
        False
    """

    run_id: str
    at_us: int
    first: bool


class Book:
    """All that was committed in a world.

    Args:
        policy: Whose rows hold.
        settings: Of the runtime.

    Attributes:
        lives: Runs by id.
        feed: Entries of all runs, in order.
        head: The greatest position so far.
        active: Threads with the run that has not ended.
        queue: Threads with the creates that wait, in the order in which they will be born.
        keys: What was answered under each key.
        made: Marks of creates with the ids that were asked for under them.
        heard: What processes were told, and must stay: (run, version, event).
        forgotten: Keys that retention has removed.
        waited: Creates that were answered that they wait.
        withdrawn: Creates that waited and were taken back.
        born: Every run there ever was.
        edges: How often each row of the policy was gone.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> book = Book(PRACTICAL, Settings())
        >>> book.head
        0
    """

    def __init__(self, policy: Policy, settings: Settings) -> None:
        self.policy = policy
        self.settings = settings
        self.rows = frozenset((row.event, row.source, row.target) for row in policy.rows)
        self.cells = frozenset((row.event, row.source) for row in policy.rows)
        self.lives: dict[str, Life] = {}
        self.feed: list[Entry] = []
        self.head = 0
        self.active: dict[str, str] = {}
        self.queue: dict[str, list[Queued]] = {}
        self.keys: dict[str, Known] = {}
        self.made: dict[str, list[str]] = {}
        self.heard: list[tuple[Life, int, str]] = []
        self.forgotten: set[str] = set()
        self.waited: list[str] = []
        self.withdrawn: set[str] = set()
        self.born: set[str] = set()
        self.edges: Counter[tuple[str, Status | None, Status]] = Counter()

    def waiting(self, run_id: str) -> Queued | None:
        """The create that waits under an id."""
        for queue in self.queue.values():
            for queued in queue:
                if queued.run_id == run_id:
                    return queued
        return None

    def note(self, asked: Asked) -> None:
        """Write down what was so before a request."""
        life = self.lives.get(asked.run_id)
        if life is not None:
            asked.was, asked.fence, asked.holder = life.row, life.fence, life.holder
        asked.waits = self.waiting(asked.run_id) is not None
        if isinstance(asked.request, Birth):
            asked.active = self.active.get(asked.request.create.thread_id)

    def take(self, entry: Entry, asked: Asked) -> Life:
        """Write an entry down: what it makes of the run, of who holds it, and of who waits."""
        life = self.lives.get(entry.run_id)
        if life is None:
            life = self.lives[entry.run_id] = Life(entry.run_id)
        if entry.kind == "event":
            self.edges[entry.name, life.status, entry.status] += 1
            if life.run is None:
                self.born.add(entry.run_id)
                life.run = read_run(entry.data["run"])
            else:
                life.run = apply(life.run, read_event(entry.name, entry.at_us, dict(entry.data)), self.policy)
            life.trace.append((entry, life.run))
        assert life.run is not None
        self._hold(life, entry)
        self._wait(life.run.thread_id, entry, asked)
        life.seq, life.at_us, life.status = entry.seq, entry.at_us, entry.status
        life.losses += entry.kind == "lost"
        life.entries.append(entry)
        self.feed.append(entry)
        self.head = entry.position
        if not life.has_ended:
            self.active[life.run.thread_id] = life.run_id
        elif self.active.get(life.run.thread_id) == life.run_id:
            del self.active[life.run.thread_id]
        return life

    def conclude(self, asked: Asked) -> None:
        """Write down what a request leaves beside its entries: its key, and its mark."""
        request, answer = asked.request, asked.answer
        is_done = answer is not None and answer.kind in ("applied", "waiting") and asked.entries
        if answer is None or not (is_done or answer.kind == "withdrawn"):
            return
        if isinstance(request, Birth):
            mark = (request.create.metadata or {}).get("mark")
            self.made.setdefault(str(mark), []).append(answer.run_id)
        if isinstance(request, Act | Birth) and request.key is not None:
            self.forgotten.discard(request.key)
            known = Known(identity_of(request), answer.run_id, answer.run, answer.at_us)
            self.keys.setdefault(request.key, known)  # a create that was withdrawn is answered the same again

    def ended(self, before_us: int) -> Iterator[Life]:
        """Runs that ended before a time, as retention means it."""
        for life in self.lives.values():
            if life.has_ended and life.at_us < before_us:
                yield life

    def forget(self, before_us: int) -> int:
        """Strike out what retention removes; how many runs."""
        gone = [life.run_id for life in self.ended(before_us)]
        for run_id in gone:
            del self.lives[run_id]
        self.feed = [entry for entry in self.feed if entry.run_id in self.lives]
        for key in [key for key, known in self.keys.items() if known.at_us < before_us]:
            del self.keys[key]
            self.forgotten.add(key)
        return len(gone)

    def cut(self, life: Life, snapshot: Entry) -> None:
        """A history was cut to one entry, which stands where its last stood."""
        life.entries = [snapshot]
        self.feed = [snapshot if e.position == snapshot.position else e for e in self.feed if self._stays(e, snapshot)]

    @staticmethod
    def _stays(entry: Entry, snapshot: Entry) -> bool:
        return entry.run_id != snapshot.run_id or entry.position == snapshot.position

    @staticmethod
    def _hold(life: Life, entry: Entry) -> None:
        if entry.kind in ("event", "note") and entry.fence is not None and entry.fence > life.fence:
            life.fence, life.holder = entry.fence, entry.worker
        if entry.name in ("release", "lease_lost") or (
            entry.kind == "event" and entry.status not in ("in_progress", "cancelling")
        ):
            life.holder = None

    def _wait(self, thread_id: str, entry: Entry, asked: Asked) -> None:
        queue = self.queue.setdefault(thread_id, [])
        if entry.kind == "note" and entry.name == "enqueue":
            first = isinstance(asked.request, Birth) and asked.request.thread == "interrupt"
            place = sum(queued.first for queued in queue) if first else len(queue)
            queue.insert(place, Queued(str(entry.data["run_id"]), entry.at_us, first))
        elif entry.kind == "note" and entry.name == "withdraw":
            self._leave(queue, str(entry.data["run_id"]))
            self.withdrawn.add(str(entry.data["run_id"]))
        elif entry.kind == "event" and entry.name == "create":
            self._leave(queue, entry.run_id)

    @staticmethod
    def _leave(queue: list[Queued], run_id: str) -> None:
        queue[:] = [queued for queued in queue if queued.run_id != run_id]
