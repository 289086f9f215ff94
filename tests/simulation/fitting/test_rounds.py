"""The largest number of tool rounds seen: a limit only where runs pile up there."""

from __future__ import annotations

from itertools import chain

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from runengine.core import PERMISSIVE, Transition
from runengine.simulation.fitting.reading import Reading
from runengine.simulation.fitting.rounds import rounds_of
from runengine.simulation.fitting.spans import Span
from runengine.simulation.fitting.stays import Stay
from tests.simulation.fitting.recorded import WORLD, complete, learned, lives_of

ROWS = {row.event: row for row in PERMISSIVE.rows if row.source == "in_progress"}


def reading_of(levels: list[tuple[int, int]]) -> Reading:
    """Stays at work: for each number of rounds before, how many led to another and how many completed."""

    def stay(row: Transition, rounds: int) -> Stay:
        return Stay("in_progress", row, Span(0, 0), Span(9, 9), None, True, rounds, False, True)

    reading = Reading()
    for rounds, (asked, ended) in enumerate(levels):
        for event, count in (("require_action", asked), ("complete", ended)):
            for _ in range(count):
                reading.stays.add(stay(ROWS[event], rounds))
    return reading


def test_a_pile_is_a_limit() -> None:
    """Many runs had two rounds and none a third, though a quarter of all stays led to one."""
    found = rounds_of(reading_of([(250, 750), (60, 190), (0, 60)]))
    assert (found.seen, found.after, found.shows, found.most) == (2, 60, True, 2)


def test_a_tail_is_none() -> None:
    """Counts that halve from round to round end somewhere, which is no limit."""
    found = rounds_of(reading_of([(200, 200), (100, 100), (50, 50), (25, 25), (12, 13), (6, 6), (3, 3), (0, 3)]))
    assert (found.seen, found.after, found.shows, found.most) == (7, 3, False, 14)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20)), min_size=1, max_size=8), st.integers(0, 19))
def test_few_are_no_limit(levels: list[tuple[int, int]], after: int) -> None:
    """With fewer than twenty stays after the last round nothing shows, and there is room above the largest seen."""
    found = rounds_of(reading_of([*levels, (0, after)]))
    assert found.seen == len(levels)
    assert not found.shows
    assert found.most == max(8, 2 * found.seen)


@pytest.mark.parametrize("had", [0, 1])
def test_one_run(had: int) -> None:
    """A single run that had a round, or none, limits nobody."""
    assert rounds_of(reading_of([(had, 1 - had), (0, had)])).most == 8


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_limit_that_nobody_reaches(seed: int) -> None:
    """Where the limit is 24 and hardly a run comes near it, the largest number seen is not taken for it, and said."""
    work = {**WORLD.steps["in_progress"]}
    work["require_action"] = evolve(work["require_action"], share=1.0)
    world = evolve(
        WORLD, ttl_s=600, tools=evolve(WORLD.tools, rounds_max=24), steps={**WORLD.steps, "in_progress": work}
    )
    _, fit = learned(chain.from_iterable(complete(life, 600) for life in lives_of(world, seed, 250)))
    told = fit.report.of("tools.rounds_max")
    assert fit.scenario.tools.rounds_max == told.value
    assert "largest seen" in told.note
    assert "no limit shows" in told.note
    assert fit.scenario.tools.rounds_max >= 12
    assert told.basis == "default"
