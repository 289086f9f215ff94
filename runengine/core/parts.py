"""The objects inside a run record: required action, error, usage, tools and choices.

Every class is frozen and keyword-only and has two fields beside the declared ones:

* `extra`: what the wire carried and no schema declares, kept and written back.
* `absent`: names of nullable fields whose key the wire left out. They read as None, since absent equals null for
  every nullable field (DESIGN §2.3), and are left out again when written. It plays no part in equality.

Source: FACTS §2, and §2.1 for Azure's approval.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import Factory, field, frozen

__all__ = [
    "JSON",
    "ApprovalCall",
    "FileSearchOptions",
    "FunctionCall",
    "FunctionDefinition",
    "FunctionName",
    "IncompleteDetails",
    "JsonSchemaFormat",
    "LastError",
    "Part",
    "RankingOptions",
    "RequiredAction",
    "ResponseFormat",
    "SubmitToolApproval",
    "SubmitToolOutputs",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "TruncationStrategy",
    "Usage",
]

JSON = Any
"""A JSON value: None, bool, int, float, str, list or dict of them."""


@frozen(kw_only=True, slots=False)
class Part:
    """What every record has beside its declared fields.

    Attributes:
        extra: Undeclared keys and their values, as read.
        absent: Nullable fields whose key was left out; not compared.

    Example:
        >>> Usage(completion_tokens=1, prompt_tokens=2, total_tokens=3, extra={"prompt_token_details": {}}).extra
        {'prompt_token_details': {}}
    """

    extra: Mapping[str, JSON] = Factory(dict)
    absent: frozenset[str] = field(default=frozenset(), eq=False, repr=False)


@frozen(kw_only=True, slots=False)
class FunctionCall(Part):
    """What a tool call asks for (FACTS §2.1, all generations).

    Attributes:
        name: The function.
        arguments: Its arguments as a JSON *string*, as the model wrote them.

    Example:
        >>> FunctionCall(name="now", arguments="{}").name
        'now'
    """

    name: str
    arguments: str


@frozen(kw_only=True, slots=False)
class ToolCall(Part):
    """One call the run waits for (FACTS §2.1, all generations).

    Attributes:
        id: Unique among the calls of one action.
        type: `function` in every published generation; an open word.
        function: What to call.

    Example:
        >>> ToolCall(id="call_1", function=FunctionCall(name="now", arguments="{}")).type
        'function'
    """

    id: str
    type: str = "function"
    function: FunctionCall


@frozen(kw_only=True, slots=False)
class SubmitToolOutputs(Part):
    """The calls whose outputs the run waits for (FACTS §2.1).

    Attributes:
        tool_calls: At least one, with distinct ids.

    Example:
        >>> SubmitToolOutputs(tool_calls=()).tool_calls
        ()
    """

    tool_calls: tuple[ToolCall, ...]


@frozen(kw_only=True, slots=False)
class ApprovalCall(Part):
    """One call of an MCP server that waits for approval (Azure; FACTS §2.1).

    Attributes:
        id: Unique among the calls of one action.
        type: `mcp`; an open word.
        name: The tool, or None.
        arguments: Its arguments as a JSON string, or None.
        server_label: The MCP server, or None.

    Example:
        >>> ApprovalCall(id="call_1", server_label="github").type
        'mcp'
    """

    id: str
    type: str = "mcp"
    name: str | None = None
    arguments: str | None = None
    server_label: str | None = None


@frozen(kw_only=True, slots=False)
class SubmitToolApproval(Part):
    """The calls whose approval the run waits for (Azure; FACTS §2.1).

    Attributes:
        tool_calls: At least one, with distinct ids.

    Example:
        >>> SubmitToolApproval(tool_calls=(ApprovalCall(id="call_1"),)).tool_calls[0].id
        'call_1'
    """

    tool_calls: tuple[ApprovalCall, ...]


@frozen(kw_only=True, slots=False)
class RequiredAction(Part):
    """What a run in requires_action waits for (FACTS §2.1, all generations).

    Attributes:
        type: `submit_tool_outputs`, or `submit_tool_approval` on Azure; an open word.
        submit_tool_outputs: The calls, for the first type, or None.
        submit_tool_approval: The calls, for the second, or None.

    Example:
        >>> call = ToolCall(id="call_1", function=FunctionCall(name="now", arguments="{}"))
        >>> RequiredAction(submit_tool_outputs=SubmitToolOutputs(tool_calls=(call,))).call_ids
        ('call_1',)
    """

    type: str = "submit_tool_outputs"
    submit_tool_outputs: SubmitToolOutputs | None = None
    submit_tool_approval: SubmitToolApproval | None = None
    absent: frozenset[str] = field(
        default=frozenset({"submit_tool_outputs", "submit_tool_approval"}), eq=False, repr=False
    )

    @property
    def call_ids(self) -> tuple[str, ...]:
        """Ids of every call waited for, in order."""
        asked = (self.submit_tool_outputs, self.submit_tool_approval)
        return tuple(call.id for part in asked if part is not None for call in part.tool_calls)


@frozen(kw_only=True, slots=False)
class LastError(Part):
    """The error that ended a failed run (FACTS §2.2, all generations).

    Attributes:
        code: `server_error`, `rate_limit_exceeded` or (from G3) `invalid_prompt`; an open word.
        message: For people.

    Example:
        >>> LastError(code="server_error", message="sorry").code
        'server_error'
    """

    code: str
    message: str


@frozen(kw_only=True, slots=False)
class IncompleteDetails(Part):
    """Why a run is incomplete (FACTS §2.3, from G6).

    Attributes:
        reason: `max_completion_tokens` or `max_prompt_tokens`, or None.

    Example:
        >>> IncompleteDetails(reason="max_prompt_tokens").reason
        'max_prompt_tokens'
    """

    reason: str | None = None


@frozen(kw_only=True, slots=False)
class Usage(Part):
    """Tokens a run used (FACTS §2.4, from G2).

    Attributes:
        completion_tokens: Tokens written, ≥ 0.
        prompt_tokens: Tokens read, ≥ 0.
        total_tokens: Their sum.

    Example:
        >>> Usage(completion_tokens=5, prompt_tokens=7, total_tokens=12).total_tokens
        12
    """

    completion_tokens: int
    prompt_tokens: int
    total_tokens: int


@frozen(kw_only=True, slots=False)
class RankingOptions(Part):
    """How file search ranks (FACTS §2.7, from 2024-08-27).

    Attributes:
        ranker: `auto` or `default_2024_08_21`, or None.
        score_threshold: 0 to 1, or None.

    Example:
        >>> RankingOptions(score_threshold=0.5).score_threshold
        0.5
    """

    ranker: str | None = None
    score_threshold: float | None = None


@frozen(kw_only=True, slots=False)
class FileSearchOptions(Part):
    """Settings of the file_search tool (FACTS §2.7, from 2024-06-03).

    Attributes:
        max_num_results: 1 to 50, or None.
        ranking_options: Or None.

    Example:
        >>> FileSearchOptions(max_num_results=20).max_num_results
        20
    """

    max_num_results: int | None = None
    ranking_options: RankingOptions | None = None


@frozen(kw_only=True, slots=False)
class FunctionDefinition(Part):
    """A function the model may call (FACTS §2.7, all generations).

    Attributes:
        name: At most 64 characters of `[A-Za-z0-9_-]`, by prose.
        description: Or None.
        parameters: A JSON Schema, or None.
        strict: Whether arguments must fit the schema exactly (from G11), or None.

    Example:
        >>> FunctionDefinition(name="now").parameters is None
        True
    """

    name: str
    description: str | None = None
    parameters: Mapping[str, JSON] | None = None
    strict: bool | None = None
    absent: frozenset[str] = field(default=frozenset({"description", "parameters", "strict"}), eq=False, repr=False)


@frozen(kw_only=True, slots=False)
class Tool(Part):
    """A tool of the run (FACTS §2.7). Its type is an open word, so there is one class, not one for each.

    Attributes:
        type: `code_interpreter`, `function`, `retrieval` (v1), `file_search` (v2), or another (Azure: `mcp`, …).
        function: For type `function`, or None.
        file_search: Settings for type `file_search`, or None.

    Example:
        >>> Tool(type="function", function=FunctionDefinition(name="now")).function.name
        'now'
    """

    type: str
    function: FunctionDefinition | None = None
    file_search: FileSearchOptions | None = None
    absent: frozenset[str] = field(default=frozenset({"function", "file_search"}), eq=False, repr=False)


@frozen(kw_only=True, slots=False)
class TruncationStrategy(Part):
    """How a thread is cut to fit the context (FACTS §2.5, from G6).

    Attributes:
        type: `auto` or `last_messages`.
        last_messages: How many, ≥ 1, or None.

    Example:
        >>> TruncationStrategy(type="last_messages", last_messages=10).last_messages
        10
    """

    type: str
    last_messages: int | None = None


@frozen(kw_only=True, slots=False)
class FunctionName(Part):
    """The function a tool choice names (FACTS §2.6).

    Attributes:
        name: The function.

    Example:
        >>> FunctionName(name="now").name
        'now'
    """

    name: str


@frozen(kw_only=True, slots=False)
class ToolChoice(Part):
    """A tool choice that is more than a word (FACTS §2.6, from G6).

    Attributes:
        type: `function`, `code_interpreter`, `retrieval` (v1) or `file_search` (v2).
        function: For type `function`, or None.

    Example:
        >>> ToolChoice(type="function", function=FunctionName(name="now")).type
        'function'
    """

    type: str
    function: FunctionName | None = None
    absent: frozenset[str] = field(default=frozenset({"function"}), eq=False, repr=False)


@frozen(kw_only=True, slots=False)
class JsonSchemaFormat(Part):
    """The schema an answer must fit (FACTS §2.8, from G11).

    Attributes:
        name: At most 64 characters.
        description: Or None.
        schema: A JSON Schema, or None.
        strict: Whether it must fit exactly, or None.

    Example:
        >>> JsonSchemaFormat(name="city").strict is None
        True
    """

    name: str
    description: str | None = None
    schema: Mapping[str, JSON] | None = None
    strict: bool | None = None
    absent: frozenset[str] = field(default=frozenset({"description", "schema", "strict"}), eq=False, repr=False)


@frozen(kw_only=True, slots=False)
class ResponseFormat(Part):
    """A response format that is more than a word (FACTS §2.8, from G6).

    Attributes:
        type: `text`, `json_object` or (from G11) `json_schema`, or None.
        json_schema: For the last, or None.

    Example:
        >>> ResponseFormat(type="json_object").type
        'json_object'
    """

    type: str | None = None
    json_schema: JsonSchemaFormat | None = None
    absent: frozenset[str] = field(default=frozenset({"json_schema"}), eq=False, repr=False)
