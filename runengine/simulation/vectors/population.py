"""Who asks for runs, and when: threads, and the moments at which they begin.

Runs come in blocks of 4,096. Within a block the moments are drawn together, and sorted; a thread lies in one block. So
a run's place in the world depends on its block alone, and any block can be made alone. A Poisson process is made as it
is known by its counts: 4,096 moments, each anywhere in the time that 4,096 runs take on average.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from attrs import frozen

from runengine.core import SECOND_US
from runengine.simulation.scenario import Scenario
from runengine.simulation.vectors.draws import Draws, Floats, Ints, Words, uniforms
from runengine.simulation.vectors.tables import Choice

__all__ = ["BLOCK", "Population", "begins_us", "populate"]

_LATEST_S: Final = 9e12
"""64 bits of microseconds, in seconds, and room for lives."""

BLOCK: Final = 4096
"""Runs in a block."""


@frozen(kw_only=True, eq=False)
class Population:
    """The runs of some blocks.

    Attributes:
        runs: Their indices.
        asked_us: When each is asked for if it is its thread's first, microseconds since the epoch.
        thread: The number of its thread: the index of the thread's first run.
        turn: Its number in the thread, from 0.

    Example:
        >>> from runengine.simulation.vectors import draws
        >>> [a.name for a in Population.__attrs_attrs__]
        ['runs', 'asked_us', 'thread', 'turn']
    """

    runs: Words
    asked_us: Ints
    thread: Ints
    turn: Ints


def populate(scenario: Scenario, draws: Draws, first: int, blocks: int) -> Population:
    """The runs of blocks that follow one another.

    Args:
        scenario: The scenario.
        draws: Of the seed.
        first: The number of the first block.
        blocks: How many.

    Raises:
        ValueError: they would be asked for later than 64 bits of microseconds say.

    Example:
        >>> from runengine.simulation.distributions import Constant
        >>> from runengine.simulation.scenario import Arrival, Step
        >>> scenario = Scenario(name="x", arrival=Arrival(rate_per_s=1, process="regular"), steps={
        ...     "queued": {"start": Step(share=1, after_s=Constant(value=1))},
        ...     "in_progress": {"complete": Step(share=1, after_s=Constant(value=5))}})
        >>> asked_us = populate(scenario, Draws(1), 0, 1).asked_us
        >>> (asked_us[:3] - asked_us[0]).tolist()
        [0, 1000000, 2000000]
    """
    runs = np.arange(first * BLOCK, (first + blocks) * BLOCK, dtype=np.uint64)
    thread, turn = _threads(scenario, draws, runs)
    asked_s = _warped(scenario, _places(scenario, draws, runs, turn) / scenario.arrival.rate_per_s)
    if scenario.arrival.process == "bursts":
        asked_s += uniforms(draws.bits("spread", 0, runs)) * scenario.arrival.burst_spread_s
    if not asked_s.max() + scenario.start_s < _LATEST_S:
        raise ValueError(f"run {runs[-1]:,} would be asked for later than columns can say: the rate is too low for it")
    asked_us = (asked_s * SECOND_US).astype(np.int64)
    asked_us += scenario.start_s * SECOND_US
    return Population(runs=runs, asked_us=asked_us, thread=thread, turn=turn)


def _places(scenario: Scenario, draws: Draws, runs: Words, turn: Ints) -> Floats:
    """Where each stands in a process of one run a second."""
    arrival = scenario.arrival
    if arrival.process == "regular":
        return runs.astype(np.float64) + 0.5
    begins = (runs[::BLOCK]).astype(np.float64)[:, None]
    if arrival.process == "poisson":
        places = uniforms(draws.bits("arrival", 0, runs))
        later = turn > 0
        places[later] = 1.0  # threads begin each for itself; when their later runs are asked for, they know
        places = np.sort(places.reshape(-1, BLOCK), axis=1)
        places *= BLOCK
        places += begins
        if later.any():
            given, places = places, np.repeat(begins[:, 0], BLOCK)
            places[~later] = given[given < begins + BLOCK]
        return places.reshape(-1)
    groups = -(-BLOCK // arrival.burst_runs)
    numbers = (np.arange(groups, dtype=np.uint64) + runs[::BLOCK, None]).reshape(-1)
    grouped = np.sort(uniforms(draws.bits("arrival", 0, numbers)).reshape(-1, groups), axis=1) * BLOCK + begins
    return np.repeat(grouped, arrival.burst_runs, axis=1)[:, :BLOCK].reshape(-1)


def _warped(scenario: Scenario, even_s: Floats) -> Floats:
    """The same moments where the rate goes up and down."""
    profile, period_s = scenario.arrival.profile, scenario.arrival.period_s
    if len(set(profile)) == 1:
        return even_s
    passed = np.append(0, np.cumsum(profile)) * (period_s / sum(profile))
    periods, rest_s = np.divmod(even_s, period_s)
    warped: Floats = periods * period_s + np.interp(rest_s, passed, np.linspace(0, period_s, len(passed)))
    return warped


def _threads(scenario: Scenario, draws: Draws, runs: Words) -> tuple[Ints, Ints]:
    """The thread of each run, and its turn there."""
    own = runs.astype(np.int64)
    if len(scenario.threads.runs) == 1:
        return own, np.zeros_like(own)
    lengths = Choice(scenario.threads.runs).of(draws.bits("thread", 0, runs)).reshape(-1, BLOCK) + 1
    ends = np.cumsum(lengths, axis=1)
    inside = ends[:, :-1] < BLOCK
    starts = (ends[:, :-1] + np.arange(0, len(own), BLOCK)[:, None])[inside]
    first = np.zeros(len(own), np.int64)
    first[::BLOCK] = np.arange(0, len(own), BLOCK)
    first[starts] = starts
    np.maximum.accumulate(first, out=first)
    turn = np.arange(len(own)) - first
    return own - turn, turn


def begins_us(scenario: Scenario, block: int) -> int:
    """The moment before which nothing happens to the runs of a block and of those after it, microseconds.

    Args:
        scenario: The scenario.
        block: The number of the block.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> steady = scenario_named("steady")
        >>> begins_us(steady, 1) - begins_us(steady, 0) == int(BLOCK / steady.arrival.rate_per_s * SECOND_US)
        True
    """
    even_s = np.array([block * BLOCK / scenario.arrival.rate_per_s])
    return int(_warped(scenario, even_s)[0] * SECOND_US) + scenario.start_s * SECOND_US
