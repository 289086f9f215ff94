"""GitHub annotations: commands that read back as they were meant, and no more than are shown."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from runengine.validation import Violation
from runengine.validation.reports.github import ANNOTATIONS_MAX
from runengine.validation.reports.plain import plain, relative
from tests.validation.reports.making import found_by, violations, written

COMMAND = re.compile(r"^::(error|warning|notice) ([^:]*)::(.*)$")
ESCAPED = {"%25": "%", "%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ","}


def _meant(text: str) -> str:
    return re.sub("%25|%0D|%0A|%3A|%2C", lambda match: ESCAPED[match[0]], text)


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Kind, properties and message of each command, as the runner reads them."""
    found = []
    for line in text.split("\n"):
        if line.lstrip().startswith("::"):
            match = COMMAND.match(line)
            assert match, line
            pairs = [pair.partition("=") for pair in match[2].split(",")]
            found.append((match[1], {name: _meant(value) for name, _, value in pairs}, _meant(match[3])))
    return found


def _plain(text: str) -> str:
    return plain(text).replace("##[", "## [")


@given(st.lists(violations(), max_size=4))
def test_any_text(found: list[Violation]) -> None:
    """Whatever stands in a recording, each violation is one command with its file, line, rule and words."""
    text = written("github", found)
    assert "##[" not in text
    read = commands(text)
    assert len(read) == len(found)
    for v, (kind, properties, message) in zip(found, read, strict=True):
        assert kind == {"error": "error", "warning": "warning", "info": "notice"}[v.severity]
        assert properties["title"] == f"{v.code} {v.name}"
        assert properties["file"] == _plain(relative(v.path))
        assert properties.get("line") == (str(v.line) if v.line else None)
        assert _plain(v.message) in message


@given(st.integers(0, 30), st.integers(0, 30))
def test_no_more_than_are_shown(errors: int, warnings: int) -> None:
    """Of a kind ten are commands; where there are more the tenth says how many, and the log has every one."""
    found = [found_by(run_id=f"run_{n}") for n in range(errors)]
    found += [found_by(run_id=f"run_{n}", severity="warning") for n in range(warnings)]
    text = written("github", found)
    for kind, count in (("error", errors), ("warning", warnings)):
        shown = [message for each, _, message in commands(text) if each == kind]
        assert len(shown) == min(count, ANNOTATIONS_MAX)
        if count > ANNOTATIONS_MAX:
            assert shown[-1].startswith(f"{count - ANNOTATIONS_MAX + 1} more findings of severity {kind}")
    lines = [line for line in text.splitlines() if "RE202" in line]
    assert len(lines) == errors + warnings


def test_remarks_on_demand() -> None:
    """Remarks are notices with -v only."""
    assert commands(written("github", [found_by(severity="info")], verbose=False)) == []
