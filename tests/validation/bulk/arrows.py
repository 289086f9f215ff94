"""Tables as Arrow files and streams, in batches of any size, packed or not, with or without dictionaries."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import pytest

pa = pytest.importorskip("pyarrow")

__all__ = ["PACKED", "Packed", "coded", "offsets_in", "viewed", "write_arrow"]

Packed = Literal["lz4", "zstd"] | None
"""How the bodies of record batches are packed."""

PACKED: Final[tuple[Packed, ...]] = (None, "lz4", "zstd")


def write_arrow(
    table: Any, where: Any, rows: int = 8, packed: Packed = None, *, deltas: bool = False, stream: bool = False
) -> None:
    """Write a table.

    Args:
        table: The table.
        where: A path, or a file.
        rows: Rows in a record batch, at most.
        packed: How its batches are.
        deltas: Dictionaries may grow from batch to batch.
        stream: As a stream.
    """
    options = pa.ipc.IpcWriteOptions(compression=packed, emit_dictionary_deltas=deltas)
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(str(where) if isinstance(where, Path) else where, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)


def coded(table: Any) -> Any:
    """The same with columns of text as dictionaries, each batch of which has its own values, and twins among them."""
    made = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        plain = column.combine_chunks()
        plain = plain.chunk(0) if isinstance(plain, pa.ChunkedArray) else plain
        if pa.types.is_string(plain.type):
            values = pa.concat_arrays([plain, plain])  # every value is there twice, null among them
            places = [number + len(plain) * (number % 2) for number in range(len(plain))]
            made[name] = pa.DictionaryArray.from_arrays(pa.array(places, pa.int16()), values)
        else:
            made[name] = plain
    return pa.table(made)


def viewed(table: Any) -> Any:
    """The same with columns of text and bytes as views."""
    kinds = {pa.string(): pa.string_view(), pa.large_string(): pa.string_view(), pa.binary(): pa.binary_view()}
    return table.cast(pa.schema([(each.name, kinds.get(each.type, each.type)) for each in table.schema]))


def offsets_in(data: bytes, batch: int, column: str) -> int:
    """Where in a file that is not packed the offsets of a column of text are, which have four bytes each."""
    held = pa.py_buffer(data)
    offsets = pa.ipc.open_file(held).get_batch(batch).column(column).buffers()[1]
    return int(offsets.address - held.address)
