"""The Markdown table of every row: the transition table of the reference page."""

from __future__ import annotations

import re

from runengine.rendering.graph import Edge, Graph

__all__ = ["render", "table"]


def render(graph: Graph) -> str:
    """The graph as a Markdown page: a heading, the number of edges, and `table`.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> from runengine.rendering.graph import graph_of
        >>> render(graph_of(DOCUMENTED)).splitlines()[0]
        '# Lifecycle of a run: documented policy'
    """
    note = " `modify` keeps the status, so it is in no picture and not counted." if graph.of_run else ""
    return f"# {_text(graph.title)}\n\n{graph.tally}.{note}\n\n{table(graph)}"


def table(graph: Graph) -> str:
    """Every row of the policy, `create` and `modify` included, to be put into a page.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> from runengine.rendering.graph import graph_of
        >>> print(table(graph_of(DOCUMENTED)).splitlines()[3])
        | `start` | `queued` | `in_progress` | documented | | FACTS §6.1: drawn in the published diagram |
    """
    head = ("| event | source | target | policy | guards | evidence |", "|---|---|---|---|---|---|")
    return "\n".join((*head, *(_row(edge, graph.thing) for edge in graph.edges), ""))


def _row(edge: Edge, thing: str) -> str:
    source = f"`{edge.source}`" if edge.source else f"(no {thing})"
    guards = ", ".join(f"`{guard}`" for guard in edge.guards)
    cells = (f"`{edge.event}`", source, f"`{edge.target}`", edge.breadth, guards, _text(edge.evidence))
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"


def _text(text: str) -> str:
    """Text that holds no cell separator, emphasis, link or tag; a lone `_` inside a word is none of these."""
    return re.sub(r"[\\`*~|<>&\[\]]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", text)
