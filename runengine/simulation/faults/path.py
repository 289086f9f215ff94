"""Faults in a run's path through its statuses."""

from __future__ import annotations

from typing import Final

from runengine.core import TERMINAL
from runengine.core.generations import GENERATIONS
from runengine.simulation.chance import Chance
from runengine.simulation.faults.building import deadline_of, end_of, end_stamp_of, ended_as, first, shift
from runengine.simulation.faults.draft import ARRIVES, Doc, Draft, anywhere, one, some
from runengine.simulation.faults.fault import Fault
from runengine.simulation.recording import Recording

__all__ = ["LOST", "PATH_FAULTS", "shows_gap"]

LOST: Final = ("RE101", "RE102", "RE205", "RE206", "RE210", "RE404")
"""What may follow where one snapshot cannot be read: a gap, and an end or a deadline that nothing else shows."""

_MISSPELLED: Final[dict[str, str]] = {
    "queued": "queue",
    "in_progress": "in-progress",
    "requires_action": "required_action",
    "cancelling": "canceling",
    "completed": "complete",
    "incomplete": "Incomplete",
    "failed": "failure",
    "cancelled": "canceled",
    "expired": "timed_out",
}
_DAY_S: Final = 86_400


def _illegal_step(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, lambda draft, n: draft.status(n) == "in_progress", chance)
    if n is None:
        return None
    draft.add(n, dict(draft[n], status="queued"), seen=True)
    return draft.made()


def _cancel_undone(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, lambda draft, n: draft.status(n) == "in_progress", chance)
    if n is None:
        return None
    draft.add(n, dict(draft[n], status="cancelling"))
    draft.add(n, draft[n], seen=True)
    return draft.made()


