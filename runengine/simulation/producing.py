"""From a scenario to a sink: chunk by chunk, each with what was seen of its runs and those of them that are broken."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from attrs import Factory, define, evolve, field, frozen

from runengine.core import SECOND_US, STATUSES, Status
from runengine.simulation.faults import Truth, broken, is_faulted, write_truth
from runengine.simulation.faults.choosing import FAULTED
from runengine.simulation.lives import Life, lives_of
from runengine.simulation.recording import Recording, View, history_of, polled_of
from runengine.simulation.scenario import Scenario
from runengine.simulation.streams import stream_of
from runengine.simulation.vectors.details import Details
from runengine.simulation.vectors.draws import uniforms
from runengine.simulation.vectors.histories import CHUNK_RUNS, Histories, histories
from runengine.simulation.vectors.observing import KINDS, Observed, events_of, looks_at
from runengine.simulation.vectors.population import BLOCK, begins_us
from runengine.simulation.vectors.stamps import Stamps
from runengine.simulation.writing.chunk import Chunk, Sink

__all__ = ["Counts", "FaultPlan", "Truths", "chunks", "produce"]

ROWS_MAX: Final = 1 << 20
"""Rows in a chunk, about, whatever its runs: of long polled runs there are fewer in it."""


@frozen(kw_only=True)
class FaultPlan:
    """Which runs are broken, and how.

    Attributes:
        rate: The share of runs that are chosen.
        kinds: Names of the faults; of each run one is taken that can be made on it, if there is one.

    Example:
        >>> FaultPlan(rate=0.01, kinds=("zero_stamp",)).rate
        0.01
    """

    rate: float
    kinds: tuple[str, ...]


@define(kw_only=True)
class Counts:
    """What was made.

    Attributes:
        runs: Runs.
        rows: What was seen of them, as often as it was seen; of streams, the entries of their histories.
        statuses: Runs by the status they ended in.
        faults: Runs that are broken, by the fault.

    Example:
        >>> Counts().runs
        0
    """

    runs: int = 0
    rows: int = 0
    statuses: Counter[Status] = Factory(Counter)
    faults: Counter[str] = Factory(Counter)


class Truths:
    r"""Writes what was done to each broken run once its place in the file is known, in order of the runs.

    Args:
        write: Takes the lines.

    Example:
        >>> Truths(lambda line: None).told("run_1", (3,))
        Traceback (most recent call last):
        KeyError: 'run_1'
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write: Final = write
        self._order: Final = deque[str]()
        self._known: Final[dict[str, Truth]] = {}
        self._placed: Final[dict[str, Truth]] = {}

    def expect(self, truth: Truth) -> None:
        """A run is broken; its rows are on their way."""
        self._order.append(truth.run_id)
        self._known[truth.run_id] = truth

    def told(self, run_id: str, lines: tuple[int, ...]) -> None:
        """Its rows are in the file: what a sink calls."""
        self._placed[run_id] = self._known.pop(run_id).at(lines)
        while self._order and self._order[0] in self._placed:
            self._write(write_truth(self._placed.pop(self._order.popleft())))


def produce(
    scenario: Scenario,
    seed: int,
    runs: int,
    sink: Sink,
    *,
    view: View = "history",
    first: int = 0,
    chunk_runs: int = CHUNK_RUNS,
    faults: FaultPlan | None = None,
    truths: Truths | None = None,
    progress: Callable[[int], None] | None = None,
) -> Counts:
    r"""Simulate runs into a sink, and close it.

    Args:
        scenario: The world.
        seed: Any whole number; the same seed, scenario and version make the same bytes.
        runs: How many.
        sink: Where they are written.
        view: How they are recorded.
        first: The index of the first.
        chunk_runs: Runs in a chunk, about; it changes memory and speed alone.
        faults: Which runs are broken, or None.
        truths: Told of each broken run; its `told` is to be the sink's.
        progress: Told after each chunk how many runs are done.

    Returns:
        What was made.

    Example:
        >>> import io
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.writing.jsonl import JsonLines
        >>> out, steady = io.BytesIO(), scenario_named("steady")
        >>> counts = produce(steady, 1, 100, JsonLines(out, steady, "history"))
        >>> counts.runs, counts.rows == out.getvalue().count(b"\n")
        (100, True)
    """
    counts = Counts()
    made = chunks(
        scenario,
        seed,
        runs,
        view=view,
        first=first,
        chunk_runs=chunk_runs,
        faults=faults,
        counts=counts,
        expect=truths.expect if truths else None,
        carries=getattr(sink, "carries", None),
    )
    try:
        for chunk in made:
            sink.write(chunk)
            if progress is not None:
                progress(counts.runs)
        sink.close()
    except BaseException:
        getattr(sink, "abandon", bool)()
        raise
    return counts


