"""`runengine.embedding.work` and `outcomes`: what is made of a handler's end, and what is read from a history."""

from __future__ import annotations

from asyncio import CancelledError
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.core import (
    FunctionCall,
    RequireAction,
    RunObject,
    Status,
    SubmitToolOutputs,
    ToolCall,
    ToolOutput,
    Usage,
)
from runengine.dialects.events import write_event
from runengine.embedding.outcomes import Completed, Failed, Outcome, OutOfTokens, Stopped, failure_of
from runengine.embedding.work import Ending, Round, StopReason, Stretch, Work, gone_by, is_async, outcome_of, rounds_of
from runengine.stores import Entry
from tests.embedding.working import USAGE

REASONS: tuple[StopReason, ...] = get_args(StopReason)
RUN = RunObject(id="run_1", thread_id="t", assistant_id="a", model="m", status="in_progress", created_at=0)

calls = st.builds(
    ToolCall, id=st.text(min_size=1, max_size=5), function=st.builds(FunctionCall, name=st.text(), arguments=st.text())
)
rounds = st.builds(
    Round,
    calls=st.lists(calls, max_size=3).map(tuple),
    outputs=st.lists(st.builds(ToolOutput, tool_call_id=st.text(), output=st.text()), max_size=3).map(tuple),
)


def new_work(told: StopReason | None = None) -> Work:
    """A stretch of work whose handler may have been told to stop."""
    work = Work(run=RUN, fence=1, worker="w")
    if told is not None:
        work.tell(told)
    return work


class TestOutcomeOf:
    """An ending is made an outcome."""

    @pytest.mark.parametrize("told", [None, *REASONS])
    @pytest.mark.parametrize("heard", [False, True])
    @pytest.mark.parametrize(
        "outcome", [Completed(usage=USAGE), Failed(code="x", message="y"), Stopped(), OutOfTokens(reason="z")], ids=repr
    )
    def test_said(self, told: StopReason | None, heard: bool, outcome: Outcome) -> None:
        """An outcome is taken at its word, whether the handler was told to stop or not."""
        assert outcome_of(new_work(told), Ending(value=outcome, heard=heard)) == outcome

    @pytest.mark.parametrize("told", [None, *REASONS])
    @pytest.mark.parametrize("usage", [None, USAGE], ids=["none", "usage"])
    def test_not_heard(self, told: StopReason | None, usage: Usage | None) -> None:
        """A handler that never heard of the signal has completed."""
        assert outcome_of(new_work(told), Ending(value=usage)) == Completed(usage=usage)

    @pytest.mark.parametrize(
        "ending",
        [Ending(heard=True), Ending(error=CancelledError(), heard=True), Ending(error=OSError("cut"), heard=True)],
        ids=["returned", "cancelled", "raised"],
    )
    def test_heard(self, ending: Ending) -> None:
        """A handler that has heard it and is left has stopped for a cancel, and is given back at a shutdown."""
        assert outcome_of(new_work("cancel"), ending) == Stopped()
        assert outcome_of(new_work("shutdown"), ending) is None
        assert outcome_of(new_work("fence"), ending) is None

    @pytest.mark.parametrize("told", ["cancel", "fence"])
    def test_a_usage_that_was_made(self, told: StopReason) -> None:
        """A usage is an outcome, also of a handler that has heard that its run is cancelled or gone."""
        assert outcome_of(new_work(told), Ending(value=USAGE, heard=True)) == Stopped(usage=USAGE)

    def test_a_cancel_of_its_own(self) -> None:
        """A handler that raises CancelledError though nobody told it to stop has failed."""
        assert outcome_of(new_work(), Ending(error=CancelledError())) == failure_of(CancelledError())

    def test_a_wrong_usage(self) -> None:
        """A usage that counts below zero is the handler's failure."""
        wrong = Usage(completion_tokens=-1, prompt_tokens=0, total_tokens=-1)
        outcome = outcome_of(new_work(), Ending(value=wrong))
        assert isinstance(outcome, Failed)
        assert outcome.message.startswith("ValueError: ")


