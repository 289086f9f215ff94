"""Checking on a Spark cluster: the same findings as `runengine check`, as a DataFrame. Needs the extra `spark`.

`check(spark.read.parquet("s3a://archive/2025/*.parquet"))` is a DataFrame of findings; `checked` gives the counts too.
Workers need `runengine[spark]` as the driver has it. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from runengine.errors import MissingExtra
from runengine.validation.findings import Violation
from runengine.validation.spark.addresses import is_remote
from runengine.validation.spark.sql import COVERED, sql_of
from runengine.validation.summary import Options, Summary

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from runengine.validation.spark.frames import Checked

__all__ = ["COVERED", "check", "check_paths", "checked", "is_remote", "sql_of"]


def check(
    df: DataFrame, options: Options | None = None, order: str | None = None, *, partitions: int | None = None
) -> DataFrame:
    """Check a DataFrame.

    Args:
        df: A row for each snapshot, with the columns of a Parquet file that `runengine check` reads: one for each field
            of the record, or JSON text.
        options: What to hold it to.
        order: The column that orders its rows: whole numbers or times. Then all of it is one recording, nothing is
            forgotten, and findings have neither path nor line. Where None, each file is a recording, and the order is
            that of its rows; the DataFrame has to be a scan of Parquet files, with or without filters.
        partitions: Into how many partitions fragments and evidence go; as many as Spark finds fitting where None.

    Returns:
        A row for each violation: code, name, severity, run_id, thread_id, path, line, field, found (JSON text),
        expected, message, hint; in no order.

    Raises:
        MissingExtra: pyspark, numpy or pyarrow is not installed.
        ValueError: no column is for a run, or its rows have no order.

    Example:
        >>> check(None)
        Traceback (most recent call last):
        ValueError: expected a DataFrame of Spark, got None
    """
    return checked(df, options, order, partitions=partitions).findings


def checked(
    df: DataFrame, options: Options | None = None, order: str | None = None, *, partitions: int | None = None
) -> Checked:
    """Check a DataFrame: findings, and the counts.

    Args:
        df: As of `check`.
        options: As there.
        order: As there.
        partitions: As there.

    Raises:
        MissingExtra: As there.
        ValueError: As there.

    Example:
        >>> checked(None)
        Traceback (most recent call last):
        ValueError: expected a DataFrame of Spark, got None
    """
    if df is None:
        raise ValueError("expected a DataFrame of Spark, got None")
    _require()
    from runengine.validation.spark.frames import check_frame

    return check_frame(df, options or Options(), order, partitions=partitions)


def check_paths(
    paths: Iterable[str],
    options: Options,
    master: str,
    *,
    findings_to: str | None = None,
    passes: Callable[[Violation], bool] | None = None,
    summary: Summary | None = None,
) -> tuple[Iterator[Violation], Summary]:
    """Check files with Spark: what `runengine check --engine spark` does.

    Args:
        paths: Files of this machine, as `expand` yields them, and addresses with a scheme, which may be globs.
        options: What to hold them to.
        master: Where Spark is: `local[2]`, `spark://…`, `yarn`; or `sc://…`, of Spark Connect.
        findings_to: A folder that is made, where findings are written as Parquet, all of them; or None.
        passes: Whether a violation is to be counted and reported, or is known already; all are when None.
        summary: Where is counted; a new one where None.

    Returns:
        The violations in order, and the counts; of violations, with `passes`, as far as they were asked for.

    Raises:
        MissingExtra: pyspark, numpy or pyarrow is not installed.
        TraceUnreadable: no session can be had; an address leads nowhere; or findings cannot be written.
        ValueError: recordings are to be joined, which needs an order.

    Example:
        >>> check_paths([], Options(join=True), "local")
        Traceback (most recent call last):
        ValueError: files are not joined by Spark: check a DataFrame of them by the column that orders them
    """
    if options.join:
        raise ValueError("files are not joined by Spark: check a DataFrame of them by the column that orders them")
    _require()
    from runengine.validation.spark.archives import check_paths as checked_paths

    return checked_paths(paths, options, master, findings_to=findings_to, passes=passes, summary=summary)


def _require() -> None:
    if any(find_spec(name) is None for name in ("numpy", "pyarrow", "pyspark")):
        raise MissingExtra("checking with Spark", "spark")
