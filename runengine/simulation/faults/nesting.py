"""Faults in the order of a stream: steps and messages in each other and in the run, and the calls of a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from runengine.simulation.chance import Chance
from runengine.simulation.faults.draft import Draft
from runengine.simulation.faults.fault import Apply, Fault
from runengine.simulation.recording import Recording, Row, View

__all__ = ["MESSAGE", "NESTING_FAULTS", "STEP", "whole"]

STEP: Final = "thread.run.step"
MESSAGE: Final = "thread.message"


def whole(row: Row, kind: str) -> dict[str, Any] | None:
    """The object of a row where it is of that kind and whole, not a piece of one.

    Args:
        row: Any row.
        kind: What `object` says.

    Example:
        >>> whole(Row(at_us=5, kind="stream", data={"object": "thread.message"}), MESSAGE)
        {'object': 'thread.message'}
    """
    data = row.data
    return data if row.raw is None and type(data) is dict and data.get("object") == kind else None


def _places(draft: Draft, event: str) -> list[int]:
    """Where an event stands."""
    return [place for place, row in enumerate(draft.rows) if row.event == event and row.raw is None]


def _calls(row: Row) -> list[dict[str, Any]]:
    """The function calls of a step."""
    step = whole(row, STEP)
    calls = step["step_details"].get("tool_calls") if step is not None else None
    return [call for call in calls or [] if call.get("type") == "function"]


def _moved(draft: Draft, place: int, behind: int) -> Recording:
    """A row stands later than it did, where it can be seen to be wrong."""
    row = draft.rows[place]
    draft.drop(place)
    draft.add_row(behind, row.changed(at_us=max(row.at_us, draft.rows[behind].at_us), broken=True))
    return draft.made()


def _ends_late(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    """Where a message's end is followed by its step's."""
    draft = Draft(recording)
    ends = [n for n in _places(draft, f"{MESSAGE}.completed") if draft.rows[n + 1].event == f"{STEP}.completed"]
    if not ends:
        return None
    place = chance.pick(ends)
    return _moved(draft, place, place + 1)


def _never_ends(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    ends = _places(draft, f"{MESSAGE}.completed")
    last = len(draft) - 1
    if not ends or last < 0 or not draft.ended(last):
        return None
    draft.drop(chance.pick(ends))
    draft.mark(last)
    return draft.made()


def _overlaps(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    """A step's end comes after the next one has begun, with nothing of the run between."""
    draft = Draft(recording)
    pairs: list[tuple[int, int]] = []
    for place in _places(draft, f"{STEP}.completed"):
        begun = next((n for n in _places(draft, f"{STEP}.created") if n > place), None)
        if begun is not None and all(row.event != "done" for row in draft.rows[place:begun]):
            pairs.append((place, begun))
    if not pairs:
        return None
    place, begun = chance.pick(pairs)
    draft.mark_place(begun)
    made = _moved(draft, place, begun)
    return made.changed([row.changed(broken=False) if row.event == f"{STEP}.completed" else row for row in made.rows])


def _begins_early(recording: Recording, _chance: Chance, _other: Recording | None) -> Recording | None:
    """The first step begins before the run does."""
    draft = Draft(recording)
    created = _places(draft, f"{STEP}.created")
    started = _places(draft, "thread.run.in_progress")
    queued = [n for n in _places(draft, "thread.run.queued") if started and n < started[0]]
    if not created or not queued or any(row.event == "done" for row in draft.rows[: created[0]]):
        return None
    first, behind = created[0], queued[-1]
    for place in (first, first + 1):
        row = draft.rows[place]
        draft.drop(place)
        draft.add_row(behind, row.changed(at_us=draft.rows[behind].at_us, broken=place == first))
    return draft.made()


