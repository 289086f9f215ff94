"""The monitor under load: what it remembers is bounded, wrong dates and odd records cost little, threads share it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from runengine.validation import Observation, Options, Violation
from runengine.validation.catalogue.examples import step
from runengine.validation.clock import AHEAD, Clock
from runengine.validation.monitor import Monitor
from runengine.validation.observations import Companion, Item, Refusal, StreamEnd
from tests.validation.checking import clean

NOW_S = 1_700_000_010.0
FEW = 10
ITEMS = 10_000


def seen(run: int, status: str, thread: int | None = None, at_s: float | None = None, **changes: Any) -> Observation:
    """A snapshot of a run, polled."""
    ids = {"id": f"run_{run:06}", "thread_id": f"thread_{run if thread is None else thread:06}"}
    return Observation(clean(status, **ids, **changes), 0, observed_s=at_s)


def told(run: int, status: str) -> Observation:
    """The same from a stream."""
    return seen(run, status)._replace(source="stream", event=f"thread.run.{status}")


def stepped(run: int, status: str, **changes: Any) -> Companion:
    """A step of it, from a stream."""
    ids = {"id": f"step_{run:06}", "run_id": f"run_{run:06}", "thread_id": f"thread_{run:06}"}
    word = "created" if status == "in_progress" else status
    made = step(status, **ids, assistant_id=clean("queued")["assistant_id"], **changes)
    return Companion(made, "step", 0, "stream", f"thread.run.step.{word}")


def parts(monitor: Monitor) -> dict[str, list[Any]]:
    """What a snapshot holds, by what it is."""
    kept: dict[str, list[Any]] = {}
    for line in monitor.snapshot().splitlines()[2:]:
        what, part = json.loads(line)
        kept.setdefault(what, []).append(part)
    return kept


def refused(run: int) -> list[tuple[str, Item]]:
    """A refusal that names a run that is never shown."""
    message = "Cannot cancel run with status 'completed'."
    return [("", Refusal(line=0, call="cancel", message=message, run_id=f"run_{run:06}"))]


def abandoned(run: int) -> list[tuple[str, Item]]:
    """A run that never ends, always on the same thread."""
    return [("", seen(run, "in_progress", thread=0))]


def streamed(run: int) -> list[tuple[str, Item]]:
    """A run that comes and ends in a stream that goes on for ever."""
    return [("", told(run, "in_progress")), ("", told(run, "completed"))]


def ended_elsewhere(run: int) -> list[tuple[str, Item]]:
    """A run that comes in such a stream, and is seen to end by a poll."""
    return [("", told(run, "in_progress")), ("", seen(run, "completed"))]


def never_closed(run: int) -> list[tuple[str, Item]]:
    """A stream without an end."""
    return [(f"stream {run:06}", told(run % 2, "in_progress"))]


def unborn(run: int) -> list[tuple[str, Item]]:
    """Steps of runs that are never shown, in streams without an end."""
    return [(f"stream {run:06}", stepped(run, "completed"))]


@pytest.mark.parametrize("world", [refused, abandoned, streamed, ended_elsewhere, never_closed, unborn])
def test_nothing_grows(world: Any) -> None:
    """Whatever comes by ten thousand times, no more is remembered of it than after some hundreds."""
    monitor = Monitor(Options(forget_after=FEW), runs_max=FEW)
    sizes = []
    for number, (stream, item) in enumerate(each for run in range(ITEMS // len(world(0))) for each in world(run)):
        monitor.observe(item, stream=stream)
        if number in (ITEMS // 4, ITEMS - 1):
            sizes.append(len(monitor.snapshot()))
    kept = parts(monitor)
    (own,) = kept["monitor"]
    assert sizes[1] < sizes[0] * 1.02 + 200
    assert len(kept["apart"][0]) <= 2 * FEW
    assert len(own["streams"]) <= FEW
    assert sum(len(runs) for _, _, runs in own["streams"]) <= 2 * FEW + 1
    assert len(kept.get("thread", [])) <= FEW
    assert len(own["unseen"]) <= FEW


def test_what_belongs_to_a_run_goes_with_it() -> None:
    """The steps of a run that was evicted are not missed when it comes back."""
    for runs_max, wanted in ((1, []), (2, ["RE503"])):
        monitor = Monitor(runs_max=runs_max)
        for item in (told(1, "in_progress"), stepped(1, "in_progress"), seen(2, "in_progress")):
            assert monitor.observe(item) == ()
        assert [v.code for v in monitor.observe(told(1, "completed"))] == wanted


def test_the_oldest_stream_goes_first() -> None:
    """Beyond `runs_max` streams at a time, the one that was silent for longest is taken for closed."""
    monitor = Monitor(runs_max=2)
    for stream in ("a", "b", "a", "c"):
        monitor.observe(told(1, "in_progress"), stream=stream)
    assert monitor.observe(StreamEnd(line=0, done=True), stream="b") == ()
    assert [v.code for v in monitor.observe(StreamEnd(line=0, done=True), stream="a")] == ["RE404"]


class TestClock:
    """What time it is."""

    def test_one_wrong_date(self) -> None:
        """One date, or a whole list with it, that is far ahead forgets no run, and changes nothing later."""
        monitor = Monitor(stale_after_s=100)
        for run in range(50):
            monitor.observe(seen(run, "in_progress", at_s=NOW_S + run))
        far = [seen(run, "in_progress").record for run in range(100, 120)]
        monitor.observe({"observed_at": 9e10, "data": {"object": "list", "data": far}})
        assert (len(monitor), monitor.evicted["stale"]) == (70, 0)
        monitor.observe(seen(99, "in_progress", at_s=NOW_S + 101))
        assert monitor.evicted["stale"] == 1

    def test_a_long_silence(self) -> None:
        """Where all that comes is dated far ahead, it is later: after eight of them, the earliest of their times."""
        clock = Clock(100)
        clock.date(NOW_S)
        for number in range(AHEAD):
            assert clock.newest_s == NOW_S
            clock.date(NOW_S + 5_000 - number)
        assert clock.newest_s == NOW_S + 5_000 - AHEAD + 1

    def test_in_turns(self) -> None:
        """Far dates among others are never believed, however many there are."""
        clock = Clock(100)
        for _ in range(5 * AHEAD):
            clock.date(NOW_S)
            clock.date(9e10)
        assert clock.newest_s == NOW_S

    @pytest.mark.parametrize("time", [0.0, -1.0, float("nan"), float("inf"), 1e11])
    def test_no_times(self, time: float) -> None:
        """What cannot be Unix seconds is no first time either, from an observation or from who tells the time."""
        clock = Clock(None)
        clock.date(time)
        clock.tell(time)
        assert (clock.first_s, clock.newest_s) == (None, None)
        clock.date(NOW_S)
        assert (clock.first_s, clock.newest_s) == (NOW_S, NOW_S)

    def test_it_is_kept(self) -> None:
        """A restored monitor counts on: six far dates before the snapshot, and two after it."""
        monitor = Monitor(stale_after_s=100)
        monitor.observe(seen(1, "in_progress", at_s=NOW_S))
        for _ in range(AHEAD - 2):
            monitor.observe(seen(2, "in_progress", at_s=NOW_S + 1_000))
        back = Monitor.restore(monitor.snapshot())
        for stale in (0, 1):
            back.observe(seen(2, "in_progress", at_s=NOW_S + 1_000))
            assert back.evicted["stale"] == stale


class TestSnapshots:
    """What cannot be written or read costs itself alone."""

    @pytest.mark.parametrize("depth", [5_000, 100_000])
    def test_nested_too_deep(self, depth: int) -> None:
        """A step or a run with something nested too deep is left out, and all else is kept."""
        deep: list[Any] = []
        for _ in range(depth):
            deep = [deep]
        monitor = Monitor()
        monitor.observe(told(1, "in_progress"))
        monitor.observe(stepped(1, "in_progress"))
        monitor.observe(stepped(2, "in_progress", type=deep))
        monitor.observe(seen(3, "in_progress", metadata=deep))
        back = Monitor.restore(monitor.snapshot())
        assert [v.code for v in back.observe(told(1, "completed"))] == ["RE503"]

    def test_odd_values(self) -> None:
        """A step that holds what is no JSON is counted, and the other steps are kept."""
        monitor = Monitor()
        monitor.observe(told(1, "in_progress"))
        monitor.observe(stepped(2, "in_progress", type={1, 2}))
        monitor.observe(stepped(1, "in_progress"))
        back = Monitor.restore(monitor.snapshot())
        assert back.evicted["not_json"] == 1
        assert [v.code for v in back.observe(told(1, "completed"))] == ["RE503"]

    def test_restored_deep_in_a_program(self) -> None:
        """What could be written, and cannot be read where less of the stack is left, is left out too."""
        deep: list[Any] = []
        for _ in range(600):
            deep = [deep]
        monitor = Monitor()
        monitor.observe(seen(1, "completed"))
        monitor.observe(seen(2, "in_progress", metadata={"deep": deep}))
        snapshot = monitor.snapshot()

        def restored(frames: int) -> Monitor:
            return restored(frames - 1) if frames else Monitor.restore(snapshot)

        back = restored(sys.getrecursionlimit() // 2)
        assert back.evicted["not_json"] + len(back) == 1
        assert [v.code for v in back.observe(seen(1, "in_progress"))] == ["RE103"]

    def test_an_overlap_is_said_once(self) -> None:
        """What was said of two runs is not said again after a cut, whichever of them is seen next."""
        later = {name: clean("in_progress")[name] + 20 for name in ("created_at", "started_at", "expires_at")}
        one = seen(1, "in_progress", thread=0, started_at=clean("queued")["created_at"] + 60)
        other = seen(2, "in_progress", thread=0, **later)
        for first in (one, other):
            monitor = Monitor()
            found = [v.code for item in (one, other, one) for v in monitor.observe(item)]
            assert found == ["RE501"]
            back = Monitor.restore(monitor.snapshot())
            for item in (first, one, other):
                assert back.observe(item) == ()

    def test_an_overlap_after_a_cut(self) -> None:
        """What becomes known of two runs after a cut is said once too, where one of them had ended before it."""
        created_at = clean("queued")["created_at"]
        stamps = {"created_at": created_at + 20, "started_at": created_at + 20, "completed_at": created_at + 30}
        one, other = seen(1, "in_progress", thread=0), seen(2, "completed", thread=0, **stamps)
        monitor = Monitor()
        for item in (one, other, one):
            assert monitor.observe(item) == ()
        back = Monitor.restore(monitor.snapshot())
        late = seen(1, "in_progress", thread=0, started_at=created_at + 60)
        found = [(v.code, v.run_id) for item in (late, other, late, other) for v in back.observe(item)]
        assert [run for code, run in found if code == "RE501"] == ["run_000002"]


def test_a_piece_is_held_to_its_own_stream() -> None:
    """A piece before its creation is said though another stream has a run that was not seen to begin."""
    monitor = Monitor()
    monitor.observe(told(1, "in_progress"), stream="a")
    created = told(2, "queued")._replace(event="thread.run.created")
    for begun in (created, told(2, "queued"), told(2, "in_progress")):
        monitor.observe(begun, stream="b")
    piece = {"id": "step_000002", "object": "thread.run.step.delta", "delta": {}}
    found = [*monitor.observe(Companion(piece, "step_delta", 0, "stream", "thread.run.step.delta"), stream="b")]
    for item in (stepped(2, "in_progress"), stepped(2, "completed"), told(2, "completed")):
        found += monitor.observe(item, stream="b")
    assert [(v.code, v.line) for v in found] == [("RE505", 5)]


def test_threads() -> None:
    """Eight threads that see runs in turns: every observation is counted, and each run is said of once."""
    monitor, gate = Monitor(), Barrier(8)
    lines: Counter[int] = Counter()
    rounds = [[seen(run, status) for run in range(100)] for status in ("queued", "in_progress", "completed", "queued")]

    def watch(worker: int) -> list[tuple[str, str | None, int]]:
        found: list[Violation] = []
        for turn, items in enumerate(rounds):
            gate.wait(20)
            for item in items[(worker + turn) % 8 :: 8]:
                found += monitor.observe(item)
        return [(v.code, v.run_id, v.line) for v in found]

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = [each for said in pool.map(watch, range(8)) for each in said]
    finally:
        sys.setswitchinterval(interval_s)
    assert sorted(found)[0][0] == sorted(found)[-1][0] == "RE103"
    assert sorted(run or "" for _, run, _ in found) == [f"run_{run:06}" for run in range(100)]
    lines.update(line for _, _, line in found)
    assert set(lines.values()) == {1}
    summary = monitor.summary
    assert (summary.observations, summary.runs, summary.threads) == (400, 100, 100)
    assert summary.edges == {
        ("queued", "in_progress"): 100,
        ("in_progress", "completed"): 100,
        ("completed", "queued"): 100,
    }
    assert (len(monitor), monitor.evicted["ended"]) == (100, 0)
