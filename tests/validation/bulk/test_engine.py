"""The bulk engine: two passes say what one pass of the checker says, and count the same."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import pytest
from attrs import evolve, fields, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.validation import Checker, Options, Summary, Violation
from runengine.validation.observations import Item, LeftOut, Observation, Passed

np = pytest.importorskip("numpy")

from runengine.validation.bulk import partitions  # noqa: E402 - numpy first
from runengine.validation.bulk.batch import Batch, Ints, Keys  # noqa: E402 - numpy first
from runengine.validation.bulk.compiled import Compiled  # noqa: E402
from runengine.validation.bulk.engine import checked, keys_of, sift  # noqa: E402
from runengine.validation.bulk.fragments import Fragment, Suspects  # noqa: E402
from runengine.validation.bulk.hashing import hash_texts  # noqa: E402
from runengine.validation.bulk.partitions import Sifter  # noqa: E402
from runengine.validation.bulk.pools import Pool, WorkerLost  # noqa: E402
from tests.validation.bulk.plainly import batch_of, key_of  # noqa: E402
from tests.validation.bulk.small_logs import small_logs  # noqa: E402
from tests.validation.checking import clean  # noqa: E402

HELD = st.builds(
    Options,
    sampling=st.sampled_from(("auto", "complete", "polled")),
    forget_after=st.sampled_from((0, 1, 2, 3, 5, 50_000)),
    skew_s=st.sampled_from((0.0, 2.0)),
)
"""Ended runs are forgotten inside of such a log, at its seams, or not at all."""


@frozen
class Part:
    """Places of a log."""

    begin: int
    end: int

    @property
    def bytes(self) -> int:
        """One a place."""
        return self.end - self.begin


@frozen(eq=False)
class Listed:
    """A recording in memory, read by the plainest decoder."""

    log: Sequence[Item]
    batch: Batch
    cuts: Sequence[int]
    in_threads: bool = True

    @property
    def pieces(self) -> Sequence[Part]:
        """Between the cuts."""
        edges = sorted({0, len(self.log), *(cut % (len(self.log) + 1) for cut in self.cuts)})
        return [Part(begin, end) for begin, end in pairwise(edges)]

    def columns(self, piece: Part, chosen: Ints | None = None) -> Batch:
        """Some places of a piece."""
        places = np.arange(piece.bytes) if chosen is None else chosen
        names = [each.name for each in fields(Batch) if each.name not in ("at", "total", "details")]
        held = {name: getattr(self.batch, name)[places + piece.begin] for name in names}
        return evolve(self.batch, at=places.astype(np.int64), total=piece.bytes, **held)

    def keys(self, piece: Part) -> tuple[Keys, Keys]:
        """Its keys."""
        return self.batch.run[piece.begin : piece.end], self.batch.thread[piece.begin : piece.end]

    def items(self, piece: Part, chosen: Ints) -> Iterator[Item]:
        """Some items, and how many stand between them."""
        gap = 0
        for place in range(piece.bytes):
            if place not in chosen:
                gap += 1
                continue
            if gap:
                yield LeftOut(gap)
            gap = 0
            yield self.log[piece.begin + place]
        if gap:
            yield LeftOut(gap)


def streamed(items: Sequence[Item], options: Options) -> tuple[list[Violation], Summary]:
    """What one pass of the checker says and counts."""
    checker = Checker(options)
    return list(checker.check("log", items)), checker.summary


def bulked(
    items: Sequence[Item], cuts: Sequence[int], options: Options, memory_max: int | None = None
) -> tuple[list[Violation], Summary]:
    """What the two passes say and count."""
    compiled = Compiled.of(options)
    source = Listed(items, batch_of(items, options), cuts)
    checker = Checker(options)
    with Pool(2) as pool:
        sifted = sift(source, compiled, pool, memory_max=memory_max)
        assert sifted is not None
        assert sifted.parted == (memory_max is not None and len(items) > 0)
        found = list(checked(checker, "log", source, sifted, pool))
    return found, checker.summary


def few_parts() -> Any:
    """A log is cut into 27 ranges at most, and not into thousands of files."""
    return patch.multiple(partitions, PARTS=3, _NARROW=(1 << 64) // 3**3)


CUTS = st.lists(st.integers(0, 12), max_size=5)


@given(small_logs(12), CUTS, HELD)
def test_two_passes_say_the_same(items: list[Item], cuts: list[int], held: Options) -> None:
    """Whatever a log holds and however it is cut, findings, their order and the counts are the checker's."""
    assert bulked(items, cuts, held) == streamed(items, held)


