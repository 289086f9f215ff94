"""Recorded beside simulated: shares, lengths of stays, statuses at the end and tool rounds of both."""

from __future__ import annotations

from collections.abc import Mapping
from math import hypot
from typing import Any, Final

import numpy as np
from attrs import asdict, field, frozen
from numpy.typing import NDArray

from runengine.core import SECOND_US, STATUSES, TERMINAL, Status
from runengine.simulation.distributions import Quantiles
from runengine.simulation.fitting.empirical import empirical_of
from runengine.simulation.fitting.likelihood import Sample, off_by, sample_of
from runengine.simulation.fitting.reading import Reading
from runengine.simulation.fitting.risks import EXPIRE, interval_of
from runengine.simulation.scenario import Scenario
from runengine.simulation.vectors.histories import histories
from runengine.simulation.vectors.world import World

__all__ = ["LEAST_RUNS", "QUANTILES", "Beside", "Comparison", "StayBeside", "compared", "simulated_stays"]

Floats = NDArray[np.float64]
Key = tuple[Status, str]

LEAST_RUNS: Final = 1000
"""Runs that are simulated at least."""

QUANTILES: Final = (0.1, 0.5, 0.9, 0.99)
"""Shares whose quantiles are compared."""

_RUNS_MAX: Final = 50_000
_CELLS: Final = 400
_ROUNDS_SHOWN: Final = 4


@frozen(kw_only=True)
class Beside:
    """A share, recorded and simulated.

    Attributes:
        what: Of what.
        recorded: Recorded; None where there was nothing to count.
        low: The lower end of its 95 % interval.
        high: The upper end.
        count: Cases it was counted of.
        simulated: Simulated.
        others: Cases that was counted of.

    Example:
        >>> Beside(what="x", recorded=0.5, low=0.3, high=0.7, count=20, simulated=0.6, others=1000).agrees
        True
    """

    what: str
    recorded: float | None
    low: float
    high: float
    count: int
    simulated: float
    others: int

    @property
    def agrees(self) -> bool:
        """Whether chance alone, on both sides, may have made the difference: nineteen times of twenty it would not."""
        if self.recorded is None:
            return True
        low, high = interval_of(self.simulated, self.others)
        if self.simulated > self.recorded:
            return self.simulated - self.recorded <= hypot(self.high - self.recorded, self.simulated - low)
        return self.recorded - self.simulated <= hypot(self.recorded - self.low, high - self.simulated)


@frozen(kw_only=True)
class StayBeside:
    """How long stays last that end by one row, recorded and simulated, in seconds; of expire, after the deadline.

    Attributes:
        source: The row's.
        event: The row's.
        count: Recorded stays.
        recorded: Their quantiles, by `QUANTILES`; None where they are too few.
        simulated: The simulated ones' quantiles.
        off: The largest distance of the two distributions, or None where either has no stay.
        sample: The recorded stays themselves.
        values: The simulated lengths, ascending.

    Example:
        >>> [a.name for a in StayBeside.__attrs_attrs__][:3]
        ['source', 'event', 'count']
    """

    source: Status
    event: str
    count: int
    recorded: tuple[float | None, ...]
    simulated: tuple[float | None, ...]
    off: float | None
    sample: Sample = field(repr=False, eq=False)
    values: Floats = field(repr=False, eq=False)


@frozen(kw_only=True)
class Comparison:
    """All of it.

    Attributes:
        name: The scenario's name.
        runs: Simulated runs.
        seed: By which seed.
        shares: Of each source, how often each row ended a stay.
        stays: How long they were.
        ends: Of the runs, how they ended.
        rounds: Of the runs, how many tool rounds they had.

    Example:
        >>> [a.name for a in Comparison.__attrs_attrs__][:3]
        ['name', 'runs', 'seed']
    """

    name: str
    runs: int
    seed: int
    shares: tuple[Beside, ...]
    stays: tuple[StayBeside, ...]
    ends: tuple[Beside, ...]
    rounds: tuple[Beside, ...]

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        stays = [
            {key: value for key, value in asdict(stay, recurse=False).items() if key not in ("sample", "values")}
            for stay in self.stays
        ]
        parts = {key: [asdict(one) for one in getattr(self, key)] for key in ("shares", "ends", "rounds")}
        return {
            "name": self.name,
            "runs": self.runs,
            "seed": self.seed,
            "quantiles": QUANTILES,
            **parts,
            "stays": stays,
        }


def compared(reading: Reading, scenario: Scenario, seed: int = 1) -> Comparison:
    """Simulate as many runs as were recorded, at least `LEAST_RUNS`, and set both side by side.

    Args:
        reading: What was recorded.
        scenario: The one learned from it, or any other.
        seed: The simulation's.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> compared(Reading(), scenario_named("steady")).runs
        1000
    """
    runs = min(max(reading.counts.runs, LEAST_RUNS), _RUNS_MAX)
    lengths, ends, rounds = simulated_stays(scenario, seed, runs)
    recorded = {key: kept.counts.total() for key, kept in reading.stays.rows.items()}
    keys = [key for source in STATUSES for key in {**recorded, **lengths} if key[0] == source]
    simulated = {key: len(lengths.get(key, ())) for key in keys}
    stays = [_stay(key, reading, lengths.get(key, np.array([]))) for key in keys]
    facts = reading.facts
    return Comparison(
        name=scenario.name,
        runs=runs,
        seed=seed,
        shares=tuple(_shares(keys, recorded, simulated, facts.ends, ends)),
        stays=tuple(stays),
        ends=tuple(_counted(facts.ends, ends, [*TERMINAL])),
        rounds=tuple(_counted(_cut(facts.rounds), _cut(rounds), [_round(n) for n in range(_ROUNDS_SHOWN + 1)])),
    )


