"""The plan of every event on a run that is there: replay, find stale, fence, decide, keep what came too late."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from attrs import evolve, field, frozen
from attrs.validators import optional

from runengine.core import JSON, TERMINAL, Cancel, Event, FinishCancel, Refused, decide
from runengine.dialects import encode, read_run, write_run
from runengine.dialects.events import write_event
from runengine.embedding.answers import Answer, AnswerKind
from runengine.embedding.plans.moves import Context, Moves, is_held
from runengine.embedding.plans.telling import told
from runengine.embedding.values import count, identifier
from runengine.stores import Facts, Key, Outcome, Row, Wants

__all__ = ["Act", "digest_of", "kept", "moment", "replayed"]

_WORKERS: Final = ("start", "require_action", "complete", "exhaust_tokens", "fail", "finish_cancel")
"""Events of the one who works on a run: where a worker holds it, its token must be shown."""

_COMPLETIONS: Final = ("complete", "exhaust_tokens")
_KINDS: Final[dict[str, AnswerKind]] = {"late": "lost", "illegal": "illegal", "guard": "guard", "unknown": "illegal"}


def digest_of(name: str, run_id: str | None, payload: Mapping[str, JSON]) -> str:
    """A digest by which the same request is known again.

    Example:
        >>> digest_of("cancel", "r", {"a": 1, "b": 2}) == digest_of("cancel", "r", {"b": 2, "a": 1})
        True
    """
    return hashlib.sha256(encode([name, run_id, _sorted(payload)])).hexdigest()


def _sorted(value: JSON) -> JSON:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def moment(facts: Facts, at_us: int | None, row: Row | None) -> int:
    """The time of a request: the caller's clock or else the store's, never before the run's last entry.

    Example:
        >>> moment(Facts(now_us=7), None, None), moment(Facts(now_us=7), 9, None)
        (7, 9)
    """
    now = at_us if at_us is not None else facts.now_us
    if now is None:
        raise ValueError("the store has no clock of its own; give the runtime one")
    return now if row is None else max(now, row.last_us)


def replayed(key: Key, event: str, digest: str, at_us: int) -> Answer:
    """The answer given under a key before, or a refusal where the key was used for another request.

    Example:
        >>> key = Key(key="k", run_id="r", event="cancel", digest="9f", seq=3, at_us=5, record=None)
        >>> replayed(key, "cancel", "9f", 7).kind, replayed(key, "fail", "00", 7).message
        ('withdrawn', "r: fail refused by same_request: the key 'k' was used for another request (cancel)")
    """
    run = None if key.record is None else read_run(dict(key.record))
    if key.digest == digest:
        kind: AnswerKind = "replayed" if run is not None else "waiting" if event == "create" else "withdrawn"
        return Answer(kind=kind, event=event, run_id=key.run_id, run=run, at_us=at_us, version=key.seq or None)
    why = f"the key {key.key!r} was used for another request ({key.event})"
    refused = Refused("guard", key.run_id, None, event, guard="same_request", why=why)
    return Answer(kind="guard", event=event, run_id=key.run_id, at_us=at_us, refused=refused)


def kept(key: str, event: str, run_id: str, digest: str, row: Row | None, at_us: int) -> Key:
    """What is kept under a key, for `replayed`: the run as it is answered, or None where there is none yet.

    Example:
        >>> kept("k", "create", "r", "9f", None, 5).seq
        0
    """
    return Key(
        key=key,
        run_id=run_id,
        event=event,
        digest=digest,
        seq=0 if row is None else row.version,
        at_us=at_us,
        record=None if row is None else write_run(row.run),
    )


@frozen(kw_only=True)
class Act:
    """One event on one run.

    Attributes:
        context: Policy and settings.
        run_id: The run.
        event: What happens; its time is set by the plan.
        at_us: Now, or None for the store's clock.
        fence: The token of the worker who does it, or None.
        expect: The version the run must have, or None.
        key: Under which the same request gets the same answer, or None.

    Raises:
        ValueError: the id or the key is not what every store can keep.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> from runengine.embedding.settings import Settings
        >>> context = Context(policy=PRACTICAL, settings=Settings())
        >>> Act(context=context, run_id="r", event=Cancel(at_us=0), at_us=5).plan(Facts()).answer.kind
        'not_found'
    """

    context: Context
    run_id: str = field(validator=identifier)
    event: Event
    at_us: int | None
    fence: int | None = field(default=None, validator=optional(count))
    expect: int | None = field(default=None, validator=optional(count))
    key: str | None = field(default=None, validator=optional(identifier))

    @property
    def wants(self) -> Wants:
        """The run, and the key's answer."""
        return Wants(run_id=self.run_id, key=self.key, at_us=self.at_us)

    def plan(self, facts: Facts) -> Outcome[Answer]:
        """Decide."""
        row = facts.row
        at_us = moment(facts, self.at_us, row)
        if facts.key is not None:
            return Outcome(answer=replayed(facts.key, self.event.name, self._digest, at_us))
        if row is None:
            return self._absent(facts, at_us)
        event = evolve(self.event, at_us=at_us)
        if self.expect is not None and self.expect != row.version:
            return Outcome(answer=told("stale", self.event.name, row, row, at_us, expected=self.expect))
        moves = Moves(self.context, at_us, facts.waiting)
        if self._is_fenced(row, at_us):
            after = moves.lose(row, event, {"reason": "fenced", "fence": self.fence}) if self.fence is not None else row
            answer = told("fenced", self.event.name, row, after, at_us, expected=self.fence)
            return moves.outcome(answer)
        return self._decide(row, event, moves)

    def _decide(self, row: Row, event: Event, moves: Moves) -> Outcome[Answer]:
        is_beaten = row.run.status == "cancelling" and event.name in _COMPLETIONS
        if is_beaten and self.context.settings.completion == "cancel_wins":
            usage = getattr(event, "usage", None)
            return self._beaten(row, event, FinishCancel(at_us=moves.at_us, usage=usage), moves)
        after = moves.cancel(row, event) if isinstance(event, Cancel) else moves.take(row, event)
        if isinstance(after, Refused):
            if after.guard == "before_deadline":
                ended = moves.expire(row)
                if not isinstance(ended, Refused):
                    return self._lost(row, ended, event, moves)
            if after.reason == "late":
                return self._lost(row, row, event, moves)
            answer = told(_KINDS[after.reason], self.event.name, row, row, moves.at_us, refused=after)
            return Outcome(answer=answer)
        answer = told("applied", self.event.name, row, after, moves.at_us)
        return moves.outcome(answer, self._key(after, moves.at_us))

    def _beaten(self, row: Row, event: Event, winner: Event, moves: Moves) -> Outcome[Answer]:
        ended = moves.take(row, winner)
        if isinstance(ended, Refused):
            return Outcome(answer=told(_KINDS[ended.reason], self.event.name, row, row, moves.at_us, refused=ended))
        return self._lost(row, ended, event, moves)

    def _lost(self, row: Row, ended: Row, event: Event, moves: Moves) -> Outcome[Answer]:
        refused = decide(ended.run, event, self.context.policy)
        assert isinstance(refused, Refused)
        after = moves.lose(ended, event, {"reason": refused.reason, "ended_by": refused.ended_by})
        answer = told("lost", self.event.name, row, after, moves.at_us, refused=refused)
        return moves.outcome(answer)

    def _absent(self, facts: Facts, at_us: int) -> Outcome[Answer]:
        """No run: a create that waits under this id can be withdrawn by a cancel."""
        pending, active = facts.pending, facts.active
        if pending is None or not isinstance(self.event, Cancel):
            return Outcome(answer=Answer(kind="not_found", event=self.event.name, run_id=self.run_id, at_us=at_us))
        moves = Moves(self.context, at_us if active is None else max(at_us, active.last_us))
        moves.dequeue = pending.run_id
        if active is not None:
            moves.note(active, "withdraw", {"run_id": pending.run_id}, waiting=max(0, active.waiting - 1))
        answer = Answer(
            kind="withdrawn", event="cancel", run_id=self.run_id, at_us=moves.at_us, thread_id=pending.thread_id
        )
        return moves.outcome(answer, self._key(None, moves.at_us))

    def _is_fenced(self, row: Row, at_us: int) -> bool:
        if row.run.status in TERMINAL:
            return False
        if self.fence is not None:
            return self.fence != row.fence or row.owner is None
        return self.event.name in _WORKERS and is_held(row, at_us)

    @property
    def _digest(self) -> str:
        return digest_of(self.event.name, self.run_id, write_event(self.event))

    def _key(self, row: Row | None, at_us: int) -> Key | None:
        return kept(self.key, self.event.name, self.run_id, self._digest, row, at_us) if self.key is not None else None