@settings(max_examples=settings().max_examples // 4)
@given(small_logs(12), CUTS, HELD)
def test_parted_on_disk(items: list[Item], cuts: list[int], held: Options) -> None:
    """Where nothing fits into memory, findings and counts are the same."""
    with few_parts():
        assert bulked(items, cuts, held, memory_max=-1) == streamed(items, held)


@settings(max_examples=settings().max_examples // 4)
@given(small_logs(14), CUTS, HELD, st.integers(0, 4000))
def test_a_sifter_on_disk_is_one_in_memory(items: list[Item], cuts: list[int], held: Options, memory_max: int) -> None:
    """Wherever memory ends, the same are counted and remembered, and the same are suspect."""
    compiled, options = Compiled.of(held), held
    source = Listed(items, batch_of(items, options), cuts)
    one, other = Sifter(compiled), Sifter(compiled, memory_max)
    with few_parts():
        for piece in source.pieces:
            for sifter in (one, other):
                sifter.take(Fragment.of(source.columns(piece), compiled))
        expected, found = one.finish(), other.finish()
    other.close()
    assert found.items == expected.items
    assert counted(found.counts) == counted(expected.counts)
    assert of_rows(found.suspects, source.batch) == of_rows(expected.suspects, source.batch)
    assert of_rows(found.remembered, source.batch) == of_rows(expected.remembered, source.batch)


def of_rows(suspects: Suspects, batch: Batch) -> list[bool]:
    """Which rows are theirs, by half of the keys."""
    half = np.uint64((1 << 32) - 1)
    halved = Suspects.of([suspects.runs & half], [suspects.threads & half])
    mask: list[bool] = halved.mask(batch.run & half, batch.thread & half).tolist()
    return mask


def counted(counts: Any) -> dict[str, Any]:
    """Counts as a summary has them."""
    summary = Summary()
    counts.add_to(summary)
    return summary.as_dict()


@given(small_logs(12), CUTS, HELD, st.integers(0, 12))
def test_from_where_it_stood(items: list[Item], cuts: list[int], held: Options, stop: int) -> None:
    """Two passes over the rest of a log, after the checker has seen its beginning, say what it would have said."""
    compiled, checker, expected = Compiled.of(held), Checker(held), Checker(held)
    before, rest = items[:stop], items[stop:]
    wanted = list(expected.check("log", items))
    found = list(checker.go_on("log", before, ends=False))
    ids = {*checker.memory.open, *checker.memory.ended}
    threads = {str(each.record.get("thread_id")) for each in before if isinstance(each, Observation)}
    batch = batch_of(rest, held)
    known = [key_of(each) for each in (*ids, *threads)]
    also = Suspects.of([np.array(known, np.uint64)], [np.array(known, np.uint64)])
    source = Listed(rest, batch, cuts)
    with Pool(1) as pool:
        sifted = sift(source, compiled, pool, also=also, remembered=True)
        assert sifted is not None
        found += checked(checker, "log", source, sifted, pool, goes_on=True)
    found += checker.end("log")
    assert sorted(found, key=repr) == sorted(wanted, key=repr)
    assert checker.summary == expected.summary
    assert {*checker.memory.open} == {*expected.memory.open}
    assert {*checker.memory.ended} == {*expected.memory.ended}


def test_it_is_given_up() -> None:
    """Where most of the first piece is for the checker, the first pass says so and ends."""
    log = [Passed(line=1, what="null")] * 4
    source = Listed(log, batch_of(log, Options()), ())
    with Pool(1) as pool:
        assert sift(source, Compiled.of(Options()), pool, mostly=0.5) is None


def test_hashes_of_ids() -> None:
    """Ids of which something is remembered are suspect by the keys that decoders give them."""
    keys = keys_of({"run_1"}, {"thread_1"})
    assert keys.runs.tolist() == hash_texts(["run_1"]).tolist()
    assert keys.threads.tolist() == hash_texts(["thread_1"]).tolist()


def _end_unless(pid: int) -> None:
    """End this process, but the one with this id."""
    if os.getpid() != pid:
        os._exit(3)
    time.sleep(0.02)


class TestPools:
    """Who does the work."""

    def test_order_and_bounds(self) -> None:
        """Results come in the order of the tasks, and no more are begun than may be ahead."""
        begun: list[int] = []

        def tasks() -> Iterator[tuple[int, tuple[int]]]:
            for n in range(20):
                begun.append(n)
                yield n, (n,)

        with Pool(2) as pool:
            for n, (what, result) in enumerate(pool.map(str, True, tasks())):
                assert (what, result) == (n, str(n))
                assert len(begun) <= n + pool.ahead

    @pytest.mark.slow
    def test_a_process_that_is_lost(self) -> None:
        """A process that ends is told as such, and the next ones are new."""
        with Pool(2) as pool:
            with pytest.raises(WorkerLost, match="ended from outside"):
                list(pool.map(_end_unless, False, [(n, (os.getpid(),)) for n in range(1000)]))
            assert list(pool.map(str.upper, False, [("a", ("x",))] * 50)) == [("a", "X")] * 50


class Failing(Listed):
    """Items that cannot be read any more from somewhere on, when they are asked for."""

    def items(self, piece: Any, chosen: Any) -> Iterator[Item]:
        """As `Source.items`."""
        for number, item in enumerate(super().items(piece, chosen)):
            if piece.begin == 4 and number == 1:
                raise OSError
            yield item


def test_what_was_never_read_is_not_counted() -> None:
    """Where a source fails in the second pass, rows after it are counted by nobody."""

    def as_far_as_read(items: Iterator[Item]) -> Iterator[Item]:
        with suppress(OSError):
            yield from items

    late = {"started_at": 1_700_009_000, "completed_at": 1_700_009_001}
    changed = [{"id": f"r{n}", "thread_id": f"t{n}"} | (late if n in (1, 4, 6, 9) else {}) for n in range(12)]
    items = [Observation(clean("completed") | each, n + 1) for n, each in enumerate(changed)]
    options, checker = Options(), Checker(Options())
    source = Failing(items, batch_of(items, options), [4, 8])
    with Pool(1) as pool:
        sifted = sift(source, Compiled.of(options), pool)
        assert sifted is not None
        found = list(checked(checker, "log", source, sifted, pool, as_far_as_read=as_far_as_read))
    assert {each.line for each in found} == {2, 5}
    assert checker.summary.observations == checker.summary.runs == 5
