"""PostgreSQL's connections: the host's own, lost ones, listening ones, cancelled ones."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from attrs import evolve
from psycopg.rows import dict_row

from runengine.errors import StoreError, StoreUnavailable
from runengine.stores import Commit, Facts, Outcome, RunQuery, Wants
from runengine.stores.postgres import AsyncPostgresStore, PostgresStore, listening
from tests.stores.asking import NOW_US, Ask, birth, note, noted


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    """An empty store."""
    store = PostgresStore.open(postgres_url, timeout_s=5)
    yield store
    store.close()


@pytest.fixture
def other(store: PostgresStore, postgres_url: str) -> Iterator[PostgresStore]:
    """The same store as another process has it."""
    other = PostgresStore.open(postgres_url, timeout_s=5)
    yield other
    other.close()


@pytest.fixture
def host(store: PostgresStore, postgres_url: str) -> Iterator[psycopg.Connection]:
    """A connection of the host's, to the same database, with a table of the host's."""
    with psycopg.connect(postgres_url) as host:
        host.execute("CREATE TABLE orders (id TEXT)")
        host.commit()
        yield host
        if not host.closed:
            host.rollback()


def _end_all(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND application_name = 'runengine'"
        )


@pytest.mark.parametrize("kept", [True, False])
def test_the_hosts_row_and_the_run_are_kept_or_not_together(
    store: PostgresStore, host: psycopg.Connection, kept: bool
) -> None:
    """What a store writes on the host's connection is there once the host commits, and never if it does not."""
    host.execute("INSERT INTO orders VALUES ('o1')")
    store.on(host).execute(birth("r1", key="k1"))
    store.on(host).execute(note("r1"))
    assert store.row("r1") is None
    host.commit() if kept else host.rollback()
    found = host.execute("SELECT count(*) FROM orders").fetchone()
    row = store.row("r1")
    assert (found == (1,), row is not None and row.version == 2, len(store.keys()) == 1) == (kept, kept, kept)


@pytest.mark.parametrize("kept", [True, False])
def test_the_hosts_row_and_the_run_are_kept_or_not_together_in_asyncio(
    store: PostgresStore, host: psycopg.Connection, postgres_url: str, kept: bool
) -> None:
    """The same holds for the async store on an async connection."""

    async def write() -> None:
        aside = await AsyncPostgresStore.open(postgres_url)
        async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
            await connection.execute("INSERT INTO orders VALUES ('o1')")
            await aside.on(connection).execute(birth("r1"))
            await (connection.commit() if kept else connection.rollback())
        await aside.close()

    asyncio.run(write())
    assert (store.row("r1") is not None) is kept
    assert host.execute("SELECT count(*) FROM orders").fetchone() == (int(kept),)


def test_a_conflict_in_the_hosts_transaction_is_planned_again(store: PostgresStore, host: psycopg.Connection) -> None:
    """A guard that fails takes back its savepoint only, and the plan is shown the row as it is now."""
    store.execute(birth("r1"))
    host.execute("INSERT INTO orders VALUES ('o1')")
    ask = note("r1", meanwhile=lambda: store.execute(note("r1")))
    assert store.on(host).execute(ask) == 3
    host.commit()
    assert len(ask.shown) == 2
    assert host.execute("SELECT count(*) FROM orders").fetchone() == (1,)


def test_a_hosts_connection_that_commits_by_itself_makes_each_request_last(
    store: PostgresStore, postgres_url: str
) -> None:
    """Outside a transaction a request on the host's connection is a transaction of its own."""
    with psycopg.Connection[dict[str, Any]].connect(postgres_url, autocommit=True, row_factory=dict_row) as connection:
        store.on(connection).execute(birth("r1"))
        assert store.row("r1") is not None


@pytest.fixture
def elsewhere(
    request: pytest.FixtureRequest, new_postgres_url: Callable[[], str], postgres_server: str
) -> Iterator[str]:
    """The address of another store than the test's: in another schema, in another database, or of nothing at all."""
    if request.param != "database":
        url = new_postgres_url()
        if request.param == "schema":
            PostgresStore.open(url).close()
        yield url
        return
    with psycopg.connect(postgres_server, autocommit=True) as server:
        server.execute("CREATE DATABASE elsewhere")
        url = f"{urlsplit(postgres_server)._replace(path='/elsewhere').geturl()}&options=-csearch_path%3Dpublic"
        PostgresStore.open(url).close()
        yield url
        server.execute("DROP DATABASE elsewhere WITH (FORCE)")


@pytest.mark.parametrize("elsewhere", ["schema", "database", "nothing"], indirect=True)
def test_a_connection_to_another_store_is_refused(store: PostgresStore, elsewhere: str) -> None:
    """At its first use, for reading or writing, a connection to another store is told, and nothing is written there."""
    said = "the connection is to another store, schema (store_[0-9]+|public) of database .*; give one to this"
    with psycopg.connect(elsewhere) as host:
        for _ in range(2):
            with pytest.raises(StoreError, match=said):
                store.on(host).execute(birth("r1"))
        with pytest.raises(StoreError, match=said):
            store.on(host).row("r1")
        assert host.execute("SELECT 1").fetchone() == (1,), "the host's transaction can go on"

    async def ask() -> None:
        aside = await AsyncPostgresStore.open(store._where.url)
        async with await psycopg.AsyncConnection.connect(elsewhere) as connection:
            with pytest.raises(StoreError, match=said):
                await aside.on(connection).execute(birth("r1"))
        await aside.close()

    asyncio.run(ask())


