"""Other processes: forked from a server that has everything imported and nothing opened, and met head-on."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from typing import Any, Final

__all__ = ["CONTEXT", "Meeting", "shared_counts"]

CONTEXT: Final = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["__main__", "tests.durability.crashing", "tests.durability.races"])

_PATIENCE_S: Final = 60.0


def shared_counts(size: int) -> Any:
    """Integers that processes share, for a `Meeting`."""
    return CONTEXT.RawArray("q", size)


class Meeting:
    """Two sides leave together: each waits for the other without sleeping, so that both start within microseconds.

    Args:
        arrived: How often each has arrived: a list for threads, `shared_counts` for processes.
        me: Which side this is, 0 or 1.
    """

    def __init__(self, arrived: Sequence[int], me: int) -> None:
        self._arrived: Any = arrived
        self._me = me

    def __call__(self) -> None:
        """Arrive, and return once the other has arrived as often."""
        self._arrived[self._me] += 1
        mine = self._arrived[self._me]
        turns = 0
        until_s = time.monotonic() + _PATIENCE_S
        while self._arrived[1 - self._me] < mine:
            time.sleep(0)
            turns += 1
            if turns % 1000 == 0 and time.monotonic() > until_s:
                raise TimeoutError("the other side does not come")
