"""The monitor: numbers and names, what it forgets and when, streams at a time, threads, snapshots that are refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from runengine.core.table import DOCUMENTED, PRACTICAL
from runengine.simulation.recording import View
from runengine.validation import RULES, Observation, Options
from runengine.validation.monitor import Monitor, SnapshotRefused
from runengine.validation.observations import Companion, Item, LeftOut, Refusal, StreamEnd, Unreadable
from tests.validation.checking import clean
from tests.validation.mixtures import items_of_file

SPOILED = clean("queued", failed_at=1_700_000_005)


def seen(run: int, status: str, at_s: float | None = None) -> Observation:
    """A snapshot of a run."""
    record = clean(status, id=f"run_{run}", thread_id=f"thread_{run}")
    return Observation(record, 0, observed_s=at_s)


class TestObserving:
    """What goes in and what comes out."""

    def test_lines_and_names(self) -> None:
        """A violation names the monitor, and the number of the observation, or the line it was given."""
        monitor = Monitor(name="gateway")
        monitor.observe(seen(1, "queued"))
        (numbered,) = monitor.observe(Observation(SPOILED, 0))
        (given_,) = monitor.observe(Observation({**SPOILED, "id": "run_9", "thread_id": "thread_9"}, 77))
        assert (numbered.path, numbered.line, given_.line) == ("gateway", 2, 77)

    def test_json(self) -> None:
        """JSON is taken as a line of a recording is: a run, an envelope, a list; every run of it is seen."""
        monitor = Monitor()
        runs = [clean("queued", id=f"run_{n}", thread_id=f"thread_{n}") for n in range(3)]
        assert monitor.observe({"object": "list", "data": runs}) == ()
        (violation,) = monitor.observe({"kind": "create", "data": clean("completed", id="run_7", thread_id="thread_7")})
        assert (violation.code, violation.line) == ("RE104", 2)
        assert [v.code for v in monitor.observe([{"no": "run"}])] == ["RE901"]
        assert monitor.summary.observations == 4

    @pytest.mark.parametrize("made", [str, str.encode])
    def test_text(self, made: Callable[[str], str | bytes]) -> None:
        """JSON as text or bytes is read as a line of a recording is; what cannot be read is RE901, blank is nothing."""
        monitor = Monitor()
        assert monitor.observe(made(json.dumps(clean("completed")))) == ()
        (violation,) = monitor.observe(made(json.dumps({"data": clean("in_progress")})))
        assert (violation.code, violation.line) == ("RE103", 2)
        (unread,) = monitor.observe(made("{half"))
        assert (unread.code, unread.line, unread.found) == ("RE901", 3, "{half")
        assert monitor.observe(made(" \n")) == ()
        assert monitor.observe(b"\xff{}")[0].code == "RE901"
        assert monitor.observe("\ud800")[0].code == "RE901"

    @pytest.mark.parametrize("wrong", [None, 3, 1.5, True, (), {1}, object(), Observation, bytearray(b"{}")])
    def test_anything_else(self, wrong: Any) -> None:
        """Anything else is refused, with what is expected, and counts as nothing."""
        monitor = Monitor()
        with pytest.raises(TypeError, match=f"expected an item of a reader, or JSON .* got {type(wrong).__name__}"):
            monitor.observe(wrong)
        assert monitor.observe(SPOILED)[0].line == 1

    @pytest.mark.parametrize(
        "item",
        [
            Companion({"id": "step_1", "object": "thread.run.step", "run_id": "run_1"}, "step", 0),
            Refusal(line=0, call="cancel", message="no"),
            StreamEnd(line=0, done=True),
        ],
        ids=lambda item: type(item).__name__,
    )
    def test_every_item(self, item: Any) -> None:
        """Whatever a reader yields can be observed, before any run was seen too."""
        assert {v.code for v in Monitor().observe(item)} <= {"RE504"}

    def test_unreadable(self) -> None:
        """What could not be read is said."""
        assert [v.code for v in Monitor().observe(Unreadable(line=0, problem="not JSON"))] == ["RE901"]

    @pytest.mark.parametrize("wrong", [{"runs_max": 0}, {"stale_after_s": 0}, {"stale_after_s": float("nan")}])
    def test_limits(self, wrong: dict[str, Any]) -> None:
        """A limit that would forget everything is refused."""
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Monitor(**wrong)


class TestForgetting:
    """What is evicted, in which order, and what is said of it."""

    def test_the_longest_unseen_go_first(self) -> None:
        """Beyond `runs_max`, the run that was not seen for longest is forgotten, and may begin anew."""
        monitor = Monitor(runs_max=2)
        for run in (1, 2, 1, 3):
            monitor.observe(seen(run, "cancelling"))
        assert (len(monitor), monitor.evicted["over_runs_max"]) == (2, 1)
        assert [v.code for v in monitor.observe(seen(1, "in_progress"))] == ["RE101"]
        assert monitor.observe(seen(2, "in_progress")) == ()  # forgotten: nothing to compare it with

    def test_stale(self) -> None:
        """A run that was unseen for longer than `stale_after_s`, by the newest time of an observation, is forgotten."""
        monitor = Monitor(stale_after_s=10)
        monitor.observe(seen(1, "in_progress", 1_700_000_010))
        monitor.observe(seen(2, "in_progress", 1_700_000_020))
        assert len(monitor) == 2
        monitor.observe(seen(3, "in_progress", 1_700_000_021))
        assert (len(monitor), monitor.evicted["stale"]) == (2, 1)

    def test_expire(self) -> None:
        """The time may be told; it says how many were forgotten."""
        monitor = Monitor(stale_after_s=10)
        monitor.observe(seen(1, "in_progress"))
        monitor.observe(seen(2, "in_progress", 1_700_000_020))
        assert monitor.expire(1_700_000_030) == 0
        assert monitor.expire(1_700_000_031) == 2
        assert monitor.evicted["stale"] == 2

    @pytest.mark.parametrize("time", [float("inf"), float("nan"), -5.0, 1_700_000_000_000.0])
    def test_times_that_are_none(self, time: float) -> None:
        """A time that cannot be Unix seconds makes nothing stale, now or later."""
        monitor = Monitor(stale_after_s=10)
        monitor.observe(seen(1, "in_progress", 1_700_000_010))
        monitor.observe(seen(2, "in_progress", time))
        assert len(monitor) == 2
        monitor.observe(seen(3, "in_progress", 1_700_000_020))
        assert monitor.evicted["stale"] == 0
        monitor.observe(seen(3, "in_progress", 1_700_000_021))
        assert monitor.evicted["stale"] == 2

    def test_ended(self) -> None:
        """A run that has ended is remembered for as many items as the options say; it does not count as open."""
        monitor = Monitor(Options(forget_after=2))
        for run in (1, 2):
            monitor.observe(seen(run, "completed"))
        assert (len(monitor), monitor.evicted["ended"]) == (0, 0)
        monitor.observe(LeftOut(1))
        assert [v.code for v in monitor.observe(seen(2, "in_progress"))] == ["RE103"]
        assert (len(monitor), monitor.evicted["ended"]) == (1, 1)
        assert monitor.observe(seen(1, "in_progress")) == ()


class TestStreams:
    """Several event streams at a time."""

    def test_each_has_its_end(self) -> None:
        """The end of one stream says nothing of the runs of another."""
        monitor = Monitor()
        for run in (1, 2):
            item = seen(run, "in_progress")._replace(source="stream", event="thread.run.in_progress")
            monitor.observe(item, stream=f"stream {run}")
        (violation,) = monitor.observe(StreamEnd(line=0, done=True), stream="stream 2")
        assert (violation.code, violation.run_id) == ("RE404", "run_2")
        (violation,) = monitor.observe(StreamEnd(line=0, done=False), stream="stream 1")
        assert (violation.code, violation.run_id) == ("RE404", "run_1")

    def test_a_run_that_ended_elsewhere(self) -> None:
        """A run that was seen to end by a poll is not missed at the end of its stream."""
        monitor = Monitor()
        item = seen(1, "in_progress")._replace(source="stream", event="thread.run.in_progress")
        monitor.observe(item, stream="a")
        monitor.observe(seen(1, "completed"))
        assert monitor.observe(StreamEnd(line=0, done=True), stream="a") == ()


def assert_cut_anywhere(items: Sequence[Item]) -> None:
    """Whether a monitor is restored between two items or not, they show the same."""
    whole = Monitor()
    wanted = [whole.observe(item) for item in items]
    for cut in range(len(items) + 1):
        first = Monitor()
        found = [first.observe(item) for item in items[:cut]]
        second = Monitor.restore(first.snapshot())
        assert found + [second.observe(item) for item in items[cut:]] == wanted
        assert second.snapshot() == whole.snapshot()


class TestSnapshots:
    """What is refused, and what is left out."""

    @pytest.mark.parametrize(
        "other",
        [
            {"policy": DOCUMENTED},
            {"policy": evolve(DOCUMENTED, name="practical")},
            {"generation": 9},
            {"sampling": "polled"},
            {"skew_s": 3.0},
            {"forget_after": 3},
            {"select": ("RE1",)},
            {"ignore": ("RE309",)},
            {"dialect": "azure"},
        ],
        ids=lambda other: next(iter(other)),
    )
    def test_other_options(self, other: dict[str, Any]) -> None:
        """A snapshot that was made with another option is refused, and the option is named; rows count, not names."""
        snapshot = Monitor(Options(policy=PRACTICAL)).snapshot()
        with pytest.raises(SnapshotRefused, match=f"other options: .*{next(iter(other))}"):
            Monitor.restore(snapshot, Options(**other))

    @given(st.data())
    def test_damaged(self, data: st.DataObject) -> None:
        """With any byte changed, or any piece missing, it is refused."""
        monitor = Monitor()
        for run, status in enumerate(("queued", "in_progress", "completed")):
            monitor.observe(seen(run, status, 1_700_000_010))
        whole = monitor.snapshot()
        place = data.draw(st.integers(0, len(whole) - 1))
        changed = bytearray(whole)
        changed[place] ^= data.draw(st.integers(1, 255))
        for damaged in (bytes(changed), whole[:place], whole[:place] + whole[place + 1 :]):
            try:
                back = Monitor.restore(damaged)
            except SnapshotRefused:
                continue
            assert back.snapshot() == whole  # only what does not count was changed: the spelling of the first line

    @pytest.mark.parametrize(
        ("snapshot", "problem"),
        [
            (b"", "does not begin"),
            (b"[]", "does not begin"),
            (b"[" * 100_000, "does not begin"),
            (b'{"snapshot":"runengine monitor","version":3,"sha256":""}\n', "version 3"),
            (b'{"snapshot":"a cache","version":1,"sha256":""}\n', "'a cache'"),
        ],
    )
    def test_of_something_else(self, snapshot: bytes, problem: str) -> None:
        """Something else, or another version, is refused by what it is."""
        with pytest.raises(SnapshotRefused, match=problem):
            Monitor.restore(snapshot)

    @pytest.mark.parametrize("part", ['["ghosts",[]]', '["open",[]]', '["open",["run_1",{}]]', "{}", "7", '"x"'])
    def test_forged(self, part: str) -> None:
        """A part that no monitor writes is refused though the checksum is right."""
        from hashlib import sha256

        lines = [*Monitor().snapshot().split(b"\n")[1:-1], part.encode()]
        head = {"snapshot": "runengine monitor", "version": 1, "sha256": sha256(b"\n".join(lines)).hexdigest()}
        with pytest.raises(SnapshotRefused):
            Monitor.restore(b"\n".join((json.dumps(head).encode(), *lines, b"")))

    def test_what_is_no_json(self) -> None:
        """A run that holds what JSON cannot is left out of the snapshot, and counted."""
        monitor = Monitor()
        monitor.observe(seen(1, "cancelling"))
        monitor.observe(Observation({**clean("in_progress", id="run_2"), "extra": {1, 2}}, 0))
        back = Monitor.restore(monitor.snapshot())
        assert (len(back), back.evicted["not_json"]) == (1, 1)
        assert [v.code for v in back.observe(seen(1, "in_progress"))] == ["RE101"]

    @pytest.mark.parametrize("code", RULES)
    @pytest.mark.parametrize("kind", ["breaks", "keeps"])
    def test_every_rule(self, code: str, kind: str) -> None:
        """Cut at any place, the examples of every rule are judged as they are whole."""
        example = getattr(RULES[code], kind)
        view: View = "stream" if example.suffix == ".sse" else "polled"
        assert_cut_anywhere(items_of_file(example.text.encode(), view))

    def test_remarks(self) -> None:
        """A remark that was made is not made again after a cut, nor is an older time of observation taken for later."""
        odd = {**clean("in_progress"), "priority": "high"}
        assert_cut_anywhere([Observation(odd, 0, observed_s=at_s) for at_s in (1_700_000_009, None, 1_700_000_007)])

    def test_limits_are_in_it(self) -> None:
        """The restored monitor has the same name and limits."""
        back = Monitor.restore(Monitor(runs_max=1, stale_after_s=None, name="edge").snapshot())
        back.observe(seen(1, "in_progress"))
        back.observe(seen(2, "in_progress"))
        assert back.evicted["over_runs_max"] == 1
        assert back.observe(Unreadable(line=0, problem="not JSON"))[0].path == "edge"
