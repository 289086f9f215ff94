"""What crosses the network: fragments as rows, and which of a recording's rows are evidence. Never raw rows of others.

A fragment has an entry for each of its runs and each of its threads: a few bytes for one that came and went within the
piece, else its first and its last row (one of them where they are the same). Entries cross in buckets of keys, a row
for each bucket with all of its entries as bytes. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runengine.validation.bulk.batch import Bools, Ints, Keys
from runengine.validation.bulk.counts import Counts
from runengine.validation.bulk.fragments import Fragment, Suspects
from runengine.validation.bulk.keyed import Table
from runengine.validation.bulk.tables import ROW, TURN
from runengine.validation.spark.short import (
    SHORT_ROW,
    SHORT_TURN,
    long_rows,
    long_turns,
    short_rows,
    short_turns,
)

__all__ = [
    "COUNTS",
    "FRAGMENTS",
    "RUN",
    "SUSPECT_RUN",
    "SUSPECT_THREAD",
    "THREAD",
    "Entries",
    "Shipped",
    "counts_of",
    "entries_of",
    "of_counts",
    "of_suspects",
    "split",
    "unpacked",
]

RUN, THREAD, SUSPECT_RUN, SUSPECT_THREAD, COUNTS = range(5)

FRAGMENTS: Final = "kind tinyint, key bigint, at bigint, tie bigint, held binary"
"""What a row tells of, its key or the bucket of its keys, from where places are counted, and the bytes."""

_SCHEMA: Final = pa.schema(
    [("kind", pa.int8()), ("key", pa.int64()), ("at", pa.int64()), ("tie", pa.int64()), ("held", pa.binary())]
)
_BUCKET_BITS: Final = 10
"""Keys of one bucket begin with the same bits, so many of them; all entries of a bucket are held against each other."""

_FAR: Final = 1 << 32

Shipped = pa.RecordBatch


class Entries(NamedTuple):
    """Runs, or threads, of fragments: one entry for each of a piece's.

    Attributes:
        key: The run's, or the thread's.
        at: Where the piece stands.
        tie: Tells pieces of one place apart.
        first: Its first row there (`ROW`), or the first run (`TURN`).
        last: Its last.
        short: It travels short (see `runengine.validation.spark.short`).

    Example:
        >>> none = np.zeros(0, np.int64)
        >>> Entries(none.view(np.uint64), none, none, np.zeros(0, ROW), np.zeros(0, ROW), none > 0).packed(RUN).num_rows
        0
    """

    key: Keys
    at: Ints
    tie: Ints
    first: Table
    last: Table
    short: Bools

    @classmethod
    def joined(cls, several: Sequence[Entries]) -> Entries:
        """Several as one, one after another."""
        columns: Any = (np.concatenate(column) for column in zip(*several, strict=True))
        return cls(*columns)

    def some(self, places: Ints | slice) -> Entries:
        """Some of them, copied."""
        columns: Any = (column[places].copy() for column in self)
        return Entries(*columns)

    def packed(self, kind: int) -> Any:
        """The same as a record batch: a row for each bucket of keys."""
        form = _FORMS[kind]
        bucket = (self.key >> np.uint64(64 - _BUCKET_BITS)).astype(np.int64)
        order = np.lexsort((self.short, bucket))
        entries, bucket = self.some(order), bucket[order]
        place = entries.first[form.place]
        base = int(place.min()) if len(place) else 0
        short = entries.short & (place - base < _FAR)
        whole = ~short
        shorts = form.shorten(entries.first[short], entries.last[short], base)
        first, last = entries.first[whole], entries.last[whole]
        flags = np.logical_or.reduce([first[name] != last[name] for name in form.told_by])
        names, begins = np.unique(bucket, return_index=True)
        cuts = np.append(begins, len(bucket))
        shorts_to, wholes_to, several_to = (
            np.concatenate([np.zeros(1, np.int64), np.cumsum(each)]).tolist() for each in (short, whole, flags)
        )
        held = list[bytes]()
        tie, later = entries.tie[whole], last[flags]
        for begin, end in itertools.pairwise(cuts.tolist()):
            s0, s1, w0, w1 = shorts_to[begin], shorts_to[end], wholes_to[begin], wholes_to[end]
            v0, v1 = several_to[w0], several_to[w1]
            head = np.array([s1 - s0, w1 - w0], np.uint32)
            parts = (head, shorts[s0:s1], tie[w0:w1], flags[w0:w1], first[w0:w1], later[v0:v1])
            held.append(b"".join(part.tobytes() for part in parts))
        at = np.full(len(names), base, np.int64)
        return _batch(kind, names.view(np.uint64), at, np.zeros(len(names), np.int64), pa.array(held, pa.binary()))


class _Form(NamedTuple):
    """How entries of a kind are written down."""

    dtype: Any
    short: Any
    key: str
    place: str
    told_by: tuple[str, ...]
    shorten: Callable[[Table, Table, int], Table]
    lengthen: Callable[[Table, Ints], tuple[Table, Table]]


_FORMS: Final = {
    RUN: _Form(ROW, SHORT_ROW, "run", "at", ("at",), short_rows, long_rows),
    THREAD: _Form(TURN, SHORT_TURN, "thread", "begun_at", ("run", "begun_at"), short_turns, long_turns),
}


def entries_of(fragment: Fragment, at: Ints, tie: Ints) -> tuple[Entries, Entries]:
    """The runs and the threads of a fragment, none of them short.

    Args:
        fragment: The fragment, positions as of its recording.
        at: Where its piece stands; one for all, or one for each place of it.
        tie: The same, to tell pieces of one place apart.

    Example:
        >>> from runengine.validation.bulk.batch import Batch
        >>> from runengine.validation.bulk.compiled import Compiled
        >>> from runengine.validation.summary import Options
        >>> odd = Batch.of_odd(np.array([7], np.uint64), np.array([9], np.uint64))
        >>> runs, _ = entries_of(Fragment.of(odd, Compiled.of(Options())), np.zeros(1, np.int64), np.zeros(1, np.int64))
        >>> len(runs.key)
        0
    """
    made = []
    for key, first, last in (("run", fragment.first, fragment.last), ("thread", fragment.begins, fragment.ends)):
        where = [np.broadcast_to(each, (len(first),)) for each in (at, tie)]
        made.append(Entries(first[key].copy(), where[0], where[1], first, last, np.zeros(len(first), np.bool_)))
    return made[0], made[1]


def unpacked(batches: Sequence[Any], kind: int) -> Entries:
    """Entries of record batches of one kind, by key, and for each key by place.

    Example:
        >>> none = np.zeros(0, np.int64)
        >>> empty = Entries(none.view(np.uint64), none, none, np.zeros(0, TURN), np.zeros(0, TURN), none > 0)
        >>> len(unpacked([empty.packed(THREAD)], THREAD).first)
        0
    """
    form = _FORMS[kind]
    parts: list[list[bytes]] = [[], [], [], [], []]
    bases, counts = list[int](), list[int]()
    for batch in batches:
        bases += batch.column("at").to_pylist()
        for held in batch.column("held").to_pylist():
            begin = 8
            shorts, wholes = (int(number) for number in np.frombuffer(held, np.uint32, 2))
            counts.append(shorts)
            sizes = (shorts * form.short.itemsize, wholes * 8, wholes, wholes * form.dtype.itemsize)
            for part, size in zip(parts, sizes, strict=False):
                part.append(held[begin : begin + size])
                begin += size
            parts[4].append(held[begin:])
    dtypes = (form.short, np.int64, np.bool_, form.dtype, form.dtype)
    columns: Any = [np.frombuffer(b"".join(part), dtype) for part, dtype in zip(parts, dtypes, strict=True)]
    short, tie, several, first, later = columns
    last = first.copy()
    last[several] = later
    nothing, base = np.zeros(len(short), np.int64), np.repeat(np.array(bases, np.int64), counts)
    begun, ended = form.lengthen(short, base)
    whole = Entries(first[form.key], first[form.place], tie, first, last, np.zeros(len(first), np.bool_))
    brief = Entries(begun[form.key], begun[form.place], nothing, begun, ended, np.ones(len(begun), np.bool_))
    entries = Entries.joined([whole, brief])
    return entries.some(np.lexsort((entries.tie, entries.at, entries.key)))


def of_suspects(suspects: Suspects) -> Iterator[Any]:
    """Suspects as record batches.

    Example:
        >>> [len(each) for each in of_suspects(Suspects(runs=np.array([7, 8], np.uint64)))]
        [2]
    """
    for kind, keys in ((SUSPECT_RUN, suspects.runs), (SUSPECT_THREAD, suspects.threads)):
        if len(keys):
            nothing = np.zeros(len(keys), np.int64)
            yield _batch(kind, keys, nothing, nothing, pa.array([b""] * len(keys), pa.binary()))


def of_counts(counts: Counts) -> Any:
    """Counts as a record batch.

    Example:
        >>> counts_of([of_counts(Counts(runs=2)), of_counts(Counts(runs=3))]).runs
        5
    """
    heads = np.array([counts.observations, counts.runs, counts.threads], np.int64)
    held = np.concatenate([heads, counts.statuses, counts.edges]).astype(np.int64).tobytes()
    nothing = np.zeros(1, np.int64)
    return _batch(COUNTS, nothing.view(np.uint64), nothing, nothing, pa.array([held], pa.binary()))


def counts_of(batches: Iterable[Any]) -> Counts:
    """The sum of counts in record batches of that kind.

    Example:
        >>> counts_of([]).observations
        0
    """
    total = Counts()
    width = 3 + len(total.statuses)
    for batch in batches:
        for held in batch.column("held").to_pylist():
            numbers: NDArray[np.int64] = np.frombuffer(held, np.int64)
            observations, runs, threads = (int(number) for number in numbers[:3])
            total += Counts(
                observations=observations, runs=runs, threads=threads, statuses=numbers[3:width], edges=numbers[width:]
            )
    return total


def split(batch: Any) -> Iterator[tuple[int, Any]]:
    """The parts of a record batch of one kind each, which stand together.

    Example:
        >>> [kind for kind, _ in split(of_counts(Counts()))]
        [4]
    """
    kinds = batch.column("kind").to_numpy(zero_copy_only=False)
    begins = np.flatnonzero(np.diff(kinds, prepend=-1)).tolist()
    for begin, end in zip(begins, [*begins[1:], len(kinds)], strict=True):
        yield int(kinds[begin]), batch.slice(begin, end - begin)


def _batch(kind: int, key: Keys, at: Ints, tie: Ints, held: Any) -> Any:
    columns = [np.full(len(key), kind, np.int8), key.view(np.int64), at, tie]
    return pa.RecordBatch.from_arrays([*map(pa.array, columns), held], schema=_SCHEMA)
