"""What is counted of rows in columns: the same as a checker's summary counts of the same rows."""

from __future__ import annotations

import numpy as np
from attrs import Factory, field, frozen

from runengine.core.statuses import STATUSES
from runengine.validation.bulk.batch import Ints
from runengine.validation.summary import Summary

__all__ = ["Counts"]

_N = len(STATUSES)


def _zeros(n: int) -> Ints:
    return np.zeros(n, np.int64)


@frozen(kw_only=True, eq=False)
class Counts:
    """Counts over some rows.

    Attributes:
        observations: Snapshots.
        runs: Runs; one that comes back after it was forgotten counts again.
        threads: The same of threads.
        statuses: Snapshots by status.
        edges: Changes of status, by source and target, flat.

    Example:
        >>> one = Counts(observations=2, runs=1)
        >>> (one + one - one).observations
        2
    """

    observations: int = 0
    runs: int = 0
    threads: int = 0
    statuses: Ints = field(default=Factory(lambda: _zeros(_N)))
    edges: Ints = field(default=Factory(lambda: _zeros(_N * _N)))

    def __add__(self, other: Counts) -> Counts:
        """Both together."""
        return self._with(other, 1)

    def __sub__(self, other: Counts) -> Counts:
        """Without the rows of the other."""
        return self._with(other, -1)

    def _with(self, other: Counts, sign: int) -> Counts:
        return Counts(
            observations=self.observations + sign * other.observations,
            runs=self.runs + sign * other.runs,
            threads=self.threads + sign * other.threads,
            statuses=self.statuses + sign * other.statuses,
            edges=self.edges + sign * other.edges,
        )

    def add_to(self, summary: Summary) -> None:
        """Add them to a checker's summary."""
        summary.observations += self.observations
        summary.runs += self.runs
        summary.threads += self.threads
        for place in np.flatnonzero(self.statuses):
            summary.statuses[STATUSES[place]] += int(self.statuses[place])
        for place in np.flatnonzero(self.edges):
            source, target = divmod(int(place), _N)
            summary.edges[STATUSES[source], STATUSES[target]] += int(self.edges[place])
