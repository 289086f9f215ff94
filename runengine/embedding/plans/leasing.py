"""The plans of workers: claim, heartbeat, release; and of `sweep`: what to do with a run whose deadline has come."""

from __future__ import annotations

from attrs import field, frozen

from runengine.core import TERMINAL, Event, Expire, Fail, FinishCancel, Refused, Start, decide
from runengine.core.table import ENDED_BY
from runengine.embedding.answers import Answer
from runengine.embedding.plans.acting import moment
from runengine.embedding.plans.moves import Context, Moves, is_held, is_overdue
from runengine.embedding.plans.telling import told
from runengine.embedding.values import count, identifier, seconds
from runengine.stores import Facts, Outcome, Row, Wants

__all__ = ["Claim", "Heartbeat", "Lapse", "Release"]


@frozen(kw_only=True)
class Claim:
    """A worker asks for a run: one that is queued is started, one whose worker is gone is taken over.

    The answer is None where there is nothing to claim. Where the first in line is past its deadline, or must fail with
    its worker, that is done and answered instead: ask again.

    Attributes:
        context: Policy and settings.
        worker: Its name.
        lease_s: For how long.
        at_us: Now, or None for the store's clock.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> from runengine.embedding.settings import Settings
        >>> claim = Claim(context=Context(policy=PRACTICAL, settings=Settings()), worker="w", lease_s=30, at_us=5)
        >>> claim.plan(Facts()).answer is None
        True
    """

    context: Context
    worker: str = field(validator=identifier)
    lease_s: float = field(validator=seconds)
    at_us: int | None

    @property
    def wants(self) -> Wants:
        """The run that has been claimable longest."""
        return Wants(claim=True, at_us=self.at_us)

    def plan(self, facts: Facts) -> Outcome[Answer | None]:
        """Decide."""
        row = facts.row
        if row is None:
            return Outcome(answer=None)
        at_us = moment(facts, self.at_us, row)
        moves = Moves(self.context, at_us, facts.waiting)
        if is_overdue(row, at_us):
            return _lapsed(row, moves)
        if row.run.status == "queued":
            after = moves.take(row, Start(at_us=at_us), lease=(self.worker, self.lease_s))
            assert not isinstance(after, Refused)
            return moves.outcome(told("applied", "start", row, after, at_us))
        if self.context.settings.lease_lost == "fail" and row.owner is not None:
            return _lapsed(row, moves)
        after = moves.take_over(row, self.worker, self.lease_s)
        return moves.outcome(told("applied", "claim", row, after, at_us))


@frozen(kw_only=True)
class _Held:
    context: Context
    run_id: str = field(validator=identifier)
    fence: int = field(validator=count)
    at_us: int | None

    @property
    def wants(self) -> Wants:
        """The run."""
        return Wants(run_id=self.run_id, at_us=self.at_us)

    def _refusal(self, event: str, facts: Facts, at_us: int) -> Answer | None:
        row = facts.row
        if row is None:
            return Answer(kind="not_found", event=event, run_id=self.run_id, at_us=at_us)
        if row.run.status in TERMINAL:
            refused = Refused("late", self.run_id, row.run.status, event, ended_by=ENDED_BY[row.run.status])
            return told("lost", event, row, row, at_us, refused=refused)
        if self.fence != row.fence or row.owner is None:
            return told("fenced", event, row, row, at_us, expected=self.fence)
        return None


@frozen(kw_only=True)
class Heartbeat(_Held):
    """A worker is still there: its lease lasts longer.

    Attributes:
        context: Policy and settings.
        run_id: The run.
        fence: The token of its claim.
        at_us: Now, or None for the store's clock.
        lease_s: For how long from now.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> from runengine.embedding.settings import Settings
        >>> context = Context(policy=PRACTICAL, settings=Settings())
        >>> Heartbeat(context=context, run_id="r", fence=1, at_us=5, lease_s=30).plan(Facts()).answer.kind
        'not_found'
    """

    lease_s: float = field(validator=seconds)

    def plan(self, facts: Facts) -> Outcome[Answer]:
        """Decide; the answer's run tells whether a cancel has come."""
        row = facts.row
        at_us = moment(facts, self.at_us, None)
        if refusal := self._refusal("heartbeat", facts, at_us):
            return Outcome(answer=refusal)
        assert row is not None
        assert row.owner is not None
        moves = Moves(self.context, at_us)
        after = moves.hold(row, row.owner, self.lease_s)
        return moves.outcome(told("applied", "heartbeat", row, after, at_us))


