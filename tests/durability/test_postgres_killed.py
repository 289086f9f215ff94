"""PostgreSQL itself killed under load, with all its processes: the clients are told so, and go on when it is back.

The runtimes are made once. Of what they were told nothing is lost, and nothing that they asked for once is done twice:
a store that sent a commit again after a lost connection would do that.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from runengine.embedding import Runtime
from runengine.errors import StoreUnavailable
from tests.durability.acknowledged import check_acknowledged, check_done_once, repeat_unanswered
from tests.durability.checking import check_store
from tests.durability.crashing import draw_seed
from tests.durability.servers import Server
from tests.durability.workload import SETTINGS, Driver, Said

FEW: Final = 3
MANY: Final = 20
CLIENTS: Final = 6
LIFE_MAX_S: Final = 0.5
DOWN_MAX_S: Final = 0.3
PATIENCE_S: Final = 30.0


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that this test alone uses."""
    with TemporaryDirectory(prefix="runengine-pg-") as folder:
        server = Server(Path(folder))
        yield server
        server.stop()


class Client(threading.Thread):
    """One that works for as long as it is let, whatever becomes of the server."""

    def __init__(self, runtime: Runtime, name: str, seed: int) -> None:
        super().__init__(daemon=True, name=name)
        self.said: list[Said] = []
        self.refused: list[str] = []
        self.failure: BaseException | None = None
        self._driver = Driver(runtime, name, seed, self.said.append)
        self._stopping = threading.Event()

    def run(self) -> None:
        """Work; a store that is not there is waited for."""
        try:
            while not self._stopping.is_set():
                try:
                    self._driver.step()
                except StoreUnavailable as error:
                    self.refused.append(str(error))
                    time.sleep(0.01)
        except BaseException as error:  # noqa: BLE001 - raised where the client is stopped
            self.failure = error

    def stop(self) -> None:
        """Let it finish what it is at."""
        self._stopping.set()
        self.join(PATIENCE_S)
        assert not self.is_alive(), f"{self.name} hangs"
        assert self.failure is None, repr(self.failure)


@contextmanager
def working(url: str, seed: int) -> Iterator[list[Client]]:
    """Clients on two runtimes, which are made once, at work."""
    runtimes = [Runtime(url, settings=SETTINGS) for _ in range(2)]
    runtimes[0].open()
    clients = [Client(runtimes[n % 2], f"client_{n}", seed + n) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    yield clients
    for client in clients:
        client.stop()
    for runtime in runtimes:
        runtime.close()


def all_go_on(clients: list[Client]) -> None:
    """Return once each client has been answered again."""
    counts = [len(client.said) for client in clients]
    until_s = time.monotonic() + PATIENCE_S
    while any(len(client.said) <= count for client, count in zip(clients, counts, strict=True)):
        for client in clients:
            assert client.failure is None, repr(client.failure)
        assert time.monotonic() < until_s, "a client does not go on"
        time.sleep(0.01)


def kill_and_check(server: Server, kills: int) -> None:
    """Kill the server under load and start it again; then look at all that was ever acknowledged."""
    seed = draw_seed()
    chance = random.Random(seed)
    with working(server.url, seed) as clients:
        for _ in range(kills):
            all_go_on(clients)
            time.sleep(chance.uniform(0, LIFE_MAX_S))
            assert server.kill() > CLIENTS
            time.sleep(chance.uniform(0, DOWN_MAX_S))
            server.start()
        all_go_on(clients)
    said = [answer for client in clients for answer in client.said]
    refused = [message for client in clients for message in client.refused]
    with Runtime(server.url, settings=SETTINGS) as runtime:
        steps = check_acknowledged(runtime.open(), said)
        runs = check_store(runtime.open())
        check_done_once(runtime.open())
        repeat_unanswered(runtime, said)
    print(f"{kills} kills, {steps} steps acknowledged, {len(refused)} calls refused, {runs} runs")
    assert refused
    assert all("password" not in message for message in refused)


def test_clients_survive_their_server(own_server: Server) -> None:
    """After PostgreSQL is killed, the same runtimes go on once it is back, and every acknowledged step is there."""
    kill_and_check(own_server, FEW)


@pytest.mark.slow
def test_clients_survive_twenty_deaths_of_their_server(own_server: Server) -> None:
    """After PostgreSQL is killed 20 times, every acknowledged step is there, and none is there twice."""
    kill_and_check(own_server, MANY)
