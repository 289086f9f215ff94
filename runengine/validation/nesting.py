"""The order of a stream: steps and messages in each other, and both in their run. Of RE503, RE505 and RE506.

In streams the order of events is part of the protocol (FACTS §5, B7), and runs are told apart by id, since streams of
several may interleave. Where a run's own events do not follow each other, one was lost, or one is wrong: its status is
not known from there on, and nothing is held to it until the run is in progress again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from runengine.core.companions import STEP
from runengine.core.statuses import CANCELLING, EXPIRED, IN_PROGRESS, REQUIRES_ACTION
from runengine.core.table import TERMINAL
from runengine.validation.calls import Calls
from runengine.validation.findings import Finding
from runengine.validation.observations import Companion, Observation
from runengine.validation.rules.companions import CODES, TABLES
from runengine.validation.rules.stamps import is_seconds
from runengine.validation.shelf import Known, Shelf, Streamed
from runengine.validation.waiting import Placed, Waiting

__all__ = ["CREATED", "Nesting", "late_findings", "left_open", "placed_by", "word_of"]

CREATED: Final = "created"
"""The word of the event that creates."""


def placed_by(item: Companion, finding: Finding) -> Placed:
    """A finding at a step's or message's own line; its run is named by it.

    Args:
        item: The step or message.
        finding: What is said of it.

    Example:
        >>> placed_by(Companion({"run_id": "run_1"}, "step", 7), Finding("RE505", None, None, "odd")).record["id"]
        'run_1'
    """
    return Placed(item.line, finding, {"id": item.record.get("run_id"), "thread_id": item.record.get("thread_id")})


def word_of(item: Companion) -> str:
    """The last word of the event that came with it.

    Args:
        item: A step or message.

    Example:
        >>> word_of(Companion({}, "step", 7, "stream", "thread.run.step.created"))
        'created'
    """
    return (item.event or "").rpartition(".")[2]


def left_open(run: Streamed, item: Observation) -> Iterator[Placed]:
    """What has not ended when its run does; a step expires with its run, without a word (FACTS §4).

    Args:
        run: The run as it was.
        item: Its end.

    Example:
        >>> run = Streamed("in_progress", "thread_1", "asst_1", 7, True, steps={"step_1": None})
        >>> end = Observation({"id": "run_1", "status": "failed"}, 9, "stream")
        >>> [placed.finding.code for placed in left_open(run, end)]
        ['RE503']
    """
    status = item.record["status"]
    for kind, code, open_ids in (("step", "RE503", run.steps), ("message", CODES["message"], run.messages)):
        for known_id in open_ids if kind != "step" or status != EXPIRED else ():
            ends = ", ".join(TABLES[kind].terminal)
            message = f"the run is {status}, and its {TABLES[kind].thing} {known_id[:80]} has not ended"
            yield Placed(item.line, Finding(code, None, ends, message, found=known_id), item.record)


class Nesting:
    """Holds the steps and messages of a stream to the order of their events.

    Args:
        shelf: What is kept of them, and of their runs.
        calls: What is known of tool calls.
        waiting: Where what a run's next snapshot may excuse waits for it.

    Example:
        >>> from runengine.validation.memory import Memory
        >>> from runengine.validation.summary import Summary
        >>> nesting = Nesting(Shelf(9, Memory(9, Summary())), Calls(9), Waiting())
        >>> step = Companion({"status": "in_progress"}, "step", 7, "stream", "thread.run.step.created")
        >>> known = Known("step", "run_1", "in_progress")
        >>> [f.message for f in nesting.findings(step, "step_1", known, "run_1", "in_progress", False)]
        ['the run step was created before']
    """

    def __init__(self, shelf: Shelf, calls: Calls, waiting: Waiting) -> None:
        self._shelf = shelf
        self._calls = calls
        self._waiting = waiting

    def findings(
        self, item: Companion, known_id: str, known: Known, run_id: str, before: str | None, unborn: bool
    ) -> Iterator[Finding]:
        """Take a step or message of a stream.

        Args:
            item: It.
            known_id: Its id.
            known: What is kept of it.
            run_id: Its run.
            before: Its status when the stream showed it last, or None.
            unborn: It was not seen before, in a stream that shows everything from a creation on.
        """
        run, kind, word = self._shelf.runs.get(run_id), item.kind, word_of(item)
        table, code, status = TABLES[kind], CODES[kind], item.record["status"]
        if word == CREATED and before is not None:
            message = f"the {table.thing} was created before"
            yield Finding(code, None, f"one {item.event}", message, found=item.event)
        if run is None:
            return
        if before is None and word in (CREATED, table.initial):
            yield from self._begun(item, known_id, known, run_id, run)
        elif unborn and run.unbroken and word in table.terminal:
            message = f"the {table.thing} ends, and was not created"
            yield Finding(code, None, f"its {CREATED} before", message, found=item.event)
        elif kind == "message" and before == table.initial and status != before:
            inside = self._shelf.get(known.inside or "")
            if inside is not None and inside.ended:
                message = f"the message ended after its step {(known.inside or '')[:80]}"
                yield Finding(code, None, "a message ends before its step", message, found=item.event)
        if status in table.terminal:
            if kind == "step" and run.stepped and run.sure and run.status == REQUIRES_ACTION:
                yield from self._calls.answered(run_id, item.record)
            run.close(known_id, known)

    def _begun(self, item: Companion, known_id: str, known: Known, run_id: str, run: Streamed) -> Iterator[Finding]:
        kind = item.kind
        code, thing = CODES[kind], TABLES[kind].thing
        if known_id in run.steps or known_id in run.messages:
            return
        over = run.sure and run.status in TERMINAL
        if over:
            message = f"the {thing} begins after its run had ended as {run.status}"
            finding = Finding(code, None, "nothing after the run's end", message, found=item.event)
            self._waiting.put(run_id, "end", placed_by(item, finding))
        elif run.sure and run.status not in (IN_PROGRESS, CANCELLING):
            message = f"the {thing} begins while its run is {run.status}"
            finding = Finding(code, None, f"its run {IN_PROGRESS}", message, found=item.event)
            self._waiting.put(run_id, "place", placed_by(item, finding))
        if kind == "step":
            known.inside = _message_of(item.record)
            if run.steps:
                message = f"the step begins before {next(reversed(run.steps))[:80]} has ended"
                yield Finding(code, None, "one step of a run at a time", message, found=item.event)
            run.stepped = True
        elif run.born or run.stepped:
            known.inside = run.writes.get(known_id)
            if known.inside is None and run.status not in TERMINAL:
                message = "no open step of the run creates the message"
                yield Finding(code, None, "a message_creation step around it", message, found=item.event)
        if not over:
            run.open(known_id, known)


def late_findings(
    step: dict[str, Any], status: str, observed_s: float | None, run_status: str, ended_s: int, allowed_s: float
) -> Iterator[Finding]:
    """Of a step that was polled, against its run's end: created after it, or seen open long after it.

    Args:
        step: Its created_at is looked at.
        status: Its status.
        observed_s: When it was seen, Unix seconds, or None.
        run_status: How the run ended.
        ended_s: When, by its stamp.
        allowed_s: So long a stale read may show it open.

    Example:
        >>> [f.code for f in late_findings({"created_at": 9}, "completed", None, "completed", 8, 5.0)]
        ['RE505']
    """
    created = step.get("created_at")
    if is_seconds(created) and created > ended_s:
        message = f"the step was created {created - ended_s} s after its run had ended"
        yield Finding("RE505", "created_at", f"at most {ended_s}", message, found=created)
    elif status == STEP.initial and observed_s is not None and run_status != EXPIRED:
        late_s = observed_s - ended_s
        if late_s > allowed_s + 1:  # the stamp's own second
            message = f"the run ended {late_s:g} s before, and its step has not ended"
            yield Finding("RE503", "status", ", ".join(STEP.terminal), message, found=status)


def _message_of(step: dict[str, Any]) -> str | None:
    details = step.get("step_details")
    creation = details.get("message_creation") if isinstance(details, dict) else None
    message_id = creation.get("message_id") if isinstance(creation, dict) else None
    return message_id if isinstance(message_id, str) else None
