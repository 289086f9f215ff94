"""The durable stores, each an address with nothing behind it yet."""

from __future__ import annotations

import pytest

from tests.stores.conftest import new_postgres_url as new_postgres_url
from tests.stores.conftest import postgres_server as postgres_server
from tests.stores.conftest import postgres_url as postgres_url
from tests.stores.conftest import sqlite_url as sqlite_url


@pytest.fixture(params=["sqlite", "postgres"])
def durable_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty store of each kind that outlives its process."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