def _late_piece(kind: str) -> Apply:
    """A piece comes once more after the end of what it is a piece of."""

    def apply(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
        draft = Draft(recording)
        pieces: list[tuple[int, Row]] = []
        for place in _places(draft, f"{kind}.completed"):
            made = whole(draft.rows[place], kind)
            assert made is not None
            mine = [n for n in _places(draft, f"{kind}.delta") if _id_of(draft.rows[n]) == made["id"]]
            pieces += [(place, draft.rows[mine[-1]])] if mine else []
        if not pieces:
            return None
        place, row = chance.pick(pieces)
        draft.add_row(place, row.changed(at_us=draft.rows[place].at_us, broken=True))
        return draft.made()

    return apply


def _early_piece(kind: str) -> Apply:
    """A piece comes before the creation, in the stream that shows the run's creation."""

    def apply(recording: Recording, _chance: Chance, _other: Recording | None) -> Recording | None:
        draft = Draft(recording)
        created, pieces = _places(draft, f"{kind}.created"), _places(draft, f"{kind}.delta")
        if not created or not pieces or any(row.event == "done" for row in draft.rows[: created[0]]):
            return None
        piece = next((n for n in pieces if _id_of(draft.rows[n]) == _id_of(draft.rows[created[0]])), None)
        if piece is None:
            return None
        behind = created[0] - 1
        draft.add_row(behind, draft.rows[piece].changed(at_us=draft.rows[behind].at_us, broken=True))
        return draft.made()

    return apply


def _id_of(row: Row) -> Any:
    return row.data.get("id") if isinstance(row.data, dict) else None


def _answer(change: Callable[[Row], Row], *, again: bool) -> Apply:
    """The calls of a step that is completed are answered otherwise, in its place or a second time."""

    def apply(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
        draft = Draft(recording)
        ends = [n for n in _places(draft, f"{STEP}.completed") if _calls(draft.rows[n])]
        if not ends:
            return None
        place = chance.pick(ends)
        row = change(draft.rows[place]).changed(broken=True)
        if again:
            draft.add_row(place, row)
        else:
            draft.rows[place] = row
            draft.mark_place(place)
        return draft.made()

    return apply


def _with_output(output: str | None) -> Callable[[Row], Row]:
    def change(row: Row) -> Row:
        step = whole(row, STEP)
        assert step is not None
        calls = [{**c, "function": {**c["function"], "output": output}} for c in step["step_details"]["tool_calls"]]
        return row.changed(data={**step, "step_details": {**step["step_details"], "tool_calls": calls}})

    return change


def _of_other(key: str) -> Apply:
    """A step says that it is on another thread, or of another assistant, than its run."""

    def apply(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
        draft = Draft(recording)
        created = _places(draft, f"{STEP}.created")
        if not created:
            return None
        step_id = _id_of(draft.rows[chance.pick(created)])
        for place, row in enumerate(draft.rows):
            step = whole(row, STEP)
            if step is not None and step["id"] == step_id:
                draft.rows[place] = row.changed(data={**step, key: f"{step[key]}0"})
                draft.mark_place(place)
        return draft.made()

    return apply


_STREAM: Final[tuple[View, ...]] = ("stream",)


def _fault(name: str, says: str, breaks: str, apply: Apply, *may: str) -> Fault:
    return Fault(name=name, family="objects", says=says, breaks=(breaks,), may=may, views=_STREAM, apply=apply)


NESTING_FAULTS: Final[tuple[Fault, ...]] = (
    _fault("step_of_other_thread", "A step is on another thread than its run.", "RE504", _of_other("thread_id")),
    _fault(
        "step_of_other_assistant", "A step is of another assistant than its run.", "RE504", _of_other("assistant_id")
    ),
    _fault("overlapping_steps", "A step begins before the last one of its run has ended.", "RE505", _overlaps),
    _fault("step_begins_early", "A step begins before its run does.", "RE505", _begins_early),
    _fault("step_delta_after_end", "A piece of a step comes after its end.", "RE505", _late_piece(STEP)),
    _fault("step_delta_before_created", "A piece of a step comes before its creation.", "RE505", _early_piece(STEP)),
    _fault(
        "call_unanswered",
        "A step is completed while its calls have no output.",
        "RE505",
        _answer(_with_output(None), again=False),
    ),
    _fault(
        "call_answered_twice",
        "The calls of a completed step are answered once more, and otherwise.",
        "RE505",
        _answer(_with_output("something else"), again=True),
    ),
    _fault("message_left_open", "The run ends while its message has not.", "RE506", _never_ends),
    _fault("message_ends_late", "A message ends after its step.", "RE506", _ends_late),
    _fault("message_delta_after_end", "A piece of a message comes after its end.", "RE506", _late_piece(MESSAGE)),
    _fault(
        "message_delta_before_created",
        "A piece of a message comes before its creation.",
        "RE506",
        _early_piece(MESSAGE),
    ),
)
"""The faults of the order of a stream, among those across objects."""
