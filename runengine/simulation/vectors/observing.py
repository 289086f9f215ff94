"""Who looks at the runs, and when: the observations of a chunk, by the column.

A run is seen in the answer to its create, in each poll, and in the answers to what its callers do; a poller goes on
until it has seen the end, or gives up. What it sees is the record after the last event before it looks.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from runengine.core import SECOND_US
from runengine.simulation.scenario import Pollers
from runengine.simulation.vectors.details import Details
from runengine.simulation.vectors.draws import Ints, Words, uniforms
from runengine.simulation.vectors.histories import Histories
from runengine.simulation.vectors.ordering import joined, placed

__all__ = ["KINDS", "Observed", "events_of", "looks_at"]

KINDS: Final = ("history", "create", "poll", "submit", "cancel", "modify")
"""Kinds of observations; a column holds their numbers."""

_ANSWERED: Final = {"create": 1, "submit_tool_outputs": 3, "cancel": 4, "modify": 5}
_POLL: Final = 2
_MORE: Final = 8
"""Polls that are looked at together where the one that should have seen the end was lost; then twice as many."""


@frozen(kw_only=True, eq=False)
class Observed:
    """Observations of a chunk: by run, and in order of time within each.

    Attributes:
        run: Of each observation, the place of its run.
        entry: The place of the entry whose record was seen.
        at_us: When, microseconds since the epoch.
        seen_us: When the recorder's clock said it was.
        kind: How, a number of `KINDS`.

    Example:
        >>> [a.name for a in Observed.__attrs_attrs__]
        ['run', 'entry', 'at_us', 'seen_us', 'kind']
    """

    run: Ints
    entry: Ints
    at_us: Ints
    seen_us: Ints
    kind: NDArray[np.int8]


def events_of(histories: Histories) -> Observed:
    """Every event, seen when it happens.

    Args:
        histories: The chunk.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.vectors.histories import histories
        >>> made = next(histories(scenario_named("steady"), 1, 2))
        >>> len(events_of(made).run) == len(made.row)
        True
    """
    run = Details(histories).entry_run
    entry = np.arange(len(run))
    at_us = histories.at_us
    return Observed(run=run, entry=entry, at_us=at_us, seen_us=at_us, kind=np.zeros(len(run), np.int8))


def looks_at(histories: Histories) -> Observed:
    """What the scenario's pollers see.

    Args:
        histories: The chunk.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.vectors.histories import histories
        >>> seen = looks_at(next(histories(scenario_named("steady"), 1, 2)))
        >>> [KINDS[kind] for kind in seen.kind[:3]]
        ['create', 'poll', 'poll']
    """
    acted = _answers(histories)
    polled = _polls(histories, histories.world.scenario.pollers)
    run, entry = np.concatenate([acted[0], polled[0]]), np.concatenate([acted[1], polled[1]])
    at_us, kind = np.concatenate([acted[2], polled[2]]), np.concatenate([acted[3], polled[3]])
    order = np.lexsort((entry, at_us, run))
    run, entry, at_us, kind = run[order], entry[order], at_us[order], kind[order]
    skew_us = (uniforms(histories.draws.bits("skew", 0, histories.runs)) * 2 - 1) * (
        histories.world.scenario.pollers.skew_s * SECOND_US
    )
    return Observed(run=run, entry=entry, at_us=at_us, seen_us=at_us + skew_us.astype(np.int64)[run], kind=kind)


_Seen = tuple[Ints, Ints, Ints, NDArray[np.int8]]


def _answers(histories: Histories) -> _Seen:
    """What those see who act: the record that their call has made."""
    kinds = np.array([_ANSWERED.get(row.event, 0) for row in histories.world.rows], np.int8)[histories.row]
    entry = np.flatnonzero(kinds)
    return Details(histories).entry_run[entry], entry, histories.at_us[entry], kinds[entry]


def _polls(histories: Histories, pollers: Pollers) -> _Seen:
    """The polls of each run that got an answer, up to the first that sees the end; not in order."""
    life_us = histories.ended_us - histories.created_us
    needed = np.ceil(life_us / (pollers.interval_s * SECOND_US)).astype(np.int64) + 1
    where, done = np.arange(len(histories)), np.zeros(len(histories), np.int64)
    upto = np.minimum(needed, pollers.polls_max)
    runs, moments = [where[:0]], [where[:0]]
    more = _MORE
    while len(where):
        counts = upto - done
        run = np.repeat(where, counts)
        number = np.arange(len(run)) - np.repeat(np.cumsum(counts) - counts - done, counts) + 1
        run, at_us = _answered(histories, pollers, run, number)
        over = at_us >= histories.ended_us[run]
        kept = np.flatnonzero(~over | ~np.append(False, over[:-1] & (run[1:] == run[:-1])))
        runs.append(run[kept])
        moments.append(at_us[kept])
        waits = np.flatnonzero(~np.isin(where, run[over]) & (upto < pollers.polls_max))
        where, done = where[waits], upto[waits]
        upto = np.minimum(done + more, pollers.polls_max)
        more *= 2
    run, at_us = np.concatenate(runs), np.concatenate(moments)
    return run, _seen_entry(histories, run, at_us), at_us, np.full(len(run), _POLL, np.int8)


def _answered(histories: Histories, pollers: Pollers, run: Ints, number: Ints) -> tuple[Ints, Ints]:
    """When the polls of these runs and numbers come, without those that are lost."""
    interval_us = pollers.interval_s * SECOND_US
    counters: Words = histories.runs[run] * np.uint64(pollers.polls_max + 1) + number.astype(np.uint64)
    after_us = number * interval_us
    if pollers.jitter:
        after_us = after_us + (uniforms(histories.draws.bits("jitter", 0, counters)) - 0.5) * (
            pollers.jitter * interval_us
        )
    at_us = histories.created_us[run] + after_us.astype(np.int64)
    if pollers.lost:
        kept = np.flatnonzero(uniforms(histories.draws.bits("lost", 0, counters)) >= pollers.lost)
        run, at_us = run[kept], at_us[kept]
    return run, at_us


def _seen_entry(histories: Histories, run: Ints, at_us: Ints) -> Ints:
    """The last entry of each run at a moment: entries and looks in one order, a look behind what happens with it."""
    entries = len(histories.row)
    order = np.lexsort((joined(histories.at_us, at_us), joined(Details(histories).entry_run, run)))
    last = np.maximum.accumulate(np.where(order < entries, order, 0))
    return last[placed(order)[entries:]]
