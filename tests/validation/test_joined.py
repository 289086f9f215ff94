"""Joined recordings: a life in pieces is one life, a life told twice is told as such, a contradiction stays one."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.validation import Checker, Options, Violation
from runengine.validation.observations import Observation
from tests.validation.checking import clean

LIFE = [clean("queued", started_at=None), clean("in_progress"), clean("requires_action")]
LIFE += [clean("queued", started_at=1_700_000_002)]
LIFE += [clean("in_progress", started_at=1_700_000_005), clean("completed", started_at=1_700_000_005)]


def joined(*recordings: list[dict[str, Any]], join: bool = True, **options: Any) -> list[Violation]:
    """What is found in recordings that are checked one after the other."""
    checker = Checker(Options(join=join, **options))
    found: list[Violation] = []
    for name, records in zip("abcdefgh", recordings, strict=False):
        found += checker.check(name, [Observation(record, line) for line, record in enumerate(records, 1)])
    return found


def told(found: list[Violation]) -> list[tuple[str, str, int]]:
    """Code and place."""
    return [(v.code, v.path, v.line) for v in found]


@given(st.sets(st.integers(1, len(LIFE) - 1)))
def test_a_life_in_pieces_is_one_life(cuts: set[int]) -> None:
    """Wherever a clean life is cut into recordings, joined in order they are clean."""
    places = [0, *sorted(cuts), len(LIFE)]
    assert joined(*(LIFE[a:b] for a, b in pairwise(places))) == []


@given(st.integers(1, len(LIFE)), st.integers(0, len(LIFE) - 1), st.integers(1, len(LIFE)))
def test_a_life_told_twice(first: int, begin: int, end: int) -> None:
    """Two recordings of pieces of one clean life break no rule but RE408, once, at the second one's first line."""
    found = told(joined(LIFE[:first], LIFE[begin : max(end, begin + 1)]))
    assert found in ([], [("RE408", "b", 1)])
    if begin == 0 and first > 1:
        assert found


def test_what_was_found_is_said() -> None:
    """RE408 is a warning that names the other recording and where it stood."""
    (found,) = joined(LIFE, LIFE)
    assert (found.code, found.name, found.severity, found.found) == ("RE408", "recorded-twice", "warning", "queued")
    assert found.message == "the run was recorded twice: a had shown it completed, and this recording begins again"
    assert found.hint == "Leave out one of the two recordings, or check them without --join."


def test_apart_they_are_clean() -> None:
    """Without --join each recording is a scope of its own."""
    assert joined(LIFE, LIFE, LIFE, join=False) == []


def test_two_ends_are_a_contradiction() -> None:
    """A run that ends otherwise in its second recording has changed after its end."""
    other = [*LIFE[:-1], clean("failed", started_at=1_700_000_005)]
    assert told(joined(LIFE, other)) == [("RE408", "b", 1), ("RE103", "b", 6)]
    assert told(joined(LIFE, other[-1:])) == [("RE103", "b", 1)]


def test_the_same_end_with_other_stamps() -> None:
    """The end's own stamp is compared too."""
    other = [*LIFE[:-1], {**LIFE[-1], "completed_at": LIFE[-1]["completed_at"] + 1}]
    assert [(v.code, v.field) for v in joined(LIFE, other)] == [("RE408", "status"), ("RE103", "completed_at")]


@pytest.mark.parametrize(("field", "code"), [("assistant_id", "RE401"), ("model", "RE402"), ("created_at", "RE204")])
def test_another_run_is_told(field: str, code: str) -> None:
    """What must never change is compared between recordings, told twice or not."""
    other = [{**record, field: "else" if field != "created_at" else record[field] - 9} for record in LIFE]
    found = [v.code for v in joined(LIFE[:-1], other)]
    assert {"RE408", code} == set(found)


def test_a_gap_between_recordings_is_a_polled_one() -> None:
    """What happened while nobody recorded may be hidden, even where every status is visible otherwise."""
    assert joined(LIFE[:1], LIFE[-1:], sampling="complete") == []
    assert [v.code for v in joined([LIFE[0], LIFE[-1]], sampling="complete")] == ["RE101"]


def test_illegal_in_its_own_recording() -> None:
    """A fault within the second recording is found as in any."""
    assert ("RE202", "b", 2) in told(joined(LIFE, [LIFE[0], clean("in_progress", failed_at=1_700_000_009)]))
