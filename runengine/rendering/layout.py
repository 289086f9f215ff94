"""Where everything of the picture stands: boxes, wires and labels, in whole units.

The statuses a run lives in stand on an axis, the ones it ends in on a spine across the axis' middle. So an ending is
a wire with one bend that enters from the side its source stands on; a step to a neighbour is straight; any other step
goes round by a rail, rightwards below and leftwards above. Every pair of statuses has its way by these rules, also in
a policy of the user's, and the wires of the documented policy do not cross.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from runengine.core.statuses import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    EXPIRED,
    FAILED,
    IN_PROGRESS,
    INCOMPLETE,
    QUEUED,
    REQUIRES_ACTION,
    STATUSES,
    Status,
)
from runengine.core.table import TERMINAL
from runengine.errors import LifecycleDefinitionError
from runengine.rendering.graph import Arrow, Graph

__all__ = ["LABEL_SIZE", "Box", "Label", "Picture", "Point", "Wire", "check_places", "lay_out"]

AXIS: Final[tuple[Status, ...]] = (QUEUED, IN_PROGRESS, REQUIRES_ACTION, CANCELLING)
"""Left to right: two on each side of the spine."""

ABOVE: Final[tuple[Status, ...]] = (INCOMPLETE, COMPLETED)
"""The spine above the axis, from the axis outwards."""

BELOW: Final[tuple[Status, ...]] = (FAILED, EXPIRED, CANCELLED)
"""The spine below the axis, from the axis outwards."""

LABEL_SIZE: Final = 14
"""Font size of the labels, from which the gaps follow."""

_BOX_W, _BOX_H, _END_H = 160, 54, 46
_MARGIN, _HEAD, _START = 36, 84, 74
_PITCH, _FIRST_ROW = 82, 100  # between two rows of the spine; from the axis to the first
_STUB, _PORT = 24, 12  # between two wires that leave a box; from a terminal box's middle to each of two that enter it
_RAIL, _RAIL_FIRST = 34, 62  # between two rails; from the last row of the spine to the first rail
_GAP_OUTER, _GAP_INNER, _LABEL_PAD = 88, 150, 34
_OVER, _UNDER = -7, 18  # from a wire to the baseline of a label above and below it

Point = tuple[int, int]
"""x to the right, y downwards."""


@frozen(kw_only=True)
class Box:
    """The place of a status: its middle and its size.

    Example:
        >>> Box(status="queued", x=10, y=20, width=160, height=54).width
        160
    """

    status: str
    x: int
    y: int
    width: int
    height: int


@frozen(kw_only=True)
class Label:
    """Text around the middle `x`, standing on the line `y`.

    Example:
        >>> Label(text="start", x=10, y=20).text
        'start'
    """

    text: str
    x: int
    y: int


@frozen(kw_only=True)
class Wire:
    """The way of an arrow: its corners from source to target, and its label.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> from runengine.rendering.graph import graph_of
        >>> lay_out(graph_of(DOCUMENTED)).wires[0].label.text
        'start'
    """

    arrow: Arrow
    corners: tuple[Point, ...]
    label: Label


@frozen(kw_only=True)
class Picture:
    """Everything placed.

    Attributes:
        width: Of the whole.
        height: Of what is drawn, from the top; a legend goes below it.
        boxes: One for each status, in the graph's order.
        wires: One for each arrow, in the graph's order.
        birth: From the initial point to the initial status.
        birth_label: The event on it.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> from runengine.rendering.graph import graph_of
        >>> picture = lay_out(graph_of(DOCUMENTED))
        >>> len(picture.boxes), len(picture.wires)
        (9, 11)
    """

    width: int
    height: int
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    birth: tuple[Point, Point]
    birth_label: Label


def check_places(axis: Sequence[Status], spine: Sequence[Status]) -> None:
    """Check that every status has its one place.

    Raises:
        LifecycleDefinitionError: a status has no place, two, or one among the wrong kind.

    Example:
        >>> check_places(AXIS, ABOVE + BELOW)
    """
    for status in STATUSES:
        here, elsewhere = (spine, axis) if status in TERMINAL else (axis, spine)
        if here.count(status) != 1 or status in elsewhere:
            raise LifecycleDefinitionError(
                status, "every status has one place in the picture, terminal ones on the spine"
            )


check_places(AXIS, ABOVE + BELOW)


def lay_out(graph: Graph) -> Picture:
    """Place everything of a graph.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> from runengine.rendering.graph import graph_of
        >>> picture = lay_out(graph_of(DOCUMENTED))
        >>> picture.wires[0].label.text, [y for x, y in picture.wires[0].corners] == [picture.boxes[0].y] * 2
        ('start', True)
    """
    boxes = _boxes(graph)
    router = _Router(boxes={box.status: box for box in boxes}, arrows=graph.arrows)
    first = next(box for box in boxes if box.status == graph.birth.target)
    left = first.x - first.width // 2
    right = max(box.x + box.width // 2 for box in boxes)
    rails_below = len(_rails(graph.arrows, 1))
    return Picture(
        width=right + _MARGIN,
        height=boxes[0].y + _FIRST_ROW + _PITCH * (len(BELOW) - 1) + (_RAIL_FIRST + _RAIL * rails_below),
        boxes=boxes,
        wires=tuple(router.wire(arrow) for arrow in graph.arrows),
        birth=((left - _START + 8, first.y), (left, first.y)),
        birth_label=Label(text=graph.birth.event, x=left - _START // 2 + 4, y=first.y + _OVER),
    )


def _boxes(graph: Graph) -> tuple[Box, ...]:
    inner = max(_GAP_INNER, *(_wide(arrow.label) for arrow in graph.arrows if arrow.target not in AXIS))
    outer = max(_GAP_OUTER, *(_wide(arrow.label) for arrow in graph.arrows if _beside(arrow)))
    spine = _MARGIN + _START + 2 * _BOX_W + outer + inner + _BOX_W // 2
    near, far = _BOX_W + inner, 2 * _BOX_W + inner + outer
    axis_y = _HEAD + _RAIL * len(_rails(graph.arrows, -1)) + _RAIL_FIRST + _PITCH * (len(ABOVE) - 1) + _FIRST_ROW
    places: dict[str, Point] = {
        **dict(zip(AXIS, ((spine + dx, axis_y) for dx in (-far, -near, near, far)), strict=True)),
        **{status: (spine, axis_y - _FIRST_ROW - _PITCH * row) for row, status in enumerate(ABOVE)},
        **{status: (spine, axis_y + _FIRST_ROW + _PITCH * row) for row, status in enumerate(BELOW)},
    }
    return tuple(
        Box(
            status=node.status,
            x=places[node.status][0],
            y=places[node.status][1],
            width=_BOX_W,
            height=_END_H if node.terminal else _BOX_H,
        )
        for node in graph.nodes
    )


def _wide(label: str) -> int:
    return round(len(label) * LABEL_SIZE * 0.58) + _LABEL_PAD


def _span(arrow: Arrow) -> int:
    """Places along the axis, positive rightwards."""
    return AXIS.index(arrow.target) - AXIS.index(arrow.source)


def _beside(arrow: Arrow) -> bool:
    """Whether it steps to a neighbour on its own side of the spine."""
    return arrow.target in AXIS and {arrow.source, arrow.target} in ({*AXIS[:2]}, {*AXIS[2:]})


def _rails(arrows: Sequence[Arrow], way: int) -> list[Arrow]:
    """The arrows that go round rightwards (1) or leftwards (-1), the shortest first: it lies nearest."""
    return sorted((a for a in arrows if a.target in AXIS and _span(a) * way > 1), key=lambda a: _span(a) * way)


@frozen(kw_only=True)
class _Router:
    boxes: dict[str, Box]
    arrows: tuple[Arrow, ...]

    def wire(self, arrow: Arrow) -> Wire:
        if arrow.target not in AXIS:
            return self._ending(arrow)
        return self._step(arrow) if abs(_span(arrow)) == 1 else self._rail(arrow)

    def _ending(self, arrow: Arrow) -> Wire:
        side = self._side(arrow.source)
        down = 1 if arrow.target in BELOW else -1
        end = self.boxes[arrow.target]
        rivals = [a.source for a in self.arrows if a.target == arrow.target and self._side(a.source) == side]
        # The source nearer to the spine enters nearer to the axis, else the two wires would cross.
        port = 0 if len(rivals) == 1 else _PORT * down * (1 if self._is_outer(arrow.source) else -1)
        x, y = self._stub(arrow, arrow.source, down)
        enter = (end.x + side * end.width // 2, end.y + port)
        near = self.boxes[AXIS[1] if side < 0 else AXIS[2]]
        middle = (near.x - side * near.width // 2 + enter[0]) // 2 + side * 4
        label = Label(text=arrow.label, x=middle, y=enter[1] + (_UNDER if port > 0 else _OVER))
        return Wire(arrow=arrow, corners=((x, y), (x, enter[1]), enter), label=label)

    def _step(self, arrow: Arrow) -> Wire:
        here, there, way = self.boxes[arrow.source], self.boxes[arrow.target], _span(arrow)
        both = any((a.source, a.target) == (arrow.target, arrow.source) for a in self.arrows)
        y = here.y - (_PORT * way if both else 0)
        start, stop = here.x + way * here.width // 2, there.x - way * there.width // 2
        label = Label(text=arrow.label, x=(start + stop) // 2, y=y + (_UNDER if both and way < 0 else _OVER))
        return Wire(arrow=arrow, corners=((start, y), (stop, y)), label=label)

    def _rail(self, arrow: Arrow) -> Wire:
        way = 1 if _span(arrow) > 0 else -1
        last = self.boxes[BELOW[-1] if way > 0 else ABOVE[-1]]
        y = last.y + way * (_RAIL_FIRST + _RAIL * _rails(self.arrows, way).index(arrow))
        start, stop = self._stub(arrow, arrow.source, way), self._stub(arrow, arrow.target, way)
        label = Label(text=arrow.label, x=last.x, y=y + _OVER)
        return Wire(arrow=arrow, corners=(start, (start[0], y), (stop[0], y), stop), label=label)

    def _stub(self, arrow: Arrow, status: str, down: int) -> Point:
        """Where a wire touches the lower (1) or upper (-1) edge of a box on the axis.

        Outermost the rails, the longest first, then the endings, the farthest first: so no two from one box cross.
        """
        spine = BELOW if down > 0 else ABOVE
        rails = [a for a in reversed(_rails(self.arrows, down)) if status in (a.source, a.target)]
        endings = [a for a in self.arrows if a.source == status and a.target in spine]
        order = [*rails, *sorted(endings, key=lambda a: -spine.index(a.target))]
        box = self.boxes[status]
        inwards = (2 * order.index(arrow) - len(order) + 1) * _STUB // 2
        return box.x - self._side(status) * inwards, box.y + down * box.height // 2

    @staticmethod
    def _side(status: str) -> int:
        return -1 if status in AXIS[:2] else 1

    @staticmethod
    def _is_outer(status: str) -> bool:
        return status in (AXIS[0], AXIS[-1])
