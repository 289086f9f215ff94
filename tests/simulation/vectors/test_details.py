"""Details: ids that are nobody else's, tokens and words as the scenario says."""

from __future__ import annotations

import re

import numpy as np
import pytest
from attrs import evolve
from scipy import stats

from runengine.core import TERMINAL
from runengine.core.candidates import INCOMPLETE_FIRST
from runengine.core.generations import GENERATIONS
from runengine.simulation.distributions import Constant
from runengine.simulation.lives import document_of, lives_of
from runengine.simulation.ready import READY, scenario_named
from runengine.simulation.scenario import Assistant, Threads, Tools, Usage
from runengine.simulation.vectors.details import Details
from runengine.simulation.vectors.histories import histories
from runengine.validation import Checker
from runengine.validation.observations import Observation
from tests.simulation.vectors.living import correlation

_FLAKY = scenario_named("flaky")


def test_ids_are_nobody_elses() -> None:
    """200,000 runs have 200,000 ids of the API's form; runs of a thread share its id, and no other does."""
    runs: list[bytes] = []
    threads: dict[bytes, int] = {}
    for made in histories(_FLAKY, 1, 200_000):
        details = Details(made)
        runs += details.run_id.tolist()
        for name, number in zip(details.thread_id.tolist(), made.thread.tolist(), strict=True):
            assert threads.setdefault(name, number) == number
    assert len(set(runs)) == 200_000
    assert len(set(threads.values())) == len(threads)
    assert all(re.fullmatch(rb"run_[A-Za-z0-9]{24}", name) for name in runs[:1000])
    assert len({part for name in runs[:1000] for part in (name[4:16], name[16:])}) == 2000


def test_calls_have_ids_of_their_own() -> None:
    """No two calls of any run and round share an id, and each names a function of the scenario."""
    scenario = evolve(scenario_named("tool-heavy"), tools=Tools(calls=(1, 1, 1), functions=("now", "then")))
    ids: list[str] = []
    for life in lives_of(next(histories(scenario, 1, 800))):
        for event in life.events:
            if event.name == "require_action":
                ids += [call.id for call in event.tool_calls]  # type: ignore[attr-defined]
                assert {call.function.name for call in event.tool_calls} <= {"now", "then"}  # type: ignore[attr-defined]
    assert len(ids) > 1000
    assert len(set(ids)) == len(ids)


def test_tokens_are_counted_by_the_stretch() -> None:
    """A run that was started twice has used the tokens of two stretches; one that never was, none."""
    usage = Usage(prompt_tokens=Constant(value=100), completion_tokens=Constant(value=7), partial=1)
    for life in lives_of(next(histories(evolve(_FLAKY, usage=usage), 1, 500))):
        starts = sum(event.name == "start" for event in life.events)
        last = next(run for run in life.snapshots() if run.status in TERMINAL)
        assert last.usage is not None
        assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (100 * starts, 7 * starts)


def test_words_and_assistants_have_their_shares() -> None:
    """Codes of errors, and assistants among threads, have the shares told (chi-square, 1 %)."""
    assistants = (Assistant(assistant_id="a", share=3), Assistant(assistant_id="b", share=1))
    scenario = evolve(_FLAKY, assistants=assistants, errors={"server_error": 1.0, "rate_limit_exceeded": 4.0})
    details = Details(next(histories(scenario, 1, 60_000)))
    assert stats.chisquare(np.bincount(details.error), np.array([0.2, 0.8]) * 60_000).pvalue > 0.01
    _, first = np.unique(details.thread_id, return_index=True)
    counts = np.bincount(details.assistant[first])
    assert stats.chisquare(counts, np.array([0.75, 0.25]) * len(first)).pvalue > 0.01


