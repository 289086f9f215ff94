"""A counter for durations. It says nothing of the time of day; `runengine.embedding.clock` does."""

from __future__ import annotations

import time

__all__ = ["ticks_s"]


def ticks_s() -> float:
    """Seconds on a counter that only goes forward, for durations.

    Example:
        >>> ticks_s() <= ticks_s()
        True
    """
    return time.perf_counter()
