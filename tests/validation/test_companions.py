"""What a step or message says wrong of itself, its calls, what is remembered of them, and refusals beside them."""

from __future__ import annotations

from typing import Any

import pytest

from runengine.core.table import DOCUMENTED
from runengine.validation import Observation
from runengine.validation.catalogue.examples import CREATED, message, record, step
from runengine.validation.findings import Finding
from runengine.validation.memory import Memory
from runengine.validation.observations import Companion, Refusal, Submitted
from runengine.validation.shelf import Known, Shelf, Streamed
from runengine.validation.summary import Summary
from runengine.validation.waiting import CLAIMS_MAX, Placed, Waiting
from tests.validation.test_around import ASKED, DONE, RESUMED, tools
from tests.validation.test_beside import WHOLE, found, items_of, of_other, polled, said


class TestAlone:
    """What a step or a message says wrong of itself."""

    @pytest.mark.parametrize(
        ("data", "wanted"),
        [
            (step("failed", last_error=None), "last_error"),
            (message("incomplete", incomplete_details=None), "incomplete_details"),
            (message("completed", incomplete_details={"reason": "max_tokens"}), "incomplete_details"),
            (step("completed", type="tool_calls"), "type"),
            (step("in_progress", usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}), "usage"),
            (
                step("completed", usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 4}),
                "usage.total_tokens",
            ),
            (step("completed", completed_at="soon"), "completed_at"),
            (message("completed", completed_at=CREATED * 1000), "completed_at"),
            (message("in_progress", created_at=str(CREATED)), "created_at"),
            (step("completed", completed_at=CREATED + 1), "completed_at"),
        ],
        ids=str,
    )
    def test_wrong(self, data: dict[str, Any], wanted: str) -> None:
        """Each is said once, of its field."""
        code = "RE505" if data["object"] == "thread.run.step" else "RE506"
        assert [(v.code, v.field) for v in found(items_of(polled(data)))] == [(code, wanted)]

    def test_right(self) -> None:
        """A completed step has usage that adds up; an end in the second of the creation is right."""
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        assert said(polled(step("completed", usage=usage, completed_at=CREATED + 2))) == []

    def test_a_stamp_left_out(self) -> None:
        """A stamp that is not there, after it was, has not changed."""
        bare = step("completed")
        del bare["completed_at"]
        assert said(polled(step("completed")), polled(bare)) == []

    def test_expires_at_of_an_expired_step(self) -> None:
        """The other spelling is held to what the first is: seconds, and unchanged after the end."""
        first, moved, text = (
            step("expired", expired_at=None, expires_at=at) for at in (CREATED + 4, CREATED + 9, "soon")
        )
        assert said(polled(first)) == []
        assert said(polled(first), polled(moved)) == [("RE505", 2)]
        assert said(polled(text)) == [("RE505", 1)]


class TestCalls:
    """Calls by run and by round."""

    def test_two_runs(self) -> None:
        """Two runs may use one id."""
        sent = [Submitted(line=n, run_id=f"run_{n}", outputs=(("call_1", f"{n}"),)) for n in (1, 2)]
        shown = Companion(tools("completed", "2", run_id="run_2"), "step", 3)
        assert found([*sent, shown]) == []

    def test_two_rounds(self) -> None:
        """A later round may use the id of an earlier one."""
        again = record("requires_action", started_at=CREATED + 5)
        sent = [Submitted(line=n, run_id="run_1", outputs=(("call_1", f"{n}"),)) for n in (2, 5)]
        asked, back = (
            Observation(record("requires_action"), 1),
            Observation(record("queued", started_at=CREATED + 1), 3),
        )
        assert found([asked, sent[0], back, Observation(again, 4), sent[1]]) == []

    def test_asked_no_longer(self) -> None:
        """What a run asked for is forgotten when it has gone on."""
        late = Submitted(line=3, run_id="run_1", outputs=(("call_9", "1"),))
        asked, back = (
            Observation(record("requires_action"), 1),
            Observation(record("queued", started_at=CREATED + 1), 2),
        )
        assert found([asked, back, late]) == []

    def test_one_id_twice(self) -> None:
        """One request answers a call once."""
        sent = Submitted(line=1, run_id="run_1", outputs=(("call_1", "1"), ("call_1", "1")))
        assert [v.code for v in found([sent])] == ["RE505"]

    def test_another_output_is_said_once(self) -> None:
        """An output that is not the one submitted is said when it is first shown."""
        sent = Submitted(line=1, run_id="run_1", outputs=(("call_1", "12"),))
        shown = [Companion(tools("completed", "13"), "step", line) for line in (2, 3)]
        assert [(v.code, v.line) for v in found([sent, *shown])] == [("RE505", 2)]

    @pytest.mark.parametrize("name", ["name", "arguments"])
    def test_call_changes(self, name: str) -> None:
        """After a step's end the name and arguments of its calls stay; before it pieces may be missing."""
        first, open_one = tools("completed", "12"), tools("in_progress")
        call = {**first["step_details"]["tool_calls"][0]["function"], name: "other"}
        details = {"type": "tool_calls", "tool_calls": [{"id": "call_1", "type": "function", "function": call}]}
        assert said(polled(first), polled({**first, "step_details": details})) == [("RE505", 2)]
        assert said(polled(open_one), polled({**first, "step_details": details})) == []

    def test_calls_nobody_asked_for(self) -> None:
        """The step that ends when outputs are submitted has the calls of the run's required_action."""
        other = tools("completed", "12")
        other["step_details"] = {
            "type": "tool_calls",
            "tool_calls": [{**other["step_details"]["tool_calls"][0], "id": "x"}],
        }
        assert said(*ASKED, ("thread.run.step.completed", other), *RESUMED) == [("RE505", 7)]


