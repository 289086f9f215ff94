"""How likely lengths of stays are under a distribution, where some are known exactly and some only within bounds.

A stay whose beginning is known to `width` seconds is taken to have begun anywhere in that time, each moment as likely:
its likelihood is the average over it. For whole-second stamps that is exact, since a fraction of a second is as likely
as any other. The average has a closed form, by the integral of the distribution function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from runengine.simulation.distributions import Constant, Distribution, Exponential, Gamma, Lognormal, Quantiles
from runengine.simulation.errors import MissingExtra

try:
    from scipy.special import gammainc, gammaln, ndtr
except ImportError:
    raise MissingExtra("learning a scenario", "simulation") from None

__all__ = ["Sample", "below", "log_likelihood", "off_by", "sample_of", "survival"]

Floats = NDArray[np.float64]

_EXACT_S: Final = 1e-6
"""Lengths known to this are exact, and none is shorter."""
_LEAST: Final = 1e-300
_PLACES: Final = 200


@frozen(kw_only=True, eq=False)
class Sample:
    """Lengths of stays, as known, in seconds from the earliest moment at which each can have begun.

    Attributes:
        width: For how long it can have begun after that.
        low: The earliest moment at which it can have ended.
        high: The latest; infinite where it had not ended.
        weight: How many such stays there are.

    Example:
        >>> sample_of([(0.0, 2.0, 2.0), (1.0, 0.0, 1.0)]).exact.tolist()
        [True, False]
    """

    width: Floats
    low: Floats
    high: Floats
    weight: Floats

    def __len__(self) -> int:
        return len(self.width)

    @property
    def exact(self) -> NDArray[np.bool_]:
        """Which are known exactly."""
        made: NDArray[np.bool_] = (self.width < _EXACT_S) & (self.high - self.low < _EXACT_S)
        return made

    @property
    def count(self) -> float:
        """How many there are."""
        return float(self.weight.sum())

    @property
    def middles(self) -> Floats:
        """A length for each in the middle of its bounds; of an unbounded one, its least."""
        low = np.maximum(self.low - self.width, 0)
        return np.where(np.isinf(self.high), np.maximum(self.low - self.width / 2, 0), (low + self.high) / 2)

    def only(self, chosen: Any) -> Sample:
        """Some of them."""
        return Sample(
            width=self.width[chosen], low=self.low[chosen], high=self.high[chosen], weight=self.weight[chosen]
        )

    def weighed(self, weight: Floats) -> Sample:
        """The same with other weights."""
        return Sample(width=self.width, low=self.low, high=self.high, weight=weight)

    def with_(self, other: Sample) -> Sample:
        """Both."""
        return Sample(
            width=np.append(self.width, other.width),
            low=np.append(self.low, other.low),
            high=np.append(self.high, other.high),
            weight=np.append(self.weight, other.weight),
        )


def sample_of(known: Any) -> Sample:
    """A sample of triples (width, low, high); equal ones are counted.

    Args:
        known: The triples.

    Example:
        >>> sample_of([(1.0, 0.0, 1.0), (1.0, 0.0, 1.0)]).weight.tolist()
        [2.0]
    """
    rows = np.asarray(known, dtype=float).reshape(-1, 3)
    unique, weight = np.unique(rows, axis=0, return_counts=True)
    return Sample(width=unique[:, 0], low=unique[:, 1], high=unique[:, 2], weight=weight.astype(float))


Integral = Callable[[Floats], tuple[Floats, Floats]]
"""The distribution function, and its integral from 0."""


def below(distribution: Distribution, at: Floats) -> Floats:
    """The share of a distribution that lies at or below each value.

    Args:
        distribution: Any.
        at: The values.

    Example:
        >>> below(Exponential(mean=1.0), np.array([0.0, 1.0])).round(3).tolist()
        [0.0, 0.632]
    """
    return _integral(distribution)(np.maximum(at, 0))[0] * (at >= 0)


def _integral(distribution: Distribution) -> Integral:
    match distribution:
        case Exponential(mean=mean):
            return lambda x: _exponential(x, max(mean, _EXACT_S))
        case Lognormal(median=median, sigma=sigma):
            return lambda x: _lognormal(x, float(np.log(max(median, _EXACT_S))), max(sigma, 1e-3))
        case Gamma(shape=shape, mean=mean):
            return lambda x: _gamma(x, shape, max(mean, _EXACT_S))
        case Constant(value=value):
            return lambda x: ((x >= value).astype(float), np.maximum(x - value, 0))
        case Quantiles(values=values):
            return lambda x: _quantiles(x, np.array(values))


def _exponential(x: Floats, mean: float) -> tuple[Floats, Floats]:
    share = -np.expm1(-x / mean)
    return share, x - mean * share


def _lognormal(x: Floats, mu: float, sigma: float) -> tuple[Floats, Floats]:
    with np.errstate(divide="ignore"):
        z = (np.log(x) - mu) / sigma
    share = ndtr(z)
    return share, x * share - np.exp(min(mu + sigma**2 / 2, 700)) * ndtr(z - sigma)


def _gamma(x: Floats, shape: float, mean: float) -> tuple[Floats, Floats]:
    scaled = x * (shape / mean)
    share = gammainc(shape, scaled)
    return share, x * share - mean * gammainc(shape + 1, scaled)


def _quantiles(x: Floats, values: Floats) -> tuple[Floats, Floats]:
    steps = np.linspace(0, 1, len(values))
    values = values + np.arange(len(values)) * 1e-12
    share = np.interp(x, values, steps)
    areas = np.append(0, np.cumsum((steps[1:] + steps[:-1]) / 2 * np.diff(values)))
    cell = np.clip(np.searchsorted(values, x, side="right") - 1, 0, len(values) - 2)
    inside = np.clip(x - values[cell], 0, None)
    inner = np.minimum(inside, values[cell + 1] - values[cell])
    area = areas[cell] + (steps[cell] + np.interp(values[cell] + inner, values, steps)) / 2 * inner
    return share, area + (inside - inner)


def _averaged(integral: Integral, at: Floats, width: Floats) -> Floats:
    """The share below each moment, averaged over when the stay can have begun."""
    never = np.isinf(at)
    moment = np.where(never, 0, at)
    share, area = integral(np.maximum(moment, 0))
    share = share * (moment >= 0)
    wide = width >= _EXACT_S
    if wide.any():
        _, before = integral(np.maximum(moment[wide] - width[wide], 0))
        share[wide] = (area[wide] - before) / width[wide]
    share[never] = 1
    return np.clip(share, 0, 1)


def survival(distribution: Distribution, sample: Sample) -> Floats:
    """For each stay, how likely it is to last beyond its `low`.

    Args:
        distribution: Any.
        sample: The stays.

    Example:
        >>> survival(Exponential(mean=1.0), sample_of([(0.0, 1.0, np.inf)])).round(3).tolist()
        [0.368]
    """
    made: Floats = 1 - _averaged(_integral(distribution), sample.low, sample.width)
    return made


def off_by(distribution: Distribution, sample: Sample) -> float:
    """How far a distribution is from a sample: the largest distance of what it foresaw from an even spread.

    Of every stay, how much of the distribution lies below and above its bounds (as Czado, Gneiting and Held 2009 do for
    counts); for exact stays alone that is Kolmogorov and Smirnov's distance.

    Args:
        distribution: Any.
        sample: The stays.

    Example:
        >>> round(off_by(Exponential(mean=1.0), sample_of([(0.0, 0.693147, 0.693147)])), 3)
        0.5
    """
    integral = _integral(distribution)
    under = _averaged(integral, sample.low, sample.width)
    over = np.maximum(_averaged(integral, sample.high, sample.width), under)
    share = sample.weight / sample.weight.sum()
    ends = np.unique(np.concatenate([under, over]))
    if len(ends) > _PLACES:
        ends = np.quantile(ends, np.linspace(0, 1, _PLACES))
    wide = over - under
    worst = 0.0
    for end in map(float, ends):
        part = np.where(wide > _EXACT_S, np.clip((end - under) / np.maximum(wide, _EXACT_S), 0, 1), under <= end)
        before = np.where(wide > _EXACT_S, part, under < end)
        worst = max(worst, abs(float(share @ part) - end), abs(float(share @ before) - end))
    return float(worst)


def log_likelihood(distribution: Distribution, sample: Sample) -> float:
    """The logarithm of how likely the stays are, all together; of exact ones, by density in a second.

    Args:
        distribution: Any but constant.
        sample: The stays.

    Example:
        >>> round(log_likelihood(Exponential(mean=1.0), sample_of([(0.0, 2.0, 2.0), (0.0, 1.0, np.inf)])), 6)
        -3.0
    """
    integral = _integral(distribution)
    point = sample.high - sample.low < _EXACT_S
    total = 0.0
    exact = sample.exact
    if exact.any():
        total += float(sample.weight[exact] @ _log_density(distribution, np.maximum(sample.low[exact], _EXACT_S)))
    rest = sample.only(~exact) if exact.any() else sample
    if len(rest):
        point = rest.high - rest.low < _EXACT_S
        share = _averaged(integral, rest.high, rest.width) - _averaged(integral, rest.low, rest.width)
        if point.any():
            low, width = rest.low[point], rest.width[point]
            ends = integral(np.maximum(low, _EXACT_S))[0]
            share[point] = (ends - integral(np.maximum(low - width, 0))[0]) / np.maximum(width, _EXACT_S)
        total += float(rest.weight @ np.log(np.maximum(share, _LEAST)))
    return total


def _log_density(distribution: Distribution, x: Floats) -> Floats:
    match distribution:
        case Exponential(mean=mean):
            made = -x / max(mean, _EXACT_S) - np.log(max(mean, _EXACT_S))
        case Lognormal(median=median, sigma=sigma):
            z = (np.log(x) - np.log(max(median, _EXACT_S))) / max(sigma, 1e-3)
            made = -0.5 * z**2 - np.log(x) - np.log(max(sigma, 1e-3)) - 0.9189385332046727
        case Gamma(shape=shape, mean=mean):
            rate = shape / max(mean, _EXACT_S)
            made = shape * np.log(rate) + (shape - 1) * np.log(x) - rate * x - gammaln(shape)
        case _:
            wide = np.maximum(x * 1e-3, _EXACT_S)
            made = np.log(
                np.maximum((below(distribution, x + wide) - below(distribution, x - wide)) / (2 * wide), _LEAST)
            )
    return np.asarray(made, dtype=float)
