"""Parquet files: a column for each field of the record, or one column of JSON text; a row is one snapshot.

Read by row group and batch, so that memory grows with neither. The line of an item is the number of its row, from 1.
A row group that cannot be read is said to be so, with the columns at fault, and the next ones are read. What the
columns hold is judged in `runengine.validation.readers.columns`; whatever of a record no column is for is not spoken
of by the rules (`Observation.columns`). Source: the Parquet format, `parquet.thrift` and `Encodings.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final

from attrs import evolve, frozen

from runengine.errors import MissingExtra
from runengine.validation.observations import Item, Observation, Passed, Unreadable
from runengine.validation.readers.columns import Arrow, Plan, plan_of, values_of
from runengine.validation.readers.envelopes import RUN_OBJECTS, items_of
from runengine.validation.readers.reader import Head, Reader

__all__ = ["BATCH_BYTES", "BATCH_ROWS", "READER", "read_parquet"]

BATCH_ROWS: Final = 4096
"""Most rows that are taken at a time."""

BATCH_BYTES: Final = 16 * 1024 * 1024
"""About so much of a row group is taken at a time, as its footer tells."""

_MAGIC: Final = b"PAR1"
_ENCRYPTED: Final = b"PARE"
_BUFFER_BYTES: Final = 1024 * 1024
_NAMED: Final = 8
_SAID: Final = 100


def _arrow() -> Arrow:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra("reading Parquet", "readers") from None
    return Arrow(pa=pa, pq=pq)


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
    arrow = _arrow()
    with _seekable(file) as source:
        try:
            opened = _opened(arrow, source)
            plan, problems = plan_of(arrow, opened.schema_arrow)
        except arrow.broken as error:
            why = "it is cut off, damaged, or of a kind that is not read"
            yield Unreadable(line=0, problem=f"no Parquet file that can be read: {why} ({_said(error)})")
            return
        for problem in problems:
            yield Unreadable(line=0, problem=problem)
        if plan is None:
            return
        yield from _groups(arrow, opened, plan)


def _opened(arrow: Arrow, source: BinaryIO) -> Any:
    """The file, its columns of text read as dictionaries: a text that many rows have is in memory once."""
    first = arrow.pq.ParquetFile(source)
    texts = [field.name for field in first.schema_arrow if arrow.is_text(field.type)]
    return arrow.pq.ParquetFile(
        source, metadata=first.metadata, read_dictionary=texts, buffer_size=_BUFFER_BYTES, pre_buffer=False
    )


@contextmanager
def _seekable(file: BinaryIO) -> Iterator[BinaryIO]:
    with nullcontext(file) if file.seekable() else TemporaryFile() as source:
        if source is not file:
            copyfileobj(file, source)
            source.seek(0)
        yield source


def _groups(arrow: Arrow, opened: Any, plan: Plan) -> Iterator[Item]:
    row, count = 1, opened.metadata.num_row_groups
    for number in range(count):
        after = row
        with suppress(*arrow.broken):
            after = row + max(opened.metadata.row_group(number).num_rows, 0)
        for batch in _batches(arrow, opened, plan, number):
            if isinstance(batch, _Batch):
                yield from _rows(batch, plan, row)
                row += batch.rows
            else:
                where = f"row group {number + 1} of {count}{_at_fault(arrow, opened, plan, number)}"
                why = f"it is damaged, or of a kind that is not read ({_said(batch)})"
                yield Unreadable(line=row, problem=f"{where} cannot be read from row {row:,} on: {why}")
        row = max(row, after)


def _batches(arrow: Arrow, opened: Any, plan: Plan, number: int) -> Iterator[_Batch | Exception]:
    """A row group; at last what ended it before its end."""
    try:
        group = opened.metadata.row_group(number)
        size = min(BATCH_ROWS, max(1, BATCH_BYTES * group.num_rows // max(group.total_byte_size, 1)))
        batches = opened.iter_batches(size, row_groups=[number], columns=plan.names, use_threads=False)
        while (batch := _taken(arrow, batches, plan)) is not None:
            yield batch
    except arrow.broken as error:
        yield error


@frozen
class _Batch:
    """Some rows.

    Attributes:
        rows: How many.
        said: What was said around the record: keys, and the values of each.
        fields: Its fields: keys, and the values of each.
    """

    rows: int
    said: list[tuple[str, list[Any]]]
    fields: list[tuple[str, list[Any]]]


def _taken(arrow: Arrow, batches: Iterator[Any], plan: Plan) -> _Batch | None:
    batch = next(batches, None)
    if batch is None:
        return None
    place = {name: i for i, name in reversed([*enumerate(batch.schema.names)])}
    said, fields = (
        [(each.name, values_of(arrow, batch.column(place[each.column]), each)) for each in columns]
        for columns in (plan.envelope, plan.fields)
    )
    return _Batch(batch.num_rows, said, fields)


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
            bad.append(repr(column.column[:40]))
    return f", column {', '.join(bad[:_NAMED])}," if bad else ""


def _rows(batch: _Batch, plan: Plan, first: int) -> Iterator[Item]:
    """Items of one batch, whose first row has that number."""
    for i in range(batch.rows):
        said = {name: values[i] for name, values in batch.said if values[i] is not None}
        data: Any = {name: values[i] for name, values in batch.fields}
        if plan.is_whole:
            data = data["data"]
            if data is None:
                yield Passed(line=first + i, what="null")
                continue
            if type(data) is Unreadable:
                yield Unreadable(line=first + i, problem=data.problem, found=data.found)
                continue
        unnamed = not plan.is_whole and "object" not in data
        if unnamed:
            data["object"] = RUN_OBJECTS[0]  # the columns told that rows are runs
        for item in items_of(_enveloped(said, data), first + i):
            if type(item) is Observation:
                if unnamed:
                    del item.record["object"]
                yield item._replace(columns=plan.columns)
            else:
                yield item


def _enveloped(said: dict[str, Any], data: Any) -> Any:
    if not said or type(data) is not dict:
        return data
    if "object" not in data and ("data" in data or "error" in data):  # an envelope, or a refusal, of its own
        return {**said, **data}
    return {**said, "data": data}


def _said(error: Exception) -> str:
    """The library's words, short: the first sentence of them."""
    text = " ".join(str(error).split()).partition(". ")[0]
    return f"{text[:_SAID]}…" if len(text) > _SAID else text or type(error).__name__


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
