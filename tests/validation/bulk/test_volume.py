"""Equality at volume: a million observations with faults, in the pieces and by the workers that `check` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runengine.simulation.faults import kinds_of
from runengine.simulation.producing import FaultPlan, produce
from runengine.simulation.ready import scenario_named
from runengine.validation import Checker, Options
from runengine.validation.engines import Engines
from runengine.validation.findings import Violation
from runengine.validation.summary import Summary

pytest.importorskip("numpy")
pytest.importorskip("pyarrow")

from runengine.simulation.writing.jsonl import JsonLines
from runengine.simulation.writing.parquet import Parquet

pytestmark = pytest.mark.slow

OBSERVATIONS = 1_000_000
RATE = 0.01


def made(path: Path, view: Any, form: str) -> Path:
    """A log with one run in a hundred broken, by any fault that its form can hold."""
    world = scenario_named("steady")
    runs = OBSERVATIONS * 10 // (35 if view == "history" else 44)
    faults = FaultPlan(rate=RATE, kinds=kinds_of("all"))
    with path.open("wb") as out:
        if form == "record":
            counts = produce(world, 3, runs, Parquet(out, world, 3, view, columns="record"), view=view, faults=faults)
        else:
            sink = JsonLines(out, world, view, bare=form == "bare")
            counts = produce(world, 3, runs, sink, view=view, faults=faults, chunk_runs=4096)
    assert counts.rows > 0.95 * OBSERVATIONS
    return path


def checked(path: Path, engine: str, **options: Any) -> tuple[list[Violation], Summary]:
    """What an engine says of a file, and what it counts."""
    checker, said, unread = Checker(Options(**options)), list[str](), list[str]()
    engines = Engines(
        checker=checker,
        engine=engine,
        workers=2,
        unread=lambda _path, error: unread.append(str(error)),
        say=said.append,
    )
    found = list(engines.check([str(path)]))
    assert unread == said == []
    return found, checker.summary


@pytest.mark.parametrize(
    ("view", "form", "forget_after"),
    [
        ("history", "record", 50_000),
        ("polled", "record", 500),
        ("history", "bare", 50_000),
        ("polled", "enveloped", 500),
    ],
)
def test_a_million(view: str, form: str, forget_after: int, tmp_path: Path) -> None:
    """Of a million observations with faults both engines say the same, and count the same."""
    path = made(tmp_path / ("log.parquet" if form == "record" else "log.jsonl"), view, form)
    stream, counted = checked(path, "stream", forget_after=forget_after)
    bulk, counted_too = checked(path, "bulk", forget_after=forget_after)
    assert len(stream) > 0.001 * OBSERVATIONS
    assert bulk == stream
    assert counted_too == counted
