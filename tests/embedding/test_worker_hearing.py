"""`runengine.embedding.worker`: what befalls a run in hand is heard soon, and cheaply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from runengine.embedding import AsyncRuntime, Settings
from runengine.embedding import hearing as hearing_module
from runengine.embedding import worker as worker_module
from runengine.embedding.worker import Work
from tests.embedding.working import Place, play, worker_on

SOON_S = 0.5
"""What is heard through the feed comes in a tenth of a second; heartbeats in these tests come after ten seconds."""


class TestHearing:
    """What becomes of a run in hand is heard through the feed."""

    def test_a_cancel(self, url: str, kind: str) -> None:
        """Handlers in hand hear of a cancel given through another store long before the next heartbeat."""
        heard: list[str] = []

        def look(work: Work) -> None:
            work.wait_cancelled(60)
            heard.append(work.run.id)

        async def wait(work: Work) -> None:
            try:
                await asyncio.sleep(60)
            finally:
                heard.append(work.run.id)

        async def story(place: Place) -> None:
            async with _elsewhere(url, place) as other:
                handler: Any = look if kind == "sync" else wait
                async with worker_on(place.runtime, handler, lease_s=30, concurrency=3, grace_s=0):
                    for number in range(3):
                        await place.create(number)
                        await place.until("in_progress", f"run_{number}")
                    for number, pause_s in enumerate((0, 0.2, 0.3)):
                        await asyncio.sleep(pause_s)
                        async with asyncio.timeout(SOON_S):
                            assert (await other.cancel(f"run_{number}")).ok
                            await place.until("cancelled", f"run_{number}")
                        assert heard == [f"run_{each}" for each in range(number + 1)]

        play(url, story)

    def test_when_it_is_far_behind(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """However much is written by others, a cancel is heard."""
        monkeypatch.setattr(hearing_module, "_PAGE", 2)

        async def wait(_work: Work) -> None:
            await asyncio.sleep(60)

        async def story(place: Place) -> None:
            await place.create()
            async with worker_on(place.runtime, wait, lease_s=30, grace_s=0):
                await place.until("in_progress")
                await asyncio.sleep(0.1)
                await place.runtime.cancel("run_1")
                for number in range(2, 12):
                    await place.create(number)
                async with asyncio.timeout(SOON_S):
                    await place.until("cancelled")

        play(url, story)

    def test_at_every_moment(self, url: str) -> None:
        """A cancel in whatever moment after the claim is heard."""

        async def wait(_work: Work) -> None:
            await asyncio.sleep(60)

        async def story(place: Place) -> None:
            async with worker_on(place.runtime, wait, lease_s=30, concurrency=20):
                for number in range(20):
                    await place.create(number)
                    await place.until("in_progress", f"run_{number}")
                    await asyncio.sleep(number / 200)
                    await place.runtime.cancel(f"run_{number}")
                async with asyncio.timeout(SOON_S):
                    for number in range(20):
                        await place.until("cancelled", f"run_{number}")

        play(url, story)

    def test_a_cancel_is_told_once(self, url: str) -> None:
        """A handler that takes its time to clear up is not cancelled again by each heartbeat."""
        cleared: list[bool] = []

        async def wait(_work: Work) -> None:
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.4)
                cleared.append(True)

        async def story(place: Place) -> None:
            await place.create()
            async with worker_on(place.runtime, wait, lease_s=0.2):
                await place.until("in_progress")
                await place.runtime.cancel("run_1")
                await place.until("cancelled")

        play(url, story)
        assert cleared == [True]

    def test_nothing_is_read_where_nothing_is_in_hand(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The feed is read while a run is in hand for a while, and neither before nor after, nor for a short one."""
        read = 0

        async def story(place: Place) -> None:
            nonlocal read
            feed = (store := await place.runtime.open()).feed

            async def counted(*args: Any, **kwargs: Any) -> Any:
                nonlocal read
                read += 1
                return await feed(*args, **kwargs)

            monkeypatch.setattr(store, "feed", counted)
            async with worker_on(place.runtime, _sleep_as_asked):
                await asyncio.sleep(0.3)
                for number in range(5):
                    await place.create(number)
                    await place.until("completed", f"run_{number}")
                assert read == 0
                await place.create(9)
                await place.until("completed", "run_9")
                assert 1 <= read <= 20
                await asyncio.sleep(0.2)
                read = 0
                await asyncio.sleep(0.3)
                assert read == 0

        play(url, story)

    def test_heartbeats_are_heard_where_the_feed_is_not(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the feed a cancel is heard with the next heartbeat."""
        monkeypatch.setattr(worker_module, "_HEED_S", 60)

        async def wait(_work: Work) -> None:
            await asyncio.sleep(60)

        async def story(place: Place) -> None:
            await place.create()
            async with worker_on(place.runtime, wait, lease_s=0.3):
                await place.until("in_progress")
                await place.runtime.cancel("run_1")
                await place.until("cancelled")

        play(url, story, settings=Settings(cancel_grace_s=60))


async def _sleep_as_asked(work: Work) -> None:
    if work.run.id == "run_9":
        await asyncio.sleep(0.5)


@asynccontextmanager
async def _elsewhere(url: str, place: Place) -> AsyncIterator[AsyncRuntime]:
    """A runtime of its own on the same store, as of another process; one in memory has but one."""
    if url == "memory:":
        yield place.runtime
        return
    async with AsyncRuntime(url) as other:
        yield other
