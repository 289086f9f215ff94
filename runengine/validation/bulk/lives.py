"""Rows run by run, with what is kept of each run from the rows before: what a profile of columns is made of.

Of a run that has not ended everything is kept that its next row is held against; of one that has, when it was last
seen, as long as it is remembered. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from runengine.core.statuses import STATUSES
from runengine.core.table import TERMINAL
from runengine.validation.bulk.batch import Bools, Ints, Keys
from runengine.validation.bulk.keyed import Table, by_key, met
from runengine.validation.rules.stamps import MILLISECONDS_FROM

__all__ = ["ENDED", "IS_TERMINAL", "OPEN", "Columns", "Floats", "Lives", "Visits", "lives_of", "moments", "visits_of"]

Floats = NDArray[np.float64]

IS_TERMINAL: Final = np.array([status in TERMINAL for status in STATUSES])
"""By status: it ends the run."""

OPEN: Final = np.dtype(
    [
        ("run", np.uint64),
        ("status", np.int8),
        ("started", np.int64),
        ("observed", np.float64),
        ("complete", np.bool_),
        ("entered_s", np.float64),
        ("before_s", np.float64),
        ("first_s", np.float64),
        ("way", np.uint64),
        ("steps", np.int8),
        ("trail", np.int32),
        ("place", np.int64),
    ]
)
"""A run that has not ended: its last row, its visit to its status (`Visits`), its way (`Ways`) and its first place."""

ENDED: Final = np.dtype([("run", np.uint64), ("at", np.int64)])
"""A run that has ended, and the position of its last row."""


class Columns(NamedTuple):
    """Rows in the order of the recording.

    Attributes:
        at: Position, in items.
        place: A number that tells where the row is read again, and grows with the recording.
        run: Key of the run's id.
        thread: Key of the thread's id.
        status: Index into STATUSES.
        created: Unix seconds.
        started: Unix seconds, or NONE.
        ended: Unix seconds, or NONE.
        observed: Unix seconds, or NaN.
        complete: Every status is visible where it was seen.
        source: Index into SEEN_IN.
        moved: An event of an engine's history brought the run here.
        generation: Number of the generations that the record may be of.

    Example:
        >>> Columns(*[np.array([1])] * 13).run
        array([1])
    """

    at: Ints
    place: Ints
    run: Keys
    thread: Keys
    status: NDArray[np.int8]
    created: Ints
    started: Ints
    ended: Ints
    observed: Floats
    complete: Bools
    source: NDArray[np.int8]
    moved: Bools
    generation: NDArray[np.int32]


class Lives(NamedTuple):
    """Rows run by run, each with the row of its run before it.

    Attributes:
        order: Where each row stands in the columns.
        run: Key of the run's id.
        at: Position.
        status: Index into STATUSES.
        started: Unix seconds, or NONE.
        observed: Unix seconds, or NaN.
        complete: Every status is visible where it was seen.
        status_before: Of the row before; means nothing where there is none.
        started_before: The same of `started`.
        observed_before: The same of `observed`.
        complete_before: The same of `complete`.
        begins: The row is the first of its run among these.
        number: Of the run among these.
        new: A run begins with it: none of that id is remembered.
        over: It ends the run.
        was_over: The run had ended before it.
        changed: It shows another status than the row before, or another started_at, of a run that had not ended.
        carried: By run here: what was kept of it (`OPEN`).
        held: By run here: it was open.

    Example:
        >>> none = lives_of(Columns(*[np.zeros(0, np.uint64)] * 13), np.zeros(0, OPEN), np.zeros(0, ENDED), 9)
        >>> len(none.order)
        0
    """

    order: Ints
    run: Keys
    at: Ints
    status: NDArray[np.int8]
    started: Ints
    observed: Floats
    complete: Bools
    status_before: NDArray[np.int8]
    started_before: Ints
    observed_before: Floats
    complete_before: Bools
    begins: Bools
    number: Ints
    new: Bools
    over: Bools
    was_over: Bools
    changed: Bools
    carried: Table
    held: Bools


class Visits(NamedTuple):
    """The stays of runs in their statuses, one after another, each from its first row on.

    Attributes:
        number: By row: of the visit it belongs to.
        entered_s: By visit: when the run came into the status, or NaN.
        before_s: By visit: when the run was last seen before it, or NaN.
        first_s: By visit: when it was first seen in it, or NaN.

    Example:
        >>> Visits(*[np.array([1.5])] * 4).first_s
        array([1.5])
    """

    number: Ints
    entered_s: Floats
    before_s: Floats
    first_s: Floats


def lives_of(rows: Columns, open_: Table, ended: Table, forget_after: int) -> Lives:
    """Bring rows together with what was kept of their runs.

    Args:
        rows: The rows.
        open_: Runs that had not ended (`OPEN`), by key.
        ended: Runs that had (`ENDED`), by key.
        forget_after: For how many items an ended run is remembered.

    Example:
        >>> rows = Columns(*[np.array([7, 7], np.uint64)] * 13)
        >>> lives = lives_of(rows._replace(status=np.array([0, 1])), np.zeros(0, OPEN), np.zeros(0, ENDED), 9)
        >>> lives.new.tolist(), lives.changed.tolist()
        ([True, False], [False, True])
    """
    n = len(rows.run)
    order = by_key(rows.run, np.arange(n), n)
    run, at, status, started = rows.run[order], rows.at[order], rows.status[order], rows.started[order]
    observed, complete = rows.observed[order], rows.complete[order]
    begins = np.ones(n, np.bool_)
    begins[1:] = run[1:] != run[:-1]
    first = np.flatnonzero(begins)
    carried, held, had = np.zeros(len(first), OPEN), np.zeros(len(first), np.bool_), np.zeros(len(first), np.bool_)
    known, here = met(open_["run"], run[first])
    carried[here], held[here] = open_[known], True
    known, here = met(ended["run"], run[first])
    had[here] = True
    last_at = np.zeros(len(first), np.int64)
    last_at[here] = ended["at"][known]
    over = IS_TERMINAL[status]
    was_over = _shifted(over, first, had)
    new = _shifted(np.zeros(n, np.bool_), first, ~(held | had))
    new |= was_over & (at - _shifted(at, first, last_at) > forget_after)
    # Nothing changes after a run's end that the checker would not speak of.
    status_before = _shifted(status, first, np.where(held, carried["status"], status[first]))
    started_before = _shifted(started, first, np.where(held, carried["started"], started[first]))
    changed = ~new & ~was_over & ((status != status_before) | (started != started_before))
    return Lives(
        order=order,
        run=run,
        at=at,
        status=status,
        started=started,
        observed=observed,
        complete=complete,
        status_before=status_before,
        started_before=started_before,
        observed_before=_shifted(observed, first, carried["observed"]),
        complete_before=_shifted(complete, first, carried["complete"]),
        begins=begins,
        number=np.cumsum(begins) - 1,
        new=new,
        over=over,
        was_over=was_over,
        changed=changed,
        carried=carried,
        held=held,
    )


T = TypeVar("T", bound=np.generic)


def _shifted(values: NDArray[T], first: Ints, instead: NDArray[T]) -> NDArray[T]:
    """Each value of the row before; another one where there is none."""
    shifted = np.empty_like(values)
    shifted[1:] = values[:-1]
    shifted[first] = instead
    return shifted


def moments(observed: Floats) -> Floats:
    """Times of observation, NaN where they are no moments.

    Example:
        >>> moments(np.array([7.5, -1.0]))
        array([7.5, nan])
    """
    return np.where((observed > 0) & (observed < MILLISECONDS_FROM), observed, np.nan)


def visits_of(lives: Lives, starts: Bools, moved: Bools) -> Visits:
    """What is known of the stays in statuses.

    Args:
        lives: The rows, run by run.
        starts: Where a run came into a status, or into the same one anew.
        moved: By row of the columns: an event of an engine's history brought the run here.

    Example:
        >>> rows = Columns(*[np.array([7, 7], np.uint64)] * 13)._replace(observed=np.array([5.0, 8.0]))
        >>> lives = lives_of(rows, np.zeros(0, OPEN), np.zeros(0, ENDED), 9)
        >>> visits_of(lives, np.array([True, True]), np.array([True, False]))[1:]
        (array([ 5., nan]), array([nan,  5.]), array([5., 8.]))
    """
    either = starts | lives.begins
    places = np.flatnonzero(either)
    seen_s = moments(lives.observed[places])
    last_s = np.where(lives.new[places], np.nan, moments(lives.observed_before[places]))
    entered_s = np.where(moved[lives.order[places]], seen_s, np.nan)
    goes_on = np.flatnonzero(~starts[places])
    kept = lives.carried[lives.number[places[goes_on]]]
    for column, name in ((entered_s, "entered_s"), (last_s, "before_s"), (seen_s, "first_s")):
        column[goes_on] = kept[name]
    return Visits(np.cumsum(either) - 1, entered_s, last_s, seen_s)
