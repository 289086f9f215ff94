"""Mermaid, `stateDiagram-v2`: drawn by GitHub and GitLab where it stands in a page."""

from __future__ import annotations

import json

from runengine.rendering.graph import Edge, Graph

__all__ = ["render"]


def render(graph: Graph) -> str:
    """The graph in Mermaid.

    State diagrams know one line style only, so an edge that is not documented says so in its label.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> from runengine.rendering.graph import graph_of
        >>> [line.strip() for line in render(graph_of(PRACTICAL)).splitlines() if "--> failed" in line][:2]
        ['in_progress --> failed: fail', 'queued --> failed: fail (practical)']
    """
    terminal = [node.status for node in graph.nodes if node.terminal]
    return "\n".join(
        (
            "---",
            # A JSON string is a YAML string, so no name can end the front matter.
            f"title: {json.dumps(graph.title, ensure_ascii=False)}",
            "---",
            "stateDiagram-v2",
            "    direction LR",
            f"    [*] --> {graph.birth.target}: {graph.birth.event}",
            *(f"    {edge.source} --> {edge.target}: {_label(edge)}" for edge in graph.moves),
            *(f"    {status} --> [*]" for status in terminal),
            *(_terminal(terminal) if terminal else ()),
            "",
        )
    )


def _terminal(statuses: list[str]) -> tuple[str, str]:
    styled = "    classDef terminal fill:#f3efe7,stroke:#6f6455,color:#3b342a"
    return styled, f"    class {','.join(statuses)} terminal"


def _label(edge: Edge) -> str:
    return edge.event if edge.breadth == "documented" else f"{edge.event} ({edge.breadth})"
