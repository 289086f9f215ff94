"""The table of invariants: what must hold in every simulated world, at every moment, and is asserted there by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Final, Literal

from attrs import frozen

from runengine.simulation.driving.invariants import ends, entries, requests, rows, stores

__all__ = ["INVARIANTS", "Broken", "Invariant", "Moment"]

Moment = Literal["entry", "row", "request", "commit", "read", "crash", "end", "always"]
"""When it is asserted: of each entry, of each row touched, of each request answered, of each commit, of each read,
after each crash of a store and at the end, at the end alone, and in every turn."""


def _declared() -> None:
    """The runtime and the store raise nothing but that the store is unavailable, and that only where its disk fails."""


@frozen
class Invariant:
    """One row.

    Attributes:
        name: It never changes meaning.
        moment: When it is asserted.
        check: Says what is wrong, or None.

    Example:
        >>> INVARIANTS["one-active"].sentence
        'A thread has at most one run that has not ended.'
    """

    name: str
    moment: Moment
    check: Callable[..., str | None]

    @property
    def sentence(self) -> str:
        """What it says."""
        return (inspect.getdoc(self.check) or self.name).partition("\n\n")[0].replace("\n", " ")


_ROWS: Final[tuple[tuple[str, Moment, Callable[..., str | None]], ...]] = (
    ("gapless", "entry", entries.gapless),
    ("stays-ended", "entry", entries.stays_ended),
    ("by-the-table", "entry", entries.by_the_table),
    ("forward", "entry", entries.forward),
    ("deadline-first", "entry", entries.deadline_first),
    ("one-holder", "entry", entries.one_holder),
    ("one-active", "entry", entries.one_active),
    ("in-turn", "entry", entries.in_turn),
    ("cancel-wins", "entry", entries.cancel_wins),
    ("shaped", "row", rows.shaped),
    ("due-some-day", "row", rows.due_some_day),
    ("held-rightly", "row", rows.held_rightly),
    ("waited-for", "row", rows.waited_for),
    ("folded", "row", rows.folded),
    ("fenced", "request", requests.fenced),
    ("only-as-seen", "request", requests.only_as_seen),
    ("keyed", "request", requests.keyed),
    ("made-once", "request", requests.made_once),
    ("kept-when-late", "request", requests.kept_when_late),
    ("true-answer", "request", requests.true_answer),
    ("committed", "commit", stores.committed),
    ("shows-what-is", "read", stores.shows_what_is),
    ("stays-told", "crash", stores.stays_told),
    ("nothing-stuck", "end", ends.nothing_stuck),
    ("born-or-withdrawn", "end", ends.born_or_withdrawn),
    ("all-read", "end", ends.all_read),
    ("checked", "end", ends.checked),
    ("declared", "always", _declared),
)

INVARIANTS: Final[dict[str, Invariant]] = {name: Invariant(name, moment, check) for name, moment, check in _ROWS}
"""Every invariant by its name."""


class Broken(Exception):
    """An invariant does not hold.

    Attributes:
        name: Which.
        detail: Where, and how.

    Example:
        >>> str(Broken("one-active", "run_2 was born"))
        'one-active: run_2 was born'
    """

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(name, detail)
        self.name = name
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"
