"""The real `Worker` in a simulated world: on an event loop with the world's time, which moves in its turns only.

The loop never waits. What the worker asks of the store stands still at the same points as what others ask, until it is
the machine's turn; then one of its requests goes on, and whatever is ready or due on the loop is run. A crash is a door
that lets nothing through any more, and a worker that is cancelled behind it: the store sees nothing of its leaving.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
from collections.abc import Callable
from typing import Any, Final

from runengine.core import FunctionCall, ToolCall, Usage
from runengine.embedding.worker import ActionRequired, Completed, Failed, OutOfTokens, Result, Work, Worker
from runengine.errors import StoreUnavailable
from runengine.simulation.driving.chance import Chance
from runengine.simulation.driving.processes import Point, Process
from runengine.simulation.driving.stage import DrivenRuntime

__all__ = ["Machine", "VirtualLoop"]

_SPINS: Final = 6
"""Rounds of the loop in a turn: what one answer sets in motion takes about as many."""

_LEAVING_S: Final = 1.0
_LEAVING_MAX: Final = 500
_POLL_S: Final = 0.5
_LEASE_MIN_S: Final = 1.0
_CALL: Final = ToolCall(id="call_1", function=FunctionCall(name="now", arguments="{}"))
_log: Final = logging.getLogger("runengine")


class _Impatient(selectors.DefaultSelector):  # type: ignore[misc,valid-type,unused-ignore]
    """A selector that never waits."""

    def select(self, timeout: float | None = None) -> Any:  # noqa: ARG002
        """What is there now."""
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with another time, that never waits.

    Args:
        now_s: Tells the time.

    Example:
        >>> loop = VirtualLoop(lambda: 7.0)
        >>> loop.time()
        7.0
        >>> loop.close()
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        super().__init__(_Impatient())

    def time(self) -> float:
        """The other time."""
        return self._now_s()

    def spin(self, rounds: int) -> None:
        """Run what is ready or due, and what that makes ready, so many times."""
        for _ in range(rounds):
            self.call_soon(self.stop)
            self.run_forever()


class Machine(Process):
    """A process in which the real `Worker` runs.

    Args:
        name: As of `Process`.
        chance: Decides which of its requests goes on, and what its handler does.
        now_s: The world's time, that only goes forward.
        runtime: Makes a runtime for a life of it.

    Example:
        >>> Machine("machine-1", Chance(1), lambda: 0.0, lambda machine: DrivenRuntime("memory:")).alias
        'machine-1'
    """

    def __init__(
        self, name: str, chance: Chance, now_s: Callable[[], float], runtime: Callable[[Machine], DrivenRuntime]
    ) -> None:
        super().__init__(name, "machine", self._unused)
        self._chance: Final = chance
        self._time_s: Final = now_s
        self._runtime: Final = runtime
        self._loop: VirtualLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._standing: list[tuple[Point, asyncio.Future[None]]] = []
        self._leaving_s = 0.0
        self.is_dead = False

    async def stand(self, point: Point) -> None:
        """Stand still at a point, as `pause` does for the others."""
        if self.is_dead:
            raise StoreUnavailable("simulated:", "the process is dead")
        going_on: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (point, going_on)
        self._standing.append(place)
        try:
            await going_on
        finally:
            if place in self._standing:
                self._standing.remove(place)
        if self.is_dead:
            raise StoreUnavailable("simulated:", "the process is dead")

    def go_on(self) -> Point:
        """Let one request go on, and run what is ready or due.

        Raises:
            RuntimeError: the worker has ended, which it never should.
        """
        if self._loop is None:
            self._begin()
        assert self._loop is not None
        if self._standing:
            _, going_on = self._standing.pop(self._chance.draw(len(self._standing)))
            if not going_on.done():
                going_on.set_result(None)
        self._loop.spin(_SPINS)
        if self._task is not None and self._task.done():
            raise RuntimeError(f"{self.alias} has ended: {self._task}")
        self.point = self._standing[0][0] if self._standing else "idle"
        return self.point

    def end(self) -> None:
        """Die: nothing reaches the store any more, and the worker is cancelled behind its closed door."""
        loop, task = self._loop, self._task
        self._loop = self._task = None
        self.point, self.silent = "idle", 0
        if loop is None or task is None:
            return
        self.is_dead = True
        task.cancel()
        for _ in range(_LEAVING_MAX):
            for _, going_on in self._standing:
                if not going_on.done():
                    going_on.set_result(None)
            loop.spin(_SPINS)
            self._leaving_s += _LEAVING_S
            if task.done():
                break
        if not task.cancelled():
            task.exception()  # seen
        loop.spin(_SPINS)
        loop.close()
        self._standing.clear()
        _log.removeFilter(_is_not_simulated)
        self.is_dead = False

    def _begin(self) -> None:
        _log.addFilter(_is_not_simulated)
        self._leaving_s = 0.0
        self._loop = VirtualLoop(self._now_s)
        self._loop.set_exception_handler(lambda *_: None)
        runtime = self._runtime(self)
        lease_s = max(runtime.settings.lease_s, _LEASE_MIN_S)
        worker = Worker(runtime, self._handle, name=self.alias, lease_s=lease_s, poll_s=_POLL_S, grace_s=0.1)
        self._task = self._loop.create_task(worker.run())

    def _now_s(self) -> float:
        return self._time_s() + self._leaving_s

    async def _handle(self, work: Work) -> Result:
        chance = self._chance
        what, pause_s = chance.draw(8), chance.pick((0.0, 0.05, 1.0, 4.0, 40.0))
        await asyncio.sleep(pause_s)
        match what:
            case 0 | 1:
                return Completed(usage=Usage(prompt_tokens=1, completion_tokens=1, total_tokens=2))
            case 2 | 3:
                return ActionRequired(tool_calls=(_CALL,)) if len(work.rounds) < 2 else None
            case 4:
                return Failed(code="server_error", message="no")
            case 5:
                return OutOfTokens(reason="max_prompt_tokens")
            case 6:
                raise ValueError("the handler has a mistake")
            case _:
                return ActionRequired(tool_calls=(_CALL, _CALL))  # refused, as their ids are the same

    @staticmethod
    async def _unused(process: Process) -> None:
        raise AssertionError(f"{process.name}: a machine has an event loop of its own")


def _is_not_simulated(record: logging.LogRecord) -> bool:
    """Whether a line of the log is not of a simulated worker."""
    first = record.args[0] if isinstance(record.args, tuple) and record.args else ""
    return not str(first).startswith("machine-")
