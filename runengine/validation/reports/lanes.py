"""A run's life on an axis of time: bars, and the hidden steps between what was seen.

The axis is made of the observation times where every snapshot has one, else of the run's own stamps, else every stay is
as wide as any other. A bar goes from the first snapshot of a stay to the first of the next one; where steps must have
been taken unseen, the end of it is given to them, in equal parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple, cast

from runengine.core.shape import presence
from runengine.core.statuses import STATUSES, Status
from runengine.core.table import DOCUMENTED, PRACTICAL, TERMINAL, Policy
from runengine.core.trace import hidden_steps
from runengine.validation.reports.timelines import Life, Stay

__all__ = ["Axis", "Bar", "Laid", "lay_out"]

Axis = Literal["observed", "stamped", "even"]
"""What places are made of: observation times, stamps, or nothing but the order."""

_EVEN_MS: Final = 1000
_TAIL: Final = 0.06  # of the axis, so that an end has a width
_STAMP_MS: Final = 1000  # a stamp is a whole second: what is nearer may be no gap at all


class Bar(NamedTuple):
    """A stretch of the axis in one status.

    Attributes:
        status: The status.
        from_ms: Its beginning.
        to_ms: Its end.
        hidden: Nobody saw it; the table says that it must have been.
        stay: Number of the stay it belongs to, or of the one it leads to where it is hidden.

    Example:
        >>> Bar("queued", 0, 1500, False, 0).to_ms
        1500
    """

    status: str
    from_ms: int
    to_ms: int
    hidden: bool
    stay: int


class Laid(NamedTuple):
    """A life laid out.

    Attributes:
        axis: What the places are made of.
        base_s: The Unix time of place 0, or None where the axis shows no time.
        end_ms: Where the axis ends.
        spans: First and last place of every stay.
        bars: What to draw, in order.
        stamps: Name and place of every stamp; may lie beside the axis.

    Example:
        >>> Laid("even", None, 1000, ((0, 0),), (Bar("queued", 0, 1000, False, 0),), ()).bars[0].status
        'queued'
    """

    axis: Axis
    base_s: float | None
    end_ms: int
    spans: tuple[tuple[int, int], ...]
    bars: tuple[Bar, ...]
    stamps: tuple[tuple[str, int], ...]


def lay_out(life: Life, policy: Policy) -> Laid:
    """Lay out a life.

    Args:
        life: What was seen of it.
        policy: Which steps may have been taken unseen.

    Example:
        >>> from runengine.validation.observations import Observation
        >>> from runengine.validation.reports.timelines import Timelines
        >>> lines = Timelines()
        >>> for line, status in enumerate(("queued", "completed"), 1):
        ...     lines.see("a", Observation({"id": "run_1", "status": status}, line), ())
        >>> laid = lay_out(next(lines.lives()), PRACTICAL)
        >>> laid.axis, [(bar.status, bar.hidden) for bar in laid.bars]
        ('even', [('queued', False), ('in_progress', True), ('completed', False)])
    """
    axis, spans_s = _places(life)
    created_s = life.stamps.get("created_at", [None])[0]
    if axis == "even" or not spans_s:
        spans = tuple((n * _EVEN_MS, n * _EVEN_MS) for n in range(len(spans_s)))
        end_ms = len(spans) * _EVEN_MS
        return Laid(axis, None, end_ms, spans, tuple(_bars(life.stays, spans, end_ms, policy)), ())
    base_s, last_s = spans_s[0][0], spans_s[-1][1]
    seen_s = last_s - base_s
    early_s = 0.0 if created_s is None else base_s - created_s
    if created_s is not None and _STAMP_MS / 1000 <= early_s <= max(2 * seen_s, 10 if axis == "observed" else early_s):
        base_s = created_s
    spans = tuple((_ms(first - base_s), _ms(last - base_s)) for first, last in spans_s)
    end_ms = max(_ms((last_s - base_s) * (1 + _TAIL)), 1)
    stamps = tuple((name, _ms(at_s - base_s)) for name, values in life.stamps.items() for at_s in values)
    first = _unseen(life, spans[0][0], base_s, policy) if life.whole else ()
    return Laid(axis, base_s, end_ms, spans, (*first, *_bars(life.stays, spans, end_ms, policy)), stamps)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _places(life: Life) -> tuple[Axis, list[tuple[float, float]]]:
    stays = life.stays
    if len(stays) > 1 or any(stay.count > 1 for stay in stays):
        seen = [(s.seen_s, s.last_s) for s in stays if s.seen_s is not None and s.last_s is not None]
        if len(seen) == len(stays) and max(last for _, last in seen) > min(first for first, _ in seen):
            return "observed", _forward(seen)
    stamped = _stamped(life)
    if stamped is not None:
        return "stamped", _forward([(at_s, at_s) for at_s in stamped])
    return "even", [(0.0, 0.0)] * len(stays)


def _forward(pairs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """An axis goes forward: what was seen before the snapshot above it is put at that one's place."""
    made, so_far = [], pairs[0][0]
    for first, last in pairs:
        first = max(first, so_far)
        so_far = max(first, last)
        made.append((first, so_far))
    return made


