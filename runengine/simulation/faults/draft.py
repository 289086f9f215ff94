"""A recording while a fault is made in it: its runs with the API's own keys, whatever dialect they are written in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from runengine.core import JSON, POLICIES, SECOND_US, TERMINAL
from runengine.core.fields import FIELDS
from runengine.core.table import ENDED_BY
from runengine.dialects.documents import DIALECTS
from runengine.simulation.chance import Chance
from runengine.simulation.faults.fault import Apply
from runengine.simulation.recording import Recording, Row

__all__ = ["ARRIVES", "CLOCKS_S", "Change", "Doc", "Draft", "Where", "anywhere", "everywhere", "nowhere", "one", "some"]

Doc = dict[str, Any]
"""A run object as plain JSON, with the API's own keys."""

CLOCKS_S: Final = 5
"""How far an honest recording may be off: clocks by 2 s, and answers that are 3 s old (FACTS B4)."""

ARRIVES: Final[dict[str, str]] = {
    "queued": "submit_tool_outputs",
    "in_progress": "start",
    "requires_action": "require_action",
    "cancelling": "cancel",
    **{str(status): event for status, event in ENDED_BY.items()},
}
"""For each status an event that leads there."""

_RUN: Final = "thread.run"


class Draft:
    """The rows of one run, and among them those that show the run: `draft[n]` is what the n-th of these shows.

    Args:
        recording: The recording.

    Attributes:
        recording: The same.
        rows: The rows, to be changed.
        places: Where among the rows the run is shown.
        marked: Places of rows at which the fault can be seen.

    Example:
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.recording import history_of
        >>> draft = Draft(history_of(life_of(scenario_named("steady"), 1, 7)))
        >>> [draft.status(n) for n in range(len(draft))]
        ['queued', 'in_progress', 'completed']
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.rows: list[Row] = list(recording.rows)
        self._dialect = DIALECTS[recording.life.scenario.dialect]
        self._started_at = next(iter(self._dialect.respelled({"started_at": None})))
        self.places = [
            place
            for place, row in enumerate(self.rows)
            if row.raw is None and type(row.data) is dict and row.data.get("object") == _RUN
        ]
        self.marked: set[int] = set()
        self._added: dict[int, list[Row]] = {}
        self._dropped: set[int] = set()

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, n: int) -> Doc:
        return self._dialect.to_native(cast("Doc", self.rows[self.places[n]].data))

    @property
    def complete(self) -> bool:
        """Whether every status is in the recording."""
        return self.recording.view != "polled"

    @property
    def edges(self) -> set[tuple[str, str]]:
        """The steps that are known: those of `practical`, and of the scenario's policy where that has more."""
        policy = self.recording.life.scenario.policy
        return _EDGES["permissive" if policy == "permissive" else "practical"]

    def status(self, n: int) -> str:
        """The status shown."""
        return str(cast("Doc", self.rows[self.places[n]].data)["status"])

    def started(self, n: int) -> Any:
        """Its started_at, or None."""
        return cast("Doc", self.rows[self.places[n]].data).get(self._started_at)

    def ended(self, n: int) -> bool:
        """Whether the run is shown ended."""
        return self.status(n) in TERMINAL

    def row(self, n: int) -> Row:
        """The row that shows it."""
        return self.rows[self.places[n]]

    def at_s(self, n: int) -> int:
        """When it was seen, whole seconds."""
        return self.row(n).at_us // SECOND_US

    def declares(self, *names: str) -> bool:
        """Whether the scenario's generation has these fields."""
        generation = self.recording.life.scenario.generation_number
        return all(FIELDS[name].declared_in(generation) for name in names)

    def spelled(self, doc: Doc) -> dict[str, JSON]:
        """A run object as the recording writes it."""
        return self._dialect.respelled(doc)

    def put(self, n: int, doc: Doc | None = None, *, seen: bool = False, **changes: Any) -> None:
        """Show something else there.

        Args:
            n: Which.
            doc: The run object, or None for the one that stands there.
            seen: Whether the fault can be seen there.
            **changes: What else of the row is changed.
        """
        if doc is not None:
            changes["data"] = self.spelled(doc)
        self.rows[self.places[n]] = self.row(n).changed(**changes)
        if seen:
            self.mark(n)

    def mark(self, n: int) -> None:
        """Say that the fault can be seen there."""
        self.marked.add(self.places[n])

    def mark_place(self, place: int) -> None:
        """The same, of any row."""
        self.marked.add(place)

    def add(self, n: int, doc: Doc, *, seen: bool = False, later_s: int = 0, **changes: Any) -> None:
        """Show the run once more, after the n-th time.

        Args:
            n: After which.
            doc: What is shown.
            seen: Whether the fault can be seen there.
            later_s: How much later than the n-th it was seen, seconds; streams have no times.
            **changes: What else of the row is not as it would be.
        """
        row, view = self.row(n), self.recording.view
        event, later_s = self.event(doc["status"]), 0 if view == "stream" else later_s
        observed_at = None if row.observed_at is None else row.observed_at + later_s
        kind = "poll" if view == "polled" else view
        at_us = row.at_us + later_s * SECOND_US
        made = Row(at_us=at_us, kind=kind, data=self.spelled(doc), event=event, observed_at=observed_at, broken=seen)
        self.add_row(self.places[n], made.changed(**changes))

    def add_row(self, place: int, row: Row) -> None:
        """Put a row behind another.

        Args:
            place: Where among the rows that one stands.
            row: The row, marked already.
        """
        self._added.setdefault(place, []).append(row)

    def drop(self, *places: int) -> None:
        """Leave rows out."""
        self._dropped.update(places)

    def event(self, status: str) -> str | None:
        """The event that comes with a status in this recording."""
        view = self.recording.view
        return f"{_RUN}.{status}" if view == "stream" else ARRIVES.get(status) if view == "history" else None

    def made(self) -> Recording:
        """The recording with the fault."""
        rows: list[Row] = []
        for place, row in enumerate(self.rows):
            if place not in self._dropped:
                rows.append(row.changed(broken=True) if place in self.marked else row)
            rows += self._added.get(place, ())
        return self.recording.changed(rows)


