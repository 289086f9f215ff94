"""`runengine.core.trace`: hidden steps and routes, against a search that tries every path."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from runengine.core.events import EVENTS
from runengine.core.statuses import STATUSES, Status
from runengine.core.table import DOCUMENTED, POLICIES, PRACTICAL, TERMINAL, Policy, policy_named
from runengine.core.trace import hidden_steps, route
from tests import naive

Path = tuple[str, ...]

LENGTH_MAX = 7
"""Longer than any shortest way: there are nine statuses, and a way that restarts passes in_progress once more."""


def every_path(policy: str, source: str, length_max: int = LENGTH_MAX) -> Iterator[Path]:
    """Every walk along the naive model's edges, as the statuses passed, shortest first."""
    walks: list[Path] = [(source,)]
    for _ in range(length_max + 1):
        yield from walks
        walks = [(*walk, there) for walk in walks for here, there in naive.EDGES[policy] if here == walk[-1]]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("source", STATUSES)
class TestAgainstBruteForce:
    """Every pair of statuses, both ways of asking, every policy."""

    def test_hidden_steps(self, source: Status, policy: str) -> None:
        """The hidden steps are as few as those of the shortest walk there is, and form such a walk."""
        shortest: dict[tuple[str, bool], int] = {}
        for walk in every_path(policy, source):
            shortest.setdefault((walk[-1], "in_progress" in walk[1:]), len(walk) - 1)
        for target in STATUSES:
            for restarted in (False, True):
                rows = hidden_steps(policy_named(policy), source, target, restarted)
                if rows is None:
                    assert (target, restarted) not in shortest
                    continue
                assert len(rows) == shortest[target, restarted]
                walk = (source, *(row.target for row in rows))
                assert all(edge in naive.EDGES[policy] for edge in pairwise(walk))
                assert [row.source for row in rows] == list(walk[:-1])
                assert walk[-1] == target
                assert ("in_progress" in walk[1:]) == restarted

    def test_route(self, source: Status, policy: str) -> None:
        """A route is a shortest walk to a status that has the event, told by its events; empty where there is none."""
        for event in EVENTS:
            homes = {status for status in STATUSES if naive.is_legal(status, event, policy)}
            lengths = [len(walk) - 1 for walk in every_path(policy, source) if walk[-1] in homes]
            way = route(policy_named(policy), source, event)
            assert len(way) == (min(lengths) if lengths else 0)
            here: str | None = source
            for step in way:
                assert here is not None
                assert naive.is_legal(here, step, policy)
                here = naive.leads_to(here, step)
            if lengths:
                assert here in homes


class TestExamples:
    """A few of them, to read."""

    def test_a_poll_that_missed_in_progress(self) -> None:
        """Queued and then completed, started on the way: it was started and it completed (FACTS B2)."""
        rows = hidden_steps(PRACTICAL, "queued", "completed", True)
        assert rows is not None
        assert [row.event for row in rows] == ["start", "complete"]

    def test_a_hidden_tool_round(self) -> None:
        """The status is unchanged but started_at has moved: a whole tool round lies between."""
        rows = hidden_steps(DOCUMENTED, "in_progress", "in_progress", True)
        assert rows is not None
        assert [row.event for row in rows] == ["require_action", "submit_tool_outputs", "start"]

    @pytest.mark.parametrize("status", STATUSES)
    def test_nothing_need_have_happened(self, status: Status) -> None:
        """Between two equal snapshots there are no steps."""
        assert hidden_steps(DOCUMENTED, status, status, False) == ()

    @pytest.mark.parametrize("status", TERMINAL)
    def test_nothing_after_the_end(self, status: Status) -> None:
        """From a terminal status there is no way to anything else, and no route to any event that ends a run."""
        for target in STATUSES:
            for restarted in (False, True):
                rows = hidden_steps(POLICIES["permissive"], status, target, restarted)
                assert rows == (() if target == status and not restarted else None)

    def test_a_policy_of_ones_own(self) -> None:
        """A narrower policy has longer ways, kept apart from those of the policy it came from."""
        narrow: Policy = PRACTICAL.without("patient", [("cancel", "requires_action")])
        assert route(PRACTICAL, "requires_action", "finish_cancel") == ("cancel",)
        assert route(narrow, "requires_action", "finish_cancel") == ("submit_tool_outputs", "cancel")
