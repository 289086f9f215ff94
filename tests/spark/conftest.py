"""Spark for the tests: one session, and simulated archives. Run by `pytest tests/spark`, never with everything else."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.spark.archives import written

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_NEEDS_NO_SPARK = ("__init__.py", "archives.py", "test_short.py", "test_sql.py")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A session takes a while to start, so its tests are run where they are asked for."""
    asked = any("spark" in argument for argument in config.args)
    if collection_path.suffix == ".py" and not asked and collection_path.name not in _NEEDS_NO_SPARK:
        return True
    return None


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """Two cores, rows in small record batches, files in small partitions."""
    sql = pytest.importorskip("pyspark.sql")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    settings: dict[str, Any] = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.log.level": "OFF",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "700",
        "spark.sql.files.maxPartitionBytes": "60000",
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    session = sql.SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
    yield session
    session.stop()


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Writes a simulated archive of broken runs, each once."""
    folder = tmp_path_factory.mktemp("archives")

    @cache
    def made(scenario: str, runs: int = 1500, view: str = "history", rate: float = 0.1, group_rows: int = 997) -> str:
        path = folder / f"{scenario}-{view}-{runs}-{rate}-{group_rows}.parquet"
        return written(path, scenario, runs, view, rate, group_rows)

    return made
