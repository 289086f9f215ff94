"""Which distribution a sample of stays is given: the family that makes it most likely for the numbers it takes.

Families are compared by Akaike's criterion with its correction for few data. With too few stays for a shape, the shape
of a named default is kept and its scale alone is learned, held back towards the default's.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log
from typing import Any, Final

import numpy as np
from attrs import asdict, evolve, frozen
from numpy.typing import NDArray

from runengine.simulation.distributions import Constant, Distribution, Exponential, Gamma, Lognormal, Quantiles
from runengine.simulation.errors import MissingExtra
from runengine.simulation.fitting.empirical import empirical_of
from runengine.simulation.fitting.likelihood import Sample, below, log_likelihood, off_by

try:
    from scipy.optimize import minimize, minimize_scalar
except ImportError:
    raise MissingExtra("learning a scenario", "simulation") from None

__all__ = ["FEW", "Choice", "Parameter", "chosen", "median_of", "refitted", "rounded", "scaled"]

Floats = NDArray[np.float64]

FEW: Final = 8
"""Ended stays below which no shape is learned."""

QUANTILES_FROM: Final = 200
"""Ended stays from which measured quantiles may stand for a distribution."""

_CELLS: Final = 100
_PRIOR_LOG_SD: Final = 1.5
"""How far, in natural logarithms, a scale is expected from the default's: a factor of 4.5 either way."""
_NARROW: Final = 0.015
_OFF: Final = 0.05
_KS: Final = 1.63
"""Times the root of n: what Kolmogorov and Smirnov's distance exceeds once in a hundred."""
_LEAST_S: Final = 1e-6
_LIMIT: Final = 1e-9
_NEVER: Final = 1e18


@frozen(kw_only=True)
class Parameter:
    """One number of a distribution, and how far it is known.

    Attributes:
        name: Its key.
        value: The number.
        low: The lower end of its 95 % interval, or None where there is none.
        high: The upper end.

    Example:
        >>> Parameter(name="mean", value=2.0, low=1.5, high=2.7).value
        2.0
    """

    name: str
    value: float
    low: float | None
    high: float | None


@frozen(kw_only=True)
class Choice:
    """The distribution a sample is given.

    Attributes:
        distribution: It.
        basis: How it was come by: fitted, measured, constant, scaled (the default's shape) or default.
        parameters: Its numbers.
        off: The largest distance between it and the measured distribution, or None where nothing was measured.

    Example:
        >>> Choice(distribution=Constant(value=1), basis="constant", parameters=(), off=None).basis
        'constant'
    """

    distribution: Distribution
    basis: str
    parameters: tuple[Parameter, ...]
    off: float | None


def scaled(distribution: Distribution, factor: float) -> Distribution:
    """The same shape, its values multiplied.

    Args:
        distribution: Any.
        factor: By what.

    Example:
        >>> scaled(Lognormal(median=2.0, sigma=0.5), 3.0)
        Lognormal(median=6.0, sigma=0.5)
    """
    match distribution:
        case Constant(value=value):
            return Constant(value=value * factor)
        case Exponential(mean=mean):
            return Exponential(mean=mean * factor)
        case Lognormal(median=median):
            return evolve(distribution, median=median * factor)
        case Gamma(mean=mean):
            return evolve(distribution, mean=mean * factor)
        case Quantiles(values=values):
            return Quantiles(values=tuple(value * factor for value in values))


def rounded(distribution: Distribution) -> Distribution:
    """The same to five figures: more were never measured.

    Args:
        distribution: Any.

    Example:
        >>> rounded(Exponential(mean=1.23456789))
        Exponential(mean=1.2346)
    """
    given: dict[str, Any] = {
        key: tuple(float(f"{one:.5g}") for one in value) if isinstance(value, tuple) else float(f"{value:.5g}")
        for key, value in asdict(distribution).items()
    }
    return type(distribution)(**given)


def median_of(distribution: Distribution) -> float:
    """The value that half of a distribution lies below, by bisection.

    Args:
        distribution: Any.

    Example:
        >>> round(median_of(Exponential(mean=1.0)), 3)
        0.693
    """
    if isinstance(distribution, Constant):
        return distribution.value
    low, high = 0.0, max(4 * distribution.mean, _LEAST_S)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(distribution, np.array([middle]))[0] < 0.5 else (low, middle)
    return (low + high) / 2


