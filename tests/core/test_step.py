"""`runengine.core.step` and `decisions`: what one step answers. That it is right is in `tests/properties`."""

from __future__ import annotations

import pickle
from copy import deepcopy
from typing import Any, get_args

import pytest
from attrs import evolve, frozen

from runengine.core.decisions import Applied, Effect, Refused
from runengine.core.events import EVENTS, Cancel, Complete, Create, Event, Expire, Fail, Modify, RequireAction, Start
from runengine.core.events import SubmitToolOutputs as Submit
from runengine.core.parts import IncompleteDetails, LastError, Usage
from runengine.core.records import RunObject
from runengine.core.statuses import STATUSES, Status
from runengine.core.step import allowed_events, apply, decide, replay
from runengine.core.table import DOCUMENTED, PERMISSIVE, POLICIES, PRACTICAL, policy_named
from runengine.errors import InvalidSnapshot, TransitionNotAllowed
from tests import naive, samples
from tests.samples import DEADLINE_S, START_S, T0_S, at, run_in


def applied(run: RunObject | None, event: Event, policy: str = "practical") -> Applied:
    """The decision, which must be a step."""
    decision = decide(run, event, policy_named(policy))
    assert isinstance(decision, Applied), decision
    return decision


def refused(run: RunObject | None, event: Event | str, policy: str = "practical") -> Refused:
    """The decision, which must be a refusal; and the run given in is as it was."""
    before = deepcopy(run)
    decision = decide(run, event, policy_named(policy))
    assert isinstance(decision, Refused), decision
    assert run == before
    return decision


class TestCreate:
    """A run is born."""

    def test_stamps(self) -> None:
        """A new run is queued, created at the floor of the event's time, with its deadline its own ttl later."""
        run = applied(None, samples.create(at(0.999_999), ttl_s=1_800)).run
        assert (run.status, run.created_at, run.expires_at) == ("queued", T0_S, T0_S + 1_800)
        assert (run.started_at, run.completed_at, run.failed_at, run.cancelled_at) == (None,) * 4

    def test_the_request_is_on_the_record(self) -> None:
        """What the client asked for is on the record, undeclared keys too."""
        request = samples.create()
        run = applied(None, request).run
        assert (run.id, run.thread_id, run.model, run.tools) == ("run_1", "thread_1", "gpt-4o", request.tools)
        assert (run.metadata, run.extra, run.object) == ({"ticket": "42"}, {"tool_resources": {}}, "thread.run")

    def test_changes_are_all_fields(self) -> None:
        """Every field of a new run is a change, and its thread is to be locked."""
        decision = applied(None, samples.create())
        assert decision.changes == vars(decision.run)
        assert (decision.before, decision.effects) == (None, ("lock_thread",))

    def test_a_second_create(self) -> None:
        """Creating a run that is there is illegal, or late once it has ended."""
        assert refused(run_in("queued"), samples.create()).reason == "illegal"
        assert refused(run_in("failed"), samples.create()).reason == "late"


