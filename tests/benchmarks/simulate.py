"""What simulating costs: histories beside a bare numpy loop and beside SimPy, and JSON Lines beside `orjson` alone.

Each pair runs in turn, round by round, and the best of the rounds counts, as the machine is shared. The bare loop draws
what the histories of the same runs need, with numpy's own generator, and makes nothing of it: for each run the time to
the next arrival and the length of its thread; for each later run of a thread a pause and a chance; for each step the
choice and the time. SimPy lives the same scenario in its usual way: a process for each thread, a timeout for each step.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import accumulate
from math import log
from time import perf_counter
from typing import Any

import numpy as np
import orjson
import simpy

from runengine.core import TERMINAL
from runengine.dialects import decode
from runengine.simulation.distributions import Distribution, Exponential, Gamma, Lognormal
from runengine.simulation.ready import scenario_named
from runengine.simulation.scenario import Scenario
from runengine.simulation.vectors.details import Details
from runengine.simulation.vectors.histories import CHUNK_RUNS, histories
from runengine.simulation.vectors.observing import events_of
from runengine.simulation.writing.chunk import Chunk
from runengine.simulation.writing.jsonl import JsonLines
from tests.benchmarks._lives import header, pair

ROUNDS = 15
RUNS = 1 << 19
SIMPY_RUNS = 4000
JSON_RUNS = 32_768
JSON_CHUNK = 16_384
SEED = 1
STEADY = scenario_named("steady")


def least_s(works: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """The least seconds of each, taken in turn."""
    least = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for name, work in works.items():
            began_s = perf_counter()
            work()
            least[name] = min(least[name], perf_counter() - began_s)
    return least


def simulated(runs: int = RUNS) -> None:
    """The columns of the runs."""
    for _ in histories(STEADY, SEED, runs):
        pass


class Bare:
    """A loop that draws as much, and does nothing with it."""

    def __init__(self, runs: int) -> None:
        made = next(histories(STEADY, SEED, CHUNK_RUNS))
        taken = np.diff(made.offsets) - 1
        self._steps = [int((taken >= step).sum()) for step in range(1, int(taken.max()) + 1)]
        self._later = int((made.thread != made.runs.astype(np.int64)).sum())
        self._chunks = runs // CHUNK_RUNS

    def draw(self) -> None:
        """Draw."""
        draw = np.random.default_rng(SEED)
        for _ in range(self._chunks):
            np.cumsum(draw.exponential(0.5, CHUNK_RUNS))
            draw.random(CHUNK_RUNS)
            draw.lognormal(3.0, 1.0, self._later)
            draw.random(self._later)
            for count in self._steps:
                draw.random(count)
                draw.lognormal(1.4, 0.8, count)


class Peer:
    """The same world in SimPy."""

    def __init__(self, scenario: Scenario, runs: int) -> None:
        self._scenario, self._runs, self.ended = scenario, runs, 0
        self._draw = random.Random(SEED)
        self._targets = {(row.source, row.event): row.target for row in scenario.machine.rows}
        self._steps = {
            source: (list(steps), list(accumulate(step.share for step in steps.values())), steps)
            for source, steps in scenario.steps.items()
        }
        self._world = simpy.Environment()

    def live(self) -> int:
        """Live until the runs have ended; how many did."""
        self._world.process(self._arrivals())
        self._world.run()
        return self.ended

    def _arrivals(self) -> Any:
        threads, asked = self._scenario.threads, 0
        while asked < self._runs:
            runs = self._draw.choices(range(1, len(threads.runs) + 1), threads.runs)[0]
            self._world.process(self._thread(runs))
            asked += runs
            yield self._world.timeout(self._draw.expovariate(self._scenario.arrival.rate_per_s / runs))

    def _thread(self, runs: int) -> Any:
        for number in range(runs):
            if number:
                yield self._world.timeout(self._drawn(self._scenario.threads.pause_s))
            yield self._world.process(self._life())
            self.ended += 1

    def _life(self) -> Any:
        status, deadline = "queued", self._world.now + self._scenario.ttl_s
        while status not in TERMINAL:
            events, ends, steps = self._steps[status]  # type: ignore[index]
            event = self._draw.choices(events, cum_weights=ends)[0]
            wait = self._drawn(steps[event].after_s)
            if event == "expire" or self._world.now + wait >= deadline:
                event, wait = "expire", max(0, deadline - self._world.now)
            yield self._world.timeout(wait)
            status = self._targets[status, event]  # type: ignore[index]

    def _drawn(self, distribution: Distribution) -> float:
        match distribution:
            case Exponential(mean=mean):
                return self._draw.expovariate(1 / mean)
            case Lognormal(median=median, sigma=sigma):
                return self._draw.lognormvariate(log(median), sigma)
            case Gamma(shape=shape, mean=mean):
                return self._draw.gammavariate(shape, mean / shape)
        return distribution.mean


class Counted:
    """Counts the bytes, and keeps none."""

    size = 0

    def write(self, data: bytes) -> None:
        """Count."""
        self.size += len(data)


def lines() -> Counted:
    """JSON Lines of bare records, from the seed to the bytes."""
    out = Counted()
    sink = JsonLines(out, STEADY, "history", order="run", bare=True)
    for made in histories(STEADY, SEED, JSON_RUNS, chunk_runs=JSON_CHUNK):
        sink.write(
            Chunk(
                histories=made,
                details=Details(made),
                observed=events_of(made),
                view="history",
                faulted={},
                horizon_us=0,
            )
        )
    sink.close()
    return out


class _Kept(Counted):
    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.parts.append(data)


def documents() -> list[Any]:
    """The same records, as objects."""
    kept = _Kept()
    sink = JsonLines(kept, STEADY, "history", order="run", bare=True)
    for made in histories(STEADY, SEED, JSON_RUNS):
        sink.write(
            Chunk(
                histories=made,
                details=Details(made),
                observed=events_of(made),
                view="history",
                faulted={},
                horizon_us=0,
            )
        )
    sink.close()
    return [decode(line) for line in b"".join(kept.parts).splitlines()]


def dumps(objects: list[Any]) -> None:
    """What orjson makes of them, thrown away."""
    for one in objects:
        orjson.dumps(one)


def main() -> None:
    """Print the ratios."""
    simulated(CHUNK_RUNS)
    columns = least_s({"histories": simulated, "bare": Bare(RUNS).draw})
    peer = least_s({"simpy": Peer(STEADY, SIMPY_RUNS).live}, 1)
    objects = documents()
    dumped = least_s({"lines": lines, "orjson": lambda: dumps(objects)}, 7)
    header("the other")
    pair("histories, runs; a bare numpy loop", columns["histories"], columns["bare"], RUNS, 0.5)
    pair("histories, runs; SimPy", columns["histories"] / RUNS, peer["simpy"] / SIMPY_RUNS, 1, 30)
    pair("JSON Lines, records; orjson.dumps", dumped["lines"], dumped["orjson"], len(objects), 0.3)


if __name__ == "__main__":
    main()
