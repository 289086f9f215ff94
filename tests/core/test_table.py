"""`runengine.core.table`: the rows, the policies made of them, and what is derived."""

from __future__ import annotations

import pytest

from runengine.core.events import EVENTS
from runengine.core.statuses import STATUSES
from runengine.core.table import (
    DOCUMENTED,
    ENDED_BY,
    PERMISSIVE,
    POLICIES,
    PRACTICAL,
    TABLE,
    TERMINAL,
    Policy,
    Transition,
    policy_named,
)
from runengine.errors import LifecycleDefinitionError
from tests import naive

PUBLISHED_EDGES = {
    "start": {("queued", "in_progress")},
    "require_action": {("in_progress", "requires_action")},
    "submit_tool_outputs": {("requires_action", "queued")},
    "cancel": {("queued", "cancelling"), ("in_progress", "cancelling")},
    "finish_cancel": {("cancelling", "cancelled")},
    "complete": {("in_progress", "completed")},
    "exhaust_tokens": {("in_progress", "incomplete")},
    "fail": {("in_progress", "failed")},
    "expire": {("in_progress", "expired"), ("requires_action", "expired")},
}
"""DESIGN §2.2, column `documented`: the diagram with the event on each edge."""


class TestPolicies:
    """Which edges each policy has."""

    def test_documented(self) -> None:
        """The documented policy is exactly the eleven published edges, each under its event."""
        assert len(DOCUMENTED.edges) == 11
        assert DOCUMENTED.edges == {edge: event for event, edges in PUBLISHED_EDGES.items() for edge in edges}

    def test_practical(self) -> None:
        """The practical policy adds exactly eight edges, and modify while the run is at work."""
        added = PRACTICAL.edges.keys() - DOCUMENTED.edges.keys()
        assert added == set(naive.PRACTICAL_ADDS)
        assert len(added) == 8
        still = {str(row) for row in PRACTICAL.rows} - {str(row) for row in DOCUMENTED.rows}
        assert {row for row in still if row.startswith("modify")} == {
            "modify: in_progress -> in_progress",
            "modify: cancelling -> cancelling",
        }

    def test_permissive(self) -> None:
        """The permissive policy adds exactly six edges more, and nothing else."""
        added = PERMISSIVE.edges.keys() - PRACTICAL.edges.keys()
        assert added == set(naive.PERMISSIVE_ADDS)
        assert len(PERMISSIVE.rows) - len(PRACTICAL.rows) == 6

    @pytest.mark.parametrize("policy", POLICIES)
    @pytest.mark.parametrize("status", [None, *STATUSES])
    def test_allowed(self, status: str | None, policy: str) -> None:
        """What is allowed in a status is what the naive model allows, in the order of the event table."""
        assert policy_named(policy).allowed(status) == naive.allowed(status, policy)  # type: ignore[arg-type]

    def test_each_policy_has_the_one_before(self) -> None:
        """Documented, practical, permissive: each has all rows of the one before, in the table's order."""
        narrow, middle, wide = POLICIES.values()
        assert set(narrow.rows) < set(middle.rows) < set(wide.rows) == set(TABLE)
        for policy in POLICIES.values():
            assert policy.rows == tuple(row for row in TABLE if row in policy.rows)

    def test_by_name(self) -> None:
        """A policy is found by its name; another name is refused with what there is."""
        assert [policy_named(name).name for name in POLICIES] == list(POLICIES)
        with pytest.raises(ValueError, match="no policy 'strict': there are documented, practical, permissive"):
            policy_named("strict")


class TestRows:
    """The rows themselves."""

    @pytest.mark.parametrize("row", TABLE, ids=str)
    def test_each_row_has_evidence(self, row: Transition) -> None:
        """Each row says where it comes from: a part of FACTS or of DESIGN."""
        assert row.evidence.startswith(("FACTS ", "DESIGN §"))
        assert len(row.evidence) > len("FACTS §6.1")

    def test_their_order(self) -> None:
        """Rows stand in the order of the events, so that whatever is printed from them does too."""
        order = [list(EVENTS).index(row.event) for row in TABLE]
        assert order == sorted(order)

    def test_as_text(self) -> None:
        """A row reads as event, source and target."""
        assert str(TABLE[0]) == "create: (no run) -> queued"
        assert str(TABLE[1]) == "start: queued -> in_progress"

    def test_edges(self) -> None:
        """A row is an edge where a run changes its status: not at its birth, and not by modify."""
        assert {row.event for row in TABLE if row.edge is None} == {"create", "modify"}

    def test_guards(self) -> None:
        """Expiry looks at the deadline everywhere; an outcome after a cancel looks whether the run had started."""
        guards = {(row.event, row.source): row.guards for row in TABLE if row.guards}
        live = ("queued", "in_progress", "requires_action", "cancelling")
        assert guards == {
            ("require_action", "in_progress"): ("has_tool_calls", "unique_call_ids"),
            ("submit_tool_outputs", "requires_action"): ("outputs_match",),
            ("complete", "cancelling"): ("started",),
            ("exhaust_tokens", "cancelling"): ("started",),
            **{("expire", status): ("past_deadline",) for status in live},
        }


