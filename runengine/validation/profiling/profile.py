"""The profile of a corpus. Source: DESIGN §5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runengine.core.table import PRACTICAL, Policy
from runengine.validation.findings import Violation
from runengine.validation.observations import Item, Sampling
from runengine.validation.summary import FORGET_AFTER, SKEW_S

__all__ = ["Profile"]


class Profile:
    """Counts over everything that is checked: a watch for a `Checker`.

    Example:
        >>> Profile().as_dict()
        {}
    """

    def __init__(
        self,
        policy: Policy = PRACTICAL,
        *,
        sampling: Sampling = "auto",
        skew_s: float = SKEW_S,
        forget_after: int = FORGET_AFTER,
    ) -> None:
        self.policy = policy

    def see(self, path: str, item: Item, found: Sequence[Violation]) -> None:
        """Take one item."""

    def end(self, path: str) -> None:
        """The recording has ended."""

    def as_dict(self) -> dict[str, Any]:
        """The profile as reports carry it, in a fixed order."""
        return {}
