"""What reading and writing records costs, beside orjson decoding and encoding the same bytes, on one core.

The records are those of the trace that `check` is measured on: bare, 27 fields, two function tools, instructions and
metadata. Both sides take the same bytes in turn, round by round; the least of the rounds counts. CPU time, pinned to
one core where the system allows it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import orjson

from runengine.core import RunObject
from runengine.dialects import encode, read_run, write_run
from tests.benchmarks.check import write_trace

RUNS = 2_000
ROUNDS = 15


def _seconds(work: Callable[[Any], object], items: Iterable[Any]) -> float:
    begin = process_time()
    for item in items:
        work(item)
    return process_time() - begin


def _written(run: RunObject) -> bytes:
    return encode(write_run(run))


def least(sides: dict[str, tuple[Callable[[Any], object], list[Any]]]) -> dict[str, float]:
    """The least seconds of each side, all of them in turn, round by round."""
    rounds = [{name: _seconds(*side) for name, side in sides.items()} for _ in range(ROUNDS)]
    return {name: min(one[name] for one in rounds) for name in sides}


def main() -> None:
    """Print how many times longer reading and writing take than orjson, and than nothing but the decoding of JSON."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.jsonl"
        write_trace(path, RUNS, 0)
        lines = path.read_bytes().split(b"\n")[:-1]
    values = [orjson.loads(line) for line in lines]
    runs = [read_run(line) for line in lines]
    assert [orjson.loads(_written(run)) for run in runs] == values
    took = least(
        {
            "orjson.loads": (orjson.loads, lines),
            "read_run of bytes": (read_run, lines),
            "read_run of a decoded value": (read_run, values),
            "orjson.dumps": (orjson.dumps, values),
            "encode(write_run)": (_written, runs),
            "write_run": (write_run, runs),
        }
    )
    print(f"{len(lines):,} records of {sum(map(len, lines)) / len(lines):.0f} bytes")
    for name, seconds in took.items():
        peer = "orjson.dumps" if name in ("orjson.dumps", "encode(write_run)", "write_run") else "orjson.loads"
        print(f"  {name:<28} {seconds / len(lines) * 1e6:6.2f} us, {seconds / took[peer]:5.2f} x {peer}")
