"""RE5xx: what one object says of another: runs of one thread, and the steps and messages of a run."""

from __future__ import annotations

from typing import Any, Final

from runengine.validation.catalogue.examples import CREATED, Example, lines, message, record, row, step, stream
from runengine.validation.catalogue.rule import Rule

__all__ = ["ACROSS_RULES"]

_CREATION: Final = (
    ("thread.run.created", record("queued")),
    ("thread.run.queued", record("queued")),
    ("thread.run.in_progress", record("in_progress")),
)
_OPENED: Final = (
    ("thread.run.step.created", step("in_progress")),
    ("thread.run.step.in_progress", step("in_progress")),
    ("thread.message.created", message("in_progress")),
    ("thread.message.in_progress", message("in_progress")),
)
_WRITTEN: Final = ("thread.message.completed", message("completed"))
_STEPPED: Final = ("thread.run.step.completed", step("completed"))
_ENDED: Final = (("thread.run.completed", record("completed")), ("done", "[DONE]"))


def _told(*events: tuple[str, Any]) -> Example:
    """A stream of one run: its creation, these events, and its end."""
    return stream(*_CREATION, *events, *_ENDED)


ACROSS_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        code="RE501",
        name="overlapping-runs",
        severity="error",
        says="At most one run of a thread is active at a time. Said only where stamps, or times of observation, prove "
        "that two were, for longer than clocks may differ (--skew), once of each run that was created later.",
        why="Two active runs write messages into one thread, and neither has read the other's.",
        source="FACTS §6.2 (the thread's lock), §3 (the refusal); DESIGN §4.",
        hint="Look for a create that did not check the thread, or a retried create.",
        breaks=lines(
            record("completed"),
            record("completed", id="run_2", created_at=CREATED + 2, started_at=CREATED + 2, completed_at=CREATED + 9),
        ),
        keeps=lines(
            record("completed"),
            record("completed", id="run_2", created_at=CREATED + 3, started_at=CREATED + 3, completed_at=CREATED + 9),
        ),
    ),
    Rule(
        code="RE502",
        name="run-id-reused",
        severity="error",
        says="An id names one run. Two of three signs tell another run of the same id: another created_at, another "
        "thread, a second creation; one alone is a late or doubled delivery. Said once of an id, and what follows is "
        "held against the new run.",
        why="Whoever looks a run up by id finds one of the two.",
        source="FACTS §1.2 (id); DESIGN §5.",
        breaks=lines(
            record("completed"),
            record("queued", thread_id="thread_2", created_at=CREATED + 60, expires_at=CREATED + 660),
        ),
        keeps=lines(row(record("queued"), kind="create"), row(record("queued"), kind="create")),
    ),
    Rule(
        code="RE503",
        name="step-open-at-end",
        severity="error",
        says="When a run ends, its steps have ended before; where it expires, they expire with it. Checked in streams; "
        "and of a polled step where it is seen in_progress later than its run's end, stale reads allowed for.",
        why="Nothing ends such a step any more, and whoever waits for it waits for ever.",
        source="FACTS B7: at run.completed nothing is open; §4: a step expires with its run.",
        breaks=_told(*_OPENED, _WRITTEN),
        keeps=_told(*_OPENED, _WRITTEN, _STEPPED),
    ),
    Rule(
        code="RE504",
        name="step-without-run",
        severity="error",
        says="A step or message in a stream belongs to a run that the recording shows; and wherever both are seen, "
        "its thread and its assistant are its run's.",
        why="What it says is attributed to no run, or to a wrong one.",
        source="FACTS §4 (run_id, thread_id, assistant_id), B7. Steps recorded alone are no fault.",
        breaks=_told(("thread.run.step.completed", step("completed", run_id="run_2"))),
        keeps=stream(
            ("thread.run.step.completed", step("completed")),
            ("thread.run.queued", record("queued", started_at=CREATED + 1)),
            *_CREATION[2:],
            *_ENDED,
        ),
    ),
    Rule(
        code="RE505",
        name="step-illegal-transition",
        severity="error",
        says="A step keeps to its table: statuses, one own stamp for each ending, nothing after it. Its event "
        "names its status; its type is that of its details, its stamps are seconds, and what fails has an error; usage "
        "adds up. Its pieces lie between its creation and its end; it begins while its run is in progress, after the "
        "last one's end; its calls are those of the required_action, and each is answered once, with what was "
        "submitted, before the step is completed.",
        why="A step is what a client shows of the work, and what tool outputs are matched to.",
        source="FACTS §4 (the published diagram of steps), §3, B7, C7.",
        breaks=_told(*_OPENED, _WRITTEN, _STEPPED, ("thread.run.step.failed", step("failed"))),
        keeps=_told(*_OPENED, _WRITTEN, _STEPPED, _STEPPED),
    ),
    Rule(
        code="RE506",
        name="message-illegal-transition",
        severity="error",
        says="A message that a run writes keeps to its table: statuses, stamps, nothing after its end; it has "
        "incomplete_details where it is incomplete, and only there. Its event names its status; its pieces lie between "
        "its creation and its end; it is written inside the message_creation step that names it, and has ended when "
        "that step and its run have.",
        why="A message that changes after it was whole has been read already.",
        source="FACTS §4, B7.",
        breaks=_told(*_OPENED, _STEPPED, _WRITTEN),
        keeps=_told(*_OPENED, ("thread.message.incomplete", message("incomplete")), _STEPPED),
    ),
)
"""The rules of this family."""
