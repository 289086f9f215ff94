"""Documents put to the generated clients, and what each client was measured to do with them.

A `Case` changes fields of an ordinary run. What a client writes for it is the document itself but for the fields named
in `typescript` and `ruby`; `REFUSED` says that the Ruby client raises. Nothing here looks at the dialects' tables: the
tests hold the tables to it. Measured on openapi-generator 7.26.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from attrs import field, frozen

from runengine.core.fields import FIELDS
from runengine.core.parts import TruncationStrategy
from runengine.core.statuses import Status
from runengine.dialects import write_run
from tests.samples import run_in

Document = dict[str, Any]

GONE: Final = "(gone)"
"""In place of a value: the client leaves the key out."""

REFUSED: Final = "refused"
"""In place of a result: the client raises while it reads."""

Result = Mapping[str, Any] | Literal["refused"]

REFUSES_NULL: Final[dict[int, frozenset[str]]] = {
    2: frozenset({"instructions", "expires_at"}),
    6: frozenset({"instructions", "truncation_strategy", "tool_choice", "response_format"}),
    14: frozenset({"instructions", "response_format"}),
}
"""Fields of real runs whose null the Ruby client raises on. A `nullable` beside a `$ref` counts for nothing to the
generator, so the last three of G6; from G12 two of them are nullable by `allOf`."""

CRASHES_ON_NULL: Final = frozenset({"max_prompt_tokens", "max_completion_tokens"})
"""Fields whose null the Ruby client reads and writes, while its `valid?` raises: it compares nil with 256."""


def document(status: Status, generation: int, **changes: Any) -> Document:
    """An ordinary run of that status with every key its generation has, as the API writes it."""
    run = run_in(
        status,
        instructions="Be kind.",
        tools=(),
        metadata={"ticket": "42"},
        top_p=0.5,
        temperature=0.25,
        max_prompt_tokens=300,
        max_completion_tokens=400,
        truncation_strategy=TruncationStrategy(type="auto"),
        tool_choice="auto",
        response_format="auto",
        file_ids=("file_1",),
    )
    whole = write_run(run) | {"tools": _tools(generation)} | changes
    return {name: value for name, value in whole.items() if name not in FIELDS or _declared(name, generation)}


def _declared(name: str, generation: int) -> bool:
    return FIELDS[name].declared_in(generation)


def _tools(generation: int) -> list[Document]:
    strict = {"strict": True} if generation >= 11 else {}
    function = {"name": "now", "description": "The time.", "parameters": {"type": "object", "top_p": {}}, **strict}
    search: Document = {"type": "retrieval"}
    if generation >= 11:
        options = {"score_threshold": 0.5, "ranker": "auto"}
        search = {"type": "file_search", "file_search": {"max_num_results": 3, "ranking_options": options}}
    return [{"type": "code_interpreter"}, search, {"type": "function", "function": function}]


@frozen(kw_only=True)
class Case:
    """One change of an ordinary run, and what the clients write then.

    Attributes:
        name: What it shows.
        changes: Fields and their values; `GONE` for a key that is missing.
        typescript: Fields that TypeScript writes otherwise.
        ruby: Fields that Ruby writes otherwise, or `REFUSED`.
        first: First generation it speaks of.
        last: Last one.
    """

    name: str
    changes: Mapping[str, Any]
    typescript: Mapping[str, Any] = field(factory=dict)
    ruby: Result = field(factory=dict)
    first: int = 0
    last: int = 14

    def put(self, generation: int) -> Document:
        """The document the client is given."""
        return changed(document("completed", generation), self.changes)


def changed(whole: Document, changes: Mapping[str, Any]) -> Document:
    """A document with other values, or without keys."""
    merged = {**whole, **changes}
    return {name: value for name, value in merged.items() if value is not GONE}


def _function(**more: Any) -> list[Document]:
    return [{"type": "function", "function": {"name": "now", **more}}]


def _search(**settings: Any) -> list[Document]:
    return [{"type": "file_search", "file_search": settings}]


def _schema(**more: Any) -> Document:
    return {"type": "json_schema", "json_schema": {"name": "n", **more}}


_USAGE: Final = {"completion_tokens": 1, "prompt_tokens": 2, "total_tokens": 3}
_CALL: Final = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
_ACTION: Final = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [_CALL]}}
_ERROR: Final = {"code": "server_error", "message": "sorry"}
_NAMED: Final = {"type": "function", "function": {"name": "now"}}
_APPROVAL: Final = {
    "type": "submit_tool_approval",
    "submit_tool_approval": {"tool_calls": [{"id": "c", "type": "mcp"}]},
}
_PARAMETERS: Final = {"enum": [1, None], "x": None, "created_at": 1}
_NO_CALLS: Final = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": []}}


def _both(name: str, changes: Document, result: Document, **span: int) -> Case:
    return Case(name=name, changes=changes, typescript=result, ruby=result, **span)


_UNKNOWN_KEYS: Final = (
    _both("an unknown field", {"tool_resources": {}}, {"tool_resources": GONE}),
    _both("an unknown key in usage", {"usage": _USAGE | {"x": 1}}, {"usage": _USAGE}),
    _both("an unknown key in last_error", {"last_error": _ERROR | {"x": 1}}, {"last_error": _ERROR}),
    _both("an unknown key in an action", {"required_action": _ACTION | {"x": 1}}, {"required_action": _ACTION}),
    _both(
        "an unknown key in a function",
        {"tools": _function(strict=False, x=1)},
        {"tools": _function(strict=False)},
        first=11,
    ),
    Case(
        name="an unknown key in a tool",
        changes={"tools": [{"type": "code_interpreter", "x": 1}]},
        typescript={"tools": [{"type": "code_interpreter"}]},
        ruby={"tools": []},
    ),
    Case(
        name="an unknown key in a tool choice",
        changes={"tool_choice": _NAMED | {"x": 1}},
        typescript={"tool_choice": _NAMED},
        ruby=REFUSED,
        first=6,
        last=6,
    ),
    Case(
        name="an unknown key in a tool choice",
        changes={"tool_choice": _NAMED | {"x": 1}},
        typescript={"tool_choice": _NAMED},
        ruby={"tool_choice": None},
        first=12,
    ),
    Case(
        name="an unknown key in a response format",
        changes={"response_format": {"type": "text", "x": 1}},
        typescript={"response_format": {"type": "text"}},
        ruby=REFUSED,
        first=6,
    ),
)

_TOOLS: Final = (
    Case(
        name="an unknown tool",
        changes={"tools": [{"type": "mcp", "server_label": "s"}]},
        typescript={"tools": [{}]},
        ruby={"tools": []},
    ),
    Case(
        name="a tool of another protocol version",
        changes={"tools": [{"type": "file_search"}, {"type": "code_interpreter"}]},
        typescript={"tools": [{}, {"type": "code_interpreter"}]},
        ruby={"tools": [{"type": "code_interpreter"}]},
        last=7,
    ),
    Case(
        name="a tool of another protocol version",
        changes={"tools": [{"type": "retrieval"}]},
        typescript={"tools": [{}]},
        ruby={"tools": []},
        first=8,
    ),
    Case(
        name="a function tool without its function",
        changes={"tools": [{"type": "function"}]},
        typescript={"tools": [{}]},
        ruby={"tools": []},
    ),
    Case(
        name="a tool with a null that is not its own",
        changes={"tools": [{"type": "code_interpreter", "function": None}]},
        typescript={"tools": [{"type": "code_interpreter"}]},
        ruby={"tools": []},
    ),
    Case(
        name="21 tools",
        changes={"tools": [{"type": "code_interpreter"} for _ in range(21)]},
        typescript={},
        ruby=REFUSED,
    ),
    Case(name="no tools", changes={"tools": []}),
    _both("strict before G11", {"tools": _function(strict=True)}, {"tools": _function()}, last=10),
    _both(
        "a function without settings",
        {"tools": _function(description=None, parameters=None)},
        {"tools": _function()},
        last=10,
    ),
    _both(
        "a function with null settings",
        {"tools": _function(description=None, parameters=None, strict=None)},
        {"tools": _function(strict=None)},
        first=11,
    ),
    Case(
        name="a function without strict",
        changes={"tools": _function()},
        ruby={"tools": _function(strict=False)},
        first=11,
    ),
    Case(
        name="a null in an array of a schema",
        changes={"tools": _function(strict=False, parameters=_PARAMETERS)},
        ruby={"tools": _function(strict=False, parameters=_PARAMETERS | {"enum": [1]})},
        first=11,
    ),
    Case(name="a file search without settings", changes={"tools": [{"type": "file_search"}]}, first=8),
    _both(
        "a file search with null settings",
        {"tools": [{"type": "file_search", "file_search": None}]},
        {"tools": [{"type": "file_search"}]},
        first=8,
    ),
    Case(
        name="a file search with null limits",
        changes={"tools": _search(max_num_results=None, ranking_options=None)},
        typescript={"tools": _search()},
        ruby={"tools": []},
        first=11,
    ),
    Case(name="too many results", changes={"tools": _search(max_num_results=99)}, ruby={"tools": []}, first=11),
    Case(
        name="a ranker as recorded",
        changes={"tools": _search(ranking_options={"ranker": "default-2024-08-21", "score_threshold": 0})},
        ruby={"tools": []},
        first=11,
    ),
    Case(
        name="ranking options without a threshold",
        changes={"tools": _search(ranking_options={"ranker": "auto"})},
        ruby={"tools": []},
        first=11,
    ),
)

_CHOICES: Final = (
    Case(name="a function chosen", changes={"tool_choice": _NAMED}, first=6),
    Case(name="a tool chosen", changes={"tool_choice": {"type": "code_interpreter"}}, first=6),
    _both(
        "a tool chosen, with a null",
        {"tool_choice": {"type": "code_interpreter", "function": None}},
        {"tool_choice": {"type": "code_interpreter"}},
        first=6,
    ),
    Case(name="an unknown word chosen", changes={"tool_choice": "zzz"}, first=6),
    Case(name="an unknown tool chosen", changes={"tool_choice": {"type": "mcp"}}, ruby=REFUSED, first=6, last=6),
    Case(name="an unknown tool chosen", changes={"tool_choice": {"type": "mcp"}}, ruby={"tool_choice": None}, first=12),
    Case(name="an unknown format", changes={"response_format": "zzz"}, first=6),
    Case(name="text", changes={"response_format": {"type": "text"}}, first=6),
    Case(name="a JSON object", changes={"response_format": {"type": "json_object"}}, first=6),
    Case(
        name="a format without a word",
        changes={"response_format": {}},
        ruby={"response_format": {"type": "text"}},
        first=6,
        last=10,
    ),
    Case(
        name="a JSON schema before G11",
        changes={"response_format": _schema()},
        typescript={"response_format": {"type": "json_schema"}},
        ruby=REFUSED,
        first=6,
        last=10,
    ),
    Case(name="a JSON schema", changes={"response_format": _schema(strict=True, schema={"a": {}})}, first=11),
    Case(
        name="a JSON schema without strict",
        changes={"response_format": _schema(description=None)},
        typescript={"response_format": _schema()},
        ruby={"response_format": _schema(strict=False)},
        first=11,
    ),
    Case(
        name="a JSON schema without a schema",
        changes={"response_format": {"type": "json_schema"}},
        typescript={"response_format": {}},
        ruby=REFUSED,
        first=11,
    ),
    Case(
        name="an unknown kind of format",
        changes={"response_format": {"type": "zzz"}},
        ruby=REFUSED,
        first=6,
        last=10,
    ),
    Case(
        name="an unknown kind of format",
        changes={"response_format": {"type": "zzz"}},
        typescript={"response_format": {}},
        ruby=REFUSED,
        first=11,
    ),
    Case(
        name="text with a null that is not its own",
        changes={"response_format": {"type": "text", "json_schema": None}},
        typescript={"response_format": {"type": "text"}},
        ruby=REFUSED,
        first=6,
    ),
)

_PAYLOADS: Final = (
    Case(name="no calls", changes={"required_action": _NO_CALLS}),
    Case(
        name="an approval asked for",
        changes={"required_action": _APPROVAL},
        typescript={"required_action": {"type": "submit_tool_approval"}},
        ruby=REFUSED,
    ),
    Case(name="invalid_prompt", changes={"last_error": _ERROR | {"code": "invalid_prompt"}}, ruby=REFUSED, last=2),
    Case(name="invalid_prompt", changes={"last_error": _ERROR | {"code": "invalid_prompt"}}, first=3),
    Case(name="an Azure code", changes={"last_error": _ERROR | {"code": "invalid_engine_error"}}, ruby=REFUSED),
    Case(name="an early incomplete", changes={"status": "incomplete"}, ruby=REFUSED, last=8),
    _both("a null reason", {"incomplete_details": {"reason": None}}, {"incomplete_details": {}}, first=6),
    Case(name="an unknown reason", changes={"incomplete_details": {"reason": "zzz"}}, ruby=REFUSED, first=6),
    Case(name="last messages", changes={"truncation_strategy": {"type": "last_messages", "last_messages": 3}}, first=6),
    Case(name="truncation without a number", changes={"truncation_strategy": {"type": "auto"}}, first=6),
    Case(
        name="no last messages",
        changes={"truncation_strategy": {"type": "last_messages", "last_messages": 0}},
        ruby=REFUSED,
        first=6,
    ),
    Case(name="an unknown truncation", changes={"truncation_strategy": {"type": "zzz"}}, ruby=REFUSED, first=6),
    Case(name="a small limit as recorded", changes={"max_completion_tokens": 16}, ruby=REFUSED, first=6),
    Case(name="a small prompt limit", changes={"max_prompt_tokens": 255}, ruby=REFUSED, first=6),
    Case(name="empty metadata", changes={"metadata": {}}),
    Case(name="free metadata", changes={"metadata": {"a": 1, "b": None, "c_d": {"e": True}}}, last=12),
    Case(
        name="free metadata",
        changes={"metadata": {"a": 1, "b": None, "c_d": True}},
        ruby={"metadata": {"a": "1", "b": "", "c_d": "true"}},
        first=13,
    ),
    Case(
        name="a null in an array of metadata",
        changes={"metadata": {"a": [1, None]}},
        ruby={"metadata": {"a": [1]}},
        last=12,
    ),
    Case(name="a whole temperature", changes={"temperature": 1}, first=5),
    Case(name="no temperature", changes={"temperature": GONE}, first=5),
    Case(
        name="no choice of calls", changes={"parallel_tool_calls": GONE}, ruby={"parallel_tool_calls": True}, first=10
    ),
)

CASES: Final = (*_UNKNOWN_KEYS, *_TOOLS, *_CHOICES, *_PAYLOADS)
"""All of them."""
