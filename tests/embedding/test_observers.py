"""`runengine.embedding.observers`: every answer is seen, once, and whoever looks on changes nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.embedding import Answer, AsyncRuntime, ManualClock, Observed, Runtime
from runengine.embedding.observers import checked, tell
from tests.embedding.working import CALL, OUTPUT

STEPS = (
    "create",
    "claim",
    "heartbeat",
    "release",
    "start",
    "require_action",
    "submit_tool_outputs",
    "complete",
    "fail",
    "cancel",
    "modify",
    "expire",
    "sweep",
)


class Recorder:
    """Keeps what it has seen."""

    def __init__(self) -> None:
        self.seen: list[Observed] = []

    def observe(self, seen: Observed) -> None:
        """Keep it."""
        self.seen.append(seen)

    @property
    def answers(self) -> list[Answer]:
        """The answers, in order."""
        return [seen.answer for seen in self.seen]


class Broken(Recorder):
    """Fails at everything it has seen."""

    def observe(self, seen: Observed) -> None:
        """Keep it, and fail."""
        super().observe(seen)
        raise RuntimeError("out of order")


def ask(runtime: Runtime, step: str, clock: ManualClock) -> tuple[Answer, ...]:
    """Ask for one thing, right or wrong, on the only run there may be; what was answered."""
    match step:
        case "create":
            return (runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1"),)
        case "claim":
            claimed = runtime.claim("worker_1", lease_s=30)
            return () if claimed is None else (claimed,)
        case "heartbeat" | "release":
            return (getattr(runtime, step)("run_1", 1),)
        case "require_action":
            return (runtime.require_action("run_1", [CALL], fence=1),)
        case "submit_tool_outputs":
            return (runtime.submit_tool_outputs("run_1", [OUTPUT]),)
        case "fail":
            return (runtime.fail("run_1", "server_error", "sorry", fence=1),)
        case "modify":
            return (runtime.modify("run_1", {"n": "1"}),)
        case "sweep":
            clock.advance(40)
            return runtime.sweep()
    answer: Answer = getattr(runtime, step)("run_1")
    return (answer,)


@given(st.lists(st.sampled_from(STEPS), max_size=12))
def test_every_answer_is_seen_once(steps: list[str]) -> None:
    """Each answer, and what else its commit did, is seen exactly once, in order, by each observer; reading is not."""
    first, second = Recorder(), Recorder()
    clock = ManualClock(1_700_000_000_000_000)
    told: list[Answer] = []
    with Runtime("memory:", clock=clock, observers=[first, second]) as runtime:
        for step in steps:
            told += ask(runtime, step, clock)
            runtime.get("run_1")
            runtime.history("run_1")
            runtime.next_deadline()
            runtime.why("run_1")
    seen = [each for answer in told for each in (answer, *answer.also)]
    assert first.answers == seen
    assert second.answers == seen
    assert all(seen.store == "memory:" and seen.elapsed_s >= 0 for seen in first.seen)


def test_passed_over_runs_are_seen(url: str) -> None:
    """What a claim does on its way to a run is an answer too."""
    recorder, clock = Recorder(), ManualClock(1_700_000_000_000_000)
    with Runtime(url, clock=clock, observers=[recorder]) as runtime:
        runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1", ttl_s=5)
        runtime.create("thread_2", "asst_1", "gpt-4o", run_id="run_2")
        clock.advance(6)
        assert runtime.claim("worker_1") is not None
    assert [(a.event, a.run_id) for a in recorder.answers[2:]] == [("expire", "run_1"), ("start", "run_2")]


@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=12))
def test_a_broken_observer_changes_nothing(steps: list[str]) -> None:
    """With an observer that raises, every answer and every history is what it is without one."""
    broken, after = Broken(), Recorder()

    def told(observers: list[Recorder]) -> tuple[list[Answer], list[object]]:
        clock = ManualClock(1_700_000_000_000_000)
        with Runtime("memory:", clock=clock, observers=observers) as runtime:
            answers = [answer for step in steps for answer in ask(runtime, step, clock)]
            return answers, list(runtime.history("run_1"))

    assert told([broken, after]) == told([])
    assert after.answers == broken.answers


def test_a_broken_observer_is_logged(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """What an observer raises is logged with its traceback, and names the answer."""
    with Runtime(url, observers=[Broken()]) as runtime:
        assert runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1").status == "queued"
    [record] = caplog.records
    assert record.name == "runengine"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], RuntimeError)
    assert "create of run_1" in record.getMessage()


def test_on_asyncio(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """The asyncio runtime shows its answers as the other does, to observers that work and to one that does not."""
    broken, recorder = Broken(), Recorder()

    async def story() -> list[Answer]:
        async with AsyncRuntime(url, observers=[broken, recorder]) as runtime:
            told = [await runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1")]
            told.append(await runtime.complete("run_1"))
            told.append(await runtime.cancel("run_1"))
            await runtime.sweep()
            assert await runtime.claim("worker_1") is None
            return told

    told = asyncio.run(story())
    assert [each for answer in told for each in (answer, *answer.also)] == recorder.answers == broken.answers
    assert [answer.event for answer in recorder.answers] == ["create", "complete", "cancel", "finish_cancel"]
    assert len(caplog.records) == 4


class Awaited:
    """An observer that would have to be awaited."""

    async def observe(self, seen: Observed) -> None:
        """Do nothing."""


class Called:
    """An observer whose method is an object that would have to be awaited."""

    class Method:
        """What is called."""

        async def __call__(self, seen: Observed) -> None:
            """Do nothing."""

    observe = Method()


@pytest.mark.parametrize(
    ("observers", "why"),
    [
        ([Recorder(), print], "an observer needs a method `observe`; got <built-in function print>"),
        ([None], "an observer needs a method `observe`; got None"),
        ([Awaited()], "`observe` must be a plain function, as it is not awaited: make it a `def`; got <.*Awaited"),
        ([Called()], "`observe` must be a plain function, as it is not awaited: make it a `def`; got <.*Called"),
        (Recorder(), "observers must be a list of them; got <.*Recorder"),
    ],
    ids=["function", "none", "async", "async object", "one"],
)
def test_what_is_no_observer_is_refused(observers: Any, why: str) -> None:
    """What cannot observe is found out before the first answer, and told in one sentence."""
    with pytest.raises(TypeError, match=f"^{why}"):
        checked(observers)


def test_observers_are_kept_in_order() -> None:
    """Observers are as many as were given, from a generator too."""
    given_observers = [Recorder(), Broken()]
    assert checked(each for each in given_observers) == tuple(given_observers)


@pytest.mark.filterwarnings("error")
def test_one_that_must_be_awaited_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An `async def` that looks like a plain function is told at each answer, and those after it see it."""
    hidden, recorder = Recorder(), Recorder()
    hidden.observe = lambda seen: Awaited().observe(seen)  # type: ignore[method-assign, assignment]
    seen = Observed(answer=Answer(kind="not_found", event="start", run_id="r", at_us=0), elapsed_s=0.1, store="memory:")
    tell(checked([hidden, recorder]), seen)
    assert recorder.seen == [seen]
    [record] = caplog.records
    assert record.exc_info is not None
    assert "make it a `def`" in str(record.exc_info[1])
