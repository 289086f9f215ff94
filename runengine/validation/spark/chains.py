"""Fragments held against each other where they meet: entries run by run, or thread by thread, each in order.

What stands between two entries is judged by the functions that judge the seams of two fragments, all seams of an array
at a time. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

import numpy as np

from runengine.validation.bulk.batch import NONE, Bools, Ints
from runengine.validation.bulk.compiled import Compiled
from runengine.validation.bulk.counts import Counts
from runengine.validation.bulk.fragments import Suspects, run_seams, seam_counts, thread_seams, unlike_usual
from runengine.validation.bulk.kernel import filled
from runengine.validation.bulk.keyed import Table
from runengine.validation.bulk.pieces import forgotten
from runengine.validation.spark.shipping import RUN, Entries

__all__ = ["Chain", "in_order"]


def in_order(entries: list[Entries]) -> Entries:
    """Several lists of entries as one: by key, and for each key by place.

    Example:
        >>> from runengine.validation.bulk.tables import ROW
        >>> key, row = np.array([7], np.uint64), np.zeros(1, ROW)
        >>> one = Entries(key, np.array([3]), np.array([0]), row, row, np.array([False]))
        >>> in_order([one, one._replace(at=np.array([1]))]).at
        array([1, 3])
    """
    whole = Entries.joined(entries)
    return whole.some(np.lexsort((whole.tie, whole.at, whole.key)))


class Chain:
    """Takes entries in order, as they come, and remembers the last one.

    Args:
        kind: RUN or THREAD.
        compiled: The tables.

    Attributes:
        counts: To be taken from what the pieces counted.

    Example:
        >>> from runengine.validation.summary import Options
        >>> Chain(RUN, Compiled.of(Options())).counts.runs
        0
    """

    def __init__(self, kind: int, compiled: Compiled) -> None:
        self._kind = kind
        self._compiled = compiled
        self._before: Entries | None = None
        self.counts = Counts()

    def take(self, entries: Entries) -> Suspects:
        """Who needs a word for what these entries show, and how they follow those before them."""
        if not len(entries.key):
            return Suspects()
        known = self._before
        first_new = 0 if known is None else 1
        if known is not None:
            entries = Entries.joined([known, entries])
        same = np.flatnonzero(entries.key[1:] == entries.key[:-1])
        begins = np.ones(len(entries.key), np.bool_)
        begins[same + 1] = False
        begins[:first_new] = False
        if self._kind == RUN:
            last, suspects = self._runs(entries, same, begins)
        else:
            last, suspects = entries.last, self._threads(entries, same)
        self._before = entries._replace(last=last).some(slice(-1, None))
        return suspects

    def _runs(self, entries: Entries, same: Ints, begins: Bools) -> tuple[Table, Suspects]:
        compiled, first = self._compiled, entries.first
        last = entries.last.copy()
        apart = np.ones(len(first), np.bool_)
        over = compiled.terminal[last["status"][same]]
        apart[same + 1] = forgotten(over, last["at"][same], first["at"][same + 1], compiled)
        last["deadline"] = filled(last["deadline"], last["deadline"] != NONE, apart)
        last["observed"] = filled(last["observed"], ~np.isnan(last["observed"]), apart)
        before, after = last[same], first[same + 1]
        seams = run_seams(before, after, compiled)
        self.counts += seam_counts(before, after, seams.linked, np.zeros(0, np.bool_))
        mixed = before["at"] >= after["at"]
        mixed |= seams.linked & (entries.short[same] | entries.short[same + 1])  # of these too little is known
        crossed = Suspects.of([before["run"][mixed]], [before["thread"][mixed], after["thread"][mixed]])
        return last, seams.suspects | crossed | unlike_usual(first[begins], compiled)

    def _threads(self, entries: Entries, same: Ints) -> Suspects:
        seams = thread_seams(entries.last[same], entries.first[same + 1], self._compiled)
        self.counts += Counts(threads=int(seams.linked.sum()))
        return seams.suspects
