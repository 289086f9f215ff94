"""What a fit rests on: every number with what it was learned from, what was assumed, and what is not known."""

from __future__ import annotations

from typing import Any, Final

from attrs import asdict, frozen

__all__ = ["BASES", "Learned", "Report"]

BASES: Final[dict[str, str]] = {
    "fitted": "a family's numbers, of the greatest likelihood",
    "measured": "measured quantiles: no family fits",
    "counted": "counted",
    "constant": "always the same",
    "scaled": "few stays: the shape of steady's, its scale learned",
    "default": "not learned: steady's",
}
"""How a number was come by."""


@frozen(kw_only=True)
class Learned:
    """One number of a scenario.

    Attributes:
        place: Its key, as `steps.queued.start.share`.
        value: The number, or a word.
        low: The lower end of its 95 % interval, or None where there is none.
        high: The upper end.
        basis: One of `BASES`.
        exact: Stays or cases it rests on that are known exactly.
        within: Those known within bounds.
        open: Those whose end was not seen, as far as they count here.
        off: Of a distribution, how far it is from what was measured: the largest distance; or None.
        note: What else is to be said.

    Example:
        >>> Learned(place="ttl_s", value=600, basis="counted", exact=9).within
        0
    """

    place: str
    value: float | str
    low: float | None = None
    high: float | None = None
    basis: str
    exact: int = 0
    within: int = 0
    open: float = 0.0
    off: float | None = None
    note: str = ""


@frozen(kw_only=True)
class Report:
    """All of them.

    Attributes:
        read: What was read, counted.
        learned: The numbers.
        assumed: What was taken as given, a sentence each.
        unknown: What the recordings do not tell, a sentence each.

    Example:
        >>> Report(read={"runs": 1}, learned=(), assumed=(), unknown=()).read
        {'runs': 1}
    """

    read: dict[str, int]
    learned: tuple[Learned, ...]
    assumed: tuple[str, ...]
    unknown: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return asdict(self)

    def of(self, place: str) -> Learned:
        """The number at a place.

        Raises:
            KeyError: none was learned there.
        """
        for one in self.learned:
            if one.place == place:
                return one
        raise KeyError(place)
