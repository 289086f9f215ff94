"""Ways through the table: the shortest route to where an event is allowed, and the steps hidden between two snapshots.

Pure searches over a policy's rows, each answered once and remembered. Source: DESIGN §2.4, §5; FACTS B2, B3.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from runengine.core.shape import ARRIVAL_STAMP
from runengine.core.statuses import Status
from runengine.core.table import Policy, Transition

__all__ = ["hidden_steps", "route"]

_RESTARTS: Final = "started_at"


def hidden_steps(
    policy: Policy, source: Status, target: Status, restarted: bool, started: bool = True
) -> tuple[Transition, ...] | None:
    """The fewest rows that lead from one snapshot to the next.

    Args:
        policy: Whose rows may be used.
        source: Status of the earlier snapshot.
        target: Status of the later one.
        restarted: Whether started_at was written on the way: then some row must arrive in in_progress, else none may.
        started: Whether the run had started before the earlier snapshot; rows with the guard `started` need that.

    Returns:
        The rows in order, empty where nothing need have happened, or None where no way exists.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> [row.event for row in hidden_steps(DOCUMENTED, "requires_action", "completed", True)]
        ['submit_tool_outputs', 'start', 'complete']
        >>> hidden_steps(DOCUMENTED, "requires_action", "completed", False) is None
        True
    """
    asked = (source, target, restarted, started)
    ways: dict[Any, tuple[Transition, ...] | None] = policy.memo.setdefault(hidden_steps, {})
    if asked not in ways:
        ways[asked] = _search(policy, *asked)
    return ways[asked]


def _search(
    policy: Policy, source: Status, target: Status, restarted: bool, started: bool
) -> tuple[Transition, ...] | None:
    start: tuple[Status, bool] = (source, False)
    goal = (target, restarted)
    came: dict[tuple[Status, bool], tuple[tuple[Status, bool], Transition] | None] = {start: None}
    todo: deque[tuple[Status, bool]] = deque([start])
    while todo:
        here = todo.popleft()
        if here == goal:
            return _unwind(came, here)
        for row in policy.rows:
            if row.source != here[0] or row.edge is None:
                continue
            if "started" in row.guards and not (started or here[1]):
                continue
            writes = ARRIVAL_STAMP.get(row.target) == _RESTARTS
            there: tuple[Status, bool] = (row.target, here[1] or writes)
            if there not in came and not (writes and not restarted):
                came[there] = (here, row)
                todo.append(there)
    return None


def _unwind(
    came: dict[tuple[Status, bool], tuple[tuple[Status, bool], Transition] | None], here: tuple[Status, bool]
) -> tuple[Transition, ...]:
    rows: list[Transition] = []
    step = came[here]
    while step is not None:
        here, row = step
        rows.append(row)
        step = came[here]
    return tuple(reversed(rows))


def route(policy: Policy, source: Status, event: str) -> tuple[str, ...]:
    """The events that lead from `source` to the nearest status in which `event` is allowed; empty where none do.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> route(PRACTICAL, "queued", "submit_tool_outputs")
        ('start', 'require_action')
        >>> route(PRACTICAL, "completed", "start")
        ()
    """
    homes: list[Status] = [row.source for row in policy.rows if row.event == event and row.source is not None]
    ways = [
        way
        for home in homes
        for restarted in (False, True)
        if (way := hidden_steps(policy, source, home, restarted)) is not None
    ]
    return tuple(row.event for row in min(ways, key=len)) if ways else ()
