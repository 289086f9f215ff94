"""The transition table: every legal step of a run, one row each, with its evidence; and the policies made of it.

Nothing about the lifecycle is written anywhere else. Terminal statuses, allowed events, the compiled step, the
`transitions` machine, the diagrams, the checker's paths and the reference page are derived from these rows.
Source: FACTS §6.1 (the published diagram, exactly 11 edges), §6.2, §6.3, Parts B and D.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, Final, Literal

from attrs import evolve, field, frozen

from runengine.core.definition import check_rows
from runengine.core.statuses import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    EXPIRED,
    FAILED,
    IN_PROGRESS,
    INCOMPLETE,
    QUEUED,
    REQUIRES_ACTION,
    STATUSES,
    Status,
)
from runengine.errors import LifecycleDefinitionError

__all__ = [
    "Breadth",
    "DOCUMENTED",
    "ENDED_BY",
    "PERMISSIVE",
    "POLICIES",
    "PRACTICAL",
    "TABLE",
    "TERMINAL",
    "Policy",
    "Transition",
    "policy_named",
]

Breadth = Literal["documented", "practical", "permissive"]
"""The narrowest policy a row belongs to; each has all rows of the one before."""


@frozen
class Transition:
    """One row: in `source`, `event` leads to `target` when every guard agrees.

    Attributes:
        event: The event's name.
        source: The status it meets, or None for the absence of a run.
        target: The status it leads to; equal to `source` for `modify`.
        breadth: The narrowest policy that has the row.
        evidence: Why the row is there.
        guards: Names of the row's own guards; the guards on time that every row has are not listed
            (see `runengine.core.guards`).

    Example:
        >>> str(TABLE[1])
        'start: queued -> in_progress'
    """

    event: str
    source: Status | None
    target: Status
    breadth: Breadth
    evidence: str
    guards: tuple[str, ...] = field(default=(), kw_only=True)

    def __str__(self) -> str:
        return f"{self.event}: {self.source or '(no run)'} -> {self.target}"

    @property
    def edge(self) -> tuple[Status, Status] | None:
        """(source, target) where the row changes the status of a run, else None."""
        return None if self.source is None or self.source == self.target else (self.source, self.target)


_DIAGRAM = "FACTS §6.1: drawn in the published diagram"
_MODIFY = "FACTS §6.3: metadata of a run may be changed"
_T = Transition

TABLE: Final[tuple[Transition, ...]] = (
    _T("create", None, QUEUED, "documented", "FACTS §6.2: runs become queued when first created"),
    _T("start", QUEUED, IN_PROGRESS, "documented", _DIAGRAM),
    _T(
        "start",
        REQUIRES_ACTION,
        IN_PROGRESS,
        "permissive",
        "FACTS B2: never recorded; lax servers resume without queueing",
    ),
    _T(
        "require_action",
        IN_PROGRESS,
        REQUIRES_ACTION,
        "documented",
        _DIAGRAM,
        guards=("has_tool_calls", "unique_call_ids"),
    ),
    _T("submit_tool_outputs", REQUIRES_ACTION, QUEUED, "documented", _DIAGRAM, guards=("outputs_match",)),
    _T("cancel", QUEUED, CANCELLING, "documented", _DIAGRAM),
    _T("cancel", IN_PROGRESS, CANCELLING, "documented", _DIAGRAM),
    _T(
        "cancel",
        REQUIRES_ACTION,
        CANCELLING,
        "practical",
        "FACTS §6.1: azure-ai-agents' own helper cancels a run that requires action",
    ),
    _T("finish_cancel", CANCELLING, CANCELLED, "documented", _DIAGRAM),
    _T("finish_cancel", QUEUED, CANCELLED, "permissive", "DESIGN §2.2: lax servers cancel in one step"),
    _T("finish_cancel", IN_PROGRESS, CANCELLED, "permissive", "DESIGN §2.2: lax servers cancel in one step"),
    _T("finish_cancel", REQUIRES_ACTION, CANCELLED, "permissive", "DESIGN §2.2: lax servers cancel in one step"),
    _T("complete", IN_PROGRESS, COMPLETED, "documented", _DIAGRAM),
    _T(
        "complete",
        CANCELLING,
        COMPLETED,
        "practical",
        "FACTS §6.1: cancellation is attempted but not guaranteed; Part D: the true outcome must not be thrown away",
        guards=("started",),
    ),
    _T("complete", REQUIRES_ACTION, COMPLETED, "permissive", "DESIGN §2.2: lax servers end a waiting run"),
    _T("exhaust_tokens", IN_PROGRESS, INCOMPLETE, "documented", _DIAGRAM),
    _T(
        "exhaust_tokens",
        CANCELLING,
        INCOMPLETE,
        "practical",
        "FACTS §6.1: cancellation is attempted but not guaranteed",
        guards=("started",),
    ),
    _T("exhaust_tokens", REQUIRES_ACTION, INCOMPLETE, "permissive", "DESIGN §2.2: lax servers end a waiting run"),
    _T("fail", IN_PROGRESS, FAILED, "documented", _DIAGRAM),
    _T("fail", QUEUED, FAILED, "practical", "FACTS Part D: a run that cannot be started must be able to end"),
    _T("fail", REQUIRES_ACTION, FAILED, "practical", "FACTS Part D: a waiting run whose host is gone must end"),
    _T("fail", CANCELLING, FAILED, "practical", "FACTS §6.1: cancellation is attempted but not guaranteed"),
    _T("expire", IN_PROGRESS, EXPIRED, "documented", _DIAGRAM, guards=("past_deadline",)),
    _T("expire", REQUIRES_ACTION, EXPIRED, "documented", _DIAGRAM, guards=("past_deadline",)),
    _T(
        "expire",
        QUEUED,
        EXPIRED,
        "practical",
        "FACTS Part D: 5,133 waiting entries stuck, some for 91 days; every waiting run has a deadline",
        guards=("past_deadline",),
    ),
    _T(
        "expire",
        CANCELLING,
        EXPIRED,
        "practical",
        "FACTS Part C: a run stuck in cancelling hangs its poller for ever",
        guards=("past_deadline",),
    ),
    _T("modify", QUEUED, QUEUED, "documented", _MODIFY),
    _T("modify", REQUIRES_ACTION, REQUIRES_ACTION, "documented", _MODIFY),
    *(_T("modify", s, s, "documented", _MODIFY) for s in (COMPLETED, INCOMPLETE, FAILED, CANCELLED, EXPIRED)),
    _T("modify", IN_PROGRESS, IN_PROGRESS, "practical", "FACTS B5.5: refused by the API; harmless in an engine"),
    _T("modify", CANCELLING, CANCELLING, "practical", "FACTS §6.3: unknown of the API; harmless in an engine"),
)
"""Every row of every policy, in the order of the event table."""

TERMINAL: Final[tuple[Status, ...]] = tuple(s for s in STATUSES if all(r.edge is None or r.source != s for r in TABLE))
"""Statuses that no row leaves, in any policy."""

ENDED_BY: Final[dict[Status, str]] = {r.target: r.event for r in TABLE if r.edge and r.target in TERMINAL}
"""The event that ends a run in each terminal status."""


@frozen(eq=False)
class Policy:
    """A set of rows that has passed the definition checks: what is legal in one place of use.

    Attributes:
        name: For messages and stores.
        rows: The rows, in order.

    Raises:
        LifecycleDefinitionError: naming the row and the rule it breaks.

    Example:
        >>> len(DOCUMENTED.edges)
        11
    """

    name: str
    rows: tuple[Transition, ...]

    cells: dict[Status | None, dict[type, Any]] = field(factory=dict, init=False, repr=False)
    """The compiled step of each status and event, filled by `runengine.core.step`."""
    memo: dict[Any, Any] = field(factory=dict, init=False, repr=False)
    """What other modules have derived from the rows, kept as long as the policy."""

    def __attrs_post_init__(self) -> None:
        check_rows(self.rows, TERMINAL)

    @cached_property
    def edges(self) -> dict[tuple[Status, Status], str]:
        """(source, target) to the event that takes a run along it: the first, where two do."""
        return {row.edge: row.event for row in reversed(self.rows) if row.edge}

    def allowed(self, status: Status | None) -> tuple[str, ...]:
        """Names of the events that have a row in `status` (None: where there is no run)."""
        return tuple(row.event for row in self.rows if row.source == status)

    def without(self, name: str, rows: Iterable[tuple[str, Status]]) -> Policy:
        """A narrower policy.

        Args:
            name: The new policy's name.
            rows: (event, source) of the rows to leave out.

        Raises:
            LifecycleDefinitionError: what is left is no lifecycle, or a row to leave out is not there.

        Example:
            >>> PRACTICAL.without("no-cancel-while-waiting", [("cancel", "requires_action")]).allowed("requires_action")
            ('submit_tool_outputs', 'fail', 'expire', 'modify')
        """
        gone = set(rows)
        known = {(row.event, row.source) for row in self.rows}
        for event, source in sorted(gone - known):
            raise LifecycleDefinitionError(f"{event}: {source}", "a row to leave out is in the policy")
        return evolve(self, name=name, rows=tuple(r for r in self.rows if (r.event, r.source) not in gone))

    def extended(self, name: str, rows: Iterable[Transition]) -> Policy:
        """A wider policy: these rows after the policy's own.

        Raises:
            LifecycleDefinitionError: a row overlaps another, or breaks a rule of the table.

        Example:
            >>> row = Transition("finish_cancel", "queued", "cancelled", "permissive", "our queue drops it at once")
            >>> "finish_cancel" in PRACTICAL.extended("drop-queued", [row]).allowed("queued")
            True
        """
        return evolve(self, name=name, rows=(*self.rows, *rows))


DOCUMENTED: Final = Policy("documented", tuple(r for r in TABLE if r.breadth == "documented"))
"""The published diagram, and nothing else."""

PRACTICAL: Final = Policy("practical", tuple(r for r in TABLE if r.breadth != "permissive"))
"""What an orchestrator needs so that no run can be stuck: the default."""

PERMISSIVE: Final = Policy("permissive", TABLE)
"""What lax servers do, too."""

POLICIES: Final = {p.name: p for p in (DOCUMENTED, PRACTICAL, PERMISSIVE)}
"""The policies by name, narrowest first."""


def policy_named(name: str) -> Policy:
    """The policy called `name`.

    Raises:
        ValueError: there is none; the message lists what there is.

    Example:
        >>> policy_named("documented") is DOCUMENTED
        True
    """
    try:
        return POLICIES[name]
    except KeyError:
        raise ValueError(f"no policy {name!r}: there are {', '.join(POLICIES)}") from None
