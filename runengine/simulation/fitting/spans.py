"""What is known of a moment: the earliest and the latest it can have been, in microseconds since the epoch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from runengine.core import SECOND_US

__all__ = ["FAR_US", "Span", "in_order", "narrowed", "of_stamp"]

FAR_US: Final = 1 << 62
"""Later than anything recorded: the latest moment of what has no known latest."""


class Span(NamedTuple):
    """A moment, as far as it is known.

    Attributes:
        least_us: The earliest it can have been.
        most_us: The latest; equal to the earliest where the moment is known exactly.

    Example:
        >>> Span(5, 5).is_exact
        True
    """

    least_us: int
    most_us: int

    @property
    def is_exact(self) -> bool:
        """Whether it is known to the microsecond."""
        return self.least_us == self.most_us


def of_stamp(stamp_s: int) -> Span:
    """A stamp: whole seconds are cut off, not rounded, so the moment was within the second that follows.

    Example:
        >>> of_stamp(3)
        Span(least_us=3000000, most_us=4000000)
    """
    return Span(stamp_s * SECOND_US, (stamp_s + 1) * SECOND_US)


def narrowed(span: Span, other: Span) -> Span | None:
    """What two of them leave together, or None where they contradict each other: spans that only touch do.

    Example:
        >>> narrowed(Span(0, 5), Span(3, 9)), narrowed(Span(0, 5), Span(6, 9))
        (Span(least_us=3, most_us=5), None)
    """
    least_us, most_us = max(span.least_us, other.least_us), min(span.most_us, other.most_us)
    touch = least_us == most_us and not (span.is_exact or other.is_exact)
    return Span(least_us, most_us) if least_us <= most_us and not touch else None


def in_order(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Moments that follow one another: none before the earliest of the one before.

    The latest of a moment is left as it is, though the next one came after it: to narrow a stay by what followed it
    would take long stays for shorter than they are, since only the short ones leave room for another.

    Args:
        spans: In order.

    Example:
        >>> in_order([Span(3, 9), Span(0, 5)])
        (Span(least_us=3, most_us=9), Span(least_us=3, most_us=5))
    """
    made: list[Span] = []
    least_us = 0
    for span in spans:
        least_us = max(least_us, span.least_us)
        made.append(Span(least_us, max(least_us, span.most_us)))
    return tuple(made)
