"""Reports: the JSON contract of DESIGN §5, the order of findings, and nothing foreign that steers the terminal."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.validation import Options, Summary, Violation
from runengine.validation.reports import FORMATS, verdict
from tests.validation.checking import as_lines, check_bytes, check_lines, clean

FIELDS = ["code", "name", "severity", "run_id", "thread_id"]
FIELDS += ["path", "line", "field", "found", "expected", "message", "hint"]
"""The names of a violation's fields, DESIGN §5."""

SUMMARY = ["runs", "observations", "threads", "violations", "by_code", "statuses", "edges"]


def report(violations: list[Violation], summary: Summary, form: str, verbose: bool = True) -> str:
    """What a format writes."""
    out = io.StringIO()
    made = FORMATS[form].make(out, verbose, Options())
    for violation in violations:
        made.add(violation)
    made.close(summary)
    return out.getvalue()


def violation(**changes: Any) -> Violation:
    """One violation."""
    some: dict[str, Any] = {"code": "RE201", "name": "missing-stamp", "severity": "error", "path": "a", "line": 1}
    return Violation(**{**some, "message": "no", **changes})


class TestJson:
    """The JSON document."""

    def test_contract(self) -> None:
        """Version, summary and violations, their keys and the order of keys are those of DESIGN §5."""
        checked = check_lines(clean("queued"), clean("in_progress", failed_at=1_700_000_009))
        document = json.loads(report(*checked, "json"))
        assert list(document) == ["version", "summary", "violations"]
        assert document["version"] == 1
        assert list(document["summary"]) == SUMMARY
        assert document["summary"] == {
            "runs": 1,
            "observations": 2,
            "threads": 1,
            "violations": {"error": 1, "warning": 0, "info": 0},
            "by_code": {"RE202": 1},
            "statuses": {"queued": 1, "in_progress": 1},
            "edges": {"queued->in_progress": 1},
        }
        assert [list(v) for v in document["violations"]] == [FIELDS]
        assert document["violations"][0] == {
            "code": "RE202",
            "name": "unexpected-stamp",
            "severity": "error",
            "run_id": "run_1",
            "thread_id": "thread_1",
            "path": "trace.jsonl",
            "line": 2,
            "field": "failed_at",
            "found": 1_700_000_009,
            "expected": "null",
            "message": "failed_at is set: a run that is in_progress has none",
            "hint": None,
        }

    def test_nothing_found(self) -> None:
        """Without violations it is a document too."""
        assert json.loads(report([], Summary(), "json"))["violations"] == []

    @given(
        st.lists(st.text() | st.integers() | st.none() | st.booleans(), max_size=3),
        st.text(),
        st.sampled_from(tuple(FORMATS)),
    )
    def test_any_text(self, found: list[Any], text: str, form: str) -> None:
        """Whatever a recording holds, every format can write it in ASCII or UTF-8, and JSON reads back as it was."""
        some = [violation(found=f, message=text, path=text, run_id=text, field=text, hint=text) for f in found]
        written = report(some, Summary(), form)
        written.encode()
        if form == "json":
            assert json.loads(written)["violations"] == [v.as_dict() for v in some]
        elif form == "jsonl":
            assert [json.loads(line) for line in written.splitlines()] == [v.as_dict() for v in some]

    def test_many(self) -> None:
        """More violations than are kept in memory come out whole and in order."""
        some = [violation(line=n, message="x" * 1000) for n in range(6000)]
        assert [v["line"] for v in json.loads(report(some, Summary(), "json"))["violations"]] == [*range(6000)]


class TestText:
    """The text for people."""

    @given(st.text(st.characters(categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Co")), min_size=1, max_size=5))
    def test_control_characters(self, control: str) -> None:
        """No control character of foreign text gets out raw, wherever it stood, not in JSON either."""
        some = violation(**dict.fromkeys(("path", "run_id", "field", "found", "expected", "message", "hint"), control))
        for form in FORMATS:
            written = report([some], Summary(), form)
            assert not set(control) & set(written) - {"\n"}

    def test_control_characters_from_a_file(self) -> None:
        """Ids, keys and words of a record that hold escape sequences come out visible."""
        evil = "\x1b[31m\x9b2J\x07\r\n"
        record = clean("queued", id=evil, thread_id=evil, metadata={evil: 1}, status=f"x{evil}", **{evil: evil})
        lines = [record, record | {"status": "queued"}, evil.encode(), {"data": record | {"failed_at": evil}}]
        checked = check_bytes(as_lines(lines), path=f"a{evil}.jsonl", generation=16)
        assert {"RE105", "RE308", "RE309", "RE901"} <= {v.code for v in checked.violations}
        written = report(*checked, "text")
        assert not {c for c in written if ord(c) < 32 or 127 <= ord(c) < 160} - {"\n"}
        assert "\\x1b[31m" in written

    @pytest.mark.parametrize("line", [1, 100, 1234])
    def test_is_written_as_it_is(self, line: int) -> None:
        """Markup and the names of emoji in foreign text are text: a line number 100 stays one."""
        foreign = "[/] :bug: [bold]x\\"
        some = violation(path="[red]a:smile:", line=line, message=foreign, field="f", found=":bug:", hint=foreign)
        assert report([some], Summary(), "text").splitlines()[:3] == [
            f"[red]a:smile::{line}: error RE201 missing-stamp: {foreign}",
            '    f is ":bug:"',
            f"    hint: {foreign}",
        ]

    def test_remarks(self) -> None:
        """Remarks are counted and shown on demand only."""
        some = violation(code="RE309", severity="info")
        summary = Summary(observations=1)
        summary.violations["info"] += 1
        assert "RE309" not in report([some], summary, "text", verbose=False)
        assert "1 remark not shown" in report([some], summary, "text", verbose=False)
        assert "RE309" in report([some], summary, "text")

    def test_verdict(self) -> None:
        """Clean means no error; where nothing was seen it is neither clean nor not."""
        summary = Summary(observations=1)
        summary.violations["warning"] += 1
        assert verdict(summary).startswith("clean: ")
        summary.violations["error"] += 1
        assert verdict(summary).startswith("not conforming: ")
        assert verdict(Summary()).startswith("nothing checked: ")

    def test_what_was_not_read(self) -> None:
        """The verdict says how much was not read, whatever it is."""
        assert verdict(Summary(observations=1, unread=1)).startswith("clean, but 1 input was not read: 0 runs")
        summary = Summary(observations=1, unread=2)
        summary.violations["error"] += 1
        assert verdict(summary).startswith("not conforming, and 2 inputs were not read: 0 runs")
        assert verdict(Summary(unread=2)).startswith("nothing checked: no run was found, 2 inputs were not read; ")
        around = Summary(companions=2, unread=1)
        assert verdict(around).startswith("no run was found: 2 objects around runs checked, 1 input was not read; ")


def test_order() -> None:
    """Findings come in the order of lines, and of codes within a line."""
    spoiled = clean("queued", failed_at=1, usage={}, required_action=[], model=None, created_at=0, priority=1)
    checked = check_lines(spoiled, b"{", spoiled | {"status": "completed"}, spoiled)
    order = [(v.line, v.code) for v in checked.violations]
    assert order == sorted(order)
    assert len({code for _, code in order}) > 6
