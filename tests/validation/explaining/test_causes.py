"""Causes: faults of delivery are told from faults of life, and nothing but the hint of a finding changes.

The truth comes from the simulator's operators: how each breaks a recording says whether the run or its delivery was at
fault. Where both would leave the same recording behind, what is said of it is fixed here too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from runengine.core import policy_named
from runengine.simulation.chance import Chance
from runengine.simulation.faults import FAULTS, made_by
from runengine.simulation.recording import Recording, View
from runengine.validation import RULES, Violation
from runengine.validation.explaining.causes import EXPLAINED, cause_of, explained
from runengine.validation.findings import Finding
from runengine.validation.memory import ODD, Seen
from runengine.validation.observations import Observation
from tests import samples
from tests.recall.files import said_of, written
from tests.recall.worlds import VIEWS, WORLDS, recordings
from tests.validation.checking import check_lines, clean

FLOOR = 0.9
SEEDS = (1, 2, 3)
LIVED = ("illegal_step", "cancel_undone", "undocumented_step", "resurrected_run", "ended_twice", "changed_after_end")
LOST = ("lost_row", "dropped_event")
OTHERS = ("second_created", "recorder_stepped_back")
"""Of other families, and about delivery."""

BACK_AS_IT_WAS = ("cancel_undone", "resurrected_run")
"""The run shows once more exactly what it showed before; without a history's time, so would a stale read."""

OPERATORS = {
    name: "life" if name in LIVED else "delivery"
    for name, fault in FAULTS.items()
    if (fault.family in ("delivery", "path") or name in (*LOST, *OTHERS)) and set(fault.breaks) & EXPLAINED
}
"""Every operator of those families whose finding has a cause, and what is at fault."""

Told = tuple[str, View, Recording, set[int], Violation]


def told(view: View, seed: int) -> Iterator[Told]:
    """Every finding at a place where an operator says that its fault can be seen."""
    made = recordings(WORLDS["flaky, permissive" if seed == SEEDS[-1] else "flaky"], seed, 16, view)
    for name in OPERATORS:
        for number in range(1, len(made) if view in FAULTS[name].views else 0):
            chance = Chance(seed, "fault", made[number].life.index)
            one = made_by(FAULTS[name], made[number], chance, made[number - 1])
            if one is None:
                continue
            file = written([one[0]])
            for violation in said_of(file, [one[0]]).get(0, ()):
                if violation.code in set(one[1].breaks) & EXPLAINED and violation.line in file.broken[0]:
                    yield name, view, one[0], file.broken[0], violation


def started(recording: Recording) -> tuple[Any, Any]:
    """started_at before the place of the fault, and at it."""
    shown: list[dict[str, Any]] = []
    for row in recording.rows:
        if isinstance(row.data, dict) and row.data.get("object") == "thread.run":
            shown.append(row.data)
            if row.broken:
                break
    return shown[-2].get("started_at"), shown[-1].get("started_at")


def expected(name: str, view: View, recording: Recording) -> tuple[str, bool]:
    """What is to be said, and whether the two can be told apart at all."""
    if name in BACK_AS_IT_WAS and view != "history":
        return "delivery", False
    if name == "illegal_step":
        return "either", False
    if name in LOST:
        was, is_now = started(recording)
        seen = is_now is not None and was != is_now and recording.rows
        return ("delivery", True) if seen else ("either", False)
    return OPERATORS[name], True


def origin(violation: Violation) -> str:
    """The word that the hint begins with."""
    return (violation.hint or "").partition(": ")[0]


def test_causes_are_told() -> None:
    """Of the causes that can be told nine of ten are, of each operator; what cannot be told is always said alike."""
    right: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for view in VIEWS:
        for seed in SEEDS:
            for name, _, recording, _, violation in told(view, seed):
                wanted, can = expected(name, view, recording)
                count[name if can else "cannot be told"] += 1
                right[name if can else "cannot be told"] += origin(violation) == wanted
    assert count.keys() >= OPERATORS.keys() - {"illegal_step"}
    whole = sum(count.values()) - count["cannot be told"]
    assert sum(right.values()) - right["cannot be told"] >= FLOOR * whole
    for name in count:
        assert right[name] >= FLOOR * count[name], (name, right[name], count[name])


def test_nothing_else_changes() -> None:
    """An explained finding differs in its hint alone, and keeps the hint it had."""
    seen, record = Seen(), clean("in_progress")
    seen.mark(1, "cancelling", samples.START_S)
    item = Observation(record, 2)
    for code in sorted(RULES):
        finding = Finding(code, "status", "cancelled", "no step leads there", hint="--policy permissive allows it")
        after = explained(finding, seen, item, policy_named("practical"), complete=False)
        assert after._replace(hint=finding.hint) == finding
        assert after.hint is not None
        assert finding.hint is not None
        assert finding.hint in after.hint
        assert (after.hint != finding.hint) == (code in EXPLAINED)


