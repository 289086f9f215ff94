"""Histories by the column: for each run its moments and, one after another, the rows of the table it takes.

The runs move together, a step at a time, each choosing by its own draw among the rows of its own situation. What is
kept of a step is which runs took it, the rows, and when; the histories are put together at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from runengine.core import SECOND_US
from runengine.simulation.scenario import Scenario
from runengine.simulation.vectors.deadlines import Paths, meet_deadlines
from runengine.simulation.vectors.draws import Draws, Ints, Words, uniforms
from runengine.simulation.vectors.population import BLOCK, Population, populate
from runengine.simulation.vectors.tables import Table
from runengine.simulation.vectors.world import NONE, Ways, World

__all__ = ["CHUNK_RUNS", "Histories", "histories"]

CHUNK_RUNS: Final = 64 * BLOCK
"""Runs made together: what fits the caches of a processor."""

_TOGETHER: Final = 16 * BLOCK
"""Runs that take their first steps together: what fits the nearest caches."""

_MOST_HAVE_ENDED: Final = 7
"""A step that few runs of a usual world take."""

NEVER: Final = -1
"""A moment that does not come."""

_HALF: Final = np.uint64(32)

Moves = list[tuple[Ints, int, NDArray[np.int8], Ints]]
"""Of each step: the places of the runs, its number in their histories, the rows, the moments."""


@frozen(kw_only=True, eq=False)
class Histories:
    """The histories of runs that follow one another.

    Attributes:
        world: The scenario, compiled.
        draws: Of the seed.
        runs: The indices of the runs.
        thread: Of each run, the number of its thread.
        created_us: When it was created, microseconds since the epoch.
        ended_us: When it came to its end.
        refused_us: When it was first asked for, and refused since its thread was busy; -1: it was not.
        offsets: Where its entries begin; one more than there are runs.
        row: Of each entry, the number of the row in the policy.
        at_us: When, microseconds since the epoch.

    Example:
        >>> from runengine.simulation.distributions import Constant
        >>> from runengine.simulation.scenario import Arrival, Step
        >>> scenario = Scenario(name="x", arrival=Arrival(rate_per_s=1, process="regular"), steps={
        ...     "queued": {"start": Step(share=1, after_s=Constant(value=1))},
        ...     "in_progress": {"complete": Step(share=1, after_s=Constant(value=5))}})
        >>> made = next(histories(scenario, 1, 2))
        >>> made.offsets.tolist(), (made.at_us - made.created_us[0]).tolist()
        ([0, 3, 6], [0, 1000000, 6000000, 1000000, 2000000, 7000000])
    """

    world: World
    draws: Draws
    runs: Words
    thread: Ints
    created_us: Ints
    ended_us: Ints
    refused_us: Ints
    offsets: Ints
    row: NDArray[np.int8]
    at_us: Ints

    def __len__(self) -> int:
        return len(self.runs)

    def cut(self, start: int, stop: int) -> Histories:
        """Some of the runs, by their places here."""
        if (start, stop) == (0, len(self)):
            return self
        first, last = self.offsets[start], self.offsets[stop]
        return Histories(
            world=self.world,
            draws=self.draws,
            runs=self.runs[start:stop],
            thread=self.thread[start:stop],
            created_us=self.created_us[start:stop],
            ended_us=self.ended_us[start:stop],
            refused_us=self.refused_us[start:stop],
            offsets=self.offsets[start : stop + 1] - first,
            row=self.row[first:last],
            at_us=self.at_us[first:last],
        )


def histories(
    scenario: Scenario, seed: int, runs: int, *, first: int = 0, chunk_runs: int = CHUNK_RUNS
) -> Iterator[Histories]:
    """Histories of runs, the first created first (but for bursts, and later runs of a thread), chunk by chunk.

    Args:
        scenario: What the world is like.
        seed: Any whole number, of which 64 bits count; the same seed and scenario make the same runs.
        runs: How many.
        first: The index of the first; a run is the same whatever is made before it.
        chunk_runs: Runs in a chunk, about; it changes nothing else. Memory: about 300 bytes a run of one chunk.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> [len(made) for made in histories(scenario_named("steady"), 1, 10_000, chunk_runs=4096)]
        [4096, 4096, 1808]
    """
    world, draws = World(scenario), Draws(seed)
    blocks = max(1, chunk_runs // BLOCK)
    stop = first + runs
    for block in range(first // BLOCK, -(-stop // BLOCK), blocks) if runs else ():
        count = min(blocks, -(-stop // BLOCK) - block)
        made = _live(world, draws, populate(scenario, draws, block, count))
        begin = block * BLOCK
        yield made.cut(max(0, first - begin), min(len(made), stop - begin))


def _live(world: World, draws: Draws, population: Population) -> Histories:
    """Lead runs through their steps as if each began at 0, and then put every thread's runs one after another."""
    runs, turns = population.runs, population.turn
    paths = _Walk(world, draws, runs).paths()
    created_us, refused_us = population.asked_us, np.full(len(runs), NEVER)
    risky = paths.risky(world)
    for turn in range(int(turns.max()) + 1):
        if turn:
            _ask_again(
                world.scenario, draws, runs, np.flatnonzero(turns == turn), created_us, paths.life_us, refused_us
            )
        if len(in_danger := risky[turns[risky] == turn]):
            meet_deadlines(world, draws, runs, in_danger, created_us, paths)
    offsets, row, at_us = paths.told(created_us)
    return Histories(
        world=world,
        draws=draws,
        runs=runs,
        thread=population.thread,
        created_us=created_us,
        ended_us=created_us + paths.life_us,
        refused_us=refused_us,
        offsets=offsets,
        row=row,
        at_us=at_us,
    )


