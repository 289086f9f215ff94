"""RE501 and RE502: runs of one thread, and ids given twice."""

from __future__ import annotations

import json
from itertools import combinations, permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.validation.catalogue.examples import CREATED, record, row
from runengine.validation.summary import SKEW_S
from runengine.validation.threads import RUNS_MAX
from tests.validation.checking import Checked, check_lines

Life = tuple[int, int, int | None]


def ended(run: int, begun_s: int, end_s: int, thread: int = 1) -> dict[str, Any]:
    """A completed run."""
    stamps = {
        name: CREATED + at for name, at in (("created_at", begun_s), ("started_at", begun_s), ("completed_at", end_s))
    }
    return record("completed", id=f"run_{run}", thread_id=f"thread_{thread}", **stamps)


def living(run: int, begun_s: int, start_s: int, thread: int = 1) -> dict[str, Any]:
    """A run in progress."""
    stamps = {"created_at": CREATED + begun_s, "started_at": CREATED + start_s, "expires_at": CREATED + begun_s + 600}
    return record("in_progress", id=f"run_{run}", thread_id=f"thread_{thread}", **stamps)


def seen(data: dict[str, Any], at_s: float) -> dict[str, Any]:
    """It was observed then."""
    return row(data, kind="poll", observed_at=CREATED + at_s)


def overlapping(checked: Checked) -> list[tuple[str | None, int]]:
    """Run and line of each RE501."""
    return [(v.run_id, v.line) for v in checked.violations if v.code == "RE501"]


