"""How runs come: at what rate, and whether each for itself, at even steps, or in groups.

A rate that changes slowly makes counts vary as groups do, but not those of neighbouring windows; and groups that are so
wide that they lie over each other cannot be told from one. Neither is taken for groups.
"""

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
_WINDOWS: Final = 10
_NEAR: Final = 0.25
"""What part of the variation of all counts neighbouring ones have at least, of groups; of those it is nearly all."""
_SLOW_S: Final = 900
"""Seconds of a group's spread from which it is taken for a rate that changes."""
_PAIRS_MAX: Final = 200
_LEAST_SIZE: Final = 2


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
        nearby: The same of neighbouring counts alone, which a rate that changes slowly does not enter.
        changing: Whether counts vary more than by chance, and not as those of groups do: the rate goes up and down.

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
    nearby: float | None = None
    changing: bool = False


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
    counts = _counts(moments, rate)
    dispersion, nearby = _dispersion(counts), _nearby(counts)
    arrival = Arrival(rate_per_s=_kept(rate * runs_of_a_thread), process="poisson")
    windows, pairs = sum(map(len, counts)), sum(len(one) - 1 for one in counts)
    changing, spread = False, 1.0
    if variation < _REGULAR:
        arrival, spread = evolve(arrival, process="regular"), variation
    elif dispersion is not None and dispersion > _BURSTS + 3 * (2 / (windows - 1)) ** 0.5:
        size, spread_s = _groups(moments, rate)
        is_near = nearby is not None and nearby > max(_BURSTS + 3 * (3 / pairs) ** 0.5, _NEAR * dispersion)
        is_apart = size >= _LEAST_SIZE and spread_s * rate / size < 1 and spread_s < _SLOW_S
        changing, spread = not (is_near and is_apart), dispersion
        if not changing:
            runs = int(min(max(round(size * runs_of_a_thread), _LEAST_SIZE), 4096))
            arrival = evolve(arrival, process="bursts", burst_runs=runs, burst_spread_s=_kept(spread_s))
    wide = 1.96 * (max(spread, 1e-3) / gaps) ** 0.5
    scaled = rate * runs_of_a_thread
    return Arrived(
        arrival=arrival,
        low=scaled * max(0.0, 1 - wide),
        high=scaled * (1 + wide),
        gaps=gaps,
        variation=variation,
        dispersion=dispersion,
        nearby=nearby,
        changing=changing,
    )


def _kept(value: float) -> float:
    return float(f"{min(max(value, 1e-6), 1e9):.6g}")


def _counts(moments: Sequence[Floats], rate: float) -> list[NDArray[np.int64]]:
    """Of each recording, the counts in windows of 50 on average."""
    window_s = 50 / rate
    return [
        np.histogram(one, bins=int(whole), range=(one[0], one[0] + whole * window_s))[0]
        for one in moments
        if (whole := (one[-1] - one[0]) // window_s) >= 1
    ]


def _dispersion(counts: Sequence[NDArray[np.int64]]) -> float | None:
    """The index of dispersion, or None where windows are few."""
    if sum(map(len, counts)) < _WINDOWS:
        return None
    together = np.concatenate(counts)
    return float(together.var(ddof=1) / max(together.mean(), 1e-9))


def _nearby(counts: Sequence[NDArray[np.int64]]) -> float | None:
    """Allan's factor: half the mean square of the steps from one window to the next, by the mean count."""
    steps = [np.diff(one) for one in counts if len(one) > 1]
    if sum(map(len, steps)) < _WINDOWS - 1:
        return None
    together = np.concatenate(counts)
    return float((np.concatenate(steps).astype(float) ** 2).mean() / 2 / max(together.mean(), 1e-9))


def _groups(moments: Sequence[Floats], rate: float) -> tuple[float, float]:
    """Size and spread of groups: how many more follow within a time than by chance, and when half of them have."""
    ahead = np.concatenate([_lags(one) for one in moments])
    count = sum(map(len, moments))
    times = np.quantile(ahead, np.linspace(0.001, 0.999, 400)) if len(ahead) else np.array([1.0])
    excess = np.searchsorted(np.sort(ahead), times, side="right") / count - rate * times
    top = int(np.argmax(excess))
    half_s = float(times[int(np.argmax(excess >= excess[top] / 2))])
    # Of two moments anywhere in a group's spread, half lie within 0.293 of it from each other.
    return 1 + 2 * float(excess[top]), half_s / 0.293


def _lags(moments: Floats) -> Floats:
    """From every moment to those that follow it, as far as groups may reach."""
    found = [moments[step:] - moments[:-step] for step in range(1, min(_PAIRS_MAX, len(moments)))]
    return np.concatenate(found) if found else np.array([])
