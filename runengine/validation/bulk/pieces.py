"""What a piece shows by itself: its rows run by run, its runs thread by thread, and which of them need a word."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from runengine.core.statuses import STATUSES
from runengine.validation.bulk.batch import NONE, Batch, Bools, Ints, Keys
from runengine.validation.bulk.compiled import Compiled
from runengine.validation.bulk.kernel import Rows, Turns, filled, follows, in_turn, indices, seen_in_time, stamps_fit
from runengine.validation.bulk.keyed import Table, grouped, some
from runengine.validation.bulk.tables import turn_table

__all__ = ["Judged", "Lanes", "Stays", "by_run", "edges_of", "forgotten", "judged", "lanes", "stays"]

_STATUSES: Final = len(STATUSES)


class Judged(NamedTuple):
    """Rows run by run, and what is to be said of them.

    Attributes:
        rows: The rows, with what is known of their run's deadline and observation up to each.
        told: When each itself was observed, or NaN.
        linked: It is held against the row before it, which is of the same run.
        bad: It needs a word.
        edges: Changes of status, by source and target, flat.

    Example:
        >>> Judged(*[np.zeros(1, np.bool_)] * 5).bad
        array([False])
    """

    rows: Rows
    told: np.ndarray[tuple[int], np.dtype[np.float64]]
    linked: Bools
    bad: Bools
    edges: Ints


class Stays(NamedTuple):
    """Stays of runs on threads.

    Attributes:
        thread: Keys of the threads.
        run: Keys of the runs.
        turns: From where to where each is seen.

    Example:
        >>> Stays(*[np.array([7], np.uint64)] * 3).run
        array([7], dtype=uint64)
    """

    thread: Keys
    run: Keys
    turns: Turns


class Lanes(NamedTuple):
    """The runs of a piece thread by thread.

    Attributes:
        begins: The first run of each thread (`TURN`).
        ends: The last run of each, in the same order.
        counted: How many threads are counted: one that was forgotten counts again.
        runs: Suspect runs.
        threads: Suspect threads.

    Example:
        >>> none = np.zeros(0, np.uint64)
        >>> Lanes(none, none, 0, none, none).counted
        0
    """

    begins: Table
    ends: Table
    counted: int
    runs: Keys
    threads: Keys


def by_run(batch: Batch) -> tuple[Keys, Keys, Rows]:
    """The rows of a batch that are not odd, run by run, each run's in the order of the recording: keys and rows.

    The runs are in the order of their first rows, so that what stands together in the recording is read together.

    Example:
        >>> by_run(Batch.of_odd(np.array([7], np.uint64), np.array([9], np.uint64)))[0]
        array([], dtype=uint64)
    """
    if batch.odd.any():
        plain = np.flatnonzero(~batch.odd)
        order, run = grouped(batch.run[plain])
        order = plain[order]
    else:
        order, run = grouped(batch.run)
    columns = {name: _in_order(getattr(batch, name), order) for name in Rows._fields if name != "deadline"}
    return run, batch.thread.take(order), Rows(**columns, deadline=columns["expires"])


def _in_order(column: np.ndarray[Any, Any], order: Ints) -> np.ndarray[Any, Any]:
    if column.dtype == np.bool_ and bool(column.all()):
        return column[: len(order)]
    return column.take(order)


def forgotten(over: Bools, last_at: Ints, now_at: Ints, compiled: Compiled) -> Bools:
    """Where a run that was last seen then is not remembered any more.

    Args:
        over: It had ended.
        last_at: Position at which it was last seen.
        now_at: Position at which it is asked for.
        compiled: The tables.

    Example:
        >>> from runengine.validation.summary import Options
        >>> one = np.array([1])
        >>> forgotten(np.array([True]), one, one + 9, Compiled.of(Options(forget_after=8)))
        array([ True])
    """
    return over & (now_at - last_at > compiled.forget_after)


def edges_of(before: Rows, now: Rows, linked: Bools) -> Ints:
    """How often each status came after each other, flat.

    Args:
        before: The rows before.
        now: The rows after.
        linked: Which pairs count.

    Example:
        >>> row = Rows(*[np.zeros(1, np.int8)] * 11)
        >>> int(edges_of(row, row._replace(status=row.status + 1), np.array([True])).argmax())
        1
    """
    codes = (before.status * np.int8(_STATUSES) + now.status) * linked  # a status after itself is no edge
    edges = np.bincount(codes, minlength=_STATUSES * _STATUSES)
    edges[:: _STATUSES + 1] = 0
    return edges


def judged(run: Keys, rows: Rows, compiled: Compiled) -> Judged:
    """Judge the rows of a piece.

    A row without a deadline that is the first of its run here is not judged by its stamps: what is known of the run's
    deadline stands before the piece.

    Args:
        run: Their keys.
        rows: The rows, run by run.
        compiled: The tables.

    Example:
        >>> from runengine.validation.summary import Options
        >>> row = Rows(*[np.zeros(2, np.int64)] * 11)
        >>> judged(np.array([7, 7], np.uint64), row, Compiled.of(Options())).linked
        array([False,  True])
    """
    n, told = len(run), rows.observed
    over = compiled.terminal.take(indices(rows.status))
    linked = np.zeros(n, np.bool_)
    linked[1:] = (run[1:] == run[:-1]) & ~forgotten(over[:-1], rows.at[:-1], rows.at[1:], compiled)
    rows = rows._replace(deadline=filled(rows.expires, rows.expires != NONE, ~linked))
    untold = np.isnan(told)
    if untold.any() and not untold.all():
        rows = rows._replace(observed=filled(told, ~untold, ~linked))
    before, now = rows.some(slice(None, -1)), rows._replace(observed=told).some(slice(1, None))
    pairs = linked[1:]
    bad = np.zeros(n, np.bool_)
    bad[1:] = pairs & ~follows(before, now, compiled)
    asked = (rows.expires != NONE) | linked
    asked[1:] |= run[1:] == run[:-1]  # of a run that comes back after it was forgotten nothing is known
    asked[1:] &= ~(pairs & over[:-1])  # what is the same as the end is as good as it
    bad |= asked & ~stamps_fit(rows, rows.deadline, compiled)
    bad |= ~seen_in_time(rows._replace(observed=told), compiled)
    return Judged(rows, told, linked, bad, edges_of(before, now, pairs))


def stays(run: Keys, thread: Keys, rows: Rows, begin: Ints, end: Ints, compiled: Compiled) -> Stays:
    """The stays of runs on their threads, as far as a piece shows them.

    Args:
        run: Keys of the rows.
        thread: Keys of their threads.
        rows: The rows, run by run.
        begin: Where each stay begins.
        end: Its last row.
        compiled: The tables.

    Example:
        >>> from runengine.validation.summary import Options
        >>> row, key, zero = Rows(*[np.zeros(1, np.int8)] * 11), np.array([7], np.uint64), np.array([0])
        >>> stays(key, key, row, zero, zero, Compiled.of(Options())).turns.over
        array([False])
    """
    over = compiled.terminal.take(indices(rows.status))
    ends = np.cumsum(over, dtype=np.int32)
    alive = end - (ends[end] - ends[begin] + over[begin])
    turns = Turns(
        begun_at=rows.at[begin],
        created=rows.created[begin],
        last_at=rows.at[end],
        over=over[end],
        until=np.maximum(rows.created[end], np.maximum(rows.started[end], rows.ended[end])),
        seen=rows.observed[begin],
        alive=np.where(alive < begin, np.nan, rows.observed[alive]),
    )
    return Stays(thread[begin], run[begin], turns)


def lanes(piece: Stays, total: int, compiled: Compiled, prefix: bool) -> Lanes:
    """Judge the stays of a piece thread by thread.

    Args:
        piece: The stays.
        total: How many items the piece has.
        compiled: The tables.
        prefix: Of last runs, those alone are kept that are remembered at the end.

    Example:
        >>> from runengine.validation.summary import Options
        >>> key, turns = np.array([7], np.uint64), Turns(*[np.array([0])] * 7)
        >>> lanes(Stays(key, key, turns), 1, Compiled.of(Options()), False).counted
        1
    """
    order, thread = grouped(piece.thread)  # the stays of a thread in the order in which they began
    created = piece.turns.created[order]
    same = thread[1:] == thread[:-1]
    if bool((same & (created[1:] < created[:-1])).any()):
        order = np.lexsort((piece.turns.created, piece.thread))
        thread = piece.thread[order]
        same = thread[1:] == thread[:-1]
    run, turns = piece.run[order], Turns._make(column[order] for column in piece.turns)
    before, now = (Turns._make(column[part] for column in turns) for part in (slice(None, -1), slice(1, None)))
    gone = same & forgotten(before.over, before.last_at, now.begun_at, compiled)
    bad = np.flatnonzero(same & ~gone & ~in_turn(before, now, compiled))
    first = np.ones(len(order), np.bool_)
    first[1:] = ~same
    ends = np.flatnonzero(np.roll(first, -1))
    if prefix:
        ends = ends[~forgotten(turns.over[ends], turns.last_at[ends], np.array([total - 1]), compiled)]
    tables = [turn_table(thread, run, turns, places) for places in (np.flatnonzero(first), ends)]
    begins, ends_of = tables if prefix else (some(table, np.argsort(table["thread"])) for table in tables)
    return Lanes(
        begins=begins,
        ends=ends_of,
        counted=int(first.sum()) + int(gone.sum()),
        runs=np.concatenate([run[bad], run[bad + 1]]),
        threads=thread[bad],
    )
