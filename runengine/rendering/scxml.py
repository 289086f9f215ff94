"""SCXML, the W3C's state chart notation: for tools that run or check charts.

The guards stand in our own namespace and not in `cond`: the null data model can only ask which state is active.
`modify` is left out as in the pictures, and could not stand in a `<final>`.
"""

from __future__ import annotations

from html import escape
from typing import Final

from runengine.rendering.graph import Edge, Graph, Node

__all__ = ["NAMESPACE", "SCXML", "render"]

SCXML: Final = "http://www.w3.org/2005/07/scxml"
"""The namespace of SCXML."""

NAMESPACE: Final = "urn:runengine:lifecycle"
"""The namespace of our attributes: policy, meaning, breadth, guards, evidence."""


def render(graph: Graph) -> str:
    """The graph in SCXML.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> from runengine.rendering.graph import graph_of
        >>> render(graph_of(DOCUMENTED)).count("<final")
        5
    """
    attributes = (
        f'xmlns="{SCXML}"',
        f'xmlns:runengine="{NAMESPACE}"',
        'version="1.0"',
        'datamodel="null"',
        f'name="{graph.thing.replace(" ", "_")}"',
        f'initial="{graph.birth.target}"',
        *((f'runengine:policy="{escape(graph.name)}"',) if graph.of_run else ()),
    )
    nodes = (line for node in graph.nodes for line in _node(graph, node))
    return "\n".join(
        ('<?xml version="1.0" encoding="UTF-8"?>', f"<scxml {' '.join(attributes)}>", *nodes, "</scxml>", "")
    )


def _node(graph: Graph, node: Node) -> tuple[str, ...]:
    opening = f'id="{node.status}" runengine:meaning="{escape(node.meaning)}"'
    if node.terminal:
        return (f"  <final {opening}/>",)
    leaving = (_transition(edge) for edge in graph.moves if edge.source == node.status)
    return (f"  <state {opening}>", *leaving, "  </state>")


def _transition(edge: Edge) -> str:
    guards = f' runengine:guards="{escape(" ".join(edge.guards))}"' if edge.guards else ""
    return (
        f'    <transition event="{escape(edge.event)}" target="{edge.target}" runengine:breadth="{edge.breadth}"'
        f'{guards} runengine:evidence="{escape(edge.evidence)}"/>'
    )
