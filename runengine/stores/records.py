"""What a store keeps and is asked: the records that pass between plans and databases.

A *plan* is pure: it says what it wants to know (`Wants`), is shown it (`Facts`), and answers with what is to be
written (`Commit`), if anything. A *store* reads the facts and commits, all or nothing, and only if every row still is
what the plan saw. Nothing is checked first and written later. Source: DESIGN §4; FACTS Part D.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Generic, Literal, TypeVar

from attrs import Factory, frozen

from runengine.core import JSON, RunObject, Status

__all__ = [
    "Commit",
    "Entry",
    "EntryKind",
    "Facts",
    "Key",
    "Life",
    "Outcome",
    "Row",
    "RunQuery",
    "Step",
    "Waiting",
    "Wants",
]

EntryKind = Literal["event", "lost", "note", "snapshot"]
"""Of an entry: an event that was applied; an outcome that came too late; something the record does not show (a lease
taken over, a create that waits); the beginning of a compacted history."""

_new: Final = object.__new__

PAGE: Final = 20
"""Runs in a page of a list, as the API has it (FACTS §3)."""


@frozen(kw_only=True, slots=False)
class Row:
    """A run as a store keeps it: the record, and what the record has no field for.

    Attributes:
        run: The record.
        version: Number of its last history entry, from 1, without gaps.
        last_us: Time of its last entry, microseconds; the next is never before it.
        arrived_us: Time at which it came into its status, microseconds.
        deadline_us: The next moment at which `sweep` has something to do; None once the run has ended.
        claimable_us: From when a worker may claim it, or None where none may.
        fence: How often it was claimed: the token of the last claim.
        owner: The worker that holds it, or None.
        lease_until_us: Until when, or None.
        cancel_until_us: Until when its worker may take to stop, set while cancelling.
        waiting: Number of creates that wait for its end.
        losses: Number of entries of kind "lost" in its history.
        digest: Of the request that made it, by which a retried request is known.

    Example:
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="queued", created_at=0,
        ...                 expires_at=600)
        >>> Row(run=run, version=1, last_us=0, deadline_us=600_000_000, claimable_us=0).fence
        0
    """

    run: RunObject
    version: int
    last_us: int
    arrived_us: int = 0
    deadline_us: int | None
    claimable_us: int | None = None
    fence: int = 0
    owner: str | None = None
    lease_until_us: int | None = None
    cancel_until_us: int | None = None
    waiting: int = 0
    losses: int = 0
    digest: str | None = None

    def changed(self, **changes: Any) -> Row:
        """A copy with other values; every step makes one, and `attrs.evolve` costs ten times as much (decision 0001).

        Args:
            **changes: Attributes by their names; they are not checked.
        """
        made = _new(Row)
        made.__dict__.update(self.__dict__, **changes)
        return made


@frozen(kw_only=True)
class Entry:
    """One line of a run's history.

    Attributes:
        run_id: The run.
        seq: Its number in the run's history, from 1, without gaps.
        kind: See `EntryKind`.
        name: The event's name; of a note, what happened: `claim`, `lease_lost`, `release`, `enqueue`, `withdraw`.
        at_us: When, microseconds since the epoch.
        status: Of the run after it.
        data: The payload as JSON; of `create` and of a snapshot, the record under `run`.
        worker: Who did it, where that was a worker.
        fence: The worker's token.
        position: Its place in the store's feed; 0 until it is stored.

    Example:
        >>> Entry(run_id="r", seq=2, kind="event", name="start", at_us=5, status="in_progress").position
        0
    """

    run_id: str
    seq: int
    kind: EntryKind
    name: str
    at_us: int
    status: Status
    data: Mapping[str, JSON] = Factory(dict)
    worker: str | None = None
    fence: int | None = None
    position: int = 0


@frozen(kw_only=True)
class Key:
    """An answer that was given under an idempotency key.

    Attributes:
        key: The key, chosen by the caller.
        run_id: The run it was given for.
        event: The event's name.
        digest: Of the request; the same key with another request is refused.
        seq: The history entry that was written.
        at_us: When.
        record: The run as it was answered, as JSON; None where a create was made to wait.

    Example:
        >>> Key(key="k", run_id="r", event="cancel", digest="9f", seq=3, at_us=5, record=None).seq
        3
    """

    key: str
    run_id: str
    event: str
    digest: str
    seq: int
    at_us: int
    record: Mapping[str, JSON] | None


@frozen(kw_only=True)
class Waiting:
    """A create that waits for the thread's run to end.

    Attributes:
        run_id: Of the run it will be.
        thread_id: The thread.
        at_us: Since when.
        request: The `Create` event as JSON (`runengine.dialects.events`).
        digest: Of the request.
        first: Whether it goes before those that wait already (it interrupted the run).

    Example:
        >>> Waiting(run_id="r2", thread_id="t", at_us=5, request={}, digest="9f").first
        False
    """

    run_id: str
    thread_id: str
    at_us: int
    request: Mapping[str, JSON]
    digest: str
    first: bool = False


@frozen(kw_only=True)
class Wants:
    """What a plan has to know.

    Attributes:
        run_id: → `Facts.row` (and `waiting` behind it), or `Facts.pending`, the waiting create of that id.
        thread_id: → `Facts.active` (and `waiting` behind it).
        digest: With `thread_id` → `Facts.twin`, the thread's newest run made by that request, and, unless one waits
            under `run_id`, `Facts.pending`, its newest waiting create.
        key: → `Facts.key`.
        claim: → `Facts.row`: the run that has been claimable longest, at `at_us`; no two plans are shown the same at
            the same time.
        at_us: The time at which claimable is meant; None: the store's.

    Example:
        >>> Wants(run_id="r").claim
        False
    """

    run_id: str | None = None
    thread_id: str | None = None
    digest: str | None = None
    key: str | None = None
    claim: bool = False
    at_us: int | None = None


@frozen(kw_only=True)
class Facts:
    """What the store found.

    Attributes:
        row: The run asked for, or the one to claim.
        active: The thread's run that has not ended.
        twin: The newest run made by the same request.
        key: The answer given under the key.
        waiting: The first create that waits behind `row`, or behind `active`.
        pending: The waiting create with the id, or of the same request; `active` is then loaded too.
        now_us: The store's time, where it has a clock of its own.

    Example:
        >>> Facts().row is None
        True
    """

    row: Row | None = None
    active: Row | None = None
    twin: Row | None = None
    key: Key | None = None
    waiting: Waiting | None = None
    pending: Waiting | None = None
    now_us: int | None = None


@frozen(kw_only=True)
class Step:
    """One guarded write.

    Attributes:
        before: The row as the plan saw it: the store writes only if version, status, fence and lease still are these.
            None: the run must not be there yet.
        after: The row to write.
        entry: Its line of history; None for a heartbeat and what else history does not keep.

    Example:
        >>> Step.__attrs_attrs__.entry.default is None
        True
    """

    before: Row | None
    after: Row
    entry: Entry | None = None


@frozen(kw_only=True)
class Commit:
    """What is written in one transaction, in this order, or not at all.

    Attributes:
        steps: The writes; several may be of one run, each seeing the one before.
        key: An idempotency key to keep.
        enqueue: A create that is to wait.
        dequeue: Id of a waiting create that is born or withdrawn by this.

    Example:
        >>> Commit(steps=()).key is None
        True
    """

    steps: tuple[Step, ...]
    key: Key | None = None
    enqueue: Waiting | None = None
    dequeue: str | None = None


A_co = TypeVar("A_co", covariant=True)


@frozen(kw_only=True)
class Outcome(Generic[A_co]):
    """What a plan makes of the facts.

    Attributes:
        answer: For the caller, true once the commit is done.
        commit: What to write, or None.

    Example:
        >>> Outcome(answer="not found").commit is None
        True
    """

    answer: A_co
    commit: Commit | None = None


@frozen(kw_only=True)
class RunQuery:
    """Which runs to list.

    Attributes:
        thread_id: Of this thread only.
        statuses: In one of these only; empty for all.
        created_from: created_at ≥ this, Unix seconds.
        created_until: created_at < this, Unix seconds.
        after: Id of the run after which to begin, in the order asked for.
        limit: Runs at most, > 0.
        newest_first: By created_at, then id.

    Example:
        >>> RunQuery(statuses=("queued",)).limit
        20
    """

    thread_id: str | None = None
    statuses: tuple[Status, ...] = ()
    created_from: int | None = None
    created_until: int | None = None
    after: str | None = None
    limit: int = PAGE
    newest_first: bool = True


@frozen(kw_only=True)
class Life:
    """A run with its whole history, as export writes it and import reads it.

    Attributes:
        row: The run.
        entries: Its history, in order.

    Example:
        >>> [a.name for a in Life.__attrs_attrs__]
        ['row', 'entries']
    """

    row: Row
    entries: tuple[Entry, ...]
