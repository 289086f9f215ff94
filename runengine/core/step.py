"""One step: a run and an event in, a decision out. No clock, no randomness, no I/O, no callback.

The table is compiled once per policy into a cell for every status and event, so that a step is two look-ups, the
guards, one copy of the record's fields and the writes. A refusal is a value, made before anything changes.
Source: DESIGN §2.4; stamps by FACTS §6.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, Final

from attrs import fields_dict

from runengine.core.decisions import Applied, Decision, Reason, Refused
from runengine.core.events import (
    EVENTS,
    REQUEST_FIELDS,
    SECOND_US,
    Create,
    Event,
    ExhaustTokens,
    Fail,
    Modify,
    RequireAction,
)
from runengine.core.fields import END_STAMPS
from runengine.core.guards import DEADLINE_FREE, ROW_GUARDS
from runengine.core.parts import IncompleteDetails, LastError, Part, RequiredAction, SubmitToolOutputs
from runengine.core.records import RunObject
from runengine.core.shape import ARRIVAL_STAMP, SHAPE
from runengine.core.statuses import STATUSES, Status
from runengine.core.table import ENDED_BY, PRACTICAL, Policy, Transition
from runengine.core.trace import route
from runengine.errors import InvalidSnapshot

__all__ = ["allowed_events", "apply", "decide", "replay"]

Cell = Callable[[Any, Any], Decision]
Cells = dict[Status | None, dict[type, Cell]]

_new: Final = object.__new__
_tuple: Final = tuple.__new__
_set_fields: Final = Part.__dict__["__dict__"].__set__


def decide(run: RunObject | None, event: Event | str, policy: Policy = PRACTICAL) -> Decision:
    """Decide one step.

    Args:
        run: The run as it is, or None where there is none yet.
        event: What happened. A name alone, or a foreign object, is answered as unknown.
        policy: Which rows hold.

    Returns:
        `Applied` with the new record, or `Refused` with why.

    Raises:
        InvalidSnapshot: the run's status is none of the nine.

    Example:
        >>> from runengine.core.events import Create, Start
        >>> run = decide(None, Create(at_us=0, run_id="r", thread_id="t", assistant_id="a", model="m")).run
        >>> decide(run, Start(at_us=2_500_000)).run.started_at
        2
        >>> decide(run, "strat").suggestion
        'start'
    """
    cells = policy.cells or _compile(policy)
    try:
        cell = cells[None if run is None else run.status][event.__class__]
    except KeyError:
        return _unknown(run, event, policy)
    return cell(run, event)


def apply(run: RunObject | None, event: Event | str, policy: Policy = PRACTICAL) -> RunObject:
    """Take one step, or raise.

    Args:
        run: The run as it is, or None where there is none yet.
        event: What happened.
        policy: Which rows hold.

    Returns:
        The record after the step.

    Raises:
        TransitionNotAllowed: the step is refused; the error carries the refusal's fields.
        InvalidSnapshot: the run's status is none of the nine.

    Example:
        >>> from runengine.core.events import Create
        >>> apply(None, Create(at_us=0, run_id="r", thread_id="t", assistant_id="a", model="m")).expires_at
        600
    """
    decision = decide(run, event, policy)
    if isinstance(decision, Refused):
        raise decision.error()
    return decision.run


def allowed_events(run: RunObject | None, policy: Policy = PRACTICAL) -> tuple[str, ...]:
    """Names of the events that have a row for this run; a guard may still refuse one.

    Example:
        >>> allowed_events(None)
        ('create',)
    """
    return policy.allowed(None if run is None else run.status)


def replay(events: Iterable[Event], run: RunObject | None = None, policy: Policy = PRACTICAL) -> RunObject:
    """Fold a history into the record it leads to.

    Args:
        events: In the order they happened.
        run: Where to begin; None for a history that begins with `Create`.
        policy: Which rows hold.

    Raises:
        TransitionNotAllowed: an event is refused.
        ValueError: there is no event and no run to begin with.

    Example:
        >>> from runengine.core.events import Create, Start
        >>> replay([Create(at_us=0, run_id="r", thread_id="t", assistant_id="a", model="m"), Start(at_us=5)]).status
        'in_progress'
    """
    for event in events:
        run = apply(run, event, policy)
    if run is None:
        raise ValueError("an empty history leads to no run; it begins with a Create event")
    return run


def _compile(policy: Policy) -> Cells:
    rows = {(row.source, row.event): row for row in policy.rows}
    cells: Cells = {}
    for status in (None, *STATUSES):
        cells[status] = {}
        for name, kind in EVENTS.items():
            row = rows.get((status, name))
            if row is None:
                cells[status][kind] = _refusing(status, name, policy)
            else:
                cells[status][kind] = _creating(row) if status is None else _stepping(row, policy)
    policy.cells.update(cells)
    return cells


def _refusing(status: Status | None, event: str, policy: Policy) -> Cell:
    ended_by = None if status is None else ENDED_BY.get(status)
    reason: Reason = "late" if ended_by else "illegal"
    way = () if status is None or ended_by else route(policy, status, event)
    said = (status, event, policy.allowed(status), way, None, None, ended_by, None)

    def refuse(run: RunObject | None, _event: Event) -> Refused:
        return _tuple(Refused, (reason, None if run is None else run.id, *said))

    return refuse


def _creating(row: Transition) -> Cell:
    def create(_run: None, event: Create) -> Applied:
        created_at = event.at_us // SECOND_US
        run = RunObject(
            id=event.run_id,
            status=row.target,
            created_at=created_at,
            expires_at=created_at + event.ttl_s,
            **{name: getattr(event, name) for name in REQUEST_FIELDS},
        )
        _set_fields(run, dict(vars(run)))  # a copy is half the size of what `__init__` fills, and steps inherit it
        return Applied(run=run, before=None, transition=row)

    return create


def _stepping(row: Transition, policy: Policy) -> Cell:
    """The compiled form of one row: guards on time, guards of the row, writes."""
    source = row.source
    assert source is not None
    guards = tuple((name, ROW_GUARDS[name].refuse) for name in row.guards)
    has_deadline = row.event not in DEADLINE_FREE
    ended = source in ENDED_BY
    stamp = ARRIVAL_STAMP.get(row.target) if row.edge else None
    has_usage = "usage" in fields_dict(EVENTS[row.event])
    payload = _PAYLOADS.get(row.event)
    writes = {"status": row.target} | {
        shape.field: None
        for shape in SHAPE
        if shape.presence_in(row.target) == "never" and shape.presence_in(source) != "never"
    }
    allowed = policy.allowed(source)

    def refuse(run: RunObject, guard: str, why: str) -> Refused:
        return _tuple(Refused, ("guard", run.id, source, row.event, allowed, (), guard, why, None, None))

    def step(run: RunObject, event: Any) -> Decision:
        before = run.__dict__
        at_s = event.at_us // SECOND_US  # comparing whole seconds is exact here: stamps and deadlines are whole
        last = before["started_at"]
        if last is None or last < before["created_at"]:
            last = before["created_at"]
        if ended:
            last = max(last, *(before[name] or 0 for name in END_STAMPS))
        if at_s < last:
            return refuse(run, "not_before_last_stamp", f"at {event.at_us} us is before the run's last stamp, {last} s")
        if has_deadline:
            deadline = before["expires_at"]
            if deadline is not None and at_s >= deadline:
                return refuse(run, "before_deadline", f"the deadline {deadline} has passed; only expire can end it")
        for name, guard in guards:
            why = guard(run, event)
            if why is not None:
                return refuse(run, name, why)
        after = before | writes
        if stamp is not None:
            after[stamp] = at_s
        if has_usage and event.usage is not None:
            after["usage"] = event.usage
        if payload is not None:
            payload(after, event)
        made = _new(RunObject)
        _set_fields(made, after)
        return _tuple(Applied, (made, run, row))

    return step


def _write_action(after: dict[str, Any], event: RequireAction) -> None:
    after["required_action"] = RequiredAction(submit_tool_outputs=SubmitToolOutputs(tool_calls=event.tool_calls))


def _write_error(after: dict[str, Any], event: Fail) -> None:
    after["last_error"] = LastError(code=event.code, message=event.message)


def _write_limit(after: dict[str, Any], event: ExhaustTokens) -> None:
    after["incomplete_details"] = IncompleteDetails(reason=event.reason)


def _write_metadata(after: dict[str, Any], event: Modify) -> None:
    after["metadata"] = event.metadata


_PAYLOADS: Final[dict[str, Callable[[dict[str, Any], Any], None]]] = {
    "require_action": _write_action,
    "exhaust_tokens": _write_limit,
    "fail": _write_error,
    "modify": _write_metadata,
}


def _unknown(run: RunObject | None, event: Event | str, policy: Policy) -> Refused:
    if run is not None and run.status not in STATUSES:
        raise InvalidSnapshot(run.id, f"status is one of {', '.join(STATUSES)}, not {run.status!r}", ("status",))
    name = event if isinstance(event, str) else type(event).__name__
    near = get_close_matches(name.lower(), EVENTS, n=1, cutoff=0.5 if isinstance(event, str) else 0.8)
    return Refused(
        reason="unknown",
        run_id=None if run is None else run.id,
        status=None if run is None else run.status,
        event=name,
        allowed=allowed_events(run, policy),
        suggestion=near[0] if near else None,
    )
