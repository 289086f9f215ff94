"""A table in memory, checked by columns without a file: a row is one snapshot, as in Parquet and Arrow.

Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa

from runengine.validation.bulk import engine
from runengine.validation.bulk.coded import ARROW
from runengine.validation.bulk.compiled import Compiled
from runengine.validation.bulk.pools import Pool
from runengine.validation.bulk.table_pieces import PIECE_ROWS, Piece, Stretch, bytes_of, cut, united
from runengine.validation.bulk.table_source import TableSource, unfit
from runengine.validation.checker import Checker
from runengine.validation.findings import Violation
from runengine.validation.observations import Item, Unreadable
from runengine.validation.readers.columns import Plan, plan_of
from runengine.validation.readers.tables import row_items
from runengine.validation.summary import Options, Summary

__all__ = ["CheckedTable", "TableRows", "check_table", "source_of"]

_ITEMS_AT_ONCE: Final = 4096


class CheckedTable(NamedTuple):
    """What is found in a table.

    Attributes:
        violations: In the order of rows, and of codes within a row; a line is the number of a row, from 1.
        summary: What was counted.

    Example:
        >>> CheckedTable([], Summary()).summary.runs
        0
    """

    violations: list[Violation]
    summary: Summary


def check_table(
    table: Any, options: Options | None = None, *, name: str = "table", workers: int | None = None
) -> CheckedTable:
    """Check a table: `runengine check` of the same rows in a file says the same.

    Args:
        table: A table of pyarrow, or whatever pyarrow makes one of: a RecordBatchReader, a frame of Polars, DuckDB
            or pandas. Its columns are those of Parquet files that are checked; its values are believed to be valid.
        options: What records are held to.
        name: Stands in findings for the path.
        workers: How many pieces are looked at at a time; one for each core where None.

    Example:
        >>> texts = {"id": ["run_1"] * 2, "thread_id": ["t"] * 2, "status": ["completed", "queued"]}
        >>> times = {"created_at": [1_700_000_000] * 2, "started_at": [1_700_000_001, None]}
        >>> found = check_table(pa.table({**texts, **times}))
        >>> [(v.path, v.line, v.code) for v in found.violations], found.summary.observations
        ([('table', 2, 'RE103')], 2)
    """
    table, options = _table(table), options or Options()
    checker = Checker(options)
    source = source_of(table, options)
    if isinstance(source, TableSource) and not options.join:
        with Pool(workers) as pool:
            sifted = engine.sift(source, Compiled.of(options), pool, mostly=engine.MOSTLY)
            if sifted is not None:
                return CheckedTable([*engine.checked(checker, name, source, sifted, pool)], checker.summary)
    return CheckedTable([*checker.check(name, _items(table))], checker.summary)


def source_of(
    table: Any, options: Options, *, piece_rows: int = PIECE_ROWS, detailed: bool = False
) -> TableSource | str:
    """A table as a source of columns, or why it is none.

    Args:
        table: The same.
        options: What records are held to.
        piece_rows: About how many rows a piece has.
        detailed: Batches have their details.

    Example:
        >>> source_of(pa.table({"a": [1]}), Options())
        'no column of it is for a run'
    """
    table = _table(table)
    plan, problems = plan_of(ARROW, table.schema)
    why = unfit(plan, options)
    if why is not None or plan is None:
        return why or ""
    table = _first_of(table, plan)
    size = bytes_of(table.columns)
    stretch = Stretch(table.num_rows, size, size, 1)
    pieces = cut([stretch] if table.num_rows else [], piece_rows)
    return TableSource(TableRows(table, plan), options, plan=plan, problems=problems, pieces=pieces, detailed=detailed)


class TableRows:
    """The rows of a table in memory.

    Args:
        table: The columns of the plan.
        plan: What is read of it.

    Example:
        >>> table = pa.table({"id": ["a"], "status": ["queued"]})
        >>> plan, _ = plan_of(ARROW, table.schema)
        >>> (piece,) = cut([Stretch(1, 9, 9, 1)])
        >>> [item.line for item in TableRows(table, plan).items(piece)]
        [1]
    """

    def __init__(self, table: Any, plan: Plan) -> None:
        self._table, self._plan = table, plan

    def read(self, piece: Piece, names: Sequence[str]) -> Any:
        """As `Held.read`."""
        return united(self._table.select([*names]).slice(piece.row, piece.rows))

    def items(self, piece: Piece) -> Iterator[Item]:
        """As `Held.items`."""
        return _row_items(self._table.slice(piece.row, piece.rows), self._plan, piece.row)


def _table(table: Any) -> Any:
    return table if isinstance(table, pa.Table) else pa.table(table)


def _first_of(table: Any, plan: Plan) -> Any:
    """The columns of the plan; of two with one name the first."""
    names = table.schema.names
    return table.select(sorted(names.index(name) for name in plan.names))


def _items(table: Any) -> Iterator[Item]:
    """What the reader of rows yields of a table."""
    plan, problems = plan_of(ARROW, table.schema)
    yield from (Unreadable(line=0, problem=problem) for problem in problems)
    if plan is not None:
        yield from _row_items(_first_of(table, plan), plan, 0)


def _row_items(table: Any, plan: Plan, row: int) -> Iterator[Item]:
    for rows in table.to_batches(max_chunksize=_ITEMS_AT_ONCE):
        yield from row_items(ARROW, rows, plan, range(row + 1, row + 1 + rows.num_rows))
        row += rows.num_rows
