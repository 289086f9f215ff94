"""The HTML report without a browser: whole, escaped, the same each time, and open about what it leaves out."""

from __future__ import annotations

import io
import json
import re
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.cli import main
from runengine.validation import RULES, Options, Summary, Violation
from runengine.validation.catalogue.examples import CREATED, record
from runengine.validation.findings import SEVERITIES
from runengine.validation.observations import Observation
from runengine.validation.reports import FORMATS
from runengine.validation.reports.html import HtmlReport
from runengine.validation.reports.timelines import PINS_MAX
from tests.validation.reports.making import FOREIGN, counted, found_by, violations
from tests.validation.reports.pages import EVIL, data_in, life_of, many, page_of, parsed, pins_in

ROW = re.compile(r'class="code">(RE\d+)</span>.*?class="severity (\w+)">.*?class="many">([\d,]+)<')
"""A row of the list of rules: code, severity, count."""

EDGE = re.compile(r'data-source="(\w+)" data-target="(\w+)" data-count="(\d+)"')
"""An edge of the picture."""

FOREIGN_OR_EVIL = FOREIGN | st.sampled_from(EVIL)


def written(found: list[Violation], summary: Summary | None = None, **changes: Any) -> str:
    """The page of violations alone, as of recordings whose runs were not looked on."""
    report = HtmlReport(out := io.StringIO(), **changes)
    for violation in found:
        report.add(violation)
    report.close(summary or counted(found))
    return out.getvalue()


def said(page: str) -> str:
    """What a page says of what it leaves out."""
    return " ".join(parsed(page).texts_of("p", **{"class": "note left"}))


