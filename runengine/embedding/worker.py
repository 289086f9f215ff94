"""A worker: claims runs, keeps their leases alive, hands each to a handler, and writes what comes of it.

It uses nothing of the runtime that a host could not use: whoever needs another loop can write one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from types import TracebackType
from typing import Final, Self

from runengine.embedding.aio.runtime import AsyncRuntime
from runengine.embedding.answers import Answer
from runengine.embedding.block import Block
from runengine.embedding.hearing import Ear, News
from runengine.embedding.outcomes import (
    ActionRequired,
    Completed,
    Failed,
    Outcome,
    OutOfTokens,
    Result,
    Stopped,
    failure_of,
    outcome_instead,
    write_outcome,
)
from runengine.embedding.patience import GONE, TROUBLE, Patience
from runengine.embedding.values import check_count, check_id, check_seconds
from runengine.embedding.work import (
    Ending,
    Handler,
    Round,
    Stretch,
    Work,
    enter_stretch,
    gone_by,
    is_async,
    outcome_of,
    rounds_of,
)
from runengine.errors import StoreUnavailable

__all__ = [
    "ActionRequired",
    "Completed",
    "Failed",
    "Handler",
    "OutOfTokens",
    "Result",
    "Round",
    "Stopped",
    "Work",
    "Worker",
]

_log: Final = logging.getLogger("runengine")
_numbers: Final = count(1)

_BEATS: Final = 3
"""Heartbeats in the time of a lease: two may be lost."""

_LEASE_MIN_S: Final = 0.01
"""A worker does nothing but heartbeats where a lease is shorter."""

_FIRST_START: Final = 2
"""The version of a run that was created and then claimed: it has no rounds to read."""

_HEED_S: Final = 0.05
"""After how long a run is listened for: most have ended by then, and cost no reading."""

_SWEEP_S: Final = 1.0
_SWEEP_RUNS: Final = 1000
_LEAVE_S: Final = 2.0
"""How long a handler that was told to stop may take, and how long giving runs back may, while the worker leaves."""


class Worker:
    """A loop that works on runs, as long as its block is open.

    While the store cannot be reached it tries again and again, and logs the first failure. Any other error, as of a
    store that is wrongly made, ends it: the block's body is cancelled, and the block raises the error.
    Leaving the block stops claiming, waits for the handlers, then tells those that remain to stop and gives their runs
    back.

    A handler hears of a cancel, and that its run has ended or was taken over, within about a tenth of a second from
    the feed, else with the next heartbeat. What it makes is written once, whatever has become of the run meanwhile:
    where it comes too late, the runtime keeps it as lost.

    Blocking code belongs in a plain function, as a blocked event loop sends no heartbeats. A plain function cannot be
    stopped from outside: it has to look at `work`, and the process does not end before it does.

    Signals are the host's: `loop.add_signal_handler(signal.SIGTERM, worker.stop)`, and then `await worker.run()`.

    Args:
        runtime: Where the runs are. The worker opens it, and does not close it.
        handler: Entered with a `Work`; see `Result` for what it may return. Whatever it raises fails the run with
            `server_error`. SystemExit and KeyboardInterrupt do so, too; then, raised on the event loop, they end the
            worker as other errors do, while in a plain function they end, as in any thread, nothing else.
        name: The worker's name, for people and the history; host, process and a number by default.
        concurrency: Runs at once, at most.
        lease_s: How long a run is held without a heartbeat, at least 0.01; the settings' by default.
        poll_s: How long it waits at most before it looks for work again; what this process writes wakes it sooner.
        grace_s: How long handlers may go on when the worker leaves; may be 0.
        sweep: Whether it also does what is due in the store: expiries, and leases that ran out.

    Raises:
        TypeError: the runtime is no `AsyncRuntime`, or the handler cannot be called.
        ValueError: a number is out of range, or the name is not what every store can keep.

    Example:
        >>> async def handler(work):
        ...     return None
        >>> async def status():
        ...     async with AsyncRuntime("memory:") as runtime:
        ...         await runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1")
        ...         await Worker(runtime, handler).run_until_idle()
        ...         return (await runtime.get("run_1")).status
        >>> asyncio.run(status())
        'completed'
    """

    def __init__(
        self,
        runtime: AsyncRuntime,
        handler: Handler,
        *,
        name: str | None = None,
        concurrency: int = 1,
        lease_s: float | None = None,
        poll_s: float = 0.5,
        grace_s: float = 10.0,
        sweep: bool = True,
    ) -> None:
        if not isinstance(runtime, AsyncRuntime):
            raise TypeError(f"a worker needs an AsyncRuntime; got {type(runtime).__name__}")
        if not callable(handler):
            raise TypeError(f"a worker needs a handler that can be called; got {handler!r}")
        self.name: Final = f"{socket.gethostname()}:{os.getpid()}:{next(_numbers)}" if name is None else name
        self.concurrency: Final = concurrency
        self.lease_s: Final = runtime.settings.lease_s if lease_s is None else lease_s
        check_id("name", self.name)
        check_count("concurrency", concurrency, 1)
        check_seconds("lease_s", self.lease_s)
        check_seconds("poll_s", poll_s)
        check_seconds("grace_s", grace_s or 1.0)
        if self.lease_s < _LEASE_MIN_S:
            raise ValueError(f"lease_s must be at least {_LEASE_MIN_S}; got {self.lease_s!r}")
        self._runtime: Final = runtime
        self._handler: Final = handler
        self._is_async: Final = is_async(handler)
        self._poll_s: Final = poll_s
        self._grace_s: Final = grace_s
        self._sweeps: Final = sweep
        self._held: Final[set[Stretch]] = set()
        self._patience: Final = Patience(self._warn)
        self._loops: tuple[asyncio.Task[None], ...] = ()
        self._threads: ThreadPoolExecutor | None = None
        self._ends_idle = False
        self._stopping = asyncio.Event()
        self._look = asyncio.Event()
        self._block: Final = Block(self._end)

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._block.close()
            self.stop()
            await asyncio.wait({*self._loops, *self._serving()}, timeout=self._grace_s)
        finally:
            await self._leave()
        if self._block.failure is not None:
            raise self._block.failure

    async def run(self) -> None:
        """Work until `stop`; cancelled, it leaves as the block does."""
        async with self:
            await self._stopping.wait()

    async def run_until_idle(self) -> None:
        """Work until there is nothing to claim and nothing in hand, for scripts and tests.

        Runs that wait for tool outputs, or that others hold, are not waited for.
        """
        self._ends_idle = True
        try:
            await self.run()
        finally:
            self._ends_idle = False

    def stop(self) -> None:
        """Claim no more, and let `run` leave; to be called on the event loop's thread, as by a signal handler."""
        self._stopping.set()
        self._look.set()

    async def _start(self) -> None:
        if self._loops:
            raise RuntimeError(f"{self.name}: it is running already; make another worker, or raise its concurrency")
        self._stopping, self._look = asyncio.Event(), asyncio.Event()
        store = await self._runtime.open()
        if not self._is_async:
            self._threads = ThreadPoolExecutor(self.concurrency, f"runengine {self.name}")
        self._block.open()
        self._news = News(store, self._poll_s, self._look.set, self._block.spawn)
        self._ear = Ear(store, self._patience, self._block.spawn)
        loops = (self._claim_on(), self._sweep_on()) if self._sweeps else (self._claim_on(),)
        self._loops = tuple(self._block.spawn(loop) for loop in loops)

    def _end(self, error: BaseException) -> None:
        _log.error("%s: it leaves, because of an error", self.name, exc_info=error)
        self.stop()

    async def _leave(self) -> None:
        """Tell the handlers that remain to stop, and give back what they do not end in time."""
        try:
            for stretch in tuple(self._held):
                stretch.tell("shutdown")
            await asyncio.wait({*self._loops, *self._serving()}, timeout=_LEAVE_S)
            left = tuple(self._held)
            for task in (*self._loops, *self._serving()):
                task.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LEAVE_S):
                    await asyncio.gather(*(self._give_back(stretch) for stretch in left))
        finally:
            for task in (*self._loops, *self._serving()):
                task.cancel()
            self._news.close()
            self._ear.close()
            if self._threads is not None:
                self._threads.shutdown(wait=False, cancel_futures=True)
            self._loops, self._threads = (), None
            self._held.clear()

    async def _give_back(self, stretch: Stretch) -> None:
        work, outcome = stretch.work, None
        if stretch.ended is None:
            _log.warning("%s: %s is given back unfinished", self.name, work.run.id)
        else:
            outcome = outcome_of(work, stretch.ended)
        if outcome is None and stretch.gone is not None:
            return
        try:
            await self._write(work, outcome)
        except Exception as error:  # noqa: BLE001 - its lease will run out
            self._patience.fail(error)

    def _serving(self) -> set[asyncio.Task[None]]:
        return {stretch.serving for stretch in self._held if stretch.serving is not None}

    async def _claim_on(self) -> None:
        delays_s, is_idle = self._patience.delays_s(), False
        while not self._stopping.is_set():
            self._look.clear()
            if len(self._held) >= self.concurrency:
                await self._look.wait()
                continue
            try:
                if is_idle and not self._news.is_waiting:
                    await self._news.listen()
                claim = await self._runtime.claim(self.name, lease_s=self.lease_s)
            except TROUBLE as error:
                self._patience.fail(error)
                await self._pause(next(delays_s))
                continue
            self._patience.succeed()
            delays_s = self._patience.delays_s()
            is_idle = claim is None
            if claim is not None:
                self._take(claim)
            elif self._ends_idle and not self._held:
                self.stop()
            elif self._news.is_waiting:
                await self._look.wait()

    async def _sweep_on(self) -> None:
        delays_s = self._patience.delays_s()
        while not self._stopping.is_set():
            try:
                swept = await self._runtime.sweep(limit=_SWEEP_RUNS)
            except TROUBLE as error:
                self._patience.fail(error)
                await self._pause(next(delays_s))
                continue
            self._patience.succeed()
            delays_s = self._patience.delays_s()
            if swept:
                self._look.set()
            if len(swept) < _SWEEP_RUNS:
                await self._pause(_SWEEP_S)

    def _take(self, claim: Answer) -> None:
        assert claim.run is not None
        assert claim.fence is not None
        stretch = Stretch(Work(run=claim.run, fence=claim.fence, worker=self.name))
        if self._stopping.is_set():
            stretch.tell("shutdown")
        self._held.add(stretch)
        stretch.serving = self._block.spawn(self._serve(stretch, claim))

    async def _serve(self, stretch: Stretch, claim: Answer) -> None:
        helpers = (self._block.spawn(self._beat(stretch)), self._block.spawn(self._heed(stretch)))
        try:
            stretch.ended = await self._enter(stretch, claim)
            self._ear.forget(stretch)
            await self._settle(stretch, stretch.ended)
        except TROUBLE:
            _log.exception("%s: %s is let go; its lease will run out", self.name, stretch.work.run.id)
        finally:
            for helper in helpers:
                helper.cancel()
            self._ear.forget(stretch)
        self._held.discard(stretch)  # not where this is cancelled: `_leave` gives the run back
        self._look.set()

    async def _enter(self, stretch: Stretch, claim: Answer) -> Ending:
        run_id = stretch.work.run.id
        try:
            if claim.version != _FIRST_START:
                entries = await self._patience.insist(lambda: self._runtime.history(run_id), GONE)
                stretch.work.rounds = rounds_of(entries)
        except Exception as error:  # noqa: BLE001 - the run cannot be worked on
            return Ending(error=error)
        return await enter_stretch(stretch, self._handler, self._threads)

    async def _beat(self, stretch: Stretch) -> None:
        work, beat_s = stretch.work, self.lease_s / _BEATS
        while stretch.gone is None:
            await asyncio.sleep(beat_s)
            answer = await self._patience.insist(
                lambda: self._runtime.heartbeat(work.run.id, work.fence, lease_s=self.lease_s), at_most_s=beat_s
            )
            stretch.learn(answer.status, answer.fence, answer.worker)

    async def _heed(self, stretch: Stretch) -> None:
        await asyncio.sleep(_HEED_S)
        await self._patience.insist(lambda: self._ear.heed(stretch))

    async def _settle(self, stretch: Stretch, ending: Ending) -> None:
        work, run_id = stretch.work, stretch.work.run.id
        if ending.error is not None and not (ending.heard and isinstance(ending.error, asyncio.CancelledError)):
            _log.error("%s: the work on %s raised", self.name, run_id, exc_info=ending.error)
        if ending.error is not None and ending.is_exit:
            self._block.fail(ending.error)
        outcome = outcome_of(work, ending)
        if outcome is None and work.stopped_by == "fence":
            _log.warning("%s: %s %s, and is let go", self.name, run_id, stretch.gone)
            return
        try:
            answer = await self._insist_on(work, outcome)
        except Exception as error:
            if outcome is None:
                raise
            _log.exception("%s: what was made of %s cannot be written", self.name, run_id)
            answer = await self._insist_on(work, failure_of(error, getattr(outcome, "usage", None)))
        if answer.kind in ("illegal", "guard"):
            other = outcome_instead(outcome, answer)
            if other is not None:
                answer = await self._insist_on(work, other)
        if answer.ok:
            return
        gone = gone_by(answer.status, answer.fence, answer.worker, work.fence)
        late = answer.message if gone is None else f"{run_id} {gone}: its {answer.event} came too late"
        _log.warning("%s: %s", self.name, late)

    async def _insist_on(self, work: Work, outcome: Outcome | None) -> Answer:
        return await self._patience.insist(lambda: self._write(work, outcome), GONE)

    def _write(self, work: Work, outcome: Outcome | None) -> Awaitable[Answer]:
        if outcome is None:
            return self._runtime.release(work.run.id, work.fence)
        return write_outcome(self._runtime, work.run.id, work.fence, outcome)

    async def _pause(self, seconds: float) -> None:
        """Sleep, but no longer than until `stop`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _warn(self, error: Exception) -> None:
        """The first failure in a row; one that is not about reaching the store with its traceback."""
        trace = None if isinstance(error, StoreUnavailable) else error
        _log.warning("%s: the store fails, and is tried again: %s", self.name, error, exc_info=trace)