def test_what_runs_carry_is_as_told() -> None:
    """Counts of calls, functions, limits and counted tokens have the shares told (chi-square, 1 %)."""
    scenario = evolve(
        scenario_named("tool-heavy"),
        tools=Tools(calls=(5, 3, 2), functions=("a", "b", "c", "d")),
        limits={"max_completion_tokens": 0.7, "max_prompt_tokens": 0.3},
        usage=Usage(partial=0.4),
    )
    made = next(histories(scenario, 1, 30_000))
    details = Details(made)
    asks = np.flatnonzero(np.array([row.event == "require_action" for row in made.world.rows])[made.row])
    for drawn, shares in (
        (details.calls[asks] - 1, [0.5, 0.3, 0.2]),
        (details.call_function(asks, 0), [0.25] * 4),
        (details.call_function(asks, 1), [0.25] * 4),
        (details.limit, [0.7, 0.3]),
        (details.counted.astype(np.int64), [0.6, 0.4]),
    ):
        assert stats.chisquare(np.bincount(drawn, minlength=len(shares)), np.array(shares) * len(drawn)).pvalue > 0.01


def test_tokens_have_a_limit_and_lives_of_their_own() -> None:
    """No run uses more than its assistant's limit; prompt and completion tokens say nothing of each other."""
    limited = (Assistant(assistant_id="a", max_prompt_tokens=900, max_completion_tokens=300),)
    details = Details(next(histories(evolve(_FLAKY, assistants=limited), 1, 20_000)))
    assert details.prompt_tokens.max() == 900
    assert details.completion_tokens.max() == 300
    scenario = evolve(scenario_named("steady"), tools=Tools(rounds_max=0))
    details = Details(next(histories(scenario, 1, 20_000)))
    once = np.flatnonzero(details.stretches == 1)
    assert abs(correlation(details.prompt_tokens[once], details.completion_tokens[once])) < 0.03


def test_a_thread_has_one_assistant() -> None:
    """Runs of a thread are asked of one assistant."""
    assistants = (Assistant(assistant_id="a"), Assistant(assistant_id="b"))
    made = next(histories(evolve(_FLAKY, assistants=assistants, threads=Threads(runs=(0, 0, 1))), 1, 6000))
    same = np.flatnonzero(made.thread[1:] == made.thread[:-1])
    chosen = Details(made).assistant
    assert (chosen[same] == chosen[same + 1]).all()
    assert 0.4 < chosen.mean() < 0.6


@pytest.mark.parametrize("generation", [f"G{number}" for number in range(1, 17)])
def test_every_generation_is_clean(generation: str) -> None:
    """Records of every generation are checked clean when held to that generation, and by inference too."""
    number = int(generation[1:])
    steps = {source: {e: s for e, s in told.items() if e != "exhaust_tokens" or number >= INCOMPLETE_FIRST}
             for source, told in _FLAKY.steps.items()}  # fmt: skip
    tool = "retrieval" if number < 8 else "file_search"
    scenario = evolve(
        _FLAKY,
        start=f"{GENERATIONS[number].published}T12:00:00Z",
        generation=generation,
        steps=steps,
        assistants=(Assistant(assistant_id="a", tools=(tool, "function:now")),),
        errors={"server_error": 1.0},
    )
    checker = Checker()
    for life in lives_of(next(histories(scenario, 1, 60))):
        rows = [Observation(document_of(run, scenario), n, "history") for n, run in enumerate(life.snapshots(), 1)]
        assert [v for v in checker.check("x", rows) if v.code != "RE102"] == []


@pytest.mark.parametrize("name", READY)
def test_ready_made_worlds_are_clean(name: str) -> None:
    """A history of a ready-made scenario is checked clean."""
    scenario = scenario_named(name)
    checker = Checker()
    for life in lives_of(next(histories(scenario, 1, 300))):
        rows = [
            Observation(document, n, "history", event.name, created=n == 1, observed_s=event.at_us / 1e6)
            for n, (document, event) in enumerate(zip(life.documents(), life.events, strict=True), 1)
        ]
        assert [v for v in checker.check("x", rows) if v.severity == "error"] == []
