"""`runengine.embedding.worker`: nothing that a handler made is thrown away, and what befalls its run is heard soon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from runengine.embedding import AsyncRuntime, Settings
from runengine.embedding import hearing as hearing_module
from runengine.embedding import worker as worker_module
from runengine.embedding.worker import Completed, Failed, Result, Work
from tests.embedding.working import USAGE, Place, eventually, handler_of, play, worker_on

SOON_S = 0.5
"""What is heard through the feed comes in a tenth of a second; heartbeats in these tests come after ten seconds."""


class CustomError(BaseException):
    """An error that no `except Exception` catches."""


async def expire(place: Place) -> None:
    """The run ends at its deadline."""
    await eventually(lambda: _swept(place))


async def take_over(place: Place) -> None:
    """Another worker has the run."""
    assert (await place.runtime.release("run_1", 1)).ok
    assert await place.runtime.claim("other", lease_s=30) is not None


ENDS = [(expire, "has ended by expire"), (take_over, "was taken over by other")]


class TestLostOutcomes:
    """What a handler made is offered once, whatever has become of its run."""

    @pytest.mark.parametrize(("end", "gone"), ENDS, ids=["expired", "taken over"])
    @pytest.mark.parametrize(
        ("way", "lease_s", "heed_s"),
        [
            ("blocks", 0.15, 60),
            ("blocks", 30, 0.05),
            ("blocks", 30, 60),
            ("returns", 0.15, 60),
            ("returns", 30, 0.05),
            ("fails", 30, 0.05),
        ],
    )
    def test_are_kept(
        self,
        url: str,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
        end: Callable[[Place], Awaitable[None]],
        gone: str,
        way: str,
        lease_s: float,
        heed_s: float,
    ) -> None:
        """Whether it is told by a heartbeat, by the feed or not at all, what a handler makes is kept, and told once."""
        monkeypatch.setattr(worker_module, "_HEED_S", heed_s)
        over = asyncio.Event()

        def block(_work: Work) -> Result:
            while not over.is_set():
                sleep(0.01)
            return Completed(usage=USAGE)

        async def wait(_work: Work) -> Result:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await over.wait()
            return Completed(usage=USAGE)

        async def fall(_work: Work) -> Result:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                return Failed(code="server_error", message="cut", usage=USAGE)
            return None

        async def story(place: Place) -> None:
            await place.runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1", ttl_s=1)
            handler: Any = {"blocks": block, "returns": wait, "fails": fall}[way]
            async with worker_on(place.runtime, handler, name="a", lease_s=lease_s, sweep=False) as worker:
                await place.until("in_progress")
                worker.stop()
                await end(place)
                await asyncio.sleep(0.2)
                over.set()
            entries = await place.runtime.history("run_1")
            lost = [entry.data["payload"] for entry in entries if entry.kind == "lost"]
            assert [payload["usage"]["total_tokens"] for payload in lost] == [12]

        play(url, story)
        told = [record.getMessage() for record in caplog.records]
        event = "fail" if way == "fails" else "complete"
        assert told == [f"a: run_1 {gone}: its {event} came too late"]

    @pytest.mark.parametrize(("end", "gone"), ENDS, ids=["expired", "taken over"])
    def test_nothing_made(
        self,
        url: str,
        kind: str,
        caplog: pytest.LogCaptureFixture,
        end: Callable[[Place], Awaitable[None]],
        gone: str,
    ) -> None:
        """A handler that stops when its run is gone, and made nothing, writes nothing; the log says why."""

        def look(work: Work) -> None:
            assert work.wait_cancelled(60)

        async def wait(_work: Work) -> None:
            await asyncio.sleep(60)

        async def story(place: Place) -> None:
            await place.runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1", ttl_s=1)
            handler: Any = look if kind == "sync" else wait
            async with worker_on(place.runtime, handler, name="a", lease_s=30, sweep=False) as worker:
                await place.until("in_progress")
                worker.stop()
                await end(place)
            assert not any(name.startswith("(") for name in await place.names())

        play(url, story)
        assert [record.getMessage() for record in caplog.records] == [f"a: run_1 {gone}, and is let go"]


class TestErrors:
    """Whatever a handler raises fails its run."""

    def test_that_no_except_catches(self, url: str, kind: str) -> None:
        """A BaseException of the host's own fails the run once, and the worker goes on."""
        entered: list[str] = []

        def fall(work: Work) -> None:
            entered.append(work.run.id)
            if work.run.id == "run_1":
                raise CustomError("out")

        async def story(place: Place) -> None:
            await place.create(1)
            await place.create(2)
            await worker_on(place.runtime, handler_of(kind, fall)).run_until_idle()
            error = (await place.run("run_1")).last_error
            assert error is not None
            assert error.message.endswith("CustomError: out")
            assert (await place.run("run_2")).status == "completed"

        play(url, story)
        assert entered == ["run_1", "run_2"]

    @pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
    @pytest.mark.parametrize("way", ["run", "block"])
    def test_that_end_the_process(self, url: str, tmp_path: Path, error: BaseException, way: str) -> None:
        """What ends a process ends it on the event loop, after its run has failed and others are given back."""
        if url == "memory:":
            url = f"sqlite:///{tmp_path}/other.db"

        async def fall(work: Work) -> None:
            if work.run.id == "run_2":
                await asyncio.sleep(60)
            raise error

        async def main() -> None:
            async with AsyncRuntime(url) as runtime:
                await runtime.create("thread_2", "asst_1", "gpt-4o", run_id="run_2")
                await runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1")
                worker = worker_on(runtime, fall, concurrency=2, grace_s=0.1, lease_s=30)
                if way == "run":
                    await worker.run()
                async with worker:
                    await asyncio.sleep(60)

        async def look() -> None:
            async with AsyncRuntime(url) as runtime:
                run, other = await runtime.get("run_1"), await runtime.row("run_2")
                assert run is not None
                assert run.last_error is not None
                assert type(error).__name__ in run.last_error.message
                assert other is not None
                assert (other.run.status, other.owner) == ("in_progress", None)

        with pytest.raises(type(error)):
            asyncio.run(main())
        asyncio.run(look())

    def test_when_all_tasks_are_cancelled(self, tmp_path: Path) -> None:
        """A loop that is torn down, as by an error in another callback, has its runs given back."""
        url = f"sqlite:///{tmp_path}/runs.db"

        async def wait(_work: Work) -> None:
            asyncio.get_running_loop().call_soon(_exit)
            await asyncio.sleep(60)

        async def main() -> None:
            async with AsyncRuntime(url) as runtime:
                await runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1")
                await worker_on(runtime, wait, lease_s=30, grace_s=0.1).run()

        async def owner() -> str | None:
            async with AsyncRuntime(url) as runtime:
                row = await runtime.row("run_1")
                assert row is not None
                return row.owner

        with pytest.raises(SystemExit):
            asyncio.run(main())
        assert asyncio.run(owner()) is None


