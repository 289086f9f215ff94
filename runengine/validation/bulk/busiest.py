"""The most runs that one thread has had, counted as long as one of its runs is remembered."""

from __future__ import annotations

from typing import Final

import numpy as np

from runengine.validation.bulk.batch import Bools, Ints, Keys
from runengine.validation.bulk.keyed import Table, by_key, joined, met

__all__ = ["CROWD", "Busiest"]

CROWD: Final = np.dtype([("thread", np.uint64), ("runs", np.int64), ("open", np.int64), ("at", np.int64)])
"""A thread: its runs since it is remembered, how many of them are open, and when one of them was last seen to end."""


class Busiest:
    """Counts the runs of threads.

    Args:
        forget_after: For how many items an ended run is remembered.

    Attributes:
        most: The most so far.

    Example:
        >>> busiest, yes = Busiest(9), np.array([True, True])
        >>> busiest.take(np.array([7, 7], np.uint64), np.array([1, 4]), yes, yes, ~yes)
        >>> busiest.most
        2
    """

    def __init__(self, forget_after: int) -> None:
        self._forget_after = forget_after
        self._crowds: Table = np.zeros(0, CROWD)
        self.most = 0

    def take(self, thread: Keys, at: Ints, new: Bools, over: Bools, was_over: Bools) -> None:
        """Take rows in the order of the recording.

        Args:
            thread: Keys of their threads.
            at: Their positions.
            new: A run begins with the row.
            over: It ends its run.
            was_over: Its run had ended before.
        """
        places = np.flatnonzero(new | over)
        if not len(places):
            return
        places = places[by_key(thread[places], places, len(thread))]
        keys, when, is_new = thread[places], at[places], new[places]
        opened = (is_new & ~over[places]).astype(np.int64) - (over & ~new & ~was_over)[places]
        begins = np.ones(len(places), np.bool_)
        begins[1:] = keys[1:] != keys[:-1]
        first = np.flatnonzero(begins)
        carried = np.zeros(len(first), CROWD)
        carried["thread"] = keys[first]
        known, here = met(self._crowds["thread"], keys[first])
        carried[here] = self._crowds[known]
        own = np.cumsum(begins) - 1
        open_after = _summed(opened, first, own) + carried["open"][own]
        runs_after = _summed(is_new.astype(np.int64), first, own) + carried["runs"][own]
        last_at = np.empty_like(when)
        last_at[1:] = when[:-1]
        last_at[first] = carried["at"]
        # Where none is open the last row ended the last run, so that it tells what is remembered.
        anew = is_new & (open_after == opened) & (when - last_at > self._forget_after)
        base = np.zeros(len(places), np.int64)
        base[anew] = runs_after[anew] - 1
        since = np.maximum.accumulate(np.where(anew | begins, np.arange(len(places)), 0))
        runs = runs_after - base[since]
        self.most = max(self.most, int(runs[is_new].max(initial=0)))
        last = np.append(first[1:], len(places)) - 1
        carried["runs"], carried["open"], carried["at"] = runs[last], open_after[last], when[last]
        others = np.ones(len(self._crowds), np.bool_)
        others[known] = False
        both = joined("thread", self._crowds[others], carried)
        self._crowds = both[(both["open"] > 0) | (int(at[-1]) - both["at"] <= self._forget_after)]


def _summed(values: Ints, first: Ints, own: Ints) -> Ints:
    """Sums from the beginning of each group on."""
    sums = np.cumsum(values)
    return sums - (sums[first] - values[first])[own]
