"""From the observations of runs to their stays: how long each was in a status, as far as known, and what ended it.

A history tells every moment. A poller tells that something happened between two looks; stamps narrow that to a second;
steps that nobody saw are found by `hidden_steps`, by the narrowest policy that explains them. What is known of a moment
is a span, and stays as wide as it is: nothing is guessed here.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from attrs import define

from runengine.core import ARRIVAL_STAMP, POLICIES, SECOND_US, STATUSES, TERMINAL, Status, Transition
from runengine.core.shape import end_stamp
from runengine.core.trace import hidden_steps
from runengine.simulation.fitting.spans import FAR_US, Span, in_order, narrowed, of_stamp
from runengine.validation.observations import Observation

__all__ = ["Sight", "Stay", "StayReader", "sight_of"]

_MICROSECONDS_FROM: Final = 1e11
"""No moment in seconds is as late as this (the year 5138)."""

_ACTS: Final = {"create": "create", "submit": "submit_tool_outputs", "cancel": "cancel", "modify": "modify"}
"""The event that an answer of each kind answers."""

_WIDEST: Final = POLICIES["permissive"]
_BREADTHS: Final = tuple(POLICIES)
_STARTED_AT: Final = "started_at"
_IN_PROGRESS: Final = "in_progress"
_QUEUED: Final = "queued"
_START: Final = next(row for row in _WIDEST.rows if row.edge == (_QUEUED, _IN_PROGRESS))


class Stay(NamedTuple):
    """A run's time in a status.

    Attributes:
        source: The status.
        row: What ended it, or None where the recording ends before that.
        start: When it began.
        end: When it ended; of an open one, the last moment at which it is known to have lasted.
        deadline_us: The run's deadline, or None where it is not known.
        started: Whether the run had started before.
        rounds: How often it had required action.
        hidden: Whether the step that ended it was not seen, and follows from those that were.
        whole: Whether the stay was in sight from its beginning; else it is known because it lasted until then.

    Example:
        >>> Stay("queued", None, Span(0, 0), Span(7, 7), None, False, 0, False, True).is_exact
        True
    """

    source: Status
    row: Transition | None
    start: Span
    end: Span
    deadline_us: int | None
    started: bool
    rounds: int
    hidden: bool
    whole: bool

    @property
    def is_exact(self) -> bool:
        """Whether its length is known to the microsecond."""
        return self.start.is_exact and self.end.is_exact

    @property
    def least_us(self) -> int:
        """The shortest it can have been."""
        return max(0, self.end.least_us - self.start.most_us)

    @property
    def most_us(self) -> int:
        """The longest it can have been; of an open one, `FAR_US`."""
        return FAR_US if self.row is None else max(0, self.end.most_us - self.start.least_us)


class Sight(NamedTuple):
    """What one observation tells of its run.

    Attributes:
        status: The status.
        started_at: The stamp.
        ended_at: The stamp of its end.
        deadline_s: `expires_at`.
        created_at: The stamp.
        seen: When it was seen; its latest is `FAR_US` where the recording does not say.
        event: The event of a history, or the one that the answer answers.
        born: Whether the run is seen from its creation.
        metadata: To be compared with the next.
        calls_functions: Whether the run may require action at all.
        told: Whether a history tells it, in which nothing is missing.

    Example:
        >>> record = {"id": "r", "status": "queued", "created_at": 7, "started_at": None}
        >>> sight_of(Observation(record, 1)).born
        True
    """

    status: Status
    started_at: int | None
    ended_at: int | None
    deadline_s: int | None
    created_at: int
    seen: Span
    event: str | None
    born: bool
    metadata: Any
    calls_functions: bool
    told: bool


def sight_of(item: Observation) -> Sight | None:
    """What an observation tells, or None where it tells too little: no status, or no created_at in whole seconds.

    Args:
        item: Of a native record.

    Example:
        >>> sight_of(Observation({"status": "paused"}, 1)) is None
        True
    """
    record = item.record
    status, created_at = record.get("status"), _stamp(record, "created_at")
    if not isinstance(status, str) or status not in STATUSES or created_at is None:
        return None
    ends = end_stamp(status)
    started_at, ended_at = _stamp(record, _STARTED_AT), _stamp(record, ends) if ends else None
    stamped_us = max(created_at, started_at or 0, ended_at or 0) * SECOND_US
    kind = item.envelope.get("kind") if item.envelope else None
    event = item.event if item.source == "history" else _ACTS.get(str(kind)) if item.source == "snapshot" else None
    born = item.created or item.event in ("create", "thread.run.created") or (status == _QUEUED and started_at is None)
    tools = record.get("tools")
    functions = not isinstance(tools, list) or any(isinstance(t, dict) and t.get("type") == "function" for t in tools)
    return Sight(
        status=status,  # pyright: ignore[reportArgumentType] - it is in STATUSES
        started_at=started_at,
        ended_at=ended_at,
        deadline_s=_stamp(record, "expires_at"),
        created_at=created_at,
        seen=_seen(item, stamped_us),
        event=event,
        born=born,
        metadata=record.get("metadata"),
        calls_functions=functions,
        told=item.source == "history",
    )


def _stamp(record: dict[str, Any], name: str) -> int | None:
    value = record.get(name)
    return value if type(value) is int and 0 <= value < _MICROSECONDS_FROM else None


def _seen(item: Observation, stamped_us: int) -> Span:
    at_s = item.observed_s
    if at_s is None or not 0 <= at_s < _MICROSECONDS_FROM:
        return Span(stamped_us, FAR_US)
    at_us = round(at_s * SECOND_US)
    if item.source == "history":
        return Span(at_us, at_us)
    whole = SECOND_US if at_us % SECOND_US == 0 else 0
    return Span(max(at_us, stamped_us), max(at_us + whole, stamped_us))


@define
class _Run:
    """What is remembered of a run: its last sight, and since when it is where it is."""

    sight: Sight
    since: Span | None
    whole: bool
    started: bool
    rounds: int
    deadline_us: int | None
    from_birth: bool
    created: Span


class StayReader:
    """Reads the runs of one recording. Memory: one snapshot's facts for each run that has not ended.

    Attributes:
        clashes: Moments at which the recorder's clock and a stamp contradict each other; the stamp was taken.
        disordered: Snapshots older than the one before; they were left out.
        unexplained: Changes of status that no policy explains; the stays on both sides were left out.

    Example:
        >>> seen = [{"status": "queued"}, {"status": "completed", "started_at": 8, "completed_at": 12}]
        >>> reader = StayReader()
        >>> for record in seen:
        ...     for stay in reader.see("run_1", sight_of(Observation({"created_at": 7, **record}, 1))):
        ...         print(stay.row, stay.least_us, stay.most_us)
        start: queued -> in_progress 0 2000000
        complete: in_progress -> completed 3000000 5000000
    """

    def __init__(self) -> None:
        self.clashes = 0
        self.disordered = 0
        self.unexplained = 0
        self._runs: dict[str, _Run] = {}
        self._latest_us = 0

    def stretches(self, run_id: str) -> int | None:
        """How often a run has started, or None where it was not seen from its creation."""
        run = self._runs.get(run_id)
        return run.rounds + 1 if run is not None and run.from_birth and run.started else None

    def rounds(self, run_id: str) -> int | None:
        """How often a run has required action, or None where it was not seen from its creation."""
        run = self._runs.get(run_id)
        return run.rounds if run is not None and run.from_birth else None

    def life(self, run_id: str) -> tuple[Span, Span | None]:
        """When a run was created, and since when it is in its status, as far as that is known.

        Raises:
            KeyError: the run was not seen, or is forgotten.
        """
        run = self._runs[run_id]
        return run.created, run.since

    def see(self, run_id: str, sight: Sight) -> list[Stay]:
        """The stays that an observation shows to have ended.

        Args:
            run_id: Of which run.
            sight: From `sight_of`.
        """
        run = self._runs.get(run_id)
        if sight.told:
            self._latest_us = max(self._latest_us, sight.seen.least_us)
        if run is None:
            return self._first(run_id, sight)
        late = sight.seen.most_us < run.sight.seen.least_us - SECOND_US
        if late or (run.sight.started_at is not None and sight.started_at is None):
            self.disordered += 1
            return []
        rows = _rows_between(run, sight)
        if rows is None:
            self.unexplained += 1
            if run.sight.status in TERMINAL:
                return []
            self._runs[run_id] = _Run(
                sight=sight,
                since=None,
                whole=False,
                started=sight.started_at is not None,
                rounds=run.rounds,
                deadline_us=_deadline_us(sight, run.deadline_us),
                from_birth=False,
                created=run.created,
            )
            return []
        return self._move(run, sight, rows)

    def forget(self, run_id: str) -> None:
        """A run that nothing more will be seen of."""
        self._runs.pop(run_id, None)

    def close(self) -> list[Stay]:
        """The recording ends: the stays of all runs that had not.

        A history tells all that happened, so its open runs are taken to have stayed until its last entry.
        """
        left: list[Stay] = []
        for run in self._runs.values():
            if run.sight.status not in TERMINAL and run.since is not None:
                until_us = max(run.sight.seen.least_us, run.since.least_us, self._latest_us * run.sight.told)
                left.append(_stay(run, run.sight.status, None, run.since, Span(until_us, until_us), False))
        self._runs.clear()
        return left

    def _first(self, run_id: str, sight: Sight) -> list[Stay]:
        created = narrowed(of_stamp(sight.created_at), Span(0, sight.seen.most_us)) or of_stamp(sight.created_at)
        if sight.event == "create":
            created = narrowed(created, sight.seen) or created
        if not sight.born:
            return self._midway(run_id, sight, created)
        run = self._runs[run_id] = _begun(sight, created, True)
        rows = () if sight.status == _QUEUED else _rows_between(run, sight)
        return self._move(run, sight, rows) if rows is not None else []

    def _midway(self, run_id: str, sight: Sight, created: Span) -> list[Stay]:
        """A run that was there before the recording: what its stamps alone tell."""
        started = of_stamp(sight.started_at) if sight.started_at is not None else None
        once = started is None or not sight.calls_functions
        run = self._runs[run_id] = _begun(sight, created, once)
        stays: list[Stay] = []
        if started is not None:
            if once and sight.status in (_IN_PROGRESS, *TERMINAL):
                start, end = in_order((created, started))
                stays.append(Stay(_QUEUED, _START, start, end, None, False, 0, True, True))
            run.sight = run.sight._replace(status=_IN_PROGRESS, started_at=sight.started_at, seen=started)
            run.since, run.started = started, True
        rows = _rows_between(run, sight) if sight.status in TERMINAL else ()
        if rows:
            return stays + [stay._replace(hidden=True) for stay in self._move(run, sight, rows)]
        run.sight, run.whole = sight, False
        if sight.status != _IN_PROGRESS:
            run.since = None
        return stays

    def _move(self, run: _Run, sight: Sight, rows: tuple[Transition, ...]) -> list[Stay]:
        spans = self._spans(run, sight, rows)
        stays: list[Stay] = []
        for number, (row, span) in enumerate(zip(rows, spans, strict=True)):
            source = row.source
            assert source is not None
            if run.since is not None:
                start, end = in_order((run.since, span))
                seen = number == len(rows) - 1 and (sight.event == row.event or len(rows) == 1)
                stays.append(_stay(run, source, row, start, end, not seen))
            run.since, run.whole = span, True
            run.started = run.started or ARRIVAL_STAMP.get(row.target) == _STARTED_AT
            run.rounds += row.event == "require_action"
        run.sight = sight if sight.seen.least_us >= run.sight.seen.least_us else sight._replace(seen=run.sight.seen)
        run.deadline_us = _deadline_us(sight, run.deadline_us)
        return stays

    def _spans(self, run: _Run, sight: Sight, rows: tuple[Transition, ...]) -> tuple[Span, ...]:
        """When each of the rows was taken: after the sight before, before this one, as stamps and answers say."""
        if not rows:
            return ()
        least_us = run.sight.seen.least_us
        most_us = max(sight.seen.most_us, least_us)
        spans = [Span(least_us, most_us)] * len(rows)
        work = [n for n, row in enumerate(rows) if row.target == _IN_PROGRESS and row.edge]
        if work and sight.started_at is not None:
            spans[work[-1]] = self._stamped(spans[work[-1]], sight.started_at)
        if rows[-1].target in TERMINAL and rows[-1].edge and sight.ended_at is not None:
            spans[-1] = self._stamped(spans[-1], sight.ended_at)
        acted = [n for n, row in enumerate(rows) if row.event == sight.event and sight.seen.most_us != FAR_US]
        if acted:
            spans[acted[-1]] = narrowed(spans[acted[-1]], sight.seen) or spans[acted[-1]]
        return in_order(spans)

    def _stamped(self, span: Span, stamp_s: int) -> Span:
        stamp = of_stamp(stamp_s)
        both = narrowed(span, stamp)
        self.clashes += both is None
        return both or stamp


def _begun(sight: Sight, created: Span, from_birth: bool) -> _Run:
    """A run as it was when it was created."""
    before = sight._replace(status=_QUEUED, started_at=None, ended_at=None, seen=created, event=None)
    return _Run(
        sight=before,
        since=created,
        whole=True,
        started=False,
        rounds=0,
        deadline_us=_deadline_us(sight, None),
        from_birth=from_birth,
        created=created,
    )


def _stay(run: _Run, source: Status, row: Transition | None, start: Span, end: Span, hidden: bool) -> Stay:
    return Stay(source, row, start, end, run.deadline_us, run.started, run.rounds, hidden, run.whole)


def _deadline_us(sight: Sight, before_us: int | None) -> int | None:
    return sight.deadline_s * SECOND_US if sight.deadline_s is not None else before_us


def _rows_between(run: _Run, sight: Sight) -> tuple[Transition, ...] | None:
    """The rows from a run's last sight to this one: the one that is told, else the fewest."""
    before = run.sight
    restarted = sight.started_at is not None and sight.started_at != before.started_at
    for row in _WIDEST.rows:
        if row.source == before.status and row.event == sight.event and row.target == sight.status:
            starts = row.edge is not None and ARRIVAL_STAMP.get(row.target) == _STARTED_AT
            if starts or not restarted:
                return (row,)
    if before.status in TERMINAL:
        return _modified(before, sight) if before.status == sight.status else None
    # Started again within the second of the start before, the stamp is the same.
    ways = (restarted,) if restarted or sight.started_at is None else (False, True)
    for again in ways:
        for name in _BREADTHS:
            rows = hidden_steps(POLICIES[name], before.status, sight.status, again, run.started)
            if rows is not None:
                return rows or _modified(before, sight)
    return None


def _modified(before: Sight, sight: Sight) -> tuple[Transition, ...]:
    if before.metadata == sight.metadata and sight.event != "modify":
        return ()
    return tuple(row for row in _WIDEST.rows if row.event == "modify" and row.source == sight.status)