def chosen(sample: Sample, default: Distribution, *, few: int = FEW, measured: bool = True) -> Choice:
    """The distribution a sample is given.

    Args:
        sample: Ended stays, and open ones with the weight they have here.
        default: What is kept where there are few.
        few: Ended stays below which no shape is learned.
        measured: Whether measured quantiles may be taken.

    Example:
        >>> from runengine.simulation.fitting.likelihood import sample_of
        >>> chosen(sample_of([(0, 2, 2)] * 20), Exponential(mean=1.0)).distribution
        Constant(value=2.0)
    """
    ended = sample.only(np.isfinite(sample.high)) if len(sample) else sample
    count = ended.count if len(ended) else 0.0
    if not count:
        return Choice(distribution=default, basis="default", parameters=(), off=None)
    if count < few:
        return _scaled_default(sample, default)
    first = ended.low[0]
    if ended.exact.all() and np.ptp(ended.low) <= max(2e-6, 1e-6 * float(first)):
        value = round(float(np.average(ended.low, weights=ended.weight)), 6)
        return Choice(distribution=Constant(value=value), basis="constant", parameters=(), off=0.0)
    fits = [fit for fit in (_exponential(sample), _lognormal(sample), _gamma(sample)) if fit is not None]
    best = min(fits, key=lambda fit: _criterion(fit, count))
    if isinstance(best.distribution, Lognormal) and best.distribution.sigma < _NARROW:
        value = float(f"{best.distribution.median:.6g}")
        return Choice(distribution=Constant(value=value), basis="constant", parameters=(), off=None)
    off = off_by(best.distribution, sample)
    sharp = float(np.median(ended.high - ended.low + ended.width)) < 0.25 * float(np.median(ended.middles))
    if measured and count >= QUANTILES_FROM and sharp and off > max(_OFF, _KS / count**0.5):
        return Choice(distribution=_measured(sample), basis="measured", parameters=(), off=0.0)
    return Choice(
        distribution=best.distribution, basis="fitted", parameters=_parameters(best, sample), off=round(off, 4)
    )


def refitted(sample: Sample, before: Choice) -> Choice:
    """The same family, fitted to another sample; what was not fitted stays as it is.

    Args:
        sample: Ended stays, and open ones with the weight they have here.
        before: From `chosen`.

    Example:
        >>> from runengine.simulation.fitting.likelihood import sample_of
        >>> stays = sample_of([(0, second, second) for second in range(1, 30)])
        >>> refitted(stays, chosen(stays, Exponential(mean=1.0))).basis
        'fitted'
    """
    if before.basis != "fitted":
        return before
    match before.distribution:
        case Exponential():
            fit = _exponential(sample)
        case Lognormal(median=median, sigma=sigma):
            fit = _lognormal(sample, [log(median), log(sigma)])
        case Gamma(shape=shape, mean=mean):
            fit = _gamma(sample, [log(shape), log(mean)])
        case _:
            fit = None
    return before if fit is None else evolve(before, distribution=fit.distribution)


def _measured(sample: Sample) -> Quantiles:
    found = empirical_of(sample)
    steps = np.linspace(0, 1, _CELLS + 1)
    values = np.interp(steps, np.append(0, found.below), np.append(found.at[0], found.at))
    return Quantiles(values=tuple(float(f"{value:.5g}") for value in np.maximum.accumulate(values)))


@frozen(kw_only=True, eq=False)
class _Fit:
    distribution: Distribution
    at: Floats
    make: Callable[[Floats], Distribution]
    names: tuple[str, ...]
    likelihood: float


def _criterion(fit: _Fit, count: float) -> float:
    taken = len(fit.at)
    return 2 * taken - 2 * fit.likelihood + 2 * taken * (taken + 1) / max(count - taken - 1, 0.5)


def _exponential(sample: Sample) -> _Fit | None:
    return _fitted(sample, lambda p: Exponential(mean=exp(p[0])), [log(_mean(sample))], ("mean",))


def _lognormal(sample: Sample, start: list[float] | None = None) -> _Fit | None:
    if start is None:
        logs = np.log(np.maximum(sample.middles, max(_mean(sample) * 0.02, _LEAST_S)))
        mu = float(np.average(logs, weights=sample.weight))
        sd = float(np.average((logs - mu) ** 2, weights=sample.weight)) ** 0.5
        start = [mu, log(min(max(sd, 0.05), 3.0))]
    return _fitted(
        sample,
        lambda p: Lognormal(median=exp(p[0]), sigma=exp(p[1])),
        start,
        ("median", "sigma"),
        ((-16, 20), (log(0.01), log(6))),
    )


