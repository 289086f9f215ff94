"""Simulated archives, and what the checker says of them row by row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from runengine.cli import main
from runengine.validation import Checker, Violation
from runengine.validation.readers import items_in
from runengine.validation.summary import Options, Summary


def written(path: Path, scenario: str, runs: int, view: str, rate: float, group_rows: int) -> str:
    """An archive of Parquet, in small row groups; its path."""
    pq = pytest.importorskip("pyarrow.parquet")
    made = path.with_suffix(".made.parquet")
    arguments = ["simulate", "--scenario", scenario, "--runs", str(runs), "--columns", "record", "--view", view]
    faults = ["--faults", f"rate={rate},kinds=all", "--truth", "/dev/null"] if rate else []
    assert main([*arguments, *faults, "-o", str(made)]) == 0
    pq.write_table(pq.read_table(made), path, row_group_size=group_rows)
    made.unlink()
    return str(path)


def row_by_row(paths: Iterable[str], options: Options) -> tuple[list[Violation], Summary]:
    """What the checker says of whole files."""
    checker = Checker(options)
    return [each for path in paths for each in checker.check(path, items_in(path))], checker.summary


def sorted_by_place(violations: Iterable[Violation]) -> Sequence[str]:
    """All that is said, in an order that says nothing."""
    return sorted(repr(violation) for violation in violations)
