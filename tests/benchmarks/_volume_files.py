"""The files that the benchmarks of volume read, made by `runengine simulate`, and how many runs they have open."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import disk_usage
from subprocess import run
from typing import Any, Final
from zlib import crc32

from runengine.core import TERMINAL

__all__ = ["SCENARIO", "SEED", "free_gb", "most_open", "rows_of", "simulated", "spoiled"]

SCENARIO: Final = "archive-2024"
SEED: Final = 7

_EARLY_S: Final = 100


def simulated(out: Path, runs: int, *options: str) -> Path:
    """Simulate into a file, which is made by the command itself.

    Args:
        out: The file.
        runs: How many runs.
        options: More of `runengine simulate`.
    """
    given = ("--scenario", SCENARIO, "--seed", str(SEED), "--runs", str(runs), "-o", str(out), *options)
    run((sys.executable, "-m", "runengine", "simulate", *given), check=True, capture_output=True)
    return out


def rows_of(path: Path) -> int:
    """Rows of a Parquet file."""
    import pyarrow.parquet as pq

    return int(pq.ParquetFile(path).metadata.num_rows)


def free_gb(folder: Path) -> float:
    """Room on the disk, in GB."""
    return disk_usage(folder).free / 1e9


def _groups(path: Path, columns: list[str] | None = None) -> Iterator[Any]:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    for number in range(file.metadata.num_row_groups):
        yield file.read_row_group(number, columns=columns)


def spoiled(path: Path, out: Path, one_in: int) -> tuple[Path, int]:
    """The same columns with one run in so many broken, in one of three ways by turns; and how many are.

    It starts before its creation (RE203), its model changes with its end (RE402), or it ends as another status than
    the stamp it has (RE201, RE202).

    Args:
        path: Columns of the lifecycle.
        out: The file that is written.
        one_in: Of so many runs, one.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    broken, writer = set[int](), None
    for table in _groups(path):
        keys = np.array([crc32(text.encode()) for text in table["run_id"].to_pylist()])
        is_broken, way = keys % one_in == 0, (keys // one_in) % 3
        broken |= {*keys[is_broken].tolist()}

        codes, words = _coded(table["status"])
        early = pa.array(table["created_at"].to_numpy() - _EARLY_S)
        for number, status, name, value in (
            (0, "in_progress", "started_at", early),
            (1, "completed", "model", pa.scalar("gpt-unknown")),
            (2, "completed", "status", pa.scalar("failed")),
        ):
            mask = pa.array(is_broken & (way == number) & (codes == words.index(status)))
            changed = pc.call_function("if_else", [mask, value, table[name].combine_chunks()])
            table = table.set_column(table.schema.get_field_index(name), name, changed)
        writer = writer or pq.ParquetWriter(out, table.schema, compression="zstd", compression_level=1)
        writer.write_table(table, row_group_size=len(table))
    if writer is not None:
        writer.close()
    return out, len(broken)


def most_open(path: Path) -> int:
    """How many runs are open at a time, at most, in a clean log in order of time.

    Args:
        path: Columns of the lifecycle.
    """
    import numpy as np

    now = most = 0
    for table in _groups(path, ["status", "seq"]):
        codes, words = _coded(table["status"])
        begun = (table["seq"].to_numpy() == 1).astype(np.int64)
        ended = np.array([word in TERMINAL for word in words])[codes]
        level = now + np.cumsum(begun - ended)
        now, most = int(level[-1]), max(most, int(level.max()))
    return most


def _coded(column: Any) -> tuple[Any, list[str]]:
    """Words as numbers, and what they stand for."""
    coded = column.combine_chunks().dictionary_encode()
    return coded.indices.to_numpy(), coded.dictionary.to_pylist()
