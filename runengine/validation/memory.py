"""What is remembered of a recording while it is checked: the runs that are open, and those that ended not long ago.

How long ago is counted in items of the recording, by a clock that each item moves on by one: a run that has ended is
remembered for the next `forget_after` of them (50,000 unless told otherwise), an open one until it ends. So memory
grows with the runs that are open, not with the input, and what is known of a run depends on its own items and on how
far they stand from each other, never on whose items stand between them. A run that comes back later counts as a new
one, seen from the middle of its life.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final

from runengine.core.statuses import Status
from runengine.core.table import TERMINAL
from runengine.validation.crowds import Crowds
from runengine.validation.seen import Seen
from runengine.validation.summary import Summary

__all__ = ["NEVER", "Memory"]

NEVER: Final = 2**62
"""A moment of the clock that does not come."""


class Memory:
    """The runs and threads of one scope.

    Args:
        forget_after: For how many items a run that has ended is remembered.
        summary: Where new runs and threads are counted.

    Attributes:
        now: The clock: how many items of the scope have come by, with the one that is looked at.
        wake: The next moment at which a run is to be forgotten, or what waits to be decided.
        due: The next moment at which something is decided that waits (see `runengine.validation.waiting`).
        open: Runs that have not ended, by id.
        ended: Runs that have and are remembered, the one seen longest ago first.
        streaming: Status of the runs that the current stream has in the middle of their life.
        forgotten: How many ended runs are remembered no longer.
        threads: Those that a run of is remembered.
        apart: Open runs whose lines are all left to the rules.

    Example:
        >>> memory = Memory(10, Summary())
        >>> seen = memory.of("run_1")
        >>> memory.keep("run_1", seen, "completed")
        >>> for now in (10, 11):
        ...     memory.pass_to(now)
        ...     print(memory.known("run_1") is seen)
        True
        False
    """

    def __init__(self, forget_after: int, summary: Summary) -> None:
        self.now = 0
        self.wake = self.due = NEVER
        self.open: dict[str, Seen] = {}
        self.ended: OrderedDict[str, Seen] = OrderedDict()
        self.streaming: dict[str, Status] = {}
        self.forgotten = 0
        self.threads = Crowds(self.open, self.ended)
        self.apart: set[str] = set()
        self._forget_after = forget_after
        self._summary = summary

    def clear(self) -> None:
        """Begin a new scope."""
        self.now = 0
        self.wake = self.due = NEVER
        self.open.clear()
        self.ended.clear()
        self.streaming.clear()
        self.threads.clear()
        self.apart.clear()

    def pass_to(self, now: int) -> None:
        """Move the clock on."""
        self.now = now
        if now >= self.wake:
            self.sweep(now)

    def sweep(self, now: int) -> None:
        """Forget the runs that ended too long ago; to be done as soon as the clock is at `wake`."""
        first, wake = now - self._forget_after, NEVER
        while self.ended:
            seen = next(iter(self.ended.values()))
            if seen.at >= first:
                wake = seen.at + self._forget_after + 1
                break
            run_id, _ = self.ended.popitem(last=False)
            self.threads.leave(run_id, seen)
            self.forgotten += 1
        self.wake = min(wake, self.due)

    def wait(self, due: int) -> None:
        """Say when something is decided that waits."""
        self.due = due
        self.wake = min(self.wake, due)

    def known(self, run_id: str) -> Seen | None:
        """What is known of a run, or None."""
        return self.open.get(run_id) or self.ended.get(run_id)

    def of(self, run_id: str) -> Seen:
        """What is known of a run; a new one is counted."""
        seen = self.known(run_id)
        if seen is None:
            self._summary.runs += 1
            seen = self.open[run_id] = Seen()
        return seen

    def begin(self, run_id: str, thread_id: str) -> Seen:
        """A run that is not known begins on a thread that is not remembered: both are counted."""
        self._summary.runs += 1
        self._summary.threads += 1
        seen = self.open[run_id] = Seen()
        seen.thread_id = thread_id
        self.threads.held[thread_id] = run_id
        return seen

    def place(self, run_id: str, seen: Seen, thread_id: str) -> None:
        """Say on which thread a run is; a thread is counted where no run of it is remembered."""
        self.threads.leave(run_id, seen)
        if self.threads.enter(thread_id, run_id, seen):
            self._summary.threads += 1

    def meet(self, thread_id: str) -> None:
        """A run that cannot be remembered, since it has no id, is on a thread, which is counted by the same rule."""
        if thread_id not in self.threads.held:
            self._summary.threads += 1

    def again(self, run_id: str) -> Seen:
        """The run is recorded once more, from anew: its end is kept, to be compared, and the rest forgotten."""
        before = self.open.pop(run_id, None) or self.ended.pop(run_id, None) or Seen()
        ended = before.point is not None and before.point.status in TERMINAL
        seen = self.open[run_id] = Seen(before.point if ended else before.twin)
        seen.reused = before.reused
        self.threads.follow(run_id, before, seen)
        return seen

    def renew(self, run_id: str, thread_id: str | None) -> Seen:
        """Begin another run of the same id; what was known of the one before is forgotten."""
        before = self.open.pop(run_id, None) or self.ended.pop(run_id, None) or Seen()
        self._summary.runs += 1
        seen = self.open[run_id] = Seen()
        seen.reused = True
        if before.thread_id == thread_id:
            self.threads.follow(run_id, before, seen)
        else:
            self.threads.leave(run_id, before)
        self.streaming.pop(run_id, None)
        self.apart.discard(run_id)
        return seen

    def keep(self, run_id: str, seen: Seen, status: Status) -> None:
        """Keep a run among the open or the ended ones, by its status."""
        if status in TERMINAL:
            ended = self.ended
            seen.at = self.now
            if self.open.pop(run_id, None) is None:
                ended.pop(run_id, None)
            if not ended:
                self.wake = min(self.now + self._forget_after + 1, self.due)
            ended[run_id] = seen
        elif run_id in self.ended:
            self.open[run_id] = self.ended.pop(run_id)

    def forget(self, run_id: str) -> None:
        """Forget a run that has not ended; if it comes back, it counts as a new one."""
        seen = self.open.pop(run_id, None)
        if seen is not None:
            self.threads.leave(run_id, seen)
        self.streaming.pop(run_id, None)
        self.apart.discard(run_id)

    def kept(self) -> Iterator[tuple[str, Any]]:
        """What is remembered, in parts of plain JSON, each with what it is; `take` reads them one by one."""
        yield "now", self.now
        for which, runs in (("open", self.open), ("ended", self.ended)):
            for run_id, seen in runs.items():
                yield which, [run_id, seen.kept()]
        yield "streaming", list(self.streaming.items())
        yield from (("thread", part) for part in self.threads.kept())
        yield "apart", sorted(self.apart)
        yield "forgotten", self.forgotten

    def take(self, what: str, kept: Any) -> bool:
        """Remember a part of what another memory kept; says whether it was such a part.

        Raises:
            KeyError: something is missing.
            TypeError: something is of another type.
            ValueError: something is of another length.
        """
        if what == "now":
            self.now = self.wake = kept
        elif what in ("open", "ended"):
            run_id, seen = kept
            runs = self.open if what == "open" else self.ended
            runs[run_id] = Seen.taken(seen)
        elif what == "streaming":
            self.streaming.update(kept)
        elif what == "thread":
            self.threads.take(kept)
        elif what == "apart":
            self.apart.update(kept)
        elif what == "forgotten":
            self.forgotten = kept
        else:
            return False
        return True
