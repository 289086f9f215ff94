"""What is learned of runs of a known world is that world, within stated errors; complete and polled alike."""

from __future__ import annotations

from itertools import chain, islice, pairwise
from statistics import median

import numpy as np
import pytest
from attrs import evolve

from runengine.core import SECOND_US
from runengine.simulation.distributions import Distribution
from runengine.simulation.fitting.choosing import median_of
from runengine.simulation.fitting.estimating import Fit, fitted
from runengine.simulation.fitting.reading import Reading
from runengine.simulation.scenario import Scenario
from runengine.simulation.vectors.tables import quantiles
from tests.simulation.fitting.recorded import WORLD, complete, learned, lives, lives_of, polled

RUNS = 3000
SEED = 11
SHARE_OFF = 0.02
"""How far a share may be off, of rows with more than 100 stays."""

MIDDLE_OFF = 0.06
"""How far a median may be off, as a part of it, of rows with over 1,000 stays."""

FEW_OFF = 0.25
"""The same, of rows with 100 to 1,000."""

SPREAD_OFF = 0.08
"""How far the tenth and ninetieth percentile may be off, as a part, of rows with more than 1,000 stays."""

Learned = tuple[Reading, Fit]


@pytest.fixture(scope="module", params=["complete", "polled"])
def view(request: pytest.FixtureRequest) -> tuple[str, Reading, Fit]:
    """What is learned of each view of the same runs."""
    see = complete if request.param == "complete" else polled
    return (request.param, *learned(chain.from_iterable(see(life) for life in lives(SEED, RUNS))))


def share_of(scenario: Scenario, source: str, event: str) -> float:
    """A row's part of its source."""
    there = scenario.steps[source]  # type: ignore[index] # pyright: ignore[reportArgumentType]
    return there[event].share / sum(step.share for step in there.values())


def at(distribution: Distribution, share: float) -> float:
    """A quantile."""
    return float(quantiles(distribution, np.array([share]))[0])


def test_shares(view: tuple[str, Reading, Fit]) -> None:
    """Every share is the world's."""
    _, _, fit = view
    for source, steps in WORLD.steps.items():
        assert set(fit.scenario.steps[source]) == set(steps)
        for event in steps:
            off = share_of(fit.scenario, source, event) - share_of(WORLD, source, event)
            assert abs(off) < SHARE_OFF, (source, event, off)


def test_intervals_of_shares_hold(view: tuple[str, Reading, Fit]) -> None:
    """The 95 % intervals of all shares but at most one hold the world's share."""
    _, _, fit = view
    missed = [
        (source, event)
        for source, steps in WORLD.steps.items()
        for event in steps
        for one in [fit.report.of(f"steps.{source}.{event}.share")]
        if one.low is None or one.high is None or not one.low <= share_of(WORLD, source, event) <= one.high
    ]
    assert len(missed) <= 1, missed


def test_medians(view: tuple[str, Reading, Fit]) -> None:
    """Every median is the world's, closer where there are more stays."""
    _, reading, fit = view
    for source, steps in WORLD.steps.items():
        for event, step in steps.items():
            stays = reading.stays.rows[source, event].counts.total()
            assert stays > 100, (source, event)
            off = median_of(fit.scenario.steps[source][event].after_s) / median_of(step.after_s) - 1
            assert abs(off) < (MIDDLE_OFF if stays > 1000 else FEW_OFF), (source, event, off)


def test_spreads(view: tuple[str, Reading, Fit]) -> None:
    """Short and long stays are the world's too."""
    _, reading, fit = view
    for source, steps in WORLD.steps.items():
        for event, step in steps.items():
            if reading.stays.rows[source, event].counts.total() > 1000:
                for share in (0.1, 0.9):
                    off = at(fit.scenario.steps[source][event].after_s, share) / at(step.after_s, share) - 1
                    assert abs(off) < SPREAD_OFF, (source, event, share, off)


def test_the_rest(view: tuple[str, Reading, Fit]) -> None:
    """The deadline, tool rounds, calls, threads, arrivals and the policy are the world's."""
    _, reading, fit = view
    scenario = fit.scenario
    assert scenario.ttl_s == WORLD.ttl_s
    assert scenario.tools.rounds_max == WORLD.tools.rounds_max
    limit = fit.report.of("tools.rounds_max")
    assert (limit.value, limit.basis, limit.exact > 100) == (2, "counted", True)
    assert "largest seen: 2" in limit.note
    assert scenario.tools.calls == pytest.approx((0.5, 0.5), abs=0.08)
    assert scenario.threads.runs == pytest.approx(WORLD.threads.runs, abs=0.02)
    assert scenario.arrival.process == "poisson"
    assert scenario.arrival.rate_per_s == pytest.approx(WORLD.arrival.rate_per_s, rel=0.05)
    assert median_of(scenario.threads.pause_s) == pytest.approx(20.0, rel=0.1)
    assert scenario.policy == "documented"
    rounds = [sum(row.event == "require_action" for row in life.rows) for life in lives(SEED, RUNS)]
    seen = reading.facts.rounds
    assert sum(n * count for n, count in seen.items()) / seen.total() == pytest.approx(sum(rounds) / RUNS, abs=0.01)


