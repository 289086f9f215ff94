"""Parquet files: a column for each field of the record, or one column of JSON text; a row is one snapshot.

Read by row group and batch, so that memory grows with neither. The line of an item is the number of its row, from 1.
A row group that cannot be read is said to be so, with the columns at fault, and the next ones are read. What the
columns hold is judged in `runengine.validation.readers.columns`; rows become items in `readers.tables`.
Source: the Parquet format, `parquet.thrift` and `Encodings.md`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any, BinaryIO, Final

from attrs import evolve

from runengine.validation.observations import Item, Unreadable
from runengine.validation.readers.columns import Arrow, Plan, plan_of
from runengine.validation.readers.reader import Head, Reader
from runengine.validation.readers.tables import Rows, library, named, said_of, seekable

__all__ = ["BATCH_BYTES", "BATCH_ROWS", "READER", "batch_rows", "group_items", "open_table", "read_parquet"]

BATCH_ROWS: Final = 4096
"""Most rows that are taken at a time."""

BATCH_BYTES: Final = 16 * 1024 * 1024
"""About so much of a row group is taken at a time, as its footer tells."""

_MAGIC: Final = b"PAR1"
_ENCRYPTED: Final = b"PARE"
_BUFFER_BYTES: Final = 1024 * 1024
_WHAT: Final = "reading Parquet"


def read_parquet(file: BinaryIO) -> Iterator[Item]:
    """Items of a Parquet file; one that cannot be sought in is first copied to a temporary file.

    Args:
        file: Its bytes.

    Raises:
        MissingExtra: pyarrow is not installed.

    Example:
        >>> import io
        >>> [item.line for item in read_parquet(io.BytesIO(b"PAR1"))]
        [0]
    """
    arrow = library(_WHAT)
    with seekable(file) as source:
        try:
            opened = open_table(arrow, source)
            plan, problems = plan_of(arrow, opened.schema_arrow)
        except arrow.broken as error:
            why = "it is cut off, damaged, or of a kind that is not read"
            yield Unreadable(line=0, problem=f"no Parquet file that can be read: {why} ({said_of(error)})")
            return
        for problem in problems:
            yield Unreadable(line=0, problem=problem)
        if plan is None:
            return
        yield from _groups(arrow, opened, plan)


def open_table(arrow: Arrow, source: BinaryIO) -> Any:
    """A file opened such that columns of text are read as dictionaries: a text that many rows have is in memory once.

    Args:
        arrow: The library.
        source: The file, which can be sought in.

    Example:
        >>> import io
        >>> open_table(library("reading Parquet"), io.BytesIO(b"PAR1"))
        Traceback (most recent call last):
        pyarrow.lib.ArrowInvalid: Parquet file size is 4 bytes, smaller than the minimum file footer (8 bytes)
    """
    first = arrow.pq.ParquetFile(source)
    texts = [field.name for field in first.schema_arrow if arrow.is_text(field.type)]
    return arrow.pq.ParquetFile(
        source, metadata=first.metadata, read_dictionary=texts, buffer_size=_BUFFER_BYTES, pre_buffer=False
    )


def _groups(arrow: Arrow, opened: Any, plan: Plan) -> Iterator[Item]:
    row = 1
    for number in range(opened.metadata.num_row_groups):
        row = yield from group_items(arrow, opened, plan, number, row)


def group_items(arrow: Arrow, opened: Any, plan: Plan, number: int, first: int) -> Generator[Item, None, int]:
    """Items of one row group; where it is damaged, those before the damage, and what is wrong.

    Args:
        arrow: The library.
        opened: The file.
        plan: What is read of it.
        number: Which row group, from 0.
        first: Number of its first row, from 1.

    Returns:
        The number of the first row of the next one.

    Example:
        >>> import io
        >>> arrow, out = library("reading Parquet"), io.BytesIO()
        >>> arrow.pq.write_table(arrow.pa.table({"id": ["run_1"], "status": ["queued"]}), out)
        >>> opened = open_table(arrow, out)
        >>> plan, _ = plan_of(arrow, opened.schema_arrow)
        >>> [item.line for item in group_items(arrow, opened, plan, 0, 7)]
        [7]
    """
    row = after = first
    count = opened.metadata.num_row_groups
    with suppress(*arrow.broken):
        after = row + max(opened.metadata.row_group(number).num_rows, 0)
    for batch in _batches(arrow, opened, plan, number):
        if isinstance(batch, Rows):
            yield from batch.items(plan, range(row, row + batch.count))
            row += batch.count
        else:
            where = f"row group {number + 1} of {count}{_at_fault(arrow, opened, plan, number)}"
            why = f"it is damaged, or of a kind that is not read ({said_of(batch)})"
            yield Unreadable(line=row, problem=f"{where} cannot be read from row {row:,} on: {why}")
    return max(row, after)


def batch_rows(group: Any) -> int:
    """How many rows of a row group are taken at a time; damage among them leaves none of them.

    Args:
        group: Its footer.

    Example:
        >>> import io
        >>> arrow, out = library("reading Parquet"), io.BytesIO()
        >>> arrow.pq.write_table(arrow.pa.table({"id": ["run_1"]}), out)
        >>> batch_rows(arrow.pq.read_metadata(out).row_group(0))
        4096
    """
    rows: int = min(BATCH_ROWS, max(1, BATCH_BYTES * group.num_rows // max(group.total_byte_size, 1)))
    return rows


def _batches(arrow: Arrow, opened: Any, plan: Plan, number: int) -> Iterator[Rows | Exception]:
    """A row group; at last what ended it before its end."""
    try:
        group = opened.metadata.row_group(number)
        batches = opened.iter_batches(batch_rows(group), row_groups=[number], columns=plan.names, use_threads=False)
        while (batch := _taken(arrow, batches, plan)) is not None:
            yield batch
    except arrow.broken as error:
        yield error


def _taken(arrow: Arrow, batches: Iterator[Any], plan: Plan) -> Rows | None:
    batch = next(batches, None)
    return None if batch is None else Rows.of(arrow, batch, plan)


def _at_fault(arrow: Arrow, opened: Any, plan: Plan, number: int) -> str:
    """Which columns of a row group cannot be read by themselves."""
    bad = []
    for column in (*plan.fields, *plan.envelope):
        alone = evolve(plan, fields=(column,), envelope=())
        try:
            batches = opened.iter_batches(BATCH_ROWS, row_groups=[number], columns=alone.names, use_threads=False)
            while _taken(arrow, batches, alone) is not None:
                pass
        except arrow.broken:
            bad.append(column.column)
    return named(bad)


def _recognises(head: Head) -> bool:
    return head.start.startswith((_MAGIC, _ENCRYPTED))


READER: Final = Reader(
    name="parquet",
    says="Parquet: a snapshot a row, in columns or as JSON text",
    suffixes=(".parquet",),
    recognises=_recognises,
    read=lambda recorded: read_parquet(recorded.file),
)
"""For the registry."""
