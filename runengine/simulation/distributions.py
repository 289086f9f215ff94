"""Distributions of times and counts, as data: what a scenario says, how a sample is drawn of them is elsewhere.

None has a unit: the key that holds one names it, as `after_s` or `prompt_tokens`. No sample is above `SAMPLE_MOST`, so
that moments in microseconds fit 64 bits.
"""

from __future__ import annotations

from itertools import pairwise
from math import exp
from typing import Any, ClassVar, Final

from attrs import Attribute, frozen

from runengine.simulation.keys import key

__all__ = [
    "DISTRIBUTIONS",
    "MEAN_MOST",
    "SAMPLE_MOST",
    "Constant",
    "Distribution",
    "Exponential",
    "Gamma",
    "Lognormal",
    "Quantiles",
]

MEAN_MOST: Final = 1e8
"""The largest mean, median or value: in seconds, three years."""

SAMPLE_MOST: Final = 1e10
"""The largest sample."""

_RAREST: Final = 4.9
"""Standard deviations above the mean, where one in two million lies; nothing rarer is drawn."""


@frozen(kw_only=True)
class Constant:
    """Always the same.

    Example:
        >>> Constant(value=2.5).mean
        2.5
    """

    kind: ClassVar[str] = "constant"
    formula: ClassVar[str] = "Every sample is `value`."
    value: float = key("The value.", least=0, most=MEAN_MOST)

    @property
    def mean(self) -> float:
        """Its mean."""
        return self.value


@frozen(kw_only=True)
class Exponential:
    """Without memory: what is left does not depend on what has passed.

    Example:
        >>> Exponential(mean=4).mean
        4
    """

    kind: ClassVar[str] = "exponential"
    formula: ClassVar[str] = "The share `1 - exp(-t / mean)` of the samples is at most t."
    mean: float = key("The mean.", least=0, most=MEAN_MOST)


@frozen(kw_only=True)
class Lognormal:
    """The logarithm is normal: most are short, some very long.

    Example:
        >>> round(Lognormal(median=1, sigma=1).mean, 3)
        1.649
    """

    kind: ClassVar[str] = "lognormal"
    formula: ClassVar[str] = (
        "A sample is `median * exp(sigma * z)`, z standard normal; the mean is `median * exp(sigma² / 2)`."
    )
    median: float = key("The median.", least=0, most=MEAN_MOST)
    sigma: float = key(
        f"The standard deviation of the natural logarithm; median * exp({_RAREST:g} * sigma) is {SAMPLE_MOST:,.0f} "
        "at most.",
        least=0,
        most=10,
    )

    def __attrs_post_init__(self) -> None:
        if self.median * exp(self.sigma * _RAREST) > SAMPLE_MOST:
            raise ValueError(f"sigma: with this median the longest are above {SAMPLE_MOST:g}")

    @property
    def mean(self) -> float:
        """Its mean."""
        return self.median * exp(self.sigma**2 / 2)


@frozen(kw_only=True)
class Gamma:
    """As the sum of `shape` exponential waits.

    Example:
        >>> Gamma(shape=2, mean=4).mean
        4
    """

    kind: ClassVar[str] = "gamma"
    formula: ClassVar[str] = (
        "The density at t goes with `t^(shape - 1) * exp(-t * shape / mean)`; the variance is `mean² / shape`."
    )
    shape: float = key("The shape: 1 is exponential, large is narrow.", least=0.01, most=10_000)
    mean: float = key("The mean.", least=0, most=MEAN_MOST)


def _ascending(_instance: Any, attribute: Attribute[Any], value: tuple[float, ...]) -> None:
    if any(a > b for a, b in pairwise(value)):
        raise ValueError(f"{attribute.name}: expected numbers of which none is below the one before it")


@frozen(kw_only=True)
class Quantiles:
    """As it was measured: values at even steps of probability, the least first, straight lines in between.

    Example:
        >>> Quantiles(values=(0, 1, 3)).mean
        1.25
    """

    kind: ClassVar[str] = "quantiles"
    formula: ClassVar[str] = (
        "With n + 1 values, the share `k / n` of the samples is at most value k, in straight lines between two."
    )
    values: tuple[float, ...] = key(
        "The quantiles at 0, 1/n, 2/n, … 1, none below the one before it.",
        least=0,
        most=MEAN_MOST,
        size=(2, 100_000),
        check=_ascending,
    )

    @property
    def mean(self) -> float:
        """Its mean."""
        cells = len(self.values) - 1
        return sum(a + b for a, b in pairwise(self.values)) / (2 * cells)


Distribution = Constant | Exponential | Lognormal | Gamma | Quantiles
"""Any of them."""

DISTRIBUTIONS: Final[dict[str, type[Distribution]]] = {
    cls.kind: cls for cls in (Constant, Exponential, Lognormal, Gamma, Quantiles)
}
"""Each by its `kind`."""
