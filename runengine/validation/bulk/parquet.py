"""A Parquet file with a column for each field, as a source of the bulk engine.

Source: DESIGN §5 (Volume); the Parquet format.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from runengine.validation.bulk.coded import ARROW
from runengine.validation.bulk.row_groups import Tables, is_encoded, pieces_of
from runengine.validation.bulk.table_pieces import PIECE_ROWS, Piece
from runengine.validation.bulk.table_source import TableSource, unfit, unopened
from runengine.validation.observations import Item, Unreadable
from runengine.validation.readers.columns import Plan, plan_of
from runengine.validation.readers.parquet import group_items, open_table
from runengine.validation.summary import Options

__all__ = ["ParquetRows", "sievable"]

_MAGIC: Final = b"PAR1"
_WORDS_MAX: Final = 100


def sievable(path: str, options: Options, *, piece_rows: int = PIECE_ROWS, detailed: bool = False) -> TableSource | str:
    """A file as a source of columns, or why it is none: whole files are then left to the reader of rows.

    Args:
        path: The file.
        options: What records are held to.
        piece_rows: About how many rows a piece has.
        detailed: Batches have their details.

    Example:
        >>> sievable("/nowhere.parquet", Options())
        'it cannot be opened: No such file or directory'
    """
    try:
        with Path(path).open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return "it is packed, encrypted, or no Parquet file"
        metadata = pq.read_metadata(path)
        schema = metadata.schema.to_arrow_schema()
        plan, problems = plan_of(ARROW, schema)
        pieces = pieces_of(metadata, piece_rows)
    except ARROW.broken as error:
        return unopened(error)
    why = unfit(plan, options)
    if why is not None or plan is None:
        return why or ""
    why = _why_not(plan, schema, metadata)
    if why is not None:
        return why
    held = ParquetRows(path, metadata, plan)
    return TableSource(held, options, plan=plan, problems=problems, pieces=pieces, detailed=detailed)


def _why_not(plan: Plan, schema: Any, metadata: Any) -> str | None:
    twice = next((name for name in plan.names if schema.names.count(name) > 1), None)
    if twice is not None:
        return f"it has two columns {twice[:40]!r}"
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    if any(group.num_rows < 0 for group in groups) or sum(group.num_rows for group in groups) != metadata.num_rows:
        return "its footer contradicts itself"
    return None


class ParquetRows(Tables):
    """The rows of a file.

    Args:
        path: The file.
        metadata: Its footer.
        plan: What is read of it.

    Example:
        >>> import pyarrow as pa, tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     pq.write_table(pa.table({"id": ["a"], "status": ["queued"]}), file.name)
        ...     footer = pq.read_metadata(file.name)
        ...     plan, _ = plan_of(ARROW, footer.schema.to_arrow_schema())
        ...     rows, (piece,) = ParquetRows(file.name, footer, plan), pieces_of(footer)
        ...     [item.line for item in rows.items(piece)]
        [1]
    """

    def __init__(self, path: str, metadata: Any, plan: Plan) -> None:
        schema = metadata.schema.to_arrow_schema()
        ids = [each.column for each in plan.fields if each.name in ("id", "thread_id")]
        plain = [name for name in ids if not is_encoded(metadata, name)]
        texts = [each.name for each in schema if ARROW.is_text(each.type) and each.name not in plain]
        super().__init__(path, metadata, texts)
        self._plan = plan

    def items(self, piece: Piece) -> Iterator[Item]:
        """Items of a piece from the reader of rows: up to the damage, and what is wrong."""
        first = piece.row - piece.skip + 1
        try:
            file = Path(self._path).open("rb")  # noqa: SIM115 - closed below, where it is a table
            opened = open_table(ARROW, file)
        except ARROW.broken as error:
            said = " ".join(str(error).split())[:_WORDS_MAX]
            yield Unreadable(line=piece.row + 1, problem=f"the file has changed since its footer was read ({said})")
            return
        with file:
            for number in range(piece.group, piece.group + piece.groups):
                after = first + self._metadata.row_group(number).num_rows
                is_last = not piece.step or piece.row + piece.rows + 1 == after
                for item in group_items(ARROW, opened, self._plan, number, first):
                    if not is_last and item.line > piece.row + piece.rows:
                        break
                    if item.line > piece.row:
                        yield item
                first = after
