"""What is recorded of one run: rows, each a snapshot with how it was seen, ready to be written, or broken on purpose.

`history`: the engine's own, every status with its event. `polled`: what a poller saw, where statuses may be skipped.
Streams are made in `runengine.simulation.streams`. The envelopes are those that `runengine check` reads (FACTS B0).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from attrs import evolve, frozen

from runengine.core import JSON, SECOND_US
from runengine.simulation.lives import Life

__all__ = ["REFUSED_WORDS", "Recording", "Row", "View", "history_of", "is_refusal", "polled_of", "refusal_of"]

View = Literal["history", "polled", "stream"]
"""How a run was recorded."""

REFUSED_WORDS: Final = "Thread {thread_id} already has an active run {run_id}."
"""How the API refuses a create on a busy thread (FACTS §3)."""


@frozen(kw_only=True)
class Row:
    """One line of a recording, or one event of a stream.

    Attributes:
        at_us: Its place in a log in order of time, microseconds since the epoch.
        kind: How it was seen: history, create, poll, submit, cancel, modify or stream.
        data: What was seen: a run object as plain JSON, or another object; a text of a stream, as `[DONE]`.
        event: The event that came with it, or None.
        observed_at: When the recorder says it was seen, Unix seconds, or None where it does not say.
        raw: What stands in the file in its place, where that is broken; else None.
        broken: Whether a fault can be seen here, once this row is read.

    Example:
        >>> Row(at_us=5, kind="poll", data={"id": "run_1"}, observed_at=7.5).envelope()
        {'kind': 'poll', 'observed_at': 7.5, 'data': {'id': 'run_1'}}
    """

    at_us: int
    kind: str
    data: JSON
    event: str | None = None
    observed_at: float | None = None
    raw: bytes | None = None
    broken: bool = False

    def envelope(self) -> dict[str, JSON]:
        """The row as an object, without what it does not say."""
        made: dict[str, JSON] = {"kind": self.kind}
        if self.event is not None:
            made["event"] = self.event
        if self.observed_at is not None:
            made["observed_at"] = self.observed_at
        made["data"] = self.data
        return made

    def changed(self, **changes: Any) -> Row:
        """A copy with other values."""
        return evolve(self, **changes)


@frozen(kw_only=True)
class Recording:
    """What is recorded of one run.

    Attributes:
        life: The run as it truly was.
        view: How it was recorded.
        rows: In the order in which they stand in the file.

    Example:
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> [row.event for row in history_of(life_of(scenario_named("steady"), 1, 7)).rows]
        ['create', 'start', 'complete']
    """

    life: Life
    view: View
    rows: tuple[Row, ...]

    def changed(self, rows: Sequence[Row]) -> Recording:
        """The same run, recorded otherwise."""
        return evolve(self, rows=tuple(rows))


def history_of(life: Life) -> Recording:
    """A run as the engine's own history shows it: a row for each event, at its time.

    Args:
        life: The run.

    Example:
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> history_of(life_of(scenario_named("steady"), 1, 7)).rows[0].kind
        'history'
    """
    rows = (
        Row(at_us=event.at_us, kind="history", event=event.name, observed_at=event.at_us / SECOND_US, data=document)
        for event, document in zip(life.events, life.documents(), strict=True)
    )
    return Recording(life=life, view="history", rows=tuple(rows))


def refusal_of(thread_id: str, active_id: str, at_us: int, seen_s: float) -> Row:
    """The answer to a create on a busy thread, as its caller recorded it.

    Args:
        thread_id: The thread.
        active_id: The run it is busy with.
        at_us: When, microseconds since the epoch.
        seen_s: When the recorder's clock said it was, Unix seconds.

    Example:
        >>> refusal_of("thread_1", "run_1", 5, 7.5).data["error"]["message"]
        'Thread thread_1 already has an active run run_1.'
    """
    message = REFUSED_WORDS.format(thread_id=thread_id, run_id=active_id)
    error: dict[str, JSON] = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return Row(at_us=at_us, kind="create", observed_at=seen_s, data={"error": error})


def is_refusal(row: Row) -> bool:
    """Whether a row is an error in place of a run object.

    Args:
        row: Any row.

    Example:
        >>> is_refusal(refusal_of("thread_1", "run_1", 5, 7.5)), is_refusal(Row(at_us=5, kind="poll", data={}))
        (True, False)
    """
    return isinstance(row.data, dict) and row.data.keys() == {"error"}


def polled_of(life: Life, looks: Sequence[tuple[int, int, str, float]]) -> Recording:
    """A run as those saw it who looked; before them, the refusal if it was first asked for while its thread was busy.

    Args:
        life: The run.
        looks: Of each look in order: when, in microseconds; the number of the event it was after; the kind; and when
            the recorder's clock said it was, Unix seconds.

    Example:
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> life = life_of(scenario_named("steady"), 1, 7)
        >>> [row.data["status"] for row in polled_of(life, [(life.events[0].at_us, 0, "create", 9.5)]).rows]
        ['queued']
    """
    documents = life.documents()
    rows = [
        Row(at_us=at_us, kind=kind, observed_at=seen_s, data=documents[number]) for at_us, number, kind, seen_s in looks
    ]
    if rows and life.refused_us is not None and life.active_id is not None:
        skew_us = round(looks[0][3] * SECOND_US) - looks[0][0]
        seen_s = (life.refused_us + skew_us) / SECOND_US
        rows.insert(0, refusal_of(life.thread_id, life.active_id, life.refused_us, seen_s))
    return Recording(life=life, view="polled", rows=tuple(rows))
