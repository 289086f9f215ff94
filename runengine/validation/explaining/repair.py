"""The cheapest repair of an illegal path: the edits that make what was seen of a run a way through the table.

A path is legal where every two neighbours are: where each status is visible, they are the same or one row apart; where
some may be missed, rows lead from one to the other; and started_at moves with a start only. Edits have costs, and the
search (shortest way first) finds the least sum; of equal sums the fewest edits, then the fixed order of the kinds, then
the latest lines and places. Source: DESIGN §2.2, §5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import Any, Final, Literal

from attrs import frozen

from runengine.core.statuses import QUEUED, STATUSES
from runengine.core.table import Policy
from runengine.validation.explaining.gaps import NEVER, STARTED, UNKNOWN, Shown, best_steps, shown_of, steps_between
from runengine.validation.seen import TRAIL, Mark

__all__ = ["COSTS", "OBSERVATIONS_MAX", "Cost", "Edit", "EditKind", "Repair", "repair"]

EditKind = Literal["move", "insert", "drop", "change"]
"""What may be done to a path."""

OBSERVATIONS_MAX: Final = 2 * TRAIL
"""Of a longer path the last so many are looked at."""


@frozen(kw_only=True)
class Cost:
    """What one edit costs.

    Attributes:
        cost: Its weight.
        why: Why it costs more, or less, than others.

    Example:
        >>> COSTS["drop"].cost
        3
    """

    cost: int
    why: str


COSTS: Final[dict[EditKind, Cost]] = {
    "move": Cost(cost=1, why="What was seen stays, all of it; only its place was wrong."),
    "insert": Cost(cost=2, why="What was seen stays; something that nobody saw is added."),
    "drop": Cost(cost=3, why="What was seen is given up."),
    "change": Cost(cost=4, why="What was seen is given up, and something nobody saw is put in its place."),
}
"""The price of each kind, cheapest first: this is their order among equals too."""


@frozen(kw_only=True)
class Edit:
    """One change to a path.

    Attributes:
        kind: What is done.
        line: Of the observation that is moved, dropped or changed; None for an insertion.
        event: The event inserted.
        status: What the inserted event leads to, or what the observation is changed to.
        was: The status that is changed.
        after: Line behind which it goes; None at the beginning. Of insertions and moves.
        before: Line before which it goes.
        path: The recording, where there are several.

    Example:
        >>> str(Edit(kind="insert", event="start", status="in_progress", after=3, before=4))
        'insert start between line 3 and line 4'
    """

    kind: EditKind
    line: int | None = None
    event: str | None = None
    status: str | None = None
    was: str | None = None
    after: int | None = None
    before: int | None = None
    path: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self._done}" if self.path else self._done

    @property
    def _done(self) -> str:
        place = f"before line {self.before}"
        if self.after is not None:
            place = f"between line {self.after} and line {self.before}"
        match self.kind:
            case "insert":
                return f"insert {self.event} {place}"
            case "drop":
                return f"drop line {self.line}"
            case "change":
                return f"change line {self.line} from {self.was} to {self.status}"
            case "move":
                return f"line {self.line} belongs {place}"


@frozen(kw_only=True)
class Repair:
    """The edits that make a path legal, in the order of the mended path.

    Attributes:
        edits: None where it was legal.
        cost: Their sum.

    Example:
        >>> Repair(edits=(), cost=0).text
        ''
    """

    edits: tuple[Edit, ...]
    cost: int

    @property
    def text(self) -> str:
        """The edits in words."""
        return ", ".join(map(str, self.edits))


def repair(marks: Sequence[Mark], policy: Policy, complete: bool, movable: bool = True) -> Repair:
    """The cheapest repair of a path.

    Of all repairs in which no observation is moved by more than 6 places, none is both moved and changed, and at most
    two are away from their places at once, the cheapest. A snapshot without a start is changed to no status that must
    have one; where one was seen queued without a start, nothing but a queued one is moved to the beginning; and what is
    inserted comes by documented rows where they lead there. Answers are remembered with the policy.

    Args:
        marks: What was seen, in the order of the recording; the last 64 are looked at.
        policy: Whose rows are legal.
        complete: Every status is visible.
        movable: An observation may stand in a wrong place; not so where its own time says when it was.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> repair([(1, "queued", None), (2, "completed", 7), (3, "in_progress", 7)], PRACTICAL, True).text
        'line 3 belongs between line 1 and line 2'
        >>> repair([(1, "queued", None), (2, "completed", 7)], PRACTICAL, True).text
        'insert start between line 1 and line 2'
    """
    marks = marks[-OBSERVATIONS_MAX:]
    shown = shown_of(marks)
    known: dict[Any, tuple[int, tuple[_Step, ...]]] = policy.memo.setdefault(repair, {})
    asked = (shown, complete, movable)
    found = known.get(asked)
    if found is None:
        if len(known) >= _KNOWN_MAX:
            known.clear()
        found = known[asked] = _Search(policy, complete, movable).cheapest(shown)
    cost, steps = found
    return Repair(edits=tuple(_edit(step, marks) for step in steps), cost=cost)


_KNOWN_MAX: Final = 4096
_LATE_MAX: Final = 6
_AWAY_MAX: Final = 2
_BIRTH: Final[Shown] = (QUEUED, NEVER)

_KINDS: Final = tuple(COSTS)
_MOVE, _INSERT, _DROP, _CHANGE = range(len(_KINDS))
_PRICE: Final = tuple(cost.cost for cost in COSTS.values())

_Step = tuple[int, int, int, int, int, str]
"""An edit by places: kind, minus the place it is about (so that later ones come first), minus the place of what stands
behind it, the place of what stands before it (-1: nothing), its number in its gap, and the event or status."""

_Node = tuple[int, int, tuple[_Step, ...], int, str, int, int, tuple[int, ...]]
"""Cost, number of edits, edits; then where the search stands: how many observations are dealt with, the status and
start of the last one that counts ("" before the first), its place, and the places of those moved to before here."""


def _edit(step: _Step, marks: Sequence[Mark]) -> Edit:
    kind, place, behind, before, _, word = step
    after = None if before < 0 else marks[before][0]
    if kind == _INSERT:
        event, _, status = word.partition(" ")
        return Edit(kind="insert", event=event, status=status, after=after, before=marks[-behind][0])
    line, was, _ = marks[-place]
    if kind == _MOVE:
        return Edit(kind="move", line=line, after=after, before=marks[-behind][0])
    if kind == _DROP:
        return Edit(kind="drop", line=line)
    return Edit(kind="change", line=line, was=was, status=word)


class _Search:
    """One search."""

    def __init__(self, policy: Policy, complete: bool, movable: bool) -> None:
        self._policy = policy
        self._complete = complete
        self._away_max = _AWAY_MAX if movable else 0

    def cheapest(self, shown: tuple[Shown, ...]) -> tuple[int, tuple[_Step, ...]]:
        """The least cost, and the edits that come to it."""
        todo: list[_Node] = [(0, 0, (), 0, "", UNKNOWN, -1, ())]
        done: set[tuple[Any, ...]] = set()
        while True:  # dropping everything mends any path, so there is an end
            cost, _, steps, here, status, start, _, away = node = heappop(todo)
            if here == len(shown):
                return cost, steps
            if (here, status, start, away) not in done:
                done.add((here, status, start, away))
                for following in self._onward(shown, node):
                    heappush(todo, following)

    def _onward(self, shown: tuple[Shown, ...], node: _Node) -> Iterator[_Node]:
        cost, count, steps, here, status, start, place, away = node
        if here in away:
            yield cost, count, steps, here + 1, status, start, place, tuple(p for p in away if p != here)
            return
        last: Any = (status, start) if status else None
        born = last is None and _BIRTH in shown
        yield from self._placed(node, last, shown[here], here, (), 0, here + 1, away)
        dropped: _Step = (_DROP, -here, 0, 0, 0, "")
        yield cost + _PRICE[_DROP], count + 1, (*steps, dropped), here + 1, status, start, place, away
        if self._complete:  # where some may be missed, what is changed could as well be dropped, for less
            for other in STATUSES:
                if other != shown[here][0] and not (other in STARTED and shown[here][1] == NEVER):
                    change: _Step = (_CHANGE, -here, 0, 0, 0, other)
                    changed = (other, shown[here][1])
                    yield from self._placed(node, last, changed, here, (change,), _PRICE[_CHANGE], here + 1, away)
        if len(away) < self._away_max:
            for late in range(here + 1, min(len(shown), here + _LATE_MAX + 1)):
                if late not in away and (not born or shown[late][0] == QUEUED):
                    move: _Step = (_MOVE, -late, -here, place, 0, "")
                    gone = tuple(sorted((*away, late)))
                    yield from self._placed(node, last, shown[late], late, (move,), _PRICE[_MOVE], here, gone)

    def _placed(
        self,
        node: _Node,
        last: Shown | None,
        shown: Shown,
        place: int,
        edits: tuple[_Step, ...],
        price: int,
        here: int,
        away: tuple[int, ...],
    ) -> Iterator[_Node]:
        """The observation is next on the mended path, if anything leads to it."""
        inserted = self._inserted(last, shown)
        if inserted is None:
            return
        words = ((_INSERT, -place, -place, node[6], number, word) for number, word in enumerate(inserted))
        steps = (*node[2], *words, *edits)
        cost = node[0] + len(inserted) * _PRICE[_INSERT] + price
        yield cost, len(steps), steps, here, *shown, place, away

    def _inserted(self, last: Shown | None, shown: Shown) -> tuple[str, ...] | None:
        """What has to be inserted between two neighbours; None where nothing leads from one to the other."""
        if last is None:
            return ()
        rows = steps_between(self._policy, last, shown)
        if rows is None:
            return None
        if not self._complete or len(rows) <= 1:
            return ()
        best = best_steps(self._policy, last, shown) or rows
        return tuple(f"{row.event} {row.target}" for row in best[:-1])
