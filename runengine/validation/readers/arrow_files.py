"""Arrow: the IPC file format (`.arrow`, Feather of version 2) and the IPC stream; a row is one snapshot, as in Parquet.

A file is read as its footer tells, record batch by record batch; one whose footer is gone is a stream behind its first
bytes, and is read as such up to where it breaks. Nothing that a file claims of its own is believed before it is looked
at: numbers that point outside of a batch are an error of its rows (`Sound`). What the columns hold is judged in
`readers.columns`; rows become items in `readers.tables`. Source: the Arrow columnar format, "Serialization and IPC".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, Final

from runengine.validation.observations import Item, Unreadable
from runengine.validation.readers.columns import Arrow, Plan, plan_of
from runengine.validation.readers.reader import Head, Reader
from runengine.validation.readers.tables import Rows, library, named, said_of, seekable

__all__ = ["BATCH_ROWS", "MAGIC", "READER", "Batches", "Sound", "batch_items", "read_arrow"]

BATCH_ROWS: Final = 4096
"""Most rows of a record batch that are taken at a time; damage among them leaves none of them."""

MAGIC: Final = b"ARROW1"
"""A file begins and ends with it."""

_PADDED: Final = 8
_FEATHER_1: Final = b"FEA1"
_CONTINUES: Final = b"\xff\xff\xff\xff"
_SCHEMA_BYTES_MAX: Final = 1 << 28
_DICTIONARIES_MAX: Final = 64
_WHAT: Final = "reading Arrow"
_BROKEN: Final = "it is cut off, damaged, or of a kind that is not read"


def read_arrow(file: BinaryIO) -> Iterator[Item]:
    """Items of an Arrow file or stream; a file that cannot be sought in is first copied to a temporary file.

    Args:
        file: Its bytes.

    Raises:
        MissingExtra: pyarrow is not installed.

    Example:
        >>> import io
        >>> [item.line for item in read_arrow(io.BytesIO(b"ARROW1"))]
        [0]
    """
    arrow = library(_WHAT)
    begin = file.read(_PADDED) if file.seekable() else b""
    if begin.startswith(_CONTINUES):
        file.seek(0)
        yield from _stream(arrow, file, "stream")
        return
    with seekable(file) as source:
        source.seek(0)
        begin = source.read(_PADDED)
        source.seek(0)
        if begin.startswith(_CONTINUES):
            yield from _stream(arrow, source, "stream")
        elif begin.startswith(_FEATHER_1):
            yield Unreadable(line=0, problem="a Feather file of version 1: write it anew as version 2, which is Arrow")
        else:
            yield from _file(arrow, source)


def _file(arrow: Arrow, source: BinaryIO) -> Iterator[Item]:
    try:
        schema = arrow.pa.ipc.open_file(source).schema
        plan, problems = plan_of(arrow, schema)
        batches = None if plan is None else Batches(arrow, lambda: source, schema, plan.names)
        if batches is not None and not batches.any_readable():
            raise ValueError("its dictionaries or record batches are damaged")
    except arrow.broken as error:
        source.seek(_PADDED)
        yield from _stream(arrow, source, "file", said_of(error))
        return
    yield from (Unreadable(line=0, problem=problem) for problem in problems)
    if plan is None or batches is None:
        return
    row, sound = 1, Sound(arrow)
    for number in range(batches.count):
        row = yield from batch_items(arrow, batches, sound, plan, number, row)


def _stream(arrow: Arrow, source: BinaryIO, what: str, footless: str = "") -> Iterator[Item]:
    """Items of a stream; of a file's, as its footer cannot be read."""
    try:
        opened = arrow.pa.ipc.open_stream(source)
        plan, problems = plan_of(arrow, opened.schema)
    except arrow.broken as error:
        yield Unreadable(line=0, problem=f"no Arrow {what} that can be read: {_BROKEN} ({footless or said_of(error)})")
        return
    yield from (Unreadable(line=0, problem=problem) for problem in problems)
    if plan is None:
        return
    row, number, sound = 1, 0, Sound(arrow)
    while True:
        try:
            batch = opened.read_next_batch()
        except StopIteration:
            break
        except arrow.broken as error:
            where = f"record batch {number + 1}, and what follows it,"
            yield Unreadable(
                line=row, problem=f"{where} cannot be read from row {row:,} on: {_BROKEN} ({said_of(error)})"
            )
            return
        number += 1
        row = yield from _parts(arrow, batch, sound, plan, f"record batch {number}", row)
    if footless:
        behind = f"behind record batch {number}, row {row - 1:,}" if number else "before its first record batch"
        yield Unreadable(line=0, problem=f"the file is cut off or damaged {behind}: it has no footer that can be read")


