"""Faults across objects: two runs, and the steps and messages of one."""

from __future__ import annotations

from typing import Final

from runengine.core import JSON
from runengine.simulation.chance import Chance
from runengine.simulation.faults.building import end_of
from runengine.simulation.faults.draft import Draft
from runengine.simulation.faults.fault import Fault
from runengine.simulation.faults.nesting import MESSAGE, NESTING_FAULTS, STEP, whole
from runengine.simulation.recording import Recording, Row, View

__all__ = ["OBJECT_FAULTS"]

_OVERLAP_S: Final = 3
"""How long two runs must be active together, by their stamps, for everyone to see it."""


def _active(recording: Recording) -> tuple[int, int] | None:
    """From when to when a recording shows its run active, seconds."""
    draft = Draft(recording)
    if not len(draft):
        return None
    last = len(draft) - 1
    doc = draft[last]
    return int(draft[0]["created_at"]), end_of(doc) if draft.ended(last) else draft.at_s(last)


def _overlapping(recording: Recording, _chance: Chance, other: Recording | None) -> Recording | None:
    if other is None or other.life.thread_id == recording.life.thread_id:
        return None
    mine, theirs = _active(recording), _active(other)
    if mine is None or theirs is None or min(mine[1], theirs[1]) - max(mine[0], theirs[0]) < _OVERLAP_S:
        return None
    draft = _renamed(recording, ("thread_id", "threadId"), other.life.thread_id)
    for n in range(len(draft)):
        draft.mark(n)
    return draft.made()


def _retried(recording: Recording, _chance: Chance, _other: Recording | None) -> Recording | None:
    """Each record is there once more with another id, as of a create that was sent twice."""
    draft = Draft(recording)
    last = len(draft) - 1
    if last < 0 or not draft.ended(last) or end_of(draft[last]) - int(draft[0]["created_at"]) < _OVERLAP_S:
        return None
    for place in draft.places:
        row = draft.rows[place]
        assert isinstance(row.data, dict)
        draft.add_row(place, row.changed(data={**row.data, "id": f"{row.data['id']}0"}, broken=True))
    return draft.made()


