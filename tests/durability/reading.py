"""A reader of the feed that is killed and begins again where it was."""

from __future__ import annotations

import os
import random
import threading
import time
from multiprocessing.connection import Connection
from typing import Final

from runengine.embedding import Runtime
from tests.durability.processes import CONTEXT
from tests.durability.workload import SETTINGS

__all__ = ["Heard", "Reader"]

_BLOCK: Final = 1 << 16

Heard = tuple[int, str, int]
"""Position, run, seq."""


def _read(url: str, after: int, pipe: Connection) -> None:
    """Say every entry after a position, one line each, for ever."""
    with Runtime(url, settings=SETTINGS) as runtime:
        for entry in runtime.subscribe(after):
            os.write(pipe.fileno(), f"{entry.position} {entry.run_id} {entry.seq}\n".encode())


class Reader(threading.Thread):
    """Reads the feed through one process after another: each is killed at a random moment.

    Args:
        url: The store.
        seed: Of the moments.
        life_max_s: The longest a process lives.
    """

    def __init__(self, url: str, seed: int, life_max_s: float) -> None:
        super().__init__(daemon=True)
        self.heard: list[Heard] = []
        self.kills = 0
        self._url = url
        self._chance = random.Random(seed)
        self._life_max_s = life_max_s
        self._stopping = threading.Event()

    def run(self) -> None:
        """Read, until stopped."""
        while not self._stopping.is_set():
            self._live(self._chance.uniform(0.05, self._life_max_s))

    def stop(self) -> None:
        """Kill the last one."""
        self._stopping.set()
        self.join()

    def _live(self, seconds: float) -> None:
        inlet, outlet = CONTEXT.Pipe(duplex=False)
        after = self.heard[-1][0] if self.heard else 0
        process = CONTEXT.Process(target=_read, args=(self._url, after, outlet), daemon=True)
        process.start()
        outlet.close()
        until_s = time.monotonic() + seconds
        text = b""
        while (left_s := until_s - time.monotonic()) > 0:
            if inlet.poll(left_s):
                text += os.read(inlet.fileno(), _BLOCK)
        process.kill()
        process.join()
        while block := os.read(inlet.fileno(), _BLOCK):
            text += block
        inlet.close()
        self.kills += 1
        for line in text.split(b"\n")[:-1]:
            position, run_id, seq = line.decode().split()
            self.heard.append((int(position), run_id, int(seq)))
