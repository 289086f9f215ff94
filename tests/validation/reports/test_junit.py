"""JUnit XML: well formed whatever a recording holds; a suite a recording, a case a run."""

from __future__ import annotations

import io
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.validation import Checker, Options, Violation
from runengine.validation.readers import read_items
from runengine.validation.reports import FORMATS, junit
from runengine.validation.reports.plain import plain
from tests.validation.checking import as_lines, clean
from tests.validation.reports.making import found_by, violations, written


def junit_of(text: str) -> Any:
    """The root; its counts, and those of each suite, are true."""
    root = ET.fromstring(text.encode())
    for element in (root, *root.iter("testsuite")):
        cases = list(element.iter("testcase"))
        counts = [len(cases), sum(case.find("failure") is not None for case in cases), 0]
        counts.append(sum(case.find("skipped") is not None for case in cases))
        assert [int(element.attrib[name]) for name in ("tests", "failures", "errors", "skipped")] == counts
    return root


def checked(files: dict[str, bytes]) -> Any:
    """The report of a check."""
    report = FORMATS["junit"].make(out := io.StringIO(), False, Options())
    assert report.watch is not None
    checker = Checker(watches=[report.watch])
    for path, data in files.items():
        for violation in checker.check(path, read_items(path, io.BufferedReader(io.BytesIO(data)))):
            report.add(violation)
    report.close(checker.summary)
    return junit_of(out.getvalue())


@given(st.lists(violations(), max_size=5))
def test_any_text(found: list[Violation]) -> None:
    """Whatever stands in a recording, it is XML, each violation is in it, and fails if it is an error."""
    root = junit_of(written("junit", found))
    texts = {kind: "\n".join(element.text or "" for element in root.iter(kind)) for kind in ("failure", "system-out")}
    for v in found:
        assert f"{v.code} {v.name}: {plain(v.message)}" in texts["failure" if v.severity == "error" else "system-out"]


def test_suites_and_cases() -> None:
    """A run with an error fails, one with a warning passes and says it, the rest of a recording is one case."""
    bad = clean("queued", failed_at=1)
    warned = clean("expired", id="run_2", thread_id="thread_2", completed_at=1_700_000_009)
    others = [clean("queued", id=f"run_{n}", thread_id=f"thread_{n}") for n in (3, 4)]
    root = checked({
        "a.jsonl": as_lines([bad, warned, *others]),
        "b.jsonl": as_lines([clean("queued")]),
        "c.jsonl": b"",
    })  # fmt: skip
    suites = {suite.attrib["name"]: suite for suite in root}
    assert list(suites) == ["a.jsonl", "b.jsonl", "c.jsonl"]
    cases = {case.attrib["name"]: case for case in suites["a.jsonl"].iter("testcase")}
    assert list(cases) == ["run_1", "run_2", "all other runs"]
    assert cases["run_1"].attrib | {} == {"classname": "a.jsonl", "name": "run_1", "file": "a.jsonl", "line": "1"}
    assert [cases[name].find("failure") is not None for name in cases] == [True, False, False]
    assert "warning" in cases["run_2"].findtext("system-out", "")
    assert [case.attrib["name"] for case in suites["b.jsonl"].iter("testcase")] == ["all runs"]
    assert suites["c.jsonl"].find("testcase/skipped") is not None
    runs = [suite.find("properties/property").attrib["value"] for suite in root]
    assert runs == ["4", "1", "0"]


def test_what_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the caps findings are counted, and a run left out with an error still fails."""
    monkeypatch.setattr(junit, "CASES_MAX", 2)
    monkeypatch.setattr(junit, "LINES_MAX", 3)
    many = [found_by(line=line) for line in range(1, 6)]
    root = junit_of(written("junit", [*many, found_by(run_id="run_2"), found_by(run_id="run_3")]))
    first, _, rest = root.iter("testcase")
    assert (first.findtext("failure") or "").count("\n") == 2
    assert first.findtext("system-out") == "2 more findings of this run; --format jsonl has all"
    assert rest.find("failure").attrib["message"].startswith("1 finding of more than 2 runs left out, 1 error among")


def test_remarks_on_demand() -> None:
    """Remarks are output with -v only."""
    remark = [found_by(severity="info")]
    assert list(junit_of(written("junit", remark, verbose=False)).iter("system-out")) == []
    assert len(list(junit_of(written("junit", remark)).iter("system-out"))) == 1