class TestOverlap:
    """Two runs of a thread."""

    @pytest.mark.parametrize(
        ("other", "skew_s", "wanted"),
        [
            ((5, 9), 0, []),
            ((4, 9), 0, ["run_2"]),
            ((0, 9), 0, ["run_2"]),
            ((5, 5), 0, []),
            ((3, 3), 0, ["run_2"]),
            ((-3, 0), 0, []),
            ((3, 9), 2, []),
            ((2, 9), 2, ["run_2"]),
            ((0, 9), 2, ["run_2"]),
            ((1, 2), 2, []),
            ((2, 3), 2, ["run_2"]),
        ],
    )
    def test_seconds(self, other: tuple[int, int], skew_s: int, wanted: list[str]) -> None:
        """A run from 0 to 5 and another: what is sure, clocks apart by the skew, is said of the later, in any order."""
        pair = (ended(1, 0, 5), ended(2, *other))
        for lines in (pair, pair[::-1]):
            assert [run for run, _ in overlapping(check_lines(*lines, skew_s=skew_s))] == wanted
            unskimmed = check_lines(*lines, skew_s=skew_s, skim=False)
            assert overlapping(check_lines(*lines, skew_s=skew_s)) == overlapping(unskimmed)

    def test_other_threads(self) -> None:
        """Runs of different threads may be active together."""
        assert check_lines(ended(1, 0, 5), ended(2, 1, 5, thread=2)).violations == []

    def test_line(self) -> None:
        """It is said where it becomes known, and of the run created later."""
        checked = check_lines(living(1, 0, 0), living(2, 4, 5), ended(1, 0, 9))
        assert overlapping(checked) == [("run_2", 3)]
        assert "run_1" in checked.violations[0].message

    @pytest.mark.parametrize(("at_s", "wanted"), [(9.5, 0), (10.0, 1), (30.0, 1)])
    def test_observed_alive(self, at_s: float, wanted: int) -> None:
        """A run that is never seen to end is alive when it was observed, less 3 s and the skew."""
        lines = (seen(living(1, 0, 1), 2), seen(living(2, 4, 4), 4.5), seen(living(1, 0, 1), at_s))
        checked = check_lines(*lines)
        assert len(overlapping(checked)) == wanted
        assert [run for run, _ in overlapping(checked)] == ["run_2"] * wanted

    def test_end_stamp_decides(self) -> None:
        """Where the run is seen to end, its stamp decides, however far its recorder's clock is off."""
        ahead = (seen(living(1, 0, 1), 60), seen(living(2, 6, 6), 7), seen(ended(1, 0, 5), 61))
        for lines in permutations(ahead):
            if lines.index(ahead[0]) < lines.index(ahead[2]):
                assert overlapping(check_lines(*lines)) == []

    @pytest.mark.parametrize(("first_s", "wanted"), [((3.2, 3.9), "run_2"), ((3.9, 3.2), "run_1"), ((3, 3), "run_2")])
    def test_created_in_one_second(self, first_s: tuple[float, float], wanted: str) -> None:
        """Of two runs created in one second, it is said of the one that was observed later, whichever ends first."""
        runs = [
            [seen(living(n, 0, 1), at_s), seen(ended(n, 0, 9), 10 + n)] for n, at_s in zip((1, 2), first_s, strict=True)
        ]
        for one, other in (runs, runs[::-1]):
            for lines in ((*one, *other), (one[0], other[0], one[1], other[1]), (one[0], *other, one[1])):
                (found,) = [v for v in check_lines(*lines).violations if v.code == "RE501"]
                assert found.run_id == wanted
                assert "while" not in found.message
                assert {"run_1": "run_2", "run_2": "run_1"}[wanted] in found.message

    def test_either_end_decides(self) -> None:
        """What two runs' observations prove is not said where either is seen to have ended before, in any order."""
        one = (seen(living(1, 0, 1), 2), seen(living(1, 0, 1), 20), seen(ended(1, 0, 1), 21))
        other = (seen(living(2, 0, 1), 2), seen(living(2, 0, 1), 20))
        for places in combinations(range(5), 2):
            first, second = iter(one), iter(other)
            assert overlapping(check_lines(*(next(second if n in places else first) for n in range(5)))) == []
        assert len(overlapping(check_lines(*one[:2], *other))) == 1

    def test_first_observed_after_the_other(self) -> None:
        """A run that was not observed while the other one was is no witness against it, whatever its created_at."""
        lines = (seen(living(1, 0, 1), 2), seen(living(1, 0, 1), 15), seen(living(2, 4, 4), 30))
        assert overlapping(check_lines(*lines)) == []

    def test_said_once_of_a_run(self) -> None:
        """However many earlier runs a run met, it is said once of it, whatever the order of the lines."""
        many = [living(n, n, n + 20) for n in range(12)]
        for lines in (many, many[::-1], many[6:] + many[:6], many[::2] + many[1::2]):
            runs = [run for run, _ in overlapping(check_lines(*lines))]
            assert sorted(map(str, runs)) == sorted(f"run_{n}" for n in range(1, 12))
            assert overlapping(check_lines(*lines, skim=False)) == overlapping(check_lines(*lines))

    def test_what_waited_is_said_once(self) -> None:
        """A run that was observed together with two others, and none of them seen to end, is named once."""
        many = [seen(living(n, n, n + 1), at_s) for at_s in (5, 60) for n in (1, 2, 3)]
        for lines in (many, many[::-1]):
            assert sorted(str(run) for run, _ in overlapping(check_lines(*lines))) == ["run_2", "run_3"]

    def test_the_first_created_is_named(self) -> None:
        """Of several earlier runs that are known when it is said, the message names the one created first."""
        for first in permutations([ended(n, n, 20) for n in (1, 2, 3)]):
            last = [v for v in check_lines(*first, ended(4, 4, 20)).violations if v.run_id == "run_4"]
            assert ["run_1" in v.message for v in last] == [True]

    def test_nothing_after_the_end_proves(self) -> None:
        """A snapshot that shows a run at work after its end is no witness."""
        checked = check_lines(ended(1, 0, 5), living(1, 0, 60), ended(2, 20, 30))
        assert overlapping(checked) == []
        assert {v.code for v in checked.violations} >= {"RE103"}

    def test_another_created_at_proves_nothing(self) -> None:
        """A snapshot that says of its run another created_at than the first one did is no witness."""
        strange = record("in_progress", created_at=CREATED + 50, started_at=CREATED + 60, expires_at=CREATED + 600)
        checked = check_lines(living(1, 0, 0), {**strange, "id": "run_1"}, ended(2, 20, 30))
        assert [(v.code, v.run_id) for v in checked.violations] == [("RE204", "run_1")]

    def test_what_is_wrong_proves_nothing(self) -> None:
        """A record whose stamps are out of order is no witness."""
        assert {v.code for v in check_lines(ended(1, 0, 5), ended(2, 4, 3)).violations} == {"RE203"}

    def test_many_runs(self) -> None:
        """Of more runs than are compared, the one that ended first is dropped; nothing is said of runs in turn."""
        turns = [ended(n, 10 * n, 10 * n + 5) for n in range(3 * RUNS_MAX)]
        assert check_lines(*turns).violations == []
        for late in (ended(999, 30 * RUNS_MAX - 8, 30 * RUNS_MAX), ended(999, 30 * RUNS_MAX - 18, 30 * RUNS_MAX - 11)):
            assert overlapping(check_lines(*turns, late)) == [("run_999", 3 * RUNS_MAX + 1)]

    @pytest.mark.parametrize("skim", [True, False])
    def test_a_busy_thread(self, skim: bool) -> None:
        """A thread that has one run after another is not forgotten for others that were seen before it."""
        lines = [data for n in range(20) for data in (ended(n, 10 * n, 10 * n + 5), ended(99 - n, 0, 5, thread=99 - n))]
        assert check_lines(*lines, forget_after=3, skim=skim).summary.threads == 21

    def test_the_one_that_is_open_is_compared(self) -> None:
        """Of more runs than are compared, one that has not ended is dropped last."""
        turns = [ended(n, n, n) for n in range(1, 2 * RUNS_MAX)]
        checked = check_lines(living(0, 0, 500), *turns, skew_s=0)
        assert [run for run, _ in overlapping(checked)] == [f"run_{n}" for n in range(1, 2 * RUNS_MAX)]


