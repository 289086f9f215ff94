"""Hypothesis strategies for runs, events and histories, shared by every test.

Two kinds of run are drawn: *built* ones, put together field by field with the shape that recordings show, and *driven*
ones, made by the engine from a history. Legal histories are chosen by the naive model, so that the engine has to
agree with every one of them. Payloads are adversarial unless a name says `fitting`.

| you want | use |
|---|---|
| a record in some status | `runs()`, `runs("queued")`, `built_runs(...)` |
| the request of a run | `creates()`, `run_requests()` |
| any event at any time | `events()`, `events(run=run)`, `payloads(name)` |
| a moment near a boundary | `moments(run)` |
| a history that is legal | `histories("practical")` |
| events in no order at all | `soups()` |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from runengine.core.events import (
    EVENTS,
    Cancel,
    Complete,
    Create,
    Event,
    ExhaustTokens,
    Expire,
    Fail,
    FinishCancel,
    Modify,
    RequireAction,
    Start,
    SubmitToolOutputs,
    ToolOutput,
)
from runengine.core.parts import IncompleteDetails, LastError
from runengine.core.records import RunObject
from runengine.core.statuses import STATUSES, Status
from runengine.core.step import replay
from runengine.core.table import policy_named
from tests import naive
from tests.part_strategies import (
    call_ids,
    extras,
    finite_floats,
    ids,
    json_values,
    metadata,
    required_actions,
    response_formats,
    run_requests,
    tool_calls,
    tool_choices,
    tools,
    truncation_strategies,
    usages,
    words,
)
from tests.samples import UNSTARTED_STATUSES

__all__ = [
    "births_us",
    "built_runs",
    "call_ids",
    "creates",
    "driven_runs",
    "events",
    "events_named",
    "extras",
    "finite_floats",
    "fitting_event",
    "gaps_us",
    "histories",
    "ids",
    "json_values",
    "metadata",
    "moments",
    "outputs",
    "payloads",
    "required_actions",
    "response_formats",
    "run_requests",
    "runs",
    "soups",
    "tool_calls",
    "tool_choices",
    "tools",
    "truncation_strategies",
    "ttls",
    "usages",
    "words",
]

SECOND_US = 1_000_000


def ttls() -> SearchStrategy[int]:
    """Times to live in seconds: the usual ones (FACTS B4), the shortest, and any."""
    return st.sampled_from((600, 1, 2, 1_800, 36_000)) | st.integers(1, 10**6)


def births_us() -> SearchStrategy[int]:
    """When a run is created: the epoch itself, whole seconds, and the microseconds around them."""
    return st.sampled_from((0, 1, 999_999)) | st.integers(0, 4 * 10**15)


def gaps_us() -> SearchStrategy[int]:
    """Time between two events: none, a microsecond, about a second, or up to a day."""
    about_a_second = st.integers(SECOND_US - 1, SECOND_US + 1)
    return (
        st.sampled_from((0, 0, 1))
        | about_a_second
        | st.integers(0, 10 * SECOND_US)
        | st.integers(0, 86_400 * SECOND_US)
    )


def moments(run: RunObject | None) -> SearchStrategy[int]:
    """Moments that matter to a run's guards on time: before, at and after each stamp and the deadline, to the µs."""
    if run is None:
        return births_us()
    record = naive.plain(run)
    seconds = [naive.last_stamp(record), run.created_at, run.expires_at or run.created_at + 600]
    offset = st.sampled_from((-SECOND_US, -1, 0, 1, SECOND_US - 1, SECOND_US)) | st.integers(-700, 700).map(_seconds)
    near = st.builds(lambda second, off: max(0, second * SECOND_US + off), st.sampled_from(seconds), offset)
    return near | births_us()


def _seconds(count: int) -> int:
    return count * SECOND_US


def creates(at_us: SearchStrategy[int] | None = None) -> SearchStrategy[Create]:
    """Any create event."""
    times = births_us() if at_us is None else at_us
    asked = st.tuples(times, ids("run"), ttls(), run_requests())
    return asked.map(lambda a: Create(at_us=a[0], run_id=a[1], ttl_s=a[2], **a[3]))


