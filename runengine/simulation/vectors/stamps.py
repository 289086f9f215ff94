"""What the records of a chunk say after each entry: status and stamps, as the table and the shapes have it."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from runengine.core import SECOND_US, STATUSES
from runengine.core.shape import ARRIVAL_STAMP, presence
from runengine.simulation.vectors.draws import Ints
from runengine.simulation.vectors.histories import NEVER, Histories

__all__ = ["Stamps"]


class Stamps:
    """Status and stamps of the records of some histories; a stamp that is null is -1.

    Args:
        histories: The histories.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.vectors.histories import histories
        >>> made = next(histories(scenario_named("steady"), 1, 1, first=7))
        >>> stamps = Stamps(made)
        >>> [STATUSES[number] for number in stamps.status]
        ['queued', 'in_progress', 'completed']
        >>> (stamps.of("started_at") > 0).tolist()
        [False, True, True]
    """

    def __init__(self, histories: Histories) -> None:
        self._of: Final = histories
        self._rows: Final = histories.world.rows

    @cached_property
    def status(self) -> NDArray[np.int8]:
        """Of each entry, the number of the status that it leads to, in `STATUSES`."""
        return np.array([STATUSES.index(row.target) for row in self._rows], np.int8)[self._of.row]

    @cached_property
    def created_at(self) -> Ints:
        """Of each run, when it was created, Unix seconds."""
        return self._of.created_us // SECOND_US

    def of(self, field: str) -> Ints:
        """Of each entry, a stamp that arriving in a status writes, Unix seconds.

        Args:
            field: As `started_at`.
        """
        writes = np.array([row.edge is not None and ARRIVAL_STAMP.get(row.target) == field for row in self._rows])
        clears = np.array([row.source is None or presence(field, row.target) == "never" for row in self._rows])
        last = self._last(writes | clears)
        stamped = writes[self._of.row[last]]
        return np.where(stamped, self._of.at_us[last] // SECOND_US, NEVER)

    def since(self, event: str) -> Ints:
        """Of each entry, the place of the run's last entry of an event up to it, or -1.

        Args:
            event: Its name.
        """
        named = np.array([row.event == event for row in self._rows])
        last = self._last(named | np.array([row.source is None for row in self._rows]))
        return np.where(named[self._of.row[last]], last, NEVER)

    def count(self, event: str) -> Ints:
        """Of each entry, how often an event has happened to the run up to it.

        Args:
            event: Its name.
        """
        happened = np.array([row.event == event for row in self._rows])[self._of.row]
        total = np.cumsum(happened)
        before = total[self._of.offsets[:-1]] - happened[self._of.offsets[:-1]]
        counts: Ints = total - np.repeat(before, np.diff(self._of.offsets))
        return counts

    def _last(self, rows: NDArray[np.bool_]) -> Ints:
        """Of each entry, the place of the last one up to it that took one of these rows; the birth is among them."""
        places = np.where(rows[self._of.row], np.arange(len(self._of.row)), 0)
        last: Ints = np.maximum.accumulate(places)
        return last