class TestWrites:
    """What a step writes beside the status."""

    def test_a_tool_round(self) -> None:
        """Through a tool round the deadline stays, the action comes and goes, and started_at is written anew."""
        run = applied(run_in("queued", started=False), Start(at_us=at(2.9))).run
        assert (run.status, run.started_at, run.expires_at) == ("in_progress", START_S, DEADLINE_S)
        run = applied(run, RequireAction(at_us=at(5), tool_calls=(samples.tool_call(),))).run
        assert run.required_action == samples.asking("call_1")
        run = applied(run, Submit(at_us=at(9), outputs=samples.answering("call_1"))).run
        assert (run.status, run.required_action, run.started_at) == ("queued", None, START_S)
        run = applied(run, Start(at_us=at(29))).run
        assert (run.started_at, run.expires_at) == (T0_S + 29, DEADLINE_S)

    def test_outputs_in_any_order(self) -> None:
        """Every output in one event is what counts, not their order."""
        run = run_in("requires_action", required_action=samples.asking("a", "b"))
        assert applied(run, Submit(at_us=at(9), outputs=samples.answering("b", "a"))).run.status == "queued"

    def test_cancel(self) -> None:
        """A cancel has no stamp of its own; the run that was waiting no longer waits, and keeps its deadline."""
        run = applied(run_in("requires_action"), Cancel(at_us=at(9))).run
        assert (run.status, run.required_action, run.cancelled_at, run.expires_at) == (
            "cancelling",
            None,
            None,
            DEADLINE_S,
        )

    @pytest.mark.parametrize("name", sorted(naive.ENDS.values()))
    def test_the_end(self, name: str) -> None:
        """An end writes its stamp, keeps the start, takes the deadline away and notes usage where it is given."""
        source: Status = "cancelling" if name == "finish_cancel" else "in_progress"
        for event in samples.every_event(name, at(600 if name == "expire" else 7.5)):
            run = applied(run_in(source), event).run
            stamp = {"failed": "failed_at", "cancelled": "cancelled_at"}.get(run.status, "completed_at")
            assert getattr(run, stamp) == event.at_us // 1_000_000
            assert (run.started_at, run.expires_at) == (START_S, None)
            assert run.usage == getattr(event, "usage", None)
            assert (run.last_error is not None) == (name == "fail")
            assert (run.incomplete_details is not None) == (name == "exhaust_tokens")

    def test_payloads(self) -> None:
        """The error and the limit are on the record in their own classes."""
        run = run_in("in_progress")
        failed = applied(run, samples.first_event("fail", at(7))).run
        assert failed.last_error == LastError(code="server_error", message="sorry")
        limited = applied(run, samples.first_event("exhaust_tokens", at(7))).run
        assert limited.incomplete_details == IncompleteDetails(reason="max_completion_tokens")

    @pytest.mark.parametrize("run", samples.every_run(), ids=lambda r: r.status)
    def test_modify(self, run: RunObject) -> None:
        """Modify writes the metadata and nothing else, whatever the status."""
        event = Modify(at_us=samples.legal_moment("modify", run), metadata={"a": "b"})
        decision = applied(run, event)
        assert decision.changes == {"metadata": {"a": "b"}}
        assert decision.run == evolve(run, metadata={"a": "b"})
        assert decision.effects == ()

    def test_modify_after_the_deadline(self) -> None:
        """Modify and finish_cancel may come after the deadline; every other event but expire may not."""
        assert applied(run_in("queued"), Modify(at_us=at(700), metadata=None)).run.metadata is None
        assert applied(run_in("cancelling"), samples.first_event("finish_cancel", at(700))).run.status == "cancelled"
        assert refused(run_in("queued"), Start(at_us=at(600))).guard == "before_deadline"

    def test_unchanged_parts_are_shared(self) -> None:
        """What a step does not write is the same object on both records: a run of many tools is not copied."""
        run = run_in("in_progress")
        after = applied(run, Complete(at_us=at(7))).run
        assert after.tools is run.tools
        assert after.metadata is run.metadata

    def test_absent_and_extra_are_kept(self) -> None:
        """Undeclared keys and the note of absent ones pass through a step."""
        run = run_in("queued", extra={"x": 1}, absent=frozenset({"usage"}))
        after = applied(run, Start(at_us=at(3))).run
        assert (after.extra, after.absent) == ({"x": 1}, frozenset({"usage"}))

    def test_the_record_is_an_ordinary_one(self) -> None:
        """A record made by a step is frozen, evolves, compares, prints, copies and pickles as any other."""
        after = applied(run_in("queued", started=False), Start(at_us=at(3))).run
        assert evolve(after) == after == deepcopy(after) == pickle.loads(pickle.dumps(after))
        assert repr(evolve(after)) == repr(after)
        with pytest.raises(AttributeError):
            after.status = "queued"  # type: ignore[misc]


class TestEffects:
    """What the world has to do after a step."""

    @pytest.mark.parametrize("name", EVENTS)
    def test_each_event(self, name: str) -> None:
        """Each event's effect is its own: an end releases the thread, start and modify ask for nothing."""
        expected = {
            "create": ("lock_thread",),
            "require_action": ("await_tool_outputs",),
            "submit_tool_outputs": ("resume",),
            "cancel": ("stop_worker",),
        } | dict.fromkeys(naive.ENDS.values(), ("release_thread",))
        for row in PERMISSIVE.rows:
            if row.event == name:
                run = None if row.source is None else run_in(row.source)
                at_us = at(0) if run is None else samples.legal_moment(name, run)
                decision = applied(run, samples.first_event(name, at_us, run), "permissive")
                assert decision.effects == expected.get(name, ())
                assert decision.transition is row
                assert set(decision.effects) <= set(get_args(Effect))

    def test_changes(self) -> None:
        """Changes name what differs: a resume within the same second changes the status only."""
        first = applied(run_in("queued", started=False), Start(at_us=at(3)))
        assert first.changes == {"status": "in_progress", "started_at": T0_S + 3}
        again = applied(run_in("queued", started_at=T0_S + 3), Start(at_us=at(3.5)))
        assert again.changes == {"status": "in_progress"}


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
            "the deadline 1700000600 is 0.5 s away",
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


