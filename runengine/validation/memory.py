"""What is remembered of a recording while it is checked: open runs, and the runs and threads seen last.

Memory grows with the runs that are open, not with the input: of an open run its last record is kept; of an ended run
the same, for the `forget_after` that ended last (10,000 unless told otherwise, about 2 kB each). A run that comes back
after that counts as a new one, seen from the middle of its life.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from runengine.core.statuses import Status
from runengine.core.table import TERMINAL
from runengine.dialects.wire import decode
from runengine.validation.rules.path import Point
from runengine.validation.rules.stamps import Deadline, is_seconds
from runengine.validation.summary import Summary

__all__ = ["Mark", "Memory", "Seen", "TRAIL"]

_UNKNOWN: Final = Deadline()

TRAIL: Final = 32
"""At least so many snapshots of a run, repeats apart, are kept in its trail, where there were so many."""

Mark = tuple[int, Status, Any]
"""A snapshot of a trail: line, status, started_at (whatever stood there)."""


class Seen:
    """What is kept of a run between its snapshots.

    The last snapshot is kept as `point`, or, by the skim, as the row and the line it was made from.

    Attributes:
        complete: The last snapshot came from a source that shows every status.
        deadline: What is known of the deadline.
        born: Its thread.run.created was seen.
        good: Objects and arrays of a snapshot with nothing wrong inside.
        candidates: The generations they were found good in.
        remarked: Fields of the last snapshot that RE309 spoke of.
        observed_s: When it was last seen, Unix seconds, or None.
        recording: Which recording it was last seen in, where recordings are joined.
        twin: Its end in an earlier one of joined recordings, where it was recorded twice, or None.
        trail: Its last snapshots but repeats, the newest last: line, status and started_at of each.
        row, line, request, era: The skim's (see `runengine.validation.skim`).

    Example:
        >>> Seen().point is None
        True
    """

    __slots__ = (
        "_point",
        "born",
        "candidates",
        "complete",
        "deadline",
        "era",
        "good",
        "line",
        "observed_s",
        "recording",
        "remarked",
        "request",
        "row",
        "trail",
        "twin",
    )

    def __init__(self) -> None:
        self._point: Point | None = None
        self.complete = False
        self.deadline = _UNKNOWN
        self.born = False
        self.good: dict[str, Any] = {}
        self.candidates: tuple[int, ...] = ()
        self.remarked: frozenset[str] = frozenset()
        self.observed_s: float | None = None
        self.row: Any = None
        self.line: bytes | None = None
        self.request: Any = None
        self.era = -1
        self.trail: list[Mark] = []
        self.recording = ""
        self.twin: Point | None = None

    @property
    def point(self) -> Point | None:
        """The last snapshot, or None before the first."""
        if self._point is None and self.line is not None:
            record = decode(self.line)
            self._point = Point(status=record["status"], record=record)
        return self._point

    def see(self, point: Point, complete: bool, born: bool) -> None:
        """Take a snapshot for the last one."""
        self._point = point
        self.line = None
        self.complete = complete
        self.born = self.born or born
        if point.observed_s is not None:
            self.observed_s = point.observed_s
        deadline = point.record.get("expires_at")
        if is_seconds(deadline):
            moved = self.deadline.at_s not in (None, deadline)
            self.deadline = Deadline(at_s=deadline, moved=self.deadline.moved or moved)

    def skimmed(self, row: Any, line: bytes, complete: bool) -> None:
        """Take a row of the skim, which has nothing wrong, for the last snapshot."""
        self._point = None
        self.row = row
        self.line = line
        self.complete = complete
        self.remarked = frozenset()

    def again(self) -> None:
        """The run is recorded once more, from anew: its end is kept, to be compared, and the rest forgotten."""
        ended = self.point if self.point is not None and self.point.status in TERMINAL else self.twin
        self.__init__()  # type: ignore[misc]
        self.twin = ended

    def mark(self, line: int, status: Status, started_at: Any) -> None:
        """Add a snapshot to the trail, unless it shows what the last one did."""
        trail = self.trail
        if trail and trail[-1][1] == status and trail[-1][2] == started_at:
            return
        trail.append((line, status, started_at))
        if len(trail) > 2 * TRAIL:
            del trail[:TRAIL]


class Memory:
    """The runs and threads of one scope.

    Args:
        forget_after: How many ended runs, and threads, are remembered.
        summary: Where new runs and threads are counted.

    Attributes:
        open: Runs that have not ended, by id.
        ended: Runs that have, the longest ended first.
        streaming: Status of the runs that the current stream has in the middle of their life.

    Example:
        >>> memory = Memory(10, Summary())
        >>> memory.of("run_1") is memory.of("run_1")
        True
    """

    def __init__(self, forget_after: int, summary: Summary) -> None:
        self.open: dict[str, Seen] = {}
        self.ended: OrderedDict[str, Seen] = OrderedDict()
        self.streaming: dict[str, Status] = {}
        self._threads: OrderedDict[str, None] = OrderedDict()
        self._forget_after = forget_after
        self._summary = summary

    def clear(self) -> None:
        """Begin a new scope."""
        self.open.clear()
        self.ended.clear()
        self.streaming.clear()
        self._threads.clear()

    def of(self, run_id: str) -> Seen:
        """What is known of a run; a new one is counted."""
        seen = self.open.get(run_id) or self.ended.get(run_id)
        if seen is None:
            self._summary.runs += 1
            seen = self.open[run_id] = Seen()
        return seen

    def keep(self, run_id: str, seen: Seen, status: Status) -> None:
        """Keep a run among the open or the ended ones, by its status."""
        if status in TERMINAL:
            self.open.pop(run_id, None)
            self.ended[run_id] = seen
            while len(self.ended) > self._forget_after:
                self.ended.popitem(last=False)
        elif run_id in self.ended:
            self.open[run_id] = self.ended.pop(run_id)

    def thread(self, thread_id: str) -> None:
        """Count a thread that has not been seen, or not lately."""
        if thread_id not in self._threads:
            self._summary.threads += 1
            self._threads[thread_id] = None
            if len(self._threads) > self._forget_after:
                self._threads.popitem(last=False)
