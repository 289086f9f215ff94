"""A file of JSON Lines in pieces: byte ranges cut at line feeds, each read into columns by itself.

A place is an item: a line that holds a list has as many as the list, and a blank one has none. So no place stands for
two runs. Which lines hold how many is told by a light look at each (`LIGHT`), and by the reader itself of those lines
that it does not take. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from attrs import frozen

from runengine.validation.bulk.batch import Batch, Details, Ints, Keys
from runengine.validation.bulk.hashing import hash_texts
from runengine.validation.bulk.lines import Lines, ids_of, items_at
from runengine.validation.bulk.ranges import Cut, LinesPiece, cut, read_range
from runengine.validation.bulk.typed_rows import LIGHT, WAYS, Tabulated, Tabulating
from runengine.validation.observations import Item, LeftOut, Sampling, Unreadable
from runengine.validation.readers.inputs import form_of, open_input
from runengine.validation.readers.json_lines import LINE_BYTES_MAX, READER, no_text, numbered_lines
from runengine.validation.readers.natively import AUTO as AUTO_DIALECT
from runengine.validation.readers.registry import AUTO
from runengine.validation.summary import Options

__all__ = ["PIECE_BYTES", "NdjsonSource", "sievable"]

PIECE_BYTES: Final = 8 * 1024 * 1024
"""About so long is a piece."""

_SNIFF_BYTES: Final = 1024
_LINES_TRIED: Final = 1000
_DETAILS: Final = ("source", "moved", "layout")
_COLUMNS: Final = tuple(name for name in Tabulated._fields if name not in _DETAILS)


@frozen(kw_only=True)
class NdjsonSource:
    r"""A file of JSON Lines, plain, and with a beginning that can be read (see `sievable`).

    Attributes:
        path: The file.
        generation: The schema generation to hold records to, or None to infer it for each.
        sampling: Whether every status is visible.
        dialect: How records are written, or `auto`.
        begin: Offset of the first byte that is read; a line begins there.
        line: Number of the line that begins there.
        end: How far it is read; to its end where that is farther.
        piece_bytes: About so long is a piece.
        in_threads: Pieces are best read by processes.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        ...     _ = file.write(b'{"object": "assistant"}\n\n{"object": "file"}'), file.flush()
        ...     source = NdjsonSource.of(file.name, Options())
        ...     [*source.pieces], source.columns(source.pieces[0]).odd.tolist()
        ([LinesPiece(begin=0, end=43, line=1, long=False)], [True, True])
    """

    path: str
    generation: int | None = None
    sampling: Sampling = "auto"
    dialect: str = "auto"
    begin: int = 0
    line: int = 1
    end: int = sys.maxsize
    piece_bytes: int = PIECE_BYTES
    in_threads: bool = False

    @classmethod
    def of(cls, path: str, options: Options) -> NdjsonSource:
        """A file, to be held to some options."""
        return cls(path=path, generation=options.generation, sampling=options.sampling, dialect=options.dialect)

    @property
    def pieces(self) -> Sequence[LinesPiece]:
        """Its pieces, in order. Each is cut when first asked for: the file is gone through, to count its lines.

        Raises:
            TraceUnreadable: the file cannot be read.
        """
        return self._cut

    @cached_property
    def _cut(self) -> Cut:
        return Cut(cut(self.path, self.piece_bytes, self.begin, self.line, self.end))

    @property
    def bytes(self) -> int:
        """How many bytes its pieces have."""
        return min(self.end, Path(self.path).stat().st_size) - self.begin

    def columns(self, piece: LinesPiece, chosen: Ints | None = None) -> Batch:
        """A piece as columns.

        Args:
            piece: Which.
            chosen: Indices of the places that are wanted, in order; all where None.

        Raises:
            TraceUnreadable: the file cannot be read.
        """
        if piece.long:
            return Batch.of_odd(*_nothing(1 if chosen is None else len(chosen)))
        lines = _lines(self.path, piece)
        if chosen is None:
            return _batch(self, lines, None)
        places = _scanned(self, piece).places
        which = np.searchsorted(places, chosen, side="right") - 1
        distinct, back = np.unique(which, return_inverse=True)
        whole = _batch(self, lines, distinct)
        # Lines that were chosen once have all of their places in the batch: take those that are wanted.
        counts = np.diff(places)[distinct]
        firsts = np.cumsum(counts) - counts
        return _taken(whole, firsts[back] + chosen - places[which], chosen, int(places[-1]))

    def keys(self, piece: LinesPiece) -> tuple[Keys, Keys]:
        """Keys of run and thread of every place, at less cost than `columns`; 0 where they are not known.

        Args:
            piece: Which.

        Raises:
            TraceUnreadable: the file cannot be read.
        """
        return _nothing(1) if piece.long else _scanned(self, piece)[:2]

    def items(self, piece: LinesPiece, chosen: Ints) -> Iterator[Item]:
        """What the reader of JSON Lines yields of the chosen places, and `LeftOut` for what stands between them.

        Args:
            piece: Which.
            chosen: Indices of the places, in order.

        Raises:
            TraceUnreadable: the file cannot be read.
        """
        if piece.long:
            problem = f"the line is longer than {LINE_BYTES_MAX} bytes"
            yield Unreadable(line=piece.line, problem=problem) if len(chosen) else LeftOut(1)
            return
        places = _scanned(self, piece).places
        lines = _lines(self.path, piece) if len(chosen) else Lines(b"")
        last, held, items = 0, -1, list[Item]()
        for place in chosen.tolist():
            index = int(np.searchsorted(places, place, side="right")) - 1
            if index != held:
                held, items = index, list(items_at(lines[index], piece.line + index))
            if place > last:
                yield LeftOut(place - last)
            yield items[place - int(places[index])]
            last = place + 1
        if last < places[-1]:
            yield LeftOut(int(places[-1]) - last)


class _Scanned(NamedTuple):
    """What a light look at a piece tells: keys by place, and how many places stand before each line, and in all."""

    run: Keys
    thread: Keys
    places: Ints


def _scanned(source: NdjsonSource, piece: LinesPiece) -> _Scanned:
    state = os.stat(source.path)  # noqa: PTH116 - what was seen of a file holds as long as the file is the same
    return _look(source, piece, (state.st_ino, state.st_size, state.st_mtime_ns))


@lru_cache(maxsize=2)
def _look(source: NdjsonSource, piece: LinesPiece, _state: tuple[int, ...]) -> _Scanned:
    lines = _lines(source.path, piece)
    odd, at, runs, threads = list[int](), list[int](), list[str](), list[str]()
    for read in lines.read(LIGHT):
        odd += read.odd
        for way, (indices, rows) in enumerate(read.taken):
            at += indices
            records = [row.data for row in rows] if way else rows
            runs += [record.id for record in records]
            threads += [record.thread_id for record in records]
    others, every = _Odd(source, lines, odd), np.arange(len(lines))
    places = others.places(every)
    keys = _nothing(int(places[-1]))
    others.enter(every, places, *keys)
    for column, texts in zip(keys, (runs, threads), strict=True):
        column[places[np.array(at, np.int64)]] = hash_texts(texts)
    return _Scanned(*keys, places)


class _Odd:
    """Lines that are read by the reader alone: how many items they hold, and whose those are."""

    def __init__(self, source: NdjsonSource, lines: Lines, indices: list[int]) -> None:
        self._lines = np.array(indices, np.int64)
        self._ids = [[ids_of(item, source.dialect) for item in items_at(lines[index], 0)] for index in indices]

    def places(self, subset: Ints) -> Ints:
        """How many places stand before each of some lines, and in all."""
        counts = np.ones(len(subset), np.int64)
        counts[np.searchsorted(subset, self._lines)] = [len(ids) for ids in self._ids]
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])

    def enter(self, subset: Ints, places: Ints, run: Keys, thread: Keys) -> None:
        """Enter the keys."""
        for at, ids in zip(places[np.searchsorted(subset, self._lines)].tolist(), self._ids, strict=True):
            if ids:
                run[at : at + len(ids)] = hash_texts([one.run for one in ids])
                thread[at : at + len(ids)] = hash_texts([one.thread for one in ids])


@lru_cache(maxsize=8)
def _tabulating(generation: int | None, sampling: Sampling) -> Tabulating:
    """One for all pieces that a process reads: what it has judged serves the next piece too."""
    return Tabulating(generation, sampling)


def _batch(source: NdjsonSource, lines: Lines, chosen: Ints | None) -> Batch:
    """Lines as columns: all, or the chosen ones."""
    subset, odd = np.arange(len(lines)) if chosen is None else chosen, list[int]()
    table = _tabulating(source.generation, source.sampling).begin()
    for read in lines.read(WAYS, chosen):
        odd += read.odd
        for (indices, rows), take in zip(read.taken, (table.bare, table.enveloped), strict=True):
            if rows:
                take(indices, rows)
    others = _Odd(source, lines, odd)
    places = others.places(subset)
    made = _blank(int(places[-1]))
    others.enter(subset, places, made["run"], made["thread"])
    if table.lines:
        at = places[np.searchsorted(subset, np.array(table.lines, np.int64))]
        for name, column in zip(Tabulated._fields, table.columns(), strict=True):
            made[name][at] = column
    details = Details(**{name: made.pop(name) for name in _DETAILS}, layouts=table.layouts)
    return Batch(at=np.arange(len(made["odd"])), total=len(made["odd"]), details=details, **made)


def _blank(places: int) -> dict[str, Any]:
    """Columns of odd places, to be written to."""
    batch = Batch.of_odd(*_nothing(places))
    made = {name: getattr(batch, name).copy() for name in _COLUMNS}
    return made | {"source": np.zeros(places, np.int8), "moved": ~made["odd"], "layout": np.zeros(places, np.int32)}


def _taken(batch: Batch, rows: Ints, at: Ints, total: int) -> Batch:
    made = {name: getattr(batch, name)[rows] for name in _COLUMNS}
    return Batch(at=at.astype(np.int64), total=total, **made)


def _nothing(places: int) -> tuple[Keys, Keys]:
    return np.zeros(places, np.uint64), np.zeros(places, np.uint64)


def _lines(path: str, piece: LinesPiece) -> Lines:
    return Lines(read_range(path, piece))


def sievable(path: str, options: Options, reader: str = AUTO) -> NdjsonSource | str:
    """A file as a source, or why it is best read as a stream, in a few words.

    Args:
        path: As `runengine.validation.readers.expand` gives it.
        options: What records are held to.
        reader: Name of a reader, or `auto`.

    Raises:
        TraceUnreadable: it cannot be opened.

    Example:
        >>> sievable("-", Options())
        'it is no plain file of JSON Lines'
    """
    if reader not in (AUTO, READER.name) or form_of(path) != READER.name:
        return "it is no plain file of JSON Lines"
    if options.dialect not in (AUTO_DIALECT, "native"):
        return f"its records are read as {options.dialect} writes them"
    with open_input(path) as file:
        if no_text(file.read(_SNIFF_BYTES)) is not None:
            return "it is no text in UTF-8"
        file.seek(0)
        # The reader says more of lines that it cannot read where none before them could be.
        for number, line in islice(numbered_lines(file), _LINES_TRIED):
            items = () if line is None else items_at(line, number)
            for item in items:
                if not isinstance(item, Unreadable):
                    return NdjsonSource.of(path, options)
                if item.problem.startswith("not JSON"):
                    return f"its line {number} is not JSON, and none before it could be read"
    return "its first lines hold nothing that can be read"
