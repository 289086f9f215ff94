"""The store suite (`runengine.testing.store_suite`) on every store of runengine, through both runtimes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from runengine.stores import AsyncStore, Store
from runengine.stores.opening import open_async_store, open_store
from runengine.testing.store_suite import AsyncStoreSuite, DurableStoreSuite, StoreSuite

_TABLES = "runengine_history, runengine_keys, runengine_waiting, runengine_runs"


@pytest.fixture(scope="session")
def postgres_store(new_postgres_url: Callable[[], str]) -> Iterator[tuple[str, Store]]:
    """A store on PostgreSQL for the whole session, and its address: making the tables takes longer than a test."""
    url = new_postgres_url()
    store = open_store(url)
    yield url, store
    store.close()


@pytest.fixture
def empty_postgres(postgres_store: tuple[str, Store]) -> tuple[str, Store]:
    """The same, emptied."""
    with psycopg.connect(postgres_store[0], autocommit=True) as connection:
        connection.execute(f"TRUNCATE {_TABLES}".encode())
    return postgres_store


class TestMemory(StoreSuite):
    @pytest.fixture
    def store(self) -> Store:
        """A store in memory."""
        return open_store("memory:")


class TestSQLite(DurableStoreSuite):
    @pytest.fixture
    def store(self, sqlite_url: str) -> Iterator[Store]:
        """A new file."""
        store = open_store(sqlite_url)
        yield store
        store.close()

    @pytest.fixture
    def reopen(self, sqlite_url: str) -> Callable[[], Store]:
        """The same file."""
        return lambda: open_store(sqlite_url)

    @pytest.fixture
    def connect(self, sqlite_url: str) -> Callable[[], Any]:
        """The host's connection to the file."""
        return lambda: sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))


class TestPostgreSQL(DurableStoreSuite):
    @pytest.fixture
    def store(self, empty_postgres: tuple[str, Store]) -> Store:
        """The session's store, emptied."""
        return empty_postgres[1]

    @pytest.fixture
    def reopen(self, empty_postgres: tuple[str, Store]) -> Callable[[], Store]:
        """The same tables."""
        return lambda: open_store(empty_postgres[0])

    @pytest.fixture
    def connect(self, empty_postgres: tuple[str, Store]) -> Callable[[], Any]:
        """The host's connection to the database."""
        return lambda: psycopg.connect(empty_postgres[0])


class TestAsync(AsyncStoreSuite):
    @pytest.fixture(params=["memory", "sqlite", "postgres"])
    def open_async(self, request: pytest.FixtureRequest) -> Callable[[], Any]:
        """Each of the three, for asyncio."""
        if request.param == "memory":
            url = "memory:"
        elif request.param == "sqlite":
            url = request.getfixturevalue("sqlite_url")
        else:
            url = request.getfixturevalue("empty_postgres")[0]

        async def open_it() -> AsyncStore:
            return await open_async_store(url)

        return open_it
