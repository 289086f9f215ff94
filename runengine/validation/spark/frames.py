"""The check of a DataFrame: fragments brought together by run and by thread, then the rows of suspects by thread.

Only the API of DataFrames is used, so that Spark Connect does as well. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from attrs import evolve, field, frozen

from runengine.validation.bulk.batch import Keys
from runengine.validation.bulk.coded import ARROW
from runengine.validation.bulk.counts import Counts
from runengine.validation.bulk.fragments import Suspects
from runengine.validation.checker import Checker
from runengine.validation.findings import Violation
from runengine.validation.observations import Unreadable
from runengine.validation.readers.columns import plan_of
from runengine.validation.spark.components import components
from runengine.validation.spark.decoding import Told
from runengine.validation.spark.evidence import (
    FINDINGS,
    PLACES,
    chosen,
    judged,
    row_of,
    summary_of,
    violation_of,
)
from runengine.validation.spark.pyspark_of import functions_of, schema_of
from runengine.validation.spark.shipping import (
    COUNTS,
    FRAGMENTS,
    SUSPECT_RUN,
    SUSPECT_THREAD,
    counts_of,
    split,
)
from runengine.validation.spark.sieving import fragments, merged
from runengine.validation.summary import Options, Summary

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["SUSPECTS_MAX", "Checked", "Sieved", "check_frame", "placed", "sieve"]

SUSPECTS_MAX: Final = 4_000_000
"""Of more suspects than these every row is shown to the checker: their keys would be too many to send with a task."""

_EVIDENCE_ROWS: Final = 20_000
"""About so many rows of suspects go into one partition."""

_FORGET_NOTHING: Final = 1 << 60
_FIRST: Final = -(1 << 62)
_PLACE_NAMES: Final = ("runengine_path", "runengine_row", "runengine_at", "runengine_tie", "runengine_component")


@frozen(kw_only=True, eq=False)
class Checked:
    """What a check came to.

    Attributes:
        findings: The violations, a row each, `found` as JSON text; kept by Spark until `close`.
        summary: The counts, as `runengine check` prints them.

    Example:
        >>> check_frame(spark.read.parquet("a.parquet"), Options()).summary.runs  # doctest: +SKIP
        2
    """

    findings: DataFrame
    summary: Summary
    _kept: DataFrame = field(alias="kept")

    def violations(self) -> Iterator[Violation]:
        """The violations in order: recording, line, code."""
        for _, violation in self.in_turn():
            yield violation

    def in_turn(self) -> Iterator[tuple[int, Violation]]:
        """The same, each with the turn of its recording."""
        rows = self._kept.where("counted IS NULL").orderBy("turn", "path", "line", "code", "place")
        for row in rows.toLocalIterator():
            yield row["turn"], violation_of(row.asDict())

    def close(self) -> None:
        """What was kept of the findings is let go; they are found again if they are asked for."""
        self._kept.unpersist()


@frozen(kw_only=True, eq=False)
class Sieved:
    """What the first job came to.

    Attributes:
        suspects: Who is suspect; None where that is taken to be everybody.
        counts: Counts of all rows that need no word by themselves.

    Example:
        >>> Sieved(suspects=None, counts=Counts(runs=2)).counts.runs
        2
    """

    suspects: Suspects | None
    counts: Counts


def placed(df: DataFrame, names: list[str], order: str | None) -> DataFrame:
    """The columns that are read of a DataFrame, and where each row stands.

    Args:
        df: The rows.
        names: The columns.
        order: The column that orders them; the places in their files where None.

    Raises:
        ValueError: rows have no place in a file of Parquet, or the column has no order that is known here.

    Example:
        >>> placed(spark.read.parquet("a.parquet"), ["id", "status"], None).columns  # doctest: +SKIP
        ['id', 'status', 'runengine_path', 'runengine_row']
    """
    f = functions_of(df)
    columns = [f.col(f"`{name}`") for name in names]
    if order is None:
        places = [
            f.col("_metadata.file_path").alias("runengine_path"),
            f.col("_metadata.row_index").alias("runengine_row"),
        ]
        try:
            made = df.select(*columns, *places)
            made.schema  # noqa: B018 - a plan is looked at when its columns are asked for
        except Exception as error:
            if "_metadata" not in str(error) and "row_index" not in str(error):
                raise
            problem = (
                "its rows have no place in Parquet files: name the column that orders them (order='observed_at_us')"
            )
            raise ValueError(problem) from None
        return made
    by = f.col(f"`{order}`")
    kind = df.select(by).schema[0].dataType.simpleString()
    if kind in ("timestamp", "timestamp_ntz", "date"):
        by = f.unix_micros(by.cast("timestamp"))
    elif kind not in ("tinyint", "smallint", "int", "bigint"):
        raise ValueError(f"expected whole numbers or times in the column {order!r}, got {kind}")
    texts = [f.col(f"`{name}`").cast("string") for name in df.columns if not _is_nested(df, name)]
    tie = f.xxhash64(*texts)
    at = f.coalesce(by.cast("bigint"), f.lit(_FIRST))
    return df.select(*columns, at.alias("runengine_at"), tie.alias("runengine_tie"))


def _is_nested(df: DataFrame, name: str) -> bool:
    return any(mark in df.schema[name].dataType.simpleString() for mark in ("<", "variant", "binary"))


def sieve(rows: DataFrame, told: Told, partitions: int | None) -> DataFrame:
    """The first job: from rows to suspects and counts, of which fragments are all that is exchanged.

    Args:
        rows: From `placed`.
        told: What workers are told.
        partitions: Into how many partitions fragments go; as many as Spark finds fitting where None.

    Example:
        >>> sieve(placed(df, told.plan.names, None), told, None).explain()  # doctest: +SKIP
    """
    made = rows.mapInArrow(_worker(fragments, told), FRAGMENTS)
    together = _brought_together(made, partitions, "kind", "key").sortWithinPartitions("kind", "key", "at", "tie")
    return together.mapInArrow(_worker(merged, told), FRAGMENTS)


def _brought_together(rows: DataFrame, partitions: int | None, *keys: str) -> DataFrame:
    return rows.repartition(*keys) if partitions is None else rows.repartition(partitions, *keys)


def _worker(work: Callable[..., Iterator[Any]], *told: Any) -> Callable[[Iterable[Any]], Iterator[Any]]:
    def run(batches: Iterable[Any]) -> Iterator[Any]:
        yield from work(*told, batches)

    return run


def _sieved(told_rows: DataFrame) -> Sieved:
    """What the first job said."""
    runs, threads, counts = list[Keys](), list[Keys](), Counts()
    for kind, batch in (each for whole in told_rows.toArrow().to_batches() for each in split(whole)):
        keys = batch.column("key").to_numpy(zero_copy_only=False).view(np.uint64)
        if kind == SUSPECT_RUN:
            runs.append(keys)
        elif kind == SUSPECT_THREAD:
            threads.append(keys)
        elif kind == COUNTS:
            counts += counts_of([batch])
    suspects = Suspects.of(runs, threads)
    many = len(suspects.runs) + len(suspects.threads) > SUSPECTS_MAX
    return Sieved(suspects=None if many else suspects, counts=counts)


def check_frame(
    df: DataFrame,
    options: Options,
    order: str | None = None,
    *,
    partitions: int | None = None,
    names: Mapping[str, tuple[int, str]] | None = None,
) -> Checked:
    """Check a DataFrame.

    Args:
        df: Its columns are those of a Parquet file that `runengine check` reads.
        options: What to hold it to.
        order: The column that orders its rows, which are one recording then; where None, each file is one.
        partitions: Into how many partitions fragments and evidence go; as many as Spark finds fitting where None.
        names: What files are called, by their plain names, and their turns.

    Raises:
        ValueError: no column is for a run, or rows have no order.

    Example:
        >>> check_frame(spark.read.parquet("a.parquet"), Options()).findings.count()  # doctest: +SKIP
        7
    """
    schema = schema_of(df)
    if order is not None:
        options = evolve(options, forget_after=_FORGET_NOTHING)
    told = Told.of(options, schema, order is None, names)
    of_id = next((each.column for each in told.plan.fields if each.name == "id"), told.plan.names[0])
    rows = placed(df, told.plan.names, order)
    sieved = _sieved(sieve(rows, told, partitions)) if told.sieved else Sieved(suspects=None, counts=Counts())
    kept = _evidence(rows, told, sieved.suspects, partitions, of_id).persist()
    counted = kept.where("counted IS NOT NULL").select("counted").toArrow().column(0).to_pylist()
    summary = summary_of(counted, sieved.counts)
    problems = _problems(rows, schema, told, summary)
    if problems is not None:
        kept = kept.unionByName(problems)
    findings = kept.where("counted IS NULL").drop("turn", "place", "counted")
    return Checked(findings=findings, summary=summary, kept=kept)


def _evidence(rows: DataFrame, told: Told, suspects: Suspects | None, partitions: int | None, of_id: str) -> DataFrame:
    """The second job: the rows of suspects, by thread, to what the checker says of them."""
    f = functions_of(rows)
    types = ", ".join(f"`{each.name}` {each.dataType.simpleString()}" for each in rows.schema)
    picked = rows.mapInArrow(_worker(chosen, told, suspects), f"{types}, {PLACES}").persist()
    crossing = (
        picked.where("runengine_run <> 0").groupBy("runengine_run").agg(f.collect_set("runengine_thread").alias("t"))
    )
    table = crossing.where("size(t) > 1").toArrow()
    component = f.when(f.col("runengine_thread") != 0, f.col("runengine_thread")).otherwise(f.col("runengine_run"))
    joined = components(table.column(0).to_pylist(), table.column(1).to_pylist())
    if joined:
        known = pa.table({"k": pa.array(list(joined), pa.int64()), "c": pa.array(list(joined.values()), pa.int64())})
        frame = rows.sparkSession.createDataFrame(known)
        of_run = f.broadcast(frame.toDF("runengine_run", "runengine_c1"))
        of_thread = f.broadcast(frame.toDF("runengine_thread", "runengine_c2"))
        picked_by = picked.join(of_run, "runengine_run", "left").join(of_thread, "runengine_thread", "left")
        component = f.coalesce("runengine_c1", "runengine_c2", component)
        picked = picked_by.withColumn("runengine_component", component).select(*picked.columns, "runengine_component")
    else:
        picked = picked.withColumn("runengine_component", component)
    order = ("runengine_path", "runengine_row") if told.in_files else ("runengine_at", f"`{of_id}`", "runengine_tie")
    if partitions is None:  # of what is kept, Spark does not find the number itself
        most = int(rows.sparkSession.conf.get("spark.sql.shuffle.partitions") or 200)
        partitions = min(most, picked.count() // _EVIDENCE_ROWS + 1)
    together = _brought_together(picked, partitions, "runengine_component").sortWithinPartitions(*order)
    return together.mapInArrow(_worker(judged, told), FINDINGS)


def _problems(rows: DataFrame, schema: pa.Schema, told: Told, summary: Summary) -> DataFrame | None:
    """What is wrong with the columns of a table, said of each of its files."""
    _, problems = plan_of(ARROW, schema)
    if not problems:
        return None
    paths = [""]
    if told.in_files:
        paths = sorted(row[0] for row in rows.select("runengine_path").distinct().collect())
    checker = Checker(told.options)
    said: list[tuple[Any, ...]] = []
    for path in paths:
        turn, name = told.name(path)
        found = [v for problem in problems for v in checker.observe(name, Unreadable(line=0, problem=problem))]
        said += [(*row_of(violation), turn, place, None) for place, violation in enumerate(found)]
    summary.violations.update(checker.summary.violations)
    summary.by_code.update(checker.summary.by_code)
    return rows.sparkSession.createDataFrame(said, FINDINGS) if said else None
