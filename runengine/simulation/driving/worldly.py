"""What a door has to know of the world behind it."""

from __future__ import annotations

from typing import Any, Final, Literal, Protocol

from runengine.errors import StoreUnavailable
from runengine.simulation.driving.grounds import Ground
from runengine.simulation.driving.judge import Judge
from runengine.simulation.driving.processes import Process

__all__ = ["MODES", "Disk", "Mode", "Trouble", "Worldly"]

Mode = Literal["sound", "full", "read-only"]
Trouble = Literal["none", "refused", "lost"]
"""What happens to one request: nothing; it never reaches the store; it is done, and the answer is lost."""

MODES: Final[dict[Mode, str]] = {
    "sound": "",
    "full": "the disk is full; make room, then ask again",
    "read-only": "it is read-only: let this user write the file",
}
"""How a disk can be for a while, and what the store says then."""


class Disk:
    """The disk under the store.

    Attributes:
        mode: How it is now.

    Example:
        >>> disk = Disk()
        >>> disk.mode = "full"
        >>> disk.take()
        Traceback (most recent call last):
        runengine.errors.StoreUnavailable: simulated:: the disk is full; make room, then ask again
    """

    def __init__(self) -> None:
        self.mode: Mode = "sound"

    def take(self) -> None:
        """Take a commit, or refuse it.

        Raises:
            StoreUnavailable: it is full, or read-only.
        """
        if self.mode != "sound":
            raise StoreUnavailable("simulated:", MODES[self.mode])


class Worldly(Protocol):
    """The world, as a door sees it."""

    turn: int
    ground: Ground
    disk: Disk
    judge: Judge

    def trouble(self, *, is_read: bool = False) -> Trouble:
        """What happens to the request that reaches the store now."""
        ...

    def is_split(self) -> bool:
        """Whether others run between this request's plan and its commit."""
        ...

    def fail(self, process: Process, what: str, how: str) -> StoreUnavailable:
        """The error of a request that fails, which the trace then has."""
        ...

    def say(self, process: Process, text: str) -> None:
        """A line for the trace."""
        ...

    def did(self, process: Process, asked: Any, text: str) -> None:
        """A request was done."""
        ...