class TestAwaitables:
    """A plain function may return what can be awaited."""

    def test_is_awaited(self, url: str) -> None:
        """A lambda around an `async def` is that `async def`, with its outcome and its errors."""

        async def handler(work: Work) -> Result:
            await asyncio.sleep(0.01)
            if work.run.id == "run_2":
                raise KeyError("Atlantis")
            return USAGE

        async def story(place: Place) -> None:
            await place.create(1)
            await place.create(2)
            await worker_on(place.runtime, lambda work: handler(work)).run_until_idle()
            assert (await place.run("run_1")).usage == USAGE
            error = (await place.run("run_2")).last_error
            assert error is not None
            assert error.message == "KeyError: 'Atlantis'"

        play(url, story)

    def test_is_cancelled(self, url: str) -> None:
        """A cancel reaches it where it waits."""

        async def handler(_work: Work) -> None:
            await asyncio.sleep(60)

        async def story(place: Place) -> None:
            await place.create()
            async with worker_on(place.runtime, lambda work: handler(work), lease_s=30):
                await place.until("in_progress")
                await place.runtime.cancel("run_1")
                await place.until("cancelled")

        play(url, story)

    @pytest.mark.filterwarnings("error")
    def test_is_not_begun_after_the_signal(self, url: str) -> None:
        """What a plain function hands over after it was to stop is not begun, and no warning is left."""
        begun: list[str] = []

        async def handler(work: Work) -> None:
            begun.append(work.run.id)

        def hand_over(work: Work) -> Awaitable[None]:
            while work.stopped_by is None:
                sleep(0.01)
            return handler(work)

        async def story(place: Place) -> None:
            await place.create()
            async with worker_on(place.runtime, hand_over, lease_s=30):
                await place.until("in_progress")
                await place.runtime.cancel("run_1")
                await place.until("cancelled")

        play(url, story)
        assert begun == []


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


def _exit() -> None:
    raise SystemExit(3)


async def _swept(place: Place) -> bool:
    await place.runtime.sweep()
    return (await place.run()).status == "expired"


@asynccontextmanager
async def _elsewhere(url: str, place: Place) -> AsyncIterator[AsyncRuntime]:
    """A runtime of its own on the same store, as of another process; one in memory has but one."""
    if url == "memory:":
        yield place.runtime
        return
    async with AsyncRuntime(url) as other:
        yield other
