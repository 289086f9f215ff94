"""The lines of a piece of a file: where they stand, which can be read as typed rows, and what the others hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from runengine.dialects.wire import NOT_A_ROW, Rows
from runengine.validation.bulk.batch import Bools, Ints
from runengine.validation.observations import Companion, Item, Observation, Refusal, Unreadable
from runengine.validation.readers.json_lines import LINE_BYTES_MAX, items_of_line
from runengine.validation.readers.natively import native

__all__ = ["Ids", "Lines", "Read", "ids_of", "items_at"]

_BLOCK: Final = 64
"""So many lines are read at once; where one of them is odd, each by itself."""

_SPAN: Final = 128
"""The rows of so many lines are held at once."""

_FEED, _RETURN, _OPEN, _CLOSE = b"\n\r{}"


class Read(NamedTuple):
    """Lines as rows.

    Attributes:
        taken: For each way of reading: the indices of the lines it took, and their rows.
        odd: Indices of the lines that none took.

    Example:
        >>> Read((), [3]).odd
        [3]
    """

    taken: tuple[tuple[list[int], list[Any]], ...]
    odd: list[int]


class Lines:
    r"""Lines of some bytes, the first of which begins a line.

    Args:
        data: The bytes.

    Example:
        >>> lines = Lines(b'{"a": 1}\n\r\n[]')
        >>> [bytes(line) for line in lines], lines.neat.tolist()
        ([b'{"a": 1}', b'\r', b'[]'], [True, False, False])
    """

    def __init__(self, data: bytes) -> None:
        self._view = memoryview(data)
        bytes_ = np.frombuffer(data, np.uint8)
        feeds = np.flatnonzero(bytes_ == _FEED)
        ends = feeds if not data or data[-1] == _FEED else np.append(feeds, len(data))
        starts = np.zeros(len(ends), np.int64)
        starts[1:] = ends[:-1] + 1
        self._starts, self._ends = starts, ends
        self.neat = _neat(bytes_, starts, ends)

    def __len__(self) -> int:
        """How many lines."""
        return len(self._starts)

    def __getitem__(self, index: int) -> memoryview:
        """A line without its line feed."""
        return self._view[self._starts[index] : self._ends[index]]

    def __iter__(self) -> Iterator[memoryview]:
        """Every line."""
        return map(self.__getitem__, range(len(self)))

    def read(self, ways: Sequence[Rows], chosen: Ints | None = None) -> Iterator[Read]:
        """Read lines as rows, some at a time, so that what is made of them stays near.

        Args:
            ways: Each way that may take a line; the one that took the last is tried first.
            chosen: Indices of the lines, in order; all where None.
        """
        order = list(range(len(ways)))
        for begin in range(0, len(self) if chosen is None else len(chosen), _SPAN):
            reading = _Reading(order=order, ways=ways, taken=tuple(([], []) for _ in ways))
            if chosen is not None:
                for index in chosen[begin : begin + _SPAN].tolist():
                    reading.one(index, self[index])
            else:
                self._read(reading, begin, min(begin + _SPAN, len(self)))
            yield Read(reading.taken, reading.odd)

    def _read(self, reading: _Reading, begin: int, end: int) -> None:
        for first in range(begin, end, _BLOCK):
            last = min(first + _BLOCK, end)
            block = self._view[self._starts[first] : self._ends[last - 1]]
            if not (self.neat[first:last].all() and reading.many(first, last, block)):
                for index in range(first, last):
                    reading.one(index, self[index])


def _neat(data: NDArray[np.uint8], starts: Ints, ends: Ints) -> Bools:
    """Where a line is `{…}` from its first byte to its last, but for a carriage return.

    Of such lines each holds a whole number of values: a value that went on in the next line would be inside an object
    there, and behind what has just ended no object can begin. So if they hold as many values as there are lines, each
    holds one.
    """
    long = ends - starts >= 3
    if not len(data):
        return long
    first, last = data[np.where(long, starts, 0)], data[np.where(long, ends - 1, 0)]
    last = np.where(last == _RETURN, data[np.where(long, ends - 2, 0)], last)
    neat: Bools = long & (first == _OPEN) & (last == _CLOSE)
    return neat


@define(kw_only=True)
class _Reading:
    """What has been read."""

    order: list[int]
    ways: Sequence[Rows]
    taken: tuple[tuple[list[int], list[Any]], ...]
    odd: list[int] = field(factory=list)

    def many(self, first: int, last: int, block: memoryview) -> bool:
        """Whether lines were taken all at once."""
        way = self.order[0]
        try:
            rows = self.ways[way].many(block)
        except NOT_A_ROW:
            return False
        if len(rows) != last - first:
            return False
        places, made = self.taken[way]
        places.extend(range(first, last))
        made.extend(rows)
        return True

    def one(self, index: int, line: memoryview) -> None:
        """Take a line by itself."""
        if len(line) <= LINE_BYTES_MAX:
            for way in self.order:
                try:
                    row = self.ways[way].one(line)
                except NOT_A_ROW:
                    continue
                places, made = self.taken[way]
                places.append(index)
                made.append(row)
                self._prefer(way)
                return
        self.odd.append(index)

    def _prefer(self, way: int) -> None:
        if self.order[0] != way:
            self.order.remove(way)
            self.order.insert(0, way)


def items_at(line: bytes | memoryview, number: int) -> Iterator[Item]:
    """What the reader of JSON Lines yields of one line, in a file that began well.

    Args:
        line: Without its line feed.
        number: Its number, from 1.

    Example:
        >>> [item.what for item in items_at(b'[{"object": "assistant"}, {"object": "file"}]', 7)]
        ['assistant', 'file']
    """
    if len(line) > LINE_BYTES_MAX:
        yield Unreadable(line=number, problem=f"the line is longer than {LINE_BYTES_MAX} bytes")
    else:
        yield from items_of_line(bytes(line), number)


class Ids(NamedTuple):
    """Whose an item is.

    Attributes:
        run: The run's id, or None.
        thread: The thread's id, or None.

    Example:
        >>> Ids("run_1", None).run
        'run_1'
    """

    run: str | None
    thread: str | None


def ids_of(item: Item, dialect: str) -> Ids:
    """Whose an item is.

    Args:
        item: Any item.
        dialect: How records are written, or `auto`.

    Example:
        >>> ids_of(Companion({"id": "thread_1"}, "thread", 1), "auto")
        Ids(run=None, thread='thread_1')
    """
    if isinstance(item, Observation):
        try:
            record = native(item, dialect).record
        except RecursionError:
            return Ids(None, None)
        return Ids(_text(record.get("id")), _text(record.get("thread_id")))
    if isinstance(item, Companion) and item.kind == "thread":
        return Ids(None, _text(item.record.get("id")))
    if isinstance(item, Companion):
        return Ids(_text(item.record.get("run_id")), _text(item.record.get("thread_id")))
    return Ids(item.run_id, item.thread_id) if isinstance(item, Refusal) else Ids(None, None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
