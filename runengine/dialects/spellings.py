"""The spelling table: one row for each field of the run and of what is inside it, one column for each SDK document.

A column says how the SDK calls the field in memory, with which type, and whether its document calls it optional. On
the wire all of them use the API's own keys, but for `typescript-instance` (what `JSON.stringify` makes of an instance)
and the arrays of `kotlin-sql`, which are join tables. Source: FACTS §7 (Azure), §8 and the five published documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

from runengine.core import parts
from runengine.core.fields import FIELDS
from runengine.core.generations import LATEST
from runengine.core.parts import Part
from runengine.core.records import RunObject
from runengine.core.slots import slots_of
from runengine.core.statuses import STATUSES

__all__ = ["COLUMNS", "NESTED_FIRST", "SPELLINGS", "WORD_SPELLINGS", "Spelling", "camel"]

COLUMNS: Final = ("ruby", "julia", "dart", "typescript", "typescript-instance", "kotlin-sql", "azure")
"""The columns; `native` spells every field as the API does."""

_CAMEL: Final = ("dart", "typescript", "typescript-instance", "kotlin-sql")
_RESERVED: Final = {
    "dart": {"function": "function_"},
    "typescript": {"function": "_function"},
    "typescript-instance": {"function": "_function"},
}
_APPROVAL: Final = "submit_tool_approval"  # Azure's own (FACTS §2.1): no generated document has it

_TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "string": {"ruby": "String", "julia": "String", "dart": "String", "typescript": "string", "kotlin-sql": "text"},
    "stamp": {"ruby": "Integer", "julia": "Int64", "dart": "int", "typescript": "number", "kotlin-sql": "int"},
    "integer": {"ruby": "Integer", "julia": "Int64", "dart": "int", "typescript": "number", "kotlin-sql": "int"},
    "number": {"ruby": "Float", "julia": "Float64", "dart": "num", "typescript": "number", "kotlin-sql": "decimal"},
    "boolean": {"ruby": "Boolean", "julia": "Bool", "dart": "bool", "typescript": "boolean", "kotlin-sql": "boolean"},
    "free": {
        "ruby": "Object",
        "julia": "Any",
        "dart": "BuiltMap<String, String>",
        "typescript": "object",
        "kotlin-sql": "blob",
    },
}
_ARRAYS: Final = {
    "ruby": "Array<{}>",
    "julia": "Vector{{{}}}",
    "dart": "BuiltList<{}>",
    "typescript": "Array<{}>",
    "kotlin-sql": "One-To-Many",
}
_MODELS: Final = {
    "required_action": "RunObjectRequiredAction",
    "last_error": "RunObjectLastError",
    "incomplete_details": "RunObjectIncompleteDetails",
    "usage": "RunCompletionUsage",
    "truncation_strategy": "TruncationObject",
    "tool_choice": "AssistantsApiToolChoiceOption",
    "response_format": "AssistantsApiResponseFormatOption",
    "tools": "AssistantObjectToolsInner",
}


NESTED_FIRST: Final[Mapping[tuple[type[Part], str], int]] = {
    (parts.RequiredAction, "submit_tool_approval"): LATEST.number + 1,  # Azure's own (FACTS §2.1)
    (parts.Tool, "file_search"): 9,
    (parts.FileSearchOptions, "ranking_options"): 11,
    (parts.FunctionDefinition, "strict"): 11,
    (parts.ResponseFormat, "json_schema"): 11,
}
"""The generation during which a key inside the run was published (FACTS §2.7, §2.8), for the younger ones."""


@frozen(kw_only=True)
class Spelling:
    """One row: a field, and how each column spells it.

    Attributes:
        path: The field, as `usage.total_tokens`; `[]` stands for any element of an array.
        names: Column to name in memory.
        types: Column to type, for the fields of the run itself.
        optional: The document calls the field optional.
        columns: Those whose documents have the field.

    Example:
        >>> SPELLINGS["tools[].function"].names["typescript-instance"]
        '_function'
    """

    path: str
    names: Mapping[str, str]
    types: Mapping[str, str]
    optional: bool
    columns: tuple[str, ...] = COLUMNS


def camel(name: str) -> str:
    """A name with humps, as generators make it.

    Example:
        >>> camel("max_prompt_tokens"), camel("top_p")
        ('maxPromptTokens', 'topP')
    """
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _names(path: str) -> dict[str, str]:
    name = path.rsplit(".", 1)[-1]
    humped = {c: _RESERVED.get(c, {}).get(name, camel(name)) for c in _CAMEL}
    spelled = {column: humped.get(column, name) for column in COLUMNS}
    if path == "assistant_id":
        spelled["azure"] = "agent_id"
    return spelled


def _types(name: str) -> dict[str, str]:
    field = FIELDS[name]
    model = _MODELS.get(name)
    types: dict[str, str] = {}
    for column, array in _ARRAYS.items():
        if name == "file_ids":
            types[column] = array.format(_TYPES["string"][column])
        elif field.kind == "array":
            types[column] = array.format(model)
        elif model is not None:
            types[column] = "long" if column == "kotlin-sql" else model
        else:
            types[column] = _TYPES["free" if field.kind == "object" else field.kind][column]
    return types | {"typescript-instance": types["typescript"]}


def _rows(part: type[Part], prefix: str = "") -> Iterator[Spelling]:
    for slot in slots_of(part):
        path = prefix + slot.name
        top = not prefix
        yield Spelling(
            path=path,
            names=MappingProxyType(_names(path)),
            types=MappingProxyType(_types(path) if top else {}),
            optional=top and FIELDS[path].optional,
            columns=("azure",) if _APPROVAL in path else COLUMNS,
        )
        if slot.part is not None:
            array = (top and FIELDS[path].kind == "array") or slot.name == "tool_calls"
            yield from _rows(slot.part, f"{path}[]." if array else f"{path}.")


SPELLINGS: Final[dict[str, Spelling]] = {row.path: row for row in _rows(RunObject)}
"""Every row by its path, the run's own fields in the schema's order, each followed by what is inside it."""

_WORDS: Final = {"status": STATUSES, "object": ("thread.run",)}

WORD_SPELLINGS: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = MappingProxyType(
    {
        "dart": MappingProxyType(
            {
                field: MappingProxyType({word: camel(word.replace(".", "_period_")) for word in words})
                for field, words in _WORDS.items()
            }
        )
    }
)
"""Column to field to word to its name in memory, for the column whose enumerations have names of their own: Dart's.

On the wire every word is the API's own (`wireName`). Source: FACTS §8.

Example:
    >>> WORD_SPELLINGS["dart"]["status"]["in_progress"], WORD_SPELLINGS["dart"]["object"]["thread.run"]
    ('inProgress', 'threadPeriodRun')
"""
