"""RE2xx: the `*_at` stamps of a record."""

from __future__ import annotations

from typing import Final

from runengine.validation.catalogue.examples import CREATED, lines, record, row
from runengine.validation.catalogue.rule import Rule

__all__ = ["STAMP_RULES"]

STAMP_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        code="RE201",
        name="missing-stamp",
        severity="error",
        says="A record carries every stamp its status calls for: created_at always; started_at in in_progress, "
        "requires_action, completed and incomplete; and the one end stamp of a terminal status.",
        why="Durations, billing and sorting are computed from these stamps.",
        source="FACTS §6.4, B3: no exception in 847 recorded snapshots.",
        breaks=lines(record("in_progress", started_at=None)),
        keeps=lines(record("cancelled", started_at=None)),
    ),
    Rule(
        code="RE202",
        name="unexpected-stamp",
        severity="error",
        says="A record carries no end stamp but its status's own: completed_at for completed, incomplete and expired, "
        "failed_at for failed, cancelled_at for cancelled; none while the run lives. There is no expired_at and no "
        "incomplete_at.",
        why="Readers take the first end stamp they find for the outcome.",
        source="FACTS §6.4, B3; §9 C2 is a published example that breaks it.",
        breaks=lines(record("completed", cancelled_at=CREATED + 5)),
        keeps=lines(record("expired")),
    ),
    Rule(
        code="RE203",
        name="stamps-out-of-order",
        severity="error",
        says="created_at <= started_at <= the end stamp, and created_at <= expires_at. Equal stamps are normal: they "
        "count whole seconds.",
        why="A negative duration means that two clocks wrote the record.",
        source="FACTS B4: no violation in 667 recorded snapshots, 180 with equal stamps.",
        breaks=lines(record("completed", started_at=CREATED + 9)),
        keeps=lines(record("completed", started_at=CREATED, completed_at=CREATED)),
    ),
    Rule(
        code="RE204",
        name="stamp-changed",
        severity="error",
        says="created_at never changes, started_at is never cleared, and expires_at stays until the run ends.",
        why="A deadline that moves makes every timeout computed from it wrong.",
        source="FACTS §6.4; Azure moved a deadline from 600 to 36,000 s (B4), so that is a warning.",
        milder="a warning where expires_at moved while the run was not terminal",
        breaks=lines(record("in_progress"), record("in_progress", created_at=CREATED - 1)),
        keeps=lines(record("in_progress"), record("completed")),
    ),
    Rule(
        code="RE205",
        name="started-at-moved",
        severity="error",
        says="started_at moves forward, and only when the run goes from queued to in_progress again.",
        why="It is the start of the latest stretch of work; moved for another reason, that stretch is lost.",
        source="FACTS §6.4, B3: overwritten on re-entering in_progress, never else.",
        breaks=lines(record("in_progress", started_at=CREATED + 3), record("in_progress", started_at=CREATED + 2)),
        keeps=lines(record("in_progress", started_at=CREATED + 2), record("in_progress", started_at=CREATED + 3)),
    ),
    Rule(
        code="RE206",
        name="deadline-mismatch",
        severity="error",
        says="expires_at is set exactly while the run has not ended; and a run expires no earlier than that.",
        why="expires_at is the deadline, not the time of expiry: an ended run has none, a living run without one can "
        "be stuck for ever.",
        source="FACTS B3, B5.2, §9 C2.",
        milder="a warning where a run expired before its deadline, as recordings show",
        breaks=lines(record("queued", expires_at=None)),
        keeps=lines(record("expired", expires_at=None)),
    ),
    Rule(
        code="RE207",
        name="stamp-not-seconds",
        severity="error",
        says="A stamp is a whole number of Unix seconds: not text, not a fraction, not milliseconds, not negative.",
        why="One record in milliseconds among others in seconds sorts 50,000 years later.",
        source="FACTS §1.2, B6: stamps are always integers or null.",
        breaks=lines(record("in_progress", started_at=(CREATED + 1) * 1000)),
        keeps=lines(record("in_progress", started_at=CREATED + 1)),
    ),
    Rule(
        code="RE208",
        name="stamp-after-observation",
        severity="warning",
        says="No stamp lies later than the moment the record was seen (by more than --skew, 2 s by default).",
        why="A stamp from the future means that clocks differ, or that the record was written ahead of the fact.",
        source="FACTS B4: one recorded answer carries a stamp 1 s ahead of its own Date.",
        breaks=lines(row(record("in_progress", started_at=CREATED + 9), observed_at=CREATED + 2)),
        keeps=lines(row(record("in_progress", started_at=CREATED + 4), observed_at=CREATED + 2)),
    ),
    Rule(
        code="RE209",
        name="zero-stamp",
        severity="error",
        says="A stamp is never 0: what has not happened is null.",
        why="Generated clients that cannot hold null write 0, and the run seems to have ended in 1970.",
        source="FACTS §8 (ktorm reads null as 0), C25.",
        hint="Read the recording in the dialect that wrote it.",
        breaks=lines(record("cancelled", started_at=0)),
        keeps=lines(record("cancelled", started_at=None)),
    ),
    Rule(
        code="RE210",
        name="acted-after-deadline",
        severity="error",
        says="A run does not start, complete, fail or run out of tokens at or after its deadline: from then on it can "
        "only expire (or finish being cancelled).",
        why="The caller has been told when to stop waiting.",
        source="DESIGN §2.2 (before_deadline), FACTS §6.2; §9 C11 is a published example.",
        milder="a warning where the deadline had moved, or is not in the trace and taken to be created_at + 600",
        breaks=lines(record("in_progress", started_at=CREATED + 600)),
        keeps=lines(record("in_progress", started_at=CREATED + 599)),
    ),
)
"""The rules of this family."""
