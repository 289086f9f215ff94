"""A second, naive model of the life of a run: the oracle that the engine is compared with.

Written from the prose of DESIGN §2.2 and §2.3 and FACTS §6.1 to §6.4 and B3, with `if` and `elif`, on plain dicts. It
knows nothing of the engine's tables, shapes, guards or step, and must never import them. Slow and obvious on purpose.

A *record* is a dict of the fields that are set: a null field is not in it. An *event* is a dict with `name`, `at_us`
and its payload. `plain` makes both from the engine's objects.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import attrs

Record = dict[str, Any]

EVENT_NAMES = (
    "create",
    "start",
    "require_action",
    "submit_tool_outputs",
    "cancel",
    "finish_cancel",
    "complete",
    "exhaust_tokens",
    "fail",
    "expire",
    "modify",
)

ENDS = {
    "completed": "complete",
    "incomplete": "exhaust_tokens",
    "failed": "fail",
    "cancelled": "finish_cancel",
    "expired": "expire",
}
"""Terminal status to the event that ends a run in it."""

LIVE = ("queued", "in_progress", "requires_action", "cancelling")

ALL_STATUSES = (*LIVE, *ENDS)

DOCUMENTED_EDGES = (
    ("queued", "in_progress"),
    ("queued", "cancelling"),
    ("in_progress", "requires_action"),
    ("in_progress", "cancelling"),
    ("in_progress", "completed"),
    ("in_progress", "failed"),
    ("in_progress", "incomplete"),
    ("in_progress", "expired"),
    ("requires_action", "queued"),
    ("requires_action", "expired"),
    ("cancelling", "cancelled"),
)
"""The eleven of the published diagram, FACTS §6.1."""

PRACTICAL_ADDS = (
    ("requires_action", "cancelling"),
    ("cancelling", "completed"),
    ("cancelling", "incomplete"),
    ("queued", "failed"),
    ("requires_action", "failed"),
    ("cancelling", "failed"),
    ("queued", "expired"),
    ("cancelling", "expired"),
)
"""DESIGN §2.2, third column."""

PERMISSIVE_ADDS = (
    ("requires_action", "in_progress"),
    ("queued", "cancelled"),
    ("in_progress", "cancelled"),
    ("requires_action", "cancelled"),
    ("requires_action", "completed"),
    ("requires_action", "incomplete"),
)
"""DESIGN §2.2, the paragraph on `permissive`."""

EDGES = {
    "documented": DOCUMENTED_EDGES,
    "practical": DOCUMENTED_EDGES + PRACTICAL_ADDS,
    "permissive": DOCUMENTED_EDGES + PRACTICAL_ADDS + PERMISSIVE_ADDS,
}


class Answer(NamedTuple):
    """What the naive model says: a new record, or a reason with what belongs to it.

    Attributes:
        record: The record after the step, or None where it is refused.
        reason: None, "unknown", "illegal", "late" or "guard".
        guard: The guard's name, for "guard".
        ended_by: The event that ended the run, for "late".
    """

    record: Record | None
    reason: str | None = None
    guard: str | None = None
    ended_by: str | None = None


def plain(thing: Any) -> Record:
    """A record or an event of the engine as a dict: what is null, or an empty `extra`, is left out."""
    made = attrs.asdict(thing, filter=_is_said)
    name = getattr(type(thing), "name", None)
    return {"name": name, **made} if isinstance(name, str) else made


def _is_said(attribute: attrs.Attribute[Any], value: Any) -> bool:
    if attribute.name == "absent" or value is None:
        return False
    return attribute.name != "extra" or bool(value)


def leads_to(status: str, event: str) -> str | None:
    """Where an event takes a run, if it may take it anywhere; None for an event that moves no run."""
    if event == "start":
        return "in_progress"
    if event == "require_action":
        return "requires_action"
    if event == "submit_tool_outputs":
        return "queued"
    if event == "cancel":
        return "cancelling"
    if event == "modify":
        return status
    for ending, by in ENDS.items():
        if by == event:
            return ending
    return None


def is_legal(status: str | None, event: str, policy: str) -> bool:
    """Whether the policy has this event in this status (None: no run)."""
    if status is None or event == "create":
        return status is None and event == "create"
    if event == "modify":
        return policy != "documented" or status not in ("in_progress", "cancelling")
    return (status, leads_to(status, event)) in EDGES[policy]


def allowed(status: str | None, policy: str) -> tuple[str, ...]:
    """The events the policy has in this status, in the order of DESIGN's table."""
    return tuple(event for event in EVENT_NAMES if is_legal(status, event, policy))


def last_stamp(record: Record) -> int:
    """The latest moment the record tells of, in seconds; the deadline is not one."""
    names = ("created_at", "started_at", "completed_at", "failed_at", "cancelled_at")
    stamps: list[int] = [record[name] for name in names if name in record]
    return max(stamps)


