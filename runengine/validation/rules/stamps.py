"""Rules on the values of a record's stamps: seconds, order, deadline, and the time it was observed.

Source: FACTS §6.4, B4, B5.2, §9 C11; DESIGN §2.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeGuard

from attrs import frozen

from runengine.core.events import TTL_S
from runengine.core.fields import STAMPS
from runengine.core.guards import DEADLINE_FREE
from runengine.core.shape import ARRIVAL_STAMP, STAMP_ORDER
from runengine.core.statuses import EXPIRED, IN_PROGRESS, Status
from runengine.core.table import ENDED_BY
from runengine.rendering.durations import brief
from runengine.validation.findings import Finding, Severity

__all__ = ["MILLISECONDS_FROM", "Deadline", "is_seconds", "stamp_findings"]

MILLISECONDS_FROM: Final = 100_000_000_000
"""From here on a stamp cannot be seconds: it would be the year 5138."""


@frozen(kw_only=True)
class Deadline:
    """What is known of a run's deadline from its earlier snapshots.

    Attributes:
        at_s: The last one seen, Unix seconds, or None.
        moved: It was seen to move.

    Example:
        >>> Deadline().at_s is None
        True
    """

    at_s: int | None = None
    moved: bool = False


def is_seconds(value: object) -> TypeGuard[int]:
    """Whether a stamp is an integer that can be Unix seconds.

    Example:
        >>> is_seconds(1_700_000_000), is_seconds(1_700_000_000_000), is_seconds(True), is_seconds(0)
        (True, False, False, False)
    """
    return type(value) is int and 0 < value < MILLISECONDS_FROM


def stamp_findings(
    record: dict[str, Any], status: Status, deadline: Deadline, observed_s: float | None, skew_s: float
) -> Iterator[Finding]:
    """What is wrong with the values of the stamps of one record.

    Args:
        record: The record as JSON.
        status: Its status, one of the nine.
        deadline: What is known from earlier snapshots.
        observed_s: When the record was seen, Unix seconds, or None.
        skew_s: How far clocks may differ, seconds.

    Example:
        >>> record = {"created_at": 1_700_000_009, "started_at": 1_700_000_001}
        >>> [f.code for f in stamp_findings(record, "queued", Deadline(), None, 2)]
        ['RE203']
    """
    for name in STAMPS:
        value = record.get(name)
        if type(value) is int:
            yield from _one(name, value, observed_s, skew_s)
    for earlier, later in STAMP_ORDER:
        first, second = record.get(earlier), record.get(later)
        if is_seconds(first) and is_seconds(second) and first > second:
            expected = f"at least {first} ({earlier})"
            yield Finding("RE203", later, expected, f"{later} is {first - second} s before {earlier}")
    yield from _deadline(record, status, deadline)


def _one(name: str, value: int, observed_s: float | None, skew_s: float) -> Iterator[Finding]:
    if value == 0:
        yield Finding("RE209", name, "null, or Unix seconds", f"{name} is 0, the year 1970")
    elif value < 0:
        yield Finding("RE207", name, "whole Unix seconds", f"{name} is negative")
    elif value >= MILLISECONDS_FROM:
        hint = f"if it counts milliseconds, {value // 1000} was meant" if value < MILLISECONDS_FROM * 1000 else None
        yield Finding("RE207", name, "whole Unix seconds", f"{name} is too large for seconds", hint=hint)
    elif observed_s is not None and value > observed_s + skew_s and name != "expires_at":
        late_s = value - observed_s
        expected = f"at most {observed_s:.0f}, when it was observed (clocks may differ by {skew_s:g} s)"
        yield Finding("RE208", name, expected, f"{name} lies {brief(late_s)} after the observation that shows it")


def _deadline(record: dict[str, Any], status: Status, known: Deadline) -> Iterator[Finding]:
    """Acts at or after the deadline, and expiry before it."""
    created, carried = record.get("created_at"), record.get("expires_at")
    if is_seconds(carried):
        at_s, inferred = carried, False
    elif known.at_s is not None:
        at_s, inferred = known.at_s, known.moved
    elif is_seconds(created):
        at_s, inferred = created + TTL_S, True
    else:
        return
    how = f"the usual {TTL_S} s after created_at" if inferred and known.at_s is None else "expires_at"
    severity: Severity | None = "warning" if inferred else None
    started = record.get("started_at")
    if is_seconds(started) and started >= at_s:
        message = f"the run started {started - at_s} s after its deadline {at_s}, {how}"
        yield Finding("RE210", "started_at", f"before {at_s}", message, severity=severity)
    stamp = ARRIVAL_STAMP.get(status)
    ended = record.get(stamp) if stamp is not None and status != IN_PROGRESS else None
    if stamp is None or not is_seconds(ended):
        return
    if status == EXPIRED and ended < at_s:
        message = f"the run expired {at_s - ended} s before its deadline {at_s}, {how}"
        yield Finding("RE206", stamp, f"at least {at_s}", message, severity="warning")
    elif ENDED_BY[status] not in DEADLINE_FREE and ended >= at_s:
        message = f"the run became {status} {ended - at_s} s after its deadline {at_s}, {how}"
        yield Finding("RE210", stamp, f"before {at_s}", message, severity=severity)
