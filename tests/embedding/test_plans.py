"""Tests of the plans: what is decided from given facts, without a store's say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from runengine.core import (
    PRACTICAL,
    SECOND_US,
    TERMINAL,
    Cancel,
    Complete,
    Create,
    ExhaustTokens,
    Expire,
    Fail,
    FinishCancel,
    FunctionCall,
    Modify,
    RequireAction,
    Start,
    SubmitToolOutputs,
    ToolCall,
    ToolOutput,
)
from runengine.embedding import Answer, ManualClock, Runtime, Settings
from runengine.embedding.plans import Act, Birth, Claim, Context, Heartbeat, Lapse, Release
from runengine.embedding.plans.acting import digest_of, moment
from runengine.embedding.values import SECONDS_MAX, check_id, check_seconds
from runengine.stores import Commit, Facts, Outcome, Request, Row, Wants
from runengine.stores.memory import MemoryStore

T0_US = 1_700_000_000 * SECOND_US
CALLS = (ToolCall(id="call_1", function=FunctionCall(name="now", arguments="")),)
OUTPUTS = (ToolOutput(tool_call_id="call_1", output="12:00"),)
EVENTS = (
    Start(at_us=0),
    RequireAction(at_us=0, tool_calls=CALLS),
    SubmitToolOutputs(at_us=0, outputs=OUTPUTS),
    Cancel(at_us=0, reason="enough"),
    FinishCancel(at_us=0),
    Complete(at_us=0),
    ExhaustTokens(at_us=0, reason="max_prompt_tokens"),
    Fail(at_us=0, code="odd", message="sorry"),
    Expire(at_us=0),
    Modify(at_us=0, metadata={"a": 1}),
)

choices = st.builds(
    Settings,
    completion=st.sampled_from(("complete_wins", "cancel_wins")),
    lease_lost=st.sampled_from(("reclaim", "fail")),
    losses_max=st.sampled_from((0, 1, 100)),
)
gaps = st.sampled_from((-20 * SECOND_US, 0, 1, SECOND_US, 30 * SECOND_US, 100 * SECOND_US))


@frozen
class _Seen:
    """A request that only looks: its answer is the facts."""

    wants: Wants

    def plan(self, facts: Facts) -> Outcome[Facts]:
        """Nothing is written."""
        return Outcome(answer=facts)


@st.composite
def situations(draw: DrawFn) -> tuple[Request[Any], Facts, int]:
    """A request, the facts it is shown on a thread that has lived a while, and the time."""
    context = Context(policy=PRACTICAL, settings=draw(choices))
    store, clock = MemoryStore(), ManualClock(T0_US)
    runtime = Runtime(store, clock=clock, settings=context.settings)
    strategies: Any = st.sampled_from(("reject", "enqueue", "interrupt"))
    ids = ["run_0"]
    runtime.create("thread_1", "a", "m", run_id="run_0", ttl_s=draw(st.sampled_from((90, 600))))
    for _ in range(draw(st.integers(0, 7))):
        clock.set(clock.now_us() + draw(gaps))
        doing: Any = draw(st.sampled_from(("create", "claim", "claim", "sweep", "beat", *EVENTS)))
        run_id = draw(st.sampled_from(ids))
        row = store.row(run_id)
        fence = row.fence if row is not None and row.owner is not None else None
        if doing == "create":
            ids.append(f"run_{len(ids)}")
            runtime.create("thread_1", "a", "m", run_id=ids[-1], thread=draw(strategies))
        elif doing == "claim":
            runtime.claim("worker_1")
        elif doing == "sweep":
            runtime.sweep()
        elif doing == "beat":
            runtime.heartbeat(run_id, fence or 0)
        else:
            act = Act(context=context, run_id=run_id, event=doing, at_us=clock.now_us(), fence=fence)
            store.execute(act)
    now = clock.now_us() + draw(gaps)
    run_id = draw(st.sampled_from([*ids, "run_none"]))
    row = store.row(run_id)
    fence = draw(st.sampled_from((None, 1, 0 if row is None else row.fence)))
    create = Create(
        at_us=0, run_id=draw(st.sampled_from([*ids, "new"])), thread_id="thread_1", assistant_id="a", model="m"
    )
    requests: list[Request[Any]] = [
        Act(context=context, run_id=run_id, event=draw(st.sampled_from(EVENTS)), at_us=now, fence=fence, key="k"),
        Birth(
            context=context,
            create=create,
            at_us=now,
            thread=draw(strategies),
            named=True,
            retry=draw(st.integers(0, 1)),
        ),
        Claim(context=context, worker="worker_2", lease_s=30, at_us=now),
        Heartbeat(context=context, run_id=run_id, fence=fence or 0, at_us=now, lease_s=30),
        Release(context=context, run_id=run_id, fence=fence or 0, at_us=now),
        Lapse(context=context, run_id=run_id, at_us=now),
    ]
    request = draw(st.sampled_from(requests))
    return request, store.execute(_Seen(request.wants)), now


def _steps_of(commit: Commit, facts: Facts) -> dict[str, Row]:
    """The rows after a commit, its steps checked one by one."""
    known = {row.run.id: row for row in (facts.row, facts.active) if row is not None}
    for step in commit.steps:
        run_id = step.after.run.id
        assert step.before == known.get(run_id), "a step begins where the one before ended"
        before = step.before or evolve(step.after, version=0, fence=0, losses=0, last_us=0)
        if step.entry is None:
            assert step.after.version == before.version
        else:
            assert step.entry.seq == step.after.version == before.version + 1
            assert (step.entry.run_id, step.entry.status) == (run_id, step.after.run.status)
            assert step.entry.at_us == step.after.last_us >= before.last_us
        assert step.after.fence - before.fence in (0, 1)
        assert step.after.losses - before.losses in (0, 1)
        if before.run.status in TERMINAL:
            assert step.after.run == evolve(before.run, metadata=step.after.run.metadata)
        known[run_id] = step.after
    return known


def _is_arranged(row: Row) -> bool:
    """Whether who holds the run, who may claim it and its next deadline agree with its status (spec: stores)."""
    run, ended = row.run, row.run.status in TERMINAL
    times = [t for t in (row.lease_until_us, row.cancel_until_us) if t is not None]
    expected = None if run.expires_at is None else min(run.expires_at * SECOND_US, *times, run.expires_at * SECOND_US)
    return (
        row.deadline_us == expected
        and ended == (row.deadline_us is None)
        and (row.owner is None) == (row.lease_until_us is None)
        and (row.owner is None or run.status in ("in_progress", "cancelling"))
        and (row.cancel_until_us is not None) == (run.status == "cancelling")
        and (row.claimable_us is not None or run.status != "queued")
        and (row.claimable_us is None or run.status in ("queued", "in_progress"))
        and (row.owner is None or run.status != "in_progress" or row.claimable_us == row.lease_until_us)
        and (not ended or row.waiting == 0)
        and row.waiting >= 0
    )


@given(situations())
def test_a_plan_is_pure(situation: tuple[Request[Any], Facts, int]) -> None:
    """The same facts lead to the same outcome, whenever it is asked for."""
    request, facts, _ = situation
    assert request.plan(facts) == request.plan(facts)


@given(situations())
def test_a_commit_is_a_chain(situation: tuple[Request[Any], Facts, int]) -> None:
    """Each step begins where the one before ended, has the next number, and leaves a row that is well arranged."""
    request, facts, now = situation
    commit = request.plan(facts).commit
    if commit is None:
        return
    known = _steps_of(commit, facts)
    assert all(_is_arranged(row) for row in known.values()), known
    assert all(step.entry is None or step.entry.at_us >= now for step in commit.steps)
    open_ids = [row.run.id for row in known.values() if row.run.status not in TERMINAL]
    assert len(open_ids) <= 1
    births = [step.after.run.id for step in commit.steps if step.before is None]
    assert len(births) <= 1
    if commit.dequeue in births:
        assert facts.waiting is not None
        assert commit.dequeue == facts.waiting.run_id
    assert commit.enqueue is None or commit.enqueue.run_id not in births


@given(situations())
def test_an_answer_is_true_once_written(situation: tuple[Request[Any], Facts, int]) -> None:
    """The answer shows the run as the commit leaves it; what is refused outright writes nothing."""
    request, facts, _ = situation
    outcome = request.plan(facts)
    answer = outcome.answer
    if answer is None:
        assert outcome.commit is None
        return
    assert isinstance(answer, Answer)
    if answer.kind in ("illegal", "guard", "stale", "not_found", "exists", "busy", "replayed"):
        assert outcome.commit is None
    if answer.run is not None and answer.kind != "replayed":
        known = {row.run.id: row for row in (facts.row, facts.active) if row is not None}
        if outcome.commit is not None:
            known |= {step.after.run.id: step.after for step in outcome.commit.steps}
        row = known[answer.run_id]
        assert (answer.run, answer.version, answer.fence) == (row.run, row.version, row.fence)
    if answer.kind in ("applied", "waiting", "withdrawn"):
        is_new = answer.kind != "waiting" or (outcome.commit is not None)
        assert outcome.commit is not None or not is_new
    if answer.kind in ("lost", "illegal", "guard"):
        assert answer.refused is not None
    if answer.kind == "lost":
        assert answer.ended_by is not None
    if not answer.ok:
        with pytest.raises(Exception, match=(answer.active or "") if answer.kind == "busy" else answer.run_id):
            answer.or_raise()


@given(situations())
def test_a_key_is_kept_with_what_it_answers(situation: tuple[Request[Any], Facts, int]) -> None:
    """What is applied or withdrawn under a key keeps the key; asked again with it, it is replayed."""
    request, facts, _ = situation
    if not isinstance(request, Act):
        return
    outcome = request.plan(facts)
    kept = None if outcome.commit is None else outcome.commit.key
    assert (kept is not None) == (outcome.answer.kind in ("applied", "withdrawn"))
    if kept is not None:
        again = request.plan(evolve(facts, key=kept))
        assert (again.answer.kind, again.answer.run, again.commit) == ("replayed", outcome.answer.run, None)
        other = evolve(request, event=Fail(at_us=0, code="other", message="request"))
        assert other.plan(evolve(facts, key=kept)).answer.kind == "guard"


@given(st.dictionaries(st.text(), st.integers() | st.text(), max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(payload: dict[str, Any], chance: Any) -> None:
    """A request is known again whatever the order of its keys, on every level."""
    items = list(payload.items())
    chance.shuffle(items)
    first = digest_of("modify", "run_1", {"metadata": payload, "list": [payload]})
    assert digest_of("modify", "run_1", {"list": [dict(items)], "metadata": dict(items)}) == first
    assert digest_of("modify", "run_2", {"metadata": payload, "list": [payload]}) != first
    assert digest_of("cancel", "run_1", {"metadata": payload, "list": [payload]}) != first


def test_whose_time() -> None:
    """A request's time is the caller's, else the store's, never before the run's last entry; without any it fails."""
    row = Row(run=_queued().run, version=1, last_us=T0_US, deadline_us=None)
    assert moment(Facts(now_us=5), 9, None) == 9
    assert moment(Facts(now_us=5), None, None) == 5
    assert moment(Facts(now_us=5), None, row) == T0_US
    assert moment(Facts(), T0_US + 1, row) == T0_US + 1
    with pytest.raises(ValueError, match="no clock"):
        moment(Facts(), None, row)


def test_the_store_may_have_the_time() -> None:
    """A request without a time is decided at the store's."""
    context = Context(policy=PRACTICAL, settings=Settings())
    act = Act(context=context, run_id="run_1", event=Cancel(at_us=0), at_us=None)
    assert act.plan(Facts(row=_queued(), now_us=T0_US + 7)).answer.at_us == T0_US + 7
    assert act.plan(Facts(row=_queued(), now_us=T0_US + 600 * SECOND_US)).answer.ended_by == "expire"


