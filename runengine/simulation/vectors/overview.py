"""What a scenario comes to: how often each row of the table is taken and after how long, and what its pollers see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from runengine.core import SECOND_US, STATUSES, TERMINAL, Status
from runengine.simulation.scenario import Scenario
from runengine.simulation.vectors.details import Details
from runengine.simulation.vectors.histories import Histories, histories
from runengine.simulation.vectors.observing import KINDS, looks_at
from runengine.simulation.vectors.stamps import Stamps
from runengine.simulation.vectors.standing import Standing

__all__ = ["QUANTILES", "Overview", "Polling", "Way", "overview", "polling"]

QUANTILES: Final = (0.1, 0.5, 0.9, 0.99)
"""Parts of what is counted that lie below the times that are told."""


@frozen(kw_only=True)
class Way:
    """A row of the table, as it was taken.

    Attributes:
        row: The row, as text.
        count: How often.
        share: Its share of all that was done in its source; where that is an end, of the runs that came there.
        after_s: Seconds after what was before, at `QUANTILES`.

    Example:
        >>> Way(row="start: queued -> in_progress", count=1, share=1.0, after_s=(1.0, 1.0, 1.0, 1.0)).count
        1
    """

    row: str
    count: int
    share: float
    after_s: tuple[float, ...]


@frozen(kw_only=True)
class Overview:
    """What some runs come to.

    Attributes:
        runs: Runs.
        threads: Threads.
        entries: What happened to them, in all.
        refused: Creates that were first refused since their thread was busy.
        span_s: Seconds from the first create to the last end.
        statuses: Runs by the status they ended in.
        life_s: Seconds from create to end, at `QUANTILES`.
        ways: The rows of the table that were taken, in its order.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> overview(scenario_named("steady"), 1, 100).ways[0].row
        'start: queued -> in_progress'
    """

    runs: int
    threads: int
    entries: int
    refused: int
    span_s: float
    statuses: dict[Status, int]
    life_s: tuple[float, ...]
    ways: tuple[Way, ...]


@frozen(kw_only=True)
class Polling:
    """What pollers see of some runs.

    Attributes:
        runs: Runs.
        polls: Polls that got an answer.
        ends: Runs whose end was seen.
        late_s: Seconds from the end until it was seen, at `QUANTILES`.
        stays: By status, how often runs came into it.
        unseen: By status, how often nobody saw them there.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> seen = polling(scenario_named("steady"), 1, 100)
        >>> seen.ends, seen.unseen["completed"]
        (100, 0)
    """

    runs: int
    polls: int
    ends: int
    late_s: tuple[float, ...]
    stays: dict[Status, int]
    unseen: dict[Status, int]


def overview(scenario: Scenario, seed: int, runs: int) -> Overview:
    """What runs come to; memory grows with them.

    Args:
        scenario: The world.
        seed: The seed.
        runs: How many.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> overview(scenario_named("steady"), 1, 100).runs
        100
    """
    made = next(histories(scenario, seed, runs, chunk_runs=runs + 2 * 4096))
    last = Stamps(made).status[made.offsets[1:] - 1]
    ended = np.bincount(last, minlength=len(STATUSES)).tolist()
    return Overview(
        runs=len(made),
        threads=len(np.unique(made.thread)),
        entries=len(made.row),
        refused=int((made.refused_us >= 0).sum()),
        span_s=float(made.ended_us.max() - made.created_us.min()) / SECOND_US,
        statuses={status: ended[n] for n, status in enumerate(STATUSES) if ended[n]},
        life_s=_at_quantiles(made.ended_us - made.created_us),
        ways=tuple(_ways(made)),
    )


def _ways(made: Histories) -> Iterator[Way]:
    after_us = np.diff(made.at_us, prepend=made.at_us[0])
    counts = np.bincount(made.row, minlength=len(made.world.rows))
    for number, row in enumerate(made.world.rows):
        if row.source is not None and counts[number]:
            rivals = sum(
                int(counts[n])
                for n, other in enumerate(made.world.rows)
                if (other.edge and other.target if row.source in TERMINAL else other.source) == row.source
            )
            yield Way(
                row=str(row),
                count=int(counts[number]),
                share=int(counts[number]) / rivals,
                after_s=_at_quantiles(after_us[made.row == number]),
            )


def _at_quantiles(spans_us: NDArray[np.int64]) -> tuple[float, ...]:
    if not len(spans_us):
        return (0.0,) * len(QUANTILES)
    found: list[float] = np.quantile(spans_us / SECOND_US, QUANTILES).tolist()
    return tuple(found)


def polling(scenario: Scenario, seed: int, runs: int) -> Polling:
    """What pollers see of runs.

    Args:
        scenario: The world, with its pollers.
        seed: The seed.
        runs: How many.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> polling(scenario_named("steady"), 1, 100).runs
        100
    """
    polls = ends = count = 0
    late_us: list[NDArray[np.int64]] = []
    stays, seen = np.zeros(len(STATUSES), np.int64), np.zeros(len(STATUSES), np.int64)
    for made in histories(scenario, seed, runs, chunk_runs=4096):
        observed, stamps = looks_at(made), Stamps(made)
        moved = Standing(made, Details(made)).moved
        arrivals = np.unique(moved)
        stays += np.bincount(stamps.status[arrivals], minlength=len(STATUSES))
        seen += np.bincount(stamps.status[np.unique(moved[observed.entry])], minlength=len(STATUSES))
        is_poll = observed.kind == KINDS.index("poll")
        polls += int(is_poll.sum())
        over = np.flatnonzero(observed.at_us >= made.ended_us[observed.run])
        runs_over, firsts = np.unique(observed.run[over], return_index=True)
        late_us.append(observed.at_us[over][firsts] - made.ended_us[runs_over])
        ends += len(runs_over)
        count += len(made)
    return Polling(
        runs=count,
        polls=polls,
        ends=ends,
        late_s=_at_quantiles(np.concatenate(late_us)),
        stays={status: int(stays[n]) for n, status in enumerate(STATUSES) if stays[n]},
        unseen={status: int(stays[n] - seen[n]) for n, status in enumerate(STATUSES) if stays[n]},
    )
