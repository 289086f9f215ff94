"""What a step answers: `Applied` or `Refused`, as values. Source: DESIGN §2.4."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

from runengine.core.events import EVENTS
from runengine.core.records import RunObject
from runengine.core.statuses import Status
from runengine.core.table import ENDED_BY, Transition
from runengine.errors import TransitionNotAllowed

__all__ = ["Applied", "Decision", "Effect", "Reason", "Refused"]

Reason = Literal["unknown", "illegal", "late", "guard"]
"""Why a step is refused: no such event; not in this status; the run has ended; a guard said no."""

Effect = Literal["lock_thread", "await_tool_outputs", "resume", "stop_worker", "release_thread"]
"""What the world around the run has to do after a step: data, never done by the step itself."""

_EFFECTS: Final[dict[str, tuple[Effect, ...]]] = {
    "create": ("lock_thread",),
    "require_action": ("await_tool_outputs",),
    "submit_tool_outputs": ("resume",),
    "cancel": ("stop_worker",),
    **dict.fromkeys(ENDED_BY.values(), ("release_thread",)),
}


class Applied(NamedTuple):
    """The step is legal; this is what it makes. A named tuple, since making one is part of every step's cost.

    Attributes:
        run: The record after the step.
        before: The record before it, or None where the run is created.
        transition: The row that was taken.

    Example:
        >>> from runengine.core import Create, decide
        >>> made = decide(None, Create(at_us=0, run_id="r", thread_id="t", assistant_id="a", model="m"))
        >>> made.run.status, made.effects
        ('queued', ('lock_thread',))
    """

    run: RunObject
    before: RunObject | None
    transition: Transition

    @property
    def changes(self) -> dict[str, Any]:
        """Field to new value, for every field that differs; all of them for a new run."""
        after = vars(self.run)
        if self.before is None:
            return dict(after)
        before = vars(self.before)
        return {name: value for name, value in after.items() if before[name] is not value and before[name] != value}

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What the world around the run has to do now."""
        return _EFFECTS.get(self.transition.event, ())


class Refused(NamedTuple):
    """The step is not legal; nothing has changed. A named tuple, as `Applied` is.

    Attributes:
        reason: Which kind of refusal.
        run_id: The run, or None where there is none.
        status: The status the event met, or None.
        event: The event's name.
        allowed: Events that have a row in this status.
        route: Events that would lead to where this one is allowed, for reason "illegal"; may be empty.
        guard: The guard that said no, for reason "guard".
        why: What the guard said.
        ended_by: The event that ended the run, for reason "late".
        suggestion: The known event nearest in spelling, for reason "unknown", or None.

    Example:
        >>> from runengine.core import Complete, Create, apply, decide
        >>> run = apply(None, Create(at_us=0, run_id="run_1", thread_id="t", assistant_id="a", model="m"))
        >>> refused = decide(run, Complete(at_us=1))
        >>> refused.reason, refused.allowed, refused.route
        ('illegal', ('start', 'cancel', 'fail', 'expire', 'modify'), ('start',))
        >>> refused.message[:42]
        'run_1: complete is not allowed in queued; '
    """

    reason: Reason
    run_id: str | None
    status: Status | None
    event: str
    allowed: tuple[str, ...] = ()
    route: tuple[str, ...] = ()
    guard: str | None = None
    why: str | None = None
    ended_by: str | None = None
    suggestion: str | None = None

    @property
    def message(self) -> str:
        """One line: what was refused, to what, why, and what would have been accepted."""
        who = self.run_id or "no run"
        match self.reason:
            case "unknown" if self.event in EVENTS:
                return (
                    f"{who}: the name {self.event!r} is no event; make one, as {EVENTS[self.event].__name__}(at_us=…)"
                )
            case "unknown":
                hint = f"; did you mean {self.suggestion}?" if self.suggestion else ""
                return f"{who}: there is no event {self.event!r}{hint} (events: {', '.join(EVENTS)})"
            case "late":
                return f"{who}: {self.event} came too late; {self.ended_by} has ended the run as {self.status}"
            case "guard":
                where = f" in {self.status}" if self.status else ""
                return f"{who}: {self.event} refused{where} by {self.guard}: {self.why}"
            case "illegal":
                where = self.status or "the absence of a run"
                way = f"; {', '.join(self.route)} leads to where it is" if self.route else ""
                return f"{who}: {self.event} is not allowed in {where}; allowed there: {', '.join(self.allowed)}{way}"

    def error(self) -> TransitionNotAllowed:
        """The same as an exception, for `apply`."""
        return TransitionNotAllowed(
            self.message,
            self.run_id,
            self.status,
            self.event,
            self.reason,
            self.allowed,
            self.guard,
            self.ended_by,
        )


Decision = Applied | Refused
"""The answer of `decide`."""
