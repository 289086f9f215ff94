"""What the tests of workers share: a store that can stall or be gone, handlers of both kinds, and waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from runengine.core import FunctionCall, RunObject, Status, ToolCall, ToolOutput, Usage
from runengine.embedding import AsyncRuntime, Clock, Settings
from runengine.embedding.worker import Handler, Result, Work, Worker
from runengine.errors import StoreUnavailable
from runengine.stores import AsyncStore, Row
from runengine.stores.opening import open_async_store

LEASE_S: Final = 0.2
USAGE: Final = Usage(completion_tokens=5, prompt_tokens=7, total_tokens=12)
CALL: Final = ToolCall(id="call_1", function=FunctionCall(name="now", arguments="{}"))
OUTPUT: Final = ToolOutput(tool_call_id="call_1", output="12:00")

PATIENCE_S: Final = 10.0
"""How long a test waits for what must come; it comes much sooner."""


class Weather:
    """A store behind a line that can stall, or break, as whoever has it in hand says."""

    def __init__(self, store: AsyncStore) -> None:
        self._store: Final = store
        self._clear: Final = asyncio.Event()
        self._clear.set()
        self.is_down = False

    def stall(self) -> None:
        """Answer no call from now on, and none that is under way."""
        self._clear.clear()

    def thaw(self) -> None:
        """Answer again, first what was asked meanwhile."""
        self._clear.set()

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._store, name)
        if name in ("url", "on", "close"):
            return inner

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._clear.wait()
            if self.is_down:
                raise StoreUnavailable("test:", "the line is cut")
            return await inner(*args, **kwargs)

        return call


class Place:
    """One store, a runtime on it, and another behind weather."""

    def __init__(self, store: AsyncStore, settings: Settings | None, clock: Clock | None) -> None:
        self.runtime: Final = AsyncRuntime(store, settings=settings, clock=clock)
        self.weather: Final = Weather(store)
        self.exposed: Final = AsyncRuntime(cast("AsyncStore", self.weather), settings=settings, clock=clock)

    async def create(self, number: int = 1) -> str:
        """A queued run on a thread of its own."""
        answer = await self.runtime.create(f"thread_{number}", "asst_1", "gpt-4o", run_id=f"run_{number}")
        return answer.or_raise().run_id

    async def run(self, run_id: str = "run_1") -> RunObject:
        """The run."""
        return (await self.row(run_id)).run

    async def row(self, run_id: str = "run_1") -> Row:
        """The run's row."""
        row = await self.runtime.row(run_id)
        assert row is not None
        return row

    async def until(self, status: Status, run_id: str = "run_1") -> RunObject:
        """The run, once it has that status."""

        async def has_come() -> bool:
            return (await self.run(run_id)).status == status

        await eventually(has_come)
        return await self.run(run_id)

    async def names(self, run_id: str = "run_1") -> list[str]:
        """What its history says, in order; what came too late in brackets."""
        entries = await self.runtime.history(run_id)
        return [f"({entry.name})" if entry.kind == "lost" else entry.name for entry in entries]


def play(url: str, story: Callable[[Place], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Run a test's story on a store."""

    async def told() -> None:
        async with place_at(url, **options) as place:
            await asyncio.wait_for(story(place), 2 * PATIENCE_S)

    asyncio.run(told())


@asynccontextmanager
async def place_at(url: str, *, settings: Settings | None = None, clock: Clock | None = None) -> AsyncIterator[Place]:
    """A place on a store that is closed in the end."""
    store = await open_async_store(url)
    try:
        yield Place(store, settings, clock)
    finally:
        await store.close()


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not await check():
            await asyncio.sleep(0.005)


def handler_of(kind: str, function: Callable[[Work], Result]) -> Handler:
    """A handler that does the same, as an `async def` or as a plain function."""
    if kind == "sync":
        return function

    async def handler(work: Work) -> Result:
        return function(work)

    return handler


def worker_on(runtime: AsyncRuntime, handler: Handler, **options: Any) -> Worker:
    """A worker with a short lease that looks often."""
    return Worker(runtime, handler, **{"lease_s": LEASE_S, "poll_s": 0.05, **options})
