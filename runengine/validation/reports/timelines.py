"""What a page keeps of each run while it is checked: its stays in statuses, its stamps, its findings.

Memory is bounded: `RUNS_MAX` runs are kept, those with the worst findings before all others; of a run the first and
the last of its stays, and its first findings. What is left out is counted, and the page says so.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from runengine.core.fields import STAMPS
from runengine.core.shape import end_stamp
from runengine.core.statuses import STATUSES
from runengine.core.table import TERMINAL
from runengine.validation.findings import Severity, Violation
from runengine.validation.observations import Item, Observation, Sampling
from runengine.validation.rules.stamps import is_seconds
from runengine.validation.rules.threads import is_another

__all__ = ["PINS_MAX", "RUNS_MAX", "STAYS_MAX", "Kept", "Life", "Stay", "Timelines", "cut"]

RUNS_MAX: Final = 20_000
"""How many runs a page shows (with `STAYS_MAX` and `PINS_MAX`, some hundred MB while checking, if all are long)."""

STAYS_MAX: Final = 120
"""How many stays of a run are kept: the first half and the last half."""

PINS_MAX: Final = 25
"""How many findings of a run are written out."""

_STAYS_IN_ALL: Final = 400_000
_STAYS_FEW: Final = 16
_PINS_IN_ALL: Final[dict[Severity, int]] = {"error": 30_000, "warning": 15_000, "info": 5_000}
_STAMPS_MAX: Final = 12
_CALLS_MAX: Final = 8
_TEXT_MAX: Final = 240
_STAMP_LIMIT_S: Final = 100_000_000_000  # what is beyond are milliseconds, or nonsense: no time to draw

_CLEAN_ENDED, _CLEAN_OPEN = 0, 1
_RANK: Final[dict[Severity, int]] = {"info": 2, "warning": 3, "error": 4}

_Key = tuple[str, str | int | None, int]
"""Recording; the run's id, or the line of a record without one, or None for the recording; which run of the id."""


class Stay:
    """Snapshots of a run, one after another, that show the same status and the same started_at.

    Attributes:
        line: Where the first of them stands.
        last_line: Where the last one stands.
        count: How many they are.
        status: Their status; whatever stood there, as text, where it is no status.
        seen_s: When the first was seen, Unix seconds, or None.
        last_s: When the last was seen.
        started_s: Their started_at, or None.
        ended_s: The stamp of their end, where they have one.
        event: Name of the event that came with the first, or None.
        calls: Names of the tool calls they wait for.
        complete: They came from a source that shows every status.

    Example:
        >>> stay = Stay(Observation({"status": "queued"}, 3), complete=False)
        >>> stay.status, stay.line, stay.count
        ('queued', 3, 1)
    """

    __slots__ = (
        "calls",
        "complete",
        "count",
        "ended_s",
        "event",
        "last_line",
        "last_s",
        "line",
        "seen_s",
        "started_s",
        "status",
    )

    def __init__(self, item: Observation, complete: bool) -> None:
        record = item.record
        self.line = self.last_line = item.line
        self.count = 1
        self.status = _status(record)
        self.seen_s = self.last_s = _seconds(item.observed_s)
        self.started_s = _seconds(record.get("started_at"))
        stamp = end_stamp(self.status) if self.status in STATUSES else None
        self.ended_s = _seconds(record.get(stamp)) if stamp else None
        self.event = None if item.event is None else cut(item.event)
        self.calls = _calls(record) if self.status == "requires_action" else ()
        self.complete = complete

    def takes(self, item: Observation) -> bool:
        """Count a snapshot that shows the same; whether it did."""
        if self.status != _status(item.record) or self.started_s != _seconds(item.record.get("started_at")):
            return False
        self.count += 1
        self.last_line = item.line
        self.last_s = _seconds(item.observed_s)
        return True


