"""Columns put one after another, and in order of time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runengine.simulation.vectors.draws import Ints

__all__ = ["by_number", "distinct", "in_time", "joined", "placed"]


def joined(*parts: Ints | Sequence[int]) -> Ints:
    """One column of several.

    Example:
        >>> joined([3], np.array([5, 4])).tolist()
        [3, 5, 4]
    """
    return np.concatenate([np.asarray(part, np.int64) for part in parts])


def by_number(numbers: Ints) -> Ints:
    """The places in order of the numbers that stand there; what is equal keeps its order.

    Example:
        >>> by_number(np.array([7, 5, 7, 5])).tolist()
        [1, 3, 0, 2]
    """
    return np.argsort(numbers, kind="stable")


def distinct(numbers: Ints) -> tuple[Ints, Ints]:
    """Each number once, ascending, and for each of those given its place among them.

    Args:
        numbers: None below 0.

    Example:
        >>> [column.tolist() for column in distinct(np.array([7, 5, 7]))]
        [[5, 7], [1, 0, 1]]
    """
    there = np.zeros(int(numbers.max(initial=-1)) + 1, np.bool_)
    there[numbers] = True
    places = np.cumsum(there) - 1
    return np.flatnonzero(there), places[numbers]


def in_time(at_us: Ints, horizon_us: int | None) -> tuple[Ints, int]:
    """The places in order of time, and how many of them lie before a horizon.

    Args:
        at_us: Moments; of two that are equal, the first comes first.
        horizon_us: The horizon, or None where all are asked for.

    Example:
        >>> order, ready = in_time(np.array([7, 5, 9]), 9)
        >>> order.tolist(), ready
        ([1, 0, 2], 2)
    """
    order = np.argsort(at_us, kind="stable")
    return order, len(order) if horizon_us is None else int(np.count_nonzero(at_us < horizon_us))


def placed(order: Ints) -> Ints:
    """Where each stands in an order: the order, the other way about.

    Example:
        >>> placed(np.array([2, 0, 1])).tolist()
        [1, 2, 0]
    """
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return places
