"""One run's whole life as data: what was seen of it, line by line, what changed, what nobody saw, and what was found.

A `Lifelines` looks on while recordings are checked and keeps only the runs asked for. Each recording that shows such a
run gives a life of its own: what is said of a run is said within one recording, unless they are joined. Source:
DESIGN §5.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from runengine.validation.explaining.life import Life
from runengine.validation.explaining.telling import Telling
from runengine.validation.findings import Violation
from runengine.validation.observations import Companion, Item, Observation, Refusal, Submitted
from runengine.validation.summary import Options

__all__ = ["RUNS_MAX", "Lifelines"]

RUNS_MAX: Final = 16
"""Of more runs than these whose ids begin as asked, only one that is named in full is kept."""

_IDS_MAX: Final = 10_000
_NEAR: Final = 3
_LIKE: Final = 0.7


class Lifelines:
    """Looks on, and keeps the lives of the runs whose ids begin as asked.

    Args:
        beginning: The beginning of an id, or all of it.
        options: What the recordings are held to.

    Example:
        >>> from runengine.validation import Checker
        >>> from runengine.validation.catalogue.examples import record
        >>> checker = Checker(watches=[lifelines := Lifelines("run_")])
        >>> for violation in checker.check("a.jsonl", [Observation(record("queued", failed_at=1_767_225_609), 1)]):
        ...     lifelines.add(violation)
        >>> [(life.run_id, life.verdict) for life in lifelines.lives]
        [('run_1', 'not conforming')]
    """

    def __init__(self, beginning: str, options: Options | None = None) -> None:
        self.beginning = beginning
        self._options = options or Options()
        self._told: dict[str, dict[str, Telling]] = {}
        self._ids: dict[str, None] = {}
        self._objects: dict[tuple[str, str], str] = {}
        self.many = False

    @property
    def matches(self) -> tuple[str, ...]:
        """The ids that begin as asked; one alone where it is named in full."""
        return (self.beginning,) if self.beginning in self._told else tuple(self._told)

    @property
    def lives(self) -> tuple[Life, ...]:
        """The lives of the matching runs, by run and recording in the order they were seen."""
        return tuple(telling.life() for run_id in self.matches for telling in self._told[run_id].values())

    def near(self) -> list[str]:
        """Ids that were seen and are like what was asked for, the nearest first; of many runs, among the first seen."""
        by_start: dict[str, str] = {}
        for run_id in self._ids:
            by_start.setdefault(run_id[: len(self.beginning)], run_id)
        return [by_start[start] for start in get_close_matches(self.beginning, by_start, n=_NEAR, cutoff=_LIKE)]

    def see(self, path: str, item: Item, found: Sequence[Violation]) -> None:
        """Take an item. What was found is given to `add`, as the checker gives it, with what it finds at the end."""
        if isinstance(item, Observation):
            run_id = item.record.get("id")
            if isinstance(run_id, str) and self._asked(run_id):
                told = any(violation.run_id == run_id for violation in found)
                self._telling(path, run_id).observe(path, item, alone=told)
        elif isinstance(item, Companion):
            self._companion(path, item)
        elif isinstance(item, Submitted):
            for telling in self._those(path, item.run_id, "requires_action"):
                telling.submitted(path, item)
        elif isinstance(item, Refusal):
            for telling in self._those(path, item.run_id, None, item.thread_id):
                telling.refused(path, item)

    def end(self, path: str, found: Sequence[Violation]) -> None:  # noqa: ARG002 - the protocol's
        """The recording has ended."""
        if not self._options.join:
            self._objects.clear()

    def add(self, violation: Violation) -> None:
        """Take what was found, of any run."""
        told = self._told.get(violation.run_id or "", {}).get(self._scope(violation.path))
        if told is not None:
            told.violations.append(violation)

    def _asked(self, run_id: str) -> bool:
        if len(self._ids) < _IDS_MAX:
            self._ids[run_id] = None
        if run_id == self.beginning:
            return True
        if self.many or not run_id.startswith(self.beginning):
            return False
        if run_id not in self._told and len(self._told) >= RUNS_MAX:
            self.many = True
            self._told = {known: told for known, told in self._told.items() if known == self.beginning}
            return False
        return True

    def _telling(self, path: str, run_id: str) -> Telling:
        told = self._told.setdefault(run_id, {})
        return told.setdefault(self._scope(path), Telling(run_id, self._options))

    def _scope(self, path: str) -> str:
        """What a life is told within: its recording, or all of them where they are joined."""
        return "" if self._options.join else path

    def _companion(self, path: str, item: Companion) -> None:
        """An object names its run; a piece of one names the object."""
        object_id, run_id = item.record.get("id"), item.record.get("run_id")
        scope = self._scope(path)
        if isinstance(run_id, str) and isinstance(object_id, str) and run_id in self._told:
            self._objects[scope, object_id] = run_id
        elif isinstance(object_id, str):
            run_id = self._objects.get((scope, object_id))
        if isinstance(run_id, str) and scope in self._told.get(run_id, ()):
            self._told[run_id][scope].companion(path, item)

    def _those(self, path: str, run_id: str | None, status: str | None, thread_id: str | None = None) -> list[Telling]:
        """The run that is named, or those that it may have been: in a status, or on a thread."""
        scope = self._scope(path)
        if run_id is not None:
            told = self._told.get(run_id, {}).get(scope)
            return [] if told is None else [told]
        here = [told[scope] for told in self._told.values() if scope in told]
        return [
            telling
            for telling in here
            if (status is not None and telling.status == status) or (thread_id and telling.thread_id == thread_id)
        ]
