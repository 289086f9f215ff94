"""Distributions and shares as tables: what turns 64 bits into a time, a count or a choice.

A distribution is tabulated at 1,024 even steps of probability, its uppermost and its lowest step at 1,024 more, with
straight lines in between: a sample is off by less than a ten thousandth of probability, and nothing beyond one in 2**20
is drawn, on either side.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np

from runengine.simulation.distributions import (
    Constant,
    Distribution,
    Exponential,
    Gamma,
    Lognormal,
)
from runengine.simulation.errors import MissingExtra
from runengine.simulation.vectors.draws import Floats, Ints, Words

try:
    from scipy.special import gammaincinv, ndtri
except ImportError:
    raise MissingExtra("simulating in columns", "simulation") from None

__all__ = ["CELLS", "Choice", "Table", "Tables", "quantiles"]

CELLS: Final = 1024
"""Cells of a table, of its uppermost cell, and of its lowest."""

_REST: Final = 22
_LOW: Final = np.uint64((1 << 32) - 1)
_IN_CELL: Final = np.uint64((1 << _REST) - 1)
_SHIFT: Final = np.uint64(_REST)
_HALF: Final = np.uint64(32)
_ONE: Final = np.uint64(1)
_INNER: Final = np.uint64(CELLS - 2)


def quantiles(distribution: Distribution, at: Floats) -> Floats:
    """The values below which that much of a distribution lies.

    Args:
        distribution: Any.
        at: Probabilities, at least 0 and below 1.

    Example:
        >>> quantiles(Exponential(mean=1.0), np.array([0.0, 0.5])).round(3).tolist()
        [0.0, 0.693]
    """
    if isinstance(distribution, Constant):
        return np.full_like(at, distribution.value)
    if isinstance(distribution, Exponential):
        return -np.log1p(-at) * distribution.mean
    if isinstance(distribution, Lognormal):
        normal = np.maximum(ndtri(at), -40.0)  # 0 times the infinity at 0 is no number
        made: Floats = distribution.median * np.exp(distribution.sigma * normal)
        return made
    if isinstance(distribution, Gamma):
        scaled: Floats = gammaincinv(distribution.shape, at) * (distribution.mean / distribution.shape)
        return scaled
    return np.interp(at, np.linspace(0, 1, len(distribution.values)), distribution.values)


class Table:
    """A distribution, ready to be drawn from.

    Args:
        distribution: Any.
        scale: What its values are multiplied by.

    Example:
        >>> Table(Constant(value=3), 10).of(np.array([7], dtype=np.uint64)).tolist()
        [30.0]
    """

    def __init__(self, distribution: Distribution, scale: float = 1.0) -> None:
        self._tables: Final = Tables([distribution], scale)

    def of(self, bits: Words) -> Floats:
        """A value for each 64 bits, of which the lower 32 are used."""
        return self._tables.of(None, bits)


class Tables:
    """Several distributions, to be drawn from side by side.

    Args:
        distributions: At least one.
        scale: What their values are multiplied by.

    Attributes:
        places: Of each distribution, its place.

    Example:
        >>> tables = Tables([Constant(value=3), Constant(value=4)])
        >>> tables.of(tables.places[[1, 0]], np.array([7, 7], dtype=np.uint64)).tolist()
        [4.0, 3.0]
    """

    def __init__(self, distributions: Iterable[Distribution], scale: float = 1.0) -> None:
        given = list(distributions)
        places = {one: place for place, one in enumerate(dict.fromkeys(given))}
        made = [_tabulated(distribution) for distribution in places]
        self.places: Final[Ints] = np.array([places[distribution] * 3 * CELLS for distribution in given])
        self._low: Floats = np.concatenate([low for low, _ in made]) * scale
        self._step: Floats = np.concatenate([step for _, step in made]) * scale

    def of(self, places: Ints | None, bits: Words) -> Floats:
        """A value for each 64 bits, of which the lower 32 are used.

        Args:
            places: The place of the distribution each is drawn from; None: of the first.
            bits: The bits.
        """
        low = bits & _LOW
        rest = low & _IN_CELL
        low >>= _SHIFT
        cell = low.view(np.int64)
        part: Floats = np.multiply(rest, 2.0**-_REST)
        edge = np.flatnonzero(low - _ONE >= _INNER)  # cell 0 wraps around, and is with the last
        if len(edge):
            finer = part[edge] * CELLS
            second = finer.astype(np.int64)
            cell[edge] = np.where(cell[edge], CELLS, 2 * CELLS) + second
            part[edge] = finer - second
        if places is not None:
            cell += places
        part *= self._step.take(cell, mode="clip")  # faster than looking whether each is in range, which it is
        part += self._low.take(cell, mode="clip")
        return part


@lru_cache(maxsize=256)
def _tabulated(distribution: Distribution) -> tuple[Floats, Floats]:
    """The lower end and the width of each cell: `CELLS` of the whole, of its uppermost, and of its lowest."""
    ends = np.arange(CELLS + 1) / CELLS
    rarest = CELLS**-2
    parts = (ends, 1 - 1 / CELLS + ends / CELLS, ends / CELLS)
    made = [quantiles(distribution, part.clip(rarest, 1 - rarest)) for part in parts]
    return np.concatenate([part[:-1] for part in made]), np.concatenate([np.diff(part) for part in made])


class Choice:
    """Shares, ready to be chosen by.

    Args:
        shares: At least one, one of them positive.

    Attributes:
        numbers: The numbers of the shares that are positive, the largest first.
        ends: Where the part of 2**32 of each but the last ends, in that order.

    Example:
        >>> Choice([0, 1, 1]).of(np.array([0, 2**63, 2**64 - 1], dtype=np.uint64)).tolist()
        [1, 2, 2]
    """

    def __init__(self, shares: Iterable[float]) -> None:
        given = np.fromiter(shares, float)
        numbers = np.argsort(-given, kind="stable")[: np.count_nonzero(given)]  # the largest parts most, and first
        ends = np.cumsum(given[numbers] / given.sum())
        self.numbers: Ints = numbers.astype(np.int64)
        self.ends = [np.uint64(min(round(end * 2**32), 2**32)) for end in ends[:-1]]

    def of(self, bits: Words) -> Ints:
        """The number of a share for each 64 bits, of which the upper 32 are used."""
        high = bits >> _HALF
        place = np.zeros(len(bits), dtype=np.int64)
        for end in self.ends:
            place += high >= end
        return self.numbers[place]
