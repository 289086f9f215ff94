"""Draws by the column: the same numbers as `runengine.simulation.chance`, for many counters at once."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from runengine.simulation.chance import GOLDEN, MASK, base_of

__all__ = ["Floats", "Ints", "Draws", "Words", "bits_of", "uniforms"]

Words = NDArray[np.uint64]
"""64 bits for each run."""

Ints = NDArray[np.int64]
"""A number, an index or a time for each run."""

Floats = NDArray[np.float64]
"""A measure for each run."""

_GOLDEN: Final = np.uint64(GOLDEN)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_S30: Final = np.uint64(30)
_S27: Final = np.uint64(27)
_S31: Final = np.uint64(31)
_S11: Final = np.uint64(11)


def bits_of(base: int, counters: Words) -> Words:
    """64 bits for each counter.

    Args:
        base: From `runengine.simulation.chance.base_of`.
        counters: The counters.

    Example:
        >>> from runengine.simulation.chance import mixed
        >>> int(bits_of(5, np.array([0, 1], dtype=np.uint64))[0]) == mixed(5)
        True
    """
    bits = counters * _GOLDEN
    bits += np.uint64(base)
    rest = bits >> _S30
    bits ^= rest
    bits *= _FIRST
    np.right_shift(bits, _S27, out=rest)
    bits ^= rest
    bits *= _SECOND
    np.right_shift(bits, _S31, out=rest)
    bits ^= rest
    return bits


def uniforms(bits: Words) -> NDArray[np.float64]:
    """Numbers of at least 0 and below 1.

    Example:
        >>> uniforms(np.array([0, 2**63], dtype=np.uint64)).tolist()
        [0.0, 0.5]
    """
    made: Floats = np.multiply(bits >> _S11, 2.0**-53)
    return made


class Draws:
    """Every draw of one seed.

    Args:
        seed: The seed.

    Example:
        >>> Draws(1).bits("tokens", 0, np.arange(2, dtype=np.uint64)).dtype.name
        'uint64'
    """

    def __init__(self, seed: int) -> None:
        self.seed: Final = seed
        self._bases: dict[tuple[str, int], int] = {}

    def bits(self, purpose: str, number: int, counters: Words, first: int = 0) -> Words:
        """64 bits for each counter.

        Args:
            purpose: What they are for.
            number: Which, where several are for the same, as the number of a step.
            counters: Of runs, by their index; or of something else that is numbered.
            first: What is added to each counter.
        """
        key = (purpose, number)
        if key not in self._bases:
            self._bases[key] = base_of(self.seed, purpose, number)
        return bits_of(self._bases[key] + first * GOLDEN & MASK, counters)
