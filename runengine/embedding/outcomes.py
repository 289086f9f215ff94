"""What a handler may say of its work, and how that is written. See `runengine.embedding.worker`."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Iterable
from typing import Final

from attrs import field, frozen

from runengine.core import Complete, ExhaustTokens, Fail, RequireAction, ToolCall, Usage
from runengine.embedding.aio.verbs import AsyncVerbs
from runengine.embedding.answers import Answer

__all__ = [
    "ActionRequired",
    "Completed",
    "Failed",
    "OutOfTokens",
    "Outcome",
    "Result",
    "Stopped",
    "failure_of",
    "outcome_instead",
    "write_outcome",
]

_MESSAGE_CHARS_MAX: Final = 1_000


def _tuple(calls: Iterable[ToolCall]) -> tuple[ToolCall, ...]:
    return tuple(calls)


@frozen(kw_only=True)
class Completed:
    """The work is done.

    Attributes:
        usage: Tokens used, or None.

    Raises:
        TypeError, ValueError: the usage is not one.

    Example:
        >>> Completed().usage is None
        True
    """

    usage: Usage | None = None

    def __attrs_post_init__(self) -> None:
        Complete(at_us=0, usage=self.usage)


@frozen(kw_only=True)
class OutOfTokens:
    """A token limit ended the work.

    Attributes:
        reason: `max_completion_tokens` or `max_prompt_tokens`.
        usage: Tokens used, or None.

    Raises:
        TypeError, ValueError: a value is of the wrong kind.

    Example:
        >>> OutOfTokens(reason="max_prompt_tokens").reason
        'max_prompt_tokens'
    """

    reason: str
    usage: Usage | None = None

    def __attrs_post_init__(self) -> None:
        ExhaustTokens(at_us=0, reason=self.reason, usage=self.usage)


@frozen(kw_only=True)
class Failed:
    """An error ended the work.

    Attributes:
        code: `server_error`, `rate_limit_exceeded`, `invalid_prompt`, or another.
        message: For people.
        usage: Tokens used, or None.

    Raises:
        TypeError, ValueError: a value is of the wrong kind.

    Example:
        >>> Failed(code="rate_limit_exceeded", message="Try again later.").code
        'rate_limit_exceeded'
    """

    code: str
    message: str
    usage: Usage | None = None

    def __attrs_post_init__(self) -> None:
        Fail(at_us=0, code=self.code, message=self.message, usage=self.usage)


@frozen(kw_only=True)
class ActionRequired:
    """The run is to wait for tool outputs; the handler is entered again when they are there.

    Attributes:
        tool_calls: At least one, with distinct ids.

    Raises:
        TypeError: one of them is no `ToolCall`.

    Example:
        >>> from runengine.core import FunctionCall
        >>> call = ToolCall(id="call_1", function=FunctionCall(name="now", arguments="{}"))
        >>> ActionRequired(tool_calls=[call]).tool_calls[0].id
        'call_1'
    """

    tool_calls: tuple[ToolCall, ...] = field(converter=_tuple)

    def __attrs_post_init__(self) -> None:
        RequireAction(at_us=0, tool_calls=self.tool_calls)


@frozen(kw_only=True)
class Stopped:
    """The work has stopped because the run was cancelled.

    Attributes:
        usage: Tokens used, or None.

    Raises:
        TypeError, ValueError: the usage is not one.

    Example:
        >>> Stopped().usage is None
        True
    """

    usage: Usage | None = None

    def __attrs_post_init__(self) -> None:
        Complete(at_us=0, usage=self.usage)


Outcome = Completed | OutOfTokens | Failed | ActionRequired | Stopped
Result = Outcome | Usage | None
"""What a handler returns. None and a usage mean `Completed`; of a handler that has heard that it is to stop, they mean
that it did."""


def failure_of(error: BaseException, usage: Usage | None = None) -> Failed:
    r"""A failure with the error's type and text as its message, on one line.

    Example:
        >>> failure_of(ValueError("no such city:\n  Atlantis")).message
        'ValueError: no such city: Atlantis'
    """
    text = " ".join("".join(traceback.format_exception_only(error)).split())
    text = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate could not be stored
    return Failed(code="server_error", message=text[:_MESSAGE_CHARS_MAX], usage=usage)


def outcome_instead(outcome: Outcome | None, answer: Answer) -> Outcome | None:
    """What to write where the table refused an outcome and the run is still held; None: nothing.

    A run whose outcome is refused must end: it would be entered again and again.

    Example:
        >>> answer = Answer(kind="illegal", event="complete", run_id="r", at_us=0)
        >>> outcome_instead(Completed(), answer) is None
        True
    """
    usage = getattr(outcome, "usage", None)
    if answer.status == "cancelling":
        return Stopped(usage=usage)
    if answer.status == "in_progress":
        return Failed(code="server_error", message=f"The outcome was refused: {answer.message}", usage=usage)
    return None


def write_outcome(runtime: AsyncVerbs, run_id: str, fence: int, outcome: Outcome) -> Awaitable[Answer]:
    """Say to the runtime what came of the work.

    Example:
        >>> import asyncio
        >>> async def kind():
        ...     async with AsyncVerbs("memory:") as runtime:
        ...         return (await write_outcome(runtime, "run_1", 1, Completed())).kind
        >>> asyncio.run(kind())
        'not_found'
    """
    match outcome:
        case Completed():
            return runtime.complete(run_id, usage=outcome.usage, fence=fence)
        case OutOfTokens():
            return runtime.exhaust_tokens(run_id, outcome.reason, usage=outcome.usage, fence=fence)
        case Failed():
            return runtime.fail(run_id, outcome.code, outcome.message, usage=outcome.usage, fence=fence)
        case ActionRequired():
            return runtime.require_action(run_id, outcome.tool_calls, fence=fence)
        case Stopped():
            return runtime.finish_cancel(run_id, usage=outcome.usage, fence=fence)
