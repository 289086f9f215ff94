"""Faults in the clocks: stamps that lie ahead of who saw them, and a recorder whose clock is off."""

from __future__ import annotations

from math import ceil
from typing import Final

from runengine.simulation.chance import Chance
from runengine.simulation.faults.building import set_stamps
from runengine.simulation.faults.draft import Draft, some
from runengine.simulation.faults.fault import Apply, Fault
from runengine.simulation.recording import Recording

__all__ = ["CLOCK_FAULTS", "MOVED"]

MOVED: Final = ("RE103", "RE204", "RE205", "RE106")
"""What may follow where a stamp is not what it was, or is that again in the next snapshot."""


def _in_future(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, lambda draft, n: draft.row(n).observed_at is not None, chance)
    if n is None:
        return None
    doc, seen_s = dict(draft[n]), draft.row(n).observed_at
    assert seen_s is not None
    name = chance.pick([name for name in set_stamps(doc) if name != "expires_at"])
    doc[name] = ceil(seen_s) + chance.between(60, 3600)
    draft.put(n, doc, seen=True)
    return draft.made()


def _clock(least_s: int, most_s: int, *, marked: bool) -> Apply:
    """The recorder's clock is off throughout."""

    def apply(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
        draft, off_s = Draft(recording), chance.between(least_s, most_s)
        if not len(draft) or any(row.observed_at is None for row in draft.rows):
            return None
        for place, row in enumerate(draft.rows):
            assert row.observed_at is not None
            draft.rows[place] = row.changed(observed_at=row.observed_at + off_s)
        if marked:
            draft.mark(0)
        return draft.made()

    return apply


def _stepped_back(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, lambda draft, n: n > 0 and draft.row(n).observed_at is not None, chance)
    if n is None:
        return None
    before_s, now_s = draft.row(n - 1).observed_at, draft.row(n).observed_at
    assert before_s is not None
    assert now_s is not None
    back_s = int(now_s - before_s) + chance.between(1, 3600)
    for later in range(n, len(draft)):
        at = draft.row(later).observed_at
        draft.put(later, observed_at=None if at is None else at - back_s, seen=later == n)
    return draft.made()


_OBSERVED: Final = "streams carry no time of observation, so it is not made in them"

CLOCK_FAULTS: Final[tuple[Fault, ...]] = (
    Fault(
        name="stamp_in_the_future",
        family="stamps",
        says="A stamp lies a minute or more after the moment the record was seen.",
        breaks=("RE208",),
        may=(*MOVED, "RE203", "RE210"),
        views=("history", "polled"),
        unseen=_OBSERVED,
        apply=_in_future,
    ),
    Fault(
        name="recorder_behind",
        family="stamps",
        says="The recorder's clock is minutes behind the server's.",
        breaks=("RE208",),
        views=("history", "polled"),
        unseen=_OBSERVED,
        apply=_clock(-3600, -180, marked=True),
    ),
    Fault(
        name="recorder_ahead",
        family="stamps",
        says="The recorder's clock is minutes ahead of the server's.",
        breaks=(),
        may=("RE106",),
        views=("history", "polled"),
        unseen="a record may be seen any time after its stamps; only a resume may look as if it lay before a poll",
        apply=_clock(180, 3600, marked=False),
    ),
    Fault(
        name="recorder_stepped_back",
        family="stamps",
        says="The recorder's clock is set back while it looks on.",
        breaks=("RE406",),
        may=("RE208",),
        views=("history", "polled"),
        unseen=_OBSERVED,
        apply=_stepped_back,
    ),
)
"""The faults of clocks, among those of the stamps."""
