"""The rules between neighbours, on columns: what needs no word. All of it may be too strict, and none of it too lax.

Three questions are asked of whole columns: whether a row's stamps need a word, given its run's deadline; whether a row
needs one, given the row of its run before it; and whether a run does, given the run of its thread before it. The
answers hold inside a piece as at the seam of two. Whatever they do not settle, the checker settles (see
`runengine.validation.bulk.fragments`). That no finding escapes is held by tests over every fault of the simulator.
Source: DESIGN §2.3, §5; FACTS §6.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from runengine.validation.bulk.batch import NONE, Bools, Ints, Keys
from runengine.validation.bulk.compiled import ORDER, TTL_S, Compiled, move_code

__all__ = ["Rows", "Turns", "filled", "follows", "in_turn", "indices", "seen_in_time", "stamps_fit"]


class Rows(NamedTuple):
    """Rows as columns of one length; see `runengine.validation.bulk.batch.Batch`.

    Attributes:
        at: Position in the recording, in items.
        deadline: Of a row that others follow: the deadline known of its run, or NONE.
        observed: Of a row that others follow: when its run was last observed, or NaN.

    Example:
        >>> one = np.array([1])
        >>> Rows(*[one] * 11).some(slice(1)).status
        array([1])
    """

    at: Ints
    status: NDArray[np.int8]
    created: Ints
    started: Ints
    expires: Ints
    ended: Ints
    same: Keys
    lasting: Keys
    observed: NDArray[np.float64]
    complete: Bools
    deadline: Ints

    def some(self, places: Ints | Bools | slice) -> Rows:
        """Some of the rows."""
        return Rows._make(column[places] for column in self)


def stamps_fit(rows: Rows, deadline: Ints, compiled: Compiled) -> Bools:
    """Where the values of the stamps need no word.

    Args:
        rows: The rows.
        deadline: The deadline known of each row's run, its own included, or NONE: the usual time after created_at.
        compiled: The tables.

    Example:
        >>> from runengine.validation.summary import Options
        >>> compiled, row = Compiled.of(Options()), Rows(*[np.zeros(1, np.int64)] * 11)
        >>> stamps_fit(row, row.deadline + 9, compiled)
        array([ True])
    """
    good = np.ones(len(rows.at), np.bool_)
    for earlier, later in ORDER:
        first, second = getattr(rows, earlier), getattr(rows, later)
        good &= (first <= second) | (second == NONE)
    unknown = deadline == NONE
    due = np.where(unknown, rows.created + TTL_S, deadline) if unknown.any() else deadline
    good &= rows.started < due
    in_time, status = rows.ended < due, indices(rows.status)
    good &= in_time | ~compiled.bound.take(status)
    good &= ~in_time | (rows.ended == NONE) | ~compiled.expired.take(status)
    return good


def seen_in_time(rows: Rows, compiled: Compiled) -> Bools:
    """Where no stamp lies after the observation that shows it.

    Args:
        rows: The rows, each with its own time of observation.
        compiled: The tables.

    Example:
        >>> from runengine.validation.summary import Options
        >>> compiled, row = Compiled.of(Options()), Rows(*[np.zeros(1, np.int64)] * 11)
        >>> seen_in_time(row, compiled)
        array([ True])
    """
    latest = np.maximum(rows.created, np.maximum(rows.started, rows.ended))
    good: Bools = ~(latest > rows.observed + compiled.skew_s)
    return good


def follows(before: Rows, now: Rows, compiled: Compiled) -> Bools:
    """Where a row needs no word, given the row of its run before it: the path, what must not change, and the times.

    Args:
        before: The rows before, in the order of `now`.
        now: The rows after.
        compiled: The tables.

    Example:
        >>> from runengine.validation.summary import Options
        >>> compiled, row = Compiled.of(Options()), Rows(*[np.zeros(1, np.int64)] * 11)
        >>> follows(row, row, compiled)
        array([ True])
    """
    first, same, later = (before.started == NONE, before.started == now.started, before.started < now.started)
    move = move_code(first.view(np.int8), same.view(np.int8), later.view(np.int8))
    both = (before.complete & now.complete).astype(np.int16)
    step = Compiled.step(both, before.status, now.status, move)
    good: Bools = compiled.steps.take(indices(step))
    # A start that nobody saw lies after the snapshot before it.
    stale = np.flatnonzero(now.started + 1 <= before.observed - compiled.skew_s - compiled.stale_s)
    good[stale] = compiled.stale_steps[step[stale]]
    good &= (before.same == now.same) & (before.created == now.created)
    good &= (before.deadline == NONE) | (now.expires == NONE) | (before.deadline == now.expires)
    over = np.flatnonzero(compiled.terminal.take(indices(before.status)))
    good[over] = (before.status[over] == now.status[over]) & (before.lasting[over] == now.lasting[over])
    good &= ~(now.observed < before.observed)
    return good


class Turns(NamedTuple):
    """Runs of a thread as columns of one length, as far as their thread is concerned.

    Attributes:
        begun_at: Position of the run's first row.
        created: Its created_at.
        last_at: Position of its last row.
        over: It has ended.
        until: The latest of its stamps.
        seen: When it was first observed, or NaN.
        alive: When it was last observed before its end, or NaN.

    Example:
        >>> Turns(*[np.array([1])] * 7).until
        array([1])
    """

    begun_at: Ints
    created: Ints
    last_at: Ints
    over: Bools
    until: Ints
    seen: NDArray[np.float64]
    alive: NDArray[np.float64]


def in_turn(before: Turns, now: Turns, compiled: Compiled) -> Bools:
    """Where a run needs no word, given the run of its thread created before it: it was created after that one's end.

    A thread of which that holds for each two neighbours had its runs one after another, and no run comes back. The end
    of a run may be shown after the next one's beginning, as pollers see it, but for a run that is long seen alive.

    Args:
        before: The runs before, in the order of `now`.
        now: The runs after.
        compiled: The tables.

    Example:
        >>> from runengine.validation.summary import Options
        >>> one, yes = np.array([1]), np.array([True])
        >>> before, now = Turns(one, one, one, yes, one, one, one), Turns(*[one * 9] * 7)
        >>> in_turn(before, now, Compiled.of(Options()))
        array([ True])
    """
    apart = before.over & (before.until <= now.created) & (before.created < now.created)
    apart &= (before.begun_at < now.begun_at) & (before.last_at < now.last_at)
    overlong = before.last_at - now.begun_at > compiled.forget_after
    doubtful = np.fmax(now.created + 1, now.seen) <= before.alive - compiled.skew_s - compiled.stale_s
    orderly: Bools = apart & ~overlong & ~(doubtful & (before.last_at > now.begun_at))
    return orderly


def indices(numbers: NDArray[np.signedinteger[Any]]) -> Ints:
    """Numbers as indices: numpy looks up by others in twice the time.

    Example:
        >>> indices(np.array([3], np.int8)).dtype
        dtype('int64')
    """
    return numbers.astype(np.int64, copy=False)


T = TypeVar("T", np.int64, np.float64)


def filled(values: NDArray[T], known: Bools, first: Bools) -> NDArray[T]:
    """Each value, or the last one known before it in its group.

    Args:
        values: The values.
        known: Which of them are known.
        first: Where a group begins; an unknown value there stays.

    Example:
        >>> filled(np.array([5, -1, -1]), np.array([True, False, False]), np.array([True, False, True]))
        array([ 5,  5, -1])
    """
    latest = np.arange(len(values)) * (known | first)
    np.maximum.accumulate(latest, out=latest)
    return values.take(latest)
