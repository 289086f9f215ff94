"""`runengine.embedding.worker`: workers that stall, that leave, and whose store is gone for a while."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from threading import Event
from typing import Any

import pytest

from runengine.embedding import patience
from runengine.embedding import worker as module
from runengine.embedding.worker import Completed, Result, Work
from runengine.errors import PayloadError, SchemaMismatch, StoreUnavailable
from tests.embedding.working import USAGE, Place, eventually, handler_of, play, worker_on


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


class TestTrouble:
    """A store that is gone for a while ends no worker."""

    def test_it_goes_on(self, url: str, kind: str, caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
        """Claims, heartbeats and outcomes are tried until the store is back; the first failure alone is logged."""
        monkeypatch.setattr(patience, "_RETRY_S", 0.01)
        monkeypatch.setattr(patience, "_RETRY_MAX_S", 0.04)
        caplog.set_level(logging.WARNING, "runengine")

        async def story(place: Place) -> None:
            def cut(work: Work) -> Result:
                place.weather.is_down = work.run.id == "run_1"
                return USAGE

            async with worker_on(place.exposed, handler_of(kind, cut), lease_s=1):
                await place.create(1)
                await eventually(lambda: _is_so(place.weather.is_down))
                await asyncio.sleep(0.2)
                assert (await place.run("run_1")).status == "in_progress"
                await place.create(2)
                place.weather.is_down = False
                assert (await place.until("completed", "run_1")).usage == USAGE
                await place.until("completed", "run_2")

        play(url, story)
        [record] = caplog.records
        assert "the line is cut" in record.getMessage()

    def test_a_store_that_is_not_there(self) -> None:
        """A wrong address is told at once, when the worker starts."""

        async def story(place: Place) -> None:
            place.weather.is_down = True

            async def refuse() -> None:
                raise SchemaMismatch("test:", "newer")

            place.exposed.open = refuse  # type: ignore[assignment, method-assign]
            with pytest.raises(SchemaMismatch):
                await worker_on(place.exposed, lambda _work: None).run()

        play("memory:", story)

    @pytest.mark.parametrize("error", [PayloadError(["$.id is missing"]), ConnectionResetError("reset")], ids=repr)
    def test_other_trouble(self, caplog: pytest.LogCaptureFixture, monkeypatch: Any, error: Exception) -> None:
        """An error of a store that does not say it is gone is logged with its traceback, and the worker goes on."""
        monkeypatch.setattr(patience, "_RETRY_S", 0.01)

        async def story(place: Place) -> None:
            _fall_once(place, monkeypatch, "claim", error, StoreUnavailable("test:", "gone"))
            await place.create()
            async with worker_on(place.runtime, lambda _work: None, sweep=False):
                await place.until("completed")

        play("memory:", story)
        [record] = caplog.records
        assert record.exc_info is not None

    @pytest.mark.parametrize("error", [ZeroDivisionError("bug"), ValueError("nan"), TypeError("no such argument")])
    @pytest.mark.parametrize("method", ["claim", "sweep", "heartbeat"])
    def test_a_mistake(self, monkeypatch: pytest.MonkeyPatch, method: str, error: Exception) -> None:
        """An error that is not the store's ends the worker at once, out of `run`, after its runs are given back."""

        async def story(place: Place) -> None:
            _fall_once(place, monkeypatch, method, error)
            await place.create()
            with pytest.raises(type(error), match=str(error)):
                await worker_on(place.runtime, _wait, grace_s=0).run()
            assert (await place.row()).owner is None

        play("memory:", story)

    def test_a_mistake_ends_the_body(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The body of the block is cancelled where it waits, and the task goes on as if it never had been."""

        async def story(place: Place) -> None:
            _fall_once(place, monkeypatch, "claim", ZeroDivisionError("bug"))
            with pytest.raises(ZeroDivisionError):
                async with worker_on(place.runtime, lambda _work: None):
                    await asyncio.Event().wait()
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            await asyncio.sleep(0)

        play("memory:", story)

    def test_a_mistake_at_the_end_of_the_body(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A body that has just ended by itself is not cancelled afterwards, and the error is raised all the same."""

        async def story(place: Place) -> None:
            worker = worker_on(place.runtime, lambda _work: None)
            with pytest.raises(ZeroDivisionError):
                async with worker:
                    worker._block.fail(ZeroDivisionError("bug"))
            await asyncio.sleep(0)

        play("memory:", story)

    def test_an_outcome_that_cannot_be_written(self, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
        """An outcome at which the store falls fails the run, with the usage, and the worker goes on."""

        async def story(place: Place) -> None:
            _fall_once(place, monkeypatch, "complete", ValueError("no such number"))
            await place.create(1)
            await place.create(2)
            await worker_on(place.runtime, handler_of(kind, lambda _work: USAGE)).run_until_idle()
            run = await place.run("run_1")
            assert run.last_error is not None
            assert (run.last_error.message, run.usage) == ("ValueError: no such number", USAGE)
            assert (await place.run("run_2")).status == "completed"

        play("memory:", story)

    def test_an_outcome_waits_for_the_store(self, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
        """An outcome that could not be written until the worker left is offered a last time, and not given back."""
        monkeypatch.setattr(module, "_LEAVE_S", 0.1)

        async def story(place: Place) -> None:
            def cut(_work: Work) -> Result:
                place.weather.is_down = True
                return USAGE

            def mend(*_args: Any) -> None:
                place.weather.is_down = False

            await place.create()
            async with worker_on(place.exposed, handler_of(kind, cut), grace_s=0.1) as worker:
                await eventually(lambda: _is_so(place.weather.is_down))
                monkeypatch.setattr(patience, "_RETRY_S", 10.0)
                give_back = worker._give_back

                async def late(stretch: Any) -> None:
                    mend()
                    await give_back(stretch)

                monkeypatch.setattr(worker, "_give_back", late)
            assert (await place.run()).usage == USAGE
            assert await place.names() == ["create", "start", "complete"]

        play("memory:", story)


async def _wait(_work: Work) -> None:
    await asyncio.sleep(60)


def _fall_once(place: Place, monkeypatch: pytest.MonkeyPatch, method: str, *errors: Exception) -> None:
    """Let a method of the runtime raise these errors first."""
    inner, left = getattr(place.runtime, method), list(errors)

    async def fall(*args: Any, **kwargs: Any) -> Any:
        if left:
            raise left.pop(0)
        return await inner(*args, **kwargs)

    monkeypatch.setattr(place.runtime, method, fall)


async def _is_set(event: Event) -> bool:
    return event.is_set()


async def _is_so(so: bool) -> bool:
    return so


def _waited(event: Event) -> None:
    event.wait(10)


def _losers(caplog: pytest.LogCaptureFixture) -> set[str]:
    """Workers that have logged that a run is theirs no more, or that their outcome was refused."""
    return {record.getMessage().split(":")[0] for record in caplog.records}
