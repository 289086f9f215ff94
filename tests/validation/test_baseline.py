"""Baselines: what is known stays known where lines move, what is new is new, what is gone is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.errors import TraceUnreadable
from runengine.validation import Violation
from runengine.validation.baseline import Baseline, fingerprint
from tests.validation.reports.making import found_by, violations


def kept(file: Path, found: list[Violation]) -> Baseline:
    """A baseline that was written, and read again."""
    baseline = Baseline(str(file))
    for violation in found:
        baseline.learn(violation)
    file.write_text(baseline.document(), encoding="utf-8")
    return Baseline.read(str(file))


@given(st.lists(violations(), max_size=6), st.integers(1, 99))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, found: list[Violation], lines: int) -> None:
    """Whatever is written is known when read, on other lines too, as often as it was found and no more."""
    baseline = kept(tmp_path_factory.mktemp("known") / "known.json", found)
    moved = [found_by(**{**v.as_dict(), "line": v.line + lines}) for v in found]
    assert all(map(baseline.knows, moved))
    assert not any(map(baseline.knows, moved))
    assert (baseline.met, len(baseline)) == (len(found), len(found))
    for v in found:
        baseline.checked(v.path)
    assert baseline.stale() == []


@given(st.lists(violations(), max_size=6))
def test_the_file_does_not_depend_on_the_order(found: list[Violation]) -> None:
    """The text is sorted, and one finding is one line."""
    shuffled = sorted(found, key=lambda v: fingerprint(v)[::-1])
    texts = []
    for some in (found, shuffled):
        baseline = Baseline("known.json")
        for violation in some:
            baseline.learn(violation)
        texts.append(baseline.document())
    assert texts[0] == texts[1]
    document = json.loads(texts[0])
    assert texts[0].count("\n") == (len(document["findings"]) + 3 if found else 2)


def test_a_third_of_two_known_is_new(tmp_path: Path) -> None:
    """Each kept finding answers for one: counts are kept."""
    baseline = kept(tmp_path / "known.json", [found_by(line=1), found_by(line=2)])
    assert [baseline.knows(found_by(line=line)) for line in (7, 8, 9)] == [True, True, False]


@pytest.mark.parametrize(
    ("change", "is_known"),
    [
        ({"line": 99}, True),
        ({"message": "it came 31.5 s early"}, True),
        ({"message": "it came 30 s late"}, False),
        ({"run_id": "run_2"}, False),
        ({"field": "usage"}, False),
        ({"code": "RE203"}, False),
        ({"path": "b.jsonl"}, False),
        ({"found": 9, "expected": "else", "hint": "look"}, True),
    ],
)
def test_what_a_finding_is_known_by(tmp_path: Path, change: dict[str, object], is_known: bool) -> None:
    """By recording, rule, run, field and words; by no line, and no number in the words."""
    first = found_by(message="it came 30 s early")
    baseline = kept(tmp_path / "known.json", [first])
    other = found_by(**{"message": "it came 30 s early", **change})
    assert baseline.knows(other) == is_known
    assert (fingerprint(first) == fingerprint(other)) == (is_known or "path" in change)


def test_paths_are_from_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording is the same from wherever it is checked."""
    (tmp_path / "sub").mkdir()
    kept(tmp_path / "known.json", [found_by(path=str(tmp_path / "sub" / "a.jsonl"))])
    monkeypatch.chdir(tmp_path / "sub")
    assert Baseline.read("../known.json").knows(found_by(path="a.jsonl"))
    assert '"path": "sub/a.jsonl"' in (tmp_path / "known.json").read_text(encoding="utf-8")


def test_stale(tmp_path: Path) -> None:
    """What was not met is named, of recordings that were checked and rules that were looked for."""
    found = [found_by(path=str(tmp_path / name), code=code) for name in ("a", "b") for code in ("RE202", "RE203")]
    baseline = kept(tmp_path / "known.json", found)
    assert baseline.stale() == []
    baseline.checked(str(tmp_path / "a"))
    assert [(known.path, known.code, count) for known, count in baseline.stale()] == [
        ("a", "RE202", 1),
        ("a", "RE203", 1),
    ]
    assert [known.code for known, _ in baseline.stale(lambda _, code: code == "RE203")] == ["RE203"]
    assert baseline.stale(lambda path, _: path != str(tmp_path / "a")) == []
    baseline.knows(found[1])
    assert [known.code for known, _ in baseline.stale()] == ["RE202"]


KNOWN = {"path": "a", "code": "RE202", "run_id": None, "field": None, "message": "no", "count": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "known.json:1:1: no baseline: not JSON: Expecting value"),
        ('{"version": 1,\n "findings": [,]}', "known.json:2:15: no baseline: not JSON"),
        ("\ud800", "known.json: no baseline: not JSON in UTF-8"),
        ("[" * 100_000, "no baseline: not JSON"),
        ("[]", "expected an object with version 1, found version None"),
        ('{"version": 2}', "expected an object with version 1, found version 2"),
        ('{"version": 1}', "findings: expected an array"),
        ('{"version": 1, "findings": [1]}', "findings[0]: expected an object, got '1'"),
        (json.dumps({"version": 1, "findings": [KNOWN, {**KNOWN, "line": 1}]}), "findings[1]: unknown key 'line'"),
        (json.dumps({"version": 1, "findings": [{**KNOWN, "code": None}]}), "findings[0].code: expected a string, got"),
        (json.dumps({"version": 1, "findings": [{**KNOWN, "field": 1}]}), "field: expected a string or null, got '1'"),
        (json.dumps({"version": 1, "findings": [{**KNOWN, "count": 0}]}), "count: expected a whole number from 1"),
    ],
)
def test_no_baseline(tmp_path: Path, text: str, words: str) -> None:
    """What is no baseline is refused with its place, and what was expected."""
    file = tmp_path / "known.json"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(TraceUnreadable) as refused:
        Baseline.read(str(file))
    assert words in str(refused.value)
    assert str(refused.value).startswith(str(file))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """It is named, with how to make one."""
    with pytest.raises(TraceUnreadable, match="cannot be read: No such file or directory; --write-baseline FILE"):
        Baseline.read(str(tmp_path / "no.json"))