def outputs(pending: Sequence[str] = ()) -> SearchStrategy[tuple[ToolOutput, ...]]:
    """Outputs for exactly these calls in any order, or too few, too many, doubled, or of others."""
    some = st.permutations(pending) | st.lists(st.sampled_from((*pending, "call_a", "call_b", "call_zz")), max_size=5)
    return some.map(lambda chosen: tuple(ToolOutput(tool_call_id=id, output="ok") for id in chosen))


def payloads(name: str, pending: Sequence[str] = ()) -> SearchStrategy[dict[str, Any]]:
    """What an event of that name carries beside its time, adversarial (for `create` see `creates`).

    Args:
        name: An event's name.
        pending: Ids of the calls that the run waits for, so that outputs sometimes fit.
    """
    usage = st.none() | usages()
    fields: dict[str, dict[str, SearchStrategy[Any]]] = {
        "start": {},
        "require_action": {"tool_calls": tool_calls(unique=False)},
        "submit_tool_outputs": {"outputs": outputs(pending)},
        "cancel": {"reason": st.none() | words()},
        "finish_cancel": {"usage": usage},
        "complete": {"usage": usage},
        "exhaust_tokens": {"reason": st.sampled_from(("max_prompt_tokens", "max_completion_tokens")), "usage": usage},
        "fail": {"code": st.sampled_from(("server_error", "odd")), "message": words(), "usage": usage},
        "expire": {"usage": usage},
        "modify": {"metadata": metadata()},
    }
    return st.fixed_dictionaries(fields[name])


def events_named(name: str, at_us: SearchStrategy[int], pending: Sequence[str] = ()) -> SearchStrategy[Event]:
    """Events of one name at such moments, with adversarial payloads."""
    if name == "create":
        return creates(at_us)
    kind: Any = EVENTS[name]
    return st.builds(lambda t, payload: kind(at_us=t, **payload), at_us, payloads(name, pending))


def events(run: RunObject | None = None, names: Sequence[str] = tuple(EVENTS)) -> SearchStrategy[Event]:
    """Any event; aimed at `run`'s boundaries and pending calls where a run is given."""
    pending = () if run is None or run.required_action is None else run.required_action.call_ids
    return st.sampled_from(tuple(names)).flatmap(lambda name: events_named(name, moments(run), pending))


def fitting_event(name: str, at_us: int, pending: Sequence[str] = ()) -> SearchStrategy[Event]:
    """An event of that name that no guard on the payload refuses (not for `create`)."""
    usage = st.none() | usages()
    t = st.just(at_us)
    exact = tuple(ToolOutput(tool_call_id=id, output="ok") for id in pending)
    kinds: dict[str, SearchStrategy[Event]] = {
        "start": st.builds(Start, at_us=t),
        "require_action": st.builds(RequireAction, at_us=t, tool_calls=tool_calls(unique=True, min_size=1)),
        "submit_tool_outputs": st.permutations(exact).map(lambda o: SubmitToolOutputs(at_us=at_us, outputs=tuple(o))),
        "cancel": st.builds(Cancel, at_us=t, reason=st.none() | words()),
        "finish_cancel": st.builds(FinishCancel, at_us=t, usage=usage),
        "complete": st.builds(Complete, at_us=t, usage=usage),
        "exhaust_tokens": st.builds(ExhaustTokens, at_us=t, reason=st.just("max_prompt_tokens"), usage=usage),
        "fail": st.builds(Fail, at_us=t, code=st.just("server_error"), message=words(), usage=usage),
        "expire": st.builds(Expire, at_us=t, usage=usage),
        "modify": st.builds(Modify, at_us=t, metadata=metadata()),
    }
    return kinds[name]


def soups(max_size: int = 12) -> SearchStrategy[list[Event]]:
    """Events in no order, of any name, with any payload, at any time; few of them fit together."""
    born = births_us().map(lambda t: [t + off for off in (0, 1, SECOND_US, 599 * SECOND_US, 600 * SECOND_US)])
    return born.flatmap(
        lambda times: st.lists(
            st.sampled_from(tuple(EVENTS)).flatmap(lambda name: events_named(name, st.sampled_from(times))),
            max_size=max_size,
        )
    )


