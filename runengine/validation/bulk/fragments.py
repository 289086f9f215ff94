"""What the check of one piece of a log leaves: of each run and thread the first row and the last, and who is suspect.

Fragments of neighbouring pieces merge to that of both, in any grouping; what stands at the seam is judged by the same
rules as neighbours inside a piece. So pieces are checked in parallel, and it is fragments that travel, not rows.

A run or thread is *suspect* where the columns cannot prove that it needs no word. All of its rows are for the checker.
An ended run is compared with what comes back of it within `forget_after` items; after that it counts as another one, as
in the checker. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from runengine.core.statuses import STATUSES
from runengine.validation.bulk.batch import NONE, Batch, Bools, Ints, Keys
from runengine.validation.bulk.compiled import TTL_S, Compiled
from runengine.validation.bulk.counts import Counts
from runengine.validation.bulk.kernel import Rows, follows, in_turn, stamps_fit
from runengine.validation.bulk.keyed import Table, among, joined, met, some, union
from runengine.validation.bulk.pieces import by_run, edges_of, forgotten, judged, lanes, stays
from runengine.validation.bulk.tables import ROW, Heads, row_table, rows_of, turns_of

__all__ = [
    "Fragment",
    "Seams",
    "Suspects",
    "known_after",
    "known_before",
    "run_seams",
    "seam_counts",
    "thread_seams",
    "unlike_usual",
]

_STATUSES: Final = len(STATUSES)
_NO_KEYS: Final = np.zeros(0, np.uint64)
_NO_PLACES: Final = np.zeros(0, np.int64)


@frozen(kw_only=True, eq=False)
class Suspects:
    """Runs and threads of which every row is for the checker.

    Attributes:
        runs: Their keys, in order, each once.
        threads: The same of threads.

    Example:
        >>> suspects = Suspects.of([np.array([7], np.uint64)], [])
        >>> suspects.mask(np.array([7, 8], np.uint64), np.array([1, 1], np.uint64))
        array([ True, False])
    """

    runs: Keys = _NO_KEYS
    threads: Keys = _NO_KEYS

    @classmethod
    def of(cls, runs: list[Keys], threads: list[Keys]) -> Suspects:
        """Those of several lists; key 0 stands for none."""
        return cls(runs=union(runs), threads=union(threads))

    def __or__(self, other: Suspects) -> Suspects:
        """Those of both."""
        return Suspects.of([self.runs, other.runs], [self.threads, other.threads])

    def mask(self, run: NDArray[np.unsignedinteger[Any]], thread: NDArray[np.unsignedinteger[Any]]) -> Bools:
        """Which places are of a suspect run or thread."""
        return among(run, self.runs) | among(thread, self.threads)


class Seams(NamedTuple):
    """What is to be said where runs, or threads, of one piece go on in another.

    Attributes:
        linked: The later one is held against the earlier.
        suspects: Who needs a word.

    Example:
        >>> Seams(np.array([True]), Suspects()).linked
        array([ True])
    """

    linked: Bools
    suspects: Suspects


def run_seams(before: Table, first: Table, compiled: Compiled) -> Seams:
    """Judge runs that go on.

    Args:
        before: Last rows (`ROW`) of an earlier piece.
        first: First rows of the same runs in a later one, positions as of one recording.
        compiled: The tables.

    Example:
        >>> from runengine.validation.bulk.tables import ROW
        >>> from runengine.validation.summary import Options
        >>> row = np.zeros(1, ROW)
        >>> run_seams(row, row, Compiled.of(Options())).linked
        array([ True])
    """
    earlier, now = rows_of(before), rows_of(first)
    over = compiled.terminal[earlier.status]
    linked = ~forgotten(over, earlier.at, now.at, compiled)
    known = np.where(linked, earlier.deadline, NONE)
    # The rows of a piece that tell no deadline of their own were held to the usual one.
    usual = (known == NONE) | (known == now.created + TTL_S) | ~first["several"]
    usual &= (known == NONE) | (first["deadline"] == NONE) | (known == first["deadline"])
    asked = (now.expires == NONE) & ~(linked & over)
    fits = ~asked | ((usual | over) & stamps_fit(now, known, compiled))
    bad = ~fits | (linked & ~follows(earlier, now, compiled))
    return Seams(linked, Suspects.of([before["run"][bad]], [before["thread"][bad], first["thread"][bad]]))


def thread_seams(before: Table, begins: Table, compiled: Compiled) -> Seams:
    """Judge threads that go on.

    Args:
        before: Last runs (`TURN`) of an earlier piece.
        begins: First runs of the same threads in a later one, positions as of one recording.
        compiled: The tables.

    Example:
        >>> from runengine.validation.bulk.tables import TURN
        >>> from runengine.validation.summary import Options
        >>> turn = np.zeros(1, TURN)
        >>> thread_seams(turn, turn, Compiled.of(Options())).linked
        array([ True])
    """
    gone = forgotten(before["over"], before["last_at"], begins["begun_at"], compiled)
    same = before["run"] == begins["run"]
    bad = ~(same | gone | in_turn(turns_of(before), turns_of(begins), compiled))
    return Seams(~gone, Suspects.of([before["run"][bad], begins["run"][bad]], [begins["thread"][bad]]))


@frozen(kw_only=True, eq=False)
class Fragment:
    """What is kept of a piece.

    Attributes:
        items: How many items it has.
        first: The first row of each run (`ROW`), by key; in a fragment for a prefix in no order, or none: see `heads`.
        last: The last row of each run (`ROW`), in the order of `first`; in a fragment for a prefix, of those alone that
            are remembered at its end.
        begins: The first run of each thread (`TURN`), by key; in a fragment for a prefix in no order.
        ends: The last run of each thread (`TURN`), in the order of `begins`; in a fragment for a prefix as of `last`.
        suspects: Who is suspect for what the piece shows.
        counts: What was counted, each run and thread of the piece as a new one.
        unmade: First rows that are still to be made; None where all are in `first`.

    Example:
        >>> from runengine.validation.summary import Options
        >>> odd = Batch.of_odd(np.array([7], np.uint64), np.array([9], np.uint64))
        >>> Fragment.of(odd, Compiled.of(Options())).suspects.runs
        array([7], dtype=uint64)
    """

    items: int
    first: Table
    last: Table
    begins: Table
    ends: Table
    suspects: Suspects
    counts: Counts
    unmade: Heads | None = None

    @classmethod
    def of(cls, batch: Batch, compiled: Compiled, *, prefix: bool = False) -> Fragment:
        """The fragment of a piece.

        Args:
            batch: Its places, or some of them.
            compiled: The tables.
            prefix: It is for a `Sieve`, which needs less, and not to be merged.
        """
        run, thread, rows = by_run(batch)
        rows, told, linked, bad, edges = judged(run, rows, compiled)
        begin = np.flatnonzero(~linked)
        end = np.append(begin[1:], len(run))[: len(begin)] - 1
        lane = lanes(stays(run, thread, rows, begin, end, compiled), batch.total, compiled, prefix)
        # A run that comes back after it was forgotten has several stays; its first row and its last are kept.
        new = np.ones(len(begin), np.bool_)
        new[1:] = run[begin[1:]] != run[begin[:-1]]
        begin_of, end_of = begin[new], end[np.roll(new, -1)]
        silent = np.flatnonzero(rows.expires[begin_of] == NONE)
        heads = Heads(run[begin_of], silent, partial(_heads, run, thread, rows, told, begin_of, end_of))
        first = heads.make(_NO_PLACES) if prefix else heads.whole()
        if prefix:
            over = compiled.terminal[rows.status[end_of]]
            end_of = end_of[~forgotten(over, rows.at[end_of], np.array([batch.total - 1]), compiled)]
        last = row_table(run, thread, rows, end_of)
        if not prefix:
            order = np.argsort(first["run"])
            first, last = some(first, order), some(last, order)
        beside = bad[1:] & linked[1:]
        return cls(
            items=batch.total,
            first=first,
            last=last,
            begins=lane.begins,
            ends=lane.ends,
            suspects=Suspects.of(
                [batch.run[batch.odd], run[bad], lane.runs],
                [batch.thread[batch.odd], thread[bad], thread[:-1][beside], lane.threads],
            ),
            counts=Counts(
                observations=len(run),
                runs=len(begin),
                threads=lane.counted,
                statuses=np.bincount(rows.status, minlength=_STATUSES),
                edges=edges,
            ),
            unmade=heads if prefix else None,
        )

    @property
    def heads(self) -> Heads:
        """The first rows of its runs."""
        return self.unmade or Heads.of(self.first)

    @property
    def nbytes(self) -> int:
        """How many bytes it takes, with the rows that some are still to be made of."""
        tables = (self.first, self.last, self.begins, self.ends, self.suspects.runs, self.suspects.threads)
        return sum(each.nbytes for each in tables) + (self.counts.observations * ROW.itemsize if self.unmade else 0)

    def made(self) -> Fragment:
        """The same with all first rows made, to be sent or written."""
        return evolve(self, first=self.heads.whole(), unmade=None)

    def merge(self, after: Fragment, compiled: Compiled) -> Fragment:
        """The fragment of this piece and the one that follows it.

        Args:
            after: The fragment of that one, which is used up.
            compiled: The tables.
        """
        after.shift(self.items)
        here, there = met(self.first["run"], after.first["run"])
        before = self.last[here]
        runs = run_seams(before, after.first[there], compiled)
        here_thread, there_thread = met(self.begins["thread"], after.begins["thread"])
        threads = thread_seams(self.ends[here_thread], after.begins[there_thread], compiled)
        first, last = self.first.copy(), after.last.copy()
        first[here] = known_after(first[here], after.first[there])
        last[there] = known_before(last[there], before, runs.linked)
        return Fragment(
            items=self.items + after.items,
            first=joined("run", first, np.delete(after.first, there)),
            last=joined("run", np.delete(self.last, here), last),
            begins=joined("thread", self.begins, np.delete(after.begins, there_thread)),
            ends=joined("thread", np.delete(self.ends, here_thread), after.ends),
            suspects=self.suspects | after.suspects | runs.suspects | threads.suspects,
            counts=self.counts + after.counts - seam_counts(before, after.first[there], runs.linked, threads.linked),
        )

    def shift(self, by: int) -> None:
        """Count its positions from so many items earlier."""
        for table in (self.first, self.last):
            table["at"] += by
        for table in (self.begins, self.ends):
            table["begun_at"] += by
            table["last_at"] += by

    def finished(self, compiled: Compiled) -> Suspects:
        """The suspects, where nothing stands before the piece: first rows without a deadline are held to the usual one.

        Args:
            compiled: The tables.
        """
        heads = self.heads
        return self.suspects | unlike_usual(heads.make(heads.silent), compiled)


def _heads(
    run: Keys, thread: Keys, rows: Rows, told: NDArray[np.float64], begin: Ints, end: Ints, which: Ints
) -> Table:
    """Some first rows, of those that begin and end there."""
    first = row_table(run, thread, rows, begin[which])
    if np.isnan(first["observed"]).any():
        first["observed"] = np.fmin.reduceat(told, begin)[which]
    first["deadline"], first["several"] = rows.deadline[end[which]], end[which] > begin[which]
    return first


def known_after(first: Table, after: Table) -> Table:
    """First rows with what a later piece tells of their runs, where they do not say it themselves.

    Args:
        first: The rows (`ROW`).
        after: Those of the later piece.

    Example:
        >>> from runengine.validation.bulk.tables import ROW
        >>> row, other = np.zeros(1, ROW), np.zeros(1, ROW)
        >>> row["deadline"], other["deadline"] = NONE, 9
        >>> known_after(row, other)["deadline"]
        array([9])
    """
    first = first.copy()
    for name, silent in (("deadline", first["deadline"] == NONE), ("observed", np.isnan(first["observed"]))):
        first[name] = np.where(silent, after[name], first[name])
    first["several"] = True
    return first


def known_before(last: Table, before: Table, linked: Bools) -> Table:
    """Last rows with what an earlier piece knew of their runs, where they do not say it themselves.

    Args:
        last: The rows (`ROW`).
        before: Those of the earlier piece.
        linked: Which of them are held against each other.

    Example:
        >>> from runengine.validation.bulk.tables import ROW
        >>> row, other = np.zeros(1, ROW), np.zeros(1, ROW)
        >>> row["deadline"], other["deadline"] = NONE, 9
        >>> known_before(row, other, np.array([True]))["deadline"]
        array([9])
    """
    last = last.copy()
    for name, silent in (("deadline", last["deadline"] == NONE), ("observed", np.isnan(last["observed"]))):
        last[name] = np.where(linked & silent, before[name], last[name])
    return last


def unlike_usual(first: Table, compiled: Compiled) -> Suspects:
    """Runs whose first row tells no deadline and does not fit the usual one.

    Args:
        first: First rows (`ROW`) of runs of which nothing is known before them.
        compiled: The tables.

    Example:
        >>> from runengine.validation.bulk.tables import ROW
        >>> from runengine.validation.summary import Options
        >>> row = np.zeros(1, ROW)
        >>> row["run"], row["expires"], row["started"] = 7, NONE, TTL_S
        >>> len(unlike_usual(row, Compiled.of(Options())).runs), len(unlike_usual(row[:0], Compiled.of(Options())).runs)
        (1, 0)
    """
    asked = some(first, first["expires"] == NONE)
    bad = some(asked, ~stamps_fit(rows_of(asked), asked["expires"], compiled))
    return Suspects.of([bad["run"]], [bad["thread"]])


def seam_counts(before: Table, first: Table, linked: Bools, threads: Bools) -> Counts:
    """What was counted twice of runs and threads that go on, less the changes of status at the seam.

    Args:
        before: The runs' last rows before the seam.
        first: Their first rows after it.
        linked: Which of them are the same run.
        threads: Which threads are the same.

    Example:
        >>> from runengine.validation.bulk.tables import ROW
        >>> seam_counts(np.zeros(1, ROW), np.zeros(1, ROW), np.array([True]), np.array([False])).runs
        1
    """
    edges = edges_of(rows_of(before), rows_of(first), linked)
    return Counts(runs=int(linked.sum()), threads=int(threads.sum()), edges=-edges)
