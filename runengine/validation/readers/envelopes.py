"""From one JSON value to items: a bare run, a run in an envelope, a list of either, or something that is no run.

An envelope is `{"data": …}` (or `{"error": …}`) with any of `kind`, `event`, `http_date`, `observed_at`.
Source: DESIGN §5, FACTS B0.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final

from runengine.dialects.spellings import camel
from runengine.validation.observations import (
    COMPANIONS,
    Companion,
    Item,
    Observation,
    Passed,
    Refusal,
    Source,
    Unreadable,
)

__all__ = ["RUN_OBJECTS", "http_seconds", "items_of", "refusal_of"]

RUN_OBJECTS: Final = ("thread.run", "assistant.run")
"""What `object` says of a run: the second in generation G0 only (FACTS §1.1)."""

_RUN_SIGNS: Final = ("status", "thread_id", "assistant_id", "created_at")
_NESTING_MAX: Final = 8
_STREAM_EVENTS: Final = "thread."


def items_of(value: Any, line: int, depth: int = 0) -> Iterator[Item]:
    """What one JSON value of a recording holds.

    Args:
        value: The value, as decoded.
        line: Where it stands.
        depth: How many envelopes and lists it is inside of.

    Example:
        >>> run = {"id": "run_1", "object": "thread.run", "status": "queued"}
        >>> [item.created for item in items_of({"kind": "create", "data": run}, 1)]
        [True]
        >>> [item.record["id"] for item in items_of({"object": "list", "data": [run]}, 1)]
        ['run_1']
    """
    if depth > _NESTING_MAX:
        yield Unreadable(line=line, problem=f"lists and envelopes nested deeper than {_NESTING_MAX}")
    elif type(value) is list:
        for element in value:
            yield from items_of(element, line, depth + 1)
    elif type(value) is not dict:
        yield Unreadable(line=line, problem="expected a run object, an envelope or a list", found=repr(value)[:80])
    elif _is_run(value):
        yield Observation(value, line)
    elif type(value.get("data")) is dict and "object" not in value:
        yield from _enveloped(value, line, depth)
    elif type(value.get("data")) is list:
        yield from _listed(value, line, depth)
    elif type(value.get("object")) is str:
        kind = COMPANIONS.get(value["object"])
        yield Passed(line=line, what=value["object"][:80]) if kind is None else Companion(value, kind, line)
    elif type(value.get("error")) is dict:
        yield refusal_of(value, line)
    else:
        problem = f"no run object: expected object {RUN_OBJECTS[0]!r}, or an envelope with `data`"
        yield Unreadable(line=line, problem=problem, found=", ".join(map(str, value))[:80] or "{}")


def _is_run(value: dict[str, Any]) -> bool:
    kind = value.get("object")
    if kind in RUN_OBJECTS:
        return True
    signs = sum(sign in value or camel(sign) in value for sign in _RUN_SIGNS)
    if kind is None:
        return signs >= 2 and "data" not in value
    # Whatever it calls itself: a step has a run_id, a message a role, and neither has all of these.
    return signs == len(_RUN_SIGNS) and not any(key in value for key in ("run_id", "runId", "role"))


def refusal_of(answer: dict[str, Any], line: int) -> Item:
    """A call that was refused, from `{"error": {…}}` and what stands around it; no refusal where the server failed.

    Example:
        >>> refusal_of({"kind": "cancel", "http_status": 400, "error": {"message": "Cannot cancel"}}, 1).call
        'cancel'
        >>> refusal_of({"http_status": 500, "error": {}}, 1).what
        'error'
    """
    status, message = answer.get("http_status"), answer["error"].get("message")
    if type(message) is not str or (type(status) is int and not 400 <= status < 500):
        return Passed(line=line, what="error")
    call, run_id, thread_id = (answer.get(key) for key in ("kind", "run_id", "thread_id"))
    return Refusal(
        line=line,
        call=call if type(call) is str else "",
        message=message,
        http_status=status if type(status) is int else None,
        run_id=run_id if type(run_id) is str else None,
        thread_id=thread_id if type(thread_id) is str else None,
        observed_s=_observed(answer),
    )


def _listed(response: dict[str, Any], line: int, depth: int) -> Iterator[Item]:
    more = any(key not in ("data", "object") for key in response)
    for item in items_of(response["data"], line, depth + 1):
        if more and isinstance(item, Observation):
            yield item._replace(envelope={"object": "list", **(item.envelope or {})})
        else:
            yield item


def _enveloped(envelope: dict[str, Any], line: int, depth: int) -> Iterator[Item]:
    event = envelope.get("event")
    kind = envelope.get("kind")
    source: Source = "snapshot"
    if kind == "history":
        source = "history"
    elif kind == "stream" or (type(event) is str and event.startswith(_STREAM_EVENTS)):
        source = "stream"
    observed_s = None if source == "stream" else _observed(envelope)
    said = {key: value for key, value in envelope.items() if key != "data"}
    for item in items_of(envelope["data"], line, depth + 1):
        if isinstance(item, Companion) and item.source == "snapshot":
            yield item._replace(source=source, event=event if type(event) is str else None, observed_s=observed_s)
            continue
        if not isinstance(item, Observation):
            yield item
            continue
        around = {**said, **item.envelope} if item.envelope else said
        if item.source == "snapshot":
            yield Observation(
                item.record,
                line,
                source=source,
                event=event if type(event) is str else None,
                created=kind == "create" and source == "snapshot",
                observed_s=observed_s,
                envelope=around,
            )
        else:
            yield item._replace(envelope=around)


def _observed(envelope: dict[str, Any]) -> float | None:
    at = envelope.get("observed_at")
    if isinstance(at, (int, float)) and not isinstance(at, bool):
        try:
            return float(at)
        except OverflowError:
            return None
    date = envelope.get("http_date", envelope.get("date"))
    return http_seconds(date) if type(date) is str else None


@lru_cache(maxsize=4096)
def http_seconds(date: str) -> float | None:
    """An HTTP Date header as Unix seconds, or None where it is no date.

    Example:
        >>> http_seconds("Thu, 24 Jul 2025 21:06:50 GMT")
        1753391210.0
        >>> http_seconds("yesterday") is None
        True
    """
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
