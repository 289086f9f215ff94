"""One document to rows and back, without a database; and what the rows cannot carry.

The losses are not declared, they are found: a document is split into rows, put together again, and compared. So
nothing is dropped in silence, whatever the reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from attrs import Factory, frozen

from runengine.core.parts import JSON
from runengine.dialects.kotlin_sql.tables import Array, Column, SqlType, Table
from runengine.dialects.limits import Loss
from runengine.dialects.wire import NotJSON, decode, encode

__all__ = ["Row", "Rows", "from_row", "legible", "losses", "to_rows"]

Row = tuple[Any, ...]
"""The cells of a row, in the order of the table's columns, then its `rowKey`."""

_LONG_MAX: Final = 2**63 - 1
_ZERO: Final[Mapping[SqlType, Any]] = {
    "text": "",
    "int": 0,
    "unsigned": 0,
    "long": 0,
    "decimal": 0.0,
    "boolean": True,  # the schema's default: the one required boolean, parallel_tool_calls, says so
    "blob": b"",
}


_CHANGES: Final[Mapping[tuple[type, type], str]] = {
    (str, dict): "a word that is not listed reads as an object",
    (dict, str): "an object whose type is a listed word reads as the word",
    (int, float): "a decimal reads as a float",
    (float, float): "a decimal has no such number",
    (str, str): "NUL and lone surrogates are replaced",
}
"""Why a value is not what it was, where it is not for being no value of its column."""


@frozen(kw_only=True)
class Rows:
    """Rows of some runs.

    Attributes:
        tables: By name of the table and `rowKey`.
        joins: By name of the join table and the owner's `rowKey`: the items, in order.

    Example:
        >>> Rows().tables["RunObject"]
        {}
    """

    tables: dict[str, dict[int, Row]] = Factory(lambda: defaultdict(dict))
    joins: dict[str, dict[int, list[Any]]] = Factory(lambda: defaultdict(dict))


def to_rows(document: Mapping[str, JSON], table: Table, keys: Iterator[int], rows: Rows) -> int:
    """Split a document into rows; what does not fit a column is stored as null.

    Args:
        document: A run, or an object inside one.
        table: Its table.
        keys: Fresh `rowKey`s.
        rows: Gets the rows.

    Returns:
        The `rowKey` of the document's own row.

    Raises:
        NotJSON: a free object holds what JSON does not have.

    Example:
        >>> from itertools import count
        >>> from runengine.dialects.kotlin_sql.tables import run_table
        >>> rows = Rows()
        >>> to_rows({"id": "run_1", "usage": {"total_tokens": 3}}, run_table(), count(1), rows)
        1
        >>> rows.tables["RunCompletionUsage"]
        {2: (0, 0, 3, 2)}
    """
    key = next(keys)
    cells = [_cell(document.get(column.name), column, keys, rows) for column in table.columns]
    rows.tables[table.name][key] = (*cells, key)
    for array in table.arrays:
        values = document.get(array.name)
        items = [_item(value, array, keys, rows) for value in values] if isinstance(values, list) else []
        if kept := [item for item in items if item is not None]:
            rows.joins[array.table][key] = kept
    return key


def from_row(row: Row, table: Table, rows: Rows) -> dict[str, JSON]:
    """Put a document together again. What cannot be understood is left as it stands in the cell.

    So a checker sees a number that names no row, or text in a column of integers, in the field that it spoils.

    Args:
        row: Its row.
        table: The row's table.
        rows: The rows it refers to.

    Example:
        >>> from runengine.dialects.kotlin_sql.tables import every_table, run_table
        >>> usage = next(t for t in every_table(run_table()) if t.name == "RunCompletionUsage")
        >>> from_row((1, 2, 3, 99), usage, Rows())
        {'completion_tokens': 1, 'prompt_tokens': 2, 'total_tokens': 3}
    """
    cells = dict(zip(table.names, row, strict=True))
    document: dict[str, JSON] = {}
    for member in table.members:
        if isinstance(member, Array):
            items = rows.joins[member.table].get(row[-1], ())
            document[member.name] = [_value_of_item(item, member, rows) for item in items]
            continue
        value = _value(cells[member.name], member, rows)
        if value is not None or not member.left_out:
            document[member.name] = value
    return document