@frozen(kw_only=True)
class Release(_Held):
    """A worker gives a run back: another may claim it at once; one that is being cancelled is cancelled.

    Attributes:
        context: Policy and settings.
        run_id: The run.
        fence: The token of its claim.
        at_us: Now, or None for the store's clock.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> from runengine.embedding.settings import Settings
        >>> context = Context(policy=PRACTICAL, settings=Settings())
        >>> Release(context=context, run_id="r", fence=1, at_us=5).plan(Facts()).answer.kind
        'not_found'
    """

    def plan(self, facts: Facts) -> Outcome[Answer]:
        """Decide."""
        row = facts.row
        at_us = moment(facts, self.at_us, row)
        if refusal := self._refusal("release", facts, at_us):
            return Outcome(answer=refusal)
        assert row is not None
        moves = Moves(self.context, at_us, facts.waiting)
        if is_overdue(row, at_us):
            outcome = _lapsed(row, moves)
            assert outcome.answer is not None
            return Outcome(answer=outcome.answer, commit=outcome.commit)
        claimable = at_us if row.run.status == "in_progress" else None
        after: Row | Refused
        after = moves.note(row, "release", owner=None, lease_until_us=None, claimable_us=claimable)
        if row.run.status == "cancelling":
            after = moves.take(after, FinishCancel(at_us=at_us))
            assert not isinstance(after, Refused)
        return moves.outcome(told("applied", "release", row, after, at_us))


@frozen(kw_only=True)
class Lapse:
    """What `sweep` does with one run; the answer is None where its deadline has not come, or comes no more.

    Attributes:
        context: Policy and settings.
        run_id: The run.
        at_us: Now, or None for the store's clock.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> from runengine.embedding.settings import Settings
        >>> context = Context(policy=PRACTICAL, settings=Settings())
        >>> Lapse(context=context, run_id="r", at_us=5).plan(Facts()).answer is None
        True
    """

    context: Context
    run_id: str
    at_us: int | None

    @property
    def wants(self) -> Wants:
        """The run."""
        return Wants(run_id=self.run_id, at_us=self.at_us)

    def plan(self, facts: Facts) -> Outcome[Answer | None]:
        """Decide."""
        row = facts.row
        now_us = moment(facts, self.at_us, None)
        if row is None or row.deadline_us is None or row.deadline_us > now_us:
            return Outcome(answer=None)
        return _lapsed(row, Moves(self.context, moment(facts, self.at_us, row), facts.waiting))


def _lapsed(row: Row, moves: Moves) -> Outcome[Answer | None]:
    """Its deadline, else the end of the time its worker had to stop, else the end of its lease."""
    at_us = moves.at_us
    event = _due_event(row, at_us, moves.context)
    after: Row | Refused
    if event is None:
        after = moves.note(row, "lease_lost", {"worker": row.owner}, owner=None, lease_until_us=None)
        return moves.outcome(told("applied", "lease_lost", row, after, at_us))
    after = moves.take(row, event)
    assert not isinstance(after, Refused)
    return moves.outcome(told("applied", event.name, row, after, at_us))


def _due_event(row: Row, at_us: int, context: Context) -> Event | None:
    """The event that ends the run now; None where only a worker is gone and another may come."""
    if is_overdue(row, at_us):
        return Expire(at_us=at_us)
    if row.run.status == "cancelling":
        return FinishCancel(at_us=at_us)
    if context.settings.lease_lost == "fail" and not is_held(row, at_us):
        message = f"The worker {row.owner} was lost: its lease ran out."
        failed = Fail(at_us=at_us, code="server_error", message=message)
        return None if isinstance(decide(row.run, failed, context.policy), Refused) else failed
    return None
