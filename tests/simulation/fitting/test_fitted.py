"""From what was read to a scenario that is valid, and a report that says what it rests on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.core import STATUSES
from runengine.simulation import load_scenario, read_scenario, scenario_named, write_scenario
from runengine.simulation.errors import ScenarioInvalid
from runengine.simulation.fitting.comparing import compared, simulated_stays
from runengine.simulation.fitting.estimating import Fit, fitted
from runengine.simulation.fitting.plots import draw, stay_figure
from runengine.simulation.fitting.reading import Reading
from runengine.simulation.fitting.report import BASES
from runengine.simulation.fitting.tally import Reservoir
from runengine.validation.observations import Observation, Passed, StreamEnd, Unreadable
from tests.simulation.fitting.recorded import WORLD, complete, learned, lives, polled

T0 = 1_760_000_000
SECRETS = ("secret words", "secret_name", "pair")


def record(status: str, number: int = 1, **fields: Any) -> Observation:
    """A snapshot."""
    base = {"id": f"run_{number}", "thread_id": f"thread_{number}", "created_at": T0, "started_at": None}
    return Observation({**base, "status": status, **fields}, 1)


class TestReading:
    """One pass, bounded."""

    def test_scopes(self) -> None:
        """Each recording is its own: a run in two is two."""
        reading = Reading()
        for _ in range(2):
            reading.add(complete(lives(5, 600)[0]))
        assert (reading.counts.runs, reading.counts.recordings) == (2, 2)

    def test_what_is_no_run(self) -> None:
        """Unreadable lines are counted, other objects passed over, records without a status or a stamp counted."""
        reading = Reading()
        reading.add(
            [
                Unreadable(line=1, problem="not JSON"),
                Passed(line=2, what="thread.message"),
                StreamEnd(line=3, done=True),
                record("paused"),
            ]
        )
        assert (reading.counts.unreadable, reading.counts.unusable, reading.counts.runs) == (1, 1, 0)

    def test_a_look_at_an_ended_run(self) -> None:
        """It is no new run, and ends it no second time."""
        reading = Reading()
        ended = record("completed", started_at=T0 + 1, completed_at=T0 + 3)
        reading.add([ended, ended, ended])
        assert (reading.counts.runs, reading.counts.ended, reading.facts.ends["completed"]) == (1, 1, 1)

    def test_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of ended runs the last are remembered: a look at one of them is no new run, at an older one it is."""
        monkeypatch.setattr("runengine.simulation.fitting.reading.ENDED_KEPT", 50)
        reading = Reading()
        numbers = [*range(200), 199, 0]
        reading.add(record("completed", n, started_at=T0 + 1, completed_at=T0 + 3, tools=[]) for n in numbers)
        assert reading.counts.runs == 201
        assert reading.stays.rows["queued", "start"].counts.total() == 201

    def test_reservoirs_are_even(self) -> None:
        """Every value is as likely to be kept, and the same seed keeps the same."""
        sample: Reservoir[int] = Reservoir(3, "x", 500)
        again: Reservoir[int] = Reservoir(3, "x", 500)
        for number in range(5000):
            sample.add(number)
            again.add(number)
        assert sample.kept == again.kept
        assert sum(sample.kept) / 500 == pytest.approx(2500, rel=0.08)

    def test_interleaved(self) -> None:
        """Runs may be recorded one after another or all at once: what is learned is the same."""
        some = lives(5, 600)[:200]
        apart, _ = learned(chain.from_iterable(map(complete, some)))
        mixed, _ = learned(iter(sorted(chain.from_iterable(map(complete, some)), key=lambda o: o.observed_s or 0)))
        assert {k: v.counts for k, v in apart.stays.rows.items()} == {k: v.counts for k, v in mixed.stays.rows.items()}
        assert apart.facts.threads == mixed.facts.threads


class TestSecrets:
    """Nothing of a recording's text is copied unless that is asked for."""

    def read(self, with_text: bool) -> tuple[str, str]:
        """The scenario, and the report."""
        reading = Reading(with_text=with_text)
        reading.add(chain.from_iterable(complete(life) for life in lives(5, 600)))
        fit = fitted(reading)
        return write_scenario(fit.scenario), json.dumps(fit.report.as_json())

    def test_left_out(self) -> None:
        """Instructions, metadata and names of functions are in neither."""
        for text in self.read(with_text=False):
            assert not any(secret in text for secret in SECRETS)

    def test_asked_for(self) -> None:
        """With them, the scenario has all three."""
        text, _ = self.read(with_text=True)
        assert all(secret in text for secret in SECRETS)