def chunks(
    scenario: Scenario,
    seed: int,
    runs: int,
    *,
    view: View = "history",
    first: int = 0,
    chunk_runs: int = CHUNK_RUNS,
    faults: FaultPlan | None = None,
    counts: Counts | None = None,
    expect: Callable[[Truth], None] | None = None,
    carries: Callable[[Recording], bool] | None = None,
) -> Iterator[Chunk]:
    """The chunks that a sink is given, one after another; arguments as of `produce`.

    Args:
        scenario: The world.
        seed: The seed.
        runs: How many.
        view: How they are recorded.
        first: The index of the first.
        chunk_runs: Runs in a chunk, about.
        faults: Which runs are broken, or None.
        counts: Kept up to date, before a chunk is handed out.
        expect: Told of each broken run.
        carries: Whether a broken recording can be written; where not, another fault is tried.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> [len(chunk.histories) for chunk in chunks(scenario_named("steady"), 1, 5000)]
        [5000]
    """
    counts = Counts() if counts is None else counts
    breaking = None
    if faults is not None:
        breaking = _Breaking(scenario, seed, view, range(first, first + runs), faults, expect, carries)
    chunk_runs = max(1, chunk_runs)
    for whole in histories(scenario, seed, runs, first=first, chunk_runs=chunk_runs):
        end_us = begins_us(scenario, int(whole.runs[-1]) // BLOCK + 1)
        for start, stop in _pieces(whole, view, chunk_runs):
            made = whole.cut(start, stop)
            observed = looks_at(made) if view == "polled" else events_of(made)
            faulted = breaking.of(whole, made, observed) if breaking else {}
            _count(counts, made, observed, faulted, view)
            if breaking:
                counts.faults.update(breaking.made)
                breaking.made.clear()
            yield Chunk(
                histories=made,
                details=Details(made),
                observed=observed,
                view=view,
                faulted=faulted,
                horizon_us=_horizon_us(whole, stop, end_us),
            )


def _pieces(whole: Histories, view: View, chunk_runs: int) -> Iterator[tuple[int, int]]:
    """Where to cut, that no piece has many more rows than it may, or more runs than were asked for."""
    rows = whole.offsets[1:] - whole.offsets[:-1]
    if view == "polled":
        pollers = whole.world.scenario.pollers
        polls = (whole.ended_us - whole.created_us) / (pollers.interval_s * SECOND_US)
        rows = rows + polls.clip(0, pollers.polls_max).astype(rows.dtype) + 1
    total = rows.cumsum()
    start = 0
    while start < len(whole):
        done = int(total[start - 1]) if start else 0
        stop = int(total.searchsorted(done + ROWS_MAX, side="right"))
        stop = min(max(stop, start + 1), start + chunk_runs, len(whole))
        yield start, stop
        start = stop


def _horizon_us(whole: Histories, stop: int, end_us: int) -> int:
    """Before when nothing happens to a run that comes later."""
    if stop == len(whole):
        return end_us
    refused_us = whole.refused_us[stop:]
    moments = [end_us, int(whole.created_us[stop:].min())]
    if (refused_us >= 0).any():
        moments.append(int(refused_us[refused_us >= 0].min()))
    return min(moments)


def _count(counts: Counts, made: Histories, observed: Observed, faulted: dict[int, Recording], view: View) -> None:
    counts.runs += len(made)
    counts.rows += len(observed.run)
    if view != "stream":
        for place, recording in faulted.items():
            start, stop = _span(observed, place)
            counts.rows += len(recording.rows) - (stop - start)
    last = Stamps(made).status[made.offsets[1:] - 1]
    for number, status in enumerate(STATUSES):
        if count := int((last == number).sum()):
            counts.statuses[status] += count


def _span(observed: Observed, place: int) -> tuple[int, int]:
    return int(observed.run.searchsorted(place)), int(observed.run.searchsorted(place, side="right"))


@define(kw_only=True)
class _Around:
    """The runs of whole blocks, as far as they are in the file; each life is made once."""

    whole: Histories
    seed: int
    lives: dict[int, Life] = field(factory=dict)

    def alone(self, index: int) -> Histories:
        """A run, by its index."""
        place = index - int(self.whole.runs[0])
        return self.whole.cut(place, place + 1)

    def life(self, index: int) -> Life:
        """Its life."""
        if index not in self.lives:
            self.lives[index] = next(lives_of(self.alone(index)))
        return self.lives[index]

    def other(self, life: Life, runs: range, rate: float) -> Life | None:
        """A run of another thread in the same file and block, one that is not broken if there is one."""
        near = [life.index ^ 1 << bit for bit in range(BLOCK.bit_length() - 1)]
        near = [index for index in near if index in runs]
        for index in sorted(near, key=lambda index: is_faulted(self.seed, index, rate)):
            if self.life(index).thread_id != life.thread_id:
                return self.life(index)
        return None


class _Breaking:
    """Breaks the runs that are chosen."""

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        view: View,
        runs: range,
        plan: FaultPlan,
        expect: Callable[[Truth], None] | None,
        carries: Callable[[Recording], bool] | None,
    ) -> None:
        self._scenario, self._seed, self._view, self._runs, self._plan = scenario, seed, view, runs, plan
        self._expect, self._carries = expect, carries
        self.made: Counter[str] = Counter()

    def of(self, whole: Histories, made: Histories, observed: Observed) -> dict[int, Recording]:
        """The broken recordings of a chunk, by the places of their runs in it."""
        found: dict[int, Recording] = {}
        around = _Around(whole=whole, seed=self._seed)
        chosen = (uniforms(made.draws.bits(FAULTED, 0, made.runs)) < self._plan.rate).nonzero()[0]
        for place in chosen.tolist():
            life = around.life(int(made.runs[place]))
            recording = self._recorded(life, observed, place, made)
            other = around.other(life, self._runs, self._plan.rate)
            beside = None
            if other is not None:
                alone = around.alone(other.index)
                beside = self._recorded(other, looks_at(alone) if self._view == "polled" else observed, 0, alone)
            kinds = self._plan.kinds
            while (one := broken(recording, self._seed, kinds, beside)) is not None:
                recorded, truth = one
                if self._carries is None or self._carries(recorded):
                    found[place] = _bounded(recorded)
                    self.made[truth.fault] += 1
                    if self._expect:
                        self._expect(truth)
                    break
                kinds = tuple(kind for kind in kinds if kind != truth.fault)
        return found

    def _recorded(self, life: Life, observed: Observed, place: int, made: Histories) -> Recording:
        if self._view == "stream":
            return stream_of(life)
        if self._view == "history":
            return history_of(life)
        start, stop = _span(observed, place)
        first = int(made.offsets[place])
        looks = [
            (at_us, entry - first, KINDS[kind], seen_us / SECOND_US)
            for at_us, entry, kind, seen_us in zip(
                *(
                    column[start:stop].tolist()
                    for column in (observed.at_us, observed.entry, observed.kind, observed.seen_us)
                ),
                strict=True,
            )
        ]
        return polled_of(life, looks)


def _bounded(recording: Recording) -> Recording:
    """The same with no row before the run was asked for: what lies before may be in the file already."""
    life = recording.life
    asked_us = life.events[0].at_us if life.refused_us is None else life.refused_us
    rows: Sequence[Any] = [row if row.at_us >= asked_us else evolve(row, at_us=asked_us) for row in recording.rows]
    return recording.changed(rows)
