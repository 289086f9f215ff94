"""What is kept of one run while a recording is checked: its last snapshot, and what the earlier ones proved."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from attrs import asdict, fields

from runengine.core.statuses import Status
from runengine.dialects.wire import decode
from runengine.validation.rules.path import Point
from runengine.validation.rules.stamps import Deadline, is_seconds
from runengine.validation.spans import Span

__all__ = ["ODD", "TRAIL", "Mark", "Seen"]

TRAIL: Final = 32
"""At least so many snapshots of a run, repeats apart, are kept in its trail, where there were so many."""

Mark = tuple[int, Status, Any]
"""A snapshot of a trail: line, status, started_at (`ODD` where that was neither a whole number nor null)."""

ODD: Final = "odd"
"""Stands in a trail for a started_at of another type, which may be of any size."""

_OF_MARK: Final = 3
_MARKS_MAX: Final = 2 * TRAIL * _OF_MARK
_NO_FIELDS: Final = frozenset[str]()
_NOTHING: Final[dict[str, Any]] = {}
"""What runs have in common that have nothing of a kind; never written to."""


class Seen:
    """What is kept of a run between its snapshots.

    The last snapshot is kept as `point`, or, by the skim, which says nothing of it, as the row and the line it was
    made from.

    Attributes:
        complete: The last snapshot came from a source that shows every status.
        deadline_s: The last deadline seen, Unix seconds, or None.
        moved: The deadline was seen to move.
        born: Its thread.run.created was seen.
        good: Objects and arrays of a snapshot with nothing wrong inside; replaced, never written to.
        candidates: The generations they were found good in.
        remarked: Fields of the last snapshot that RE309 spoke of, if it was not skimmed.
        observed_s: When it was last seen, Unix seconds, or None.
        recording: Which recording it was last seen in, where recordings are joined.
        strayed: Fields that must not change and have, with what they were before; one wrong value is said once.
        twin: Its end in an earlier one of joined recordings, where it was recorded twice, or None.
        reused: Its id was another run's before, and RE502 has said so.
        at: Of a run that has ended, the memory's clock at its last snapshot.
        thread_id: The thread it was first seen on, or None.
        marks: Its trail, each mark's three parts after those of the last.
        span: What its snapshots prove of when it was alive; `evidence` adds the skim's last row.
        row, line, asked, layouts: The skim's (see `runengine.validation.skim`); a run that it saw end has no row.
        begun_s, ended_s: Stamps of such a run.

    Example:
        >>> Seen().point is None
        True
    """

    __slots__ = (
        "_decoded",
        "_point",
        "asked",
        "at",
        "begun_s",
        "born",
        "candidates",
        "complete",
        "deadline_s",
        "ended_s",
        "good",
        "layouts",
        "line",
        "marks",
        "moved",
        "observed_s",
        "recording",
        "remarked",
        "reused",
        "row",
        "span",
        "strayed",
        "thread_id",
        "twin",
    )

    def __init__(self, twin: Point | None = None) -> None:
        self._point: Point | None = None
        self._decoded: bytes | None = None
        self.complete = False
        self.deadline_s: int | None = None
        self.moved = False
        self.born = False
        self.good = _NOTHING
        self.candidates: tuple[int, ...] = ()
        self.remarked = _NO_FIELDS
        self.observed_s: float | None = None
        self.row: Any = None
        self.line: bytes | None = None
        self.asked: tuple[Any, ...] = ()
        self.layouts: Any = None
        self.begun_s = self.ended_s = 0
        self.at = 0
        self.thread_id: str | None = None
        self.marks: tuple[Any, ...] = ()
        self.span: Span | None = None
        self.recording = ""
        self.reused = False
        self.strayed = _NOTHING
        self.twin = twin

    @property
    def shown(self) -> bool:
        """Whether a snapshot of it was taken: of an unknown status there is none."""
        return self.line is not None or self._point is not None

    @property
    def point(self) -> Point | None:
        """The last snapshot, or None before the first."""
        if self.line is not None and self.line is not self._decoded:
            record = decode(self.line)
            self._point, self._decoded = Point(status=record["status"], record=record), self.line
        return self._point

    @property
    def deadline(self) -> Deadline:
        """What is known of the deadline."""
        return Deadline(at_s=self.deadline_s, moved=self.moved)

    @property
    def trail(self) -> list[Mark]:
        """Its last snapshots but repeats, the newest last: line, status and started_at of each."""
        return _marks_of(self.marks)

    def see(self, point: Point, complete: bool, born: bool) -> None:
        """Take a snapshot for the last one."""
        if self.line is not None:
            self.evidence()
        self._point = point
        self.line = self._decoded = None
        self.complete = complete
        self.born = self.born or born
        if point.observed_s is not None:
            self.observed_s = point.observed_s
        deadline = point.record.get("expires_at")
        if is_seconds(deadline):
            self.moved = self.moved or self.deadline_s not in (None, deadline)
            self.deadline_s = deadline

    def stray(self, field: str, was: Any, is_now: Any) -> bool:
        """A field that must not change has; false where it is again what it was before it first did."""
        if field in self.strayed and self.strayed[field] == is_now:
            self.strayed = {name: before for name, before in self.strayed.items() if name != field}
            return False
        if field not in self.strayed:
            self.strayed = {**self.strayed, field: was}
        return True

    def evidence(self) -> Span:
        """What the snapshots so far prove of when the run was alive."""
        if self.span is None:
            self.span = Span()
        span, row = self.span, self.row
        if self.line is None or span.over:
            return span
        # What was skimmed has nothing wrong, and its stamps are the latest of all that was.
        begun_s, latest_s = self.begun_s, self.ended_s
        if row is not None:
            begun_s, started = row.created_at, row.started_at
            latest_s = started if started.__class__ is int else begun_s
        span.until_s = max(span.until_s, latest_s)
        span.begun_s = begun_s if span.begun_s is None else span.begun_s
        span.over = row is None
        return span

    def mark(self, line: int, status: Status, started_at: Any) -> None:
        """Add a snapshot to the trail, unless it shows what the last one did."""
        marks = self.marks
        if started_at is not None and started_at.__class__ is not int:
            started_at = ODD
        if marks and marks[-2] == status and marks[-1] == started_at:
            return
        # A tuple of plain values costs the garbage collector nothing, and is copied seldom enough.
        marks += (line, status, started_at)
        self.marks = marks if len(marks) <= _MARKS_MAX else marks[TRAIL * _OF_MARK :]

    def kept(self) -> dict[str, Any]:
        """What is kept, as plain JSON; `taken` reads it. What the skim keeps is made anew."""
        point = self.point
        same = [n for n, value in self.good.items() if point is not None and point.record.get(n) is value]
        return {
            "point": _written(point),
            "twin": _written(self.twin),
            "complete": self.complete,
            "deadline": [self.deadline_s, self.moved],
            "born": self.born,
            "good": same,
            "good_before": {n: value for n, value in self.good.items() if n not in same},
            "candidates": self.candidates,
            "remarked": sorted(self.remarked) if self.line is None else [],
            "observed_s": self.observed_s,
            "trail": self.marks,
            "strayed": self.strayed,
            "recording": self.recording,
            "reused": self.reused,
            "at": self.at,
            "thread_id": self.thread_id,
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
        seen.deadline_s, seen.moved = kept["deadline"]
        seen.good = {**kept["good_before"], **{name: point.record[name] for name in kept["good"] if point is not None}}
        seen.candidates, seen.remarked = tuple(kept["candidates"]), frozenset(kept["remarked"])
        seen.marks = tuple(chain.from_iterable(_marks_of(kept["trail"])))
        seen.recording, seen.reused = kept["recording"], kept["reused"]
        seen.at, seen.thread_id = kept["at"], kept["thread_id"]
        seen.strayed = dict(kept["strayed"])
        seen.span = Span(**kept["span"])
        return seen


def _marks_of(marks: Sequence[Any]) -> list[Mark]:
    return list(zip(marks[::_OF_MARK], marks[1::_OF_MARK], marks[2::_OF_MARK], strict=True))


_POINT: Final = tuple(field.name for field in fields(Point))


def _written(point: Point | None) -> dict[str, Any] | None:
    if point is None:
        return None
    return {name: getattr(point, name) for name in _POINT}


def _read(kept: dict[str, Any] | None) -> Point | None:
    if kept is None:
        return None
    return Point(**{name: kept[name] for name in _POINT})
