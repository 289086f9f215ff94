"""The process by which runs come, learned of moments made here."""

from __future__ import annotations

import numpy as np
import pytest

from runengine.simulation.fitting.arrivals import ENOUGH, arrived


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
