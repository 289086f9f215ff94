"""What every plan is made of: a row moved by events, its deadlines, its history, and the create that its end lets in.

`Moves` gathers the steps of one commit. All is pure: rows in, rows out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve, frozen

from runengine.core import (
    JSON,
    SECOND_US,
    TERMINAL,
    Applied,
    Cancel,
    Create,
    Event,
    Expire,
    FinishCancel,
    Policy,
    Refused,
    RunObject,
    decide,
)
from runengine.dialects import write_run
from runengine.dialects.events import read_event, write_event
from runengine.embedding.answers import Answer
from runengine.embedding.plans.telling import told
from runengine.embedding.settings import Settings
from runengine.stores import Commit, Entry, EntryKind, Key, Outcome, Row, Step, Waiting

__all__ = ["Context", "Moves", "is_held", "is_overdue"]

KEPT_WHEN_LATE: Final = (
    "require_action",
    "submit_tool_outputs",
    "cancel",
    "finish_cancel",
    "complete",
    "exhaust_tokens",
    "fail",
)
"""Events that carry work or a wish: where one comes too late, the history keeps it."""


@frozen(kw_only=True)
class Context:
    """What every plan of a runtime shares.

    Attributes:
        policy: The table's rows that hold.
        settings: The host's choices.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> Context(policy=PRACTICAL, settings=Settings()).settings.ttl_s
        600
    """

    policy: Policy
    settings: Settings


def is_held(row: Row, at_us: int) -> bool:
    """Whether a worker holds the run at that time.

    Example:
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="in_progress", created_at=0)
        >>> row = Row(run=run, version=2, last_us=0, deadline_us=9, owner="w", lease_until_us=9)
        >>> is_held(row, 8), is_held(row, 9)
        (True, False)
    """
    return row.lease_until_us is not None and row.lease_until_us > at_us


def is_overdue(row: Row, at_us: int) -> bool:
    """Whether the run's own deadline has come by that time; one that has ended has none.

    Example:
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="queued", created_at=0,
        ...                 expires_at=9)
        >>> row = Row(run=run, version=1, last_us=0, deadline_us=9 * SECOND_US)
        >>> is_overdue(row, 9 * SECOND_US - 1), is_overdue(row, 9 * SECOND_US)
        (False, True)
    """
    return row.run.expires_at is not None and row.run.expires_at * SECOND_US <= at_us


class Moves:
    """The steps of one commit, in order, each seeing the one before.

    Args:
        context: Policy and settings.
        at_us: The time of all of them.
        waiting: The first create that waits on the thread, if any.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> moves = Moves(Context(policy=PRACTICAL, settings=Settings()), 5)
        >>> row = moves.give_birth(Create(at_us=5, run_id="r", thread_id="t", assistant_id="a", model="m"), digest=None)
        >>> row.deadline_us, [step.entry.name for step in moves.steps]
        (600000000, ['create'])
    """

    def __init__(self, context: Context, at_us: int, waiting: Waiting | None = None) -> None:
        self.context = context
        self.at_us = at_us
        self.steps: list[Step] = []
        self.enqueue: Waiting | None = None
        self.dequeue: str | None = None
        self._waiting = waiting

    def outcome(self, answer: Answer, key: Key | None = None) -> Outcome[Answer]:
        """An answer with what is to be written, and with what that does beside what was asked."""
        if not self.steps and key is None and self.dequeue is None:
            return Outcome(answer=answer)
        asked = (answer.run_id, answer.event)
        entries = ((step, step.entry) for step in self.steps if step.entry is not None and step.entry.kind == "event")
        also = tuple(
            told("applied", entry.name, step.before, step.after, self.at_us)
            for step, entry in entries
            if (entry.run_id, entry.name) != asked
        )
        commit = Commit(steps=tuple(self.steps), key=key, enqueue=self.enqueue, dequeue=self.dequeue)
        return Outcome(answer=evolve(answer, also=also) if also else answer, commit=commit)

    def give_birth(
        self, create: Create, digest: str | None, waiting: int = 0, more: Mapping[str, JSON] | None = None
    ) -> Row:
        """A run is born."""
        made = decide(None, create, self.context.policy)
        assert isinstance(made, Applied)
        unborn = Row(run=made.run, version=0, last_us=self.at_us, deadline_us=None, digest=digest, waiting=waiting)
        row = self._arranged(unborn, made.run)
        data = {"run": write_run(made.run), "ttl_s": create.ttl_s, **(more or {})}
        self.steps.append(Step(before=None, after=row, entry=self._entry(row, "event", "create", data)))
        return row

    def take(self, row: Row, event: Event, lease: tuple[str, float] | None = None) -> Row | Refused:
        """Move a run by an event; where that ends it, the first waiting create is born.

        Args:
            row: The run as it is.
            event: What happens, at the time of these moves.
            lease: Worker and seconds, where a worker takes the run with it.
        """
        decision = decide(row.run, event, self.context.policy)
        if isinstance(decision, Refused):
            return decision
        after = self._arranged(row, decision.run, lease)
        fence = after.fence or None
        entry = self._entry(after, "event", event.name, write_event(event), after.owner or row.owner, fence)
        self.steps.append(Step(before=row, after=after, entry=entry))
        if decision.run.status in TERMINAL and self._waiting is not None and row.run.status not in TERMINAL:
            waiting, self._waiting = self._waiting, None
            self._promote(waiting, row.waiting - 1)
        return after

    def cancel(self, row: Row, event: Cancel) -> Row | Refused:
        """Cancel a run; where no worker lives that could still stop or finish, through cancelling to cancelled."""
        held = is_held(row, self.at_us)
        hosted = row.run.status == "in_progress" and row.owner is None and row.claimable_us is None
        after = self.take(row, event)
        if isinstance(after, Refused) or held or hosted:
            return after
        return self.take(after, FinishCancel(at_us=self.at_us))

    def expire(self, row: Row) -> Row | Refused:
        """End a run whose deadline has passed."""
        return self.take(row, Expire(at_us=self.at_us))

    def note(self, row: Row, name: str, data: Mapping[str, JSON] | None = None, **changes: Any) -> Row:
        """Write what the record does not show into the history, and into the row."""
        after = self._changed(row, version=row.version + 1, last_us=self.at_us, **changes)
        entry = self._entry(after, "note", name, data or {}, after.owner or row.owner, after.fence or None)
        self.steps.append(Step(before=row, after=after, entry=entry))
        return after

    def lose(self, row: Row, event: Event, why: Mapping[str, JSON]) -> Row:
        """Keep an outcome that came too late, if there is room for it."""
        if event.name not in KEPT_WHEN_LATE or row.losses >= self.context.settings.losses_max:
            return row
        after = row.changed(version=row.version + 1, last_us=self.at_us, losses=row.losses + 1)
        entry = self._entry(after, "lost", event.name, {"payload": write_event(event), **why})
        self.steps.append(Step(before=row, after=after, entry=entry))
        return after

    def hold(self, row: Row, worker: str, lease_s: float) -> Row:
        """Make a lease last longer, never shorter; the history does not keep that."""
        until_us = max(row.lease_until_us or 0, self._until(lease_s))  # the clock may have gone backward
        after = self._changed(row, owner=worker, lease_until_us=until_us)
        self.steps.append(Step(before=row, after=after))
        return after

    def take_over(self, row: Row, worker: str, lease_s: float) -> Row:
        """Another worker takes a run whose lease has run out."""
        return self.note(row, "claim", owner=worker, lease_until_us=self._until(lease_s), fence=row.fence + 1)

    def _until(self, lease_s: float) -> int:
        return self.at_us + round(lease_s * SECOND_US)

    def _promote(self, waiting: Waiting, behind: int) -> None:
        create = read_event("create", self.at_us, dict(waiting.request))
        assert isinstance(create, Create)
        self.dequeue = waiting.run_id
        self.give_birth(create, waiting.digest, behind, {"waited_us": self.at_us - waiting.at_us})

    def _arranged(self, row: Row, run: RunObject, lease: tuple[str, float] | None = None) -> Row:
        """The row after an event: who holds it, who may claim it, until when."""
        kept: dict[str, Any] = {"owner": None, "lease_until_us": None, "claimable_us": None, "cancel_until_us": None}
        moved = run.status != row.run.status or row.version == 0
        if run.status in TERMINAL:
            kept["waiting"] = 0
        elif run.status == "queued":
            kept["claimable_us"] = self.at_us if moved else row.claimable_us
        elif lease is not None:
            worker, lease_s = lease
            kept |= {"owner": worker, "lease_until_us": self._until(lease_s), "fence": row.fence + 1}
        elif run.status == "in_progress" and not moved:
            kept = {name: getattr(row, name) for name in kept}
        elif run.status == "cancelling":
            grace_us = self.at_us + round(self.context.settings.cancel_grace_s * SECOND_US)
            kept["cancel_until_us"] = grace_us if moved else row.cancel_until_us
            if row.owner is not None and (is_held(row, self.at_us) or not moved):
                kept |= {"owner": row.owner, "lease_until_us": row.lease_until_us}
        if moved:
            kept["arrived_us"] = self.at_us
        return self._changed(row, run=run, version=row.version + 1, last_us=self.at_us, **kept)

    def _changed(self, row: Row, **changes: Any) -> Row:
        """The row with these changes and what follows from them: when it is due, from when it may be claimed."""

        def now(name: str) -> Any:
            return changes[name] if name in changes else getattr(row, name)

        run: RunObject = now("run")
        if run.status in TERMINAL:
            changes |= {"deadline_us": None, "claimable_us": None}
        else:
            assert run.expires_at is not None
            times = (run.expires_at * SECOND_US, now("lease_until_us"), now("cancel_until_us"))
            changes["deadline_us"] = min(t for t in times if t is not None)
            if run.status == "in_progress" and now("owner") is not None:
                changes["claimable_us"] = now("lease_until_us")
        return row.changed(**changes)

    def _entry(
        self,
        row: Row,
        kind: EntryKind,
        name: str,
        data: Mapping[str, JSON],
        worker: str | None = None,
        fence: int | None = None,
    ) -> Entry:
        return Entry(
            run_id=row.run.id,
            seq=row.version,
            kind=kind,
            name=name,
            at_us=self.at_us,
            status=row.run.status,
            data=data,
            worker=worker,
            fence=fence,
        )
