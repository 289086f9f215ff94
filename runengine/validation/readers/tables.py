"""Rows of a table as items, whichever form of file holds the table; and the library that reads such files.

What the columns hold is judged in `runengine.validation.readers.columns`; whatever of a record no column is for is not
spoken of by the rules (`Observation.columns`). The line of an item is the number of its row, from 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final

from attrs import frozen

from runengine.errors import MissingExtra
from runengine.validation.observations import Item, Observation, Passed, Unreadable
from runengine.validation.readers.columns import Arrow, Plan, values_of
from runengine.validation.readers.envelopes import RUN_OBJECTS, items_of

__all__ = ["Rows", "enveloped", "library", "named", "row_items", "said_of", "seekable"]

_NAMED: Final = 8
_SAID: Final = 100


def library(what: str) -> Arrow:
    """The library of columns.

    Args:
        what: What it is wanted for.

    Raises:
        MissingExtra: pyarrow is not installed.

    Example:
        >>> library("reading Parquet").is_text(library("reading Parquet").pa.string())
        True
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra(what, "readers") from None
    return Arrow(pa=pa, pq=pq)


@contextmanager
def seekable(file: BinaryIO) -> Iterator[BinaryIO]:
    """The file; one that cannot be sought in is first copied to a temporary file.

    Args:
        file: Its bytes.

    Example:
        >>> import io
        >>> with seekable(io.BytesIO(b"PAR1")) as file:
        ...     file.read()
        b'PAR1'
    """
    with nullcontext(file) if file.seekable() else TemporaryFile() as source:
        if source is not file:
            copyfileobj(file, source)
            source.seek(0)
        yield source


@frozen
class Rows:
    """Some rows, their values made.

    Attributes:
        count: How many.
        said: What was said around the record: keys, and the values of each.
        fields: Its fields: keys, and the values of each.

    Example:
        >>> Rows(1, [], [("id", ["run_1"])]).count
        1
    """

    count: int
    said: list[tuple[str, list[Any]]]
    fields: list[tuple[str, list[Any]]]

    @classmethod
    def of(cls, arrow: Arrow, batch: Any, plan: Plan) -> Rows:
        """Those of a record batch.

        Args:
            arrow: The library.
            batch: A record batch of pyarrow with the columns of the plan; of two with one name the first counts.
            plan: What is read of it.

        Raises:
            Exception: whatever the library raises where the values are damaged (`Arrow.broken`).
        """
        place = {name: i for i, name in reversed([*enumerate(batch.schema.names)])}
        said, fields = (
            [(each.name, values_of(arrow, batch.column(place[each.column]), each)) for each in columns]
            for columns in (plan.envelope, plan.fields)
        )
        return cls(batch.num_rows, said, fields)

    def items(self, plan: Plan, lines: Sequence[int]) -> Iterator[Item]:
        """Their items.

        Args:
            plan: What was read.
            lines: Number of each row, from 1.
        """
        for i, line in enumerate(lines):
            said = {name: values[i] for name, values in self.said if values[i] is not None}
            data: Any = {name: values[i] for name, values in self.fields}
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


def row_items(arrow: Arrow, rows: Any, plan: Plan, lines: Sequence[int]) -> Iterator[Item]:
    """Items of some rows.

    Args:
        arrow: The library.
        rows: A record batch of pyarrow with the columns of the plan.
        plan: What is read of it.
        lines: Number of each row, from 1.

    Example:
        >>> from runengine.validation.readers.columns import plan_of
        >>> arrow = library("reading tables")
        >>> rows = arrow.pa.record_batch({"id": ["run_1"], "status": ["queued"]})
        >>> plan, _ = plan_of(arrow, rows.schema)
        >>> [(item.line, item.record) for item in row_items(arrow, rows, plan, [7])]
        [(7, {'status': 'queued', 'id': 'run_1'})]
    """
    return Rows.of(arrow, rows, plan).items(plan, lines)


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


def named(columns: Sequence[str]) -> str:
    """Columns at fault, for a message; nothing where there are none.

    Args:
        columns: Their names.

    Example:
        >>> named(["model"]), named([])
        (", column 'model',", '')
    """
    return f", column {', '.join(repr(name[:40]) for name in columns[:_NAMED])}," if columns else ""


def said_of(error: Exception) -> str:
    """The library's words, short: the first sentence of them.

    Args:
        error: What it raised.

    Example:
        >>> said_of(ValueError("No footer. Is it Parquet?")), said_of(KeyError())
        ('No footer', 'KeyError')
    """
    text = " ".join(str(error).split()).partition(". ")[0]
    return f"{text[:_SAID]}…" if len(text) > _SAID else text or type(error).__name__
