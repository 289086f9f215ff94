"""The registry: what the graph can be rendered as."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import frozen

from runengine.rendering import dot, markdown, mermaid, plantuml, scxml, svg, xstate
from runengine.rendering.graph import Graph

__all__ = ["FORMATS", "Format"]


@frozen(kw_only=True)
class Format:
    """One way to write the graph down.

    Attributes:
        render: The graph to text, the same bytes for the same graph.
        suffix: What its files' names end with.
        purpose: What it is good for, a few words.

    Example:
        >>> FORMATS["svg"].suffix
        '.svg'
    """

    render: Callable[[Graph], str]
    suffix: str
    purpose: str


FORMATS: Final[dict[str, Format]] = {
    "mermaid": Format(render=mermaid.render, suffix=".mmd", purpose="a picture inside a Markdown page"),
    "dot": Format(render=dot.render, suffix=".dot", purpose="Graphviz"),
    "svg": Format(render=svg.render, suffix=".svg", purpose="the picture, ready to be shown"),
    "markdown": Format(render=markdown.render, suffix=".md", purpose="every row with its guards and evidence"),
    "plantuml": Format(render=plantuml.render, suffix=".puml", purpose="PlantUML"),
    "scxml": Format(render=scxml.render, suffix=".scxml", purpose="state chart tools that read the W3C's notation"),
    "xstate": Format(render=xstate.render, suffix=".xstate.json", purpose="createMachine of XState 5"),
}
"""The formats by name."""
