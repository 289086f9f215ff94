"""A table by key of which little changes at a time, kept in parts, each larger than all that came after it.

Rows are taken out by their keys and put back changed; a part is written anew only when those after it have grown to its
size, or half of it has gone. So a row is copied a few times in its life, and not once for every piece of the log. Most
keys that are asked for are not there, and a filter (a Bloom filter of one hash, as keys are hashes) says so at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from runengine.validation.bulk.batch import Bools, Ints, Keys
from runengine.validation.bulk.keyed import Table, joined, met, some, together

__all__ = ["Held"]

_FILTER_MIN: Final = 1 << 12
"""So many marks the filter has at least; it has four to eight for each row."""


class _Part:
    """Rows in the order of their keys, and which of them are still there."""

    __slots__ = ("keys", "rows", "there")

    def __init__(self, key: str, rows: Table) -> None:
        self.rows = rows
        self.keys: Keys = np.ascontiguousarray(rows[key])
        self.there: Bools = np.ones(len(rows), np.bool_)

    def left(self) -> Table:
        return self.rows if bool(self.there.all()) else some(self.rows, self.there)


class Held:
    """The table.

    Args:
        key: Name of the key.
        empty: A table of no rows, for their type.

    Example:
        >>> rows = np.array([(2,), (7,)], [("run", np.uint64)])
        >>> held = Held("run", rows[:0])
        >>> held.put(rows)
        >>> taken, asked = held.take(np.array([7, 5], np.uint64))
        >>> taken["run"].tolist(), asked.tolist(), held.all()["run"].tolist()
        ([7], [0], [2])
    """

    def __init__(self, key: str, empty: Table) -> None:
        self._key = key
        self._empty = empty
        self._parts: list[_Part] = []
        self._filter = np.zeros(_FILTER_MIN, np.bool_)
        self._marked = 0

    @property
    def nbytes(self) -> int:
        """How many bytes it takes."""
        parts = sum(part.rows.nbytes + part.keys.nbytes + part.there.nbytes for part in self._parts)
        return parts + self._filter.nbytes

    def take(self, keys: Keys) -> tuple[Table, Ints]:
        """Take rows out.

        Args:
            keys: Of which, without repeats.

        Returns:
            Those that there are, and where in `keys` the key of each is.
        """
        rows, places = [self._empty], [np.zeros(0, np.int64)]
        likely = np.flatnonzero(self._filter.take(self._marks(keys)))
        keys = keys[likely]
        order = np.argsort(keys)
        keys, likely = keys[order], likely[order]
        for part in self._parts:
            here, asked = met(part.keys, keys)
            there = part.there[here]
            rows.append(some(part.rows, here[there]))
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
        while self._parts and len(self._parts[-1].rows) < 2 * len(new):
            new = joined(self._key, self._still(self._parts.pop(), keep), new)
        self._parts.append(_Part(self._key, new))
        for n, part in enumerate(self._parts):
            if 2 * int(part.there.sum()) < len(part.rows):
                self._parts[n] = _Part(self._key, self._still(part, keep))
        if self._marked > len(self._filter) // 2:
            self._mark_anew()

    def all(self) -> Table:
        """All rows that there are, by key."""
        return joined(self._key, self._empty, *(part.left() for part in self._parts))

    def _marks(self, keys: Keys) -> Ints:
        return (keys & np.uint64(len(self._filter) - 1)).view(np.int64)

    def _mark(self, keys: Keys) -> None:
        self._filter[self._marks(keys)] = True
        self._marked += len(keys)

    def _mark_anew(self) -> None:
        present = [part.keys[part.there] for part in self._parts]
        size = max(_FILTER_MIN, 1 << (4 * sum(map(len, present))).bit_length())
        self._filter, self._marked = np.zeros(size, np.bool_), 0
        for keys in present:
            self._mark(keys)

    def _still(self, part: _Part, keep: Callable[[Table], Bools] | None) -> Table:
        left = part.left()
        return left if keep is None else some(left, keep(left))
