"""When a run is known to have been alive, and whether two were together; see `runengine.validation.threads`."""

from __future__ import annotations

from attrs import define

__all__ = ["Span", "began_before_end", "overlap"]


@define(kw_only=True)
class Span:
    """When a run is known to have been alive: what its snapshots prove.

    Attributes:
        begun_s: Its created_at, or None where it is not known.
        until_s: The latest moment at which a stamp shows it alive, or its end.
        first_s: When it was first observed, or None.
        shown_s: When the snapshot was observed that told `begun_s`, or None.
        alive_s: When it was last observed alive, or None.
        over: A snapshot showed it ended.
        told: It was said to overlap an earlier run.

    Example:
        >>> Span(begun_s=5, until_s=9).over
        False
    """

    begun_s: int | None = None
    until_s: int = 0
    first_s: float | None = None
    shown_s: float | None = None
    alive_s: float | None = None
    over: bool = False
    told: bool = False


def overlap(one: Span, other: Span, skew_s: float, stale_s: float | None = None) -> bool:
    """Whether two runs were alive at the same time, beyond doubt.

    Args:
        one: What is known of a run.
        other: The same of another.
        skew_s: How far clocks may differ, seconds.
        stale_s: How old an answer may be, seconds; None where stamps alone count.

    Example:
        >>> overlap(Span(begun_s=10, until_s=20), Span(begun_s=17, until_s=30), 2)
        True
        >>> overlap(Span(begun_s=10, until_s=20), Span(begun_s=18, until_s=30), 2)
        False
        >>> overlap(Span(begun_s=10, until_s=13, alive_s=25), Span(begun_s=20, until_s=23, first_s=21), 2, 3)
        False
        >>> overlap(Span(begun_s=10, until_s=13, alive_s=30), Span(begun_s=20, until_s=23, first_s=21), 2, 3)
        True
    """
    return began_before_end(one, other, skew_s, stale_s) and began_before_end(other, one, skew_s, stale_s)


def began_before_end(one: Span, other: Span, skew_s: float, stale_s: float | None) -> bool:
    """Whether a run was created before another one's end, beyond doubt.

    Args:
        one: What is known of a run.
        other: The same of another.
        skew_s: How far clocks may differ, seconds.
        stale_s: How old an answer may be, seconds; None where stamps alone count.

    Example:
        >>> began_before_end(Span(begun_s=17, until_s=30), Span(begun_s=10, until_s=20), 2, None)
        True
    """
    begun_s = one.begun_s
    if begun_s is None or other.begun_s is None:
        return False
    if begun_s + skew_s < other.until_s:
        return True
    if stale_s is None or other.over or other.alive_s is None or one.first_s is None:
        return False
    return max(begun_s + 1, one.first_s) <= other.alive_s - skew_s - stale_s