class TestFitted:
    """A scenario whatever was read."""

    def test_nothing(self) -> None:
        """Without a run there is nothing to learn from."""
        with pytest.raises(ScenarioInvalid, match="no run was found"):
            fitted(Reading())

    def test_one_run(self) -> None:
        """One run makes a scenario, and is said to be one."""
        reading = Reading()
        reading.add([record("queued"), record("in_progress", started_at=T0 + 1)])
        fit = fitted(reading)
        assert any("one run only" in line for line in fit.report.assumed)
        assert any("steps.in_progress.complete" in line for line in fit.report.assumed)

    @pytest.mark.parametrize("see", [complete, polled])
    @pytest.mark.parametrize("rounds", [1, 2])
    def test_one_run_with_rounds(self, see: Any, rounds: int) -> None:
        """Shares of one run are its counts, in the report too, and a scenario of them simulates runs that end."""
        life = next(
            life
            for life in lives(5, 600)
            if life.rows[-1].event == "complete" and sum(row.event == "require_action" for row in life.rows) == rounds
        )
        _, fit = learned(see(life))
        work = fit.scenario.steps["in_progress"]
        assert {event: step.share for event, step in work.items()} == pytest.approx(
            {"require_action": rounds / (rounds + 1), "complete": 1 / (rounds + 1)}, rel=1e-4
        )
        assert any(line.startswith("weak: the shares") and "in_progress" in line for line in fit.report.assumed)
        assert fit.scenario.tools.rounds_max == 8
        _, ends, made = simulated_stays(fit.scenario, 1, 300)
        assert ends["completed"] > 270
        assert sum(number * count for number, count in made.items()) / 300 == pytest.approx(rounds, rel=0.35)

    @given(st.sampled_from(STATUSES), st.booleans(), st.booleans())
    def test_any_status_alone(self, status: str, started: bool, tools: bool) -> None:
        """A single snapshot of any status makes a valid scenario that is written and read the same."""
        stamps = {"started_at": T0 + 1} if started else {}
        ends = {"failed": "failed_at", "cancelled": "cancelled_at"}.get(status, "completed_at")
        reading = Reading()
        kinds = [{"type": "function"}] if tools else []
        reading.add([record(status, tools=kinds, **{ends: T0 + 5}, **stamps)])
        scenario = fitted(reading).scenario
        assert read_scenario(write_scenario(scenario)) == scenario

    @given(st.lists(st.integers(0, 599), min_size=1, max_size=12), st.sampled_from([0.7, 1.0, 10.0]), st.booleans())
    @settings(max_examples=15, deadline=None)
    def test_any_few_runs(self, numbers: list[int], interval_s: float, whole: bool) -> None:
        """Any few runs make a valid scenario, and every number has a basis that is explained."""
        chosen = [lives(5, 600)[number] for number in dict.fromkeys(numbers)]
        see = (complete(life) if whole else polled(life, interval_s=interval_s) for life in chosen)
        _, fit = learned(chain.from_iterable(see))
        assert read_scenario(write_scenario(fit.scenario)) == fit.scenario
        assert {one.basis for one in fit.report.learned} <= set(BASES)
        for one in fit.report.learned:
            assert one.low is None or one.high is None or one.low <= one.high

    @pytest.mark.parametrize(
        ("last", "policy"),
        [
            (record("failed", started_at=T0 + 1, failed_at=T0 + 5), "documented"),
            (record("failed", failed_at=T0 + 5), "practical"),
        ],
    )
    def test_policy(self, last: Observation, policy: str) -> None:
        """The narrowest policy that has every step."""
        reading = Reading()
        reading.add([record("queued"), last])
        assert fitted(reading).scenario.policy == policy

    def test_words(self) -> None:
        """Codes that the generation does not know are left out, and named."""
        codes = ["server_error", "invalid_engine_error"]
        reading = Reading()
        for number, code in enumerate(codes):
            ended = {"started_at": T0 + 1, "failed_at": T0 + 4, "last_error": {"code": code, "message": "m"}}
            reading.add([record("queued", number), record("failed", number, **ended)])
        fit = fitted(reading)
        assert dict(fit.scenario.errors) == {"server_error": 1.0}
        assert any("invalid_engine_error" in line for line in fit.report.assumed)

    def test_generation(self) -> None:
        """Where a run became incomplete, the generation is one that knows the word."""
        reading = Reading()
        old = 1_702_000_000
        ended = {"created_at": old, "started_at": old + 1, "completed_at": old + 2}
        reading.add([record("incomplete", file_ids=[], **ended)])
        assert fitted(reading).scenario.generation_number >= 9

    def test_same_seed(self) -> None:
        """The same recordings and seed learn the same."""
        one, other = (learned(chain.from_iterable(map(polled, lives(5, 600)[:60])))[1] for _ in range(2))
        assert one.scenario == other.scenario
        assert one.report == other.report


