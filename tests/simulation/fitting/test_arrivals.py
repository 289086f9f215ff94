"""The process by which runs come, learned of moments made here."""

from __future__ import annotations

import numpy as np
import pytest

from runengine.simulation.fitting.arrivals import ENOUGH, arrived
from runengine.simulation.fitting.details import details_of
from runengine.simulation.fitting.reading import Reading
from runengine.simulation.fitting.report import Learned
from runengine.simulation.ready import scenario_named
from runengine.simulation.vectors.histories import histories


def moments(kind: str, seed: int = 1) -> list[float]:
    """Four thousand arrivals, two a second."""
    rng = np.random.default_rng(seed)
    if kind == "regular":
        return [n / 2 for n in range(4000)]
    if kind == "poisson":
        return sorted((rng.random(4000) * 2000).tolist())
    starts = np.repeat(rng.random(200) * 2000, 20)
    return sorted((starts + rng.random(4000) * 1.5).tolist())


@pytest.mark.parametrize("kind", ["regular", "poisson", "bursts"])
def test_process(kind: str) -> None:
    """Each process is told from the others, and its rate is found."""
    found = arrived([moments(kind)], 1.0)
    assert found.arrival is not None
    assert found.arrival.process == kind
    assert found.arrival.rate_per_s == pytest.approx(2.0, rel=0.02 if kind == "regular" else 0.06)
    assert found.low <= 2.0 <= found.high * 1.001


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bursts(seed: int) -> None:
    """Size and spread of groups are found within a third."""
    found = arrived([moments("bursts", seed)], 1.0).arrival
    assert found is not None
    assert found.burst_runs == pytest.approx(20, rel=0.34)
    assert found.burst_spread_s == pytest.approx(1.5, rel=0.34)


def test_threads() -> None:
    """A rate is that of runs: threads of three have three times theirs."""
    found = arrived([moments("poisson")], 3.0).arrival
    assert found is not None
    assert found.rate_per_s == pytest.approx(6.0, rel=0.06)


def test_stamps_are_enough() -> None:
    """Whole-second moments tell the same."""
    found = arrived([[float(int(moment)) for moment in moments("poisson")]], 1.0).arrival
    assert found is not None
    assert found.process == "poisson"
    assert found.rate_per_s == pytest.approx(2.0, rel=0.06)


def test_recordings_apart() -> None:
    """What lies between two recordings is no gap, and recordings of few threads tell nothing."""
    late = [moment + 1e6 for moment in moments("poisson", 2)]
    found = arrived([moments("poisson"), late, [0.0, 1e5]], 1.0).arrival
    assert found is not None
    assert found.rate_per_s == pytest.approx(2.0, rel=0.06)
    assert arrived([[0.0, 1e5]] * 50, 1.0).arrival is None
    assert arrived([moments("poisson")[:ENOUGH]], 1.0).arrival is None


def came(scenario: str, seed: int, runs: int) -> list[float]:
    """When the threads of a ready-made scenario came."""
    first: dict[int, int] = {}
    for made in histories(scenario_named(scenario), seed, runs):
        for thread, at_us in zip(made.thread.tolist(), made.created_us.tolist(), strict=True):
            first[thread] = min(at_us, first.get(thread, at_us))
    return sorted(at_us / 1e6 for at_us in first.values())


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("runs", [8000, 20_000])
def test_a_rate_that_changes_is_no_burst(seed: int, runs: int) -> None:
    """Each for itself at an hourly rate stays that, and the change is told, with a wider interval of the rate."""
    found = arrived([came("rush-hour", seed, runs)], 1.0)
    assert found.arrival is not None
    assert (found.arrival.process, found.changing) == ("poisson", True)
    assert found.dispersion is not None
    assert found.nearby is not None
    assert found.nearby < found.dispersion
    assert (found.high - found.low) / found.arrival.rate_per_s > 3.92 / found.gaps**0.5


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("scenario", "process"), [("bursty", "bursts"), ("steady", "poisson"), ("rush-hour", "poisson")]
)
def test_ready_made(scenario: str, process: str, seed: int) -> None:
    """Arrivals in groups are told, those each for itself too, and neither is taken for a rate that changes."""
    found = arrived([came(scenario, seed, 5000)], 1.0)
    assert found.arrival is not None
    assert found.arrival.process == process
    assert not found.changing or scenario == "rush-hour"
    if process == "bursts":
        assert found.arrival.burst_runs == pytest.approx(60, rel=0.15)
        assert found.arrival.burst_spread_s == pytest.approx(3.0, rel=0.15)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("period_s", [600, 2000, 7200])
def test_a_wave_is_no_burst(period_s: int, seed: int) -> None:
    """A rate that goes up and down in ten minutes or more is not taken for groups."""
    rng = np.random.default_rng(seed)
    every = np.sort(rng.random(16_000) * 7200)
    kept = every[rng.random(len(every)) < (1 + np.sin(2 * np.pi * every / period_s)) / 2]
    found = arrived([kept.tolist()], 1.0)
    assert found.arrival is not None
    assert (found.arrival.process, found.changing) == ("poisson", True)


def test_a_changing_rate_is_said() -> None:
    """The report calls it weak, and says that the profile was not learned."""
    reading = Reading()
    reading.facts.arrivals.append(came("rush-hour", 1, 8000))
    learned: list[Learned] = []
    unknown: list[str] = []
    assert details_of(reading, learned, [], unknown)["arrival"].process == "poisson"
    note = next(one.note for one in learned if one.place == "arrival.process")
    assert "weak: the rate goes up and down" in note
    assert any(line.startswith("arrival.profile") and "which it is not" in line for line in unknown)
