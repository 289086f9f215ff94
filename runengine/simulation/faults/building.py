"""Run objects made of others, and what operators ask of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from runengine.core.fields import END_STAMPS, STAMPS
from runengine.core.shape import ARRIVAL_STAMP
from runengine.simulation.faults.draft import Doc, Draft
from runengine.simulation.lives import ERRORS

__all__ = ["ERROR", "deadline_of", "end_of", "end_stamp_of", "ended_as", "first", "set_stamps", "shift"]

ERROR: Final = {"code": "server_error", "message": ERRORS["server_error"]}
"""An error that a run may end with."""


def end_stamp_of(doc: Doc) -> str | None:
    """The end stamp that the record's status calls for, or None where it has not ended.

    Args:
        doc: The record.

    Example:
        >>> end_stamp_of({"status": "expired"}), end_stamp_of({"status": "queued"})
        ('completed_at', None)
    """
    name = ARRIVAL_STAMP.get(doc["status"])
    return name if name in END_STAMPS else None


def end_of(doc: Doc) -> int:
    """When an ended run ended, Unix seconds.

    Args:
        doc: The record, ended and right.

    Example:
        >>> end_of({"status": "failed", "failed_at": 7})
        7
    """
    name = end_stamp_of(doc)
    assert name is not None
    return int(doc[name])


def ended_as(doc: Doc, status: str, at_s: int) -> Doc:
    """A right record of the same run, ended in another way.

    Args:
        doc: A record of it.
        status: A terminal status but incomplete.
        at_s: When it ended.

    Example:
        >>> ended_as({"status": "queued", "expires_at": 9}, "cancelled", 5)["cancelled_at"]
        5
    """
    made = dict(doc, status=status)
    for name in (*END_STAMPS, "expires_at", "required_action", "last_error"):
        made[name] = None
    if "incomplete_details" in made:
        made["incomplete_details"] = None
    stamp = end_stamp_of(made)
    assert stamp is not None
    made[stamp] = at_s
    if status == "failed":
        made["last_error"] = dict(ERROR)
    return made


def set_stamps(doc: Doc) -> list[str]:
    """The stamps that a record has.

    Args:
        doc: The record.

    Example:
        >>> set_stamps({"created_at": 5, "failed_at": None})
        ['created_at']
    """
    return [name for name in STAMPS if doc.get(name) is not None]


def deadline_of(draft: Draft) -> int | None:
    """The deadline that the recording shows, or None where it shows none.

    Args:
        draft: The recording.

    Example:
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.recording import history_of
        >>> draft = Draft(history_of(life_of(scenario_named("steady"), 1, 7)))
        >>> deadline_of(draft) - draft[0]["created_at"]
        600
    """
    n = first(draft, lambda n: not draft.ended(n))
    return None if n is None else int(draft[n]["expires_at"])


def first(draft: Draft, where: Callable[[int], bool], start: int = 0) -> int | None:
    """The first snapshot that will do, or None.

    Args:
        draft: The recording.
        where: Which will do, by number.
        start: Where to begin.

    Example:
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.recording import history_of
        >>> first(Draft(history_of(life_of(scenario_named("steady"), 1, 7))), lambda n: n > 1)
        2
    """
    return next((n for n in range(start, len(draft)) if where(n)), None)


def shift(draft: Draft, n: int, delta_s: int, *names: str) -> None:
    """Move some stamps and the times of observation of all rows from the n-th snapshot on.

    Args:
        draft: The recording.
        n: Where to begin.
        delta_s: By how much.
        *names: The stamps, where they are set.

    Example:
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.recording import history_of
        >>> draft = Draft(history_of(life_of(scenario_named("steady"), 1, 7)))
        >>> before = draft[2]["completed_at"]
        >>> shift(draft, 2, 5, "completed_at")
        >>> draft[2]["completed_at"] - before
        5
    """
    for later in range(n, len(draft)):
        doc = dict(draft[later])
        doc.update({name: doc[name] + delta_s for name in names if doc.get(name) is not None})
        draft.put(later, doc)
    for place in range(draft.places[n], len(draft.rows)):
        row = draft.rows[place]
        observed_at = None if row.observed_at is None else row.observed_at + delta_s
        draft.rows[place] = row.changed(at_us=row.at_us + delta_s * 1_000_000, observed_at=observed_at)