def hints(*records: Any, **options: Any) -> list[tuple[str, str]]:
    """Code and hint of what is found in the records."""
    return [(v.code, v.hint or "") for v in check_lines(*records, **options).violations]


def test_a_snapshot_that_was_seen_before() -> None:
    """Queued after completed, without an end stamp and with the same in the trail, is late delivery."""
    records = (clean("queued", started_at=None), clean("in_progress"), clean("completed"))
    ((code, hint),) = hints(*records, records[0])
    assert (code, hint.partition(";")[0]) == ("RE103", "delivery: late or doubled: line 1 showed the same snapshot")
    assert hint.endswith("cheapest repair: line 4 belongs between line 1 and line 2")


def test_a_snapshot_that_fits_in_earlier() -> None:
    """In_progress after completed, of the same start, is late delivery although nobody saw it before."""
    ((code, hint),) = hints(clean("queued", started_at=None), clean("completed"), clean("in_progress"))
    assert (code, origin_of(hint)) == ("RE103", "delivery")
    assert hint.endswith("line 3 belongs between line 1 and line 2")


def test_a_newer_start_is_life() -> None:
    """In_progress after completed with a newer start is the run going on."""
    records = clean("in_progress"), clean("completed"), clean("in_progress", started_at=samples.END_S + 1)
    ((code, hint),) = hints(*records)
    assert (code, origin_of(hint)) == ("RE103", "life")
    assert "drop line 3" in hint
    assert hint.endswith(RULES["RE103"].hint or "no hint")


def test_a_lost_start_is_seen_by_its_stamp() -> None:
    """In a complete trace a completed run after a queued one has lost its start; without one, nobody knows."""
    ((code, hint),) = hints(clean("queued", started_at=None), clean("completed"), sampling="complete")
    assert (code, origin_of(hint)) == ("RE101", "delivery")
    assert hint.endswith("insert start between line 1 and line 2")
    jump = (clean("queued", started_at=None), clean("in_progress"), clean("queued", started_at=samples.START_S))
    ((code, hint),) = hints(*jump, sampling="complete")
    assert (code, origin_of(hint)) == ("RE101", "either")


def test_its_own_hint_is_kept() -> None:
    """That --policy permissive allows a step is still said."""
    ((_, hint),) = hints(clean("in_progress"), clean("cancelled"), sampling="complete")
    assert origin_of(hint) == "either"
    assert hint.endswith("; --policy permissive allows it")


def test_another_runs_record() -> None:
    """What no event changes makes a record foreign."""
    ((code, hint),) = hints(clean("queued"), clean("queued", model="other"))
    assert (code, origin_of(hint)) == ("RE402", "delivery")
    assert "no event changes model" in hint


def test_without_a_trail() -> None:
    """Where nothing was seen before, nothing is said of a cause."""
    finding = Finding("RE101", "status", None, "no step leads there")
    assert cause_of(finding, Seen(), Observation(clean("queued"), 1), policy_named("practical"), complete=True) is None


def test_a_trail_is_small() -> None:
    """A started_at of another type, of whatever size, does not stay in the trail, and tells nothing."""
    seen = Seen()
    for line, odd in enumerate(([1] * 999, "x" * 999, 1.5, {}), 1):
        seen.mark(line, "queued", odd)
    assert seen.trail == [(1, "queued", ODD)]
    item = Observation(clean("completed", started_at=[]), 9)
    finding = Finding("RE101", "status", None, "no step leads there")
    assert cause_of(finding, seen, item, policy_named("practical"), complete=True) is not None


def test_a_broken_path_costs_little() -> None:
    """Of a path broken throughout only the last stretch is searched, so that hostile recordings are checked in time."""
    statuses = ("completed", "queued", "cancelled", "in_progress", "expired", "requires_action", "failed", "cancelling")
    records = [clean(status, started_at=samples.START_S + n % 5) for n, status in enumerate(statuses * 4)]
    for sampling in ("polled", "complete"):
        for _, hint in hints(*records, sampling=sampling, select=("RE1",)):
            assert origin_of(hint) in ("delivery", "life", "either")
            assert hint.count("line ") <= 8


@pytest.mark.parametrize("code", sorted(EXPLAINED))
def test_explained_rules_exist(code: str) -> None:
    """Each rule whose findings have a cause is in the catalogue."""
    assert code in RULES


def origin_of(hint: str) -> str:
    """The word that a hint begins with."""
    return hint.partition(": ")[0]
