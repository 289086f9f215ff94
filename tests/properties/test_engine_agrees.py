"""The engine against the naive model: every cell at every boundary, then random histories and soups.

The naive model was written from the prose, the engine from the tables: where both say the same, either both are right
or both authors misread the same sentence.
"""

from __future__ import annotations

import ast
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.core.decisions import Applied, Refused
from runengine.core.events import EVENTS, Event
from runengine.core.records import RunObject
from runengine.core.shape import shape_problems
from runengine.core.step import apply, decide, replay
from runengine.core.table import POLICIES, TERMINAL, policy_named
from tests import naive, samples, strategies

STAMPS = ("created_at", "started_at", "completed_at", "failed_at", "cancelled_at")

policies = st.sampled_from(tuple(POLICIES))


def assert_agree(run: RunObject | None, event: Event, policy: str) -> RunObject | None:
    """The engine's answer is the naive model's; returns the record after the step, or None for a refusal."""
    record = None if run is None else naive.plain(run)
    said = naive.plain(event)
    expected = naive.step(record, said, policy)
    decision = decide(run, event, policy_named(policy))
    assert record == (None if run is None else naive.plain(run)), "the run given in has changed"
    if isinstance(decision, Refused):
        found = (decision.reason, decision.guard, decision.ended_by)
        assert found == (expected.reason, expected.guard, expected.ended_by), decision.message
        assert decision.allowed == naive.allowed(None if run is None else run.status, policy)
        assert (decision.run_id, decision.event) == (None if run is None else run.id, event.name)
        return None
    assert expected.record is not None, f"applied, but the naive model says {expected}"
    assert naive.plain(decision.run) == expected.record
    assert decision.before is run
    return decision.run


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", EVENTS)
def test_every_cell_at_every_boundary(name: str, policy: str) -> None:
    """In each kind of run, an event with each kind of payload at each boundary gets the naive model's answer."""
    applied = refused = 0
    for run in (None, *samples.every_run()):
        for at_us in samples.every_moment(run):
            for event in samples.every_event(name, at_us):
                if assert_agree(run, event, policy) is None:
                    refused += 1
                else:
                    applied += 1
    assert applied
    assert refused


@pytest.mark.parametrize("policy", POLICIES)
def test_every_edge_is_taken(policy: str) -> None:
    """The exhaustive samples take every edge of the policy and no other: a cell that never applies would hide."""
    taken = {
        (run.status, after.status)
        for run in samples.every_run()
        for name in EVENTS
        for at_us in samples.every_moment(run)
        for event in samples.every_event(name, at_us)
        if (after := assert_agree(run, event, policy)) is not None and after.status != run.status
    }
    assert taken == set(naive.EDGES[policy])


@given(st.data(), strategies.runs(), policies)
def test_any_event_on_any_run(data: st.DataObject, run: RunObject, policy: str) -> None:
    """Whatever the run, the payload and the time, engine and naive model agree."""
    assert_agree(run, data.draw(strategies.events(run)), policy)


@given(st.data(), policies)
def test_legal_histories(data: st.DataObject, policy: str) -> None:
    """A history the naive model calls legal is applied step by step, to the naive model's record each time."""
    run: RunObject | None = None
    for event in data.draw(strategies.histories(policy)):
        run = assert_agree(run, event, policy)
        assert run is not None, f"refused: {event}"


@given(st.data(), policies)
def test_histories_with_strays(data: st.DataObject, policy: str) -> None:
    """A legal history with any events thrown in at any place gets the naive model's answer to each of them."""
    run: RunObject | None = None
    for event in data.draw(strategies.histories(policy, max_steps=6)):
        for stray in data.draw(st.lists(strategies.events(run), max_size=2)):
            run = assert_agree(run, stray, policy) or run
        run = assert_agree(run, event, policy) or run


@given(strategies.soups(), policies)
def test_soups(soup: list[Event], policy: str) -> None:
    """A soup of events, refusals passed over, gives the same answers in both models."""
    run: RunObject | None = None
    for event in soup:
        run = assert_agree(run, event, policy) or run


