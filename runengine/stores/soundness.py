"""What must be true of a run that is kept: of its row by itself, and of its row and its history together. Pure.

`doctor` looks with it at what is there, and import at what is to come in. Source: DESIGN §4 (fold(history) = row).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from attrs import frozen

from runengine.core import PRACTICAL, SECOND_US, TERMINAL, Create, Policy, RunObject, shape_problems
from runengine.dialects import read_run
from runengine.dialects.events import read_event
from runengine.errors import DialectError, StoreError
from runengine.stores.folding import fold
from runengine.stores.records import Entry, Key, Row, Waiting
from runengine.stores.schema.checks import KEPT_SHAPE

__all__ = [
    "RULES",
    "Finding",
    "Rule",
    "create_problems",
    "history_findings",
    "key_problems",
    "life_findings",
    "row_findings",
]

Rule = Literal[
    "unreadable",
    "history",
    "record",
    "version",
    "losses",
    "shape",
    "deadline",
    "claimable",
    "lease",
    "fence",
    "cancel",
    "counts",
    "waiting",
    "one-active",
    "key",
    "feed",
    "overdue",
    "store",
]

RULES: Final[dict[Rule, str]] = {
    "unreadable": "what is stored can be read",
    "history": "a history begins with create or a snapshot, has no gap, and each event leads to the status it says",
    "record": "the record is what its history makes of it",
    "version": "version and last_us are those of the last entry, arrived_us of the one that led to the status",
    "losses": "losses counts the outcomes that came too late",
    "shape": "a record's fields agree with its status",
    "deadline": "a run has a next deadline until it ends: the first of expiry, lease and time to stop",
    "claimable": "a queued run can be claimed, one that a worker holds once its lease runs out",
    "lease": "owner and lease_until_us are set together, while the run is worked on",
    "fence": "the fence is that of the last claim, and never falls",
    "cancel": "cancel_until_us is set while cancelling",
    "counts": "version is 1 or more, counters are not negative, nothing is before the run's creation",
    "waiting": "a run counts the creates that wait for its end, and each waits behind a run",
    "one-active": "a thread has one run that has not ended",
    "key": "an idempotency key points to an entry of a run",
    "feed": "the feed has a run's entries in their order",
    "overdue": "what is due is done: somebody sweeps",
    "store": "the database keeps what it was told, and keeps the rules",
}
"""What each rule says; their names never change meaning."""

_KEPT_RULES: Final[dict[str, Rule]] = {
    "deadline_us": "deadline",
    "claimable_us": "claimable",
    "owner": "lease",
    "lease_until_us": "lease",
    "cancel_until_us": "cancel",
}


@frozen(kw_only=True)
class Finding:
    """Something that is not as it must be.

    Attributes:
        severity: error, or warning where nothing is broken yet.
        rule: Which, of `RULES`.
        run_id: The run, or None where it is the store's.
        message: One sentence.

    Example:
        >>> Finding(rule="fence", run_id="run_1", message="the fence fell").severity
        'error'
    """

    severity: Literal["error", "warning"] = "error"
    rule: Rule
    run_id: str | None = None
    message: str


def life_findings(row: Row, entries: Iterable[Entry], policy: Policy = PRACTICAL) -> Iterator[Finding]:
    """All that is wrong with a run and its history; it is sound if there is nothing.

    Args:
        row: The run.
        entries: Its whole history; read once, and as it comes.
        policy: Whose rows hold.

    Example:
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="queued", created_at=0,
        ...                 expires_at=600)
        >>> row = Row(run=run, version=1, last_us=0, deadline_us=600_000_000, claimable_us=0)
        >>> [finding.message for finding in life_findings(row, ())]
        ['it has no history']
    """
    yield from row_findings(row)
    yield from history_findings(row, entries, policy)


def row_findings(row: Row) -> Iterator[Finding]:
    """What is wrong with a row by itself.

    Example:
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="queued", created_at=0,
        ...                 expires_at=600)
        >>> row = Row(run=run, version=1, last_us=0, deadline_us=700_000_000)
        >>> [(finding.rule, finding.message) for finding in row_findings(row)]  # doctest: +NORMALIZE_WHITESPACE
        [('claimable', 'claimable_us is set in queued'),
         ('deadline', 'deadline_us is 700000000, but the first of expiry, lease and time to stop is 600000000')]
    """
    run_id, run = row.run.id, row.run
    for problem in shape_problems(run.status, vars(run)):
        yield Finding(rule="shape", run_id=run_id, message=problem.rule)
    for shape in KEPT_SHAPE:
        wanted, found = shape.presence_in(run.status), getattr(row, shape.field) is not None
        if wanted != "may" and found != (wanted == "must"):
            message = f"{shape.field} is {'null' if found else 'set'} in {run.status}"
            yield Finding(rule=_KEPT_RULES[shape.field], run_id=run_id, message=message)
    for rule, message in (*_times(row), *_holding(row), *_counting(row)):
        yield Finding(rule=rule, run_id=run_id, message=message)


def _times(row: Row) -> Iterator[tuple[Rule, str]]:
    run = row.run
    if run.status in TERMINAL or row.deadline_us is None or run.expires_at is None:
        return
    times = (run.expires_at * SECOND_US, row.lease_until_us, row.cancel_until_us)
    first = min(time for time in times if time is not None)
    if row.deadline_us != first:
        why = f"the first of expiry, lease and time to stop is {first}"
        yield "deadline", f"deadline_us is {row.deadline_us}, but {why}"


def _holding(row: Row) -> Iterator[tuple[Rule, str]]:
    if (row.owner is None) != (row.lease_until_us is None):
        yield "lease", "owner and lease_until_us are set together"
    if row.owner is None:
        return
    if row.fence < 1:
        yield "fence", f"{row.owner} holds it, but it was never claimed: its fence is {row.fence}"
    if row.run.status == "in_progress" and row.claimable_us != row.lease_until_us:
        yield "claimable", f"claimable_us is {row.claimable_us}, but its lease runs out at {row.lease_until_us}"


def _counting(row: Row) -> Iterator[tuple[Rule, str]]:
    if row.version < 1:
        yield "counts", f"version is {row.version}"
    for name in ("fence", "waiting", "losses"):
        if getattr(row, name) < 0:
            yield "counts", f"{name} is {getattr(row, name)}"
    if row.last_us < row.run.created_at * SECOND_US:
        yield "counts", f"last_us is {row.last_us}, before its creation"
    if row.run.status in TERMINAL and row.waiting:
        yield "waiting", f"it has ended, but {row.waiting} creates wait for its end"


def history_findings(row: Row, entries: Iterable[Entry], policy: Policy = PRACTICAL) -> Iterator[Finding]:
    """What is wrong with a history, or differs between it and the row.

    Args:
        row: The run.
        entries: Its whole history.
        policy: Whose rows hold.

    Example:
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="queued", created_at=0,
        ...                 expires_at=600)
        >>> row = Row(run=run, version=1, last_us=0, deadline_us=600_000_000, claimable_us=0)
        >>> start = Entry(run_id="r", seq=1, kind="event", name="start", at_us=5, status="in_progress")
        >>> [finding.message for finding in history_findings(row, [start])]
        ['entry 1: a history begins with create or a snapshot, not with start']
    """
    run_id, walk, run = row.run.id, _Walk(), None
    try:
        for entry, after in fold(_own(run_id, entries), policy):
            run = after
            for rule, message in walk.take(entry):
                yield Finding(rule=rule, run_id=run_id, message=f"entry {entry.seq}: {message}")
    except StoreError as error:
        yield Finding(rule="history", run_id=run_id, message=str(error).removeprefix(f"{run_id}, "))
        return
    if run is None:
        yield Finding(rule="history", run_id=run_id, message="it has no history")
        return
    for rule, message in (*_differences(row.run, run), *walk.compare(row)):
        yield Finding(rule=rule, run_id=run_id, message=message)


def _own(run_id: str, entries: Iterable[Entry]) -> Iterator[Entry]:
    for entry in entries:
        if entry.run_id != run_id:
            raise StoreError(f"{run_id}, entry {entry.seq}: it is of another run, {entry.run_id}")
        yield entry


def _differences(kept: RunObject, folded: RunObject) -> Iterator[tuple[Rule, str]]:
    """The fields in which the record is not what the history makes of it."""
    here, there = vars(kept), vars(folded)
    for name in here:
        if here[name] != there[name]:
            yield "record", f"{name} is {_shown(here[name])}, but its history makes it {_shown(there[name])}"


def _shown(value: object) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def create_problems(waiting: Waiting) -> Iterator[str]:
    """What is wrong with a create that waits.

    Example:
        >>> list(create_problems(Waiting(run_id="r", thread_id="t", at_us=5, request={}, digest="9f")))[0][:34]
        'its request cannot be read: $.run_'
    """
    try:
        create = read_event("create", waiting.at_us, dict(waiting.request))
    except (DialectError, ValueError, TypeError) as error:
        yield f"its request cannot be read: {error}"
        return
    assert isinstance(create, Create)
    for name in ("run_id", "thread_id"):
        if getattr(create, name) != getattr(waiting, name):
            yield f"it waits with {name} {getattr(waiting, name)!r}, but asks for {getattr(create, name)!r}"


def key_problems(key: Key) -> Iterator[str]:
    """What is wrong with an idempotency key by itself.

    Example:
        >>> list(key_problems(Key(key="k", run_id="r", event="cancel", digest="9f", seq=3, at_us=5, record={})))[0][:33]
        'its answer cannot be read: $.id: '
    """
    if key.seq < 0 or (key.seq == 0) != (key.record is None):
        answer = "no record" if key.record is None else "a record"
        yield f"its entry is {key.seq}, and its answer has {answer}; 0 and none are those of a create that waits"
    if key.record is None:
        return
    try:
        run = read_run(dict(key.record))
    except DialectError as error:
        yield f"its answer cannot be read: {error}"
        return
    if run.id != key.run_id:
        yield f"its answer is of {run.id}, not of {key.run_id}"


class _Walk:
    """What the entries of a history say of the row, one after the other."""

    def __init__(self) -> None:
        self._last: Entry | None = None
        self._arrived_us: int | None = 0
        self._losses = 0
        self._fence: int | None = 0

    def take(self, entry: Entry) -> Iterator[tuple[Rule, str]]:
        last, self._last = self._last, entry
        if entry.kind == "snapshot":
            self._arrived_us = None  # the snapshot does not say
        elif last is None or entry.status != last.status:
            self._arrived_us = entry.at_us
        if last is not None and entry.at_us < last.at_us:
            yield "history", f"it is of {entry.at_us}, before the one that stands before it ({last.at_us})"
        if last is not None and entry.position and entry.position <= last.position:
            yield "feed", f"its position, {entry.position}, does not come after {last.position}"
        if entry.kind == "lost":
            self._losses += 1
        elif entry.kind == "snapshot":
            losses = entry.data.get("losses", 0)
            self._losses, self._fence = losses if type(losses) is int else 0, None
        else:
            fence = entry.fence or 0
            if fence < (self._fence or 0):
                yield "fence", f"its fence, {fence}, is less than {self._fence}, which was before"
            self._fence = fence

    def compare(self, row: Row) -> Iterator[tuple[Rule, str]]:
        assert self._last is not None
        for name, kept, found in (
            ("version", row.version, self._last.seq),
            ("last_us", row.last_us, self._last.at_us),
            ("arrived_us", row.arrived_us, self._arrived_us),
        ):
            if kept != found and found is not None:
                yield "version", f"{name} is {kept}, but that of its history is {found}"
        if row.losses != self._losses:
            yield "losses", f"losses is {row.losses}, but its history has {self._losses}"
        if self._fence is not None and row.fence != self._fence:
            yield "fence", f"fence is {row.fence}, but that of its last claim is {self._fence}"
