"""Memory: bounded by the runs that are open; what is forgotten of ended ones, and when, by the recording's clock."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from runengine.validation import Checker, Options
from runengine.validation.observations import Item, LeftOut, Observation, Skimming
from runengine.validation.readers import read_items
from tests.validation.checking import ABSENT, as_lines, check_lines, clean, codes


class TestMemory:
    """What is kept grows with the runs that are open, not with the file."""

    @pytest.mark.parametrize("skim", [True, False])
    def test_ended_runs_are_forgotten(self, skim: bool) -> None:
        """Ten times as many ended runs take no more memory than some, at the peak."""

        def life(number: int) -> bytes:
            ids = {"id": f"run_{number}", "thread_id": f"thread_{number}"}
            return as_lines([clean("queued", started_at=None, **ids), clean("completed", **ids)])

        def peak(runs: int) -> int:
            checker = Checker(Options(forget_after=10))
            data = b"".join(life(number) for number in range(runs))
            items = read_items("a", io.BufferedReader(io.BytesIO(data)), checker.skim if skim else None)
            tracemalloc.start()
            assert list(checker.check("a", items)) == []
            size = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert (checker.summary.runs, checker.summary.threads) == (runs, runs)
            return size

        peak(20)
        assert peak(2000) < peak(200) + 1_000_000

    @pytest.mark.parametrize("skim", [True, False])
    @pytest.mark.parametrize("others", ["runs", "polls", "left out", "passed over"])
    def test_forget_after(self, skim: bool, others: str) -> None:
        """A change after the end is found for as many items as was said, whatever they are; then it is another run."""
        first = clean("completed", id="run_0", thread_id="thread_0")
        changed = {**first, "completed_at": first["completed_at"] + 1}
        kinds: dict[str, list[Any]] = {
            "runs": [clean("completed", id=f"run_{n}", thread_id=f"thread_{n}") for n in (1, 2, 3)],
            "polls": [clean("in_progress", id="run_1", thread_id="thread_1")] * 3,
            "left out": [LeftOut(2), LeftOut(1)],
            "passed over": [{"id": "asst_1", "object": "assistant"}] * 3,
        }
        passed = kinds[others]
        more = len({item["id"] for item in passed if isinstance(item, dict) and "status" in item})
        for forget_after, wanted in ((4, ["RE103"]), (3, [])):
            checker = Checker(Options(forget_after=forget_after))
            items = mixed(checker.skim if skim else None, first, *passed, changed)
            assert [v.code for v in checker.check("a", items)] == wanted
            counted = 1 + more + (not wanted)
            assert (checker.summary.runs, checker.summary.threads) == (counted, counted)

    def test_seen_again(self) -> None:
        """The items are counted from a run's last snapshot, so that one that is polled after its end stays known."""
        first, other = (clean("completed", id=f"run_{n}", thread_id=f"thread_{n}") for n in (0, 1))
        changed = {**first, "completed_at": first["completed_at"] + 1}
        lines = [first, other, first, other, first, other, changed]
        assert codes(check_lines(*lines, forget_after=2)) == [("RE103", 7, "completed_at")]
        assert codes(check_lines(*lines, forget_after=1)) == []

    @pytest.mark.parametrize("skim", [True, False])
    @pytest.mark.parametrize("moving", [True, False])
    def test_an_open_run_keeps_its_thread(self, skim: bool, moving: bool) -> None:
        """A thread is counted once as long as a run of it is remembered, and its runs are compared as long."""
        busy = clean("in_progress", id="run_a", thread_id="busy")
        created_at = busy["created_at"]
        moved = {name: busy[name] + 1 for name in ("created_at", "started_at", "expires_at")}
        second = {**busy, "id": "run_b", **moved, "started_at": created_at + 60}
        again = {**busy, "started_at": created_at + 60}
        others = [clean("completed", id=f"run_{n}", thread_id=f"thread_{n}") for n in range(20)]
        steps = [{**busy, "started_at": busy["started_at"] + n * moving} for n in range(20)]
        between = [line for pair in zip(steps, others, strict=True) for line in pair]
        checked = check_lines(busy, *between, again, second, forget_after=3, sampling="polled", skim=skim)
        assert [v.run_id for v in checked.violations if v.code == "RE501"] == ["run_b"]
        assert checked.summary.threads == 21

    @pytest.mark.parametrize("skim", [True, False])
    def test_a_thread_goes_with_its_last_run(self, skim: bool) -> None:
        """A thread is counted again when a new run of it comes and none is remembered, however many it has had."""

        def threads(gap: int, forget_after: int) -> int:
            first, second, third = (clean("completed", id=f"run_{n}", thread_id="thread_0") for n in range(3))
            others = [clean("completed", id=f"other_{n}", thread_id=f"thread_{n}") for n in range(1, gap)]
            checked = check_lines(first, second, *others, third, forget_after=forget_after, skim=skim)
            return checked.summary.threads - len(others)

        assert [threads(gap, 5) for gap in (1, 5, 6)] == [1, 1, 2]

    def test_records_without_an_id(self) -> None:
        """Each counts as a run; its thread counts where no run of it is remembered, and is not remembered for it."""
        nameless = clean("in_progress", id=ABSENT, thread_id="thread_0")
        summary = check_lines(nameless, clean("queued", thread_id="thread_0"), nameless, nameless).summary
        assert (summary.runs, summary.threads) == (4, 2)

    def test_runs_of_an_unknown_status(self) -> None:
        """Their threads are counted and remembered as any other; a run is the thread's of its first true snapshot."""
        strange = clean("queued", status="canceled", id="run_a", thread_id="thread_a")
        summary = check_lines(strange, strange, clean("queued", id="run_b", thread_id="thread_a")).summary
        assert (summary.runs, summary.threads) == (2, 1)
        elsewhere = clean("queued", id="run_a", thread_id="thread_b")
        checked = check_lines(strange, elsewhere, strange, clean("queued", id="run_b", thread_id="thread_b"))
        assert checked.summary.threads == 2
        assert "RE401" not in [v.code for v in checked.violations]

    def test_a_reused_id(self) -> None:
        """RE502 is said once of an id, as long as the run that took it over is remembered."""
        one = clean("completed", thread_id="thread_a")
        two = {**clean("completed", thread_id="thread_b"), "created_at": one["created_at"] + 1}
        other = clean("completed", id="run_2", thread_id="thread_c")

        def said(lines: list[dict[str, Any]], forget_after: int) -> list[int]:
            return [v.line for v in check_lines(*lines, forget_after=forget_after).violations if v.code == "RE502"]

        assert [said([one, two, one, other, other, two], n) for n in (3, 2)] == [[2], [2]]
        assert [said([one, two, other, other, one, two], n) for n in (3, 2)] == [[2], [2, 6]]

    def test_open_runs_are_never_forgotten(self) -> None:
        """A run that is open stays known, however many others end."""
        first = clean("in_progress", id="run_a")
        others = [clean("completed", id=f"run_{n}") for n in range(50)]
        assert codes(check_lines(first, *others, {**first, "model": "other"}, forget_after=0)) == [
            ("RE402", 52, "model")
        ]

    def test_one_file_is_one_scope(self) -> None:
        """The same run in two files is two runs, and what is said of it is said within one."""
        checker = Checker()
        for path in ("a", "b"):
            assert list(checker.check(path, [Observation(clean("completed"), 1)])) == []
            assert list(checker.check(path, [Observation(clean("queued"), 1)])) == []
        assert checker.summary.runs == 4


def mixed(skim: Skimming | None, *values: Any) -> Iterator[Item]:
    """Items as they are, and of each value what the reader makes of a line, where it was not skimmed."""
    for value in values:
        if isinstance(value, dict):
            yield from read_items("a", io.BufferedReader(io.BytesIO(as_lines([value]))), skim)
        else:
            yield value
