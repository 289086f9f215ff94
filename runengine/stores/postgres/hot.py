"""Connections kept at hand, the one used last first: its plans are made, its pages are warm."""

from __future__ import annotations

from threading import Lock
from typing import Final, Generic, TypeVar

__all__ = ["Hot"]

C = TypeVar("C")

_MOST: Final = 4


class Hot(Generic[C]):
    """A few connections in front of a pool that hands out the one used longest ago.

    Whoever finds none here waits at the pool, and while anybody does, what comes back goes there.

    Example:
        >>> hot = Hot()
        >>> hot.keep("connection")
        True
        >>> hot.take()
        'connection'
        >>> hot.take() is None, hot.keep("connection")
        (True, False)
    """

    def __init__(self) -> None:
        self._lock: Final = Lock()
        self._kept: Final[list[C]] = []
        self._waiting = 0
        self._is_closed = False

    def take(self) -> C | None:
        """The one used last; None: there is none, and the caller waits at the pool until it calls `served`."""
        with self._lock:
            if self._kept:
                return self._kept.pop()
            self._waiting += 1
        return None

    def served(self) -> None:
        """One who waited at the pool waits no longer."""
        with self._lock:
            self._waiting -= 1

    def keep(self, connection: C) -> bool:
        """Keep it, unless somebody waits at the pool, or enough are kept; whether it is."""
        with self._lock:
            if self._waiting or len(self._kept) >= _MOST or self._is_closed:
                return False
            self._kept.append(connection)
        return True

    def close(self) -> list[C]:
        """Keep none any more; those that were kept."""
        with self._lock:
            self._is_closed = True
            kept = list(self._kept)
            self._kept.clear()
        return kept
