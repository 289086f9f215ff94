"""Which generations a record may belong to: those that the fewest of its keys, its status and its date contradict.

A record does not say its generation, and real ones carry keys of two at once (FACTS B6), so none need fit exactly.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container
from typing import Final

from runengine.core.fields import FIELDS
from runengine.core.generations import GENERATIONS
from runengine.core.statuses import INCOMPLETE

__all__ = ["INCOMPLETE_FIRST", "candidates_of", "era_of", "span"]

INCOMPLETE_FIRST: Final = 9
"""The generation that published the status incomplete (FACTS §1.1, C8)."""

_PUBLISHED_S: Final = tuple(g.published_s for g in GENERATIONS)
_DAY_S: Final = 86_400


def era_of(created_at: object) -> int:
    """Number of the last generation published when a run was created (a day's grace), or -1 where that says nothing.

    Example:
        >>> era_of(1_714_348_800), era_of(None)
        (8, -1)
    """
    return bisect_right(_PUBLISHED_S, created_at + _DAY_S) - 1 if type(created_at) is int else -1


def candidates_of(status: object, keys: Container[str], era: int, unknown: Container[str] = ()) -> tuple[int, ...]:
    """The numbers of the generations that are contradicted least.

    Args:
        status: The record's status.
        keys: Its keys.
        era: From `era_of`.
        unknown: Fields of which it is not known whether the record has them.

    Returns:
        At least one, in order.

    Example:
        >>> candidates_of("queued", {"id", "model", "tools", "file_ids", "temperature"}, -1)
        (5, 6, 7)
    """
    told = [f for f in FIELDS.values() if f.name not in unknown]
    contradictions = [
        sum((not f.declared_in(g)) if f.name in keys else f.required_in(g) for f in told)
        + (status == INCOMPLETE and g < INCOMPLETE_FIRST)
        + (era >= 0 and g > era)
        for g in range(len(GENERATIONS))
    ]
    least = min(contradictions)
    return tuple(g for g, n in enumerate(contradictions) if n == least)


def span(candidates: tuple[int, ...]) -> str:
    """Candidates in words.

    Example:
        >>> span((5, 6, 7)), span((9,))
        ('G5 to G7', 'G9')
    """
    first, last = GENERATIONS[candidates[0]].name, GENERATIONS[candidates[-1]].name
    return first if first == last else f"{first} to {last}"
