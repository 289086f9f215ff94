"""Examples of rules: whole small recordings, made from the shape table, that a reader can check and change.

The record here is the smallest that is right: a v2 record whose nullable keys are left out while they are null.
"""

from __future__ import annotations

import json
from typing import Any, Final, cast

from attrs import frozen

from runengine.core.companions import MESSAGE, STEP, Lifecycle
from runengine.core.fields import FIELDS
from runengine.core.shape import SHAPE, end_stamp
from runengine.core.statuses import Status

__all__ = ["CREATED", "LEFT_OUT", "Example", "joined", "lines", "message", "record", "row", "step", "stream"]

CREATED: Final = 1_767_225_600
"""1 January 2026: created_at of every example. A run starts a second later and ends after five."""

LEFT_OUT: Final = object()
"""As a value in `record`: the key is left out."""

_CALL: Final = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}

_VALUES: Final[dict[str, Any]] = {
    "id": "run_1",
    "object": "thread.run",
    "created_at": CREATED,
    "thread_id": "thread_1",
    "assistant_id": "asst_1",
    "started_at": CREATED + 1,
    "expires_at": CREATED + 600,
    "required_action": {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [_CALL]}},
    "last_error": {"code": "server_error", "message": "Sorry, something went wrong."},
    "incomplete_details": {"reason": "max_completion_tokens"},
    "usage": {"completion_tokens": 5, "prompt_tokens": 7, "total_tokens": 12},
    "model": "gpt-4o",
    "tools": [],
    "parallel_tool_calls": True,
}


@frozen
class Example:
    """One recording.

    Attributes:
        text: The whole file.
        suffix: `.jsonl` or `.sse`.
        joined: Further recordings of the same form, checked after it with `--join`; none where the rule needs none.

    Example:
        >>> Example("{}").suffix
        '.jsonl'
    """

    text: str
    suffix: str = ".jsonl"
    joined: tuple[str, ...] = ()

    @property
    def whole(self) -> str:
        """All of it, a blank line between recordings."""
        return "\n".join((self.text, *self.joined))


def record(status: str, **changes: Any) -> dict[str, Any]:
    """A right record in a status, with changes.

    Args:
        status: One of the nine, or another to break a rule.
        changes: Field to value; `LEFT_OUT` leaves the key out. `completed_at` and so on are seconds.

    Example:
        >>> list(record("queued"))[-3:]
        ['model', 'tools', 'parallel_tool_calls']
        >>> record("expired")["completed_at"] - CREATED
        600
    """
    made: dict[str, Any] = {name: _VALUES.get(name) for name in FIELDS}
    made["status"] = status
    for shape in SHAPE:
        presence = shape.presence_in(cast("Status", status))
        if presence == "never" or (shape.field == "started_at" and status == "queued"):
            made[shape.field] = None
    stamp = end_stamp(cast("Status", status))
    if stamp is not None:
        made[stamp] = CREATED + (600 if status == "expired" else 5)
    made.update(changes)
    return {n: v for n, v in made.items() if v is not LEFT_OUT and (v is not None or n in changes)}


def step(status: str, **changes: Any) -> dict[str, Any]:
    """A right step of that run, one that writes a message, with changes.

    Args:
        status: One of a step's five, or another to break a rule.
        changes: Field to value.

    Example:
        >>> step("completed")["completed_at"] - CREATED
        4
    """
    made = _beside("step_1", "thread.run.step", STEP, status)
    creation = {"type": "message_creation", "message_creation": {"message_id": "msg_1"}}
    error = _VALUES["last_error"] if status == "failed" else None
    return {**made, "type": "message_creation", "step_details": creation, "last_error": error, "usage": None, **changes}


def message(status: str, **changes: Any) -> dict[str, Any]:
    """A right message of that run, with changes.

    Args:
        status: One of a message's three, or another to break a rule.
        changes: Field to value.

    Example:
        >>> message("incomplete")["incomplete_details"]
        {'reason': 'max_tokens'}
    """
    made = _beside("msg_1", "thread.message", MESSAGE, status)
    details = {"reason": "max_tokens"} if status == "incomplete" else None
    return {**made, "role": "assistant", "content": [], "incomplete_details": details, **changes}


def _beside(name: str, kind: str, table: Lifecycle, status: str) -> dict[str, Any]:
    stamps = {stamp: CREATED + 4 if owner == status else None for owner, (stamp, *_) in table.stamps.items()}
    ids = {"run_id": "run_1", "thread_id": "thread_1", "assistant_id": "asst_1"}
    return {"id": name, "object": kind, "created_at": CREATED + 2, **ids, "status": status, **stamps}


def row(data: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    """A record in an envelope that says how it was recorded.

    Example:
        >>> list(row(record("queued"), kind="create"))
        ['kind', 'data']
    """
    return {**envelope, "data": data}


def lines(*values: Any) -> Example:
    r"""A JSON Lines file; text is taken as it is.

    Example:
        >>> lines({"a": 1}, "not JSON").text
        '{"a": 1}\nnot JSON\n'
    """
    return Example("".join((v if isinstance(v, str) else json.dumps(v)) + "\n" for v in values))


def joined(*recordings: tuple[Any, ...]) -> Example:
    """JSON Lines files that are checked as one recording, in this order.

    Example:
        >>> len(joined((record("queued"),), (record("in_progress"),)).joined)
        1
    """
    first, *others = (lines(*values).text for values in recordings)
    return Example(first, joined=tuple(others))


def stream(*events: tuple[str, Any]) -> Example:
    r"""An event stream; data that is text is taken as it is, None leaves the data line out.

    Example:
        >>> stream(("done", "[DONE]")).text
        'event: done\ndata: [DONE]\n\n'
    """
    text = ""
    for name, data in events:
        text += f"event: {name}\n"
        if data is not None:
            text += f"data: {data if isinstance(data, str) else json.dumps(data)}\n"
        text += "\n"
    return Example(text, ".sse")
