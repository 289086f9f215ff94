"""What ends a stay, and after how long, where several things can: shares and distributions of one source together.

A stay that was still open when the recording ended, or that its deadline ended, counts for each event in proportion to
how likely that event would still have been to come: the shares and the distributions are found in turn until both are
still (expectation and maximisation). Where some rows were closed to a run, as after its last tool round or before its
first start, it counts only for those that were open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from runengine.core.guards import DEADLINE_FREE
from runengine.simulation.distributions import Distribution
from runengine.simulation.fitting.choosing import Choice, chosen, refitted
from runengine.simulation.fitting.likelihood import Sample, survival

__all__ = ["EXPIRE", "Ended", "Risk", "interval_of", "risks_of"]

_ROUNDS_MAX: Final = 40
_STILL: Final = 2e-4
_FEW_OPEN: Final = 0.02
EXPIRE: Final = "expire"
"""The event that waits for the deadline."""


@frozen(kw_only=True, eq=False)
class Ended:
    """The stays in one status that one event ended.

    Attributes:
        sample: Their lengths as far as known (of expire, seconds after the deadline); of many, a part.
        counts: How many there are, by the situation they were in.

    Example:
        >>> from runengine.simulation.fitting.likelihood import sample_of
        >>> Ended(sample=sample_of([(0, 1, 1)]), counts={"open": 1}).count
        1
    """

    sample: Sample
    counts: Mapping[str, int]

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.counts.values())


@frozen(kw_only=True, eq=False)
class Risk:
    """One event of a source.

    Attributes:
        share: Its share.
        low: The lower end of the share's 95 % interval.
        high: The upper end.
        choice: After how long.
        open_weight: How many of the stays whose end was not seen count for it.

    Example:
        >>> [a.name for a in Risk.__attrs_attrs__]
        ['share', 'low', 'high', 'choice', 'open_weight']
    """

    share: float
    low: float
    high: float
    choice: Choice
    open_weight: float


def risks_of(
    ended: Mapping[str, Ended],
    left: Sample,
    due: Sample,
    closed: Mapping[str, frozenset[str]],
    defaults: Mapping[str, Distribution],
) -> dict[str, Risk]:
    """The events of one source.

    Args:
        ended: The stays by the event that ended them.
        left: The stays that had not ended.
        due: The stays that ended by their deadline, as lasting until it.
        closed: For each situation, the events that cannot come there.
        defaults: For each event, the distribution kept where there are few stays.

    Example:
        >>> from runengine.simulation.distributions import Exponential
        >>> from runengine.simulation.fitting.likelihood import sample_of
        >>> nothing, one = sample_of([]), Exponential(mean=1.0)
        >>> found = risks_of(
        ...     {"start": Ended(sample=sample_of([(0, 1, 1)]), counts={"": 3}),
        ...      "cancel": Ended(sample=sample_of([(0, 2, 2)]), counts={"": 1})},
        ...     nothing, nothing, {}, {"start": one, "cancel": one})
        >>> round(found["start"].share, 6)
        0.75
    """
    events = list(ended)
    shares = _shares(ended, {}, closed)
    samples = {event: kept.sample for event, kept in ended.items()}
    extra: dict[str, float] = dict.fromkeys(events, 0.0)
    if events and (len(left) or (len(due) and len(events) > 1)):
        choices, shares, extra, samples = _shared_out(ended, left, due, closed, defaults)
    # What was measured ends where the recordings did, so it stands for no row with many open stays.
    choices = {
        event: chosen(samples[event], defaults[event], measured=extra[event] <= _FEW_OPEN * kept.count)
        for event, kept in ended.items()
    }
    total = sum(kept.count for kept in ended.values()) + float(left.weight.sum())
    made: dict[str, Risk] = {}
    for event in events:
        low, high = interval_of(shares[event], total)
        made[event] = Risk(
            share=shares[event], low=low, high=high, choice=choices[event], open_weight=max(0.0, extra[event])
        )
    return made


def _shared_out(
    ended: Mapping[str, Ended],
    left: Sample,
    due: Sample,
    closed: Mapping[str, frozenset[str]],
    defaults: Mapping[str, Distribution],
) -> tuple[dict[str, Choice], dict[str, float], dict[str, float], dict[str, Sample]]:
    """Shares and distributions with the open stays counted for each event by how likely it still was to come.

    At first by the shares of those that ended: a family chosen without them would take the tail for shorter than it is.
    """
    events = list(ended)
    shares = _shares(ended, {}, closed)
    samples = {event: _with_open(kept, (left, left.weight * shares[event])) for event, kept in ended.items()}
    choices = {event: chosen(samples[event], defaults[event], measured=False) for event in events}
    extra: dict[str, float] = {}
    for _ in range(_ROUNDS_MAX):
        open_weights, due_weights = _spread(events, shares, choices, left, due)
        extra = {event: float(open_weights[event].sum() + due_weights[event].sum()) for event in events}
        for event in events:
            if event == EXPIRE:
                extra[event] -= float(due.weight.sum())
            else:
                samples[event] = _with_open(ended[event], (left, open_weights[event]), (due, due_weights[event]))
                choices[event] = refitted(samples[event], choices[event])
        fresh = _shares(ended, extra, closed)
        moved = max(abs(fresh[event] - shares[event]) for event in events)
        shares = fresh
        if moved < _STILL:
            break
    return choices, shares, extra, samples


def _with_open(ended: Ended, *open_stays: tuple[Sample, NDArray[np.float64]]) -> Sample:
    """The stays kept of an event, and the same part of those whose end was not seen."""
    part = ended.sample.count / max(ended.count, 1)
    sample = ended.sample
    for stays, weight in open_stays:
        some = weight * part > 1e-3
        sample = sample.with_(stays.weighed(weight * part).only(some)) if some.any() else sample
    return sample


Weights = dict[str, NDArray[np.float64]]


def _spread(
    events: list[str], shares: Mapping[str, float], choices: Mapping[str, Choice], left: Sample, due: Sample
) -> tuple[Weights, Weights]:
    """How much each open stay counts for each event."""
    open_chance: Weights = {}
    due_chance: Weights = {}
    for event in events:
        distribution = choices[event].distribution
        lasts = np.ones(len(left)) if event == EXPIRE else survival(distribution, left)
        open_chance[event] = shares[event] * np.maximum(lasts, 1e-12)
        if event == EXPIRE:
            due_chance[event] = np.full(len(due), max(shares[event], 1e-12))
        else:
            beyond = survival(distribution, due) * (event not in DEADLINE_FREE)
            due_chance[event] = shares[event] * beyond
    open_total = sum(open_chance.values(), np.zeros(len(left)))
    due_total = sum(due_chance.values(), np.zeros(len(due)))
    return (
        {event: left.weight * open_chance[event] / np.maximum(open_total, 1e-300) for event in events},
        {event: due.weight * due_chance[event] / np.maximum(due_total, 1e-300) for event in events},
    )


def _shares(
    ended: Mapping[str, Ended], extra: Mapping[str, float], closed: Mapping[str, frozenset[str]]
) -> dict[str, float]:
    """Shares where not every row was open to every stay: those that make the counts most likely."""
    counts = {event: max(kept.count + extra.get(event, 0.0), 1e-12) for event, kept in ended.items()}
    total = sum(counts.values())
    shares = {event: count / total for event, count in counts.items()}
    situations: Counter[str] = Counter()
    for kept in ended.values():
        situations.update(kept.counts)
    seen = situations.total()
    if not any(closed.get(situation) for situation in situations) or not seen:
        return shares
    for _ in range(200):
        needed = dict.fromkeys(ended, 0.0)
        for situation, count in situations.items():
            open_events = [event for event in ended if event not in closed.get(situation, frozenset())]
            room = sum(shares[event] for event in open_events)
            for event in open_events:
                needed[event] += count * total / seen / max(room, 1e-12)
        fresh = {event: counts[event] / needed[event] if needed[event] else 0.0 for event in ended}
        whole = sum(fresh.values())
        shares = {event: share / whole for event, share in fresh.items()}
    return shares


def interval_of(share: float, count: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share.

    Args:
        share: The share.
        count: Of how many.

    Example:
        >>> [round(end, 3) for end in interval_of(0.5, 100)]
        [0.404, 0.596]
    """
    if count <= 0:
        return 0.0, 1.0
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    wide = z * (max(share * (1 - share), 0) / count + z * z / (4 * count * count)) ** 0.5 / (1 + z * z / count)
    return max(0.0, middle - wide), min(1.0, middle + wide)
