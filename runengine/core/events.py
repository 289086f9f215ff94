"""The eleven events: the causes that move a run. What a trace shows is an *observation*, never an event.

Each event is a frozen record with its own time, `at_us`: whole microseconds since the Unix epoch. Stamps written on
a record are that time's floor in seconds. Source: DESIGN §2.2, FACTS §6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from attrs import Attribute, Factory, field, fields, frozen
from attrs.validators import deep_iterable, instance_of

from runengine.core.parts import (
    JSON,
    Part,
    ResponseFormat,
    Tool,
    ToolCall,
    ToolChoice,
    TruncationStrategy,
    Usage,
)
from runengine.core.words import RANGES

__all__ = [
    "EVENTS",
    "SECOND_US",
    "TTL_S",
    "Cancel",
    "Complete",
    "Create",
    "Event",
    "ExhaustTokens",
    "Expire",
    "Fail",
    "FinishCancel",
    "REQUEST_FIELDS",
    "Modify",
    "RequireAction",
    "Start",
    "SubmitToolOutputs",
    "ToolOutput",
]

SECOND_US: Final = 1_000_000
"""Microseconds in a second."""

TTL_S: Final = 600
"""Seconds from creation to the deadline, unless told otherwise (FACTS B4: 600 in all 138 recorded runs of OpenAI)."""


def _whole_us(_instance: Any, attribute: Attribute[int], value: object) -> None:
    if type(value) is not int or value < 0:
        raise ValueError(f"{attribute.name} must be whole microseconds since the epoch, an int >= 0; got {value!r}")


def _positive(_instance: Any, attribute: Attribute[int], value: object) -> None:
    if type(value) is not int or value <= 0:
        raise ValueError(f"{attribute.name} must be a whole number of seconds > 0; got {value!r}")


def _name(_instance: Any, attribute: Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{attribute.name} must be text that is not empty; got {value!r}")


def _counts(_instance: Any, attribute: Attribute[Usage | None], value: object) -> None:
    if value is None:
        return
    if not isinstance(value, Usage):
        raise ValueError(f"{attribute.name} must be a Usage or None; got {value!r}")
    counts = (value.prompt_tokens, value.completion_tokens, value.total_tokens)
    if any(type(n) is not int or n < 0 for n in counts) or counts[0] + counts[1] != counts[2]:
        raise ValueError(
            f"{attribute.name} must be counts >= 0, with total_tokens the sum of the others; got {value!r}"
        )


def _tokens(_instance: Any, attribute: Attribute[int | None], value: object) -> None:
    least = RANGES[attribute.name].least
    if value is not None and (type(value) is not int or value < least):
        raise ValueError(f"{attribute.name} must be a whole number >= {least}, or None; got {value!r}")


def _each(kind: type) -> Any:
    return deep_iterable(instance_of(kind), instance_of(tuple))


@frozen(kw_only=True)
class Event:
    """What every event has.

    Attributes:
        at_us: When it happened, whole microseconds since the Unix epoch.

    Raises:
        ValueError: `at_us` is not an int, or is negative.

    Example:
        >>> Start(at_us=1_700_000_000_000_000).name
        'start'
    """

    name: ClassVar[str] = ""
    at_us: int = field(validator=_whole_us)


@frozen(kw_only=True)
class Create(Event):
    """A run is asked for. It is decided on the absence of a run.

    Attributes:
        run_id: The new run's id.
        thread_id: The thread it will run on.
        assistant_id: The assistant that will run.
        model: The model to use.
        ttl_s: Seconds until the deadline, > 0.
        instructions, tools, metadata, temperature, top_p, max_prompt_tokens, max_completion_tokens,
            truncation_strategy, tool_choice, parallel_tool_calls, response_format: as on `RunObject`.
        extra: Undeclared keys for the record.

    Raises:
        ValueError: `at_us`, `ttl_s` or a token limit is not a whole number in range, or an id or the model is empty.
        TypeError: `tools` is no tuple of `Tool`.

    Example:
        >>> Create(at_us=0, run_id="run_1", thread_id="thread_1", assistant_id="asst_1", model="gpt-4o").ttl_s
        600
    """

    name: ClassVar[str] = "create"
    run_id: str = field(validator=_name)
    thread_id: str = field(validator=_name)
    assistant_id: str = field(validator=_name)
    model: str = field(validator=_name)
    ttl_s: int = field(default=TTL_S, validator=_positive)
    instructions: str | None = None
    tools: tuple[Tool, ...] = field(default=(), validator=_each(Tool))
    metadata: Mapping[str, JSON] | None = Factory(dict)
    temperature: float | None = None
    top_p: float | None = None
    max_prompt_tokens: int | None = field(default=None, validator=_tokens)
    max_completion_tokens: int | None = field(default=None, validator=_tokens)
    truncation_strategy: TruncationStrategy | None = None
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = True
    response_format: str | ResponseFormat | None = None
    extra: Mapping[str, JSON] = Factory(dict)


@frozen(kw_only=True)
class Start(Event):
    """A worker begins, or begins again after a tool round; started_at is written anew.

    Example:
        >>> Start(at_us=5).at_us
        5
    """

    name: ClassVar[str] = "start"


@frozen(kw_only=True)
class RequireAction(Event):
    """The model asks for tool calls, and the run waits.

    Attributes:
        tool_calls: At least one, with distinct ids (a guard says so).

    Example:
        >>> RequireAction(at_us=5, tool_calls=()).name
        'require_action'
    """

    name: ClassVar[str] = "require_action"
    tool_calls: tuple[ToolCall, ...] = field(validator=_each(ToolCall))


@frozen(kw_only=True, slots=False)
class ToolOutput(Part):
    """What one tool call gave, as the caller submits it (FACTS §3, C18).

    Attributes:
        tool_call_id: The call it answers.
        output: The result, as text.

    Example:
        >>> ToolOutput(tool_call_id="call_1", output="12:00").output
        '12:00'
    """

    tool_call_id: str
    output: str = ""


@frozen(kw_only=True)
class SubmitToolOutputs(Event):
    """The caller hands in the outputs, every one at once.

    Attributes:
        outputs: Exactly one for each pending call (a guard says so).

    Example:
        >>> SubmitToolOutputs(at_us=5, outputs=(ToolOutput(tool_call_id="call_1", output="12:00"),)).name
        'submit_tool_outputs'
    """

    name: ClassVar[str] = "submit_tool_outputs"
    outputs: tuple[ToolOutput, ...] = field(validator=_each(ToolOutput))


@frozen(kw_only=True)
class Cancel(Event):
    """Somebody asks for the run to stop.

    Attributes:
        reason: Why, for the history; the record has no field for it.

    Example:
        >>> Cancel(at_us=5, reason="user left").reason
        'user left'
    """

    name: ClassVar[str] = "cancel"
    reason: str | None = None


@frozen(kw_only=True)
class FinishCancel(Event):
    """The worker has stopped.

    Attributes:
        usage: Tokens used until then, or None.

    Example:
        >>> FinishCancel(at_us=5).usage is None
        True
    """

    name: ClassVar[str] = "finish_cancel"
    usage: Usage | None = field(default=None, validator=_counts)


@frozen(kw_only=True)
class Complete(Event):
    """The work is done.

    Attributes:
        usage: Tokens used, or None.

    Example:
        >>> Complete(at_us=5).name
        'complete'
    """

    name: ClassVar[str] = "complete"
    usage: Usage | None = field(default=None, validator=_counts)


@frozen(kw_only=True)
class ExhaustTokens(Event):
    """A token limit ended the work.

    Attributes:
        reason: `max_completion_tokens` or `max_prompt_tokens`.
        usage: Tokens used, or None.

    Example:
        >>> ExhaustTokens(at_us=5, reason="max_prompt_tokens").reason
        'max_prompt_tokens'
    """

    name: ClassVar[str] = "exhaust_tokens"
    reason: str = field(validator=instance_of(str))
    usage: Usage | None = field(default=None, validator=_counts)


@frozen(kw_only=True)
class Fail(Event):
    """An error ended the work.

    Attributes:
        code: `server_error`, `rate_limit_exceeded`, `invalid_prompt`, or another.
        message: For people.
        usage: Tokens used, or None.

    Example:
        >>> Fail(at_us=5, code="server_error", message="sorry").code
        'server_error'
    """

    name: ClassVar[str] = "fail"
    code: str = field(validator=instance_of(str))
    message: str = field(validator=instance_of(str))
    usage: Usage | None = field(default=None, validator=_counts)


@frozen(kw_only=True)
class Expire(Event):
    """The deadline has passed.

    Attributes:
        usage: Tokens used, or None.

    Example:
        >>> Expire(at_us=5).name
        'expire'
    """

    name: ClassVar[str] = "expire"
    usage: Usage | None = field(default=None, validator=_counts)


@frozen(kw_only=True)
class Modify(Event):
    """The client changes the metadata; the status stays.

    Attributes:
        metadata: The new metadata, whole.

    Example:
        >>> Modify(at_us=5, metadata={"ticket": "42"}).metadata
        {'ticket': '42'}
    """

    name: ClassVar[str] = "modify"
    metadata: Mapping[str, JSON] | None


EVENTS: Final[dict[str, type[Event]]] = {
    kind.name: kind
    for kind in (
        Create,
        Start,
        RequireAction,
        SubmitToolOutputs,
        Cancel,
        FinishCancel,
        Complete,
        ExhaustTokens,
        Fail,
        Expire,
        Modify,
    )
}
"""Every event's class by its name, in the order of DESIGN §2.2."""

REQUEST_FIELDS: Final = tuple(a.name for a in fields(Create) if a.name not in ("at_us", "run_id", "ttl_s"))
"""What `Create` hands to the record under the same name."""
