"""What PostgreSQL refuses, in words that say what to do and never a password."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest
from attrs import evolve

from runengine.errors import SchemaMismatch, StoreError, StoreUnavailable
from runengine.stores import Commit, Facts, Outcome, RunQuery, Step, Wants
from runengine.stores.postgres import AsyncPostgresStore, PostgresStore
from runengine.stores.schema import SCHEMA_VERSION
from tests.stores.asking import NOW_US, Ask, birth, new_row, note


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


SECRET = "s3cr3t"


@pytest.fixture
def guarded_port() -> Iterator[int]:
    """A server that lets nobody in: it speaks PostgreSQL's protocol, and refuses every password."""
    listening_socket = socket.create_server(("127.0.0.1", 0))
    said = b'SFATAL\0C28P01\0Mpassword authentication failed for user "me"\0\0'

    def refuse() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening_socket.accept()
                with client:
                    client.recv(4096)
                    client.sendall(b"E" + struct.pack("!i", len(said) + 4) + said)

    threading.Thread(target=refuse, daemon=True).start()
    yield listening_socket.getsockname()[1]
    listening_socket.close()


def _shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


def test_what_is_no_connection_of_psycopgs_is_refused(store: PostgresStore) -> None:
    """A store says on what it can write."""
    with pytest.raises(StoreError, match=r"on a psycopg\.Connection, not on a builtins\.str"):
        store.on("postgresql://h")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:s3cr3t@127.0.0.1:PORT/runs?sslmode=disable&gssencmode=disable", "user or the password"),
        ("postgresql://me:s3cr3t@127.0.0.1:1/runs", "nothing listens there"),
        ("postgresql://me:s3cr3t@nowhere.invalid/runs", "no such host"),
        ("postgresql://me:pa@s3cr3t@127.0.0.1/runs", "no such host"),
        ("postgresql://me:pa/s3cr3t@127.0.0.1/runs", "no such host"),
        ("postgresql://127.0.0.1:1/runs?password=s3cr3t", "nothing listens there"),
        ("postgresql://127.0.0.1:1/runs?no_such_option=s3cr3t", "this is no address"),
        ("postgresql://me:s3cr3t@[::1/runs", "this is no address"),
        ("postgresql://me:s3cr3t%00@127.0.0.1:1/runs", "this is no address"),
        ("host=127.0.0.1 password=s3cr3t", "this is no address"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_without_its_password(url: str, said: str, guarded_port: int) -> None:
    """No message, representation or cause holds the password, whatever is wrong."""
    url = url.replace("PORT", str(guarded_port))
    with pytest.raises(StoreUnavailable, match=said) as caught:
        PostgresStore.open(url, timeout_s=3)
    known = "option=" in url or url.startswith("host=")  # `masked` knows addresses
    assert known or SECRET not in _shown(caught.value).replace(url, "")
    with pytest.raises(StoreUnavailable, match=said) as caught:
        asyncio.run(AsyncPostgresStore.open(url, timeout_s=3))
    assert known or SECRET not in _shown(caught.value)


def test_a_database_that_is_not_there_is_told(postgres_server: str) -> None:
    """The sentence says what to create."""
    with pytest.raises(StoreUnavailable, match=r"no such database; .+ createdb"):
        PostgresStore.open(postgres_server.replace("/postgres?", "/nowhere?"))
    with pytest.raises(StoreUnavailable, match=r"no such user; .+ createuser"):
        PostgresStore.open(postgres_server.replace("//postgres:", "//nobody:"))


def test_a_store_that_is_not_there_is_made_only_if_asked(postgres_url: str) -> None:
    """Opening says how to make a store where there is none."""
    with pytest.raises(SchemaMismatch, match="runengine store init URL"):
        PostgresStore.open(postgres_url, create=False)
    PostgresStore.open(postgres_url).close()
    PostgresStore.open(postgres_url, create=False).close()


@pytest.mark.parametrize(
    ("version", "said"), [("9", f"9 is newer than {SCHEMA_VERSION}"), ("0", "store migrate URL"), ("x", "no n")]
)
def test_a_store_of_another_version_is_refused(
    store: PostgresStore, postgres_url: str, version: str, said: str
) -> None:
    """An engine opens its own version only."""
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE runengine_schema SET value = %s WHERE name = 'version'", (version,))
    with pytest.raises(SchemaMismatch, match=said):
        PostgresStore.open(postgres_url)


def test_many_processes_make_the_tables_at_once(postgres_url: str) -> None:
    """Whoever comes first makes them, and the others find them."""
    failed: list[BaseException] = []

    def make() -> None:
        try:
            PostgresStore.open(postgres_url).close()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_read_only_database_can_be_read_and_says_why_not_more(store: PostgresStore, postgres_url: str) -> None:
    """A standby, or a database set to read only, refuses writes in words."""
    store.execute(birth("r1"))
    reader = PostgresStore.open(f"{postgres_url}%20-cdefault_transaction_read_only%3Don")
    assert reader.row("r1") is not None
    with pytest.raises(StoreUnavailable, match="read-only"):
        reader.execute(note("r1"))
    with pytest.raises(StoreUnavailable, match="read-only"):
        reader.execute(Ask(wants=Wants(claim=True, at_us=NOW_US), decide=lambda _: Outcome(answer=0)))
    reader.close()


def test_a_locked_run_is_waited_for_and_then_told(postgres_url: str, host: psycopg.Connection) -> None:
    """A transaction that holds a run for too long is named as the cause."""
    impatient = PostgresStore.open(postgres_url, timeout_s=0.2)
    impatient.execute(birth("r1"))
    host.execute("SELECT FROM runengine_runs FOR UPDATE")
    with pytest.raises(StoreUnavailable, match="locked for too long"):
        impatient.execute(note("r1"))
    host.rollback()
    assert impatient.execute(note("r1")) == 2
    impatient.close()


def test_a_pool_in_use_and_a_closed_store_are_told(postgres_url: str) -> None:
    """A request that no connection comes free for, or that comes too late, is told so."""
    small = PostgresStore.open(postgres_url, connections_max=1, timeout_s=0.2)
    small.execute(birth("r1"))
    inside = evolve(note("r1", meanwhile=lambda: small.row("r1")), wants=Wants(run_id="r1", key="k"))
    with pytest.raises(StoreUnavailable, match="all 1 connections"):
        small.execute(inside)
    assert small.execute(note("r1")) == 2
    small.close()
    with pytest.raises(StoreUnavailable, match="the store is closed"):
        small.row("r1")


def test_a_server_that_has_gone_is_told_and_its_return_is_found(postgres_server: str, postgres_url: str) -> None:
    """While nobody can connect the call fails in words, and afterwards the same store works."""
    store = PostgresStore.open(postgres_url, timeout_s=1)
    store.execute(birth("r1"))
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("CREATE ROLE passing LOGIN SUPERUSER")
    passing = PostgresStore.open(postgres_url.replace("//postgres:", "//passing:"), timeout_s=1)
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("ALTER ROLE passing NOLOGIN")
        _end_all(postgres_server)
        with pytest.raises(StoreUnavailable):
            passing.row("r1")
        connection.execute("ALTER ROLE passing LOGIN")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(StoreUnavailable):
            assert passing.row("r1") is not None
            break
    else:
        pytest.fail("it did not come back")
    passing.close()
    store.close()


@pytest.mark.parametrize("run_id", ["a\0b", "a\ud800b", "a" * 10_000 + "".join(map(str, range(3000)))])
def test_text_that_postgresql_cannot_keep_is_refused(store: PostgresStore, run_id: str) -> None:
    """A NUL, a lone surrogate and an id that no index holds are refused as values, and nothing is left behind."""
    with pytest.raises(ValueError, match="PostgreSQL"):
        store.execute(birth(run_id))
    with pytest.raises(ValueError, match="PostgreSQL"):
        store.execute(birth("r1", key=run_id))
    assert store.runs(RunQuery()) == ()
    assert store.keys() == ()


def test_what_the_databases_own_rules_refuse_is_told_in_its_words(store: PostgresStore) -> None:
    """A write that would break a rule of the tables is an error that names the rule."""
    step = Step(before=None, after=evolve(new_row("r1"), version=2))
    ask = Ask(wants=Wants(run_id="r1"), decide=lambda _: Outcome(answer=0, commit=Commit(steps=(step,))))
    with pytest.raises(StoreError, match="a run is born queued"):
        store.execute(ask)


def test_a_plan_that_raises_leaves_nothing_locked(store: PostgresStore, other: PostgresStore) -> None:
    """An error in a plan gives back what it was looking at."""
    store.execute(birth("r1"))

    def fail(facts: Facts) -> Outcome[None]:
        raise RuntimeError(facts.row and facts.row.run.id)

    with pytest.raises(RuntimeError, match="r1"):
        store.execute(Ask(wants=Wants(claim=True, at_us=NOW_US), decide=fail))
    assert other.execute(note("r1")) == 2
