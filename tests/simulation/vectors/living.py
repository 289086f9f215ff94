"""What several tests of histories take: small worlds, and columns as bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from runengine.simulation.distributions import Constant, Distribution, Exponential
from runengine.simulation.scenario import Arrival, Scenario, Step
from runengine.simulation.vectors.histories import Histories

__all__ = ["bytes_of", "correlation", "dwell_us", "world_of"]

_COLUMNS = ("runs", "thread", "created_us", "ended_us", "refused_us", "row", "at_us")


def world_of(steps: dict[str, dict[str, tuple[float, Distribution]]] | None = None, **more: Any) -> Scenario:
    """A scenario of given steps, (share, after_s) by event by source; by default, start and complete."""
    told = steps or {
        "queued": {"start": (1, Constant(value=1))},
        "in_progress": {"complete": (1, Exponential(mean=5))},
    }
    given: Any = {
        source: {event: Step(share=share, after_s=after) for event, (share, after) in events.items()}
        for source, events in told.items()
    }
    return Scenario(name="test", steps=given, **{"arrival": Arrival(rate_per_s=10), **more})


def bytes_of(chunks: Iterable[Histories]) -> list[bytes]:
    """The columns of chunks, whatever the chunks are."""
    made = list(chunks)
    lengths = np.concatenate([np.diff(chunk.offsets) for chunk in made])
    return [lengths.tobytes(), *(np.concatenate([getattr(c, name) for c in made]).tobytes() for name in _COLUMNS)]


def dwell_us(made: Histories, event: str, source: str) -> Any:
    """How long runs were in `source` before each `event` that took them out of it, microseconds."""
    number = next(n for n, row in enumerate(made.world.rows) if (row.event, row.source) == (event, source))
    entries = np.flatnonzero(made.row == number)
    return made.at_us[entries] - made.at_us[entries - 1]


def correlation(one: Any, other: Any) -> float:
    """Of the ranks of two columns, from -1 to 1."""
    return float(np.corrcoef(np.argsort(np.argsort(one)), np.argsort(np.argsort(other)))[0, 1])
