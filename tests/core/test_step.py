"""`runengine.core.step` and `decisions`: what one step answers. That it is right is in `tests/properties`."""

from __future__ import annotations

import pickle
from copy import deepcopy
from typing import get_args

import pytest
from attrs import evolve

from runengine.core.decisions import Applied, Effect
from runengine.core.events import EVENTS, Cancel, Complete, Create, Event, Modify, RequireAction, Start
from runengine.core.events import SubmitToolOutputs as Submit
from runengine.core.parts import IncompleteDetails, LastError, Usage
from runengine.core.records import RunObject
from runengine.core.statuses import Status
from runengine.core.step import allowed_events, apply, decide, replay
from runengine.core.table import DOCUMENTED, PERMISSIVE, POLICIES, PRACTICAL, policy_named
from runengine.errors import TransitionNotAllowed
from tests import naive, samples
from tests.deciding import applied, refused
from tests.samples import DEADLINE_S, START_S, T0_S, at, run_in


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

    def test_usage_that_is_there_is_kept(self) -> None:
        """A foreign record may carry usage early (FACTS §6.4); an end that brings none does not wipe it out."""
        run = run_in("in_progress", usage=samples.USAGE)
        assert applied(run, Complete(at_us=at(7))).run.usage == samples.USAGE

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
