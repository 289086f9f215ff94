"""Runs that come back about when they are forgotten: wherever a log is cut, findings and counts are the checker's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import combinations
from random import Random
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from attrs import evolve
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from runengine.core import DOCUMENTED, PRACTICAL
from runengine.validation import Checker, Options, Summary, Violation

pytest.importorskip("numpy")
pytest.importorskip("pyarrow")

import numpy as np

from runengine.validation.bulk import held
from runengine.validation.bulk.batch import Batch
from runengine.validation.bulk.compiled import Compiled
from runengine.validation.bulk.counts import Counts
from runengine.validation.bulk.fragments import Fragment, Suspects
from runengine.validation.bulk.state import Sieve
from tests.validation.bulk.plainly import key_of
from tests.validation.bulk.returns import EVERY, STRETCHES, Laid, Story, drawn, width_of

STORIES = 120
NONE = np.zeros(0, np.uint64)


class Cut(NamedTuple):
    """How a log is gone through.

    Attributes:
        cuts: Before which positions it is cut.
        sieved: By a sieve; else its fragments are merged.
        seed: In which order they are.
    """

    cuts: Sequence[int]
    sieved: bool
    seed: int

    def through(self, laid: Laid, compiled: Compiled, fed: np.ndarray[Any, Any] | None = None) -> tuple[Any, Counts]:
        """What is known at the end, and what was counted, of all rows or of some."""
        if not self.sieved:
            whole = self._merged([Fragment.of(piece, compiled) for piece in laid.pieces(self.cuts, fed)], compiled)
            return whole, whole.counts
        sieve, nothing = Sieve(compiled), Fragment.of(Batch.of_odd(NONE, NONE), compiled)
        sieve.take(evolve(nothing, items=laid.before))
        for piece in laid.pieces(self.cuts, fed):
            sieve.take(Fragment.of(piece, compiled, prefix=True))
        return sieve, sieve.counts

    def _merged(self, pieces: list[Fragment], compiled: Compiled) -> Fragment:
        chance = Random(self.seed)
        while len(pieces) > 1:
            k = chance.randrange(len(pieces) - 1)
            pieces[k : k + 2] = [pieces[k].merge(pieces[k + 1], compiled)]
        return pieces[0]


def wrong(stories: Sequence[Story], options: Options, ways: Sequence[Cut], before: int = 0) -> Iterator[str]:
    """Where what comes of stories by some ways is not what the checker says and counts of them."""
    laid, compiled = Laid(stories, options, before), Compiled.of(options)
    expected, summary, memory = said_of(laid, options)
    known: dict[bytes, Summary] = {}
    for way in ways:
        through, counts = way.through(laid, compiled)
        suspects: Suspects = through.suspects() if way.sieved else through.finished(compiled)
        fed = laid.batch.odd | suspects.mask(laid.batch.run, laid.batch.thread)
        if fed.tobytes() not in known:
            found, known[fed.tobytes()], _ = said_of(laid, options, fed)
            if found != expected:
                yield f"findings: {len(found)}, not {len(expected)}, by {way}"
        both = deepcopy(known[fed.tobytes()])
        (counts - way.through(laid, compiled, fed)[1]).add_to(both)
        if both != summary:
            yield f"counts, by {way}"
        if way.sieved:
            remembered = through.remembered()
            runs, threads = ([key_of(each) for each in sorted(ids)] for ids in memory)
            if not np.isin(np.array(runs, np.uint64), np.union1d(remembered.runs, suspects.runs)).all():
                yield f"a run is forgotten too early, by {way}"
            if not np.isin(np.array(threads, np.uint64), np.union1d(remembered.threads, suspects.threads)).all():
                yield f"a thread is forgotten too early, by {way}"


def said_of(
    laid: Laid, options: Options, fed: np.ndarray[Any, Any] | None = None
) -> tuple[list[Violation], Summary, tuple[set[str], set[str]]]:
    """What the checker says and counts of all rows, or of some, and the runs and threads that it remembers."""
    checker = Checker(options)
    found = list(checker.check("log", laid.items(fed)))
    memory = checker.memory
    return found, checker.summary, ({*memory.open, *memory.ended}, {*memory.threads.held})


def smallest(stories: Sequence[Story], options: Options, ways: Sequence[Cut], before: int = 0) -> str:
    """One story of which it is wrong, where it is wrong of one."""
    for story in stories:
        lone = [story, *[[]] * (len(stories) - 1)]
        for what in wrong(lone, options, ways, before):
            rows = (f"{row.stretch}{row.beside:+d} {row.item.observed_s} {row.item.record}" for row in story)
            return "\n".join((what, str(options.forget_after), *rows))
    return "none alone"


def cuts_drawn(chance: Random, width: int) -> list[int]:
    """At ends of stretches, or anywhere."""
    ends = [width * stretch for stretch in range(1, STRETCHES) if chance.random() < 0.6]
    return sorted({*ends, *(chance.randrange(1, width * STRETCHES) for _ in range(chance.choice((0, 0, 2))))})


@settings(max_examples=settings().max_examples // 6, phases=(Phase.explicit, Phase.generate))
@given(st.integers(0, 2**32))
def test_runs_that_come_back(seed: int) -> None:
    """Runs of many stories, forgotten or not when they come back, in pieces merged in any grouping or sieved."""
    come_back(STORIES, seed)


@settings(max_examples=settings().max_examples // 2, phases=(Phase.explicit, Phase.generate))
@given(st.integers(0, 2**32))
def test_few_runs_that_come_back(seed: int) -> None:
    """The same of so few that the keys of two runs of a thread are neighbours."""
    come_back(3, seed)


def come_back(count: int, seed: int) -> None:
    """Hold so many stories, cut anywhere, to what the checker says and counts."""
    chance = Random(seed)
    stories, width = [drawn(chance, str(n)) for n in range(count)], width_of(count)
    options = Options(
        forget_after=max(0, chance.choice((0, 1, 1, 1, 2)) * width + chance.choice((-2, -1, 0, 0, 1, 2))),
        skew_s=chance.choice((0.0, 2.0)),
        policy=chance.choice((PRACTICAL, DOCUMENTED)),
        sampling=chance.choice(("auto", "complete")),
    )
    ways = [Cut([], False, 0), *(Cut(cuts_drawn(chance, width), sieved, seed) for sieved in (False, True, True))]
    before = 0 if seed % 2 else 2**32 - chance.randrange(2 * width)
    with patch.object(held, "_FILTER_MIN", 8):
        problems = list(wrong(stories, options, ways, before))
        assert not problems, "\n".join((*problems, smallest(stories, options, ways, before)))


@pytest.mark.parametrize("name", EVERY)
def test_every_one(name: str) -> None:
    """Each status and change, at each distance about which it is forgotten, with each cut between the rows."""
    stories = list(EVERY[name]())
    width = width_of(len(stories))
    options = Options(forget_after=width, skew_s=0.0)
    ends = [width * stretch for stretch in range(1, 5)]
    cuts = [each for count in range(5) for each in combinations(ends, count)]
    ways = [Cut(each, sieved, 7) for each in cuts for sieved in (False, True)]
    problems = list(wrong(stories, options, ways))
    assert not problems, "\n".join((*problems, smallest(stories, options, ways)))