class TestDerived:
    """What is computed from the rows."""

    def test_ended_by(self) -> None:
        """Each terminal status is entered by one event, in every policy."""
        assert ENDED_BY == naive.ENDS
        assert tuple(ENDED_BY) != ()
        assert set(ENDED_BY) == set(TERMINAL)

    def test_every_live_status_can_expire(self) -> None:
        """In the default policy no run can be stuck: the deadline ends it wherever it is."""
        for status in naive.LIVE:
            assert (status, "expired") in PRACTICAL.edges

    def test_documented_can_be_stuck(self) -> None:
        """The published diagram has no expiry from queued and from cancelling, which is why it is not the default."""
        stuck = {status for status in naive.LIVE if (status, "expired") not in DOCUMENTED.edges}
        assert stuck == {"queued", "cancelling"}


class TestWithout:
    """A narrower policy."""

    def test_it_has_the_others(self) -> None:
        """Rows left out are gone, the rest stays in order, and the policy it came from is as it was."""
        before = PRACTICAL.rows
        narrow = PRACTICAL.without("narrow", [("cancel", "requires_action"), ("modify", "in_progress")])
        assert narrow.name == "narrow"
        assert narrow.rows == tuple(
            r for r in before if (r.event, r.source) not in {("cancel", "requires_action"), ("modify", "in_progress")}
        )
        assert PRACTICAL.rows is before

    def test_a_row_that_is_not_there(self) -> None:
        """Leaving out what the policy does not have is refused, and the error names the row."""
        with pytest.raises(LifecycleDefinitionError) as caught:
            DOCUMENTED.without("odd", [("expire", "queued")])
        assert caught.value.row == "expire: queued"

    def test_what_is_left_is_checked(self) -> None:
        """What is left must be a lifecycle: without its only row out, cancelling cannot end."""
        with pytest.raises(LifecycleDefinitionError) as caught:
            DOCUMENTED.without("stuck", [("finish_cancel", "cancelling")])
        assert caught.value.row in ("cancelling", "cancelled")


class TestExtended:
    """A wider policy."""

    def test_documented_becomes_practical(self) -> None:
        """The documented policy extended with the rows it lacks allows what the practical one does."""
        lacking = [row for row in PRACTICAL.rows if row not in DOCUMENTED.rows]
        made = DOCUMENTED.extended("made", lacking)
        assert made.edges == PRACTICAL.edges
        assert {s: sorted(made.allowed(s)) for s in STATUSES} == {s: sorted(PRACTICAL.allowed(s)) for s in STATUSES}

    def test_a_row_that_overlaps(self) -> None:
        """A second row for the same event and status is refused, and the error names both."""
        row = Transition("start", "queued", "failed", "permissive", "why not")
        with pytest.raises(LifecycleDefinitionError, match="no two rows overlap") as caught:
            PRACTICAL.extended("odd", [row])
        assert caught.value.row == "start: queued -> failed"
        assert "start: queued -> in_progress" in caught.value.rule

    @pytest.mark.parametrize("status", TERMINAL)
    def test_nothing_leaves_a_terminal_status(self, status: str) -> None:
        """No policy can be made in which an ended run moves."""
        row = Transition("start", status, "in_progress", "permissive", "retry")  # type: ignore[arg-type]
        with pytest.raises(LifecycleDefinitionError, match="nothing leaves a terminal status") as caught:
            PERMISSIVE.extended("undead", [row])
        assert caught.value.row == f"start: {status} -> in_progress"


def test_policies_are_told_apart_by_identity() -> None:
    """Two policies of the same rows are two policies: each is compiled for itself."""
    again = Policy("practical", PRACTICAL.rows)
    assert again != PRACTICAL
    assert again.edges == PRACTICAL.edges
