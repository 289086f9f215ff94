"""What a profile remembers of the runs of one recording, and for how long: it goes by the clock, as the checker does.

The clock counts the items of the recording that have come by. A run that has ended is remembered for `forget_after`
items after its last snapshot; one that has not, to the end. A thread is remembered as long as one of its runs is. So
what is made of a thread does not depend on how many others there are. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from runengine.core.table import TERMINAL
from runengine.validation.profiling.dwell import Times
from runengine.validation.profiling.variants import Example, Trail
from runengine.validation.rules.path import Point

__all__ = ["Life", "Lives"]


class Life:
    """What is kept of a run between its snapshots.

    Attributes:
        example: Its first snapshot.
        thread_id: The thread it was first seen on, or None.
        at: What the clock said at its last snapshot.
        birth: What the last snapshot said of its creation.
        point: The last snapshot, or None before the first in a known status.
        complete: That came from a source that shows every status.
        fits: No error was found in it.
        replayed: Rows replayed, and misfits.
        misfits: Misfits.
        times: When it came into its status.
        trail: Which way it went.

    Example:
        >>> Life(Example("run_1", "a.jsonl", 1)).ended
        False
    """

    __slots__ = (
        "at",
        "birth",
        "complete",
        "example",
        "fits",
        "misfits",
        "point",
        "replayed",
        "thread_id",
        "times",
        "trail",
    )

    def __init__(self, example: Example) -> None:
        self.example = example
        self.thread_id: str | None = None
        self.at = 0
        self.birth: dict[str, Any] = {}
        self.point: Point | None = None
        self.complete = False
        self.fits = True
        self.replayed = 0
        self.misfits = 0
        self.times = Times()
        self.trail = Trail()

    @property
    def ended(self) -> bool:
        """Whether its last snapshot is terminal."""
        return self.point is not None and self.point.status in TERMINAL


class _Crowd:
    """The runs of a thread: how many it has had, and how many of them are remembered."""

    __slots__ = ("remembered", "runs")

    def __init__(self) -> None:
        self.runs = 0
        self.remembered = 0


class Lives:
    """The runs and threads of one recording.

    Args:
        forget_after: For how many items an ended run is remembered.

    Example:
        >>> lives = Lives(1)
        >>> life = Life(Example("run_1", "a.jsonl", 1))
        >>> lives.enter(life, "thread_1")
        1
        >>> life.point = Point(status="completed", record={})
        >>> lives.keep(life)
        >>> list(lives.passed(1)), list(lives.passed(1)) == [life]
        ([], True)
    """

    def __init__(self, forget_after: int) -> None:
        self._forget_after = forget_after
        self._now = 0
        self._open: dict[str, Life] = {}
        self._ended: OrderedDict[str, Life] = OrderedDict()
        """The one that was last seen first is the first."""
        self._threads: dict[str, _Crowd] = {}

    def known(self, run_id: str) -> Life | None:
        """What is remembered of a run, or None."""
        return self._open.get(run_id) or self._ended.get(run_id)

    def passed(self, items: int) -> Iterator[Life]:
        """So many items have come by; the runs that are forgotten now."""
        self._now += items
        while self._ended:
            run_id, life = next(iter(self._ended.items()))
            if self._now - life.at <= self._forget_after:
                return
            del self._ended[run_id]
            self._leave(life)
            yield life

    def enter(self, life: Life, thread_id: Any, instead_of: Life | None = None) -> int:
        """Remember a new run, if it has an id.

        Args:
            life: The run.
            thread_id: The thread it is on; where it is text, the run counts there.
            instead_of: The run that had its id until now, which is forgotten.

        Returns:
            How many runs its thread has had.
        """
        run_id = life.example.run_id
        runs = 0
        if isinstance(thread_id, str):
            known = self._threads.get(thread_id)
            crowd = _Crowd() if known is None else known
            crowd.runs += 1
            runs = crowd.runs
            if run_id is not None:
                life.thread_id = thread_id
                crowd.remembered += 1
                self._threads[thread_id] = crowd
        if instead_of is not None and run_id is not None:
            self._open.pop(run_id, None)
            self._ended.pop(run_id, None)
            self._leave(instead_of)
        if run_id is not None:
            self._open[run_id] = life
        return runs

    def keep(self, life: Life) -> None:
        """A run was seen: remember it by its status."""
        life.at = self._now
        run_id = life.example.run_id
        if run_id is None:
            return
        if life.ended:
            self._open.pop(run_id, None)
            self._ended[run_id] = life
            self._ended.move_to_end(run_id)
        elif run_id in self._ended:
            self._open[run_id] = self._ended.pop(run_id)

    def clear(self) -> list[Life]:
        """The recording has ended: all that were remembered, which are forgotten."""
        lives = [*self._ended.values(), *self._open.values()]
        self._ended.clear()
        self._open.clear()
        self._threads.clear()
        self._now = 0
        return lives

    def _leave(self, life: Life) -> None:
        crowd = None if life.thread_id is None else self._threads.get(life.thread_id)
        if crowd is not None and life.thread_id is not None:
            crowd.remembered -= 1
            if not crowd.remembered:
                del self._threads[life.thread_id]
