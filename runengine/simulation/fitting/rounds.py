"""How many tool rounds a run may have: the largest number seen, and whether that is a limit."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from runengine.simulation.fitting.reading import Reading
from runengine.simulation.fitting.risks import interval_of
from runengine.simulation.scenario import Tools

__all__ = ["Rounds", "rounds_of"]

_SURELY: Final = 1e-4
_LEAST_AFTER: Final = 20
_SHARED: Final = 200
_MOST: Final = 64


@frozen(kw_only=True)
class Rounds:
    """What is known of the limit.

    Attributes:
        seen: The largest number of rounds that a run had; 0 where none had any.
        after: Stays at work that ended after so many.
        shows: Whether it is a limit: so many would not all have gone without another round by chance.
        most: What is taken for the limit; where none shows, twice the largest seen, and at least the default.

    Example:
        >>> rounds_of(Reading()).most
        8
    """

    seen: int
    after: int
    shows: bool
    most: int


def rounds_of(reading: Reading) -> Rounds:
    """The largest number of tool rounds seen, and whether runs pile up there.

    The share of stays that led to a round is taken from the stays just before: at least 200 of them where there are so
    many, at the lower end of its interval.

    Args:
        reading: What was read.

    Example:
        >>> rounds_of(Reading()).shows
        False
    """
    stays: dict[int, int] = {}
    asked: dict[int, int] = {}
    for (source, event), kept in reading.stays.rows.items():
        for word, count in kept.counts.items() if source == "in_progress" else ():
            had = int(word.partition(" ")[2])
            stays[had] = stays.get(had, 0) + count
            asked[had] = asked.get(had, 0) + count * (event == "require_action")
    seen = max((had + 1 for had, count in asked.items() if count), default=0)
    after = sum(count for had, count in stays.items() if had >= seen)
    before = rounds = 0
    for had in sorted((had for had in stays if had < seen), reverse=True):
        before, rounds = before + stays[had], rounds + asked[had]
        if before >= _SHARED:
            break
    share = interval_of(rounds / before, before)[0] if before else 0.0
    shows = seen > 0 and after >= _LEAST_AFTER and (1 - share) ** after < _SURELY
    most = seen if shows else max(2 * seen, Tools().rounds_max)
    return Rounds(seen=seen, after=after, shows=shows, most=min(most, _MOST))
