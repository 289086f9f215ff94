"""Steps, messages and tool outputs: exhaustively against the oracle, then each rule by examples."""

from __future__ import annotations

from typing import Any

import pytest

from runengine.validation import Checker, Observation
from runengine.validation.catalogue.examples import CREATED, message, record, step, stream
from runengine.validation.observations import Companion, CompanionKind, Item, StreamEnd, Submitted
from tests.naive_companions import MESSAGE_STAMPS, STEP_STAMPS, may_follow, right_stamps
from tests.validation.checking import check_bytes

Events = tuple[tuple[str, Any], ...]

HEAD: Events = (
    ("thread.run.created", record("queued")),
    ("thread.run.queued", record("queued")),
    ("thread.run.in_progress", record("in_progress")),
)
DONE = ("done", "[DONE]")
TAIL: Events = (("thread.run.completed", record("completed")), DONE)
CALLS = [{"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}", "output": None}}]


def calls(output: str | None) -> dict[str, Any]:
    """The details of a tool step, its call answered or not."""
    function = {"name": "now", "arguments": "{}", "output": output}
    return {"type": "tool_calls", "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}


def tools(status: str, output: str | None = None, **changes: Any) -> dict[str, Any]:
    """A step that calls a tool."""
    return step(status, id="step_2", type="tool_calls", step_details=calls(output), **changes)


def stepped(status: str = "completed", **changes: Any) -> tuple[str, Any]:
    """An event of the step."""
    return (f"thread.run.step.{status}", step(status, **changes))


def begun(**changes: Any) -> tuple[str, Any]:
    """The event that creates the step."""
    return ("thread.run.step.created", step("in_progress", **changes))


def said(*events: tuple[str, Any]) -> list[tuple[str, int | None]]:
    """Code and number of the event, from 1, of all that is said of a stream."""
    checked = check_bytes(stream(*events).text.encode(), path="a.sse")
    return [(v.code, (v.line + 2) // 3) for v in checked.violations]


def of_items(*items: Item) -> list[str]:
    """The codes of what is said of items."""
    return [v.code for v in Checker().check("a", items)]


BEGUN = begun()
WRITING = ("thread.message.created", message("in_progress"))
WRITTEN = ("thread.message.completed", message("completed"))
WHOLE: Events = (*HEAD, BEGUN, stepped("in_progress"), WRITING, WRITTEN, stepped(), *TAIL)
ASKED: Events = (
    *HEAD,
    ("thread.run.step.created", tools("in_progress")),
    ("thread.run.requires_action", record("requires_action")),
    DONE,
)
RESUMED: Events = (
    ("thread.run.queued", record("queued", started_at=CREATED + 1)),
    ("thread.run.in_progress", record("in_progress", started_at=CREATED + 3)),
    ("thread.run.completed", record("completed", started_at=CREATED + 3)),
    DONE,
)


class TestTables:
    """One object alone, in every status, with every set of stamps, after every other status."""

    @pytest.mark.parametrize(
        ("make", "code", "table"), [(step, "RE505", STEP_STAMPS), (message, "RE506", MESSAGE_STAMPS)]
    )
    def test_every_change(self, make: Any, code: str, table: dict[str, str | None]) -> None:
        """From every status to every other: said exactly where the oracle says no."""
        kind: CompanionKind = "step" if make is step else "message"
        for before in table:
            for after in table:
                items = [Companion(make(status), kind, line) for line, status in enumerate((before, after), 1)]
                assert of_items(*items) == ([] if may_follow(before, after) else [code])

    @pytest.mark.parametrize(
        ("make", "code", "table"), [(step, "RE505", STEP_STAMPS), (message, "RE506", MESSAGE_STAMPS)]
    )
    def test_every_stamp(self, make: Any, code: str, table: dict[str, str | None]) -> None:
        """In every status every set of end stamps: said exactly where the oracle says no."""
        names = sorted(name for name in table.values() if name)
        for status in table:
            for bits in range(2 ** len(names)):
                stamps = {name for n, name in enumerate(names) if bits >> n & 1}
                data = make(status, **{name: CREATED + 4 if name in stamps else None for name in names})
                found = set(of_items(Companion(data, "step" if make is step else "message", 1)))
                assert found == (set() if right_stamps(table, status, stamps) else {code})

    def test_spelling_of_expiry(self) -> None:
        """An expired step may spell its stamp expires_at; elsewhere that is the deadline, and says nothing."""
        expired = step("expired", expires_at=CREATED + 600)
        del expired["expired_at"]
        assert of_items(Companion(expired, "step", 1)) == []
        assert of_items(Companion(step("in_progress", expires_at=CREATED + 600), "step", 1)) == []

    @pytest.mark.parametrize(
        "changes", [{"status": "queued"}, {"completed_at": CREATED}], ids=["unknown status", "ended before created"]
    )
    def test_wrong_alone(self, changes: dict[str, Any]) -> None:
        """A status that steps do not have, and an end before the creation."""
        assert set(of_items(Companion({**step("completed"), **changes}, "step", 1))) == {"RE505"}

    @pytest.mark.parametrize("name", ["run_id", "thread_id", "assistant_id", "type", "created_at", "completed_at"])
    def test_changed_after_end(self, name: str) -> None:
        """Of an ended step nothing that identifies or dates it changes."""
        first = step("completed", step_details=None)
        other = CREATED + 3 if name.endswith("_at") else "tool_calls"
        assert of_items(Companion(first, "step", 1), Companion({**first, name: other}, "step", 2)) == ["RE505"]


class TestStreams:
    """The order and the nesting of events."""

    def test_clean(self) -> None:
        """A whole stream, and one that goes on after tool outputs, are clean."""
        assert said(*WHOLE) == []
        assert said(*ASKED, ("thread.run.step.completed", tools("completed", "12")), *RESUMED) == []
        assert said(("thread.run.step.completed", tools("completed", "12")), *RESUMED) == []

    @pytest.mark.parametrize(
        ("events", "wanted"),
        [
            ((*HEAD, BEGUN, *TAIL), [("RE503", 5)]),
            ((*HEAD, BEGUN, WRITING, stepped(), *TAIL), [("RE506", 7)]),
            ((*HEAD[:2], BEGUN, HEAD[2], stepped(), *TAIL), [("RE505", 3)]),
            (
                (*HEAD, BEGUN, stepped(), *TAIL[:1], ("thread.run.step.created", tools("in_progress")), DONE),
                [("RE505", 7)],
            ),
            (
                (*HEAD, BEGUN, ("thread.run.step.created", tools("in_progress")), stepped()),
                [("RE505", 5), ("RE404", 6)],
            ),
            ((*HEAD, BEGUN, BEGUN, stepped(), *TAIL), [("RE505", 5)]),
            ((*HEAD, BEGUN, ("thread.run.step.completed", step("failed")), *TAIL), [("RE505", 5)]),
            ((*HEAD, WRITING, WRITTEN, *TAIL), [("RE506", 4)]),
            ((*HEAD, BEGUN, WRITING, stepped(), WRITTEN, *TAIL), [("RE506", 7)]),
            ((*HEAD, stepped(run_id="run_9"), *TAIL), [("RE504", 4)]),
            ((*HEAD, begun(thread_id="thread_9"), stepped(thread_id="thread_9"), *TAIL), [("RE504", 4), ("RE504", 5)]),
            (
                (*HEAD, begun(assistant_id="asst_9"), stepped(assistant_id="asst_9"), *TAIL),
                [("RE504", 4), ("RE504", 5)],
            ),
        ],
        ids=str,
    )
    def test_broken(self, events: Events, wanted: list[tuple[str, int]]) -> None:
        """Each way of breaking the order is said once, at its event."""
        assert said(*events) == wanted

    @pytest.mark.parametrize(("kind", "code"), [("run.step", "RE505"), ("message", "RE506")])
    def test_pieces(self, kind: str, code: str) -> None:
        """A piece before the creation or after the end is said, once before it; between them it is not."""
        piece: tuple[str, Any] = (
            f"thread.{kind}.delta",
            {"id": "step_1" if kind == "run.step" else "msg_1", "delta": {}},
        )
        opened, ended = (BEGUN, WRITING), (WRITTEN, stepped())
        assert said(*HEAD, *opened, piece, piece, *ended, *TAIL) == []
        assert said(*HEAD, piece, piece, *opened, *ended, *TAIL) == [(code, 4)]
        assert said(*HEAD, *opened, *ended, piece, *TAIL) == [(code, 8)]
        assert said(piece, *ended, *RESUMED) == []

    def test_what_was_lost_is_not_held_against_a_step(self) -> None:
        """Where the run's own events do not follow each other, one was lost, and that alone is said."""
        assert said(*HEAD[:2], BEGUN, WRITING, WRITTEN, stepped(), *TAIL) == [("RE101", 7)]

    def test_steps_alone(self) -> None:
        """A recording of steps, without any run, is no fault."""
        assert of_items(Companion(step("completed"), "step", 1), StreamEnd(line=2, done=True)) == []

    def test_two_runs_interleaved(self) -> None:
        """Streams of two runs in one another are told apart by the runs' ids."""
        ids = {"run_1": "run_2", "thread_1": "thread_2", "step_1": "step_9", "msg_1": "msg_9"}
        text = stream(*WHOLE).text
        for old, new in ids.items():
            text = text.replace(f'"{old}"', f'"{new}"')
        both = [
            part for pair in zip(stream(*WHOLE).text.split("\n\n"), text.split("\n\n"), strict=True) for part in pair
        ]
        assert check_bytes("\n\n".join(both).encode(), path="a.sse").violations == []


class TestCalls:
    """Tool calls and their outputs."""

    def test_unanswered(self) -> None:
        """A completed step whose call has no output."""
        ended = ("thread.run.step.completed", tools("completed", None))
        assert said(*ASKED, ended, *RESUMED) == [("RE505", 7)]

    def test_answered_twice(self) -> None:
        """A call's output is set once: the same again is fine, another is not."""
        ended, again = (("thread.run.step.completed", tools("completed", output)) for output in ("12", "13"))
        assert said(*ASKED, ended, ended, *RESUMED) == []
        assert said(*ASKED, ended, again, *RESUMED) == [("RE505", 8)]

    @pytest.mark.parametrize(
        ("outputs", "count"),
        [
            ((("call_1", "12"),), 0),
            ((("call_1", None),), 0),
            ((), 1),
            (((None, "12"),), 1),
            ((("call_1", "12"), ("call_2", "7")), 1),
            ((("call_2", "7"),), 2),
            ((("call_1", "12"), ("call_1", "13")), 1),
        ],
    )
    def test_submitted(self, outputs: Any, count: int) -> None:
        """Outputs that were taken answer every call that was asked for, and no other, each once."""
        sent = Submitted(line=2, run_id="run_1", outputs=outputs)
        waiting, back = record("requires_action"), record("queued", started_at=CREATED + 1)
        assert of_items(Observation(waiting, 1), sent, Observation(back, 2)) == ["RE505"] * count

    def test_submitted_to_whom_nobody_saw_ask(self) -> None:
        """Where the recording does not show what was asked for, only two answers to one call are said."""
        back = Observation(record("queued", started_at=CREATED + 1), 2)
        for outputs, wanted in (((), []), ((("call_9", "1"),), []), ((("call_1", "1"), ("call_1", "2")), ["RE505"])):
            assert of_items(Submitted(line=2, run_id="run_1", outputs=outputs), back) == wanted

    def test_submitted_is_what_the_step_shows(self) -> None:
        """The step's output is the one that was sent."""
        sent = Submitted(line=1, run_id="run_1", outputs=(("call_1", "12"),))
        assert of_items(sent, Companion(tools("completed", "12"), "step", 2)) == []
        assert of_items(sent, Companion(tools("completed", "13"), "step", 2)) == ["RE505"]


class TestPolled:
    """Steps seen by polling."""

    @pytest.mark.parametrize(("after_s", "wanted"), [(6, []), (6.1, ["RE503"])])
    def test_open_after_the_end(self, after_s: float, wanted: list[str]) -> None:
        """A step that is in_progress later than its run's end, its stamp's second and stale reads allowed, is said."""
        seen = Companion(step("in_progress"), "step", 2, observed_s=CREATED + 5 + after_s)
        assert of_items(Observation(record("completed"), 1), seen) == wanted

    def test_created_after_the_end(self) -> None:
        """A step that was created after its run's end is said."""
        late = step("completed", created_at=CREATED + 6, completed_at=CREATED + 7)
        assert of_items(Observation(record("completed"), 1), Companion(late, "step", 2)) == ["RE505"]

    def test_open_in_a_stream_then_polled(self) -> None:
        """A step left open by a stream is not held against a run that was polled to its end."""
        opened = Companion(step("in_progress"), "step", 2, "stream", "thread.run.step.created")
        runs = [Observation(record("in_progress"), 1, "stream"), Observation(record("completed"), 3)]
        assert of_items(runs[0], opened, runs[1]) == []

    def test_what_a_user_wrote(self) -> None:
        """A user's message has no status, or is completed without a stamp."""
        for status in (None, "completed"):
            written = {**message("completed"), "role": "user", "status": status, "completed_at": None, "run_id": None}
            assert of_items(Companion(written, "message", 1)) == []