lives = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 4), st.integers(0, 6) | st.none()), min_size=2, max_size=9
)


def lines_of(run: int, life: Life, polled: bool, early_s: int = 0) -> list[dict[str, Any]]:
    """A life as lines: created, started, and ended where it does."""
    begun_s, wait_s, work_s = life
    start_s = begun_s + wait_s
    made = [living(run, begun_s, start_s)]
    if work_s is not None:
        made.append(ended(run, begun_s, start_s + work_s))
    return [seen(data, begun_s + 7 * n + 3 - early_s) for n, data in enumerate(made)] if polled else made


@given(lives, st.booleans(), st.data())
def test_any_interleaving(drawn: list[Life], polled: bool, data: st.DataObject) -> None:
    """Whatever the order in which runs are interleaved, the same runs are said to overlap; skimmed or not."""
    earlier = st.lists(st.integers(0, 3), min_size=len(drawn), max_size=len(drawn))
    runs = [
        lines_of(n, life, polled, early_s)
        for (n, life), early_s in zip(enumerate(drawn), data.draw(earlier), strict=True)
    ]

    def mixed(order: list[int]) -> list[dict[str, Any]]:
        left = [iter(lines) for lines in runs]
        return [next(left[n]) for n in order]

    order = [n for n, lines in enumerate(runs) for _ in lines]
    wanted = {run for run, _ in overlapping(check_lines(*mixed(order)))}
    other = mixed(data.draw(st.permutations(order)))
    assert {run for run, _ in overlapping(check_lines(*other))} == wanted
    assert {run for run, _ in overlapping(check_lines(*other, skim=False))} == wanted
    if not polled:
        assert wanted == by_hand(drawn)


def by_hand(drawn: list[Life]) -> set[str | None]:
    """The runs that the stamps prove to overlap an earlier one."""
    spans = [(begun, begun + wait + (work or 0), f"run_{n}") for n, (begun, wait, work) in enumerate(drawn)]
    return {
        max((a[0], a[2]), (b[0], b[2]))[1]
        for a in spans
        for b in spans
        if a[2] < b[2] and a[0] + SKEW_S < b[1] and b[0] + SKEW_S < a[1]
    }


ANOTHER: dict[str, Any] = {"created_at": CREATED + 60, "expires_at": CREATED + 660}


class TestReused:
    """RE502."""

    @pytest.mark.parametrize(
        ("other", "kind", "wanted"),
        [
            ({}, "create", False),
            ({}, "poll", False),
            (ANOTHER, "poll", False),
            (ANOTHER, "create", True),
            ({"thread_id": "thread_2"}, "poll", False),
            ({"thread_id": "thread_2"}, "create", True),
            ({"thread_id": "thread_2", **ANOTHER}, "poll", True),
        ],
        ids=str,
    )
    def test_two_signs_of_three(self, other: dict[str, Any], kind: str, wanted: bool) -> None:
        """Another created_at, another thread, a second creation: two of them make another run, one does not."""
        checked = check_lines(row(record("queued"), kind="create"), row(record("queued", **other), kind=kind))
        codes = [v.code for v in checked.violations]
        assert ("RE502" in codes) == wanted
        if wanted:
            assert codes == ["RE502"]
            assert checked.summary.runs == 2

    def test_said_once(self) -> None:
        """Of two runs of one id that are told in turns, it is said once, and neither is held against the other."""
        one = [record("queued"), record("in_progress"), record("completed")]
        two = [{**data, "thread_id": "thread_2", "created_at": CREATED + 1} for data in one]
        checked = check_lines(*(data for pair in zip(one, two, strict=True) for data in pair))
        assert [(v.code, v.line) for v in checked.violations] == [("RE502", 2)]


def test_skimmed_threads() -> None:
    """The skim deals with the runs of a thread in turn, and leaves those that may overlap to the rules."""
    from runengine.validation import Checker

    def skimmed(*values: dict[str, Any]) -> list[bool]:
        skim = Checker().skim
        assert skim is not None
        return [skim(json.dumps(value).encode(), n) for n, value in enumerate(values, 1)]

    assert skimmed(ended(1, 0, 5), ended(2, 5, 9), ended(3, 9, 9)) == [True] * 3
    assert skimmed(ended(1, 0, 5), ended(2, 4, 9)) == [True, False]
    assert skimmed(living(1, 0, 1), ended(2, 4, 9)) == [True, False]
