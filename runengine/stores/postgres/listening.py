"""Waiting for news: one connection of a process listens, however many of its threads or tasks wait.

A notification only wakes earlier. Who waits looks again after a quarter of a second in any case, since not every
write is told of (`NOTIFY` makes commits wait for each other), and a pooler may swallow what is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from threading import Event, Lock
from typing import Final

from runengine.errors import StoreUnavailable
from runengine.stores.postgres import statements as sql
from runengine.stores.postgres.driver import FAILURES, AsyncConnection, Connection

__all__ = ["AsyncListener", "Listener"]

_LOOK_AGAIN_S: Final = 0.25


class Listener:
    """For threads: the first that waits listens, the others wait for what it hears.

    Args:
        connect: Makes a connection.

    Example:
        >>> Listener(connect=lambda: None).close()
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect: Final = connect
        self._connection: Connection | None = None
        self._leading: Final = Lock()
        self._news = Event()
        self._is_closed = False

    @property
    def news(self) -> Event:
        """What will be set by whatever is heard from now on."""
        return self._news

    def wait(self, timeout_s: float, news: Event) -> None:
        """Return on news, or after that time, or when it is time to look again.

        Args:
            timeout_s: How long to wait at most.
            news: `news` as it was before the caller looked: what another has heard since is not missed.
        """
        timeout_s = min(max(timeout_s, 0), _LOOK_AGAIN_S)
        if not self._leading.acquire(blocking=False):
            news.wait(timeout_s)
            return
        try:
            if not news.is_set() and self._listen(timeout_s):
                heard, self._news = self._news, Event()
                heard.set()
        finally:
            self._leading.release()

    def _listen(self, timeout_s: float) -> bool:
        try:
            connection = self._connection
            if connection is None:
                connection = self._connection = self._connect()
                connection.execute(sql.LISTEN)
            return any(True for _ in connection.notifies(timeout=timeout_s, stop_after=1))
        except (*FAILURES, StoreUnavailable):  # whoever reads next is told
            self._drop()
            self._news.wait(timeout_s)
            return False
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*FAILURES):
                connection.close()

    def close(self) -> None:
        """Stop listening."""
        with self._leading:
            self._drop()


class AsyncListener:
    """For asyncio: the first task that waits listens, the others wait for what it hears.

    Args:
        connect: Makes a connection.

    Example:
        >>> async def connect(): ...
        >>> asyncio.run(AsyncListener(connect).close())
    """

    def __init__(self, connect: Callable[[], Awaitable[AsyncConnection]]) -> None:
        self._connect: Final = connect
        self._connection: AsyncConnection | None = None
        self._leading: Final = asyncio.Lock()
        self._news = asyncio.Event()

    @property
    def news(self) -> asyncio.Event:
        """As `Listener.news`."""
        return self._news

    async def wait(self, timeout_s: float, news: asyncio.Event) -> None:
        """As `Listener.wait`."""
        timeout_s = min(max(timeout_s, 0), _LOOK_AGAIN_S)
        if self._leading.locked():
            await _wait_for(news, timeout_s)
            return
        async with self._leading:
            if not news.is_set() and await self._listen(timeout_s):
                heard, self._news = self._news, asyncio.Event()
                heard.set()

    async def _listen(self, timeout_s: float) -> bool:
        try:
            connection = self._connection
            if connection is None:
                connection = self._connection = await self._connect()
                await connection.execute(sql.LISTEN)
            return bool([notice async for notice in connection.notifies(timeout=timeout_s, stop_after=1)])
        except (*FAILURES, StoreUnavailable):  # whoever reads next is told
            await self._drop()
            await _wait_for(self._news, timeout_s)
            return False
        except BaseException:
            await self._drop()
            raise

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*FAILURES):
                await connection.close()

    async def close(self) -> None:
        """As `Listener.close`."""
        async with self._leading:
            await self._drop()


async def _wait_for(news: asyncio.Event, timeout_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await news.wait()
