"""Pieces of a table in a file or in memory: parts that are read at once, several small ones together, large ones cut.

What is read at once is a row group of Parquet, a record batch of Arrow, or a chunk. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import pyarrow as pa
from attrs import evolve, frozen

from runengine.validation.bulk.coded import ARROW

__all__ = ["PIECE_BYTES", "PIECE_ROWS", "Piece", "Stretch", "bytes_of", "cut", "united"]

PIECE_ROWS: Final = 1 << 18
"""About so many rows are in a piece."""

PIECE_BYTES: Final = 64 * 1024 * 1024
"""A piece has no more than about so many bytes, unpacked, as far as that is known."""

_WHOLE: Final = 2
"""What has up to so many times the rows of a piece is not cut."""


@frozen(kw_only=True)
class Piece:
    """Some rows of a table.

    Attributes:
        row: Its first row, from 0.
        rows: How many.
        bytes: About how many bytes they have, packed.
        group: The first row group or record batch, from 0.
        groups: How many of them it has; 0 where it stands for what is wrong with the columns.
        skip: Rows of the group before it.
        step: Of a part of one group: how many rows each part has but the last; 0 otherwise.

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


class Stretch(NamedTuple):
    """What is read at once of a file.

    Attributes:
        rows: How many rows it has.
        packed: How many bytes.
        unpacked: How many when it is read.
        least: A part of it has a multiple of so many rows: damage in one part then costs the reader of rows no row of
            another.

    Example:
        >>> Stretch(10, 100, 400, 4096).rows
        10
    """

    rows: int
    packed: int
    unpacked: int
    least: int


def cut(stretches: Iterable[Stretch], piece_rows: int = PIECE_ROWS) -> list[Piece]:
    """The pieces of a file.

    Args:
        stretches: What is read at once, in order.
        piece_rows: About how many rows a piece has.

    Example:
        >>> small, large = Stretch(4, 9, 9, 2), Stretch(30, 9, 9, 2)
        >>> [(piece.row, piece.rows, piece.groups) for piece in cut([small, small, large], 8)]
        [(0, 8, 2), (8, 8, 1), (16, 8, 1), (24, 8, 1), (32, 6, 1)]
    """
    made: list[Piece] = []
    row = 0
    for number, (rows, packed, unpacked, least) in enumerate(stretches):
        most = max(1, min(piece_rows, PIECE_BYTES * rows // max(unpacked, 1)))
        last = made[-1] if made else None
        if last is not None and not last.step and last.rows + rows <= most:
            made[-1] = evolve(last, rows=last.rows + rows, bytes=last.bytes + packed, groups=last.groups + 1)
        elif rows <= _WHOLE * most:
            made.append(Piece(row=row, rows=rows, bytes=packed, group=number, groups=1))
        else:
            even = -(-rows // -(-rows // most))
            step = -(-even // least) * least
            for skip in range(0, rows, step):
                some = min(step, rows - skip)
                share = packed * some // rows
                made.append(Piece(row=row + skip, rows=some, bytes=share, group=number, groups=1, skip=skip, step=step))
        row += rows
    return made


def united(table: Any) -> Any:
    """A table with every column in one chunk, and text in one place: of views little can be made.

    Args:
        table: Some rows; their values are valid.

    Raises:
        Exception: whatever the library raises where it cannot (`Arrow.broken`).

    Example:
        >>> views = pa.chunked_array([["a"], ["b"]], pa.string_view())
        >>> str(united(pa.table({"id": views})).column("id").chunk(0).type)
        'large_string'
    """
    for place, column in enumerate(table.columns):
        if _is_view(column.type):
            chunks = [_unviewed(chunk) for chunk in column.chunks]
            kind = _unviewed(pa.nulls(0, column.type)).type
            table = table.set_column(place, table.schema.names[place], pa.chunked_array(chunks, kind))
    if any(column.num_chunks > 1 for column in table.columns):
        table = table.unify_dictionaries().combine_chunks()
    return table


def bytes_of(columns: Iterable[Any]) -> int:
    """How many bytes columns have; dictionaries, which many share, are not counted.

    Args:
        columns: Arrays, in one chunk or several.

    Example:
        >>> bytes_of([pa.array(["a" * 100] * 3).dictionary_encode(), pa.array([1, 2, 3])])
        36
    """
    chunks = (chunk for column in columns for chunk in getattr(column, "chunks", (column,)))
    return sum((chunk.indices if pa.types.is_dictionary(chunk.type) else chunk).nbytes for chunk in chunks)


def _is_view(kind: Any) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return kind in (pa.string_view(), pa.binary_view())


def _unviewed(array: Any) -> Any:
    kind = array.type
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(array.indices, _unviewed(array.dictionary), safe=False)
    held = ARROW.as_bytes(array).cast(pa.large_binary())  # what is said to be text may be any bytes
    return held.view(pa.large_string()) if kind == pa.string_view() else held
