"""A table by key of which little changes at a time, kept in parts, each larger than all that came after it.

Rows are taken out by their keys and put back changed; a part is written anew only when those after it have grown to its
size, or half of it has gone. So a row is copied a few times in its life, and not once for every piece of the log. Most
keys that are asked for are not there, and a filter (a Bloom filter of one hash, as keys are hashes) says so at once.

Memory: a row takes its own bytes, one more, and less than one of the filter's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from runengine.validation.bulk.batch import Bools, Ints, Keys
from runengine.validation.bulk.keyed import Table, joined, met, together

__all__ = ["Held"]

_FILTER_MIN: Final = 1 << 12
"""So many marks the filter has at least; it has four to eight for each row."""

_PART_ROWS: Final = 1 << 20
"""A part of so many rows is not written anew for those after it: copies take no more memory, however much is held."""

_KEY_BYTES: Final = 8


class _Part:
    """Rows in the order of their keys, which are their first field, apart from the rest; and which are still there."""

    __slots__ = ("keys", "rest", "there")

    def __init__(self, rows: Table) -> None:
        held = _bytes(rows)
        self.keys: Keys = np.ascontiguousarray(held[:, :_KEY_BYTES]).view(np.uint64).reshape(-1)
        self.rest = np.ascontiguousarray(held[:, _KEY_BYTES:])
        self.there: Bools = np.ones(len(rows), np.bool_)

    @property
    def nbytes(self) -> int:
        return self.keys.nbytes + self.rest.nbytes + self.there.nbytes

    def rows(self, places: Ints, kind: np.dtype[Any]) -> Table:
        """Some of the rows."""
        held = np.empty((len(places), kind.itemsize), np.uint8)
        held[:, :_KEY_BYTES] = self.keys[places].view(np.uint8).reshape(-1, _KEY_BYTES)
        held[:, _KEY_BYTES:] = self.rest.take(places, axis=0)
        return held.view(kind).reshape(-1)

    def left(self, kind: np.dtype[Any]) -> Table:
        return self.rows(np.flatnonzero(self.there), kind)


class Held:
    """The table.

    Args:
        empty: A table of no rows, for their type; the first field is the key.

    Example:
        >>> rows = np.array([(2, 1), (7, 1)], [("run", np.uint64), ("at", np.uint8)])
        >>> held = Held(rows[:0])
        >>> held.put(rows)
        >>> taken, asked = held.take(np.array([7, 5], np.uint64))
        >>> taken["run"].tolist(), asked.tolist(), held.all()["run"].tolist(), held.nbytes
        ([7], [0], [2], 532)
    """

    def __init__(self, empty: Table) -> None:
        self._empty, self._kind = empty, empty.dtype
        self._key: str = (empty.dtype.names or ("",))[0]
        self._parts: list[_Part] = []
        self._filter = np.zeros(_FILTER_MIN // 8, np.uint8)
        self._marked = 0

    @property
    def nbytes(self) -> int:
        """How many bytes it takes."""
        return sum(part.nbytes for part in self._parts) + self._filter.nbytes

    def take(self, keys: Keys) -> tuple[Table, Ints]:
        """Take rows out.

        Args:
            keys: Of which, without repeats.

        Returns:
            Those that there are, and where in `keys` the key of each is.
        """
        rows, places = [self._empty], [np.zeros(0, np.int64)]
        byte, bit = self._marks(keys)
        likely = np.flatnonzero(self._filter.take(byte) & bit)
        keys = keys[likely]
        order = np.argsort(keys)
        keys, likely = keys[order], likely[order]
        for part in self._parts:
            here, asked = met(part.keys, keys)
            there = part.there[here]
            rows.append(part.rows(here[there], self._kind))
            places.append(likely[asked[there]])
            part.there[here] = False
        return together(rows), np.concatenate(places)

    def put(self, rows: Table, keep: Callable[[Table], Bools] | None = None) -> None:
        """Put rows in.

        Args:
            rows: In any order; none has the key of another that is there.
            keep: Which rows are still of use, of those that are written anew; all where None.
        """
        new = joined(self._key, rows)
        self._mark(new[self._key])
        while self._parts and len(self._parts[-1].keys) < min(2 * len(new), _PART_ROWS):
            new = joined(self._key, self._still(self._parts.pop(), keep), new)
        self._parts.append(_Part(new))
        for n, part in enumerate(self._parts):
            if 2 * int(part.there.sum()) < len(part.keys):
                self._parts[n] = _Part(self._still(part, keep))
        if self._marked > 4 * len(self._filter):
            self._mark_anew()

    def present(self, keep: Callable[[Table], Bools] | None = None) -> list[Keys]:
        """The keys that there are, in several lists.

        Args:
            keep: Of which rows; of all where None.
        """
        if keep is None:
            return [part.keys[part.there] for part in self._parts]
        return [self._still(part, keep)[self._key].copy() for part in self._parts]

    def all(self) -> Table:
        """All rows that there are, by key."""
        return joined(self._key, self._empty, *(part.left(self._kind) for part in self._parts))

    def _marks(self, keys: Keys) -> tuple[Ints, NDArray[np.uint8]]:
        """The byte of the filter in which the mark of each key is, and the bit."""
        byte = ((keys >> np.uint64(3)) & np.uint64(len(self._filter) - 1)).view(np.int64)
        return byte, np.left_shift(np.uint8(1), (keys & np.uint64(7)).astype(np.uint8))

    def _mark(self, keys: Keys) -> None:
        np.bitwise_or.at(self._filter, *self._marks(keys))
        self._marked += len(keys)

    def _mark_anew(self) -> None:
        present = self.present()
        marks = max(_FILTER_MIN, 1 << (4 * sum(map(len, present))).bit_length())
        self._filter, self._marked = np.zeros(marks // 8, np.uint8), 0
        for keys in present:
            self._mark(keys)

    def _still(self, part: _Part, keep: Callable[[Table], Bools] | None) -> Table:
        left = part.left(self._kind)
        return left if keep is None else left.take(np.flatnonzero(keep(left)))


def _bytes(rows: Table) -> NDArray[np.uint8]:
    return np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), rows.dtype.itemsize)
