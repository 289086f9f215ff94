"""What time it is for a monitor, which has no clock: the newest time of an observation, wrong dates apart."""

from __future__ import annotations

from typing import Any, Final

from runengine.validation.rules.stamps import MILLISECONDS_FROM

__all__ = ["AHEAD", "Clock"]

AHEAD: Final = 8
"""So many observations one after another have to be dated too far ahead before that is believed."""


class Clock:
    """The newest time that is believed.

    Args:
        far_s: A time more than this ahead of the newest is believed when `AHEAD` observations one after another are
            dated so, the earliest of them; None for at once.

    Attributes:
        first_s: The first time, Unix seconds, or None.
        newest_s: The newest, or None.

    Example:
        >>> clock = Clock(60)
        >>> for seen_s in (100, 130, 9_000, 120):
        ...     clock.date(seen_s)
        >>> clock.newest_s
        130
    """

    def __init__(self, far_s: float | None) -> None:
        self._far_s = far_s
        self.first_s: float | None = None
        self.newest_s: float | None = None
        self._ahead: list[float] = []

    def date(self, seen_s: float | None) -> None:
        """Take the time of an observation; one that cannot be Unix seconds says nothing."""
        if seen_s is None or not _is_time(seen_s):
            return
        if self.newest_s is not None and self._far_s is not None and seen_s > self.newest_s + self._far_s:
            self._ahead.append(seen_s)
            if len(self._ahead) < AHEAD:
                return
            seen_s = min(self._ahead)
        self._ahead.clear()
        self._take(seen_s)

    def tell(self, now_s: float) -> None:
        """Take what somebody says who knows; it does not go back."""
        if _is_time(now_s):
            self._take(now_s)

    def _take(self, now_s: float) -> None:
        if self.first_s is None:
            self.first_s = now_s
        self.newest_s = now_s if self.newest_s is None else max(self.newest_s, now_s)

    def kept(self) -> list[Any]:
        """What is known, as plain JSON; `take` reads it."""
        return [self.first_s, self.newest_s, self._ahead]

    def take(self, kept: list[Any]) -> None:
        """Know what `kept` wrote."""
        self.first_s, self.newest_s, self._ahead = kept


def _is_time(seen_s: float) -> bool:
    """Whether it can be Unix seconds."""
    return 0 < seen_s < MILLISECONDS_FROM
