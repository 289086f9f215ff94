"""What the columns of a table are for, and their values as JSON has them.

A table is one of two: a column for each field of the record (objects as structs, or as JSON text), or one column of
JSON text. Columns that are for neither belong to the table alone and are passed over. The library of the columns is
handed in, so that `tables.py` alone imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isnan
from typing import Any, Final, Literal

from attrs import frozen

from runengine.core import SECOND_US
from runengine.core.fields import FIELDS, WIRE_EXTRAS
from runengine.dialects.spellings import camel
from runengine.dialects.wire import NotJSON, decode
from runengine.validation.observations import Unreadable

__all__ = ["TEXTS", "Arrow", "Column", "Plan", "plan_of", "values_of"]

TEXTS: Final = ("data", "record", "json", "body", "payload")
"""Names of a column of JSON text, in the order they are looked for."""

_Form = Literal["text", "json", "document", "stamp", "integer", "number", "boolean", "nested", "microseconds"]

_FORMS: Final[dict[str, tuple[_Form, ...]]] = {
    "string": ("text",),
    "stamp": ("stamp", "text"),
    "integer": ("integer", "text"),
    "number": ("number", "text"),
    "boolean": ("boolean", "text"),
    "array": ("json", "nested"),
    "object": ("json", "nested"),
    "word or object": ("json", "nested"),
}
"""How the columns of each kind of field may be held; what is text there and should not be is for the rules."""

_EXTRA_KIND: Final = "word or object"
_ENVELOPE: Final[dict[str, tuple[str, tuple[_Form, ...]]]] = {
    "kind": ("kind", ("text",)),
    "event": ("event", ("text",)),
    "observed_at_us": ("observed_at", ("microseconds",)),
    "observed_at": ("observed_at", ("stamp",)),
    "http_date": ("http_date", ("text",)),
}
_BESIDE_TEXT: Final[dict[str, tuple[str, tuple[_Form, ...]]]] = {
    "http_status": ("http_status", ("integer",)),
    "run_id": ("run_id", ("text",)),
    "thread_id": ("thread_id", ("text",)),
}
_CAMEL: Final = {camel(name): name for name in (*FIELDS, *WIRE_EXTRAS)}
_PER_SECOND: Final = {"s": 1, "ms": 1000, "us": SECOND_US, "ns": 1000 * SECOND_US}
_NAMED: Final = 12


@frozen(kw_only=True)
class Arrow:
    """The library of the columns.

    Attributes:
        pa: The module pyarrow.
        pq: Its module for Parquet.

    Example:
        >>> import pyarrow, pyarrow.parquet
        >>> Arrow(pa=pyarrow, pq=pyarrow.parquet).is_text(pyarrow.large_string())
        True
    """

    pa: Any
    pq: Any

    @property
    def broken(self) -> tuple[type[Exception], ...]:
        """What it raises where a file is damaged, or too large to be read."""
        plain = (OSError, ValueError, TypeError, LookupError, MemoryError, NotImplementedError, OverflowError)
        return (self.pa.ArrowException, *plain, RecursionError)

    def stored(self, kind: Any) -> Any:
        """The type without what was added to it: an extension, a dictionary."""
        while True:
            if isinstance(kind, self.pa.BaseExtensionType):
                kind = kind.storage_type
            elif self.pa.types.is_dictionary(kind):
                kind = kind.value_type
            else:
                return kind

    def is_text(self, kind: Any) -> bool:
        """Whether a type is text, or bytes that may be text."""
        return self._is(kind, "string", "large_string", "string_view", "binary", "large_binary", "binary_view")

    def as_bytes(self, array: Any) -> Any:
        """An array of text as one of bytes; any other as it is."""
        pa, kind = self.pa, array.type
        kinds = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}
        return array.view(kinds[kind]) if kind in kinds else array

    def takes(self, form: _Form, kind: Any) -> bool:
        """Whether values of a type can be had in a form."""
        kind = self.stored(kind)
        if self._is(kind, "null"):
            return True
        if form in ("text", "json", "document"):
            return self.is_text(kind)
        if form == "nested":
            return self._is(kind, "struct", "map", "list", "large_list", "fixed_size_list")
        if form == "boolean":
            return self._is(kind, "boolean")
        if form == "stamp":
            return self._is(kind, "integer", "floating", "timestamp")
        return self._is(kind, "integer", "floating") or (form == "number" and self._is(kind, "decimal"))

    def _is(self, kind: Any, *names: str) -> bool:
        kind, types = self.stored(kind), self.pa.types
        return any(getattr(types, f"is_{name}", lambda _kind: False)(kind) for name in names)


@frozen
class Column:
    """A column that is read.

    Attributes:
        column: Its name in the table.
        name: The key it is for.
        form: How its values are to be had.

    Example:
        >>> Column("run_id", "id", "text").name
        'id'
    """

    column: str
    name: str
    form: _Form


@frozen(kw_only=True)
class Plan:
    """What is read of a table.

    Attributes:
        fields: Columns of the record, or the one of whole records.
        envelope: Columns of what was said around it.
        is_whole: There is one column of whole records.
        columns: The fields there are columns for; None where the records are whole.

    Example:
        >>> Plan(fields=(Column("data", "data", "document"),), envelope=(), is_whole=True, columns=None).names
        ['data']
    """

    fields: tuple[Column, ...]
    envelope: tuple[Column, ...]
    is_whole: bool
    columns: frozenset[str] | None

    @property
    def names(self) -> list[str]:
        """The columns, each once."""
        return list(dict.fromkeys(each.column for each in (*self.fields, *self.envelope)))


def plan_of(arrow: Arrow, schema: Any) -> tuple[Plan | None, list[str]]:
    """What to read of a table, or None where no column is for a run; and what is wrong with its columns.

    Args:
        arrow: The library.
        schema: Names and types of the columns; of two with one name the first counts.

    Example:
        >>> import pyarrow as pa, pyarrow.parquet as pq
        >>> plan, _ = plan_of(Arrow(pa=pa, pq=pq), pa.schema({"run_id": pa.string(), "status": pa.string()}))
        >>> sorted(plan.columns)
        ['id', 'status']
    """
    types = {each.name: each.type for each in reversed(list(schema))}
    problems: list[str] = []
    identified = any(name in types for name in ("id", "run_id"))
    if not (identified and "status" in types and arrow.is_text(types["status"])):
        whole = _whole(arrow, types, problems)
        if whole is not None:
            return whole, problems
        if not identified or "status" not in types:
            expected = f"run_id (or id) and status, or JSON text in {', '.join(TEXTS[:-1])} or {TEXTS[-1]}"
            found = ", ".join(repr(name[:40]) for name in list(reversed(types))[:_NAMED])
            return None, [f"no column of this table is for a run: expected {expected}; found {found or 'none'}"]
    wanted = {name: _key(name, types) for name in types}
    fields = [
        made
        for name, key in wanted.items()
        if key is not None and (made := _column(arrow, name, key[0], _FORMS[key[1]], types[name], problems))
    ]
    columns = frozenset(_CAMEL.get(each.name, each.name) for each in fields)
    envelope = _beside(arrow, types, _ENVELOPE, problems)
    return Plan(fields=tuple(fields), envelope=envelope, is_whole=False, columns=columns), problems


def _whole(arrow: Arrow, types: dict[str, Any], problems: list[str]) -> Plan | None:
    for name in TEXTS:
        if name in types and (arrow.is_text(types[name]) or arrow.takes("nested", types[name])):
            break
    else:
        return None
    kind = arrow.stored(types[name])
    is_struct = arrow.pa.types.is_struct(kind)
    children = [str(each.name) for each in kind] if is_struct else []
    columns = frozenset(_CAMEL.get(each, each) for each in children) if is_struct else None
    column = Column(name, "data", "document" if arrow.is_text(kind) else "nested")
    envelope = _beside(arrow, types, {**_ENVELOPE, **_BESIDE_TEXT}, problems)
    return Plan(fields=(column,), envelope=envelope, is_whole=True, columns=columns)


def _key(name: str, types: dict[str, Any]) -> tuple[str, str] | None:
    """The key a column is for, and the kind of field."""
    if name == "run_id" and "id" not in types:
        return "id", FIELDS["id"].kind
    plain = name if name in FIELDS or name in WIRE_EXTRAS else _CAMEL.get(name)
    if plain is None:
        return None
    return name, FIELDS[plain].kind if plain in FIELDS else _EXTRA_KIND


def _beside(
    arrow: Arrow, types: dict[str, Any], known: dict[str, tuple[str, tuple[_Form, ...]]], problems: list[str]
) -> tuple[Column, ...]:
    made: dict[str, Column] = {}
    for name, (key, forms) in known.items():
        if name in types and key not in made and (column := _column(arrow, name, key, forms, types[name], problems)):
            made[key] = column
    return tuple(made.values())


def _column(arrow: Arrow, name: str, key: str, forms: Iterable[_Form], kind: Any, problems: list[str]) -> Column | None:
    for form in forms:
        if arrow.takes(form, kind):
            return Column(name, key, form)
    expected = {"json": "JSON text", "nested": "structs or lists", "stamp": "whole seconds or timestamps"}
    words = " or ".join(expected.get(form, form) for form in forms if form != "text" or key not in FIELDS)
    problems.append(f"the column {name[:40]!r} is of type {str(kind)[:80]} and is not read: expected {words or 'text'}")
    return None


def values_of(arrow: Arrow, array: Any, column: Column) -> list[Any]:
    """The values of a column as JSON has them; None for null and for what is no number.

    Args:
        arrow: The library.
        array: The column.
        column: What it is for.

    Example:
        >>> import pyarrow as pa, pyarrow.parquet as pq
        >>> arrow, stamps = Arrow(pa=pa, pq=pq), pa.array([1_700_000_000_000, None], pa.timestamp("ms"))
        >>> values_of(arrow, stamps, Column("created_at", "created_at", "stamp"))
        [1700000000, None]
    """
    if isinstance(array.type, arrow.pa.BaseExtensionType):
        array = array.storage
    if arrow.pa.types.is_dictionary(array.type):
        places = array.indices.to_pylist()
        used = sorted({place for place in places if place is not None})
        kept = array.dictionary.take(arrow.pa.array(used, arrow.pa.int64()))
        by_place = dict(zip(used, values_of(arrow, kept, column), strict=True))
        return [None if place is None else by_place[place] for place in places]
    if column.form in ("text", "json", "document"):
        return [_OF_TEXT[column.form](text) for text in _texts(arrow, array)]
    if arrow.pa.types.is_timestamp(array.type):
        per_s = _PER_SECOND[array.type.unit]
        return [_seconds(count, per_s) for count in array.cast(arrow.pa.int64()).to_pylist()]
    if column.form == "nested":
        kind = array.type
        return [_tidy(arrow, kind, value) for value in array.to_pylist()]
    values = array.to_pylist()
    if arrow.pa.types.is_decimal(array.type):
        return [None if v is None else float(v) for v in values]
    if column.form == "microseconds":
        return [None if v is None or v != v else v / SECOND_US for v in values]
    if values and arrow.pa.types.is_floating(array.type):
        # A whole number and null in one column are floats and NaN to many who write tables.
        whole = column.form != "number"
        return [None if v is None or isnan(v) else int(v) if whole and v.is_integer() else v for v in values]
    return list(values)


def _seconds(count: int | None, per_s: int) -> float | None:
    if count is None:
        return None
    whole, rest = divmod(count, per_s)
    return count / per_s if rest else whole


def _texts(arrow: Arrow, array: Any) -> list[str | None]:
    try:
        values = array.to_pylist()
    except UnicodeDecodeError:
        values = arrow.as_bytes(array).to_pylist()
    return [v.decode("utf-8", "backslashreplace") if isinstance(v, bytes) else v for v in values]


def _json_or_text(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return decode(text)
    except NotJSON:
        return text


def _document(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return decode(text)
    except NotJSON as error:
        return Unreadable(line=0, problem=f"not JSON: {error.problem}", found=text[:80])


_OF_TEXT: Final[dict[str, Callable[[str | None], Any]]] = {
    "text": lambda text: text,
    "json": _json_or_text,
    "document": _document,
}


def _tidy(arrow: Arrow, kind: Any, value: Any) -> Any:
    """A nested value as JSON: a key whose value is null is left out, as a struct has all its keys in every row."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return None if isnan(value) else value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    kind, types = arrow.stored(kind), arrow.pa.types
    if types.is_struct(kind):
        inside = {each.name: each.type for each in kind}
        return {key: _tidy(arrow, inside[key], each) for key, each in value.items() if each is not None}
    if types.is_map(kind):
        return {str(key): _tidy(arrow, kind.item_type, each) for key, each in value}
    if isinstance(value, list):
        return [_tidy(arrow, kind.value_type, each) for each in value]
    return str(value)