def pending_ids(record: Record) -> list[str]:
    """The ids of the tool calls that the run waits for."""
    action = record.get("required_action", {})
    asked = [action.get("submit_tool_outputs", {}), action.get("submit_tool_approval", {})]
    return [call["id"] for part in asked for call in part.get("tool_calls", ())]


def step(record: Record | None, event: Record, policy: str) -> Answer:
    """One step, the obvious way. The record given in is not touched."""
    name = event["name"]
    if name not in EVENT_NAMES:
        return Answer(None, "unknown")
    if record is None:
        return Answer(_born(event)) if name == "create" else Answer(None, "illegal")
    status = record["status"]
    if not is_legal(status, name, policy):
        if status in ENDS:
            return Answer(None, "late", ended_by=ENDS[status])
        return Answer(None, "illegal")
    guard = _guard(record, event)
    if guard is not None:
        return Answer(None, "guard", guard=guard)
    return Answer(_written(record, event))


def _guard(record: Record, event: Record) -> str | None:
    name, at_us = event["name"], event["at_us"]
    deadline_us = record["expires_at"] * 1_000_000 if "expires_at" in record else None
    if at_us < last_stamp(record) * 1_000_000:
        return "not_before_last_stamp"
    if name not in ("expire", "finish_cancel", "modify") and deadline_us is not None and at_us >= deadline_us:
        return "before_deadline"
    if name == "expire" and (deadline_us is None or at_us < deadline_us):
        return "past_deadline"
    if name in ("complete", "exhaust_tokens") and record["status"] == "cancelling" and "started_at" not in record:
        return "started"
    if name == "require_action":
        ids = [call["id"] for call in event["tool_calls"]]
        if not ids:
            return "has_tool_calls"
        if len(ids) != len(set(ids)):
            return "unique_call_ids"
    if name == "submit_tool_outputs":
        given = Counter(output["tool_call_id"] for output in event["outputs"])
        if given != Counter(pending_ids(record)):
            return "outputs_match"
    return None


def _born(event: Record) -> Record:
    record = {key: value for key, value in event.items() if key not in ("name", "at_us", "ttl_s", "run_id")}
    created_at = event["at_us"] // 1_000_000
    record["id"] = event["run_id"]
    record["object"] = "thread.run"
    record["status"] = "queued"
    record["created_at"] = created_at
    record["expires_at"] = created_at + event["ttl_s"]
    return record


def _written(record: Record, event: Record) -> Record:
    name, second = event["name"], event["at_us"] // 1_000_000
    status = leads_to(record["status"], name)
    after = dict(record)
    if name == "modify":
        after.pop("metadata", None)
        if "metadata" in event:
            after["metadata"] = event["metadata"]
        return after
    after["status"] = status
    after.pop("required_action", None)
    if name == "start":
        after["started_at"] = second
    elif name == "require_action":
        action = {"tool_calls": event["tool_calls"]}
        after["required_action"] = {"type": "submit_tool_outputs", "submit_tool_outputs": action}
    elif name == "finish_cancel":
        after["cancelled_at"] = second
    elif name == "complete":
        after["completed_at"] = second
    elif name == "exhaust_tokens":
        after["completed_at"] = second
        after["incomplete_details"] = {"reason": event["reason"]}
    elif name == "fail":
        after["failed_at"] = second
        after["last_error"] = {"code": event["code"], "message": event["message"]}
    elif name == "expire":
        after["completed_at"] = second
    if status in ENDS:
        after.pop("expires_at", None)
        if "usage" in event:
            after["usage"] = event["usage"]
    return after


def is_valid(record: Record) -> bool:
    """Whether a record agrees with its status, by the list of DESIGN §2.3."""
    status = record["status"]
    ended = status in ENDS
    wanted_end = {"failed": "failed_at", "cancelled": "cancelled_at"}.get(status, "completed_at" if ended else None)
    ends = [name for name in ("completed_at", "failed_at", "cancelled_at") if name in record]
    if ends != ([wanted_end] if wanted_end else []):
        return False
    if ("expires_at" in record) == ended or "created_at" not in record:
        return False
    if ("required_action" in record) != (status == "requires_action"):
        return False
    if ("last_error" in record) != (status == "failed"):
        return False
    if ("incomplete_details" in record) != (status == "incomplete"):
        return False
    if "usage" in record and not ended:
        return False
    if "started_at" not in record and status not in ("queued", "cancelling", "cancelled", "failed", "expired"):
        return False
    stamps = [record[name] for name in ("created_at", "started_at", *ends) if name in record]
    return stamps == sorted(stamps) and record.get("expires_at", stamps[0]) >= stamps[0]