@st.composite
def histories(draw: DrawFn, policy: str = "practical", max_steps: int = 12) -> list[Event]:
    """A legal history: a create event and up to `max_steps` more, chosen by the naive model, with drawn gaps.

    Args:
        draw: Given by Hypothesis.
        policy: "documented", "practical" or "permissive".
        max_steps: How many events may follow the first.
    """
    first = draw(creates())
    made: list[Event] = [first]
    record = naive.step(None, naive.plain(first), policy).record
    at_us = first.at_us
    for _ in range(draw(st.integers(0, max_steps))):
        assert record is not None
        event = draw(_next_events(record, at_us, policy))
        if event is None:
            break
        at_us = event.at_us
        made.append(event)
        record = naive.step(record, naive.plain(event), policy).record
    return made


@st.composite
def _next_events(draw: DrawFn, record: naive.Record, now_us: int, policy: str) -> Event | None:
    deadline_us = record["expires_at"] * SECOND_US if "expires_at" in record else None
    names = [name for name in naive.allowed(record["status"], policy) if _may_come(record, name, now_us, deadline_us)]
    if not names:
        return None
    name = draw(st.sampled_from(names))
    at_us = now_us + draw(gaps_us())
    if name == "expire" and deadline_us is not None:
        at_us = max(at_us, deadline_us)
    elif name not in ("finish_cancel", "modify") and deadline_us is not None:
        at_us = min(at_us, deadline_us - 1)
    return draw(fitting_event(name, at_us, naive.pending_ids(record)))


def _may_come(record: naive.Record, name: str, now_us: int, deadline_us: int | None) -> bool:
    if deadline_us is not None and now_us >= deadline_us:
        return name in ("expire", "finish_cancel", "modify")
    never_started = record["status"] == "cancelling" and "started_at" not in record
    return not (never_started and name in ("complete", "exhaust_tokens"))


def driven_runs(policy: str = "practical") -> SearchStrategy[RunObject]:
    """Runs as the engine makes them, at the end of a legal history."""
    rules = policy_named(policy)
    return histories(policy).map(lambda history: replay(history, policy=rules))


@st.composite
def built_runs(draw: DrawFn, status: Status | None = None) -> RunObject:
    """Valid records put together field by field, without the engine.

    Args:
        draw: Given by Hypothesis.
        status: Of which status, or None for any.
    """
    chosen: Status = draw(st.sampled_from(STATUSES)) if status is None else status
    created_at = draw(st.integers(0, 4 * 10**9))
    fields: dict[str, Any] = {
        "id": draw(ids("run")),
        "status": chosen,
        "created_at": created_at,
        **draw(run_requests()),
    }
    lag = st.sampled_from((0, 0, 1)) | st.integers(0, 10_000)
    started_at = created_at + draw(lag)
    if chosen not in UNSTARTED_STATUSES or draw(st.booleans()):
        fields["started_at"] = started_at
    if chosen in naive.LIVE:
        fields["expires_at"] = started_at + draw(ttls())
    else:
        stamp = {"failed": "failed_at", "cancelled": "cancelled_at"}.get(chosen, "completed_at")
        fields[stamp] = started_at + draw(lag)
        fields["usage"] = draw(st.none() | usages())
    if chosen == "requires_action":
        fields["required_action"] = draw(required_actions())
    elif chosen == "failed":
        fields["last_error"] = LastError(code=draw(st.sampled_from(("server_error", "odd"))), message=draw(words()))
    elif chosen == "incomplete":
        reason = draw(st.sampled_from((None, "max_prompt_tokens", "max_completion_tokens")))
        fields["incomplete_details"] = IncompleteDetails(reason=reason)
    return RunObject(**fields)


def runs(status: Status | None = None) -> SearchStrategy[RunObject]:
    """Runs in that status or in any: built ones and, where any will do, driven ones too."""
    return built_runs(status) if status is not None else built_runs() | driven_runs()
