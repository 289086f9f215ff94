"""The bulk engine: a sieve in front of the checker, and two passes over a recording.

The first pass reads columns, piece by piece and several at a time, and finds out who is suspect. The second hands the
checker what is left: every row of the suspects and whatever the columns do not vouch for, in the order of the
recording, and how many items stand between. So nothing is said by columns, and a finding is the checker's whichever
engine ran. What is counted is what the checker counts of what it was handed, and what the columns count of the rest.

Between the passes half a key of each place's run and thread is kept, and whether it is odd: eight bytes and a bit, in
a temporary file where that is more than some megabytes. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from tempfile import SpooledTemporaryFile
from typing import Any, Final, NamedTuple

import numpy as np
from attrs import define, evolve, field, frozen
from numpy.typing import NDArray

from runengine.validation.bulk.batch import Batch, Bools, Ints, Keys, Source
from runengine.validation.bulk.compiled import Compiled
from runengine.validation.bulk.counts import Counts
from runengine.validation.bulk.fragments import Fragment, Suspects
from runengine.validation.bulk.hashing import hash_texts
from runengine.validation.bulk.partitions import Sifter
from runengine.validation.bulk.pools import Pool
from runengine.validation.bulk.profile import Picked, VolumeProfile, found_in, some_of
from runengine.validation.bulk.state import Sieve
from runengine.validation.checker import Checker
from runengine.validation.findings import Violation
from runengine.validation.observations import Item, LeftOut
from runengine.validation.profiling.profile import Profile

__all__ = ["MOSTLY", "Looked", "Sifted", "checked", "keys_of", "sift"]

MOSTLY: Final = 0.5
"""Where more of the first piece than this is for the checker, two passes are slower than the checker alone."""

_HELD_BYTES: Final = 32 * 1024 * 1024

Done = Callable[[int], None]
"""Is told how many bytes are dealt with."""

Bar = Callable[[str], AbstractContextManager[Done]]
"""What is done in a pass, to a bar for it."""

HalfKeys = NDArray[np.uint32]


class _Seen(NamedTuple):
    """What a worker makes of a piece."""

    fragment: Fragment
    runs: HalfKeys
    threads: HalfKeys
    odd: Bools


@frozen(kw_only=True, eq=False)
class Looked:
    """Where in a temporary file the places of a piece are, and how many items they have.

    Attributes:
        begin: Offset of them in the file.
        places: How many there are.
        items: How many items.
        clean: None of them is odd.
        counts: What was counted up to its end; None where that is known of the whole recording alone.

    Example:
        >>> Looked(begin=0, places=3, items=3, clean=True, counts=None).places
        3
    """

    begin: int
    places: int
    items: int
    clean: bool
    counts: Counts | None


@frozen(kw_only=True, eq=False)
class Sifted:
    """What the first pass found out. To be closed.

    Attributes:
        suspects: Whose rows are all for the checker.
        counts: What was counted of the rows in columns.
        looked: Of each piece.
        held: The half keys of all places.
        parted: What had to be remembered did not fit into memory.

    Example:
        >>> from runengine.validation.summary import Options
        >>> class Nothing:
        ...     in_threads, pieces = True, ()
        >>> sifted = sift(Nothing(), Compiled.of(Options()), Pool(1))
        >>> sifted.counts.observations
        0
    """

    suspects: Suspects
    counts: Counts
    looked: Sequence[Looked]
    held: SpooledTemporaryFile[bytes]
    parted: bool

    def chosen(self, looked: Looked) -> tuple[Ints, Ints]:
        """The places of a piece that are for the checker, and those of them that are not odd."""
        none = np.zeros(0, np.int64)
        if looked.clean and not len(self.suspects.runs) and not len(self.suspects.threads):
            return none, none
        self.held.seek(looked.begin)
        n = looked.places
        runs, threads = (np.frombuffer(self.held.read(4 * n), np.uint32) for _ in range(2))
        odd = np.unpackbits(np.frombuffer(self.held.read((n + 7) // 8), np.uint8), count=n).view(np.bool_)
        mask = self.suspects.mask(runs, threads) | odd
        return np.flatnonzero(mask), np.flatnonzero(mask & ~odd)

    def close(self) -> None:
        """Remove what was kept of the places."""
        self.held.close()


def sift(
    source: Source[Any],
    compiled: Compiled,
    pool: Pool,
    *,
    bar: Bar | None = None,
    memory_max: int | None = None,
    mostly: float = 1.0,
    also: Suspects | None = None,
    remembered: bool = False,
) -> Sifted | None:
    """The first pass: who is suspect.

    Args:
        source: The recording.
        compiled: The tables.
        pool: Who reads it.
        bar: Of how far it is.
        memory_max: How many bytes may be remembered of runs and threads in memory.
        mostly: Where more than this share of the first piece is for the checker, it is not gone on with.
        also: Others that are suspect from the beginning.
        remembered: Those that are remembered at the end are suspect, too.

    Returns:
        What was found out, or None where it was not gone on with.

    Example:
        >>> from runengine.validation.summary import Options
        >>> class Nothing:
        ...     in_threads, pieces = True, ()
        >>> sifted = sift(Nothing(), Compiled.of(Options()), Pool(1))
        >>> len(sifted.suspects.runs), sifted.close()
        (0, None)
    """
    held = SpooledTemporaryFile(max_size=_HELD_BYTES, prefix="runengine-")  # noqa: SIM115 - the caller closes it
    sifter = Sifter(compiled, memory_max, pool.ahead if source.in_threads else pool.ahead_apart)
    looked: list[Looked] = []
    done = 0
    try:
        with (bar or _no_bar)("looking") as tell:
            tasks = ((piece, (source, compiled, piece)) for piece in source.pieces)
            for piece, seen in pool.map(_look, source.in_threads, tasks):
                assert seen is not None
                if not looked and _share(seen, compiled) > mostly:
                    held.close()
                    return None
                sifter.take(seen.fragment)
                looked.append(_kept(held, seen, sifter.counts))
                done += piece.bytes
                tell(done)
        through = sifter.finish(remembered)
    except BaseException:
        held.close()
        raise
    finally:
        sifter.close()
    suspects = through.suspects if also is None else through.suspects | also
    if remembered:
        suspects |= through.remembered
    return Sifted(suspects=_halved(suspects), counts=through.counts, looked=looked, held=held, parted=sifter.parted)


def checked(
    checker: Checker,
    path: str,
    source: Source[Any],
    sifted: Sifted,
    pool: Pool,
    *,
    bar: Bar | None = None,
    as_far_as_read: Callable[[Iterator[Item]], Iterator[Item]] = iter,
    goes_on: bool = False,
    profile: Profile | None = None,
) -> Iterator[Violation]:
    """The second pass: what the checker says of what is left.

    Args:
        checker: Who says it, and counts.
        path: The recording's name, for reports.
        source: The recording.
        sifted: What the first pass found out; it is closed.
        pool: Who reads it.
        bar: Of how far it is.
        as_far_as_read: Takes the items, and sees to what cannot be read.
        goes_on: The scope has begun already, and does not end here.
        profile: Looks on as the checker's watch; what the checker is not handed is added to it from columns, which the
            source gives with details.

    Example:
        >>> from runengine.validation.summary import Options
        >>> class Nothing:
        ...     in_threads, pieces = True, ()
        >>> with Pool(1) as pool:
        ...     sifted = sift(Nothing(), Compiled.of(Options()), pool)
        ...     list(checked(Checker(), "a.parquet", Nothing(), sifted, pool))
        []
    """
    compiled = Compiled.of(checker.options)
    again, reached = Sieve(compiled), _Reached()
    volume = None if profile is None else VolumeProfile(checker.options)
    try:
        with (bar or _no_bar)("checking") as tell:
            items = as_far_as_read(_left(source, sifted, pool, again, reached, tell, volume))
            yield from checker.go_on(path, items, ends=False) if goes_on else checker.check(path, items)
        (sifted.counts - again.counts if reached.whole else reached.counts).add_to(checker.summary)
        if volume is not None and profile is not None:
            profile.add(volume.finish(found_in(source, path, checker.options.dialect)))
    finally:
        sifted.close()


def keys_of(runs: set[str], threads: set[str]) -> Suspects:
    """Those of whom something is remembered already, as suspects.

    Example:
        >>> len(keys_of({"run_1"}, set()).runs)
        1
    """
    return Suspects.of([hash_texts(sorted(runs))], [hash_texts(sorted(threads))])


class _Task(NamedTuple):
    """What of a piece is for the checker."""

    piece: Any
    chosen: Ints
    looked: Looked
    number: int


@define
class _Reached:
    """How far the second pass has come: what was counted in columns up to there, and whether that is the end."""

    counts: Counts = field(factory=Counts)
    whole: bool = False


def _left(
    source: Source[Any],
    sifted: Sifted,
    pool: Pool,
    again: Sieve,
    reached: _Reached,
    tell: Done,
    volume: VolumeProfile | None,
) -> Iterator[Item]:
    """The items that are for the checker, and how many there are between them. What they are is counted `again`."""
    compiled = again.compiled

    def tasks() -> Iterator[tuple[_Task, tuple[Any, ...] | None]]:
        for number, (piece, looked) in enumerate(zip(source.pieces, sifted.looked, strict=True)):
            chosen, plain = sifted.chosen(looked)
            others = None if volume is None else chosen
            asked = len(plain) or others is not None
            given = (source, compiled, piece, plain, others) if asked else None
            yield _Task(piece, chosen, looked, number), given

    done = left_out = uncounted = 0
    for task, both in pool.map(_count, source.in_threads, tasks()):
        counted, picked = both or (None, None)
        if picked is not None and volume is not None:
            volume.take(picked, task.number)
        if counted is None:
            uncounted += task.looked.items
        else:
            again.take(_nothing(uncounted, compiled))
            again.take(counted)
            uncounted = 0
        if len(task.chosen):
            if left_out:
                yield LeftOut(left_out)
                left_out = 0
            yield from source.items(task.piece, task.chosen)
        else:
            left_out += task.looked.items
        if task.looked.counts is not None:
            reached.counts = task.looked.counts - again.counts
        done += task.piece.bytes
        tell(done)
    if left_out:
        yield LeftOut(left_out)
    reached.whole = True


def _look(source: Source[Any], compiled: Compiled, piece: Any) -> _Seen:
    batch = source.columns(piece)
    runs, threads = _half(batch.run), _half(batch.thread)
    return _Seen(_fragment(source, batch, compiled), runs, threads, batch.odd)


def _fragment(source: Source[Any], batch: Batch, compiled: Compiled) -> Fragment:
    """The fragment of a batch, as it is handed over: from another process with all of its rows made."""
    fragment = Fragment.of(batch, compiled, prefix=True)
    return fragment if source.in_threads else fragment.made()


def _count(
    source: Source[Any], compiled: Compiled, piece: Any, plain: Ints, chosen: Ints | None
) -> tuple[Fragment | None, Picked | None]:
    """The fragment of the places that are for the checker and not odd; and, where it is asked, all that are not."""
    if chosen is None:
        return _fragment(source, source.columns(piece, plain), compiled), None
    batch = source.columns(piece)
    others = np.ones(len(batch), np.bool_)
    others[chosen] = False
    fragment = _fragment(source, some_of(batch, plain), compiled) if len(plain) else None
    return fragment, Picked.of(batch, others)


def _nothing(items: int, compiled: Compiled) -> Fragment:
    """The fragment of so many items of which nothing is known."""
    none = np.zeros(0, np.uint64)
    return evolve(Fragment.of(Batch.of_odd(none, none), compiled), items=items)


def _half(keys: Keys) -> HalfKeys:
    return keys.astype(np.uint32)


def _halved(suspects: Suspects) -> Suspects:
    """Suspects by half of their keys, which may be others' too: more is handed to the checker than must be."""
    return Suspects(runs=_distinct(suspects.runs), threads=_distinct(suspects.threads))


def _distinct(keys: Keys) -> Any:
    return np.unique(_half(keys))


def _share(seen: _Seen, compiled: Compiled) -> float:
    """How much of a piece is for the checker."""
    suspects = _halved(seen.fragment.finished(compiled))
    mask = suspects.mask(seen.runs, seen.threads) | seen.odd
    return float(mask.mean()) if len(mask) else 0.0


def _kept(held: SpooledTemporaryFile[bytes], seen: _Seen, counts: Counts | None) -> Looked:
    begin = held.tell()
    for each in (seen.runs, seen.threads, np.packbits(seen.odd)):
        held.write(each.tobytes())
    clean = not bool(seen.odd.any())
    return Looked(begin=begin, places=len(seen.odd), items=seen.fragment.items, clean=clean, counts=counts)


def _no_bar(_what: str) -> AbstractContextManager[Done]:
    return nullcontext(lambda _done: None)
