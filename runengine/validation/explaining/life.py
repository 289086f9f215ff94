"""A run's life in one recording, or in several joined, as data: moments by line, each with what was found there."""

from __future__ import annotations

from typing import Any

from attrs import asdict, frozen

from runengine.core.statuses import Status
from runengine.validation.explaining.repair import Repair
from runengine.validation.findings import SEVERITIES, Severity, Violation

__all__ = ["Change", "Life", "Moment"]


@frozen(kw_only=True)
class Change:
    """What a snapshot shows otherwise than the one before.

    Attributes:
        field: The field.
        was: Its value before, shortened where it is long; None for null and for a key that is not there.
        is_now: Its value now.

    Example:
        >>> Change(field="started_at", was=None, is_now=1_700_000_003).field
        'started_at'
    """

    field: str
    was: Any
    is_now: Any


@frozen(kw_only=True)
class Moment:
    """One line of a life, or several that show the same.

    Attributes:
        line: Its line; of an observation repeated, the first.
        path: The recording it stands in.
        kind: observation, tool outputs, refused, or what was seen beside the run, as `thread.run.step`.
        last_line: The last line that shows the same, without a change and without an event.
        times: How many lines do.
        observed_s: When it was seen, Unix seconds, or None.
        stamp_s: When the record says that the run came into this status, or None where no stamp says so.
        event: The event that came with it, as recorded, or None.
        cause: The event of the table that leads here from the snapshot before, or None where none, or several, do.
        status: The run's status as recorded, or None beside the run.
        changes: What it shows otherwise than the snapshot before, the status apart; of the first, what it holds of
            stamps, payload and model.
        hidden: The steps that nobody saw, before this one: event and status of each.
        says: What it is, in words, beside the run; of an observation, the tool calls that the run has come to wait for.
        violations: What was found here.

    Example:
        >>> Moment(line=3, kind="observation", status="queued").times
        1
    """

    line: int
    path: str = ""
    kind: str
    last_line: int = 0
    times: int = 1
    observed_s: float | None = None
    stamp_s: int | None = None
    event: str | None = None
    cause: str | None = None
    status: str | None = None
    changes: tuple[Change, ...] = ()
    hidden: tuple[tuple[str, Status], ...] = ()
    says: str = ""
    violations: tuple[Violation, ...] = ()


@frozen(kw_only=True)
class Life:
    """A run in one recording, or in several joined.

    Attributes:
        path: The recording; of several joined, the first.
        recordings: All that show it, in the order they were given.
        run_id: The run.
        thread_id: Its thread, or None.
        assistant_id: Its assistant, or None.
        model: Its model, or None.
        created_at: Unix seconds, or None where no record tells.
        complete: Every status is visible.
        observations: How many snapshots were seen.
        moments: In the order of the lines.
        repair: What would make its path legal, in each recording by itself.

    Example:
        >>> Life(path="a.jsonl", run_id="run_1", moments=(), repair=Repair(edits=(), cost=0)).verdict
        'clean'
    """

    path: str
    recordings: tuple[str, ...] = ()
    run_id: str
    thread_id: str | None = None
    assistant_id: str | None = None
    model: str | None = None
    created_at: int | None = None
    complete: bool = False
    observations: int = 0
    moments: tuple[Moment, ...]
    repair: Repair

    @property
    def found(self) -> dict[Severity, int]:
        """How many violations of each severity."""
        all_of = [violation.severity for moment in self.moments for violation in moment.violations]
        return {severity: all_of.count(severity) for severity in SEVERITIES}

    @property
    def verdict(self) -> str:
        """Whether it conforms."""
        return "not conforming" if self.found["error"] else "clean"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON, in the order of the attributes, with the verdict."""
        made = asdict(self, filter=lambda attribute, _: attribute.name not in ("moments", "repair"))
        edits = [{**asdict(edit), "text": str(edit)} for edit in self.repair.edits]
        return {
            **made,
            "verdict": self.verdict,
            "violations": self.found,
            "moments": [_as_dict(moment) for moment in self.moments],
            "repair": {"cost": self.repair.cost, "edits": edits},
        }


def _as_dict(moment: Moment) -> dict[str, Any]:
    made = asdict(moment, recurse=False)
    made["changes"] = [asdict(change, recurse=False) for change in moment.changes]
    made["hidden"] = [{"event": event, "status": status} for event, status in moment.hidden]
    made["violations"] = [violation.as_dict() for violation in moment.violations]
    return made
