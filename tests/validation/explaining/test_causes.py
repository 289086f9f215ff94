"""Causes: faults of delivery are told from faults of life, and nothing but the hint of a finding changes.

The truth comes from the simulator's operators: how each breaks a recording says whether the run or its delivery was at
fault. Where both would leave the same recording behind, what is said of it is fixed here too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from runengine.core import policy_named
from runengine.simulation.chance import Chance
from runengine.simulation.faults import FAULTS, made_by
from runengine.simulation.recording import Recording, View
from runengine.validation import RULES, Checker, Violation
from runengine.validation.explaining.causes import EXPLAINED, cause_of, explained, without_repair
from runengine.validation.explaining.foreign import UNWRITTEN
from runengine.validation.findings import Finding
from runengine.validation.observations import Observation
from runengine.validation.seen import ODD, Seen
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

ONE_FIELD = tuple(
    f"changed_{name}"
    for name in ("thread_id", "assistant_id", "object", "model", "instructions", "tools", "temperature")
)
"""One value differs that no event writes, and everything else fits: it may be wrong, or another run's."""

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
    if name == "illegal_step" or name in ONE_FIELD:
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
    assert count.keys() >= OPERATORS.keys() - {"illegal_step", *ONE_FIELD}
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


def test_a_lost_resume_within_a_second() -> None:
    """From requires_action to completed with the same start the documented way is named, and never a cancellation."""
    path = (clean("queued", started_at=None), clean("in_progress"), clean("requires_action"), clean("completed"))
    ((code, hint),) = hints(*path, sampling="complete", select=("RE101",))
    assert (code, origin_of(hint)) == ("RE101", "either")
    assert "lost (queued, in_progress), or the run jumped over them" in hint
    assert "insert submit_tool_outputs and start between line 3 and line 4" in hint
    path = (*path[:2], clean("requires_action", started_at=None), path[3])
    (hint,) = [hint for _, hint in hints(*path, sampling="complete", select=("RE101",))]
    assert origin_of(hint) == "either"  # a stamp that is missing shows no start


def test_queued_and_never_started_is_late() -> None:
    """After an end, queued without a start is from before it, whether or not every status is visible."""
    path = (clean("completed"), clean("queued", started_at=None), clean("in_progress"))
    for sampling in ("polled", "complete"):
        hint = hints(*path, sampling=sampling, select=("RE103",))[0][1]
        assert hint.startswith("delivery: late: by its stamps it comes before")
        assert hint.endswith("line 2 belongs before line 1")


def test_one_line_has_one_cause_of_its_time() -> None:
    """What is said of a line observed too early is the same in each of its findings."""
    late, early = samples.START_S + 8, samples.START_S + 4
    queued, going = clean("queued", started_at=None), clean("in_progress")
    items = Observation(queued, 1, observed_s=late), Observation(going, 2, observed_s=early)
    found = list(Checker().check("a.jsonl", items))
    assert {violation.code for violation in found} == {"RE106", "RE406"}
    assert {(violation.hint or "").partition(".")[0] for violation in found} == {
        "delivery: clock: the path goes on in the order of the lines, so the recorder's clock was set back"
    }


def test_its_own_hint_is_kept() -> None:
    """That --policy permissive allows a step is still said."""
    ((_, hint),) = hints(clean("in_progress"), clean("cancelled"), sampling="complete")
    assert origin_of(hint) == "either"
    assert hint.endswith("; --policy permissive allows it")


OTHER = {
    "object": "assistant.run",
    "thread_id": "thread_9",
    "assistant_id": "asst_9",
    "created_at": samples.T0_S + 1,
    "model": "other",
    "instructions": "other",
    "tools": [],
    "file_ids": ["file_9"],
    "temperature": 0.5,
    "top_p": 0.5,
    "max_prompt_tokens": 999,
    "max_completion_tokens": 999,
    "truncation_strategy": {"type": "last_messages", "last_messages": 3},
    "tool_choice": "none",
    "parallel_tool_calls": False,
    "response_format": {"type": "text"},
}
"""Of each field that no event writes, a value that is sound, but for `object`, which has one value."""

RECORD = clean(
    "in_progress",
    max_prompt_tokens=500,
    max_completion_tokens=500,
    tools=[{"type": "code_interpreter"}],
    instructions="be brief",
    truncation_strategy={"type": "auto", "last_messages": None},
)


