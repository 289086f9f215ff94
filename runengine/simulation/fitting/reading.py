"""One pass over recordings: every observation adds to the stays and the facts, and is let go.

Memory: of each run that has not ended its last snapshot's facts, of the last ended ones as much, and bounded samples.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

from attrs import define, field

from runengine.core import TERMINAL
from runengine.core.statuses import REQUIRES_ACTION
from runengine.simulation.fitting.facts import Facts
from runengine.simulation.fitting.stays import StayReader, sight_of
from runengine.simulation.fitting.tally import StayTally
from runengine.validation.observations import Item, Observation, StreamEnd, Unreadable
from runengine.validation.readers.natively import AUTO, native

__all__ = ["ENDED_KEPT", "Counts", "Reading"]

ENDED_KEPT: Final = 10_000
"""Ended runs that are remembered, so that a look at one is not taken for a new run."""


@define(kw_only=True)
class Counts:
    """What was read.

    Attributes:
        recordings: Files and databases with a run in them.
        runs: Runs; one that is in two recordings counts twice.
        ended: Of those, the ones whose end was seen.
        observations: Snapshots.
        histories: Of those, from histories, where every moment is known.
        streamed: Of those, from event streams, where no moment is but by stamps.
        untimed: Of the others, those that do not say when they were seen.
        unreadable: Lines and documents that could not be read.
        unusable: Snapshots without id, status or created_at.
        clashes: Moments where the recorder's clock and a stamp contradict each other; the stamp was taken.
        disordered: Snapshots older than the one before them, left out.
        unexplained: Changes of status that no policy explains, left out.

    Example:
        >>> Counts().runs
        0
    """

    recordings: int = 0
    runs: int = 0
    ended: int = 0
    observations: int = 0
    histories: int = 0
    streamed: int = 0
    untimed: int = 0
    unreadable: int = 0
    unusable: int = 0
    clashes: int = 0
    disordered: int = 0
    unexplained: int = 0


@define
class _Known:
    """What is remembered of a run beside its stays."""

    polled_us: int | None = None
    status: str = ""
    last: tuple[Any, ...] = field(default=())


class Reading:
    """What recordings tell. Each recording is its own scope: a run in two is two.

    Args:
        seed: For the samples.
        dialect: How the records are written, or `auto`.
        with_text: Whether to keep instructions, metadata and the names of functions.

    Attributes:
        counts: What was read.
        stays: How long runs were in a status, and what ended that.
        facts: All else.

    Example:
        >>> reading = Reading()
        >>> reading.add([Observation({"id": "run_1", "status": "queued", "created_at": 7}, 1)])
        >>> reading.counts.runs
        1
    """

    def __init__(self, *, seed: int = 1, dialect: str = AUTO, with_text: bool = False) -> None:
        self.counts = Counts()
        self.stays = StayTally(seed)
        self.facts = Facts(seed, with_text)
        self._dialect = dialect

    def add(self, items: Iterable[Item]) -> None:
        """Read one recording to its end.

        Args:
            items: What a reader makes of it.

        Raises:
            TraceUnreadable: a database fails while it is read.
        """
        counts, reader = self.counts, StayReader()
        known: dict[str, _Known] = {}
        ended: OrderedDict[str, None] = OrderedDict()
        before = counts.runs
        for item in items:
            if isinstance(item, Observation):
                self._see(item, reader, known, ended)
            elif isinstance(item, Unreadable):
                counts.unreadable += 1
            else:
                assert isinstance(item, StreamEnd) or item.what
        for stay in reader.close():
            self.stays.add(stay)
        self.facts.close()
        counts.recordings += counts.runs > before
        counts.clashes += reader.clashes
        counts.disordered += reader.disordered
        counts.unexplained += reader.unexplained

    def _see(
        self, item: Observation, reader: StayReader, known: dict[str, _Known], ended: OrderedDict[str, None]
    ) -> None:
        counts = self.counts
        raw = item.record
        item = native(item, self._dialect)
        record = item.record
        run_id, sight = record.get("id"), sight_of(item)
        if not isinstance(run_id, str) or sight is None:
            counts.unusable += 1
            return
        counts.observations += 1
        counts.histories += item.source == "history"
        counts.streamed += item.source == "stream"
        counts.untimed += item.source == "snapshot" and item.observed_s is None
        for stay in reader.see(run_id, sight):
            self.stays.add(stay)
        run = known.get(run_id)
        if run is None:
            run = known[run_id] = _Known()
            counts.runs += 1
            self.facts.first(item, raw, sight, reader.life(run_id)[0])
        if item.source == "snapshot":
            kind = item.envelope.get("kind") if item.envelope else None
            run.polled_us = self.facts.polled(kind, run.polled_us, sight.seen)
        if sight.status == REQUIRES_ACTION and (run.status, run.last) != (sight.status, (sight.started_at,)):
            self.facts.asks(record)
        if sight.status in TERMINAL and run.status not in TERMINAL:
            counts.ended += 1
            self.facts.ended(record, sight.status, reader.life(run_id)[1], reader.rounds(run_id))
            ended[run_id] = None
            if len(ended) > ENDED_KEPT:
                gone = ended.popitem(last=False)[0]
                reader.forget(gone)
                del known[gone]
        run.status, run.last = sight.status, (sight.started_at,)
