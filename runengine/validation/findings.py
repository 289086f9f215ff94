"""Findings and violations: what a rule says of a record, and the same with its place in the input.

A rule yields a `Finding`; the checker adds run, thread, file and line and makes a `Violation` of it.
Source: DESIGN §5 (the names of a violation's fields are a contract).
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal, NamedTuple

from attrs import asdict, frozen

__all__ = ["IN_RECORD", "SEVERITIES", "Finding", "Severity", "Violation", "shown"]

Severity = Literal["error", "warning", "info"]
"""`error` breaks conformance; `warning` is seen in honest recordings too; `info` is a remark."""

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")

IN_RECORD: Final = object()
"""Stands for *the value of `field` in the record*, where the rule did not look at it."""

_SHOWN_MAX: Final = 200


class Finding(NamedTuple):
    """What one rule says of one record.

    Attributes:
        code: The rule.
        field: Path of the field at fault, or None.
        expected: What would have been right.
        message: One sentence.
        found: What was found, as JSON; `IN_RECORD` for the field's own value.
        severity: Where it is not the rule's own.
        hint: What to look at next, or None for the rule's own.

    Example:
        >>> Finding("RE201", "started_at", "a stamp", "started_at is null").severity is None
        True
    """

    code: str
    field: str | None
    expected: str | None
    message: str
    found: Any = IN_RECORD
    severity: Severity | None = None
    hint: str | None = None


@frozen(kw_only=True)
class Violation:
    """A finding with its place: the unit of every report.

    Attributes:
        code: `RE101` and so on; codes never change meaning.
        name: The rule's name.
        severity: error, warning or info.
        run_id: The run, or None where it could not be told.
        thread_id: Its thread, or None.
        path: The input, as named by the reader.
        line: Line (or number of the document) from 1; 0 for the whole input.
        field: Path of the field at fault, or None.
        found: What was found, JSON, shortened where it is long.
        expected: What would have been right, in words, or None.
        message: One sentence.
        hint: What to look at next, or None.

    Example:
        >>> v = Violation(code="RE901", name="unreadable", severity="error", path="a", line=1, message="not JSON")
        >>> list(v.as_dict())[:4]
        ['code', 'name', 'severity', 'run_id']
    """

    code: str
    name: str
    severity: Severity
    run_id: str | None = None
    thread_id: str | None = None
    path: str
    line: int
    field: str | None = None
    found: Any = None
    expected: str | None = None
    message: str
    hint: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The fields as a plain dict, in order."""
        return asdict(self, recurse=False)


def shown(value: Any) -> Any:
    """A value as reports carry it: as it is where its JSON has at most 200 characters, else the beginning of that text.

    Example:
        >>> shown(17), shown({"a": None}), shown("x" * 999)[-4:]
        (17, {'a': None}, 'xxx…')
    """
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (RecursionError, TypeError, ValueError):
        return "nested too deep, or too long, to be shown"
    return value if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"
