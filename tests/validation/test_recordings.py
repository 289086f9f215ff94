"""Real recordings: the only errors are those FACTS Part E names, the only warnings the known ones; each file alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runengine.validation import Checker, Violation, check_paths

TRACES = Path(__file__).parents[3] / "shared" / "traces"

pytestmark = pytest.mark.skipif(not TRACES.is_dir(), reason=f"the recordings are not here: {TRACES}")

Named = set[tuple[str, str, str, int]]

ERRORS: dict[str, Named] = {
    "snapshots": {
        ("RE303", "run_JfK0", "8abdddbb.jsonl", 4),
        ("RE303", "run_JfK0", "d5527e48.jsonl", 4),
        ("RE403", "run_B5f5", "8abdddbb.jsonl", 8),
    },
    "streams": {
        ("RE303", "run_JfK0", "8abdddbb.sse", 74),
        ("RE303", "run_JfK0", "d5527e48.sse", 74),
        ("RE403", "run_B5f5", "8abdddbb.1.sse", 74),
    },
}
WARNINGS: dict[str, Named] = {
    "snapshots": {
        ("RE204", "run_0ukj", "058a0a7d.jsonl", 2),
        ("RE206", "run_y9zr", "18b7a844.jsonl", 2),
        ("RE206", "run_v34a", "6fce9d78.jsonl", 2),
    },
    "streams": {("RE404", "run_uNQ8", "f5c6b935.sse", 187)},
}
RUNS = {
    "snapshots": re.compile(rb"^.", re.M),
    "streams": re.compile(rb"^event: thread\.run\.(?!step\.)", re.M),
}
"""What in a file stands for one observation."""


def files(folder: str) -> list[Path]:
    """The files of a folder."""
    return sorted(path for path in (TRACES / folder).iterdir() if path.is_file())


def checked(path: Path) -> tuple[list[Violation], Checker]:
    """One file alone."""
    checker = Checker()
    return list(check_paths([str(path)], checker)), checker


def named(violations: list[Violation], severity: str) -> Named:
    """Code, run, file and line, as Part E names them."""
    chosen = [v for v in violations if v.severity == severity]
    return {(v.code, str(v.run_id)[:8], Path(v.path).name.rpartition("--")[2], v.line) for v in chosen}


@pytest.mark.parametrize("folder", ERRORS)
def test_errors_and_warnings(folder: str) -> None:
    """Each file alone: exactly the known errors and warnings, each found once, and nothing unreadable."""
    found: list[Violation] = []
    for path in files(folder):
        some, checker = checked(path)
        assert checker.summary.observations, f"no run in {path.name}"
        found += some
    assert named(found, "error") == ERRORS[folder]
    assert named(found, "warning") == WARNINGS[folder]
    assert len([v for v in found if v.severity != "info"]) == len(ERRORS[folder]) + len(WARNINGS[folder])
    assert "RE901" not in {v.code for v in found}
    assert {v.code for v in found if v.severity == "info"} <= {"RE309"}


@pytest.mark.parametrize("folder", RUNS)
def test_folder_is_its_files(folder: str) -> None:
    """The folder at once gives the same violations as its files one by one, and sees every row."""
    checker = Checker()
    together = list(check_paths([str(TRACES / folder)], checker))
    assert together == [v for path in files(folder) for v in checked(path)[0]]
    rows = sum(len(RUNS[folder].findall(path.read_bytes())) for path in files(folder))
    assert checker.summary.observations == rows > 90


@pytest.mark.parametrize("folder", ERRORS)
def test_skimmed_or_not(folder: str) -> None:
    """Real recordings too: without the skim the same violations."""
    from runengine.validation.readers import open_input, read_items

    for path in files(folder):
        plain = Checker()
        with open_input(str(path)) as file:
            found = list(plain.check(str(path), read_items(str(path), file)))
        skimmed, checker = checked(path)
        assert (found, plain.summary) == (skimmed, checker.summary)


def test_hand_edited() -> None:
    """The fixture that was edited by hand is flagged: the end stamp of its status is missing, another one is there."""
    (path,) = files("hand-edited")
    found, _ = checked(path)
    assert [(v.code, v.field, v.severity) for v in found] == [
        ("RE201", "completed_at", "error"),
        ("RE202", "cancelled_at", "error"),
    ]


@pytest.mark.parametrize("path", files("other") if TRACES.is_dir() else [], ids=lambda p: p.name.rpartition("--")[2])
def test_what_is_no_run(path: Path) -> None:
    """Steps and refused calls recorded beside runs are passed over without a word."""
    found, checker = checked(path)
    assert found == []
    assert checker.summary.observations == 0
    assert checker.summary.passed
