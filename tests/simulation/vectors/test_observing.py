"""Looks: a poller sees what the run was when it looked, at the create, and until it has seen the end."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from runengine.core import TERMINAL
from runengine.simulation.distributions import Constant
from runengine.simulation.ready import READY, scenario_named
from runengine.simulation.scenario import Pollers
from runengine.simulation.vectors.histories import Histories, histories
from runengine.simulation.vectors.observing import KINDS, events_of, looks_at
from runengine.simulation.vectors.population import BLOCK
from tests.simulation.vectors.living import world_of

_POLLERS = st.builds(
    Pollers,
    interval_s=st.sampled_from([0.05, 1.0, 7.5]),
    jitter=st.sampled_from([0.0, 0.1, 1.0]),
    lost=st.sampled_from([0.0, 0.3, 0.9]),
    skew_s=st.sampled_from([0.0, 1.5]),
    polls_max=st.sampled_from([3, 2000]),
)
_ACTS = {"create": "create", "submit_tool_outputs": "submit", "cancel": "cancel", "modify": "modify"}

Look = tuple[int, int, int, str]
"""Moment, entry, moment by the recorder's clock, kind."""


def _looks(made: Histories) -> list[list[Look]]:
    seen = looks_at(made)
    looks: list[list[Look]] = [[] for _ in range(len(made))]
    columns = (seen.run, seen.at_us, seen.entry, seen.seen_us, seen.kind)
    for run, at_us, entry, seen_us, kind in zip(*(c.tolist() for c in columns), strict=True):
        looks[run].append((at_us, entry, seen_us, KINDS[kind]))
    return looks


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(READY), pollers=_POLLERS, seed=st.integers(0, 100))
def test_who_looks_sees_the_last_event_before(name: str, pollers: Pollers, seed: int) -> None:
    """Each look shows the record after the run's last event before it; an answer shows what the call made."""
    made = next(histories(evolve(scenario_named(name), pollers=pollers), seed, 40))
    for run, looks in enumerate(_looks(made)):
        start, stop = made.offsets[run], made.offsets[run + 1]
        times = made.at_us[start:stop].tolist()
        assert [look[0] for look in looks] == sorted(look[0] for look in looks)
        for at_us, entry, _, kind in looks:
            if kind == "poll":
                assert entry - start == max(n for n, moment in enumerate(times) if moment <= at_us)
            else:
                assert times[entry - start] == at_us
                assert _ACTS[made.world.rows[made.row[entry]].event] == kind


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(READY), pollers=_POLLERS, seed=st.integers(0, 100))
def test_polling_goes_on_until_the_end_is_seen(name: str, pollers: Pollers, seed: int) -> None:
    """The create is seen first, and no poll follows one that has seen the end; the clock is off by one amount a run."""
    made = next(histories(evolve(scenario_named(name), pollers=pollers), seed, 40))
    for run, looks in enumerate(_looks(made)):
        assert looks[0][3] == "create"
        polls = [look for look in looks if look[3] == "poll"]
        ended = [look for look in polls if made.world.rows[made.row[look[1]]].target in TERMINAL]
        assert ended in ([], polls[-1:])
        assert len({seen_us - at_us for at_us, _, seen_us, _ in looks}) == 1
        assert abs(looks[0][2] - looks[0][0]) <= pollers.skew_s * 1e6
        if not pollers.lost and pollers.polls_max > 1000 and pollers.interval_s >= 1:
            assert ended
            assert ended[0][0] - made.ended_us[run] <= pollers.interval_s * (1 + pollers.jitter) * 1e6


def test_intervals_and_losses_are_as_told() -> None:
    """Polls are an interval apart, off by the jitter at most, and the share told is lost."""

    def polls(pollers: Pollers) -> list[list[int]]:
        made = next(histories(evolve(scenario_named("tool-heavy"), pollers=pollers), 1, 300))
        return [[look[0] for look in looks if look[3] == "poll"] for looks in _looks(made)]

    whole = polls(Pollers(interval_s=0.5, jitter=0.2))
    between = [b - a for times in whole for a, b in pairwise(times)]
    assert 0.4e6 <= min(between) < 0.42e6
    assert 0.58e6 < max(between) <= 0.6e6
    kept = polls(Pollers(interval_s=0.5, lost=0.25))
    assert sum(map(len, kept)) / sum(map(len, whole)) == pytest.approx(0.75, abs=0.02)


