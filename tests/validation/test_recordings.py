"""Real recordings: the only errors are those FACTS Part E names, the only warnings the known ones; each file alone."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from runengine.validation import Checker, Options, Violation, check_paths

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


@pytest.mark.parametrize("seed", range(3))
def test_files_in_any_order(seed: int) -> None:
    """All recordings of all folders in any order: of each file the same is said as of it alone."""
    paths = [path for folder in (*ERRORS, "other", "hand-edited") for path in files(folder)]
    Random(seed).shuffle(paths)
    together = list(check_paths(map(str, paths), Checker()))
    assert together == [v for path in paths for v in checked(path)[0]]


def test_everything_at_once() -> None:
    """The folder of all recordings: the errors are those that Part E names, and those of the hand-edited file."""
    found = list(check_paths([str(TRACES)], Checker()))
    by_hand = {("RE201", "run_v34a", "0b49a6dc.jsonl", 1), ("RE202", "run_v34a", "0b49a6dc.jsonl", 1)}
    assert named(found, "error") == ERRORS["snapshots"] | ERRORS["streams"] | by_hand
    assert named(found, "warning") == WARNINGS["snapshots"] | WARNINGS["streams"]


class TestJoined:
    """Recordings joined in the order of names: runs that were recorded twice are told from runs that live twice."""

    @staticmethod
    def joined(folder: str) -> list[Violation]:
        """What is said of a folder's files as one recording."""
        return list(check_paths([str(TRACES / folder)], Checker(Options(join=True))))

    def test_snapshots(self) -> None:
        """Beside what each file shows alone: runs recorded twice, and one that two of them show ended otherwise."""
        found = self.joined("snapshots")
        contradiction = {("RE103", "run_v34a", "08aead74.jsonl", 1)}  # FACTS B5.2: the run seen in both states
        assert named(found, "error") == ERRORS["snapshots"] | contradiction
        earlier = {("RE406", "run_kINa", "f1df06b4.jsonl", 1)}  # recorded before the file that comes first by name
        twice = {name for name in named(found, "warning") if name[0] == "RE408"}
        assert named(found, "warning") - twice == WARNINGS["snapshots"] | earlier
        assert len(twice) == 10

    def test_streams(self) -> None:
        """Nor is anything held against the steps and messages of a stream that was recorded twice."""
        found = self.joined("streams")
        assert named(found, "error") == ERRORS["streams"]
        twice = {name for name in named(found, "warning") if name[0] == "RE408"}
        assert named(found, "warning") - twice == WARNINGS["streams"]
        assert {run for _, run, _, _ in twice} == {"run_JfK0", "run_uNQ8", "run_Ymrp", "run_j6p8"}

    def test_refusals_and_steps(self) -> None:
        """What stands beside runs says nothing against them when it is joined to them."""
        found = list(check_paths([str(TRACES / "other"), str(TRACES / "snapshots")], Checker(Options(join=True))))
        assert named(found, "error") == named(self.joined("snapshots"), "error")


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
    """Steps and refused calls recorded beside runs are checked, and nothing is said of them."""
    found, checker = checked(path)
    assert found == []
    assert checker.summary.observations == 0
    assert checker.summary.companions
