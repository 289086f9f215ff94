"""`runengine.core.step` and `decisions`: how a step is refused, and what the refusal says."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import frozen

from runengine.core.events import EVENTS, Cancel, Complete, Event, Expire, Fail, Modify, RequireAction, Start
from runengine.core.events import SubmitToolOutputs as Submit
from runengine.core.records import RunObject
from runengine.core.statuses import STATUSES, Status
from runengine.core.step import allowed_events, decide
from runengine.core.table import POLICIES
from runengine.errors import InvalidSnapshot
from tests import naive, samples
from tests.deciding import applied, refused
from tests.samples import START_S, at, run_in


class TestUnknown:
    """An event that is none."""

    @pytest.mark.parametrize(
        ("said", "suggestion"),
        [
            ("strat", "start"),
            ("canceled", "cancel"),
            ("Complete", "complete"),
            ("submit", None),
            ("", None),
            ("zzz", None),
        ],
    )
    def test_a_name(self, said: str, suggestion: str | None) -> None:
        """A name that is no event gets the nearest one as a suggestion, if any is near."""
        decision = refused(run_in("queued"), said)
        assert (decision.reason, decision.event, decision.run_id) == ("unknown", said, "run_1")
        if suggestion is not None:
            assert decision.suggestion == suggestion
            assert f"did you mean {suggestion}?" in decision.message
        assert (decision.suggestion is None) == ("did you mean" not in decision.message)
        assert decision.allowed == allowed_events(run_in("queued"))

    def test_a_foreign_object(self) -> None:
        """An object that is no event is named by its class."""
        stranger: Any = object()
        decision = refused(None, stranger)
        assert (decision.reason, decision.event, decision.status, decision.run_id) == ("unknown", "object", None, None)
        assert decision.message.startswith("no run: there is no event 'object'")

    def test_a_subclass_is_foreign(self) -> None:
        """Only the eleven classes are events: a subclass is not taken for its parent, which is suggested."""

        @frozen(kw_only=True)
        class Start2(Start):
            pass

        decision = refused(run_in("queued"), Start2(at_us=at(3)))
        assert (decision.reason, decision.suggestion) == ("unknown", "start")

    def test_the_message_lists_the_events(self) -> None:
        """The message says which events there are."""
        assert refused(None, "zzz").message == f"no run: there is no event 'zzz' (events: {', '.join(EVENTS)})"


class TestIllegal:
    """An event that has no row in this status."""

    def test_it_says_what_is_allowed_and_the_way(self) -> None:
        """The refusal has what is allowed here and the shortest way to where the event would be."""
        decision = refused(run_in("queued"), Submit(at_us=at(3), outputs=()))
        assert (decision.reason, decision.status) == ("illegal", "queued")
        assert decision.allowed == ("start", "cancel", "fail", "expire", "modify")
        assert decision.route == ("start", "require_action")
        assert decision.message == (
            "run_1: submit_tool_outputs is not allowed in queued; allowed there: start, cancel, fail, expire, modify; "
            "start, require_action leads to where it is"
        )
        assert (decision.guard, decision.why, decision.ended_by, decision.suggestion) == (None,) * 4

    @pytest.mark.parametrize("name", [name for name in EVENTS if name != "create"])
    def test_without_a_run(self, name: str) -> None:
        """Where there is no run, only create is allowed, and the message says so."""
        decision = refused(None, samples.every_event(name, at(0))[0])
        assert (decision.reason, decision.run_id, decision.status) == ("illegal", None, None)
        assert decision.message == f"no run: {name} is not allowed in the absence of a run; allowed there: create"

    def test_it_depends_on_the_policy(self) -> None:
        """A cancel while the run waits is legal in the practical policy and illegal in the documented one."""
        event = Cancel(at_us=at(9))
        assert applied(run_in("requires_action"), event).run.status == "cancelling"
        decision = refused(run_in("requires_action"), event, "documented")
        assert (decision.reason, decision.route) == ("illegal", ("submit_tool_outputs",))

    def test_illegal_comes_before_time(self) -> None:
        """An event without a row is illegal whatever its time: the time is not looked at."""
        for at_us in (0, at(5_000)):
            assert refused(run_in("queued"), Complete(at_us=at_us)).reason == "illegal"


class TestLate:
    """The run has ended."""

    @pytest.mark.parametrize("policy", POLICIES)
    @pytest.mark.parametrize(("status", "by"), naive.ENDS.items())
    def test_it_says_by_what(self, status: Status, by: str, policy: str) -> None:
        """Every event but modify comes too late, and is told which event ended the run."""
        run = run_in(status)
        for name in EVENTS:
            if name != "modify":
                decision = refused(run, samples.every_event(name, at(9_999))[0], policy)
                assert (decision.reason, decision.ended_by, decision.status) == ("late", by, status)
                assert (decision.allowed, decision.route) == (("modify",), ())
                assert decision.message == f"run_1: {name} came too late; {by} has ended the run as {status}"

    def test_the_same_end_twice(self) -> None:
        """An end that comes twice is late the second time; that it is the same is for the runtime to know."""
        event = Complete(at_us=at(7))
        run = applied(run_in("in_progress"), event).run
        assert refused(run, event).ended_by == "complete"


class TestGuards:
    """A guard says no."""

    CASES: tuple[tuple[RunObject, Event, str, str], ...] = (
        (
            run_in("in_progress"),
            Complete(at_us=at(1.999_999)),
            "not_before_last_stamp",
            "at 1700000001999999 us is before the run's last stamp, 1700000002 s",
        ),
        (
            run_in("completed"),
            Modify(at_us=at(4), metadata={}),
            "not_before_last_stamp",
            "at 1700000004000000 us is before the run's last stamp, 1700000005 s",
        ),
        (
            run_in("in_progress"),
            Complete(at_us=at(600)),
            "before_deadline",
            "the deadline 1700000600 has passed; only expire can end it",
        ),
        (
            run_in("in_progress"),
            Expire(at_us=at(599.5)),
            "past_deadline",
            "the deadline 1700000600 is 0.500000 s away",
        ),
        (
            run_in("cancelling", started=False),
            Complete(at_us=at(9)),
            "started",
            "the run never started, so it can have no outcome of its own",
        ),
        (
            run_in("in_progress"),
            RequireAction(at_us=at(9), tool_calls=()),
            "has_tool_calls",
            "a required action needs at least one tool call",
        ),
        (
            run_in("in_progress"),
            RequireAction(at_us=at(9), tool_calls=(samples.tool_call("a"), samples.tool_call("a"))),
            "unique_call_ids",
            "tool call ids must be distinct, got ['a', 'a']",
        ),
        (
            run_in("requires_action", required_action=samples.asking("a", "b")),
            Submit(at_us=at(9), outputs=samples.answering("a")),
            "outputs_match",
            "Expected tool outputs for call_ids ['a', 'b'], got ['a']",
        ),
    )

    @pytest.mark.parametrize(("run", "event", "guard", "why"), CASES, ids=[case[2] for case in CASES])
    def test_it_says_which_and_why(self, run: RunObject, event: Event, guard: str, why: str) -> None:
        """The refusal names the guard and why; what is allowed here is still told."""
        decision = refused(run, event)
        assert (decision.reason, decision.guard, decision.why) == ("guard", guard, why)
        assert decision.message == f"run_1: {event.name} refused in {run.status} by {guard}: {why}"
        assert decision.allowed == allowed_events(run)
        assert (decision.route, decision.ended_by, decision.suggestion) == ((), None, None)

    @pytest.mark.parametrize(
        ("at_us", "ends"), [(at(600) - 1, "completed"), (at(600), None), (at(600) + 1, None)], ids=["-1", "0", "+1"]
    )
    def test_the_deadline_to_the_microsecond(self, at_us: int, ends: str | None) -> None:
        """A microsecond before the deadline complete wins; at it and after it only expire does."""
        run = run_in("in_progress")
        if ends is None:
            assert refused(run, Complete(at_us=at_us)).guard == "before_deadline"
            assert applied(run, Expire(at_us=at_us)).run.status == "expired"
        else:
            assert applied(run, Complete(at_us=at_us)).run.status == ends
            assert refused(run, Expire(at_us=at_us)).guard == "past_deadline"

    def test_the_same_second_is_fine(self) -> None:
        """Stamps have seconds: an event at the last stamp's own second is not before it."""
        assert applied(run_in("in_progress"), Complete(at_us=at(2))).run.completed_at == START_S

    def test_no_deadline(self) -> None:
        """A foreign record without a deadline cannot expire, and loses nothing to expiry."""
        run = run_in("in_progress", expires_at=None)
        assert refused(run, Expire(at_us=at(9_999))).why == "the run has no deadline"
        assert applied(run, Complete(at_us=at(9_999))).run.status == "completed"


class TestInvalidStatus:
    """A record in a status that is none of the nine."""

    @pytest.mark.parametrize("event", [Start(at_us=at(3)), Fail(at_us=at(3), code="x", message=""), "start", "zzz"])
    def test_it_is_no_decision(self, event: Event | str) -> None:
        """A foreign status is an error of the record, named with the nine that there are."""
        odd: Any = "canceled"
        with pytest.raises(InvalidSnapshot, match="not 'canceled'") as caught:
            decide(run_in(odd), event)
        assert (caught.value.run_id, caught.value.fields) == ("run_1", ("status",))
        assert all(status in caught.value.rule for status in STATUSES)
