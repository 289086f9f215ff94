"""What FACTS §4 says of steps and messages, written once more by hand: the oracle of their tables.

Nothing is taken from the project here, so that a mistake in the tables cannot hide in it.
"""

from __future__ import annotations

__all__ = ["MESSAGE_STAMPS", "STEP_STAMPS", "may_follow", "right_stamps"]

STEP_STAMPS: dict[str, str | None] = {
    "in_progress": None,
    "completed": "completed_at",
    "failed": "failed_at",
    "cancelled": "cancelled_at",
    "expired": "expired_at",
}
"""Each status of a step with its own stamp."""

MESSAGE_STAMPS: dict[str, str | None] = {
    "in_progress": None,
    "completed": "completed_at",
    "incomplete": "incomplete_at",
}
"""Each status of a message with its own stamp."""


def may_follow(before: str, after: str) -> bool:
    """Whether a step, or a message, that was in one status may be seen in another later."""
    return before == after or before == "in_progress"


def right_stamps(table: dict[str, str | None], status: str, stamps: set[str]) -> bool:
    """Whether exactly these stamps, created_at apart, belong to a status."""
    return stamps == ({table[status]} - {None})
