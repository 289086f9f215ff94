"""A store of asyncio behind the interface of threads, so that a test can drive both in the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from runengine.stores import AsyncStore, Entry, Request, Row, RunQuery, Waiting

__all__ = ["Blocking"]

A = TypeVar("A")


class Blocking:
    """What the state machine needs of a `Store`, each call run to its end in a loop of its own.

    Args:
        open_it: Opens the store.
    """

    def __init__(self, open_it: Callable[[], Any]) -> None:
        self._loop = asyncio.new_event_loop()
        self._store: AsyncStore = self._loop.run_until_complete(open_it())
        self.url = self._store.url

    def execute(self, request: Request[A]) -> A:
        """As `Store.execute`."""
        return self._loop.run_until_complete(self._store.execute(request))

    def execute_all(self, requests: Sequence[Request[A]]) -> list[A]:
        """As `Store.execute_all`."""
        return self._loop.run_until_complete(self._store.execute_all(requests))

    def row(self, run_id: str) -> Row | None:
        """As `Store.row`."""
        return self._loop.run_until_complete(self._store.row(run_id))

    def runs(self, query: RunQuery) -> tuple[Row, ...]:
        """As `Store.runs`."""
        return self._loop.run_until_complete(self._store.runs(query))

    def history(self, run_id: str, after: int = 0, limit: int | None = None) -> tuple[Entry, ...]:
        """As `Store.history`."""
        return self._loop.run_until_complete(self._store.history(run_id, after, limit))

    def feed(self, after: int = 0, limit: int = 1000) -> tuple[Entry, ...]:
        """As `Store.feed`."""
        return self._loop.run_until_complete(self._store.feed(after, limit))

    def waiting(self, thread_id: str | None = None, limit: int = 1000) -> tuple[Waiting, ...]:
        """As `Store.waiting`."""
        return self._loop.run_until_complete(self._store.waiting(thread_id, limit))

    def due(self, now_us: int | None, limit: int = 1000) -> tuple[str, ...]:
        """As `Store.due`."""
        return self._loop.run_until_complete(self._store.due(now_us, limit))

    def next_deadline(self) -> tuple[int, str] | None:
        """As `Store.next_deadline`."""
        return self._loop.run_until_complete(self._store.next_deadline())

    def close(self) -> None:
        """As `Store.close`."""
        self._loop.run_until_complete(self._store.close())
        self._loop.close()
