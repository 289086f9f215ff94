"""What operators declare, compared with what the checker says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from attrs import Factory, define, evolve, field

from runengine.simulation.chance import Chance
from runengine.simulation.faults import FAULTS, Fault, Truth, made_by
from runengine.simulation.recording import Recording, View
from runengine.simulation.scenario import Scenario
from runengine.validation import Violation
from tests.recall.files import said_of, written
from tests.recall.worlds import VIEWS, WORLDS, recordings

__all__ = ["Measured", "Tally", "measure", "tally_of"]


@define
class Tally:
    """What became of one operator's faults.

    Attributes:
        made: How many were made.
        seen: How many can be seen with the rules there are.
        found: How many of these were found: one of their rules was reported at the run.
        placed: How many of these at one of the lines the operator marked.
        extra: Runs of which more was said than the operator declared.
        marked: How many of those made would be seen with rules that are awaited.
        notes: What was missed, or said too much, for whoever looks into it.
    """

    made: int = 0
    seen: int = 0
    found: int = 0
    placed: int = 0
    extra: int = 0
    marked: int = 0
    notes: list[str] = Factory(list)

    def add(self, other: Tally) -> None:
        """Count another one's in."""
        for name in ("made", "seen", "found", "placed", "extra", "marked"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.notes += other.notes


@define
class Measured:
    """What came of everything.

    Attributes:
        faults: Of each operator in each view.
        clean: Runs without a fault.
        spoken_of: Those of them of which something was said that is not said of them in a clean file.
        worlds: Runs broken, of each world and view.
        notes: What was said of clean runs.
    """

    faults: dict[tuple[str, View], Tally] = field(factory=lambda: defaultdict(Tally))
    clean: int = 0
    spoken_of: int = 0
    worlds: Counter[tuple[str, View]] = Factory(Counter)
    notes: list[str] = Factory(list)

    def of(self, name: str) -> Tally:
        """One operator's, over its views."""
        whole = Tally()
        for view in VIEWS:
            if (name, view) in self.faults:
                whole.add(self.faults[name, view])
        return whole

    @property
    def total(self) -> Tally:
        """Over all operators."""
        whole = Tally()
        for tally in self.faults.values():
            whole.add(tally)
        return whole


def _spoiled(
    clean: Sequence[Recording], seed: int, measured: Measured, kinds: Sequence[str]
) -> dict[int, tuple[Recording, Truth]]:
    """Every other run broken, by the operator that was used least among those that can be."""
    made: dict[int, tuple[Recording, Truth]] = {}
    view = clean[0].view
    usable = [name for name in kinds if view in FAULTS[name].views and not FAULTS[name].alone]
    for number in range(1, len(clean), 2):
        for name in sorted(usable, key=lambda name: measured.faults[name, view].made):
            chance = Chance(seed, "fault", clean[number].life.index)
            one = made_by(FAULTS[name], clean[number], chance, clean[number - 1])
            if one is not None:
                made[number] = one
                measured.faults[name, view].made += 1
                break
    return made


def tally_of(
    label: str,
    scenario: Scenario,
    view: View,
    measured: Measured,
    *,
    seed: int,
    runs: int,
    first: int = 0,
    kinds: Sequence[str] = tuple(FAULTS),
) -> None:
    """Measure one world in one view, and add it to what was measured.

    Args:
        label: The world's name.
        scenario: The world.
        view: How its runs are recorded.
        measured: What is added to.
        seed: The simulation's.
        runs: How many runs; half of them are broken.
        first: The first run's number.
        kinds: The operators used.
    """
    clean = recordings(scenario, seed, runs, view, first)
    natural = {number: {v.code for v in found} for number, found in said_of(written(clean), clean).items()}
    spoiled = _spoiled(clean, seed, measured, kinds)
    measured.worlds[label, view] += len(spoiled)
    measured.clean += len(clean) - len(spoiled)
    mixed = [spoiled[number][0] if number in spoiled else clean[number] for number in range(len(clean))]
    file = written(mixed)
    found = said_of(file, mixed)
    excused: dict[int, set[str]] = defaultdict(set)
    for number, (_, truth) in spoiled.items():
        near = found.get(number - 1, []) if truth.others else []
        # What reaches another run reaches those that share its thread.
        reached = clean[number - 1].life.thread_id if truth.others else None
        for beside in range(len(clean)):
            if clean[beside].life.thread_id == reached:
                excused[beside] |= {*truth.breaks, *truth.may}
        _judge(truth, found.get(number, []), near, natural.get(number, set()), file.broken[number], measured, label)
    for number in range(len(clean)):
        said = {v.code for v in found.get(number, [])} - natural.get(number, set()) - excused[number]
        if number not in spoiled and said:
            measured.spoken_of += 1
            measured.notes.append(f"{label} {view} {clean[number].life.index}: {sorted(said)}")


def _judge(
    truth: Truth,
    found: Sequence[Violation],
    near: Sequence[Violation],
    natural: set[str],
    lines: set[int],
    measured: Measured,
    label: str,
) -> None:
    tally = measured.faults[truth.fault, truth.view]
    hits = [v for v in (*found, *near) if v.code in truth.breaks]
    where = f"{label} {truth.view} run {truth.index} {truth.fault}"
    tally.seen += truth.seen
    tally.marked += bool(truth.rows)
    if truth.seen and hits:
        tally.found += 1
        tally.placed += any(v.line in lines for v in hits)
    elif truth.seen:
        tally.notes.append(f"{where}: missed at {sorted(lines)}, said {[(v.code, v.line) for v in found]}")
    extra = {v.code for v in found} - {*truth.breaks, *truth.may} - natural
    if extra:
        tally.extra += 1
        tally.notes.append(f"{where}: extra {sorted(extra)}")


def _alone(fault: Fault, clean: Sequence[Recording], seed: int, measured: Measured, label: str) -> None:
    """A fault that is seen only where its stream is the last of its file."""
    for recording in clean:
        made = made_by(fault, recording, Chance(seed, "fault", recording.life.index))
        if made is None:
            continue
        file = written([made[0]])
        truth = evolve(made[1], seen=bool(made[1].rows))
        measured.faults[fault.name, "stream"].made += 1
        found = said_of(file, [made[0]]).get(0, [])
        # What is said of a stream's end stands on its last line.
        _judge(truth, found, (), {"RE102"}, {max(file.owner)}, measured, label)


def measure(runs: int, seed: int) -> Measured:
    """Measure every operator in every world and view.

    Args:
        runs: Runs of each world and view; half of them are broken.
        seed: The simulation's.
    """
    measured = Measured()
    for label, scenario in WORLDS.items():
        for view in VIEWS:
            tally_of(label, scenario, view, measured, seed=seed, runs=runs)
        for fault in FAULTS.values():
            if fault.alone:
                _alone(fault, recordings(scenario, seed, 20, "stream"), seed, measured, label)
    return measured
