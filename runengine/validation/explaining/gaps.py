"""The steps between two snapshots of a run, by the table: which there must have been, whether or not anybody saw them.

started_at tells of a start between two snapshots: it moves when, and only when, the run arrives in in_progress, so it
never goes back, and is never taken away. Source: FACTS §6.1, B2, B3; DESIGN §2.3, §5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from runengine.core.shape import presence
from runengine.core.statuses import STATUSES, Status
from runengine.core.table import DOCUMENTED, Policy, Transition
from runengine.core.trace import hidden_steps
from runengine.validation.seen import Mark

__all__ = ["NEVER", "STARTED", "UNKNOWN", "Shown", "best_steps", "shown_of", "steps_between", "tells_nothing"]

NEVER: Final = -1
"""No start: started_at is null. In a status that cannot be without a start it does not tell; RE201 speaks of that."""

UNKNOWN: Final = -2
"""started_at is no whole number and does not tell. RE207 speaks of that."""

Shown = tuple[Status, int]
"""What a snapshot shows of the path: its status, and which of the starts seen it is from, 0 the earliest."""

STARTED: Final = frozenset(status for status in STATUSES if presence("started_at", status) == "must")
"""The statuses that cannot be without a start."""


def shown_of(marks: Sequence[Mark]) -> tuple[Shown, ...]:
    """What snapshots show, without their lines and times, so that like paths are equal.

    Args:
        marks: A run's snapshots in the order of the recording.

    Example:
        >>> shown_of([(1, "queued", None), (4, "in_progress", 1_700_000_003), (9, "completed", 1_700_000_003)])
        (('queued', -1), ('in_progress', 0), ('completed', 0))
    """
    starts = sorted({at for _, _, at in marks if type(at) is int})
    ranks = {at: rank for rank, at in enumerate(starts)}
    return tuple(
        (status, ranks[at] if type(at) is int else NEVER if at is None else UNKNOWN) for _, status, at in marks
    )


def steps_between(policy: Policy, before: Shown, now: Shown) -> tuple[Transition, ...] | None:
    """The fewest rows that lead from one snapshot to the next and agree with started_at; None where none do.

    Args:
        policy: Whose rows may be used.
        before: The earlier snapshot.
        now: The later one.

    Example:
        >>> [row.event for row in steps_between(DOCUMENTED, ("queued", -1), ("completed", 0))]
        ['start', 'complete']
        >>> steps_between(DOCUMENTED, ("completed", 0), ("in_progress", 0)) is None
        True
    """
    started = before[1] != NEVER or before[0] in STARTED
    asked = (before[0], now[0], _starts(before, now), started)
    known: dict[Any, tuple[Transition, ...] | None] = policy.memo.setdefault(steps_between, {})
    if asked not in known:
        source, target, starts, started = asked
        ways = [hidden_steps(policy, source, target, restarted, started) for restarted in starts]
        known[asked] = min((way for way in ways if way is not None), key=len, default=None)
    return known[asked]


def _starts(before: Shown, now: Shown) -> tuple[bool, ...]:
    """Whether there was a start between: each answer that started_at allows."""
    was, is_now = before[1], now[1]
    if tells_nothing(before) or tells_nothing(now) or was == is_now != NEVER:
        return (False, True)  # a start in the same second leaves started_at as it was
    if was == is_now:
        return (False,)
    return (True,) if is_now > was else ()


def tells_nothing(shown: Shown) -> bool:
    """Whether started_at does not say when the run had last started: it is no time, or null where there must be one.

    Args:
        shown: The snapshot.

    Example:
        >>> tells_nothing(("requires_action", NEVER)), tells_nothing(("queued", NEVER))
        (True, False)
    """
    return shown[1] == UNKNOWN or (shown[1] == NEVER and shown[0] in STARTED)


def best_steps(policy: Policy, before: Shown, now: Shown) -> tuple[Transition, ...] | None:
    """The same, by documented rows where they lead there: they explain best.

    Args:
        policy: Whose rows may be used.
        before: The earlier snapshot.
        now: The later one.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> [row.event for row in best_steps(PRACTICAL, ("requires_action", 0), ("failed", 1))]
        ['submit_tool_outputs', 'start', 'fail']
    """
    if DOCUMENTED.edges.keys() <= policy.edges.keys():
        documented = steps_between(DOCUMENTED, before, now)
        if documented is not None:
            return documented
    return steps_between(policy, before, now)
