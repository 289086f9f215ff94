"""Memory: bounded by the runs that are open; what is forgotten of ended ones, and when."""

from __future__ import annotations

import io
import tracemalloc

import pytest

from runengine.validation import Checker, Options
from runengine.validation.observations import Observation
from runengine.validation.readers import read_items
from tests.validation.checking import as_lines, check_lines, clean, codes


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

    def test_forget_after(self) -> None:
        """A change after the end is found as long as the run is remembered; then it counts as another run."""
        lives = [clean("completed", id=f"run_{n}", thread_id=f"thread_{n}") for n in range(4)]
        changed = {**lives[0], "completed_at": lives[0]["completed_at"] + 1}
        remembered = check_lines(*lives, changed, forget_after=4)
        assert codes(remembered) == [("RE103", 5, "completed_at")]
        assert (remembered.summary.runs, remembered.summary.threads) == (4, 4)
        forgotten = check_lines(*lives, changed, forget_after=3)
        assert codes(forgotten) == []
        assert (forgotten.summary.runs, forgotten.summary.threads) == (5, 5)

    @pytest.mark.parametrize("skim", [True, False])
    @pytest.mark.parametrize("moving", [True, False])
    def test_the_longest_unseen_thread_is_forgotten(self, skim: bool, moving: bool) -> None:
        """A thread that is seen again and again outlives others, is counted once, and its runs are still compared."""
        busy = clean("in_progress", id="run_a", thread_id="busy")
        created_at = busy["created_at"]
        moved = {name: busy[name] + 1 for name in ("created_at", "started_at", "expires_at")}
        second = {**busy, "id": "run_b", **moved, "started_at": created_at + 60}
        again = {**busy, "started_at": created_at + 60}
        others = [clean("completed", id=f"run_{n}", thread_id=f"thread_{n}") for n in range(20)]
        steps = [{**busy, "started_at": busy["started_at"] + n * moving} for n in range(20)]
        mixed = [line for pair in zip(steps, others, strict=True) for line in pair]
        checked = check_lines(busy, *mixed, again, second, forget_after=3, sampling="polled", skim=skim)
        assert [v.run_id for v in checked.violations if v.code == "RE501"] == ["run_b"]
        assert checked.summary.threads == 21

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
