"""RE501: which runs were active on one thread at the same time, proved by stamps and times of observation.

A run is alive from created_at at least until the latest moment that a snapshot proves: a stamp of its own (its end
stamp where it has ended), or, for a run that is not seen to end, an observation, less `STALE_S` and the skew. Stamps
count whole seconds, and runs of one thread may be stamped by machines whose clocks differ, so two runs overlap only
where each began more than the skew before the last second that the other is known to have lived in. A time of
observation counts only against runs that were observed themselves, and no later, since a recorder's clock may be far
from the server's; and what it proves waits for the end of the run (see `runengine.validation.waiting`), whose stamp
decides. What stamps prove stays proved.

It is said once of a run, however many earlier ones it met. So, of up to `RUNS_MAX` runs of a thread, the runs that it
is said of do not depend on the order of the runs in the file. Which of several earlier ones the message names does: of
those that are known at that line, the one that was created first.

Of two runs created in one second, the later is the one that was observed later, where the first snapshot of each says
when it was; else the one whose id comes later.

A snapshot whose stamps a rule speaks of proves nothing, and none after the run's end does.

Memory: per thread its runs that are remembered (see `runengine.validation.memory`); of those at most `RUNS_MAX` are
compared, and the run that ended first is dropped first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from runengine.core.shape import end_stamp
from runengine.core.statuses import STATUSES
from runengine.core.table import TERMINAL
from runengine.validation.crowds import Crowd
from runengine.validation.findings import Finding
from runengine.validation.memory import Memory
from runengine.validation.observations import Observation
from runengine.validation.rules.path import STALE_S
from runengine.validation.rules.stamps import is_seconds, stamp_findings
from runengine.validation.seen import Seen
from runengine.validation.spans import Span, began_before_end, overlap

__all__ = ["RUNS_MAX", "Overlap", "Threads"]

RUNS_MAX: Final = 64
"""How many runs of one thread are compared with each other."""


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


class Threads:
    """Which runs a thread has had.

    Args:
        memory: Where runs and threads are remembered.
        skew_s: How far clocks may differ, seconds.

    Example:
        >>> from runengine.validation.summary import Summary
        >>> list(Threads(Memory(9, Summary()), 2.0).see(Observation({"id": "run_1", "status": "queued"}, 1)))
        []
    """

    def __init__(self, memory: Memory, skew_s: float) -> None:
        self._memory = memory
        self._skew_s = skew_s

    def fits(self, row: Any) -> bool:
        """Whether a new run's first line needs no word on its thread, now and later.

        That is so where every other run of the thread had ended before it began; else its lines are left to the rules.
        """
        crowd = self._memory.threads.of(row.thread_id, row.id)
        if crowd is not None:
            created = row.created_at
            for seen in crowd.runs.values():
                span = seen.evidence()
                if not span.over or span.until_s > created:
                    return False
        return True

    def enter(self, row: Any) -> Seen:
        """Such a line is dealt with: the run is remembered, on its thread."""
        memory, thread_id = self._memory, row.thread_id
        seen = memory.of(row.id)
        memory.place(row.id, seen, thread_id)
        crowd = memory.threads.of(thread_id, row.id)
        if crowd is not None:
            _compared(crowd, row.id, seen)
        return seen

    def tell(self, later_id: str, earlier_id: str) -> bool:
        """Whether it is said of a run that it overlaps that one, after it has waited; it is said once of a run.

        The end of either may have shown meanwhile that they did not.
        """
        later, earlier = self._span(later_id), self._span(earlier_id)
        if later is None:
            return True
        if later.told:
            return False
        ended = earlier is not None and (earlier.over or later.over)
        if earlier is not None and ended and not overlap(later, earlier, self._skew_s, STALE_S):
            return False
        later.told = True
        return True

    def see(self, item: Observation) -> Iterator[Overlap]:
        """Take a snapshot that the rules have seen; each run that it proves to overlap an earlier one."""
        run_id = item.record.get("id")
        if not isinstance(run_id, str) or item.record.get("status") not in STATUSES:
            return
        seen = self._memory.known(run_id)
        if seen is None:
            return
        span = seen.evidence()
        self._learn(item, seen, span)
        if span.over:
            self._memory.apart.discard(run_id)
        thread_id = seen.thread_id
        crowd = None if thread_id is None else self._memory.threads.of(thread_id, run_id)
        if crowd is not None and thread_id is not None:
            yield from self._compare(run_id, seen, thread_id, crowd)

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

    def _compare(self, run_id: str, seen: Seen, thread_id: str, crowd: Crowd) -> Iterator[Overlap]:
        span = seen.evidence()
        others = [(other_id, other.evidence()) for other_id, other in crowd.runs.items() if other_id != run_id]
        begun_s = span.begun_s
        if not all(other.over and begun_s is not None and other.until_s <= begun_s for _, other in others):
            open_runs = self._memory.open
            self._memory.apart.update(each for each in (run_id, *crowd.runs) if each in open_runs)
        met = [pair for pair in others if overlap(span, pair[1], self._skew_s, STALE_S)]
        for other_id, other in sorted(met, key=_creation):
            (first_id, first), (later_id, later) = _in_turn((run_id, span), (other_id, other))
            if later.told:
                continue
            later.told = overlap(span, other, self._skew_s)
            alive = other_id if began_before_end(other, span, self._skew_s, None) else run_id
            record = {"id": later_id, "thread_id": thread_id}
            finding = _overlapping(first_id, first, later)
            yield Overlap(finding, record, first_id, None if later.told else alive)
        _compared(crowd, run_id, seen)

    def _span(self, run_id: str) -> Span | None:
        """What is known of a run, the skim's last row included; None where it is forgotten."""
        seen = self._memory.known(run_id)
        return None if seen is None else seen.evidence()


def _creation(run: tuple[str, Span]) -> tuple[int, float, str]:
    """The run that was created first goes first."""
    return run[1].begun_s or 0, run[1].shown_s or 0.0, run[0]


def _compared(crowd: Crowd, run_id: str, seen: Seen) -> None:
    """A run is compared from now on; where there are too many, the one that ended first is, others before it, not."""
    crowd.rest.pop(run_id, None)
    crowd.runs[run_id] = seen
    if len(crowd.runs) <= RUNS_MAX:
        return
    spans = ((other_id, other.evidence()) for other_id, other in crowd.runs.items() if other_id != run_id)
    dropped = min((not span.over, span.until_s, other_id) for other_id, span in spans)[2]
    del crowd.runs[dropped]
    crowd.rest[dropped] = None


def _in_turn(one: tuple[str, Span], other: tuple[str, Span]) -> list[tuple[str, Span]]:
    """Two runs, the one created first in front.

    Of one second, the one first shown earlier, where both say when: what is not known with the first snapshot that
    counts is left out, so that the order of the runs in the file changes nothing.
    """
    shown = one[1].shown_s is not None and other[1].shown_s is not None
    return sorted((one, other), key=lambda run: (run[1].begun_s or 0, (shown and run[1].shown_s) or 0.0, run[0]))


def _overlapping(first_id: str, first: Span, later: Span) -> Finding:
    message = f"it was created while {first_id[:80]} was active on the same thread"
    if first.begun_s == later.begun_s:
        message = f"it and {first_id[:80]}, created in the same second, were active on the same thread together"
    return Finding("RE501", "created_at", "one active run at a time on a thread", message, found=later.begun_s)
