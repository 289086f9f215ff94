"""Where everything of a small lifecycle's picture stands: what lives in a row, what has ended in a column at its end.

The objects around a run have one or two statuses they live in, and endings that all follow the last of these; so every
wire is straight or has two bends, and none crosses another.
"""

from __future__ import annotations

from runengine.errors import LifecycleDefinitionError
from runengine.rendering.graph import Arrow, Graph
from runengine.rendering.layout import LABEL_SIZE, Box, Label, Picture, Wire

__all__ = ["lay_out_small"]

_BOX_W, _BOX_H, _END_H = 160, 54, 46
_MARGIN, _HEAD, _START = 36, 100, 88
_PITCH, _PORT, _TRUNK = 74, 12, 16  # between two endings; between two wires at a box; between two wires' bends
_GAP, _LABEL_PAD = 120, 40
_TITLE_W, _LEGEND_W = 460, 620  # room for the heading and the legend, which are wider than the smallest pictures
_OVER, _UNDER = -7, 18  # from a wire to the baseline of a label above and below it


def lay_out_small(graph: Graph) -> Picture:
    """Place everything of a small graph.

    Args:
        graph: Its statuses that nothing leaves all follow the last of the others.

    Raises:
        LifecycleDefinitionError: an ending follows another status, so that there is no place for its wire.

    Example:
        >>> from runengine.core.companions import STEP
        >>> from runengine.rendering.graph import graph_of_lifecycle
        >>> picture = lay_out_small(graph_of_lifecycle(STEP))
        >>> len(picture.boxes), len(picture.wires), picture.wires[0].label.text
        (5, 4, 'complete')
    """
    living = [node.status for node in graph.nodes if not node.terminal]
    ended = [node.status for node in graph.nodes if node.terminal]
    for arrow in graph.arrows:
        if arrow.target in ended and arrow.source != living[-1]:
            raise LifecycleDefinitionError(arrow.label, "an ending follows the last status that is none")
    longest = max(len(arrow.label) for arrow in graph.arrows)
    gap = max(_GAP, round(longest * LABEL_SIZE * 0.58) + _LABEL_PAD + _TRUNK * (len(ended) // 2))
    middle = _HEAD + max(_BOX_H, _PITCH * (len(ended) - 1) + _END_H) // 2
    left = _MARGIN + _START + _BOX_W // 2
    places = {name: (left + n * (_BOX_W + gap), middle, _BOX_H) for n, name in enumerate(living)}
    column = left + len(living) * (_BOX_W + gap)
    top = middle - _PITCH * (len(ended) - 1) // 2
    places |= {name: (column, top + n * _PITCH, _END_H) for n, name in enumerate(ended)}
    boxes = {name: Box(status=name, x=x, y=y, width=_BOX_W, height=height) for name, (x, y, height) in places.items()}
    first = boxes[graph.birth.target]
    edge = first.x - _BOX_W // 2
    return Picture(
        width=max(max(box.x for box in boxes.values()) + _BOX_W // 2 + _MARGIN, _TITLE_W, _LEGEND_W),
        height=2 * middle - _HEAD + 24,
        boxes=tuple(boxes[node.status] for node in graph.nodes),
        wires=tuple(_wire(arrow, graph, boxes, ended) for arrow in graph.arrows),
        birth=((edge - _START + 8, first.y), (edge, first.y)),
        birth_label=Label(text=graph.birth.event, x=edge - _START // 2 + 4, y=first.y + _OVER),
    )


def _wire(arrow: Arrow, graph: Graph, boxes: dict[str, Box], ended: list[str]) -> Wire:
    here, there = boxes[arrow.source], boxes[arrow.target]
    if arrow.target not in ended:
        way = 1 if there.x > here.x else -1
        both = any((a.source, a.target) == (arrow.target, arrow.source) for a in graph.arrows)
        y = here.y - (_PORT * way if both else 0)
        start, stop = here.x + way * here.width // 2, there.x - way * there.width // 2
        label = Label(text=arrow.label, x=(start + stop) // 2, y=y + (_UNDER if both and way < 0 else _OVER))
        return Wire(arrow=arrow, corners=((start, y), (stop, y)), label=label)
    number, last = ended.index(arrow.target), len(ended) - 1
    start, stop = here.x + here.width // 2, there.x - there.width // 2
    y = here.y + (2 * number - last) * _PORT // 2
    if y == there.y:
        return Wire(
            arrow=arrow,
            corners=((start, y), (stop, y)),
            label=Label(text=arrow.label, x=(start + stop) // 2, y=y + _OVER),
        )
    # The outermost ending bends first, else its wire would cross the others.
    bend = start + _TRUNK * (1 + min(number, last - number))
    label = Label(text=arrow.label, x=(bend + stop) // 2, y=there.y + _OVER)
    return Wire(arrow=arrow, corners=((start, y), (bend, y), (bend, there.y), (stop, there.y)), label=label)