class Life:
    """One run of one recording, as far as it was seen.

    Attributes:
        path: The recording.
        run_id: The run, or None where the record has no id.
        number: Which run of its id it is, from 0: an id may be given to another run (RE502).
        about_run: False for the recording itself, which takes the findings that are about no single run.
        thread_id: Its thread, or None.
        observations: How many snapshots were kept or counted.
        stays: In the order they were seen.
        stays_left: How many in the middle were left out.
        stamps: Each stamp's values, in the order they were seen.
        pins: The first of its findings.
        counts: How many findings, by code and severity: all of them.
        whole: False where it was left out for a while, so that its beginning is missing.

    Example:
        >>> Life("a.jsonl", "run_1", 0).pins
        []
    """

    __slots__ = (
        "about_run",
        "born",
        "counts",
        "number",
        "observations",
        "order",
        "path",
        "pins",
        "rank",
        "run_id",
        "stamps",
        "stays",
        "stays_left",
        "thread_id",
        "whole",
    )

    def __init__(self, path: str, run_id: str | None, order: int, number: int = 0) -> None:
        self.path = path
        self.run_id = run_id
        self.number = number
        self.born: tuple[Any, str | None] = (None, None)  # its last created_at and thread
        self.about_run = True
        self.order = order
        self.thread_id: str | None = None
        self.observations = 0
        self.stays: list[Stay] = []
        self.stays_left = 0
        self.stamps: dict[str, list[float]] = {}
        self.pins: list[Violation] = []
        self.counts: Counter[tuple[str, Severity]] = Counter()
        self.rank = _CLEAN_OPEN
        self.whole = True


class Kept(NamedTuple):
    """How much is kept.

    Attributes:
        runs: Runs.
        pins: Findings written out, by severity.
        stays: Stays of all runs.

    Example:
        >>> Timelines().kept.runs
        0
    """

    runs: int
    pins: Counter[Severity]
    stays: int


