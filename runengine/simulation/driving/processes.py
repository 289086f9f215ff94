"""Processes of a simulated world: coroutines that stand still at points, where others run, or they die.

No event loop is needed: a coroutine is moved on by `send`, and stands still wherever it awaits `pause`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, Final, Literal

from runengine.embedding import ManualClock

__all__ = ["CRASHES", "Point", "Process", "SkewedClock", "pause"]

Point = Literal["idle", "before", "between", "after"]
"""Where a process stands: between two requests; before one reaches the store; between the store's reading for it and
its commit; after the commit, before the answer is heard."""

CRASHES: Final[dict[Point, str]] = {
    "idle": "with nothing on its way",
    "before": "its request never made",
    "between": "its request planned, and never committed",
    "after": "its request made, and the answer never heard",
}
"""What a crash at each point means."""


@coroutine
def pause(point: Point) -> Generator[Point, None, None]:
    """Stand still at a point until it is one's turn again.

    Example:
        >>> async def request():
        ...     await pause("before")
        >>> made = request()
        >>> made.send(None)
        'before'
        >>> made.close()
    """
    yield point


class SkewedClock:
    """The world's clock as a machine has it whose own is wrong.

    Args:
        clock: The world's.
        ahead_us: How far this one is ahead; may be negative.

    Example:
        >>> SkewedClock(ManualClock(5), 2).now_us()
        7
    """

    def __init__(self, clock: ManualClock, ahead_us: int) -> None:
        self._clock: Final = clock
        self._ahead_us: Final = ahead_us

    def now_us(self) -> int:
        """What it shows."""
        return self._clock.now_us() + self._ahead_us


class Process:
    """One actor's process: it stands at a point, and dies where it stands; another life of it begins anew.

    Args:
        name: The actor's name, as `worker-1`.
        kind: What it does, as `worker`.
        start: Begins a life of it.

    Attributes:
        point: Where it stands.
        life: How many lives it has had.
        asked: The turn in which its request was made, for the trace.
        silent: How many of its turns it lets pass.

    Example:
        >>> async def life():
        ...     await pause("before")
        >>> process = Process("poller-1", "poller", lambda process: life())
        >>> process.go_on(), process.alias
        ('before', 'poller-1')
        >>> process.die(), process.alias
        ('before', 'poller-1.2')
    """

    def __init__(self, name: str, kind: str, start: Callable[[Process], Coroutine[Any, Any, None]]) -> None:
        self.name: Final = name
        self.kind: Final = kind
        self._start: Final = start
        self._life: Coroutine[Any, Any, None] | None = None
        self.life = 1
        self.point: Point = "idle"
        self.asked = 0
        self.silent = 0

    @property
    def alias(self) -> str:
        """Its name, unlike that of its other lives."""
        return self.name if self.life == 1 else f"{self.name}.{self.life}"

    async def stand(self, point: Point) -> None:
        """Stand still at a point until it is its turn again."""
        await pause(point)

    def go_on(self) -> Point:
        """Run to the next point."""
        if self._life is None:
            self._life = self._start(self)
        self.point = self._life.send(None)
        return self.point

    def die(self) -> Point:
        """Die where it stands; where that was."""
        point = self.point
        self.end()
        self.life += 1
        return point

    def end(self) -> None:
        """Stop for good, unless it is moved on again."""
        if self._life is not None:
            self._life.close()
        self._life, self.point, self.silent = None, "idle", 0
