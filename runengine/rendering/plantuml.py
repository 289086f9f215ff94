"""PlantUML, a state diagram."""

from __future__ import annotations

import re
from typing import Final

from runengine.core.table import Breadth
from runengine.rendering.graph import Graph

__all__ = ["render"]

_ARROW: Final[dict[Breadth, str]] = {"documented": "-->", "practical": "-[dashed]->", "permissive": "-[dotted]->"}


def render(graph: Graph) -> str:
    """The graph in PlantUML.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> from runengine.rendering.graph import graph_of
        >>> [line for line in render(graph_of(PRACTICAL)).splitlines() if line.endswith(": cancel")][-1]
        'requires_action -[dashed]-> cancelling : cancel'
    """
    return "\n".join(
        (
            "@startuml",
            f"title {_text(graph.title)}",
            "left to right direction",
            "hide empty description",
            *(f"state {node.status}{' #F3EFE7' if node.terminal else ' #E9F1FD'}" for node in graph.nodes),
            f"[*] --> {graph.birth.target} : {graph.birth.event}",
            *(f"{edge.source} {_ARROW[edge.breadth]} {edge.target} : {edge.event}" for edge in graph.moves),
            *(f"{node.status} --> [*]" for node in graph.nodes if node.terminal),
            "@enduml",
            "",
        )
    )


def _text(text: str) -> str:
    """Text without markup: PlantUML reads doubled signs, tags and backslashes in a title."""
    return re.sub(r"__|--|[^\w .,:()-]", lambda found: "".join(f"<U+{ord(char):04X}>" for char in found[0]), text)
