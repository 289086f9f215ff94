"""RE4xx: a trace as a whole; RE901: what cannot be read."""

from __future__ import annotations

from typing import Final

from runengine.validation.catalogue.examples import CREATED, joined, lines, record, row, stream
from runengine.validation.catalogue.rule import Rule

__all__ = ["TRACE_RULES"]

_DONE: Final = ("done", "[DONE]")

TRACE_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        code="RE401",
        name="identity-changed",
        severity="error",
        says="thread_id, assistant_id and object are the same in every snapshot of a run.",
        why="Two runs share an id, or a record was put together from two.",
        source="FACTS Part E: constant in every recording.",
        breaks=lines(record("queued"), record("in_progress", assistant_id="asst_2")),
        keeps=lines(record("queued"), record("in_progress")),
    ),
    Rule(
        code="RE402",
        name="immutable-changed",
        severity="error",
        says="What the run was asked with (model, instructions, tools, limits, choices) stays as it was created.",
        why="Only metadata can be modified; anything else means that the record is not of this run.",
        source="FACTS §3: ModifyRunRequest has metadata and nothing else.",
        breaks=lines(record("queued"), record("in_progress", model="gpt-4o-mini")),
        keeps=lines(record("queued"), record("in_progress", metadata={"seen": "yes"})),
    ),
    Rule(
        code="RE403",
        name="event-status-mismatch",
        severity="error",
        says="The record that comes with a status event is in that status; thread.run.created comes with queued.",
        why="A client that trusts the event's name and one that trusts the record see two different runs.",
        source="FACTS §5; B5.1 is a recorded exception of April 2024.",
        breaks=stream(
            ("thread.run.created", record("queued")),
            ("thread.run.queued", record("queued")),
            ("thread.run.in_progress", record("in_progress")),
            ("thread.run.completed", record("incomplete")),
            _DONE,
        ),
        keeps=stream(
            ("thread.run.created", record("queued")),
            ("thread.run.queued", record("queued")),
            ("thread.run.in_progress", record("in_progress")),
            ("thread.run.incomplete", record("incomplete")),
            _DONE,
        ),
    ),
    Rule(
        code="RE404",
        name="stream-truncated",
        severity="warning",
        says="A stream ends with done, after its run has ended or asked for an action.",
        why="A stream that breaks off gives the last seen run for the final one, and official clients say nothing.",
        source="FACTS §5, Part C; B7: 37 of 38 recorded streams end so.",
        breaks=stream(("thread.run.created", record("queued")), ("thread.run.in_progress", record("in_progress"))),
        keeps=stream(("thread.run.requires_action", record("requires_action")), _DONE),
    ),
    Rule(
        code="RE405",
        name="duplicate-created",
        severity="error",
        says="thread.run.created comes once in the life of a run; a submit stream does not repeat it.",
        why="Clients make a new run of it.",
        source="FACTS §5, B7: no second one in any recorded submit stream.",
        breaks=stream(
            ("thread.run.created", record("queued")),
            ("thread.run.created", record("queued")),
            ("thread.run.in_progress", record("in_progress")),
            ("thread.run.completed", record("completed")),
            _DONE,
        ),
        keeps=stream(
            ("thread.run.created", record("queued")),
            ("thread.run.queued", record("queued")),
            ("thread.run.in_progress", record("in_progress")),
            ("thread.run.completed", record("completed")),
            _DONE,
        ),
    ),
    Rule(
        code="RE406",
        name="observed-out-of-order",
        severity="warning",
        says="The snapshots of a run stand in the order they were seen.",
        why="Steps are judged in the order of the file; out of order, they are not the run's.",
        source="DESIGN §5: observation times are never used to reorder a recording.",
        hint="Sort the recording by the time of observation, if that time can be trusted.",
        breaks=lines(
            row(record("in_progress"), observed_at=CREATED + 9), row(record("in_progress"), observed_at=CREATED + 4)
        ),
        keeps=lines(
            row(record("in_progress"), observed_at=CREATED + 4), row(record("in_progress"), observed_at=CREATED + 4)
        ),
    ),
    Rule(
        code="RE407",
        name="refusal-mismatch",
        severity="error",
        says="A refused call tells the status it met, and the run can have been in it when it was refused, by the "
        "snapshots before and after; and the call is not one that the status takes.",
        why="A refusal is an observation too: where it and the run disagree, one of the two was written by someone "
        "who did not know the run.",
        source="FACTS §3 (the recorded words), §6.3, B5.5; stale reads of up to 3 s are allowed for (B4). Calls on "
        "which servers disagree, as a cancel in requires_action, may be refused.",
        milder="a warning where the run agrees, and only the table would have taken the call",
        breaks=lines(
            record("failed"),
            {"kind": "cancel", "run_id": "run_1", "error": {"message": "Cannot cancel run with status 'completed'."}},
        ),
        keeps=lines(
            record("failed"),
            {"kind": "cancel", "run_id": "run_1", "error": {"message": "Cannot cancel run with status 'failed'."}},
        ),
    ),
    Rule(
        code="RE408",
        name="recorded-twice",
        severity="warning",
        says="With --join, a run goes on in the next recording where the last one left it.",
        why="What two recordings of one life say in turn is no life: each is held to the rules by itself instead.",
        source="FACTS Part E: 48 runs stand in several recordings, and contradict each other when these are joined.",
        hint="Leave out one of the two recordings, or check them without --join.",
        breaks=joined(
            (record("queued"), record("in_progress"), record("completed")),
            (record("queued"), record("in_progress"), record("completed")),
        ),
        keeps=joined((record("queued"), record("in_progress")), (record("in_progress"), record("completed"))),
    ),
    Rule(
        code="RE901",
        name="unreadable",
        severity="error",
        says="Every line or document of the input can be read, and is a run or something that belongs beside one.",
        why="What cannot be read cannot be checked: silence about it would look like conformance.",
        source="DESIGN §5; FACTS §9 C10 is a published stream whose last event has no data.",
        breaks=lines(record("queued"), '{"id": "run_1", "obj'),
        keeps=lines(record("queued"), {"id": "msg_1", "object": "thread.message"}),
    ),
)
"""The rules of this family."""