def _gamma(sample: Sample, start: list[float] | None = None) -> _Fit | None:
    if start is None:
        mean = _mean(sample)
        spread = float(np.average((sample.middles - mean) ** 2, weights=sample.weight))
        start = [log(min(max(mean**2 / max(spread, 1e-9), 0.1), 1000.0)), log(mean)]
    return _fitted(
        sample,
        lambda p: Gamma(shape=exp(p[0]), mean=exp(p[1])),
        start,
        ("shape", "mean"),
        ((log(0.02), log(9000)), (-16, 20)),
    )


def _mean(sample: Sample) -> float:
    return max(float(np.average(sample.middles, weights=sample.weight)), 1e-4)


def _fitted(
    sample: Sample,
    make: Callable[[Floats], Distribution],
    start: list[float],
    names: tuple[str, ...],
    limits: tuple[tuple[float, float], ...] = ((-16, 20),),
) -> _Fit | None:
    def loss(at: Floats) -> float:
        if any(not low <= value <= high for value, (low, high) in zip(at, limits, strict=True)):
            return _NEVER
        try:
            return -log_likelihood(make(at), sample)
        except ValueError:  # no scenario takes one whose longest stays are that long
            return _NEVER

    if len(start) == 1:
        found = minimize_scalar(lambda x: loss(np.array([x])), bounds=(start[0] - 4, start[0] + 4), method="bounded")
        at, least = np.array([found.x]), float(found.fun)
    else:
        begin = np.clip(start, [low for low, _ in limits], [high for _, high in limits])
        told = minimize(loss, begin, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-3, "maxiter": 400})
        at, least = np.asarray(told.x, dtype=float), float(told.fun)
    if not np.isfinite(least) or least >= _NEVER / 2:
        return None
    return _Fit(distribution=make(at), at=at, make=make, names=names, likelihood=-least)


def _parameters(fit: _Fit, sample: Sample) -> tuple[Parameter, ...]:
    """The numbers with their intervals: by the curvature of the likelihood, in logarithms."""
    at, step, size = fit.at, 1e-3, len(fit.at)
    curved = np.empty((size, size))

    def loss(*moves: tuple[int, float]) -> float:
        there = at.copy()
        for place, by in moves:
            there[place] += by
        return -log_likelihood(fit.make(there), sample)

    for i in range(size):
        for j in range(size):
            curved[i, j] = (
                loss((i, step), (j, step))
                - loss((i, step), (j, -step))
                - loss((i, -step), (j, step))
                + loss((i, -step), (j, -step))
            ) / (4 * step**2)
    try:
        spread = np.sqrt(np.diag(np.linalg.inv(curved)))
    except np.linalg.LinAlgError:
        spread = np.full(size, np.nan)
    made: list[Parameter] = []
    for name, value, sd in zip(fit.names, at, spread, strict=True):
        known = bool(np.isfinite(sd)) and sd < 10
        low, high = (exp(value - 1.96 * sd), exp(value + 1.96 * sd)) if known else (None, None)
        made.append(Parameter(name=name, value=exp(value), low=low, high=high))
    return tuple(made)


def _scaled_default(sample: Sample, default: Distribution) -> Choice:
    """The default's shape at a scale between its own and the one that fits."""
    shape = Exponential(mean=max(default.mean, 1e-3)) if isinstance(default, Constant) else default

    def loss(factor_log: float) -> float:
        held = 0.5 * (factor_log / _PRIOR_LOG_SD) ** 2
        try:
            return held - log_likelihood(scaled(shape, exp(factor_log)), sample)
        except ValueError:
            return _NEVER

    found = minimize_scalar(loss, bounds=(-12, 12), method="bounded")
    middle = float(found.x)
    # The bounded search knows one valley; a coarse look over the whole range finds the deepest.
    coarse = min(np.linspace(-12, 12, 49), key=loss)
    if loss(float(coarse)) < loss(middle) - _LIMIT:
        found = minimize_scalar(loss, bounds=(coarse - 0.5, coarse + 0.5), method="bounded")
        middle = float(found.x)
    curve = (loss(middle + 1e-2) - 2 * loss(middle) + loss(middle - 1e-2)) / 1e-4
    sd = curve**-0.5 if curve > 0 else _PRIOR_LOG_SD
    center = median_of(shape)
    factor = exp(middle)
    told = Parameter(
        name="p50", value=center * factor, low=center * exp(middle - 1.96 * sd), high=center * exp(middle + 1.96 * sd)
    )
    return Choice(distribution=scaled(shape, factor), basis="scaled", parameters=(told,), off=None)
