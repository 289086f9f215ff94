"""A table in memory: what is found in it is what is found in the same rows of a file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from runengine.simulation import scenario_named  # noqa: E402
from runengine.simulation.faults import FAULTS  # noqa: E402
from runengine.simulation.producing import FaultPlan, Truths, produce  # noqa: E402
from runengine.simulation.recording import View  # noqa: E402
from runengine.simulation.writing import parquet as writing  # noqa: E402
from runengine.validation.bulk import engine  # noqa: E402
from runengine.validation.bulk.tables_in_memory import check_table, source_of  # noqa: E402
from runengine.validation.summary import Options  # noqa: E402
from tests.validation.bulk.arrows import coded, viewed  # noqa: E402
from tests.validation.bulk.both import by_stream  # noqa: E402
from tests.validation.bulk.test_parquet import tables  # noqa: E402
from tests.validation.checking import clean  # noqa: E402


class Kept:
    """A writer of Parquet that keeps the tables it is given."""

    def __init__(self, _out: Any, schema: Any, **_options: Any) -> None:
        self.schema = schema

    def write_table(self, table: Any, _group_rows: int) -> None:
        """Keep one."""
        KEPT.append(table)

    def add_key_value_metadata(self, _metadata: Any) -> None:
        """Nothing is kept of it."""

    def close(self) -> None:
        """Nothing is left to do."""


KEPT: list[Any] = []


def simulated(view: View, columns: writing.Columns, faults: FaultPlan | None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The simulator's own columns, as they are made, some of the rows in each chunk."""
    KEPT.clear()
    scenario, truths = scenario_named("flaky"), Truths(lambda _line: None)
    with monkeypatch.context() as patch:
        patch.setattr(writing, "ParquetWriter", Kept)
        sink = writing.Parquet(io.BytesIO(), scenario, 1, view, columns=columns, told=truths.told, group_rows=64)
        produce(scenario, 1, 25 if view == "polled" else 100, sink, view=view, faults=faults, truths=truths)
    return pa.concat_tables(KEPT)


@pytest.mark.parametrize("faults", [None, FaultPlan(rate=0.4, kinds=tuple(FAULTS))], ids=["clean", "faulty"])
@pytest.mark.parametrize("view", ["history", "polled"])
def test_the_simulator_s_columns(
    view: View, faults: FaultPlan | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is found in the simulator's tables is what is found in the file that is written of them."""
    table = simulated(view, "record", faults, monkeypatch)
    assert table.column("status").num_chunks > 1
    monkeypatch.setattr(engine, "MOSTLY", 1.0)
    found = check_table(table, workers=1)
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    expected = by_stream(path, Options())
    assert [evolve(v, path="") for v in found.violations] == [evolve(v, path="") for v in expected.violations]
    assert found.summary == expected.summary
    assert len(found.violations) > 5 if faults else {v.code for v in found.violations} <= {"RE102"}


@pytest.mark.parametrize("view", ["history", "polled"])
def test_clean_columns_are_plain(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the simulator's tables without faults no row is for the checker by itself."""
    table = simulated(view, "lifecycle", None, monkeypatch)
    source: Any = source_of(table, Options(), piece_rows=50)
    assert len(source.pieces) > 1
    assert not any(source.columns(piece).odd.any() for piece in source.pieces)
    assert sum(piece.rows for piece in source.pieces) == table.num_rows


@settings(max_examples=settings().max_examples // 3)
@given(tables(), st.sampled_from((lambda table: table, coded, viewed)), st.integers(1, 5))
def test_any_table(tmp_path_factory: Any, table: Any, shape: Any, rows: int) -> None:
    """Of any table, in any chunks, it is said what the reader of rows says of it in a file."""
    path = tmp_path_factory.mktemp("any") / "a.parquet"
    pq.write_table(table, path)
    parts = [shape(table.slice(start, rows)) for start in range(0, table.num_rows, rows)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "MOSTLY", 1.0)
        found = check_table(pa.concat_tables(parts), Options(), workers=1)
    expected = by_stream(path, Options())
    assert [evolve(v, path="") for v in found.violations] == [evolve(v, path="") for v in expected.violations]
    assert found.summary == expected.summary


_NAMES: Final = ("id", "thread_id", "status", "created_at", "failed_at")
RUN: Final = {name: clean("queued", failed_at=5)[name] for name in _NAMES}


class TestWhatIsTaken:
    """What tables may come as."""

    def test_readers_and_batches(self) -> None:
        """A reader of record batches, a record batch and a dict of columns are tables."""
        table = pa.Table.from_pylist([RUN] * 2)
        expected = check_table(table)
        assert [v.line for v in expected.violations if v.code == "RE202"] == [1, 2]
        for given_as in (table.to_reader(), table.to_batches()[0], table.to_pydict()):
            assert check_table(given_as) == expected

    def test_frames(self) -> None:
        """A frame of Polars is a table."""
        polars = pytest.importorskip("polars")
        found = check_table(polars.DataFrame([RUN] * 2), name="df")
        assert [(v.path, v.line) for v in found.violations if v.code == "RE202"] == [("df", 1), ("df", 2)]

    def test_json_text(self) -> None:
        """Whole records in one column are read by rows."""
        found = check_table(pa.table({"data": ["{", None]}))
        assert [(v.code, v.line) for v in found.violations] == [("RE901", 1)]

    def test_no_usable_column(self) -> None:
        """A table of something else is said to be one; a table without rows holds nothing."""
        assert [v.code for v in check_table(pa.table({"a": [1]})).violations] == ["RE901"]
        assert check_table(pa.Table.from_pylist([RUN]).slice(0, 0)).summary.observations == 0

    def test_columns_of_wrong_types(self) -> None:
        """A column that is not read is named before the first row."""
        table = pa.Table.from_pylist([{**RUN, "started_at": None}]).append_column("tools", pa.array([5]))
        found = check_table(table.set_column(5, "started_at", pa.nulls(1, pa.int64())))
        assert [(v.code, v.line) for v in found.violations][:2] == [("RE901", 0), ("RE202", 1)]
