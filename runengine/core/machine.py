"""The table as a `transitions` machine, for embedders who hang callbacks and guards on the steps.

`build_machine` makes one machine to be shared by every run; `fire` and `fire_async` take a run through it on a
throw-away carrier, so nothing is registered and nothing is kept per run. Every move goes through
`runengine.core.step.decide`: the machine can refuse more than the table, never less. Why only in this file, and why
in this way: STYLE, *transitions 0.9.3, run and measured*.

Hang things on the machine with its own methods:

* `machine.events["complete"].add_callback("before", f)` and `("after", f)`: around one event;
* `machine.states["requires_action"].add_callback("enter", f)` and `("exit", f)`: around one status;
* `add_guard(machine, "complete", f)`: one more condition on one event.

`modify` keeps the status, so it enters and exits none.

A callback gets transitions' `EventData`; its `model` is the `Carrier`. If a callback raises, the error reaches the
caller of `fire`, who then has no decision: the record given in is unchanged and still the truth.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, Final, TypeVar, cast

from transitions import Machine
from transitions.core import Condition, EventData
from transitions.extensions.asyncio import AsyncCondition, AsyncMachine

from runengine.core.decisions import Decision, Refused
from runengine.core.events import Event
from runengine.core.records import RunObject
from runengine.core.statuses import STATUSES
from runengine.core.step import decide
from runengine.core.table import PRACTICAL, Policy

__all__ = ["Carrier", "add_guard", "build_async_machine", "build_machine", "fire", "fire_async"]


class Carrier:
    """What travels through the machine in place of the run, for one step, and is then thrown away.

    Attributes:
        status: The status, moved by the machine.
        run: The record before the step.
        event: The event.
        decision: The engine's decision, once its guard has run.
        policy: The policy decided by.
        refused_by: Name of the embedder's guard that said no, or None.

    Example:
        >>> from runengine.core import Create, Start, apply
        >>> run = apply(None, Create(at_us=0, run_id="r", thread_id="t", assistant_id="a", model="m"))
        >>> Carrier(run, Start(at_us=5), PRACTICAL).status
        'queued'
    """

    __slots__ = ("decision", "event", "policy", "refused_by", "run", "status")

    def __init__(self, run: RunObject, event: Event, policy: Policy) -> None:
        self.status: str = run.status
        self.run = run
        self.event = event
        self.policy = policy
        self.decision: Decision | None = None
        self.refused_by: str | None = None


def _decided(data: EventData) -> bool:
    carrier = cast("Carrier", data.model)
    carrier.decision = decide(carrier.run, carrier.event, carrier.policy)
    return not isinstance(carrier.decision, Refused)


_POLICY: Final = "runengine_policy"

_OPTIONS: Final[dict[str, Any]] = {
    "model": None,
    "initial": None,
    "states": list(STATUSES),
    "auto_transitions": False,
    "send_event": True,
    "queued": False,
    "model_attribute": "status",
}


_M = TypeVar("_M", bound=Machine)


def _fill(machine: _M, policy: Policy) -> _M:
    vars(machine)[_POLICY] = policy
    for row in policy.rows:
        if row.source is not None:
            target = row.target if row.edge else None  # an internal transition: no exit, no enter
            machine.add_transition(row.event, row.source, target, conditions=[_decided])
    return machine


def build_machine(policy: Policy = PRACTICAL) -> Machine:
    """A fresh machine with the policy's rows, to share between runs and threads.

    Args:
        policy: Which rows it has.

    Returns:
        A `transitions.Machine` without a model; use it through `fire`.

    Example:
        >>> sorted(build_machine().events)[:3]
        ['cancel', 'complete', 'exhaust_tokens']
    """
    return _fill(Machine(**_OPTIONS), policy)


def build_async_machine(policy: Policy = PRACTICAL) -> AsyncMachine:
    """The same with coroutine callbacks and guards allowed; use it through `fire_async`.

    Example:
        >>> type(build_async_machine()).__name__
        'AsyncMachine'
    """
    return _fill(AsyncMachine(**_OPTIONS), policy)


def add_guard(machine: Machine, event: str, guard: Callable[[EventData], Any]) -> None:
    """Let one more condition decide on an event, in every status that has it.

    Args:
        machine: From `build_machine` or `build_async_machine`.
        event: The event's name.
        guard: Gets the `EventData`; a false answer refuses the step. For an async machine it may be a coroutine
            function. A refusal carries the guard's name.

    Raises:
        KeyError: the machine has no such event.

    Example:
        >>> from runengine.core import Create, Start, apply
        >>> def office_hours(data): return False
        >>> machine = build_machine()
        >>> add_guard(machine, "start", office_hours)
        >>> run = apply(None, Create(at_us=0, run_id="r", thread_id="t", assistant_id="a", model="m"))
        >>> fire(machine, run, Start(at_us=5)).guard
        'office_hours'
    """
    condition = AsyncCondition if isinstance(machine, AsyncMachine) else Condition
    for rows in machine.events[event].transitions.values():
        for row in rows:
            row.conditions.append(condition(_noting(guard)))


def _noting(guard: Callable[[EventData], Any]) -> Callable[[EventData], Any]:
    """The guard, its answer made a bool (transitions compares with True), and a no noted on the carrier."""
    name = getattr(guard, "__name__", repr(guard))

    def note(data: EventData, answer: object) -> bool:
        if not answer:
            cast("Carrier", data.model).refused_by = name
        return bool(answer)

    async def note_later(data: EventData, answer: Awaitable[object]) -> bool:
        return note(data, await answer)

    def check(data: EventData) -> Any:
        answer = guard(data)
        return note_later(data, answer) if isawaitable(answer) else note(data, answer)

    return check


def fire(machine: Machine, run: RunObject, event: Event) -> Decision:
    """Take one step through the machine, its callbacks and its guards.

    Args:
        machine: From `build_machine`.
        run: The run as it is. A run that does not exist yet has no machine: create it with `decide`.
        event: What happened.

    Returns:
        What `decide` answers, or a `Refused` with reason "guard" that names the embedder's guard that said no.

    Raises:
        Exception: whatever a callback or guard raises.

    Example:
        >>> from runengine.core import Create, Start, apply
        >>> run = apply(None, Create(at_us=0, run_id="r", thread_id="t", assistant_id="a", model="m"))
        >>> fire(build_machine(), run, Start(at_us=5)).run.status
        'in_progress'
    """
    carrier = _carrier(machine, run, event)
    if _has_row(machine, carrier):
        moved = machine.events[event.name].trigger(carrier)
        return _outcome(carrier, moved)
    return decide(run, event, carrier.policy)


async def fire_async(machine: AsyncMachine, run: RunObject, event: Event) -> Decision:
    """As `fire`, for a machine from `build_async_machine`.

    Example:
        >>> import asyncio
        >>> from runengine.core import Create, Start, apply
        >>> run = apply(None, Create(at_us=0, run_id="r", thread_id="t", assistant_id="a", model="m"))
        >>> asyncio.run(fire_async(build_async_machine(), run, Start(at_us=5))).run.status
        'in_progress'
    """
    carrier = _carrier(machine, run, event)
    if _has_row(machine, carrier):
        # transitions takes the outermost event's CancelledError for a refusal; as a nested one it lets it through.
        token = machine.current_context.set(asyncio.current_task())
        try:
            moved = await machine.events[event.name].trigger(carrier)
        finally:
            machine.current_context.reset(token)
        return _outcome(carrier, moved)
    return decide(run, event, carrier.policy)


def _carrier(machine: Any, run: RunObject, event: Event) -> Carrier:
    return Carrier(run, event, vars(machine)[_POLICY])


def _has_row(machine: Any, carrier: Carrier) -> bool:
    event = machine.events.get(getattr(carrier.event, "name", None))
    return event is not None and carrier.status in event.transitions


def _outcome(carrier: Carrier, moved: bool) -> Decision:
    decision = carrier.decision
    assert decision is not None
    if moved or isinstance(decision, Refused):
        return decision
    swallowed = "a callback raised, and the machine's on_exception took the error"
    return Refused(
        reason="guard",
        run_id=carrier.run.id,
        status=carrier.run.status,
        event=carrier.event.name,
        allowed=carrier.policy.allowed(carrier.run.status),
        guard=carrier.refused_by or "on_exception",
        why="a guard of the embedder said no" if carrier.refused_by else swallowed,
    )
