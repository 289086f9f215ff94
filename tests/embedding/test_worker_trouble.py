"""`runengine.embedding.worker`: a store that is gone for a while, and mistakes that are not the store's."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from runengine.embedding import patience
from runengine.embedding import worker as module
from runengine.embedding.worker import Result, Work
from runengine.errors import PayloadError, SchemaMismatch, StoreUnavailable
from tests.embedding.working import USAGE, Place, eventually, handler_of, play, worker_on


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


async def _is_so(so: bool) -> bool:
    return so
