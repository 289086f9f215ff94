"""`runengine.embedding.worker`: many runs and workers, and what a worker does beside its handlers."""

from __future__ import annotations

import asyncio
from collections import Counter
from math import inf, nan
from time import sleep
from typing import Any

import pytest

from runengine.embedding import AsyncRuntime, ManualClock, Runtime, Settings
from runengine.embedding import worker as module
from runengine.embedding.worker import Work, Worker
from tests.embedding.working import CALL, Place, handler_of, play, worker_on


class TestManyRuns:
    """Several workers and more runs than hands."""

    def test_each_is_handled_once(self, url: str, kind: str) -> None:
        """Four workers with three hands each handle each of 40 runs exactly once."""
        handled: Counter[str] = Counter()

        async def story(place: Place) -> None:
            for number in range(40):
                await place.create(number)
            handler = handler_of(kind, lambda work: handled.update([work.run.id]))
            workers = [worker_on(place.runtime, handler, name=f"w{n}", concurrency=3, lease_s=5) for n in range(4)]
            await asyncio.gather(*(worker.run_until_idle() for worker in workers))
            for number in range(40):
                assert await place.names(f"run_{number}") == ["create", "start", "complete"]

        play(url, story)
        assert handled == {f"run_{number}": 1 for number in range(40)}

    def test_concurrency(self, url: str, kind: str) -> None:
        """A worker has as many runs in hand as it may, and never more."""
        in_hand = most = 0
        loops: list[asyncio.AbstractEventLoop] = []

        async def wait(_work: Work) -> None:
            nonlocal in_hand, most
            in_hand += 1
            most = max(most, in_hand)
            await asyncio.sleep(0.03)
            in_hand -= 1

        def block(work: Work) -> None:
            asyncio.run_coroutine_threadsafe(wait(work), loops[0]).result()

        async def story(place: Place) -> None:
            loops.append(asyncio.get_running_loop())
            for number in range(9):
                await place.create(number)
            await worker_on(place.runtime, block if kind == "sync" else wait, concurrency=3).run_until_idle()

        play(url, story)
        assert most == 3


class TestLoop:
    """How a worker waits and what it does beside its handlers."""

    def test_heartbeats(self, url: str, kind: str) -> None:
        """A handler that takes longer than its lease keeps its run, though another worker looks for one."""
        entered: list[str] = []

        async def wait(work: Work) -> None:
            entered.append(work.worker)
            await asyncio.sleep(0.7)

        def block(work: Work) -> None:
            entered.append(work.worker)
            sleep(0.7)

        async def story(place: Place) -> None:
            await place.create()
            handler = block if kind == "sync" else wait
            async with worker_on(place.runtime, handler, name="a"), worker_on(place.runtime, handler, name="b"):
                await place.until("completed")
                assert (await place.row()).fence == 1

        play(url, story)
        assert len(entered) == 1

    def test_wakes_on_news(self, url: str) -> None:
        """An idle worker takes a new run long before it would have looked again."""

        async def story(place: Place) -> None:
            async with worker_on(place.runtime, handler_of("async", lambda _work: None), poll_s=1.5):
                await asyncio.sleep(0.05)
                async with asyncio.timeout(1.0):
                    await place.create()
                    await place.until("completed")

        play(url, story)

    def test_looks_seldom(self, url: str) -> None:
        """An idle worker asks the store a few times a second, and no more."""
        asked = 0

        async def story(place: Place) -> None:
            claim = place.runtime.claim

            async def counted(*args: Any, **kwargs: Any) -> Any:
                nonlocal asked
                asked += 1
                return await claim(*args, **kwargs)

            place.runtime.claim = counted  # type: ignore[method-assign]
            async with worker_on(place.runtime, lambda _work: None, poll_s=0.2):
                await asyncio.sleep(0.7)

        play(url, story)
        assert 3 <= asked <= 8

    def test_sweeps(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A lone worker expires what is past its deadline; one that does not sweep leaves it."""
        monkeypatch.setattr(module, "_SWEEP_S", 0.01)
        clock = ManualClock(1_700_000_000_000_000)

        async def story(place: Place) -> None:
            await place.create()
            await place.runtime.claim("lost")
            await place.runtime.require_action("run_1", (CALL,), fence=1)
            clock.advance(600)
            async with worker_on(place.runtime, lambda _work: None, sweep=False):
                await asyncio.sleep(0.1)
                assert (await place.run()).status == "requires_action"
            async with worker_on(place.runtime, lambda _work: None):
                await place.until("expired")

        play(url, story, clock=clock)

    def test_run_until_stopped(self, url: str) -> None:
        """`run` works until `stop`, and a worker can be started again, but not twice at once."""

        async def story(place: Place) -> None:
            worker = worker_on(place.runtime, handler_of("async", lambda _work: None))
            for number in (1, 2):
                running = asyncio.create_task(worker.run())
                await place.create(number)
                await place.until("completed", f"run_{number}")
                with pytest.raises(RuntimeError, match="running already"):
                    await worker.run()
                worker.stop()
                await running

        play(url, story)

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            *[("name", value) for value in ("", "\0", "w\ud800", "w" * 1_001, 7)],
            *[("concurrency", value) for value in (0, -1, 1.5, True, inf)],
            *[(name, value) for name in ("lease_s", "poll_s") for value in (0, -1, nan, inf, 1e300, "1", True)],
            *[("lease_s", value) for value in (1e-9, 0.009)],
            *[("grace_s", value) for value in (-1, nan, inf, "1")],
        ],
        ids=repr,
    )
    def test_refuses(self, option: str, value: object) -> None:
        """What is out of range is refused when the worker is made, by name."""
        with pytest.raises(ValueError, match=f"^{option} must be "):
            Worker(AsyncRuntime("memory:"), lambda _work: None, **{option: value})  # type: ignore[arg-type]

    def test_refuses_a_lease_of_the_settings(self) -> None:
        """A lease too short for a worker is refused wherever it comes from."""
        with pytest.raises(ValueError, match=r"lease_s must be at least 0\.01; got 1e-06"):
            Worker(AsyncRuntime("memory:", settings=Settings(lease_s=1e-6)), lambda _work: None)

    def test_refuses_what_is_no_runtime(self) -> None:
        """The runtime for threads, and a handler that is none, are refused in one sentence."""
        with pytest.raises(TypeError, match=r"^a worker needs an AsyncRuntime; got Runtime$"):
            Worker(Runtime("memory:"), lambda _work: None)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"^a worker needs a handler that can be called; got None$"):
            Worker(AsyncRuntime("memory:"), None)  # type: ignore[arg-type]

    def test_names_differ(self) -> None:
        """Two workers without a name have different ones."""
        runtime = AsyncRuntime("memory:")
        assert Worker(runtime, lambda _work: None).name != Worker(runtime, lambda _work: None).name
