"""JSON run documents, drawn and typed out, from a schema written apart from the record classes.

A *spec* says what may stand at a key: `str`, `int`, `float`, `bool`, `free` (any object), the name of a part, any of
them with `[]` for an array of it, alternatives divided by `|`, and a `?` at the end if it may be null or missing.
The run's specs come from the field table, those of its parts are typed out from FACTS §2.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from runengine.core.fields import FIELDS, WIRE_EXTRAS, Field
from runengine.core.generations import GENERATIONS
from runengine.core.statuses import STATUSES

Path = tuple[str | int, ...]

_KINDS: Final = {"string": "str", "stamp": "int", "integer": "int", "number": "float", "boolean": "bool"}


def _spec(f: Field) -> str:
    inner = f.part or "free"
    spec = {"array": f"{f.part or 'str'}[]", "object": inner, "word or object": f"str|{inner}"}.get(f.kind)
    everywhere = all(f.declared_in(g.number) for g in GENERATIONS)
    nullable = any(f.nullable_in(g.number) for g in GENERATIONS)
    return (spec or _KINDS[f.kind]) + ("" if everywhere and not nullable else "?")


SCHEMA: Final[dict[str, dict[str, str]]] = {
    "Run": {f.name: _spec(f) for f in FIELDS.values()},
    "RequiredAction": {
        "type": "str",
        "submit_tool_outputs": "SubmitToolOutputs?",
        "submit_tool_approval": "SubmitToolApproval?",
    },
    "SubmitToolOutputs": {"tool_calls": "ToolCall[]"},
    "ToolCall": {"id": "str", "type": "str", "function": "FunctionCall"},
    "FunctionCall": {"name": "str", "arguments": "str"},
    "SubmitToolApproval": {"tool_calls": "ApprovalCall[]"},
    "ApprovalCall": {"id": "str", "type": "str", "name": "str?", "arguments": "str?", "server_label": "str?"},
    "LastError": {"code": "str", "message": "str"},
    "IncompleteDetails": {"reason": "str?"},
    "Usage": {"completion_tokens": "int", "prompt_tokens": "int", "total_tokens": "int"},
    "Tool": {"type": "str", "function": "FunctionDefinition?", "file_search": "FileSearchOptions?"},
    "FunctionDefinition": {"name": "str", "description": "str?", "parameters": "free?", "strict": "bool?"},
    "FileSearchOptions": {"max_num_results": "int?", "ranking_options": "RankingOptions?"},
    "RankingOptions": {"ranker": "str?", "score_threshold": "float?"},
    "TruncationStrategy": {"type": "str", "last_messages": "int?"},
    "ToolChoice": {"type": "str", "function": "FunctionName?"},
    "FunctionName": {"name": "str"},
    "ResponseFormat": {"type": "str?", "json_schema": "JsonSchemaFormat?"},
    "JsonSchemaFormat": {"name": "str", "description": "str?", "schema": "free?", "strict": "bool?"},
}

_TYPED: Final[dict[str, Any]] = {"str": "é日", "int": 7, "float": 0.5, "bool": True, "free": {"a": [1, 1.0, None]}}

SAMPLES: Final[dict[str, tuple[Any, ...]]] = {
    "null": (None,),
    "bool": (True, False),
    "int": (5, 0, 10**40),
    "float": (17.0, 1.9),
    "str": ("17", "no", ""),
    "array": ([], ["a"]),
    "object": ({}, {"a": 1}),
}
"""Values of each kind that JSON has."""


def nullable(spec: str) -> bool:
    """Whether the key may be null or missing."""
    return spec.endswith("?")


def alternatives(spec: str) -> list[str]:
    """What may stand there, null apart."""
    return spec.removesuffix("?").split("|")


def accepted(spec: str) -> set[str]:
    """The kinds of `SAMPLES` that may stand there."""
    kinds = {"null"} if nullable(spec) else set()
    for one in alternatives(spec):
        kinds |= {"array"} if one.endswith("[]") else {"float", "int"} if one == "float" else {_kind(one)}
    return kinds


def _kind(spec: str) -> str:
    return spec if spec in ("str", "int", "bool") else "object"


def full(last: bool = False, spec: str = "Run") -> Any:
    """A document with every key of every part; of alternatives the first, or the last.

    Every array has two elements, so that an index can be wrong.
    """
    one = alternatives(spec)[-1 if last else 0]
    if one.endswith("[]"):
        return [full(last, one[:-2]), full(last, one[:-2])]
    if one in _TYPED:
        return deepcopy(_TYPED[one])
    document = {key: full(last, inner) for key, inner in SCHEMA[one].items()}
    return {**document, "status": "queued"} if one == "Run" else document


def places(last: bool = False, spec: str = "Run", path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every place of the `full` document with its spec, the root apart; of an array the second element."""
    one = alternatives(spec)[-1 if last else 0]
    if path:
        yield path, spec
    if one.endswith("[]"):
        yield from places(last, one[:-2], (*path, 1))
    else:
        for key, inner in SCHEMA.get(one, {}).items():
            yield from places(last, inner, (*path, key))


