"""A scenario compiled for columns: for each situation of a run the rows it may take, as arrays of numbers.

Made from the policy's rows alone: a row that is added to the table, and given a share, is simulated like the others.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from runengine.core import SECOND_US, TERMINAL, Status, Transition
from runengine.core.guards import DEADLINE_FREE
from runengine.core.shape import ARRIVAL_STAMP
from runengine.simulation.distributions import MEAN_MOST, Constant
from runengine.simulation.scenario import Scenario, Step
from runengine.simulation.vectors.draws import Ints
from runengine.simulation.vectors.tables import Choice, Tables

__all__ = ["NONE", "STARTS", "WAITS_GUARD", "Situation", "Ways", "World"]

STARTS: Final = "started_at"
"""The stamp that says a run has started."""

WAITS_GUARD: Final = "past_deadline"
"""The guard of rows that wait for the deadline."""

NONE: Final = -1
"""In the place of a row or a situation: there is none."""

_LATE: Final = Constant(value=MEAN_MOST)
"""How long a row that waits for the deadline takes until it is known when that is: longer than any deadline."""

_ROUND_GUARD: Final = "has_tool_calls"
_AT_ONCE: Final = Step(share=0, after_s=Constant(value=0))


class Situation(NamedTuple):
    """What decides which rows a run may take.

    Attributes:
        status: Its status.
        started: Whether it has ever started.
        rounds: How often it has required action.

    Example:
        >>> Situation("queued", False, 0).rounds
        0
    """

    status: Status
    started: bool
    rounds: int


@frozen(kw_only=True, eq=False)
class Ways:
    """What may happen in each situation, by its number.

    The choices of a situation stand side by side, in order of their shares, the largest first; a situation has the
    number of its first choice.

    Attributes:
        ends: For each choice but the last, by the number of its situation: where its part of 2**32 ends.
        row: Of each choice, the number of the row.
        table: Of each choice, the place of its time among the world's tables.
        leads_to: Of each choice, the situation after it, or `NONE` where nothing happens any more.

    Example:
        >>> [a.name for a in Ways.__attrs_attrs__]
        ['ends', 'row', 'table', 'leads_to']
    """

    ends: tuple[NDArray[np.uint64], ...]
    row: NDArray[np.int8]
    table: Ints
    leads_to: Ints


class World:
    """A scenario, compiled.

    Args:
        scenario: Any.

    Attributes:
        scenario: The same.
        rows: The rows of its policy.
        birth: The number of the row that creates a run; after it a run is in situation 0.
        after_us: Of each row, microseconds in its source before it; where it waits for the deadline, after that.
        ends: Of each row, whether it ends the run.
        waits: Of each row, whether it waits for the deadline; how long it does is not drawn on the way.
        before_deadline: Of each row, whether it must come before the deadline: by its guard, or as no row leads on
            after it.
        expire_after: Of each row, the row by which a run expires after it, or `NONE`.

    Example:
        >>> from runengine.simulation.distributions import Exponential
        >>> from runengine.simulation.scenario import Arrival
        >>> world = World(Scenario(name="x", arrival=Arrival(rate_per_s=1), steps={
        ...     "queued": {"start": Step(share=1, after_s=Constant(value=1))},
        ...     "in_progress": {"complete": Step(share=1, after_s=Exponential(mean=5))}}))
        >>> [str(world.rows[number]) for number in world.ways(1).row[:2]]
        ['start: queued -> in_progress', 'complete: in_progress -> completed']
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario: Final = scenario
        self.rows: Final = scenario.machine.rows
        self.birth: Final = next(number for number, row in enumerate(self.rows) if row.source is None)
        self.after_us: Final = Tables([*(self._step(row).after_s for row in self.rows), _LATE], SECOND_US)
        expire_of = {row.source: number for number, row in enumerate(self.rows) if WAITS_GUARD in row.guards}
        ends = {*TERMINAL, *expire_of}
        self.ends: Final = np.array([row.edge is not None and row.target in TERMINAL for row in self.rows])
        self.waits: Final = np.array([WAITS_GUARD in row.guards for row in self.rows])
        self.before_deadline: Final = np.array(
            [row.event not in DEADLINE_FREE or not {row.source, row.target} & ends for row in self.rows]
        )
        self.expire_after: Final = np.array([expire_of.get(row.target, NONE) for row in self.rows])
        self._distance: Final = self._distances()
        self._situations: Final = self._reached()
        self._width: Final = max(len(self._options(s, hurried)) for s in self._situations for hurried in (False, True))
        self._ways = cache(self._made)

    def ways(self, step: int) -> Ways:
        """What may happen.

        Args:
            step: The number of the step to come; from `steps_max` on only rows that lead nearer to an end are taken.
        """
        return self._ways(step >= self.scenario.steps_max)

    def _step(self, row: Transition) -> Step:
        return self.scenario.steps.get(row.source, {}).get(row.event, _AT_ONCE) if row.source else _AT_ONCE

    def _made(self, hurried: bool) -> Ways:
        situations = self._situations
        number_of = {situation: number for number, situation in enumerate(situations)}
        options = [self._options(situation, hurried) for situation in situations]
        choices = [Choice(share for share, _, _ in some) if some else None for some in options]
        width = self._width
        ends = np.full((width - 1, len(situations)), 1 << 32, np.uint64)
        row, leads_to = np.zeros((len(situations), width), np.int8), np.full((len(situations), width), NONE)
        for here, (situation, choice) in enumerate(zip(situations, choices, strict=True)):
            if choice is None:
                continue
            ends[: len(choice.ends), here] = choice.ends
            for place, chosen in enumerate(choice.numbers.tolist()):
                _, number, goes_on = options[here][chosen]
                row[here, place] = number
                if goes_on:
                    leads_to[here, place] = width * number_of[self._after(situation, number)]
        return Ways(
            ends=tuple(np.repeat(ends, width, axis=1)),
            row=row.reshape(-1),
            table=np.where(self.waits, self.after_us.places[-1], self.after_us.places[:-1])[row.reshape(-1)],
            leads_to=leads_to.reshape(-1),
        )

    def _options(self, situation: Situation, hurried: bool) -> list[tuple[float, int, bool]]:
        """What can happen: a share, the number of a row, and whether anything happens after it.

        After an end something may, or not: which of both is chosen together with the row that ends.
        """
        made: list[tuple[float, int, bool]] = []
        for number in self._given(situation, hurried):
            share, after = self._step(self.rows[number]).share, self._after(situation, number)
            more = 1.0
            if after.status in TERMINAL:
                more = (
                    0.0
                    if hurried
                    else min(1.0, sum(self._step(self.rows[n]).share for n in self._given(after, hurried)))
                )
            made += [(part, number, goes_on) for part, goes_on in ((share * more, True), (share * (1 - more), False))]
        return [option for option in made if option[0]]

    def _reached(self) -> tuple[Situation, ...]:
        """Every situation there can be; the first is that of a run which was just created."""
        found = {Situation(self.rows[self.birth].target, False, 0): None}
        todo = list(found)
        for situation in todo:
            for number in (*self._given(situation, hurried=False), *self._given(situation, hurried=True)):
                after = self._after(situation, number)
                if after not in found:
                    found[after] = None
                    todo.append(after)
        return tuple(found)

    def _given(self, situation: Situation, hurried: bool) -> list[int]:
        """The numbers of the rows that may be taken."""
        source = situation.status
        given = [
            number
            for number, row in enumerate(self.rows)
            if row.source == source and self._step(row).share and (situation.started or "started" not in row.guards)
        ]
        if hurried and source not in TERMINAL:
            nearer = [n for n in given if self._distance[self.rows[n].target] < self._distance[source]]
            return nearer or given
        if situation.rounds >= self.scenario.tools.rounds_max:
            return [n for n in given if _ROUND_GUARD not in self.rows[n].guards] or given
        return given

    def _after(self, situation: Situation, number: int) -> Situation:
        row = self.rows[number]
        started = situation.started or ARRIVAL_STAMP.get(row.target) == STARTS
        rounds = min(situation.rounds + (_ROUND_GUARD in row.guards), self.scenario.tools.rounds_max)
        return Situation(row.target, started, rounds)

    def _distances(self) -> dict[Status, int]:
        """Steps with a share from each status to an end; large where there is no way."""
        far = len(self.rows)
        distance: dict[Status, int] = dict.fromkeys(TERMINAL, 0)
        taken = [row for row in self.rows if row.edge is not None and self._step(row).share]
        for _ in range(far):
            for row in taken:
                assert row.source is not None
                distance[row.source] = min(distance.get(row.source, far), distance.get(row.target, far) + 1)
        for row in self.rows:
            distance.setdefault(row.target, far)
        return distance
