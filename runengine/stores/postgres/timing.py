"""The database's time without asking for it: what it was when last told, and what has passed here since."""

from __future__ import annotations

from typing import Final

from runengine.core import SECOND_US

__all__ = ["Timing"]

_OLDEST_S: Final = 60.0
_WIDEST_S: Final = 1.0


class Timing:
    """An estimate of a database's clock, which every statement that tells the time corrects.

    The database was asked at one moment here and had answered at another: its clock was read in between. So the
    estimate is wrong by no more than the time of the last round trip, and the drift since. Until then the two clocks
    differ by what is called `offset`; the first one is the least that fits, so that no deadline comes early.

    Example:
        >>> timing = Timing()
        >>> timing.now_us(7.0) is None
        True
        >>> timing.saw(5_000_000, began_s=6.0, ended_s=6.5)
        >>> timing.now_us(7.0)
        5500000
    """

    def __init__(self) -> None:
        self._known: tuple[int, float] | None = None  # one object: threads read and replace it whole

    def now_us(self, ticks_s: float) -> int | None:
        """The database's time at a moment here, or None where it was not told within a minute."""
        known = self._known
        if known is None or ticks_s - known[1] > _OLDEST_S:
            return None
        return known[0] + round(ticks_s * SECOND_US)

    def saw(self, at_us: int, began_s: float, ended_s: float) -> None:
        """The database has told its time, asked and answered at these moments here."""
        if ended_s - began_s > _WIDEST_S:
            return
        least, most = at_us - round(ended_s * SECOND_US), at_us - round(began_s * SECOND_US)
        known = self._known
        if known is not None and ended_s - known[1] <= _OLDEST_S:
            least = min(max(known[0], least), most)
        self._known = least, ended_s