class TestWhole:
    """One page that holds all it needs."""

    def test_nothing_checked(self) -> None:
        """A page of nothing is a page."""
        page = parsed(written([], Summary()))
        assert [tag for tag, _ in page.elements][:2] == ["html", "head"]
        assert "nothing checked" in page.texts_of("title")[0]

    def test_nothing_from_elsewhere(self) -> None:
        """Nothing names another host, and no attribute holds a style or a script."""
        made = page_of(many(60))
        page = parsed(made.html)
        for tag, given_attributes in page.elements:
            assert not {"src", "srcset", "style", "action", "formaction", "data"} & set(given_attributes), tag
            assert not [name for name in given_attributes if name.startswith("on")], tag
            assert (given_attributes.get("href") or "#").startswith("#"), tag
        assert [tag for tag, _ in page.elements if tag in ("link", "iframe", "object", "embed", "base")] == []
        assert set(re.findall(r"https?://[^\s\"'<)]+", made.html)) <= {"http://www.w3.org/2000/svg"}
        assert "url(" not in page.texts_of("style")[0]

    def test_policy(self) -> None:
        """The page allows its own script and style sheet by their hashes, and nothing else."""
        page = parsed(page_of(many(10)).html)
        (policy,) = (a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
        parts = dict(part.split(" ", 1) for part in (policy or "").split("; "))
        assert parts["default-src"] == "'none'"
        scripts = [text for text in page.texts_of("script") if not text.startswith("{")]
        assert parts["script-src"] == "".join(f"'{_hash(text)}'" for text in scripts)
        assert parts["style-src"] == "".join(f"'{_hash(text)}'" for text in page.texts_of("style"))

    def test_ids(self) -> None:
        """No id comes twice, and whatever is named by one is there."""
        page = parsed(page_of(many(10)).html)
        ids = [given_attributes["id"] for _, given_attributes in page.elements if "id" in given_attributes]
        assert len(ids) == len(set(ids))
        named = {
            word
            for _, given_attributes in page.elements
            for name in ("aria-labelledby", "for")
            for word in (given_attributes.get(name) or "").split()
        }
        assert named
        assert named <= set(ids)

    def test_rules(self) -> None:
        """Each rule with findings stands with its words from the catalogue; no other rule does."""
        rules = sorted(RULES)[::5]
        page = parsed(written([found_by(code=code, name=RULES[code].name) for code in rules]))
        assert sorted(page.texts_of("span", **{"class": "code"})) == rules
        shown = " ".join(page.texts.values())
        assert all(RULES[code].says in shown and RULES[code].why in shown for code in rules)

    def test_same_bytes(self) -> None:
        """The same input makes the same page; a time of making is named only where it is given."""
        assert page_of(many(60)).html == page_of(many(60)).html
        when = "2026-01-02 03:04"
        assert when not in page_of(many(3)).html
        assert when in page_of(many(3), made_at=when).html

    def test_options(self) -> None:
        """What was asked for is said."""
        values = parsed(page_of(many(3), skew_s=7.5, select=("RE1", "RE205"), generation=16).html).texts_of("dd")
        assert {"practical", "7.5 s", "RE1, RE205", "G16"} <= set(values)


class TestForeign:
    """Text of a recording is never markup."""

    @settings(max_examples=40)
    @given(st.lists(violations(), max_size=4))
    def test_violations(self, found: list[Violation]) -> None:
        """Whatever violations hold, the page has the elements of any other, and the data reads back as it was."""
        page = written(found)
        page.encode()
        plain = [
            found_by(code=v.code, severity=v.severity, run_id=v.run_id and v.run_id.encode("utf-8", "replace").hex())
            for v in found
        ]
        assert [tag for tag, _ in parsed(page).elements] == [tag for tag, _ in parsed(written(plain)).elements]
        assert len(list(pins_in(data_in(page)))) == len(found)

    @settings(max_examples=40)
    @given(FOREIGN_OR_EVIL, FOREIGN_OR_EVIL, FOREIGN_OR_EVIL, FOREIGN_OR_EVIL, FOREIGN_OR_EVIL)
    def test_recordings(self, run_id: str, thread_id: str, path: str, event: str, word: str) -> None:
        """Ids, names of files, events, tools, statuses and metadata that are markup stay text."""
        call = {"id": word, "type": "function", "function": {"name": word, "arguments": word}}
        action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
        snapshots = [
            record("queued", id=run_id, thread_id=thread_id, metadata={word: word}, **{word or "x": word}),
            record("requires_action", id=run_id, thread_id=thread_id, required_action=action, model=word),
            {**record("queued", id=run_id), "status": word},
        ]
        items = [Observation(snapshot, n, event=event) for n, snapshot in enumerate(snapshots, 1)]
        html = page_of({path: items}).html
        html.encode()
        page, data = parsed(html), data_in(html)
        assert [tag for tag, _ in page.elements if tag in ("script", "style")] == ["style", "script", "script"]
        assert "img" not in [tag for tag, _ in page.elements]
        assert {run_id, thread_id, event} <= set(data["texts"])
        assert data["files"] == [path]
        assert word in data["statuses"]

    def test_places(self) -> None:
        """The name of a rule that was selected, and the time of making, are escaped too."""
        html = written([], made_at=EVIL[0], options=Options(dialect=EVIL[1]))
        assert EVIL[0] not in html
        assert EVIL[1] not in html
        assert len(parsed(html).texts_of("script")) == 2

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), -1, 10**400, 2**60, "1", None, True, []])
    def test_times_that_are_none(self, number: Any) -> None:
        """Stamps and observation times that cannot be drawn leave a page that can be read."""
        snapshots = [
            record(s, created_at=number, started_at=number, completed_at=number) for s in ("queued", "completed")
        ]
        data = data_in(page_of({"a": snapshots}).html)
        assert len(data["runs"][0][11]) == 2


