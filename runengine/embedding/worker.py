"""A worker: claims runs, keeps their leases alive, hands each to a handler, and writes what comes of it.

It uses nothing of the runtime that a host could not use: whoever needs another loop can write one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from itertools import count
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from runengine.embedding.aio.runtime import AsyncRuntime
from runengine.embedding.answers import Answer
from runengine.embedding.outcomes import (
    ActionRequired,
    Completed,
    Failed,
    Outcome,
    OutOfTokens,
    Result,
    Stopped,
    outcome_instead,
    write_outcome,
)
from runengine.embedding.work import (
    Ending,
    Handler,
    Round,
    Stretch,
    Work,
    enter,
    enter_async,
    is_async,
    outcome_of,
    rounds_of,
)
from runengine.errors import StoreUnavailable
from runengine.stores import AsyncStore

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

A = TypeVar("A")

_log: Final = logging.getLogger("runengine")
_numbers: Final = count(1)

_BEATS: Final = 3
"""Heartbeats in the time of a lease: two may be lost."""

_FIRST_START: Final = 2
"""The version of a run that was created and then claimed: it has no rounds to read."""

_RETRY_S: Final = 0.1
_RETRY_MAX_S: Final = 5.0
_SWEEP_S: Final = 1.0
_SWEEP_RUNS: Final = 1000
_LEAVE_S: Final = 2.0
"""How long a handler that was told to stop may take, and how long giving runs back may, while the worker leaves."""

_BREATH_S: Final = 0.02
"""How long after it looked in vain a worker looks again at the earliest, however much is written by others."""


def _delays_s() -> Iterator[float]:
    """How long to wait after each error in a row."""
    delay_s = _RETRY_S
    while True:
        yield delay_s
        delay_s = min(2 * delay_s, _RETRY_MAX_S)


class Worker:
    """A loop that works on runs, as long as its block is open.

    It never ends by itself: while the store cannot be reached it tries again and again, and logs the first failure.
    Leaving the block stops claiming, waits for the handlers, then tells those that remain to stop and gives their runs
    back. A run that another worker has taken over is let go, and nothing more is written of it.

    Blocking code belongs in a plain function, as a blocked event loop sends no heartbeats. A plain function cannot be
    stopped from outside: it has to look at `work`, and the process does not end before it does.

    Signals are the host's: `loop.add_signal_handler(signal.SIGTERM, worker.stop)`, and then `await worker.run()`.

    Args:
        runtime: Where the runs are. The worker opens it, and does not close it.
        handler: Entered with a `Work`; see `Result` for what it may return. Whatever it raises fails the run with
            `server_error`.
        name: The worker's name, for people and the history; host, process and a number by default.
        concurrency: Runs at once, at most.
        lease_s: How long a run is held without a heartbeat; the settings' by default.
        poll_s: How long it waits at most before it looks for work again; what this process writes wakes it sooner.
        grace_s: How long handlers may go on when the worker leaves.
        sweep: Whether it also does what is due in the store: expiries, and leases that ran out.

    Raises:
        ValueError: a number is out of range, or the name is empty.

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
        self.name: Final = f"{socket.gethostname()}:{os.getpid()}:{next(_numbers)}" if name is None else name
        self.concurrency: Final = concurrency
        self.lease_s: Final = runtime.settings.lease_s if lease_s is None else lease_s
        if not self.name or type(concurrency) is not int or concurrency < 1:
            raise ValueError(f"a worker needs a name and a concurrency >= 1; got {name!r} and {concurrency!r}")
        if self.lease_s <= 0 or poll_s <= 0 or grace_s < 0:
            raise ValueError(f"lease_s, poll_s must be > 0, grace_s >= 0; got {self.lease_s}, {poll_s}, {grace_s}")
        self._runtime: Final = runtime
        self._handler: Final[Any] = handler
        self._is_async: Final = is_async(handler)
        self._poll_s: Final = poll_s
        self._grace_s: Final = grace_s
        self._sweeps: Final = sweep
        self._held: Final[set[Stretch]] = set()
        self._loops: tuple[asyncio.Task[None], ...] = ()
        self._news: asyncio.Task[None] | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._looked_s = 0.0
        self._is_failing = False
        self._ends_idle = False
        self._stopping = asyncio.Event()
        self._look = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
            await asyncio.wait({*self._loops, *self._serving()}, timeout=self._grace_s)
        finally:
            await self._leave()

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
        loops = (self._claim_on(store), self._sweep_on()) if self._sweeps else (self._claim_on(store),)
        self._loops = tuple(asyncio.create_task(loop) for loop in loops)

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
            for task in (*self._loops, *self._serving(), *((self._news,) if self._news else ())):
                task.cancel()
            if self._threads is not None:
                self._threads.shutdown(wait=False, cancel_futures=True)
            self._loops, self._threads, self._news = (), None, None

    async def _give_back(self, stretch: Stretch) -> None:
        work = stretch.work
        _log.warning("%s: %s is given back unfinished", self.name, work.run.id)
        if work.stopped_by == "fence":
            return
        try:
            await self._runtime.release(work.run.id, work.fence)
        except Exception as error:  # noqa: BLE001 - its lease will run out
            self._trouble(error)

    def _serving(self) -> set[asyncio.Task[None]]:
        return {stretch.serving for stretch in self._held if stretch.serving is not None}

    async def _claim_on(self, store: AsyncStore) -> None:
        delays_s, is_idle = _delays_s(), False
        while not self._stopping.is_set():
            self._look.clear()
            if len(self._held) >= self.concurrency:
                await self._look.wait()
                continue
            try:
                if is_idle and self._news is None:
                    await self._listen(store)  # before it looks, so that what comes in between is heard
                claim = await self._runtime.claim(self.name, lease_s=self.lease_s)
                is_idle = claim is None
                if claim is not None:
                    self._take(claim)
                elif self._ends_idle and not self._held:
                    self.stop()
                elif self._news is not None:
                    await self._look.wait()
            except Exception as error:  # noqa: BLE001 - a worker outlives whatever happens to its store
                self._trouble(error)
                await self._pause(next(delays_s))
            else:
                self._is_failing = False
                delays_s = _delays_s()

    async def _listen(self, store: AsyncStore) -> None:
        loop = asyncio.get_running_loop()
        await self._pause(self._looked_s + _BREATH_S - loop.time())
        mark = await store.head()
        self._looked_s = loop.time()
        self._news = asyncio.create_task(self._hear(store, mark))

    async def _hear(self, store: AsyncStore, mark: int) -> None:
        try:
            await store.wait(self._poll_s, mark)
        except Exception:  # noqa: BLE001 - the claim that follows meets the same, and tells
            await self._pause(self._poll_s)
        self._news = None
        self._look.set()

    async def _sweep_on(self) -> None:
        delays_s = _delays_s()
        while not self._stopping.is_set():
            try:
                swept = await self._runtime.sweep(limit=_SWEEP_RUNS)
            except Exception as error:  # noqa: BLE001 - as in `_claim_on`
                self._trouble(error)
                await self._pause(next(delays_s))
                continue
            self._is_failing = False
            delays_s = _delays_s()
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
        stretch.serving = asyncio.create_task(self._serve(stretch, claim))

    async def _serve(self, stretch: Stretch, claim: Answer) -> None:
        work = stretch.work
        beating = asyncio.create_task(self._beat(stretch))
        try:
            if claim.version != _FIRST_START:
                work.rounds = rounds_of(await self._insist(lambda: self._runtime.history(work.run.id)))
            await self._settle(work, await self._enter(stretch))
        except Exception:  # noqa: BLE001 - whatever it is, the other runs go on
            _log.exception("%s: %s is let go; its lease will run out", self.name, work.run.id)
        finally:
            beating.cancel()
            self._held.discard(stretch)
            self._look.set()

    async def _enter(self, stretch: Stretch) -> Ending:
        work = stretch.work
        if work.stopped_by is not None:
            return Ending(heard=True)
        loop = asyncio.get_running_loop()
        entered: asyncio.Future[Ending]
        if self._threads is None:
            entered = loop.create_task(enter_async(self._handler, work))
        else:
            context = copy_context()
            entered = loop.run_in_executor(self._threads, lambda: context.run(enter, self._handler, work))
        stretch.entered = entered
        await asyncio.wait({entered})
        return Ending(heard=True) if entered.cancelled() else entered.result()  # cancelled before its first step

    async def _beat(self, stretch: Stretch) -> None:
        work, delays_s = stretch.work, _delays_s()
        delay_s = self.lease_s / _BEATS
        while True:
            await asyncio.sleep(delay_s)
            try:
                answer = await self._runtime.heartbeat(work.run.id, work.fence, lease_s=self.lease_s)
            except Exception as error:  # noqa: BLE001 - as in `_claim_on`; the fence guards what is written later
                self._trouble(error)
                delay_s = min(next(delays_s), self.lease_s / _BEATS)
                continue
            self._is_failing = False
            delays_s = _delays_s()
            delay_s = self.lease_s / _BEATS
            if not answer.ok:
                stretch.tell("fence")
                return
            if answer.status == "cancelling" and work.stopped_by != "cancel":
                stretch.tell("cancel")

    async def _settle(self, work: Work, ending: Ending) -> None:
        if ending.error is not None and not (ending.heard and isinstance(ending.error, asyncio.CancelledError)):
            _log.error("%s: the handler raised on %s", self.name, work.run.id, exc_info=ending.error)
        if work.stopped_by == "fence":
            _log.warning("%s: %s is not its any more, and is let go", self.name, work.run.id)
            return
        outcome = outcome_of(work, ending)
        answer = await self._insist(lambda: self._write(work, outcome))
        if answer.kind in ("illegal", "guard"):
            other = outcome_instead(outcome, answer)
            if other is not None:
                answer = await self._insist(lambda: self._write(work, other))
        if not answer.ok:
            _log.warning("%s: %s", self.name, answer.message)

    def _write(self, work: Work, outcome: Outcome | None) -> Awaitable[Answer]:
        if outcome is None:
            return self._runtime.release(work.run.id, work.fence)
        return write_outcome(self._runtime, work.run.id, work.fence, outcome)

    async def _insist(self, call: Callable[[], Awaitable[A]]) -> A:
        delays_s = _delays_s()
        while True:
            try:
                answer = await call()
            except StoreUnavailable as error:
                self._trouble(error)
                await asyncio.sleep(next(delays_s))
            else:
                self._is_failing = False
                return answer

    async def _pause(self, seconds: float) -> None:
        """Sleep, but no longer than until `stop`."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)

    def _trouble(self, error: Exception) -> None:
        """Log the first failure in a row; one that is not about reaching the store with its traceback."""
        if not self._is_failing:
            trace = None if isinstance(error, StoreUnavailable) else error
            _log.warning("%s: the store fails, and is tried again: %s", self.name, error, exc_info=trace)
        self._is_failing = True
