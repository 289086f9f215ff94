"""Parquet: the same rows as JSON Lines, the same bytes whatever the chunks, faults where they fit into columns."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runengine.core import FIELDS
from runengine.core.generations import GENERATIONS
from runengine.simulation import Assistant, Scenario, Step, scenario_named
from runengine.simulation.faults import FAULTS, read_truths
from runengine.simulation.producing import FaultPlan, Truths, produce
from runengine.simulation.recording import View
from runengine.simulation.writing.jsonl import JsonLines
from runengine.simulation.writing.order import Order
from runengine.simulation.writing.parquet import Columns, Parquet
from tests.simulation.writing.scenes import with_changes

RUNS = 60
BROKEN = FaultPlan(rate=0.3, kinds=tuple(FAULTS))


def parquet(
    scenario: Scenario,
    view: View = "history",
    *,
    columns: Columns = "lifecycle",
    order: Order = "time",
    runs: int = RUNS,
    chunk_runs: int = 4096,
    group_rows: int = 100,
    faults: FaultPlan | None = None,
    truth: list[bytes] | None = None,
) -> bytes:
    """A file."""
    out, truths = io.BytesIO(), Truths((truth if truth is not None else []).append)
    sink = Parquet(out, scenario, 1, view, columns=columns, order=order, told=truths.told, group_rows=group_rows)
    produce(scenario, 1, runs, sink, view=view, chunk_runs=chunk_runs, faults=faults, truths=truths)
    return out.getvalue()


def rows_of(data: bytes) -> list[dict[str, Any]]:
    """The rows of a file."""
    made: list[dict[str, Any]] = pq.read_table(io.BytesIO(data)).to_pylist()
    return made


def without(event: str) -> dict[str, dict[str, Step]]:
    """The steps of a scenario but one."""
    steps = scenario_named("archive-2024").steps
    return {status: {name: step for name, step in some.items() if name != event} for status, some in steps.items()}


def lines_of(scenario: Scenario, view: View, order: Order) -> list[dict[str, Any]]:
    """The same as JSON Lines, without what is no record."""
    out = io.BytesIO()
    produce(scenario, 1, RUNS, JsonLines(out, scenario, view, order=order), view=view)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    return [line for line in lines if "error" not in line["data"]]


def same_envelope(row: dict[str, Any], line: dict[str, Any]) -> bool:
    """Whether a row says the same of itself as a line."""
    said = (line["kind"], line.get("event"), round(line["observed_at"] * 1_000_000))
    return (row["kind"], row["event"], row["observed_at_us"]) == said


@pytest.mark.parametrize("order", ["time", "run"])
@pytest.mark.parametrize("view", ["history", "polled"])
@pytest.mark.parametrize("name", ["steady", "flaky", "tool-heavy", "archive-2024"])
def test_records_are_those_of_json_lines(name: str, view: View, order: Order) -> None:
    """Row for row, every field of a record is what JSON Lines have there; nested ones as JSON."""
    scenario = scenario_named(name)
    rows, lines = rows_of(parquet(scenario, view, columns="record", order=order)), lines_of(scenario, view, order)
    assert len(rows) == len(lines)
    for row, line in zip(rows, lines, strict=True):
        assert same_envelope(row, line)
        for field, value in line["data"].items():
            is_plain = field in FIELDS and FIELDS[field].kind in ("string", "stamp", "integer", "number", "boolean")
            assert (row[field] if is_plain or row[field] is None else json.loads(row[field])) == value, field
        assert {*row} == {*line["data"], "kind", "event", "seq", "observed_at_us"}


@pytest.mark.parametrize("order", ["time", "run"])
@pytest.mark.parametrize("view", ["history", "polled"])
def test_lifecycle_columns_are_those_of_json_lines(view: View, order: Order) -> None:
    """Row for row, ids, status, event and stamps are what JSON Lines have there, and seq counts a run's rows."""
    scenario = scenario_named("flaky")
    counts: dict[str, int] = {}
    rows, lines = rows_of(parquet(scenario, view, order=order)), lines_of(scenario, view, order)
    for row, line in zip(rows, lines, strict=True):
        assert same_envelope(row, line)
        counts[row["run_id"]] = counts.get(row["run_id"], 0) + 1
        assert (row["run_id"], row["seq"]) == (line["data"]["id"], counts[row["run_id"]])
        same = {*row} & {*line["data"]}
        assert len(same) == 10
        assert {name: row[name] for name in same} == {name: line["data"][name] for name in same}


