"""The text for people: grouped, quoted, coloured on a terminal only; nothing that is found is lost."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from runengine.validation import Summary, Violation
from runengine.validation.reports.plain import cells
from runengine.validation.reports.text import QUOTES_MAX, TextReport
from tests.validation.checking import as_lines, check_bytes, clean
from tests.validation.reports.making import counted, found_by

T0 = 1_700_000_000


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """It is."""
        return True


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")


def recorded(path: Path) -> tuple[str, list[Violation]]:
    """A file with findings of two runs, and they."""
    bad = clean("queued", failed_at=T0 + 5)
    other = clean("completed", id="run_2", thread_id="thread_2", usage={"total_tokens": 9, "prompt_tokens": 1})
    path.write_bytes(as_lines([bad, other, b"{"]))
    return str(path), check_bytes(path.read_bytes(), path=str(path)).violations


def text_of(found: list[Violation], out: io.StringIO, verbose: bool = False) -> list[str]:
    """The lines of a report."""
    report = TextReport(out, verbose)
    for violation in found:
        report.add(violation)
    report.close(counted(found))
    return out.getvalue().splitlines()


def test_elsewhere(tmp_path: Path) -> None:
    """Where it is no terminal a finding begins with its place, and is quoted, without any colour."""
    path, found = recorded(tmp_path / "a.jsonl")
    lines = text_of(found, io.StringIO())
    assert "\x1b" not in "\n".join(lines)
    assert lines[0].startswith(f"{path}:1: error RE202 unexpected-stamp: run_1: failed_at is set")
    assert lines[1].startswith("    1 │ …")
    field = f'"failed_at": {T0 + 5}'
    assert lines[1].index(field) == lines[2].index("^")
    assert lines[2].split("│")[1].strip() == f"{'^' * len(field)} expected null"
    heads = [line for line in lines if line.startswith(path)]
    assert len(heads) == len(found)
    assert all(cells(line) <= 120 for line in lines if "│" in line)
    assert all(each in "\n".join(lines) for v in found for each in (v.code, v.message))


def test_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal the file and each run are headings, said once, in colour; a finding begins with its line."""
    path, found = recorded(tmp_path / "a.jsonl")
    coloured = "\n".join(text_of(found, Terminal()))
    assert "\x1b[1;31merror" in coloured
    lines = re.sub(r"\x1b\[[\d;]*m", "", coloured).splitlines()
    assert lines[:2] == [path, "  run_1 on thread_1"]
    assert lines[2].startswith("  1: error RE202 unexpected-stamp: failed_at is set")
    assert "\n".join(lines).count(path) == 1
    assert lines.count("  run_2 on thread_2") == 1
    assert all(cells(line) <= 80 for line in lines if "│" in line)


def test_runs_that_take_turns() -> None:
    """A run that comes back is named in the line, as all runs from there on; the next file has headings again."""
    found = [found_by(path=p, line=n, run_id=f"run_{run}") for p in "ab" for n, run in enumerate("112212", 1)]
    lines = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(text_of(found, Terminal()))).splitlines()
    rule = "error RE202 unexpected-stamp:"
    one = [
        "  run_1",
        f"  1: {rule} failed_at is set",
        f"  2: {rule} failed_at is set",
        "",
        "  run_2",
        f"  3: {rule} failed_at is set",
        f"  4: {rule} failed_at is set",
        f"  5: {rule} run_1: failed_at is set",
        f"  6: {rule} run_2: failed_at is set",
    ]
    assert lines[: 2 * len(one) + 3] == ["a", *one, "", "b", *one]


@pytest.mark.parametrize(("passed", "said"), [(1, "1 object that is no run"), (2, "2 objects that are no runs")])
def test_what_is_passed_over(passed: int, said: str) -> None:
    """What is passed over is counted in whole sentences."""
    TextReport(out := io.StringIO()).close(Summary(runs=1, observations=1, passed=passed))
    assert out.getvalue().startswith(f"{said} passed over\n")


def test_no_colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR a terminal gets no escape sequence at all."""
    monkeypatch.setenv("NO_COLOR", "1")
    _, found = recorded(tmp_path / "a.jsonl")
    assert "\x1b" not in "\n".join(text_of(found, Terminal()))


def test_ascii(tmp_path: Path) -> None:
    """Where only ASCII can be written the quote is drawn with it, and the carets stay under the field."""
    (tmp_path / "a.jsonl").write_text('{"id": "run_1", "日本": "' + "é" * 99 + '", "failed_at": 7}', encoding="utf-8")
    raw = io.BytesIO()
    report = TextReport(io.TextIOWrapper(raw, encoding="ascii", errors="backslashreplace", write_through=True))
    report.add(found_by(path=str(tmp_path / "a.jsonl"), field="failed_at", found=7))
    quote, carets = raw.getvalue().decode("ascii").splitlines()[1:3]
    assert quote.startswith("    1 | ...")
    assert quote.index('"failed_at": 7') == carets.index("^")


def test_many_of_a_kind(tmp_path: Path) -> None:
    """After ten of a rule in a file, findings have a line without a quote, and it is said; -v quotes all."""
    path = tmp_path / "a.jsonl"
    count = QUOTES_MAX + 5
    path.write_bytes(as_lines([{"id": "run_1", "failed_at": n} for n in range(count)]))
    found = [found_by(path=str(path), line=n + 1, field="failed_at", found=n, expected="null") for n in range(count)]
    lines = text_of(found, io.StringIO())
    assert sum("^" in line for line in lines) == QUOTES_MAX
    assert sum(line.startswith(f"{path}:") for line in lines) == count
    assert lines.count("    failed_at is 12; expected null") == 1
    assert "5 findings without a quote (10 of a rule in a file have one); -v quotes all" in lines
    assert sum("^" in line for line in text_of(found, io.StringIO(), verbose=True)) == count
    two = [found_by(path=str(path)), found_by(path=str(tmp_path / "b.jsonl")), *found]
    assert sum("^" in line for line in text_of(two, io.StringIO())) == 1 + QUOTES_MAX


def test_hints() -> None:
    """A hint is said once of a rule, whatever the file, another hint again."""
    hints = ["look here", "look here", "delivery: late", "delivery: late", "look here"]
    found = [found_by(path=f"{n}.jsonl", line=n, hint=hint) for n, hint in enumerate(hints, 1)]
    lines = text_of(found, io.StringIO())
    assert [line.strip() for line in lines if "hint" in line] == [
        f"hint: {hint}" for hint in ("look here", "delivery: late", "look here")
    ]


def test_what_is_quoted_in_part_is_told(tmp_path: Path) -> None:
    """Where the value does not fit into the quote, what was found is said below it."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(as_lines([{"id": "run_1", "last_error": "x" * 150}]))
    (violation,) = [found_by(path=str(path), field="last_error", found="x" * 150, expected="null")]
    lines = text_of([violation], io.StringIO())
    assert f'    last_error is "{"x" * 150}"; expected null' in lines