class Timelines:
    """Collects the lives of runs: a watch for a `Checker`, told of the violations by `pin`.

    Args:
        sampling: As in `Options`.
        runs_max: How many runs, and recordings with findings of their own, are kept.

    Attributes:
        paths: The recordings, in order.
        left_runs: Whether a run was left out, if only for a while.

    Example:
        >>> lines = Timelines()
        >>> lines.see("a.jsonl", Observation({"id": "run_1", "status": "queued"}, 1), ())
        >>> [(life.run_id, life.stays[0].status) for life in lines.lives()]
        [('run_1', 'queued')]
    """

    def __init__(self, sampling: Sampling = "auto", runs_max: int = RUNS_MAX) -> None:
        self.sampling: Sampling = sampling
        self.runs_max = runs_max
        self._lives: dict[_Key, Life] = {}
        self._ranks: tuple[OrderedDict[_Key, None], ...] = tuple(OrderedDict() for _ in range(5))
        self._again: dict[tuple[str, str], list[int]] = {}  # lines at which an id is another run's
        self._agains = 0
        self._known = 0
        self._stays = 0
        self._pins: Counter[Severity] = Counter()
        self.paths: dict[str, None] = {}
        self.left_runs = False

    def see(self, path: str, item: Item, found: Sequence[Violation]) -> None:
        """Take one item; all but snapshots of runs are passed over."""
        if not isinstance(item, Observation):
            return
        self.paths.setdefault(path)
        run_id = item.record.get("id")
        run_id = cut(run_id) if isinstance(run_id, str) else None
        self._renew(path, run_id, item)
        key = self._key(path, run_id, item.line)
        rank = max((_RANK[v.severity] for v in found if v.line == item.line), default=_CLEAN_OPEN)
        # A run that was met from the middle of its life is drawn all the same: only this page knows whether it was.
        life = self._life(key, run_id, rank)
        if life is None:
            return
        self._take(life, item, bool(found))
        ended = bool(life.stays) and life.stays[-1].status in TERMINAL
        self._rank(key, life, max(rank, _CLEAN_ENDED if ended and life.rank <= _CLEAN_OPEN else life.rank))

    def end(self, path: str, found: Sequence[Violation]) -> None:
        """The recording has ended; nothing has to be done."""

    def pin(self, violation: Violation) -> None:
        """Take a violation, in the order of the report."""
        path, run_id = violation.path, violation.run_id
        self.paths.setdefault(path)
        rank = _RANK[violation.severity]
        run_id = None if run_id is None else cut(run_id)
        key = self._key(path, run_id, violation.line)
        if run_id is None and key not in self._lives:
            key = (path, None, 0)
        life = self._life(key, run_id, rank)
        if life is None:
            return
        if key[1] is None:
            life.about_run = False
        if life.thread_id is None and violation.thread_id is not None:
            life.thread_id = cut(violation.thread_id)
        life.counts[violation.code, violation.severity] += 1
        if len(life.pins) < PINS_MAX and self._pins[violation.severity] < _PINS_IN_ALL[violation.severity]:
            self._pins[violation.severity] += 1
            life.pins.append(violation)
        self._rank(key, life, max(rank, life.rank))

    def lives(self) -> Iterator[Life]:
        """Every life that is kept, in the order they were first met."""
        return iter(sorted(self._lives.values(), key=lambda life: life.order))

    @property
    def kept(self) -> Kept:
        """How much is kept."""
        runs = sum(life.about_run for life in self._lives.values())
        return Kept(runs, Counter({s: n for s, n in self._pins.items() if n}), self._stays)

    def _key(self, path: str, run_id: str | None, line: int) -> _Key:
        if run_id is None:
            return path, line, 0
        again = self._again.get((path, run_id))
        return path, run_id, 0 if again is None else bisect_right(again, line)

    def _renew(self, path: str, run_id: str | None, item: Observation) -> None:
        """Tell another run of the same id by what the checker tells it by, and begin a life for it."""
        if run_id is None or item.record.get("status") not in STATUSES:
            return
        life = self._lives.get(self._key(path, run_id, item.line))
        if life is None:
            return
        created_at, thread_id = life.born
        before = {"created_at": created_at, "thread_id": thread_id}
        if is_another(before, item) and self._agains < self.runs_max:
            self._agains += 1
            self._again.setdefault((path, run_id), []).append(item.line)

    def _life(self, key: _Key, run_id: str | None, rank: int) -> Life | None:
        life = self._lives.get(key)
        if life is not None:
            return life
        self._known += 1
        full = len(self._lives) >= self.runs_max
        if full and not self._evict(rank):
            self.left_runs |= key[1] is not None
            return None
        life = self._lives[key] = Life(key[0], run_id, self._known, key[2])
        life.whole = not full
        life.rank = rank
        self._ranks[rank][key] = None
        return life

    def _evict(self, rank: int) -> bool:
        """Make room by leaving out the latest of the least; whether there was one that is less than the newcomer."""
        for lesser in self._ranks[:rank]:
            if lesser:
                key, _ = lesser.popitem(last=True)
                left = self._lives.pop(key)
                self.left_runs |= left.about_run
                self._stays -= len(left.stays)
                for pin in left.pins:
                    self._pins[pin.severity] -= 1
                return True
        return False

    def _rank(self, key: _Key, life: Life, rank: int) -> None:
        if rank != life.rank:
            del self._ranks[life.rank][key]
            self._ranks[rank][key] = None
            life.rank = rank

    def _take(self, life: Life, item: Observation, spoken_of: bool) -> None:
        record = item.record
        life.observations += 1
        thread_id = record.get("thread_id")
        if life.thread_id is None and isinstance(thread_id, str):
            life.thread_id = cut(thread_id)
        if record.get("status") in STATUSES:
            created_at = record.get("created_at")
            short = isinstance(thread_id, str) and len(thread_id) <= _TEXT_MAX
            life.born = created_at if is_seconds(created_at) else None, thread_id if short else None
        for name in STAMPS:
            at_s = _seconds(record.get(name))
            if at_s is not None:
                values = life.stamps.setdefault(name, [])
                if at_s not in values and len(values) < _STAMPS_MAX:
                    values.append(at_s)
        complete = item.source != "snapshot" if self.sampling == "auto" else self.sampling == "complete"
        # A snapshot with findings stands alone, so that they are pinned at its own place.
        if not spoken_of and life.stays and life.stays[-1].takes(item):
            return
        life.stays.append(Stay(item, complete))
        self._stays += 1
        most = STAYS_MAX if self._stays <= _STAYS_IN_ALL else _STAYS_FEW
        if len(life.stays) > most:
            del life.stays[most // 2]
            life.stays_left += 1
            self._stays -= 1


def cut(text: str, most: int = _TEXT_MAX) -> str:
    """The text, or its beginning where it is long.

    Example:
        >>> cut("run_1"), len(cut("x" * 999))
        ('run_1', 240)
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def _status(record: dict[str, Any]) -> str:
    status = record.get("status")
    return cut(status, 80) if isinstance(status, str) else "(none)"


def _seconds(value: Any) -> float | None:
    """A time that can be drawn."""
    if type(value) not in (int, float) or not 0 < value < _STAMP_LIMIT_S:
        return None
    return value if math.isfinite(value) else None


def _calls(record: dict[str, Any]) -> tuple[str, ...]:
    """Names of the tool calls a record waits for; whatever is not as it should be is left out."""
    action = record.get("required_action")
    submit = action.get("submit_tool_outputs") if isinstance(action, dict) else None
    calls = submit.get("tool_calls") if isinstance(submit, dict) else None
    return tuple(_names(calls)) if isinstance(calls, list) else ()


def _names(calls: Iterable[Any]) -> Iterator[str]:
    for _, call in zip(range(_CALLS_MAX), calls, strict=False):
        function = call.get("function") if isinstance(call, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        yield cut(name, 80) if isinstance(name, str) else "?"
