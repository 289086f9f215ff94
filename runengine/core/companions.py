"""The small lifecycles around a run: a run step, a message, a tool call, a thread. One table each, like the run's own.

The checker's rules on these objects and their pictures are derived from the rows; nothing of them is written anywhere
else. Source: FACTS §4 (steps, messages), §6.2 (the thread's lock), §2.1 and C7; DESIGN §5 (RE5xx).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

from attrs import frozen

from runengine.errors import LifecycleDefinitionError

__all__ = ["LIFECYCLES", "MESSAGE", "STEP", "THREAD", "TOOL_CALL", "Lifecycle", "Move", "Stage", "check_lifecycle"]


@frozen(kw_only=True)
class Stage:
    """One status of such an object.

    Attributes:
        name: As on the wire, where the object has a status there.
        meaning: What is true of the object.
        stamps: The stamp that is set in this status and in no other, by its name first; the names after it are other
            spellings of it, which in another status may stand for something else. Empty where it has none.

    Example:
        >>> Stage(name="failed", meaning="Ended by an error.", stamps=("failed_at",)).stamps
        ('failed_at',)
    """

    name: str
    meaning: str
    stamps: tuple[str, ...] = ()


@frozen
class Move:
    """One row: in `source`, `event` leads to `target`.

    Attributes:
        event: The event's name.
        source: The status it meets, or None for the absence of the object.
        target: The status it leads to.
        evidence: Why the row is there.

    Example:
        >>> str(Move("complete", "in_progress", "completed", "FACTS §4"))
        'complete: in_progress -> completed'
    """

    event: str
    source: str | None
    target: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.event}: {self.source or '(none)'} -> {self.target}"


@frozen(kw_only=True)
class Lifecycle:
    """The table of one kind of object; it has passed the definition checks.

    Attributes:
        name: For the command line and for file names.
        thing: What it is the life of, as text: `run step`.
        stages: The statuses, in the order the object meets them.
        rows: The rows, in order.

    Raises:
        LifecycleDefinitionError: naming the row and the rule it breaks.

    Example:
        >>> STEP.terminal
        ('completed', 'failed', 'cancelled', 'expired')
    """

    name: str
    thing: str
    stages: tuple[Stage, ...]
    rows: tuple[Move, ...]

    def __attrs_post_init__(self) -> None:
        check_lifecycle(self.stages, self.rows)

    @cached_property
    def statuses(self) -> tuple[str, ...]:
        """Every status, in order."""
        return tuple(stage.name for stage in self.stages)

    @cached_property
    def edges(self) -> frozenset[tuple[str, str]]:
        """Every (source, target) of the rows."""
        return frozenset((row.source, row.target) for row in self.rows if row.source is not None)

    @cached_property
    def terminal(self) -> tuple[str, ...]:
        """Statuses that no row leaves."""
        left = {source for source, _ in self.edges}
        return tuple(name for name in self.statuses if name not in left)

    @cached_property
    def initial(self) -> str:
        """The status it is created in; the definition checks leave exactly one."""
        return next(row.target for row in self.rows if row.source is None)

    @cached_property
    def stamps(self) -> dict[str, tuple[str, ...]]:
        """Status to the spellings of its own stamp, its name first, for those that have one."""
        return {stage.name: stage.stamps for stage in self.stages if stage.stamps}


def check_lifecycle(stages: Sequence[Stage], rows: Sequence[Move]) -> None:
    """Check that the rows are a lifecycle.

    Args:
        stages: The statuses.
        rows: The rows.

    Raises:
        LifecycleDefinitionError: naming the row and the rule: statuses exist and differ; one row, and only one, creates
            the object; every row changes the status; no two rows overlap; every status is reachable; a stamp belongs to
            one status, one that nothing leaves.

    Example:
        >>> check_lifecycle(STEP.stages, STEP.rows)
    """
    names = [stage.name for stage in stages]
    _check_each(names, rows)
    reached = {row.target for row in rows if row.source is None}
    for _ in names:
        reached |= {row.target for row in rows if row.source in reached}
    owners: dict[str, str] = {}
    for stage in stages:
        if names.count(stage.name) > 1:
            raise LifecycleDefinitionError(stage.name, "every status is named once")
        if stage.name not in reached:
            raise LifecycleDefinitionError(stage.name, "every status is reachable from the initial one")
        if stage.stamps and any(row.source == stage.name for row in rows):
            raise LifecycleDefinitionError(stage.name, "only a status that nothing leaves has a stamp of its own")
        for stamp in stage.stamps:
            if owners.setdefault(stamp, stage.name) != stage.name:
                raise LifecycleDefinitionError(
                    stage.name, f"{stamp} is the stamp of one status; {owners[stamp]} has it"
                )


def _check_each(names: Sequence[str], rows: Sequence[Move]) -> None:
    seen: dict[tuple[str, str | None], Move] = {}
    for row in rows:
        for status in (row.source, row.target):
            if status is not None and status not in names:
                raise LifecycleDefinitionError(str(row), f"every status exists; there is no {status!r}")
        if row.source == row.target:
            raise LifecycleDefinitionError(str(row), "every row changes the status")
        if (row.event, row.source) in seen:
            raise LifecycleDefinitionError(str(row), f"no two rows overlap; there is `{seen[row.event, row.source]}`")
        seen[row.event, row.source] = row
    births = [row for row in rows if row.source is None]
    if len(births) != 1:
        text = str(births[1]) if births else "(none) -> ?"
        raise LifecycleDefinitionError(text, "exactly one row creates the object")


_STEP_DIAGRAM: Final = "FACTS §4: drawn in the published diagram of run steps"
_MESSAGE_WORDS: Final = "FACTS §4: inferred from the published statuses and events; seen in every recorded stream (B7)"

STEP: Final = Lifecycle(
    name="step",
    thing="run step",
    stages=(
        Stage(
            name="in_progress",
            meaning="Being worked on; one that calls functions stays so until the outputs are submitted.",
        ),
        Stage(
            name="completed",
            meaning="Done, at completed_at; its function calls are answered.",
            stamps=("completed_at",),
        ),
        Stage(name="failed", meaning="Ended by the error in last_error, at failed_at.", stamps=("failed_at",)),
        Stage(
            name="cancelled", meaning="Ended with its run's cancellation, at cancelled_at.", stamps=("cancelled_at",)
        ),
        Stage(
            name="expired",
            meaning="Ended with its run's expiry, at expired_at (expires_at on the wire in streams).",
            stamps=("expired_at", "expires_at"),
        ),
    ),
    rows=(
        Move(
            "create", None, "in_progress", "FACTS §4: there is no queued step; B7: created and in_progress say the same"
        ),
        Move("complete", "in_progress", "completed", _STEP_DIAGRAM),
        Move("fail", "in_progress", "failed", _STEP_DIAGRAM),
        Move("cancel", "in_progress", "cancelled", _STEP_DIAGRAM),
        Move("expire", "in_progress", "expired", _STEP_DIAGRAM),
    ),
)
"""A run step."""

MESSAGE: Final = Lifecycle(
    name="message",
    thing="message",
    stages=(
        Stage(name="in_progress", meaning="Being written by a run."),
        Stage(name="completed", meaning="Whole, at completed_at.", stamps=("completed_at",)),
        Stage(
            name="incomplete",
            meaning="Broken off at incomplete_at, for the reason in incomplete_details.",
            stamps=("incomplete_at",),
        ),
    ),
    rows=(
        Move("create", None, "in_progress", "FACTS B7: created and in_progress say the same, 37 of 37"),
        Move("complete", "in_progress", "completed", _MESSAGE_WORDS),
        Move("break_off", "in_progress", "incomplete", _MESSAGE_WORDS),
    ),
)
"""A message that a run writes."""

TOOL_CALL: Final = Lifecycle(
    name="tool-call",
    thing="tool call",
    stages=(
        Stage(name="called", meaning="The model has chosen a function and its arguments; its output is null."),
        Stage(name="answered", meaning="Its output is set, and set once."),
    ),
    rows=(
        Move("call", None, "called", "FACTS §2.1: a call has an id, a name and arguments"),
        Move(
            "answer",
            "called",
            "answered",
            "FACTS §3: all outputs are submitted in a single request; §4: output is null until then",
        ),
    ),
)
"""A function call of a step, and of a run's required_action."""

THREAD: Final = Lifecycle(
    name="thread",
    thing="thread",
    stages=(
        Stage(name="idle", meaning="Messages may be added, and a run created."),
        Stage(name="active", meaning="One run is active on it; until that ends, neither may be."),
    ),
    rows=(
        Move("create", None, "idle", "FACTS §5: thread.created carries no run"),
        Move("create_run", "idle", "active", "FACTS §6.2: at most one active run is on a thread"),
        Move("end_run", "active", "idle", "FACTS §6.2: the lock holds while the run is not in a terminal state"),
    ),
)
"""A thread, by its run."""

LIFECYCLES: Final = {each.name: each for each in (STEP, MESSAGE, TOOL_CALL, THREAD)}
"""The lifecycles by name."""
