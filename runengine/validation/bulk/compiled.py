"""The tables of the rules, as arrays: what the kernel looks things up in is asked of the rules themselves, once.

No step, no deadline and no stamp is written here a second time: a step is legal where `path_findings` says nothing of
it, and which stamps are compared is read off `core.shape` and `core.guards`. Source: DESIGN §2.2, §2.3, §5.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from attrs import frozen

from runengine.core.events import TTL_S
from runengine.core.fields import END_STAMPS
from runengine.core.guards import DEADLINE_FREE
from runengine.core.shape import STAMP_ORDER, end_stamp
from runengine.core.statuses import EXPIRED, STATUSES, Status
from runengine.core.table import ENDED_BY, TERMINAL, Policy
from runengine.validation.bulk.batch import Bools
from runengine.validation.rules.path import STALE_S, Point, path_findings
from runengine.validation.summary import Options

__all__ = ["MOVES", "ORDER", "TTL_S", "Compiled", "move_code"]

_STATUSES: Final = len(STATUSES)
_COLUMN_OF: Final = {"created_at": "created", "started_at": "started", "expires_at": "expires"}

ORDER: Final[tuple[tuple[str, str], ...]] = tuple(
    dict.fromkeys(
        (_COLUMN_OF[earlier], "ended" if later in END_STAMPS else _COLUMN_OF[later]) for earlier, later in STAMP_ORDER
    )
)
"""Pairs of columns (earlier, later), of which both are compared where both are set."""

MOVES: Final = 8
"""How started_at moves from one row to the next, as `move_code` counts it."""

_MOVED: Final[dict[int, tuple[int | None, int | None]]] = {
    0b110: (None, None),
    0b101: (None, 1),
    0b010: (1, 1),
    0b001: (1, 2),
}
"""The moves that rules can be silent of, each with an example of it; of every other the checker decides."""

_LATE_S: Final = 9.0
"""Later than any of these, seconds."""


def move_code(was_none: Any, same: Any, later: Any) -> Any:
    """How started_at moved, from three comparisons; works on arrays too.

    Args:
        was_none: 1 where it was null.
        same: 1 where it is what it was.
        later: 1 where it is later than it was; NONE is before every stamp.

    Example:
        >>> move_code(1, 0, 1), move_code(0, 1, 0)
        (5, 2)
    """
    return was_none * 4 + same * 2 + later


@frozen(kw_only=True, eq=False)
class Compiled:
    """What the kernel needs to know of some options.

    Attributes:
        forget_after: How many items an ended run is remembered for.
        skew_s: How far clocks may differ, seconds.
        stale_s: How old an answer may be, seconds.
        steps: By complete, source, target and move, flat: nothing is to be said of the step.
        stale_steps: The same where the start that the later row shows lies before the earlier was seen.
        terminal: By status: it ends the run.
        bound: By status: its end stamp must lie before the deadline.
        expired: By status: its end stamp must not lie before the deadline.

    Example:
        >>> compiled = Compiled.of(Options())
        >>> bool(compiled.steps[compiled.step(1, STATUSES.index("queued"), STATUSES.index("in_progress"), 0b101)])
        True
    """

    forget_after: int
    skew_s: float
    stale_s: float
    steps: Bools
    stale_steps: Bools
    terminal: Bools
    bound: Bools
    expired: Bools

    @classmethod
    def of(cls, options: Options) -> Compiled:
        """Compile the tables for some options."""
        steps, stale_steps = np.zeros((2, 2 * _STATUSES * _STATUSES * MOVES), np.bool_)
        steps[list(_silent_steps(options.policy, options.skew_s, None))] = True
        stale_steps[list(_silent_steps(options.policy, options.skew_s, _LATE_S + options.skew_s + STALE_S))] = True
        return cls(
            forget_after=options.forget_after,
            skew_s=options.skew_s,
            stale_s=STALE_S,
            steps=steps,
            stale_steps=stale_steps,
            terminal=np.array([status in TERMINAL for status in STATUSES]),
            bound=np.array([s != EXPIRED and end_stamp(s) is not None and _is_bound(s) for s in STATUSES]),
            expired=np.array([status == EXPIRED for status in STATUSES]),
        )

    @staticmethod
    def step(complete: Any, source: Any, target: Any, move: Any) -> Any:
        """Where a step stands in `steps`; works on arrays too."""
        return ((complete * _STATUSES + source) * _STATUSES + target) * MOVES + move


def _is_bound(status: Status) -> bool:
    return ENDED_BY[status] not in DEADLINE_FREE


def _silent_steps(policy: Policy, skew_s: float, observed_s: float | None) -> Iterator[int]:
    """Every step between two snapshots, the first not of an end, that the rules on the path say nothing of.

    Args:
        policy: Which rows are legal.
        skew_s: How far clocks may differ, seconds.
        observed_s: When the first one was observed.
    """
    for complete in (False, True):
        for i, source in enumerate(STATUSES):
            for j, target in enumerate(STATUSES):
                for code, (was, is_now) in _MOVED.items():
                    before = Point(status=source, record={"started_at": was}, observed_s=observed_s)
                    now = Point(status=target, record={"started_at": is_now})
                    if source not in TERMINAL and not any(path_findings(before, now, policy, complete, skew_s)):
                        yield Compiled.step(complete, i, j, code)
