"""What is kept of recordings: counts, and of everything that is measured a bounded sample, drawn evenly from all.

Memory: at most `KEPT` stays for each row of the table, and as many of each other measure; what was sampled is said.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, Generic, TypeVar

from attrs import Factory, define

from runengine.core import SECOND_US, Status
from runengine.simulation.chance import Chance
from runengine.simulation.fitting.spans import FAR_US, Span
from runengine.simulation.fitting.stays import Stay

__all__ = ["KEPT", "Kept", "Reservoir", "StayTally", "situation_of"]

T = TypeVar("T")

KEPT: Final = 8000
"""Stays of a row that are kept; of more, an even sample."""

EXPIRE: Final = "expire"

Triple = tuple[float, float, float]
"""Seconds: for how long it can have begun, and, from the first such moment, the earliest and latest end."""


class Reservoir(Generic[T]):
    """An even sample of whatever is added, of a bounded size (Vitter's algorithm R, with our own draws).

    Args:
        seed: The seed.
        name: What is sampled.
        size: How many are kept.

    Attributes:
        kept: The sample.
        seen: How many were added.

    Example:
        >>> sample: Reservoir[int] = Reservoir(1, "x", 3)
        >>> for number in range(9): sample.add(number)
        >>> len(sample.kept), sample.seen
        (3, 9)
    """

    def __init__(self, seed: int, name: str, size: int = KEPT) -> None:
        self.kept: list[T] = []
        self.seen = 0
        self._size = size
        self._chance = Chance(seed, "reservoir", name)

    def add(self, value: T) -> None:
        """Add one."""
        self.seen += 1
        if len(self.kept) < self._size:
            self.kept.append(value)
        elif (place := self._chance.below(self.seen)) < self._size:
            self.kept[place] = value


@define
class Kept:
    """The stays of one row.

    Attributes:
        sample: Their lengths, as far as known.
        exact: How many are known exactly.
        within: How many within bounds.
        hidden: How many of them follow from what was seen, and were not seen themselves.
        counts: How many there are, by the situation the run was in.

    Example:
        >>> Kept(sample=Reservoir(1, "x")).exact
        0
    """

    sample: Reservoir[Triple]
    exact: int = 0
    within: int = 0
    hidden: int = 0
    counts: Counter[str] = Factory(Counter)


def situation_of(stay: Stay) -> str:
    """What decides which rows were open to a run: whether it had started, and its tool rounds.

    Example:
        >>> situation_of(Stay("queued", None, Span(0, 0), Span(0, 0), None, False, 0, False, True))
        'unstarted 0'
    """
    return f"{'started' if stay.started else 'unstarted'} {stay.rounds}"


class StayTally:
    """The stays of all recordings.

    Args:
        seed: For the samples.

    Attributes:
        rows: By source and event, those that ended.
        left: By source, those that had not ended: how long they are known to have lasted.
        due: By source, those that their deadline ended: how long after their beginning it came.
        late: Stays left out, since they had begun before the recording did.

    Example:
        >>> StayTally(1).late
        0
    """

    def __init__(self, seed: int) -> None:
        self.rows: dict[tuple[Status, str], Kept] = {}
        self.left: dict[Status, Reservoir[Triple]] = {}
        self.due: dict[Status, Reservoir[Triple]] = {}
        self.late = 0
        self._seed = seed

    def add(self, stay: Stay) -> None:
        """Add one."""
        if not stay.whole:
            self.late += 1
            return
        if stay.row is None and stay.start.most_us < FAR_US:
            self._reservoir(self.left, stay.source).add(_triple(stay.start, stay.end, is_open=True))
        if stay.row is None:
            return
        key = (stay.source, stay.row.event)
        kept = self.rows.get(key)
        if kept is None:
            kept = self.rows[key] = Kept(sample=Reservoir(self._seed, f"{key[0]} {key[1]}"))
        kept.exact += stay.is_exact
        kept.within += not stay.is_exact
        kept.hidden += stay.hidden
        kept.counts[situation_of(stay)] += 1
        if stay.start.most_us >= FAR_US:
            return  # it counts for the share; of its length nothing is known
        if stay.row.event != EXPIRE:
            kept.sample.add(_triple(stay.start, stay.end))
        elif stay.deadline_us is not None:
            due = Span(stay.deadline_us, stay.deadline_us)
            since = due if stay.start.most_us <= stay.deadline_us else stay.start
            end = Span(max(stay.end.least_us, since.least_us), max(stay.end.most_us, since.least_us))
            kept.sample.add(_triple(since, end))
            self._reservoir(self.due, stay.source).add(_triple(stay.start, due, is_open=True))

    def _reservoir(self, where: dict[Status, Reservoir[Triple]], source: Status) -> Reservoir[Triple]:
        if source not in where:
            where[source] = Reservoir(self._seed, f"open {source}")
        return where[source]


def _triple(start: Span, end: Span, *, is_open: bool = False) -> Triple:
    most_us = FAR_US if is_open else end.most_us
    high = float("inf") if most_us >= FAR_US else max(0, most_us - start.least_us) / SECOND_US
    return _seconds(start.most_us - start.least_us), _seconds(max(0, end.least_us - start.least_us)), high


def _seconds(us: int) -> float:
    return us / SECOND_US
