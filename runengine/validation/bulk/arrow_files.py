"""An Arrow file with a column for each field, as a source of the bulk engine: its record batches.

It is read, not mapped: a file that somebody cuts off while it is mapped ends the process. Source: DESIGN §5 (Volume);
the Arrow columnar format, "Serialization and IPC".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock, local
from typing import Any, Final

import pyarrow as pa

from runengine.validation.bulk.coded import ARROW
from runengine.validation.bulk.table_pieces import PIECE_ROWS, Piece, Stretch, bytes_of, cut, united
from runengine.validation.bulk.table_source import TableSource, unfit, unopened
from runengine.validation.observations import Item, Unreadable
from runengine.validation.readers import arrow_files as reader
from runengine.validation.readers.columns import Plan, plan_of
from runengine.validation.readers.tables import said_of
from runengine.validation.summary import Options

__all__ = ["ArrowRows", "sievable"]

_KEPT_MAX: Final = 2
"""So many record batches that are cut into several pieces are kept, as they may have to be unpacked."""

_UNPACKED: Final = 4
"""So many times its size a file may be unpacked, where its first record batch does not tell."""


def sievable(path: str, options: Options, *, piece_rows: int = PIECE_ROWS, detailed: bool = False) -> TableSource | str:
    """A file as a source of columns, or why it is none: whole files are then left to the reader of rows.

    Args:
        path: The file.
        options: What records are held to.
        piece_rows: About how many rows a piece has.
        detailed: Batches have their details.

    Example:
        >>> sievable("/nowhere.arrow", Options())
        'it cannot be opened: No such file or directory'
    """
    try:
        with Path(path).open("rb") as file:
            if file.read(len(reader.MAGIC)) != reader.MAGIC:
                return "it is packed, a stream whose record batches are found one after another, or no Arrow file"
        size = _size(path)
        schema = pa.ipc.open_file(_opened(path)).schema
        plan, problems = plan_of(ARROW, schema)
        why = unfit(plan, options)
        if why is not None or plan is None:
            return why or ""
        counts = _counts(path, schema, plan)
    except ARROW.broken as error:
        return unopened(error)
    held = ArrowRows(path, schema, plan, counts, size)
    pieces = cut(held.stretches(), piece_rows)
    return TableSource(held, options, plan=plan, problems=problems, pieces=pieces, detailed=detailed)


def _size(path: str) -> int:
    return Path(path).stat().st_size


def _opened(path: str) -> Any:
    return pa.OSFile(path)


def _counts(path: str, schema: Any, plan: Plan) -> list[int]:
    """How many rows each record batch has, by one column, which has to be there and is numbers."""
    name = next(each.column for each in plan.fields if each.name == "created_at")
    batches = reader.Batches(ARROW, lambda: _opened(path), schema, [name])
    return [batches.read(number).num_rows for number in range(batches.count)]


class ArrowRows:
    """The rows of a file, for any number of threads.

    Args:
        path: The file.
        schema: Its columns.
        plan: What is read of it.
        counts: How many rows each record batch has.
        size: How many bytes the file has.

    Example:
        >>> import tempfile
        >>> table = pa.table({"id": ["a", "b"], "status": ["queued"] * 2})
        >>> plan, _ = plan_of(ARROW, table.schema)
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     with pa.ipc.new_file(file.name, table.schema) as writer:
        ...         writer.write_table(table)
        ...     rows = ArrowRows(file.name, table.schema, plan, [2], _size(file.name))
        ...     (piece,) = cut(rows.stretches())
        ...     rows.read(piece, ["id"]).num_rows, [item.line for item in rows.items(piece)]
        (2, [1, 2])
    """

    def __init__(self, path: str, schema: Any, plan: Plan, counts: Sequence[int], size: int) -> None:
        self._path, self._schema, self._plan, self._counts, self._size = path, schema, plan, tuple(counts), size
        self._here = local()
        self._keeping = Lock()
        self._known: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def stretches(self) -> Iterator[Stretch]:
        """Its record batches, as pieces are made of them."""
        total = max(sum(self._counts), 1)
        width = _UNPACKED * self._size / total
        number = next((n for n, count in enumerate(self._counts) if count), None)
        if number is not None:
            with suppress(*ARROW.broken):
                width = bytes_of(self._kept(number, tuple(self._plan.names)).columns) / self._counts[number]
        for count in self._counts:
            yield Stretch(count, self._size * count // total, int(width * count), reader.BATCH_ROWS)

    def read(self, piece: Piece, names: Sequence[str]) -> Any:
        """As `Held.read`."""
        if _size(self._path) != self._size:
            raise ValueError("the file has changed")
        batches, sound = self._reading(tuple(names))
        if piece.step:
            parts = [self._kept(piece.group, tuple(names)).slice(piece.skip, piece.rows)]
        else:
            parts = [batches.read(number) for number in range(piece.group, piece.group + piece.groups)]
        for part in parts:
            for column in part.columns:
                sound.check(column)
        table = pa.Table.from_batches(parts)
        if table.num_rows != piece.rows:
            raise ValueError("record batches have other rows than before")
        return united(table)

    def items(self, piece: Piece) -> Iterator[Item]:
        """As `Held.items`."""
        first, end = piece.row - piece.skip + 1, piece.row + piece.rows
        try:
            if _size(self._path) != self._size:
                raise ValueError("its length is another")
            batches = reader.Batches(ARROW, lambda: _opened(self._path), self._schema, self._plan.names)
        except ARROW.broken as error:
            problem = f"the file has changed since its footer was read ({said_of(error)})"
            yield Unreadable(line=piece.row + 1, problem=problem)
            return
        sound = reader.Sound(ARROW)
        for number in range(piece.group, piece.group + piece.groups):
            for item in reader.batch_items(ARROW, batches, sound, self._plan, number, first):
                if piece.step and item.line > end:
                    break
                if not piece.step or item.line > piece.row:
                    yield item
            first += self._counts[number]

    def _reading(self, names: tuple[str, ...]) -> tuple[reader.Batches, reader.Sound]:
        """The record batches with these columns, for this thread."""
        known: dict[tuple[str, ...], tuple[reader.Batches, reader.Sound]] = self._here.__dict__.setdefault("known", {})
        if names not in known:
            batches = reader.Batches(ARROW, lambda: _opened(self._path), self._schema, names)
            known[names] = batches, reader.Sound(ARROW)
        return known[names]

    def _kept(self, number: int, names: tuple[str, ...]) -> Any:
        """A record batch of which parts are asked for, maybe by several threads."""
        batches, _ = self._reading(names)
        with self._keeping:
            batch = self._known.get((names, number))
            if batch is None:
                batch = self._known[names, number] = batches.read(number)
                while len(self._known) > _KEPT_MAX:
                    self._known.popitem(last=False)
        return batch
