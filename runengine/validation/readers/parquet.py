"""Parquet files: a column for each field of the record, or one column of JSON text; a row is one snapshot.

Read by row group and batch, so that memory grows with neither. The line of an item is the number of its row, from 1.
A row group that cannot be read is said to be so, with the columns at fault, and the next ones are read. What the
columns hold is judged in `runengine.validation.readers.columns`; whatever of a record no column is for is not spoken
of by the rules (`Observation.columns`). Source: the Parquet format, `parquet.thrift` and `Encodings.md`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
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

__all__ = [
    "BATCH_BYTES",
    "BATCH_ROWS",
    "READER",
    "batch_rows",
    "enveloped",
    "group_items",
    "open_table",
    "read_parquet",
    "row_items",
]

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
            opened = open_table(arrow, source)
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


def open_table(arrow: Arrow, source: BinaryIO) -> Any:
    """A file opened such that columns of text are read as dictionaries: a text that many rows have is in memory once.

    Args:
        arrow: The library.
        source: The file, which can be sought in.

    Example:
        >>> import io
        >>> open_table(_arrow(), io.BytesIO(b"PAR1"))
        Traceback (most recent call last):
        pyarrow.lib.ArrowInvalid: Parquet file size is 4 bytes, smaller than the minimum file footer (8 bytes)
    """
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
        >>> arrow, out = _arrow(), io.BytesIO()
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
        if isinstance(batch, _Batch):
            yield from _rows(batch, plan, range(row, row + batch.rows))
            row += batch.rows
        else:
            where = f"row group {number + 1} of {count}{_at_fault(arrow, opened, plan, number)}"
            why = f"it is damaged, or of a kind that is not read ({_said(batch)})"
            yield Unreadable(line=row, problem=f"{where} cannot be read from row {row:,} on: {why}")
    return max(row, after)


def row_items(arrow: Arrow, rows: Any, plan: Plan, lines: Sequence[int]) -> Iterator[Item]:
    """Items of some rows.

    Args:
        arrow: The library.
        rows: A record batch of pyarrow with the columns of the plan.
        plan: What is read of it.
        lines: Number of each row, from 1.

    Example:
        >>> arrow = _arrow()
        >>> rows = arrow.pa.record_batch({"id": ["run_1"], "status": ["queued"]})
        >>> plan, _ = plan_of(arrow, rows.schema)
        >>> [(item.line, item.record) for item in row_items(arrow, rows, plan, [7])]
        [(7, {'status': 'queued', 'id': 'run_1'})]
    """
    return _rows(_batch(arrow, rows, plan), plan, lines)


def batch_rows(group: Any) -> int:
    """How many rows of a row group are taken at a time; damage among them leaves none of them.

    Args:
        group: Its footer.

    Example:
        >>> import io
        >>> arrow, out = _arrow(), io.BytesIO()
        >>> arrow.pq.write_table(arrow.pa.table({"id": ["run_1"]}), out)
        >>> batch_rows(arrow.pq.read_metadata(out).row_group(0))
        4096
    """
    rows: int = min(BATCH_ROWS, max(1, BATCH_BYTES * group.num_rows // max(group.total_byte_size, 1)))
    return rows


def _batches(arrow: Arrow, opened: Any, plan: Plan, number: int) -> Iterator[_Batch | Exception]:
    """A row group; at last what ended it before its end."""
    try:
        group = opened.metadata.row_group(number)
        batches = opened.iter_batches(batch_rows(group), row_groups=[number], columns=plan.names, use_threads=False)
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
    return None if batch is None else _batch(arrow, batch, plan)


def _batch(arrow: Arrow, batch: Any, plan: Plan) -> _Batch:
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


def _rows(batch: _Batch, plan: Plan, lines: Sequence[int]) -> Iterator[Item]:
    """Items of one batch."""
    for i, line in enumerate(lines):
        said = {name: values[i] for name, values in batch.said if values[i] is not None}
        data: Any = {name: values[i] for name, values in batch.fields}
        if plan.is_whole:
            data = data["data"]
            if data is None:
                yield Passed(line=line, what="null")
                continue
            if type(data) is Unreadable:
                yield Unreadable(line=line, problem=data.problem, found=data.found)
                continue
        unnamed = not plan.is_whole and "object" not in data
        if unnamed:
            data["object"] = RUN_OBJECTS[0]  # the columns told that rows are runs
        for item in items_of(enveloped(said, data), line):
            if type(item) is Observation:
                if unnamed:
                    del item.record["object"]
                yield item._replace(columns=plan.columns)
            else:
                yield item


def enveloped(said: dict[str, Any], data: Any) -> Any:
    """A row as an envelope.

    Args:
        said: What was said around it; nulls are not said.
        data: The record, or whatever else was recorded.

    Example:
        >>> enveloped({"kind": "poll"}, {"id": "run_1"}), enveloped({}, {"id": "run_1"})
        ({'kind': 'poll', 'data': {'id': 'run_1'}}, {'id': 'run_1'})
    """
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
