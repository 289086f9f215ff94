"""What is simulated: the ready-made scenarios, and some of them in other generations, dialects and policies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from attrs import evolve

from runengine.core.fields import FIELDS
from runengine.core.generations import generation_named
from runengine.simulation.lives import lives_of
from runengine.simulation.ready import READY, scenario_named
from runengine.simulation.recording import Recording, View, history_of, polled_of
from runengine.simulation.scenario import Scenario
from runengine.simulation.streams import stream_of
from runengine.simulation.vectors.histories import histories
from runengine.simulation.vectors.observing import KINDS, looks_at

__all__ = ["VIEWS", "WORLDS", "recordings"]

VIEWS: Final[tuple[View, ...]] = ("history", "polled", "stream")
"""How runs are recorded."""

_LATER: Final = ("temperature", "top_p", "max_prompt_tokens", "max_completion_tokens")


def _worlds() -> Iterator[tuple[str, Scenario]]:
    for name in READY:
        yield name, scenario_named(name)
    archive, steady, flaky = (scenario_named(name) for name in ("archive-2024", "steady", "flaky"))
    for generation, start in (
        ("G1", "2023-12-01T09:00:00Z"),
        ("G2", "2024-02-01T09:00:00Z"),
        ("G7", "2024-04-28T09:00:00Z"),
        ("G8", "2024-05-01T09:00:00Z"),
    ):
        yield f"archive-2024, {generation}", _in_generation(archive, generation, start=start)
    for dialect, generation in (("julia", "G16"), ("typescript-instance", "G12"), ("ruby", "G10"), ("azure", "G10")):
        yield f"steady, {dialect}", _in_generation(steady, generation, dialect=dialect)
    yield "flaky, permissive", evolve(flaky, policy="permissive")


def _in_generation(scenario: Scenario, generation: str, **changes: Any) -> Scenario:
    """The same in another generation, without what it, or a dialect, does not have: some fields, and incomplete."""
    steps = {
        source: {event: step for event, step in steps.items() if event != "exhaust_tokens"}
        for source, steps in scenario.steps.items()
    }
    number = generation_named(generation).number
    dropped: dict[str, Any] = {name: None for name in _LATER if not FIELDS[name].declared_in(number)}
    assistants = tuple(evolve(assistant, **dropped) for assistant in scenario.assistants)
    return evolve(scenario, steps=steps, generation=generation, assistants=assistants, **changes)


WORLDS: Final[dict[str, Scenario]] = dict(_worlds())
"""What is simulated, by name."""


def recordings(scenario: Scenario, seed: int, runs: int, view: View, first: int = 0) -> list[Recording]:
    """Clean recordings of some runs.

    Args:
        scenario: The world.
        seed: The simulation's.
        runs: How many.
        view: How they are recorded.
        first: The first run's number.
    """
    made: list[Recording] = []
    for chunk in histories(scenario, seed, runs, first=first):
        lives = list(lives_of(chunk))
        if view == "history":
            made += map(history_of, lives)
        elif view == "stream":
            made += map(stream_of, lives)
        else:
            seen, looks = looks_at(chunk), defaultdict[int, list[tuple[int, int, str, float]]](list)
            offsets = chunk.offsets.tolist()
            columns = (seen.run, seen.at_us, seen.entry, seen.kind, seen.seen_us)
            for run, at_us, entry, kind, seen_us in zip(*(c.tolist() for c in columns), strict=True):
                looks[run].append((at_us, entry - offsets[run], KINDS[kind], seen_us / 1e6))
            made += [polled_of(life, looks[place]) for place, life in enumerate(lives)]
    return made