def test_clocks_and_intervals_are_off_either_way() -> None:
    """Clocks are off by anything up to the skew, and polls by anything up to half the jitter, either way alike."""
    pollers = Pollers(interval_s=0.5, jitter=0.4, skew_s=2.0)
    made = next(histories(evolve(scenario_named("tool-heavy"), pollers=pollers), 1, 2000))
    seen = looks_at(made)
    first = np.flatnonzero(np.diff(seen.run, prepend=-1))
    skew_s = (seen.seen_us - seen.at_us)[first] / 1e6
    assert stats.kstest(skew_s, stats.uniform(-2, 4).cdf).pvalue > 0.01
    number = np.zeros(2000, np.int64)
    off_s = []
    for run, at_us in zip(seen.run[seen.kind == 2].tolist(), seen.at_us[seen.kind == 2].tolist(), strict=True):
        number[run] += 1
        off_s.append((at_us - made.created_us[run]) / 1e6 - 0.5 * number[run])
    assert stats.kstest(off_s, stats.uniform(-0.1, 0.2).cdf).pvalue > 0.01


def test_lost_polls_are_followed_by_others() -> None:
    """However many polls are lost, a poller goes on until it has seen the end; it gives up after `polls_max` alone."""
    for lost in (0.5, 0.9, 0.99):
        made = next(histories(evolve(scenario_named("steady"), pollers=Pollers(lost=lost, polls_max=100_000)), 1, 200))
        seen = looks_at(made)
        over = (seen.at_us >= made.ended_us[seen.run]) & (seen.kind == KINDS.index("poll"))
        assert np.bincount(seen.run[over], minlength=200).tolist() == [1] * 200
    few = looks_at(
        next(histories(evolve(scenario_named("steady"), pollers=Pollers(interval_s=0.01, polls_max=7)), 1, 200))
    )
    assert np.bincount(few.run[few.kind == KINDS.index("poll")]).tolist() == [7] * 200


def test_what_happens_years_after_the_end_is_not_seen_before() -> None:
    """Looks are right though events lie so far apart that a chunk's spans together are beyond 64 bits."""
    scenario = evolve(
        world_of({
            "queued": {"start": (1, Constant(value=1))},
            "in_progress": {"complete": (1, Constant(value=1))},
            "completed": {"modify": (0.1, Constant(value=1e8))},
        }),
        steps_max=4,
    )  # fmt: skip
    made = next(histories(scenario, 1, 32 * BLOCK))
    seen = looks_at(made)
    assert (made.offsets[seen.run] <= seen.entry).all()
    assert (seen.entry < made.offsets[seen.run + 1]).all()
    assert (made.at_us[seen.entry] <= seen.at_us).all()


@pytest.mark.parametrize("name", READY)
def test_a_look_is_the_same_whatever_is_made_before(name: str) -> None:
    """The looks at a run made alone are those at the run among many."""
    many = next(histories(scenario_named(name), 3, 200))
    alone = next(histories(scenario_named(name), 3, 1, first=137))
    among = [(at, entry - int(many.offsets[137]), seen, kind) for at, entry, seen, kind in _looks(many)[137]]
    assert _looks(alone)[0] == among


def test_events_are_seen_when_they_happen() -> None:
    """The complete view shows every entry once, at its moment."""
    made = next(histories(scenario_named("flaky"), 3, 500))
    seen = events_of(made)
    assert (seen.entry == np.arange(len(made.row))).all()
    assert (seen.at_us == made.at_us).all()
    assert (made.offsets[seen.run] <= seen.entry).all()
    assert (seen.entry < made.offsets[seen.run + 1]).all()
