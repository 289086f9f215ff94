"""What a profile makes of a step: the rows that explain it, or that nothing does. Source: DESIGN §2.3, §5."""

from __future__ import annotations

from typing import NamedTuple

from runengine.core.statuses import QUEUED, Status
from runengine.core.table import TERMINAL, Policy, Transition
from runengine.core.trace import hidden_steps
from runengine.validation.catalogue import RULES
from runengine.validation.rules.path import Point, path_findings, way_between

__all__ = ["NOTHING", "Verdict", "hidden_before", "judged"]

_BORN = Point(status=QUEUED, record={"started_at": None})


class Verdict(NamedTuple):
    """What is made of two snapshots of a run, one after the other.

    Attributes:
        rows: The rows that explain what happened between them.
        is_step: Something happened.
        wrong: The rules on the path find an error in it.
        undeclared: Edges outside the policy that it shows.

    Example:
        >>> Verdict((), True, True, (("completed", "queued"),)).undeclared
        (('completed', 'queued'),)
    """

    rows: tuple[Transition, ...]
    is_step: bool
    wrong: bool
    undeclared: tuple[tuple[Status, Status], ...] = ()


NOTHING = Verdict((), False, False)
"""Nothing happened."""


def judged(before: Point, now: Point, policy: Policy, complete: bool, skew_s: float) -> Verdict:
    """Judge a step as the rules on the path do, whichever of them are reported.

    Args:
        before: The earlier snapshot.
        now: The later one.
        policy: Which rows are legal.
        complete: Every status is visible, so that the step must be one row.
        skew_s: How far clocks may differ, seconds.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> before = Point(status="queued", record={"started_at": None})
        >>> now = Point(status="completed", record={"started_at": 7})
        >>> [row.event for row in judged(before, now, PRACTICAL, False, 2).rows]
        ['start', 'complete']
        >>> judged(now, before, PRACTICAL, False, 2).undeclared
        (('completed', 'queued'),)
    """
    pair = (before.status, now.status)
    if before.status in TERMINAL:
        return Verdict((), True, True, (pair,)) if before.status != now.status else NOTHING
    rows = way_between(before, now, policy, complete, skew_s)
    found = path_findings(before, now, policy, complete, skew_s)
    wrong = any((finding.severity or RULES[finding.code].severity) == "error" for finding in found)
    if rows == () and not wrong:
        return NOTHING
    odd: tuple[tuple[Status, Status], ...] = ()
    if wrong:
        odd = tuple(row.edge for row in rows or () if row.edge is not None and row.edge not in policy.edges)
        if rows is None and before.status != now.status and (complete or not _reaches(policy, *pair)):
            odd = (pair,)
    return Verdict(rows or (), True, wrong, odd)


def hidden_before(now: Point, policy: Policy, skew_s: float) -> tuple[Transition, ...]:
    """The rows that a polled run had gone through when it was first seen: every run was created queued.

    Args:
        now: Its first snapshot.
        policy: Which rows are legal.
        skew_s: How far clocks may differ, seconds.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> [row.event for row in hidden_before(Point(status="in_progress", record={"started_at": 7}), PRACTICAL, 2)]
        ['start']
    """
    return way_between(_BORN, now, policy, False, skew_s) or ()


def _reaches(policy: Policy, source: Status, target: Status) -> bool:
    return any(hidden_steps(policy, source, target, restarted) is not None for restarted in (False, True))
