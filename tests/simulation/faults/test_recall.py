"""Recall and precision: what the checker finds, against the truth of the operators."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runengine.simulation.faults import FAULTS
from runengine.simulation.recording import View
from runengine.validation import Options, Violation
from tests.recall import RUNS, SEED
from tests.recall.measuring import Measured, measure, tally_of
from tests.recall.page import as_page
from tests.recall.worlds import VIEWS, WORLDS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "recall.md"
MANY = 100_000


def holds(measured: Measured) -> None:
    """Everything that can be seen was found, and nothing else was said."""
    total = measured.total
    assert [*total.notes, *measured.notes] == []
    assert total.found == total.seen
    assert total.extra == measured.spoken_of == 0


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(
    label=st.sampled_from(sorted(WORLDS)),
    view=st.sampled_from(VIEWS),
    seed=st.integers(0, 2**64 - 1),
    first=st.integers(0, 10**9),
)
def test_random_runs(label: str, view: View, seed: int, first: int) -> None:
    """In a file of any runs of any world, every second broken, what can be seen is found and no more is said."""
    measured = Measured()
    tally_of(label, WORLDS[label], view, measured, seed=seed, runs=60, first=first)
    assert measured.total.made >= 25
    holds(measured)


@pytest.mark.parametrize("view", VIEWS)
def test_every_operator(view: View) -> None:
    """One fault of each operator that a tool-heavy world can have is found, at its line where it is that of its run."""
    measured = Measured()
    tally_of("flaky", WORLDS["flaky"], view, measured, seed=SEED, runs=260)
    holds(measured)
    for (name, _), tally in measured.faults.items():
        if "RE404" not in FAULTS[name].breaks and not FAULTS[name].reaches:
            assert tally.placed == tally.found, name


def test_a_blind_checker_is_told() -> None:
    """A checker without one of its rules finds fewer: the figures can fail."""
    for code, view in (("RE103", "history"), ("RE105", "polled"), ("RE901", "history"), ("RE404", "stream")):
        measured = Measured()
        with patch("tests.recall.files.Options", lambda code=code, **given: Options(ignore=(code,), **given)):
            tally_of("steady", WORLDS["steady"], view, measured, seed=SEED, runs=240)  # type: ignore[arg-type]
        assert measured.total.found < measured.total.seen


def test_a_checker_that_cries_wolf_is_told() -> None:
    """A checker that speaks of a duplicated row, or of a clean run, is told: precision can fail."""
    wolf = Violation(code="RE101", name="wolf", severity="error", path="made.jsonl", line=1, message="wolf")
    measured = Measured()
    with patch("tests.recall.measuring.said_of", side_effect=[{}, {2: [wolf], 3: [wolf]}]):
        tally_of("steady", WORLDS["steady"], "history", measured, seed=SEED, runs=6, kinds=("duplicated_row",))
    assert (measured.total.extra, measured.spoken_of) == (1, 1)


@pytest.mark.slow
def test_the_page() -> None:
    """The page of figures is what the command makes, and says that nothing was missed."""
    measured = measure(RUNS, SEED)
    holds(measured)
    assert PAGE.read_text(encoding="utf-8") == as_page(measured, RUNS)


@pytest.mark.slow
def test_many() -> None:
    """Over 100,000 faulted runs of all worlds and views, what can be seen is found and no more is said."""
    measured, first, step = Measured(), 1_000_000, 1_500
    while measured.total.made < MANY:
        for label, scenario in WORLDS.items():
            for view in VIEWS:
                tally_of(label, scenario, view, measured, seed=SEED + 1, runs=step, first=first)
        first += step
    holds(measured)
