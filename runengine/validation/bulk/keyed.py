"""Arrays by key: sorting, meeting and joining them. Tables are structured arrays in the order of a key, each once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runengine.validation.bulk.batch import Bools, Ints, Keys

__all__ = ["Table", "among", "by_key", "grouped", "joined", "met", "some", "together", "union"]

Table = NDArray[Any]


def grouped(keys: Keys) -> tuple[Ints, Keys]:
    """The order of some rows by groups of one key, the groups in the order of their first rows.

    Args:
        keys: Their keys.

    Returns:
        Indices into `keys`, and the keys in that order.

    Example:
        >>> grouped(np.array([9, 2, 9], np.uint64))
        (array([0, 2, 1]), array([9, 9, 2], dtype=uint64))
    """
    n = len(keys)
    bits, low = _halves(n)
    packed = keys & ~low
    packed |= np.arange(n, dtype=np.uint64)
    packed.sort()
    order, high = (packed & low).view(np.int64), packed >> bits
    first = np.ones(n, np.bool_)
    np.not_equal(high[1:], high[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    sizes, leads = np.diff(starts, append=n), order[starts]
    room = np.zeros(n, np.int64)
    room[leads] = sizes
    begins = (np.cumsum(room) - room)[leads]
    # The rows of a group stand one after the other in both orders.
    steps = np.ones(n, np.int64)
    steps[starts] = begins
    steps[starts[1:]] -= (begins + sizes)[:-1] - 1
    places = np.empty(n, np.int64)
    places[np.cumsum(steps)] = order
    found = keys.take(places)
    if int(np.count_nonzero(found[1:] != found[:-1])) >= len(starts):  # the high halves of two keys are alike
        _, starts, whose = np.unique(keys, return_index=True, return_inverse=True)
        places = np.argsort(starts[whose], kind="stable")
        found = keys.take(places)
    return places, found


def _halves(n: int) -> tuple[np.uint64, np.uint64]:
    """How many bits a number below n takes, and a mask of them."""
    bits = np.uint64(max(n, 1).bit_length())
    return bits, (np.uint64(1) << bits) - np.uint64(1)


def by_key(keys: Keys, places: Ints, below: int) -> Ints:
    """The order of some rows by key, and by place where keys are equal.

    Args:
        keys: Their keys.
        places: A number of each row, no two alike.
        below: More than the greatest of them.

    Returns:
        Indices into `keys`.

    Example:
        >>> by_key(np.array([9, 2, 9], np.uint64), np.array([2, 1, 0]), 3)
        array([1, 2, 0])
    """
    bits, low = _halves(below)
    packed = keys & ~low
    packed |= places.view(np.uint64)
    packed.sort()
    index = np.empty(below + 1, np.int64)
    index[places] = np.arange(len(keys))
    order = index[(packed & low).view(np.int64)]
    high = packed >> bits
    # The high halves of two keys may be alike.
    if bool(((high[1:] == high[:-1]) & (keys[order[1:]] != keys[order[:-1]])).any()):
        return np.lexsort((places, keys))
    return order


def met(one: Keys, other: Keys) -> tuple[Ints, Ints]:
    """Where two lists of keys, each in order and without repeats, have the same.

    Example:
        >>> met(np.array([1, 5], np.uint64), np.array([5, 7], np.uint64))
        (array([1]), array([0]))
    """
    if not len(one) or not len(other):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    if len(one) < len(other):
        there, here = met(other, one)
        return here, there
    place = np.minimum(np.searchsorted(one, other), len(one) - 1)
    hit = one[place] == other
    return place[hit], np.flatnonzero(hit)


def among(keys: NDArray[np.unsignedinteger[Any]], known: NDArray[np.unsignedinteger[Any]]) -> Bools:
    """Which keys are among the known ones, which are in order.

    Example:
        >>> among(np.array([5, 6], np.uint64), np.array([5], np.uint64))
        array([ True, False])
    """
    if not len(known):
        return np.zeros(len(keys), np.bool_)
    found: Bools = known[np.minimum(np.searchsorted(known, keys), len(known) - 1)] == keys
    return found


def union(lists: list[Keys]) -> Keys:
    """The keys of several lists, in order, each once; 0 stands for none.

    Example:
        >>> union([np.array([5, 0], np.uint64), np.array([3, 5], np.uint64)])
        array([3, 5], dtype=uint64)
    """
    keys: Keys = np.unique(np.concatenate([np.zeros(0, np.uint64), *lists]))
    some: Keys = keys[keys != 0]
    return some


def some(table: Table, places: Ints | Bools) -> Table:
    """Some rows of a table: by their places, or by a mask.

    Indexing a table copies it field by field; this copies whole rows, and takes a twentieth of the time.

    Example:
        >>> some(np.array([(2,), (7,)], [("run", np.uint64)]), np.array([False, True]))["run"].tolist()
        [7]
    """
    return table.take(np.flatnonzero(places) if places.dtype == np.bool_ else places)


def together(tables: Sequence[Table]) -> Table:
    """Tables of one type, one after the other.

    Example:
        >>> rows = np.array([(2,), (7,)], [("run", np.uint64)])
        >>> len(together([rows, rows]))
        4
    """
    rows = f"V{tables[0].dtype.itemsize}"
    return np.concatenate([np.ascontiguousarray(table).view(rows) for table in tables]).view(tables[0].dtype)


def joined(key: str, *tables: Table) -> Table:
    """Tables of which no two have the same key, as one.

    Example:
        >>> rows = np.array([(2,), (7,)], [("run", np.uint64)])
        >>> joined("run", rows[1:], rows[:1])["run"].tolist()
        [2, 7]
    """
    both = together(tables)
    return both.take(np.argsort(both[key]))