def _given_again(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    """After the run has ended, a run of the same id is created."""
    draft = Draft(recording)
    last = len(draft) - 1
    if last < 0 or not draft.ended(last) or draft.status(0) != "queued" or draft.started(0) is not None:
        return None
    doc = dict(draft[0])
    later_s = end_of(draft[last]) - int(doc["created_at"]) + chance.between(5, 600)
    for name in ("created_at", "expires_at"):
        doc[name] = int(doc[name]) + later_s
    doc["thread_id"] = f"{doc['thread_id']}0"
    view = recording.view
    event = {"history": "create", "stream": "thread.run.created"}.get(view)
    since_s = int(doc["created_at"]) - draft.at_s(last) + 1
    kind = "create" if view == "polled" else view
    draft.add(last, doc, seen=True, later_s=max(since_s, 1), event=event, kind=kind)
    return draft.made()


def _reused(recording: Recording, _chance: Chance, other: Recording | None) -> Recording | None:
    if other is None or other.life.run_id == recording.life.run_id or not Draft(other).places:
        return None
    draft = _renamed(recording, ("run_id", "runId"), other.life.run_id)
    for n in range(len(draft)):
        draft.put(n, {**draft[n], "id": other.life.run_id}, seen=True)
    return draft.made()


def _renamed(recording: Recording, keys: tuple[str, ...], value: str) -> Draft:
    """The recording with another id wherever one of these keys is."""
    draft = Draft(recording)
    for place, row in enumerate(draft.rows):
        if row.raw is None and type(row.data) is dict:
            known: dict[str, JSON] = {key: value for key in keys if key in row.data}
            draft.rows[place] = row.changed(data={**row.data, **known})
    return draft


def _ends_of(recording: Recording, kind: str) -> list[int]:
    """Rows at which a step or message is completed."""
    return [
        place
        for place, row in enumerate(recording.rows)
        if row.event == f"{kind}.completed" and whole(row, kind) is not None
    ]


def _left_open(tools: bool, recording: Recording, chance: Chance) -> Recording | None:
    draft = Draft(recording)
    ends = [n for n in _ends_of(recording, STEP) if _calls_tools(recording.rows[n]) == tools]
    last = len(draft) - 1
    if not ends or last < 0 or not draft.ended(last) or draft.status(last) == "expired":
        return None
    draft.drop(chance.pick(ends))
    draft.mark(last)
    return draft.made()


def _calls_tools(row: Row) -> bool:
    step = whole(row, STEP)
    return step is not None and step["type"] == "tool_calls"


def _step_left_open(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    return _left_open(False, recording, chance)


def _tools_left_open(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    return _left_open(True, recording, chance)


def _without_run(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft, ends = Draft(recording), _ends_of(recording, STEP)
    if not ends:
        return None
    step = whole(draft.rows[chance.pick(ends)], STEP)
    assert step is not None
    for place, row in enumerate(draft.rows):
        shown = whole(row, STEP)
        if shown is not None and shown["id"] == step["id"]:
            draft.rows[place] = row.changed(data={**shown, "run_id": f"{shown['run_id']}0"})
            draft.mark_place(place)
    return draft.made()


def _again(kind: str, word: str, status: str, recording: Recording, chance: Chance) -> Recording | None:
    """What was completed comes once more, in another status."""
    draft, ends = Draft(recording), _ends_of(recording, kind)
    if not ends:
        return None
    place = chance.pick(ends)
    row = draft.rows[place]
    shown = whole(row, kind)
    assert shown is not None
    stamps: dict[str, JSON] = {"completed_at": None}
    if status == "failed":
        stamps.update(failed_at=shown["completed_at"], last_error={"code": "server_error", "message": "It failed."})
    elif status == "incomplete":
        stamps.update(incomplete_at=shown["completed_at"], incomplete_details={"reason": "run_failed"})
    draft.add_row(place, row.changed(event=f"{kind}.{word}", data={**shown, "status": status, **stamps}, broken=True))
    return draft.made()


def _step_ended_twice(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    return _again(STEP, "failed", "failed", recording, chance)


def _step_resumed(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    return _again(STEP, "in_progress", "in_progress", recording, chance)


def _message_reopened(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    return _again(MESSAGE, "in_progress", "in_progress", recording, chance)


def _message_incomplete(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    return _again(MESSAGE, "incomplete", "incomplete", recording, chance)


_STREAM: Final[tuple[View, ...]] = ("stream",)

OBJECT_FAULTS: Final[tuple[Fault, ...]] = (
    Fault(
        name="overlapping_runs",
        family="objects",
        says="The run is active on a thread on which another one is active.",
        breaks=("RE501",),
        unseen="it is made only where the stamps of both show them active together for 3 s",
        reaches=True,
        apply=_overlapping,
    ),
    Fault(
        name="retried_create",
        family="objects",
        says="The run was created twice: another one, of another id, lives beside it on its thread.",
        breaks=("RE501",),
        unseen="it is made only where the run ended 3 s or more after it was created",
        apply=_retried,
    ),
    Fault(
        name="id_given_again",
        family="objects",
        says="After the run has ended, another one is created with its id, on another thread.",
        breaks=("RE502",),
        may=("RE404",),
        apply=_given_again,
    ),
    Fault(
        name="reused_run_id",
        family="objects",
        says="The run has the id of another one.",
        breaks=("RE502", "RE103", "RE204", "RE401"),
        may=(
            *("RE101", "RE102", "RE106", "RE205", "RE206", "RE208", "RE210"),
            *("RE402", "RE404", "RE405", "RE406", "RE501", "RE503", "RE504", "RE505", "RE506"),
        ),
        reaches=True,
        apply=_reused,
    ),
    Fault(
        name="step_left_open",
        family="objects",
        says="The run ends, otherwise than by expiring, while its message_creation step has not.",
        breaks=("RE503",),
        may=("RE505",),
        views=_STREAM,
        apply=_step_left_open,
    ),
    Fault(
        name="tool_step_left_open",
        family="objects",
        says="The run ends, otherwise than by expiring, while a step that called tools has not.",
        breaks=("RE503",),
        may=("RE505",),
        views=_STREAM,
        apply=_tools_left_open,
    ),
    Fault(
        name="step_without_run",
        family="objects",
        says="A step names a run that the recording does not show.",
        breaks=("RE504",),
        may=("RE506",),
        views=_STREAM,
        apply=_without_run,
    ),
    Fault(
        name="step_ended_twice",
        family="objects",
        says="A step that is completed fails.",
        breaks=("RE505",),
        views=_STREAM,
        apply=_step_ended_twice,
    ),
    Fault(
        name="step_resumed",
        family="objects",
        says="A step that is completed is in_progress again.",
        breaks=("RE505",),
        views=_STREAM,
        apply=_step_resumed,
    ),
    Fault(
        name="message_reopened",
        family="objects",
        says="A message that is completed is in_progress again.",
        breaks=("RE506",),
        views=_STREAM,
        apply=_message_reopened,
    ),
    Fault(
        name="message_incomplete",
        family="objects",
        says="A message that is completed is incomplete.",
        breaks=("RE506",),
        views=_STREAM,
        apply=_message_incomplete,
    ),
    *NESTING_FAULTS,
)
"""The faults of this family."""