@pytest.mark.parametrize("at_us", [T0_US + 600 * SECOND_US - 1, T0_US + 600 * SECOND_US])
def test_a_create_on_an_overdue_thread(at_us: int) -> None:
    """A create ends the thread's run in its own commit, if that is past its deadline, and to the microsecond."""
    context = Context(policy=PRACTICAL, settings=Settings())
    create = Create(at_us=0, run_id="run_2", thread_id="t", assistant_id="a", model="m")
    outcome = Birth(context=context, create=create, at_us=at_us, thread="reject").plan(Facts(active=_queued()))
    if at_us % SECOND_US:
        assert (outcome.answer.kind, outcome.commit) == ("busy", None)
    else:
        assert outcome.commit is not None
        assert [(s.after.run.id, s.after.run.status) for s in outcome.commit.steps] == [
            ("run_1", "expired"),
            ("run_2", "queued"),
        ]


def test_wants_no_more_than_it_needs() -> None:
    """A plan asks for the rows that it decides on: a twin for a retry without a key only, an id if it was chosen."""
    context = Context(policy=PRACTICAL, settings=Settings())
    create = Create(at_us=0, run_id="run_2", thread_id="t", assistant_id="a", model="m")
    birth = Birth(context=context, create=create, at_us=5, thread="reject")
    assert birth.wants == Wants(thread_id="t", at_us=5)
    assert evolve(birth, named=True).wants == Wants(thread_id="t", run_id="run_2", at_us=5)
    assert evolve(birth, retry=2).wants == Wants(thread_id="t", digest=birth.digest, at_us=5)
    assert evolve(birth, retry=2, key="k").wants == Wants(thread_id="t", key="k", at_us=5)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        *((lambda v: check_id("id", v), bad) for bad in ("", None, 5, b"a", "a\0", "\ud800", "é" * 501)),
        *((lambda v: check_seconds("s", v), bad) for bad in (0, -1, None, "5", True, float("nan"), SECONDS_MAX * 2)),
    ],
)
def test_what_no_store_keeps(check: Callable[[object], None], value: object) -> None:
    """Ids that are no text, too long, or have a zero, and times that are none, are refused by name."""
    with pytest.raises(ValueError, match=r"^(id|s) must be"):
        check(value)


def _queued() -> Row:
    store = MemoryStore()
    Runtime(store, clock=ManualClock(T0_US)).create("t", "a", "m", run_id="run_1")
    row = store.row("run_1")
    assert row is not None
    return row
