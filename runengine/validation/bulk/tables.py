"""What is kept of rows and of stays on threads, as tables: structured arrays, and columns made of them."""

from __future__ import annotations

from typing import Final

import numpy as np

from runengine.validation.bulk.batch import Ints, Keys
from runengine.validation.bulk.kernel import Rows, Turns
from runengine.validation.bulk.keyed import Table

__all__ = ["ROW", "TURN", "row_table", "rows_of", "turn_table", "turns_of"]

ROW: Final = np.dtype(
    [
        ("run", np.uint64),
        ("thread", np.uint64),
        ("at", np.int64),
        ("status", np.int8),
        ("created", np.int64),
        ("started", np.int64),
        ("expires", np.int64),
        ("ended", np.int64),
        ("same", np.uint64),
        ("lasting", np.uint64),
        ("observed", np.float64),
        ("complete", np.bool_),
        ("deadline", np.int64),
    ]
)
"""A run's first or last row in a piece. Of a first row `observed` is the first time told of the run there, of a last
one the last; and `deadline` of a last row is what is known of the run there."""

TURN: Final = np.dtype(
    [
        ("thread", np.uint64),
        ("run", np.uint64),
        ("begun_at", np.int64),
        ("created", np.int64),
        ("last_at", np.int64),
        ("over", np.bool_),
        ("until", np.int64),
        ("seen", np.float64),
        ("alive", np.float64),
    ]
)
"""A thread's first or last run in a piece: which, and from where to where it is seen."""


def rows_of(table: Table) -> Rows:
    """A table of rows as columns.

    Example:
        >>> rows_of(np.zeros(1, ROW)).status
        array([0], dtype=int8)
    """
    return Rows(*(table[name] for name in Rows._fields))


def turns_of(table: Table) -> Turns:
    """A table of stays as columns.

    Example:
        >>> turns_of(np.zeros(1, TURN)).over
        array([False])
    """
    return Turns(*(table[name] for name in Turns._fields))


def row_table(run: Keys, thread: Keys, rows: Rows, places: Ints) -> Table:
    """Some rows as a table.

    Example:
        >>> one = np.array([1])
        >>> row_table(one.astype(np.uint64), one.astype(np.uint64), Rows(*[one] * 11), np.array([0]))["at"]
        array([1])
    """
    table = np.empty(len(places), ROW)
    table["run"], table["thread"] = run[places], thread[places]
    for name, column in zip(Rows._fields, rows, strict=True):
        table[name] = column[places]
    return table


def turn_table(thread: Keys, run: Keys, turns: Turns, places: Ints) -> Table:
    """Some stays as a table.

    Example:
        >>> one = np.array([1])
        >>> turn_table(one.astype(np.uint64), one.astype(np.uint64), Turns(*[one] * 7), np.array([0]))["last_at"]
        array([1])
    """
    table = np.empty(len(places), TURN)
    table["thread"], table["run"] = thread[places], run[places]
    for name, column in zip(Turns._fields, turns, strict=True):
        table[name] = column[places]
    return table
