"""The query names the rows that the checker names, for the rules and fields it speaks of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

pq = pytest.importorskip("pyarrow.parquet")

from runengine.core.table import POLICIES  # noqa: E402
from runengine.validation.spark.sql import COVERED, compared, sql_of  # noqa: E402
from runengine.validation.summary import Options  # noqa: E402
from tests.spark.archives import row_by_row  # noqa: E402

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_OPTIONS = [
    Options(policy=policy, sampling=how) for policy in POLICIES.values() for how in ("auto", "polled", "complete")
]
_IDS = [f"{options.policy.name}-{options.sampling}" for options in _OPTIONS]


def _wanted(path: str, options: Options) -> set[tuple[int, str, str]]:
    fields = {*compared(pq.read_schema(path).names), "status"}
    made, _ = row_by_row([path], options)
    return {(v.line, v.code, v.field) for v in made if v.code in COVERED and v.field in fields}


def _named(rows: Sequence[Any]) -> set[tuple[int, str, str]]:
    """Line, code and field of what a query answers."""
    named = set()
    for row in rows:
        for finding in row[-1].split(", "):
            code, name = finding.split(" ")
            named.add((row[0], code, name))
    return named


@pytest.mark.parametrize("options", _OPTIONS, ids=_IDS)
@pytest.mark.parametrize(("scenario", "view"), [("flaky", "history"), ("bursty", "polled"), ("tool-heavy", "history")])
def test_in_duckdb(archive: Callable[..., str], scenario: str, view: str, options: Options) -> None:
    """In DuckDB, under every policy and sampling."""
    duckdb = pytest.importorskip("duckdb")
    path = archive(scenario, 600, view)
    source = f"(SELECT *, file_row_number + 1 AS line FROM read_parquet('{path}', file_row_number = true))"
    query = sql_of(options, pq.read_schema(path).names, source, order=("line",))
    assert _named(duckdb.sql(query).fetchall()) == _wanted(path, options)


def test_few_columns(archive: Callable[..., str], tmp_path: Any) -> None:
    """Of what a table has no column for, nothing is said."""
    duckdb = pytest.importorskip("duckdb")
    names = ["run_id", "status", "created_at", "seq", "kind"]
    table = pq.read_table(archive("flaky", 600)).rename_columns({"id": "run_id"})
    pq.write_table(table.select(names), tmp_path / "few.parquet")
    path = str(tmp_path / "few.parquet")
    source = f"(SELECT *, file_row_number + 1 AS line FROM read_parquet('{path}', file_row_number = true))"
    got = _named(duckdb.sql(sql_of(Options(), names, source, order=("line",))).fetchall())
    assert got == _wanted(path, Options())
    assert got


def test_selected() -> None:
    """Rules that are not to be reported are not in the query."""
    text = sql_of(Options(select=("RE1",), ignore=("RE106",)), ["id", "status", "started_at", "model"])
    assert "'RE101 status'" in text
    assert all(code not in text for code in COVERED if not code.startswith("RE10") or code == "RE106")


def test_without_a_run() -> None:
    """A table without runs has no query."""
    with pytest.raises(ValueError, match="expected columns id"):
        sql_of(Options(), ["id"])


def test_in_spark(request: pytest.FixtureRequest, archive: Callable[..., str]) -> None:
    """In Spark SQL, of two files each by itself."""
    if not any("spark" in argument for argument in request.config.args):
        pytest.skip("needs a session: pytest tests/spark")
    spark: SparkSession = request.getfixturevalue("spark")
    paths = [archive("flaky", 600), archive("tool-heavy", 600)]
    frame = spark.read.parquet(*paths).selectExpr("*", "_metadata.file_path AS file", "_metadata.row_index + 1 AS line")
    frame.createOrReplaceTempView("runs")
    rows = spark.sql(sql_of(Options(), frame.columns, order=("line",), scope=("file",))).collect()
    for path in paths:
        named = _named([row[1:] for row in rows if row[0].endswith(path)])
        assert named == _wanted(path, Options())
