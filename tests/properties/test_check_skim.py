"""The skim: with it or without it, the violations and the counts are the same.

The skim is the checker's riskiest part: it recognises clean lines without the rules. So every ordered pair of lines
from a pool of clean and spoiled ones is tried, then random sequences of them, under the options it depends on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.core.statuses import STATUSES
from runengine.core.table import DOCUMENTED, PERMISSIVE, POLICIES, PRACTICAL
from runengine.dialects.documents import DIALECTS
from runengine.validation import Checker, Options
from tests.validation.checking import as_lines, check_bytes, clean, codes
from tests.validation.lines import LINES, RECORDS

OPTIONS: tuple[dict[str, Any], ...] = (
    {"sampling": "complete", "policy": PERMISSIVE, "generation": 16},
    {"sampling": "polled", "policy": DOCUMENTED, "generation": 9, "forget_after": 3},
    {"sampling": "complete", "policy": PRACTICAL, "forget_after": 1},
)


def assert_same(data: bytes, **options: Any) -> None:
    """Skimmed or not, the same violations and the same summary."""
    skimmed, plain = check_bytes(data, **options), check_bytes(data, skim=False, **options)
    assert codes(skimmed) == codes(plain)
    assert skimmed == plain


def of_run(line: bytes, run: int) -> bytes:
    """The line as one of another run (and thread)."""
    return line.replace(b'"run_1"', b'"run_%d"' % run).replace(b'"thread_1"', b'"thread_%d"' % run)


PAIRED = (*RECORDS, *LINES[len(RECORDS) :: 5])


def assert_pairs_same(firsts: Sequence[bytes], **options: Any) -> None:
    """Each first line with every other, and the first again; one file a first line, so that runs share requests."""
    for first in firsts:
        lines = (of_run(line, run) for run, second in enumerate(PAIRED) for line in (first, second, first))
        assert_same(as_lines(lines), **options)


@pytest.mark.parametrize("part", range(4))
def test_every_pair_of_lines(part: int) -> None:
    """After any line any other, and the first again: what the skim remembers of one hides nothing in the next."""
    assert_pairs_same(PAIRED[part::4])


@pytest.mark.parametrize(("start", "options"), list(enumerate(OPTIONS)))
def test_pairs_under_options(start: int, options: dict[str, Any]) -> None:
    """The same of every ninth first line, under each option the skim depends on."""
    assert_pairs_same(PAIRED[start::9], **options)


@pytest.mark.parametrize("sampling", ["complete", "polled"])
def test_every_step(sampling: str) -> None:
    """From every status to every other with started_at unset, set, kept, moved forth and back, in each policy."""
    stamps = ((None, None), (None, 5), (5, None), (5, 5), (5, 6), (6, 5))
    lines = [
        clean(status, id=f"run_{n}_{source}_{target}", started_at=None if at is None else 1_700_000_000 + at)
        for n, pair in enumerate(stamps)
        for source in STATUSES
        for target in STATUSES
        for status, at in zip((source, target), pair, strict=True)
    ]
    for policy in POLICIES.values():
        assert_same(as_lines(lines), sampling=sampling, policy=policy)


options_drawn = st.fixed_dictionaries(
    {
        "sampling": st.sampled_from(("auto", "complete", "polled")),
        "policy": st.sampled_from(tuple(POLICIES.values())),
        "generation": st.none() | st.integers(0, 16),
        "forget_after": st.integers(0, 3),
        "skew_s": st.sampled_from((0.0, 2.0)),
        "dialect": st.sampled_from(("auto", *DIALECTS)),
    }
)

some_lines = st.lists(st.tuples(st.sampled_from(LINES), st.integers(1, 3)), min_size=1, max_size=40)


@given(some_lines, options_drawn)
def test_random_sequences(drawn: list[tuple[bytes, int]], options: dict[str, Any]) -> None:
    """Lines of three runs in any order, clean and spoiled, forgotten and coming back."""
    assert_same(as_lines(of_run(line, run) for line, run in drawn), **options)


_VALUES = st.sampled_from(
    (None, True, False, 0, 1, 1.0, -1, 1_700_000_000, 1_700_000_600.0, "", "x", [], {}, [1], {"a": 1})
)


@given(st.data(), st.lists(st.tuples(st.sampled_from(STATUSES), st.integers(1, 2)), max_size=12), options_drawn)
def test_random_records(data: st.DataObject, path: list[tuple[Any, int]], options: dict[str, Any]) -> None:
    """Records on a random path through the statuses, some with a random value in a random field."""
    keys = st.dictionaries(st.sampled_from(tuple(clean("queued"))), _VALUES, max_size=2)
    spoiled = st.one_of(st.builds(dict[str, Any]), keys)
    moves = st.dictionaries(
        st.sampled_from(("started_at", "expires_at")), st.integers(1_699_999_999, 1_700_000_602) | st.none(), max_size=2
    )
    lines = [{**clean(status, id=f"run_{run}"), **data.draw(moves), **data.draw(spoiled)} for status, run in path]
    assert_same(as_lines(lines), **options)


def test_skims_clean_lines() -> None:
    """A clean life is dealt with line by line; a line with something wrong, or of an ended run, is not."""
    checker = Checker(Options())
    life = [clean("queued", started_at=None), clean("in_progress"), clean("in_progress"), clean("completed")]
    skim = checker.skim
    assert skim is not None
    assert [skim(as_lines([record])[:-1], 1) for record in life] == [True] * 4
    assert not skim(as_lines([clean("completed")])[:-1], 5)
    assert not skim(as_lines([clean("queued", id="run_2", failed_at=1)])[:-1], 6)
    assert checker.summary.as_dict()["edges"] == {"queued->in_progress": 1, "in_progress->completed": 1}
