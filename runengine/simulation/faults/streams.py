"""Faults in an event stream, and in the events that come with the records of a history."""

from __future__ import annotations

from typing import Final

from runengine.dialects.wire import encode
from runengine.simulation.chance import Chance
from runengine.simulation.faults.draft import ARRIVES, Draft, anywhere, some
from runengine.simulation.faults.fault import Fault
from runengine.simulation.faults.lines import event_of
from runengine.simulation.faults.path import LOST, shows_gap
from runengine.simulation.recording import Recording, Row, View

__all__ = ["STREAM_FAULTS"]

_RUN: Final = "thread.run."
_CREATED: Final = f"{_RUN}created"
_ERROR: Final = {
    "error": {
        "message": "The server had an error while processing your request.",
        "type": "server_error",
        "param": None,
        "code": None,
    }
}


def _working(draft: Draft, n: int) -> bool:
    """The run goes on by itself: a stream that ends here was cut."""
    return not draft.ended(n) and draft.status(n) != "requires_action"


def _is_done(row: Row) -> bool:
    return row.event == "done"


def _dropped(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    """Seen where the events beside it cannot follow each other, or where the stream would not end so."""
    draft = Draft(recording)
    n = some(draft, anywhere, chance)
    if n is None:
        return None
    place = draft.places[n]
    closing = next((p for p in range(place + 1, len(draft.rows)) if p in draft.places or _is_done(draft.rows[p])), None)
    if n and closing is not None and _is_done(draft.rows[closing]) and _working(draft, n - 1):
        draft.mark_place(closing)
    if 0 < n < len(draft) - 1 and shows_gap(draft, n):
        draft.mark(n + 1)
    draft.drop(place)
    return draft.made()


def _truncated(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, _working, chance)
    if n is None or draft.places[n] + 1 == len(draft.rows):
        return None
    draft.drop(*range(draft.places[n] + 1, len(draft.rows)))
    draft.mark(n)
    return draft.made()


def _closed_early(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, _working, chance)
    last = len(recording.rows) - 1
    if n is None or not _is_done(draft.rows[last]):
        return None
    draft.drop(*range(draft.places[n] + 1, last))
    draft.mark_place(last)
    return draft.made()


def _error_event(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, _working, chance)
    if n is None:
        return None
    place = draft.places[n]
    draft.drop(*range(place + 1, len(draft.rows)))
    error = Row(at_us=draft.row(n).at_us, kind="stream", event="error", data=_ERROR, broken=True)
    draft.add_row(place, error)
    return draft.made()


def _without_done(recording: Recording, _chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    last = len(draft.rows) - 1
    if last < 1 or not _is_done(draft.rows[last]):
        return None
    draft.drop(last)
    draft.mark_place(last - 1)
    return draft.made()


def _second_created(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, lambda draft, n: n > 0 and draft.status(n) == "queued", chance)
    if n is None or draft.row(0).event != _CREATED:
        return None
    draft.put(n, event=_CREATED, seen=True)
    return draft.made()


def _renamed(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, lambda draft, n: draft.row(n).event != _CREATED, chance)
    if n is None:
        return None
    status = chance.pick([status for status in ARRIVES if status != draft.status(n)])
    draft.put(n, event=draft.event(status), seen=True)
    return draft.made()


def _another_record(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, lambda draft, n: n > 0 and draft.status(n - 1) != draft.status(n), chance)
    if n is None:
        return None
    draft.put(n, draft[n - 1], seen=True)
    return draft.made()


def _without_data(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, anywhere, chance)
    if n is None:
        return None
    draft.put(n, raw=b"event: " + str(draft.row(n).event).encode() + b"\n\n", seen=True)
    return draft.made()


def _unknown_event(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, anywhere, chance)
    if n is None:
        return None
    draft.add(n, draft[n], event=f"{_RUN}{chance.pick(('rate_limited', 'paused', 'heartbeat'))}")
    return draft.made()


def _keep_alive(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, anywhere, chance)
    if n is None:
        return None
    row = Row(at_us=draft.row(n).at_us, kind="stream", data=None, raw=b": keep-alive\n\n")
    draft.add_row(draft.places[n], row)
    return draft.made()


def _split(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, anywhere, chance)
    if n is None:
        return None
    row = draft.row(n)
    first, rest = encode(row.data).split(b',"', 1)
    draft.put(n, raw=event_of(row, first + b',\ndata: "' + rest))
    return draft.made()


_STREAM: Final[tuple[View, ...]] = ("stream",)

STREAM_FAULTS: Final[tuple[Fault, ...]] = (
    Fault(
        name="dropped_event",
        family="streams",
        says="An event of the run is missing.",
        breaks=("RE101", "RE205", "RE404"),
        may=("RE102",),
        views=_STREAM,
        framed=True,
        unseen="where the events beside it may follow each other, as created and queued",
        apply=_dropped,
    ),
    Fault(
        name="truncated_stream",
        family="streams",
        says="The stream breaks off while the run works.",
        breaks=("RE404",),
        views=_STREAM,
        framed=True,
        apply=_truncated,
    ),
    Fault(
        name="closed_early",
        family="streams",
        says="The stream is closed with done while the run works.",
        breaks=("RE404",),
        views=_STREAM,
        framed=True,
        apply=_closed_early,
    ),
    Fault(
        name="error_event",
        family="streams",
        says="The stream ends with an error while the run works.",
        breaks=("RE404",),
        views=_STREAM,
        framed=True,
        apply=_error_event,
    ),
    Fault(
        name="stream_without_done",
        family="streams",
        says="The stream lacks the done at its end.",
        breaks=("RE404",),
        views=_STREAM,
        framed=True,
        unseen="where another stream follows in the file, its done may be that of both, as in logs of concurrent runs",
        alone=True,
        apply=_without_done,
    ),
    Fault(
        name="second_created",
        family="streams",
        says="thread.run.created comes a second time.",
        breaks=("RE405",),
        views=_STREAM,
        apply=_second_created,
    ),
    Fault(
        name="renamed_event",
        family="streams",
        says="The event that comes with a record is that of another status.",
        breaks=("RE403",),
        views=("history", "stream"),
        apply=_renamed,
    ),
    Fault(
        name="record_of_another_status",
        family="streams",
        says="An event comes with the record from before it.",
        breaks=("RE403",),
        may=LOST,
        views=("history", "stream"),
        apply=_another_record,
    ),
    Fault(
        name="event_without_data",
        family="streams",
        says="An event has no data.",
        breaks=("RE901",),
        may=LOST,
        views=_STREAM,
        framed=True,
        apply=_without_data,
    ),
    Fault(
        name="unknown_event",
        family="streams",
        says="An event of the run has a name of its own.",
        breaks=(),
        views=_STREAM,
        unseen="more events may be added, and clients must tolerate unknown names (FACTS §5)",
        apply=_unknown_event,
    ),
    Fault(
        name="keep_alive",
        family="streams",
        says="A comment keeps the connection alive.",
        breaks=(),
        views=_STREAM,
        framed=True,
        unseen="comments are part of the framing",
        apply=_keep_alive,
    ),
    Fault(
        name="split_data",
        family="streams",
        says="The data of an event stands on two lines.",
        breaks=(),
        views=_STREAM,
        framed=True,
        unseen="lines of data are joined",
        apply=_split,
    ),
)
"""The faults of this family."""
