"""`runengine.stores.threads`: the threads behind asyncio end with their store, and wait without holding anything up."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from runengine.embedding import AsyncRuntime
from runengine.errors import RunEngineError
from runengine.stores import AsyncStore
from runengine.stores.opening import open_async_store


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store of each kind that needs threads."""
    return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/runs.db"


def _of_a_store() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("runengine-store")]


async def _ticks(count: list[int]) -> None:
    while True:
        await asyncio.sleep(0.01)
        count[0] += 1


def test_no_thread_is_left(url: str) -> None:
    """When a runtime is closed its threads have ended, those that waited too, and the event loop has gone on."""

    async def story() -> None:
        ticks = [0]
        async with AsyncRuntime(url) as runtime:
            await asyncio.gather(*(runtime.create(f"thread_{n}", "asst_1", "gpt-4o") for n in range(40)))
            store = await runtime.open()
            waiters = [asyncio.create_task(_wait(store, 30)) for _ in range(20)]
            ticking = asyncio.create_task(_ticks(ticks))
            await asyncio.sleep(0.1)
            assert len(_of_a_store()) >= 20
            before, began_s = ticks[0], time.monotonic()
        assert _of_a_store() == []
        took_s = time.monotonic() - began_s
        assert took_s < 2
        assert ticks[0] - before >= took_s / 0.05 - 1
        ticking.cancel()
        await asyncio.wait_for(asyncio.gather(*waiters), 2)

    asyncio.run(story())


def test_a_wait_that_is_cancelled_frees_its_thread(url: str) -> None:
    """However long a wait was to last, its thread is free soon after it was cancelled, and others may wait."""

    async def story() -> None:
        store = await open_async_store(url)
        for _ in range(3):
            waiters = [asyncio.create_task(store.wait(60, 0)) for _ in range(64)]
            await asyncio.sleep(0.05)
            for waiter in waiters:
                waiter.cancel()
        began_s = time.monotonic()
        await store.wait(0.01, 0)
        assert time.monotonic() - began_s < 2
        await store.close()

    asyncio.run(story())


def test_waiting_leaves_the_host_its_threads(url: str) -> None:
    """Many that wait hold up nothing of what the host does in threads of asyncio's own."""

    async def story() -> None:
        store = await open_async_store(url)
        waiters = [asyncio.create_task(store.wait(60, 0)) for _ in range(50)]
        await asyncio.sleep(0.05)
        await asyncio.wait_for(asyncio.to_thread(lambda: None), 2)
        for waiter in waiters:
            waiter.cancel()
        await store.close()

    asyncio.run(story())


async def _wait(store: AsyncStore, seconds: float) -> None:
    with suppress(RunEngineError, RuntimeError):
        await store.wait(seconds, await store.head())