class TestComplete:
    """The data holds every run and every finding, or says how many it does not."""

    def test_every_violation(self) -> None:
        """Of a recording within the limits, each violation is in the data, whole, and with its run."""
        made = page_of(many(200))
        assert len(made.violations) > 6
        keys = ("code", "severity", "run_id", "path", "line", "field", "found", "expected", "message", "hint")
        wanted = [{key: v.as_dict()[key] for key in keys} for v in made.violations]
        there = list(pins_in(data_in(made.html)))
        assert sorted(map(_text, there)) == sorted(map(_text, wanted))
        assert not said(made.html)

    @settings(max_examples=40)
    @given(st.lists(violations(), max_size=6))
    def test_counts(self, found: list[Violation]) -> None:
        """The counts of runs by rule and severity come to the violations."""
        data = data_in(written(found))
        counts: Counter[tuple[str, str]] = Counter()
        for run in data["runs"]:
            for rule, severity, count in run[14]:
                counts[data["rules"][rule], ("error", "warning", "info")[severity]] += count
        assert counts == Counter((v.code, v.severity) for v in found)

    @settings(max_examples=40)
    @given(st.lists(violations(), max_size=12))
    def test_rules_add_up(self, found: list[Violation]) -> None:
        """The list of rules counts findings by their own severity, errors first, then the most frequent."""
        rows = [(code, severity, int(n.replace(",", ""))) for code, severity, n in ROW.findall(written(found))]
        assert {row[:2]: row[2] for row in rows} == Counter((v.code, v.severity) for v in found)
        assert rows == sorted(rows, key=lambda row: (SEVERITIES.index(row[1]), -row[2], row[0]))

    def test_snapshots(self) -> None:
        """Snapshots that show the same are one stay with their number; the first and the last line are kept."""
        data = data_in(page_of({"a": [record("queued")] * 3 + [record("in_progress")]}).html)
        (run,) = data["runs"]
        assert run[5] == 4
        assert [(stay[0], stay[1], stay[2], data["statuses"][stay[3]]) for stay in run[11]] == [
            (1, 3, 3, "queued"),
            (4, 4, 1, "in_progress"),
        ]

    def test_runs_are_capped(self) -> None:
        """Beyond the limit those with the worst findings stay, in the order they were met, and the page says so."""
        made = page_of(many(200), runs_max=8)
        data = data_in(made.html)
        kept = [data["texts"][run[0]] for run in data["runs"] if run[0] >= 0]
        worst = {v.run_id for v in made.violations if v.severity == "error" and v.run_id}
        assert len(data["runs"]) == 8
        assert worst <= set(kept)
        assert kept == sorted(kept)
        assert f"shows {len(kept)} of 200 runs (at most 8)" in said(made.html)

    @pytest.mark.parametrize("ignore", [(), ("RE502",)])
    def test_an_id_of_two_runs(self, ignore: tuple[str, ...]) -> None:
        """Another run of the same id is a life of its own, with its own findings, and none is left out."""
        again = {"thread_id": "thread_2", "created_at": CREATED + 60, "expires_at": CREATED + 660}
        rows = [record("queued"), record("completed", failed_at=CREATED), record("queued", **again)]
        made = page_of({"a": [*rows, record("in_progress", **{**again, "started_at": CREATED + 62})]}, ignore=ignore)
        data = data_in(made.html)
        assert [[stay[0] for stay in run[11]] for run in data["runs"]] == [[1, 2], [3, 4]]
        assert [run[16] for run in data["runs"]] == [0, 1]
        assert [{pin[2] for pin in run[15]} for run in data["runs"]] == [{2}, set() if ignore else {3}]
        assert made.summary.runs == 2
        assert not said(made.html)

    def test_ids_given_to_others_for_ever(self) -> None:
        """An id that is another run's at every line takes no more lives than there is room for."""
        rows = [record("queued", thread_id=f"t{n}", created_at=CREATED + n) for n in range(50)]
        made = page_of({"a": rows}, runs_max=8)
        assert len(data_in(made.html)["runs"]) == 8
        assert "shows 8 of 50 runs (at most 8)" in said(made.html)

    def test_counted_otherwise(self) -> None:
        """Where runs are counted otherwise than listed, though none is left out, the page says why."""
        forgotten = [record("completed", id=f"run_{n}", thread_id=f"t{n}") for n in (1, 2, 3, 1)]
        assert "4 runs are counted and 3 listed: a run that comes back" in said(
            page_of({"a": forgotten}, forget_after=1).html
        )
        joined = {"a": [record("queued")], "b": [record("in_progress")]}
        assert "1 run is counted and 2 listed: of joined" in said(page_of(joined, join=True).html)

    def test_a_late_finding(self) -> None:
        """A run that was left out and turns out to be broken comes back, and its missing beginning is told."""
        quiet = [record(s, id=f"run_{n}", thread_id=f"t{n}") for n in range(3) for s in ("queued", "in_progress")]
        data = data_in(page_of({"a": [*quiet, record("queued", id="run_2", thread_id="t2")]}, runs_max=2).html)
        by_id = {data["texts"][run[0]]: run for run in data["runs"]}
        assert by_id["run_2"][7] == 0
        assert len(by_id["run_2"][15]) == 1

    def test_findings_are_capped(self) -> None:
        """Of a run with very many findings the first are written out, all are counted, and the page says so."""
        found = [found_by(line=n, message=f"{n}") for n in range(1, 101)]
        html = written(found)
        data = data_in(html)
        (run,) = data["runs"]
        assert [data["texts"][pin[8]] for pin in run[15]] == [f"{n}" for n in range(1, PINS_MAX + 1)]
        assert run[14] == [[0, 0, 100]]
        assert f"{PINS_MAX} of 100 findings are written out" in said(html)

    def test_stays_are_capped(self) -> None:
        """Of a run that goes to and fro for ever the beginning and the end are kept, and the number left out."""
        snapshots = [record(("queued", "in_progress")[n % 2]) for n in range(1000)]
        data = data_in(page_of({"a": snapshots}, select=("RE9",)).html)
        (run,) = data["runs"]
        lines = [stay[0] for stay in run[11]]
        assert len(lines) + run[6] == 1000
        assert lines[:3] == [1, 2, 3]
        assert lines[-2:] == [999, 1000]

    def test_long_texts(self) -> None:
        """Ids, messages and values that are very long are cut, and the rest of the page is there."""
        html = written([found_by(run_id="r" * 10**6, message="m" * 10**6, found="f" * 10**6)])
        assert len(html) < 200_000
        assert len(data_in(html)["runs"]) == 1


