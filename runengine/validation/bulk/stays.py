"""How long runs stayed before their steps, in columns: the same evidence, and the same buckets, as of single runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from runengine.core.fields import END_STAMPS
from runengine.core.table import Policy, Transition
from runengine.validation.bulk.batch import NONE, Bools, Ints
from runengine.validation.bulk.lives import Floats
from runengine.validation.profiling.counts import Counts, EdgeCounts
from runengine.validation.profiling.dwell import BEFORE, arrivals
from runengine.validation.profiling.quantiles import LEAST_S, MOST_S, RELATIVE_ERROR, Histogram, bucket_of

__all__ = ["Evidence", "count_stays", "histogram_of"]

_LOG_FACTOR: Final = float(np.log1p(RELATIVE_ERROR))
_NEAR: Final = 1e-6


@frozen(kw_only=True, eq=False)
class Evidence:
    """What tells how long runs stayed before steps of one kind, by step; NaN where it is not known.

    Attributes:
        created: Of the snapshot after the step, Unix seconds.
        started_before: Of the snapshot before it, or NONE.
        started: Of the snapshot after it, or NONE.
        ended: Of the snapshot after it, or NONE.
        history: The snapshot after it is of an engine's history.
        entered_s: When the run came into the status before it.
        before_s: When it was last seen before that.
        first_s: When it was first seen in the status.
        last_s: When it was last seen in it.
        seen_s: When it was seen after the step.

    Example:
        >>> one, nan = np.array([10]), np.array([np.nan])
        >>> evidence = Evidence(created=one, started_before=one, started=one, ended=one, history=one == 1,
        ...                     entered_s=nan, before_s=nan, first_s=nan, last_s=nan, seen_s=nan)
        >>> evidence.stamp("created_at")
        array([10.])
    """

    created: Ints
    started_before: Ints
    started: Ints
    ended: Ints
    history: Bools
    entered_s: Floats
    before_s: Floats
    first_s: Floats
    last_s: Floats
    seen_s: Floats

    def stamp(self, name: str | None) -> Floats:
        """A stamp, seconds, by its field; NaN where it is null."""
        if name is None:
            return np.full(len(self.created), np.nan)
        column = "ended" if name in END_STAMPS else _COLUMNS[name]
        values: Ints = getattr(self, column)
        return np.where(values == NONE, np.nan, values)


_COLUMNS: Final = {"created_at": "created", "started_at": "started", BEFORE: "started_before"}


def count_stays(counts: Counts, rows: Sequence[Transition], was_null: bool, evidence: Evidence, policy: Policy) -> None:
    """Count the stays before steps of one kind.

    Args:
        counts: Where they are counted.
        rows: The rows that explain such a step.
        was_null: started_at was null before it.
        evidence: What tells of each step.
        policy: Whose edges count.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> start = next(row for row in DOCUMENTED.rows if row.event == "start")
        >>> begun, nan = np.array([10, 10]), np.full(2, np.nan)
        >>> counts, times = Counts(), dict.fromkeys(("entered_s", "before_s", "first_s", "last_s", "seen_s"), nan)
        >>> stamps = {"created": begun, "started_before": begun - 11, "started": begun + 2, "ended": begun - 11}
        >>> count_stays(counts, [start], True, Evidence(**stamps, history=begun < 0, **times), DOCUMENTED)
        >>> counts.edge(("queued", "in_progress")).dwell.as_dict()
        {'n': 2, 'p50': 2.0, 'p90': 2.0, 'p99': 2.0, 'max': 2.0}
    """
    names = arrivals(rows, was_null)
    for row, first, then in zip(rows, names, names[1:], strict=False):
        if row.edge is None or row.edge not in policy.edges:
            continue
        edge, (came, went) = counts.edge(row.edge), (evidence.stamp(first), evidence.stamp(then))
        if len(rows) > 1:
            _known(edge, went - came)
            continue
        own = evidence.history & ~np.isnan(evidence.entered_s) & ~np.isnan(evidence.seen_s)
        if own.any():
            _known(edge, (evidence.seen_s - evidence.entered_s)[own])
        stamps = ~np.isnan(came) & ~np.isnan(went)
        _known(edge, (went - came)[stamps & ~own])
        _bounds(edge, came, went, evidence, ~(stamps | own))


def _known(edge: EdgeCounts, stays_s: Floats) -> None:
    edge.dwell.take(histogram_of(stays_s[stays_s >= 0]))


def _bounds(edge: EdgeCounts, came: Floats, went: Floats, evidence: Evidence, rows: Bools) -> None:
    """Bounds, by the recorder's clock; they need both ends."""
    came_least, came_most = _or(came, evidence.before_s), _or(came, evidence.first_s)
    went_least, went_most = _or(went, evidence.last_s), _or(went, evidence.seen_s)
    at_most = went_most - came_least
    least = np.maximum(went_least - came_most, 0.0)
    told = rows & (at_most >= 0) & ~np.isnan(least)
    if told.any():
        edge.at_least.take(histogram_of(np.minimum(least, at_most)[told]))
        edge.at_most.take(histogram_of(at_most[told]))


def _or(known: Floats, instead: Floats) -> Floats:
    return np.where(np.isnan(known), instead, known)


def histogram_of(seconds: Floats) -> Histogram:
    """Durations as a histogram: what adding them one by one makes.

    Args:
        seconds: How long; none is NaN.

    Example:
        >>> histogram_of(np.array([1.0, 2.0, 0.0])).as_dict()
        {'n': 3, 'p50': 1.0, 'p90': 2.0, 'p99': 2.0, 'max': 2.0}
    """
    long = np.minimum(seconds, MOST_S)
    long = long[long >= LEAST_S]
    zeros = len(seconds) - len(long)
    kept: dict[str, Any] = {"n": len(seconds), "zeros": zeros, "least_s": MOST_S, "most_s": 0.0, "buckets": []}
    if len(long):
        kept["least_s"], kept["most_s"] = float(long.min()), float(long.max())
        kept["buckets"] = zip(*(each.tolist() for each in _buckets(long)), strict=True)
    if zeros:
        kept["least_s"] = 0.0
    return Histogram.taken(kept)


def _buckets(seconds: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The buckets that occur, and how often."""
    exact = np.log(seconds) / _LOG_FACTOR
    places = np.ceil(exact).astype(np.int64)
    # Two ways to take a logarithm may differ in its last digits: at the bounds of buckets the histogram's own is asked.
    near = np.flatnonzero(np.abs(exact - np.rint(exact)) < _NEAR)
    if len(near):
        values, back = np.unique(seconds[near], return_inverse=True)
        places[near] = np.array([bucket_of(each) for each in values.tolist()])[back.reshape(-1)]
    least = places.min()
    counts = np.bincount(places - least)
    found = np.flatnonzero(counts)
    return found + least, counts[found]
