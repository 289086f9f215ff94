"""Clocks: where the runtime gets its time from. The only reader of the system clock."""

from __future__ import annotations

import time
from typing import Final, Protocol

from runengine.core import SECOND_US
from runengine.stores.ticks import ticks_s

__all__ = ["SYSTEM", "Clock", "ManualClock", "SystemClock", "ticks_s"]


class Clock(Protocol):
    """A source of time."""

    def now_us(self) -> int:
        """Whole microseconds since the Unix epoch; it may go backward, the runtime allows for that."""
        ...


class SystemClock:
    """The clock of this machine.

    Example:
        >>> SystemClock().now_us() > 1_700_000_000 * SECOND_US
        True
    """

    def now_us(self) -> int:
        """Microseconds since the epoch, as the machine has them."""
        return time.time_ns() // 1000


class ManualClock:
    """A clock that stands until it is set: for tests and simulations.

    Args:
        at_us: Where it begins.

    Example:
        >>> clock = ManualClock(5 * SECOND_US)
        >>> clock.advance(1.5)
        >>> clock.now_us()
        6500000
    """

    def __init__(self, at_us: int = 0) -> None:
        self._at_us = at_us

    def now_us(self) -> int:
        """Where it was set."""
        return self._at_us

    def set(self, at_us: int) -> None:
        """Put it anywhere, backward too."""
        self._at_us = at_us

    def advance(self, seconds: float) -> None:
        """Move it on."""
        self._at_us += round(seconds * SECOND_US)


SYSTEM: Final = SystemClock()
"""The default clock of stores that have none of their own."""