def _ask_again(
    scenario: Scenario, draws: Draws, runs: Words, places: Ints, created_us: Ints, life_us: Ints, refused_us: Ints
) -> None:
    """The next run of each thread: after a pause, or at once where its caller has been refused already."""
    before, counters = places - 1, runs[places]
    since_us, lasted_us = created_us[before], life_us[before]
    freed_us = since_us + lasted_us
    pause_us = Table(scenario.threads.pause_s, SECOND_US).of(draws.bits("pause", 0, counters)).astype(np.int64)
    created_us[places] = freed_us + pause_us
    if scenario.threads.contention:
        busy = np.flatnonzero(uniforms(draws.bits("contention", 0, counters)) < scenario.threads.contention)
        asked = uniforms(draws.bits("contention", 1, counters[busy]))
        refused_us[places[busy]] = since_us[busy] + (asked * lasted_us[busy]).astype(np.int64)
        created_us[places[busy]] = freed_us[busy]


class _Walk:
    """Leads runs from their creation to their end, step by step, as if there was no deadline."""

    def __init__(self, world: World, draws: Draws, runs: Words) -> None:
        self._world: Final = world
        self._draws: Final = draws
        self._first: Final = int(runs[0])
        self._entries: Final = np.empty(len(runs), np.int64)
        self._moves: Final[Moves] = []

    def paths(self) -> Paths:
        """Lead all of them: few at a time as long as most go on, and then those that are left together."""
        count = len(self._entries)
        parts = [np.arange(n, min(n + _TOGETHER, count)) for n in range(0, count, _TOGETHER)]
        left = [self._on(part, np.zeros_like(part), np.zeros_like(part), 1, _MOST_HAVE_ENDED) for part in parts]
        where, here, at_us = (np.concatenate([one[n] for one in left]) for n in range(3))
        self._on(where, here, at_us, _MOST_HAVE_ENDED, None)
        return self._laid_out()

    def _on(self, where: Ints, here: Ints, at_us: Ints, step: int, stop: int | None) -> tuple[Ints, Ints, Ints]:
        """Lead runs on, from one step to before another: places, situations and moments of those that go on."""
        world = self._world
        while len(where) and step != stop:
            ways = world.ways(step)
            bits = self._draws.bits("step", step, where.view(np.uint64), self._first)
            choice = _chosen(ways, here, bits)
            after_us = world.after_us.of(ways.table.take(choice), bits).astype(np.int64)
            after_us += at_us
            self._moves.append((where, step, ways.row.take(choice), after_us))
            here = ways.leads_to.take(choice)
            over, on = np.flatnonzero(here == NONE), np.flatnonzero(here != NONE)
            self._entries[where.take(over)] = step + 1
            where, here, at_us = where.take(on), here.take(on), after_us.take(on)
            step += 1
        return where, here, at_us

    def _laid_out(self) -> Paths:
        """The steps of each run side by side."""
        offsets = np.zeros(len(self._entries) + 1, np.int64)
        np.cumsum(self._entries, out=offsets[1:])
        row, after_us = np.empty(offsets[-1], np.int8), np.empty(offsets[-1], np.int64)
        row[offsets[:-1]], after_us[offsets[:-1]] = self._world.birth, 0
        for where, step, rows, moment_us in self._moves:
            slots = offsets.take(where)
            slots += step
            row[slots] = rows
            after_us[slots] = moment_us
        return Paths(
            offsets=offsets, row=row, after_us=after_us, life_us=self._lives(offsets, row, after_us), dropped=[]
        )

    def _lives(self, offsets: Ints, row: NDArray[np.int8], after_us: Ints) -> Ints:
        """Until when each run lived: to its last entry, but for what was changed after its end."""
        end = offsets[1:] - 1
        late = np.flatnonzero(~self._world.ends[row[end]])
        while len(late):
            end[late] -= 1
            late = late[~self._world.ends[row[end[late]]]]
        return after_us.take(end)


def _chosen(ways: Ways, here: Ints, bits: Words) -> Ints:
    """The number of the choice that each run makes in its situation."""
    chosen = here.copy()
    high = bits >> _HALF
    rest: Ints | None = None
    for ends in ways.ends:
        at = here if rest is None else here.take(rest)
        left = np.flatnonzero((high if rest is None else high.take(rest)) >= ends.take(at))
        if not len(left):
            break
        rest = left if rest is None else rest.take(left)
        chosen[rest] += 1
    return chosen