_EDGES: Final = {name: {(str(a), str(b)) for a, b in policy.edges} for name, policy in POLICIES.items()}

Where = Callable[[Draft, int], bool]
"""Whether a fault can be made where the run is shown the n-th time."""

Change = Callable[[Doc, Chance], None]
"""Changes a copy of a run object; what is inside it is replaced, never changed."""


def anywhere(_draft: Draft, _n: int) -> bool:
    """Every snapshot will do.

    Example:
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.recording import history_of
        >>> anywhere(Draft(history_of(life_of(scenario_named("steady"), 1, 7))), 0)
        True
    """
    return True


def nowhere(_draft: Draft, _n: int) -> bool:
    """None will do: what is changed cannot be seen.

    Example:
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.recording import history_of
        >>> nowhere(Draft(history_of(life_of(scenario_named("steady"), 1, 7))), 0)
        False
    """
    return False


def one(where: Where, change: Change, seen: Where | None = None) -> Apply:
    """A fault that changes one snapshot.

    Args:
        where: Which may be changed.
        change: What is changed.
        seen: Whether it can be seen there; always, where None.

    Example:
        >>> apply = one(lambda draft, n: n > 0, lambda doc, chance: doc.update(started_at=0))
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.recording import history_of
        >>> made = apply(history_of(life_of(scenario_named("steady"), 1, 7)), Chance(1, "fault", 7), None)
        >>> sum(row.broken for row in made.rows)
        1
    """

    def apply(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
        draft = Draft(recording)
        n = some(draft, where, chance)
        if n is None:
            return None
        doc = dict(draft[n])
        change(doc, chance)
        draft.put(n, doc, seen=seen is None or seen(draft, n))
        return draft.made()

    return apply


def some(draft: Draft, where: Where, chance: Chance) -> int | None:
    """One of the snapshots that will do, each as likely; None where none will.

    Args:
        draft: The recording.
        where: Which will do.
        chance: The draws.

    Example:
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.recording import history_of
        >>> draft = Draft(history_of(life_of(scenario_named("steady"), 1, 7)))
        >>> some(draft, lambda draft, n: draft.ended(n), Chance(1))
        2
    """
    fitting = [n for n in range(len(draft)) if where(draft, n)]
    return chance.pick(fitting) if fitting else None


def everywhere(change: Change, where: Where | None = None, mark: Where | None = None) -> Apply:
    """A fault that is in every snapshot alike, seen at the first.

    Args:
        change: What is changed; it draws the same in each.
        where: What must hold of each; all are fine where None.
        mark: Where it can be seen; at the first where None.

    Example:
        >>> apply = everywhere(lambda doc, chance: doc.update(max_prompt_tokens=255))
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.recording import history_of
        >>> made = apply(history_of(life_of(scenario_named("steady"), 1, 7)), Chance(1, "fault", 7), None)
        >>> [row.data["max_prompt_tokens"] for row in made.rows]
        [255, 255, 255]
    """

    def apply(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
        draft = Draft(recording)
        if not len(draft) or not all(where is None or where(draft, n) for n in range(len(draft))):
            return None
        key = chance.bits()
        for n in _order(draft):
            doc = dict(draft[n])
            change(doc, Chance(key))
            draft.put(n, doc, seen=n == 0 if mark is None else mark(draft, n))
        return draft.made()

    return apply


def _order(draft: Draft) -> Iterator[int]:
    """From the last to the first: a condition on a snapshot never meets an earlier one that was changed."""
    return iter(range(len(draft) - 1, -1, -1))
