"""RE501: which runs were active on one thread at the same time, proved by stamps and times of observation.

A run is alive from created_at at least until the latest moment that a snapshot proves: a stamp of its own (its end
stamp where it has ended), or, for a run that is not seen to end, an observation, less `STALE_S` and the skew. Stamps
count whole seconds, and runs of one thread may be stamped by machines whose clocks differ, so two runs overlap only
where each began more than the skew before the last second that the other is known to have lived in. A time of
observation counts only against runs that were observed themselves, and no later, since a recorder's clock may be far
from the server's; and what it proves waits for the end of the run (see `runengine.validation.waiting`), whose stamp
decides. What stamps prove stays proved. So the findings do not depend on the order of the runs in the file.

Of two runs created in one second, the later is the one that was observed later, where the first snapshot of each says
when it was; else the one whose id comes later.

A snapshot whose stamps a rule speaks of proves nothing, and none after the run's end does.

Memory: per thread the id of its one run; where it has had several, at most `RUNS_MAX` spans of about 200 bytes, the run
that ended first dropped first. Threads are remembered for as long as `runengine.validation.memory` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from runengine.core.shape import end_stamp
from runengine.core.statuses import STATUSES
from runengine.core.table import TERMINAL
from runengine.validation.findings import Finding
from runengine.validation.memory import Memory, Seen, Span
from runengine.validation.observations import Observation
from runengine.validation.rules.path import STALE_S
from runengine.validation.rules.stamps import is_seconds, stamp_findings

__all__ = ["OVERLAPS_MAX", "RUNS_MAX", "Overlap", "Threads", "overlap"]

RUNS_MAX: Final = 64
"""How many runs of one thread are compared with each other."""


OVERLAPS_MAX: Final = 8
"""With so many earlier runs, at most, one is said to overlap."""


class Overlap(NamedTuple):
    """Two runs that were active at the same time.

    Attributes:
        finding: RE501.
        record: The id and the thread of the run created later.
        earlier: The id of the other.
        until: The run whose end is waited for, or None where stamps prove it.

    Example:
        >>> Overlap(Finding("RE501", None, None, "it was created"), {"id": "run_2"}, "run_1", None).until is None
        True
    """

    finding: Finding
    record: dict[str, Any]
    earlier: str
    until: str | None


def overlap(one: Span, other: Span, skew_s: float, stale_s: float | None = None) -> bool:
    """Whether two runs were alive at the same time, beyond doubt.

    Args:
        one: What is known of a run.
        other: The same of another.
        skew_s: How far clocks may differ, seconds.
        stale_s: How old an answer may be, seconds; None where stamps alone count.

    Example:
        >>> overlap(Span(begun_s=10, until_s=20), Span(begun_s=17, until_s=30), 2)
        True
        >>> overlap(Span(begun_s=10, until_s=20), Span(begun_s=18, until_s=30), 2)
        False
        >>> overlap(Span(begun_s=10, until_s=13, alive_s=25), Span(begun_s=20, until_s=23, first_s=21), 2, 3)
        False
        >>> overlap(Span(begun_s=10, until_s=13, alive_s=30), Span(begun_s=20, until_s=23, first_s=21), 2, 3)
        True
    """
    return _began_before_end(one, other, skew_s, stale_s) and _began_before_end(other, one, skew_s, stale_s)


def _began_before_end(one: Span, other: Span, skew_s: float, stale_s: float | None) -> bool:
    begun_s = one.begun_s
    if begun_s is None or other.begun_s is None:
        return False
    if begun_s + skew_s < other.until_s:
        return True
    if stale_s is None or other.over or other.alive_s is None or one.first_s is None:
        return False
    return max(begun_s + 1, one.first_s) <= other.alive_s - skew_s - stale_s


class Threads:
    """Which runs a thread has had.

    Args:
        memory: Where runs and threads are remembered.
        skew_s: How far clocks may differ, seconds.

    Example:
        >>> from runengine.validation.summary import Summary
        >>> Threads(Memory(9, Summary()), 2.0).is_apart("run_1")
        False
    """

    def __init__(self, memory: Memory, skew_s: float) -> None:
        self._memory = memory
        self._skew_s = skew_s

    def is_apart(self, run_id: str) -> bool:
        """Whether the lines of a run are left to the rules."""
        return run_id in self._memory.apart

    def fits(self, row: Any) -> bool:
        """Whether a new run's first line needs no word on its thread, now and later; then it is entered there.

        That is so where every other run of the thread had ended before it began; else its lines are left to the rules.
        """
        memory = self._memory
        held = memory.threads.get(row.thread_id)
        if held is None:
            memory.thread(row.thread_id)
            if row.thread_id in memory.threads:
                memory.threads[row.thread_id] = row.id
            return True
        if held == row.id:
            return True
        crowd: dict[str, Any] = {held: None} if held.__class__ is str else held
        created = row.created_at
        for run_id, span in crowd.items():
            if span.__class__ is tuple:
                if span[1] > created:
                    return False
                continue
            if span is None:
                short = self._short(run_id, row.thread_id)
                if short is not None:
                    crowd[run_id] = short
                    if short[1] > created:
                        return False
                    continue
            if span is None or not span.over:
                span = self._span(run_id, row.thread_id)
                if span is None:
                    continue
                crowd[run_id] = span
            if not span.over or span.until_s > created:
                return False
        crowd[row.id] = None
        memory.threads[row.thread_id] = crowd
        if len(crowd) > RUNS_MAX:
            self._bound(crowd, row.id)
        return True

    def tell(self, later_id: str, earlier_id: str) -> bool:
        """Whether a run has not been said to overlap that one; from now on it has."""
        span = self._span(later_id, None)
        if span is None or earlier_id in span.told or len(span.told) >= OVERLAPS_MAX:
            return span is None
        span.told.append(earlier_id)
        return True

    def see(self, item: Observation) -> Iterator[Overlap]:
        """Take a snapshot that the rules have seen; each run that it proves to overlap an earlier one."""
        record = item.record
        run_id, thread_id = record.get("id"), record.get("thread_id")
        if not isinstance(run_id, str) or record.get("status") not in STATUSES:
            return
        seen = self._memory.open.get(run_id) or self._memory.ended.get(run_id)
        if seen is None:
            return
        span = seen.evidence()
        if span.thread_id is None and isinstance(thread_id, str):
            span.thread_id = thread_id
        self._learn(item, seen, span)
        if span.over:
            self._memory.apart.discard(run_id)
        if span.thread_id is not None:
            yield from self._compare(run_id, span, span.thread_id)

    def _learn(self, item: Observation, seen: Seen, span: Span) -> None:
        record, status = item.record, item.record["status"]
        if span.over:
            return
        span.over = status in TERMINAL
        created = record.get("created_at")
        if not is_seconds(created) or any(stamp_findings(record, status, seen.deadline, item.observed_s, self._skew_s)):
            return
        if span.begun_s is None:
            span.begun_s, span.shown_s = created, item.observed_s
        elif span.begun_s != created:
            return
        stamp = end_stamp(status)
        for value in (created, record.get("started_at"), None if stamp is None else record.get(stamp)):
            if is_seconds(value) and value > span.until_s:
                span.until_s = value
        if item.observed_s is not None:
            span.first_s = item.observed_s if span.first_s is None else min(span.first_s, item.observed_s)
            if not span.over:
                span.alive_s = item.observed_s if span.alive_s is None else max(span.alive_s, item.observed_s)

    def _compare(self, run_id: str, span: Span, thread_id: str) -> Iterator[Overlap]:
        threads = self._memory.threads
        if thread_id not in threads:  # forgotten meanwhile
            return
        held = threads[thread_id]
        if held is None or held == run_id:
            threads[thread_id] = run_id
            return
        crowd: dict[str, Span | None] = {held: None} if held.__class__ is str else _opened(held)
        threads[thread_id] = crowd
        crowd[run_id] = span
        settled = True
        for other_id, known in tuple(crowd.items()):
            if other_id == run_id:
                continue
            other = known if known is not None and known.over else self._span(other_id, thread_id) or known
            if other is None:
                del crowd[other_id]
                continue
            crowd[other_id] = other
            if not other.over or span.begun_s is None or other.until_s > span.begun_s:
                settled = False
            if overlap(span, other, self._skew_s, STALE_S):
                (first_id, first), (later_id, later) = _in_turn((run_id, span), (other_id, other))
                if first_id not in later.told and len(later.told) < OVERLAPS_MAX:
                    alive = other_id if _began_before_end(other, span, self._skew_s, None) else run_id
                    until = None if overlap(span, other, self._skew_s) else alive
                    if until is None:
                        later.told.append(first_id)
                    record = {"id": later_id, "thread_id": thread_id}
                    yield Overlap(_overlapping(first_id, first, later), record, first_id, until)
        if not settled:
            self._memory.apart.update(i for i, s in crowd.items() if s is not None and not s.over)
        if len(crowd) > RUNS_MAX:
            self._bound(crowd, run_id)

    def _short(self, run_id: str, thread_id: str) -> tuple[int, int] | None:
        """From when to when a run was alive that was skimmed to its end; None for any other."""
        seen = self._memory.ended.get(run_id)
        if seen is None or seen.span is not None or seen.line is None or seen.row.thread_id != thread_id:
            return None
        row = seen.row
        return row.created_at, row.failed_at or row.cancelled_at or row.completed_at

    def _span(self, run_id: str, thread_id: str | None) -> Span | None:
        """What is known of a run, the skim's last row included; None where it is forgotten, or its id is another's."""
        seen = self._memory.open.get(run_id) or self._memory.ended.get(run_id)
        span = None if seen is None else seen.evidence()
        return span if span is not None and thread_id in (None, span.thread_id) else None

    @staticmethod
    def _bound(crowd: dict[str, Any], run_id: str) -> None:
        others = [(*_rank(span), i) for i, span in crowd.items() if i != run_id]
        del crowd[min(others)[2]]


def _rank(span: Any) -> tuple[bool, int]:
    """The run that ended first goes first, those that have not ended last."""
    if span.__class__ is tuple:
        return False, span[1]
    return span is None or not span.over, 0 if span is None else span.until_s


def _opened(crowd: dict[str, Any]) -> dict[str, Span | None]:
    """The same, what the skim has kept short as spans."""
    for run_id, span in crowd.items():
        if span.__class__ is tuple:
            crowd[run_id] = Span(begun_s=span[0], until_s=span[1], over=True)
    return crowd


def _in_turn(one: tuple[str, Span], other: tuple[str, Span]) -> list[tuple[str, Span]]:
    """Two runs, the one created first in front.

    Of one second, the one first shown earlier, where both say when: what is not known with the first snapshot that
    counts is left out, so that the order of the runs in the file changes nothing.
    """
    shown = one[1].shown_s is not None and other[1].shown_s is not None
    return sorted((one, other), key=lambda run: (run[1].begun_s or 0, shown and run[1].shown_s or 0.0, run[0]))


def _overlapping(first_id: str, first: Span, later: Span) -> Finding:
    message = f"it was created while {first_id[:80]} was active on the same thread"
    if first.begun_s == later.begun_s:
        message = f"it and {first_id[:80]}, created in the same second, were active on the same thread together"
    return Finding("RE501", "created_at", "one active run at a time on a thread", message, found=later.begun_s)
