"""The picture is legible: read from the SVG itself, nothing lies on anything it should not."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.core.statuses import STATUSES, Status
from runengine.core.table import DOCUMENTED, ENDED_BY, POLICIES, TERMINAL, Policy, Transition
from runengine.errors import LifecycleDefinitionError
from runengine.rendering.graph import graph_of
from runengine.rendering.layout import ABOVE, AXIS, BELOW, check_places
from runengine.rendering.svg import render
from tests.rendering.readers import SVG

CHAR_EM = 0.57
"""Width of a character in ems: wider than the mean of the system fonts for lower-case words."""

ALIVE: tuple[Status, ...] = tuple(status for status in STATUSES if status not in TERMINAL)


class Area(NamedTuple):
    """A rectangle; a wire's segment is one without width or height."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Area, clear: float = 0) -> bool:
        """Whether the insides touch, `clear` units around included."""
        return (
            self.left < other.right + clear
            and other.left < self.right + clear
            and self.top < other.bottom + clear
            and other.top < self.bottom + clear
        )


class Drawn(NamedTuple):
    """What is in an SVG."""

    whole: Area
    boxes: dict[str, Area]
    labels: list[tuple[str, Area]]
    wires: dict[tuple[str, str], list[Area]]


def drawn(policy: Policy) -> Drawn:
    """The policy's SVG, read back."""
    root = ET.fromstring(render(graph_of(policy)).encode())
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    boxes: dict[str, Area] = {}
    wires: dict[tuple[str, str], list[Area]] = {}
    for group in root.iter(f"{SVG}g"):
        kind = group.attrib.get("class", "")
        if kind.startswith("node"):
            rect = group.find(f"{SVG}rect")
            assert rect is not None
            x, y, w, h = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
            boxes[group.attrib["data-status"]] = Area(x, y, x + w, y + h)
        elif kind.startswith("edge"):
            (line,) = (path for path in group.iter(f"{SVG}path") if path.get("class") == "line")
            wires[group.attrib["data-source"], group.attrib["data-target"]] = segments(line.attrib["d"])
    texts = [text for text in root.iter(f"{SVG}text") if text.get("class") in ("label", "status")]
    return Drawn(
        Area(left, top, left + width, top + height),
        boxes,
        [(text.text or "", around(text)) for text in texts if text.get("class") == "label"],
        wires,
    )


def segments(path: str) -> list[Area]:
    """The straight pieces of a path; a rounded corner counts as its sharp one."""
    numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path)]
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    return [Area(min(a, c), min(b, d), max(a, c), max(b, d)) for (a, b), (c, d) in pairwise(points)]


def around(text: ET.Element, size: float = 14) -> Area:
    """The area of a text, from its middle, its base line and its length."""
    x, y, half = float(text.attrib["x"]), float(text.attrib["y"]), len(text.text or "") * size * CHAR_EM / 2
    return Area(x - half, y - 0.78 * size, x + half, y + 0.24 * size)


def faults(picture: Drawn) -> list[str]:
    """Everything that makes a picture hard to read."""
    found = [f"{a} on {b}" for (a, one), (b, two) in combinations(picture.labels, 2) if one.meets(two, clear=2)]
    for text, area in picture.labels:
        found += [f"{text} on {status}" for status, box in picture.boxes.items() if area.meets(box)]
        found += [f"{text} on {way}" for way, wire in picture.wires.items() if any(area.meets(s) for s in wire)]
        whole = picture.whole
        if area.left < whole.left or area.right > whole.right or area.top < whole.top or area.bottom > whole.bottom:
            found.append(f"{text} outside")
    for way, wire in picture.wires.items():
        found += [f"{way} through {s}" for s, box in picture.boxes.items() if any(part.meets(box) for part in wire)]
    for (one, wire), (two, other) in combinations(picture.wires.items(), 2):
        found += [f"{one} along {two}" for a in wire for b in other if along(a, b)]
    return found