def dollar(path: Path) -> str:
    """A path as messages spell it.

    Example:
        >>> dollar(("tools", 3, "type"))
        '$.tools[3].type'
    """
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def parent(document: Any, path: Path) -> Any:
    """The object or array that holds the place."""
    for step in path[:-1]:
        document = document[step]
    return document


def replaced(document: Any, path: Path, value: Any) -> Any:
    """A copy with another value at the place."""
    changed = deepcopy(document)
    parent(changed, path)[path[-1]] = value
    return changed


_LEAVES: Final[dict[str, SearchStrategy[Any]]] = {
    "str": st.text(max_size=8),
    "int": st.integers(),
    "float": st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 2)),
    "bool": st.booleans(),
}

json_values: Final[SearchStrategy[Any]] = st.recursive(
    st.one_of(st.none(), *_LEAVES.values()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
"""Any JSON value, non-ASCII and huge integers too."""

_LEAVES["free"] = st.dictionaries(st.text(max_size=5), json_values, max_size=3)

_declared: Final = {key for specs in SCHEMA.values() for key in specs}
_extra_keys: Final = st.one_of(
    st.sampled_from([*WIRE_EXTRAS, "extra", "absent", "__dict__"]),
    st.text(max_size=5).filter(lambda key: key not in _declared),
)
_extras: Final = st.one_of(st.just({}), st.dictionaries(_extra_keys, json_values, max_size=2))


def _value(spec: str) -> SearchStrategy[Any]:
    drawn = [
        st.lists(_value(one[:-2]), max_size=2) if one.endswith("[]") else _LEAVES[one] if one in _LEAVES else _part(one)
        for one in alternatives(spec)
    ]
    return st.one_of(*drawn, st.none()) if nullable(spec) else st.one_of(*drawn)


def _object(specs: dict[str, str]) -> SearchStrategy[dict[str, Any]]:
    declared = st.fixed_dictionaries(
        {key: _value(spec) for key, spec in specs.items() if not nullable(spec)},
        optional={key: _value(spec) for key, spec in specs.items() if nullable(spec)},
    )
    return st.builds(lambda extra, document: extra | document, _extras, declared)


@cache
def _part(name: str) -> SearchStrategy[dict[str, Any]]:
    return _object(SCHEMA[name])


@cache
def documents(generation: int) -> SearchStrategy[dict[str, Any]]:
    """Run documents of one generation: its keys, with extras on every level."""
    specs = {key: spec for key, spec in SCHEMA["Run"].items() if FIELDS[key].declared_in(generation)}
    return st.builds(lambda document, status: document | {"status": status}, _object(specs), st.sampled_from(STATUSES))
