"""Counter-based draws: a number is a function of the seed, of what it is for, and of a counter. Nothing is remembered.

So the draws of run k are the same alone, among millions, and in any process. The function is SplitMix64 (Steele, Lea,
Flood 2014; it passes BigCrush) started at a place of its own for each purpose. `runengine.simulation.vectors.draws`
makes the same numbers by the column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

__all__ = ["GOLDEN", "MASK", "Chance", "base_of", "mixed"]

T = TypeVar("T")

MASK: Final = (1 << 64) - 1
"""64 bits."""

GOLDEN: Final = 0x9E3779B97F4A7C15
"""What the counter is multiplied by: 2**64 divided by the golden ratio."""

_FIRST: Final = 0xBF58476D1CE4E5B9
_SECOND: Final = 0x94D049BB133111EB


def mixed(bits: int) -> int:
    """64 bits made of 64 bits, each of which depends on all.

    Example:
        >>> hex(mixed(GOLDEN))
        '0xe220a8397b1dcdaf'
    """
    bits = (bits ^ (bits >> 30)) * _FIRST & MASK
    bits = (bits ^ (bits >> 27)) * _SECOND & MASK
    return bits ^ (bits >> 31)


def base_of(seed: int, *key: int | str) -> int:
    """Where the draws for one purpose begin.

    Args:
        seed: The simulation's.
        *key: What they are for.

    Example:
        >>> base_of(1, "tokens") != base_of(1, "arrival") != base_of(2, "arrival")
        True
    """
    base = mixed(seed + GOLDEN & MASK)
    for part in key:
        words = [part & MASK] if isinstance(part, int) else part.encode()
        for word in words:
            base = mixed((base ^ word) + GOLDEN & MASK)
    return base


class Chance:
    """Draws one after another, for one purpose: for what is made run by run.

    Args:
        seed: The simulation's.
        *key: What the draws are for.

    Example:
        >>> chance = Chance(7, "fault", 12)
        >>> [chance.below(100) for _ in range(3)]
        [62, 17, 55]
    """

    def __init__(self, seed: int, *key: int | str) -> None:
        self._base = base_of(seed, *key)
        self._drawn = 0

    def bits(self) -> int:
        """64 bits."""
        self._drawn += 1
        return mixed(self._base + (self._drawn - 1) * GOLDEN & MASK)

    def uniform(self) -> float:
        """A number of at least 0 and below 1."""
        return (self.bits() >> 11) * 2.0**-53

    def below(self, most: int) -> int:
        """A whole number of at least 0 and below `most`."""
        return self.bits() * most >> 64

    def between(self, least: int, most: int) -> int:
        """A whole number from `least` to `most`, both possible."""
        return least + self.below(most - least + 1)

    def pick(self, choices: Sequence[T]) -> T:
        """One of them, each as likely."""
        return choices[self.below(len(choices))]

    def weighed(self, shares: Mapping[T, float]) -> T:
        """One of them, as likely as its share of all."""
        left = self.uniform() * sum(shares.values())
        for choice, share in shares.items():
            left -= share
            if left < 0:
                return choice
        return [choice for choice, share in shares.items() if share][-1]
