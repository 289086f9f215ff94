"""Logs of a few rows, in which runs share threads, come back, and break rules."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from attrs import fields
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from runengine.core.shape import end_stamp, presence
from runengine.core.statuses import STATUSES, Status
from runengine.core.table import DOCUMENTED, PRACTICAL, TERMINAL
from runengine.validation.bulk.batch import Batch
from runengine.validation.observations import Item, Observation, Passed, Source

__all__ = ["BEGIN", "piece_of", "small_logs"]

BEGIN: Final = 1_725_267_616
"""When the first run may be created, Unix seconds."""

TTL_S: Final = 600
T = TypeVar("T")
_ONWARD: Final[dict[str, dict[Status, tuple[Status, ...]]]] = {
    policy.name: {source: tuple(row.target for row in policy.rows if row.source == source) for source in STATUSES}
    for policy in (DOCUMENTED, PRACTICAL)
}
_STAMPS: Final = ("created_at", "started_at", "expires_at", "completed_at", "failed_at", "cancelled_at")
_COLUMNS: Final = frozenset(("id", "thread_id", "assistant_id", "model", "status", *_STAMPS))


def _record(run: int, thread: int, created: int, status: Status, started: int | None, ended: int) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": f"run_{run}",
        "object": "thread.run",
        "thread_id": f"thread_{thread}",
        "assistant_id": "asst_1",
        "model": "m",
        "status": status,
        "created_at": created,
        "started_at": created if started is None and presence("started_at", status) == "must" else started,
        "expires_at": None if status in TERMINAL else created + TTL_S,
        **dict.fromkeys(("completed_at", "failed_at", "cancelled_at")),
    }
    stamp = end_stamp(status)
    if stamp is not None:
        record[stamp] = created + TTL_S if status == "expired" else ended
    return record


class _Life:
    """A run that goes on, step by step."""

    def __init__(self, run: int, thread: int, created: int) -> None:
        self._run, self._thread, self._created = run, thread, created
        self._now, self._started = created, None if created % 2 else created
        self._status: Status = "queued"
        self.record = self._made()

    def on(self, status: Status, after_s: int) -> None:
        self._now += after_s
        self._status = status
        if status == "in_progress":
            self._started = self._now
        self.record = self._made()

    @property
    def has_ended(self) -> bool:
        return self._status in TERMINAL

    def onward(self, policy: str) -> tuple[Status, ...]:
        return _ONWARD[policy][self._status] or (self._status,)

    def _made(self) -> dict[str, Any]:
        started = None if self._status == "queued" and self._now == self._created else self._started
        return _record(self._run, self._thread, self._created, self._status, started, self._now)


_WRONG: Final[tuple[tuple[str, Any], ...]] = (
    ("model", "another"),
    ("assistant_id", "asst_2"),
    ("thread_id", "thread_1"),
    ("created_at", BEGIN + 1),
    ("started_at", BEGIN - 7),
    ("started_at", BEGIN + 2),
    ("expires_at", BEGIN + 99),
    ("completed_at", BEGIN + 3),
    ("status", "lost"),
    ("status", "completed"),
    ("id", None),
    ("thread_id", None),
)


class _Mood(NamedTuple):
    """What kind of log it is.

    Attributes:
        turns: What may come next of a run.
        waits: Seconds to its next status.
        moments: When it may be observed.
        runs: How many runs there are.
        threads: How many threads they are on.
        within: They are created within so many seconds.
        policy: Which steps they take.
    """

    turns: tuple[str, ...]
    waits: tuple[int, ...]
    moments: tuple[float | None, ...] = (None, BEGIN + 2000.0)
    runs: int = 3
    threads: int = 4
    within: int = 99
    policy: str = "documented"


_MOODS: Final = (
    _Mood(("on", "on", "on", "again"), (0, 1, 2, 9)),
    _Mood(("on", "on", "on", "again"), (0, 3, 9), runs=2, threads=1, within=20),
    _Mood(("on", "end", "again", "again", "anew", "passed"), (0, 1, 9), runs=2, threads=1, within=30),
    _Mood(("on", "on", "end"), (0, 9, 599, 700), (None, BEGIN + 3.5, BEGIN + 2000.0), runs=2),
    _Mood(
        ("on", "on", "again", "wrong", "anew", "passed"),
        (0, 1, 9, 700),
        (None, BEGIN + 4.5),
        threads=2,
        within=9,
        policy="practical",
    ),
)


@st.composite
def _logs(draw: DrawFn, rows_max: int) -> list[Item]:
    lives: dict[int, _Life] = {}
    items: list[Item] = []
    mood = draw(st.sampled_from(_MOODS))
    for line in range(1, draw(st.integers(1, rows_max)) + 1):
        run = draw(st.integers(0, mood.runs - 1))
        what = draw(st.sampled_from(mood.turns))
        if what == "passed":
            items.append(Passed(line=line, what="null"))
            continue
        if run not in lives or (what == "anew" and lives[run].has_ended):
            thread = draw(st.integers(0, mood.threads - 1))
            lives[run] = _Life(run, thread, BEGIN + draw(st.integers(0, mood.within)))
            what = draw(st.sampled_from(("", "", "on", "end")))
        if what in ("on", "end"):
            for _ in range(3 if what == "end" else 1):
                onward = lives[run].onward(mood.policy)
                ends: tuple[Status, ...] = tuple(each for each in onward if each in TERMINAL)
                status: Status = draw(_of(ends if what == "end" and ends else onward))
                lives[run].on(status, draw(_of(mood.waits)))
        record = lives[run].record
        if what == "wrong":
            record = {**record, **dict([draw(st.sampled_from(_WRONG))])}
        source: Source = draw(st.sampled_from(("snapshot", "history")))
        seen = draw(_of((*mood.moments, BEGIN + 2000.0 + line)))
        items.append(Observation(record, line, source, observed_s=seen, columns=_COLUMNS))
    return items


def _of(values: tuple[T, ...]) -> SearchStrategy[T]:
    return st.sampled_from(values)


def small_logs(rows_max: int = 8) -> SearchStrategy[list[Item]]:
    """Any log of up to so many rows, of up to three runs on a few threads.

    Args:
        rows_max: So many.
    """
    return _logs(rows_max)


def piece_of(batch: Batch, start: int, stop: int) -> Batch:
    """A part of a batch, as a piece of its own.

    Args:
        batch: All of it.
        start: The first place.
        stop: The one after the last.
    """
    names = [each.name for each in fields(Batch) if each.name not in ("at", "total")]
    columns: dict[str, Any] = {
        name: None if getattr(batch, name) is None else getattr(batch, name)[start:stop] for name in names
    }
    return Batch(at=np.arange(stop - start), total=stop - start, **columns)
