"""Histories by the column: the same however they are cut, lawful, and as the scenario says."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from runengine.core import PRACTICAL, TERMINAL
from runengine.core.table import POLICIES, Transition
from runengine.simulation.distributions import Constant, Exponential, Gamma, Lognormal
from runengine.simulation.lives import life_of, lives_of
from runengine.simulation.ready import READY, scenario_named
from runengine.simulation.scenario import Arrival, Threads, Tools
from runengine.simulation.vectors.histories import histories
from runengine.simulation.vectors.population import BLOCK
from tests import naive
from tests.simulation.scenarios import scenarios
from tests.simulation.vectors.living import bytes_of, correlation, dwell_us, world_of

_STEADY = scenario_named("steady")


class TestSameBytes:
    @settings(max_examples=15, deadline=None)
    @given(scenario=scenarios(), seed=st.integers(0, 2**64 - 1), chunk=st.sampled_from([1, BLOCK, 3 * BLOCK]))
    def test_the_chunk_changes_nothing(self, scenario: object, seed: int, chunk: int) -> None:
        """Runs are the same whatever the size of the chunks they are made in."""
        runs = 2 * BLOCK + 17
        whole = bytes_of(histories(scenario, seed, runs, chunk_runs=10 * BLOCK))  # type: ignore[arg-type]
        assert bytes_of(histories(scenario, seed, runs, chunk_runs=chunk)) == whole  # type: ignore[arg-type]

    @settings(max_examples=15, deadline=None)
    @given(first=st.integers(0, 3 * BLOCK), runs=st.integers(1, BLOCK))
    def test_what_is_made_before_changes_nothing(self, first: int, runs: int) -> None:
        """Runs from the k-th on are what they are among all."""
        parts = [*histories(_STEADY, 5, first), *histories(_STEADY, 5, runs, first=first)]
        assert bytes_of(parts) == bytes_of(histories(_STEADY, 5, first + runs))

    def test_no_runs_are_no_chunk(self) -> None:
        """No runs are none, wherever they begin."""
        assert list(histories(_STEADY, 1, 0)) == list(histories(_STEADY, 1, 0, first=5)) == []

    def test_a_run_alone_is_the_run_among_a_million(self) -> None:
        """Run 987,654 made alone is what it is in a million."""
        alone = life_of(_STEADY, 3, 987_654)
        among = next(made for made in histories(_STEADY, 3, 1_000_000) if made.runs[-1] >= 987_654)
        place = 987_654 - int(among.runs[0])
        assert next(lives_of(among.cut(place, place + 1))) == alone

    def test_another_process_makes_the_same(self) -> None:
        """Another process, with another hash seed, makes the same bytes."""
        code = (
            "import hashlib\n"
            "from runengine.simulation.ready import scenario_named\n"
            "from runengine.simulation.vectors.histories import histories\n"
            "made = next(histories(scenario_named('flaky'), 9, 3000))\n"
            "print(hashlib.sha256(made.at_us.tobytes() + made.row.tobytes()).hexdigest())"
        )
        said = {
            subprocess.run(
                [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True
            ).stdout
            for seed in ("1", "2")
        }
        assert len(said) == 1

    def test_another_seed_makes_another_world(self) -> None:
        """The seed decides."""
        assert bytes_of(histories(_STEADY, 1, 100)) != bytes_of(histories(_STEADY, 2, 100))


class TestLawful:
    @settings(max_examples=30, deadline=None)
    @given(scenario=scenarios(), seed=st.integers(0, 1000))
    def test_the_engine_takes_every_step(self, scenario: object, seed: int) -> None:
        """Every event of a simulated run is applied by the engine, and the run comes to its end."""
        for life in lives_of(next(histories(scenario, seed, 60))):  # type: ignore[arg-type]
            runs = life.snapshots()
            assert any(run.status in TERMINAL for run in runs)

    @pytest.mark.parametrize("name", READY)
    def test_a_naive_model_agrees(self, name: str) -> None:
        """A model of the lifecycle that knows no table finds every record of the ready-made scenarios lawful."""
        scenario = scenario_named(name)
        for life in lives_of(next(histories(scenario, 4, 400))):
            record: naive.Record | None = None
            for event, run in zip(life.events, life.snapshots(), strict=True):
                record = naive.step(record, naive.plain(event), scenario.policy).record
                assert record is not None, f"{life.run_id}: {event.name} is refused"
                assert naive.plain(run) == record

    @pytest.mark.parametrize("name", READY)
    def test_a_thread_has_one_run_at_a_time(self, name: str) -> None:
        """The next run of a thread is created when the one before has ended, and no sooner."""
        made = next(histories(scenario_named(name), 2, 3 * BLOCK))
        later = np.flatnonzero(made.thread[1:] == made.thread[:-1]) + 1
        assert (made.created_us[later] >= made.ended_us[later - 1]).all()

    def test_a_refused_create_met_an_active_run(self) -> None:
        """Who is refused asked while the thread's run was active, and asks again as soon as it has ended."""
        made = next(histories(evolve(_STEADY, threads=Threads(runs=(0, 0, 1), contention=0.5)), 2, BLOCK))
        refused = np.flatnonzero(made.refused_us >= 0)
        assert 0.4 < len(refused) / (len(made) * 2 / 3) < 0.6
        assert (made.refused_us[refused] >= made.created_us[refused - 1]).all()
        assert (made.refused_us[refused] <= made.ended_us[refused - 1]).all()
        assert (made.created_us[refused] == made.ended_us[refused - 1]).all()


