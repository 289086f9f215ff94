"""RE505 and RE506 on a step or a message by itself, and on its way from one time it was seen to the next.

The statuses, the stamps and the legal changes are those of the tables in `runengine.core.companions`.
Source: FACTS §4, C7, B7.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from runengine.core.companions import MESSAGE, STEP, Lifecycle
from runengine.validation.findings import Finding
from runengine.validation.observations import Companion

__all__ = ["CODES", "TABLES", "calls_of", "lasting_of", "move_findings", "own_findings"]

TABLES: Final[dict[str, Lifecycle]] = {"step": STEP, "message": MESSAGE}
"""The table of each kind."""

CODES: Final[dict[str, str]] = {"step": "RE505", "message": "RE506"}
"""The rule of each kind."""

_PREFIX: Final[dict[str, str]] = {"step": "thread.run.step.", "message": "thread.message."}
_SPELLINGS: Final[dict[str, tuple[str, ...]]] = {"expired_at": ("expired_at", "expires_at")}
"""C7: streams write expires_at; where the step has not expired, that is the deadline and no stamp of an end."""

_LASTING: Final = ("created_at", "run_id", "thread_id", "assistant_id", "type", "role")


def own_findings(item: Companion) -> Iterator[Finding]:
    """What is wrong with a whole step or message by itself: its status, its stamps, its event.

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
    for owner, (stamp,) in table.stamps.items():
        if owner == status:
            if stamp in record or item.source == "stream":
                names = _SPELLINGS.get(stamp, (stamp,))
                if all(record.get(name) is None for name in names) and not _is_asked(record):
                    message = f"the {table.thing} is {status}, and has no {stamp}"
                    yield Finding(code, stamp, "Unix seconds", message, found=None)
        elif record.get(stamp) is not None:
            message = f"the {table.thing} is {status}, and has {stamp}"
            yield Finding(code, stamp, f"null unless {owner}", message, found=record[stamp])
    yield from _stamp_order(record, table, code)


def _is_asked(record: dict[str, Any]) -> bool:
    """What a user wrote is completed without ever having been in progress."""
    return record.get("role") == "user"


def _stamp_order(record: dict[str, Any], table: Lifecycle, code: str) -> Iterator[Finding]:
    created = record.get("created_at")
    for (stamp,) in table.stamps.values():
        value = record.get(stamp)
        if type(value) is int and type(created) is int and value < created:
            message = f"{stamp} is {created - value} s before created_at"
            yield Finding(code, stamp, f"at least {created} (created_at)", message, found=value)


def lasting_of(record: dict[str, Any]) -> dict[str, Any]:
    """What must be the same whenever a step or message is seen, where it is there.

    Args:
        record: The step or message.

    Example:
        >>> lasting_of({"id": "step_1", "type": "tool_calls", "status": "in_progress"})
        {'type': 'tool_calls'}
    """
    return {name: record[name] for name in _LASTING if record.get(name) is not None}


def calls_of(record: dict[str, Any]) -> dict[str, str | None]:
    """The function calls of a step that show whether they are answered: id to output, None for not yet.

    Args:
        record: The step.

    Example:
        >>> call = {"id": "call_1", "type": "function", "function": {"output": "7"}}
        >>> calls_of({"step_details": {"tool_calls": [call]}})
        {'call_1': '7'}
    """
    details = record.get("step_details")
    calls = details.get("tool_calls") if isinstance(details, dict) else None
    made: dict[str, str | None] = {}
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(call.get("id"), str) and "output" in function:
            output = function["output"]
            if output is None or isinstance(output, str):
                made[call["id"]] = output
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
