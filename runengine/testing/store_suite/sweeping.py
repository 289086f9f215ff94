"""The suite's tests of deadlines: sweep, next_deadline and why."""

from __future__ import annotations

import pytest

from runengine.core import PRACTICAL, Cancel, Complete, Modify, Start
from runengine.embedding import ManualClock, Runtime
from runengine.embedding.plans import Act, Context
from runengine.stores import Store
from runengine.testing.store_suite.base import CALLS, MakeRuntime, Suite, at_once, born, claimed, names, us

__all__ = ["SweepTests"]


class SweepTests(Suite):
    """What happens when nothing happens.

    Example:
        >>> SweepTests.test_nothing_is_due.__doc__
        'Nothing is swept before its deadline, and nothing in an empty store.'
    """

    def test_nothing_is_due(self, runtime: Runtime, clock: ManualClock) -> None:
        """Nothing is swept before its deadline, and nothing in an empty store."""
        assert (runtime.sweep(), runtime.next_deadline()) == ((), None)
        born(runtime)
        clock.set(us(600) - 1)
        assert runtime.sweep() == ()
        assert runtime.next_deadline() == (us(600), "run_1")
        assert runtime.sweep(us(600))[0].status == "expired"
        assert runtime.next_deadline() is None

    def test_the_earliest_deadline(self, runtime: Runtime) -> None:
        """The next deadline is the earliest of all runs, of whatever kind."""
        born(runtime, "run_1", ttl_s=500)
        born(runtime, "run_2", ttl_s=400)
        assert runtime.next_deadline() == (us(400), "run_2")
        claimed(runtime, lease_s=300)
        claimed(runtime, lease_s=200)
        assert (runtime.next_deadline() or (0,))[0] == us(200)
        born(runtime, "run_3", ttl_s=100)
        assert runtime.next_deadline() == (us(100), "run_3")
        runtime.start("run_3")
        runtime.cancel("run_3")
        assert runtime.next_deadline() == (us(30), "run_3")
        runtime.finish_cancel("run_3")
        assert (runtime.next_deadline() or (0,))[0] == us(200)

    @pytest.mark.parametrize("status", ["queued", "in_progress", "requires_action", "cancelling", "claimed"])
    def test_every_open_status_expires(self, runtime: Runtime, status: str) -> None:
        """A run that nobody ends is expired at its deadline, wherever it is."""
        born(runtime, ttl_s=20)
        if status == "claimed":
            claimed(runtime)
        elif status != "queued":
            runtime.start("run_1")
        if status == "requires_action":
            runtime.require_action("run_1", CALLS)
        if status == "cancelling":
            runtime.cancel("run_1")
        assert [(a.kind, a.event, a.status) for a in runtime.sweep(us(20))] == [("applied", "expire", "expired")]

    def test_a_lost_worker(self, runtime: Runtime, clock: ManualClock) -> None:
        """A worker whose lease ran out is written off, once; the run waits for another."""
        born(runtime)
        claimed(runtime)
        clock.advance(30)
        assert [(a.kind, a.event, a.status, a.worker) for a in runtime.sweep()] == [
            ("applied", "lease_lost", "in_progress", None)
        ]
        row = runtime.row("run_1")
        assert row is not None
        assert (row.owner, row.lease_until_us, row.deadline_us, row.fence) == (None, None, us(600), 1)
        entry = runtime.history("run_1")[-1]
        assert (entry.kind, entry.name, entry.data) == ("note", "lease_lost", {"worker": "worker_1"})
        assert runtime.sweep() == ()
        assert claimed(runtime, "worker_2").fence == 2

    @pytest.mark.parametrize("by", ["sweep", "claim"])
    def test_a_lost_worker_may_fail_the_run(self, make: MakeRuntime, clock: ManualClock, by: str) -> None:
        """By the settings a run fails with its worker, whether a sweep finds it or a claim."""
        runtime = make(lease_lost="fail")
        born(runtime)
        fence = claimed(runtime, "worker_1").fence
        clock.advance(30)
        if by == "sweep":
            assert [(a.event, a.status) for a in runtime.sweep()] == [("fail", "failed")]
        else:
            assert runtime.claim("worker_2") is None
        run = runtime.get("run_1")
        assert run is not None
        assert run.last_error is not None
        assert run.last_error.code == "server_error"
        assert "worker_1" in run.last_error.message
        assert runtime.complete("run_1", fence=fence).ended_by == "fail"

    def test_a_released_run_does_not_fail(self, make: MakeRuntime) -> None:
        """A run that was given back has lost no worker, and is claimed again."""
        runtime = make(lease_lost="fail")
        born(runtime)
        runtime.release("run_1", claimed(runtime).fence or 0)
        assert claimed(runtime).event == "claim"

    def test_in_pages(self, runtime: Runtime, store: Store) -> None:
        """A sweep does so many at most, the earliest first, and goes on when called again."""
        for number in range(5):
            born(runtime, f"run_{number}", ttl_s=10 + number)
        assert store.due(us(12)) == ("run_0", "run_1", "run_2")
        assert store.due(us(100), 2) == ("run_0", "run_1")
        pages = [[a.run_id for a in runtime.sweep(us(100), 2)] for _ in range(4)]
        assert pages == [["run_0", "run_1"], ["run_2", "run_3"], ["run_4"], []]

    def test_many_sweeps_at_once(self, runtime: Runtime) -> None:
        """Of sweeps made at once each run is done by one."""
        for number in range(20):
            born(runtime, f"run_{number}", "thread_1" if number == 0 else None)
        runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_waiting", thread="enqueue")
        answers = at_once(4, lambda _: runtime.sweep(us(600)))
        assert sorted(a.run_id for some in answers for a in some) == sorted(f"run_{number}" for number in range(20))
        assert runtime.next_deadline() == (us(1200), "run_waiting")

    def test_a_clock_that_was_ahead(self, runtime: Runtime, clock: ManualClock) -> None:
        """A run that was made while the clock was ahead is swept once the clock is past its deadline."""
        clock.set(us(10_000))
        born(runtime)
        claimed(runtime)
        clock.set(us(0))
        born(runtime, "run_2")
        assert claimed(runtime).run_id == "run_2"
        assert [a.run_id for a in runtime.sweep(us(9_999))] == ["run_2"]
        assert [(a.run_id, a.event) for a in runtime.sweep(us(10_030))] == [("run_1", "lease_lost")]
        assert [(a.run_id, a.event) for a in runtime.sweep(us(10_600))] == [("run_1", "expire")]
        assert [e.at_us for e in runtime.history("run_1")] == [us(10_000), us(10_000), us(10_030), us(10_600)]

    def test_all_at_once(self, runtime: Runtime, store: Store) -> None:
        """A sweep of many runs, with creates that wait behind some, does them all."""
        for number in range(50):
            runtime.create(f"thread_{number}", "asst_1", "gpt-4o", run_id=f"run_{number:02}")
        for number in range(0, 50, 5):
            runtime.create(f"thread_{number}", "asst_1", "gpt-4o", thread="enqueue", run_id=f"next_{number:02}")
        answers = runtime.sweep(us(600))
        assert {a.run_id for a in answers} == {f"run_{number:02}" for number in range(50)}
        assert store.waiting() == ()
        assert len(runtime.list(statuses=("queued",))) == 10
        assert len(runtime.list(statuses=("expired",), limit=100)) == 50

    def test_requests_together(self, runtime: Runtime, store: Store) -> None:
        """Requests handed over together are answered in order, each as if alone, after the one before."""
        born(runtime)
        context = Context(policy=PRACTICAL, settings=self.make_settings())
        events = (Start(at_us=0), Complete(at_us=0), Cancel(at_us=0), Modify(at_us=0, metadata={"a": 1}))
        acts = [Act(context=context, run_id="run_1", event=event, at_us=us(1)) for event in events]
        answers = store.execute_all([*acts, Act(context=context, run_id="run_2", event=events[0], at_us=us(1))])
        assert [answer.kind for answer in answers] == ["applied", "applied", "lost", "applied", "not_found"]
        assert [answer.version for answer in answers] == [2, 3, 4, 5, None]
        assert names(runtime.history("run_1")) == ["create", "start", "complete", "(cancel)", "modify"]
        assert store.execute_all([]) == []

    def test_why(self, runtime: Runtime, clock: ManualClock) -> None:
        """`why` says of an open run who holds it, until when, what happens then, and who waits."""
        born(runtime, thread_id="thread_1")
        queued = runtime.why("run_1")
        clock.advance(1)
        fence = claimed(runtime, "worker_1").fence
        runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_2", thread="enqueue")
        held = runtime.why("run_1")
        runtime.require_action("run_1", CALLS, fence=fence)
        asking = runtime.why("run_1")
        runtime.cancel("run_1")
        ended = runtime.why("run_1")
        assert queued is not None
        assert held is not None
        assert asking is not None
        assert ended is not None
        assert (queued.holder, queued.deadline_us, queued.since_us) == (None, us(600), us(0))
        assert (held.holder, held.fence, held.held_until_us, held.deadline_us) == ("worker_1", 1, us(31), us(31))
        assert held.waiting == ("run_2",)
        assert "worker_1 holds it with fence 1" in held.text
        assert "call_1" in asking.text
        assert (asking.holder, asking.deadline_us) == (None, us(600))
        assert (ended.status, ended.deadline_us, ended.waiting) == ("cancelled", None, ())
        assert names(runtime.history("run_1"))[-2:] == ["cancel", "finish_cancel"]
