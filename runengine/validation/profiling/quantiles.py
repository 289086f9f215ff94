"""Quantiles of many durations in little memory, exact to 1 %, which can be merged.

Durations are counted in buckets, each of which ends 1 % above its beginning, so that any two durations in one differ
by 1 % at most. The roundest of them is the answer: whole seconds below 100 come back as they are.
Source: Masson, Rim, Lee: DDSketch (VLDB 2019), there with the middle of the bucket.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from math import ceil, floor, log, log10
from typing import Any, Final

__all__ = ["LEAST_S", "MOST_S", "RELATIVE_ERROR", "Histogram", "bucket_of"]

RELATIVE_ERROR: Final = 0.01
"""How far a quantile may be from the exact one, as a share of it."""

LEAST_S: Final = 1e-6
"""Shorter durations count as 0: nothing recorded is finer than a microsecond."""

MOST_S: Final = 1e11
"""Longer ones count as this, some 3,000 years. So there are at most 3,935 buckets."""

_FACTOR: Final = 1 + RELATIVE_ERROR
_LOG_FACTOR: Final = log(_FACTOR)
_SHOWN: Final = (0.5, 0.9, 0.99)


class Histogram:
    """Durations in seconds.

    Attributes:
        n: How many.
        least_s: The shortest, exact.
        most_s: The longest, exact; 0 before the first.

    Example:
        >>> durations = Histogram()
        >>> for seconds in range(1, 101):
        ...     durations.add(seconds)
        >>> durations.quantile(0.5), durations.quantile(0.99)
        (50.0, 99.0)
    """

    __slots__ = ("_buckets", "_zeros", "least_s", "most_s", "n")

    def __init__(self) -> None:
        self.n = 0
        self.least_s = MOST_S
        self.most_s = 0.0
        self._zeros = 0
        self._buckets: Counter[int] = Counter()

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same counts."""
        if not isinstance(other, Histogram):
            return NotImplemented
        mine, its = (
            (h.n, h.least_s, h.most_s, h._zeros, {place: count for place, count in h._buckets.items() if count})
            for h in (self, other)
        )
        return mine == its

    __hash__ = None  # type: ignore[assignment]

    def add(self, seconds: float) -> None:
        """Count one duration; a negative one counts as 0.

        Args:
            seconds: How long.
        """
        seconds = min(seconds, MOST_S)
        self.n += 1
        if seconds < LEAST_S:
            self._zeros += 1
            self.least_s = 0.0
            return
        self.least_s = min(self.least_s, seconds)
        self.most_s = max(self.most_s, seconds)
        self._buckets[bucket_of(seconds)] += 1

    def take(self, other: Histogram) -> None:
        """Count everything another has counted.

        Args:
            other: Left as it is.
        """
        self.n += other.n
        self.least_s = min(self.least_s, other.least_s)
        self.most_s = max(self.most_s, other.most_s)
        self._zeros += other._zeros
        self._buckets.update(other._buckets)

    def kept(self) -> dict[str, Any]:
        """Everything it has counted, as plain JSON; `taken` reads it."""
        buckets = [[place, self._buckets[place]] for place in sorted(self._buckets)]
        return {"n": self.n, "least_s": self.least_s, "most_s": self.most_s, "zeros": self._zeros, "buckets": buckets}

    @classmethod
    def taken(cls, kept: Mapping[str, Any]) -> Histogram:
        """What `kept` wrote.

        Raises:
            KeyError: something is missing.
            TypeError: something is of another type.
            ValueError: something is of another length.

        Example:
            >>> durations = Histogram()
            >>> durations.add(2)
            >>> Histogram.taken(durations.kept()) == durations
            True
        """
        made = cls()
        made.n, made.least_s, made.most_s, made._zeros = (kept[name] for name in ("n", "least_s", "most_s", "zeros"))
        made._buckets.update(dict(kept["buckets"]))
        return made

    def quantile(self, share: float) -> float:
        """The duration that a share of all durations do not exceed, within `RELATIVE_ERROR`; 0 where there are none.

        Of n durations in order, counted from 1, it is the one at ceil(share · n), the nearest rank: of two, p50 is the
        first and p90 the second.

        Args:
            share: From 0 to 1.
        """
        # 0.07 is meant as 7/100: as a double it is a little more, and would be a rank too far.
        rank = max(ceil(Fraction(str(share)) * self.n), 1) - 1
        if rank < self._zeros:
            return 0.0
        passed = self._zeros
        for place in sorted(self._buckets):
            passed += self._buckets[place]
            if passed > rank:
                return max(self.least_s, min(_roundest(_FACTOR ** (place - 1), _FACTOR**place), self.most_s))
        return self.most_s

    def as_dict(self) -> dict[str, Any] | None:
        """n, p50, p90, p99 and max in seconds, to four digits; None where there are none.

        Example:
            >>> durations = Histogram()
            >>> durations.add(2)
            >>> durations.as_dict()
            {'n': 1, 'p50': 2.0, 'p90': 2.0, 'p99': 2.0, 'max': 2.0}
        """
        if not self.n:
            return None
        shares = {f"p{round(share * 100)}": _short(self.quantile(share)) for share in _SHOWN}
        return {"n": self.n, **shares, "max": _short(self.most_s)}


def bucket_of(seconds: float) -> int:
    """The number of the bucket that a duration from `LEAST_S` to `MOST_S` is counted in.

    Example:
        >>> bucket_of(1), bucket_of(1.001)
        (0, 1)
    """
    return ceil(log(seconds) / _LOG_FACTOR)


def _roundest(least: float, most: float) -> float:
    """The number above `least`, and up to `most`, that has the fewest digits."""
    for digits in range(1, 5):
        unit = 10.0 ** (floor(log10(most)) + 1 - digits)
        number = floor(most / unit) * unit
        if number > least:
            return number
    return most


def _short(seconds: float) -> float:
    return float(f"{seconds:.4g}")
