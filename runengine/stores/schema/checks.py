"""The CHECKs of the table of runs, made from the shape table, the order of stamps and the rules of a row.

Each has a name, `runengine_…`, which is what a database says when it refuses. They are the same text on both
databases, but for those on JSON. Source: `runengine.core.shape`; the rules of a row are of `runengine.stores.records`.
"""

from __future__ import annotations

from typing import Final, get_args

from attrs import frozen

from runengine.core import SECOND_US, SHAPE, STATUSES, TERMINAL, Status
from runengine.core.shape import STAMP_ORDER, Shape
from runengine.core.statuses import CANCELLING, IN_PROGRESS, QUEUED
from runengine.stores.columns import COLUMNS
from runengine.stores.records import EntryKind
from runengine.stores.schema.parts import Database, listed

__all__ = [
    "ENTRY_CHECKS",
    "KEPT_SHAPE",
    "LIVE",
    "RUN_CHECKS",
    "Check",
    "by_status",
    "json_check",
    "json_checks",
    "not_empty",
]

LIVE: Final[tuple[Status, ...]] = tuple(status for status in STATUSES if status not in TERMINAL)
"""The statuses of runs that have not ended."""

_ROW: Final = "runengine.stores.records.Row"

KEPT_SHAPE: Final[tuple[Shape, ...]] = (
    Shape(field="deadline_us", must=LIVE, evidence=f"{_ROW}: there is always a next thing to do until the end"),
    Shape(field="claimable_us", must=(QUEUED,), may=(IN_PROGRESS,), evidence=f"{_ROW}: a lease may run out"),
    Shape(field="owner", must=(), may=(IN_PROGRESS, CANCELLING), evidence=f"{_ROW}: only these are worked on"),
    Shape(field="lease_until_us", must=(), may=(IN_PROGRESS, CANCELLING), evidence=f"{_ROW}: as the owner"),
    Shape(field="cancel_until_us", must=(CANCELLING,), evidence=f"{_ROW}: a cancel has its own deadline"),
)
"""The same as the shape table, for what a row has beside the record."""


@frozen
class Check:
    """A rule as a database keeps it.

    Attributes:
        name: What the database calls it when it refuses.
        sql: True, or null, of every line that is kept.

    Example:
        >>> RUN_CHECKS[0].name
        'runengine_status_is_known'
    """

    name: str
    sql: str


def by_status(shape: Shape) -> Check:
    """The rule of one row of a shape table.

    Example:
        >>> print(by_status(KEPT_SHAPE[1]).sql)
        (claimable_us IS NOT NULL OR status NOT IN ('queued'))
              AND (claimable_us IS NULL OR status IN ('queued', 'in_progress'))
        >>> by_status(SHAPE[0]).sql, by_status(SHAPE[-2]).sql
        ('created_at IS NOT NULL', "(incomplete_details IS NOT NULL) = (status IN ('incomplete'))")
    """
    name, anywhere = shape.field, (*shape.must, *shape.may)
    parts = []
    if not shape.may and len(shape.must) < len(STATUSES):
        parts.append(f"({name} IS NOT NULL) = (status IN ({listed(shape.must)}))" if shape.must else f"{name} IS NULL")
    elif len(shape.must) == len(STATUSES):
        parts.append(f"{name} IS NOT NULL")
    else:
        if shape.must:
            parts.append(f"{name} IS NOT NULL OR status NOT IN ({listed(shape.must)})")
        if len(anywhere) < len(STATUSES):
            parts.append(f"{name} IS NULL OR status IN ({listed(anywhere)})")
    sql = parts[0] if len(parts) == 1 else "\n      AND ".join(f"({part})" for part in parts)
    return Check(f"runengine_{name}_by_status", sql)


def not_empty(*names: str) -> tuple[Check, ...]:
    """The rule that these texts are not empty.

    Example:
        >>> not_empty("thread_id")[0].sql
        "thread_id <> ''"
    """
    return tuple(Check(f"runengine_{name}_is_not_empty", f"{name} <> ''") for name in names)


def json_check(database: Database, name: str, required: bool = True) -> Check:
    """The rule that a text is a JSON object.

    Example:
        >>> json_check("postgres", "body").sql
        'body IS JSON OBJECT'
        >>> json_check("sqlite", "body").sql
        "CASE WHEN json_valid(body) THEN json_type(body) = 'object' ELSE 0 END"
    """
    if database == "postgres":
        sql = f"{name} IS JSON OBJECT"
    else:  # json_type alone says "malformed JSON", and not which rule it broke
        sql = f"CASE WHEN json_valid({name}) THEN json_type({name}) = 'object' ELSE 0 END"
        sql = sql if required else f"{name} IS NULL OR {sql}"
    return Check(f"runengine_{name}_is_json", sql)


def json_checks(database: Database) -> tuple[Check, ...]:
    """The rules that what is JSON of a run is JSON.

    Example:
        >>> len(json_checks("sqlite"))
        5
    """
    return tuple(json_check(database, column.name, column.required) for column in COLUMNS if column.kind == "json")


_STATUS_IS_KNOWN: Final = Check("runengine_status_is_known", f"status IN ({listed(STATUSES)})")

RUN_CHECKS: Final[tuple[Check, ...]] = (
    _STATUS_IS_KNOWN,
    *not_empty("id", "thread_id"),
    *(by_status(shape) for shape in SHAPE),
    *(Check(f"runengine_{later}_not_before_{first}", f"{later} >= {first}") for first, later in STAMP_ORDER),
    *(by_status(shape) for shape in KEPT_SHAPE),
    Check("runengine_lease_has_an_owner", "(owner IS NULL) = (lease_until_us IS NULL)"),
    Check("runengine_version_from_1", "version >= 1"),
    *(Check(f"runengine_{name}_from_0", f"{name} >= 0") for name in ("fence", "waiting", "losses")),
    Check("runengine_last_us_not_before_created_at", f"last_us >= created_at * {SECOND_US}"),
)
"""Of runs, the same on every database. They are part of the policy's hash."""

ENTRY_CHECKS: Final[tuple[Check, ...]] = (
    Check("runengine_seq_from_1", "seq >= 1"),
    Check("runengine_kind_is_known", f"kind IN ({listed(get_args(EntryKind))})"),
    _STATUS_IS_KNOWN,
    *not_empty("name"),
)
"""Of the lines of history."""
