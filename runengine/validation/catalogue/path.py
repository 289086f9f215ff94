"""RE1xx: the path of a run through its statuses."""

from __future__ import annotations

from typing import Any, Final

from runengine.core.fields import STAMPS
from runengine.validation.catalogue.examples import CREATED, lines, record, row, stream
from runengine.validation.catalogue.rule import Rule

__all__ = ["PATH_RULES"]

_APRIL_2024: Final = 1_714_348_800


def _v1(made: dict[str, Any]) -> dict[str, Any]:
    """The same record in the last v1 shape, on the day of the recording of Part E."""
    shift_s = _APRIL_2024 - CREATED
    moved = {k: v + shift_s if k in STAMPS and v is not None else v for k, v in made.items()}
    del moved["parallel_tool_calls"]
    return {**moved, "file_ids": []}


PATH_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        code="RE101",
        name="illegal-transition",
        severity="error",
        says="A run goes from one status to another only by a step of the policy, or, in a polled trace, by several.",
        why="Whoever waits for the run acts on its status: a step that cannot happen means that two writers disagree, "
        "or that a stale one wrote last.",
        source="FACTS §6.1: the published diagram has 11 steps; DESIGN §2.2 adds those an orchestrator needs.",
        hint="Look for a write that did not check the status it replaced.",
        breaks=lines(record("cancelling"), record("in_progress")),
        keeps=lines(record("cancelling"), record("cancelled")),
    ),
    Rule(
        code="RE102",
        name="undocumented-transition",
        severity="warning",
        says="A step that orchestrators need and the published diagram does not draw is pointed out; under --policy "
        "documented it is an error.",
        why="Clients written from the diagram may not expect it.",
        source="FACTS §6.1: implementers disagree about these steps; each row of the table cites its evidence.",
        breaks=stream(
            ("thread.run.queued", record("queued")),
            ("thread.run.failed", record("failed", started_at=None)),
            ("done", "[DONE]"),
        ),
        keeps=stream(
            ("thread.run.queued", record("queued")),
            ("thread.run.in_progress", record("in_progress")),
            ("thread.run.failed", record("failed")),
            ("done", "[DONE]"),
        ),
    ),
    Rule(
        code="RE103",
        name="changed-after-terminal",
        severity="error",
        says="Once a run has ended, its record does not change, metadata apart.",
        why="A run that ends twice, or comes back, breaks everyone who has already acted on its end.",
        source="FACTS §6.1: nothing leaves a terminal status; DESIGN §2.3.",
        hint="Look for a late worker that writes by id alone.",
        breaks=lines(record("completed"), record("completed", completed_at=CREATED + 9)),
        keeps=lines(record("completed"), record("completed", metadata={"seen": "yes"})),
    ),
    Rule(
        code="RE104",
        name="not-created-queued",
        severity="error",
        says="The answer that creates a run shows it queued. Only checked where the recording shows the creation.",
        why="A run that is born later in its life has no start that anyone can see.",
        source="FACTS §6.2, B7: runs are queued when first created, in 33 of 33 streams.",
        breaks=lines(row(record("in_progress"), kind="create")),
        keeps=lines(row(record("in_progress"), kind="poll")),
    ),
    Rule(
        code="RE105",
        name="unknown-status",
        severity="error",
        says="A run's status is one of the nine, spelled as the API spells it.",
        why="Official clients poll an unknown status for ever, one of them without any pause.",
        source="FACTS §1.2 (the enumeration), Part C (what clients do).",
        breaks=lines(record("canceled")),
        keeps=lines(record("cancelled")),
    ),
    Rule(
        code="RE106",
        name="impossible-skip",
        severity="error",
        says="When statuses were skipped between two snapshots, the stamps agree with the steps that must lie between.",
        why="started_at is written whenever a run (re)starts, and then only. If it says otherwise, the two snapshots "
        "are not of one life, or one of them is stale.",
        source="FACTS B2, B3: started_at had moved in 15 of 15 runs that came back from a tool round.",
        hint="Look at started_at in both snapshots.",
        breaks=lines(record("requires_action", started_at=CREATED + 3), record("completed", started_at=CREATED + 2)),
        keeps=lines(record("requires_action", started_at=CREATED + 3), record("completed", started_at=CREATED + 4)),
    ),
    Rule(
        code="RE107",
        name="status-not-in-generation",
        severity="warning",
        says="A record's status belongs to the generation of the schema that the rest of the record belongs to.",
        why="incomplete was published in G9; clients made from an earlier document cannot read it.",
        source="FACTS §1.1 (G9), C8; seen two weeks early in a recording (Part E).",
        breaks=lines(_v1(record("incomplete"))),
        keeps=lines(_v1(record("completed"))),
    ),
)
"""The rules of this family."""