@pytest.mark.parametrize(
    ("kind", "values"),
    [(Completed, {"usage": 7}), (Failed, {"code": 7, "message": "m"}), (OutOfTokens, {"reason": None})],
    ids=["usage", "code", "reason"],
)
def test_a_wrong_outcome_is_refused_where_it_is_made(kind: type[Any], values: dict[str, Any]) -> None:
    """An outcome of the wrong types raises in the handler, where the mistake is."""
    with pytest.raises((TypeError, ValueError)):
        kind(**values)


@given(st.permutations(REASONS))
def test_the_weightiest_reason_stays(reasons: list[StopReason]) -> None:
    """However the reasons come, a lost run outweighs a cancel, and a cancel a shutdown."""
    work = new_work()
    for number, reason in enumerate(reasons, 1):
        work.tell(reason)
        assert work.stopped_by == max(reasons[:number], key=("shutdown", "cancel", "fence").index)


@given(st.text(st.characters(), max_size=3_000))
def test_a_failure_is_one_line(text: str) -> None:
    """Whatever an error says, its message is one line of at most 1,000 characters that can be written as UTF-8."""
    message = failure_of(ValueError(text)).message
    assert message.startswith("ValueError")
    assert message.splitlines() == [message]
    assert len(message.encode()) >= len(message) <= 1_000


def test_a_failure_that_cannot_be_said() -> None:
    """An error whose own text fails is a failure all the same."""

    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "MuteError" in failure_of(MuteError()).message


@given(st.lists(rounds, max_size=4), st.booleans())
def test_rounds_are_read_as_they_were_written(given_rounds: list[Round], is_pending: bool) -> None:
    """The rounds in a history are those that were done, among all else that is in it."""
    entries: list[Entry] = []

    def add(name: str, data: dict[str, Any], kind: Any = "event") -> None:
        entry = Entry(run_id="r", seq=len(entries) + 1, kind=kind, name=name, at_us=5, status="queued", data=data)
        entries.append(entry)

    for one in given_rounds:
        add("start", {})
        add("require_action", write_event(RequireAction(at_us=0, tool_calls=one.calls)))
        add("submit_tool_outputs", {"payload": {"outputs": []}, "reason": "late"}, "lost")
        add("submit_tool_outputs", write_event(SubmitToolOutputs(at_us=0, outputs=one.outputs)))
        add("lease_lost", {"worker": "w"}, "note")
    if is_pending:
        add("require_action", write_event(RequireAction(at_us=0, tool_calls=())))
    assert rounds_of(entries) == tuple(given_rounds)


@pytest.mark.parametrize(
    ("status", "fence", "owner", "gone"),
    [
        ("in_progress", 1, "w", None),
        ("cancelling", 1, "w", None),
        ("in_progress", 1, None, "is held no more: its lease ran out, or it was given up"),
        ("in_progress", 2, "b", "was taken over by b"),
        ("queued", 2, None, "was taken over, and given up since"),
        ("expired", 1, None, "has ended by expire"),
        ("cancelled", 3, None, "has ended by finish_cancel"),
        (None, None, None, "is not there any more"),
    ],
)
def test_what_becomes_of_a_run(status: Status | None, fence: int | None, owner: str | None, gone: str | None) -> None:
    """Where the run is tells whether the handler must stop, and why."""
    stretch = Stretch(new_work())
    stretch.learn(status, fence, owner)
    assert stretch.gone == gone_by(status, fence, owner, 1) == gone
    assert stretch.work.stopped_by == ("cancel" if status == "cancelling" else None if gone is None else "fence")


def test_kinds_of_handlers() -> None:
    """An `async def` is known as one, and so is an object that is called by one."""

    async def handler(_work: Work) -> None: ...

    class Agent:
        async def __call__(self, _work: Work) -> None: ...

        def work(self, _work: Work) -> None: ...

    assert is_async(handler)
    assert is_async(Agent())
    assert not is_async(Agent().work)
    assert not is_async(lambda _work: None)
