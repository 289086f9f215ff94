"""The operators: each can be made, says what it is, and changes nothing else."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from runengine.simulation.chance import Chance
from runengine.simulation.faults import FAULTS, Truth, made_by
from runengine.simulation.faults.page import faults_page
from runengine.simulation.recording import Recording, Row, View
from runengine.validation import RULES
from tests.recall.worlds import WORLDS, recordings

ISSUE: dict[str, tuple[str, ...]] = {
    "illegal step": ("illegal_step", "cancel_undone"),
    "resurrected run": ("resurrected_run",),
    "ended twice": ("ended_twice",),
    "undocumented step": ("undocumented_step",),
    "lost stamp": (
        *("lost_created_at", "lost_started_at", "lost_completed_at", "lost_failed_at", "lost_cancelled_at"),
        "lost_deadline",
    ),
    "moved stamp": ("moved_created_at", "moved_started_at", "moved_deadline", "changed_after_end"),
    "swapped stamps": ("swapped_stamps",),
    "ms, float, string, zero stamp": ("stamp_in_milliseconds", "fractional_stamp", "stamp_as_text", "zero_stamp"),
    "two end stamps, wrong end stamp": ("two_end_stamps", "wrong_end_stamp", "early_end_stamp"),
    "stamp in the future, clock skew": ("stamp_in_the_future", "recorder_behind", "recorder_ahead"),
    "stale read, duplicate, reordering, lost row": ("stale_read", "duplicated_row", "reordered_rows", "lost_row"),
    "dropped stream event, truncated, without done": ("dropped_event", "truncated_stream", "stream_without_done"),
    "second created": ("second_created",),
    "event with another status' record": ("record_of_another_status", "renamed_event"),
    "foreign thread, changed assistant": ("changed_thread_id", "changed_assistant_id"),
    "changed model, instructions, tools": ("changed_model", "changed_instructions", "changed_tools"),
    "id reused, overlapping runs": ("reused_run_id", "overlapping_runs"),
    "orphan step, step left open": ("step_without_run", "step_left_open"),
    "illegal transition of a step, of a message": ("step_ended_twice", "step_resumed", "message_reopened"),
    "wrong required_action": (
        *("lost_required_action", "early_required_action", "kept_required_action", "empty_required_action"),
        "doubled_call_ids",
    ),
    "last_error": ("lost_last_error", "early_last_error", "last_error_without_failure"),
    "incomplete_details": ("lost_incomplete_details", "early_incomplete_details", "incomplete_details_elsewhere"),
    "usage": ("early_usage", "wrong_total", "negative_usage"),
    "words": ("canceled", "misspelled_status", "word_out_of_list", "unknown_reason"),
    "key dropped, each required one": (
        *("dropped_id", "dropped_object", "dropped_thread_id", "dropped_assistant_id", "dropped_status"),
        *("dropped_model", "dropped_tools", "lost_created_at", "dropped_parallel_tool_calls"),
    ),
    "null, type, range, metadata, unknown": (
        *("null_where_none_may_be", "wrong_type", "number_out_of_range", "metadata_too_many"),
        *("metadata_value_too_long", "metadata_key_too_long", "unknown_field"),
    ),
    "status not in the generation, not created queued": ("status_not_in_generation", "not_created_queued"),
    "deadline": ("lost_deadline", "kept_deadline", "moved_deadline", "acted_after_deadline", "expired_before_deadline"),
    "started_at": ("cleared_started_at", "started_at_went_back", "moved_started_at"),
    "changed after the end": ("changed_after_end",),
    "lines": ("cut_line", "not_utf8", "two_values"),
}
"""What the issue asks for, to the operators that make it."""

ELSEWHERE = {"status_not_in_generation": "archive-2024, G7"}
"""Faults that no ready-made scenario has runs for, and the world that has."""

CASES = [(name, view) for name, fault in FAULTS.items() for view in fault.views]


@cache
def clean(label: str, view: View) -> tuple[Recording, ...]:
    """Recordings of a world, made once."""
    return tuple(recordings(WORLDS[label], 11, 150, view))


@cache
def spoiled(name: str, view: View) -> tuple[tuple[Recording, Recording, Truth], ...]:
    """Up to five recordings before and after a fault, with the truth."""
    return tuple(found[1:] for found in with_others(name, view))


@cache
def with_others(name: str, view: View) -> tuple[tuple[Recording, Recording, Recording, Truth], ...]:
    """The same, each after the other recording that the operator was given."""
    made: list[tuple[Recording, Recording, Recording, Truth]] = []
    labels = (ELSEWHERE[name],) if name in ELSEWHERE else ("steady", "flaky", "tool-heavy")
    for label in labels:
        for other, recording in pairwise(clean(label, view)):
            one = made_by(FAULTS[name], recording, Chance(11, "fault", recording.life.index), other)
            if one is not None:
                made.append((other, recording, *one))
                if len(made) == 5:
                    return tuple(made)
    return tuple(made)


def plain(row: Row) -> str:
    """All of a row but its mark; 1 is not 1.0 in it, and the order of keys counts."""
    return repr(row.changed(broken=False))


def changed_rows(before: Recording, after: Recording) -> int:
    """How many rows are not as they were: the rows between the longest equal beginning and end."""
    old, new = [[plain(row) for row in recording.rows] for recording in (before, after)]
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    tail = 0
    while tail < min(len(old), len(new)) - same and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return max(len(old), len(new)) - same - tail


@pytest.mark.parametrize(("name", "view"), CASES)
def test_can_be_made(name: str, view: View) -> None:
    """Every fault can be made in every view it names, on a ready-made scenario, or on one in another generation."""
    assert spoiled(name, view)


@pytest.mark.parametrize(("name", "view"), CASES)
def test_changes_something(name: str, view: View) -> None:
    """A fault changes a row, adds one or drops one; the run, its view and the rows given stay as they are."""
    for before, after, truth in spoiled(name, view):
        assert changed_rows(before, after) > 0
        assert (after.life, after.view) == (before.life, before.view)
        assert not any(row.broken for row in before.rows)
        assert (truth.run_id, truth.index, truth.view) == (before.life.run_id, before.life.index, view)


@pytest.mark.parametrize(("name", "view"), CASES)
def test_is_deterministic(name: str, view: View) -> None:
    """The same draws make the same fault, whatever was made before."""
    for other, before, after, truth in with_others(name, view)[:2]:
        again = made_by(FAULTS[name], before, Chance(11, "fault", before.life.index), other)
        assert again == (after, truth)


@pytest.mark.parametrize(("name", "view"), CASES)
def test_rows_stay_in_order(name: str, view: View) -> None:
    """A fault never moves a row before another in time: writers order by it."""
    for _, after, _ in spoiled(name, view):
        moments = [row.at_us for row in after.rows]
        assert moments == sorted(moments)


@pytest.mark.parametrize(("name", "view"), CASES)
def test_marks(name: str, view: View) -> None:
    """What can be seen is marked, and what breaks no rule never is."""
    for _, after, truth in spoiled(name, view):
        assert truth.rows == tuple(n for n, row in enumerate(after.rows) if row.broken)
        assert not (truth.rows and not truth.breaks)
        assert truth.seen == bool(truth.rows and {*truth.breaks} & RULES.keys() and not FAULTS[name].alone)


SINGLE = (
    "lost_",
    "dropped_",
    "early_",
    "metadata_",
    "changed_",
    "unknown_",
    "moved_created",
    "negative",
    "kept_required",
)
MANY = ("changed_after_end", "dropped_event", "unknown_tool_type", "lost_row")


@pytest.mark.parametrize(
    ("name", "view"),
    [c for c in CASES if c[0].startswith(SINGLE) and c[0] not in MANY and FAULTS[c[0]].family != "lines"],
)
def test_one_record(name: str, view: View) -> None:
    """A fault of one record changes one row and in it at most two keys of the record, and nothing of the envelope."""
    for before, after, _ in spoiled(name, view):
        if len(before.rows) != len(after.rows):
            assert name == "unknown_event"
            continue
        pairs = [(a, b) for a, b in zip(before.rows, after.rows, strict=True) if plain(a) != plain(b)]
        assert len(pairs) == 1
        (old, new), absent = pairs[0], object()
        assert plain(old) == plain(new.changed(data=old.data))
        one: dict[str, Any] = old.data
        two: dict[str, Any] = new.data
        assert 1 <= sum(one.get(k, absent) != two.get(k, absent) for k in {**one, **two}) <= 2


def test_what_the_issue_asks_for() -> None:
    """Every kind of fault that the issue names has an operator."""
    assert {name for names in ISSUE.values() for name in names} <= FAULTS.keys()
    assert len(FAULTS) >= 60


def test_the_table() -> None:
    """Names are unique and lower case, codes are known, and what breaks nothing says why nobody sees it."""
    for name, fault in FAULTS.items():
        assert name == fault.name == name.lower()
        assert fault.says.endswith(".")
        assert {*fault.breaks, *fault.may} <= {*RULES}
        assert not {*fault.breaks} & {*fault.may}
        assert fault.breaks or fault.unseen


def test_every_rule_is_broken() -> None:
    """Every rule of the catalogue has a fault that breaks it, those across objects two; refusals are not broken."""
    broken = [code for fault in FAULTS.values() for code in fault.breaks]
    assert {*RULES} - {*broken} == {"RE407", "RE408"}
    assert all(broken.count(f"RE50{n}") >= 2 for n in range(1, 7))


def test_page_names_all() -> None:
    """The reference has a row for every fault."""
    page = faults_page()
    for name in FAULTS:
        assert page.count(f"\n| `{name}` |") == 1


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if "stream" in fault.views])
def test_framing(name: str) -> None:
    """What is written as it stands, or seen at a stream's end alone, is declared to be of the framing."""
    for _, after, _ in spoiled(name, "stream"):
        if any(row.raw is not None for row in after.rows) or "RE404" in FAULTS[name].breaks:
            assert FAULTS[name].framed
