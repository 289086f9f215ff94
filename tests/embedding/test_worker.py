"""`runengine.embedding.worker`: what becomes of a run in a worker's hands."""

from __future__ import annotations

import asyncio
from time import sleep

import pytest

from runengine.core import ToolOutput
from runengine.embedding import Settings
from runengine.embedding.worker import ActionRequired, Completed, Failed, OutOfTokens, Result, Work
from tests.embedding.working import CALL, OUTPUT, USAGE, Place, handler_of, play, worker_on


class TestOutcomes:
    """What a handler returns, or raises, is what becomes of the run."""

    @pytest.mark.parametrize(
        ("result", "status"),
        [
            (None, "completed"),
            (USAGE, "completed"),
            (Completed(usage=USAGE), "completed"),
            (OutOfTokens(reason="max_prompt_tokens", usage=USAGE), "incomplete"),
            (Failed(code="rate_limit_exceeded", message="slow down", usage=USAGE), "failed"),
            (ActionRequired(tool_calls=(CALL,)), "requires_action"),
        ],
        ids=["none", "usage", "completed", "out_of_tokens", "failed", "action_required"],
    )
    def test_of_a_value(self, url: str, kind: str, result: Result, status: str) -> None:
        """Each outcome ends the stretch in its status, with its usage and its details on the record."""

        async def story(place: Place) -> None:
            await place.create()
            await worker_on(place.runtime, handler_of(kind, lambda _work: result)).run_until_idle()
            run = await place.run()
            assert run.status == status
            assert run.usage == (result if result is USAGE else getattr(result, "usage", None))
            assert (run.incomplete_details is not None) == (status == "incomplete")
            assert (run.last_error is not None and run.last_error.message == "slow down") == (status == "failed")
            assert (run.required_action is not None) == (status == "requires_action")

        play(url, story)

    def test_of_an_error(self, url: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
        """A handler that raises fails its run with the error's type and text, is logged, and the worker goes on."""

        def fall(work: Work) -> None:
            if work.run.id == "run_1":
                raise KeyError("Atlantis")

        async def story(place: Place) -> None:
            await place.create(1)
            await place.create(2)
            await worker_on(place.runtime, handler_of(kind, fall)).run_until_idle()
            error = (await place.run("run_1")).last_error
            assert error is not None
            assert (error.code, error.message) == ("server_error", "KeyError: 'Atlantis'")
            assert (await place.run("run_2")).status == "completed"

        play(url, story)
        [record] = caplog.records
        assert record.levelname == "ERROR"
        assert "run_1" in record.getMessage()
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], KeyError)

    @pytest.mark.parametrize("result", [7, "done", {"usage": None}], ids=repr)
    def test_of_something_else(self, kind: str, result: object) -> None:
        """What is no outcome fails the run, and says what would have been one."""

        async def story(place: Place) -> None:
            await place.create()
            handler = handler_of(kind, lambda _work: result)  # type: ignore[arg-type, return-value]
            await worker_on(place.runtime, handler).run_until_idle()
            error = (await place.run()).last_error
            assert error is not None
            assert "it may return None, a Usage, or an outcome" in error.message

        play("memory:", story)

    def test_that_the_table_refuses(self, url: str, kind: str) -> None:
        """An outcome that a guard refuses fails the run, which would be entered again and again."""
        handler = handler_of(kind, lambda _work: ActionRequired(tool_calls=()))

        async def story(place: Place) -> None:
            await place.create()
            await worker_on(place.runtime, handler).run_until_idle()
            run = await place.run()
            assert run.status == "failed"
            assert run.last_error is not None
            assert "has_tool_calls" in run.last_error.message

        play(url, story)

    @pytest.mark.parametrize("error", [StopIteration, SystemExit, asyncio.CancelledError])
    def test_errors_that_futures_do_not_hold(self, error: type[BaseException]) -> None:
        """A plain function that raises what means something else to an event loop fails its run, and hangs nothing."""

        def fall(_work: Work) -> None:
            raise error

        async def story(place: Place) -> None:
            await place.create()
            await worker_on(place.runtime, fall, sweep=False).run_until_idle()
            run = await place.run()
            assert run.last_error is not None
            assert error.__name__ in run.last_error.message

        play("memory:", story)


