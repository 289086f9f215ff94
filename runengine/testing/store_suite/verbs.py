"""The suite's tests of the verbs: what each answers and writes, and what a refused one leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from runengine.core import Status
from runengine.embedding import Answer, ManualClock, Runtime
from runengine.errors import LeaseLost, RunExists, RunNotFound, ThreadBusy, TransitionNotAllowed, VersionConflict
from runengine.stores import Store
from runengine.testing.store_suite.base import (
    CALLS,
    OUTPUTS,
    T0_S,
    USAGE,
    MakeRuntime,
    Suite,
    all_rows,
    born,
    claimed,
    names,
    us,
)

__all__ = ["VERBS", "VerbTests"]

VERBS: Final[dict[str, Callable[[Runtime, str], Answer]]] = {
    "start": lambda runtime, run_id: runtime.start(run_id),
    "require_action": lambda runtime, run_id: runtime.require_action(run_id, CALLS),
    "submit_tool_outputs": lambda runtime, run_id: runtime.submit_tool_outputs(run_id, OUTPUTS),
    "cancel": lambda runtime, run_id: runtime.cancel(run_id, "no longer needed"),
    "finish_cancel": lambda runtime, run_id: runtime.finish_cancel(run_id, usage=USAGE),
    "complete": lambda runtime, run_id: runtime.complete(run_id, usage=USAGE),
    "exhaust_tokens": lambda runtime, run_id: runtime.exhaust_tokens(run_id, "max_prompt_tokens"),
    "fail": lambda runtime, run_id: runtime.fail(run_id, "server_error", "sorry"),
    "expire": lambda runtime, run_id: runtime.expire(run_id),
    "modify": lambda runtime, run_id: runtime.modify(run_id, {"a": "b"}),
    "heartbeat": lambda runtime, run_id: runtime.heartbeat(run_id, 1),
    "release": lambda runtime, run_id: runtime.release(run_id, 1),
}
"""Every verb on one run, asked with something ordinary."""


class VerbTests(Suite):
    """One run at a time, by a host that holds no leases.

    Example:
        >>> VERBS["cancel"](Runtime("memory:"), "run_1").kind
        'not_found'
    """

    def test_a_life(self, runtime: Runtime, clock: ManualClock) -> None:
        """A run with a tool round is asked for, worked on and completed, with its stamps and its history."""
        assert born(runtime, ttl_s=100).run == runtime.get("run_1")
        clock.advance(1.5)
        assert runtime.start("run_1").status == "in_progress"
        clock.advance(1)
        asked = runtime.require_action("run_1", CALLS)
        assert asked.run is not None
        assert asked.run.required_action is not None
        assert asked.run.required_action.call_ids == ("call_1",)
        clock.advance(10)
        assert runtime.submit_tool_outputs("run_1", OUTPUTS).status == "queued"
        clock.advance(1)
        assert runtime.start("run_1").before == "queued"
        clock.advance(0.5)
        ended = runtime.complete("run_1", usage=USAGE)
        run = ended.run
        assert run is not None
        assert (run.status, run.created_at, run.started_at, run.completed_at) == (
            "completed",
            T0_S,
            T0_S + 13,
            T0_S + 14,
        )
        assert (run.usage, run.required_action, run.expires_at) == (USAGE, None, None)
        assert (ended.kind, ended.version, ended.since_us) == ("applied", 6, 500_000)
        assert runtime.get("run_1") == run
        entries = runtime.history("run_1")
        assert [(e.seq, e.kind, e.name, e.at_us) for e in entries] == [
            (1, "event", "create", us(0)),
            (2, "event", "start", us(1.5)),
            (3, "event", "require_action", us(2.5)),
            (4, "event", "submit_tool_outputs", us(12.5)),
            (5, "event", "start", us(13.5)),
            (6, "event", "complete", us(14)),
        ]
        assert entries[3].data["outputs"] == [{"tool_call_id": "call_1", "output": "12:00"}]

    @pytest.mark.parametrize(
        ("verb", "status", "stamp"),
        [
            ("complete", "completed", "completed_at"),
            ("exhaust_tokens", "incomplete", "completed_at"),
            ("fail", "failed", "failed_at"),
            ("expire", "expired", "completed_at"),
            ("cancel", "cancelled", "cancelled_at"),
        ],
    )
    def test_every_ending(self, runtime: Runtime, clock: ManualClock, verb: str, status: Status, stamp: str) -> None:
        """A run ends in each of the five ways, with that way's stamp, no deadline, and nothing more to sweep."""
        born(runtime)
        runtime.start("run_1")
        clock.advance(600 if verb == "expire" else 5)
        VERBS[verb](runtime, "run_1")
        if verb == "cancel":
            assert runtime.finish_cancel("run_1").kind == "applied"
        run = runtime.get("run_1")
        row = runtime.row("run_1")
        assert run is not None
        assert row is not None
        assert run.status == status
        assert getattr(run, stamp) == T0_S + (600 if verb == "expire" else 5)
        assert (row.deadline_us, row.claimable_us, row.owner, row.lease_until_us, row.cancel_until_us) == (None,) * 5
        assert runtime.next_deadline() is None
        assert runtime.sweep(us(10_000)) == ()

    @pytest.mark.parametrize("verb", VERBS)
    def test_no_such_run(self, runtime: Runtime, store: Store, verb: str) -> None:
        """A verb on a run that is not there answers not found, and writes nothing."""
        answer = VERBS[verb](runtime, "run_1")
        assert (answer.kind, answer.event, answer.run_id, answer.run) == ("not_found", verb, "run_1", None)
        with pytest.raises(RunNotFound):
            answer.or_raise()
        assert runtime.get("run_1") is None
        assert runtime.row("run_1") is None
        assert runtime.why("run_1") is None
        assert runtime.history("run_1") == ()
        assert store.feed() == ()

    def test_the_id_is_taken(self, runtime: Runtime) -> None:
        """A create with the id of a run that is there, or has ended, answers exists, on any thread."""
        born(runtime)
        first = runtime.row("run_1")
        for thread_id in ("thread_of_run_1", "thread_2"):
            answer = runtime.create(thread_id, "asst_1", "gpt-4o", run_id="run_1")
            assert answer.kind == "exists"
            with pytest.raises(RunExists):
                answer.or_raise()
        assert runtime.row("run_1") == first
        runtime.cancel("run_1")
        assert runtime.create("thread_2", "asst_1", "gpt-4o", run_id="run_1").kind == "exists"

    def test_ids_are_made_up(self, runtime: Runtime) -> None:
        """A create without an id is given one of its own."""
        ids = {runtime.create(f"thread_{n}", "asst_1", "gpt-4o").run_id for n in range(5)}
        assert len(ids) == 5
        assert all(runtime.get(run_id) is not None for run_id in ids)

    @pytest.mark.parametrize("verb", ["require_action", "submit_tool_outputs", "finish_cancel", "complete"])
    def test_illegal(self, runtime: Runtime, verb: str) -> None:
        """What the table does not have is refused with what it has, and nothing is written."""
        born(runtime)
        before = runtime.row("run_1")
        answer = VERBS[verb](runtime, "run_1")
        assert (answer.kind, answer.status, answer.version) == ("illegal", "queued", 1)
        assert answer.refused is not None
        assert answer.refused.allowed == ("start", "cancel", "fail", "expire", "modify")
        with pytest.raises(TransitionNotAllowed):
            answer.or_raise()
        assert runtime.row("run_1") == before
        assert names(runtime.history("run_1")) == ["create"]

    def test_guards(self, runtime: Runtime) -> None:
        """What a guard refuses is answered with the guard's name, and nothing is written."""
        born(runtime)
        assert runtime.start("run_1").kind == "applied"
        empty = runtime.require_action("run_1", ())
        early = runtime.expire("run_1")
        runtime.require_action("run_1", CALLS)
        wrong = runtime.submit_tool_outputs("run_1", ())
        guards = [(a.kind, a.refused and a.refused.guard) for a in (empty, early, wrong)]
        assert guards == [("guard", "has_tool_calls"), ("guard", "past_deadline"), ("guard", "outputs_match")]
        assert names(runtime.history("run_1")) == ["create", "start", "require_action"]

    @pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "modify"])
    def test_too_late(self, runtime: Runtime, verb: str) -> None:
        """After the end every verb but modify is lost, and the history keeps what carried work or a wish."""
        born(runtime)
        runtime.start("run_1")
        runtime.complete("run_1", usage=USAGE)
        run = runtime.get("run_1")
        answer = VERBS[verb](runtime, "run_1")
        assert (answer.kind, answer.ended_by, answer.run) == ("lost", "complete", run)
        with pytest.raises(TransitionNotAllowed):
            answer.or_raise()
        assert runtime.get("run_1") == run
        kept = verb not in ("start", "expire", "heartbeat", "release")
        assert names(runtime.history("run_1"))[3:] == ([f"({verb})"] if kept else [])
        row = runtime.row("run_1")
        assert row is not None
        assert (row.version, row.losses, answer.version) == (3 + kept, int(kept), 3 + kept)

    def test_losses_are_bounded(self, make: MakeRuntime) -> None:
        """Of the outcomes that came too late so many are kept; all are answered."""
        runtime = make(losses_max=2)
        born(runtime)
        runtime.cancel("run_1")
        assert [runtime.complete("run_1").kind for _ in range(4)] == ["lost"] * 4
        assert names(runtime.history("run_1")) == ["create", "cancel", "finish_cancel", "(complete)", "(complete)"]

    def test_a_lost_outcome_is_whole(self, runtime: Runtime) -> None:
        """What came too late is in the history with its payload and what ended the run."""
        born(runtime)
        runtime.cancel("run_1")
        runtime.fail("run_1", "odd", "it broke", usage=USAGE)
        entry = runtime.history("run_1")[-1]
        assert (entry.kind, entry.name, entry.status) == ("lost", "fail", "cancelled")
        assert entry.data["ended_by"] == "finish_cancel"
        payload = entry.data["payload"]
        assert isinstance(payload, dict)
        assert (payload["code"], payload["message"]) == ("odd", "it broke")

    @pytest.mark.parametrize("verb", ["start", "cancel", "complete", "fail", "modify"])
    def test_stale(self, runtime: Runtime, verb: str) -> None:
        """A caller who expects another version is told so, and nothing is written."""
        born(runtime)
        runtime.modify("run_1", {"n": 1})
        arguments: dict[str, tuple[object, ...]] = {"fail": ("odd", "sorry"), "modify": ({"n": 2},)}
        answer = getattr(runtime, verb)("run_1", *arguments.get(verb, ()), expect=1)
        assert (answer.kind, answer.expected, answer.version) == ("stale", 1, 2)
        with pytest.raises(VersionConflict):
            answer.or_raise()
        assert names(runtime.history("run_1")) == ["create", "modify"]
        assert runtime.modify("run_1", {"n": 2}, expect=2).version == 3

    @pytest.mark.parametrize("verb", ["start", "require_action", "complete", "exhaust_tokens", "fail", "finish_cancel"])
    def test_only_the_worker(self, runtime: Runtime, verb: str) -> None:
        """While a worker holds a run, what a worker does needs its token; what was done without is not kept."""
        born(runtime)
        claimed(runtime)
        answer = VERBS[verb](runtime, "run_1")
        assert (answer.kind, answer.fence, answer.worker) == ("fenced", 1, "worker_1")
        with pytest.raises(LeaseLost):
            answer.or_raise()
        assert names(runtime.history("run_1")) == ["create", "start"]

    def test_a_wrong_token(self, runtime: Runtime) -> None:
        """An outcome with another's token is fenced, and the history keeps it."""
        born(runtime)
        fence = claimed(runtime).fence
        assert fence == 1
        answer = runtime.complete("run_1", fence=2, usage=USAGE)
        assert (answer.kind, answer.expected, answer.status) == ("fenced", 2, "in_progress")
        assert names(runtime.history("run_1")) == ["create", "start", "(complete)"]
        assert runtime.complete("run_1", fence=fence).kind == "applied"

    def test_busy(self, runtime: Runtime) -> None:
        """A thread whose run has not ended takes no other, and says which."""
        born(runtime, thread_id="thread_1")
        answer = runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_2")
        assert (answer.kind, answer.active, answer.run) == ("busy", "run_1", None)
        with pytest.raises(ThreadBusy) as error:
            answer.or_raise()
        assert str(error.value) == "Thread thread_1 already has an active run run_1."
        assert runtime.get("run_2") is None
        runtime.cancel("run_1")
        born(runtime, "run_2", "thread_1")

    def test_modify_changes_metadata_alone(self, runtime: Runtime, store: Store) -> None:
        """Metadata can be replaced in every status, after the end too, and nothing else changes."""
        for number, steps in enumerate(((), ("start",), ("start", "require_action"), ("start", "cancel"), ("cancel",))):
            run_id = f"run_{number}"
            born(runtime, run_id, metadata={"a": "1"})
            for verb in steps:
                VERBS[verb](runtime, run_id)
            before = runtime.row(run_id)
            answer = runtime.modify(run_id, {"b": "2"})
            after = runtime.row(run_id)
            assert before is not None
            assert after is not None
            assert answer.kind == "applied"
            assert after.run.metadata == {"b": "2"}
            assert (after.run.status, after.version) == (before.run.status, before.version + 1)
            assert (after.deadline_us, after.claimable_us) == (before.deadline_us, before.claimable_us)
            assert (after.owner, after.cancel_until_us) == (before.owner, before.cancel_until_us)
            assert runtime.modify(run_id, None).run == runtime.get(run_id)
        assert len(all_rows(store)) == 5

    @pytest.mark.parametrize("verb", ["start", "cancel", "fail"])
    def test_at_the_deadline(self, runtime: Runtime, clock: ManualClock, verb: str) -> None:
        """An event at expires_at loses to expire and is kept; a microsecond before, it is applied."""
        for run_id, at_us in (("run_1", us(600) - 1), ("run_2", us(600))):
            clock.set(us(0))
            born(runtime, run_id)
            clock.set(at_us)
            answer = VERBS[verb](runtime, run_id)
            if run_id == "run_1":
                assert answer.kind == "applied"
            else:
                assert (answer.kind, answer.ended_by, answer.status) == ("lost", "expire", "expired")
                assert answer.run is not None
                assert answer.run.completed_at == T0_S + 600
                kept = [] if verb == "start" else [f"({verb})"]
                assert names(runtime.history(run_id)) == ["create", "expire", *kept]

    def test_a_clock_that_goes_backward(self, runtime: Runtime, clock: ManualClock) -> None:
        """Time never goes backward within a run: a later entry has the time of the one before, at least."""
        born(runtime)
        clock.advance(10)
        runtime.start("run_1")
        clock.set(us(-3_600))
        ended = runtime.complete("run_1")
        assert ended.run is not None
        assert (ended.at_us, ended.run.completed_at) == (us(10), T0_S + 10)
        born(runtime, "run_2")
        run = runtime.get("run_2")
        assert run is not None
        assert run.created_at == T0_S - 3_600
        assert [e.at_us for e in runtime.history("run_1")] == [us(0), us(10), us(10)]