def _stamped(life: Life) -> list[float] | None:
    """A time for each stay: its own stamp, or a place between its neighbours'; None where stamps tell too little."""
    created_s = life.stamps.get("created_at", [None])[0]
    if created_s is None or not life.stays:
        return None
    known: list[float | None] = [_stamp(stay) for stay in life.stays]
    if all(at_s is None or at_s <= created_s for at_s in known):
        # No stay has a stamp of its own: the last one was seen when all stamps of its record had been set.
        known[-1] = _by_others(life, created_s)
    if known[0] is None:
        known[0] = created_s
    last_s = max(at_s for at_s in known if at_s is not None)
    if last_s <= created_s:
        return None
    made: list[float] = []
    for n, at_s in enumerate(known):
        if at_s is None:
            until = next((m for m in range(n, len(known)) if known[m] is not None), None)
            before_s = made[-1]
            # Between two stamps by equal parts; after the last one by a tenth of what is known.
            after_s = known[until] if until is not None else None
            if until is None or after_s is None:
                at_s = before_s + (last_s - created_s) / 10
            else:
                at_s = before_s + max(0.0, after_s - before_s) / (until - n + 1)
        made.append(at_s)
    return made


def _by_others(life: Life, created_s: float) -> float | None:
    """A place for the last stay by stamps that are not its own; None where they tell nothing."""
    others = (values for name, values in life.stamps.items() if name != "expires_at")
    last_s = max(at_s for values in others for at_s in values)
    if last_s <= created_s:
        return None
    return last_s if life.stays[-1].status in TERMINAL else last_s + (last_s - created_s) / 10


def _stamp(stay: Stay) -> float | None:
    if stay.status in TERMINAL:
        return stay.ended_s
    return stay.started_s if stay.status == "in_progress" else None


def _unseen(life: Life, until_ms: int, base_s: float, policy: Policy) -> tuple[Bar, ...]:
    """What the run lived from its creation to its first snapshot."""
    first = life.stays[0]
    if until_ms < _STAMP_MS or first.status not in STATUSES:
        return ()
    restarts = (True, False) if first.started_s is not None else _unstamped(first)
    way = _way("queued", first.status, restarts, False, policy)
    names = ["queued", *(way or ())[:-1]]
    started_ms = None if first.started_s is None else _ms(first.started_s - base_s)
    if names[:2] == ["queued", "in_progress"] and started_ms is not None and 0 <= started_ms <= until_ms:
        return (Bar(names[0], 0, started_ms, True, 0), *_parts(names[1:], started_ms, until_ms, 0))
    return tuple(_parts(names, 0, until_ms, 0))


def _bars(stays: Sequence[Stay], spans: Sequence[tuple[int, int]], end_ms: int, policy: Policy) -> Iterator[Bar]:
    for n, stay in enumerate(stays):
        from_ms, last_ms = spans[n]
        if n + 1 == len(stays):
            to_ms = end_ms if stay.status in TERMINAL or last_ms <= from_ms else last_ms
            yield Bar(stay.status, from_ms, to_ms, False, n)
            return
        to_ms = spans[n + 1][0]
        names = _between(stay, stays[n + 1], policy)
        if names:
            gap_ms = min(to_ms, max(last_ms, from_ms + (to_ms - from_ms) // (len(names) + 1)))
            yield Bar(stay.status, from_ms, gap_ms, False, n)
            yield from _parts(names, gap_ms, to_ms, n + 1)
        else:
            yield Bar(stay.status, from_ms, to_ms, False, n)


def _parts(names: Sequence[str], from_ms: int, to_ms: int, stay: int) -> Iterator[Bar]:
    edges = [from_ms + (to_ms - from_ms) * k // len(names) for k in range(len(names) + 1)]
    for name, begin, end in zip(names, edges, edges[1:], strict=False):
        yield Bar(name, begin, end, True, stay)


def _between(before: Stay, now: Stay, policy: Policy) -> Sequence[str]:
    """The statuses that must have been taken unseen."""
    if now.complete or before.status not in STATUSES or now.status not in STATUSES or before.status in TERMINAL:
        return ()
    was, is_now = before.started_s, now.started_s
    if was is not None and is_now is not None and is_now < was:
        return ()
    forth = is_now is not None and was != is_now
    if before.status == now.status and not forth:
        return ()
    restarts = (True,) if forth else _unstamped(now) if is_now is None and was is None else (False,)
    rows = _way(before.status, now.status, restarts, was is not None, policy)
    return rows[:-1] if rows else ()


def _unstamped(stay: Stay) -> Sequence[bool]:
    """Whether a run without started_at may have started: only where the stamp is missing that must be there."""
    return (False, True) if presence("started_at", cast("Status", stay.status)) == "must" else (False,)


def _way(source: str, target: str, restarts: Sequence[bool], started: bool, policy: Policy) -> list[str] | None:
    """The statuses on the cheapest way, the target with them; documented steps explain best."""
    wider = PRACTICAL if policy is DOCUMENTED else policy
    for rows_of in (DOCUMENTED, wider):
        for restarted in restarts:
            rows = hidden_steps(rows_of, cast("Status", source), cast("Status", target), restarted, started)
            if rows is not None:
                return [row.target for row in rows]
    return None
