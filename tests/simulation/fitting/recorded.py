"""Recordings of simulated runs, made here from the columns alone: complete, or as a poller sees them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from attrs import frozen

from runengine.core import ARRIVAL_STAMP, SECOND_US, TERMINAL, Transition
from runengine.core.shape import end_stamp
from runengine.simulation.distributions import Exponential, Gamma, Lognormal
from runengine.simulation.fitting.estimating import Fit, fitted
from runengine.simulation.fitting.reading import Reading
from runengine.simulation.scenario import Arrival, Scenario, Step, Threads, Tools
from runengine.simulation.vectors.histories import histories
from runengine.validation.observations import Observation

S: Final = SECOND_US

WORLD: Final = Scenario(
    name="known",
    arrival=Arrival(rate_per_s=5.0),
    threads=Threads(runs=(0.7, 0.3), pause_s=Lognormal(median=20.0, sigma=0.8)),
    ttl_s=90,
    tools=Tools(rounds_max=2, calls=(0.6, 0.4)),
    steps={
        "queued": {
            "start": Step(share=0.96, after_s=Lognormal(median=0.6, sigma=0.7)),
            "cancel": Step(share=0.04, after_s=Exponential(mean=0.8)),
        },
        "in_progress": {
            "complete": Step(share=0.6, after_s=Lognormal(median=4.0, sigma=0.8)),
            "require_action": Step(share=0.25, after_s=Gamma(shape=4.0, mean=2.5)),
            "fail": Step(share=0.1, after_s=Exponential(mean=5.0)),
            "expire": Step(share=0.05, after_s=Exponential(mean=2.0)),
        },
        "requires_action": {"submit_tool_outputs": Step(share=1.0, after_s=Lognormal(median=3.0, sigma=0.6))},
        "cancelling": {"finish_cancel": Step(share=1.0, after_s=Exponential(mean=1.5))},
    },
)
"""A world whose every number is known: what is learned of it can be held against it."""


@frozen
class Life:
    """A run: its rows and their moments."""

    number: int
    thread: int
    rows: tuple[Transition, ...]
    at_us: tuple[int, ...]

    def record(self, entry: int, ttl_s: int) -> dict[str, Any]:
        """The run after an entry, with stamps of whole seconds; only what a fit reads."""
        status = self.rows[entry].target
        record: dict[str, Any] = {
            "id": f"run_{self.number}",
            "object": "thread.run",
            "thread_id": f"thread_{self.thread}",
            "assistant_id": "asst_1",
            "status": status,
            "created_at": self.at_us[0] // S,
            "expires_at": None if status in TERMINAL else self.at_us[0] // S + ttl_s,
            "started_at": None,
            "model": "gpt-4o",
            "tools": [{"type": "function", "function": {"name": "secret_name"}}],
            "instructions": "secret words",
            "metadata": {"secret": "pair"},
        }
        for row, at_us in zip(self.rows[: entry + 1], self.at_us[: entry + 1], strict=True):
            stamp = ARRIVAL_STAMP.get(row.target)
            if stamp is not None and row.edge is not None:
                record[stamp] = at_us // S
        if status == "requires_action":
            calls = [{"id": "call_1", "function": {"name": "secret_name", "arguments": "{}"}}]
            record["required_action"] = {"submit_tool_outputs": {"tool_calls": calls * (1 + self.number % 2)}}
        if status in TERMINAL:
            assert record[end_stamp(status) or ""] is not None
        return record


@cache
def lives(scenario_seed: int, runs: int) -> tuple[Life, ...]:
    """Runs of `WORLD`."""
    return tuple(lives_of(WORLD, scenario_seed, runs))


def lives_of(scenario: Scenario, seed: int, runs: int) -> Iterator[Life]:
    """Runs of any scenario."""
    for made in histories(scenario, seed, runs):
        offsets = made.offsets.tolist()
        rows, at_us = made.row.tolist(), made.at_us.tolist()
        for place, (thread, number) in enumerate(zip(made.thread.tolist(), made.runs.tolist(), strict=True)):
            here = slice(offsets[place], offsets[place + 1])
            taken = tuple(made.world.rows[row] for row in rows[here])
            yield Life(number, thread, taken, tuple(at_us[here]))


def complete(life: Life, ttl_s: int = 90) -> Iterator[Observation]:
    """Every event at its microsecond, as a history has it."""
    for entry, (row, at_us) in enumerate(zip(life.rows, life.at_us, strict=True)):
        record = life.record(entry, ttl_s)
        yield Observation(record, 1, "history", row.event, row.event == "create", at_us / S)


def polled(
    life: Life, ttl_s: int = 90, interval_s: float = 1.0, phase: float = 1.0, *, acts: bool = False
) -> Iterator[Observation]:
    """What a poller sees that looks at once, then at even steps until the end; with `acts`, submits are answered."""
    record = life.record(0, ttl_s)
    yield Observation(record, 1, "snapshot", None, True, life.at_us[0] / S, {"kind": "create"})
    looks = [
        (at_us, "submit")
        for row, at_us in zip(life.rows, life.at_us, strict=True)
        if row.event == "submit_tool_outputs"
    ]
    last_us = life.at_us[-1]
    at_us = life.at_us[0] + round(phase * interval_s * S)
    polls: list[tuple[int, str]] = []
    while at_us < last_us:
        polls.append((at_us, "poll"))
        at_us += round(interval_s * S)
    polls.append((at_us, "poll"))
    for at_us, kind in sorted([*polls, *(looks if acts else ())]):
        entry = max(n for n, moment in enumerate(life.at_us) if moment <= at_us)
        yield Observation(life.record(entry, ttl_s), 1, "snapshot", None, False, at_us / S, {"kind": kind})


def learned(observations: Iterator[Observation], seed: int = 1) -> tuple[Reading, Fit]:
    """What is read of them, and what is learned."""
    reading = Reading(seed=seed)
    reading.add(observations)
    return reading, fitted(reading)