@pytest.mark.parametrize("faults", [None, BROKEN])
@pytest.mark.parametrize("order", ["time", "run"])
@pytest.mark.parametrize("columns", ["lifecycle", "record"])
def test_the_bytes_do_not_depend_on_the_chunks(columns: Columns, order: Order, faults: FaultPlan | None) -> None:
    """Chunks of any size make the same file."""
    faults = faults if columns == "record" else None
    made = {
        parquet(scenario_named("flaky"), columns=columns, order=order, runs=120, chunk_runs=size, faults=faults)
        for size in (7, 50, 4096)
    }
    assert len(made) == 1


def test_a_row_group_is_as_long_as_it_says() -> None:
    """Row groups are full, but for the last."""
    file = pq.ParquetFile(io.BytesIO(parquet(scenario_named("steady"), chunk_runs=5, group_rows=50)))
    lengths = [file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups)]
    assert set(lengths[:-1]) == {50}
    assert 0 < lengths[-1] <= 50


def test_readers_see_plain_types() -> None:
    """Texts are texts and times whole numbers to any reader, and the file says what it was made of."""
    file = pq.ParquetFile(io.BytesIO(parquet(scenario_named("steady"))))
    assert set(file.schema_arrow.types) == {pa.string(), pa.int64(), pa.int32()}
    metadata = file.metadata.metadata
    assert metadata[b"runengine.seed"] == b"1"
    assert b'name = "steady"' in metadata[b"runengine.scenario"]


@pytest.mark.parametrize("generation", ["G1", "G3", "G5", "G8", "G11", GENERATIONS[-1].name])
def test_records_have_the_fields_of_their_generation(generation: str) -> None:
    """The columns are the generation's fields, in the order of the wire."""
    plain = (Assistant(assistant_id="asst_1", tools=("code_interpreter",)),)
    scenario = with_changes(
        scenario_named("archive-2024"), generation=generation, assistants=plain, steps=without("exhaust_tokens")
    )
    names = pq.read_schema(io.BytesIO(parquet(scenario, columns="record", runs=5))).names[4:]
    assert names == list(lines_of(scenario, "history", "run")[0]["data"])


def test_faults_stand_in_the_rows_that_the_truth_names() -> None:
    """Each broken run has the rows of its broken recording, and the truth has the numbers of those that show it."""
    scenario, truth = scenario_named("steady"), list[bytes]()
    rows = rows_of(parquet(scenario, columns="record", faults=BROKEN, truth=truth))
    clean = rows_of(parquet(scenario, columns="record"))
    known = {tuple(row.items()) for row in clean}
    broken = read_truths(truth)
    assert len(broken) > 10
    assert [one.index for one in broken] == sorted(one.index for one in broken)
    shown = 0
    for one in broken:
        assert len(one.lines) == len(one.rows)
        for line in one.lines:
            row = rows[line - 1]
            shown += row["id"] == one.run_id and tuple(row.items()) not in known
    assert shown > 5


def test_what_is_no_object_of_these_columns_is_not_carried() -> None:
    """A fault whose rows do not fit into columns is not made; another is, or none."""
    lines, steady, truth = ("cut_line", "not_json"), scenario_named("steady"), list[bytes]()
    kinds = tuple(name for name in FAULTS if FAULTS[name].family == "lines") or lines
    data = parquet(steady, columns="record", faults=FaultPlan(rate=1, kinds=kinds), truth=truth)
    carried = {one.fault for one in read_truths(truth)}
    assert carried < set(kinds)
    assert len(rows_of(data)) > RUNS


@pytest.mark.slow
def test_ten_million_runs_take_less_than_two_gibibytes(tmp_path: Path) -> None:
    """From seed to file, whatever the runs, in bounded memory."""
    out = tmp_path / "runs.parquet"
    command = [sys.executable, "-m", "runengine", "simulate", "--runs", "10M", "-o", str(out)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert used.ru_maxrss * 1024 < 2 << 30
    assert pq.read_metadata(out).num_rows > 30_000_000


def test_no_run_is_no_row() -> None:
    """A file of runs that left no row is a file with columns and no rows."""
    out, steady = io.BytesIO(), scenario_named("steady")
    Parquet(out, steady, 1, "history").close()
    assert pq.read_table(io.BytesIO(out.getvalue())).num_rows == 0


def test_what_has_no_columns_is_refused() -> None:
    """Streams, and dialects with keys of their own, are refused with what to do instead."""
    with pytest.raises(ValueError, match=r"a stream has no columns: write \.sse or \.jsonl"):
        Parquet(io.BytesIO(), scenario_named("steady"), 1, "stream")
    odd = with_changes(scenario_named("steady"), dialect="typescript-instance")
    with pytest.raises(ValueError, match="columns are those of the native dialect, not typescript-instance"):
        Parquet(io.BytesIO(), odd, 1, "history")
