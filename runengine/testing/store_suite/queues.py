"""The suite's tests of threads: one active run each; reject, enqueue, interrupt; who is born when."""

from __future__ import annotations

import pytest

from runengine.embedding import Answer, ManualClock, Runtime
from runengine.stores import Store
from runengine.testing.store_suite.base import (
    CALLS,
    T0_S,
    MakeRuntime,
    Suite,
    all_rows,
    at_once,
    born,
    claimed,
    names,
    us,
)
from runengine.testing.store_suite.verbs import VERBS

__all__ = ["QueueTests"]


def _asked(runtime: Runtime, run_id: str, thread: str | None = None, **more: object) -> Answer:
    return runtime.create("thread_1", "asst_1", "gpt-4o", run_id=run_id, thread=thread, **more)  # type: ignore[arg-type]


def _waiting(store: Store) -> list[str]:
    return [create.run_id for create in store.waiting("thread_1")]


class QueueTests(Suite):
    """Several creates on one thread.

    Example:
        >>> QueueTests.test_born_in_order.__doc__
        'Creates that wait are born one by one, in their order, each in the commit that ends the one before.'
    """

    def test_born_in_order(self, runtime: Runtime, clock: ManualClock, store: Store) -> None:
        """Creates that wait are born one by one, in their order, each in the commit that ends the one before."""
        _asked(runtime, "run_0")
        for number in (1, 2, 3):
            clock.advance(1)
            answer = _asked(runtime, f"run_{number}", "enqueue", ttl_s=50, metadata={"n": number})
            assert (answer.kind, answer.active, answer.run_id) == ("waiting", "run_0", f"run_{number}")
        assert _waiting(store) == ["run_1", "run_2", "run_3"]
        assert runtime.get("run_1") is None
        for number in (0, 1, 2, 3):
            clock.advance(10)
            end = runtime.cancel(f"run_{number}")
            assert end.status == "cancelled"
            run = runtime.get(f"run_{number + 1}")
            if number == 3:
                assert run is None
            else:
                assert run is not None
                born_s = T0_S + 3 + 10 * (number + 1)
                assert (run.status, run.created_at, run.expires_at) == ("queued", born_s, born_s + 50)
                assert run.metadata == {"n": number + 1}
                first = runtime.history(run.id)[0]
                assert (first.at_us, first.data["waited_us"]) == (end.at_us, end.at_us - us(number + 1))
                row = runtime.row(run.id)
                assert row is not None
                assert row.waiting == 2 - number
        assert _waiting(store) == []
        assert names(runtime.history("run_0")) == [
            "create",
            "enqueue",
            "enqueue",
            "enqueue",
            "cancel",
            "finish_cancel",
        ]

    @pytest.mark.parametrize("verb", ["complete", "exhaust_tokens", "fail", "finish_cancel", "expire", "late", "sweep"])
    def test_every_end_lets_the_next_in(self, runtime: Runtime, clock: ManualClock, verb: str) -> None:
        """Whatever ends the run, the create that waits is born in that moment."""
        _asked(runtime, "run_1")
        runtime.start("run_1")
        _asked(runtime, "run_2", "enqueue")
        if verb in ("expire", "late", "sweep"):
            clock.advance(600)
        if verb == "finish_cancel":
            runtime.cancel("run_1")
        if verb == "sweep":
            assert [answer.event for answer in runtime.sweep()] == ["expire"]
        else:
            VERBS["complete" if verb == "late" else verb](runtime, "run_1")
        ended, run = runtime.get("run_1"), runtime.get("run_2")
        assert ended is not None
        assert run is not None
        assert run.created_at == (ended.completed_at or ended.failed_at or ended.cancelled_at)
        assert claimed(runtime).run_id == "run_2"

    def test_interrupt_with_no_worker(self, runtime: Runtime, clock: ManualClock, store: Store) -> None:
        """Where nobody works on the run, it is cancelled and the new one born at once, before all that wait."""
        _asked(runtime, "run_1")
        runtime.start("run_1")
        runtime.require_action("run_1", CALLS)
        _asked(runtime, "run_2", "enqueue")
        clock.advance(5)
        answer = _asked(runtime, "run_3", "interrupt")
        assert (answer.kind, answer.status, answer.version) == ("applied", "queued", 1)
        ended = runtime.get("run_1")
        assert ended is not None
        assert (ended.status, ended.cancelled_at) == ("cancelled", T0_S + 5)
        assert _waiting(store) == ["run_2"]
        cancel = runtime.history("run_1")[-2]
        assert (cancel.name, cancel.data) == ("cancel", {"reason": "interrupted by run_3"})
        runtime.cancel("run_3")
        assert runtime.get("run_2") is not None

    def test_interrupt_a_worker(self, runtime: Runtime, clock: ManualClock, store: Store) -> None:
        """Where a worker lives, it is told to stop, and the new one is born when it has, before all that wait."""
        _asked(runtime, "run_1")
        fence = claimed(runtime).fence or 0
        _asked(runtime, "run_2", "enqueue")
        for run_id in ("run_3", "run_4"):
            answer = _asked(runtime, run_id, "interrupt")
            assert (answer.kind, answer.active) == ("waiting", "run_1")
        _asked(runtime, "run_5", "enqueue")
        assert _waiting(store) == ["run_3", "run_4", "run_2", "run_5"]
        assert runtime.heartbeat("run_1", fence).status == "cancelling"
        clock.advance(2)
        assert runtime.finish_cancel("run_1", fence=fence).kind == "applied"
        run = runtime.get("run_3")
        assert run is not None
        assert (run.status, run.created_at) == ("queued", T0_S + 2)
        assert _waiting(store) == ["run_4", "run_2", "run_5"]

    def test_interrupt_a_worker_that_does_not_stop(self, runtime: Runtime, clock: ManualClock) -> None:
        """A worker that does not stop loses the run when its grace ends, and the new one is born."""
        _asked(runtime, "run_1")
        claimed(runtime, lease_s=100)
        _asked(runtime, "run_2", "interrupt")
        clock.advance(29.999_999)
        assert runtime.sweep() == ()
        clock.advance(0.000_001)
        assert [answer.event for answer in runtime.sweep()] == ["finish_cancel"]
        assert runtime.get("run_2") is not None

    def test_the_settings_say_how(self, make: MakeRuntime, store: Store) -> None:
        """The strategy is the settings' unless a create says otherwise."""
        runtime = make(thread="enqueue")
        _asked(runtime, "run_1")
        assert _asked(runtime, "run_2").kind == "waiting"
        assert _asked(runtime, "run_3", "reject").kind == "busy"
        assert make(thread="interrupt").create("thread_1", "a", "m", run_id="run_4").kind == "applied"
        assert _waiting(store) == ["run_2"]

    def test_withdrawal(self, runtime: Runtime, store: Store) -> None:
        """A create that waits can be taken back by a cancel, once, and is never born."""
        _asked(runtime, "run_1")
        _asked(runtime, "run_2", "enqueue")
        _asked(runtime, "run_3", "enqueue")
        answer = runtime.cancel("run_2")
        assert (answer.kind, answer.thread_id, answer.run) == ("withdrawn", "thread_1", None)
        assert answer.ok
        assert runtime.cancel("run_2").kind == "not_found"
        assert _waiting(store) == ["run_3"]
        runtime.cancel("run_1")
        assert runtime.get("run_2") is None
        assert runtime.get("run_3") is not None
        assert names(runtime.history("run_1"))[:4] == ["create", "enqueue", "enqueue", "withdraw"]

    @pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "cancel"])
    def test_what_waits_is_no_run(self, runtime: Runtime, store: Store, verb: str) -> None:
        """A create that waits is not there for any verb but cancel."""
        _asked(runtime, "run_1")
        _asked(runtime, "run_2", "enqueue")
        assert VERBS[verb](runtime, "run_2").kind == "not_found"
        assert runtime.why("run_2") is None
        assert _waiting(store) == ["run_2"]

    def test_an_id_that_waits_is_taken(self, runtime: Runtime, store: Store) -> None:
        """The id of a create that waits is taken, on every thread."""
        _asked(runtime, "run_1")
        _asked(runtime, "run_2", "enqueue")
        assert _asked(runtime, "run_2", "enqueue").kind == "exists"
        assert runtime.create("thread_2", "asst_1", "gpt-4o", run_id="run_2").kind == "exists"
        assert _waiting(store) == ["run_2"]

    def test_a_run_past_its_deadline_makes_room(self, runtime: Runtime, clock: ManualClock) -> None:
        """A create on a thread whose run is past its deadline ends that run first, and is born."""
        _asked(runtime, "run_1")
        clock.advance(600)
        assert _asked(runtime, "run_2").kind == "applied"
        run = runtime.get("run_1")
        assert run is not None
        assert (run.status, run.completed_at) == ("expired", T0_S + 600)

    def test_who_waits_goes_first(self, runtime: Runtime, clock: ManualClock, store: Store) -> None:
        """Where a create waits behind a run past its deadline, another does not overtake it."""
        _asked(runtime, "run_1")
        _asked(runtime, "run_2", "enqueue")
        clock.advance(600)
        assert _asked(runtime, "run_3").kind == "busy"
        assert _asked(runtime, "run_4", "enqueue").kind == "waiting"
        assert len(runtime.sweep()) == 1
        run = runtime.get("run_2")
        assert run is not None
        assert run.status == "queued"
        assert _waiting(store) == ["run_4"]

    def test_queues_do_not_mix(self, runtime: Runtime, store: Store) -> None:
        """What waits on one thread is not born by the end of another's run; all are listed, or a thread's, or some."""
        for thread_id in ("thread_1", "thread_2"):
            born(runtime, f"run_{thread_id}", thread_id)
            for number in (1, 2):
                run_id = f"{thread_id}_{number}"
                assert runtime.create(thread_id, "a", "m", run_id=run_id, thread="enqueue").kind == "waiting"
        runtime.cancel("run_thread_2")
        assert [w.run_id for w in store.waiting()] == ["thread_1_1", "thread_1_2", "thread_2_2"]
        assert [w.run_id for w in store.waiting("thread_1", 1)] == ["thread_1_1"]
        first = store.waiting(limit=1)[0]
        assert (first.thread_id, first.at_us, first.first) == ("thread_1", us(0), False)
        assert (first.request["model"], first.request["run_id"]) == ("m", "thread_1_1")

    @pytest.mark.parametrize("strategy", ["reject", "enqueue", "interrupt"])
    def test_many_at_once(self, runtime: Runtime, store: Store, strategy: str) -> None:
        """Of creates sent at once on one thread one run is active, and each other create has its own answer."""
        answers = at_once(12, lambda n: _asked(runtime, f"run_{n}", strategy))
        active = [row for row in all_rows(store) if row.deadline_us is not None]
        assert len(active) == 1
        kinds = sorted(answer.kind for answer in answers)
        if strategy == "interrupt":  # nobody works on any of them, so each is born, and cancelled by the next
            assert kinds == ["applied"] * 12
            assert len(all_rows(store)) == 12
        else:
            assert kinds == ["applied"] + ["busy" if strategy == "reject" else "waiting"] * 11
            assert len(all_rows(store)) == 1
            assert len(store.waiting()) == (0 if strategy == "reject" else 11)

    def test_many_ends_at_once(self, runtime: Runtime, store: Store) -> None:
        """Of a run's ends sent at once one is applied, one create is born, and every other end is kept."""
        _asked(runtime, "run_1")
        runtime.start("run_1")
        _asked(runtime, "run_2", "enqueue")
        _asked(runtime, "run_3", "enqueue")
        verbs = ("complete", "fail", "exhaust_tokens", "complete", "fail", "complete")
        answers = at_once(len(verbs), lambda n: VERBS[verbs[n]](runtime, "run_1"))
        assert sorted(answer.kind for answer in answers) == ["applied"] + ["lost"] * 5
        assert sum(entry.kind == "lost" for entry in runtime.history("run_1")) == 5
        assert runtime.get("run_2") is not None
        assert _waiting(store) == ["run_3"]
