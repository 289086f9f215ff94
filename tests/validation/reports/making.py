"""Violations and reports for tests of formats."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from runengine.validation import RULES, Options, Summary, Violation
from runengine.validation.reports import FORMATS

__all__ = ["FOREIGN", "counted", "found_by", "violations", "written"]

FOREIGN = st.text(st.characters() | st.sampled_from("\x1b\x00\r\n\u2028\ud800%:,[](){}<>&\"'#/日e\u0301"), max_size=12)
"""Text as it may stand in a recording, or in the name of a file."""

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | FOREIGN,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FOREIGN, inner, max_size=2),
    max_leaves=4,
)


@st.composite
def violations(draw: st.DrawFn) -> Violation:
    """A violation with foreign text in every place that may hold some."""
    rule = RULES[draw(st.sampled_from(sorted(RULES)))]
    maybe = st.none() | FOREIGN
    return Violation(
        code=rule.code,
        name=rule.name,
        severity=draw(st.sampled_from(("error", "warning", "info"))),
        run_id=draw(maybe),
        thread_id=draw(maybe),
        path=draw(FOREIGN),
        line=draw(st.integers(0, 10**9)),
        field=draw(maybe),
        found=draw(_VALUES),
        expected=draw(maybe),
        message=draw(FOREIGN),
        hint=draw(maybe),
    )


def found_by(**changes: Any) -> Violation:
    """One violation."""
    some: dict[str, Any] = {"code": "RE202", "name": "unexpected-stamp", "severity": "error", "path": "a.jsonl"}
    return Violation(**{**some, "run_id": "run_1", "line": 1, "message": "failed_at is set", **changes})


def counted(found: Iterable[Violation]) -> Summary:
    """The counts of violations."""
    summary = Summary(runs=1, observations=1, threads=1)
    for violation in found:
        summary.violations[violation.severity] += 1
        summary.by_code[violation.code] += 1
    return summary


def written(form: str, found: Iterable[Violation], verbose: bool = True) -> str:
    """What a format writes."""
    some = list(found)
    report = FORMATS[form].make(out := io.StringIO(), verbose, Options())
    for violation in some:
        report.add(violation)
    report.close(counted(some))
    return out.getvalue()
