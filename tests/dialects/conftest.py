"""Databases for the tests of kotlin-sql."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """The address of a database with nothing in it, of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
