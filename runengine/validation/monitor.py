"""The monitor: runs checked while they live, inside a gateway or a proxy; one scope without an end, in bounded memory.

The rules are the checker's. What is remembered is bounded: a run that has ended by `forget_after` of the options, in
items, open ones by `runs_max` and by how long they were not seen. A run that was forgotten and comes back counts as a
new one, seen from the middle of its life. Source: DESIGN §5.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from copy import deepcopy
from hashlib import sha256
from threading import Lock
from typing import Any, Final, get_args

from attrs import Factory, asdict, define, evolve

from runengine.errors import RunEngineError
from runengine.validation.checker import Checker
from runengine.validation.clock import Clock
from runengine.validation.findings import Violation
from runengine.validation.observations import Companion, Item, Observation, StreamEnd
from runengine.validation.readers.envelopes import items_of
from runengine.validation.readers.json_lines import items_of_line
from runengine.validation.readers.natively import native
from runengine.validation.standing import as_line, as_parts, as_plain, other_option
from runengine.validation.summary import Options, Summary

__all__ = ["RUNS_MAX", "SNAPSHOT_VERSION", "STALE_AFTER_S", "Monitor", "SnapshotRefused"]

RUNS_MAX: Final = 100_000
"""How many runs that have not ended are remembered, about 3 kB each."""

STALE_AFTER_S: Final = 86_400.0
"""How long a run that has not ended may go unseen: a day; recorded deadlines are at most ten hours (FACTS B4)."""

SNAPSHOT_VERSION: Final = 2
"""Version of what `snapshot` writes."""

_SNAPSHOT_OF: Final = "runengine monitor"
_OBSERVED: Final = (*get_args(Item), dict, list, str, bytes)
_WHYS: Final[tuple[str, ...]] = ("over_runs_max", "stale", "not_json")


class SnapshotRefused(RunEngineError, ValueError):
    """A monitor cannot go on from a snapshot: it is damaged, of another version, or was made with other options.

    Attributes:
        problem: What is wrong with it, and what was expected.

    Example:
        >>> str(SnapshotRefused("it is empty"))
        'the snapshot of a monitor was refused: it is empty'
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"the snapshot of a monitor was refused: {self.problem}"


@define
class _Stream:
    """One of the event streams that are open."""

    place: tuple[bool, bool] = (True, False)
    runs: dict[str, None] = Factory(dict)