class TestApply:
    """`apply` raises what `decide` answers."""

    @pytest.mark.parametrize("run", [None, *samples.every_run()], ids=lambda r: r.status if r else "none")
    def test_it_is_decide(self, run: RunObject | None) -> None:
        """Whatever decide answers, apply returns or raises the same, field by field."""
        for name in EVENTS:
            for event in samples.every_event(name, at(9)):
                decision = decide(run, event)
                if isinstance(decision, Applied):
                    assert apply(run, event) == decision.run
                    continue
                with pytest.raises(TransitionNotAllowed) as caught:
                    apply(run, event)
                error = caught.value
                assert str(error) == error.message == decision.message
                for field in ("run_id", "status", "event", "reason", "allowed", "guard", "ended_by"):
                    assert getattr(error, field) == getattr(decision, field)

    def test_decisions_pickle(self) -> None:
        """Both answers go through a pickle, so that a decision can be made in another process."""
        for event in (Start(at_us=at(3)), Complete(at_us=at(3))):
            decision = decide(run_in("queued"), event)
            assert pickle.loads(pickle.dumps(decision)) == decision


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


class TestAllowedEvents:
    """`allowed_events`."""

    @pytest.mark.parametrize("policy", POLICIES)
    def test_it_is_the_policy(self, policy: str) -> None:
        """What is allowed is what the naive model allows, for each status and for none."""
        rules = policy_named(policy)
        assert allowed_events(None, rules) == ("create",)
        for run in samples.every_run():
            assert allowed_events(run, rules) == naive.allowed(run.status, policy)

    def test_default_policy(self) -> None:
        """Without a word the policy is the practical one."""
        run = run_in("requires_action")
        assert allowed_events(run) == allowed_events(run, PRACTICAL) != allowed_events(run, DOCUMENTED)


class TestReplay:
    """`replay`."""

    HISTORY: tuple[Event, ...] = (
        Create(at_us=at(0), run_id="run_1", thread_id="t", assistant_id="a", model="m"),
        Start(at_us=at(1)),
        RequireAction(at_us=at(2), tool_calls=(samples.tool_call("a"),)),
        Submit(at_us=at(3), outputs=samples.answering("a")),
        Start(at_us=at(4)),
        Complete(at_us=at(5), usage=Usage(completion_tokens=1, prompt_tokens=2, total_tokens=3)),
    )

    def test_a_history(self) -> None:
        """A history leads to its record, also from an iterator."""
        run = replay(iter(self.HISTORY))
        assert (run.status, run.started_at, run.completed_at) == ("completed", T0_S + 4, T0_S + 5)

    def test_from_a_snapshot(self) -> None:
        """With a run to begin with, a history goes on from there; with no events the run is the answer."""
        half = replay(self.HISTORY[:3])
        assert replay(self.HISTORY[3:], half) == replay(self.HISTORY)
        assert replay([], half) is half

    def test_nothing(self) -> None:
        """No events and no run lead to nothing."""
        with pytest.raises(ValueError, match="begins with a Create event"):
            replay([])

    def test_a_refused_event(self) -> None:
        """The first event that is refused ends it."""
        with pytest.raises(TransitionNotAllowed) as caught:
            replay([self.HISTORY[0], Complete(at_us=at(1)), Start(at_us=at(0))])
        assert (caught.value.event, caught.value.status) == ("complete", "queued")

    def test_policy(self) -> None:
        """The policy holds for every event of the history."""
        with pytest.raises(TransitionNotAllowed):
            replay([*self.HISTORY[:3], Cancel(at_us=at(3))], policy=DOCUMENTED)
