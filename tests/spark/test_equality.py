"""What Spark says is what the checker says, row by row, of the same files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

pytest.importorskip("pyspark")
np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from runengine.core.table import DOCUMENTED, PERMISSIVE  # noqa: E402
from runengine.dialects.wire import encode  # noqa: E402
from runengine.validation import Checker  # noqa: E402
from runengine.validation.observations import Observation  # noqa: E402
from runengine.validation.readers import items_in  # noqa: E402
from runengine.validation.spark import check, checked  # noqa: E402
from runengine.validation.summary import Options  # noqa: E402
from tests.spark.archives import row_by_row, sorted_by_place  # noqa: E402

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_NOTHING_FORGOTTEN = 10**9


def _agree(spark: SparkSession, paths: list[str], options: Options) -> None:
    wanted, counts = row_by_row(paths, options)
    got = checked(spark.read.parquet(*paths), options)
    try:
        assert sorted_by_place(got.violations()) == sorted_by_place(wanted)
        assert got.summary == counts
        assert wanted
    finally:
        got.close()


def test_several_files(spark: SparkSession, archive: Callable[..., str]) -> None:
    """Each file is its own recording, wherever its partitions are cut and however files share them."""
    _agree(spark, [archive(scenario) for scenario in ("steady", "flaky", "tool-heavy")], Options())


@pytest.mark.parametrize(
    "options",
    [
        Options(policy=DOCUMENTED, sampling="complete", skew_s=0.0),
        Options(policy=PERMISSIVE, forget_after=40, select=("RE1", "RE2", "RE5")),
        Options(policy=DOCUMENTED.without("narrow", [("cancel", "queued")]), generation=9, ignore=("RE3",)),
    ],
    ids=["documented", "forgetful", "narrow"],
)
def test_options(spark: SparkSession, archive: Callable[..., str], options: Options) -> None:
    """Options mean the same, and what is forgotten is the same."""
    _agree(spark, [archive("flaky")], options)


def test_polled(spark: SparkSession, archive: Callable[..., str]) -> None:
    """What pollers saw is judged by hidden steps, as there."""
    _agree(spark, [archive("bursty", view="polled")], Options())


def test_one_partition(spark: SparkSession, archive: Callable[..., str]) -> None:
    """Fragments in one partition come to the same as in many."""
    path = archive("steady")
    _, counts = row_by_row([path], Options())
    for partitions in (1, 5):
        got = checked(spark.read.parquet(path), partitions=partitions)
        assert got.summary == counts
        got.close()


def test_filtered(spark: SparkSession, archive: Callable[..., str]) -> None:
    """A row keeps its line where others are filtered away."""
    path = archive("flaky")
    findings = check(spark.read.parquet(path).where("status <> 'queued'"), Options(ignore=("RE5",)))
    lines = {(row.line, row.run_id) for row in findings.select("line", "run_id").collect()}
    ids = [None, *(item.record.get("id") for item in items_in(path) if isinstance(item, Observation))]
    assert lines
    assert all(ids[line] == run_id for line, run_id in lines)


@pytest.mark.parametrize("unit", ["us", "timestamp"])
def test_ordered_by_a_column(spark: SparkSession, archive: Callable[..., str], tmp_path: Path, unit: str) -> None:
    """Rows that stand in no order are checked in that of a column, as one recording of which nothing is forgotten."""
    table = pq.read_table(archive("flaky"))
    order = np.arange(table.num_rows, dtype=np.int64) * 1_000_000
    table = table.append_column(
        "at", pa.array(order) if unit == "us" else pa.array(order).cast(pa.timestamp("us", "UTC"))
    )
    shuffled = table.take(np.random.default_rng(7).permutation(table.num_rows))
    for i in range(3):
        pq.write_table(shuffled.slice(i * 2000, 2000 if i < 2 else None), tmp_path / f"{i}.parquet", row_group_size=500)
    checker = Checker(Options(forget_after=_NOTHING_FORGOTTEN))
    items = (item._replace(line=0) for item in items_in(archive("flaky")) if isinstance(item, Observation))
    wanted = [each for item in items for each in checker.observe("", item)] + checker.end("")
    got = checked(spark.read.parquet(str(tmp_path)), order="at")
    assert sorted_by_place(_unhinted(got.violations())) == sorted_by_place(_unhinted(wanted))
    assert got.summary == checker.summary
    got.close()


def _unhinted(violations: Any) -> Any:
    return [evolve(violation, hint=None) for violation in violations]


def test_json_text(spark: SparkSession, archive: Callable[..., str], tmp_path: Path) -> None:
    """A column of JSON text is checked as it is row by row, lists and what is no run among it."""
    items = [item for item in items_in(archive("steady")) if isinstance(item, Observation)]
    lines = [encode({"kind": "history", "event": item.event, "data": item.record}) for item in items[:2000]]
    lines[5] = b'{"object": "list", "data": [%b,%b]}' % (lines[5], lines[6])
    lines[9] = b"no JSON"
    table = pa.table({"data": pa.array([None, *(line.decode() for line in lines)], pa.string())})
    for name in ("a", "b"):
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=300)
    _agree(spark, [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")], Options())


def test_a_column_of_a_wrong_type(spark: SparkSession, archive: Callable[..., str], tmp_path: Path) -> None:
    """What is wrong with the columns is said of each file."""
    table = pq.read_table(archive("steady"))
    place = table.schema.get_field_index("usage")
    table = table.set_column(place, "usage", pa.array([1.5] * table.num_rows))
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(table.slice(0, 500), tmp_path / "b.parquet")
    _agree(spark, [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")], Options())


def test_no_order(spark: SparkSession) -> None:
    """Rows that stand in no file need a column that orders them."""
    frame = spark.createDataFrame([("run_1", "queued")], "id string, status string")
    with pytest.raises(ValueError, match="name the column that orders them"):
        check(frame)
    with pytest.raises(ValueError, match="whole numbers or times"):
        check(frame, order="status")
    with pytest.raises(ValueError, match="no column of this table is for a run"):
        check(frame.select("id"), order="id")
