"""One run's life as data: every line at its place, what changed, what nobody saw, and what was found."""

from __future__ import annotations

import io
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.core import STATUSES, policy_named
from runengine.validation import Checker, Options
from runengine.validation.explaining.life import Life
from runengine.validation.explaining.lifeline import RUNS_MAX, Lifelines
from runengine.validation.observations import Sampling
from runengine.validation.readers import read_items
from tests import samples
from tests.validation.checking import as_lines, clean

SAMPLINGS: tuple[Sampling, ...] = ("auto", "complete")
START, END = samples.START_S, samples.END_S


def lifelines(asked: str, *files: bytes, **options: Any) -> Lifelines:
    """What is kept of the runs asked for, over files called 0, 1, …"""
    held = Options(**options)
    kept = Lifelines(asked, held)
    checker = Checker(held, (kept,))
    for number, data in enumerate(files):
        for violation in checker.check(str(number), read_items(str(number), io.BufferedReader(io.BytesIO(data)))):
            kept.add(violation)
    return kept


def life_of(*values: Any, **options: Any) -> Life:
    """The life of run_1 in one file."""
    (life,) = lifelines("run_1", as_lines(values), **options).lives
    return life


def seen(at_s: float, record: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An envelope with a time."""
    return {"kind": "poll", "observed_at": at_s, "data": record, **more}


class TestMoments:
    """What stands on each line."""

    def test_changes_and_steps(self) -> None:
        """A snapshot tells what changed, the event that led to it and the steps that nobody saw; repeats are one."""
        queued, done = clean("queued", started_at=None), clean("completed")
        life = life_of(queued, queued, queued, done)
        first, last = life.moments
        assert (first.line, first.last_line, first.times, first.stamp_s) == (1, 3, 3, samples.T0_S)
        assert (last.line, last.times, last.stamp_s, last.cause) == (4, 1, END, "complete")
        assert last.hidden == (("start", "in_progress"),)
        changed = {change.field: (change.was, change.is_now) for change in last.changes}
        assert changed["started_at"] == (None, START)
        assert changed["expires_at"] == (samples.DEADLINE_S, None)
        assert "status" not in changed
        assert (life.observations, life.complete, life.verdict) == (4, False, "clean")

    def test_a_tool_round_nobody_saw(self) -> None:
        """An unchanged status hides a tool round where started_at moved."""
        life = life_of(clean("in_progress"), clean("in_progress", started_at=START + 5))
        assert [event for event, _ in life.moments[1].hidden] == ["require_action", "submit_tool_outputs"]
        assert life.moments[1].cause == "start"

    def test_complete(self) -> None:
        """Where every status is visible no step is thought of between two snapshots."""
        life = life_of(clean("queued", started_at=None), clean("completed"), sampling="complete")
        assert (life.moments[1].hidden, life.moments[1].cause, life.complete) == ((), None, True)
        assert [edit.kind for edit in life.repair.edits] == ["insert"]

    def test_what_follows_a_late_snapshot(self) -> None:
        """The snapshot after a late one is told from the one before it, and the late one from none."""
        records = [clean("queued", started_at=None), clean("in_progress"), clean("queued", started_at=None)]
        life = life_of(*records, clean("completed"))
        late, after = life.moments[2:]
        assert [edit.line for edit in life.repair.edits] == [3]
        assert (late.cause, late.hidden, after.cause, after.hidden) == (None, (), "complete", ())

    def test_findings_at_their_place(self) -> None:
        """A violation stands at its line, though the snapshots around it are alike; counts and verdict follow."""
        record = clean("in_progress")
        life = life_of(*(seen(START + at, record) for at in (1, 2, 9, 4, 10)))
        assert [(m.line, m.last_line, [v.code for v in m.violations]) for m in life.moments] == [
            (1, 3, []),
            (4, 5, ["RE406"]),
        ]
        assert (life.found["warning"], life.verdict) == (1, "clean")

    def test_another_runs_findings(self) -> None:
        """What is found of another run is not this one's."""
        life = life_of(clean("queued"), {**clean("queued"), "id": "run_2", "failed_at": END})
        assert life.verdict == "clean"

    def test_companions(self) -> None:
        """Steps, messages and pieces of them, refused calls and outputs stand where they came; pieces are counted."""
        beside = {"run_id": "run_1", "thread_id": "thread_1", "status": "in_progress"}
        message = {"id": "msg_1", "object": "thread.message", "role": "assistant", "content": [], **beside}
        piece = {"id": "msg_1", "object": "thread.message.delta", "delta": {}}
        foreign = {**message, "id": "msg_2", "run_id": "run_2"}
        life = life_of(clean("queued"), clean("in_progress"), message, piece, piece, piece, foreign)
        assert [(m.line, m.kind, m.times) for m in life.moments[2:]] == [
            (3, "thread.message", 1),
            (4, "thread.message.delta", 3),
        ]
        assert "assistant" in life.moments[2].says

    def test_what_it_asks_for(self) -> None:
        """A run that waits says for which calls."""
        life = life_of(clean("requires_action"))
        assert life.moments[0].says.startswith("asks for ")


class TestRuns:
    """Which runs are kept."""

    def test_each_recording_is_a_life(self) -> None:
        """A run in two files has two lives, each with its own lines."""
        kept = lifelines("run_1", as_lines([clean("queued")]), as_lines([{}, clean("completed")]))
        assert [(life.path, life.moments[0].line) for life in kept.lives] == [("0", 1), ("1", 2)]

    def test_beginnings(self) -> None:
        """A beginning will do where one id has it; an id named in full is preferred to longer ones."""
        data = as_lines([{**clean("queued"), "id": f"run_{n}"} for n in (1, 12, 2)])
        assert lifelines("run_12", data).matches == ("run_12",)
        assert lifelines("run_1", data).matches == ("run_1",)
        assert lifelines("run_", data).matches == ("run_1", "run_12", "run_2")
        assert lifelines("run_3", data).matches == ()
        assert "run_2" in lifelines("run_3", data).near()

    def test_many(self) -> None:
        """Of too many runs only one that is named in full is kept, wherever it comes."""
        data = as_lines([{**clean("queued"), "id": f"run_{n}x"} for n in range(RUNS_MAX + 5)])
        kept = lifelines("run_", data + as_lines([{**clean("queued"), "id": "run_"}]))
        assert (kept.many, kept.matches) == (True, ("run_",))
        assert lifelines("run_", data).matches == ()


def test_as_dict_is_json() -> None:
    """A life is plain JSON, with the repair in words."""
    life = life_of(clean("completed"), clean("in_progress"), clean("requires_action"))
    made = json.loads(json.dumps(life.as_dict()))
    assert [moment["line"] for moment in made["moments"]] == [1, 2, 3]
    assert made["repair"]["cost"] == life.repair.cost > 0
    assert all(edit["text"] for edit in made["repair"]["edits"])
    assert made["moments"][1]["violations"][0]["code"] == "RE103"
    assert made["verdict"] == "not conforming"


@settings(max_examples=60, deadline=None)
@given(
    statuses=st.lists(st.sampled_from((*STATUSES, "odd")), max_size=12),
    policy=st.sampled_from(("documented", "practical", "permissive")),
    sampling=st.sampled_from(SAMPLINGS),
)
def test_nothing_is_lost(statuses: list[str], policy: str, sampling: Sampling) -> None:
    """Every observation and every violation of the run is told once, in the order of lines, whatever the path."""
    records = [{**clean("queued"), "status": status} for status in statuses]
    held = Options(policy=policy_named(policy), sampling=sampling)
    found = list(Checker(held).check("0", read_items("0", io.BufferedReader(io.BytesIO(as_lines(records))))))
    kept = lifelines("run_1", as_lines(records), policy=held.policy, sampling=sampling)
    moments = [moment for life in kept.lives for moment in life.moments]
    assert sum(moment.times for moment in moments) == len(records)
    assert [m.line for m in moments] == sorted(m.line for m in moments)
    told = [violation for moment in moments for violation in moment.violations]
    assert sorted(map(repr, told)) == sorted(map(repr, found))
