"""Runs, events and moments typed out: small representative sets for exhaustive tests, examples and benchmarks.

Runs are built field by field from FACTS §6.4 and B3, not by the engine, so that a test of the engine can start in any
status. All were created at `T0_S` with a deadline 600 s later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from attrs import evolve

from runengine.core.events import (
    Cancel,
    Complete,
    Create,
    Event,
    ExhaustTokens,
    Expire,
    Fail,
    FinishCancel,
    Modify,
    RequireAction,
    Start,
    SubmitToolOutputs,
    ToolOutput,
)
from runengine.core.parts import (
    ApprovalCall,
    FunctionCall,
    FunctionDefinition,
    IncompleteDetails,
    LastError,
    RequiredAction,
    SubmitToolApproval,
    Tool,
    ToolCall,
    TruncationStrategy,
    Usage,
)
from runengine.core.parts import SubmitToolOutputs as Asked
from runengine.core.records import RunObject
from runengine.core.statuses import Status

T0_S: Final = 1_700_000_000
START_S: Final = T0_S + 2
END_S: Final = T0_S + 5
DEADLINE_S: Final = T0_S + 600

STATUSES: Final[tuple[Status, ...]] = get_args(Status)
UNSTARTED_STATUSES: Final[tuple[Status, ...]] = ("queued", "cancelling", "failed", "cancelled", "expired")
"""Where a run that never started may be (DESIGN §2.3)."""

USAGE: Final = Usage(completion_tokens=5, prompt_tokens=7, total_tokens=12)


def at(second: float) -> int:
    """A moment in microseconds, given in seconds after the sample runs were created."""
    return T0_S * 1_000_000 + round(second * 1_000_000)


def tool_call(id: str = "call_1") -> ToolCall:
    """One tool call with that id."""
    return ToolCall(id=id, function=FunctionCall(name="now", arguments="{}"))


def asking(*ids: str) -> RequiredAction:
    """The required action that waits for calls with these ids."""
    return RequiredAction(submit_tool_outputs=Asked(tool_calls=tuple(tool_call(id) for id in ids)))


def approving(*ids: str) -> RequiredAction:
    """Azure's second kind of required action, waiting for these ids (FACTS §2.1)."""
    calls = tuple(ApprovalCall(id=id, server_label="github") for id in ids)
    return RequiredAction(type="submit_tool_approval", submit_tool_approval=SubmitToolApproval(tool_calls=calls))


def answering(*ids: str) -> tuple[ToolOutput, ...]:
    """One output for each of these ids."""
    return tuple(ToolOutput(tool_call_id=id, output="12:00") for id in ids)


def create(at_us: int = T0_S * 1_000_000, **changes: Any) -> Create:
    """A create event with something in most of the request's fields."""
    event = Create(
        at_us=at_us,
        run_id="run_1",
        thread_id="thread_1",
        assistant_id="asst_1",
        model="gpt-4o",
        instructions="Be kind.",
        tools=(Tool(type="function", function=FunctionDefinition(name="now")), Tool(type="code_interpreter")),
        metadata={"ticket": "42"},
        temperature=1.0,
        max_prompt_tokens=256,
        truncation_strategy=TruncationStrategy(type="auto"),
        tool_choice="auto",
        response_format="auto",
        extra={"tool_resources": {}},
    )
    return evolve(event, **changes)


_END_STAMP: Final[Mapping[Status, str]] = {
    "completed": "completed_at",
    "incomplete": "completed_at",
    "expired": "completed_at",
    "failed": "failed_at",
    "cancelled": "cancelled_at",
}


def run_in(status: Status, *, started: bool = True, **changes: Any) -> RunObject:
    """A valid record in that status.

    Args:
        status: Any of the nine.
        started: Whether it ever started; must be true for in_progress, requires_action, completed and incomplete.
        changes: Fields to set otherwise, at the caller's own risk.
    """
    request = create()
    fields: dict[str, Any] = {
        "id": request.run_id,
        "thread_id": request.thread_id,
        "assistant_id": request.assistant_id,
        "model": request.model,
        "instructions": request.instructions,
        "tools": request.tools,
        "metadata": request.metadata,
        "temperature": request.temperature,
        "status": status,
        "created_at": T0_S,
        "started_at": START_S if started else None,
    }
    if status in _END_STAMP:
        fields[_END_STAMP[status]] = DEADLINE_S if status == "expired" else END_S
    else:
        fields["expires_at"] = DEADLINE_S
    if status == "requires_action":
        fields["required_action"] = asking("call_1")
    elif status == "failed":
        fields["last_error"] = LastError(code="server_error", message="sorry")
    elif status == "incomplete":
        fields["incomplete_details"] = IncompleteDetails(reason="max_prompt_tokens")
    if status in ("completed", "incomplete"):
        fields["usage"] = USAGE
    return RunObject(**(fields | changes))


