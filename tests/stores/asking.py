"""Requests made by hand, for tests of a store alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve, field, frozen

from runengine.core import RunObject
from runengine.stores import Commit, Entry, Facts, Key, Outcome, Row, Step, Wants

__all__ = ["NOW_US", "Ask", "birth", "new_row", "note", "noted"]

NOW_US = 1_700_000_000_000_000


@frozen(kw_only=True)
class Ask:
    """A request whose plan is a function, and which keeps the facts it was shown."""

    wants: Wants
    decide: Callable[[Facts], Outcome[Any]]
    shown: list[Facts] = field(factory=list)

    def plan(self, facts: Facts) -> Outcome[Any]:
        """As the function says."""
        self.shown.append(facts)
        return self.decide(facts)


def new_row(run_id: str, thread_id: str | None = None) -> Row:
    """A queued run; each is on a thread of its own, unless it is given."""
    at_s = NOW_US // 1_000_000
    run = RunObject(
        id=run_id,
        thread_id=thread_id or f"thread of {run_id}",
        assistant_id="a",
        model="m",
        status="queued",
        created_at=at_s,
        expires_at=at_s + 600,
    )
    return Row(run=run, version=1, last_us=NOW_US, deadline_us=NOW_US + 600_000_000, claimable_us=NOW_US)


def entry_of(row: Row, name: str) -> Entry:
    """The entry that a row's version stands for."""
    return Entry(
        run_id=row.run.id,
        seq=row.version,
        kind="event" if name == "create" else "note",
        name=name,
        at_us=row.last_us,
        status=row.run.status,
    )


def birth(run_id: str, thread_id: str | None = None, key: str | None = None) -> Ask:
    """A run is born, unless its thread has one; the answer is its row, or the active one."""
    row = new_row(run_id, thread_id)

    def decide(facts: Facts) -> Outcome[Row | None]:
        if facts.active is not None or facts.key is not None:
            return Outcome(answer=facts.active)
        step = Step(before=None, after=row, entry=entry_of(row, "create"))
        kept = (
            Key(key=key, run_id=run_id, event="create", digest="9f", seq=1, at_us=NOW_US, record=None) if key else None
        )
        return Outcome(answer=row, commit=Commit(steps=(step,), key=kept))

    return Ask(wants=Wants(thread_id=row.run.thread_id, key=key, at_us=NOW_US), decide=decide)


def noted(row: Row, name: str = "note") -> Step:
    """A row goes one version on."""
    after = evolve(row, version=row.version + 1, last_us=row.last_us + 1)
    return Step(before=row, after=after, entry=entry_of(after, name))


def note(run_id: str, name: str = "note", meanwhile: Callable[[], object] = lambda: None) -> Ask:
    """A run goes one version on; the answer is its new version, or None where there is none.

    `meanwhile` is called between the facts of the first plan and its commit.
    """
    calls = iter([meanwhile])

    def decide(facts: Facts) -> Outcome[int | None]:
        next(calls, lambda: None)()
        if facts.row is None:
            return Outcome(answer=None)
        step = noted(facts.row, name)
        return Outcome(answer=step.after.version, commit=Commit(steps=(step,)))

    return Ask(wants=Wants(run_id=run_id, at_us=NOW_US), decide=decide)
