"""Stores for the tests of stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stores.raw import RawStore


@pytest.fixture(params=["sqlite", "postgres"])
def raw_store(request: pytest.FixtureRequest) -> Iterator[RawStore]:
    """A database with nothing in it, of each kind."""
    url = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    store = RawStore(request.param, url)
    yield store
    store.connection.close()
