"""How long runs stayed in a status before each step, from the best evidence there is.

In this order: the times of an engine's own history, each of which is the moment of a change; the record's stamps
(created_at to started_at, started_at to the stamp of the end), whole seconds; else, where snapshots have observation
times, bounds: a stay lasted at least from the first to the last snapshot in it, and at most from the last before it to
the first after it. Source: FACTS §6.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from runengine.core.shape import ARRIVAL_STAMP
from runengine.core.statuses import IN_PROGRESS, QUEUED, Status
from runengine.core.table import Transition
from runengine.validation.observations import Observation
from runengine.validation.rules.stamps import MILLISECONDS_FROM, is_seconds

__all__ = ["BEFORE", "MODIFY", "Stay", "Times", "arrivals", "moment_of"]

MODIFY: Final = "modify"
"""The event that brings a run into no status."""

BEFORE: Final = "started_at before"
"""Stands for started_at of the snapshot before."""


class Stay(NamedTuple):
    """How long a run stayed before a step.

    Attributes:
        source: The status it stayed in.
        target: The status it left it for.
        at_least_s: Seconds.
        at_most_s: Seconds.
        is_known: Whether these are more than bounds.

    Example:
        >>> Stay("queued", "in_progress", 2, 2).is_known
        True
    """

    source: Status
    target: Status
    at_least_s: float
    at_most_s: float
    is_known: bool = True


class Times:
    """What is known of when a run came into its status and was seen in it.

    Example:
        >>> times, record = Times(), {"created_at": 10, "started_at": None}
        >>> times.see(Observation(record, 1, observed_s=10.5), "queued")
        >>> start = Transition("start", "queued", "in_progress", "documented", "")
        >>> now = Observation({"created_at": 10, "started_at": 13}, 2, observed_s=14)
        >>> list(times.stays([start], None, now))
        [Stay(source='queued', target='in_progress', at_least_s=3, at_most_s=3, is_known=True)]
    """

    __slots__ = ("_before_s", "_entered_s", "_first_s", "_last_s", "_status")

    def __init__(self) -> None:
        self._status: Status | None = None
        self._entered_s: float | None = None
        self._before_s: float | None = None
        self._first_s: float | None = None
        self._last_s: float | None = None

    def see(self, item: Observation, status: Status, again: bool = False) -> None:
        """Take a snapshot.

        Args:
            item: The snapshot.
            status: Its status.
            again: Whether the run has come into the status anew, though the last snapshot was in it too.
        """
        seen_s = moment_of(item)
        if status != self._status or again:
            is_moment = item.source == "history" and item.event is not None and item.event != MODIFY
            self._entered_s = seen_s if is_moment else None
            self._before_s = self._last_s
            self._first_s = seen_s
            self._status = status
        self._last_s = seen_s

    def stays(self, rows: Sequence[Transition], started_at: Any, item: Observation) -> Iterator[Stay]:
        """What is known of the stays that ended between the last snapshot and this one.

        Args:
            rows: The rows that explain the step, in order.
            started_at: Of the last snapshot.
            item: This one, not yet seen.
        """
        seen_s = moment_of(item)
        if len(rows) == 1 and item.source == "history" and self._entered_s is not None and seen_s is not None:
            yield from _known(rows[0], self._entered_s, seen_s)
            return
        arrived = _arrived(rows, started_at, item.record)
        for row, came, went in zip(rows, arrived, arrived[1:], strict=False):
            if came is not None and went is not None:
                yield from _known(row, came, went)
            elif len(rows) == 1:
                yield from self._between(row, came, went, seen_s)

    def _between(self, row: Transition, came: float | None, went: float | None, seen_s: float | None) -> Iterator[Stay]:
        """Bounds, by the recorder's clock; they need both ends."""
        came_least, came_most = (came, came) if came is not None else (self._before_s, self._first_s)
        went_least, went_most = (went, went) if went is not None else (self._last_s, seen_s)
        if row.source is None or came_least is None or came_most is None or went_least is None or went_most is None:
            return
        at_most_s = went_most - came_least
        if at_most_s >= 0:
            at_least_s = min(max(0.0, went_least - came_most), at_most_s)
            yield Stay(row.source, row.target, at_least_s, at_most_s, is_known=False)


def moment_of(item: Observation) -> float | None:
    """When a snapshot was seen, Unix seconds, or None where that is not known or no moment.

    Example:
        >>> moment_of(Observation({}, 1, observed_s=7.5)), moment_of(Observation({}, 1, observed_s=-1.0))
        (7.5, None)
    """
    seen_s = item.observed_s
    return seen_s if seen_s is not None and 0 < seen_s < MILLISECONDS_FROM else None


def _known(row: Transition, came: float, went: float) -> Iterator[Stay]:
    if row.source is not None and went >= came:
        yield Stay(row.source, row.target, went - came, went - came)


def arrivals(rows: Sequence[Transition], was_null: bool) -> list[str | None]:
    """Which stamp tells when the run came into the status before each row, and at last into the one after them all.

    Args:
        rows: The rows that explain a step, in order.
        was_null: started_at was null in the snapshot before them.

    Returns:
        Fields of the snapshot after them, `BEFORE` for started_at of the one before them, and None where no stamp does.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> rows = [DOCUMENTED.rows[place] for place in (1, 7)]
        >>> [row.event for row in rows], arrivals(rows, True)
        (['start', 'complete'], ['created_at', 'started_at', 'completed_at'])
    """
    first = rows[0].source if rows else None
    found: list[str | None] = ["created_at" if first == QUEUED and was_null else None]
    if first == IN_PROGRESS:
        found = [BEFORE]
    last_start = max((place for place, row in enumerate(rows) if row.target == IN_PROGRESS), default=-1)
    for place, row in enumerate(rows):
        known = row.target != IN_PROGRESS or place == last_start
        found.append(ARRIVAL_STAMP.get(row.target) if known else None)
    return found


def _arrived(rows: Sequence[Transition], started_at: Any, record: dict[str, Any]) -> list[float | None]:
    """When the run came into the status before each row and after the last, as the stamps tell, in seconds."""
    found = [
        started_at if name == BEFORE else None if name is None else record.get(name)
        for name in arrivals(rows, started_at is None)
    ]
    return [value if is_seconds(value) else None for value in found]
