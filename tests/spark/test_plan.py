"""Fragments cross the network once for runs and once for threads, and raw rows never do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("pyspark")
pytest.importorskip("pyarrow")

from runengine.validation.spark.decoding import Told
from runengine.validation.spark.frames import placed, sieve
from runengine.validation.spark.pyspark_of import schema_of
from runengine.validation.summary import Options

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_PART = 0.03
"""More of the bytes of the rows themselves do not travel."""


def _plan(frame: Any) -> list[str]:
    """The plan that was executed: a line for each node, the last one first."""
    frame.toArrow()
    text = frame._jdf.queryExecution().executedPlan().toString()
    assert "isFinalPlan=true" in text
    final = text.partition("== Final Plan ==")[2].partition("== Initial Plan ==")[0]
    return [line.strip(" +-:*()0123456789") for line in final.splitlines() if line.strip()]


def _exchanged(frame: Any) -> int:
    """How many bytes of rows an exchange took, before they are packed."""
    frame.toArrow()
    plan = frame._jdf.queryExecution().executedPlan().executedPlan()
    while not plan.getClass().getSimpleName().startswith("ShuffleExchange"):
        is_stage = plan.getClass().getSimpleName().endswith("QueryStageExec")
        plan = plan.plan() if is_stage else plan.children().head()
    return int(plan.metrics().apply("dataSize").value())


def _sieved(spark: SparkSession, path: str, order: str | None) -> tuple[DataFrame, DataFrame]:
    frame = spark.read.parquet(path)
    told = Told.of(Options(), schema_of(frame), order is None)
    rows = placed(frame, told.plan.names, order)
    return rows, sieve(rows, told, 2)


@pytest.mark.parametrize("order", [None, "observed_at_us"])
def test_exchanges(spark: SparkSession, archive: Callable[..., str], order: str | None) -> None:
    """There is one exchange, of what workers made of the rows: runs and threads cross it together."""
    _, sieved = _sieved(spark, archive("steady"), order)
    plan = _plan(sieved)
    exchanges = [i for i, line in enumerate(plan) if re.match(r"(Broadcast)?Exchange\b", line)]
    assert len(exchanges) == 1
    below = plan[exchanges[0] + 1 :]
    assert below[0].startswith("MapInArrow fragments") or below[0].startswith("MapInArrow run")
    assert any("FileScan parquet" in line or "Scan parquet" in line for line in below)
    assert "hashpartitioning(kind" in plan[exchanges[0]]
    assert not any(re.search("Window|Aggregate|FlatMapGroups|Join", line) for line in plan)


def test_bytes(spark: SparkSession, archive: Callable[..., str]) -> None:
    """Fragments are a few percent of what the rows themselves would be."""
    path = archive("archive-2024", 20_000, rate=0.0, group_rows=100_000)
    rows, sieved = _sieved(spark, path, None)
    assert 0 < _exchanged(sieved) < _PART * _exchanged(rows.repartition(2, "id"))
