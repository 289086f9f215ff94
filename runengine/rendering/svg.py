"""SVG, drawn by our own layout: it needs no other program, and reads on white and on dark pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Final

from runengine.core.table import Breadth
from runengine.rendering.graph import BREADTHS, Graph
from runengine.rendering.layout import LABEL_SIZE, Box, Label, Picture, Point, Wire, lay_out
from runengine.rendering.small_layout import lay_out_small

__all__ = ["INK", "STYLE", "birth", "render", "way_of"]

INK: Final[dict[Breadth, str]] = {"documented": "#1f2933", "practical": "#1e5fa8", "permissive": "#b4500f"}
"""The colour of each breadth."""

_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_LEGEND_H: Final = 76
_MARGIN: Final = 36
_CORNER: Final = 9
_KEY_CHAR: Final = 8  # room for a character of the legend, in the widest of the fonts
STYLE: Final = f"""\
    text {{ font-family: {_FONT}; fill: #1f2933; }}
    .title {{ font-size: 22px; font-weight: 650; }}
    .tally, .key {{ font-size: {LABEL_SIZE}px; fill: #52606d; }}
    .status {{ font-size: 16px; font-weight: 600; text-anchor: middle; }}
    .label {{ font-size: {LABEL_SIZE}px; text-anchor: middle; }}
    .halo {{ fill: none; stroke: #ffffff; stroke-width: 7; }}
    .line {{ fill: none; stroke-width: 1.75; }}
    .practical .line {{ stroke-dasharray: 7 4; }}
    .permissive .line {{ stroke-dasharray: 1.75 4; stroke-width: 2; }}
    .alive rect {{ fill: #e9f1fd; stroke: #2f5d9f; stroke-width: 1.75; }}
    .ended rect {{ fill: #f3efe7; stroke: #6f6455; stroke-width: 1.75; }}
    .ended .inner {{ fill: none; stroke-width: 1; }}"""
"""The rules that every picture has."""


def render(graph: Graph) -> str:
    """The graph as a picture.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> from runengine.rendering.graph import graph_of
        >>> render(graph_of(DOCUMENTED)).count('class="edge')
        11
    """
    picture = lay_out(graph) if graph.of_run else lay_out_small(graph)
    nodes = {node.status: node for node in graph.nodes}
    height = picture.height + _LEGEND_H
    # Several pictures may stand in one page, where an id must not come twice.
    slug = re.sub(r"[^a-z0-9]+", "-", graph.name.lower())
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {picture.width} {height}" width="{picture.width}"'
            f' height="{height}" role="img" aria-labelledby="title-{slug} desc-{slug}">',
            f'  <title id="title-{slug}">{escape(graph.title)}</title>',
            f'  <desc id="desc-{slug}">{escape(_description(graph))}</desc>',
            f"  <style>\n{STYLE}\n  </style>",
            "  <defs>",
            *(_marker(breadth) for breadth in BREADTHS),
            "  </defs>",
            f'  <rect width="{picture.width}" height="{height}" rx="12" fill="#ffffff"/>',
            f'  <text class="title" x="{_MARGIN}" y="46">{escape(graph.title)}</text>',
            f'  <text class="tally" x="{_MARGIN}" y="70">{escape(graph.tally)}</text>',
            *birth(picture),
            *(line for wire in picture.wires for line in _wire(wire)),
            *(
                line
                for box in picture.boxes
                for line in _box(box, nodes[box.status].terminal, nodes[box.status].meaning)
            ),
            *_legend(graph, picture.height + 34),
            "</svg>",
            "",
        )
    )


def _description(graph: Graph) -> str:
    ends = ", ".join(node.status for node in graph.nodes if node.terminal)
    steps = "; ".join(f"{edge.source} to {edge.target} by {edge.event}" for edge in graph.moves)
    ending = f"ends as one of {ends}" if ends else "does not end"
    return f"A {graph.thing} begins {graph.birth.target} and {ending}. {graph.tally}. {steps}."


def _marker(breadth: Breadth) -> str:
    return (
        f'    <marker id="tip-{breadth}" viewBox="0 0 10 10" refX="9.5" refY="5" markerWidth="10" markerHeight="10"'
        f' markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 .8 10 5 0 9.2 2.4 5Z" fill="{INK[breadth]}"/></marker>'
    )


def birth(picture: Picture) -> tuple[str, ...]:
    """The initial point and its arrow.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> from runengine.rendering.graph import graph_of
        >>> birth(lay_out(graph_of(DOCUMENTED)))[0].strip()
        '<g class="birth">'
    """
    (x, y), (stop, _) = picture.birth
    return (
        '  <g class="birth">',
        f'    <circle cx="{x}" cy="{y}" r="7" fill="{INK["documented"]}"/>',
        f'    <path class="line" d="M{x} {y}L{stop} {y}" stroke="{INK["documented"]}"'
        ' marker-end="url(#tip-documented)"/>',
        f"    {_text(picture.birth_label)}",
        "  </g>",
    )


def _wire(wire: Wire) -> tuple[str, ...]:
    arrow, ink = wire.arrow, INK[wire.arrow.breadth]
    way = way_of(wire.corners)
    hover = "; ".join(
        f"{edge.event}: {edge.source} to {edge.target}, {edge.breadth}"
        + (f", if {' and '.join(edge.guards)}" if edge.guards else "")
        for edge in arrow.edges
    )
    events = " ".join(edge.event for edge in arrow.edges)
    return (
        f'  <g class="edge {arrow.breadth}" data-source="{arrow.source}" data-target="{arrow.target}"'
        f' data-events="{escape(events)}">',
        f"    <title>{escape(hover)}</title>",
        # The halo interrupts the wires it crosses, so that the eye can follow one through a crossing.
        f'    <path class="halo" d="{way}"/>',
        f'    <path class="line" d="{way}" stroke="{ink}" marker-end="url(#tip-{arrow.breadth})"/>',
        f"    {_text(wire.label, ink)}",
        "  </g>",
    )


def _text(label: Label, ink: str = INK["documented"]) -> str:
    return f'<text class="label" x="{label.x}" y="{label.y}" style="fill: {ink}">{escape(label.text)}</text>'


def way_of(corners: Sequence[Point]) -> str:
    """A polyline along the axes, its corners rounded, as SVG writes ways.

    Example:
        >>> way_of([(0, 0), (100, 0)])
        'M0 0L100 0'
    """
    parts = [f"M{corners[0][0]} {corners[0][1]}"]
    for before, (x, y), after in zip(corners, corners[1:], corners[2:], strict=False):
        into, out = (_towards((x, y), end) for end in (before, after))
        parts.append(f"L{into[0]} {into[1]}Q{x} {y} {out[0]} {out[1]}")
    return "".join((*parts, f"L{corners[-1][0]} {corners[-1][1]}"))


def _towards(corner: Point, end: Point) -> Point:
    def step(here: int, there: int) -> int:
        return here + max(-_CORNER, min(_CORNER, there - here))

    return step(corner[0], end[0]), step(corner[1], end[1])


def _box(box: Box, terminal: bool, meaning: str) -> tuple[str, ...]:
    left, top = box.x - box.width // 2, box.y - box.height // 2
    inner = (
        f'<rect class="inner" x="{left + 4}" y="{top + 4}" width="{box.width - 8}" height="{box.height - 8}" rx="7"/>'
    )
    return (
        f'  <g class="node {"ended" if terminal else "alive"}" data-status="{box.status}">',
        f"    <title>{escape(meaning)}</title>",
        f'    <rect x="{left}" y="{top}" width="{box.width}" height="{box.height}" rx="10"/>',
        *((f"    {inner}",) if terminal else ()),
        f'    <text class="status" x="{box.x}" y="{box.y + 5}">{box.status}</text>',
        "  </g>",
    )


def _legend(graph: Graph, y: int) -> tuple[str, ...]:
    x = _MARGIN
    lines = ['  <g class="legend">']
    ends = any(node.terminal for node in graph.nodes)
    for kind, text in (("alive", "alive"), ("ended", "ended"))[: 1 + ends]:
        inner = (
            f'<rect class="inner" x="{x + 3}" y="{y - 8}" width="28" height="16" rx="3"/>' if kind == "ended" else ""
        )
        lines += (
            f'    <g class="{kind}"><rect x="{x}" y="{y - 11}" width="34" height="22" rx="6"/>{inner}</g>',
            f'    <text class="key" x="{x + 44}" y="{y + 5}">{text}</text>',
        )
        x += 44 + len(text) * _KEY_CHAR + 24
    for breadth in BREADTHS:
        if any(edge.breadth == breadth for edge in graph.moves):
            text = f"{breadth}: {graph.origin(breadth)}"
            lines += (
                f'    <g class="{breadth}"><path class="line" d="M{x} {y}L{x + 44} {y}" stroke="{INK[breadth]}"'
                f' marker-end="url(#tip-{breadth})"/></g>',
                f'    <text class="key" x="{x + 54}" y="{y + 5}">{text}</text>',
            )
            x += 54 + len(text) * _KEY_CHAR + 24
    return (*lines, "  </g>")
