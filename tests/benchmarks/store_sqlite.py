"""The runtime on SQLite against the raw driver, 64 callers against one, sweep and claim on many runs, and DBOS.

Both sides in turn, in small blocks, on two files in one folder with the same schema and the same settings (WAL,
synchronous=FULL). One operation is one durable change of status.
"""

from __future__ import annotations

import sqlite3
import uuid
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from runengine.embedding import ManualClock, Runtime
from tests.benchmarks._dbos import make_dbos
from tests.benchmarks._lives import (
    COLUMN_NAMES,
    ENTRY_NAMES,
    GUARD,
    T0_US,
    by_many,
    chunks,
    fill,
    folder,
    header,
    in_turn,
    pair,
    raw_values,
    start_of,
    timed,
)

STEPS = 1_000
BLOCK = 50
UPDATE = (
    f"UPDATE runengine_runs SET {', '.join(f'{name} = ?' for name in COLUMN_NAMES)} "
    f"WHERE {' AND '.join(f'{name} IS ?' if name == 'lease_until_us' else f'{name} = ?' for name in GUARD)}"
)
INSERT = f"INSERT INTO runengine_history ({', '.join(ENTRY_NAMES)}) VALUES ({', '.join('?' * len(ENTRY_NAMES))})"


def main() -> None:
    """Print every ratio."""
    with folder() as path:
        header("raw sqlite3")
        one_caller(path)
        header("one caller")
        many_callers(path)
        many_runs(path)
        header("DBOS")
        against_dbos(path)


def one_caller(path: Path) -> None:
    """`start` on queued runs, against the same guarded UPDATE and INSERT in BEGIN IMMEDIATE … COMMIT."""
    ours = Runtime(f"sqlite:///{path / 'ours.db'}")
    theirs = Runtime(f"sqlite:///{path / 'raw.db'}")
    ids = fill(ours, "a", STEPS)
    steps = [raw_values(start_of(row)) for row in (theirs.row(i) for i in fill(theirs, "a", STEPS)) if row is not None]
    raw = sqlite3.connect(path / "raw.db", isolation_level=None)
    raw.execute("PRAGMA synchronous=FULL")

    def by_hand(values: tuple[Any, Any]) -> None:
        raw.execute("BEGIN IMMEDIATE")
        assert raw.execute(UPDATE, values[0]).rowcount == 1
        raw.execute(INSERT, values[1])
        raw.execute("COMMIT")

    spent = [0.0, 0.0]
    for mine, its in zip(chunks(ids, BLOCK), chunks(steps, BLOCK), strict=True):
        spent[0] += timed(in_turn(ours.start, mine))
        spent[1] += timed(in_turn(by_hand, its))
    pair("one caller: start", spent[0], spent[1], STEPS, "0.70")
    ours.close()
    theirs.close()
    raw.close()


def many_callers(path: Path) -> None:
    """64 threads against one, on one store."""
    runtime = Runtime(f"sqlite:///{path / 'many.db'}")
    many, one = fill(runtime, "m", 6 * STEPS), fill(runtime, "o", STEPS)
    spent = [0.0, 0.0]
    for those, these in zip(chunks(many, 6 * STEPS // 4), chunks(one, STEPS // 4), strict=True):
        spent[0] += timed(by_many(64, runtime.start, those)) / 6
        spent[1] += timed(in_turn(runtime.start, these))
    pair("64 callers: start", spent[0], spent[1], STEPS, "2.00")
    runtime.close()


def many_runs(path: Path) -> None:
    """A sweep with nothing due among a million runs, and what a claim costs as the queue grows."""
    print()
    for count in (1_000, 1_000_000):
        clock = ManualClock(T0_US + count)
        runtime = Runtime(f"sqlite:///{path / f'queue{count}.db'}", clock=clock)
        runtime.open()
        queue(path / f"queue{count}.db", count)
        measure_queue(runtime, count)
        runtime.close()


def measure_queue(runtime: Runtime, count: int) -> None:
    """Medians of 200, of each in turn."""
    runtime.sweep()
    places = range(0, count, count // 200)
    reads = median(timed(partial(runtime.row, f"run_q{place}")) for place in places)
    sweeps = median(timed(runtime.sweep) for _ in places)
    claims = median(timed(partial(runtime.claim, "worker_1")) for _ in places)
    said = f"sweep, none due {sweeps * 1e6:6.0f} µs = {sweeps / reads:4.1f} point reads (required 3)"
    print(f"{count:>9,} queued runs: {said}   claim {claims * 1e6:6.0f} µs")


def queue(file: Path, count: int) -> None:
    """Fill the table behind the store's back: copies of one born run, each claimable a microsecond after the other."""
    template = Runtime(f"sqlite:///{file}", clock=ManualClock(T0_US))
    template.create("thread_q", "asst_1", "gpt-4o", run_id="run_q", ttl_s=86_400).or_raise()
    template.close()
    with sqlite3.connect(file) as raw:
        names = [*COLUMN_NAMES, "body"]
        copied = {"id": "id || n", "thread_id": "thread_id || n", "claimable_us": "claimable_us + n"}
        numbers = f"WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < {count - 1})"
        chosen = ", ".join(copied.get(name, name) for name in names)
        raw.execute(
            f"{numbers} INSERT INTO runengine_runs ({', '.join(names)}) "
            f"SELECT {chosen} FROM runengine_runs, number WHERE id = 'run_q'"
        )
        entries = ", ".join("run_id || n" if name == "run_id" else name for name in ENTRY_NAMES)
        raw.execute(
            f"{numbers} INSERT INTO runengine_history ({', '.join(ENTRY_NAMES)}) "
            f"SELECT {entries} FROM runengine_history, number WHERE run_id = 'run_q'"
        )
        raw.execute("DELETE FROM runengine_runs WHERE id = 'run_q'")
        raw.commit()
        raw.execute("ANALYZE")
    raw.close()


def against_dbos(path: Path) -> None:
    """64 callers: DBOS writes a workflow's outcome, the runtime a run's."""
    with sqlite3.connect(path / "dbos.db") as raw:
        raw.execute("PRAGMA journal_mode=WAL")
    raw.close()
    dbos = make_dbos(f"sqlite:///{path / 'dbos.db'}", 64)
    runtime = Runtime(f"sqlite:///{path / 'runs.db'}")
    count = 2 * STEPS
    runs = fill(runtime, "d", count)
    flows = [dbos.begin(uuid.uuid4().hex) for _ in range(count)]
    spent = [0.0, 0.0]
    for mine, its in zip(chunks(runs, count // 5), chunks(flows, count // 5), strict=True):
        spent[0] += timed(by_many(64, runtime.start, mine))
        spent[1] += timed(by_many(64, dbos.end, its))
    pair("64 callers: a status, durable", spent[0], spent[1], count, "3.00")
    runtime.close()
    dbos.close()