def along(one: Area, two: Area, clear: float = 8) -> bool:
    """Whether two segments run beside each other so closely that they look like one."""
    upright = one.left == one.right, two.left == two.right
    if upright == (True, True):
        return abs(one.left - two.left) < clear and one.top < two.bottom and two.top < one.bottom
    if upright == (False, False):
        return abs(one.top - two.top) < clear and one.left < two.right and two.left < one.right
    return False


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """The documented policy with any further steps that the definition checks admit."""
    taken = {(row.event, row.source) for row in DOCUMENTED.rows}
    rows: list[Transition] = []
    for source in ALIVE:
        for event in ("start", "require_action", "submit_tool_outputs", "cancel"):
            target = draw(st.sampled_from(ALIVE))
            if draw(st.booleans()) and target != source and (event, source) not in taken:
                rows.append(Transition(event, source, target, "permissive", "drawn"))
        endings = draw(st.lists(st.sampled_from(TERMINAL), unique=True))
        rows += (
            Transition(ENDED_BY[target], source, target, "practical", "drawn")
            for target in endings
            if (ENDED_BY[target], source) not in taken
        )
    return DOCUMENTED.extended("drawn", rows)


class TestLegible:
    """No label on a box, a wire or another label; no wire through a box or along another."""

    @pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
    def test_built_in_policies(self, policy: Policy) -> None:
        """The three pictures we ship have no fault."""
        assert faults(drawn(policy)) == []

    @given(policy=policies())
    def test_any_policy(self, policy: Policy) -> None:
        """A policy of the user's is drawn without a fault as well, whatever rows it adds."""
        assert faults(drawn(policy)) == []

    def test_faults_are_found(self) -> None:
        """Two labels in one place, and a wire through a box, are seen."""
        picture = drawn(DOCUMENTED)
        box = picture.boxes["in_progress"]
        through = Area(box.left - 9, box.top + 9, box.right + 9, box.top + 9)
        spoilt = picture._replace(
            labels=[*picture.labels, ("twice", picture.labels[1][1])], wires={**picture.wires, ("a", "b"): [through]}
        )
        assert {"start on twice", "('a', 'b') through in_progress"} <= set(faults(spoilt))

    def test_documented_wires_do_not_cross(self) -> None:
        """The published diagram is drawn without a single crossing."""
        wires = drawn(DOCUMENTED).wires
        crossings = [
            (one, two)
            for (one, wire), (two, other) in combinations(wires.items(), 2)
            if any(a.left <= b.right and b.left <= a.right and a.top <= b.bottom and b.top <= a.bottom
                   for a in wire for b in other)
        ]  # fmt: skip
        assert crossings == []


class TestWires:
    """Each wire joins what it says."""

    @given(policy=policies())
    def test_ends_on_its_boxes(self, policy: Policy) -> None:
        """A wire begins on the edge of its source and ends on the edge of its target, where the arrowhead is."""
        picture = drawn(policy)
        root = ET.fromstring(render(graph_of(policy)).encode())
        for group in root.iter(f"{SVG}g"):
            if group.attrib.get("class", "").startswith("edge"):
                (line,) = (path for path in group.iter(f"{SVG}path") if path.get("class") == "line")
                numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", line.attrib["d"])]
                assert on_edge(picture.boxes[group.attrib["data-source"]], numbers[0], numbers[1])
                assert on_edge(picture.boxes[group.attrib["data-target"]], numbers[-2], numbers[-1])
                assert line.attrib["marker-end"] == f"url(#tip-{group.attrib['class'].split()[1]})"

    def test_birth_ends_on_queued(self) -> None:
        """The arrow of create leads to queued."""
        root = ET.fromstring(render(graph_of(DOCUMENTED)).encode())
        (birth,) = (group for group in root.iter(f"{SVG}g") if group.get("class") == "birth")
        path = birth.find(f"{SVG}path")
        assert path is not None
        numbers = [float(number) for number in re.findall(r"-?\d+", path.attrib["d"])]
        assert on_edge(drawn(DOCUMENTED).boxes["queued"], numbers[-2], numbers[-1])


def on_edge(box: Area, x: float, y: float) -> bool:
    """Whether a point lies on the outline of a box."""
    inside = box.left <= x <= box.right and box.top <= y <= box.bottom
    return inside and (x in (box.left, box.right) or y in (box.top, box.bottom))


