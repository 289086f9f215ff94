"""What the workers do first: rows to fragments, and fragments to those who are suspect. Source: DESIGN §5 (Volume)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import evolve

from runengine.validation.bulk.batch import Batch, Ints
from runengine.validation.bulk.compiled import Compiled
from runengine.validation.bulk.counts import Counts
from runengine.validation.bulk.fragments import Fragment, Suspects
from runengine.validation.bulk.hashing import hash_texts
from runengine.validation.spark.chains import Chain
from runengine.validation.spark.decoding import Told, scoped
from runengine.validation.spark.shipping import (
    COUNTS,
    RUN,
    SUSPECT_RUN,
    SUSPECT_THREAD,
    THREAD,
    Entries,
    counts_of,
    entries_of,
    of_counts,
    of_suspects,
    split,
    unpacked,
)
from runengine.validation.spark.short import short_of

__all__ = ["PIECE_ROWS", "Part", "fragment_of", "fragments", "joined_rows", "merged", "parts"]

PIECE_ROWS: Final = 1 << 16
"""So many rows are looked at together, where there are so many."""

_PIECE_BYTES: Final = 64 * 1024 * 1024
_SPAN: Final = 1 << 22
"""No two rows of a part stand further apart in their file."""

_ENTRIES: Final = 1 << 18
"""Entries of so many runs travel together."""

_BYTES: Final = 1 << 23
"""About so many bytes of entries are merged at a time, but all of a bucket."""


class Part(NamedTuple):
    """Rows that are looked at together: of one file, in its order; or, where a column orders them, any rows.

    Attributes:
        scope: Key of the recording.
        path: Its name, as Spark has it; empty where a column orders the rows.
        base: The least of `at`.
        at: Where each row stands: its number in the file, from 0, or what the column says.
        tie: Tells rows apart for which the column says the same.
        rows: The rows.

    Example:
        >>> Part(0, "", 0, np.zeros(0, np.int64), np.zeros(0, np.int64), None).path
        ''
    """

    scope: int
    path: str
    base: int
    at: Ints
    tie: Ints
    rows: Any


def parts(batches: Iterable[Any], in_files: bool) -> Iterator[Part]:
    """The rows of a partition in parts; the same rows make the same parts.

    Args:
        batches: Record batches whose last columns are path and row, or order and tie.
        in_files: Which of both.

    Example:
        >>> two = {"runengine_path": ["b", "a"], "runengine_row": [7, 0]}
        >>> [(part.path, part.base) for part in parts([pa.record_batch(two)], True)]
        [('b', 7), ('a', 0)]
    """
    if not in_files:
        for batch in batches:
            if batch.num_rows:
                at, tie = (_numbers(batch.column(name)) for name in ("runengine_at", "runengine_tie"))
                yield Part(0, "", 0, at, tie, batch)
        return
    held: list[tuple[str, Any, Ints]] = []
    for path, batch, at in _stretches(batches):
        if held and not _goes_on(held, path, at):
            yield _part(held)
            held = []
        held.append((path, batch, at))
    if held:
        yield _part(held)


def _goes_on(held: list[tuple[str, Any, Ints]], path: str, at: Ints) -> bool:
    before, _, last = held[-1]
    if before != path or last[-1] >= at[0] or at[-1] - held[0][2][0] >= _SPAN:
        return False
    rows, size = (sum(each) for each in zip(*((b.num_rows, b.nbytes) for _, b, _ in held), strict=True))
    return bool(rows < PIECE_ROWS and size < _PIECE_BYTES)


def _part(held: list[tuple[str, Any, Ints]]) -> Part:
    path, at = held[0][0], np.concatenate([at for _, _, at in held])
    batches = [batch for _, batch, _ in held]
    rows = joined_rows(batches)
    scope = int(hash_texts([path])[0])
    return Part(scope, path, int(at[0]), at, np.zeros(len(at), np.int64), rows)


def _stretches(batches: Iterable[Any]) -> Iterator[tuple[str, Any, Ints]]:
    """Rows of one file that stand one after another."""
    for batch in batches:
        if not batch.num_rows:
            continue
        paths, at = batch.column("runengine_path"), _numbers(batch.column("runengine_row"))
        names = paths.dictionary_encode().indices.to_numpy(zero_copy_only=False)
        ends = np.append(np.flatnonzero(np.diff(names)) + 1, len(names))
        back = np.flatnonzero((np.diff(at) <= 0) | (at[1:] // _SPAN != at[:-1] // _SPAN)) + 1
        begin = 0
        for end in np.union1d(ends, back).tolist():
            yield paths[begin].as_py(), batch.slice(begin, end - begin), at[begin:end]
            begin = end


def _numbers(column: Any) -> Ints:
    numbers: Ints = column.to_numpy(zero_copy_only=False)
    return numbers


def fragment_of(part: Part, batch: Batch, compiled: Compiled, in_files: bool) -> tuple[Entries, Entries, Fragment]:
    """The fragment of a part, as entries too, positions as of its recording.

    Where a column orders the rows, others may belong between any two of a part: each row is a piece by itself.

    Args:
        part: The part.
        batch: Its rows as columns.
        compiled: The tables.
        in_files: Whether rows are ordered by their files.

    Example:
        >>> from runengine.validation.summary import Options
        >>> stamps = {"created_at": [5], "started_at": pa.array([None], pa.int64())}
        >>> record = {"id": ["r"], "thread_id": ["t"], "status": ["queued"], **stamps}
        >>> told = Told.of(Options(), pa.record_batch(record).schema, True)
        >>> rows = pa.record_batch({**record, "runengine_path": ["a"], "runengine_row": [7]})
        >>> (part,) = parts([rows], True)
        >>> batch = told.decoder().batch(pa.Table.from_batches([rows]))
        >>> fragment_of(part, batch, Compiled.of(told.options), True)[2].first["at"]
        array([7])
    """
    run, thread = scoped(batch.run, part.scope), scoped(batch.thread, part.scope)
    if in_files:
        batch = evolve(batch, run=run, thread=thread, at=part.at - part.base, total=int(part.at[-1]) - part.base + 1)
        fragment = Fragment.of(batch, compiled)
        fragment.shift(part.base)
        runs, threads = entries_of(fragment, np.array(part.base), np.array(0))
        return runs, threads, fragment
    n = len(run)
    each = np.arange(1, n + 1).astype(np.uint64)
    alone = Fragment.of(evolve(batch, run=each, thread=each, at=np.arange(n), total=n), compiled)
    row, turn = alone.first["at"].copy(), alone.begins["begun_at"].copy()
    for table in (alone.first, alone.last):
        table["run"], table["thread"], table["at"] = run[row], thread[row], part.at[row]
    for table in (alone.begins, alone.ends):
        table["run"], table["thread"] = run[turn], thread[turn]
        table["begun_at"] = table["last_at"] = part.at[turn]
    told = (np.concatenate([alone.suspects.runs, alone.suspects.threads]) - np.uint64(1)).astype(np.int64)
    fragment = evolve(alone, suspects=Suspects.of([run[told]], [thread[told]]))
    long = np.zeros(n, np.bool_)
    runs = Entries(run[row], part.at[row], part.tie[row], alone.first, alone.last, long[row])
    threads = Entries(thread[turn], part.at[turn], part.tie[turn], alone.begins, alone.ends, long[turn])
    return runs, threads, fragment


def fragments(told: Told, batches: Iterable[Any]) -> Iterator[Any]:
    """Rows of a partition to fragments, in record batches (`FRAGMENTS`).

    Args:
        told: What the worker is told.
        batches: Record batches with the columns of the plan, and those of `parts`.

    Example:
        >>> from runengine.validation.summary import Options
        >>> stamps = {"created_at": [5], "started_at": pa.array([None], pa.int64())}
        >>> record = {"id": ["r"], "thread_id": ["t"], "status": ["queued"], **stamps}
        >>> told = Told.of(Options(), pa.record_batch(record).schema, True)
        >>> rows = pa.record_batch({**record, "runengine_path": ["a"], "runengine_row": [7]})
        >>> [each.column("kind").to_pylist() for each in fragments(told, [rows])]
        [[0], [1], [4]]
    """
    compiled = Compiled.of(told.options)
    decoder = told.decoder()
    counts, suspects = Counts(), list[Suspects]()
    held: dict[int, list[Entries]] = {RUN: [], THREAD: []}
    for part in parts(batches, told.in_files):
        batch = decoder.batch(pa.Table.from_batches([part.rows]))
        runs, threads, fragment = fragment_of(part, batch, compiled, told.in_files)
        counts += fragment.counts
        suspects.append(fragment.suspects)
        if told.in_files:
            short = short_of(fragment, compiled)
            runs, threads = runs._replace(short=short[0]), threads._replace(short=short[1])
        for kind, entries in ((RUN, runs), (THREAD, threads)):
            held[kind].append(entries)
        if sum(len(entries.key) for entries in held[RUN]) >= _ENTRIES:
            yield from _packed(held)
    yield from _packed(held)
    yield from of_suspects(Suspects.of([each.runs for each in suspects], [each.threads for each in suspects]))
    yield of_counts(counts)


def _packed(held: dict[int, list[Entries]]) -> Iterator[Any]:
    """What is held, which is let go."""
    for kind, several in held.items():
        if any(len(entries.key) for entries in several):
            yield Entries.joined(several).packed(kind)
        several.clear()


def merged(told: Told, batches: Iterable[Any]) -> Iterator[Any]:
    """Fragments of a partition, by kind and key, to suspects and counts, in record batches.

    Args:
        told: What the worker is told.
        batches: Record batches of `FRAGMENTS`.

    Example:
        >>> from runengine.validation.summary import Options
        >>> stamps = {"created_at": [5], "started_at": pa.array([None], pa.int64())}
        >>> record = {"id": ["r"], "thread_id": ["t"], "status": ["queued"], **stamps}
        >>> told = Told.of(Options(), pa.record_batch(record).schema, True)
        >>> rows = pa.record_batch({**record, "runengine_path": ["a"], "runengine_row": [7]})
        >>> [each.column("kind").to_pylist() for each in merged(told, fragments(told, [rows]))]
        [[4]]
    """
    compiled = Compiled.of(told.options)
    chains = {RUN: Chain(RUN, compiled), THREAD: Chain(THREAD, compiled)}
    counts, runs, threads = Counts(), list[Any](), list[Any]()
    for kind, several in _gathered(batches):
        if kind in chains:
            yield from of_suspects(chains[kind].take(unpacked(several, kind)))
        elif kind == COUNTS:
            counts += counts_of(several)
        else:
            keys = [batch.column("key").to_numpy(zero_copy_only=False).view(np.uint64) for batch in several]
            {SUSPECT_RUN: runs, SUSPECT_THREAD: threads}[kind].extend(keys)
    yield from of_suspects(Suspects.of(runs, threads))
    yield of_counts(counts - chains[RUN].counts - chains[THREAD].counts)


def _gathered(batches: Iterable[Any]) -> Iterator[tuple[int, list[Any]]]:
    """Record batches of one kind, of about so many bytes together; all of a bucket stands together."""
    held: list[Any] = []
    known, size, last = -1, 0, 0
    for kind, batch in (each for whole in batches if whole.num_rows for each in split(whole)):
        keys = batch.column("key").to_numpy(zero_copy_only=False)
        lengths = pc.call_function("binary_length", [batch.column("held")])
        ends = np.cumsum(lengths.to_numpy(zero_copy_only=False))
        cuts = (np.flatnonzero(np.diff(keys)) + 1).tolist() if kind in (RUN, THREAD) else []
        for begin, end in itertools.pairwise([0, *cuts, len(keys)]):
            if held and (kind != known or (size >= _BYTES and keys[begin] != last)):
                yield known, held
                held, size = [], 0
            held.append(batch.slice(begin, end - begin))
            known, size, last = kind, size + int(ends[end - 1] - (ends[begin - 1] if begin else 0)), keys[end - 1]
    if held:
        yield known, held


def joined_rows(batches: list[Any]) -> Any:
    """Record batches as one.

    Example:
        >>> joined_rows([pa.record_batch({"id": ["a"]}), pa.record_batch({"id": ["b"]})]).num_rows
        2
    """
    return batches[0] if len(batches) == 1 else pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
