"""What looks on while a recording is checked: profiles, timelines, pictures. It is told of every observation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from runengine.validation.findings import Violation
from runengine.validation.observations import Item

__all__ = ["Watch"]


class Watch(Protocol):
    """Looks on. A checker with a watch skims nothing, so every item comes by, in the order of the recording."""

    def see(self, path: str, item: Item, found: Sequence[Violation]) -> None:
        """Take one item, its record with the API's own keys, and what was found at its line.

        Of an item whose rules speak only later (a stream that has not ended), those violations come with a later item.
        """

    def end(self, path: str, found: Sequence[Violation]) -> None:
        """The recording has ended, and this was found only then, each with its own line."""