class TestFindings:
    """A finding stands at its place."""

    def test_place(self) -> None:
        """A finding is pinned to its own snapshot, also where that one shows what the one before did."""
        rows = [*life_of("run_1", ("queued", "in_progress"))]
        rows.append((record("in_progress", id="run_1", failed_at=CREATED + 2), CREATED + 4.5))
        rows.append((record("completed", id="run_1"), CREATED + 7.0))
        items = [Observation(snapshot, n, observed_s=at_s) for n, (snapshot, at_s) in enumerate(rows, 1)]
        data = data_in(page_of({"a": items}).html)
        (run,) = data["runs"]
        (pin,) = [pin for pin in run[15] if data["rules"][pin[0]] == "RE202"]
        assert pin[2:5] == [3, 2, 4500]

    def test_of_no_run(self) -> None:
        """What is about no run stands with its recording, which is counted as no run."""
        made = page_of({"a.jsonl": many(1)["many.jsonl"]})
        data = data_in(made.html)
        assert [run[0] >= 0 for run in data["runs"]] == [True, False]
        assert made.summary.runs == 1


def test_registered(tmp_path: Path) -> None:
    """`runengine check --format html -o FILE` writes the page and answers as with any format."""
    trace, page = tmp_path / "a.jsonl", tmp_path / "report.html"
    trace.write_text("".join(json.dumps(record(s)) + "\n" for s in ("queued", "completed", "in_progress")))
    assert main(["check", str(trace), "--format", "html", "-o", str(page), "--policy", "documented"]) == 1
    html = page.read_text(encoding="utf-8")
    assert "documented" in parsed(html).texts_of("dd")
    assert [v["code"] for v in pins_in(data_in(html))] == ["RE103"]
    assert "html" in FORMATS


@pytest.mark.parametrize("profiled", [False, True])
def test_profile(tmp_path: Path, profiled: bool) -> None:
    """With `--profile` the picture counts hidden steps and says how long runs stayed; else it counts what was seen."""
    trace, page = tmp_path / "a.jsonl", tmp_path / "report.html"
    trace.write_text("".join(json.dumps(record(s)) + "\n" for s in ("queued", "in_progress", "completed")))
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(record(s)) + "\n" for s in ("queued", "completed")))
    asked = ["check", str(tmp_path), "--format", "html", "-o", str(page)]
    assert main([*asked, "--profile"] if profiled else asked) == 0
    html = page.read_text(encoding="utf-8")
    edges = {(a, b): int(n) for a, b, n in EDGE.findall(html)}
    assert edges["queued", "in_progress"] == (2 if profiled else 1)
    assert ("2 runs, hidden steps included" in html) == profiled
    assert ("the median stay before it" in html) == profiled
    assert ("1 of them took several steps at once" in html) != profiled
    assert "in a box: how many snapshots show it" in html


def _hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