class Batches:
    """The record batches of a file, some columns of them, in any order.

    Args:
        arrow: The library.
        opened: Opens the file, or gives it anew: something that can be sought in.
        schema: The columns of the file.
        names: Which are read; of two with one name the first.

    Attributes:
        count: How many record batches there are.

    Raises:
        Exception: whatever the library raises where the file is damaged (`Arrow.broken`).

    Example:
        >>> import io
        >>> arrow, out = library("reading Arrow"), io.BytesIO()
        >>> table = arrow.pa.table({"id": ["run_1"], "status": ["queued"]})
        >>> with arrow.pa.ipc.new_file(out, table.schema) as writer:
        ...     writer.write_table(table)
        >>> batches = Batches(arrow, lambda: out, table.schema, ["id"])
        >>> batches.count, batches.read(0).schema.names, batches.at_fault(0)
        (1, ['id'], ([], 1))
    """

    def __init__(self, arrow: Arrow, opened: Callable[[], Any], schema: Any, names: Sequence[str]) -> None:
        self._arrow, self._opened, self._schema, self._names = arrow, opened, schema, tuple(names)
        self._file = self._of(names)
        self.count: int = self._file.num_record_batches

    def read(self, number: int) -> Any:
        """One of them, from 0. Its values are those that stand there: `Sound` tells whether they are any."""
        return self._file.get_batch(number)

    def at_fault(self, number: int) -> tuple[list[str], int]:
        """Which columns of one cannot be read by themselves; and how many rows it has, or 0 where none can be."""
        bad, rows = [], 0
        for name in self._names:
            try:
                rows = self._of([name]).get_batch(number).num_rows
            except self._arrow.broken:
                bad.append(name)
        return bad, rows

    def any_readable(self) -> bool:
        """Whether something can be read as the footer tells, if there is anything."""
        if not self.count:
            return True
        for number in range(self.count):
            with suppress(*self._arrow.broken):
                self.read(number)
                return True
        return len(self.at_fault(0)[0]) < len(self._names)

    def _of(self, names: Sequence[str]) -> Any:
        known = self._schema.names
        places = sorted({known.index(name) for name in names})
        options = self._arrow.pa.ipc.IpcReadOptions(included_fields=places, use_threads=False)
        return self._arrow.pa.ipc.open_file(self._opened(), options=options)


class Sound:
    """Whether arrays hold what they claim to: offsets and numbers of dictionaries stay inside. Text may be any bytes.

    Args:
        arrow: The library.

    Example:
        >>> arrow = library("reading Arrow")
        >>> wrong = arrow.pa.DictionaryArray.from_arrays(arrow.pa.array([7]), arrow.pa.array(["a"]), safe=False)
        >>> Sound(arrow).check(wrong)
        Traceback (most recent call last):
        pyarrow.lib.ArrowIndexError: Index 7 out of bounds
    """

    def __init__(self, arrow: Arrow) -> None:
        self._arrow = arrow
        self._dictionaries: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def check(self, array: Any) -> None:
        """Look at an array; a dictionary that many arrays share is looked at once.

        Args:
            array: Part of a column.

        Raises:
            Exception: it does not (`Arrow.broken`).
        """
        pa = self._arrow.pa
        while isinstance(array.type, pa.BaseExtensionType):
            array = array.storage
        if not pa.types.is_dictionary(array.type):
            self._arrow.as_bytes(array).validate(full=True)
            return
        array.validate()  # or its length is not one
        words, indices = array.dictionary, array.indices
        places = (None if held is None else held.address for held in words.buffers())
        key = (str(words.type), words.offset, len(words), *places)
        if key not in self._dictionaries:
            self.check(words)
            self._dictionaries[key] = words  # as long as it is held, nothing else stands in its place
            while len(self._dictionaries) > _DICTIONARIES_MAX:
                self._dictionaries.popitem(last=False)
        indices.validate(full=True)
        pa.DictionaryArray.from_arrays(indices, pa.nulls(len(words)), safe=True)


