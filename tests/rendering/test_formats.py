"""Every renderer, read back: it says what the policy says, nothing else, and always in the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from runengine.core.table import DOCUMENTED, PERMISSIVE, POLICIES, PRACTICAL, Policy, Transition
from runengine.rendering import FORMATS, gallery, graph_of
from runengine.rendering.markdown import table
from tests import naive
from tests.rendering.readers import OURS, READERS, SCXML, SVG, Seen

NASTY = """a "b" 'c' <d> & | \\N ]]> `e` *f* [g](h) __i__ ~~j~~ -- --- %% */ #1; é"""
"""What some format would read as its own syntax."""

by_format = pytest.mark.parametrize("kind", FORMATS)


def nasty_policy() -> Policy:
    """Practical, with a name and one row whose texts are `NASTY`."""
    return PRACTICAL.extended(NASTY, [Transition("finish_cancel", "queued", "cancelled", "permissive", NASTY)])


def seen(policy: Policy) -> list[Seen]:
    """The policy's moves, in the order that does not depend on the format."""
    return sorted(Seen(r.event, str(r.source), r.target, r.breadth) for r in policy.rows if r.edge is not None)


def test_every_format_has_a_reader() -> None:
    """A format without a reader would be tested by nothing below."""
    assert set(READERS) == set(FORMATS)


class TestSaysThePolicy:
    """Parsed back, a rendering is the policy."""

    @by_format
    @pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
    def test_edges(self, kind: str, policy: Policy) -> None:
        """Every edge of the policy is there once, with its event and breadth, and no other."""
        read = READERS[kind](FORMATS[kind].render(graph_of(policy)))
        assert sorted(read.edges) == seen(policy)

    @by_format
    def test_ends_and_beginning(self, kind: str) -> None:
        """The five terminal statuses are marked as ends, and a run begins queued."""
        read = READERS[kind](FORMATS[kind].render(graph_of(PRACTICAL)))
        assert read.terminal == set(naive.ENDS)
        assert read.initial in (("create", "queued"), ("", "queued"))

    @by_format
    def test_narrowed_policy(self, kind: str) -> None:
        """A policy of the user's own is rendered as it is, without the rows it leaves out."""
        policy = PRACTICAL.without("no-cancel-while-waiting", [("cancel", "requires_action")])
        text = FORMATS[kind].render(graph_of(policy))
        assert sorted(READERS[kind](text).edges) == seen(policy)
        assert "no-cancel-while-waiting" in text

    @by_format
    def test_parallel_edges(self, kind: str) -> None:
        """Two events between the same two statuses are both there, apart or in one label."""
        row = Transition("start", "requires_action", "queued", "documented", "ours")
        policy = DOCUMENTED.extended("ours", [row])
        read = READERS[kind](FORMATS[kind].render(graph_of(policy)))
        assert sorted(read.edges) == seen(policy)


