"""The guards: conditions on a run and an event that a table row may demand.

Guards on *time* hold for every row and are compiled into the step itself: `not_before_last_stamp` everywhere, and
`before_deadline` on every event but those of `DEADLINE_FREE`. The guards of a *row* are the functions below. A guard
answers None to agree, or one sentence that says why not. Source: DESIGN §2.2, FACTS §3 (the API's own refusals).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import frozen

from runengine.core.events import SECOND_US, Expire, RequireAction, SubmitToolOutputs
from runengine.core.records import RunObject

__all__ = ["DEADLINE_FREE", "ROW_GUARDS", "TIME_GUARDS", "Guard"]

DEADLINE_FREE: Final = ("create", "expire", "finish_cancel", "modify")
"""Events that may come at or after the deadline; every other loses to `expire`, by rule."""

TIME_GUARDS: Final = ("not_before_last_stamp", "before_deadline")
"""Names of the guards that are not written in the rows."""


@frozen(kw_only=True)
class Guard:
    """A named condition.

    Attributes:
        name: As written in the rows.
        meaning: What it demands.
        events: Events that carry what it reads.
        refuse: The check: (run, event) to None, or to why not.

    Example:
        >>> ROW_GUARDS["started"].meaning
        'the run has started'
    """

    name: str
    meaning: str
    events: tuple[str, ...]
    refuse: Callable[[RunObject, Any], str | None]


def _started(run: RunObject, _event: object) -> str | None:
    return None if run.started_at is not None else "the run never started, so it can have no outcome of its own"


def _past_deadline(run: RunObject, event: Expire) -> str | None:
    if run.expires_at is None:
        return "the run has no deadline"
    left_us = run.expires_at * SECOND_US - event.at_us
    if left_us <= 0:
        return None
    return f"the deadline {run.expires_at} is {left_us / SECOND_US:.6f} s away"


def _has_tool_calls(_run: RunObject, event: RequireAction) -> str | None:
    return None if event.tool_calls else "a required action needs at least one tool call"


def _unique_call_ids(_run: RunObject, event: RequireAction) -> str | None:
    ids = [call.id for call in event.tool_calls]
    if len(set(ids)) == len(ids):
        return None
    return f"tool call ids must be distinct, got {ids}"


def _outputs_match(run: RunObject, event: SubmitToolOutputs) -> str | None:
    wanted = [] if run.required_action is None else list(run.required_action.call_ids)
    got = [output.tool_call_id for output in event.outputs]
    if sorted(wanted) == sorted(got):
        return None
    return f"Expected tool outputs for call_ids {wanted}, got {got}"


_OUTCOMES = ("complete", "exhaust_tokens", "fail", "finish_cancel", "expire", "cancel", "start", "require_action")

ROW_GUARDS: Final[dict[str, Guard]] = {
    guard.name: guard
    for guard in (
        Guard(name="started", meaning="the run has started", events=_OUTCOMES, refuse=_started),
        Guard(
            name="past_deadline",
            meaning="the event is at or after expires_at",
            events=("expire",),
            refuse=_past_deadline,
        ),
        Guard(
            name="has_tool_calls",
            meaning="there is at least one tool call",
            events=("require_action",),
            refuse=_has_tool_calls,
        ),
        Guard(
            name="unique_call_ids",
            meaning="tool call ids are distinct",
            events=("require_action",),
            refuse=_unique_call_ids,
        ),
        Guard(
            name="outputs_match",
            meaning="there is one output for every pending call, and no other",
            events=("submit_tool_outputs",),
            refuse=_outputs_match,
        ),
    )
}
"""Every guard a row may name."""