def simulated_stays(
    scenario: Scenario, seed: int, runs: int
) -> tuple[dict[Key, Floats], dict[str, int], dict[int, int]]:
    """The stays of simulated runs: by row their lengths in seconds; the runs by their last status; and by their rounds.

    Args:
        scenario: Any.
        seed: The simulation's.
        runs: How many.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> lengths, ends, rounds = simulated_stays(scenario_named("steady"), 1, 100)
        >>> sum(ends.values()), sum(rounds.values())
        (100, 100)
    """
    world = World(scenario)
    found: dict[int, list[Floats]] = {}
    ends: dict[str, int] = {}
    rounds: dict[int, int] = {}
    asks = [row.event == "require_action" for row in world.rows]
    for made in histories(scenario, seed, runs):
        first = made.offsets[:-1]
        later = np.ones(len(made.row), dtype=bool)
        later[first] = False
        lasted = np.diff(made.at_us, prepend=0) / SECOND_US
        due_us = np.repeat(made.created_us // SECOND_US + scenario.ttl_s, np.diff(made.offsets)) * SECOND_US
        since_us = np.maximum(np.append(0, made.at_us[:-1]), due_us)
        for number, row in enumerate(world.rows):
            here = later & (made.row == number)
            if here.any():
                found.setdefault(number, []).append(
                    (made.at_us - since_us)[here] / SECOND_US if row.event == EXPIRE else lasted[here]
                )
        targets = [world.rows[number].target for number in made.row[made.offsets[1:] - 1]]
        for status in targets:
            ends[status] = ends.get(status, 0) + 1
        for count in np.add.reduceat(np.array(asks)[made.row].astype(int), first).tolist():
            rounds[count] = rounds.get(count, 0) + 1
    lengths: dict[Key, Floats] = {}
    for number, parts in found.items():
        source = world.rows[number].source
        assert source is not None
        lengths[source, world.rows[number].event] = np.sort(np.concatenate(parts))
    return lengths, ends, rounds


def _stay(key: Key, reading: Reading, values: Floats) -> StayBeside:
    kept = reading.stays.rows.get(key)
    sample = sample_of(kept.sample.kept if kept is not None else [])
    ended = sample.only(np.isfinite(sample.high))
    recorded: tuple[float | None, ...] = (None,) * len(QUANTILES)
    off = None
    if len(ended):
        found, count = empirical_of(ended), ended.count
        recorded = tuple(_figures(found.quantile(q)) if count * min(q, 1 - q) >= 1 else None for q in QUANTILES)
        if len(values) > 1:
            steps = np.quantile(values, np.linspace(0, 1, min(len(values), _CELLS) + 1))
            off = round(off_by(Quantiles(values=tuple(map(float, steps))), ended), 4)
    return StayBeside(
        source=key[0],
        event=key[1],
        count=kept.counts.total() if kept is not None else 0,
        recorded=recorded,
        simulated=tuple(
            _figures(float(np.quantile(values, q))) if len(values) * min(q, 1 - q) >= 1 else None for q in QUANTILES
        ),
        off=off,
        sample=ended,
        values=values,
    )


def _figures(value: float) -> float:
    return float(f"{value:.4g}")


def _shares(
    keys: list[Key],
    recorded: Mapping[Key, int],
    simulated: Mapping[Key, int],
    ended: Mapping[str, int],
    simulated_ended: Mapping[str, int],
) -> list[Beside]:
    made: list[Beside] = []
    for source, event in keys:
        cases = sum(n for key, n in recorded.items() if key[0] == source)
        others = sum(n for key, n in simulated.items() if key[0] == source)
        if source in TERMINAL:
            cases, others = cases + ended.get(source, 0), others + simulated_ended.get(source, 0)
        made.append(
            _beside(f"{source} {event}", recorded.get((source, event), 0), cases, simulated[source, event], others)
        )
    return made


def _counted(recorded: Mapping[str, int], simulated: Mapping[str, int], words: list[Any]) -> list[Beside]:
    cases, others = sum(recorded.values()), sum(simulated.values())
    return [
        _beside(word, recorded.get(word, 0), cases, simulated.get(word, 0), others)
        for word in words
        if recorded.get(word, 0) or simulated.get(word, 0)
    ]


def _beside(what: str, recorded: int, cases: int, simulated: int, others: int) -> Beside:
    share = recorded / cases if cases else None
    low, high = interval_of(share or 0.0, cases)
    return Beside(
        what=what,
        recorded=None if share is None else round(share, 6),
        low=round(low, 6),
        high=round(high, 6),
        count=cases,
        simulated=round(simulated / others, 6) if others else 0.0,
        others=others,
    )


def _cut(rounds: Mapping[int, int]) -> dict[str, int]:
    """Rounds by their number, many together."""
    made: dict[str, int] = {}
    for number, count in rounds.items():
        word = _round(min(number, _ROUNDS_SHOWN))
        made[word] = made.get(word, 0) + count
    return made


def _round(number: int) -> str:
    return f"{number}{' or more' if number == _ROUNDS_SHOWN else ''}"