@given(st.data(), policies)
def test_every_step_keeps_the_shape(data: st.DataObject, policy: str) -> None:
    """After each applied step the record agrees with its status, by the shape table and by the naive model."""
    run: RunObject | None = None
    for event in data.draw(strategies.histories(policy)):
        run = apply(run, event, policy_named(policy))
        assert shape_problems(run.status, vars(run)) == ()
        assert naive.is_valid(naive.plain(run))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("status", TERMINAL)
def test_terminal_is_absorbing(status: str, policy: str) -> None:
    """A run that has ended answers nothing but modify, and modify changes its metadata only."""
    for run in (run for run in samples.every_run() if run.status == status):
        for name in EVENTS:
            for event in samples.every_event(name, samples.legal_moment(name, run) + 700_000_000):
                decision = decide(run, event, policy_named(policy))
                if name == "modify":
                    assert isinstance(decision, Applied)
                    assert decision.changes.keys() <= {"metadata"}
                else:
                    assert isinstance(decision, Refused)
                    assert decision.reason == "late"


@given(st.data(), policies)
def test_replay_is_the_steps(data: st.DataObject, policy: str) -> None:
    """Replay leads where the steps lead, and a prefix followed by the rest where the whole leads."""
    history = data.draw(strategies.histories(policy))
    rules = policy_named(policy)
    run: RunObject | None = None
    for event in history:
        run = apply(run, event, rules)
    cut = data.draw(st.integers(1, len(history)))
    assert replay(history, policy=rules) == run
    assert replay(history[cut:], replay(history[:cut], policy=rules), rules) == run


@given(st.data(), policies)
def test_across_time(data: st.DataObject, policy: str) -> None:
    """No stamp goes back or is unset, the deadline only goes away, and what the client asked for never changes."""
    history = data.draw(strategies.histories(policy))
    rules = policy_named(policy)
    before = apply(None, history[0], rules)
    for event in history[1:]:
        after = apply(before, event, rules)
        for stamp in STAMPS:
            old, new = getattr(before, stamp), getattr(after, stamp)
            assert old is None or (new is not None and new >= old)
        assert after.expires_at in (before.expires_at, None)
        assert (after.started_at == before.started_at) or event.name == "start"
        follows = {"status", "metadata", "usage", "required_action", "last_error", "incomplete_details", "expires_at"}
        fixed = naive.plain(before).keys() - follows - set(STAMPS)
        assert all(getattr(after, name) == getattr(before, name) for name in fixed)
        before = after


@given(st.data(), strategies.runs(), policies)
def test_a_refusal_changes_nothing(data: st.DataObject, run: RunObject, policy: str) -> None:
    """Neither the run nor the event is touched by a decision, whichever it is."""
    event = data.draw(strategies.events(run))
    kept = deepcopy((run, event))
    decide(run, event, policy_named(policy))
    assert (run, event) == kept


@given(st.data(), policies)
def test_changes_are_the_difference(data: st.DataObject, policy: str) -> None:
    """`changes` names exactly the fields that differ, and laying them over the old record gives the new one."""
    run: RunObject | None = None
    for event in data.draw(strategies.histories(policy)):
        decision = decide(run, event, policy_named(policy))
        assert isinstance(decision, Applied)
        before, after = {} if run is None else vars(run), vars(decision.run)
        nothing = object()
        assert decision.changes == {name: after[name] for name in after if after[name] != before.get(name, nothing)}
        assert RunObject(**(before | decision.changes)) == decision.run
        run = decision.run


@given(st.data(), strategies.runs(), policies)
def test_decide_is_a_function(data: st.DataObject, run: RunObject, policy: str) -> None:
    """The same run, event and policy get an equal answer again, also from copies."""
    event = data.draw(strategies.events(run))
    rules = policy_named(policy)
    assert decide(run, event, rules) == decide(deepcopy(run), deepcopy(event), rules)


def test_the_oracle_is_independent() -> None:
    """The naive model imports nothing of runengine: an oracle that asks the engine would always agree with it."""
    source = Path(naive.__file__).read_text(encoding="utf-8")
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports}
    assert names == {"__future__", "attrs", "collections", "typing"}
