"""Pieces of a Parquet file: row groups, several small ones together, or parts of large ones; and their tables.

Parts of one row group are read one after another from one reader, whichever threads ask for them: what one of them
reads on the way is kept for the others, up to `READY_MAX` parts. Source: the Parquet format, `parquet.thrift`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Condition
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from attrs import evolve, frozen

from runengine.validation.readers.parquet import batch_rows

__all__ = ["PIECE_BYTES", "PIECE_ROWS", "READY_MAX", "Piece", "Tables", "is_encoded", "pieces_of"]

PIECE_ROWS: Final = 1 << 18
"""About so many rows are in a piece."""

PIECE_BYTES: Final = 64 * 1024 * 1024
"""A piece has no more than about so many bytes, as the footer counts them, unpacked."""

READY_MAX: Final = 2
"""So many parts of row groups that were read on the way to others are kept."""

_WHOLE: Final = 2
"""A row group of up to so many times the rows of a piece is not divided."""

_PARTS_MAX: Final = 4
_HEADERS_BYTES: Final = 4096


@frozen(kw_only=True)
class Piece:
    """Some rows of a file.

    Attributes:
        row: Its first row, from 0.
        rows: How many.
        bytes: About how many bytes they have, packed.
        group: Its first row group, from 0.
        groups: How many row groups it has; 0 where it stands for what is wrong with the columns.
        skip: Rows of the row group before it.
        step: Of a part of one row group: how many rows each part has but the last; 0 otherwise.

    Example:
        >>> Piece(row=0, rows=5, bytes=100, group=0, groups=1).skip
        0
    """

    row: int
    rows: int
    bytes: int
    group: int
    groups: int
    skip: int = 0
    step: int = 0


def pieces_of(metadata: Any, piece_rows: int = PIECE_ROWS) -> list[Piece]:
    """The pieces of a file.

    Args:
        metadata: Its footer.
        piece_rows: About how many rows each has.

    Example:
        >>> import io
        >>> out = io.BytesIO()
        >>> pq.write_table(pa.table({"id": [1] * 9}), out, row_group_size=4)
        >>> [(piece.row, piece.rows, piece.groups) for piece in pieces_of(pq.read_metadata(out), 8)]
        [(0, 8, 2), (8, 1, 1)]
    """
    made: list[Piece] = []
    row = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        rows, unpacked = group.num_rows, max(group.total_byte_size, 1)
        packed = sum(group.column(place).total_compressed_size for place in range(group.num_columns))
        most = max(1, min(piece_rows, PIECE_BYTES * rows // unpacked))
        last = made[-1] if made else None
        if last is not None and not last.step and last.rows + rows <= most:
            made[-1] = evolve(last, rows=last.rows + rows, bytes=last.bytes + packed, groups=last.groups + 1)
        elif rows <= _WHOLE * most:
            made.append(Piece(row=row, rows=rows, bytes=packed, group=number, groups=1))
        else:
            least = batch_rows(group)  # so damage in one part costs the reader of rows no row of another
            even = -(-rows // -(-rows // most))
            step = -(-even // least) * least
            for skip in range(0, rows, step):
                some = min(step, rows - skip)
                share = packed * some // rows
                made.append(Piece(row=row + skip, rows=some, bytes=share, group=number, groups=1, skip=skip, step=step))
        row += rows
    return made


def is_encoded(metadata: Any, name: str) -> bool:
    """Whether a column stands as dictionaries in all row groups: reading others as such takes three times as long.

    A writer gives a dictionary up where it becomes large, and does not say so; but then more bytes stand behind it than
    numbers into it could take.

    Args:
        metadata: The footer.
        name: The column, which is not nested.

    Example:
        >>> import io
        >>> out = io.BytesIO()
        >>> pq.write_table(pa.table({"id": ["a"]}), out, use_dictionary=False)
        >>> is_encoded(pq.read_metadata(out), "id")
        False
    """
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        chunk = next(c for c in map(group.column, range(group.num_columns)) if c.path_in_schema == name)
        if chunk.dictionary_page_offset is None:
            return False
        behind = chunk.total_compressed_size - (chunk.data_page_offset - chunk.dictionary_page_offset)
        if behind > group.num_rows * group.num_rows.bit_length() / 8 + _HEADERS_BYTES:
            return False
    return True


class _Part:
    """One row group, read on and on."""

    def __init__(self, file: Any, rows: int, batches: Iterator[Any]) -> None:
        self.row, self.rows = 0, rows
        self._file, self._batches = file, batches
        self._rest: list[Any] = []

    def take(self, rows: int) -> Any:
        """The next rows."""
        held = self._rest
        while sum(map(len, held)) < rows:
            batch = next(self._batches, None)
            if batch is None:
                raise ValueError("a row group has less rows than its footer says")
            held.append(batch)
        over = sum(map(len, held)) - rows
        last = held[-1]
        self._rest = [last.slice(len(last) - over)] if over else []
        held = [*held[:-1], last.slice(0, len(last) - over)]
        self.row += rows
        return pa.Table.from_batches(held)


class Tables:
    """Reads pieces of one file, for any number of threads.

    Args:
        path: The file.
        metadata: Its footer.
        texts: Columns that are read as dictionaries.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     pq.write_table(pa.table({"id": ["a", "b", "c"]}), file.name)
        ...     footer = pq.read_metadata(file.name)
        ...     tables = Tables(file.name, footer, ("id",))
        ...     [tables.read(piece, ["id"]).num_rows for piece in pieces_of(footer)]
        [3]
    """

    def __init__(self, path: str, metadata: Any, texts: Sequence[str]) -> None:
        self._path, self._metadata, self._texts = path, metadata, tuple(texts)
        self._changed = Condition()
        self._busy: set[tuple[Any, ...]] = set()
        self._parts: OrderedDict[tuple[Any, ...], _Part] = OrderedDict()
        self._ready: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def read(self, piece: Piece, names: Sequence[str]) -> Any:
        """The rows of a piece, every column in one piece.

        Args:
            piece: Which.
            names: Which columns.

        Raises:
            Exception: whatever the library raises where the file is damaged.
        """
        if piece.step:
            table = self._part(piece, tuple(names))
        else:
            groups = range(piece.group, piece.group + piece.groups)
            with self.opened() as file:
                table = file.read_row_groups([*groups], columns=[*names], use_threads=False)
        if any(column.num_chunks > 1 for column in table.columns):
            for column in table.columns:
                _check_numbers(column)
            table = table.unify_dictionaries().combine_chunks()
        if table.num_rows != piece.rows:
            raise ValueError("a row group has other rows than its footer says")
        return table

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """The file."""
        with pq.ParquetFile(self._path, metadata=self._metadata, read_dictionary=self._texts, pre_buffer=False) as file:
            yield file

    def _part(self, piece: Piece, names: tuple[str, ...]) -> Any:
        key = (names, piece.group)
        with self._changed:
            while (key, piece.skip) not in self._ready and key in self._busy:
                self._changed.wait()
            if (key, piece.skip) in self._ready:
                return self._ready.pop((key, piece.skip))
            self._busy.add(key)
            part = self._parts.pop(key, None)
        read: list[tuple[int, Any]] = []
        try:
            if part is None or part.row > piece.skip:
                part = self._begun(piece, names)
            while part.row < piece.skip:
                read.append((part.row, part.take(piece.step)))
                del read[:-READY_MAX]
            table = part.take(piece.rows)
        except BaseException:
            part = None
            raise
        finally:
            with self._changed:
                self._busy.discard(key)
                if part is not None:
                    self._keep(key, part, read)
                self._changed.notify_all()
        return table

    def _begun(self, piece: Piece, names: tuple[str, ...]) -> _Part:
        file = pq.ParquetFile(self._path, metadata=self._metadata, read_dictionary=self._texts, pre_buffer=False)
        batches = file.iter_batches(piece.step, row_groups=[piece.group], columns=[*names], use_threads=False)
        return _Part(file, self._metadata.row_group(piece.group).num_rows, batches)

    def _keep(self, key: tuple[Any, ...], part: _Part, read: list[tuple[int, Any]]) -> None:
        for row, table in read:
            self._ready[key, row] = table
        while len(self._ready) > READY_MAX:
            self._ready.popitem(last=False)
        if part.row < part.rows:
            self._parts[key] = part
        while len(self._parts) > _PARTS_MAX:
            self._parts.popitem(last=False)


def _check_numbers(column: Any) -> None:
    """Numbers that are none of a value are an error of the file, which uniting dictionaries would hide."""
    if pa.types.is_dictionary(column.type):
        for chunk in column.chunks:
            ends = pc.call_function("min_max", [chunk.indices])
            least, most = ends["min"].as_py(), ends["max"].as_py()
            if most is not None and not 0 <= least <= most < len(chunk.dictionary):
                raise IndexError("a number in a column of dictionaries is none of a value")
