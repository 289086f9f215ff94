"""The plan of `create`: known again, or born, or refused, or made to wait, or let in by interrupting."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from attrs import evolve, field, frozen
from attrs.validators import in_, optional

from runengine.core import SECOND_US, Cancel, Create, Refused
from runengine.dialects.events import write_event
from runengine.embedding.answers import Answer, AnswerKind
from runengine.embedding.plans.acting import digest_of, kept, moment, replayed
from runengine.embedding.plans.moves import Context, Moves, is_overdue
from runengine.embedding.settings import ThreadStrategy
from runengine.embedding.values import check_id, check_seconds, count, identifier
from runengine.stores import Facts, Key, Outcome, Row, Waiting, Wants

__all__ = ["Birth"]


@frozen(kw_only=True, slots=False)
class Birth:
    """A run is asked for.

    Attributes:
        context: Policy and settings.
        create: The request; its time is set by the plan.
        at_us: Now, or None for the store's clock.
        thread: What to do where the thread is busy.
        key: Under which the same request gets the same answer, or None.
        retry: How often the caller has sent it before: from 1 on it is looked for by its body.
        named: Whether the caller chose the run's id.

    Raises:
        ValueError: an id, the key, the ttl or the strategy is not what every store can keep.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> from runengine.embedding.settings import Settings
        >>> create = Create(at_us=0, run_id="r", thread_id="t", assistant_id="a", model="m")
        >>> context = Context(policy=PRACTICAL, settings=Settings())
        >>> birth = Birth(context=context, create=create, at_us=5, thread="reject")
        >>> birth.plan(Facts()).answer.status
        'queued'
    """

    context: Context
    create: Create = field()
    at_us: int | None
    thread: ThreadStrategy = field(validator=in_(("reject", "enqueue", "interrupt")))
    key: str | None = field(default=None, validator=optional(identifier))
    retry: int = field(default=0, validator=count)
    named: bool = False

    @create.validator  # pyright: ignore[reportAttributeAccessIssue] # attrs' own
    def _check(self, _attribute: Any, create: Create) -> None:
        check_id("run_id", create.run_id)
        check_id("thread_id", create.thread_id)
        check_seconds("ttl_s", create.ttl_s)

    @property
    def wants(self) -> Wants:
        """The thread's run, the id's, the key's answer, and for a retry the run its body made."""
        return Wants(
            run_id=self.create.run_id if self.named else None,
            thread_id=self.create.thread_id,
            digest=self.digest if self.retry and self.key is None else None,
            key=self.key,
            at_us=self.at_us,
        )

    @cached_property
    def digest(self) -> str:
        """Of all that was asked but the id, unless the caller chose it."""
        payload = write_event(self.create)
        if not self.named:
            del payload["run_id"]
        return digest_of("create", None, payload)

    def plan(self, facts: Facts) -> Outcome[Answer]:
        """Decide."""
        active = facts.active
        at_us = moment(facts, self.at_us, active)
        if facts.key is not None:
            return Outcome(answer=replayed(facts.key, "create", self.digest, at_us))
        if known := self._known(facts, at_us):
            return Outcome(answer=known)
        if facts.row is not None or (facts.pending and facts.pending.run_id == self.create.run_id):
            return Outcome(answer=self._answer("exists", at_us))
        moves = Moves(self.context, at_us, facts.waiting)
        if active is not None and not self._clear(active, moves):
            return self._busy(active, moves)
        row = moves.give_birth(evolve(self.create, at_us=at_us), self.digest)
        return self._born(row, moves)

    def _known(self, facts: Facts, at_us: int) -> Answer | None:
        """The answer to the request this one repeats, if it came within the window."""
        if self.retry == 0 or self.key is not None:
            return None
        since_us = at_us - round(self.context.settings.retry_window_s * SECOND_US)
        twin, pending = facts.twin, facts.pending
        if pending is not None and pending.digest == self.digest and pending.at_us >= since_us:  # asked for last
            active = None if facts.active is None else facts.active.run.id
            return evolve(self._answer("waiting", at_us), run_id=pending.run_id, active=active)
        if twin is not None and (twin.run.created_at + 1) * SECOND_US > since_us:
            return self._answer("replayed", at_us, twin)
        return None

    def _clear(self, active: Row, moves: Moves) -> bool:
        """End a run whose deadline has passed, unless another create waits behind it."""
        can_end = active.waiting == 0 and is_overdue(active, moves.at_us)
        return can_end and not isinstance(moves.expire(active), Refused)

    def _busy(self, active: Row, moves: Moves) -> Outcome[Answer]:
        if self.thread == "reject":
            return Outcome(answer=evolve(self._answer("busy", moves.at_us), active=active.run.id))
        if self.thread == "interrupt":
            return self._interrupt(active, moves)
        return self._wait(active, moves, first=False)

    def _interrupt(self, active: Row, moves: Moves) -> Outcome[Answer]:
        """Cancel the run: the new one is born at once if that ends it, and else waits before all others."""
        moves = Moves(self.context, moves.at_us)  # whoever waits goes on waiting, behind the one that interrupts
        cancelled = moves.cancel(active, Cancel(at_us=moves.at_us, reason=f"interrupted by {self.create.run_id}"))
        if isinstance(cancelled, Refused):
            return self._wait(active, moves, first=True)
        if cancelled.deadline_us is not None:
            return self._wait(cancelled, moves, first=True)
        row = moves.give_birth(evolve(self.create, at_us=moves.at_us), self.digest, active.waiting)
        return self._born(row, moves)

    def _wait(self, active: Row, moves: Moves, *, first: bool) -> Outcome[Answer]:
        moves.note(active, "enqueue", {"run_id": self.create.run_id}, waiting=active.waiting + 1)
        moves.enqueue = Waiting(
            run_id=self.create.run_id,
            thread_id=self.create.thread_id,
            at_us=moves.at_us,
            request=write_event(self.create),
            digest=self.digest,
            first=first,
        )
        answer = evolve(self._answer("waiting", moves.at_us), active=active.run.id)
        return moves.outcome(answer, self._key(None, moves.at_us))

    def _born(self, row: Row, moves: Moves) -> Outcome[Answer]:
        answer = self._answer("applied", moves.at_us, row)
        return moves.outcome(answer, self._key(row, moves.at_us))

    def _key(self, row: Row | None, at_us: int) -> Key | None:
        return kept(self.key, "create", self.create.run_id, self.digest, row, at_us) if self.key is not None else None

    def _answer(self, kind: AnswerKind, at_us: int, row: Row | None = None) -> Answer:
        return Answer(
            kind=kind,
            event="create",
            run_id=self.create.run_id if row is None else row.run.id,
            run=None if row is None else row.run,
            at_us=at_us,
            version=None if row is None else row.version,
            fence=None if row is None else row.fence,
            thread_id=self.create.thread_id,
        )
