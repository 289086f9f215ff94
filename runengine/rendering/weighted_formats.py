"""The registry: what a graph with weights can be rendered as."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from runengine.rendering import weighted_svg, weighted_text
from runengine.rendering.weights import WeightedGraph

__all__ = ["WEIGHTED_FORMATS"]

WEIGHTED_FORMATS: Final[dict[str, Callable[[WeightedGraph], str]]] = {
    "mermaid": weighted_text.mermaid,
    "dot": weighted_text.dot,
    "svg": weighted_svg.render,
    "markdown": weighted_text.markdown,
}
"""The formats by name. The others are for programs that run or check charts, and have no place for a count."""