class Monitor:
    """Holds what it is shown to the rules of `Checker`, without an end.

    It may be shared by threads: one lock is held while something is observed, and nobody waits for anything else. It
    has no clock: how long a run was not seen is measured by the newest time of an observation, or told by `expire`. One
    wrong date makes nothing stale: a time more than `stale_after_s` ahead of the newest is believed only when eight
    observations one after another are dated so (see `runengine.validation.clock`).

    Args:
        options: What to hold records to.
        runs_max: How many runs that have not ended are remembered; those that were not seen for longest go first.
        stale_after_s: How long a run that has not ended may go unseen, seconds; None for ever.
        name: Stands for the path in violations.

    Raises:
        ValueError: a limit is not positive.

    Example:
        >>> from runengine.validation.catalogue.examples import record
        >>> monitor = Monitor(name="gateway")
        >>> monitor.observe(record("completed"))
        ()
        >>> [(v.code, v.run_id, v.path, v.line) for v in monitor.observe(record("in_progress"))]
        [('RE103', 'run_1', 'gateway', 2)]
    """

    def __init__(
        self,
        options: Options | None = None,
        *,
        runs_max: int = RUNS_MAX,
        stale_after_s: float | None = STALE_AFTER_S,
        name: str = "monitor",
    ) -> None:
        if runs_max < 1:
            raise ValueError(f"runs_max is at least 1, got {runs_max!r}")
        if stale_after_s is not None and not stale_after_s > 0:
            raise ValueError(f"stale_after_s is greater than 0, or None for ever, got {stale_after_s!r}")
        self._checker = Checker(options)
        self._runs_max = runs_max
        self._stale_after_s = stale_after_s
        self._name = name
        self._lock = Lock()
        self._count = 0
        self._clock = Clock(stale_after_s)
        self._unseen: OrderedDict[str, float | None] = OrderedDict()
        """Open runs, the longest unseen first, each with the newest time that was known when it was seen."""
        self._streams: OrderedDict[str, _Stream] = OrderedDict()
        self._evicted: dict[str, int] = dict.fromkeys(_WHYS, 0)

    def __len__(self) -> int:
        """How many runs are remembered that have not ended."""
        return len(self._unseen)

    @property
    def options(self) -> Options:
        """What records are held to."""
        return self._checker.options

    @property
    def summary(self) -> Summary:
        """The counts so far; a copy, which does not go on counting."""
        with self._lock:
            return deepcopy(self._checker.summary)

    @property
    def evicted(self) -> dict[str, int]:
        """How many runs were forgotten, by why.

        `ended`: more than `forget_after` items were observed since. `over_runs_max` and `stale`: they had not ended.
        `not_json`: what was known of them could not be written into a snapshot, or read from one.
        """
        with self._lock:
            return {"ended": self._checker.memory.forgotten, **self._evicted}

    def observe(
        self, observed: Item | dict[str, Any] | list[Any] | str | bytes, *, stream: str = ""
    ) -> tuple[Violation, ...]:
        """Check what was seen, and remember what later observations need.

        Args:
            observed: An item of a reader; or JSON as a line of a recording holds it, as text or decoded: a run, a list
                response, an error, or an envelope `{"data": …}` with any of kind, event, observed_at, http_status. An
                item whose `line` is 0, and JSON, has the number of the observation for a line, from 1.
            stream: Which of several event streams at a time it came with; their ends are told apart by it.

        Returns:
            The violations that it shows: RE901 where it is text that cannot be read.

        Raises:
            TypeError: it is none of these.
        """
        if not isinstance(observed, _OBSERVED):
            raise TypeError(f"expected an item of a reader, or JSON as text or decoded; got {type(observed).__name__}")
        with self._lock:
            self._count += 1
            if isinstance(observed, (dict, list)):
                items = list(items_of(observed, self._count))
            elif isinstance(observed, (str, bytes)):
                items = list(items_of_line(observed, self._count))
            else:
                items = [self._numbered(observed)]
            times = (getattr(item, "observed_s", None) for item in items)
            self._clock.date(next((seen_s for seen_s in times if seen_s is not None), None))
            found: list[Violation] = []
            for item in items:
                found += self._observe(item, stream)
            return tuple(found)

    def expire(self, now_s: float) -> int:
        """Say what time it is: runs that were not seen for `stale_after_s` are forgotten.

        Args:
            now_s: Unix seconds, by the clock that the observations are dated with.

        Returns:
            How many were.
        """
        with self._lock:
            before = self._evicted["stale"]
            self._clock.tell(now_s)
            self._evict()
            return self._evicted["stale"] - before

    def close(self) -> tuple[Violation, ...]:
        """Nothing more will be observed: what waited for the end is said."""
        with self._lock:
            return tuple(self._checker.end(self._name))

    def snapshot(self) -> bytes:
        """All that is remembered, as JSON Lines in ASCII; `restore` goes on from there.

        Nothing can be observed meanwhile. What holds no JSON, or is nested too deep for it, is left out and counted.
        """
        with self._lock:
            lines = list(self._lines())
        head = {"snapshot": _SNAPSHOT_OF, "version": SNAPSHOT_VERSION, "sha256": _digest(lines)}
        return b"\n".join((as_line(head), *lines, b""))

    @classmethod
    def restore(cls, snapshot: bytes, options: Options | None = None) -> Monitor:
        """A monitor that goes on as if nothing had happened: it finds what the other would have found.

        Args:
            snapshot: From `snapshot`.
            options: Those of the monitor that made it; its limits and its name are in the snapshot.

        Raises:
            SnapshotRefused: it is damaged or of another version, or it was made with other options.

        Example:
            >>> from runengine.validation.catalogue.examples import record
            >>> monitor = Monitor()
            >>> monitor.observe(record("completed"))
            ()
            >>> [v.code for v in Monitor.restore(monitor.snapshot()).observe(record("in_progress"))]
            ['RE103']
        """
        lines = _checked_lines(snapshot)
        try:
            settings = json.loads(lines[0])
            _refuse_others(settings["options"], as_plain(options or Options()))
            monitor = cls(options, **settings["limits"])
            left_out = sum(not monitor._took(line) for line in lines[1:])
            monitor._evicted["not_json"] += left_out
        except SnapshotRefused:
            raise
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise SnapshotRefused(f"its content is not what a monitor writes: {error!r}"[:300]) from None
        return monitor

    def _numbered(self, item: Item) -> Item:
        if item.line:
            return item
        return item._replace(line=self._count) if isinstance(item, tuple) else evolve(item, line=self._count)

    def _observe(self, item: Item, stream: str) -> list[Violation]:
        if isinstance(item, StreamEnd):
            return self._stream_end(item, stream)
        if isinstance(item, Observation):
            item = native(item, self.options.dialect)
        if isinstance(item, (Observation, Companion)):
            found = (
                self._in_stream(item, stream) if item.source == "stream" else self._checker.observe(self._name, item)
            )
            self._saw(item)
        else:
            found = self._checker.observe(self._name, item)
        self._evict()
        return found

    def _in_stream(self, item: Observation | Companion, stream: str) -> list[Violation]:
        """The checker takes all streams for one; it is told where this one stands."""
        known = self._streams.setdefault(stream, _Stream())
        self._streams.move_to_end(stream)
        if len(self._streams) > self._runs_max:
            self._streams.popitem(last=False)
        around = self._checker.around
        around.place = known.place
        found = self._checker.observe(self._name, item)
        known.place = around.place
        run_id, streaming = item.record.get("id"), self._checker.memory.streaming
        if isinstance(item, Observation) and run_id in streaming:
            known.runs[run_id] = None
            if len(known.runs) > 2 * len(streaming):  # runs that have ended, here or elsewhere
                known.runs = {each: None for each in known.runs if each in streaming}
        return found

    def _stream_end(self, end: StreamEnd, stream: str) -> list[Violation]:
        """Of all the runs that came in streams, it is shown those only that this one had."""
        memory = self._checker.memory
        others = memory.streaming
        known = self._streams.pop(stream, _Stream())
        memory.streaming = {run_id: others.pop(run_id) for run_id in known.runs if run_id in others}
        found = self._checker.observe(self._name, end)
        memory.streaming = others
        return found

    def _saw(self, item: Observation | Companion) -> None:
        """Put the run at the end of those that go first; one that has ended is the memory's to forget."""
        run_id = item.record.get("id" if isinstance(item, Observation) else "run_id")
        if not isinstance(run_id, str):
            return
        if run_id in self._checker.memory.open:
            self._unseen[run_id] = self._clock.newest_s
            self._unseen.move_to_end(run_id)
        else:
            self._unseen.pop(run_id, None)

    def _evict(self) -> None:
        while len(self._unseen) > self._runs_max:
            self._forget("over_runs_max")
        first_s, newest_s = self._clock.first_s, self._clock.newest_s
        if first_s is None or newest_s is None or self._stale_after_s is None:
            return
        while self._unseen:
            seen_s = next(iter(self._unseen.values()))
            if (first_s if seen_s is None else seen_s) >= newest_s - self._stale_after_s:
                break
            self._forget("stale")

    def _forget(self, why: str) -> None:
        run_id, _ = self._unseen.popitem(last=False)
        self._checker.memory.forget(run_id)
        self._checker.around.forget(run_id)
        self._evicted[why] += 1

    def _lines(self) -> Iterator[bytes]:
        limits = {"runs_max": self._runs_max, "stale_after_s": self._stale_after_s, "name": self._name}
        yield as_line({"options": as_plain(self.options), "limits": limits})
        left_out = 0
        for line in as_parts(self._checker):
            if line is None:
                left_out += 1
            else:
                yield line
        counted = asdict(self._checker.summary, recurse=False)
        yield as_line(["summary", {**counted, "edges": [[*edge, count] for edge, count in counted["edges"].items()]}])
        evicted = {**self._evicted, "not_json": self._evicted["not_json"] + left_out}
        own = {"count": self._count, "clock": self._clock.kept(), "evicted": evicted}
        streams = [[stream, known.place, list(known.runs)] for stream, known in self._streams.items()]
        yield as_line(["monitor", {**own, "unseen": list(self._unseen.items()), "streams": streams}])

    def _took(self, line: bytes) -> bool:
        """Whether a part was read; one that could just be written may be nested too deep for that."""
        try:
            what, kept = json.loads(line)
        except RecursionError:
            return False
        self._take(what, kept)
        return True

    def _take(self, what: str, kept: Any) -> None:
        if what == "summary":
            for name, counted in {**kept, "edges": {(source, to): n for source, to, n in kept["edges"]}}.items():
                own = getattr(self._checker.summary, name)
                setattr(self._checker.summary, name, Counter(counted) if isinstance(own, Counter) else counted)
        elif what == "monitor":
            self._count = kept["count"]
            self._clock.take(kept["clock"])
            self._evicted = {why: kept["evicted"][why] for why in _WHYS}
            known = self._checker.memory.open  # without those that were left out of the snapshot
            self._unseen.update((run_id, seen_s) for run_id, seen_s in kept["unseen"] if run_id in known)
            for stream, (head, whole), runs in kept["streams"]:
                self._streams[stream] = _Stream((head, whole), dict.fromkeys(runs))
        elif not self._checker.memory.take(what, kept) and not self._checker.around.take(what, kept):
            raise SnapshotRefused(f"it holds {what!r}, which this version of runengine does not know")


def _digest(lines: Iterable[bytes]) -> str:
    return sha256(b"\n".join(lines)).hexdigest()


def _refuse_others(made_with: dict[str, Any], given: dict[str, Any]) -> None:
    other = other_option(made_with, given)
    if other is not None:
        raise SnapshotRefused(f"it was made with other options: {other}")


def _checked_lines(snapshot: bytes) -> list[bytes]:
    first, *lines = snapshot.split(b"\n")
    try:
        head = json.loads(first)
        kind, version, digest = head["snapshot"], head["version"], head["sha256"]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise SnapshotRefused("it does not begin as a snapshot does") from None
    if kind != _SNAPSHOT_OF:
        raise SnapshotRefused(f"it is of {kind!r}, not of {_SNAPSHOT_OF!r}")
    if version != SNAPSHOT_VERSION:
        raise SnapshotRefused(f"it is of version {version!r}, and this runengine reads version {SNAPSHOT_VERSION}")
    if not lines or lines.pop() != b"" or digest != _digest(lines):
        raise SnapshotRefused("it is damaged: what it holds does not agree with its checksum")
    return lines