def test_tables_made_anew_are_this_stores_again(store: PostgresStore, postgres_url: str) -> None:
    """Where the tables were made anew under an open store, the host's connection to them is not refused."""
    with psycopg.connect(postgres_url) as host:
        store.on(host).execute(birth("r1"))
    with psycopg.connect(postgres_url) as admin:
        schema = str(admin.execute("SELECT current_schema()").fetchone()[0])  # type: ignore[index]
        admin.execute(f"DROP SCHEMA {schema} CASCADE; CREATE SCHEMA {schema}".encode())
    PostgresStore.open(postgres_url).close()
    with psycopg.connect(postgres_url) as host:
        store.on(host).execute(birth("r1"))
    assert store.row("r1") is not None


def test_a_stricter_host_is_told_to_begin_again(store: PostgresStore, host: psycopg.Connection) -> None:
    """A transaction that must not see what came later cannot plan again, and is told so."""
    store.execute(birth("r1"))
    host.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    host.execute("SELECT count(*) FROM runengine_runs")
    store.execute(note("r1"))
    with pytest.raises(StoreUnavailable, match="roll it back and begin it again"):
        store.on(host).execute(note("r1"))


def test_a_connection_lost_between_calls_is_replaced(store: PostgresStore, postgres_url: str) -> None:
    """The call after a restart of the server is answered as if nothing had been, reading or writing."""
    store.execute(birth("r1"))
    _end_all(postgres_url)
    assert store.execute(note("r1")) == 2
    _end_all(postgres_url)
    assert store.row("r1") is not None
    store.wait(0, store.head())
    _end_all(postgres_url)
    store.wait(0, store.head())
    assert len(store.feed()) == 2


def test_a_connection_lost_in_the_middle_leaves_a_doubt_that_is_told(store: PostgresStore, postgres_url: str) -> None:
    """Whether a write that was under way is there is not claimed, and the next call works."""
    store.execute(birth("r1"))
    doubtful = note("r1", meanwhile=lambda: _end_all(postgres_url))
    doubtful = evolve(doubtful, wants=Wants(run_id="r1", key="k"))
    with pytest.raises(StoreUnavailable, match=r"is not known; .* with a key") as caught:
        store.execute(doubtful)
    assert caught.value.__cause__ is None
    assert store.execute(note("r1")) == 2


def test_a_hosts_connection_lost_in_the_middle_is_told(store: PostgresStore, host: psycopg.Connection) -> None:
    """Where the host's connection is gone, so is its transaction."""
    pid = host.info.backend_pid

    def end() -> None:
        with psycopg.connect(host.info.dsn, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))

    store.execute(birth("r1"))
    with pytest.raises(StoreUnavailable, match="the host's connection was lost"):
        store.on(host).execute(note("r1", meanwhile=end))


def test_wait_is_woken_by_another_stores_write(
    store: PostgresStore, other: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits, in whatever thread, is woken by the first write after a while."""
    monkeypatch.setattr(listening, "_LOOK_AGAIN_S", 30.0)
    store.wait(0, 0)
    began = time.monotonic()
    threads = [threading.Thread(target=store.wait, args=(30, 0)) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    other.execute(birth("r1"))
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 20


def test_asyncio_waits_are_woken_and_cancelled(
    store: PostgresStore, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancelled wait leaves the store usable, and every other wait is woken by a write."""
    monkeypatch.setattr(listening, "_LOOK_AGAIN_S", 30.0)

    async def waits() -> float:
        aside = await AsyncPostgresStore.open(postgres_url)
        await aside.wait(0, 0)
        cancelled = asyncio.create_task(aside.wait(30, 0))
        await asyncio.sleep(0.2)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        tasks = [asyncio.create_task(aside.wait(30, 0)) for _ in range(3)]
        await asyncio.sleep(0.5)
        began = time.monotonic()
        await asyncio.to_thread(store.execute, birth("r1"))
        await asyncio.gather(*tasks)
        assert await aside.execute(note("r1")) == 2
        assert len(await aside.feed()) == 2
        await aside.close()
        return time.monotonic() - began

    assert asyncio.run(waits()) < 20


def test_a_cancelled_request_leaves_nothing_behind_for_the_next(store: PostgresStore, postgres_url: str) -> None:
    """Whenever tasks are cancelled, the others are answered, and what they wrote is there."""

    def taken(facts: Facts) -> Outcome[str | None]:
        steps = () if facts.row is None else (noted(facts.row), noted(noted(facts.row).after))
        return Outcome(answer="" if steps else None, commit=Commit(steps=steps) if steps else None)

    async def many() -> None:
        aside = await AsyncPostgresStore.open(postgres_url, connections_max=2)
        claim = Ask(wants=Wants(claim=True, at_us=NOW_US), decide=taken)
        for number in range(40):
            requests = [birth(f"r{number}.{place}") if place % 2 else claim for place in range(8)]
            tasks = [asyncio.create_task(aside.execute(request)) for request in requests]
            await asyncio.sleep(number / 5_000)
            for task in tasks[: number % 6]:
                task.cancel()
            for answer in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(answer, Exception):
                    raise answer
        await aside.close()

    asyncio.run(many())
    assert all(store.row(f"r{number}.7") for number in range(40))
    assert all(row.version == len(store.history(row.run.id)) for row in store.runs(RunQuery(limit=1000)))
