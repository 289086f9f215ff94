"""Chunks of simulated runs, cut anywhere, and what the recordings say of the same runs one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from attrs import evolve

from runengine.core import SECOND_US
from runengine.core.candidates import INCOMPLETE_FIRST
from runengine.core.generations import GENERATIONS
from runengine.simulation import Assistant, Scenario
from runengine.simulation.lives import Life, lives_of
from runengine.simulation.recording import Recording, View, history_of, polled_of
from runengine.simulation.streams import stream_of
from runengine.simulation.vectors.details import Details
from runengine.simulation.vectors.histories import Histories, histories
from runengine.simulation.vectors.observing import KINDS, Observed, events_of, looks_at
from runengine.simulation.writing.chunk import Chunk

__all__ = ["chunks_of", "in_generation", "recordings_of"]

_LAST_US = 1 << 62


def in_generation(scenario: Scenario, number: int, dialect: str = "native") -> Scenario:
    """The same world with records of another generation and dialect, and without what it does not know."""
    steps = {
        source: {event: step for event, step in taken.items() if event != "exhaust_tokens"}
        for source, taken in scenario.steps.items()
    }
    return evolve(
        scenario,
        steps=scenario.steps if number >= INCOMPLETE_FIRST else steps,
        generation=GENERATIONS[number].name,
        dialect=dialect,
        assistants=(Assistant(assistant_id="asst_1", instructions="Be brief.", tools=("function:search",)),),
    )


def chunks_of(
    scenario: Scenario,
    runs: int,
    view: View,
    *,
    seed: int = 3,
    cuts: Sequence[int] = (),
    faulted: Mapping[int, Recording] | None = None,
) -> Iterator[Chunk]:
    """The first runs of a simulation, as chunks that begin at 0 and at each cut."""
    whole = next(histories(scenario, seed, runs))
    places = sorted({0, runs, *(cut for cut in cuts if 0 < cut < runs)})
    for start, stop in pairwise(places):
        made = whole.cut(start, stop)
        yield Chunk(
            histories=made,
            details=Details(made),
            observed=_observed(made, view),
            view=view,
            faulted={n - start: broken for n, broken in (faulted or {}).items() if start <= n < stop},
            horizon_us=_horizon(whole, stop),
        )


def recordings_of(scenario: Scenario, runs: int, view: View, *, seed: int = 3) -> list[Recording]:
    """The same runs, each lived by the engine."""
    made = next(histories(scenario, seed, runs))
    lives = list(lives_of(made))
    if view == "history":
        return [history_of(life) for life in lives]
    if view == "stream":
        return [stream_of(life) for life in lives]
    return [polled_of(life, looks) for life, looks in zip(lives, _looks(made, lives), strict=True)]


def _observed(made: Histories, view: View) -> Observed:
    return looks_at(made) if view == "polled" else events_of(made)


def _looks(made: Histories, lives: list[Life]) -> list[list[tuple[int, int, str, float]]]:
    seen, offsets = looks_at(made), made.offsets.tolist()
    looks: list[list[tuple[int, int, str, float]]] = [[] for _ in lives]
    for place, at_us in enumerate(seen.at_us.tolist()):
        run = int(seen.run[place])
        number = int(seen.entry[place]) - offsets[run]
        looks[run].append((at_us, number, KINDS[seen.kind[place]], int(seen.seen_us[place]) / SECOND_US))
    return looks


def _horizon(whole: Histories, stop: int) -> int:
    """The first moment of all later runs."""
    created, refused = whole.created_us[stop:].tolist(), whole.refused_us[stop:].tolist()
    return min([*created, *(us for us in refused if us >= 0)], default=_LAST_US)
