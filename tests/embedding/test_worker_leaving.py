"""`runengine.embedding.worker`: workers that stall, that leave, and whose store is gone for a while."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Event

import pytest

from runengine.embedding import worker as module
from runengine.embedding.worker import Completed, Result, Work
from tests.embedding.working import USAGE, Place, eventually, play, worker_on


class TestTakenOver:
    """A worker that stalls loses its run, and cannot write of it any more."""

    def test_late_complete(self, url: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
        """Another worker takes the run over with a higher fence; the first one's completion is fenced and kept."""
        done = Event()
        fences: list[int] = []

        def block(work: Work) -> None:
            fences.append(work.fence)
            done.wait(10)

        async def wait(work: Work) -> None:
            fences.append(work.fence)
            await eventually(lambda: _is_set(done))

        async def story(place: Place) -> None:
            await place.create()
            handler = block if kind == "sync" else wait
            async with worker_on(place.exposed, handler, name="a", lease_s=0.3, sweep=False):
                await eventually(lambda: _is_so(fences == [1]))
                place.weather.stall()
                async with worker_on(place.runtime, handler, name="b", lease_s=30):
                    await eventually(lambda: _is_so(fences == [1, 2]))
                    assert (await place.row()).owner == "b"
                    done.set()
                    await place.until("completed")
                place.weather.thaw()
                await eventually(lambda: _is_so("a" in _losers(caplog)))
            names = await place.names()
            assert names[:3] == ["create", "start", "claim"]
            assert names.count("complete") == 1

        play(url, story)

    def test_a_fenced_outcome_is_in_the_history(self, url: str) -> None:
        """An outcome that is written after another worker has claimed the run is refused, and kept as lost."""
        go_on = Event()

        async def story(place: Place) -> None:
            def second(work: Work) -> None:
                work.wait_cancelled(0.5)

            async def first(_work: Work) -> Result:
                place.weather.stall()
                go_on.set()
                return Completed(usage=USAGE)

            await place.create()
            async with worker_on(place.exposed, first, name="a", sweep=False):
                await eventually(lambda: _is_set(go_on))
                async with worker_on(place.runtime, second, name="b", lease_s=30):

                    async def is_over() -> bool:
                        return (await place.row()).owner == "b"

                    await eventually(is_over)
                    place.weather.thaw()
                    await place.until("completed")
            entries = await place.runtime.history("run_1")
            [lost] = [entry for entry in entries if entry.kind == "lost"]
            assert (lost.name, lost.data["reason"], lost.data["fence"]) == ("complete", "fenced", 1)

        play(url, story)

    def test_the_handler_is_stopped(self, url: str, kind: str) -> None:
        """A run that is taken over stops the handler, and what it makes all the same is kept as lost."""
        reasons: list[object] = []

        def block(work: Work) -> Result:
            work.wait_cancelled(10)
            reasons.append(work.stopped_by)
            return Completed()

        async def wait(work: Work) -> Result:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(10)
            reasons.append(work.stopped_by)
            return Completed()

        async def story(place: Place) -> None:
            await place.create()
            async with worker_on(place.runtime, block if kind == "sync" else wait) as worker:
                await place.until("in_progress")
                worker.stop()
                assert (await place.runtime.release("run_1", 1)).ok
                assert await place.runtime.claim("other") is not None
            assert reasons == ["fence"]
            assert await place.names() == ["create", "start", "release", "claim", "(complete)"]

        play(url, story)


class TestLeaving:
    """Leaving the block ends the work in an orderly way."""

    def test_waits_for_handlers(self, url: str, kind: str) -> None:
        """A handler that ends within the grace ends its run, and nothing new is claimed."""
        go_on = Event()

        async def wait(_work: Work) -> None:
            await eventually(lambda: _is_set(go_on))

        async def story(place: Place) -> None:
            await place.create(1)
            await place.create(2)
            handler = (lambda _work: _waited(go_on)) if kind == "sync" else wait
            async with worker_on(place.runtime, handler):
                await place.until("in_progress", "run_1")
                asyncio.get_running_loop().call_later(0.1, go_on.set)
            assert (await place.run("run_1")).status == "completed"
            assert (await place.run("run_2")).status == "queued"

        play(url, story)

    def test_gives_runs_back(self, url: str, kind: str) -> None:
        """A handler that goes on after the grace is told to stop, and another worker may claim its run at once."""
        reasons: list[object] = []

        def block(work: Work) -> None:
            work.wait_cancelled(10)
            reasons.append(work.stopped_by)

        async def wait(work: Work) -> None:
            try:
                await asyncio.sleep(10)
            finally:
                reasons.append(work.stopped_by)

        async def story(place: Place) -> None:
            await place.create()
            async with worker_on(place.runtime, block if kind == "sync" else wait, lease_s=30, grace_s=0.05):
                await place.until("in_progress")
            assert reasons == ["shutdown"]
            row = await place.row()
            assert (row.run.status, row.owner, row.fence) == ("in_progress", None, 1)
            await worker_on(place.runtime, lambda work: None).run_until_idle()
            assert await place.names() == ["create", "start", "release", "claim", "complete"]

        play(url, story)

    def test_a_cancelled_run_is_cancelled(self, url: str) -> None:
        """Giving back a run whose cancel the worker has not learned of yet ends it."""

        async def wait(_work: Work) -> None:
            await asyncio.sleep(10)

        async def story(place: Place) -> None:
            await place.create()
            async with worker_on(place.runtime, wait, lease_s=30, grace_s=0):
                await place.until("in_progress")
                await place.runtime.cancel("run_1")
            assert (await place.run()).status == "cancelled"

        play(url, story)

    def test_does_not_wait_for_ever(self, url: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The run of a handler that does not stop is given back all the same."""
        monkeypatch.setattr(module, "_LEAVE_S", 0.05)
        go_on = Event()

        async def wait(_work: Work) -> None:
            while not go_on.is_set():
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.01)

        async def story(place: Place) -> None:
            await place.create()
            handler = (lambda _work: _waited(go_on)) if kind == "sync" else wait
            async with worker_on(place.runtime, handler, lease_s=30, grace_s=0):
                await place.until("in_progress")
            owner = (await place.row()).owner
            go_on.set()
            assert owner is None

        play(url, story)

    def test_when_cancelled(self, url: str) -> None:
        """`run`, cancelled, gives its runs back before it ends."""

        async def wait(_work: Work) -> None:
            await asyncio.sleep(10)

        async def story(place: Place) -> None:
            await place.create()
            running = asyncio.create_task(worker_on(place.runtime, wait, lease_s=30, grace_s=0).run())
            await place.until("in_progress")
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert (await place.row()).owner is None

        play(url, story)

    def test_a_claim_under_way(self, url: str) -> None:
        """A run that is claimed while the worker leaves is given back, and its handler never entered."""
        entered: list[str] = []

        async def story(place: Place) -> None:
            await place.create()
            place.weather.stall()
            async with worker_on(place.exposed, lambda work: entered.append(work.run.id), lease_s=30, sweep=False):
                await asyncio.sleep(0.05)
                asyncio.get_running_loop().call_later(0.05, place.weather.thaw)
            assert await place.names() == ["create", "start", "release"]

        play(url, story)
        assert entered == []


async def _is_set(event: Event) -> bool:
    return event.is_set()


async def _is_so(so: bool) -> bool:
    return so


def _waited(event: Event) -> None:
    event.wait(10)


def _losers(caplog: pytest.LogCaptureFixture) -> set[str]:
    """Workers that have logged that a run is theirs no more, or that their outcome was refused."""
    return {record.getMessage().split(":")[0] for record in caplog.records}
