"""What a writer is given: some runs by the column, how they were seen, and those of them that are broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from attrs import frozen

from runengine.simulation.recording import Recording, View
from runengine.simulation.vectors.details import Details
from runengine.simulation.vectors.histories import Histories
from runengine.simulation.vectors.observing import Observed

__all__ = ["Chunk", "Sink", "Told"]

Told = Callable[[str, tuple[int, ...]], None]
"""Told the id of a faulted run once all its rows are in the file, and which lines (from 1) show that it is broken."""


@frozen(kw_only=True, eq=False)
class Chunk:
    """Runs to be written.

    Attributes:
        histories: What happened.
        details: What they carry.
        observed: What was seen of them: `events_of` or `looks_at` of the histories. Streams do not need it.
        view: How they were recorded.
        faulted: By its place in the chunk, a run that is broken: its rows are written in place of what was seen of it.
        horizon_us: No row of a later chunk lies before this moment.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.vectors.histories import histories
        >>> from runengine.simulation.vectors.observing import events_of
        >>> made = next(histories(scenario_named("steady"), 1, 3))
        >>> chunk = Chunk(histories=made, details=Details(made), observed=events_of(made), view="history",
        ...               faulted={}, horizon_us=int(made.created_us[-1]))
        >>> len(chunk.histories), chunk.view
        (3, 'history')
    """

    histories: Histories
    details: Details
    observed: Observed
    view: View
    faulted: Mapping[int, Recording]
    horizon_us: int


class Sink(Protocol):
    """Where chunks are written to, in order of their runs."""

    def write(self, chunk: Chunk) -> None:
        """Write a chunk, or keep of it what cannot be written before others."""

    def close(self) -> None:
        """Write what is pending. What was opened for the sink is closed by who opened it."""
