"""What a runtime is made of: its store, its clock, its observers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Self

from runengine.core import (
    PRACTICAL,
    STATUSES,
    TERMINAL,
    Event,
    Policy,
)
from runengine.embedding.answers import Answer
from runengine.embedding.clock import SYSTEM, Clock, ticks_s
from runengine.embedding.observers import Observed, Observer, checked, tell
from runengine.embedding.plans import Act, Context
from runengine.embedding.settings import Settings
from runengine.errors import LifecycleDefinitionError
from runengine.stores import AsyncStore, Request
from runengine.stores.opening import has_clock, open_async_store

__all__ = ["AsyncBase"]


class AsyncBase:
    """The store, opened at first use, and the way to it: see `AsyncRuntime`.

    Example:
        >>> import asyncio
        >>> async def address():
        ...     async with AsyncBase("memory:") as base:
        ...         return (await base.open()).url
        >>> asyncio.run(address())
        'memory:'
    """

    def __init__(
        self,
        store: str | AsyncStore,
        *,
        clock: Clock | None = None,
        policy: Policy = PRACTICAL,
        settings: Settings | None = None,
        observers: Iterable[Observer] = (),
    ) -> None:
        for status in STATUSES:
            if status not in TERMINAL and "expire" not in policy.allowed(status):
                raise LifecycleDefinitionError(f"expire: {status}", "a run must be able to expire wherever it waits")
        if "finish_cancel" not in policy.allowed("cancelling"):
            raise LifecycleDefinitionError("finish_cancel: cancelling", "a cancel must be able to end")
        self.settings: Final = settings or Settings()
        self.policy: Final = policy
        self._context: Final = Context(policy=policy, settings=self.settings)
        self._observers: Final = checked(observers)
        self._clock = clock
        self._address = store
        self._store: AsyncStore | None = None
        self._opening: Final = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> AsyncStore:
        """Open the store, unless that is done; the first call of any other method does it too."""
        async with self._opening:
            if self._store is None:
                address = self._address
                self._store = await open_async_store(address, self.policy) if isinstance(address, str) else address
                if self._clock is None and not has_clock(self._store):
                    self._clock = SYSTEM
        return self._store

    async def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            await self._store.close()
            self._store = None

    async def on(self, connection: Any) -> Self:
        """The same runtime on the host's own connection: what it writes commits with the host's transaction.

        Args:
            connection: A `sqlite3.Connection` or a psycopg connection, to the same store; one to another is refused, at
                its first use at the latest. The host commits or rolls back. Answers are given, and observed, before
                that. Where the connection commits every statement by itself and the host has begun no transaction, each
                request is committed by itself too.
        """
        store = (await self.open()).on(connection)
        return type(self)(
            store, clock=self._clock, policy=self.policy, settings=self.settings, observers=self._observers
        )

    def _now_us(self) -> int | None:
        return None if self._clock is None else self._clock.now_us()

    async def _act(self, run_id: str, event: Event, fence: int | None, expect: int | None, key: str | None) -> Answer:
        store = await self.open()
        act = Act(
            context=self._context,
            run_id=run_id,
            event=event,
            at_us=self._now_us(),
            fence=fence,
            expect=expect,
            key=key,
        )
        return await self._ask(store, act)

    async def _ask(self, store: AsyncStore, request: Request[Answer]) -> Answer:
        began_s = ticks_s()
        answer = await store.execute(request)
        self._tell(store, answer, began_s)
        return answer

    async def _ask_maybe(self, store: AsyncStore, request: Request[Answer | None]) -> Answer | None:
        began_s = ticks_s()
        answer = await store.execute(request)
        if answer is not None:
            self._tell(store, answer, began_s)
        return answer

    def _tell(self, store: AsyncStore, answer: Answer, began_s: float) -> None:
        if self._observers:
            for each in (answer, *answer.also):
                tell(self._observers, Observed(answer=each, elapsed_s=ticks_s() - began_s, store=store.url))
