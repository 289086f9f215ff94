"""Faults in the `*_at` stamps of a record."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from runengine.core.fields import END_STAMPS, STAMPS
from runengine.simulation.chance import Chance
from runengine.simulation.faults.building import end_of, end_stamp_of, first, set_stamps
from runengine.simulation.faults.clocks import CLOCK_FAULTS, MOVED
from runengine.simulation.faults.draft import CLOCKS_S, Change, Doc, Draft, anywhere, one, some
from runengine.simulation.faults.fault import Apply, Fault
from runengine.simulation.recording import Recording

__all__ = ["STAMP_FAULTS"]

_STARTED: Final = ("in_progress", "requires_action", "completed", "incomplete")
_MAY_LACK_START: Final = ("queued", "cancelling", "failed", "cancelled", "expired")

_UNREAD: Final = (*MOVED, "RE206", "RE210")
"""The same where a stamp cannot be read: of a deadline that nothing else shows, the usual one is taken."""


def _lost(name: str, draft: Draft, n: int) -> bool:
    if name == "started_at":
        return draft.status(n) in _STARTED
    return name == "created_at" or end_stamp_of(draft[n]) == name


def _lost_stamp(name: str, may: tuple[str, ...]) -> Fault:
    def change(doc: Doc, _chance: Chance) -> None:
        doc[name] = None

    return Fault(
        name=f"lost_{name}",
        family="stamps",
        says=f"A record whose status calls for {name} has none.",
        breaks=("RE201",),
        may=may,
        apply=one(partial(_lost, name), change),
    )


_ended: Final = Draft.ended


def _living(draft: Draft, n: int) -> bool:
    return not draft.ended(n)


def _stamp(change: Callable[[int, Chance], object]) -> Change:
    """One stamp that is set becomes something else."""

    def changed(doc: Doc, chance: Chance) -> None:
        name = chance.pick(set_stamps(doc))
        doc[name] = change(doc[name], chance)

    return changed


def _zero(doc: Doc, chance: Chance) -> None:
    doc[chance.pick([name for name in STAMPS if doc.get(name) is None])] = 0


def _lacks_one(draft: Draft, n: int) -> bool:
    return len(set_stamps(draft[n])) < len(STAMPS)


def _two_ends(doc: Doc, chance: Chance) -> None:
    own = end_stamp_of(doc)
    doc[chance.pick([name for name in END_STAMPS if name != own])] = end_of(doc)


def _wrong_end(doc: Doc, chance: Chance) -> None:
    own, at_s = end_stamp_of(doc), end_of(doc)
    doc[chance.pick([name for name in END_STAMPS if name != own])] = at_s
    doc[str(own)] = None


def _early_end(doc: Doc, chance: Chance) -> None:
    doc[chance.pick(END_STAMPS)] = doc.get("started_at") or doc["created_at"]


def _pairs(doc: Doc) -> list[tuple[str, str]]:
    names = [name for name in ("created_at", "started_at", end_stamp_of(doc)) if name and doc.get(name) is not None]
    return [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if doc[a] != doc[b]]


def _swap(doc: Doc, chance: Chance) -> None:
    earlier, later = chance.pick(_pairs(doc))
    doc[earlier], doc[later] = doc[later], doc[earlier]


def _kept_start(draft: Draft, n: int) -> bool:
    """The snapshot before shows the run living, and started at the same second."""
    if not n or draft.ended(n - 1):
        return False
    return draft.started(n) is not None and draft.started(n) == draft.started(n - 1)


def _may_move(draft: Draft, n: int) -> bool:
    return _kept_start(draft, n) and (draft.status(n) != "in_progress" or not draft.complete)


def _seen_moved(draft: Draft, n: int) -> bool:
    """In a polled recording only where a resume at that second would have been seen by the poll before."""
    before_s = draft.row(n - 1).observed_at
    return draft.complete or (before_s is not None and draft.started(n) < before_s - CLOCKS_S)


def _moved(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, _may_move, chance)
    if n is None:
        return None
    doc = dict(draft[n])
    doc["started_at"] += chance.between(1, 3)
    draft.put(n, doc)
    if _seen_moved(draft, n):
        draft.mark(n)
    return draft.made()


def _went_back(doc: Doc, chance: Chance) -> None:
    doc["started_at"] = chance.between(doc["created_at"], doc["started_at"] - 1)


def _waited(draft: Draft, n: int) -> bool:
    return _kept_start(draft, n) and draft.started(n) > draft[n]["created_at"]


def _cleared(draft: Draft, n: int) -> bool:
    return _kept_start(draft, n) and draft.status(n) in _MAY_LACK_START


def _clear_start(doc: Doc, _chance: Chance) -> None:
    doc["started_at"] = None


def _lived_before(draft: Draft, n: int) -> bool:
    return n > 0 and not draft.ended(n - 1)


def _created_before(doc: Doc, chance: Chance) -> None:
    doc["created_at"] -= chance.between(1, 60)


def _has_start(draft: Draft, n: int) -> bool:
    return draft.started(n) is not None


def _started_before_created(doc: Doc, chance: Chance) -> None:
    doc["started_at"] = doc["created_at"] - chance.between(1, 60)


def _ended_before_started(doc: Doc, chance: Chance) -> None:
    doc[str(end_stamp_of(doc))] = doc["started_at"] - chance.between(1, 60)


def _deadline_lost(doc: Doc, _chance: Chance) -> None:
    doc["expires_at"] = None


def _deadline_kept(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, _ended, chance)
    if n is None:
        return None
    doc = dict(draft[n])
    doc["expires_at"] = doc["created_at"] + recording.life.scenario.ttl_s
    draft.put(n, doc, seen=True)
    return draft.made()


def _deadline_moved(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, lambda draft, n: n > 0 and not draft.ended(n), chance)
    if n is None:
        return None
    later_s = chance.between(1, 35_400)
    end = first(draft, draft.ended)
    for later in range(n, len(draft) if end is None else end):
        doc = dict(draft[later])
        doc["expires_at"] += later_s
        draft.put(later, doc, seen=later == n)
    return draft.made()


def _deadline_before(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft, early_s = Draft(recording), chance.between(1, 600)
    living = [n for n in range(len(draft)) if not draft.ended(n)]
    if not living:
        return None
    for n in living:
        doc = dict(draft[n])
        doc["expires_at"] = doc["created_at"] - early_s
        draft.put(n, doc, seen=n == living[0])
    return draft.made()


def _fault(
    name: str, says: str, breaks: tuple[str, ...] | str, apply: Apply, may: tuple[str, ...] = (), unseen: str = ""
) -> Fault:
    codes = (breaks,) if isinstance(breaks, str) else breaks
    return Fault(name=name, family="stamps", says=says, breaks=codes, may=may, apply=apply, unseen=unseen)


STAMP_FAULTS: Final[tuple[Fault, ...]] = (
    _lost_stamp("created_at", ("RE103", "RE204")),
    _lost_stamp("started_at", ("RE103", "RE204")),
    *(_lost_stamp(name, ("RE103",)) for name in END_STAMPS),
    _fault("two_end_stamps", "An ended run has a second end stamp.", "RE202", one(_ended, _two_ends), may=("RE103",)),
    _fault(
        "wrong_end_stamp",
        "The end stamp stands under the name of another.",
        "RE202",
        one(_ended, _wrong_end),
        may=("RE103", "RE201"),
    ),
    _fault("early_end_stamp", "A living run has an end stamp.", "RE202", one(_living, _early_end)),
    _fault(
        "stamp_in_milliseconds",
        "A stamp counts milliseconds.",
        "RE207",
        one(anywhere, _stamp(lambda value, _chance: value * 1000)),
        may=_UNREAD,
    ),
    _fault(
        "fractional_stamp",
        "A stamp is a number with a point.",
        "RE207",
        one(anywhere, _stamp(lambda value, chance: value + chance.pick((0.0, 0.25, 0.5)))),
        may=_UNREAD,
    ),
    _fault(
        "stamp_as_text",
        "A stamp is text.",
        "RE207",
        one(anywhere, _stamp(lambda value, _chance: str(value))),
        may=_UNREAD,
    ),
    _fault(
        "negative_stamp",
        "A stamp is negative.",
        "RE207",
        one(anywhere, _stamp(lambda value, _chance: -value)),
        may=_UNREAD,
    ),
    _fault(
        "zero_stamp",
        "A stamp that has not happened is 0 in place of null.",
        "RE209",
        one(_lacks_one, _zero),
        may=(*MOVED, "RE202", "RE206"),
    ),
    _fault(
        "swapped_stamps",
        "Two stamps stand in each other's place.",
        "RE203",
        one(lambda draft, n: bool(_pairs(draft[n])), _swap),
        may=(*MOVED, "RE206", "RE208", "RE210"),
    ),
    _fault(
        "started_before_created",
        "started_at lies before created_at.",
        "RE203",
        one(_has_start, _started_before_created),
        may=MOVED,
    ),
    _fault(
        "ended_before_started",
        "The end stamp lies before started_at.",
        "RE203",
        one(lambda draft, n: draft.ended(n) and _has_start(draft, n), _ended_before_started),
        may=("RE103", "RE206"),
    ),
    _fault(
        "moved_created_at",
        "created_at of one snapshot is not that of the others.",
        "RE204",
        one(_lived_before, _created_before),
        may=("RE103",),
    ),
    _fault(
        "moved_started_at",
        "started_at of one snapshot is later than in the one before, without a resume.",
        ("RE205", "RE106"),
        _moved,
        may=("RE103", "RE203", "RE204", "RE208", "RE210"),
        unseen="a poller cannot tell it from a tool round, where the run could have been resumed since the last poll",
    ),
    _fault(
        "started_at_went_back",
        "started_at of one snapshot is earlier than in the one before.",
        ("RE205", "RE106"),
        one(_waited, _went_back),
        may=("RE103",),
    ),
    _fault(
        "cleared_started_at",
        "started_at is null in a snapshot after one in which it is set.",
        "RE204",
        one(_cleared, _clear_start),
        may=("RE101", "RE102", "RE103", "RE205", "RE106"),
    ),
    *CLOCK_FAULTS,
    _fault("lost_deadline", "A living run has no expires_at.", "RE206", one(_living, _deadline_lost), may=("RE210",)),
    _fault("kept_deadline", "An ended run still has its expires_at.", "RE206", _deadline_kept, may=("RE103", "RE210")),
    _fault("moved_deadline", "expires_at moves while the run lives.", "RE204", _deadline_moved, may=("RE206",)),
    _fault("deadline_before_creation", "expires_at lies before created_at.", "RE203", _deadline_before, may=("RE210",)),
)
"""The faults of this family."""
