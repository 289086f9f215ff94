"""One run's life as data: every line at its place, what changed, what nobody saw, and what was found."""

from __future__ import annotations

import io
import json
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.core import STATUSES, policy_named
from runengine.validation import Checker, Options
from runengine.validation.explaining.causes import without_repair
from runengine.validation.explaining.life import Life
from runengine.validation.explaining.lifeline import RUNS_MAX, Lifelines
from runengine.validation.observations import Sampling
from runengine.validation.readers import read_items
from tests import naive, samples
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

    def test_nothing_follows_an_end(self) -> None:
        """No steps are told out of an end, though the cheapest repair gives that end up."""
        early, late = {"started_at": START, "completed_at": START + 9}, {"started_at": START + 20}
        ended = clean("completed", **{**late, "completed_at": START + 30})
        again = [clean("completed", **early), clean("in_progress", **late), ended]
        life = life_of(clean("queued", started_at=None), clean("in_progress"), *again)
        assert [str(edit) for edit in life.repair.edits] == ["drop line 3"]
        assert [(m.cause, m.hidden) for m in life.moments[3:]] == [(None, ()), ("complete", ())]

    def test_what_was_seen_late_is_not_hidden(self) -> None:
        """A status that somebody saw, at a later line than it belongs to, is none that nobody saw."""
        life = life_of(clean("queued", started_at=None), clean("completed"), clean("in_progress"))
        assert [str(edit) for edit in life.repair.edits] == ["line 3 belongs between line 1 and line 2"]
        assert (life.moments[1].cause, life.moments[1].hidden) == ("complete", ())

    def test_one_repair(self) -> None:
        """A finding says its cause; what would mend it is said once, of the whole path."""
        life = life_of(clean("in_progress"), clean("completed"), clean("in_progress", started_at=END + 1))
        (violation,) = life.moments[2].violations
        assert (violation.hint or "").startswith("life: it went on after its end: nothing like this was seen before. ")
        assert life.repair.text
        assert "repair" not in json.dumps(life.as_dict()["moments"])

    def test_what_is_given_up_is_not_said_to_be_right(self) -> None:
        """A snapshot that the whole path's repair gives up is not called right by a finding that knows less."""
        path = (("in_progress", 5), ("incomplete", 0), ("requires_action", 5), ("incomplete", 0))
        life = life_of(*(clean(status, started_at=START + at) for status, at in path))
        assert [edit.line for edit in life.repair.edits] == [2, 4]
        hints = [violation.hint or "" for violation in life.moments[3].violations]
        assert any("it follows from the fault at line 3" in hint for hint in hints)
        assert not any("is right" in hint for hint in hints)

    def test_the_first_snapshot(self) -> None:
        """A first snapshot tells what it holds of stamps, payload and model, and before it the steps nobody saw."""
        (first,) = life_of(clean("failed")).moments
        held = {change.field: change.is_now for change in first.changes}
        assert held.keys() == {"model", "started_at", "failed_at", "last_error"}
        assert all(change.was is None for change in first.changes)
        assert (held["started_at"], held["failed_at"]) == (START, END)
        assert first.hidden == (("create", "queued"), ("start", "in_progress"))
        assert first.cause == "fail"
        (ended,) = life_of(clean("incomplete")).moments
        assert {"usage", "incomplete_details", "completed_at"} <= {change.field for change in ended.changes}

    def test_steps_before_the_first(self) -> None:
        """Before a run's first snapshot steps are hidden only where some may be missed, and not before its birth."""
        assert life_of(clean("queued", started_at=None)).moments[0].cause == "create"
        assert life_of(clean("in_progress"), sampling="complete").moments[0].hidden == ()
        born = {"kind": "create", "data": clean("in_progress")}
        assert (life_of(born).moments[0].hidden, life_of(born).moments[0].cause) == ((), None)
        assert life_of(seen(END, clean("in_progress"))).moments[0].hidden == (("create", "queued"),)
        assert life_of({**clean("queued"), "status": "odd"}).moments[0].hidden == ()

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

    def test_joined_recordings_are_one_life(self) -> None:
        """Joined, the life goes on from one file into the next, each line told of its own, each path mended alone."""
        one = [clean("queued", started_at=None), clean("requires_action")]
        two = [clean("completed", started_at=START + 3), clean("in_progress", started_at=START + 3)]
        (life,) = lifelines("run_1", as_lines(one), as_lines(two), join=True).lives
        assert (life.path, life.recordings, life.observations) == ("0", ("0", "1"), 4)
        assert [(m.path, m.line) for m in life.moments] == [("0", 1), ("0", 2), ("1", 1), ("1", 2)]
        assert life.moments[2].hidden == (("submit_tool_outputs", "queued"),)  # the start was seen, at line 2
        assert [v.path for m in life.moments for v in m.violations] == ["1"]
        assert [v.code for v in life.moments[3].violations] == ["RE103"]
        assert life.repair.text == "1: line 2 belongs before line 1"

    def test_the_join_is_no_step(self) -> None:
        """Between two recordings that show every status some may be missed, and like lines are not one."""
        files = [as_lines([clean("queued", started_at=None)]), as_lines([clean("completed")] * 2)]
        (life,) = lifelines("run_1", *files, join=True, sampling="complete").lives
        assert (life.moments[1].cause, life.moments[1].hidden) == ("complete", (("start", "in_progress"),))
        (life,) = lifelines("run_1", files[0], files[0], join=True).lives
        assert [(m.path, m.line, m.times) for m in life.moments] == [("0", 1, 1), ("1", 1, 1)]

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
    aside = {edit.line for life in kept.lives for edit in life.repair.edits}
    assert sorted(map(repr, told)) == sorted(
        repr(evolve(v, hint=v.hint and without_repair(v.hint, given_up=v.line in aside))) for v in found
    )


STARTS = (None, START, START + 5, START + 20)


@settings(max_examples=150, deadline=None)
@given(
    path=st.lists(st.tuples(st.sampled_from(STATUSES), st.sampled_from(STARTS)), min_size=1, max_size=7),
    policy=st.sampled_from(("documented", "practical", "permissive")),
    sampling=st.sampled_from(SAMPLINGS),
)
def test_steps_are_legal(path: list[tuple[str, int | None]], policy: str, sampling: Sampling) -> None:
    """Hidden steps and the cause are a way that the naive model allows, and never one out of an end above them."""
    records = [clean(status, started_at=at) for status, at in path]
    life = life_of(*records, policy=policy_named(policy), sampling=sampling)
    above: list[str] = []
    for moment in life.moments:
        steps = (*moment.hidden, *([(moment.cause, moment.status)] if moment.cause else []))
        if steps:
            assert not above or above[-1] not in naive.ENDS
            assert not (sampling == "complete" and moment.hidden)
            assert steps[-1][1] == moment.status
            last = steps[0][1] if steps[0][0] == "create" and not life.repair.edits else None
            for event, status in steps[steps[0][0] == "create" :]:
                sources = [last] if last else naive.ALL_STATUSES
                assert any(naive.is_legal(s, event, policy) and naive.leads_to(s, event) == status for s in sources)
                last = status if not life.repair.edits else None  # what was seen out of place is not told again
        above.append(str(moment.status))
