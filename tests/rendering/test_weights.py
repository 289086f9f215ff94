"""Graphs with weights: whatever is counted is drawn, at its place and in its colour, and nothing foreign is markup."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.core.statuses import STATUSES
from runengine.core.table import DOCUMENTED, POLICIES, PRACTICAL, TERMINAL, Policy
from runengine.rendering import FORMATS, WEIGHTED_FORMATS, Odd, Weight, WeightedGraph, graph_of, weighted
from runengine.rendering.durations import brief
from runengine.rendering.svg import INK
from runengine.rendering.weighted_svg import RED, render
from runengine.rendering.weights import LEVELS
from tests.rendering.readers import SVG
from tests.rendering.test_layout import Area, Drawn, faults, policies, segments

PAIRS = [(a, b) for a in STATUSES for b in STATUSES if a != b]
EVIL = '<script>alert("x")</script>&amp;\x1b[31m\n-->|"]'
counts_of_many = st.integers(0, 10**9)


READY_MADE = st.sampled_from([*POLICIES.values()])


@st.composite
def graphs(draw: st.DrawFn, any_policy: st.SearchStrategy[Policy] = READY_MADE) -> WeightedGraph:
    """Any policy with any counts along it, and undeclared edges beside it."""
    policy = draw(any_policy)
    graph = graph_of(policy)
    stays = st.none() | st.floats(0, 1e7)
    counts = {pair: Weight(draw(counts_of_many), draw(stays)) for pair in policy.edges if draw(st.booleans())}
    others = [pair for pair in PAIRS if pair not in policy.edges]
    odd = {
        pair: Odd(draw(st.integers(1, 10**6)), (EVIL,))
        for pair in draw(st.lists(st.sampled_from(others), unique=True, max_size=6))
    }
    return weighted(graph, counts, odd, {status: draw(counts_of_many) for status in STATUSES}, EVIL)


def groups(text: str, kind: str) -> list[ET.Element]:
    """The groups of an SVG whose class begins so."""
    return [g for g in ET.fromstring(text.encode()).iter(f"{SVG}g") if g.attrib.get("class", "").split(" ")[0] == kind]


def line_of(group: ET.Element) -> ET.Element:
    """Its visible line."""
    (line,) = (path for path in group.iter(f"{SVG}path") if path.get("class") == "line")
    return line


def drawn(text: str) -> Drawn:
    """An SVG with weights, read back."""
    root = ET.fromstring(text.encode())
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    boxes = {}
    for group in groups(text, "node"):
        rect = group.find(f"{SVG}rect")
        assert rect is not None
        x, y, w, h = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
        boxes[group.attrib["data-status"]] = Area(x, y, x + w, y + h)
    wires = {
        (g.attrib["data-source"], g.attrib["data-target"]): segments(line_of(g).attrib["d"])
        for g in groups(text, "edge")
    }
    labels = [label for label in root.iter(f"{SVG}text") if label.get("class") == "label"]
    return Drawn(Area(left, top, left + width, top + height), boxes, [_area(label) for label in labels], wires)


def _area(label: ET.Element) -> tuple[str, Area]:
    text = "".join(label.itertext())
    x, y, half = float(label.attrib["x"]), float(label.attrib["y"]), len(text) * 14 * 0.57 / 2
    return text, Area(x - half, y - 0.78 * 14, x + half, y + 0.24 * 14)


class TestSvg:
    """The picture."""

    @settings(max_examples=40)
    @given(graph=graphs())
    def test_every_edge_is_there(self, graph: WeightedGraph) -> None:
        """Each edge is drawn once, or leaves its terminal box as a short arrow, with what was counted of it."""
        text = render(graph)
        edges = {(g.attrib["data-source"], g.attrib["data-target"]): g for g in groups(text, "edge")}
        exits = {
            (g.attrib["data-source"], target)
            for g in groups(text, "exit")
            for target in g.attrib["data-target"].split()
        }
        assert edges.keys() | exits == {(edge.source, edge.target) for edge in graph.all_edges}
        assert all(source in TERMINAL for source, _ in exits)
        for edge in graph.all_edges:
            group = edges.get((edge.source, edge.target))
            if group is not None:
                assert "".join(group.find(f"{SVG}text").itertext()) == edge.label  # type: ignore[union-attr]
                assert int(group.attrib["data-count"]) == edge.count
                kind, width = group.attrib["class"].split()[1:]
                assert (kind, width) == (edge.breadth or "undeclared", f"w{edge.level}")
                assert line_of(group).attrib["stroke"] == (RED if edge.breadth is None else INK[edge.breadth])

    @settings(max_examples=40)
    @given(graph=graphs())
    def test_undeclared_edges_are_red_and_dashed(self, graph: WeightedGraph) -> None:
        """They alone are red, are dashed, and are listed below the picture with their count."""
        text = render(graph)
        red = [line_of(g) for g in (*groups(text, "edge"), *groups(text, "exit")) if line_of(g).attrib["stroke"] == RED]
        drawn_red = sum(edge.source not in TERMINAL for edge in graph.undeclared)
        assert len(red) == drawn_red + len({e.source for e in graph.undeclared if e.source in TERMINAL})
        assert re.search(r"\.undeclared \.line \{ stroke-dasharray: \d+ \d+; \}", text)
        listed = [el.text or "" for el in ET.fromstring(text.encode()).iter(f"{SVG}text") if el.get("class") == "odd"]
        assert len(listed) == len(graph.undeclared)
        for edge, line in zip(graph.undeclared, listed, strict=True):
            assert line.startswith(f"undeclared: {edge.source} → {edge.target}, ")

    @given(graph=graphs(policies() | READY_MADE))
    def test_legible(self, graph: WeightedGraph) -> None:
        """No label lies on a box, a wire or another label, and no wire goes through a box or along another."""
        assert faults(drawn(render(graph))) == []

    @settings(max_examples=40)
    @given(graph=graphs())
    def test_more_is_thicker(self, graph: WeightedGraph) -> None:
        """Of two edges the one that was taken more often is never the thinner one, and the unseen are faded."""
        for one in graph.all_edges:
            assert (one.level == 0) == (one.count == 0)
            assert one.level <= LEVELS
            assert all(one.level <= other.level for other in graph.all_edges if one.count <= other.count)
        text = render(graph)
        widths = [float(w) for w in re.findall(r"\.w\d+ \.line \{ stroke-width: ([\d.]+)", text)]
        assert len(widths) == LEVELS + 1
        assert widths[1:] == sorted(set(widths[1:]))
        assert re.search(r"\.w0 \.line \{ opacity: 0\.\d+; \}", text)

    @settings(max_examples=40)
    @given(graph=graphs())
    def test_foreign_text_stays_text(self, graph: WeightedGraph) -> None:
        """A script tag in a path is neither an element nor an attribute, in the heading, the hovers or the list."""
        text = render(graph)
        root = ET.fromstring(text.encode())
        assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
            *("svg", "title", "desc", "style", "defs", "marker", "path", "rect", "text", "tspan", "g", "circle")
        }
        assert "<script" not in text
        assert "\x1b" not in text
        assert not any(name.startswith("on") for element in root.iter() for name in element.attrib)

    def test_description_says_every_edge(self) -> None:
        """A screen reader is told of each edge how often it was taken, or that it never was."""
        text = render(weighted(graph_of(DOCUMENTED), {("queued", "in_progress"): Weight(1200, 2.34)}))
        said = ET.fromstring(text.encode()).findtext(f"{SVG}desc") or ""
        assert "queued to in_progress by start, documented: 1,200 times, median stay before it 2.34 s" in said
        assert said.count("never seen") == 10

    def test_boxes_say_how_often(self) -> None:
        """Each status says how often it was seen."""
        text = render(weighted(graph_of(DOCUMENTED), {}, None, {"queued": 12_345}))
        seen = {g.attrib["data-status"]: [t.text for t in g.iter(f"{SVG}text")] for g in groups(text, "node")}
        assert seen["queued"] == ["queued", "12,345"]
        assert seen["failed"] == ["failed", "never seen"]

    @pytest.mark.parametrize("count", [1, 1_234_567])
    def test_exits_point_at_their_target(self, count: int) -> None:
        """An undeclared edge out of a terminal status leaves its own box and points sideways, at the target's name."""
        odd = {
            ("completed", "requires_action"): Odd(count),
            ("failed", "queued"): Odd(2),
            ("failed", "expired"): Odd(3),
        }
        text = render(weighted(graph_of(PRACTICAL), {}, odd))
        boxes = drawn(text).boxes
        said = {}
        for group in groups(text, "exit"):
            box, (down, across) = boxes[group.attrib["data-source"]], segments(line_of(group).attrib["d"])
            assert box.left < down.left < box.right
            assert down.top == box.bottom
            assert across.top == across.bottom
            label = next(el for el in group.iter(f"{SVG}text"))
            assert down.left == across.left < across.right < _area(label)[1].left
            said[group.attrib["data-source"]] = label.text
        assert said == {"completed": "requires_action 1" if count == 1 else "requires_action", "failed": "2 statuses 5"}

    @pytest.mark.parametrize("stay_s", [None, 2.0])
    def test_key(self, stay_s: float | None) -> None:
        """The legend says what the numbers are, of an edge and of a box, and of stays where there are any."""
        text = render(weighted(graph_of(DOCUMENTED), {("queued", "in_progress"): Weight(8, stay_s)}))
        assert "on an edge: how often it was taken" in text
        assert "in a box: how many snapshots show it" in text
        assert ("the median stay before it</" in text or "the median stay before it;" in text) == (stay_s is not None)


