"""Paths through the statuses: every pair of snapshots gets the verdict that the naive model's own list of edges gives.

A pair is two statuses and what became of started_at between them. Under `complete` the step is one edge; under `polled`
it is a walk over edges, which arrives in in_progress exactly when started_at was written.
"""

from __future__ import annotations

from itertools import product

import pytest

from runengine.core.table import POLICIES, policy_named
from tests import naive, samples
from tests.validation.checking import check_lines, clean

Edges = frozenset[tuple[str, str]]

STARTS = {
    "never": (None, None),
    "first": (None, 3),
    "cleared": (3, None),
    "kept": (3, 3),
    "forth": (3, 4),
    "back": (4, 3),
}
"""What became of started_at, as seconds after creation."""

STARTED = ("in_progress", "requires_action", "completed", "incomplete")
"""Statuses that a run cannot have without having started (FACTS §6.4)."""

PAIRS = list(product(naive.ALL_STATUSES, naive.ALL_STATUSES))
PATH_RULES = ("RE101", "RE102", "RE103", "RE106", "RE205")


def found(source: str, target: str, start: str, policy: str, sampling: str) -> dict[str, str]:
    """The codes of the path rules, with their severities, in a trace of two snapshots.

    RE103 on another field than the status is left out: that is no question of the path.
    """
    both = [
        clean(status, started_at=None if at is None else samples.T0_S + at)
        for status, at in zip((source, target), STARTS[start], strict=True)
    ]
    checked = check_lines(*both, sampling=sampling, policy=policy_named(policy), select=PATH_RULES)
    assert all(v.line == 2 for v in checked.violations)
    return {v.code: v.severity for v in checked.violations if v.code != "RE103" or v.field == "status"}


def wide(policy: str) -> Edges:
    """The edges that are told from illegal ones: under `documented` also those of `practical`."""
    return frozenset(naive.EDGES["practical" if policy == "documented" else policy])


def undocumented(policy: str) -> dict[str, str]:
    """RE102 with the severity it has under the policy."""
    return {"RE102": "error" if policy == "documented" else "warning"}


def lacks_start(source: str, target: str, start: str) -> tuple[bool, bool]:
    """Whether the earlier, and the later, snapshot lacks a started_at that it must have: that is RE201's to say."""
    was, is_now = STARTS[start]
    return was is None and source in STARTED, is_now is None and target in STARTED


def visible(source: str, target: str, start: str, policy: str) -> dict[str, str]:
    """The verdict on a step of a complete trace."""
    if source in naive.ENDS:
        return {} if source == target else {"RE103": "error"}
    step = (source, target)
    if source != target and step not in wide(policy):
        return {"RE101": "error"}
    verdict = {} if source == target or step in naive.DOCUMENTED_EDGES else undocumented(policy)
    restarts = source != target and target == "in_progress"
    moved = start in ("first", "forth") and not any(lacks_start(source, target, start))
    if start == "back" or (moved and not restarts):
        verdict["RE205"] = "error"
    return verdict


def walks(edges: Edges, source: str, started: bool) -> set[tuple[str, bool]]:
    """Where walks of any length lead, and whether they arrived in in_progress on the way: by brute force."""
    here = {(source, False)}
    while True:
        there = here | {
            (to, restarted or to == "in_progress")
            for at, restarted in here
            for to in naive.ALL_STATUSES
            if (at, to) in edges
            and (started or restarted or at != "cancelling" or to not in ("completed", "incomplete"))
        }
        if there == here:
            return here
        here = there


def hidden(source: str, target: str, start: str, policy: str) -> dict[str, str]:
    """The verdict on a gap of a polled trace."""
    if source in naive.ENDS:
        return {} if source == target else {"RE103": "error"}
    step = (source, target)
    if start == "back" and (source == target or step in wide(policy)):
        return visible(source, target, start, policy)
    lacks = lacks_start(source, target, start)
    if source == target and (start not in ("first", "forth", "back") or any(lacks)):
        return {}
    restarts = {"never": (False,), "first": (True,), "forth": (True,), "back": ()}.get(start, (False, True))
    if any(lacks):
        restarts = (False, True)
    started = STARTS[start][0] is not None or lacks[0]
    goals = {(target, restarted) for restarted in restarts}
    if goals & walks(frozenset(naive.DOCUMENTED_EDGES), source, started):
        return {}
    reached = walks(wide(policy), source, started)
    if goals & reached:
        return undocumented(policy)
    return {"RE106": "error"} if target in {to for to, _ in reached} else {"RE101": "error"}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("source", naive.ALL_STATUSES)
def test_complete(source: str, policy: str) -> None:
    """A visible step is clean, undocumented or illegal as the edges say; started_at moves on a (re)start only."""
    for target, start in product(naive.ALL_STATUSES, STARTS):
        verdict = visible(source, target, start, policy)
        assert found(source, target, start, policy, "complete") == verdict, (target, start)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("source", naive.ALL_STATUSES)
def test_polled(source: str, policy: str) -> None:
    """A gap is explained by documented steps, by others, or by none, as reachability over the edges says."""
    for target, start in product(naive.ALL_STATUSES, STARTS):
        verdict = hidden(source, target, start, policy)
        assert found(source, target, start, policy, "polled") == verdict, (target, start)


def test_every_verdict_is_met() -> None:
    """The exhaustive pairs meet every verdict: an oracle that never speaks would hide."""
    spoken = {
        code
        for verdict in (visible, hidden)
        for (source, target), start, policy in product(PAIRS, STARTS, POLICIES)
        for code in verdict(source, target, start, policy) or ("clean",)
    }
    assert spoken == {"clean", *PATH_RULES}


@pytest.mark.parametrize(("source", "target"), [pair for pair in PAIRS if pair[0] in naive.ENDS and pair[0] != pair[1]])
def test_nothing_leaves_the_end(source: str, target: str) -> None:
    """After the end any other status is RE103, on the status, in either sampling and under the widest policy."""
    for sampling in ("complete", "polled"):
        checked = check_lines(clean(source), clean(target), sampling=sampling, policy=policy_named("permissive"))
        assert [(v.code, v.field, v.line) for v in checked.violations] == [("RE103", "status", 2)]