def batch_items(
    arrow: Arrow, batches: Batches, sound: Sound, plan: Plan, number: int, first: int
) -> Generator[Item, None, int]:
    """Items of one record batch; of what of it is damaged, what is wrong.

    Args:
        arrow: The library.
        batches: Those of the file, with the columns of the plan.
        sound: Looks at them.
        plan: What is read of it.
        number: Which record batch, from 0.
        first: Number of its first row, from 1.

    Returns:
        The number of the first row of the next one.

    Example:
        >>> import io
        >>> arrow, out = library("reading Arrow"), io.BytesIO()
        >>> table = arrow.pa.table({"id": ["run_1"], "status": ["queued"]})
        >>> with arrow.pa.ipc.new_file(out, table.schema) as writer:
        ...     writer.write_table(table)
        >>> plan, _ = plan_of(arrow, table.schema)
        >>> batches = Batches(arrow, lambda: out, table.schema, plan.names)
        >>> [item.line for item in batch_items(arrow, batches, Sound(arrow), plan, 0, 7)]
        [7]
    """
    where = f"record batch {number + 1} of {batches.count}"
    try:
        batch = batches.read(number)
    except arrow.broken as error:
        bad, rows = batches.at_fault(number)
        uncounted = "" if rows else "; the rows behind it are counted as if it had none"
        why = f"it is damaged, or of a kind that is not read ({said_of(error)}){uncounted}"
        yield Unreadable(line=first, problem=f"{where}{named(bad)} cannot be read from row {first:,} on: {why}")
        return first + rows
    return (yield from _parts(arrow, batch, sound, plan, where, first))


def _parts(arrow: Arrow, batch: Any, sound: Sound, plan: Plan, where: str, first: int) -> Generator[Item, None, int]:
    """Items of a record batch that could be read, some rows at a time."""
    names = batch.schema.names
    places = {name: names.index(name) for name in plan.names}
    bad: tuple[int, str, str] | None = None  # since which row, which columns, and why
    for start in range(0, batch.num_rows, BATCH_ROWS):
        row, part = first + start, batch.slice(start, BATCH_ROWS)
        rows = _rows_of(arrow, part, sound, plan, places)
        if isinstance(rows, Rows):
            if bad is not None:
                yield _unsound(where, bad, row - 1)
                bad = None
            yield from rows.items(plan, range(row, row + rows.count))
        elif bad is None:
            bad = (row, *rows)
    after: int = first + batch.num_rows
    if bad is not None:
        yield _unsound(where, bad, after - 1)
    return after


def _rows_of(arrow: Arrow, part: Any, sound: Sound, plan: Plan, places: dict[str, int]) -> Rows | tuple[str, str]:
    """Some rows; or which columns of them are damaged, and why."""
    bad: list[str] = []
    said = ""
    for name, place in places.items():
        try:
            sound.check(part.column(place))
        except arrow.broken as error:
            bad.append(name)
            said = said or said_of(error)
    if bad:
        return named(bad), said
    try:
        return Rows.of(arrow, part, plan)
    except arrow.broken as error:
        return "", said_of(error)


def _unsound(where: str, bad: tuple[int, str, str], last: int) -> Unreadable:
    row, columns, said = bad
    why = f"it is damaged, or of a kind that is not read ({said})"
    return Unreadable(line=row, problem=f"{where}{columns} cannot be read from row {row:,} to row {last:,}: {why}")


def _recognises(head: Head) -> bool:
    start = head.start
    if start.startswith((MAGIC, _FEATHER_1)):
        return True
    length = int.from_bytes(start[4:8], "little")
    return start.startswith(_CONTINUES) and 0 < length < _SCHEMA_BYTES_MAX


READER: Final = Reader(
    name="arrow",
    says="Arrow: a snapshot a row, in columns or as JSON text",
    suffixes=(".arrow", ".arrows", ".feather"),
    recognises=_recognises,
    read=lambda recorded: read_arrow(recorded.file),
)
"""For the registry."""
