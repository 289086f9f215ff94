"""A weighted graph as text for other programs: DOT, Mermaid, and a Markdown table.

DOT carries widths and colours (`penwidth`, `color`). Mermaid's state diagrams know one line only, so it is a flowchart
there, with a `linkStyle` for each edge. Both leave out where undeclared edges can be seen; the table says it.
"""

from __future__ import annotations

import json
import re
from typing import Final

from runengine.core.table import Breadth
from runengine.rendering.graph import Node
from runengine.rendering.svg import INK
from runengine.rendering.weighted_svg import RED
from runengine.rendering.weights import LEVELS, WeightedEdge, WeightedGraph

__all__ = ["dot", "markdown", "mermaid"]

_GREY: Final = "#b8c0c8"
_LINE: Final[dict[Breadth | None, str]] = {
    "documented": "solid",
    "practical": "dashed",
    "permissive": "dotted",
    None: "dashed",
}
_MERMAID_LINE: Final[dict[Breadth | None, str]] = {
    "documented": "",
    "practical": ",stroke-dasharray:7 4",
    "permissive": ",stroke-dasharray:2 4",
    None: ",stroke-dasharray:10 5",
}


def dot(weighted: WeightedGraph) -> str:
    """The weighted graph in DOT.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> from runengine.rendering.graph import graph_of
        >>> from runengine.rendering.weights import Odd, weighted
        >>> text = dot(weighted(graph_of(DOCUMENTED), {}, {("completed", "queued"): Odd(1)}))
        >>> [line for line in text.splitlines() if "undeclared" in line][0][:46]
        '  "completed" -> "queued" [label="undeclared 1'
    """
    graph = weighted.graph
    title = f"{graph.title}\n{weighted.said}" if weighted.said else graph.title
    return "\n".join(
        (
            'digraph "run" {',
            f'  graph [rankdir=LR, labelloc=t, fontname="Helvetica", label={_quoted(title)}];',
            '  node [shape=box, style="rounded,filled", fillcolor="#e9f1fd", color="#2f5d9f", fontname="Helvetica"];',
            '  edge [fontname="Helvetica", fontsize=11];',
            '  "(no run)" [shape=point, width=0.15, color="#1f2933", fillcolor="#1f2933"];',
            *(_dot_node(node, weighted.seen[node.status]) for node in graph.nodes),
            f'  "(no run)" -> {_quoted(graph.birth.target)} [label={_quoted(graph.birth.event)}];',
            *(_dot_edge(edge) for edge in weighted.all_edges),
            "}",
            "",
        )
    )


def _dot_node(node: Node, seen: int) -> str:
    ended = ', peripheries=2, fillcolor="#f3efe7", color="#6f6455"' if node.terminal else ""
    label = _quoted(f"{node.status}\n{_seen(seen)}")
    return f"  {_quoted(node.status)} [label={label}, tooltip={_quoted(node.meaning)}{ended}];"


def _dot_edge(edge: WeightedEdge) -> str:
    ends = f"{_quoted(edge.source)} -> {_quoted(edge.target)}"
    colour = _quoted(_colour(edge))
    said = f"label={_quoted(edge.label)}, style={_LINE[edge.breadth]}, penwidth={_width(edge)}"
    return f"  {ends} [{said}, color={colour}, fontcolor={colour}, edgetooltip={_quoted(edge.sentence)}];"


def mermaid(weighted: WeightedGraph) -> str:
    """The weighted graph as a flowchart in Mermaid.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> from runengine.rendering.graph import graph_of
        >>> from runengine.rendering.weights import Weight, weighted
        >>> text = mermaid(weighted(graph_of(DOCUMENTED), {("queued", "in_progress"): Weight(8, 2.3)}))
        >>> [line.strip() for line in text.splitlines() if "start" in line]
        ['queued -->|"start 8 · 2.3 s"| in_progress']
    """
    graph = weighted.graph
    title = f"{graph.title}: {weighted.said}" if weighted.said else graph.title
    terminal = [node.status for node in graph.nodes if node.terminal]
    return "\n".join(
        (
            "---",
            # A JSON string is a YAML string, so no name can end the front matter.
            f"title: {json.dumps(title, ensure_ascii=False)}",
            "---",
            "flowchart LR",
            '    no_run(("&nbsp;"))',
            *(f'    {node.status}("{node.status}<br/>{_seen(weighted.seen[node.status])}")' for node in graph.nodes),
            f'    no_run -->|"{graph.birth.event}"| {graph.birth.target}',
            *(f'    {edge.source} -->|"{edge.label}"| {edge.target}' for edge in weighted.all_edges),
            *(
                f"    linkStyle {number} stroke:{_colour(edge)},stroke-width:{_width(edge)}px,color:{_colour(edge)}"
                f"{_MERMAID_LINE[edge.breadth]}"
                for number, edge in enumerate(weighted.all_edges, 1)
            ),
            "    classDef terminal fill:#f3efe7,stroke:#6f6455,color:#3b342a",
            f"    class {','.join(terminal)} terminal",
            "",
        )
    )


def markdown(weighted: WeightedGraph) -> str:
    """The weighted graph as a table, what was taken most first.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> from runengine.rendering.graph import graph_of
        >>> from runengine.rendering.weights import Weight, weighted
        >>> print(markdown(weighted(graph_of(DOCUMENTED), {("queued", "in_progress"): Weight(8)})).splitlines()[4])
        | `queued` | `in_progress` | `start` | documented | 8 | | |
    """
    said = (f"{_text(weighted.said)}.", "") if weighted.said else ()
    order = sorted(weighted.all_edges, key=lambda edge: -edge.count)
    return "\n".join(
        (
            f"# {_text(weighted.graph.title)}",
            "",
            *said,
            "| source | target | event | policy | count | median stay before it | example |",
            "|---|---|---|---|--:|--:|---|",
            *(_row(edge) for edge in order),
            "",
            "| status | seen |",
            "|---|--:|",
            *(f"| `{status}` | {seen:,} |" for status, seen in weighted.seen.items()),
            "",
        )
    )


def _row(edge: WeightedEdge) -> str:
    event = ", ".join(f"`{event}`" for event in edge.event.split(" / ")) if edge.event else ""
    stay = edge.tally.partition(" · ")[2]
    example = _text(edge.examples[0]) if edge.examples else ""
    policy = edge.breadth or "**undeclared**"
    cells = (f"`{edge.source}`", f"`{edge.target}`", event, policy, f"{edge.count:,}", stay, example)
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"


def _seen(seen: int) -> str:
    return f"seen {seen:,}" if seen else "never seen"


def _colour(edge: WeightedEdge) -> str:
    return RED if edge.breadth is None else INK[edge.breadth] if edge.count else _GREY


def _width(edge: WeightedEdge) -> float:
    return round(1 + 5 * max(edge.level - 1, 0) / (LEVELS - 1), 2)


def _quoted(text: str) -> str:
    # Doubling the backslash keeps Graphviz from reading an escape such as \\N in it; a line break stays one.
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _text(text: str) -> str:
    """Text that holds no cell separator, emphasis, link or tag."""
    return re.sub(r"[\\`*_~|<>&\[\]]", r"\\\g<0>", text)