def _undocumented_step(recording: Recording, _chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = first(draft, lambda n: draft.status(n) != "queued")
    if not n or draft.started(0) is not None or draft.status(n) == "failed":
        return None
    born = draft[0]
    at_s = max(born["created_at"], min(draft.at_s(n), born["expires_at"] - 1))
    place = draft.places[n]
    kind = "poll" if recording.view == "polled" else draft.row(n).kind
    draft.put(n, ended_as(born, "failed", at_s), seen=True, event=draft.event("failed"), kind=kind)
    draft.drop(*(p for p in range(place + 1, len(draft.rows)) if p + 1 < len(draft.rows) or p in draft.places))
    return draft.made()


def _resurrected(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    living = [n for n in range(len(draft)) if not draft.ended(n)]
    if not living or not draft.ended(len(draft) - 1):
        return None
    draft.add(len(draft) - 1, draft[chance.pick(living)], seen=True)
    return draft.made()


def _ended_twice(recording: Recording, _chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    last = len(draft) - 1
    if last < 0 or not draft.ended(last):
        return None
    doc = draft[last]
    draft.add(last, ended_as(doc, "failed" if doc["status"] == "cancelled" else "cancelled", end_of(doc)), seen=True)
    return draft.made()


def _changed_after_end(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    last = len(draft) - 1
    if last < 0 or not draft.ended(last):
        return None
    doc, later_s = draft[last], chance.between(1, 30)
    stamp = end_stamp_of(doc)
    assert stamp is not None
    draft.add(last, {**doc, stamp: doc[stamp] + later_s}, seen=True, later_s=later_s)
    return draft.made()


def _not_created_queued(recording: Recording, _chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = first(draft, lambda n: draft.status(n) != "queued")
    if not n:
        return None
    draft.put(n, seen=True, kind="create")
    draft.drop(*draft.places[:n])
    return draft.made()


def _misspelled(doc: Doc, _chance: Chance) -> None:
    doc["status"] = _MISSPELLED[doc["status"]]


def _of_another_generation(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    """Before G6 there are no details to say why; from G9 on the status is known."""
    draft, generation = Draft(recording), recording.life.scenario.generation_number
    n = first(draft, lambda n: draft.status(n) == "completed")
    if n is None or not draft.declares("incomplete_details") or generation > 8:
        return None
    reason = chance.pick(("max_completion_tokens", "max_prompt_tokens"))
    published = (GENERATIONS[generation].published_s, GENERATIONS[9].published_s)
    seen = "file_ids" in draft[n] and published[0] <= draft[n]["created_at"] + _DAY_S < published[1]
    for later in range(n, len(draft)):
        doc = dict(draft[later], status="incomplete", incomplete_details={"reason": reason})
        event = draft.row(later).event
        arrived = event in ("thread.run.completed", ARRIVES["completed"])
        draft.put(later, doc, event=draft.event("incomplete") if arrived else event, seen=seen and later == n)
    return draft.made()


def _expired_early(recording: Recording, _chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = first(draft, lambda n: draft.status(n) == "completed")
    if not n:
        return None
    for later in range(n, len(draft)):
        event = draft.row(later).event
        arrived = event in ("thread.run.completed", ARRIVES["completed"])
        doc = dict(draft[later], status="expired")
        draft.put(later, doc, event=draft.event("expired") if arrived else event, seen=later == n)
    return draft.made()


def _acted_late(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = first(draft, lambda n: draft.status(n) in ("completed", "incomplete", "failed"))
    deadline = deadline_of(draft)
    if not n or deadline is None:
        return None
    stamp = end_stamp_of(draft[n])
    assert stamp is not None
    shift(draft, n, deadline + chance.below(600) - end_of(draft[n]), stamp)
    draft.mark(n)
    return draft.made()


def _started_late(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    """The last stretch of work, and all that came after it, is moved behind the deadline."""
    draft = Draft(recording)
    deadline, last = deadline_of(draft), len(draft) - 1
    started = draft.started(last) if last > 0 else None
    n = first(draft, lambda n: draft.started(n) == started and draft.status(n) != "queued")
    if started is None or deadline is None or not n:
        return None
    again = first(draft, lambda later: draft.status(later) == "queued", n)
    if again is not None:
        return None
    shift(draft, n, deadline + chance.below(600) - started, "started_at", "completed_at", "failed_at", "cancelled_at")
    draft.mark(n)
    return draft.made()


def _lost(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    polled = recording.view == "polled"
    n = some(draft, lambda draft, n: n > 0 and (draft.row(n).kind == "poll" if polled else n + 1 < len(draft)), chance)
    if n is None:
        return None
    if not polled and shows_gap(draft, n):
        draft.mark(n + 1)
    draft.drop(draft.places[n])
    return draft.made()


def shows_gap(draft: Draft, n: int) -> bool:
    """Whether every status is shown, the snapshots beside the n-th are there, and cannot follow each other.

    Args:
        draft: The recording.
        n: Which is left out.

    Example:
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.recording import history_of
        >>> shows_gap(Draft(history_of(life_of(scenario_named("steady"), 1, 7))), 1)
        True
    """
    source, target = draft.status(n - 1), draft.status(n + 1)
    if source in TERMINAL:
        return False
    if source != target and (source, target) not in draft.edges:
        return True
    return target != "in_progress" and draft.started(n - 1) != draft.started(n + 1)


_ANY: Final = one(anywhere, _misspelled)
_CANCEL: Final = one(lambda draft, n: draft.status(n) in ("cancelling", "cancelled"), _misspelled)

PATH_FAULTS: Final[tuple[Fault, ...]] = (
    Fault(
        name="illegal_step",
        family="path",
        says="The run goes back from in_progress to queued, which no policy lets it.",
        breaks=("RE101",),
        may=("RE102", "RE505", "RE506"),
        views=("history", "stream"),
        unseen="a poller would take it for a tool round it has missed, so it is not made in polled recordings",
        apply=_illegal_step,
    ),
    Fault(
        name="cancel_undone",
        family="path",
        says="A run that is cancelling is in_progress again.",
        breaks=("RE101",),
        may=("RE102",),
        apply=_cancel_undone,
    ),
    Fault(
        name="undocumented_step",
        family="path",
        says="The run fails while it is queued, a step that the published diagram does not draw.",
        breaks=("RE102",),
        apply=_undocumented_step,
    ),
    Fault(
        name="resurrected_run",
        family="path",
        says="After its end the run is seen alive.",
        breaks=("RE103",),
        may=("RE404",),
        apply=_resurrected,
    ),
    Fault(
        name="ended_twice",
        family="path",
        says="The run ends a second time, in another status.",
        breaks=("RE103",),
        may=("RE210",),
        apply=_ended_twice,
    ),
    Fault(
        name="changed_after_end",
        family="path",
        says="The end stamp of an ended run moves.",
        breaks=("RE103",),
        may=("RE210",),
        apply=_changed_after_end,
    ),
    Fault(
        name="not_created_queued",
        family="path",
        says="The answer that creates the run shows it further on than queued.",
        breaks=("RE104",),
        may=("RE206", "RE210"),
        views=("polled",),
        apply=_not_created_queued,
    ),
    Fault(
        name="misspelled_status",
        family="path",
        says="A status is spelled in a way of its own, as `in-progress`.",
        breaks=("RE105",),
        may=LOST,
        apply=_ANY,
    ),
    Fault(
        name="canceled",
        family="path",
        says="A cancelled or cancelling run is spelled with one l.",
        breaks=("RE105",),
        may=LOST,
        apply=_CANCEL,
    ),
    Fault(
        name="status_not_in_generation",
        family="path",
        says="A record of G6 to G8 is incomplete, a status that was published in G9.",
        breaks=("RE107",),
        unseen="a record without file_ids, or from another time than its generation's, is taken for one of G9",
        apply=_of_another_generation,
    ),
    Fault(
        name="expired_before_deadline",
        family="path",
        says="The run expires before its deadline.",
        breaks=("RE206",),
        may=("RE102",),
        apply=_expired_early,
    ),
    Fault(
        name="acted_after_deadline",
        family="path",
        says="The run completes, fails or runs out of tokens at or after its deadline.",
        breaks=("RE210",),
        apply=_acted_late,
    ),
    Fault(
        name="started_after_deadline",
        family="path",
        says="The run's last stretch of work begins at or after its deadline.",
        breaks=("RE210",),
        apply=_started_late,
    ),
    Fault(
        name="lost_row",
        family="path",
        says="One snapshot of the run is missing.",
        breaks=("RE101", "RE205"),
        may=("RE102",),
        views=("history", "polled"),
        unseen="a poller may miss any status; in a history, where the snapshots beside it may follow each other",
        apply=_lost,
    ),
)
"""The faults of this family."""