@pytest.fixture(scope="module")
def looked() -> tuple[Reading, Fit]:
    """What is learned of 300 runs that a poller saw."""
    return learned(looks(300))


def looks(count: int) -> Iterator[Observation]:
    """What a poller saw of some runs."""
    return chain.from_iterable(map(polled, lives(5, 600)[:count]))


class TestCompared:
    """Recorded beside simulated."""

    def test_the_world_agrees_with_itself(self, looked: tuple[Reading, Fit]) -> None:
        """Beside the world that made them, nearly all recorded shares agree, and the gaps are small."""
        reading, _ = looked
        comparison = compared(reading, WORLD, seed=9)
        every = [*comparison.shares, *comparison.ends, *comparison.rounds]
        assert sum(one.agrees for one in every) >= 0.85 * len(every)
        assert comparison.runs == 1000
        for stay in comparison.stays:
            if stay.count > 200:
                assert stay.off is not None
                assert stay.off < 0.1

    def test_another_world_does_not(self, looked: tuple[Reading, Fit]) -> None:
        """Beside another scenario the differences are seen."""
        reading, _ = looked
        comparison = compared(reading, scenario_named("steady"), seed=9)
        assert not all(one.agrees for one in comparison.shares)
        waits = next(stay for stay in comparison.stays if stay.event == "submit_tool_outputs")
        assert waits.off is not None
        assert waits.off > 0.2

    def test_json(self) -> None:
        """It is plain JSON, and the same for the same seed."""
        reading, fit = learned(looks(50))
        texts = [json.dumps(compared(reading, fit.scenario).as_json(), allow_nan=False) for _ in range(2)]
        assert texts[0] == texts[1]
        assert set(json.loads(texts[0])) == {"name", "runs", "seed", "quantiles", "shares", "ends", "rounds", "stays"}

    @pytest.mark.parametrize(("see", "band"), [(complete, False), (polled, True)])
    def test_the_band_has_a_word_where_it_is_drawn(self, see: Any, band: bool) -> None:
        """The legend names the band of what is possible only where a panel has one."""
        reading, fit = learned(chain.from_iterable(map(see, lives(5, 600)[:12])))
        words = [text.get_text() for text in stay_figure(compared(reading, fit.scenario)).legends[0].get_texts()]
        assert ("recorded: all that is possible" in words) == band
        assert any(word.startswith("recorded") for word in words)
        assert "simulated" in words

    @pytest.mark.slow
    def test_pictures(self, tmp_path: Any) -> None:
        """The same bytes each time, without a date."""
        reading, fit = learned(looks(50))
        comparison = compared(reading, fit.scenario)
        first, second = (draw(comparison, tmp_path / name, ("svg",)) for name in ("one", "two"))
        assert [path.name for path in first] == ["stays.svg", "shares.svg"]
        assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
        svg = first[0].read_text(encoding="utf-8")
        assert "queued → in_progress" in svg
        assert "dc:date" not in svg


def test_a_scenario_that_was_learned_can_be_loaded(tmp_path: Any) -> None:
    """What is written is what `load_scenario` reads."""
    _, fit = learned(looks(100))
    path = tmp_path / "mine.toml"
    path.write_text(write_scenario(fit.scenario), encoding="utf-8")
    assert load_scenario(str(path)) == fit.scenario
