"""Readers of what the renderers write, one a format: text back to edges. They share nothing with the renderers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NamedTuple
from xml.etree import ElementTree as ET

SCXML = "{http://www.w3.org/2005/07/scxml}"
OURS = "{urn:runengine:lifecycle}"
SVG = "{http://www.w3.org/2000/svg}"


class Seen(NamedTuple):
    """An edge as read back."""

    event: str
    source: str
    target: str
    breadth: str


class Document(NamedTuple):
    """What a rendering says."""

    initial: tuple[str, str]
    """The event that makes a run, empty where the format has no place for it, and the status it makes it in."""
    edges: list[Seen]
    terminal: set[str]


def read_mermaid(text: str) -> Document:
    """Lines `source --> target: event (breadth)`."""
    edges = [
        Seen(event, source, target, breadth or "documented")
        for source, target, event, breadth in re.findall(
            r"^    (\w+) --> (\w+): (\w+)(?: \((\w+)\))?$", text, re.MULTILINE
        )
    ]
    (initial,) = re.findall(r"^    \[\*\] --> (\w+): (\w+)$", text, re.MULTILINE)
    ends = set(re.findall(r"^    (\w+) --> \[\*\]$", text, re.MULTILINE))
    assert text.count("-->") == len(edges) + 1 + len(ends)
    return Document((initial[1], initial[0]), edges, ends)


def read_plantuml(text: str) -> Document:
    """Lines `source -[line]-> target : event`."""
    breadth = {"-->": "documented", "-[dashed]->": "practical", "-[dotted]->": "permissive"}
    edges = [
        Seen(event, source, target, breadth[arrow])
        for source, arrow, target, event in re.findall(r"^(\w+) (-\S*->) (\w+) : (\w+)$", text, re.MULTILINE)
    ]
    (initial,) = re.findall(r"^\[\*\] --> (\w+) : (\w+)$", text, re.MULTILINE)
    ends = set(re.findall(r"^(\w+) --> \[\*\]$", text, re.MULTILINE))
    assert text.count("->") == len(edges) + 1 + len(ends)
    return Document((initial[1], initial[0]), edges, ends)


_QUOTED = r'"((?:[^"\\]|\\.)*)"'


def read_dot(text: str) -> Document:
    """Statements `"source" -> "target" [label=…, style=…]`."""
    breadth = {"solid": "documented", "dashed": "practical", "dotted": "permissive"}
    pattern = rf"^  {_QUOTED} -> {_QUOTED} \[label={_QUOTED}, style=(\w+), edgetooltip={_QUOTED}\];$"
    edges = [
        Seen(event, source, target, breadth[style])
        for source, target, event, style, _evidence in re.findall(pattern, text, re.MULTILINE)
    ]
    (initial,) = re.findall(rf'^  "\(no run\)" -> {_QUOTED} \[label={_QUOTED}\];$', text, re.MULTILINE)
    ends = set(re.findall(rf"^  {_QUOTED} \[tooltip=.*peripheries=2.*\];$", text, re.MULTILINE))
    assert len(re.findall(r'" -> "', text)) == len(edges) + 1
    return Document((initial[1], initial[0]), edges, ends)


def read_markdown(text: str) -> Document:
    """Rows of six cells."""
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    assert all(len(row) == 6 for row in rows)
    cells = [[cell.strip().strip("`") for cell in row] for row in rows[2:]]
    edges = [Seen(event, source, target, breadth) for event, source, target, breadth, _guards, _evidence in cells]
    (born,) = (edge for edge in edges if edge.source == "(no run)")
    moves = [edge for edge in edges if edge.source not in ("(no run)", edge.target)]
    return Document((born.event, born.target), moves, {e.target for e in moves} - {e.source for e in moves})


def read_scxml(text: str) -> Document:
    """Elements `<transition>` below `<state>`."""
    root = ET.fromstring(text.encode())
    assert root.tag == f"{SCXML}scxml"
    assert root.get("version") == "1.0"
    edges = [
        Seen(step.attrib["event"], state.attrib["id"], step.attrib["target"], step.attrib[f"{OURS}breadth"])
        for state in root.findall(f"{SCXML}state")
        for step in state.findall(f"{SCXML}transition")
    ]
    assert len(edges) == sum(1 for _ in root.iter(f"{SCXML}transition"))
    return Document(("", root.attrib["initial"]), edges, {end.attrib["id"] for end in root.iter(f"{SCXML}final")})


def read_xstate(text: str) -> Document:
    """States with `on`."""
    config = json.loads(text)
    states = config["states"]
    edges = [
        Seen(event, source, step["target"], step["meta"]["breadth"])
        for source, state in states.items()
        for event, step in state.get("on", {}).items()
    ]
    return Document(("", config["initial"]), edges, {s for s, state in states.items() if state.get("type") == "final"})


def read_svg(text: str) -> Document:
    """Groups of class `edge`; the label must say the event too, and the dash pattern goes by the class."""
    root = ET.fromstring(text.encode())
    edges: list[Seen] = []
    for group in root.iter(f"{SVG}g"):
        if group.attrib.get("class", "").startswith("edge "):
            breadth = group.attrib["class"].removeprefix("edge ")
            label = group.findtext(f"{SVG}text") or ""
            assert label.split(" / ") == group.attrib["data-events"].split()
            edges += [
                Seen(event, group.attrib["data-source"], group.attrib["data-target"], breadth)
                for event in label.split(" / ")
            ]
    (birth,) = (group for group in root.iter(f"{SVG}g") if group.get("class") == "birth")
    ended = {g.attrib["data-status"] for g in root.iter(f"{SVG}g") if g.get("class") == "node ended"}
    # Where it leads is geometry: tests/rendering/test_layout.py reads that.
    return Document((birth.findtext(f"{SVG}text") or "", "queued"), edges, ended)


READERS: dict[str, Callable[[str], Document]] = {
    "mermaid": read_mermaid,
    "dot": read_dot,
    "svg": read_svg,
    "markdown": read_markdown,
    "plantuml": read_plantuml,
    "scxml": read_scxml,
    "xstate": read_xstate,
}