class TestText:
    """DOT, Mermaid and Markdown."""

    @settings(max_examples=40)
    @given(graph=graphs())
    def test_dot(self, graph: WeightedGraph) -> None:
        """Each edge has its label, a pen of its width, and red where it is undeclared; strings are closed."""
        text = WEIGHTED_FORMATS["dot"](graph)
        edges = re.findall(
            r'^  "(\w+)" -> "(\w+)" \[label="([^"]+)", style=\w+, penwidth=[\d.]+, color="(#\w+)"', text, re.M
        )
        assert [(a, b) for a, b, _, _ in edges] == [(edge.source, edge.target) for edge in graph.all_edges]
        for (_, _, label, colour), edge in zip(edges, graph.all_edges, strict=True):
            assert label == edge.label
            assert (colour == RED) == (edge.breadth is None)
        assert re.sub(r'"(?:[^"\\]|\\.)*"', "", text).count('"') == 0

    @settings(max_examples=40)
    @given(graph=graphs())
    def test_mermaid(self, graph: WeightedGraph) -> None:
        """Each edge has its label and the linkStyle of its number, after the arrow of create."""
        text = WEIGHTED_FORMATS["mermaid"](graph)
        edges = re.findall(r'^    (\w+) -->\|"([^"|]+)"\| (\w+)$', text, re.M)
        assert [(a, b, label) for a, label, b in edges[1:]] == [(e.source, e.target, e.label) for e in graph.all_edges]
        styles = re.findall(r"^    linkStyle (\d+) stroke:(#\w+),stroke-width:[\d.]+px", text, re.M)
        assert [int(number) for number, _ in styles] == list(range(1, len(graph.all_edges) + 1))
        for (_, colour), edge in zip(styles, graph.all_edges, strict=True):
            assert (colour == RED) == (edge.breadth is None)
        assert text.splitlines()[2] == "---"

    @settings(max_examples=40)
    @given(graph=graphs())
    def test_markdown(self, graph: WeightedGraph) -> None:
        """Each edge is a row of seven cells, the most taken first, and no foreign tag is left."""
        text = WEIGHTED_FORMATS["markdown"](graph)
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("| `")]
        edges = [[cell.strip() for cell in row] for row in rows if len(row) == 7]
        assert len(edges) == len(graph.all_edges)
        counted = [int(row[4].replace(",", "")) for row in edges]
        assert counted == sorted(counted, reverse=True)
        assert sum(row[3] == "**undeclared**" for row in edges) == len(graph.undeclared)
        assert not re.search(r"(?<!\\)<", text)

    def test_formats(self) -> None:
        """The weighted formats are some of the others, under the same names."""
        assert set(WEIGHTED_FORMATS) < set(FORMATS)