class TestEscaping:
    """Text with the format's own signs in it stays text."""

    @by_format
    def test_edges_survive(self, kind: str) -> None:
        """No name and no evidence can add, hide or break an edge."""
        policy = nasty_policy()
        read = READERS[kind](FORMATS[kind].render(graph_of(policy)))
        assert sorted(read.edges) == seen(policy)

    def test_xml_gives_the_text_back(self) -> None:
        """An XML parser reads the evidence and the policy's name as they were."""
        graph = graph_of(nasty_policy())
        chart = ET.fromstring(FORMATS["scxml"].render(graph).encode())
        assert chart.attrib[f"{OURS}policy"] == NASTY
        assert NASTY in [step.attrib[f"{OURS}evidence"] for step in chart.iter(f"{SCXML}transition")]
        picture = ET.fromstring(FORMATS["svg"].render(graph).encode())
        assert picture.findtext(f"{SVG}title") == f"Lifecycle of a run: {NASTY} policy"

    def test_json_gives_the_text_back(self) -> None:
        """A JSON parser reads the evidence as it was."""
        config = json.loads(FORMATS["xstate"].render(graph_of(nasty_policy())))
        assert config["states"]["queued"]["on"]["finish_cancel"]["description"] == NASTY

    def test_dot_gives_the_text_back(self) -> None:
        """Undoing DOT's two escapes gives the evidence, so Graphviz meets no escape of its own."""
        text = FORMATS["dot"].render(graph_of(nasty_policy()))
        (quoted,) = re.findall(r'"queued" -> "cancelled" \[.*edgetooltip="((?:[^"\\]|\\.)*)"', text)
        assert re.sub(r"\\(.)", r"\1", quoted) == NASTY

    def test_mermaid_title_is_one_yaml_string(self) -> None:
        """The front matter is three lines whatever the name, its title a quoted string."""
        lines = FORMATS["mermaid"].render(graph_of(nasty_policy())).splitlines()
        assert (lines[0], lines[2], lines[3]) == ("---", "---", "stateDiagram-v2")
        assert json.loads(lines[1].removeprefix("title: ")) == f"Lifecycle of a run: {NASTY} policy"

    def test_plantuml_title_has_no_markup(self) -> None:
        """Undoing the code points gives the title; nothing is left that PlantUML would read as markup."""
        (title,) = re.findall(r"^title (.*)$", FORMATS["plantuml"].render(graph_of(nasty_policy())), re.MULTILINE)
        assert re.search(r"--|__|[\\*\"'&|`~#%\[\]/]", title) is None
        undone = re.sub(r"<U\+([0-9A-F]{4,})>", lambda code: chr(int(code[1], 16)), title)
        assert undone == f"Lifecycle of a run: {NASTY} policy"

    def test_markdown_gives_the_text_back(self) -> None:
        """Undoing the backslashes gives the evidence, and every sign that could be markup had one."""
        (row,) = (line for line in table(graph_of(nasty_policy())).splitlines() if "permissive" in line)
        cell = re.split(r"(?<!\\)\|", row)[6].strip()
        assert re.sub(r"\\([^\sA-Za-z0-9])", r"\1", cell) == NASTY
        assert re.search(r"(?<!\\)[`*~<>&\[\]_]", cell) is None


class TestMarkdown:
    """The table of the reference page."""

    def test_lists_every_row(self) -> None:
        """Create and modify have rows in the table, and the order is the policy's."""
        lines = table(graph_of(PERMISSIVE)).splitlines()
        assert lines[0] == "| event | source | target | policy | guards | evidence |"
        rows = [line.split("|") for line in lines[2:]]
        assert [(row[1].strip(" `"), row[3].strip(" `")) for row in rows] == [
            (r.event, r.target) for r in PERMISSIVE.rows
        ]

    def test_guards_and_evidence(self) -> None:
        """A row shows its guards and why it is there."""
        (row,) = (line for line in table(graph_of(DOCUMENTED)).splitlines() if "`require_action`" in line)
        assert row.endswith("| `has_tool_calls`, `unique_call_ids` | FACTS §6.1: drawn in the published diagram |")


class TestGuards:
    """Machine-readable formats carry the guards."""

    @pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
    def test_scxml_and_xstate_carry_them(self, policy: Policy) -> None:
        """Each transition names the guards of its row."""
        rows = {(r.event, r.source): list(r.guards) for r in policy.rows if r.edge}
        root = ET.fromstring(FORMATS["scxml"].render(graph_of(policy)).encode())
        charted = {
            (step.attrib["event"], state.attrib["id"]): step.get(f"{OURS}guards", "").split()
            for state in root.iter(f"{SCXML}state")
            for step in state
        }
        states = json.loads(FORMATS["xstate"].render(graph_of(policy)))["states"]
        configured = {
            (event, source): step["meta"]["guards"]
            for source, state in states.items()
            for event, step in state.get("on", {}).items()
        }
        assert charted == configured == rows


class TestBytes:
    """The same table gives the same bytes."""

    def test_no_hash_order(self) -> None:
        """Processes with other hash seeds write the same bytes."""
        code = (
            "import hashlib; from runengine.rendering import gallery;"
            "print(hashlib.sha256(repr(gallery()).encode()).hexdigest())"
        )
        digests = {
            subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            for seed in ("0", "1", "4242")
        }
        assert digests == {hashlib.sha256(repr(gallery()).encode()).hexdigest()}

    def test_clean_text(self) -> None:
        """Every file ends with one line end and has no trailing blanks, tabs or carriage returns."""
        for name, text in gallery().items():
            assert text.endswith("\n"), name
            assert not text.endswith("\n\n"), name
            assert re.search(r"[ \t]$|\r|\t", text, re.MULTILINE) is None, name
