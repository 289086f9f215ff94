"""The tables of the ktorm document as data, derived from the field table and the record classes.

The rules are the generator's (FACTS §8), read off its own output for G6 and G14: columns in the order of the schema
with optional ones last, `required` is NOT NULL and null is 0 or '', an object is a `long` that names a row of another
table, an array is a join table, a free object is a blob, a limited integer is unsigned.
Where its DDL is no SQL, or nothing could be found by it (FACTS C25), there is more: `rowKey`, which every `long` refers
to, and `position` in a join table, which is the place in the array.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from attrs import Factory, field, fields, frozen

from runengine.core import parts
from runengine.core.fields import FIELDS, Field
from runengine.core.generations import LATEST
from runengine.core.parts import Part
from runengine.core.words import WORDS
from runengine.errors import DialectError

__all__ = ["DOCUMENT", "POSITION", "ROW_KEY", "Array", "Column", "SqlType", "Table", "every_table", "run_table"]

DOCUMENT: Final = 6
"""The generation the document was generated from; there are tables for it and all later ones."""

ROW_KEY: Final = "rowKey"
"""The added column that the `long` columns of other tables refer to; 0 there is no row."""

POSITION: Final = "position"
"""The added column of a join table: the place in the array, from 0."""

SqlType = Literal["text", "int", "unsigned", "long", "decimal", "boolean", "blob"]
"""The type of a column, as the document spells it (`int UNSIGNED` is "unsigned")."""


@frozen(kw_only=True)
class Column:
    """A column that the document has.

    Attributes:
        name: Of the column and of the field.
        type: As the document spells it.
        required: NOT NULL.
        zero_is_null: 0, '' or no bytes stand for null, as the field may be null and the column not.
        left_out: SQL's NULL reads as a key that is not there, not as null.
        refers: The table of the row it names, for a `long`.

    Example:
        >>> run_table().columns[2]
        Column(name='created_at', type='int', required=True, zero_is_null=False, left_out=False, refers=None)
    """

    name: str
    type: SqlType
    required: bool
    zero_is_null: bool = False
    left_out: bool = False
    refers: Table | None = None


@frozen(kw_only=True)
class Array:
    """A field that has a join table in place of a column.

    Attributes:
        name: Of the field.
        table: Of the join table.
        owner: Its column that names the row which has the array.
        item: Its column that names the element's row, or holds the element itself.
        items: The table of the elements, or None for text.

    Example:
        >>> [(a.table, a.owner, a.item) for a in run_table().arrays if a.name == "file_ids"]
        [('RunObjectFileIds', 'runObject', 'fileIds')]
    """

    name: str
    table: str
    owner: str
    item: str
    items: Table | None


@frozen(kw_only=True)
class Table:
    """A table for the objects of one class.

    Attributes:
        name: As the generator names it.
        members: What an object has, in its own order.
        words: Bare words that may stand in place of an object, and are kept in `type`.
        columns: The document's columns, in its order.
        names: Of all columns: these and `rowKey`.
        arrays: The members that have a join table.

    Example:
        >>> [column.name for column in run_table().columns][:3]
        ['id', 'object', 'created_at']
    """

    name: str
    members: tuple[Column | Array, ...]
    words: frozenset[str] = frozenset()
    columns: tuple[Column, ...] = field(init=False, repr=False, default=Factory(lambda t: _columns(t), takes_self=True))
    names: tuple[str, ...] = field(init=False, repr=False, default=Factory(lambda t: _names(t), takes_self=True))
    arrays: tuple[Array, ...] = field(init=False, repr=False, default=Factory(lambda t: _arrays(t), takes_self=True))


def _columns(table: Table) -> tuple[Column, ...]:
    own = [member for member in table.members if isinstance(member, Column)]
    return tuple(sorted(own, key=lambda column: not column.required))


def _names(table: Table) -> tuple[str, ...]:
    return (*(column.name for column in table.columns), ROW_KEY)


def _arrays(table: Table) -> tuple[Array, ...]:
    return tuple(member for member in table.members if isinstance(member, Array))


_NAMES: Final[Mapping[type[Part], str]] = {
    parts.RequiredAction: "RunObject_required_action",
    parts.SubmitToolOutputs: "RunObject_required_action_submit_tool_outputs",
    parts.ToolCall: "RunToolCallObject",
    parts.FunctionCall: "RunToolCallObject_function",
    parts.LastError: "RunObject_last_error",
    parts.IncompleteDetails: "RunObject_incomplete_details",
    parts.Usage: "RunCompletionUsage",
    parts.Tool: "AssistantObject_tools_inner",
    parts.FunctionDefinition: "FunctionObject",
    parts.FileSearchOptions: "AssistantToolsFileSearch_file_search",
    parts.RankingOptions: "FileSearchRankingOptions",
    parts.TruncationStrategy: "TruncationObject",
    parts.ToolChoice: "AssistantsApiToolChoiceOption",
    parts.FunctionName: "AssistantsNamedToolChoice_function",
    parts.ResponseFormat: "AssistantsApiResponseFormatOption",
    parts.JsonSchemaFormat: "ResponseFormatJsonSchema_json_schema",
}

_NEVER: Final = LATEST.number + 1

_FIRST: Final[Mapping[tuple[type[Part], str], int]] = {
    (parts.RequiredAction, "submit_tool_approval"): _NEVER,  # Azure's own (FACTS §2.1)
    (parts.Tool, "file_search"): 9,
    (parts.FileSearchOptions, "ranking_options"): 11,
    (parts.FunctionDefinition, "strict"): 11,
    (parts.ResponseFormat, "json_schema"): 11,
}
"""The generation during which a key was published (FACTS §2.7, §2.8), for those that are younger than G6."""

_REQUIRED: Final[Mapping[tuple[type[Part], str], int]] = {
    (parts.RequiredAction, "submit_tool_outputs"): DOCUMENT,
    (parts.Tool, "function"): DOCUMENT,  # of the one tool type that has it; the generator merges them all
    (parts.RankingOptions, "score_threshold"): 11,
    (parts.ResponseFormat, "type"): 11,
    (parts.ResponseFormat, "json_schema"): 11,  # as function above
}
"""The generation from which a key that a record may lack is a NOT NULL column."""

_UNSIGNED: Final = frozenset({"last_messages", "max_num_results"})
_TYPES: Final[Mapping[Any, SqlType]] = {str: "text", int: "int", float: "decimal", bool: "boolean", Mapping: "blob"}


def run_table(generation: int = DOCUMENT) -> Table:
    """The table `RunObject`, with every other one that its rows refer to.

    Args:
        generation: 6, which is the document's, or a later one.

    Raises:
        DialectError: there are no tables for that generation.

    Example:
        >>> [column.name for column in run_table(10).columns][-2:]
        ['temperature', 'top_p']
    """
    if not DOCUMENT <= generation <= LATEST.number:
        raise DialectError(f"kotlin-sql: no tables for G{generation}: there are G{DOCUMENT} to {LATEST.name}")
    return _run_table(generation)


def every_table(table: Table) -> Iterator[Table]:
    """A table and all those its rows refer to, each once.

    Example:
        >>> len(list(every_table(run_table())))
        14
    """
    yield table
    for member in table.members:
        inner = member.refers if isinstance(member, Column) else member.items
        if inner is not None:
            yield from every_table(inner)


@cache
def _run_table(generation: int) -> Table:
    own = [f for f in FIELDS.values() if f.declared_in(generation)]
    return Table(name="RunObject", members=tuple(_run_member(f, generation) for f in own))


def _run_member(f: Field, generation: int) -> Column | Array:
    inner = None
    if f.part is not None:
        words = WORDS[f.name].words if f.kind == "word or object" else ()
        inner = _part_table(getattr(parts, f.part), generation, frozenset(word.text for word in words))
    if f.kind == "array":
        return _array("RunObject", f.name, inner)
    plain: dict[str, SqlType] = {
        "string": "text",
        "stamp": "int",
        "integer": "int" if f.minimum is None else "unsigned",
        "number": "decimal",
        "boolean": "boolean",
        "object": "blob",
    }
    return Column(
        name=f.name,
        type="long" if inner else plain[f.kind],
        required=not f.optional,
        zero_is_null=not f.optional and f.nullable_in(generation),
        refers=inner,
    )


def _part_table(part: type[Part], generation: int, words: frozenset[str] = frozenset()) -> Table:
    hints = get_type_hints(part)
    left_out: frozenset[str] = fields(part).absent.default or frozenset()
    names = [a.name for a in fields(part) if a.name not in ("extra", "absent")]
    own = [name for name in names if _FIRST.get((part, name), 0) <= generation]
    members = tuple(_part_member(part, name, hints[name], name in left_out, generation) for name in own)
    return Table(name=_NAMES[part], members=members, words=words)


def _part_member(part: type[Part], name: str, hint: Any, left_out: bool, generation: int) -> Column | Array:
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    (of,) = (option for option in options if option is not NoneType)
    if get_origin(of) is tuple:
        return _array(_NAMES[part], name, _part_table(get_args(of)[0], generation))
    inner = _part_table(of, generation) if isinstance(of, type) and issubclass(of, Part) else None
    type_: SqlType = "unsigned" if name in _UNSIGNED else _TYPES.get(get_origin(of) or of, "long")
    required = NoneType not in options or generation >= _REQUIRED.get((part, name), _NEVER)
    return Column(name=name, type=type_, required=required, left_out=left_out, refers=inner)


def _array(owner: str, name: str, items: Table | None) -> Array:
    first, second = _camel(owner), _camel(items.name if items else f"_{name}")
    return Array(name=name, table=first + second, owner=_lowered(first), item=_lowered(second), items=items)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _lowered(name: str) -> str:
    return name[0].lower() + name[1:]
