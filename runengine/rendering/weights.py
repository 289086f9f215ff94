"""A graph with weights: how often each edge was taken and how long runs stayed before it, and edges that are none.

The counts come in as plain mappings, so that whoever has counted may have them drawn. Renderers read this and the
graph, nothing else. Where two events lead from one status to another, they are one edge here: a recording shows
statuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log1p
from typing import Final, TypeVar

from attrs import frozen

from runengine.core.table import Breadth
from runengine.rendering.durations import brief
from runengine.rendering.graph import Graph, one_line

__all__ = ["LEVELS", "Odd", "Weight", "WeightedEdge", "WeightedGraph", "times", "weighted"]

LEVELS: Final = 9
"""So many widths of a line there are: 1 for what was seen least, this for what was seen most, on a scale of logs."""

_EXAMPLE_MAX: Final = 300

_Pair = TypeVar("_Pair", bound=tuple[str, str])
_OtherPair = TypeVar("_OtherPair", bound=tuple[str, str])


@frozen
class Weight:
    """How often an edge was taken, and how long runs stayed before it.

    Attributes:
        count: How often.
        dwell_s: The median stay, seconds, or None where it is not known.

    Example:
        >>> Weight(3).dwell_s is None
        True
    """

    count: int
    dwell_s: float | None = None


@frozen
class Odd:
    """How often an edge was taken that is none.

    Attributes:
        count: How often.
        examples: Where that can be seen, in words; foreign text.

    Example:
        >>> Odd(1, ("a.jsonl:3",)).examples
        ('a.jsonl:3',)
    """

    count: int
    examples: tuple[str, ...] = ()


@frozen(kw_only=True)
class WeightedEdge:
    """An edge with its weight.

    Attributes:
        source: Where it begins.
        target: Where it ends.
        event: The events that lead along it, in words; empty where it is undeclared.
        breadth: Of the graph's edge, or None where it is undeclared.
        count: How often it was taken.
        level: From 1 to `LEVELS`, by count; 0 where it was never taken.
        dwell_s: The median stay before it, or None.
        examples: Where an undeclared edge can be seen.

    Example:
        >>> edge = WeightedEdge(source="queued", target="in_progress", event="start", breadth="documented", count=1200,
        ...                     level=9, dwell_s=2.3)
        >>> edge.label
        'start 1,200 · 2.3 s'
    """

    source: str
    target: str
    event: str
    breadth: Breadth | None
    count: int
    level: int
    dwell_s: float | None = None
    examples: tuple[str, ...] = ()

    @property
    def tally(self) -> str:
        """Its count and the median stay."""
        stay = f" · {brief(self.dwell_s)}" if self.dwell_s is not None else ""
        return f"{self.count:,}{stay}" if self.count else ""

    @property
    def label(self) -> str:
        """What stands beside it."""
        return f"{self.event or 'undeclared'} {self.tally}".strip()

    @property
    def sentence(self) -> str:
        """All of it in words."""
        how = f"by {self.event}, {self.breadth}" if self.event else "undeclared"
        if not self.count:
            return f"{self.source} to {self.target} {how}: never seen"
        stay = f", median stay before it {brief(self.dwell_s)}" if self.dwell_s is not None else ""
        where = f"; as at {', '.join(self.examples)}" if self.examples else ""
        return f"{self.source} to {self.target} {how}: {times(self.count)}{stay}{where}"


@frozen(kw_only=True)
class WeightedGraph:
    """A graph, and what was counted along it.

    Attributes:
        graph: The graph.
        edges: One for each of its arrows, in order.
        undeclared: Edges it does not have.
        seen: How often each status was seen.
        said: What was counted, in words; foreign text.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> from runengine.rendering.graph import graph_of
        >>> len(weighted(graph_of(DOCUMENTED), {}).edges)
        11
    """

    graph: Graph
    edges: tuple[WeightedEdge, ...]
    undeclared: tuple[WeightedEdge, ...]
    seen: dict[str, int]
    said: str

    @property
    def all_edges(self) -> tuple[WeightedEdge, ...]:
        """The declared ones, then the others."""
        return (*self.edges, *self.undeclared)


def weighted(
    graph: Graph,
    counts: Mapping[_Pair, Weight],
    undeclared: Mapping[_OtherPair, Odd] | None = None,
    seen: Mapping[str, int] | None = None,
    said: str = "",
) -> WeightedGraph:
    """Put weights on a graph.

    Args:
        graph: The graph.
        counts: (source, target) to what was counted of it. An edge that the graph does not have counts as undeclared.
        undeclared: The same of edges that the graph does not have.
        seen: How often each status was seen.
        said: What was counted, a few words.

    Raises:
        ValueError: an undeclared edge is one of the graph's, or leads from or to something that is no status of it.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> from runengine.rendering.graph import graph_of
        >>> counts, odd = {("queued", "in_progress"): Weight(8)}, {("completed", "queued"): Odd(1)}
        >>> drawn = weighted(graph_of(DOCUMENTED), counts, odd)
        >>> [(edge.label, edge.level) for edge in drawn.all_edges if edge.count]
        [('start 8', 9), ('undeclared 1', 4)]
    """
    declared = {(arrow.source, arrow.target) for arrow in graph.arrows}
    known = {(source, target): weight for (source, target), weight in counts.items()}
    odd = {pair: Odd(weight.count) for pair, weight in known.items() if pair not in declared}
    odd |= {(source, target): one for (source, target), one in (undeclared or {}).items()}
    names = [node.status for node in graph.nodes]
    for source, target in odd:
        if (source, target) in declared or source == target or not {source, target}.issubset(names):
            raise ValueError(f"{source!r} to {target!r} cannot be drawn as undeclared over {graph.name}")
    tallies = [*(weight.count for weight in known.values()), *(one.count for one in odd.values())]
    most = max(tallies, default=0)
    return WeightedGraph(
        graph=graph,
        edges=tuple(
            WeightedEdge(
                source=arrow.source,
                target=arrow.target,
                event=arrow.label,
                breadth=arrow.breadth,
                count=(weight := known.get((arrow.source, arrow.target), Weight(0))).count,
                level=_level(weight.count, most),
                dwell_s=weight.dwell_s,
            )
            for arrow in graph.arrows
        ),
        undeclared=tuple(
            WeightedEdge(
                source=source,
                target=target,
                event="",
                breadth=None,
                count=odd[source, target].count,
                level=_level(odd[source, target].count, most),
                examples=tuple(one_line(example)[:_EXAMPLE_MAX] for example in odd[source, target].examples),
            )
            for source in names
            for target in names
            if (source, target) in odd
        ),
        seen={name: (seen or {}).get(name, 0) for name in names},
        said=one_line(said),
    )


def times(count: int) -> str:
    """How often, in words.

    Example:
        >>> times(1), times(2000)
        ('once', '2,000 times')
    """
    return "once" if count == 1 else f"{count:,} times"


def _level(count: int, most: int) -> int:
    return 1 + round((LEVELS - 1) * log1p(count) / log1p(most)) if count else 0
