"""Every way to cut a log: fragments merge to that of the whole, and the sieve lets through whatever needs a word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.core import DOCUMENTED, PERMISSIVE, PRACTICAL
from runengine.validation import Checker, Options, Summary
from runengine.validation.observations import Item, LeftOut, Observation, Sampling

pytest.importorskip("numpy")

import numpy as np

from runengine.validation.bulk.batch import Batch
from runengine.validation.bulk.compiled import Compiled
from runengine.validation.bulk.fragments import Fragment
from tests.validation.bulk.plainly import batch_of
from tests.validation.bulk.small_logs import BEGIN, piece_of, small_logs

POLICIES = {policy.name: policy for policy in (PRACTICAL, DOCUMENTED, PERMISSIVE)}


class Held(NamedTuple):
    """What a log is held to."""

    policy: str
    sampling: Sampling
    forget_after: int
    skew_s: float

    @property
    def options(self) -> Options:
        """The same as options."""
        return Options(**{**self._asdict(), "policy": POLICIES[self.policy]})


HELD = st.builds(
    Held,
    policy=st.sampled_from(tuple(POLICIES)),
    sampling=st.sampled_from(("auto", "complete", "polled")),
    forget_after=st.sampled_from((0, 1, 2, 3, 5, 50_000)),
    skew_s=st.sampled_from((0.0, 2.0)),
)
"""Ended runs are forgotten inside of such a log, at its seams, or not at all."""


class Parts:
    """The fragments of the parts of a log, by where each begins and ends."""

    def __init__(self, batch: Batch, compiled: Compiled) -> None:
        self._batch, self._compiled = batch, compiled
        self._made: dict[tuple[int, int], Fragment] = {}

    def __getitem__(self, part: tuple[int, int]) -> Fragment:
        """The fragment of one."""
        if part not in self._made:
            self._made[part] = Fragment.of(piece_of(self._batch, *part), self._compiled)
        return self._made[part]


def together(before: Fragment, after: Fragment, compiled: Compiled) -> Fragment:
    """The two merged; the later one, which merging uses up, is there still."""
    return before.merge(deepcopy(after), compiled)


def folded(parts: Parts, n: int, compiled: Compiled) -> Iterator[tuple[tuple[int, ...], Fragment]]:
    """The log as every way to cut it has it, piece after piece: where each piece ends, and the fragment of all."""
    begun: list[tuple[tuple[int, ...], Fragment]] = [((j,), parts[0, j]) for j in range(1, n + 1)]
    while begun:
        cuts, before = begun.pop()
        i = cuts[-1]
        if i == n:
            yield cuts, before
        begun += [((*cuts, j), together(before, parts[i, j], compiled)) for j in range(i + 1, n + 1)]


def grouped(pieces: list[Fragment], chance: Random, compiled: Compiled) -> Fragment:
    """Pieces merged, neighbours in any order."""
    while len(pieces) > 1:
        k = chance.randrange(len(pieces) - 1)
        pieces[k : k + 2] = [together(pieces[k], pieces[k + 1], compiled)]
    return pieces[0]


class Sieved:
    """What comes of a log through the sieve, by which rows it keeps."""

    def __init__(self, items: Sequence[Item], held: Held) -> None:
        self.items, self.options = items, held.options
        self.batch, self.compiled = batch_of(items, self.options), Compiled.of(self.options)
        self.parts = Parts(self.batch, self.compiled)
        checker = Checker(self.options)
        self.expected = list(checker.check("log", items))
        self.summary = checker.summary
        self._known: dict[tuple[bool, ...], tuple[Summary, Parts]] = {}

    def fed(self, whole: Fragment) -> tuple[bool, ...]:
        """Which rows are for the checker, for what the fragment of the whole log shows."""
        suspects = whole.finished(self.compiled)
        return tuple((self.batch.odd | suspects.mask(self.batch.run, self.batch.thread)).tolist())

    def again(self, fed: tuple[bool, ...]) -> tuple[Summary, Parts]:
        """What the checker counts of the rows it is fed with, and the parts of the log with these alone.

        What it says of them must be what it says of all.
        """
        if fed not in self._known:
            checker = Checker(self.options)
            assert list(checker.check("log", _with_gaps(self.items, fed))) == self.expected
            others = evolve(self.batch, odd=self.batch.odd | ~np.array(fed))
            self._known[fed] = checker.summary, Parts(others, self.compiled)
        return self._known[fed]

    def holds(self, whole: Fragment, fed: tuple[bool, ...], again: Fragment) -> None:
        """Hold what a cut comes to against what the checker says, and counts, of all rows.

        Args:
            whole: The fragment that comes of the cut.
            fed: Which rows are for the checker then.
            again: What comes of the same cut of these rows.
        """
        counted = deepcopy(self.again(fed)[0])
        (whole.counts - again.counts).add_to(counted)
        assert counted == self.summary
        assert whole.items == len(self.items)


@settings(max_examples=settings().max_examples // 4)
@given(small_logs(7), HELD)
def test_every_cut(items: list[Item], held: Held) -> None:
    """However a log is cut, the checker says of what is left to it what it says of all, and the counts come out."""
    sieved = Sieved(items, held)
    n, compiled = len(items), sieved.compiled
    known: dict[tuple[bool, ...], dict[tuple[int, ...], Fragment]] = {}
    for cuts, whole in folded(sieved.parts, n, compiled):
        fed = sieved.fed(whole)
        if fed not in known:
            known[fed] = dict(folded(sieved.again(fed)[1], n, compiled))
        sieved.holds(whole, fed, known[fed][cuts])


@given(small_logs(14), HELD, st.randoms(use_true_random=False))
def test_any_grouping(items: list[Item], held: Held, chance: Any) -> None:
    """The same holds where pieces are merged in any grouping."""
    sieved = Sieved(items, held)
    cuts = sorted({0, len(items), *(chance.randrange(len(items) + 1) for _ in range(5))})
    seed = chance.random()

    def merged(parts: Parts) -> Fragment:
        return grouped([parts[i, j] for i, j in pairwise(cuts)], Random(seed), sieved.compiled)

    whole = merged(sieved.parts)
    fed = sieved.fed(whole)
    sieved.holds(whole, fed, merged(sieved.again(fed)[1]))


@settings(max_examples=settings().max_examples * 2)
@given(small_logs(14), HELD)
def test_the_sieve_keeps_every_finding(items: list[Item], held: Held) -> None:
    """The same holds of a log in one piece."""
    sieved = Sieved(items, held)
    whole = sieved.parts[0, len(items)]
    fed = sieved.fed(whole)
    sieved.holds(whole, fed, sieved.again(fed)[1][0, len(items)])


def _with_gaps(items: Sequence[Item], fed: Sequence[bool]) -> Iterator[Item]:
    gap = 0
    for item, is_fed in zip(items, fed, strict=True):
        if not is_fed:
            gap += 1
            continue
        if gap:
            yield LeftOut(gap)
        gap = 0
        yield item
    if gap:
        yield LeftOut(gap)


def test_a_clean_log_is_settled() -> None:
    """Of a clean log nothing is left to the checker, so the sieve is one."""
    record = {
        "id": "run_1",
        "thread_id": "thread_1",
        "assistant_id": "asst_1",
        "status": "queued",
        "created_at": BEGIN,
        "expires_at": BEGIN + 600,
    }
    started = {**record, "status": "in_progress", "started_at": BEGIN + 1}
    ended = {**started, "status": "completed", "completed_at": BEGIN + 5, "expires_at": None}
    lines = enumerate((record, started, ended, ended), 1)
    items = [Observation({**dict.fromkeys(ended), **each}, line, columns=frozenset(ended)) for line, each in lines]
    batch, compiled = batch_of(items, Options()), Compiled.of(Options())
    whole = Fragment.of(batch, compiled)
    assert not batch.odd.any()
    assert not whole.finished(compiled).mask(batch.run, batch.thread).any()
    whole.counts.add_to(summary := Summary())
    assert summary.as_dict()["edges"] == {"queued->in_progress": 1, "in_progress->completed": 1}
