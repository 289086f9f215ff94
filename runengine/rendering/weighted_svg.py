"""A weighted graph as SVG: lines by count, the way never taken faded, the way that is none in red.

The boxes and wires are laid out as without weights, with longer labels. An undeclared edge out of a status that still
lives goes as any other. One out of a terminal status has no way through the picture: it leaves its box as a short hook
that points at its target's name. All of them are listed below the picture as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Final

from attrs import evolve

from runengine.rendering.graph import BREADTHS, Edge, Graph
from runengine.rendering.layout import LABEL_SIZE, Box, Point, Wire, lay_out
from runengine.rendering.svg import INK, STYLE, birth, way_of
from runengine.rendering.weights import LEVELS, WeightedEdge, WeightedGraph, times

__all__ = ["RED", "render"]

RED: Final = "#c01f2e"
"""The colour of what the policy does not have."""

_UNDECLARED: Final = "undeclared"
_THIN, _THICK = 1.25, 6.0
_FADED, _FADED_TEXT = 0.38, 0.7
_MARGIN, _LINE, _LEGEND_H, _CHAR = 36, 24, 90, 8
_STUB, _HOOK = 15, 8  # below a box; to the right
_KEY: Final = "on an edge: how often it was taken (the thicker, the more often)"
_KEY_STAY: Final = " · the median stay before it"
_KEY_BOX: Final = "; in a box: how many snapshots show it"
_EXIT_CHARS: Final = 18  # room below a box of the spine, beside the hook


def render(weighted: WeightedGraph) -> str:
    """The weighted graph as a picture.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> from runengine.rendering.graph import graph_of
        >>> from runengine.rendering.weights import Weight, weighted
        >>> text = render(weighted(graph_of(DOCUMENTED), {("queued", "in_progress"): Weight(8, 2.3)}))
        >>> '>start <tspan class="count">8 · 2.3 s</tspan><' in text, text.count(" w0")
        (True, 11)
    """
    graph = weighted.graph
    edges = {(edge.source, edge.target): edge for edge in weighted.all_edges}
    terminal = {node.status for node in graph.nodes if node.terminal}
    picture = lay_out(_as_labelled(graph, [edge for edge in edges.values() if edge.source not in terminal]))
    room = (picture.width - 2 * _MARGIN) // _CHAR
    listed = [_cut_to(line, room) for line in _listed(weighted.undeclared)]
    height = picture.height + _LEGEND_H + _LINE * len(listed)
    slug = re.sub(r"[^a-z0-9]+", "-", f"{graph.name}-with".lower())
    nodes = {node.status: node for node in graph.nodes}
    width = picture.width
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
            f' height="{height}" role="img" aria-labelledby="title-{slug} desc-{slug}">',
            f'  <title id="title-{slug}">{escape(graph.title)}</title>',
            f'  <desc id="desc-{slug}">{escape(_description(weighted))}</desc>',
            f"  <style>\n{STYLE}\n{_rules()}\n  </style>",
            "  <defs>",
            *_markers(),
            "  </defs>",
            f'  <rect width="{width}" height="{height}" rx="12" fill="#ffffff"/>',
            f'  <text class="title" x="{_MARGIN}" y="46">{escape(graph.title)}</text>',
            f'  <text class="tally" x="{_MARGIN}" y="70">{escape(_cut_to(weighted.said or graph.tally, room))}</text>',
            *birth(picture),
            # What was taken most lies on top.
            *(
                line
                for wire in sorted(picture.wires, key=lambda w: edges[w.arrow.source, w.arrow.target].level)
                for line in _wire(wire, edges[wire.arrow.source, wire.arrow.target])
            ),
            *(
                line
                for box in picture.boxes
                for line in _box(box, nodes[box.status].terminal, nodes[box.status].meaning, weighted.seen[box.status])
            ),
            *(
                line
                for box in picture.boxes
                if box.status in terminal
                for line in _exits(box, [edge for edge in weighted.undeclared if edge.source == box.status])
            ),
            *_legend(weighted, picture.height + 26),
            *_list(listed, picture.height + _LEGEND_H),
            "</svg>",
            "",
        )
    )


def _as_labelled(graph: Graph, edges: Sequence[WeightedEdge]) -> Graph:
    """The graph with an edge for each arrow, named as it is to be labelled, so that the layout makes room for that."""
    moves = tuple(
        Edge(
            event=edge.label,
            source=edge.source,
            target=edge.target,
            breadth=edge.breadth or "permissive",
            guards=(),
            evidence="",
        )
        for edge in edges
    )
    return evolve(graph, edges=(graph.birth, *moves))


def _kind(edge: WeightedEdge) -> str:
    return edge.breadth or _UNDECLARED


def _ink(edge: WeightedEdge) -> str:
    return RED if edge.breadth is None else INK[edge.breadth]


def _width(level: int) -> float:
    return round(_THIN + (_THICK - _THIN) * (level - 1) / (LEVELS - 1), 2) if level else _THIN


def _head(level: int) -> int:
    """Length of an arrowhead, which has to be wider than its line."""
    return round(9 + 1.5 * _width(level))


def _rules() -> str:
    widths = (f"    .w{level} .line {{ stroke-width: {_width(level)}; }}" for level in range(LEVELS + 1))
    return "\n".join(
        (
            *widths,
            f"    .w0 .line {{ opacity: {_FADED}; }}",
            f"    .w0 .label {{ opacity: {_FADED_TEXT}; }}",
            "    .undeclared .line { stroke-dasharray: 10 5; }",
            "    .exit .line { stroke-dasharray: none; }",  # too short for dashes
            f"    .odd {{ font-size: {LABEL_SIZE}px; fill: {RED}; }}",
            "    .count { font-weight: 650; }",
            "    .seen { font-size: 12px; text-anchor: middle; fill: #52606d; }",
        )
    )


def _markers() -> tuple[str, ...]:
    """Arrowheads that begin where the line ends: it is cut short by their length, or it would blunt them."""
    birth_head = (
        '    <marker id="tip-documented" viewBox="0 0 10 10" refX="9.5" refY="5" markerWidth="10" markerHeight="10"'
        f' markerUnits="userSpaceOnUse" orient="auto"><path d="M0 .8 10 5 0 9.2 2.4 5Z" fill="{INK["documented"]}"/>'
        "</marker>"
    )
    inks: dict[str, str] = {**{str(breadth): ink for breadth, ink in INK.items()}, _UNDECLARED: RED}
    return (
        birth_head,
        *(
            f'    <marker id="head-{kind}-{level}" viewBox="0 0 10 10" refX="0" refY="5" markerWidth="{_head(level)}"'
            f' markerHeight="{_head(level)}" markerUnits="userSpaceOnUse" orient="auto">'
            f'<path d="M0 0 10 5 0 10Z" fill="{ink}"/></marker>'
            for kind, ink in inks.items()
            for level in range(LEVELS + 1)
        ),
    )


def _wire(wire: Wire, edge: WeightedEdge) -> tuple[str, ...]:
    ink = _ink(edge)
    return (
        f'  <g class="edge {_kind(edge)} w{edge.level}" data-source="{edge.source}" data-target="{edge.target}"'
        f' data-count="{edge.count}">',
        f"    <title>{escape(edge.sentence)}</title>",
        f'    <path class="halo" d="{way_of(wire.corners)}"/>',
        f'    <path class="line" d="{way_of(_cut(wire.corners, _head(edge.level)))}" stroke="{ink}"'
        f' marker-end="url(#head-{_kind(edge)}-{edge.level})"/>',
        f'    <text class="label" x="{wire.label.x}" y="{wire.label.y}" style="fill: {ink}">{_label(edge)}</text>',
        "  </g>",
    )


def _label(edge: WeightedEdge) -> str:
    name = escape(edge.event or _UNDECLARED)
    return f'{name} <tspan class="count">{escape(edge.tally)}</tspan>' if edge.count else name


def _cut(corners: tuple[Point, ...], length: int) -> tuple[Point, ...]:
    (x0, y0), (x, y) = corners[-2:]

    def back(start: int, stop: int) -> int:
        return stop - max(-length, min(length, stop - start))

    return (*corners[:-1], (back(x0, x), back(y0, y)))


def _box(box: Box, terminal: bool, meaning: str, seen: int) -> tuple[str, ...]:
    left, top = box.x - box.width // 2, box.y - box.height // 2
    inner = (
        f'<rect class="inner" x="{left + 4}" y="{top + 4}" width="{box.width - 8}" height="{box.height - 8}" rx="7"/>'
    )
    said = f"seen {times(seen)}" if seen else "never seen"
    return (
        f'  <g class="node {"ended" if terminal else "alive"}" data-status="{box.status}" data-seen="{seen}">',
        f"    <title>{escape(f'{said}. {meaning}')}</title>",
        f'    <rect x="{left}" y="{top}" width="{box.width}" height="{box.height}" rx="10"/>',
        *((f"    {inner}",) if terminal else ()),
        f'    <text class="status" x="{box.x}" y="{box.y - 1}">{box.status}</text>',
        f'    <text class="seen" x="{box.x}" y="{box.y + 14}">{f"{seen:,}" if seen else "never seen"}</text>',
        "  </g>",
    )


def _exits(box: Box, edges: Sequence[WeightedEdge]) -> tuple[str, ...]:
    """The undeclared edges out of a terminal status, as one short hook below its box.

    It points sideways, at the name: downwards it would point at the next box.
    """
    if not edges:
        return ()
    bottom = box.y + box.height // 2
    name = edges[0].target if len(edges) == 1 else f"{len(edges)} statuses"
    text = f"{name} {sum(edge.count for edge in edges):,}"
    if len(text) > _EXIT_CHARS:
        text = name  # the count stands in the list below the picture
    level = max(edge.level for edge in edges)
    half, left, y = len(text) * _CHAR // 2, box.x - box.width // 2 + 6, bottom + _STUB - 5
    return (
        f'  <g class="exit {_UNDECLARED} w1" data-source="{box.status}"'
        f' data-target="{" ".join(edge.target for edge in edges)}" data-level="{level}">',
        f"    <title>{escape('; '.join(edge.sentence for edge in edges))}</title>",
        f'    <path class="line" d="M{left} {bottom}L{left} {y}L{left + _HOOK} {y}" stroke="{RED}"'
        f' marker-end="url(#head-{_UNDECLARED}-1)"/>',
        f'    <text class="label" x="{left + _HOOK + _head(1) + 5 + half}" y="{bottom + _STUB}" style="fill: {RED}">'
        f"{escape(text)}</text>",
        "  </g>",
    )


def _legend(weighted: WeightedGraph, y: int) -> tuple[str, ...]:
    x = _MARGIN
    lines = ['  <g class="legend">']
    kinds: list[tuple[str, str, int, str]] = [
        (breadth, breadth, 5, INK[breadth])
        for breadth in BREADTHS
        if any(edge.breadth == breadth and edge.count for edge in weighted.edges)
    ]
    if any(not edge.count for edge in weighted.edges):
        kinds.append(("documented", "never seen", 0, INK["documented"]))
    if weighted.undeclared:
        kinds.append((_UNDECLARED, "undeclared: the policy has no such edge", 5, RED))
    for kind, text, level, ink in kinds:
        lines += (
            f'    <g class="{kind} w{level}"><path class="line" d="M{x} {y}L{x + 44} {y}" stroke="{ink}"/></g>',
            f'    <text class="key" x="{x + 54}" y="{y + 5}">{escape(text)}</text>',
        )
        x += 54 + len(text) * _CHAR + 24
    lines.append(f'    <text class="key" x="{_MARGIN}" y="{y + _LINE + 5}">{_key(weighted)}</text>')
    return (*lines, "  </g>")


def _key(weighted: WeightedGraph) -> str:
    """What the numbers are; of stays only where there are any."""
    stays = any(edge.dwell_s is not None for edge in weighted.all_edges)
    return f"{_KEY}{_KEY_STAY if stays else ''}{_KEY_BOX}"


def _cut_to(text: str, room: int) -> str:
    """A text that is too long loses its middle: of a path, the end tells most."""
    return text if len(text) <= room else f"{text[: room // 3]}…{text[len(text) - (room - room // 3 - 1) :]}"


def _list(lines: Sequence[str], y: int) -> tuple[str, ...]:
    return tuple(
        f'  <text class="odd" x="{_MARGIN}" y="{y + _LINE * row}">{escape(line)}</text>'
        for row, line in enumerate(lines)
    )


def _listed(undeclared: Sequence[WeightedEdge]) -> list[str]:
    return [
        f"undeclared: {edge.source} → {edge.target}, {times(edge.count)}"
        + (f"; as at {edge.examples[0]}" if edge.examples else "")
        for edge in undeclared
    ]


def _description(weighted: WeightedGraph) -> str:
    said = f"{weighted.said}. " if weighted.said else ""
    return f"{said}{'; '.join(edge.sentence for edge in weighted.all_edges)}."
