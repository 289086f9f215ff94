"""What is kept of rows and of stays on threads, as tables: structured arrays, and columns made of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from runengine.validation.bulk.batch import NONE, Ints, Keys
from runengine.validation.bulk.kernel import Rows, Turns
from runengine.validation.bulk.keyed import Table, some

__all__ = ["ROW", "TURN", "Heads", "row_table", "rows_of", "turn_table", "turns_of"]

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
        ("several", np.bool_),
    ]
)
"""A run's first or last row in a piece. `observed` is the first time told of the run there, or the last; `deadline` is
what the piece tells of the run's. Others of the run follow a first row that is one of `several`."""

TURN: Final = np.dtype(
    [
        ("thread", np.uint64),
        ("run", np.uint64),
        ("begun_at", np.int64),
        ("created", np.int64),
        ("last_at", np.int64),
        ("over", np.bool_),
        ("until", np.int64),
    ]
)
"""A thread's first or last run in a piece: which, and from where to where it is seen."""


_TOLD: Final = tuple(name for name in Turns._fields if name in (TURN.names or ()))
"""When runs were seen matters only where they overlap in a piece."""


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
    untold = np.full(len(table), np.nan)
    return Turns(**{name: table[name] for name in _TOLD}, seen=untold, alive=untold)


def row_table(run: Keys, thread: Keys, rows: Rows, places: Ints) -> Table:
    """Some rows as a table.

    Example:
        >>> one = np.array([1])
        >>> row_table(one.astype(np.uint64), one.astype(np.uint64), Rows(*[one] * 11), np.array([0]))["at"]
        array([1])
    """
    table = np.empty(len(places), ROW)
    table["run"], table["thread"] = run[places], thread[places]
    for name in Rows._fields:
        table[name] = getattr(rows, name)[places]
    table["several"] = False
    return table


class Heads(NamedTuple):
    """First rows of runs (`ROW`) that are made when they are asked for: of most runs nobody asks.

    Attributes:
        run: Keys of the runs.
        silent: Which of them tell no deadline: indices into `run`.
        make: Makes some of them, by their indices.

    Example:
        >>> rows = np.zeros(2, ROW)
        >>> rows["run"] = 7, 9
        >>> heads = Heads.of(rows)
        >>> heads.run, heads.make(np.array([1]))["run"], len(heads.whole())
        (array([7, 9], dtype=uint64), array([9], dtype=uint64), 2)
    """

    run: Keys
    silent: Ints
    make: Callable[[Ints], Table]

    @classmethod
    def of(cls, first: Table) -> Heads:
        """Of rows that are made."""
        return cls(np.ascontiguousarray(first["run"]), np.flatnonzero(first["expires"] == NONE), partial(some, first))

    def whole(self) -> Table:
        """All of them."""
        return self.make(np.arange(len(self.run)))


def turn_table(thread: Keys, run: Keys, turns: Turns, places: Ints) -> Table:
    """Some stays as a table.

    Example:
        >>> one = np.array([1])
        >>> turn_table(one.astype(np.uint64), one.astype(np.uint64), Turns(*[one] * 7), np.array([0]))["last_at"]
        array([1])
    """
    table = np.empty(len(places), TURN)
    table["thread"], table["run"] = thread[places], run[places]
    for name in _TOLD:
        table[name] = getattr(turns, name)[places]
    return table