class TestWeighted:
    """The neutral graph."""

    def test_what_the_graph_has_not_is_undeclared(self) -> None:
        """A count along an edge that the policy does not have is drawn as undeclared."""
        graph = weighted(graph_of(DOCUMENTED), {("queued", "failed"): Weight(3)})
        assert [(edge.source, edge.target, edge.count) for edge in graph.undeclared] == [("queued", "failed", 3)]

    @pytest.mark.parametrize(
        "pair", [("queued", "in_progress"), ("queued", "queued"), ("queued", "<b>"), ("x", "queued")]
    )
    def test_refuses(self, pair: tuple[str, str]) -> None:
        """What is declared, no change, or no status cannot be an undeclared edge."""
        with pytest.raises(ValueError, match="cannot be drawn as undeclared over practical"):
            weighted(graph_of(PRACTICAL), {}, {pair: Odd(1)})

    @given(seconds=st.floats(0, 1e11))
    def test_durations_are_brief(self, seconds: float) -> None:
        """A duration takes few characters and is within half a percent, microseconds apart."""
        text = brief(seconds)
        assert len(text) <= 12
        number, _, unit = text.partition(" ")
        size = {"d": 86_400, "h": 3600, "min": 60, "s": 1, "ms": 1e-3, "µs": 1e-6}[unit]
        assert float(number.replace(",", "")) * size == pytest.approx(seconds, rel=0.0051, abs=1e-6)