class TestByTheTable:
    def test_a_row_that_is_added_is_simulated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A row added to a policy, and given a share, is taken as often as told; nothing else is changed."""
        row = Transition("finish_cancel", "queued", "cancelled", "permissive", "our queue drops it at once")
        monkeypatch.setitem(POLICIES, "practical", PRACTICAL.extended("practical", [row]))
        scenario = world_of(
            {
                "queued": {"start": (0.5, Constant(value=1)), "finish_cancel": (0.5, Exponential(mean=2))},
                "in_progress": {"complete": (1, Exponential(mean=5))},
            }
        )
        made = next(histories(scenario, 1, 4000))
        taken = Counter(str(made.world.rows[number]) for number in made.row)
        assert 1800 < taken["finish_cancel: queued -> cancelled"] < 2200
        assert {life.snapshots()[-1].status for life in lives_of(made)} == {"completed", "cancelled"}

    def test_rounds_have_an_end(self) -> None:
        """A run requires action `rounds_max` times at most, however large the share."""
        scenario = world_of(
            {
                "queued": {"start": (1, Constant(value=0))},
                "in_progress": {"require_action": (99, Constant(value=0)), "complete": (1, Constant(value=1))},
                "requires_action": {"submit_tool_outputs": (1, Constant(value=0))},
            },
            tools=Tools(rounds_max=3),
        )
        made = next(histories(scenario, 1, 1000))
        rounds = Counter(sum(event.name == "require_action" for event in life.events) for life in lives_of(made))
        assert max(rounds) == 3
        assert rounds[3] > 900

    def test_a_run_is_led_to_its_end(self) -> None:
        """After `steps_max` steps only rows that lead nearer to an end are taken, though one could modify for ever."""
        scenario = world_of(
            {
                "queued": {"modify": (1000, Constant(value=0)), "start": (1, Constant(value=0))},
                "in_progress": {"complete": (1, Constant(value=0))},
            },
            steps_max=10,
        )
        made = next(histories(scenario, 1, 500))
        assert np.diff(made.offsets).max() <= 12
        assert len(made.ended_us) == 500

    @pytest.mark.parametrize("most", range(4, 12))
    def test_what_follows_an_end_has_an_end_too(self, most: int) -> None:
        """A run that is modified after its end for ever stops at `steps_max`, wherever that finds it."""
        scenario = world_of(
            {
                "queued": {"start": (1, Constant(value=0)), "modify": (1, Constant(value=0))},
                "in_progress": {"complete": (1, Constant(value=0))},
                "completed": {"modify": (0.9, Constant(value=1))},
            },
            steps_max=most,
        )
        made = next(histories(scenario, 1, 300))
        assert np.diff(made.offsets).max() <= most + 3
        assert {life.snapshots()[-1].status for life in lives_of(made)} == {"completed"}
        assert (made.row != made.world.birth).sum() == len(made.row) - 300

    def test_what_may_follow_an_end_does_so_as_often_as_told(self) -> None:
        """The shares of a terminal status are probabilities: of ended runs as many are modified, and again, as told."""
        scenario = world_of(
            {
                "queued": {"start": (1, Constant(value=0))},
                "in_progress": {"complete": (3, Constant(value=0)), "fail": (1, Constant(value=0))},
                "completed": {"modify": (0.2, Constant(value=1))},
                "failed": {"modify": (1.0, Constant(value=1))},
            },
            steps_max=8,
        )
        counts = Counter(
            (life.snapshots()[-1].status, len(life.events) - 3)
            for life in lives_of(next(histories(scenario, 1, 20_000)))
        )
        completed = [counts["completed", modified] for modified in range(3)]
        assert stats.chisquare(completed, np.array([0.8, 0.16, 0.032]) / 0.992 * sum(completed)).pvalue > 0.01
        assert {modified for status, modified in counts if status == "failed"} == {6}

    def test_a_moment_that_cannot_be_said_is_refused(self) -> None:
        """A run that would be asked for after what 64 bits of microseconds can say is refused, and not made wrong."""
        with pytest.raises(ValueError, match="later than columns can say"):
            next(histories(world_of(arrival=Arrival(rate_per_s=1e-6)), 1, 1, first=10_000_000))


class TestDeadlines:
    def test_a_run_that_would_be_too_late_expires(self) -> None:
        """Where the deadline comes first the run expires, at its deadline or after."""
        scenario = world_of({"queued": {"start": (1, Constant(value=1))},
                             "in_progress": {"complete": (1, Constant(value=99))}}, ttl_s=5)  # fmt: skip
        for life in lives_of(next(histories(scenario, 1, 50))):
            last = life.snapshots()[-1]
            assert (last.status, (last.completed_at or 0) - last.created_at) == ("expired", 5)

    def test_a_policy_that_lets_nothing_expire_there_has_it_just_in_time(self) -> None:
        """Where the policy has no expiry, the step is taken just before the deadline."""
        scenario = world_of({"queued": {"start": (1, Constant(value=99))},
                             "in_progress": {"complete": (1, Constant(value=0)), "expire": (1, Constant(value=0))}},
                            ttl_s=5, policy="documented")  # fmt: skip
        for life in lives_of(next(histories(scenario, 1, 50))):
            started = life.events[1]
            assert started.name == "start"
            assert (started.at_us + 1) // 1_000_000 == life.events[0].at_us // 1_000_000 + 5

    def test_what_follows_such_a_step_comes_as_long_after_it_as_told(self) -> None:
        """A step that is taken sooner than drawn takes those after it along, and the end."""
        scenario = world_of({"queued": {"cancel": (1, Constant(value=3000))},
                             "cancelling": {"finish_cancel": (1, Constant(value=2))}},
                            ttl_s=5, policy="documented")  # fmt: skip
        made = next(histories(scenario, 1, 50))
        assert set(dwell_us(made, "finish_cancel", "cancelling").tolist()) == {2_000_000}
        assert (made.ended_us == made.at_us[made.offsets[1:] - 1]).all()

    @pytest.mark.parametrize("ttl_s", [1, 5])
    def test_the_deadline_itself_is_too_late(self, ttl_s: int) -> None:
        """What would come at the deadline to the microsecond is too late; a microsecond before, it is not."""
        for early_us, ended in ((0, "expired"), (1, "completed")):
            scenario = world_of({"queued": {"start": (1, Constant(value=0))},
                                 "in_progress": {"complete": (1, Constant(value=ttl_s - 0.5 - early_us / 1e6))}},
                                ttl_s=ttl_s, arrival=Arrival(rate_per_s=1, process="regular"))  # fmt: skip
            assert {life.snapshots()[-1].status for life in lives_of(next(histories(scenario, 1, 20)))} == {ended}

    def test_expire_waits_for_the_deadline(self) -> None:
        """The time told of expire is time after the deadline."""
        scenario = world_of({"queued": {"expire": (1, Constant(value=2.5))}}, ttl_s=5)
        made = next(histories(scenario, 1, 50))
        deadline_us = (made.created_us // 1_000_000 + 5) * 1_000_000
        assert (made.ended_us == deadline_us + 2_500_000).all()


class TestAsTold:
    def test_shares(self) -> None:
        """The shares of 100,000 runs are those of the scenario (chi-square, 1 %), source by source."""
        scenario = evolve(_STEADY, ttl_s=86_400, tools=Tools(rounds_max=60))
        made = list(histories(scenario, 11, 100_000))
        rows = Counter(np.concatenate([m.row for m in made]).tolist())
        numbers = {(row.source, row.event): n for n, row in enumerate(made[0].world.rows)}
        for source in ("queued", "in_progress", "requires_action"):
            steps = scenario.steps[source]
            counts = [rows[numbers[source, event]] for event in steps]
            expected = np.array([step.share for step in steps.values()])
            assert stats.chisquare(counts, expected / expected.sum() * sum(counts)).pvalue > 0.01, source

    @pytest.mark.parametrize(
        ("distribution", "truth"),
        [
            (Exponential(mean=5), stats.expon(scale=5).cdf),
            (Lognormal(median=4, sigma=0.8), stats.lognorm(0.8, scale=4).cdf),
            (Gamma(shape=3, mean=9), stats.gamma(3, scale=3).cdf),
        ],
        ids=lambda value: getattr(value, "kind", "truth"),
    )
    def test_dwell_times(self, distribution: object, truth: object) -> None:
        """100,000 dwell times are distributed as told (Kolmogorov–Smirnov, 1 %)."""
        scenario = world_of(
            {"queued": {"start": (1, Constant(value=1))}, "in_progress": {"complete": (1, distribution)}},  # type: ignore[dict-item]
            ttl_s=86_400,
        )
        times = np.concatenate([dwell_us(m, "complete", "in_progress") for m in histories(scenario, 5, 100_000)])
        assert stats.kstest(times / 1e6, truth).pvalue > 0.01

    def test_branches_and_times_do_not_correlate(self) -> None:
        """How long a stay was says nothing of how it ended, where both ends have the same distribution."""
        same = Exponential(mean=3)
        scenario = world_of({"queued": {"start": (1, Constant(value=1))},
                             "in_progress": {"complete": (1, same), "fail": (1, same)}}, ttl_s=86_400)  # fmt: skip
        made = next(histories(scenario, 5, 50_000))
        one, other = dwell_us(made, "complete", "in_progress"), dwell_us(made, "fail", "in_progress")
        result: Any = stats.ks_2samp(one, other)
        assert result.pvalue > 0.01

    def test_poisson_arrivals(self) -> None:
        """Times between arrivals are exponential (Kolmogorov–Smirnov, 1 %), at the rate told."""
        made = np.concatenate([m.created_us for m in histories(world_of(), 3, 12 * BLOCK)])
        between = np.diff(made) / 1e6
        assert (between >= 0).all()
        assert stats.kstest(between, stats.expon(scale=0.1).cdf).pvalue > 0.01

    def test_threads_arrive_as_poisson_too(self) -> None:
        """Where threads have several runs they begin each for itself, as often as makes the rate that of runs."""
        made = list(histories(world_of(threads=Threads(runs=(1, 0, 0, 3))), 3, 12 * BLOCK))
        begun = np.concatenate([m.created_us[m.thread == m.runs.astype(np.int64)] for m in made])
        between = np.diff(begun) / 1e6
        assert (between >= 0).all()
        assert stats.kstest(between, stats.expon(scale=0.325).cdf).pvalue > 0.01

    @pytest.mark.parametrize("process", ["poisson", "regular", "bursts"])
    def test_the_first_run_is_asked_for_at_the_start(self, process: str) -> None:
        """The first arrivals come at the start, those of a block in the time that its runs take, and no sooner."""
        arrival = Arrival(rate_per_s=10, process=process, burst_runs=8, burst_spread_s=2.0)
        scenario = world_of(arrival=arrival)
        made = next(histories(scenario, 3, BLOCK, first=2 * BLOCK))
        since_s = made.created_us / 1e6 - scenario.start_s - 2 * BLOCK / 10
        assert 0 <= since_s.min() < 10
        assert BLOCK / 10 - 10 < since_s.max() < BLOCK / 10 + 2
        assert stats.kstest(since_s[::8] * 10 / BLOCK, stats.uniform().cdf).pvalue > 0.001

    def test_a_burst_is_spread_as_told(self) -> None:
        """The runs of a group come within the spread, anywhere in it (Kolmogorov–Smirnov, 1 %)."""
        arrival = Arrival(rate_per_s=1e-3, process="bursts", burst_runs=2048, burst_spread_s=2.0)
        created = next(histories(world_of(arrival=arrival), 3, 2048)).created_us / 1e6
        spread = created - created.min()
        assert spread.max() <= 2
        assert stats.kstest(spread, stats.uniform(0, 2).cdf).pvalue > 0.01

    def test_pauses_and_refusals_are_as_told(self) -> None:
        """Pauses are distributed as told, refused creates come anywhere in the active run, as often as told."""
        threads = Threads(runs=(0, 0, 0, 1), pause_s=Exponential(mean=30), contention=0.3)
        made = list(histories(world_of(threads=threads), 3, 12 * BLOCK))
        pauses, asked, later = [], [], 0
        for m in made:
            place = np.flatnonzero(m.thread[1:] == m.thread[:-1]) + 1
            refused = place[m.refused_us[place] >= 0]
            free = place[m.refused_us[place] < 0]
            pauses.append(m.created_us[free] - m.ended_us[free - 1])
            asked.append(
                (m.refused_us - np.roll(m.created_us, 1))[refused] / np.roll(m.ended_us - m.created_us, 1)[refused]
            )
            later += len(place)
        assert stats.kstest(np.concatenate(pauses) / 1e6, stats.expon(scale=30).cdf).pvalue > 0.01
        assert np.concatenate(pauses).mean() / 1e6 == pytest.approx(30, rel=0.015)
        assert stats.kstest(np.concatenate(asked), stats.uniform().cdf).pvalue > 0.01
        assert stats.binomtest(sum(map(len, asked)), later, 0.3).pvalue > 0.01

    def test_stays_say_nothing_of_each_other(self) -> None:
        """How long one stay of a run was says nothing of the next, nor of its pause (correlation of ranks)."""
        threads = Threads(runs=(0, 1), pause_s=Exponential(mean=3))
        scenario = world_of({"queued": {"start": (1, Exponential(mean=1))},
                             "in_progress": {"complete": (1, Exponential(mean=1))}},
                            threads=threads, ttl_s=86_400)  # fmt: skip
        made = next(histories(scenario, 3, 8 * BLOCK))
        waits, works = dwell_us(made, "start", "queued"), dwell_us(made, "complete", "in_progress")
        pauses = made.created_us[1::2] - made.ended_us[::2]
        for one, other in ((waits, works), (waits[1::2], pauses), (works[::2], pauses), (works[::2], works[1::2])):
            assert abs(correlation(one, other)) < 0.03
        scenario = world_of({"queued": {"start": (1, Exponential(mean=1))},
                             "in_progress": {"expire": (1, Exponential(mean=1))}}, ttl_s=60)  # fmt: skip
        made = next(histories(scenario, 3, 8 * BLOCK))
        late_us = made.ended_us - (made.created_us // 1_000_000 + 60) * 1_000_000
        assert abs(correlation(dwell_us(made, "start", "queued"), late_us)) < 0.03

    def test_regular_arrivals(self) -> None:
        """Regular arrivals come at even steps."""
        made = next(histories(world_of(arrival=Arrival(rate_per_s=4, process="regular")), 3, 1000))
        assert set(np.diff(made.created_us).tolist()) == {250_000}

    def test_bursts(self) -> None:
        """Runs come in groups: their count in ten seconds varies many times as much as Poisson's."""
        arrival = Arrival(rate_per_s=1, process="bursts", burst_runs=50, burst_spread_s=2)
        created = np.concatenate([m.created_us for m in histories(world_of(arrival=arrival), 3, 12 * BLOCK)])
        counts = np.bincount((created - created.min()) // 10_000_000)
        assert counts.var() / counts.mean() > 20
        assert abs(len(created) / ((created.max() - created.min()) / 1e6) - 1) < 0.05

    def test_the_rate_goes_up_and_down(self) -> None:
        """Parts of a period have the shares of the profile (chi-square, 1 %)."""
        arrival = Arrival(rate_per_s=100, profile=(1, 3, 0, 2), period_s=400)
        scenario = world_of(arrival=arrival)
        created = np.concatenate([m.created_us for m in histories(scenario, 3, 120_000)])
        parts = (created - scenario.start_s * 1_000_000) // 100_000_000 % 4
        counts = np.bincount(parts, minlength=4)
        assert counts[2] == 0
        assert stats.chisquare(counts[[0, 1, 3]], np.array([1, 3, 2]) / 6 * len(created)).pvalue > 0.01

    def test_threads_have_the_lengths_told(self) -> None:
        """Threads of 1, 2, 3 runs have their shares, but for the one at the end of a block."""
        scenario = world_of(threads=Threads(runs=(5, 3, 2)))
        thread = np.concatenate([m.thread for m in histories(scenario, 3, 20 * BLOCK)])
        last = np.arange(BLOCK - 1, len(thread), BLOCK)
        assert 0 < (thread[last] == last).sum() < len(last)
        assert (thread[last + 1 - BLOCK] == last + 1 - BLOCK).all()
        lengths = np.bincount(np.unique(thread, return_counts=True)[1])[1:]
        assert stats.chisquare(lengths, np.array([0.5, 0.3, 0.2]) * lengths.sum()).pvalue > 0.01
