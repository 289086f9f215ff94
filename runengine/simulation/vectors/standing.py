"""How the record stands at each entry: which entry led to its status, when it last started, how often it was modified.

What the engine's step keeps of a history, by the column. A record is told wholly by these and by what its run carries,
so records that differ in their stamps, ids and counts alone are one layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

import numpy as np

from runengine.core import SECOND_US
from runengine.simulation.vectors.details import CUT, Details
from runengine.simulation.vectors.draws import Ints
from runengine.simulation.vectors.histories import Histories
from runengine.simulation.vectors.stamps import Stamps
from runengine.simulation.vectors.world import STARTS

__all__ = ["Standing"]

"""Events of ends whose tokens are not always counted."""


class Standing:
    """The records of a chunk, by the column; an entry is told by its place.

    Args:
        histories: The chunk.
        details: What its runs carry.

    Example:
        >>> from runengine.simulation.distributions import Constant
        >>> from runengine.simulation.scenario import Arrival, Scenario, Step
        >>> from runengine.simulation.vectors.histories import histories
        >>> scenario = Scenario(name="x", arrival=Arrival(rate_per_s=1, process="regular"), steps={
        ...     "queued": {"start": Step(share=1, after_s=Constant(value=1))},
        ...     "in_progress": {"complete": Step(share=1, after_s=Constant(value=5))}})
        >>> made = next(histories(scenario, 1, 1))
        >>> standing = Standing(made, Details(made))
        >>> standing.moved.tolist(), (standing.started_s - made.created_us // SECOND_US).tolist()[1:]
        ([0, 1, 2], [1, 1])
    """

    def __init__(self, histories: Histories, details: Details) -> None:
        self._of: Final = histories
        self._details: Final = details
        self._rows: Final = histories.world.rows
        self._scenario: Final = histories.world.scenario
        self._stamps: Final = Stamps(histories)

    @cached_property
    def moved(self) -> Ints:
        """Of each entry, the one that led to the status that stands after it."""
        moves = np.array([row.source is None or row.edge is not None for row in self._rows])[self._of.row]
        return np.maximum.accumulate(np.where(moves, np.arange(len(moves)), 0))

    @cached_property
    def started_s(self) -> Ints:
        """Of each entry, when the run last started up to it, Unix seconds, or -1."""
        return self._stamps.of(STARTS)

    @cached_property
    def modified(self) -> Ints:
        """Of each entry, how often the run was modified up to it."""
        return self._stamps.count("modify")

    def column(self, slot: str, entries: Ints) -> Sequence[int] | Sequence[bytes]:
        """What stands at a varying place of the records of some entries.

        Args:
            slot: One of `runengine.simulation.writing.templates.SLOTS`, or `call N` and `function N` of a round.
            entries: The entries' places, all of one layout.
        """
        of, details = self._of, self._details
        match slot.split():
            case ["expires"]:
                due_s = of.created_us[details.entry_run[entries]] // SECOND_US + self._scenario.ttl_s
                return self._listed(due_s)
            case ["started"]:
                return self._listed(self.started_s[entries])
            case ["ended"]:
                return self._listed(of.at_us[self.moved[entries]] // SECOND_US)
            case ["modified"]:
                return self._listed(self.modified[entries])
            case ["call", number]:
                calls: list[bytes] = details.call_id(self.moved[entries], int(number)).tolist()
                return calls
            case ["function", number]:
                return self._listed(details.call_function(self.moved[entries], int(number)))
        return self._listed(self._tokens(slot, entries))

    @staticmethod
    def _listed(column: Ints) -> list[int]:
        made: list[int] = column.tolist()
        return made

    def _tokens(self, slot: str, entries: Ints) -> Ints:
        run = self._details.entry_run[entries]
        tokens = np.zeros(len(run), np.int64)
        if slot != "completion":
            tokens += self._details.prompt_tokens[run]
        if slot != "prompt":
            tokens += self._details.completion_tokens[run]
        cut = np.array([row.event in CUT for row in self._rows])[self._of.row[self.moved[entries]]]
        tokens[cut & ~self._details.counted[run]] = 0
        return tokens

    def layouts(self, entries: Ints, *, events: bool) -> Iterator[tuple[int, Ints]]:
        """Entries whose records are of one layout.

        Args:
            entries: The entries' places.
            events: Whether records after different events are different layouts in any case.

        Yields:
            The layout's number, the same in every chunk of the scenario, and where its entries stand in `entries`.
        """
        if not len(entries):
            return
        key = self._keys(entries, events)
        order = np.argsort(key, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(key[order])) + 1, len(order))
        start = 0
        for end in ends.tolist():
            places = order[start:end]
            yield int(key[places[0]]), places
            start = end

    def _keys(self, entries: Ints, events: bool) -> Ints:
        run, moved = self._details.entry_run[entries], self.moved[entries]
        row = self._of.row[moved].astype(np.int64)
        detail = np.zeros(len(entries), np.int64)
        for event, column, by in (
            ("require_action", self._details.calls, moved),
            ("fail", self._details.error, run),
            ("exhaust_tokens", self._details.limit, run),
        ):
            some = np.flatnonzero(np.array([one.event == event for one in self._rows])[row])
            detail[some] = column[by[some]]
        key = self._details.assistant[run]
        scenario = self._scenario
        key = key * (max(len(scenario.tools.calls), len(scenario.errors), len(scenario.limits)) + 1) + detail
        for part, most in (
            (row, len(self._rows)),
            (self.started_s[entries] >= 0, 2),
            (self.modified[entries] > 0, 2),
            (self._of.row[entries] if events else 0, len(self._rows)),
        ):
            key = key * most + part
        return key
