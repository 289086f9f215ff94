"""Runtimes and stores with one mistake each, made in a test: what a simulated world must find."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import evolve

from runengine.core import PRACTICAL, Applied, Event, Policy, Refused, RunObject, decide
from runengine.core.step import apply
from runengine.embedding import AsyncRuntime
from runengine.embedding.plans import Act, Birth, Lapse, acting, creating, leasing, telling
from runengine.embedding.plans import moves as moving
from runengine.embedding.plans.moves import Moves
from runengine.simulation.driving import book, grounds
from runengine.stores import Commit, Entry, Outcome, Row, memory
from runengine.stores.columns import row_of
from runengine.stores.memory import MemoryStore
from runengine.stores.sqlite import lines, statements

Mutate = Callable[[pytest.MonkeyPatch], None]

MUTATIONS: Final[dict[str, tuple[Mutate, tuple[str, ...], str]]] = {}
"""By name: how, the invariants one of which must find it, and on which store."""


def _mutation(*found_by: str, store: str = "memory") -> Callable[[Mutate], Mutate]:
    def keep(mutate: Mutate) -> Mutate:
        MUTATIONS[mutate.__name__.strip("_")] = (mutate, found_by, store)
        return mutate

    return keep


def _deciding(patch: pytest.MonkeyPatch, change: Callable[[RunObject, Event, Any], Any]) -> None:
    """Another `decide` for the plans."""

    def other(run: RunObject | None, event: Event, policy: Policy = PRACTICAL) -> Any:
        decision = decide(run, event, policy)
        return decision if run is None else change(run, event, decision)

    patch.setattr(moving, "decide", other)


def _forced(run: RunObject, event: Event) -> Any:
    """The event as if its row had no source."""
    for row in PRACTICAL.rows:
        if row.event == event.name and row.edge is not None:
            ends: dict[str, Any] = {"completed_at": None, "failed_at": None, "cancelled_at": None}
            after = evolve(run, status=row.target, expires_at=run.expires_at or run.created_at + 600, **ends)
            return Applied(after, run, row)
    return decide(run, event)


@_mutation("by-the-table", "stays-ended")
def _status_guard_dropped(patch: pytest.MonkeyPatch) -> None:
    def change(run: RunObject, event: Event, decision: Any) -> Any:
        is_refused = isinstance(decision, Refused) and decision.reason in ("illegal", "late")
        return _forced(run, event) if is_refused else decision

    _deciding(patch, change)


@_mutation("stays-ended")
def _late_events_applied(patch: pytest.MonkeyPatch) -> None:
    def change(run: RunObject, event: Event, decision: Any) -> Any:
        return _forced(run, event) if isinstance(decision, Refused) and decision.reason == "late" else decision

    _deciding(patch, change)


@_mutation("by-the-table")
def _illegal_events_applied(patch: pytest.MonkeyPatch) -> None:
    def change(run: RunObject, event: Event, decision: Any) -> Any:
        return _forced(run, event) if isinstance(decision, Refused) and decision.reason == "illegal" else decision

    _deciding(patch, change)


@_mutation("fenced")
def _fence_dropped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Act, "_is_fenced", lambda *_: False)


@_mutation("fenced")
def _old_tokens_believed(patch: pytest.MonkeyPatch) -> None:
    def is_fenced(self: Act, row: Row, at_us: int) -> bool:
        return self.fence is None and real(self, row, at_us)

    real = Act._is_fenced
    patch.setattr(Act, "_is_fenced", is_fenced)


@_mutation("keyed")
def _key_dropped(patch: pytest.MonkeyPatch) -> None:
    for kind in (Act, Birth):
        plan: Any = kind.plan
        patch.setattr(kind, "plan", lambda self, facts, plan=plan: plan(self, evolve(facts, key=None)))


@_mutation("keyed")
def _key_of_creates_dropped(patch: pytest.MonkeyPatch) -> None:
    plan = Birth.plan
    patch.setattr(Birth, "plan", lambda self, facts: plan(self, evolve(facts, key=None)))


@_mutation("made-once")
def _retries_without_a_key_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Birth, "_known", lambda *_: None)


@_mutation("only-as-seen")
def _expected_version_ignored(patch: pytest.MonkeyPatch) -> None:
    def plan(self: Act, facts: Any) -> Outcome[Any]:
        return real(evolve(self, expect=None), facts) if facts.key is None and self.key is None else real(self, facts)

    real = Act.plan
    patch.setattr(Act, "plan", plan)


@_mutation("held-rightly")
def _lease_kept_while_waiting(patch: pytest.MonkeyPatch) -> None:
    def arranged(self: Moves, row: Row, run: RunObject, lease: Any = None) -> Row:
        after = real(self, row, run, lease)
        is_waiting = run.status == "requires_action"
        return after.changed(owner=row.owner, lease_until_us=row.lease_until_us) if is_waiting else after

    real = Moves._arranged
    patch.setattr(Moves, "_arranged", arranged)


@_mutation("due-some-day")
def _deadline_not_set(patch: pytest.MonkeyPatch) -> None:
    def changed(self: Moves, row: Row, **changes: Any) -> Row:
        after = real(self, row, **changes)
        return after.changed(deadline_us=None) if after.run.status == "requires_action" else after

    real = Moves._changed
    patch.setattr(Moves, "_changed", changed)


@_mutation("deadline-first")
def _deadline_ignored(patch: pytest.MonkeyPatch) -> None:
    def change(run: RunObject, event: Event, decision: Any) -> Any:
        if not isinstance(decision, Refused) or decision.guard != "before_deadline":
            return decision
        again = decide(evolve(run, expires_at=10**10), event)
        if isinstance(again, Refused) or again.run.expires_at is None:
            return again
        return Applied(evolve(again.run, expires_at=run.expires_at), run, again.transition)

    _deciding(patch, change)


@_mutation("committed")
def _feed_entry_lost(patch: pytest.MonkeyPatch) -> None:
    def append(self: MemoryStore, entry: Entry) -> None:
        real(self, entry)
        if entry.name == "require_action":
            self._feed.pop()

    real = MemoryStore._append
    patch.setattr(MemoryStore, "_append", append)


@_mutation("committed")
def _commit_answered_and_not_made(patch: pytest.MonkeyPatch) -> None:
    def commit(self: MemoryStore, commit: Commit) -> None:
        if not any(step.entry is not None and step.entry.name == "complete" for step in commit.steps):
            real(self, commit)

    real = MemoryStore._commit
    patch.setattr(MemoryStore, "_commit", commit)


@_mutation("one-active")
def _thread_lock_dropped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Birth, "_clear", lambda *_: True)


@_mutation("forward")
def _clock_going_back_believed(patch: pytest.MonkeyPatch) -> None:
    for module in (acting, creating, leasing):
        patch.setattr(module, "moment", lambda facts, at_us, row: at_us)


@_mutation("kept-when-late")
def _late_outcomes_thrown_away(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Moves, "lose", lambda self, row, event, why: row)


@_mutation("kept-when-late")
def _losses_without_bound(patch: pytest.MonkeyPatch) -> None:
    def lose(self: Moves, row: Row, event: Event, why: Any) -> Row:
        self.context = evolve(self.context, settings=evolve(self.context.settings, losses_max=1_000_000))
        return real(self, row, event, why)

    real = Moves.lose
    patch.setattr(Moves, "lose", lose)


@_mutation("in-turn")
def _queue_turned_round(patch: pytest.MonkeyPatch) -> None:
    def waiting(self: MemoryStore, thread_id: str | None = None, limit: int = 1000) -> Any:
        found = real(self, thread_id)
        return found[:limit] if limit > 1 else found[-1:]

    real = MemoryStore.waiting
    patch.setattr(MemoryStore, "waiting", waiting)


@_mutation("waited-for")
def _waiting_creates_not_counted(patch: pytest.MonkeyPatch) -> None:
    def note(self: Moves, row: Row, name: str, data: Any = None, **changes: Any) -> Row:
        return real(self, row, name, data, **{**changes, **({"waiting": row.waiting} if name == "enqueue" else {})})

    real = Moves.note
    patch.setattr(Moves, "note", note)


@_mutation("one-holder")
def _runs_claimed_before_their_lease_ends(patch: pytest.MonkeyPatch) -> None:
    def first(self: MemoryStore, heap: Any, name: str, until_us: int | None, limit: int) -> list[str]:
        later_us = 10**12 if name == "claimable_us" and until_us is not None else 0
        return real(self, heap, name, None if until_us is None else until_us + later_us, limit)

    real = MemoryStore._first
    patch.setattr(MemoryStore, "_first", first)


@_mutation("cancel-wins")
def _completion_wins_over_a_cancel_that_should(patch: pytest.MonkeyPatch) -> None:
    def beaten(self: Act, row: Row, event: Event, winner: Event, moves: Moves) -> Outcome[Any]:
        after = moves.take(row, event)
        return (
            real(self, row, event, winner, moves)
            if isinstance(after, Refused)
            else moves.outcome(telling.told("applied", event.name, row, after, moves.at_us))
        )

    real = Act._beaten
    patch.setattr(Act, "_beaten", beaten)


@_mutation("shaped")
def _required_action_kept(patch: pytest.MonkeyPatch) -> None:
    def change(run: RunObject, event: Event, decision: Any) -> Any:
        if event.name != "submit_tool_outputs" or isinstance(decision, Refused):
            return decision
        return Applied(evolve(decision.run, required_action=run.required_action), run, decision.transition)

    _deciding(patch, change)


@_mutation("folded")
def _record_not_what_its_history_says(patch: pytest.MonkeyPatch) -> None:
    def change(run: RunObject, event: Event, decision: Any) -> Any:
        if event.name != "modify" or isinstance(decision, Refused):
            return decision
        return Applied(run, run, decision.transition)

    _deciding(patch, change)


@_mutation("gapless")
def _number_of_history_left_out(patch: pytest.MonkeyPatch) -> None:
    def entry(self: Moves, row: Row, kind: Any, name: str, *more: Any) -> Entry:
        made = real(self, row, kind, name, *more)
        return evolve(made, seq=made.seq + 1) if name == "cancel" else made

    real = Moves._entry
    patch.setattr(Moves, "_entry", entry)


@_mutation("true-answer")
def _refusals_called_applied(patch: pytest.MonkeyPatch) -> None:
    def told(kind: Any, *more: Any, **named: Any) -> Any:
        return real("applied" if kind == "illegal" else kind, *more, **named)

    real = telling.told
    patch.setattr(acting, "told", told)


@_mutation("shows-what-is")
def _lists_of_any_status(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(memory, "_fits", lambda row, query: True)


@_mutation("nothing-stuck")
def _cancels_never_finished(patch: pytest.MonkeyPatch) -> None:
    def plan(self: Lapse, facts: Any) -> Outcome[Any]:
        is_cancelling = facts.row is not None and facts.row.run.status == "cancelling"
        return Outcome(answer=None) if is_cancelling else real(self, facts)

    real = Lapse.plan
    patch.setattr(Lapse, "plan", plan)


@_mutation("all-read")
def _subscriber_misses_an_entry(patch: pytest.MonkeyPatch) -> None:
    async def subscribe(self: AsyncRuntime, after: int = 0, *, timeout_s: float | None = None) -> AsyncIterator[Entry]:
        async for entry in real(self, after, timeout_s=timeout_s):
            if entry.position % 7:
                yield entry

    real = AsyncRuntime.subscribe
    patch.setattr(AsyncRuntime, "subscribe", subscribe)


@_mutation("checked")
def _model_changed_and_the_book_believes_it(patch: pytest.MonkeyPatch) -> None:
    def change(run: RunObject, event: Event, decision: Any) -> Any:
        if event.name != "start" or isinstance(decision, Refused):
            return decision
        return Applied(evolve(decision.run, model="another"), run, decision.transition)

    def folded(run: RunObject, event: Event, policy: Policy) -> RunObject:
        changed = change(run, event, decide(run, event, policy))
        return changed.run if isinstance(changed, Applied) else apply(run, event, policy)

    _deciding(patch, change)
    patch.setattr(book, "apply", folded)


@_mutation("declared")
def _sweep_raises(patch: pytest.MonkeyPatch) -> None:
    def due_event(row: Row, at_us: int, context: Any) -> Any:
        if row.run.status == "cancelling":
            raise KeyError(row.run.id)
        return real(row, at_us, context)

    real = leasing._due_event
    patch.setattr(leasing, "_due_event", due_event)


@_mutation("stays-ended", "declared", "fenced")
def _heartbeat_of_anybody_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(leasing._Held, "_refusal", lambda *_: None)


@_mutation("stays-told", store="sqlite")
def _log_lost_in_a_crash(patch: pytest.MonkeyPatch) -> None:
    def copy(source: Path, target: Path) -> None:
        if not str(source).endswith("-wal"):
            target.write_bytes(source.read_bytes())

    patch.setattr(grounds, "copyfile", copy)


@_mutation("committed", "folded", "gapless", "declared", "stays-ended", "by-the-table", "forward", store="sqlite")
def _store_writes_what_was_planned_on_stale_facts(patch: pytest.MonkeyPatch) -> None:
    def update(connection: Any, step: Any, before: Row) -> None:
        now = connection.execute(statements.ROW, (before.run.id,)).fetchone()
        seen = row_of(now)
        fresh = before.changed(version=seen.version, fence=seen.fence, lease_until_us=seen.lease_until_us, run=seen.run)
        real(connection, step, fresh)

    real = lines._update
    patch.setattr(lines, "_update", update)
