"""XState, the configuration of a version 5 machine: `createMachine(config)` takes it as it is.

The guards are names of ours, so they stand in `meta`: a `guard` would have to be implemented before the machine runs.
`modify` is left out as in the pictures; a final state could not take it.
"""

from __future__ import annotations

import json
from typing import Any

from runengine.rendering.graph import Graph, Node

__all__ = ["render"]


def render(graph: Graph) -> str:
    """The graph as JSON for XState.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> from runengine.rendering.graph import graph_of
        >>> config = json.loads(render(graph_of(DOCUMENTED)))
        >>> config["initial"], config["states"]["queued"]["on"]["start"]["target"]
        ('queued', 'in_progress')
    """
    config = {
        "id": graph.thing.replace(" ", "_"),
        "description": graph.title,
        "initial": graph.birth.target,
        "states": {node.status: _state(graph, node) for node in graph.nodes},
    }
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"


def _state(graph: Graph, node: Node) -> dict[str, Any]:
    if node.terminal:
        return {"type": "final", "description": node.meaning}
    leaving = {
        edge.event: {
            "target": edge.target,
            "description": edge.evidence,
            "meta": {"breadth": edge.breadth, "guards": list(edge.guards)},
        }
        for edge in graph.moves
        if edge.source == node.status
    }
    return {"description": node.meaning, "on": leaving}
