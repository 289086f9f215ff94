"""`runengine.embedding.worker`: nothing that a handler made is thrown away, and whatever it raises fails its run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from runengine.embedding import AsyncRuntime
from runengine.embedding import worker as worker_module
from runengine.embedding.worker import Completed, Failed, Result, Work
from tests.embedding.working import USAGE, Place, eventually, handler_of, play, worker_on


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


def _exit() -> None:
    raise SystemExit(3)


async def _swept(place: Place) -> bool:
    await place.runtime.sweep()
    return (await place.run()).status == "expired"
