"""`runengine.rendering.graph`: what the graph keeps of a policy."""

from __future__ import annotations

import pytest

from runengine.core.statuses import STATUS_INFO, STATUSES
from runengine.core.table import DOCUMENTED, PERMISSIVE, POLICIES, PRACTICAL, Policy, Transition
from runengine.rendering.graph import BREADTH_MEANING, BREADTHS, graph_of, one_line
from tests import naive

EDGES = {
    "documented": {*naive.DOCUMENTED_EDGES},
    "practical": {*naive.DOCUMENTED_EDGES, *naive.PRACTICAL_ADDS},
    "permissive": {*naive.DOCUMENTED_EDGES, *naive.PRACTICAL_ADDS, *naive.PERMISSIVE_ADDS},
}


class TestGraphOf:
    """From the policy's rows to nodes and edges."""

    @pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
    def test_edges_are_the_rows(self, policy: Policy) -> None:
        """Every row is an edge, in the same order and with the same words."""
        assert [(e.event, e.source, e.target, e.breadth, e.guards, e.evidence) for e in graph_of(policy).edges] == [
            (r.event, r.source, r.target, r.breadth, r.guards, r.evidence) for r in policy.rows
        ]

    @pytest.mark.parametrize("name", EDGES)
    def test_moves_are_the_designs_edges(self, name: str) -> None:
        """The moves are the edges that the naive model has from the prose: 11, 19 and 25."""
        moves = [(str(e.source), e.target) for e in graph_of(POLICIES[name]).moves]
        assert set(moves) == EDGES[name]
        assert len(moves) == {"documented": 11, "practical": 19, "permissive": 25}[name]

    def test_nodes_are_the_statuses(self) -> None:
        """Every status is a node with its meaning; queued alone is initial, the five endings are terminal."""
        nodes = graph_of(PRACTICAL).nodes
        assert [node.status for node in nodes] == list(STATUSES)
        assert [node.meaning for node in nodes] == [STATUS_INFO[status].meaning for status in STATUSES]
        assert [node.status for node in nodes if node.initial] == ["queued"]
        assert {node.status for node in nodes if node.terminal} == set(naive.ENDS)

    def test_create_and_modify_are_edges_but_no_moves(self) -> None:
        """The birth is create into queued; modify keeps the status, so no picture draws it."""
        graph = graph_of(PERMISSIVE)
        assert (graph.birth.event, graph.birth.source, graph.birth.target) == ("create", None, "queued")
        left_out = {edge.event for edge in graph.edges if edge not in graph.moves}
        assert left_out == {"create", "modify"}

    def test_free_text_is_one_line(self) -> None:
        """Names and evidence lose line ends and unprintable characters, which no format could carry."""
        row = Transition("finish_cancel", "queued", "cancelled", "permissive", "a\nb\x00c\u2028d")
        graph = graph_of(PRACTICAL.extended("my\r\npolicy", [row]))
        assert (graph.name, graph.edges[-1].evidence) == ("my policy", "a b c d")


class TestArrows:
    """What a picture draws between two statuses."""

    def test_one_for_each_edge_of_the_built_in_policies(self) -> None:
        """No two events of the built-in policies share a way, so every arrow stands for one edge."""
        graph = graph_of(PERMISSIVE)
        assert [arrow.edges for arrow in graph.arrows] == [(edge,) for edge in graph.moves]

    def test_parallel_edges_share_an_arrow(self) -> None:
        """Two events on one way stay two edges, but are one arrow that is as documented as its better edge."""
        row = Transition("start", "requires_action", "queued", "permissive", "ours")
        graph = graph_of(DOCUMENTED.extended("ours", [row]))
        (arrow,) = (a for a in graph.arrows if (a.source, a.target) == ("requires_action", "queued"))
        assert (arrow.label, arrow.breadth) == ("submit_tool_outputs / start", "documented")
        assert len(graph.moves) == len(graph.arrows) + 1


class TestTally:
    """The edges counted by breadth."""

    def test_counts_each_breadth(self) -> None:
        """The sum comes first where there is more than one breadth."""
        assert [graph_of(policy).tally for policy in POLICIES.values()] == [
            "11 documented edges",
            "19 edges: 11 documented, 8 practical",
            "25 edges: 11 documented, 8 practical, 6 permissive",
        ]

    def test_every_breadth_is_explained(self) -> None:
        """The legend has words for every breadth a row can have, narrowest first like the policies."""
        assert tuple(BREADTH_MEANING) == BREADTHS == tuple(POLICIES)


def test_one_line_keeps_other_scripts() -> None:
    """Only what cannot be printed goes."""
    assert one_line(" façade  — 実行 \t\x1b[0m") == "façade — 実行 [0m"
