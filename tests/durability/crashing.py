"""A process that works on a store until it is killed, and says through a pipe what it was told."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Final

from attrs import asdict, frozen

from runengine.embedding import Runtime
from tests.durability.processes import CONTEXT
from tests.durability.workload import SETTINGS, Driver, Said

__all__ = ["Life", "Writer", "work"]

_DRIVERS: Final = 3
_READY: Final = b"ready\n"
_BLOCK: Final = 1 << 16
_OPENING_S: Final = 30.0


def work(url: str, name: str, seed: int, pipe: Connection) -> None:
    """Open the store and work in several threads, for ever.

    A line is written at once, and whole: less than PIPE_BUF. It is written after the call has returned, so what the
    pipe has, the store has acknowledged.
    """
    outlet = pipe.fileno()

    def say(said: Said) -> None:
        words = {name: value for name, value in asdict(said).items() if value is not None}
        os.write(outlet, json.dumps(words).encode() + b"\n")

    with Runtime(url, settings=SETTINGS) as runtime:
        os.write(outlet, _READY)
        drivers = [Driver(runtime, f"{name}.{n}", seed * _DRIVERS + n, say) for n in range(_DRIVERS)]
        threads = [threading.Thread(target=_drive, args=(driver, outlet), daemon=True) for driver in drivers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _drive(driver: Driver, outlet: int) -> None:
    try:
        while True:
            driver.step()
    except Exception as error:  # noqa: BLE001 - told to the parent, who fails by it
        os.write(outlet, json.dumps({"error": f"{type(error).__name__}: {error}"[:2000]}).encode() + b"\n")


@frozen(kw_only=True)
class Life:
    """What is known of a writer that was killed.

    Attributes:
        was_ready: Whether it had opened the store.
        said: What it said, in order.
    """

    was_ready: bool
    said: tuple[Said, ...]


class Writer:
    """A process that works on a store.

    Args:
        url: The store.
        name: Of this life, unlike any other's.
        seed: Of what it does.
    """

    def __init__(self, url: str, name: str, seed: int) -> None:
        self._inlet, outlet = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=work, args=(url, name, seed, outlet), daemon=True)
        self._process.start()
        outlet.close()
        self._heard = b""

    def wait_ready(self) -> None:
        """Return once it has opened the store."""
        until_s = time.monotonic() + _OPENING_S
        while _READY not in self._heard:
            assert time.monotonic() < until_s, "the writer does not come up"
            assert self._listen(0.05) or self._process.is_alive(), "the writer does not come up: see above"

    def run(self, seconds: float) -> None:
        """Let it work, and hear it, so that it never waits for a full pipe."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            self._listen(left_s)

    def pause(self) -> tuple[Said, ...]:
        """Stop it in the middle of whatever it does; what it has said so far."""
        self._signal(signal.SIGSTOP)
        while self._listen(0):
            pass
        return self._said()

    def go_on(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> Life:
        """Kill it with SIGKILL, and take what it had said."""
        self._process.kill()
        self._process.join()
        while self._listen(0):
            pass
        self._inlet.close()
        return Life(was_ready=self._heard.startswith(_READY), said=self._said())

    def _signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def _said(self) -> tuple[Said, ...]:
        return tuple(_read(self._heard.removeprefix(_READY).split(b"\n")))

    def _listen(self, seconds: float) -> bool:
        if not self._inlet.poll(seconds):
            return False
        block = os.read(self._inlet.fileno(), _BLOCK)
        self._heard += block
        return bool(block)


def _read(lines: list[bytes]) -> Iterator[Said]:
    for line in lines:
        if line:
            words = json.loads(line)
            assert "error" not in words, words["error"]
            yield Said(**words)


def draw_seed() -> int:
    """A seed for a test to print: that of the environment, or a new one."""
    seed = int(os.environ.get("RUNENGINE_SEED", random.randrange(1 << 32)))
    print(f"\nRUNENGINE_SEED={seed}")
    return seed
