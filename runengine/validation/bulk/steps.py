"""Steps of runs in columns: of each kind of step what a profile makes of it is asked once, of the profile itself.

Of two rows of a run, one after the other, the kind is: both statuses, how started_at moved, whether every status is
visible, and whether the run can have been started since it was last observed. Nothing else makes a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from runengine.core.statuses import STATUSES
from runengine.core.table import Policy, Transition
from runengine.validation.bulk.batch import NONE, Bools, Ints
from runengine.validation.bulk.lives import Lives
from runengine.validation.profiling.judging import Verdict, hidden_before, judged
from runengine.validation.rules.path import STALE_S, Point

__all__ = ["Steps", "codes_of", "grouped"]

_N: Final = len(STATUSES)
_MOVES: Final[tuple[tuple[int | None, int | None], ...]] = (
    (None, None),
    (None, 1),
    (1, None),
    (2, 1),
    (1, 1),
    (1, 2),
)
"""How started_at moves, each with an example."""

_LATE_S: Final = 1e15


def codes_of(lives: Lives, rows: Ints, skew_s: float) -> NDArray[np.int64]:
    """The kinds of some steps.

    Args:
        lives: Rows, run by run.
        rows: Those that end a step.
        skew_s: How far clocks may differ, seconds.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> from runengine.validation.bulk.lives import ENDED, OPEN, Columns, lives_of
        >>> columns = {"status": np.array([0, 4]), "started": np.array([NONE, 5]), "complete": np.zeros(2, np.bool_)}
        >>> rows = Columns(*[np.array([7, 7], np.uint64)] * 13)._replace(**columns, observed=np.full(2, np.nan))
        >>> lives = lives_of(rows, np.zeros(0, OPEN), np.zeros(0, ENDED), 9)
        >>> (code,) = codes_of(lives, np.array([1]), 2.0)
        >>> [row.event for row in Steps(PRACTICAL, 2.0).verdict(int(code))[0].rows]
        ['start', 'complete']
    """
    was, is_now = lives.started_before[rows], lives.started[rows]
    moved = np.where(
        was == NONE, np.where(is_now == NONE, 0, 1), np.where(is_now == NONE, 2, 4 + np.sign(is_now - was))
    )
    both = lives.complete_before[rows] & lives.complete[rows]
    seen_s = lives.observed_before[rows]
    since: Bools = np.isnan(seen_s) | (is_now == NONE) | (is_now + 1 > seen_s - skew_s - STALE_S)
    pair = lives.status_before[rows].astype(np.int64) * _N + lives.status[rows]
    code: NDArray[np.int64] = ((both * (_N * _N) + pair) * len(_MOVES) + moved) * 2 + since
    return code


def grouped(codes: NDArray[np.int64]) -> Iterator[tuple[int, Ints]]:
    """Each code that occurs, and its places.

    Example:
        >>> [(code, places.tolist()) for code, places in grouped(np.array([4, 2, 4]))]
        [(2, [1]), (4, [0, 2])]
    """
    order = np.argsort(codes.astype(np.int16), kind="stable")
    found, first = np.unique(codes[order], return_index=True)
    yield from zip(found.tolist(), np.split(order, first[1:]), strict=True) if len(found) else ()


class Steps:
    """What is made of each kind of step.

    Args:
        policy: Which steps are legal.
        skew_s: How far clocks may differ, seconds.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> [row.event for row in Steps(PRACTICAL, 2.0).before(STATUSES.index("completed"), True)]
        ['start', 'complete']
    """

    def __init__(self, policy: Policy, skew_s: float) -> None:
        self._policy = policy
        self._skew_s = skew_s
        self._verdicts: dict[int, Verdict] = {}

    def verdict(self, code: int) -> tuple[Verdict, bool, bool]:
        """What is made of a step, whether every status is visible, and whether started_at was null before it.

        Args:
            code: Its kind.

        Raises:
            ValueError: the rules have a word to say of it: such rows are the checker's.
        """
        rest, since = divmod(code, 2)
        rest, moved = divmod(rest, len(_MOVES))
        rest, target = divmod(rest, _N)
        both, source = divmod(rest, _N)
        was, is_now = _MOVES[moved]
        known = self._verdicts.get(code)
        if known is None:
            before = _point(source, was, None if since else _LATE_S)
            known = self._verdicts[code] = judged(
                before, _point(target, is_now), self._policy, bool(both), self._skew_s
            )
        if known.wrong:
            what = f"{STATUSES[source]} to {STATUSES[target]}, started_at from {was} to {is_now}"
            raise ValueError(f"a step that rules speak of was not left to the checker: {what}")
        return known, bool(both), was is None

    def before(self, status: int, started: bool) -> Sequence[Transition]:
        """The rows that a polled run had gone through when it was first seen.

        Args:
            status: It was seen in, index into STATUSES.
            started: started_at was set.
        """
        return hidden_before(_point(status, 1 if started else None), self._policy, self._skew_s)


def _point(status: int, started_at: int | None, observed_s: float | None = None) -> Point:
    record: dict[str, Any] = {"started_at": started_at}
    return Point(status=STATUSES[status], record=record, observed_s=observed_s)
