"""The durable stores, each an address with nothing behind it yet."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["sqlite", "postgres"])
def durable_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty store of each kind that outlives its process."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
