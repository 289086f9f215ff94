"""What simulating costs: histories beside a bare numpy loop and beside SimPy, and JSON Lines beside `orjson` alone.

Each pair runs in turn, round by round, and the best of the rounds counts, as the machine is shared. The bare loop draws
what the histories of the same runs need, with numpy's own generator, and makes nothing of it: for each run the time to
the next arrival and the length of its thread; for each later run of a thread a pause and a chance; for each step the
choice and the time. SimPy lives the same scenario in its usual way: a process for each thread, a timeout for each step.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from math import log
from typing import Any

import numpy as np
import orjson

from runengine.core import TERMINAL, Transition
from runengine.dialects import decode
from runengine.simulation.distributions import Distribution, Exponential, Gamma, Lognormal
from runengine.simulation.producing import produce
from runengine.simulation.ready import scenario_named
from runengine.simulation.scenario import Scenario
from runengine.simulation.vectors.histories import CHUNK_RUNS, histories
from runengine.simulation.writing.jsonl import JsonLines
from runengine.simulation.writing.order import Order
from tests.benchmarks._lives import header, least_s, pair

ROUNDS = 15
RUNS = 1 << 19
SIMPY_RUNS = 4000
JSON_RUNS = 32_768
JSON_CHUNK = 16_384
SEED = 1
STEADY = scenario_named("steady")


def simulated(runs: int = RUNS) -> None:
    """The columns of the runs."""
    for _ in histories(STEADY, SEED, runs):
        pass


class Bare:
    """A loop that draws as much from the same distributions, and does nothing with it."""

    def __init__(self, scenario: Scenario, runs: int) -> None:
        made = next(histories(scenario, SEED, CHUNK_RUNS))
        step = np.arange(len(made.row)) - np.repeat(made.offsets[:-1], np.diff(made.offsets))
        taken = Counter(zip(step.tolist(), made.row.tolist(), strict=True))
        self._times = [(count, self._after(scenario, made.world.rows[row])) for (n, row), count in taken.items() if n]
        self._choices = [count for n, count in sorted(Counter(step.tolist()).items()) if n]
        self._later = int((made.thread != made.runs.astype(np.int64)).sum())
        self._scenario, self._chunks = scenario, runs // CHUNK_RUNS

    def _after(self, scenario: Scenario, row: Transition) -> Distribution:
        assert row.source is not None
        return scenario.steps[row.source][row.event].after_s

    def draw(self) -> None:
        """Draw: arrivals, lengths of threads, pauses and who is refused, choices, and times."""
        generator = np.random.default_rng(SEED)
        for _ in range(self._chunks):
            np.cumsum(generator.exponential(1 / self._scenario.arrival.rate_per_s, CHUNK_RUNS))
            generator.random(CHUNK_RUNS)
            drawn(generator, self._scenario.threads.pause_s, self._later)
            generator.random(self._later)
            for count in self._choices:
                generator.random(count)
            for count, distribution in self._times:
                drawn(generator, distribution, count)


def drawn(generator: np.random.Generator, distribution: Distribution, count: int) -> Any:
    """What numpy draws of a distribution."""
    match distribution:
        case Exponential(mean=mean):
            return generator.exponential(mean, count)
        case Lognormal(median=median, sigma=sigma):
            return generator.lognormal(log(median), sigma, count)
        case Gamma(shape=shape, mean=mean):
            return generator.gamma(shape, mean / shape, count)
    raise AssertionError(distribution)


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
        import simpy  # pyright: ignore[reportMissingImports] - an extra

        self._world: Any = simpy.Environment()

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
    """Takes the bytes, and keeps none."""

    def write(self, data: bytes) -> None:
        """Pass over them."""


class Kept(Counted):
    """Keeps the bytes."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Keep them."""
        self.parts.append(data)


def lines(out: Counted, order: Order, *, bare: bool) -> None:
    """JSON Lines from the seed to the bytes."""
    produce(STEADY, SEED, JSON_RUNS, JsonLines(out, STEADY, "history", order=order, bare=bare), chunk_runs=JSON_CHUNK)


def documents(*, bare: bool) -> list[Any]:
    """What the lines say, as objects."""
    kept = Kept()
    lines(kept, "run", bare=bare)
    return [decode(line) for line in b"".join(kept.parts).splitlines()]


def dumps(objects: list[Any]) -> None:
    """What orjson makes of them, thrown away."""
    for one in objects:
        orjson.dumps(one)


def main() -> None:
    """Print the ratios."""
    simulated(CHUNK_RUNS)
    columns = least_s({"histories": simulated, "bare": Bare(STEADY, RUNS).draw}, ROUNDS)
    peer = least_s({"simpy": Peer(STEADY, SIMPY_RUNS).live}, 1)
    header("the other")
    pair("histories, runs; a bare numpy loop", columns["histories"], columns["bare"], RUNS, 0.5)
    pair("histories, runs; SimPy", columns["histories"] / RUNS, peer["simpy"] / SIMPY_RUNS, 1, 30)
    for bare in (True, False):
        objects = documents(bare=bare)
        orders: tuple[Order, ...] = ("run", "time")
        works: dict[str, Callable[[], object]] = {o: partial(lines, Counted(), o, bare=bare) for o in orders}
        least = least_s({**works, "orjson": partial(dumps, objects)}, 7)
        for order in orders:
            what = f"JSON Lines {'bare' if bare else 'in envelopes'}, by {order}; orjson.dumps"
            pair(what, least[order], least["orjson"], len(objects), 0.3)


if __name__ == "__main__":
    main()
