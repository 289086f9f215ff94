"""The check of files by their names, as the command line asks for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runengine.errors import MissingExtra, TraceUnreadable
from runengine.validation import spark as door
from runengine.validation.spark import check, check_paths
from runengine.validation.summary import Options
from tests.spark.archives import row_by_row, sorted_by_place

pytest.importorskip("pyspark")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_MASTER = "local[2]"


def test_all_kinds_of_files(spark: SparkSession, archive: Callable[..., str], tmp_path: Path) -> None:
    """A corrupt file, one without runs, one with other columns, and no Parquet: each says what it says by itself."""
    whole = Path(archive("flaky"))
    corrupt, cut, other, narrow, lines = (tmp_path / f"{name}.parquet" for name in ("b", "c c", "d%20", "e", "f"))
    held = bytearray(whole.read_bytes())
    held[2000:6000] = b"\x55" * 4000
    corrupt.write_bytes(held)
    cut.write_bytes(whole.read_bytes()[:5000])
    pq.write_table(pa.table({"colour": ["red"]}), other)
    pq.write_table(pq.read_table(archive("steady")).drop_columns(["usage", "started_at"]), narrow)
    lines.write_text('{"object": "thread.run", "id": "run_1", "status": "queue"}\n')
    paths = [archive("steady"), *map(str, (corrupt, cut, other, narrow, lines)), str(whole)]
    found, summary = check_paths(paths, Options(), _MASTER)
    wanted, counts = row_by_row(paths, Options())
    by_line = [(each.path, each.line) for each in found]
    turns = [paths.index(path) for path, _ in by_line]
    assert turns == sorted(turns)
    again, _ = check_paths(paths, Options(), _MASTER)
    assert sorted_by_place(again) == sorted_by_place(wanted)
    assert summary == counts


def test_findings_are_written(spark: SparkSession, archive: Callable[..., str], tmp_path: Path) -> None:
    """Findings are written as Parquet, in order, and never over a folder that is there."""
    folder = tmp_path / "found in may"
    found, summary = check_paths([archive("flaky")], Options(), _MASTER, findings_to=str(folder))
    rows = pq.read_table(folder)
    assert [(each.line, each.code) for each in found] == list(
        zip(*(rows[n].to_pylist() for n in ("line", "code")), strict=True)
    )
    assert rows.num_rows == summary.violations.total()
    with pytest.raises(TraceUnreadable, match="cannot be written there"):
        check_paths([archive("flaky")], Options(), _MASTER, findings_to=str(folder))


def test_known_findings(spark: SparkSession, archive: Callable[..., str]) -> None:
    """What is known already is neither reported nor counted."""
    found, summary = check_paths([archive("flaky")], Options(), _MASTER, passes=lambda each: each.code == "RE402")
    assert {each.code for each in found} == {"RE402"} == set(summary.by_code)
    assert summary.violations.total() == summary.by_code["RE402"] > 0


def test_nowhere(spark: SparkSession) -> None:
    """An address that this Spark cannot open is named, with what it lacks."""
    with pytest.raises(TraceUnreadable, match="no file system for s3a: its jars are to be added"):
        check_paths(["s3a://nowhere/*.parquet"], Options(), _MASTER)
    with pytest.raises(TraceUnreadable, match="cannot list it"):
        check_paths(["hdfs://nowhere.invalid:1/*.parquet"], Options(), _MASTER)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyspark there is one line that says what to install."""
    monkeypatch.setattr(door, "find_spec", lambda name: None if name == "pyspark" else object())
    with pytest.raises(MissingExtra) as caught:
        check(object())  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert "spark" in str(caught.value)
