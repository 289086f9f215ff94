"""Profiles of the threads of one recording are, brought together, the profile of the recording."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.core import STATUSES
from runengine.validation.findings import Violation
from runengine.validation.observations import Item, LeftOut, Observation, Passed, Source
from runengine.validation.profiling.profile import Profile
from tests.validation.checking import clean

RUNS, THREADS = 6, 3
SOURCES: tuple[Source, ...] = ("snapshot", "history", "stream")


Kind = tuple[int, str, Source, int | None, bool]


def seen(kind: Kind, line: int) -> Observation:
    """A snapshot of one of a few runs; the last part says whether it is of a run without an id."""
    run, status, source, later_s, unnamed = kind
    record = clean(status, id=None if unnamed else f"run_{run}", thread_id=f"thread_{run % THREADS}")
    if later_s is not None and record["started_at"] is not None:
        record["started_at"] += later_s
    observed_s = None if source == "stream" else record["created_at"] + line + 0.25
    return Observation(record, line, source, event="start" if source == "history" else None, observed_s=observed_s)


kinds = st.tuples(
    st.integers(0, RUNS - 1),
    st.sampled_from(STATUSES),
    st.sampled_from(SOURCES),
    st.sampled_from([None, None, 1]),
    st.sampled_from([False] * 9 + [True]),
)
recordings = st.lists(st.one_of(kinds, kinds, kinds, st.none(), st.integers(1, 4)), max_size=40)


def items_of(drawn: Sequence[Any]) -> list[Item]:
    """The items of a recording: snapshots, other things, and several on one line."""
    made: list[Item] = []
    for line, each in enumerate(drawn, 1):
        if each is None or isinstance(each, int):
            made += [Passed(line=line, what="file")] * (each or 1)
        else:
            made.append(seen(each, line))
    return made


def found(item: Item) -> Sequence[Violation]:
    """An error at every snapshot that is incomplete, a warning at every one that failed."""
    if not isinstance(item, Observation) or item.record["status"] not in ("incomplete", "failed"):
        return ()
    severity: Any = "error" if item.record["status"] == "incomplete" else "warning"
    texts = dict.fromkeys(("code", "name", "expected", "message", "hint", "field", "found"), "")
    return (
        Violation(
            **{**texts, "severity": severity, "run_id": item.record["id"], "thread_id": None, "path": "a"},
            line=item.line,
        ),
    )


def profile_of(files: Iterable[Iterable[Item]], forget_after: int) -> Profile:
    """What a checker would have told a profile of."""
    profile = Profile(forget_after=forget_after)
    for number, items in enumerate(files):
        for item in items:
            profile.see(f"{number}.jsonl", item, found(item))
        profile.end(f"{number}.jsonl", ())
    return profile


def part_of(items: Sequence[Item], thread: int) -> list[Item]:
    """The items of one thread, or, of none, all others; the rest is left out."""
    made: list[Item] = []
    for item in items:
        is_on = item.record["thread_id"] if isinstance(item, Observation) else "thread_none"
        if is_on == (f"thread_{thread}" if thread < THREADS else "thread_none"):
            made.append(item)
        elif made and isinstance(made[-1], LeftOut):
            made[-1] = LeftOut(made[-1].items + 1)
        else:
            made.append(LeftOut(1))
    return made


@given(
    drawn=st.lists(recordings, min_size=1, max_size=2), forget_after=st.integers(0, 30), order=st.permutations(range(4))
)
def test_threads_make_the_whole(drawn: list[Any], forget_after: int, order: list[int]) -> None:
    """Profiles of a recording's threads, each told what is left out, are the whole's, in whatever order they merge."""
    whole = Profile(forget_after=forget_after)
    for number, items in enumerate(map(items_of, drawn)):
        path_of_parts = Profile(forget_after=forget_after)
        for thread in order:
            files: list[list[Item]] = [[]] * number + [part_of(items, thread)]
            path_of_parts = path_of_parts.merge(profile_of(files, forget_after))
        whole = whole.merge(path_of_parts)
    expected = profile_of(map(items_of, drawn), forget_after)
    assert whole.as_dict() == expected.as_dict()


@given(drawn=recordings, forget_after=st.integers(0, 30))
def test_kept_is_the_whole(drawn: list[Any], forget_after: int) -> None:
    """A profile that went through JSON text is the same, and goes on merging as if it had not."""
    profile, other = profile_of([items_of(drawn)], forget_after), Profile()
    other.take(json.loads(json.dumps(profile.kept())))
    assert other._counts == profile._counts
    assert profile.merge(profile).as_dict() == other.merge(profile).as_dict()


def test_kept_of_another_policy() -> None:
    """What one policy declares is undeclared in another, so what was kept of it is refused."""
    with pytest.raises(ValueError, match="of lax cannot be merged with one of practical"):
        Profile().take({**Profile().kept(), "policy": "lax"})


class TestClock:
    """What is remembered goes by the items that come by."""

    @pytest.mark.parametrize(("between", "runs"), [(2, 1), (3, 2)])
    def test_an_ended_run_is_remembered(self, between: int, runs: int) -> None:
        """A run comes back as itself within so many items after its last snapshot, and as a new one later."""
        ended: Kind = (0, "completed", "snapshot", None, False)
        items: list[Item] = [seen(ended, 1), seen(ended, 2)]
        items += [*[Passed(line=3, what="file")] * between, seen(ended, 4)]
        assert profile_of([items], 3).as_dict()["runs"] == runs
        assert profile_of([[*items[:2], LeftOut(between), items[-1]]], 3).as_dict()["runs"] == runs

    def test_runs_are_forgotten_in_the_order_they_were_last_seen(self) -> None:
        """A run that ended first and was seen again keeps no other one remembered for longer."""
        one, other = (seen((run, "completed", "snapshot", None, False), 1) for run in range(2))
        assert profile_of([[one, other, one, LeftOut(2), other]], 3).as_dict()["runs"] == 3

    def test_an_open_run_is_never_forgotten(self) -> None:
        """However much comes by, a run that has not ended is known."""
        items: list[Item] = [seen((0, "queued", "snapshot", None, False), 1), LeftOut(10**9)]
        items.append(seen((0, "completed", "snapshot", None, False), 2))
        assert profile_of([items], 0).as_dict()["runs"] == 1

    @pytest.mark.parametrize(("first", "most"), [("queued", 2), ("completed", 1)])
    def test_a_thread_is_remembered_with_its_runs(self, first: str, most: int) -> None:
        """Runs of a thread are counted on as long as one of them is remembered, and from anew after that."""
        on = (0, THREADS)
        items: list[Item] = [seen((on[0], first, "snapshot", None, False), 1), LeftOut(9)]
        items.append(seen((on[1], "completed", "snapshot", None, False), 2))
        assert profile_of([items], 5).as_dict()["runs_per_thread_most"] == most
