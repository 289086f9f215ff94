"""The store suite for asyncio: the core of what `StoreSuite` tries, through `AsyncRuntime`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from runengine.core import Status
from runengine.embedding import Answer, AsyncRuntime, ManualClock, Settings
from runengine.errors import RunNotFound
from runengine.stores import AsyncStore, Entry
from runengine.testing.store_suite.base import CALLS, OUTPUTS, T0_US, USAGE, us

__all__ = ["AsyncStoreSuite", "OpenAsync", "Body"]

OpenAsync = Callable[[], Awaitable[AsyncStore]]
"""Opens the store under test in the running loop; the suite closes it."""

Body = Callable[[AsyncRuntime, ManualClock], Awaitable[None]]


async def _born(runtime: AsyncRuntime, run_id: str = "run_1", **more: Any) -> Answer:
    answer = await runtime.create(
        more.pop("thread_id", f"thread_of_{run_id}"), "asst_1", "gpt-4o", run_id=run_id, **more
    )
    assert answer.kind == "applied", answer
    return answer


async def _claimed(runtime: AsyncRuntime, worker: str = "worker_1") -> Answer:
    answer = await runtime.claim(worker)
    assert answer is not None
    return answer


class AsyncStoreSuite:
    """What any `AsyncStore` must pass; give it the fixture `open_async`, on a store with nothing in it.

    Example:
        >>> AsyncStoreSuite.test_a_life.__doc__
        'A run with a tool round is asked for, claimed, worked on and completed, and read in every way.'
    """

    @pytest.fixture
    def open_async(self) -> OpenAsync:
        """To be given by the subclass."""
        raise NotImplementedError("give the suite a fixture `open_async`: a coroutine function to an AsyncStore")

    @pytest.fixture
    def run(self, open_async: OpenAsync) -> Callable[[Body], None]:
        """Runs a test's coroutine with a runtime on the store."""

        def run(test: Body) -> None:
            async def whole() -> None:
                clock = ManualClock(T0_US)
                async with AsyncRuntime(await open_async(), clock=clock, settings=Settings()) as runtime:
                    await test(runtime, clock)

            asyncio.run(whole())

        return run

    def test_a_life(self, run: Callable[[Body], None]) -> None:
        """A run with a tool round is asked for, claimed, worked on and completed, and read in every way."""

        async def test(runtime: AsyncRuntime, clock: ManualClock) -> None:
            await _born(runtime, key="key_1")
            again = await runtime.create("thread_of_run_1", "asst_1", "gpt-4o", run_id="run_1", key="key_1")
            assert again.kind == "replayed"
            fence = (await _claimed(runtime)).fence
            assert (await runtime.require_action("run_1", CALLS, fence=fence)).status == "requires_action"
            clock.advance(1)
            assert (await runtime.submit_tool_outputs("run_1", OUTPUTS)).status == "queued"
            answer = await _claimed(runtime)
            assert answer.fence == 2
            assert (await runtime.heartbeat("run_1", 1)).kind == "fenced"
            assert (await runtime.heartbeat("run_1", 2)).kind == "applied"
            why = await runtime.why("run_1")
            assert why is not None
            assert (why.holder, why.deadline_us) == ("worker_1", us(31))
            assert await runtime.next_deadline() == (us(31), "run_1")
            assert (await runtime.complete("run_1", usage=USAGE, fence=2)).status == "completed"
            assert await runtime.get("run_1") == (await runtime.list())[0]
            entries = await runtime.history("run_1")
            assert [e.seq for e in entries] == [1, 2, 3, 4, 5, 6]
            assert [e async for e in runtime.subscribe(timeout_s=0)] == list(entries)
            assert (await runtime.cancel("run_1")).ended_by == "complete"
            assert await runtime.next_deadline() is None

        run(test)

    def test_every_answer(self, run: Callable[[Body], None]) -> None:
        """Every kind of answer is given as a value, and a wrong value raises."""

        async def test(runtime: AsyncRuntime, _: ManualClock) -> None:
            assert (await runtime.cancel("run_1")).kind == "not_found"
            await _born(runtime, thread_id="thread_1")
            assert (await runtime.create("thread_1", "a", "m")).kind == "busy"
            assert (await runtime.create("thread_1", "a", "m", run_id="run_1")).kind == "exists"
            assert (await runtime.create("thread_1", "a", "m", run_id="run_2", thread="enqueue")).kind == "waiting"
            assert (await runtime.cancel("run_2")).kind == "withdrawn"
            assert (await runtime.complete("run_1")).kind == "illegal"
            assert (await runtime.expire("run_1")).kind == "guard"
            assert (await runtime.start("run_1", expect=1)).kind == "stale"
            assert (await _claimed(runtime)).kind == "applied"
            assert (await runtime.fail("run_1", "odd", "sorry")).kind == "fenced"
            assert (await runtime.release("run_1", 1)).kind == "applied"
            assert (await runtime.exhaust_tokens("run_1", "max_prompt_tokens", fence=1)).kind == "fenced"
            assert (await runtime.exhaust_tokens("run_1", "max_prompt_tokens")).status == "incomplete"
            assert (await runtime.finish_cancel("run_1")).kind == "lost"
            assert (await runtime.modify("run_1", {"a": "b"})).kind == "applied"
            assert await runtime.claim("worker_1") is None
            with pytest.raises(ValueError, match="zero"):
                await runtime.cancel("run\0")
            with pytest.raises(RunNotFound):
                await runtime.list(after="run_9")

        run(test)

    def test_sweeping(self, run: Callable[[Body], None]) -> None:
        """What is due is done: lost workers, cancels, deadlines, and the next in line is born."""

        async def test(runtime: AsyncRuntime, clock: ManualClock) -> None:
            await _born(runtime, thread_id="thread_1")
            await runtime.create("thread_1", "a", "m", run_id="run_2", thread="enqueue")
            await _claimed(runtime)
            clock.advance(30)
            assert [a.event for a in await runtime.sweep()] == ["lease_lost"]
            await _claimed(runtime)
            assert (await runtime.cancel("run_1")).status == "cancelling"
            clock.advance(30)
            assert [a.event for a in await runtime.sweep()] == ["finish_cancel"]
            assert [a.event for a in await runtime.sweep(us(10_000))] == ["expire"]
            statuses: tuple[Status, ...] = ("cancelled", "expired")
            assert [r.status for r in await runtime.list(statuses=statuses, newest_first=False)] == list(statuses)

        run(test)

    def test_many_at_once(self, run: Callable[[Body], None]) -> None:
        """Of creates on one thread one is applied; of claims each takes another run; of ends one is applied."""

        async def test(runtime: AsyncRuntime, _: ManualClock) -> None:
            many = await asyncio.gather(*(runtime.create("thread_1", "a", "m") for _ in range(20)))
            assert sorted(a.kind for a in many) == ["applied"] + ["busy"] * 19
            await asyncio.gather(*(_born(runtime, f"run_{n}") for n in range(19)))
            claims = await asyncio.gather(*(runtime.claim(f"worker_{n}") for n in range(30)))
            taken = [a for a in claims if a is not None]
            assert len({a.run_id for a in taken}) == len(taken) == 20
            ends = [runtime.complete(a.run_id, fence=1) for a in taken] + [runtime.cancel(a.run_id) for a in taken]
            answers = await asyncio.gather(*ends)
            by_run: dict[str, list[str]] = {}
            for answer in answers:
                by_run.setdefault(answer.run_id, []).append(answer.kind)
            assert all(sorted(kinds) in (["applied", "applied"], ["applied", "lost"]) for kinds in by_run.values())
            assert len(await runtime.list(statuses=("completed",), limit=100)) == 20

        run(test)

    def test_the_feed(self, run: Callable[[Body], None]) -> None:
        """A reader beside writers is shown every entry, in order within a run, and stops when told."""

        async def test(runtime: AsyncRuntime, _: ManualClock) -> None:
            seen: list[Entry] = []

            async def read() -> None:
                async for entry in runtime.subscribe(timeout_s=20):
                    seen.append(entry)
                    if len(seen) == 60:
                        return

            async def write(number: int) -> None:
                await _born(runtime, f"run_{number}")
                await asyncio.sleep(0)
                await runtime.cancel(f"run_{number}")

            await asyncio.gather(read(), *(write(n) for n in range(20)))
            for number in range(20):
                mine = [e.seq for e in seen if e.run_id == f"run_{number}"]
                assert mine == [1, 2, 3]
            half = seen[30].position
            assert [e async for e in runtime.subscribe(half, timeout_s=0)] == seen[31:]

        run(test)

    def test_retention(self, run: Callable[[Body], None]) -> None:
        """A store compacts and forgets runs that have ended."""

        async def test(runtime: AsyncRuntime, _: ManualClock) -> None:
            store = await runtime.open()
            await _born(runtime)
            await runtime.cancel("run_1")
            assert await store.compact(us(1)) == 1
            assert [e.kind for e in await runtime.history("run_1")] == ["snapshot"]
            assert await store.forget(us(1)) == 1
            assert await runtime.get("run_1") is None

        run(test)