def losses(before: JSON, after: JSON, keys: tuple[str | int, ...] = ()) -> Iterator[Loss]:
    """What differs between a document and the one that its rows make.

    Args:
        before: The document.
        after: What was read back.
        keys: The way to both.

    Example:
        >>> for loss in losses({"model": "o1", "seen": 1}, {"model": "o1", "usage": None}): print(loss.path, loss.why)
        seen there is no column for it
        usage left out, it reads as null
    """
    if type(before) is dict and type(after) is dict:
        for key, value in before.items():
            if key not in after:
                why = "there is no column for it" if value is not None else "null reads as left out"
                yield Loss((*keys, key), why)
            elif value is not after[key]:
                yield from losses(value, after[key], (*keys, key))
        for key, value in after.items():
            if key not in before:
                yield Loss((*keys, key), f"left out, it reads as {_shown(value)}")
    elif type(before) is list and type(after) is list and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from losses(one, other, (*keys, index))
    elif type(before) is not type(after) or before != after:
        plain = f"it does not fit its column and reads as {_shown(after)}"
        zero = before in (0, "") and after is None
        yield Loss(keys, "it stands for null" if zero else _CHANGES.get((type(before), type(after)), plain))


def _shown(value: JSON) -> str:
    return "null" if value is None else repr(value)


def _object(value: JSON, table: Table) -> JSON:
    """What has a row of its own; a bare word is kept as a type, and known again by being one of the words."""
    return {"type": value} if table.words and isinstance(value, str) else value


def _cell(value: JSON, column: Column, keys: Iterator[int], rows: Rows) -> Any:
    if column.refers is not None:
        value = _object(value, column.refers)
        cell = to_rows(value, column.refers, keys, rows) if isinstance(value, dict) else None
    else:
        cell = None if value is None else _STORE[column.type](value)
    return _ZERO[column.type] if cell is None and column.required else cell


def _item(value: JSON, array: Array, keys: Iterator[int], rows: Rows) -> Any:
    if array.items is None:
        return _text(value)
    return to_rows(value, array.items, keys, rows) if isinstance(value, dict) else None


def _value_of_item(item: Any, array: Array, rows: Rows) -> JSON:
    row = None if array.items is None else rows.tables[array.items.name].get(item)
    return legible(item) if row is None or array.items is None else from_row(row, array.items, rows)


def _value(cell: Any, column: Column, rows: Rows) -> JSON:
    if cell is None or (column.zero_is_null and cell in (0, "", b"")):
        return None
    table = column.refers
    if table is None:
        return _READ.get(column.type, legible)(cell)
    if cell == 0:
        return None
    row = rows.tables[table.name].get(cell)
    if row is None:
        return legible(cell)
    document = from_row(row, table, rows)
    return document["type"] if len(document) == 1 and document.get("type") in table.words else document


def _text(value: JSON) -> str | None:
    if not isinstance(value, str):
        return None
    if value.isascii() and "\0" not in value:
        return value
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()  # PostgreSQL's text has no NUL


def _whole(value: JSON) -> int | None:
    return value if type(value) is int and -_LONG_MAX <= value <= _LONG_MAX else None


def _count(value: JSON) -> int | None:
    return value if type(value) is int and 0 <= value <= _LONG_MAX else None


def _decimal(value: JSON) -> float | None:
    try:
        return float(value) if type(value) in (int, float) else None
    except OverflowError:
        return None


def _truth(value: JSON) -> bool | None:
    return value if isinstance(value, bool) else None


def legible(cell: Any) -> JSON:
    """A cell as it stands, as text where JSON has no such value.

    Example:
        >>> legible(7), legible(b"a"), legible({1})
        (7, 'a', '{1}')
    """
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "backslashreplace")
    if isinstance(cell, Decimal):
        return float(cell)
    return cell if cell is None or isinstance(cell, str | int | float | list | dict) else str(cell)


def _read_decimal(cell: Any) -> JSON:
    return float(cell) if type(cell) in (int, float, Decimal) else legible(cell)


def _read_truth(cell: Any) -> JSON:
    return bool(cell) if type(cell) is int and cell in (0, 1) else legible(cell)


def _read_blob(cell: Any) -> JSON:
    try:
        return decode(cell) if isinstance(cell, bytes | str) else legible(cell)
    except NotJSON:
        return legible(cell)


_STORE: Final[Mapping[SqlType, Callable[[JSON], Any]]] = {
    "text": _text,
    "int": _whole,
    "unsigned": _count,
    "decimal": _decimal,
    "boolean": _truth,
    "blob": encode,
}
_READ: Final[Mapping[SqlType, Callable[[Any], JSON]]] = {
    "decimal": _read_decimal,
    "boolean": _read_truth,
    "blob": _read_blob,
}
