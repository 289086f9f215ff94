"""Parquet: what is found in columns is what is found in the same rows as JSON Lines."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.dialects.wire import NotJSON, decode
from runengine.errors import MissingExtra
from runengine.simulation import scenario_named
from runengine.simulation.faults import FAULTS
from runengine.simulation.producing import FaultPlan, Truths, produce
from runengine.simulation.recording import View
from runengine.simulation.writing.jsonl import JsonLines
from runengine.simulation.writing.parquet import Columns, Parquet
from runengine.validation import Violation
from runengine.validation.observations import Companion, Item, Observation, Passed, Unreadable
from runengine.validation.readers import read_items
from tests.samples import STATUSES
from tests.validation.checking import Checked, as_lines, check_bytes, clean, codes

STAMPS: Final = ("created_at", "started_at", "expires_at", "completed_at", "failed_at", "cancelled_at")
TEXTS: Final = ("thread_id", "assistant_id", "model", "status")
FAULTY: Final = FaultPlan(rate=0.4, kinds=tuple(FAULTS))
RUNS: Final = {"history": 150, "polled": 25, "stream": 0}


def written(rows: Sequence[dict[str, Any]], schema: Any = None, **options: Any) -> bytes:
    """A file of these rows."""
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([*rows], schema), out, **options)
    return out.getvalue()


def simulated(view: View, columns: Columns | None, faults: FaultPlan | None = None) -> bytes:
    """A simulated file; without columns it is JSON Lines."""
    out, scenario, truths = io.BytesIO(), scenario_named("flaky"), Truths(lambda _line: None)
    sink: Any = (
        JsonLines(out, scenario, view, told=truths.told)
        if columns is None
        else Parquet(out, scenario, 1, view, columns=columns, told=truths.told, group_rows=64)
    )
    produce(scenario, 1, RUNS[view], sink, view=view, faults=faults, truths=truths)
    return out.getvalue()


def items(data: bytes) -> list[Item]:
    """What is read of a file."""
    return list(read_items("x", io.BytesIO(data)))


def records(data: bytes) -> list[dict[str, Any]]:
    """The records of a file."""
    return [item.record for item in items(data) if isinstance(item, Observation)]


def said(checked: Checked) -> list[tuple[Any, ...]]:
    """All that is said, but for the wording."""
    return [(v.code, v.line, v.field, v.run_id, v.severity, v.message) for v in checked.violations]


class TestSimulated:
    """What `runengine simulate -o x.parquet` writes."""

    @pytest.mark.parametrize("faults", [None, FAULTY], ids=["clean", "faulty"])
    @pytest.mark.parametrize("view", ["history", "polled"])
    def test_whole_records(self, view: View, faults: FaultPlan | None) -> None:
        """Whole records in columns break what the same rows break as JSON Lines, at the same numbers."""
        data = simulated(view, "record", faults)
        lines = []
        for row in pq.read_table(io.BytesIO(data)).to_pylist():
            envelope = {"kind": row["kind"], "event": row["event"]}
            if row["observed_at_us"] is not None:
                envelope["observed_at"] = row["observed_at_us"] / 1e6
            names = [name for name in row if name not in ("kind", "event", "seq", "observed_at_us")]
            lines.append({**envelope, "data": {name: _plain(name, row[name]) for name in names}})
        found = check_bytes(data)
        assert said(found) == said(check_bytes(as_lines(lines)))
        assert bool(codes(found)) == bool(faults) or {code for code, *_ in codes(found)} == {"RE102"}
        assert found.summary.observations == len(lines)

    @pytest.mark.parametrize("view", ["history", "polled"])
    def test_lifecycle_columns(self, view: View) -> None:
        """Columns of the lifecycle break what the whole records break, and nothing is said of what they lack."""
        plain = check_bytes(simulated(view, None))
        found = check_bytes(simulated(view, "lifecycle"))
        assert found.summary.as_dict() == plain.summary.as_dict()
        if view == "history":
            assert said(found) == said(plain)

    @pytest.mark.parametrize("view", ["history", "polled"])
    def test_faults_in_lifecycle_columns(self, view: View) -> None:
        """Of broken records, what can be seen in the columns of the lifecycle is found there, and nothing else is."""
        kept = [json.loads(line) for line in simulated(view, None, FAULTY).splitlines() if _fits(line)]
        rows = [_lifecycle(line) for line in kept]
        schema = pa.schema(
            {
                **dict.fromkeys(("run_id", *TEXTS, "kind", "event"), pa.string()),
                **dict.fromkeys(STAMPS, pa.int64()),
                "observed_at_us": pa.int64(),
            }
        )
        found = check_bytes(written(rows, schema, row_group_size=100))
        wanted = [v for v in check_bytes(as_lines(kept)).violations if _is_of_columns(v)]
        assert [(v.code, v.line, v.field) for v in found.violations] == [(v.code, v.line, v.field) for v in wanted]
        assert len({v.code for v in wanted}) > (12 if view == "history" else 5)


def _plain(name: str, value: Any) -> Any:
    scalars = ("id", "object", "thread_id", "assistant_id", "status", "model", "instructions")
    return value if value is None or name in scalars or not isinstance(value, str) else json.loads(value)


def _fits(text: bytes) -> bool:
    """Whether a line is an envelope whose record has what the columns hold."""
    try:
        data = decode(text)["data"]
    except (NotJSON, LookupError, TypeError):
        return False
    if type(data) is not dict or not data.keys() >= {"id", "object", *STAMPS, *TEXTS}:
        return False
    numbers = all(data[n] is None or (type(data[n]) is int and abs(data[n]) < 2**62) for n in STAMPS)
    return numbers and all(type(data[n]) is str for n in ("id", *TEXTS)) and data["object"] == "thread.run"


def _lifecycle(line: dict[str, Any]) -> dict[str, Any]:
    data, at = line["data"], line.get("observed_at")
    return {
        "run_id": data["id"],
        **{name: data[name] for name in (*TEXTS, *STAMPS)},
        "kind": line["kind"],
        "event": line.get("event"),
        "observed_at_us": None if at is None else round(at * 1e6),
    }


def _is_of_columns(violation: Violation) -> bool:
    return violation.field in (None, "id", *STAMPS, *TEXTS) and not violation.code.startswith("RE3")


class TestAnybodys:
    """Tables that others make."""

    def test_structs_and_json(self) -> None:
        """Objects may be structs, lists and maps, or JSON text; a null in a struct is no key."""
        run = clean("requires_action", metadata={"a": "b"})
        kinds = {"metadata": pa.map_(pa.string(), pa.string())}
        table = pa.Table.from_pylist([{k: v for k, v in run.items() if v not in ({}, [])}])
        types = {each.name: kinds.get(each.name, each.type) for each in table.schema}
        run["metadata"] = {"a": "b"}
        row = {**run, "metadata": [("a", "b")]}
        found = records(written([row], pa.schema(types)))
        assert found == [{name: run[name] for name in types}]
        texts = {k: json.dumps(v) if isinstance(v, (dict, list)) else v for k, v in run.items()}
        assert records(written([texts])) == [run]

    @pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
    @pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
    def test_timestamps(self, unit: str, zone: str | None) -> None:
        """Stamps may be timestamps of any unit; what is seen between seconds stays so."""
        at = datetime(2025, 7, 24, 21, 6, 50, tzinfo=UTC if zone else None)
        kind = pa.timestamp(unit, zone)
        schema = pa.schema({"id": pa.string(), "status": pa.string(), "created_at": kind, "observed_at": kind})
        (item,) = items(written([{"id": "r", "status": "queued", "created_at": at, "observed_at": at}], schema))
        assert isinstance(item, Observation)
        assert (item.record["created_at"], item.observed_s) == (1_753_391_210, 1_753_391_210.0)
        assert type(item.record["created_at"]) is int

    def test_numbers_of_data_frames(self) -> None:
        """Whole numbers held as floats, NaN for null, are whole numbers and null again; fractions are still found."""
        rows = [
            {**_lifecycle({"data": clean("queued"), "kind": "poll"}), "started_at": float("nan")},
            {**_lifecycle({"data": clean("in_progress"), "kind": "poll"}), "started_at": 1_700_000_002.0},
            {**_lifecycle({"data": clean("in_progress", id="run_2"), "kind": "poll"}), "started_at": 1_700_000_002.5},
        ]
        assert codes(check_bytes(written(rows))) == [("RE207", 3, "started_at")]

    def test_decimals(self) -> None:
        """A number may be a decimal."""
        row = {"id": "run_1", "status": "queued", "temperature": Decimal("0.50")}
        assert records(written([row])) == [{**row, "temperature": 0.5}]

    def test_steps(self) -> None:
        """Rows that say what they are may be steps."""
        row = {"id": "step_1", "run_id": "run_1", "object": "thread.run.step", "status": "completed"}
        assert [type(item) for item in items(written([row]))] == [Companion]

    @pytest.mark.parametrize("status", STATUSES)
    def test_few_columns(self, status: str) -> None:
        """Of a table with an id and a status, nothing is said of what it has no columns for."""
        assert codes(check_bytes(written([{"id": "run_1", "status": status, "region": "eu", "x": 1}]))) == []

    def test_without_starts(self) -> None:
        """Where no column shows started_at, hidden steps may have started the run; illegal steps are still found."""
        seen = [
            ("a", "queued"),
            ("a", "failed"),
            ("b", "completed"),
            ("b", "queued"),
            ("c", "queued"),
            ("c", "expired"),
        ]
        found = check_bytes(written([{"run_id": run_id, "status": status} for run_id, status in seen]))
        assert codes(found) == [("RE103", 4, "status")]

    def test_generations_in_one_table(self) -> None:
        """A column that some rows have nothing for is no key of theirs; a null where there must be a value is found."""
        old = {**clean("completed", created_at=1_700_000_000), "file_ids": ["file_1"]}
        new = clean("completed", id="run_2", thread_id="thread_2")
        for name in ("parallel_tool_calls", "response_format", "max_prompt_tokens", "tool_choice", "top_p"):
            old.pop(name, None)
        rows = [{k: json.dumps(v) if isinstance(v, (dict, list)) else v for k, v in r.items()} for r in (old, new)]
        names = {name: None for row in rows for name in row}
        found = check_bytes(written([{**names, **row} for row in rows]))
        assert codes(found) == [], found.violations
        assert codes(check_bytes(written([{**names, **row, "model": None} for row in rows])))[0] == (
            "RE308",
            1,
            "model",
        )

    @pytest.mark.parametrize("name", ["data", "record", "json", "body", "payload"])
    def test_json_text(self, name: str) -> None:
        """One column of JSON text holds records, lists, envelopes; what stands beside is their envelope."""
        at = {"observed_at": 1_700_000_009.5, "kind": "create", "status": 200}
        rows = [
            {name: json.dumps(clean("in_progress")), **at},
            {name: json.dumps({"object": "list", "data": [clean("queued", id="run_2")] * 2}), **at, "kind": None},
            {name: None, **at},
            {name: "{", **at},
            {name: json.dumps({"error": {"message": "no"}}), **at, "http_status": 400},
        ]
        found = items(written(rows))
        assert [(type(item).__name__, item.line) for item in found][:5] == [
            ("Observation", 1),
            ("Observation", 2),
            ("Observation", 2),
            ("Passed", 3),
            ("Unreadable", 4),
        ]
        assert isinstance(found[0], Observation)
        assert (found[0].observed_s, found[0].created, found[0].columns) == (1_700_000_009.5, True, None)
        assert "not JSON" in getattr(found[4], "problem", "")
        assert len(found) == 6

    def test_camel_case(self) -> None:
        """Columns may be named as a dialect names its keys."""
        row = {"id": "run_1", "status": "queued", "threadId": "t", "assistantId": "a", "createdAt": 1_700_000_000}
        found = check_bytes(written([{**row, "failedAt": 1_700_000_001}]))
        assert codes(found) == [("RE202", 1, "failed_at")]

    @given(st.lists(st.sampled_from(STATUSES), min_size=1, max_size=30), st.integers(1, 7), st.booleans())
    def test_any_layout_of_the_file(self, statuses: list[str], group: int, packed: bool) -> None:
        """Row groups, pages, encodings and packings of the whole change nothing."""
        rows = [{"id": "run_1", "status": status} for status in statuses]
        plain = check_bytes(written(rows))
        options = {"row_group_size": group, "use_dictionary": packed, "compression": "zstd" if packed else "none"}
        data = written(rows, data_page_version="2.0" if packed else "1.0", **options)
        assert said(check_bytes(gzip.compress(data) if packed else data)) == said(plain)


class TestBroken:
    """Files that cannot be read, or not whole."""

    @pytest.mark.parametrize(
        "data", [b"PAR1", b"PAR1" * 3, b"PAR1" + bytes(60) + b"PAR1", b"PARE" + bytes(9) + b"PARE"]
    )
    def test_no_such_file(self, data: bytes) -> None:
        """What only begins like one is said to be none."""
        (item,) = items(data)
        assert isinstance(item, Unreadable)
        assert item.problem.startswith("no Parquet file that can be read: it is cut off, damaged, or ")
        assert len(item.problem) < 200

    def test_cut_anywhere(self) -> None:
        """A file cut anywhere is unreadable once, as its footer is gone."""
        data = written([{"id": "run_1", "status": "queued"}])
        for end in range(4, len(data)):
            assert [type(item) for item in items(data[:end])] == [Unreadable]

    def test_a_damaged_row_group(self) -> None:
        """A row group that is damaged is named, with its columns; the others are read with their own numbers."""
        rows = [{"id": f"run_{n}", "status": "queued", "model": "m" * 50} for n in range(30)]
        data = bytearray(written(rows, row_group_size=10, compression="zstd", use_dictionary=False))
        column = pq.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(1).column(2)
        start = column.data_page_offset
        data[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
        found = items(bytes(data))
        assert [item.line for item in found if isinstance(item, Observation)] == [*range(1, 11), *range(21, 31)]
        (problem,) = [item for item in found if isinstance(item, Unreadable)]
        assert problem.line == 11
        assert "row group 2 of 3, column 'model', cannot be read from row 11 on: it is damaged, or " in problem.problem
        assert len(problem.problem) < 250

    def test_types_that_cannot_be_read(self) -> None:
        """A column of a type that its field cannot have is named, and not read; the others are."""
        rows = [{"id": "r", "status": "queued", "created_at": [1], "tools": 5, "observed_at": "x"}]
        *problems, item = items(written(rows))
        assert isinstance(item, Observation)
        assert item.columns == frozenset(("id", "status"))
        assert {getattr(p, "problem", "").split(" is of type ")[0] for p in problems} == {
            "the column 'created_at'",
            "the column 'tools'",
            "the column 'observed_at'",
        }

    def test_no_usable_column(self) -> None:
        """A table of something else is said to be one, once."""
        (item,) = items(written([{"a": 1, "b": 2}] * 3))
        assert isinstance(item, Unreadable)
        assert item.problem.startswith("no column of this table is for a run: expected run_id (or id) and status, or ")
        assert item.problem.endswith("; found 'a', 'b'")

    def test_text_that_is_no_text(self) -> None:
        """Bytes that are no UTF-8 do not keep the rest from being read."""
        schema = pa.schema({"id": pa.binary(), "status": pa.binary()})
        data = written([{"id": b"\xff", "status": b"queued"}, {"id": b"b", "status": b"failed"}], schema)
        assert [record["id"] for record in records(data)] == ["\\xff", "b"]

    def test_without_the_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the library it is said which extra brings it."""
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(MissingExtra, match=r"reading Parquet needs pip install 'runengine\[readers\]'"):
            items(b"PAR1")


class TestInput:
    """How the file is come by."""

    def test_a_pipe(self) -> None:
        """What cannot be sought in is read all the same."""

        class Pipe(io.BytesIO):
            def seekable(self) -> bool:
                return False

        data = written([{"id": "run_1", "status": "queued"}] * 5)
        assert [type(item) for item in read_items("-", Pipe(data))] == [Observation] * 5

    def test_nothing(self) -> None:
        """A table without rows, and one without columns, hold nothing."""
        assert items(written([], pa.schema({"id": pa.string(), "status": pa.string()}))) == []
        assert all(not isinstance(item, (Observation, Passed)) for item in items(written([], pa.schema({}))))