@pytest.mark.slow
def test_pollers() -> None:
    """A poller's interval is learned of its polls."""
    _, fit = learned(chain.from_iterable(polled(life, interval_s=2.0) for life in lives(SEED, 200)))
    assert fit.scenario.pollers.interval_s == pytest.approx(2.0, rel=0.01)
    assert fit.scenario.pollers.jitter < 0.02
    assert fit.scenario.pollers.lost == 0


def test_without_the_censoring_it_would_miss() -> None:
    """Taking the polls' own moments for those of the steps misses the tolerance that `test_medians` keeps, by far."""
    naive: list[float] = []
    for life in lives(SEED, 1000):
        seen = [(o.record["status"], o.observed_s or 0.0) for o in polled(life)]
        since = seen[0][1]
        for (before, _), (after, now_s) in pairwise(seen):
            if before != after:
                if (before, after) == ("queued", "in_progress"):
                    naive.append(now_s - since)
                since = now_s
    true = median_of(WORLD.steps["queued"]["start"].after_s)
    assert abs(median(naive) / true - 1) > 10 * MIDDLE_OFF


def test_without_the_half_second_it_would_miss() -> None:
    """Differences of whole-second stamps, taken as they stand, put the median of a short stay at 0 or 1 s."""
    stamps = [
        life.at_us[1] // SECOND_US - life.at_us[0] // SECOND_US
        for life in lives(SEED, RUNS)
        if life.rows[1].event == "start"
    ]
    assert median(stamps) in (0, 1)


@pytest.mark.slow
def test_pollers_that_give_up() -> None:
    """Runs that were still open at the last look count in part: without them the long stays would be missed."""
    looks = 12
    working = {event: step for event, step in WORLD.steps["in_progress"].items() if event != "expire"}
    early = tuple(lives_of(evolve(WORLD, steps={**WORLD.steps, "in_progress": working}), SEED, 1500))
    _, fit = learned(chain.from_iterable(islice(polled(life), looks) for life in early))
    ended = [
        (b - a) / SECOND_US
        for life in early
        for row, a, b in zip(life.rows[1:], life.at_us, life.at_us[1:], strict=False)
        if row.event == "complete" and b < life.at_us[0] + (looks - 1) * SECOND_US
    ]
    true = at(WORLD.steps["in_progress"]["complete"].after_s, 0.9)
    learned_off = abs(at(fit.scenario.steps["in_progress"]["complete"].after_s, 0.9) / true - 1)
    assert fit.report.of("steps.in_progress.complete.share").open > 100
    assert learned_off < 0.1
    assert abs(float(np.quantile(ended, 0.9)) / true - 1) > 0.25


@pytest.mark.slow
def test_histories_that_break_off() -> None:
    """In a history that ends, the open runs have stayed until its last entry."""
    until = min(life.at_us[0] for life in lives(SEED, RUNS)) + 60 * SECOND_US
    told = sorted(chain.from_iterable(map(complete, lives(SEED, RUNS))), key=lambda o: o.observed_s or 0)
    reading, fit = learned(o for o in told if (o.observed_s or 0) * SECOND_US < until)
    assert reading.counts.runs - reading.counts.ended > 30
    assert share_of(fit.scenario, "in_progress", "complete") == pytest.approx(0.6, abs=0.08)
    assert median_of(fit.scenario.steps["in_progress"]["complete"].after_s) == pytest.approx(4.0, rel=0.25)


@pytest.mark.slow
def test_learned_of_what_was_learned() -> None:
    """A fit of runs simulated by a fit is that fit, roughly: nothing drifts."""
    _, once = learned(chain.from_iterable(complete(life) for life in lives(SEED, RUNS)[:1200]))
    again = Reading()
    again.add(chain.from_iterable(complete(life, once.scenario.ttl_s) for life in lives_of(once.scenario, 3, 1200)))
    twice = fitted(again)
    for source, steps in once.scenario.steps.items():
        for event, step in steps.items():
            assert share_of(twice.scenario, source, event) == pytest.approx(
                share_of(once.scenario, source, event), abs=0.03
            )
            stays = again.stays.rows[source, event].counts.total()
            if stays > 300:
                assert median_of(twice.scenario.steps[source][event].after_s) == pytest.approx(
                    median_of(step.after_s), rel=0.15
                )
    assert twice.scenario.ttl_s == once.scenario.ttl_s
    assert twice.scenario.arrival.rate_per_s == pytest.approx(once.scenario.arrival.rate_per_s, rel=0.1)
