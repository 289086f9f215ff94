"""From a scenario to a sink: the same bytes whatever the chunks, parts and processes; counts, horizons, truths."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.dialects import encode
from runengine.simulation import Scenario, scenario_named
from runengine.simulation.faults import FAULTS, is_faulted, read_truths
from runengine.simulation.lives import lives_of
from runengine.simulation.producing import ROWS_MAX, Counts, FaultPlan, Truths, chunks, produce
from runengine.simulation.recording import View
from runengine.simulation.streams import DONE
from runengine.simulation.vectors.histories import histories
from runengine.simulation.vectors.population import BLOCK
from runengine.simulation.writing.jsonl import JsonLines
from runengine.simulation.writing.order import Order
from runengine.simulation.writing.sse import EventStreams

VIEWS: tuple[View, ...] = ("history", "polled", "stream")
ALL = tuple(FAULTS)


def lines(
    scenario: Scenario,
    runs: int,
    view: View = "history",
    *,
    seed: int = 1,
    order: Order = "time",
    first: int = 0,
    chunk_runs: int = 4096,
    faults: FaultPlan | None = None,
) -> tuple[bytes, bytes, Counts]:
    """The file, the truth, and the counts."""
    out, truth = io.BytesIO(), io.BytesIO()
    truths = Truths(truth.write)
    sink = JsonLines(out, scenario, view, order=order, told=truths.told)
    counts = produce(
        scenario, seed, runs, sink, view=view, first=first, chunk_runs=chunk_runs, faults=faults, truths=truths
    )
    return out.getvalue(), truth.getvalue(), counts


@settings(max_examples=12)
@given(
    name=st.sampled_from(["steady", "flaky", "bursty", "rush-hour"]),
    view=st.sampled_from(VIEWS),
    order=st.sampled_from(["time", "run"]),
    chunk=st.integers(1, 40),
    runs=st.integers(1, 40),
    rate=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_chunks_change_nothing(name: str, view: View, order: Order, chunk: int, runs: int, rate: float) -> None:
    """Chunks of any size make the same file, and the same truth."""
    scenario, plan = scenario_named(name), FaultPlan(rate=rate, kinds=ALL) if rate else None
    one = lines(scenario, runs, view, order=order, chunk_runs=chunk, faults=plan)
    assert one == lines(scenario, runs, view, order=order, faults=plan)


def test_blocks_change_nothing() -> None:
    """The same holds where the runs are of several blocks, in order of time."""
    scenario = scenario_named("rush-hour")
    assert lines(scenario, 9000, chunk_runs=1000)[0] == lines(scenario, 9000, chunk_runs=65_536)[0]


@pytest.mark.parametrize("view", VIEWS)
def test_parts_make_the_whole(view: View) -> None:
    """Runs made in parts, each beginning where the one before ended, are those of the whole, run after run."""
    scenario = scenario_named("flaky")
    whole = lines(scenario, 40, view, order="run")[0]
    assert whole == b"".join(lines(scenario, n, view, order="run", first=k)[0] for k, n in ((0, 13), (13, 1), (14, 26)))


def test_broken_parts_make_the_broken_whole() -> None:
    """With faults the same holds for parts that begin where a block of runs does."""
    scenario, plan = scenario_named("steady"), FaultPlan(rate=0.02, kinds=ALL)
    whole = lines(scenario, BLOCK + 60, order="run", faults=plan)[0]
    parts = (lines(scenario, n, order="run", first=k, faults=plan)[0] for k, n in ((0, BLOCK), (BLOCK, 60)))
    assert whole == b"".join(parts)


def test_another_process_makes_the_same() -> None:
    """The bytes do not depend on the process that makes them."""
    program = "from tests.simulation.test_producing import digest; print(digest())"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest()


def digest() -> str:
    """Of a file and its truth."""
    made = lines(scenario_named("flaky"), 60, "polled", faults=FaultPlan(rate=0.2, kinds=ALL))
    return sha256(made[0] + made[1]).hexdigest()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", ["steady", "flaky", "bursty", "rush-hour", "tool-heavy", "archive-2024"])
def test_nothing_later_lies_before_a_horizon(name: str, view: View) -> None:
    """No row of a chunk lies before the horizon of the one before it."""
    horizon_us = 0
    plan = FaultPlan(rate=0.02, kinds=ALL)
    for chunk in chunks(
        scenario_named(name),
        1,
        4200 if view == "history" else 100,
        view=view,
        chunk_runs=1000 if view == "history" else 17,
        faults=plan,
    ):
        moments = [row.at_us for recording in chunk.faulted.values() for row in recording.rows]
        assert min([int(chunk.observed.at_us.min()), *moments]) >= horizon_us
        assert chunk.horizon_us >= horizon_us
        horizon_us = chunk.horizon_us


def test_long_polled_runs_come_in_smaller_chunks() -> None:
    """A chunk has not many more rows than it may, however many polls a run takes."""
    scenario = scenario_named("archive-2024")
    sizes = [len(c.observed.run) for c in chunks(scenario, 1, 60_000, view="polled", chunk_runs=65_536)]
    assert len(sizes) > 1
    assert max(sizes) < 1.2 * ROWS_MAX


def test_the_counts_are_those_of_the_file() -> None:
    """Runs, rows, statuses and faults are counted as they are written."""
    scenario, plan = scenario_named("steady"), FaultPlan(rate=0.2, kinds=("lost_row", "zero_stamp"))
    data, truth, counts = lines(scenario, 500, faults=plan)
    assert counts.runs == 500
    assert counts.rows == data.count(b"\n")
    assert counts.statuses.total() == 500
    ends = Counter(life.snapshots()[-1].status for life in lives_of(next(histories(scenario, 1, 500))))
    assert counts.statuses == ends
    made = read_truths(truth.splitlines())
    assert {*counts.faults} == {"lost_row", "zero_stamp"}
    assert counts.faults.total() == len(made)


@pytest.mark.parametrize("order", ["time", "run"])
@pytest.mark.parametrize("view", VIEWS)
def test_the_truth_names_the_runs_that_were_chosen(view: View, order: Order) -> None:
    """Every run that was chosen is in the truth, in order, with the lines at which its broken rows stand."""
    scenario, plan = scenario_named("steady"), FaultPlan(rate=0.3, kinds=ALL)
    data, truth, _ = lines(scenario, 60, view, order=order, faults=plan)
    recordings = {
        recording.life.run_id: recording
        for chunk in chunks(scenario, 1, 60, view=view, faults=plan)
        for recording in chunk.faulted.values()
    }
    made, text = read_truths(truth.splitlines()), data.split(b"\n")
    assert [one.index for one in made] == [k for k in range(60) if is_faulted(1, k, 0.3)]
    for one in made:
        # JSON Lines have no line for the end of a stream.
        broken = [row for row in recordings[one.run_id].rows if row.broken and row.data != DONE]
        told = {encode(row.envelope()) if row.raw is None else row.raw.split(b"\n")[0] for row in broken}
        assert {text[line - 1] for line in one.lines} == told


def test_streams_have_lines_too() -> None:
    """The truth of a file of event streams names lines of that file."""
    out, truth, steady = io.BytesIO(), io.BytesIO(), scenario_named("steady")
    truths = Truths(truth.write)
    plan = FaultPlan(rate=1, kinds=("zero_stamp",))
    produce(steady, 1, 20, EventStreams(out, steady, told=truths.told), view="stream", faults=plan, truths=truths)
    text = out.getvalue().splitlines()
    made = read_truths(truth.getvalue().splitlines())
    assert len(made) > 5
    assert all(text[line - 1].startswith((b"event:", b"data:")) for one in made for line in one.lines)


def test_progress_is_told() -> None:
    """How many runs are done is told after each chunk, and in the end all are."""
    told: list[int] = []
    steady = scenario_named("steady")
    produce(steady, 1, 250, JsonLines(io.BytesIO(), steady, "history"), chunk_runs=100, progress=told.append)
    assert told == [100, 200, 250]
