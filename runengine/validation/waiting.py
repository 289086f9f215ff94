"""Findings that wait: for the run that a step belongs to, or for the run's next snapshot, which may excuse it.

At most `WAIT` items pass before what waits is decided as it stands, so that what is held meanwhile is bounded too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, NamedTuple

from runengine.validation.findings import Finding

__all__ = ["WAIT", "Placed", "Waiting", "Why"]

WAIT: Final = 1_000
"""So many items of a recording pass before what waits is decided."""

Why = Literal["unknown", "place", "identity", "end", "alive"]
"""What is waited for: that the run is shown at all; its next status, which says whether an event of it was lost; its
next snapshot, which says whether the run's own record was right; that nothing follows the run's end; or that it
does not end."""


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


class _Held:
    __slots__ = ("claims", "since")

    def __init__(self, since: int) -> None:
        self.since = since
        self.claims: list[tuple[Why, Placed]] = []


class Waiting:
    """What waits, by run.

    Example:
        >>> waiting = Waiting()
        >>> waiting.put("run_1", "unknown", Placed(3, Finding("RE504", None, None, "no run"), {}))
        >>> bool(waiting), [placed.line for placed in waiting.decided("run_1", lambda why: why == "unknown")]
        (True, [3])
        >>> bool(waiting)
        False
    """

    def __init__(self) -> None:
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._passed = 0

    def __bool__(self) -> bool:
        return bool(self._held)

    def clear(self) -> None:
        """Nothing waits."""
        self._held.clear()

    def kept(self) -> list[Any]:
        """What waits, as plain JSON; `take` reads it."""
        held = [
            [
                run_id,
                each.since,
                [[why, placed.line, list(placed.finding), placed.record] for why, placed in each.claims],
            ]
            for run_id, each in self._held.items()
        ]
        return [self._passed, held]

    def take(self, kept: list[Any]) -> None:
        """Let wait what `kept` wrote."""
        self._passed, held = kept
        for run_id, since, claims in held:
            each = self._held[run_id] = _Held(since)
            each.claims = [(why, Placed(line, Finding(*finding), record)) for why, line, finding, record in claims]

    def put(self, run_id: str, why: Why, placed: Placed) -> None:
        """Let a finding wait for a run."""
        if run_id not in self._held:
            self._held[run_id] = _Held(self._passed)
        self._held[run_id].claims.append((why, placed))

    def holds(self, run_id: str, why: Why, about: dict[str, Any] | None = None) -> bool:
        """Whether something waits for that reason, with that record where one is given."""
        held = self._held.get(run_id)
        return held is not None and any(
            each == why and (about is None or placed.record == about) for each, placed in held.claims
        )

    def decided(self, run_id: str, stands: Callable[[Why], bool | None]) -> Iterator[Placed]:
        """Decide what waits for a run.

        Args:
            run_id: The run.
            stands: Whether what waits for that reason is said; None where it has to wait on.
        """
        held = self._held.get(run_id)
        if held is None:
            return
        left: list[tuple[Why, Placed]] = []
        for why, placed in held.claims:
            verdict = stands(why)
            if verdict is None:
                left.append((why, placed))
            elif verdict:
                yield placed
        held.claims = left
        if not left:
            del self._held[run_id]

    def passed(self, stands: Callable[[Why], bool | None]) -> Iterator[Placed]:
        """Another item has passed; what has waited long enough is decided."""
        self._passed += 1
        while self._held and next(iter(self._held.values())).since + WAIT < self._passed:
            yield from self.decided(next(iter(self._held)), stands)

    def all(self, stands: Callable[[Why], bool | None]) -> Iterator[Placed]:
        """The scope has ended: everything is decided."""
        for run_id in tuple(self._held):
            yield from self.decided(run_id, stands)
        self._held.clear()
