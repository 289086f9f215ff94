"""How runs come: at what rate, and whether each for itself, at even steps, or in groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from runengine.simulation.scenario import Arrival

__all__ = ["Arrived", "arrived"]

Floats = NDArray[np.float64]

ENOUGH: Final = 20
"""Gaps between the arrivals of one recording below which nothing is learned of it."""

_REGULAR: Final = 0.1
"""The squared variation of gaps below which they are even."""
_BURSTS: Final = 1.5
"""The index of dispersion from which arrivals come in groups; three of its standard errors are added."""
_PAIRS_MAX: Final = 200
_DAY_S: Final = 86_400


@frozen(kw_only=True)
class Arrived:
    """What is learned of arrivals.

    Attributes:
        arrival: The process, or None where there are too few.
        low: The lower end of the rate's 95 % interval.
        high: The upper end.
        gaps: Gaps between arrivals it rests on.
        variation: Their squared variation: 1 of a Poisson process, 0 of even steps.
        dispersion: The variance of counts by their mean: 1 of a Poisson process.

    Example:
        >>> arrived([], 1.0).arrival is None
        True
    """

    arrival: Arrival | None
    low: float
    high: float
    gaps: int
    variation: float | None
    dispersion: float | None


def arrived(recordings: Sequence[Sequence[float]], runs_of_a_thread: float) -> Arrived:
    """The process by which threads came, as that by which runs do.

    Recordings are taken each for itself, and those with few threads left out: what lies between two of them says
    nothing of the rate, nor do the runs of a test that was recorded now and then.

    Args:
        recordings: Of each recording, the moments in order, in seconds.
        runs_of_a_thread: On average; a scenario's rate is that of runs.

    Example:
        >>> found = arrived([[float(second) for second in range(100)]], 1.0)
        >>> found.arrival.process, round(found.arrival.rate_per_s, 2)
        ('regular', 1.0)
    """
    moments = [np.asarray(one, dtype=float) for one in recordings if len(one) > ENOUGH and one[-1] > one[0]]
    gaps = sum(len(one) - 1 for one in moments)
    span_s = sum(float(one[-1] - one[0]) for one in moments)
    if gaps < ENOUGH or not span_s:
        return Arrived(arrival=None, low=0, high=0, gaps=gaps, variation=None, dispersion=None)
    rate = gaps / span_s
    between = np.concatenate([np.diff(one) for one in moments])
    variation = float(between.var() / between.mean() ** 2)
    dispersion, windows = _dispersion(moments, rate)
    arrival = Arrival(rate_per_s=_kept(rate * runs_of_a_thread), process="poisson")
    if variation < _REGULAR:
        arrival, spread = evolve(arrival, process="regular"), variation
    elif dispersion is not None and dispersion > _BURSTS + 3 * (2 / (windows - 1)) ** 0.5:
        arrival, spread = _bursts(moments, rate, runs_of_a_thread, arrival), dispersion
    else:
        spread = 1.0
    wide = 1.96 * (max(spread, 1e-3) / gaps) ** 0.5
    scaled = rate * runs_of_a_thread
    return Arrived(
        arrival=arrival,
        low=scaled * max(0.0, 1 - wide),
        high=scaled * (1 + wide),
        gaps=gaps,
        variation=variation,
        dispersion=dispersion,
    )


def _kept(value: float) -> float:
    return float(f"{min(max(value, 1e-6), 1e9):.6g}")


def _dispersion(moments: Sequence[Floats], rate: float) -> tuple[float | None, int]:
    """The index of dispersion of counts in windows of 50 on average, and the windows; None where they are few."""
    window_s = 50 / rate
    counts = [
        np.histogram(one, bins=int(whole), range=(one[0], one[0] + whole * window_s))[0]
        for one in moments
        if (whole := (one[-1] - one[0]) // window_s) >= 1
    ]
    if not counts or sum(map(len, counts)) < 10:
        return None, 0
    together = np.concatenate(counts)
    return float(together.var(ddof=1) / max(together.mean(), 1e-9)), len(together)


def _bursts(moments: Sequence[Floats], rate: float, runs_of_a_thread: float, arrival: Arrival) -> Arrival:
    """Groups: how many more arrivals follow within a time than by chance, and within which time half of them do."""
    ahead = np.concatenate([_lags(one) for one in moments])
    count = sum(map(len, moments))
    times = np.quantile(ahead, np.linspace(0.001, 0.999, 400)) if len(ahead) else np.array([1.0])
    excess = np.searchsorted(np.sort(ahead), times, side="right") / count - rate * times
    top = int(np.argmax(excess))
    size = 1 + 2 * float(excess[top])
    half_s = float(times[int(np.argmax(excess >= excess[top] / 2))])
    # Of two moments anywhere in a group's spread, half lie within 0.293 of it from each other.
    spread_s = min(half_s / 0.293, _DAY_S)
    return evolve(
        arrival,
        process="bursts",
        burst_runs=int(min(max(round(size * runs_of_a_thread), 2), 4096)),
        burst_spread_s=_kept(spread_s),
    )


def _lags(moments: Floats) -> Floats:
    """From every moment to those that follow it, as far as groups may reach."""
    found = [moments[step:] - moments[:-step] for step in range(1, min(_PAIRS_MAX, len(moments)))]
    return np.concatenate(found) if found else np.array([])
