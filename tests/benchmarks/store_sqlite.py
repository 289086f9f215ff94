"""The runtime on SQLite against the raw driver, 64 callers against one, sweep and claim on many runs, and DBOS.

Both sides in turn, in small blocks, on two files in one folder with the same schema and the same settings (WAL,
synchronous=FULL). One operation is one durable change of status.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from runengine.embedding import Runtime
from tests.benchmarks._dbos import make_dbos
from tests.benchmarks._lives import (
    COLUMN_NAMES,
    ENTRY_NAMES,
    GUARD,
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
from tests.benchmarks._queues import many_runs

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
        numbers = count()
        print()
        many_runs(lambda: f"sqlite:///{path / f'queue{next(numbers)}.db'}", on_file)
        print()
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
    pair("one caller: start", spent[0], spent[1], STEPS, 0.7)
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
    pair("64 callers: start", spent[0], spent[1], STEPS, 2.0)
    runtime.close()


def on_file(url: str, many: Sequence[str]) -> None:
    """Run statements on a file."""
    raw = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for statement in many:
        raw.execute(statement)
    raw.close()


def against_dbos(path: Path) -> None:
    """64 callers: DBOS writes a workflow's outcome, the runtime a run's."""
    with sqlite3.connect(path / "dbos.db") as raw:
        raw.execute("PRAGMA journal_mode=WAL")
    raw.close()
    dbos = make_dbos(f"sqlite:///{path / 'dbos.db'}", 64)
    runtime = Runtime(f"sqlite:///{path / 'runs.db'}")
    flows_max = 2 * STEPS
    runs = fill(runtime, "d", flows_max)
    flows = [dbos.begin(uuid.uuid4().hex) for _ in range(flows_max)]
    spent = [0.0, 0.0]
    for mine, its in zip(chunks(runs, flows_max // 5), chunks(flows, flows_max // 5), strict=True):
        spent[0] += timed(by_many(64, runtime.start, mine))
        spent[1] += timed(by_many(64, dbos.end, its))
    pair("64 callers: a status, durable", spent[0], spent[1], flows_max, 3.0)
    runtime.close()
    dbos.close()
