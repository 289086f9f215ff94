"""What a worker hears through the feed: that there may be work, and what becomes of the runs it has in hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from runengine.embedding.patience import TROUBLE, Patience
from runengine.embedding.work import Stretch
from runengine.stores import AsyncStore

__all__ = ["Ear", "News", "Spawn"]

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Starts a task whose errors are the worker's."""

_BREATH_S: Final = 0.02
"""How long after it looked in vain a worker looks again at the earliest, however much is written by others."""

_HEAR_S: Final = 0.1
"""How long it waits at once for news of runs in hand: a store that is told of news now and then may miss some."""

_PACE_S: Final = 0.03
"""How long it rests after it has read the feed, however much is written by others."""

_PAGE: Final = 100
"""Entries read at once; where there are more it is cheaper to look at the runs in hand."""


class News:
    """Wakes a worker that has looked for work in vain, once something is written or it is time.

    Args:
        store: Where the runs are.
        poll_s: How long to wait at most.
        wake: Called then.
        spawn: Starts its task.

    Example:
        >>> from runengine.stores.opening import open_async_store
        >>> async def is_waiting():
        ...     woken = asyncio.Event()
        ...     news = News(await open_async_store("memory:"), 0.01, woken.set, asyncio.create_task)
        ...     await news.listen()
        ...     await woken.wait()
        ...     return news.is_waiting
        >>> asyncio.run(is_waiting())
        False
    """

    def __init__(self, store: AsyncStore, poll_s: float, wake: Callable[[], None], spawn: Spawn) -> None:
        self._store: Final = store
        self._poll_s: Final = poll_s
        self._wake: Final = wake
        self._spawn: Final = spawn
        self._task: asyncio.Task[None] | None = None
        self._looked_s = 0.0

    @property
    def is_waiting(self) -> bool:
        """Whether it will wake the worker."""
        return self._task is not None

    async def listen(self) -> None:
        """Begin, before the worker looks, so that what comes in between is heard."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._looked_s + _BREATH_S - loop.time())
        mark = await self._store.head()
        self._looked_s = loop.time()
        self._task = self._spawn(self._hear(mark))

    async def _hear(self, mark: int) -> None:
        try:
            await self._store.wait(self._poll_s, mark)
        except TROUBLE:  # the claim that follows meets the same, and tells
            await asyncio.sleep(self._poll_s)
        self._task = None
        self._wake()

    def close(self) -> None:
        """Wake nobody any more."""
        if self._task is not None:
            self._task.cancel()


class Ear:
    """Hears what becomes of runs in hand: that one is cancelled, has ended, or was taken over.

    It reads the feed only as long as there is something in hand to heed.

    Args:
        store: Where the runs are.
        patience: With the store.
        spawn: Starts its task.

    Example:
        >>> from runengine.stores.opening import open_async_store
        >>> async def heeds():
        ...     return Ear(await open_async_store("memory:"), Patience(print), asyncio.create_task).is_listening
        >>> asyncio.run(heeds())
        False
    """

    def __init__(self, store: AsyncStore, patience: Patience, spawn: Spawn) -> None:
        self._store: Final = store
        self._patience: Final = patience
        self._spawn: Final = spawn
        self._heeded: Final[set[Stretch]] = set()
        self._mark: int | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_listening(self) -> bool:
        """Whether it reads the feed."""
        return self._task is not None

    async def heed(self, stretch: Stretch) -> None:
        """Tell this handler of what comes, and of what has come since its run was claimed."""
        if self._mark is None:
            mark = await self._store.head()
            if self._mark is None:  # another's is older, and it is listening from there
                self._mark = mark
        self._heeded.add(stretch)
        if self._task is None:
            self._task = self._spawn(self._listen())
        await self._look(stretch)  # after that: what comes later is in the feed

    def forget(self, stretch: Stretch) -> None:
        """Its handler has been left."""
        self._heeded.discard(stretch)

    def close(self) -> None:
        """Hear nothing any more."""
        self._heeded.clear()
        if self._task is not None:
            self._task.cancel()

    async def _listen(self) -> None:
        while self._heeded:
            await self._patience.insist(self._hear)
            await asyncio.sleep(_PACE_S)
        self._mark = self._task = None

    async def _hear(self) -> None:
        assert self._mark is not None
        await self._store.wait(_HEAR_S, self._mark)
        entries = await self._store.feed(self._mark, _PAGE)
        if not entries:
            return
        mark, heeded = entries[-1].position, set(self._heeded)
        if len(entries) == _PAGE:
            mark = max(mark, await self._store.head())
        else:
            written = {entry.run_id for entry in entries}
            heeded = {stretch for stretch in heeded if stretch.work.run.id in written}
        for stretch in heeded:
            await self._look(stretch)
        self._mark = mark

    async def _look(self, stretch: Stretch) -> None:
        row = await self._store.row(stretch.work.run.id)
        if stretch not in self._heeded:
            return
        if row is None:
            stretch.learn(None, None, None)
        else:
            stretch.learn(row.run.status, row.fence, row.owner)
