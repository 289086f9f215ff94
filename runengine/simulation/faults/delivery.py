"""Faults on the way from the run to the file: what comes twice, late, in another order, or from another run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from runengine.simulation.chance import Chance
from runengine.simulation.faults.draft import CLOCKS_S, Doc, Draft, some
from runengine.simulation.faults.fault import Apply, Fault
from runengine.simulation.recording import Recording

__all__ = ["DELIVERY_FAULTS"]

_CREATED: Final = "thread.run.created"
_ERROR: Final = {
    "error": {
        "message": "The server had an error while processing your request.",
        "type": "server_error",
        "param": None,
        "code": None,
    }
}


def _duplicated(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, lambda draft, n: draft.row(n).event != _CREATED, chance)
    if n is None:
        return None
    draft.add_row(draft.places[n], draft.row(n))
    return draft.made()


def _seen_before(draft: Draft, n: int) -> bool:
    if n + 1 >= len(draft):
        return False
    now, after = draft.row(n).observed_at, draft.row(n + 1).observed_at
    return now is not None and after is not None and now < after


def _reordered(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, _seen_before, chance)
    if n is None:
        return None
    here, there = draft.places[n], draft.places[n + 1]
    first, second = draft.rows[here], draft.rows[there]
    draft.rows[here] = second.changed(at_us=first.at_us)
    draft.rows[there] = first.changed(at_us=second.at_us)
    draft.mark_place(there)
    return draft.made()


def _stale(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    stretches = [(draft.status(n), draft.started(n)) for n in range(len(draft))]
    fitting: list[int] = []
    known: set[tuple[str, Any]] = set()
    for n in range(2, len(draft)):
        known.add(stretches[n - 2])
        if draft.row(n).kind == "poll" and known - {stretches[n - 1]}:
            fitting.append(n)
    if not fitting:
        return None
    n = chance.pick(fitting)
    older = {stretches[earlier]: earlier for earlier in range(n - 1)}
    older.pop(stretches[n - 1], None)
    shown = draft[chance.pick(list(older.values()))]
    draft.put(n, shown, seen=_is_back(draft, n, shown))
    return draft.made()


def _is_back(draft: Draft, n: int, shown: Doc) -> bool:
    """Whether what the n-th look shows cannot come after what the look before showed.

    From one status to an earlier one a tool round may lie between, which writes started_at again: to that second, or
    later. So what is left to see: a run that had ended or was cancelling; a start that is gone, or earlier; and a start
    that would have to be written a second time in the same second, long before the look.
    """
    before = draft[n - 1]
    if before["status"] == shown["status"] and before.get("started_at") == shown.get("started_at"):
        return False
    if draft.ended(n - 1) or before["status"] == "cancelling":
        return True
    was, is_now = before.get("started_at"), shown.get("started_at")
    if was is None:
        return False
    if is_now is None or is_now < was:
        return True
    seen_s = draft.row(n - 1).observed_at
    assert seen_s is not None
    return (before["status"], shown["status"]) in _RESTARTS and is_now < seen_s - CLOCKS_S


_RESTARTS: Final = (
    ("requires_action", "in_progress"),
    ("queued", "in_progress"),
    ("queued", "requires_action"),
)


def _error_answer(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, lambda draft, n: draft.row(n).kind == "poll", chance)
    if n is None:
        return None
    draft.rows[draft.places[n]] = draft.row(n).changed(data=_ERROR)
    return draft.made()


def _late(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    last = len(draft) - 1
    at = draft.row(last).observed_at if last >= 0 else None
    if at is None:
        return None
    later_s = chance.between(1, 30)
    draft.put(last, observed_at=at + later_s, at_us=draft.row(last).at_us + later_s * 1_000_000)
    return draft.made()


Another = Callable[[Doc, Chance, Recording | None], Any]


def _changed(name: str, another: Another) -> Apply:
    """One snapshot has another value than the one before, which shows the run living."""

    def where(draft: Draft, n: int) -> bool:
        return n > 0 and not draft.ended(n - 1) and name in draft[n] and name in draft[n - 1]

    def apply(recording: Recording, chance: Chance, other: Recording | None) -> Recording | None:
        draft = Draft(recording)
        n = some(draft, where, chance)
        if n is None:
            return None
        doc = draft[n]
        draft.put(n, {**doc, name: another(doc, chance, other)}, seen=True)
        return draft.made()

    return apply


def _thread(doc: Doc, _chance: Chance, other: Recording | None) -> str:
    known = other is not None and other.life.thread_id != doc["thread_id"]
    return other.life.thread_id if known and other is not None else f"{doc['thread_id']}2"


def _tools(doc: Doc, _chance: Chance, _other: Recording | None) -> list[Doc]:
    return [] if doc["tools"] else [{"type": "code_interpreter"}]


def _is(value: Any) -> Another:
    return lambda _doc, _chance, _other: value


def _lasts(name: str, code: str, says: str, another: Another, may: tuple[str, ...] = (), unseen: str = "") -> Fault:
    return Fault(
        name=f"changed_{name}",
        family="delivery",
        says=says,
        breaks=(code,),
        may=("RE103", *may),
        unseen=unseen,
        apply=_changed(name, another),
    )


_HISTORIES: Final = ("history", "polled")

DELIVERY_FAULTS: Final[tuple[Fault, ...]] = (
    Fault(
        name="duplicated_row",
        family="delivery",
        says="A row comes twice.",
        breaks=(),
        unseen="a run may be seen twice in one status, and feeds deliver at least once",
        apply=_duplicated,
    ),
    Fault(
        name="reordered_rows",
        family="delivery",
        says="Two rows stand in each other's place, each with the time it was observed.",
        breaks=("RE406",),
        may=("RE101", "RE102", "RE103", "RE106", "RE204", "RE205", "RE206", "RE210"),
        views=_HISTORIES,
        unseen="streams carry no time of observation, so it is not made in them",
        apply=_reordered,
    ),
    Fault(
        name="stale_read",
        family="delivery",
        says="A poll is answered with a snapshot older than the one before it.",
        breaks=("RE101", "RE103", "RE106", "RE204", "RE205"),
        may=("RE102",),
        views=("polled",),
        unseen="where a tool round between the two polls would show the same",
        apply=_stale,
    ),
    Fault(
        name="error_answer",
        family="delivery",
        says="A poll is answered with an error.",
        breaks=(),
        may=("RE102",),
        views=("polled",),
        unseen="a refused call belongs into a recording and says nothing of the run",
        apply=_error_answer,
    ),
    Fault(
        name="late_row",
        family="delivery",
        says="The last row is recorded half a minute late.",
        breaks=(),
        views=_HISTORIES,
        unseen="a record may be seen any time after its stamps",
        apply=_late,
    ),
    _lasts("thread_id", "RE401", "One snapshot names another thread.", _thread),
    _lasts("assistant_id", "RE401", "One snapshot names another assistant.", _is("asst_another")),
    _lasts("object", "RE401", "One snapshot calls itself assistant.run, as in G0.", _is("assistant.run"), ("RE305",)),
    _lasts("model", "RE402", "One snapshot names another model.", _is("gpt-0")),
    _lasts(
        "instructions",
        "RE402",
        "One snapshot has other instructions.",
        _is("Answer in rhymes."),
        unseen="where a dialect leaves null instructions out it is not made",
    ),
    _lasts("tools", "RE402", "One snapshot has other tools.", _tools),
    _lasts(
        "temperature",
        "RE402",
        "One snapshot has another temperature.",
        _is(1.9),
        unseen="where a dialect leaves a null temperature out it is not made",
    ),
)
"""The faults of this family."""
