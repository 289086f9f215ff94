"""Tables of the pieces of a Parquet file: row groups, several small ones together, or parts of large ones.

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

from runengine.validation.bulk.table_pieces import PIECE_ROWS, Piece, Stretch, cut
from runengine.validation.readers.parquet import batch_rows

__all__ = ["READY_MAX", "Tables", "is_encoded", "pieces_of"]

READY_MAX: Final = 2
"""So many parts of row groups that were read on the way to others are kept."""

_PARTS_MAX: Final = 4
_HEADERS_BYTES: Final = 4096


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
    return cut(map(_stretch, map(metadata.row_group, range(metadata.num_row_groups))), piece_rows)


def _stretch(group: Any) -> Stretch:
    packed = sum(group.column(place).total_compressed_size for place in range(group.num_columns))
    return Stretch(group.num_rows, packed, group.total_byte_size, batch_rows(group))


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