class TestBounds:
    """What is remembered, and what goes first."""

    @pytest.mark.parametrize("forget_after", [0, 1, 2, 3, 10_000])
    def test_interleaved(self, forget_after: int) -> None:
        """Of two right streams in one another nothing is said, however little is remembered."""
        both = [event for pair in zip(WHOLE[:-1], of_other(WHOLE[:-1], 2), strict=True) for event in pair]
        assert said(*both, DONE, forget_after=forget_after) == []

    def test_ended_ones_go_first(self) -> None:
        """An open step is remembered beyond newer ones that have ended, and its run is not called whole any more."""
        shelf = Shelf(3, Memory(9, Summary()))
        shelf.see("run_1", run := Streamed("in_progress", None, None, None, True, unbroken=True))
        shelf.put("old", Known("step", "run_1", "in_progress"))
        for number in range(9):
            shelf.put(f"step_{number}", Known("step", "run_1", "completed"))
        assert (len(shelf), shelf.get("old") is None, list(shelf.of_run("run_1"))) == (
            3,
            False,
            ["old", "step_7", "step_8"],
        )
        assert (run.born, run.unbroken) == (False, False)

    def test_runs(self) -> None:
        """Of streamed runs those unseen for longest go first."""
        shelf = Shelf(2, Memory(9, Summary()))
        for run_id in ("run_1", "run_2", "run_1", "run_3"):
            shelf.see(run_id, shelf.runs.get(run_id) or Streamed("in_progress", None, None, None, True))
        assert list(shelf.runs) == ["run_1", "run_3"]
        shelf.put("step_1", Known("step", "run_1", "in_progress"))
        shelf.see("run_4", Streamed("in_progress", None, None, None, True))
        assert list(shelf.runs) == ["run_1", "run_4"]

    def test_claims(self) -> None:
        """Of what waits the oldest is dropped, and the rest is said where it stands."""
        waiting = Waiting()
        for line in range(CLAIMS_MAX + 5):
            waiting.put(f"run_{line}", "unknown", Placed(line, Finding("RE504", None, None, "no run"), {}))
        assert waiting.first == 5
        assert [placed.line for placed in waiting.all(lambda why: True)] == list(range(5, CLAIMS_MAX + 5))
        assert not waiting
        assert waiting.first is None


class TestRefusals:
    """Refused calls, beside what they met."""

    def test_once(self) -> None:
        """One refusal is contradicted once."""
        met = Refusal(
            line=1,
            call="cancel",
            message="Cannot cancel run with status 'completed'.",
            run_id="run_1",
            observed_s=CREATED + 10.0,
        )
        alive = [Observation(record("in_progress"), line, observed_s=CREATED + 110.0 + line) for line in (2, 3)]
        assert [(v.code, v.line) for v in found([met, *alive])] == [("RE407", 2)]

    def test_a_narrow_policy(self) -> None:
        """A way that practice has is no contradiction, although the policy does not have it."""
        narrow = DOCUMENTED.without("no-way-back", [("submit_tool_outputs", "requires_action")])
        words = "Cannot cancel run with status 'requires_action'."
        met = Refusal(line=1, call="cancel", message=words, run_id="run_1", observed_s=CREATED + 1.0)
        later = Observation(record("in_progress"), 2, observed_s=CREATED + 90.0)
        assert found([met, later], policy=narrow) == []