@pytest.mark.parametrize("name", [name for name in UNWRITTEN if RECORD.get(name) is not None])
def test_one_field(name: str) -> None:
    """One value that no event writes, and everything else fits: it is wrong, or another run's, and is said once."""
    found = hints(RECORD, {**RECORD, name: OTHER[name]}, RECORD, select=("RE204", "RE4"))
    assert [origin_of(hint) for _, hint in found] == ["either"]
    assert name in found[0][1] or "RE305" in found[0][1]


def test_another_runs_record() -> None:
    """Two sound values that no event writes make a record foreign, whichever they are; a birth of its own is RE502."""
    names = [name for name in UNWRITTEN if RECORD.get(name) is not None and name != "object"]
    for one, other in combinations(names, 2):
        if {one, other} != {"thread_id", "created_at"}:
            found = hints(RECORD, {**RECORD, one: OTHER[one], other: OTHER[other]}, RECORD, select=("RE204", "RE4"))
            assert [origin_of(hint) for _, hint in found] == ["delivery", "delivery"]
            assert all(f"foreign: {one}, {other} differ together" in hint for _, hint in found)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("created_at", samples.T0_S * 1000, "RE207"),
        ("created_at", -5, "RE207"),
        ("created_at", 0, "RE209"),
        ("created_at", 1.5, "RE207"),
        ("created_at", "2024-01-01", "RE207"),
        ("thread_id", None, "RE308"),
        ("assistant_id", 17, "RE308"),
        ("object", "assistant.run", "RE305"),
        ("max_prompt_tokens", 1, "RE305"),
        ("started_at", samples.START_S * 1000, "RE207"),
    ],
)
def test_a_wrong_value(name: str, value: Any, code: str) -> None:
    """A value that is wrong by itself tells of no other run, and what follows is not said to be foreign either."""
    checked = check_lines(RECORD, {**RECORD, name: value}, RECORD)
    assert (code, 2, name) in [(v.code, v.line, v.field) for v in checked.violations]
    causes = [(v.line, v.hint or "") for v in checked.violations if v.code in EXPLAINED]
    assert causes
    for line, hint in causes:
        assert hint == (
            f"either: the value itself is wrong ({code}), and tells nothing of the run's way"
            if line == 2
            else f"either: it follows from the fault in the snapshot above, a wrong value ({code})"
        )


def test_one_field_and_no_place() -> None:
    """One sound value that no event writes, in a record that no step leads to, is foreign; each finding says so."""
    found = hints(clean("in_progress"), clean("cancelled", model="other"), sampling="complete")
    assert len(found) > 1
    assert all(hint.startswith("delivery: foreign: no event changes model, and the run's path") for _, hint in found)


def test_after_a_foreign_end() -> None:
    """A run that goes on after another run's end is right; the foreign record is at fault."""
    foreign = clean("completed", model="other", assistant_id="asst_9")
    found = hints(clean("queued", started_at=None), clean("in_progress"), foreign, clean("in_progress"))
    (hint,) = [hint for code, hint in found if code == "RE103"]
    assert hint.startswith(
        "delivery: it follows from the snapshot above, which is foreign: assistant_id, model are again"
    )


def test_it_follows_from_the_line_above() -> None:
    """A snapshot that the cheapest repair does not touch is right, though what came before it had another repair."""
    at = [clean("queued", started_at=None), clean("in_progress"), clean("queued", started_at=samples.START_S)]
    ahead = hints(*at, clean("completed"), sampling="complete", select=("RE101",))
    assert [origin_of(hint) for _, hint in ahead] == ["either", "either"]
    assert ahead[1][1].startswith("either: it follows from the fault at line 3; this snapshot is right")


def test_hints_without_repair() -> None:
    """A hint loses its repair and nothing else."""
    general = f". {RULES['RE103'].hint}"
    mended = "; cheapest repair: line 2 belongs before line 1, insert start between line 3 and line 4"
    for rest in ("life: it went on", f"life: it went on{general}", "either: it; --policy permissive allows it"):
        first, mark, more = rest.partition("; " if "; " in rest else ". ")
        assert without_repair(f"{first}{mended}{mark}{more}") == rest
        assert without_repair(rest) == rest


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