def every_run() -> tuple[RunObject, ...]:
    """One run of every kind that the lifecycle can tell apart: status, ever started, calls waited for."""
    runs = [run_in(status) for status in STATUSES]
    runs += [run_in(status, started=False) for status in UNSTARTED_STATUSES]
    runs += [
        run_in("requires_action", required_action=asking("call_1", "call_2")),
        run_in("requires_action", required_action=approving("call_1")),
        run_in("failed", usage=USAGE),
        run_in("queued", metadata=None, started_at=T0_S),
    ]
    return tuple(runs)


def first_event(name: str, at_us: int, run: RunObject | None = None) -> Event:
    """The event of that name with a payload that fits `run`: what it waits for, if it waits."""
    if name == "submit_tool_outputs" and run is not None and run.required_action is not None:
        return SubmitToolOutputs(at_us=at_us, outputs=answering(*run.required_action.call_ids))
    return every_event(name, at_us)[0]


def every_event(name: str, at_us: int) -> tuple[Event, ...]:
    """Events of that name, one for each kind of payload; the first is an ordinary one."""
    t = at_us
    match name:
        case "create":
            return (create(t), create(t, ttl_s=1, metadata=None, temperature=None, extra={}))
        case "start":
            return (Start(at_us=t),)
        case "require_action":
            ids = (("call_1",), ("call_1", "call_2"), (), ("call_1", "call_1"), ("call_1", "call_2", "call_1"))
            return tuple(RequireAction(at_us=t, tool_calls=tuple(tool_call(id) for id in some)) for some in ids)
        case "submit_tool_outputs":
            given = (
                *(("call_1",), ("call_2", "call_1"), (), ("call_3",), ("call_1", "call_1")),
                *(("call_1", "call_2", "call_3"), ("call_1", "call_2", "call_2")),
            )
            return tuple(SubmitToolOutputs(at_us=t, outputs=answering(*ids)) for ids in given)
        case "cancel":
            return (Cancel(at_us=t), Cancel(at_us=t, reason="user left"))
        case "finish_cancel":
            return (FinishCancel(at_us=t), FinishCancel(at_us=t, usage=USAGE))
        case "complete":
            return (Complete(at_us=t, usage=USAGE), Complete(at_us=t))
        case "exhaust_tokens":
            reason = "max_completion_tokens"
            return (ExhaustTokens(at_us=t, reason=reason, usage=USAGE), ExhaustTokens(at_us=t, reason=reason))
        case "fail":
            return (
                Fail(at_us=t, code="server_error", message="sorry", usage=USAGE),
                Fail(at_us=t, code="x", message=""),
            )
        case "expire":
            return (Expire(at_us=t), Expire(at_us=t, usage=USAGE))
        case "modify":
            return (
                Modify(at_us=t, metadata={"ticket": "43"}),
                Modify(at_us=t, metadata={}),
                Modify(at_us=t, metadata=None),
            )
        case _:
            raise KeyError(name)


def every_moment(run: RunObject | None) -> tuple[int, ...]:
    """Moments around what a run's guards on time look at: its last stamp and its deadline, to the microsecond."""
    if run is None:
        return (0, 1, 999_999, 1_000_000, at(0), at(0.999_999))
    stamps = (run.created_at, run.started_at, run.completed_at, run.failed_at, run.cancelled_at)
    edges = sorted({stamp for stamp in (*stamps, run.expires_at, DEADLINE_S) if stamp is not None})
    near = [second * 1_000_000 + off for second in edges for off in (-1, 0, 1, 999_999)]
    return (0, *near, (DEADLINE_S + 86_400) * 1_000_000)


def legal_moment(name: str, run: RunObject) -> int:
    """A moment at which no guard on time refuses the event."""
    ended = run.completed_at or run.failed_at or run.cancelled_at
    if name == "expire":
        return at(600)
    return at(10) if ended is None else ended * 1_000_000
