"""What to hold a recording to, and what was counted."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from attrs import Factory, define, frozen

from runengine.core.statuses import STATUSES
from runengine.core.table import PRACTICAL, Policy
from runengine.validation.findings import Severity
from runengine.validation.observations import Sampling

__all__ = ["FORGET_AFTER", "JOINED", "SKEW_S", "Options", "Summary"]

FORGET_AFTER: Final = 50_000
"""For how many items of the recording a run that has ended is remembered."""

JOINED: Final = (
    "recordings are joined in the order given: what one says of a run is held against what the others say, and where "
    "they overlap, that is no fault of the run"
)
"""What is said where recordings are joined."""

UNREADABLE: Final = "RE901"
"""The rule of what cannot be read."""

SKEW_S: Final = 2.0
"""How far a recording's clock and the server's may differ, seconds."""


@frozen(kw_only=True)
class Options:
    """What to hold a recording to.

    Attributes:
        policy: Which steps are legal.
        generation: The schema generation to hold records to, or None to infer it for each.
        sampling: Whether every status is visible.
        skew_s: How far clocks may differ, seconds.
        forget_after: For how many items of the recording a run that has ended is remembered; and how many steps and
            messages, outputs of tools and refusals are.
        select: Codes, or beginnings of codes, of the only rules to report; all when empty.
        ignore: Codes, or beginnings of codes, not to report.
        dialect: How records are written; `auto` tells each by its keys.
        join: Recordings are one scope, in the order in which they are checked.

    Example:
        >>> Options().policy.name
        'practical'
    """

    policy: Policy = PRACTICAL
    generation: int | None = None
    sampling: Sampling = "auto"
    skew_s: float = SKEW_S
    forget_after: int = FORGET_AFTER
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    dialect: str = "auto"
    join: bool = False

    def reports(self, code: str) -> bool:
        """Whether a rule's findings are reported. What cannot be read is, whatever rules are selected."""
        selected = not self.select or code == UNREADABLE or code.startswith(self.select)
        return selected and not code.startswith(self.ignore or ("-",))


@define(kw_only=True)
class Summary:
    """Counts over everything checked so far.

    Attributes:
        runs: Runs seen, each file a scope of its own.
        observations: Snapshots seen.
        threads: Threads seen, each file a scope of its own.
        passed: Objects that are no run, passed over.
        companions: Objects around the runs that were checked: steps, messages, pieces of them, tool outputs, refusals.
        unread: Inputs that were not read, or not to their end; whoever reads them counts them.
        violations: Count by severity.
        by_code: Count by rule.
        statuses: Observations by status.
        edges: Observed changes of status, as `queued->in_progress`.

    Example:
        >>> Summary().as_dict()["runs"]
        0
    """

    runs: int = 0
    observations: int = 0
    threads: int = 0
    passed: int = 0
    companions: int = 0
    unread: int = 0
    violations: Counter[Severity] = Factory(Counter)
    by_code: Counter[str] = Factory(Counter)
    statuses: Counter[str] = Factory(Counter)
    edges: Counter[tuple[str, str]] = Factory(Counter)

    def as_dict(self) -> dict[str, Any]:
        """The summary as reports carry it, in a fixed order."""
        return {
            "runs": self.runs,
            "observations": self.observations,
            "threads": self.threads,
            "violations": {s: self.violations[s] for s in ("error", "warning", "info")},
            "by_code": dict(sorted(self.by_code.items())),
            "statuses": {s: self.statuses[s] for s in STATUSES if self.statuses[s]},
            "edges": {f"{a}->{b}": self.edges[a, b] for a in STATUSES for b in STATUSES if self.edges[a, b]},
        }
