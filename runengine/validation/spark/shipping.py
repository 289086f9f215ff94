"""What crosses the network: fragments as rows, and which of a recording's rows are evidence. Never raw rows of others.

A fragment is one row for each of its runs and each of its threads, with the first and the last row of it as bytes (one
of them where they are the same), so that Spark can bring all of one run together. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runengine.validation.bulk.batch import Ints, Keys
from runengine.validation.bulk.counts import Counts
from runengine.validation.bulk.fragments import Fragment, Suspects
from runengine.validation.bulk.keyed import Table
from runengine.validation.bulk.tables import ROW, TURN

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
"""What a row tells of, the key of that, where its piece stands in the recording, and the bytes."""

_SCHEMA: Final = pa.schema(
    [("kind", pa.int8()), ("key", pa.int64()), ("at", pa.int64()), ("tie", pa.int64()), ("held", pa.binary())]
)
_DTYPES: Final = {RUN: ROW, THREAD: TURN}

Shipped = pa.RecordBatch


class Entries(NamedTuple):
    """Runs, or threads, of fragments: one entry for each of a piece's.

    Attributes:
        key: The run's, or the thread's.
        at: Where the piece stands.
        tie: Tells pieces of one place apart.
        first: Its first row there (`ROW`), or the first run (`TURN`).
        last: Its last.

    Example:
        >>> none = np.zeros(0, np.int64)
        >>> len(Entries(none.view(np.uint64), none, none, np.zeros(0, ROW), np.zeros(0, ROW)).packed(RUN))
        0
    """

    key: Keys
    at: Ints
    tie: Ints
    first: Table
    last: Table

    @classmethod
    def joined(cls, several: Sequence[Entries]) -> Entries:
        """Several as one, one after another."""
        key, at, tie, first, last = (np.concatenate(column) for column in zip(*several, strict=True))
        return cls(key, at, tie, first, last)

    def some(self, places: Ints | slice) -> Entries:
        """Some of them, copied."""
        return Entries(
            self.key[places].copy(),
            self.at[places].copy(),
            self.tie[places].copy(),
            self.first[places].copy(),
            self.last[places].copy(),
        )

    def packed(self, kind: int) -> Any:
        """The same as a record batch."""
        n, size = len(self.key), self.first.dtype.itemsize
        place = "at" if kind == RUN else "run"
        several = self.first[place] != self.last[place]
        ends = np.cumsum(several + 1)
        flat = np.empty(int(ends[-1]) if n else 0, self.first.dtype)
        flat[ends - 1 - several] = self.first
        flat[ends - 1] = self.last
        offsets = np.concatenate([np.zeros(1, np.int32), (ends * size).astype(np.int32)])
        held = pa.Array.from_buffers(
            pa.binary(), n, [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(flat.tobytes())]
        )
        return _batch(kind, self.key, self.at, self.tie, held)


def entries_of(fragment: Fragment, at: Ints, tie: Ints) -> tuple[Entries, Entries]:
    """The runs and the threads of a fragment.

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
        made.append(Entries(first[key].copy(), where[0], where[1], first, last))
    return made[0], made[1]


def unpacked(batch: Any, kind: int) -> Entries:
    """Entries of a record batch of one kind.

    Example:
        >>> none = np.zeros(0, np.int64)
        >>> empty = Entries(none.view(np.uint64), none, none, np.zeros(0, TURN), np.zeros(0, TURN))
        >>> len(unpacked(empty.packed(THREAD), THREAD).first)
        0
    """
    dtype, held = _DTYPES[kind], batch.column("held")
    n, size = len(held), dtype.itemsize
    _, offsets, data = held.buffers()
    bounds = np.frombuffer(offsets, np.int32)[held.offset : held.offset + n + 1] if n else np.zeros(1, np.int32)
    start, end = int(bounds[0]), int(bounds[-1])
    flat = np.frombuffer(data, np.uint8)[start:end].view(dtype) if end > start else np.zeros(0, dtype)
    places = (bounds.astype(np.int64) - start) // size
    key, at, tie = (batch.column(name).to_numpy(zero_copy_only=False) for name in ("key", "at", "tie"))
    return Entries(key.view(np.uint64), at, tie, flat[places[:-1]], flat[places[1:] - 1])


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