class TestBoxes:
    """The boxes of the statuses."""

    def test_each_status_once_and_apart(self) -> None:
        """Nine boxes, none on another, and the terminal ones have a second outline."""
        boxes = drawn(DOCUMENTED).boxes
        assert set(boxes) == set(STATUSES)
        assert not any(one.meets(two, clear=20) for one, two in combinations(boxes.values(), 2))
        root = ET.fromstring(render(graph_of(DOCUMENTED)).encode())
        double = {g.attrib["data-status"] for g in root.iter(f"{SVG}g") if len(g.findall(f"{SVG}rect")) == 2
                  and "data-status" in g.attrib}  # fmt: skip
        assert double == set(TERMINAL)

    def test_names_fit(self) -> None:
        """A name has room inside its box, in the widest of the fonts."""
        for status, box in drawn(DOCUMENTED).boxes.items():
            assert len(status) * 16 * 0.6 < box.right - box.left, status

    def test_same_places_in_every_policy(self) -> None:
        """A reader who turns from one policy to the next finds every status where it was."""
        assert len({tuple(drawn(policy).boxes.items()) for policy in POLICIES.values()}) == 1


class TestReaders:
    """The picture for those who do not see it, and its colours and lines for those who do."""

    @pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
    def test_description_says_every_edge(self, policy: Policy) -> None:
        """The description that a screen reader speaks names each edge, and the ids it is found by exist."""
        root = ET.fromstring(render(graph_of(policy)).encode())
        described = {element.get("id"): element.text or "" for element in root}
        title, words = (described[name] for name in root.attrib["aria-labelledby"].split())
        assert policy.name in title
        assert words.count(" by ") == len(policy.edges)
        assert all(f"{source} to {target} by {event}" in words for (source, target), event in policy.edges.items())

    def test_legend_explains_what_is_drawn(self) -> None:
        """The legend has the breadths of the policy and no other, all inside the picture."""
        for policy in POLICIES.values():
            root = ET.fromstring(render(graph_of(policy)).encode())
            (legend,) = (group for group in root.iter(f"{SVG}g") if group.get("class") == "legend")
            keys = list(legend.iter(f"{SVG}text"))
            breadths = [(key.text or "").split(":")[0] for key in keys if ":" in (key.text or "")]
            assert breadths == list(dict.fromkeys(row.breadth for row in sorted(
                policy.rows, key=lambda row: list(POLICIES).index(row.breadth))))  # fmt: skip
            ends = [float(key.attrib["x"]) + len(key.text or "") * 14 * CHAR_EM for key in keys]
            assert max(ends) < float(root.attrib["viewBox"].split()[2])
            swatch = 54  # drawn before each key
            assert all(end + swatch < float(nxt.attrib["x"]) for end, nxt in zip(ends, keys[1:], strict=False))

    def test_lines_differ_without_colour(self) -> None:
        """Practical is dashed, permissive dotted, documented neither; the page behind never shows through."""
        text = render(graph_of(DOCUMENTED))
        dashes = dict(re.findall(r"\.(\w+) \.line \{ stroke-dasharray: ([\d. ]+)", text))
        assert set(dashes) == {"practical", "permissive"}
        assert dashes["practical"] != dashes["permissive"]
        root = ET.fromstring(text.encode())
        background = root.find(f"{SVG}rect")
        assert background is not None
        assert (background.get("width"), background.get("height")) == (root.get("width"), root.get("height"))


class TestCheckPlaces:
    """The placement is checked as the other tables are, at import."""

    @pytest.mark.parametrize(
        ("axis", "spine", "status"),
        [
            (AXIS[1:], ABOVE + BELOW, "queued"),
            (AXIS, BELOW, "completed"),
            (AXIS, (*ABOVE, *BELOW, "failed"), "failed"),
            ((*AXIS, "queued"), ABOVE + BELOW, "queued"),
            (AXIS, (*ABOVE, *BELOW, "queued"), "queued"),
            ((*AXIS, "failed"), (*ABOVE, "expired", "cancelled"), "failed"),
        ],
        ids=["no place", "no row", "two rows", "two places", "both", "wrong kind"],
    )
    def test_refuses(self, axis: tuple[Status, ...], spine: tuple[Status, ...], status: str) -> None:
        """A status without a place, with two, or among the wrong kind is named."""
        with pytest.raises(LifecycleDefinitionError, match=f"`{status}`"):
            check_places(axis, spine)
