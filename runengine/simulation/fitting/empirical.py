"""What a sample says of a distribution without naming a family.

The self-consistent estimate (Turnbull 1976; with exact and open stays alone, Kaplan and Meier's), and the bounds within
which any distribution of the sample lies.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from runengine.simulation.fitting.likelihood import Sample

__all__ = ["Empirical", "bounds_of", "empirical_of"]

Floats = NDArray[np.float64]

_POINTS_MAX: Final = 240
_STAYS_MAX: Final = 1500
_ROUNDS_MAX: Final = 400
_STILL: Final = 1e-4


@frozen(kw_only=True, eq=False)
class Empirical:
    """A distribution as it was measured.

    Attributes:
        at: Values, ascending.
        below: The share at or below each.

    Example:
        >>> Empirical(at=np.array([1.0, 3.0]), below=np.array([0.5, 1.0])).quantile(0.25)
        1.0
    """

    at: Floats
    below: Floats

    def quantile(self, share: float) -> float:
        """The value below which that share lies."""
        return float(self.at[min(int(np.searchsorted(self.below, share - 1e-12)), len(self.at) - 1)])


def empirical_of(sample: Sample) -> Empirical:
    """The distribution that makes a sample most likely, found by spreading every stay over the values it can have had.

    Args:
        sample: At least one stay that has ended.

    Example:
        >>> from runengine.simulation.fitting.likelihood import sample_of
        >>> empirical_of(sample_of([(0, 1, 1), (0, 2, 2), (0, 2, 2), (0, 4, 4)])).below.tolist()
        [0.25, 0.75, 1.0]
    """
    if sample.exact.all():
        at, where = np.unique(sample.low, return_inverse=True)
        weight = np.bincount(where, sample.weight)
        return Empirical(at=at, below=np.cumsum(weight) / weight.sum())
    stays = _thinned(sample)
    at = _points(stays)
    likely = _overlaps(stays, at)
    seen = likely.sum(axis=1) > 0
    likely, weight = likely[seen], stays.weight[seen]
    if not len(weight):
        middles = np.sort(stays.middles)
        return Empirical(at=middles, below=np.arange(1, len(middles) + 1) / len(middles))
    mass = np.full(len(at), 1 / len(at))
    for _ in range(_ROUNDS_MAX):
        told = likely @ mass
        fresh = mass * (likely.T @ (weight / told)) / weight.sum()
        still = float(np.abs(np.cumsum(fresh - mass)).max()) < _STILL / 10
        mass = fresh
        if still:
            break
    return Empirical(at=at, below=np.minimum(np.cumsum(mass) / mass.sum(), 1.0))


def _thinned(sample: Sample) -> Sample:
    """Not more stays than can be spread in a moment: evenly chosen in the order of their middles."""
    if len(sample) <= _STAYS_MAX:
        return sample
    order = np.argsort(sample.middles, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, _STAYS_MAX).astype(int)]
    return sample.only(chosen)


def _points(sample: Sample) -> Floats:
    """Values that lengths may have: where bounds lie, and between."""
    ends = np.concatenate([sample.low - sample.width, sample.low, sample.high, sample.high - sample.width])
    ends = np.unique(np.clip(ends[np.isfinite(ends)], 0, None).round(6))
    if len(ends) > _POINTS_MAX:
        ends = np.unique(np.quantile(ends, np.linspace(0, 1, _POINTS_MAX)))
    if len(ends) == 1:
        return ends
    between = [ends[:-1] + np.diff(ends) * part for part in ((0.5,) if len(ends) > 60 else (0.25, 0.5, 0.75))]
    exact = sample.low[sample.exact]
    some = exact if len(exact) <= _POINTS_MAX else np.quantile(exact, np.linspace(0, 1, _POINTS_MAX))
    last = ends[-1:] * 1.05 if np.isinf(sample.high).any() else ends[-1:]
    return np.unique(np.concatenate([*between, some, last]))


def _overlaps(sample: Sample, at: Floats) -> Floats:
    """How likely each stay is where its length is each value."""
    width, low, high = sample.width[:, None], sample.low[:, None], sample.high[:, None]
    value = at[None, :]
    wide = width > 1e-9
    inside = np.minimum(width, high - value) - np.maximum(0, low - value)
    near = np.abs(value - low) <= np.maximum(np.abs(value - low).min(axis=1, keepdims=True), 1e-9)
    sharp = np.where(high - low < 1e-9, near, (value >= low) & (value <= high))
    made: Floats = np.where(wide, np.clip(inside, 0, None) / np.where(wide, width, 1), sharp)
    return np.where(wide & (high - low < 1e-9), ((value <= low) & (value >= low - width)).astype(float), made)


def bounds_of(sample: Sample, at: Floats) -> tuple[Floats, Floats]:
    """Of the stays that ended: the share surely at or below each value, and the share possibly.

    Args:
        sample: The stays.
        at: The values.

    Example:
        >>> from runengine.simulation.fitting.likelihood import sample_of
        >>> [b.tolist() for b in bounds_of(sample_of([(1.0, 2.0, 3.0), (0.0, 1.0, 1.0)]), np.array([1.0, 2.0, 3.0]))]
        [[0.5, 0.5, 1.0], [1.0, 1.0, 1.0]]
    """
    ended = sample.only(np.isfinite(sample.high))
    least, most = np.maximum(ended.low - ended.width, 0), ended.high
    share = ended.weight / ended.weight.sum()
    surely = (share[:, None] * (most[:, None] <= at[None, :])).sum(axis=0)
    possibly = (share[:, None] * (least[:, None] <= at[None, :])).sum(axis=0)
    return surely, possibly
