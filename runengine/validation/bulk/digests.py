"""Digests of rows: sums of what is mixed of each column, so that columns can be taken together in any way.

A column of few values is mixed once for each value, and several of them once for each combination; stamps are mixed row
by row. Two rows with different values have the same digest once in 2^64 pairs. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from runengine.validation.bulk.batch import Keys
from runengine.validation.bulk.hashing import hash_rows, hash_texts

__all__ = ["Digest"]

_TABLE_MAX: Final = 1 << 12
_BLOCK_ROWS: Final = 1 << 14
_SHIFT: Final = np.uint64(29)


class Digest:
    """A digest of each row, made column by column.

    Args:
        n: How many rows.

    Example:
        >>> digest = Digest(2)
        >>> digest.add("model", np.array([0, 1]), np.array([5, 7], np.uint64))
        >>> digest.add("tools", None, np.array([9], np.uint64))
        >>> keys = digest.made().tolist()
        >>> keys[0] == keys[1]
        False
    """

    def __init__(self, n: int) -> None:
        self._sum = np.zeros(n, np.uint64)
        self._codes: NDArray[np.int32] | None = None
        self._table = np.zeros(1, np.uint64)

    def add(self, name: str, codes: NDArray[Any] | None, digests: Keys) -> None:
        """Take in a column of distinct values.

        Args:
            name: Its name.
            codes: The number of each row's value; None where there is one value.
            digests: A digest of each value.
        """
        mixed = hash_rows(digests, np.broadcast_to(_salt(name), digests.shape).copy())
        if codes is None:
            self._table = self._table + mixed[0]
            return
        size = len(mixed)
        if len(self._table) * size > _TABLE_MAX:
            self._flush()
        if size > _TABLE_MAX:
            self._sum += mixed[codes]
        elif self._codes is None:
            self._codes, self._table = codes, self._table[0] + mixed
        else:
            self._codes = self._codes * np.int32(size) + codes
            self._table = (self._table[:, None] + mixed).reshape(-1)

    def take_in(self, keys: Keys) -> None:
        """Take in a column of keys, which are mixed already; no more than one.

        Args:
            keys: The key of each row.
        """
        self._sum += keys

    def mix(self, name: str, values: NDArray[Any]) -> None:
        """Take in a column of 64-bit integers.

        Args:
            name: Its name.
            values: The value of each row.
        """
        factor = _salt(name)[0] | np.uint64(1)
        for start in range(0, len(values), _BLOCK_ROWS):
            block = values[start : start + _BLOCK_ROWS].view(np.uint64) * factor
            np.bitwise_xor(block, block >> _SHIFT, out=block)
            block *= factor
            total = self._sum[start : start + _BLOCK_ROWS]
            np.add(total, block, out=total)

    def some(self, places: NDArray[np.int64]) -> Digest:
        """The digests of some rows so far, to be gone on with.

        Args:
            places: Which rows.
        """
        digest = Digest(0)
        self._flush()
        digest._sum = self._sum.take(places)
        return digest

    def made(self) -> Keys:
        """The digests so far; more can be taken in, and leaves these as they are."""
        self._flush()
        return self._sum.copy()

    def _flush(self) -> None:
        if self._codes is None:
            self._sum += self._table[0]
        else:
            self._sum += self._table.take(self._codes.astype(np.int64))
        self._codes, self._table = None, np.zeros(1, np.uint64)


def _salt(name: str) -> Keys:
    return hash_texts([name])
