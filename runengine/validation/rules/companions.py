"""RE505 and RE506 on a step or a message by itself, and on its way from one time it was seen to the next.

The statuses, the stamps and the legal changes are those of the tables in `runengine.core.companions`.
Source: FACTS §4, C7, B7.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Any, Final, NamedTuple

from runengine.core.companions import MESSAGE, STEP, Lifecycle
from runengine.validation.findings import Finding
from runengine.validation.observations import Companion
from runengine.validation.rules.stamps import is_seconds

__all__ = ["CODES", "TABLES", "Call", "calls_of", "lasting_of", "move_findings", "own_findings"]

TABLES: Final[dict[str, Lifecycle]] = {"step": STEP, "message": MESSAGE}
"""The table of each kind."""

CODES: Final[dict[str, str]] = {"step": "RE505", "message": "RE506"}
"""The rule of each kind."""

_PREFIX: Final[dict[str, str]] = {"step": "thread.run.step.", "message": "thread.message."}
_LASTING: Final = ("created_at", "run_id", "thread_id", "assistant_id", "type", "role")
_REASONS: Final = (("step", "failed", "last_error"), ("message", "incomplete", "incomplete_details"))
"""FACTS §4: what an ending says of why."""


def own_findings(item: Companion) -> Iterator[Finding]:
    """What is wrong with a whole step or message by itself: its status, its stamps, its event, its reason, its usage.

    Args:
        item: A step or a message.

    Example:
        >>> step = {"object": "thread.run.step", "id": "step_1", "status": "completed", "completed_at": None}
        >>> [f.field for f in own_findings(Companion(step, "step", 1))]
        ['completed_at']
    """
    record, kind = item.record, item.kind
    table, code = TABLES[kind], CODES[kind]
    status = record.get("status")
    if status is None:
        return  # what a user wrote has none in many answers
    known = ", ".join(table.statuses)
    if status not in table.statuses:
        message = f"{str(status)[:80]} is no status of a {table.thing}"
        yield Finding(code, "status", known, message, found=status)
        return
    if item.event is not None and item.event.startswith(_PREFIX[kind]):
        word = item.event.removeprefix(_PREFIX[kind])
        wanted = table.initial if word == "created" else word
        if wanted in table.statuses and status != wanted:
            yield Finding(
                code, "status", wanted, f"{item.event} came with a {table.thing} that is {status}", found=status
            )
    yield from _stamps(item, status, table, code)
    yield from _reasons(item, status, table, code)
    if kind == "step":
        yield from _details(record, status)


def _stamps(item: Companion, status: str, table: Lifecycle, code: str) -> Iterator[Finding]:
    record = item.record
    created = record.get("created_at")
    if created is not None and not is_seconds(created):
        yield Finding(code, "created_at", "Unix seconds", "created_at is no Unix seconds", found=created)
    for owner, (stamp, *others) in table.stamps.items():
        value = record.get(stamp)
        if owner == status:
            value = next((record[name] for name in (stamp, *others) if record.get(name) is not None), None)
            if value is None and (stamp in record or item.source == "stream") and not _is_asked(record):
                message = f"the {table.thing} is {status}, and has no {stamp}"
                yield Finding(code, stamp, "Unix seconds", message, found=None)
            elif value is not None and not is_seconds(value):
                yield Finding(code, stamp, "Unix seconds", f"{stamp} is no Unix seconds", found=value)
        elif value is not None:
            message = f"the {table.thing} is {status}, and has {stamp}"
            yield Finding(code, stamp, f"null unless {owner}", message, found=value)
        if is_seconds(value) and is_seconds(created) and value < created and record.get(stamp) is not None:
            message = f"{stamp} is {created - value} s before created_at"
            yield Finding(code, stamp, f"at least {created} (created_at)", message, found=value)


def _is_asked(record: dict[str, Any]) -> bool:
    """What a user wrote is completed without ever having been in progress."""
    return record.get("role") == "user"


def _reasons(item: Companion, status: str, table: Lifecycle, code: str) -> Iterator[Finding]:
    """Whoever fails says why, and a message that is whole gives no reason for not being so."""
    record = item.record
    for kind, owner, name in _REASONS:
        if kind != item.kind:
            continue
        if status == owner and record.get(name) is None and (name in record or item.source == "stream"):
            message = f"the {table.thing} is {status}, and has no {name}"
            yield Finding(code, name, "the reason", message, found=None)
        elif status != owner and kind == "message" and record.get(name) is not None:
            message = f"the {table.thing} is {status}, and has {name}"
            yield Finding(code, name, f"null unless {owner}", message, found=record[name])


def _details(step: dict[str, Any], status: str) -> Iterator[Finding]:
    """A step's type is said twice, and its usage is a sum that is not known before its end."""
    details, kind = step.get("step_details"), step.get("type")
    inner = details.get("type") if isinstance(details, dict) else None
    if isinstance(kind, str) and isinstance(inner, str) and kind != inner:
        message = f"type is {kind[:80]}, and that of its step_details is {inner[:80]}"
        yield Finding("RE505", "type", inner[:80], message, found=kind)
    usage = step.get("usage")
    if not isinstance(usage, dict):
        return
    if status == STEP.initial:
        message = f"the run step is {status}, and has usage"
        yield Finding("RE505", "usage", f"null while {status}", message, found=usage)
    asked, answered, total = (usage.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
    if type(asked) is int and type(answered) is int and type(total) is int and asked + answered != total:
        message = "total_tokens is not the sum of prompt_tokens and completion_tokens"
        yield Finding("RE505", "usage.total_tokens", str(asked + answered), message, found=total)


def lasting_of(record: dict[str, Any]) -> dict[str, Any]:
    """What must be the same whenever a step or message is seen, where it is there.

    Args:
        record: The step or message.

    Example:
        >>> lasting_of({"id": "step_1", "type": "tool_calls", "status": "in_progress"})
        {'type': 'tool_calls'}
    """
    return {name: record[name] for name in _LASTING if record.get(name) is not None}


class Call(NamedTuple):
    """A function call of a step; each part is None where it is not told.

    Attributes:
        name: Of the function.
        arguments: As JSON text.
        output: What was answered.

    Example:
        >>> Call("now", "{}", None).name
        'now'
    """

    name: str | None
    arguments: str | None
    output: str | None


def calls_of(record: dict[str, Any]) -> dict[str, Call]:
    """The function calls of a step that show whether they are answered, by id.

    Args:
        record: The step.

    Example:
        >>> call = {"id": "call_1", "type": "function", "function": {"name": "now", "output": "7"}}
        >>> calls_of({"step_details": {"tool_calls": [call]}})
        {'call_1': Call(name='now', arguments=None, output='7')}
    """
    details = record.get("step_details")
    calls = details.get("tool_calls") if isinstance(details, dict) else None
    made: dict[str, Call] = {}
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(call.get("id"), str):
            continue
        if isinstance(function.get("output", ""), (str, NoneType)) and "output" in function:
            name, arguments, output = (function.get(part) for part in Call._fields)
            known = [text if isinstance(text, str) else None for text in (name, arguments, output)]
            made[call["id"]] = Call(*known)
    return made


def move_findings(
    kind: str, before: str, lasting: dict[str, Any], stamps: dict[str, Any], record: dict[str, Any]
) -> Iterator[Finding]:
    """What is wrong with the way from the last time a step or message was seen to this one.

    Args:
        kind: `step` or `message`.
        before: Its status then.
        lasting: See `lasting_of`, of then.
        stamps: Its stamps of then that were set.
        record: What it is now.

    Example:
        >>> [f.code for f in move_findings("step", "completed", {}, {}, {"status": "failed"})]
        ['RE505']
    """
    table, code = TABLES[kind], CODES[kind]
    status = record.get("status")
    if status in table.statuses and status != before and (before, status) not in table.edges:
        if before in table.terminal:
            message = f"the {table.thing} is {status}, but it had ended as {before}"
            yield Finding(code, "status", before, message, found=status)
        else:
            yield Finding(code, "status", before, f"no step leads from {before} to {status}", found=status)
        return
    for name, was in lasting.items():
        if record.get(name) is not None and record[name] != was:
            message = f"{name} is not what it was when the {table.thing} was last seen"
            yield Finding(code, name, str(was)[:80], message, found=record[name])
    if before in table.terminal:
        for name, was in stamps.items():
            if name in record and record[name] != was:
                message = f"{name} changed, but the {table.thing} had ended as {before}"
                yield Finding(code, name, str(was)[:80], message, found=record[name])
