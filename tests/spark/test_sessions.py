"""Sessions of other kinds: where workers die, and Spark Connect."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyspark")
pytest.importorskip("pyarrow")

from runengine.validation.summary import Options
from tests.spark.archives import row_by_row, sorted_by_place

_ROOT = Path(__file__).resolve().parents[2]
_MOST_S = 600


def _of_world(what: str, path: str) -> Any:
    command = [sys.executable, "-W", "ignore", "-m", "tests.spark.worlds", what, path]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=_MOST_S, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize("what", ["dying", "connect"])
def test_the_same(archive: Callable[..., str], what: str) -> None:
    """Every worker is killed at its first attempt, or Spark is far away: what is found is the same."""
    if what == "connect":
        pytest.importorskip("pyspark.sql.connect.session")
    path = archive("flaky", 800)
    wanted, counts = row_by_row([path], Options())
    found, summary, ordered, module = _of_world(what, path)
    assert found == sorted_by_place(wanted)
    assert summary == counts.as_dict()
    assert ordered["observations"] == counts.observations
    assert ("connect" in module) == (what == "connect")
