"""The shape table: what a record in each status must, may and must not carry, and what an arrival writes.

Source: FACTS §6.4 and B3 (what recordings show, field by field and status by status); DESIGN §2.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from attrs import frozen

from runengine.core.fields import END_STAMPS, FIELDS
from runengine.core.records import RunObject
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
from runengine.errors import InvalidSnapshot, LifecycleDefinitionError

__all__ = [
    "ARRIVAL_STAMP",
    "SHAPE",
    "STAMP_ORDER",
    "Presence",
    "Shape",
    "ShapeProblem",
    "check_shape_table",
    "end_stamp",
    "presence",
    "require_valid",
    "shape_problems",
]

Presence = Literal["must", "may", "never"]
"""Whether a record carries a value (null and absent are one) in a field."""

_LIVE: Final[tuple[Status, ...]] = (QUEUED, IN_PROGRESS, REQUIRES_ACTION, CANCELLING)
_ENDED: Final[tuple[Status, ...]] = (COMPLETED, INCOMPLETE, FAILED, CANCELLED, EXPIRED)


@frozen(kw_only=True)
class Shape:
    """One row: a field whose presence depends on the status.

    Attributes:
        field: The field.
        must: Statuses whose records carry it.
        may: Statuses whose records may carry it; in every other it must not be.
        evidence: Source of the row.

    Example:
        >>> next(row.must for row in SHAPE if row.field == "failed_at")
        ('failed',)
    """

    field: str
    must: tuple[Status, ...]
    may: tuple[Status, ...] = ()
    evidence: str

    def presence_in(self, status: Status) -> Presence:
        """Must, may or never, for that status."""
        return "must" if status in self.must else "may" if status in self.may else "never"


SHAPE: Final[tuple[Shape, ...]] = (
    Shape(field="created_at", must=STATUSES, evidence="FACTS §1.2: required and not null in all generations"),
    Shape(
        field="started_at",
        must=(IN_PROGRESS, REQUIRES_ACTION, COMPLETED, INCOMPLETE),
        may=(QUEUED, CANCELLING, FAILED, CANCELLED, EXPIRED),
        evidence="FACTS B3: set in every record that has started; null only while the run never has",
    ),
    Shape(field="expires_at", must=_LIVE, evidence="FACTS B3: null in every ended record, set in every other"),
    Shape(
        field="completed_at",
        must=(COMPLETED, INCOMPLETE, EXPIRED),
        evidence="FACTS §6.4, B3: runs have no incomplete_at and no expired_at; completed_at serves",
    ),
    Shape(field="failed_at", must=(FAILED,), evidence="FACTS B3"),
    Shape(field="cancelled_at", must=(CANCELLED,), evidence="FACTS B3: null while cancelling"),
    Shape(field="required_action", must=(REQUIRES_ACTION,), evidence="FACTS B3: set 53/53, null elsewhere"),
    Shape(field="last_error", must=(FAILED,), evidence="FACTS B3: set 8/8, null elsewhere"),
    Shape(field="incomplete_details", must=(INCOMPLETE,), evidence="FACTS B3; the one exception is B5.1"),
    Shape(
        field="usage", must=(), may=_ENDED, evidence="FACTS §2.4, B3: never before the end; some ended records lack it"
    ),
)
"""Presence by status. A field that is not here is not tied to the status."""

ARRIVAL_STAMP: Final[dict[Status, str]] = {
    IN_PROGRESS: "started_at",
    COMPLETED: "completed_at",
    INCOMPLETE: "completed_at",
    EXPIRED: "completed_at",
    FAILED: "failed_at",
    CANCELLED: "cancelled_at",
}
"""The stamp that arriving in a status writes (FACTS §6.4). Birth writes created_at and expires_at."""

STAMP_ORDER: Final[tuple[tuple[str, str], ...]] = (
    ("created_at", "started_at"),
    ("created_at", "expires_at"),
    *(("created_at", end) for end in END_STAMPS),
    *(("started_at", end) for end in END_STAMPS),
)
"""Pairs (earlier, later): where both are set, earlier ≤ later; equality is normal (FACTS B4)."""


def presence(field: str, status: Status) -> Presence:
    """Whether a record in `status` carries `field`.

    Raises:
        KeyError: the field is not tied to the status.

    Example:
        >>> presence("expires_at", "queued"), presence("expires_at", "completed"), presence("usage", "failed")
        ('must', 'never', 'may')
    """
    return _BY_FIELD[field].presence_in(status)


_BY_FIELD: Final = {row.field: row for row in SHAPE}


def end_stamp(status: Status) -> str | None:
    """The end stamp that a record in `status` must carry, or None where the run has not ended.

    Example:
        >>> end_stamp("expired"), end_stamp("cancelling")
        ('completed_at', None)
    """
    for name in END_STAMPS:
        if _BY_FIELD[name].presence_in(status) == "must":
            return name
    return None


@frozen(kw_only=True)
class ShapeProblem:
    """A field whose presence does not agree with the status, or a pair of stamps out of order.

    Attributes:
        kind: "missing", "unexpected" or "order".
        field: The field at fault; of a pair, the later.
        other: The earlier of a pair, or None.
        rule: The rule, one sentence.

    Example:
        >>> ShapeProblem(kind="missing", field="started_at", rule="started_at is set in in_progress").field
        'started_at'
    """

    kind: Literal["missing", "unexpected", "order"]
    field: str
    other: str | None = None
    rule: str


def shape_problems(status: Status, record: Mapping[str, object]) -> tuple[ShapeProblem, ...]:
    """Everything in which a record's fields do not agree with its status.

    Args:
        status: The record's status.
        record: Field to value; a field that is left out counts as null.

    Returns:
        The problems in the order of `SHAPE`, then of `STAMP_ORDER`; stamps that are not integers are not compared.

    Example:
        >>> [p.rule for p in shape_problems("queued", {"created_at": 9, "expires_at": 609, "failed_at": 9})]
        ['failed_at is null in queued']
    """
    problems: list[ShapeProblem] = []
    for row in SHAPE:
        wanted, found = row.presence_in(status), record.get(row.field) is not None
        if wanted == "must" and not found:
            problems.append(ShapeProblem(kind="missing", field=row.field, rule=f"{row.field} is set in {status}"))
        elif wanted == "never" and found:
            problems.append(ShapeProblem(kind="unexpected", field=row.field, rule=f"{row.field} is null in {status}"))
    for earlier, later in STAMP_ORDER:
        first, second = record.get(earlier), record.get(later)
        if type(first) is int and type(second) is int and first > second:
            rule = f"{earlier} <= {later}"
            problems.append(ShapeProblem(kind="order", field=later, other=earlier, rule=rule))
    return tuple(problems)


def require_valid(run: RunObject) -> None:
    """Refuse a record whose fields do not agree with its status.

    Raises:
        InvalidSnapshot: naming every rule broken and the fields.

    Example:
        >>> require_valid(RunObject(id="run_1", thread_id="t", assistant_id="a", model="m", status="queued",
        ...                         created_at=9, expires_at=609))
    """
    problems = shape_problems(run.status, vars(run))
    if problems:
        raise InvalidSnapshot(run.id, "; ".join(p.rule for p in problems), tuple(p.field for p in problems))


def check_shape_table(rows: tuple[Shape, ...], arrivals: Mapping[Status, str]) -> None:
    """Check the shape table itself; called when the library is imported.

    Raises:
        LifecycleDefinitionError: naming the row and the rule: fields and statuses exist, no field has two rows, no
            status is in both columns, an arrival's stamp is one its status must carry, and a status has exactly one
            end stamp or none.

    Example:
        >>> check_shape_table(SHAPE, ARRIVAL_STAMP)
    """
    seen: dict[str, Shape] = {}
    for row in rows:
        if row.field not in FIELDS:
            raise LifecycleDefinitionError(f"shape of {row.field}", "every field of the shape table is declared")
        if row.field in seen:
            raise LifecycleDefinitionError(f"shape of {row.field}", "a field has one row")
        for status in (*row.must, *row.may):
            if status not in STATUSES:
                raise LifecycleDefinitionError(f"shape of {row.field}", f"{status} is not a status")
        if set(row.must) & set(row.may):
            raise LifecycleDefinitionError(f"shape of {row.field}", "a status is in one column")
        seen[row.field] = row
    for status, stamp in arrivals.items():
        if stamp not in FIELDS or FIELDS[stamp].kind != "stamp":
            raise LifecycleDefinitionError(f"arrival in {status}", f"{stamp} is not a stamp of the run object")
        if stamp not in seen or status not in seen[stamp].must:
            raise LifecycleDefinitionError(f"arrival in {status}", f"{stamp} is set in {status}")
    for status in STATUSES:
        ends = [name for name in END_STAMPS if name in seen and seen[name].presence_in(status) != "never"]
        if len(ends) > 1:
            raise LifecycleDefinitionError(f"shape of {status}", f"a status has one end stamp, not {ends}")
        if ends and arrivals.get(status) != ends[0]:
            raise LifecycleDefinitionError(f"shape of {status}", f"arriving in {status} writes {ends[0]}")


check_shape_table(SHAPE, ARRIVAL_STAMP)
