"""What is simulated without a fault is checked clean: by the real readers and the whole checker, as it is written.

In full, 1,140,000 histories in every view, is one command: `python -m pytest -m slow tests/simulation/test_clean.py`.
"""

from __future__ import annotations

import io
from typing import Any

import pytest

from runengine.core import DOCUMENTED
from runengine.simulation.producing import produce
from runengine.simulation.ready import READY, scenario_named
from runengine.simulation.recording import View
from runengine.simulation.writing.jsonl import JsonLines
from runengine.simulation.writing.sse import EventStreams
from runengine.validation import Checker, Options
from runengine.validation.readers.inputs import read_items

CHUNK_RUNS = 8192


class Checked:
    """A file that is checked and emptied after each chunk of whole runs."""

    def __init__(self, name: str, view: View, options: Options) -> None:
        scenario = scenario_named(name)
        self._file = io.BytesIO()
        self._path = "simulated.sse" if view == "stream" else "simulated.jsonl"
        self._sink: Any = (
            EventStreams(self._file, scenario)
            if view == "stream"
            else JsonLines(self._file, scenario, view, order="run")
        )
        self.checker = Checker(options)

    def write(self, chunk: Any) -> None:
        """Write a chunk, and check what is written."""
        self._sink.write(chunk)
        written = io.BufferedReader(io.BytesIO(self._file.getvalue()))  # type: ignore[type-var, unused-ignore]
        for violation in self.checker.check(self._path, read_items(self._path, written)):
            assert violation.severity == "warning", violation
            assert violation.code == "RE102", violation
        self._file.seek(0)
        self._file.truncate()

    def close(self) -> None:
        """Write what is pending."""
        self._sink.close()


def checked(name: str, view: View, runs: int, options: Options | None = None) -> Checker:
    """Simulate, write, read and check."""
    sink = Checked(name, view, options or Options())
    produce(scenario_named(name), 7, runs, sink, view=view, chunk_runs=CHUNK_RUNS)
    assert sink.checker.summary.runs == runs
    # The rules across objects had something to look at: steps and messages come in streams.
    assert sink.checker.summary.companions or view != "stream"
    return sink.checker


@pytest.mark.parametrize("name", READY)
@pytest.mark.parametrize(("view", "runs"), [("history", 800), ("polled", 100), ("stream", 150)])
def test_a_ready_made_world_is_checked_clean(name: str, view: View, runs: int) -> None:
    """No run of a ready-made scenario breaks a rule in any view; steps outside the diagram are only pointed out."""
    checked(name, view, runs)


def test_a_documented_world_keeps_to_the_diagram() -> None:
    """A scenario of the documented policy has not even a warning when held to that policy."""
    assert scenario_named("archive-2024").policy == "documented"
    summary = checked("archive-2024", "history", 800, Options(policy=DOCUMENTED)).summary
    assert not summary.violations["warning"]


@pytest.mark.slow
@pytest.mark.parametrize("name", READY)
def test_a_million_runs_are_checked_clean(name: str) -> None:
    """Of 170,000 runs of each of the six ready-made scenarios, 1,020,000 in all, none breaks a rule."""
    checked(name, "history", 170_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", READY)
@pytest.mark.parametrize(("view", "runs"), [("polled", 10_000), ("stream", 10_000)])
def test_other_views_of_many_runs_are_checked_clean(name: str, view: View, runs: int) -> None:
    """Nor do they as pollers and streams show them."""
    checked(name, view, runs)
