"""The generated clients, made once a session. Set `RUNENGINE_SKIP_CLIENTS=1` to go without them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.clients.generated import Client, Clients, Start, ToolMissing, clients


@pytest.fixture(scope="session")
def generated() -> Clients:
    """All that was generated."""
    if os.environ.get("RUNENGINE_SKIP_CLIENTS"):
        pytest.skip("RUNENGINE_SKIP_CLIENTS is set")
    try:
        return clients()
    except ToolMissing as error:
        missing = f"{error} (RUNENGINE_SKIP_CLIENTS=1 goes without the generated clients)"
    pytest.fail(missing, pytrace=False)


def _kept(start: Start) -> Iterator[Start]:
    running: dict[int, Client] = {}

    def get(generation: int) -> Client:
        if generation not in running:
            running[generation] = start(generation)
        return running[generation]

    yield get
    for client in running.values():
        client.stop()


@pytest.fixture(scope="session")
def typescript(generated: Clients) -> Iterator[Start]:
    """The TypeScript client of a generation, running."""
    yield from _kept(generated.typescript)


@pytest.fixture(scope="session")
def ruby(generated: Clients) -> Iterator[Start]:
    """The Ruby client of a generation, running."""
    yield from _kept(generated.ruby)
