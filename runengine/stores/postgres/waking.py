"""One caller waits for another: the same words for threads and for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from threading import Lock
from typing import Any, Final, TypeVar

__all__ = ["AsyncSignal", "Signal", "apart", "apart_async"]

A = TypeVar("A")


class Signal:
    """Set once, waited for by one thread, once. A third of the cost of a `threading.Event`.

    Example:
        >>> signal = Signal()
        >>> signal.set()
        >>> signal.wait()
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Let it go on."""
        self._lock.release()

    def wait(self) -> None:
        """Wait until it is set."""
        self._lock.acquire()

    def wait_for(self, timeout_s: float) -> bool:
        """Wait until it is set, but no longer than that; whether it is."""
        return self._lock.acquire(timeout=timeout_s)


class AsyncSignal:
    """As `Signal`, for a task.

    Example:
        >>> async def both():
        ...     signal = AsyncSignal()
        ...     signal.set()
        ...     await signal.wait()
        >>> asyncio.run(both())
    """

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """As `Signal.set`."""
        self._event.set()

    async def wait(self) -> None:
        """As `Signal.wait`."""
        await self._event.wait()

    async def wait_for(self, timeout_s: float) -> bool:
        """As `Signal.wait_for`."""
        try:
            return await asyncio.wait_for(self._event.wait(), timeout_s)
        except TimeoutError:
            return False


def apart(done: A) -> A:
    """What was done, in the caller's own thread.

    Example:
        >>> apart(1)
        1
    """
    return done


_TASKS: Final[set[asyncio.Task[Any]]] = set()
"""The event loop itself keeps only weak references."""


async def apart_async(work: Coroutine[Any, Any, A]) -> A:
    """Do it in a task of its own: it goes on where the caller is cancelled.

    Example:
        >>> async def one():
        ...     return 1
        >>> asyncio.run(apart_async(one()))
        1
    """
    task = asyncio.ensure_future(work)
    _TASKS.add(task)
    task.add_done_callback(_TASKS.discard)
    return await asyncio.shield(task)
