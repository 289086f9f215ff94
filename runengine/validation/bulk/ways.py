"""The ways of runs, packed: sixteen statuses to a number, so that runs that went the same way are counted together.

A way of more than sixteen statuses begins with the number of a trail, which stands for the statuses before: trails
are folded as those of single runs are, and equal ones have one number.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runengine.core.statuses import STATUSES
from runengine.validation.bulk.batch import Bools, Ints, Keys
from runengine.validation.profiling.variants import Example, Trail, Variants

__all__ = ["STEPS_MAX", "Trails", "Ways", "count_ways", "ways_of"]

STEPS_MAX: Final = 16
"""So many statuses stand in a number."""

_BITS: Final = np.uint64(4)
_LOW: Final = 15


class Ways(NamedTuple):
    """The ways that some runs have gone.

    Attributes:
        trail: Number of the trail that each begins with; 0 is empty.
        way: The statuses since then, packed.
        steps: How many they are.

    Example:
        >>> Ways.none(2).steps
        array([0, 0], dtype=int8)
    """

    trail: NDArray[np.int32]
    way: Keys
    steps: NDArray[np.int8]

    @classmethod
    def none(cls, count: int) -> Ways:
        """Ways of runs of which nothing has been seen."""
        return cls(np.zeros(count, np.int32), np.zeros(count, np.uint64), np.zeros(count, np.int8))


class Trails:
    """Beginnings of long ways, each with a number.

    Example:
        >>> trails = Trails()
        >>> number = trails.after(0, 0x21)
        >>> trails.trail(number, 0x5).folded()[0][0].statuses
        ('queued', 'in_progress', 'completed')
    """

    def __init__(self) -> None:
        self._trails = [Trail()]
        self._numbers: dict[tuple[object, ...], int] = {Trail().key: 0}
        self._after: dict[tuple[int, int], int] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._trails)

    def trail(self, number: int, way: int) -> Trail:
        """The trail of a way.

        Args:
            number: Of the trail that it begins with.
            way: The statuses since then.
        """
        made = self._trails[number].copy()
        while way:
            made.see(STATUSES[(way & _LOW) - 1])
            way >>= int(_BITS)
        return made

    def after(self, number: int, way: int) -> int:
        """The number of the trail of a way."""
        known = self._after.get((number, way))
        if known is None:
            made = self.trail(number, way)
            known = self._numbers.setdefault(made.key, len(self._trails))
            if known == len(self._trails):
                self._trails.append(made)
            self._after[number, way] = known
        return known

    def keep(self, used: NDArray[np.int32]) -> NDArray[np.int32]:
        """Forget all but some.

        Args:
            used: Numbers of those.

        Returns:
            Their new numbers.
        """
        numbers, places = np.unique(np.concatenate([np.zeros(1, np.int32), used]), return_inverse=True)
        self._trails = [self._trails[number] for number in numbers]
        self._numbers = {trail.key: number for number, trail in enumerate(self._trails)}
        self._after.clear()
        return places.reshape(-1)[1:].astype(np.int32)


def ways_of(before: Ways, status: NDArray[np.int8], begins: Bools, seen: Bools, trails: Trails) -> Ways:
    """The ways of some runs, further on.

    Args:
        before: Where they stood, run by run.
        status: Rows, run by run.
        begins: Where another run begins.
        seen: Which rows show a status that is not that of the row before.
        trails: Of long ways.

    Example:
        >>> yes = np.array([True, True])
        >>> hex(ways_of(Ways.none(1), np.array([0, 1], np.int8), np.array([True, False]), yes, Trails()).way[0])
        '0x21'
    """
    first, passed = np.flatnonzero(begins), np.cumsum(seen)
    since: Ints = passed[first] - seen[first]
    count: Ints = np.diff(since, append=passed[-1] if len(passed) else 0)
    rows = np.flatnonzero(seen)
    own = (np.cumsum(begins) - 1)[rows]
    steps = before.steps.astype(np.int64)
    place = np.arange(len(rows)) - since[own] + steps[own]
    codes = (status[rows] + 1).astype(np.uint64)
    packed = np.where(place < STEPS_MAX, codes << (place.astype(np.uint64) % np.uint64(STEPS_MAX) * _BITS), 0)
    sums = np.zeros(len(rows) + 1, np.uint64)
    np.cumsum(packed, dtype=np.uint64, out=sums[1:])  # modulo 2 ** 64, as are the differences
    made = Ways(before.trail.copy(), before.way + (sums[since + count] - sums[since]), steps + count)
    for run in np.flatnonzero(made.steps > STEPS_MAX).tolist():
        more = status[rows[since[run] : since[run] + count[run]]].tolist()
        number, way, n = int(before.trail[run]), int(before.way[run]), int(steps[run])
        for each in more:
            if n == STEPS_MAX:
                number, way, n = trails.after(number, way), 0, 0
            way |= (each + 1) << (n * int(_BITS))
            n += 1
        made.trail[run], made.way[run], made.steps[run] = number, way, n
    return made._replace(steps=made.steps.astype(np.int8))


def count_ways(ways: Ways, place: Ints, ended: bool, trails: Trails, variants: Variants) -> None:
    """Count runs by their ways: each way is folded once.

    Args:
        ways: The ways.
        place: Where each run is first seen; the example's line stands for it.
        ended: The runs have ended.
        trails: Of long ways.
        variants: Where they are counted.

    Example:
        >>> variants, ways = Variants(), Ways.none(3)._replace(way=np.array([0x521, 0x1, 0x521], np.uint64))
        >>> count_ways(ways, np.array([9, 7, 3]), True, Trails(), variants)
        >>> [(each["way"], each["runs"], each["example"]["line"]) for each in variants.as_list()]
        [('queued → in_progress → completed', 2, 3), ('queued', 1, 7)]
    """
    if not len(place):
        return
    order = np.lexsort((ways.way, ways.trail)) if ways.trail.any() else np.argsort(ways.way)
    way, trail = ways.way[order], ways.trail[order]
    another = np.ones(len(order), np.bool_)
    another[1:] = (way[1:] != way[:-1]) | (trail[1:] != trail[:-1])
    first = np.flatnonzero(another)
    least = np.minimum.reduceat(place[order], first)
    runs = np.diff(first, append=len(order))
    for number, each, count, line in zip(
        trail[first].tolist(), way[first].tolist(), runs.tolist(), least.tolist(), strict=True
    ):
        variants.add(trails.trail(number, each), ended, Example(None, "", line), count)
