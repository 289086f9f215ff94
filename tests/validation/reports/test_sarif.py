"""SARIF: valid by the published schema whatever a recording holds, grouped, capped, errors first."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import jsonschema
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runengine.dialects.kotlin_sql import is_database_url
from runengine.validation import RULES, Violation
from runengine.validation.reports import sarif
from runengine.validation.reports.plain import plain, relative
from tests.validation.checking import check_lines, clean
from tests.validation.reports.making import found_by, violations, written

SCHEMA = Path(__file__).parent / "data" / "sarif-schema-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "info": "note"}


@cache
def validator() -> Any:
    """Of the published schema."""
    return jsonschema.Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def sarif_of(found: list[Violation]) -> dict[str, Any]:
    """The one run of a valid document."""
    document = json.loads(written("sarif", found), parse_constant=pytest.fail)
    validator().validate(document)
    (run,) = document["runs"]
    return dict(run)


@settings(max_examples=50)
@given(st.lists(violations(), max_size=4))
def test_any_text(found: list[Violation]) -> None:
    """Whatever stands in a recording, the document is valid, and every violation is in it once."""
    run = sarif_of(found)
    results = run["results"]
    assert sum(result["occurrenceCount"] for result in results) == len(found)
    for v in found:
        (result,) = [r for r in results if r["ruleId"] == v.code and _is_of(r, v)]
        messages = [result["message"], *(related["message"] for related in result.get("relatedLocations", ()))]
        assert any(plain(v.message).replace("](", "] (") in message["text"] for message in messages)


def _is_of(result: dict[str, Any], v: Violation) -> bool:
    said = result["properties"]
    same = all(said.get(key) == sarif._clean(getattr(v, key)) for key in ("run_id", "field"))
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    return same and result["level"] == LEVELS[v.severity] and uri == sarif._uri(v.path)


@given(st.text(st.characters(codec="utf-8")))
def test_uri(path: str) -> None:
    """The place of a file is ASCII, has no scheme but file, and reads back as the path."""
    assume(not is_database_url(f"x{path}"))
    uri = sarif._uri(f"x{path}")
    assert uri.isascii()
    assert ":" not in uri
    assert unquote_to_bytes(uri).decode() == relative(f"x{path}")


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("./a b/ü.jsonl", "a%20b/%C3%BC.jsonl"),
        ("a\udcff.jsonl", "a%FF.jsonl"),
        ("/nowhere/a.jsonl", "file:///nowhere/a.jsonl"),
        ("c:a.jsonl", "c%3Aa.jsonl"),
        (str(Path("a.jsonl").absolute()), "a.jsonl"),
        ("postgresql://me:***@host/runs", "postgresql://me:***@host/runs"),
        ("-", "-"),
    ],
)
def test_uris(path: str, uri: str) -> None:
    """Paths below the working directory are relative, others are not; addresses stay."""
    assert sarif._uri(path) == uri


def test_rules() -> None:
    """Every rule of the catalogue is told, and a result's index leads to its rule."""
    run = sarif_of([found_by(code=code, name=rule.name) for code, rule in RULES.items()])
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(RULES)
    assert len(run["results"]) == len(RULES)
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])


def test_grouped() -> None:
    """Findings of one rule, run, file and field are one result, with its further lines; another run is another."""
    run = sarif_of([*(found_by(line=line) for line in range(1, 31)), found_by(run_id="run_2"), found_by(path="b")])
    first, *others = run["results"]
    assert (first["occurrenceCount"], len(others)) == (30, 2)
    assert first["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}
    lines = [related["physicalLocation"]["region"]["startLine"] for related in first["relatedLocations"]]
    assert lines == [*range(2, 2 + sarif.RELATED_MAX)]


def test_the_whole_input_has_no_line() -> None:
    """A finding of line 0 names the file and no region."""
    (result,) = sarif_of([found_by(line=0)])["results"]
    assert list(result["locations"][0]["physicalLocation"]) == ["artifactLocation"]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(("error", "warning", "info")), st.integers(0, 9)), max_size=40))
def test_cap(found: list[tuple[str, int]]) -> None:
    """Past the cap errors drive out warnings, and these remarks; what is left out is counted, and said."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sarif, "RESULTS_MAX", 5)
        run = sarif_of([found_by(severity=severity, run_id=f"run_{run}") for severity, run in found])
    kinds = {each: [level for level, _ in dict.fromkeys(found) if level == each] for each in LEVELS}
    expected = [LEVELS[level] for each in LEVELS for level in kinds[each]][:5]
    assert [result["level"] for result in run["results"]] == expected
    left_out = run["properties"]["findings_left_out"]
    assert sum(result["occurrenceCount"] for result in run["results"]) + sum(left_out.values()) == len(found)
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert [f"severity {each} " in note["message"]["text"] for each, note in zip(
        (each for each in LEVELS if left_out[each]), notes, strict=True
    )] == [True] * len(notes)  # fmt: skip


def test_fingerprints_stay_where_lines_move() -> None:
    """A line inserted above changes no fingerprint, another run does."""
    bad = clean("queued", failed_at=1_700_000_009)
    prints = [
        [result["partialFingerprints"] for result in sarif_of(checked.violations)["results"]]
        for checked in (
            check_lines(bad),
            check_lines(clean("queued", id="run_9", thread_id="thread_9"), bad),
            check_lines(clean("queued", id="run_2", failed_at=1_700_000_009)),
        )
    ]
    assert prints[0] == prints[1] != prints[2]
    assert len(prints[0]) == 1
