"""The suite's tests of workers: claims and their order, leases and tokens, heartbeats, releases, cancels."""

from __future__ import annotations

import pytest

from runengine.embedding import ManualClock, Runtime
from runengine.stores import Store
from runengine.testing.store_suite.base import (
    CALLS,
    OUTPUTS,
    T0_S,
    USAGE,
    MakeRuntime,
    Suite,
    all_rows,
    at_once,
    born,
    claimed,
    names,
    us,
)

__all__ = ["LeaseTests"]


class LeaseTests(Suite):
    """Workers that live, die and come too late.

    Example:
        >>> LeaseTests.test_nothing_to_claim.__doc__
        'Where no run is queued, or has lost its worker, there is nothing to claim.'
    """

    def test_a_claim(self, runtime: Runtime, clock: ManualClock) -> None:
        """A claim starts the run, and holds it with a token until the lease ends."""
        born(runtime)
        clock.advance(2)
        answer = claimed(runtime, "worker_1", lease_s=10)
        assert (answer.kind, answer.event, answer.run_id, answer.fence) == ("applied", "start", "run_1", 1)
        assert answer.run == runtime.get("run_1")
        row = runtime.row("run_1")
        assert row is not None
        assert (row.run.status, row.run.started_at, row.owner, row.fence) == ("in_progress", T0_S + 2, "worker_1", 1)
        assert (row.lease_until_us, row.deadline_us, row.claimable_us) == (us(12), us(12), us(12))
        entry = runtime.history("run_1")[-1]
        assert (entry.name, entry.worker, entry.fence) == ("start", "worker_1", 1)

    def test_nothing_to_claim(self, runtime: Runtime, clock: ManualClock) -> None:
        """Where no run is queued, or has lost its worker, there is nothing to claim."""
        assert runtime.claim("worker_1") is None
        for number in range(4):
            born(runtime, f"run_{number}")
        runtime.start("run_0")
        runtime.start("run_1")
        runtime.require_action("run_1", CALLS)
        runtime.cancel("run_2")
        assert claimed(runtime).run_id == "run_3"
        assert runtime.claim("worker_2") is None
        clock.advance(29.999_999)
        assert runtime.claim("worker_2") is None

    def test_the_longest_first(self, runtime: Runtime, clock: ManualClock) -> None:
        """Runs are claimed in the order in which they became claimable, one queued again after a tool round too."""
        for number in (3, 1, 2):
            born(runtime, f"run_{number}")
            clock.advance(1)
        fence = claimed(runtime).fence
        assert runtime.require_action("run_3", CALLS, fence=fence).kind == "applied"
        clock.advance(1)
        runtime.submit_tool_outputs("run_3", OUTPUTS)
        clock.advance(1)
        assert [claimed(runtime).run_id for _ in range(3)] == ["run_1", "run_2", "run_3"]
        assert runtime.claim("worker_1") is None

    def test_a_tool_round_holds_no_lease(self, runtime: Runtime, clock: ManualClock) -> None:
        """While a run waits for outputs nobody holds it; then a worker claims it with a higher token, and has them."""
        born(runtime)
        first = claimed(runtime).fence
        runtime.require_action("run_1", CALLS, fence=first)
        row = runtime.row("run_1")
        assert row is not None
        assert (row.owner, row.lease_until_us, row.claimable_us, row.deadline_us) == (None, None, None, us(600))
        clock.advance(100)
        assert runtime.sweep() == ()
        assert runtime.submit_tool_outputs("run_1", OUTPUTS).status == "queued"
        assert runtime.complete("run_1", fence=first).kind == "fenced"
        again = claimed(runtime)
        assert (again.fence, again.event) == (2, "start")
        assert runtime.complete("run_1", fence=first).kind == "fenced"
        outputs = runtime.history("run_1")[3].data["outputs"]
        assert outputs == [{"tool_call_id": "call_1", "output": "12:00"}]

    def test_taken_over(self, runtime: Runtime, clock: ManualClock) -> None:
        """A run whose lease ran out is claimed with a higher token; its first worker is fenced, and its work kept."""
        born(runtime)
        first = claimed(runtime, "worker_1").fence or 0
        clock.advance(30)
        second = claimed(runtime, "worker_2")
        assert (second.kind, second.event, second.run_id, second.fence) == ("applied", "claim", "run_1", 2)
        assert second.status == "in_progress"
        assert runtime.heartbeat("run_1", first).kind == "fenced"
        assert runtime.release("run_1", first).kind == "fenced"
        late = runtime.complete("run_1", fence=first, usage=USAGE)
        assert (late.kind, late.expected, late.fence, late.worker) == ("fenced", 1, 2, "worker_2")
        assert runtime.complete("run_1", fence=second.fence).kind == "applied"
        run = runtime.get("run_1")
        assert run is not None
        assert (run.usage, run.started_at) == (None, T0_S)
        entries = runtime.history("run_1")
        assert names(entries) == ["create", "start", "claim", "(complete)", "complete"]
        assert (entries[2].kind, entries[2].worker, entries[2].fence) == ("note", "worker_2", 2)
        assert entries[3].data["fence"] == 1

    def test_late_and_nobody_came(self, runtime: Runtime, clock: ManualClock) -> None:
        """A worker whose lease ran out may finish until the lease is swept away; then its work is kept as lost."""
        for run_id, is_swept in (("run_1", False), ("run_2", True)):
            born(runtime, run_id)
            fence = claimed(runtime).fence
            clock.advance(31)
            assert [answer.event for answer in (runtime.sweep() if is_swept else ())] == ["lease_lost"] * is_swept
            assert runtime.complete(run_id, fence=fence).kind == ("fenced" if is_swept else "applied")
            assert runtime.history(run_id)[-1].kind == ("lost" if is_swept else "event")

    def test_a_heartbeat(self, runtime: Runtime, clock: ManualClock) -> None:
        """A heartbeat makes the lease last, without a trace in the history; a lapsed one too if none has come."""
        born(runtime)
        fence = claimed(runtime).fence or 0
        for second, lease_s, until_s in ((20, None, 50), (45, 100, 145), (200, 5, 205)):
            clock.set(us(second))
            answer = runtime.heartbeat("run_1", fence, lease_s=lease_s)
            assert (answer.kind, answer.status, answer.version) == ("applied", "in_progress", 2)
            row = runtime.row("run_1")
            assert row is not None
            assert (row.lease_until_us, row.deadline_us, row.claimable_us) == (us(until_s),) * 3
            assert runtime.claim("worker_2") is None
        assert names(runtime.history("run_1")) == ["create", "start"]

    def test_a_lease_past_the_deadline(self, runtime: Runtime, clock: ManualClock) -> None:
        """A lease may end after the run's deadline, which comes first."""
        born(runtime, ttl_s=10)
        fence = claimed(runtime).fence or 0
        assert runtime.next_deadline() == (us(10), "run_1")
        clock.advance(9)
        runtime.heartbeat("run_1", fence)
        assert runtime.next_deadline() == (us(10), "run_1")
        clock.advance(1)
        assert runtime.complete("run_1", fence=fence).ended_by == "expire"
        assert (runtime.heartbeat("run_1", fence).kind, runtime.release("run_1", fence).kind) == ("lost", "lost")

    def test_a_release(self, runtime: Runtime, clock: ManualClock) -> None:
        """A run that is given back is claimable at once, with a higher token, and the giver is fenced."""
        born(runtime)
        fence = claimed(runtime, "worker_1").fence or 0
        assert runtime.release("run_1", fence + 1).kind == "fenced"
        clock.advance(1)
        answer = runtime.release("run_1", fence)
        assert (answer.kind, answer.status, answer.worker) == ("applied", "in_progress", None)
        row = runtime.row("run_1")
        assert row is not None
        assert (row.owner, row.lease_until_us, row.claimable_us, row.deadline_us) == (None, None, us(1), us(600))
        assert runtime.heartbeat("run_1", fence).kind == "fenced"
        again = claimed(runtime, "worker_2")
        assert (again.event, again.fence, again.worker) == ("claim", 2, "worker_2")
        assert names(runtime.history("run_1")) == ["create", "start", "release", "claim"]

    def test_claims_pass_what_is_over(self, runtime: Runtime, clock: ManualClock) -> None:
        """A claim expires the runs past their deadline that stand before the one it takes."""
        for number in range(3):
            born(runtime, f"run_{number}", ttl_s=10)
        clock.advance(1)
        born(runtime, "run_3")
        clock.advance(9)
        assert claimed(runtime).run_id == "run_3"
        assert [run.status for run in runtime.list(newest_first=False)] == ["expired"] * 3 + ["in_progress"]

    def test_many_claims_at_once(self, runtime: Runtime, store: Store) -> None:
        """Of claims made at once each takes another run, and what is left over takes none."""
        for number in range(10):
            born(runtime, f"run_{number}")
        answers = at_once(12, lambda n: runtime.claim(f"worker_{n}"))
        taken = [answer.run_id for answer in answers if answer is not None]
        assert len(taken) == len(set(taken)) == 10
        assert all(row.fence == 1 for row in all_rows(store))

    def test_many_take_overs_at_once(self, runtime: Runtime, clock: ManualClock) -> None:
        """Of claims made at once on one run without a worker one has it."""
        born(runtime)
        for lap in range(1, 4):
            answers = at_once(6, lambda n: runtime.claim(f"worker_{n}"))
            assert [answer.fence for answer in answers if answer is not None] == [lap]
            clock.advance(30)

    def test_a_cancel_with_nobody_there(self, runtime: Runtime) -> None:
        """A run that nobody works on goes through cancelling to cancelled in one commit."""
        for number, verbs in enumerate(((), ("start", "require"), ("claim", "release"))):
            run_id = f"run_{number}"
            born(runtime, run_id)
            if "start" in verbs:
                runtime.start(run_id)
                runtime.require_action(run_id, CALLS)
            if "claim" in verbs:
                runtime.release(run_id, claimed(runtime).fence or 0)
            answer = runtime.cancel(run_id, "enough")
            assert (answer.kind, answer.status) == ("applied", "cancelled")
            assert names(runtime.history(run_id))[-2:] == ["cancel", "finish_cancel"]
            assert runtime.history(run_id)[-2].data == {"reason": "enough"}
            assert runtime.cancel(run_id).kind == "lost"

    def test_a_cancel_with_a_worker(self, runtime: Runtime, clock: ManualClock) -> None:
        """A live worker is told by its heartbeat, has the grace to stop, and says so with its token."""
        born(runtime)
        fence = claimed(runtime, lease_s=100).fence or 0
        clock.advance(1)
        assert runtime.cancel("run_1").status == "cancelling"
        row = runtime.row("run_1")
        assert row is not None
        assert (row.owner, row.lease_until_us, row.cancel_until_us) == ("worker_1", us(100), us(31))
        assert (row.deadline_us, row.claimable_us) == (us(31), None)
        assert runtime.cancel("run_1").kind == "illegal"
        clock.advance(10)
        assert runtime.heartbeat("run_1", fence, lease_s=100).status == "cancelling"
        assert runtime.next_deadline() == (us(31), "run_1")
        assert runtime.finish_cancel("run_1").kind == "fenced"
        assert runtime.finish_cancel("run_1", fence=fence, usage=USAGE).status == "cancelled"
        run = runtime.get("run_1")
        assert run is not None
        assert (run.usage, run.cancelled_at) == (USAGE, T0_S + 11)

    def test_a_cancel_with_a_dead_worker(self, runtime: Runtime, clock: ManualClock) -> None:
        """A worker whose lease ran out has no say: the run is cancelled at once, or when its lease ends."""
        born(runtime, "run_1")
        claimed(runtime)
        clock.advance(30)
        assert runtime.cancel("run_1").status == "cancelled"
        born(runtime, "run_2")
        claimed(runtime, lease_s=10)
        assert runtime.cancel("run_2").status == "cancelling"
        clock.advance(10)
        assert [(answer.event, answer.status) for answer in runtime.sweep()] == [("finish_cancel", "cancelled")]

    def test_a_cancel_of_a_host_without_a_lease(self, runtime: Runtime, clock: ManualClock) -> None:
        """A run that its host works on without a lease has the grace too, and is then cancelled."""
        born(runtime)
        runtime.start("run_1")
        assert runtime.cancel("run_1").status == "cancelling"
        clock.advance(29.999_999)
        assert runtime.sweep() == ()
        clock.advance(0.000_001)
        assert [answer.status for answer in runtime.sweep()] == ["cancelled"]

    def test_a_release_while_cancelling(self, runtime: Runtime) -> None:
        """A worker that gives back a run that is being cancelled has it cancelled."""
        born(runtime)
        fence = claimed(runtime).fence or 0
        runtime.cancel("run_1")
        answer = runtime.release("run_1", fence)
        assert (answer.kind, answer.status) == ("applied", "cancelled")
        assert names(runtime.history("run_1")) == ["create", "start", "cancel", "release", "finish_cancel"]

    @pytest.mark.parametrize("verb", ["complete", "exhaust_tokens"])
    @pytest.mark.parametrize("policy", ["complete_wins", "cancel_wins"])
    def test_who_wins(self, make: MakeRuntime, policy: str, verb: str) -> None:
        """A completion that meets a cancel wins or loses by the settings, and what lost is in the history."""
        runtime = make(completion=policy)
        born(runtime)
        fence = claimed(runtime).fence
        runtime.cancel("run_1")
        if verb == "complete":
            answer = runtime.complete("run_1", fence=fence, usage=USAGE)
        else:
            answer = runtime.exhaust_tokens("run_1", "max_prompt_tokens", fence=fence, usage=USAGE)
        run = runtime.get("run_1")
        assert run is not None
        assert run.usage == USAGE
        if policy == "complete_wins":
            assert (answer.kind, run.status) == ("applied", "completed" if verb == "complete" else "incomplete")
            assert names(runtime.history("run_1")) == ["create", "start", "cancel", verb]
        else:
            assert (answer.kind, answer.ended_by, run.status) == ("lost", "finish_cancel", "cancelled")
            assert names(runtime.history("run_1")) == ["create", "start", "cancel", "finish_cancel", f"({verb})"]
