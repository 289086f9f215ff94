"""Whose a record is: what no event writes, compared with the run's snapshot before it.

One wrong value makes no other run's record: only values that are sound by themselves tell of one, and best where
several differ together. Source: FACTS §1.2 (what is fixed when a run is created), B4; DESIGN §5.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from runengine.core.candidates import era_of
from runengine.core.fields import IDENTITY, IMMUTABLE, STAMPS
from runengine.validation.rules.layout import layout_of
from runengine.validation.rules.payload import payload_findings
from runengine.validation.rules.stamps import Deadline, stamp_findings
from runengine.validation.summary import SKEW_S

__all__ = ["UNWRITTEN", "differing", "fault_of_value"]

UNWRITTEN: Final = (*IDENTITY, "created_at", *IMMUTABLE)
"""Fields that no event writes once the run is there."""

_OF_VALUES: Final = frozenset(("RE207", "RE208", "RE209", "RE305", "RE306", "RE308"))
"""Rules that find a value wrong whatever the run's status, and whatever stands beside it."""


def fault_of_value(
    record: dict[str, Any], name: str, observed_s: float | None = None, columns: frozenset[str] | None = None
) -> str | None:
    """The rule that finds the value of a field wrong by itself, or None where it is sound.

    Args:
        record: The record as JSON, its status one of the nine.
        name: A declared field.
        observed_s: When the record was seen, Unix seconds, or None.
        columns: Of a table, the fields it has a column for; None for a record that is whole.

    Example:
        >>> fault_of_value({"status": "queued", "created_at": 1_700_000_000_000}, "created_at")
        'RE207'
        >>> fault_of_value({"status": "queued", "created_at": 1_700_000_000}, "created_at") is None
        True
    """
    return next((code for code in _codes(record, name, observed_s, columns) if code in _OF_VALUES), None)


def _codes(
    record: dict[str, Any], name: str, observed_s: float | None, columns: frozenset[str] | None
) -> Iterator[str]:
    status = record["status"]
    types = tuple(map(type, record.values()))
    layout = layout_of(status, tuple(record), types, era_of(record.get("created_at")), None, columns)
    found = [*layout.findings, *payload_findings(record, layout.candidates, lambda field: field == name)]
    if name in STAMPS:
        found += stamp_findings({name: record.get(name)}, status, Deadline(), observed_s, SKEW_S)
    for finding in found:
        if (finding.field or "").partition(".")[0].partition("[")[0] == name:
            yield finding.code


def differing(old: dict[str, Any], new: dict[str, Any], observed_s: float | None = None) -> tuple[str, ...]:
    """The fields that no event writes and that are not the same, each value sound by itself; null tells nothing.

    Args:
        old: The earlier record, its status one of the nine.
        new: The later one.
        observed_s: When the later one was seen, Unix seconds, or None.

    Example:
        >>> old = {"status": "queued", "thread_id": "thread_1", "model": "gpt-4o"}
        >>> differing(old, {**old, "thread_id": "thread_2", "model": 17})
        ('thread_id',)
    """
    return tuple(
        name
        for name in UNWRITTEN
        if old.get(name) is not None and new.get(name) is not None and old[name] != new[name]
        if fault_of_value(old, name) is None and fault_of_value(new, name, observed_s) is None
    )
