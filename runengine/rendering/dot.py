"""DOT, for Graphviz and the many tools that read it."""

from __future__ import annotations

from typing import Final

from runengine.core.table import Breadth
from runengine.rendering.graph import Edge, Graph, Node

__all__ = ["render"]

_LINE: Final[dict[Breadth, str]] = {"documented": "solid", "practical": "dashed", "permissive": "dotted"}


def render(graph: Graph) -> str:
    """The graph in DOT.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> from runengine.rendering.graph import graph_of
        >>> render(graph_of(DOCUMENTED)).splitlines()[0]
        'digraph "run" {'
    """
    birth, nothing = graph.birth, _quoted(f"(no {graph.thing})")
    return "\n".join(
        (
            f"digraph {_quoted(graph.thing)} {{",
            f'  graph [rankdir=LR, labelloc=t, fontname="Helvetica", label={_quoted(graph.title)}];',
            '  node [shape=box, style="rounded,filled", fillcolor="#e9f1fd", color="#2f5d9f", fontname="Helvetica"];',
            '  edge [fontname="Helvetica", fontsize=11];',
            f'  {nothing} [shape=point, width=0.15, color="#1f2933", fillcolor="#1f2933"];',
            *(_node(node) for node in graph.nodes),
            f"  {nothing} -> {_quoted(birth.target)} [label={_quoted(birth.event)}];",
            *(_edge(edge) for edge in graph.moves),
            "}",
            "",
        )
    )


def _node(node: Node) -> str:
    ended = ', peripheries=2, fillcolor="#f3efe7", color="#6f6455"' if node.terminal else ""
    return f"  {_quoted(node.status)} [tooltip={_quoted(node.meaning)}{ended}];"


def _edge(edge: Edge) -> str:
    ends = f"{_quoted(str(edge.source))} -> {_quoted(edge.target)}"
    return f"  {ends} [label={_quoted(edge.event)}, style={_LINE[edge.breadth]}, edgetooltip={_quoted(edge.evidence)}];"


def _quoted(text: str) -> str:
    # Doubling the backslash keeps Graphviz from reading an escape such as \N in it.
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
