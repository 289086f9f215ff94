"""Five million observations in two cores, slowly: `pytest tests/spark/test_volume.py -m slow -s` prints the rate."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

pytest.importorskip("pyspark")
pytest.importorskip("pyarrow")

from runengine.cli import main
from runengine.validation.spark import check_paths
from runengine.validation.summary import Options
from tests.spark.archives import row_by_row, sorted_by_place

_RUNS = 1_450_000
_ROWS = 5_000_000


@pytest.mark.slow
def test_five_million(tmp_path: Path) -> None:
    """Five million observations in local[2] say what they say row by row."""
    path = str(tmp_path / "archive.parquet")
    faults = ["--columns", "record", "--faults", "rate=0.002,kinds=all", "--truth", os.devnull]
    assert main(["simulate", "--scenario", "steady", "--runs", str(_RUNS), *faults, "-o", path]) == 0
    for turn in ("first", "warm"):
        begun_s = time.monotonic()
        found, summary = check_paths([path], Options(), "local[2]")
        told = sorted_by_place(found)
        took_s = time.monotonic() - begun_s
        print(
            f"{turn}: {summary.observations:,} observations in {took_s:.1f} s, {summary.observations / took_s:,.0f}/s"
        )
    wanted, counts = row_by_row([path], Options())
    assert counts.observations >= _ROWS
    assert told == sorted_by_place(wanted)
    assert summary == counts
