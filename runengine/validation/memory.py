"""What is remembered of a recording while it is checked: open runs, and the runs and threads seen last.

Memory grows with the runs that are open, not with the input: of an open run its last record is kept; of an ended run
the same, for the `forget_after` that ended last (10,000 unless told otherwise, about 2 kB each). A run that comes back
after that counts as a new one, seen from the middle of its life.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final

from attrs import asdict, fields

from runengine.core.shape import end_stamp
from runengine.core.statuses import Status
from runengine.core.table import TERMINAL
from runengine.dialects.wire import decode
from runengine.validation.rules.path import Point
from runengine.validation.rules.stamps import Deadline, is_seconds
from runengine.validation.spans import Span
from runengine.validation.summary import Summary

__all__ = ["TRAIL", "Mark", "Memory", "Seen"]

_UNKNOWN: Final = Deadline()

TRAIL: Final = 32
"""At least so many snapshots of a run, repeats apart, are kept in its trail, where there were so many."""

Mark = tuple[int, Status, Any]
"""A snapshot of a trail: line, status, started_at (`ODD` where that was neither a whole number nor null)."""

ODD: Final = "odd"
"""Stands in a trail for a started_at of another type, which may be of any size."""


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
        strayed: Fields that must not change and have, with what they were before; one wrong value is said once.
        twin: Its end in an earlier one of joined recordings, where it was recorded twice, or None.
        trail: Its last snapshots but repeats, the newest last: line, status and started_at of each.
        span: What its snapshots prove of when it was alive; `evidence` adds the skim's last row.
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
        "span",
        "strayed",
        "trail",
        "twin",
    )

    def __init__(self, twin: Point | None = None) -> None:
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
        self.span: Span | None = None
        self.recording = ""
        self.strayed: dict[str, Any] = {}
        self.twin = twin

    @property
    def point(self) -> Point | None:
        """The last snapshot, or None before the first."""
        if self._point is None and self.line is not None:
            record = decode(self.line)
            self._point = Point(status=record["status"], record=record)
        return self._point

    def see(self, point: Point, complete: bool, born: bool) -> None:
        """Take a snapshot for the last one."""
        if self.line is not None:
            self.evidence()
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

    def stray(self, field: str, was: Any, is_now: Any) -> bool:
        """A field that must not change has; false where it is again what it was before it first did."""
        if field in self.strayed and self.strayed[field] == is_now:
            del self.strayed[field]
            return False
        self.strayed.setdefault(field, was)
        return True

    def evidence(self) -> Span:
        """What the snapshots so far prove of when the run was alive."""
        if self.span is None:
            self.span = Span()
        span, row = self.span, self.row
        if self.line is not None and not span.over:
            # The skim's last row has nothing wrong, and its stamps are the latest of all rows it has skimmed.
            status = row.status
            stamp = end_stamp(status) if status in TERMINAL else None
            ended_s = None if stamp is None else getattr(row, stamp)
            moment_s: Any
            for moment_s in (row.created_at, row.started_at, ended_s):
                if moment_s.__class__ is int and moment_s > span.until_s:
                    span.until_s = moment_s
            span.begun_s = row.created_at if span.begun_s is None else span.begun_s
            span.thread_id = row.thread_id if span.thread_id is None else span.thread_id
            span.over = stamp is not None
        return span

    def mark(self, line: int, status: Status, started_at: Any) -> None:
        """Add a snapshot to the trail, unless it shows what the last one did."""
        trail = self.trail
        if started_at is not None and started_at.__class__ is not int:
            started_at = ODD
        if trail and trail[-1][1] == status and trail[-1][2] == started_at:
            return
        trail.append((line, status, started_at))
        if len(trail) > 2 * TRAIL:
            del trail[:TRAIL]

    def kept(self) -> dict[str, Any]:
        """What is kept, as plain JSON; `taken` reads it. What the skim keeps is made anew."""
        point = self.point
        same = [n for n, value in self.good.items() if point is not None and point.record.get(n) is value]
        return {
            "point": _written(point),
            "twin": _written(self.twin),
            "complete": self.complete,
            "deadline": [self.deadline.at_s, self.deadline.moved],
            "born": self.born,
            "good": same,
            "good_before": {n: value for n, value in self.good.items() if n not in same},
            "candidates": self.candidates,
            "remarked": sorted(self.remarked),
            "observed_s": self.observed_s,
            "trail": self.trail,
            "strayed": self.strayed,
            "recording": self.recording,
            "span": asdict(self.evidence()),
        }

    @classmethod
    def taken(cls, kept: dict[str, Any]) -> Seen:
        """What `kept` wrote.

        Raises:
            KeyError: something is missing.
            TypeError: something is of another type.
            ValueError: something is of another length.
        """
        seen = cls()
        seen._point = point = _read(kept["point"])
        seen.twin = _read(kept["twin"])
        seen.complete, seen.born, seen.observed_s = kept["complete"], kept["born"], kept["observed_s"]
        at_s, moved = kept["deadline"]
        seen.deadline = Deadline(at_s=at_s, moved=moved)
        seen.good = {**kept["good_before"], **{name: point.record[name] for name in kept["good"] if point is not None}}
        seen.candidates, seen.remarked = tuple(kept["candidates"]), frozenset(kept["remarked"])
        seen.trail = [(line, status, started_at) for line, status, started_at in kept["trail"]]
        seen.recording = kept["recording"]
        seen.strayed = dict(kept["strayed"])
        seen.span = Span(**kept["span"])
        return seen


_POINT: Final = tuple(field.name for field in fields(Point))


def _written(point: Point | None) -> dict[str, Any] | None:
    if point is None:
        return None
    return {name: getattr(point, name) for name in _POINT}


def _read(kept: dict[str, Any] | None) -> Point | None:
    if kept is None:
        return None
    return Point(**{name: kept[name] for name in _POINT})


class Memory:
    """The runs and threads of one scope.

    Args:
        forget_after: How many ended runs, and threads, are remembered.
        summary: Where new runs and threads are counted.

    Attributes:
        open: Runs that have not ended, by id.
        ended: Runs that have, the longest ended first.
        streaming: Status of the runs that the current stream has in the middle of their life.
        forgotten: How many ended runs are remembered no longer.
        threads: By id the threads seen last, the longest unseen first: the runs of each by id, with what is known of
            them beyond the run itself, or None.
        apart: Open runs whose lines are all left to the rules.

    Example:
        >>> memory = Memory(10, Summary())
        >>> memory.of("run_1") is memory.of("run_1")
        True
    """

    def __init__(self, forget_after: int, summary: Summary) -> None:
        self.open: dict[str, Seen] = {}
        self.ended: OrderedDict[str, Seen] = OrderedDict()
        self.streaming: dict[str, Status] = {}
        self.forgotten = 0
        self.threads: OrderedDict[str, dict[str, Span | None]] = OrderedDict()
        self.apart: set[str] = set()
        self._reused: OrderedDict[str, None] = OrderedDict()
        self._forget_after = forget_after
        self._summary = summary

    def clear(self) -> None:
        """Begin a new scope."""
        self.open.clear()
        self.ended.clear()
        self.streaming.clear()
        self.threads.clear()
        self.apart.clear()
        self._reused.clear()

    def known(self, run_id: str) -> Seen | None:
        """What is known of a run, or None."""
        return self.open.get(run_id) or self.ended.get(run_id)

    def again(self, run_id: str) -> Seen:
        """The run is recorded once more, from anew: its end is kept, to be compared, and the rest forgotten."""
        before = self.open.pop(run_id, None) or self.ended.pop(run_id, None) or Seen()
        ended = before.point is not None and before.point.status in TERMINAL
        seen = self.open[run_id] = Seen(before.point if ended else before.twin)
        return seen

    def of(self, run_id: str) -> Seen:
        """What is known of a run; a new one is counted."""
        seen = self.known(run_id)
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
                self._leave(*self.ended.popitem(last=False))
                self.forgotten += 1
        elif run_id in self.ended:
            self.open[run_id] = self.ended.pop(run_id)

    def thread(self, thread_id: str) -> None:
        """Count a thread that has not been seen, or not lately."""
        if self.meet(thread_id) is None:
            self._summary.threads += 1
            self.threads[thread_id] = {}
            if len(self.threads) > self._forget_after:
                self.threads.popitem(last=False)

    def meet(self, thread_id: str | None) -> dict[str, Span | None] | None:
        """The runs of a thread that is remembered, which was seen again; None for any other."""
        if thread_id is None or thread_id not in self.threads:
            return None
        self.threads.move_to_end(thread_id)
        return self.threads[thread_id]

    def forget(self, run_id: str) -> None:
        """Forget a run that has not ended; if it comes back, it counts as a new one."""
        seen = self.open.pop(run_id, None)
        if seen is not None:
            self._leave(run_id, seen)
        self.streaming.pop(run_id, None)
        self.apart.discard(run_id)

    def is_first_reuse(self, run_id: str) -> bool:
        """Whether an id has not been found reused before, or not lately; from now on it has."""
        if run_id in self._reused:
            return False
        self._reused[run_id] = None
        if len(self._reused) > self._forget_after:
            self._reused.popitem(last=False)
        return True

    def renew(self, run_id: str) -> Seen:
        """Begin another run of the same id; what was known of the one before is forgotten."""
        seen = self.ended.pop(run_id, None)
        if seen is not None:
            self._leave(run_id, seen)
        self.forget(run_id)
        return self.of(run_id)

    def kept(self) -> Iterator[tuple[str, Any]]:
        """What is remembered, in parts of plain JSON, each with what it is; `take` reads them one by one."""
        for which, runs in (("open", self.open), ("ended", self.ended)):
            for run_id, seen in runs.items():
                yield which, [run_id, seen.kept()]
        yield "streaming", list(self.streaming.items())
        for thread_id, crowd in self.threads.items():
            yield "thread", [thread_id, {run_id: span and asdict(span) for run_id, span in crowd.items()}]
        yield "apart", sorted(self.apart)
        yield "reused", list(self._reused)
        yield "forgotten", self.forgotten

    def take(self, what: str, kept: Any) -> bool:
        """Remember a part of what another memory kept; says whether it was such a part.

        Raises:
            KeyError: something is missing.
            TypeError: something is of another type.
            ValueError: something is of another length.
        """
        if what in ("open", "ended"):
            run_id, seen = kept
            runs = self.open if what == "open" else self.ended
            runs[run_id] = Seen.taken(seen)
        elif what == "streaming":
            self.streaming.update(kept)
        elif what == "thread":
            thread_id, crowd = kept
            self.threads[thread_id] = {
                run_id: span and self._known(run_id, Span(**span)) for run_id, span in crowd.items()
            }
        elif what == "apart":
            self.apart.update(kept)
        elif what == "reused":
            self._reused.update(dict.fromkeys(kept))
        elif what == "forgotten":
            self.forgotten = kept
        else:
            return False
        return True

    def _known(self, run_id: str, span: Span) -> Span:
        """A run that is remembered has one span, which its thread shares."""
        seen = self.known(run_id)
        own = None if seen is None else seen.span
        return span if own is None or own != span else own

    def _leave(self, run_id: str, seen: Seen) -> None:
        """A run that is forgotten is compared with no other of its thread, so that it matters not what was skimmed."""
        thread_id = getattr(seen.row, "thread_id", None) if seen.span is None else seen.span.thread_id
        crowd = None if thread_id is None else self.threads.get(thread_id)
        if crowd is not None:
            crowd.pop(run_id, None)
