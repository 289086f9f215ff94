"""Findings that wait: for the run that a step belongs to, or for the run's next snapshot, which may excuse it.

What waits for a run's next snapshot is decided as it stands when `WAIT` items of the recording have passed, whosever
they were. What waits for something that may come at any time is decided at the end alone. The `CLAIMS_MAX` newest wait,
and older ones are dropped, so that nothing is said that the rest of the recording would have excused.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, NamedTuple

from runengine.validation.findings import Finding

__all__ = ["CLAIMS_MAX", "WAIT", "Placed", "Waiting", "Why"]

WAIT: Final = 1_000
"""So many items of a recording pass before what waits for a run's next snapshot is decided."""

CLAIMS_MAX: Final = 1_000
"""So many findings wait at a time."""

Why = Literal["unknown", "piece", "place", "identity", "end", "alive"]
"""What is waited for: that the run is shown at all; that the whole object is shown, of which a piece came; the run's
next status, which says whether an event of it was lost; its next snapshot, which says whether the run's own record was
right; that nothing follows the run's end; or that it does not end."""


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
    """What waits, by the id of what it waits for.

    Attributes:
        now: The clock, as whoever passes items says.

    Example:
        >>> waiting = Waiting()
        >>> waiting.put("run_1", "unknown", Placed(3, Finding("RE504", None, None, "no run"), {}))
        >>> waiting.first, [placed.line for placed in waiting.decided("run_1", lambda why: why == "unknown")]
        (3, [3])
        >>> bool(waiting)
        False
    """

    def __init__(self) -> None:
        self.now = 0
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._count = 0
        self._first: int | None = None

    def __bool__(self) -> bool:
        return bool(self._held)

    @property
    def first(self) -> int | None:
        """The earliest line of which something waits, or None."""
        if self._first is None and self._held:
            self._first = min(placed.line for each in self._held.values() for _, placed in each.claims)
        return self._first

    def clear(self) -> None:
        """Nothing waits."""
        self._held.clear()
        self._count, self._first = 0, None

    def kept(self) -> Iterator[list[Any]]:
        """What waits, a part of plain JSON for each, after what the clock says; `take` reads them."""
        yield [self.now]
        for key, each in self._held.items():
            for why, placed in each.claims:
                yield [key, each.since, why, placed.line, list(placed.finding), dict(placed.record)]

    def take(self, kept: list[Any]) -> None:
        """Let wait a part that `kept` wrote."""
        if len(kept) == 1:
            (self.now,) = kept
            return
        key, since, why, line, finding, record = kept
        self.put(key, why, Placed(line, Finding(*finding), record))
        self._held[key].since = since

    def put(self, key: str, why: Why, placed: Placed) -> None:
        """Let a finding wait for something; where too many do, the one that has waited longest is dropped."""
        if key not in self._held:
            self._held[key] = _Held(self.now)
        self._held[key].claims.append((why, placed))
        self._count += 1
        if self._first is not None or self._count == 1:
            self._first = placed.line if self._first is None else min(self._first, placed.line)
        if self._count > CLAIMS_MAX:
            self._set(oldest := next(iter(self._held)), self._held[oldest].claims[1:])

    def holds(self, key: str, why: Why, about: dict[str, Any] | None = None) -> bool:
        """Whether something waits for that reason, with that record where one is given."""
        held = self._held.get(key)
        return held is not None and any(
            each == why and (about is None or placed.record == about) for each, placed in held.claims
        )

    def decided(self, key: str, stands: Callable[[Why], bool | None]) -> Iterator[Placed]:
        """Decide what waits for something.

        Args:
            key: Its id.
            stands: Whether what waits for that reason is said; None where it has to wait on.
        """
        held = self._held.get(key)
        if held is None:
            return
        left: list[tuple[Why, Placed]] = []
        said: list[Placed] = []
        for why, placed in held.claims:
            verdict = stands(why)
            if verdict is None:
                left.append((why, placed))
            elif verdict:
                said.append(placed)
        self._set(key, left)
        yield from said

    @property
    def due(self) -> int | None:
        """The moment at which what has waited longest is decided, or None."""
        return next(iter(self._held.values())).since + WAIT + 1 if self._held else None

    def passed(self, stands: Callable[[Why], bool | None]) -> list[Placed]:
        """The clock has moved on: what has waited long enough is decided, what waited longest first."""
        said: list[Placed] = []
        while (due := self.due) is not None and due <= self.now:
            together: list[Placed] = []
            while self.due == due:
                together += self.decided(next(iter(self._held)), stands)
            said += sorted(together, key=lambda placed: (placed.line, placed.finding.code))
        return said

    def all(self, stands: Callable[[Why], bool | None]) -> Iterator[Placed]:
        """Nothing more comes, or nothing of one kind: everything is asked for once."""
        for key in tuple(self._held):
            yield from self.decided(key, stands)

    def _set(self, key: str, claims: list[tuple[Why, Placed]]) -> None:
        gone = len(self._held[key].claims) - len(claims)
        if not gone:
            return
        self._count -= gone
        self._first = None
        if claims:
            self._held[key].claims = claims
        else:
            del self._held[key]
