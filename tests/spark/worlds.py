"""What is run in an interpreter of its own, for it needs a session of another kind. Prints what it came to, as JSON.

`python -m tests.spark.worlds WHAT PATH`: `dying`, in which every worker is killed at its first attempt; `connect`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from runengine.validation.spark import checked, frames
from tests.spark.archives import sorted_by_place

_QUIET: dict[str, Any] = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.log.level": "OFF",
    "spark.sql.files.maxPartitionBytes": "60000",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
}


def _dying(work: Callable[..., Iterator[Any]], *told: Any) -> Callable[[Iterable[Any]], Iterator[Any]]:
    def run(batches: Iterable[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        task = TaskContext.get()
        batches = list(batches)
        if task is not None and task.attemptNumber() == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        yield from work(*told, batches)

    return run


def _session(what: str) -> Any:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    if what == "connect":
        return SparkSession.builder.remote("local[2]").config(map=_QUIET).getOrCreate()
    return SparkSession.builder.master("local[2,4]").config(map=_QUIET).getOrCreate()


def main(what: str, path: str) -> None:
    """Check a file in a session of that kind."""
    spark = _session(what)
    if what == "dying":
        frames._worker = _dying
    by_file = checked(spark.read.parquet(path))
    by_time = checked(spark.read.parquet(path), order="observed_at_us")
    said = [
        sorted_by_place(by_file.violations()),
        by_file.summary.as_dict(),
        by_time.summary.as_dict(),
        type(spark).__module__,
    ]
    print("\n" + json.dumps(said))
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
