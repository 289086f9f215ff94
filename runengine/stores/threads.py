"""A store of threads behind the interface of asyncio: SQLite in a pool of threads, memory at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Thread
from typing import Any, Final, ParamSpec, TypeVar

from runengine.stores.base import Request, Store
from runengine.stores.records import Entry, Row, RunQuery, Waiting

__all__ = ["THREADS", "Threaded"]

A = TypeVar("A")
P = ParamSpec("P")

THREADS: Final = 64
"""Threads that wait for a store at once: what commits together at most."""

_POLL_S: Final = 0.05

_SLICE_S: Final = 0.25
"""How long a thread waits for news at once: it goes on when its task is cancelled, and when the store is closed."""


class Threaded:
    """A `Store` as an `AsyncStore`.

    Args:
        store: The store.
        threads: How many calls may wait for it at once; 0 where no call waits, and each is made on the spot.

    Example:
        >>> from runengine.stores.memory import MemoryStore
        >>> asyncio.run(Threaded(MemoryStore(), threads=0).row("run_1")) is None
        True
    """

    def __init__(self, store: Store, threads: int = THREADS) -> None:
        self.sync: Final = store
        self._threads: Final = ThreadPoolExecutor(threads, "runengine-store") if threads else None
        self._waiters: Final = ThreadPoolExecutor(THREADS, "runengine-store-wait")

    @property
    def url(self) -> str:
        """Where it is, its password hidden."""
        return self.sync.url

    async def _call(self, function: Callable[P, A], *args: P.args, **kwargs: P.kwargs) -> A:
        if self._threads is None:
            return function(*args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(*args, **kwargs))

    async def execute(self, request: Request[A]) -> A:
        """As `Store.execute`."""
        return await self._call(self.sync.execute, request)

    async def execute_all(self, requests: Sequence[Request[A]]) -> list[A]:
        """As `Store.execute_all`."""
        return await self._call(self.sync.execute_all, requests)

    async def row(self, run_id: str) -> Row | None:
        """As `Store.row`."""
        return await self._call(self.sync.row, run_id)

    async def runs(self, query: RunQuery) -> tuple[Row, ...]:
        """As `Store.runs`."""
        return await self._call(self.sync.runs, query)

    async def history(self, run_id: str, after: int = 0, limit: int | None = None) -> tuple[Entry, ...]:
        """As `Store.history`."""
        return await self._call(self.sync.history, run_id, after, limit)

    async def feed(self, after: int = 0, limit: int = 1000) -> tuple[Entry, ...]:
        """As `Store.feed`."""
        return await self._call(self.sync.feed, after, limit)

    async def head(self) -> int:
        """As `Store.head`."""
        return await self._call(self.sync.head)

    async def wait(self, timeout_s: float, after: int) -> None:
        """As `Store.wait`; in threads of its own, so that a long wait holds up no write, nor what the host does."""
        loop = asyncio.get_running_loop()
        while timeout_s > 0:
            slice_s, began_s = min(timeout_s, _SLICE_S), loop.time()
            await loop.run_in_executor(self._waiters, self.sync.wait, slice_s, after)
            if loop.time() - began_s < slice_s:
                return
            timeout_s -= slice_s

    async def waiting(self, thread_id: str | None = None, limit: int = 1000) -> tuple[Waiting, ...]:
        """As `Store.waiting`."""
        return await self._call(self.sync.waiting, thread_id, limit)

    async def due(self, now_us: int | None, limit: int = 1000) -> tuple[str, ...]:
        """As `Store.due`."""
        return await self._call(self.sync.due, now_us, limit)

    async def next_deadline(self) -> tuple[int, str] | None:
        """As `Store.next_deadline`."""
        return await self._call(self.sync.next_deadline)

    async def compact(self, before_us: int, limit: int = 1000) -> int:
        """As `Store.compact`."""
        return await self._call(self.sync.compact, before_us, limit)

    async def forget(self, before_us: int, limit: int = 1000) -> int:
        """As `Store.forget`."""
        return await self._call(self.sync.forget, before_us, limit)

    def on(self, connection: Any) -> Threaded:
        """As `Store.on`; the host's connection is used on the host's own thread."""
        return _Hosted(self.sync.on(connection), threads=0)

    async def close(self) -> None:
        """As `Store.close`; its threads have ended then."""
        await self._call(self.sync.close)
        for threads in (self._threads, self._waiters):
            if threads is not None:
                await _ended(threads)


async def _ended(threads: ThreadPoolExecutor) -> None:
    """Wait for threads, in a thread: on this one it would hold up the event loop."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def end() -> None:
        threads.shutdown(wait=True)
        with suppress(RuntimeError):  # the loop may be closed meanwhile
            loop.call_soon_threadsafe(done.set)

    thread = Thread(target=end, name="runengine-store-close")
    thread.start()
    await done.wait()
    thread.join()


class _Hosted(Threaded):
    """A store on the host's connection, which only the host's own thread may use."""

    async def wait(self, timeout_s: float, after: int) -> None:
        """As `Store.wait`."""
        while timeout_s > 0 and await self.head() <= after:
            await asyncio.sleep(min(timeout_s, _POLL_S))
            timeout_s -= _POLL_S
