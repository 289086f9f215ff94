"""Objects around the run: steps, messages, tool outputs, threads, and calls that were refused. Rules RE5xx, RE407."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from runengine.validation.findings import Finding
from runengine.validation.memory import Memory
from runengine.validation.observations import Companion, Observation, Refusal, StreamEnd, Submitted
from runengine.validation.summary import Options, Summary

__all__ = ["Around", "Placed"]


class Placed(NamedTuple):
    """A finding, the line it is said of, and the record whose run it is about.

    Attributes:
        line: From 1.
        finding: What a rule says.
        record: Its `id` and `thread_id` name the run; may be empty.

    Example:
        >>> Placed(3, Finding("RE503", None, None, "open"), {}).line
        3
    """

    line: int
    finding: Finding
    record: dict[str, Any]


class Around:
    """What is known of the objects around the runs of one scope.

    Args:
        options: What to hold them to.
        summary: Where they are counted.
        memory: What is known of the runs.

    Example:
        >>> options, summary = Options(), Summary()
        >>> Around(options, summary, Memory(9, summary)).undecided
        False
    """

    def __init__(self, options: Options, summary: Summary, memory: Memory) -> None:
        self._options = options
        self._summary = summary
        self._memory = memory

    @property
    def undecided(self) -> bool:
        """Whether something seen may still be spoken of, so that what is found meanwhile has to wait for it."""
        return False

    def clear(self) -> None:
        """Begin a new scope."""

    def run(self, item: Observation) -> Iterator[Placed]:
        """Take a run's snapshot, after the rules on the run itself."""
        return iter(())

    def observe(self, item: Companion | Submitted | Refusal) -> Iterator[Placed]:
        """Take an object around the run."""
        self._summary.passed += 1
        return iter(())

    def stream_end(self, end: StreamEnd) -> Iterator[Placed]:
        """Take the end of a stream, after the rules on its runs."""
        return iter(())

    def end(self) -> Iterable[Placed]:
        """Take the end of the scope."""
        return ()