class TestToolRounds:
    """The handler is left with a round of calls, and entered again with the outputs."""

    def test_two_rounds(self, url: str, kind: str) -> None:
        """Each time it is entered, the handler has the latest outputs, every round so far, and a higher fence."""
        entered: list[tuple[int, int, tuple[ToolOutput, ...]]] = []

        def ask(work: Work) -> Result:
            entered.append((work.fence, len(work.rounds), work.outputs))
            if len(work.rounds) < 2:
                return ActionRequired(tool_calls=[CALL])
            assert [one.calls for one in work.rounds] == [(CALL,), (CALL,)]
            return USAGE

        async def story(place: Place) -> None:
            await place.create()
            async with worker_on(place.runtime, handler_of(kind, ask)):
                for output in ("12:00", "12:01"):
                    await place.until("requires_action")
                    outputs = (ToolOutput(tool_call_id="call_1", output=output),)
                    (await place.runtime.submit_tool_outputs("run_1", outputs)).or_raise()
                await place.until("completed")

        play(url, story)
        later = ToolOutput(tool_call_id="call_1", output="12:01")
        assert entered == [(1, 0, ()), (2, 1, (OUTPUT,)), (3, 2, (later,))]

    def test_taken_over(self, url: str) -> None:
        """A worker that takes a run over has the outputs that the one before had."""
        seen: list[tuple[ToolOutput, ...]] = []

        async def story(place: Place) -> None:
            await place.create()
            first = await place.runtime.claim("lost", lease_s=0.01)
            assert first is not None
            await place.runtime.require_action("run_1", (CALL,), fence=first.fence)
            await place.runtime.submit_tool_outputs("run_1", (OUTPUT,))
            await place.runtime.claim("lost too", lease_s=0.01)
            async with worker_on(place.runtime, lambda work: seen.append(work.outputs)):
                await place.until("completed")

        play(url, story)
        assert seen == [(OUTPUT,)]


class TestCancel:
    """A cancel reaches the handler, and the run ends as the policy says."""

    def test_async(self, url: str) -> None:
        """An `async def` is cancelled where it waits, and the run is cancelled with the usage it returns."""

        async def handler(work: Work) -> Result:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                assert work.stopped_by == "cancel"
                return USAGE
            return None

        async def story(place: Place) -> None:
            await place.create()
            async with worker_on(place.runtime, handler):
                await place.until("in_progress")
                await place.runtime.cancel("run_1")
                assert (await place.until("cancelled")).usage == USAGE

        play(url, story)

    @pytest.mark.parametrize("way", ["returns", "raises", "waits"])
    def test_sync(self, url: str, way: str) -> None:
        """A plain function that looks learns of it, and the run is cancelled when the function is left."""

        def handler(work: Work) -> None:
            while way != "waits" or not work.wait_cancelled(60):
                if way == "raises":
                    work.raise_if_cancelled()
                if way == "returns" and work.is_cancelled:
                    return
                sleep(0.005)

        async def story(place: Place) -> None:
            await place.create()
            async with worker_on(place.runtime, handler, sweep=False):
                await place.until("in_progress")
                await place.runtime.cancel("run_1")
                await place.until("cancelled")
                assert await place.names() == ["create", "start", "cancel", "finish_cancel"]

        play(url, story)

    @pytest.mark.parametrize(("completion", "status"), [("complete_wins", "completed"), ("cancel_wins", "cancelled")])
    def test_completed_all_the_same(self, url: str, kind: str, completion: str, status: str) -> None:
        """A handler that says it completed while cancelling leaves it to the settings who wins; nothing is lost."""

        def finish(work: Work) -> Result:
            work.wait_cancelled(60)
            return Completed(usage=USAGE)

        async def wait(_work: Work) -> Result:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                return Completed(usage=USAGE)
            return None

        async def story(place: Place) -> None:
            await place.create()
            async with worker_on(place.runtime, finish if kind == "sync" else wait):
                await place.until("in_progress")
                await place.runtime.cancel("run_1")
                assert (await place.until(status)).usage == USAGE  # type: ignore[arg-type]
                assert ("complete" if status == "completed" else "(complete)") in await place.names()

        play(url, story, settings=Settings(completion=completion))  # type: ignore[arg-type]

    def test_never_looked(self, url: str) -> None:
        """A plain function that never looks has completed, for it did all its work."""

        def handler(_work: Work) -> None:
            sleep(0.3)

        async def story(place: Place) -> None:
            await place.create()
            async with worker_on(place.runtime, handler):
                await place.until("in_progress")
                await place.runtime.cancel("run_1")
                await place.until("completed")

        play(url, story)

    def test_asks_for_tools(self, url: str) -> None:
        """A handler that asks for tools while the run is being cancelled has stopped."""

        def handler(work: Work) -> Result:
            work.wait_cancelled(60)
            return ActionRequired(tool_calls=[CALL])

        async def story(place: Place) -> None:
            await place.create()
            async with worker_on(place.runtime, handler):
                await place.until("in_progress")
                await place.runtime.cancel("run_1")
                await place.until("cancelled")

        play(url, story)
