"""The neutral graph every picture is drawn from: ordered statuses and ordered edges, taken from a policy's rows.

Renderers read nothing else, so all of them show the same lifecycle. Source: DESIGN §2.1 (derived from the table), §3.
"""

from __future__ import annotations

from typing import Final, get_args

from attrs import frozen

from runengine.core.companions import Lifecycle
from runengine.core.statuses import STATUS_INFO, STATUSES
from runengine.core.table import TERMINAL, Breadth, Policy

__all__ = [
    "BREADTHS",
    "BREADTH_MEANING",
    "Arrow",
    "Edge",
    "Graph",
    "Node",
    "graph_of",
    "graph_of_lifecycle",
    "one_line",
]

BREADTHS: Final[tuple[Breadth, ...]] = get_args(Breadth)
"""The breadths, narrowest first."""

RUN: Final = "run"
"""What most graphs are the life of."""

BREADTH_MEANING: Final[dict[Breadth, str]] = {
    "documented": "the published diagram",
    "practical": "no run can be stuck",
    "permissive": "lax servers",
}
"""Where each breadth comes from, for legends."""


@frozen(kw_only=True)
class Node:
    """A status in the graph.

    Attributes:
        status: The status.
        initial: Whether `create` leads to it.
        terminal: Whether it ends a run.
        meaning: What is true of a run in it.

    Example:
        >>> Node(status="failed", initial=False, terminal=True, meaning="Ended by an error.").terminal
        True
    """

    status: str
    initial: bool
    terminal: bool
    meaning: str


@frozen(kw_only=True)
class Edge:
    """A row of the table, as text.

    Attributes:
        event: The event's name.
        source: The status it meets, or None for the absence of a run.
        target: The status it leads to.
        breadth: The narrowest policy that has the row.
        guards: Names of the row's guards.
        evidence: Why the row is there.

    Example:
        >>> Edge(event="modify", source="queued", target="queued", breadth="documented", guards=(), evidence="").moves
        False
    """

    event: str
    source: str | None
    target: str
    breadth: Breadth
    guards: tuple[str, ...]
    evidence: str

    @property
    def moves(self) -> bool:
        """Whether it changes the status of a run; pictures draw only those edges."""
        return self.source not in (None, self.target)


@frozen(kw_only=True)
class Arrow:
    """What a picture draws from one status to another: every edge between the two, under one label.

    Attributes:
        source: Where it begins.
        target: Where it ends.
        edges: The edges it stands for, at least one.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> graph_of(DOCUMENTED).arrows[0].label
        'start'
    """

    source: str
    target: str
    edges: tuple[Edge, ...]

    @property
    def label(self) -> str:
        """The events, in order."""
        return " / ".join(edge.event for edge in self.edges)

    @property
    def breadth(self) -> Breadth:
        """The narrowest breadth of its edges: a way that is documented by any event is documented."""
        return next(breadth for breadth in BREADTHS if any(edge.breadth == breadth for edge in self.edges))


@frozen(kw_only=True)
class Graph:
    """A lifecycle as statuses and edges, in the order of the tables.

    Attributes:
        name: The policy's name.
        nodes: The statuses.
        edges: Every row, `create` and `modify` included.
        thing: What it is the life of; anything but a run has one table and no policies.

    Example:
        >>> from runengine.core.table import PERMISSIVE
        >>> graph = graph_of(PERMISSIVE)
        >>> len(graph.nodes), len(graph.edges), len(graph.moves)
        (9, 35, 25)
    """

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    thing: str = RUN

    @property
    def title(self) -> str:
        """The heading of every rendering."""
        return f"Lifecycle of a {self.thing}: {self.name} policy" if self.of_run else f"Lifecycle of a {self.thing}"

    @property
    def of_run(self) -> bool:
        """Whether it is the lifecycle of a run, under a policy."""
        return self.thing == RUN

    def origin(self, breadth: Breadth) -> str:
        """Where edges of a breadth come from, for legends."""
        return BREADTH_MEANING[breadth] if self.of_run else "the published documents"

    @property
    def tally(self) -> str:
        """How many edges there are, by breadth."""
        counts = [(breadth, sum(edge.breadth == breadth for edge in self.moves)) for breadth in BREADTHS]
        parts = [f"{count} {breadth}" for breadth, count in counts if count]
        return (
            f"{parts[0]} edge{'s' * (len(self.moves) != 1)}"
            if len(parts) == 1
            else f"{len(self.moves)} edges: {', '.join(parts)}"
        )

    @property
    def birth(self) -> Edge:
        """The edge by which a run comes to be; the definition checks leave exactly one."""
        return next(edge for edge in self.edges if edge.source is None)

    @property
    def moves(self) -> tuple[Edge, ...]:
        """The edges that change the status of a run."""
        return tuple(edge for edge in self.edges if edge.moves)

    @property
    def arrows(self) -> tuple[Arrow, ...]:
        """`moves` with those between the same two statuses brought together."""
        pairs: dict[tuple[str, str], list[Edge]] = {}
        for edge in self.moves:
            if edge.source is not None:
                pairs.setdefault((edge.source, edge.target), []).append(edge)
        return tuple(Arrow(source=a, target=b, edges=tuple(edges)) for (a, b), edges in pairs.items())


def graph_of(policy: Policy) -> Graph:
    """The graph of a policy.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> graph = graph_of(DOCUMENTED)
        >>> graph.tally
        '11 documented edges'
        >>> [node.status for node in graph.nodes if node.initial]
        ['queued']
    """
    initial = tuple(row.target for row in policy.rows if row.source is None)
    return Graph(
        name=one_line(policy.name),
        nodes=tuple(
            Node(
                status=status,
                initial=status in initial,
                terminal=status in TERMINAL,
                meaning=STATUS_INFO[status].meaning,
            )
            for status in STATUSES
        ),
        edges=tuple(
            Edge(
                event=row.event,
                source=row.source,
                target=row.target,
                breadth=row.breadth,
                guards=row.guards,
                evidence=one_line(row.evidence),
            )
            for row in policy.rows
        ),
    )


def graph_of_lifecycle(lifecycle: Lifecycle) -> Graph:
    """The graph of an object's lifecycle around the run.

    Args:
        lifecycle: Its table.

    Example:
        >>> from runengine.core.companions import THREAD
        >>> graph = graph_of_lifecycle(THREAD)
        >>> graph.title, [arrow.label for arrow in graph.arrows]
        ('Lifecycle of a thread', ['create_run', 'end_run'])
    """
    return Graph(
        name=lifecycle.name,
        thing=lifecycle.thing,
        nodes=tuple(
            Node(
                status=stage.name,
                initial=stage.name == lifecycle.initial,
                terminal=stage.name in lifecycle.terminal,
                meaning=one_line(stage.meaning),
            )
            for stage in lifecycle.stages
        ),
        edges=tuple(
            Edge(
                event=row.event,
                source=row.source,
                target=row.target,
                breadth="documented",
                guards=(),
                evidence=one_line(row.evidence),
            )
            for row in lifecycle.rows
        ),
    )


def one_line(text: str) -> str:
    r"""The text on one line without characters that cannot be printed, since none of the formats can carry them.

    Example:
        >>> one_line("a\n b\x00c")
        'a b c'
    """
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
