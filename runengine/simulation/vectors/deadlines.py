"""Deadlines: where a run's next step would come too late, it expires instead.

The paths of a chunk are drawn as if there was no deadline, each from its own beginning, since a run's place in time is
known only when the run before it on its thread has ended. Most never come near their deadlines; those that do are
cut here.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from runengine.core import SECOND_US
from runengine.simulation.vectors.draws import Draws, Ints, Words
from runengine.simulation.vectors.world import World

__all__ = ["Paths", "meet_deadlines"]

_NONE: Final = np.empty(0, np.int64)


@frozen(kw_only=True, eq=False)
class Paths:
    """The steps of runs, each from its own beginning.

    Attributes:
        offsets: Where each run's entries begin; one more than there are runs.
        row: Of each entry, the number of the row.
        after_us: Microseconds from the run's creation; of a row that waits for the deadline, later than any deadline.
        life_us: Of each run, microseconds from its creation to its end.
        dropped: Entries that do not come to pass.

    Example:
        >>> [a.name for a in Paths.__attrs_attrs__]
        ['offsets', 'row', 'after_us', 'life_us', 'dropped']
    """

    offsets: Ints
    row: NDArray[np.int8]
    after_us: Ints
    life_us: Ints
    dropped: list[Ints]

    def risky(self, world: World) -> Ints:
        """Places of the runs that may meet their deadlines: that wait for it, or come within a second of it."""
        near = np.flatnonzero(self.after_us >= (world.scenario.ttl_s - 1) * SECOND_US)
        near = near[(world.before_deadline | world.waits)[self.row[near]]]
        return np.unique(np.searchsorted(self.offsets, near, side="right") - 1)

    def told(self, created_us: Ints) -> tuple[Ints, NDArray[np.int8], Ints]:
        """Offsets, rows and moments of what comes to pass.

        Args:
            created_us: When each run was created.
        """
        lengths = np.diff(self.offsets)
        at_us = np.repeat(created_us, lengths)
        at_us += self.after_us
        gone = np.concatenate(self.dropped) if self.dropped else _NONE
        if not len(gone):
            return self.offsets, self.row, at_us
        kept = np.ones(len(at_us), np.bool_)
        kept[gone] = False
        lengths -= np.bincount(np.searchsorted(self.offsets, gone, side="right") - 1, minlength=len(lengths))
        offsets = np.zeros_like(self.offsets)
        np.cumsum(lengths, out=offsets[1:])
        return offsets, self.row[kept], at_us[kept]


def meet_deadlines(world: World, draws: Draws, runs: Words, places: Ints, created_us: Ints, paths: Paths) -> None:
    """Cut the paths of runs at their deadlines, in place.

    Args:
        world: The scenario, compiled.
        draws: Of the seed.
        runs: The indices of the chunk's runs.
        places: Those that may be cut.
        created_us: When each run was created.
        paths: Their steps.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.vectors.histories import histories
        >>> made = next(histories(scenario_named("steady"), 1, 1000))
        >>> bool(((made.ended_us - made.created_us) < 700 * SECOND_US).all())
        True
    """
    deadline_us = (created_us[places] // SECOND_US + world.scenario.ttl_s) * SECOND_US - created_us[places]
    first = paths.offsets[places] + 1
    while len(places):
        entry, owner = _ranged(first, paths.offsets[places + 1])
        row = paths.row[entry]
        late = np.flatnonzero(
            world.waits[row] | (world.before_deadline[row] & (paths.after_us[entry] >= deadline_us[owner]))
        )
        late = late[np.diff(owner[late], prepend=-1) > 0]  # the first of each run
        here, of = entry[late], owner[late]
        expire = world.expire_after[paths.row[here - 1]]
        cut = expire >= 0
        _expire(world, draws, runs, places[of[cut]], here[cut], expire[cut], deadline_us[of[cut]], paths)
        paths.life_us[places[of[cut]]] = paths.after_us[here[cut]]
        last = np.full(len(places), len(paths.row))
        last[of[cut]] = here[cut]
        paths.dropped.append(entry[entry > last[owner]])
        here, of = here[~cut], of[~cut]
        places, first, deadline_us = places[of], here + 1, deadline_us[of]
        sooner_us = paths.after_us[here] - np.maximum(paths.after_us[here - 1], deadline_us - 1)
        entry, owner = _ranged(here, paths.offsets[places + 1])
        paths.after_us[entry] -= sooner_us[owner]  # what follows comes as long after it as was drawn
        paths.life_us[places] -= sooner_us


def _expire(
    world: World, draws: Draws, runs: Words, places: Ints, entries: Ints, rows: Ints, due_us: Ints, paths: Paths
) -> None:
    """Put expiries in the place of entries, each after its deadline, and after the entry before it."""
    lag_us = world.after_us.of(world.after_us.places[rows], draws.bits("late", 0, runs[places])).astype(np.int64)
    paths.row[entries] = rows
    paths.after_us[entries] = np.maximum(paths.after_us[entries - 1], due_us) + lag_us


def _ranged(starts: Ints, stops: Ints) -> tuple[Ints, Ints]:
    """The numbers of some ranges, one after another, and which range each is of."""
    lengths = stops - starts
    owner = np.repeat(np.arange(len(starts)), lengths)
    before = np.cumsum(lengths) - lengths
    return np.arange(len(owner)) + (starts - before)[owner], owner
