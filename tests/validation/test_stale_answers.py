"""Answers may be old, clocks may differ, stamps count whole seconds: only what lies beyond all three is an error."""

from __future__ import annotations

import pytest

from runengine.validation.catalogue.examples import CREATED, record, row
from runengine.validation.rules.path import STALE_S
from runengine.validation.summary import SKEW_S
from tests.validation.checking import check_lines

LIMIT_S = 1 + STALE_S + SKEW_S
"""A run seen queued was so, by the server's clock, later than this before the answer was read."""


@pytest.mark.parametrize(("late_s", "wanted"), [(0, []), (LIMIT_S - 0.01, []), (LIMIT_S, ["RE106"]), (60, ["RE106"])])
def test_a_start_before_the_last_poll(late_s: float, wanted: list[str]) -> None:
    """A run seen queued at a time cannot have started longer before it than an answer may be old."""
    started_s = CREATED + 100
    queued = row(record("queued"), observed_at=started_s + late_s)
    polled = row(record("in_progress", started_at=started_s), observed_at=started_s + late_s + 60)
    assert [v.code for v in check_lines(queued, polled).violations] == wanted
