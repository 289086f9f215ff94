"""One wrong value is one finding: the snapshot that is right again is not blamed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.core.fields import IDENTITY, IMMUTABLE
from tests.validation.checking import check_lines, clean

FIELDS = ("created_at", *(name for name in (*IDENTITY, *IMMUTABLE) if name not in ("id", "object")))
NAMED = [name for name in FIELDS if clean("in_progress").get(name) is not None]


def other(value: Any) -> Any:
    """Another sound value of the same type."""
    if isinstance(value, bool):
        return not value
    return value - 1 if isinstance(value, (int, float)) else f"{value}x" if isinstance(value, str) else value


def found(*records: dict[str, Any]) -> list[tuple[str, int, str | None]]:
    """Code, line and field of what is said of fields that must not change; skimmed or not, the same."""
    for skim in (True, False):
        checked = check_lines(*records, skim=skim)
        told = [(v.code, v.line, v.field) for v in checked.violations if v.code in ("RE204", "RE401", "RE402", "RE103")]
    return told


@pytest.mark.parametrize(
    "field", [name for name in NAMED if other(clean("in_progress")[name]) != clean("in_progress")[name]]
)
@pytest.mark.parametrize("status", ["in_progress", "completed"])
def test_one_wrong_value_is_one_finding(field: str, status: str) -> None:
    """A value that differs in one snapshot is said there, and not where it is again what it was."""
    right = clean(status)
    told = found(right, {**right, field: other(right[field])}, right, right)
    assert [(line, name) for _, line, name in told] == [(2, field)]


@given(st.lists(st.sampled_from(["gpt-4o", "gpt-4o-mini", "gpt-4"]), min_size=1, max_size=8))
def test_by_hand(models: list[str]) -> None:
    """A change is said unless it leads back to what stood before the first of the changes since."""
    strayed: str | None = None
    wanted = []
    for line, (was, is_now) in enumerate(pairwise(models), 2):
        if was == is_now:
            continue
        if strayed == is_now:
            strayed = None
        else:
            strayed = strayed or was
            wanted.append(("RE402", line, "model"))
    assert found(*(clean("in_progress", model=model) for model in models)) == wanted
