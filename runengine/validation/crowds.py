"""Which runs each thread has, of those that are remembered.

A run is the thread's on which it was first seen, and a thread is remembered as long as one of its runs is: so what is
known of a thread depends on its own runs, and on nothing else. Of most threads one run at a time is remembered: of
those its id alone is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runengine.validation.seen import Seen

__all__ = ["Crowd", "Crowds"]


class Crowd:
    """The runs of a thread that has, or has had, several.

    Attributes:
        runs: By id those that are compared with each other.
        rest: The ids of the others.

    Example:
        >>> len(Crowd({"run_1": Seen()}, {"run_2": None}))
        2
    """

    __slots__ = ("rest", "runs")

    def __init__(self, runs: dict[str, Seen], rest: dict[str, None]) -> None:
        self.runs = runs
        self.rest = rest

    def __len__(self) -> int:
        """How many runs of it are remembered."""
        return len(self.runs) + len(self.rest)


class Crowds:
    """Threads by id.

    Args:
        runs: The runs that are remembered, by id.

    Attributes:
        held: Of each thread its only run's id, or its crowd.

    Example:
        >>> runs = {"run_1": Seen(), "run_2": Seen()}
        >>> crowds = Crowds(runs)
        >>> [crowds.enter("thread_1", run_id, seen) for run_id, seen in runs.items()]
        [True, False]
        >>> for run_id, seen in runs.items():
        ...     crowds.leave(run_id, seen)
        >>> len(crowds)
        0
    """

    def __init__(self, *runs: Mapping[str, Seen]) -> None:
        self._runs = runs
        self.held: dict[str, str | Crowd] = {}

    def __len__(self) -> int:
        """How many threads are remembered."""
        return len(self.held)

    def clear(self) -> None:
        """Forget everything."""
        self.held.clear()

    def enter(self, thread_id: str, run_id: str, seen: Seen) -> bool:
        """A run that is remembered is a thread's; says whether the thread was not remembered before."""
        seen.thread_id = thread_id
        held = self.held.get(thread_id)
        if held is None:
            self.held[thread_id] = run_id
            return True
        self._crowd(thread_id, held).rest[run_id] = None
        return False

    def leave(self, run_id: str, seen: Seen) -> None:
        """A run is forgotten, or is another thread's."""
        thread_id = seen.thread_id
        if thread_id is None:
            return
        seen.thread_id = None
        held = self.held[thread_id]
        if isinstance(held, Crowd):
            held.runs.pop(run_id, None)
            held.rest.pop(run_id, None)
            if held.runs or held.rest:
                return
        del self.held[thread_id]

    def follow(self, run_id: str, before: Seen, seen: Seen) -> None:
        """A run takes another one's place, on the same thread."""
        seen.thread_id, before.thread_id = before.thread_id, None
        held = None if seen.thread_id is None else self.held[seen.thread_id]
        if isinstance(held, Crowd) and run_id in held.runs:
            held.runs[run_id] = seen

    def of(self, thread_id: str, run_id: str) -> Crowd | None:
        """A thread that has other runs than this one, or has had some; None for any other."""
        held = self.held.get(thread_id)
        return None if held is None or held == run_id else self._crowd(thread_id, held)

    def kept(self) -> Iterator[list[Any]]:
        """What is remembered, in parts of plain JSON; `take` reads them one by one."""
        for thread_id, held in self.held.items():
            yield [thread_id, held] if isinstance(held, str) else [thread_id, list(held.runs), list(held.rest)]

    def take(self, kept: list[Any]) -> None:
        """Remember a part of that, as far as its runs are remembered."""
        thread_id, first, *others = kept
        runs, rest = (first, *others) if others else ([first], [])
        compared = {run_id: seen for run_id in runs if (seen := self._known(run_id)) is not None}
        crowd = Crowd(compared, {run_id: None for run_id in rest if self._known(run_id) is not None})
        if len(crowd):
            self.held[thread_id] = crowd if others else first

    def _known(self, run_id: str) -> Seen | None:
        return next((runs[run_id] for runs in self._runs if run_id in runs), None)

    def _crowd(self, thread_id: str, held: str | Crowd) -> Crowd:
        if isinstance(held, Crowd):
            return held
        seen = self._known(held)
        # A run of which there is no snapshot yet is compared with none.
        alone = seen is None or not seen.shown
        crowd = Crowd({}, {held: None}) if alone or seen is None else Crowd({held: seen}, {})
        self.held[thread_id] = crowd
        return crowd
