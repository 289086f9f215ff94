"""What readers make of a recording: observations, in the order they were recorded.

An observation is a snapshot that somebody saw; it is never called an event, which is a cause. Source: DESIGN §5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal, NamedTuple

from attrs import frozen

__all__ = [
    "COMPANIONS",
    "Companion",
    "CompanionKind",
    "Item",
    "LeftOut",
    "Observation",
    "Passed",
    "Refusal",
    "Sampling",
    "Skimming",
    "Source",
    "StreamEnd",
    "Submitted",
    "Unreadable",
    "shows_all",
]

Source = Literal["snapshot", "stream", "history"]
"""Where it was seen: an answer to a call, an event stream, or an engine's own history."""

Sampling = Literal["auto", "complete", "polled"]
"""Whether every status is visible (`complete`), or some may be skipped (`polled`); `auto` lets the source decide."""


class Observation(NamedTuple):
    """One snapshot of one run, as recorded.

    Attributes:
        record: The run object as plain JSON.
        line: Line, or number of the document, from 1.
        source: Where it was seen.
        event: Name of the stream event or of the engine event that came with it, or None.
        created: The recording shows the run being created by this very answer.
        observed_s: When it was seen, Unix seconds, or None where the recording does not tell. A stream's Date is
            its start, so rows of a stream have none.
        envelope: What was said around it, as it was said and without `data`; `object` in it tells of a list response
            that had keys of its own. None for a bare run.
        columns: Of a table, the fields that it has a column for: of any other, the recording does not tell, and a null
            may stand for no key. None for whole records.

    Example:
        >>> Observation({"id": "run_1"}, 1).source
        'snapshot'
    """

    record: dict[str, Any]
    line: int
    source: Source = "snapshot"
    event: str | None = None
    created: bool = False
    observed_s: float | None = None
    envelope: dict[str, Any] | None = None
    columns: frozenset[str] | None = None


@frozen(kw_only=True)
class Unreadable:
    """A line or document that cannot be read; the rest is still checked.

    Attributes:
        line: Where, from 1; 0 for the whole input.
        problem: What is wrong and what was expected.
        found: The beginning of it, or None.
        hint: What to do about it, or None.

    Example:
        >>> Unreadable(line=3, problem="not JSON").line
        3
    """

    line: int
    problem: str
    found: str | None = None
    hint: str | None = None


CompanionKind = Literal["step", "step_delta", "message", "message_delta", "thread"]
"""What may be seen beside a run."""


def shows_all(source: Source, sampling: Sampling) -> bool:
    """Whether every status is visible where something was seen.

    Args:
        source: Where.
        sampling: What the user says of the recording.

    Example:
        >>> shows_all("stream", "auto"), shows_all("snapshot", "auto"), shows_all("stream", "polled")
        (True, False, False)
    """
    return source != "snapshot" if sampling == "auto" else sampling == "complete"


COMPANIONS: Final[dict[str, CompanionKind]] = {
    "thread.run.step": "step",
    "thread.run.step.delta": "step_delta",
    "thread.message": "message",
    "thread.message.delta": "message_delta",
    "thread": "thread",
}
"""What `object` says of each."""

_COMPANION_OBJECTS: Final = {kind: name for name, kind in COMPANIONS.items()}


class Companion(NamedTuple):
    """An object beside the run, as recorded: a step, a message, a piece of one, or a thread. Source: FACTS §4, §5.

    Attributes:
        record: The object as plain JSON.
        kind: What it is.
        line: Line, or number of the document, from 1.
        source: Where it was seen.
        event: Name of the stream event that came with it, or None.
        observed_s: When it was seen, Unix seconds, or None.

    Example:
        >>> Companion({"id": "step_1", "object": "thread.run.step"}, "step", 1).source
        'snapshot'
    """

    record: dict[str, Any]
    kind: CompanionKind
    line: int
    source: Source = "snapshot"
    event: str | None = None
    observed_s: float | None = None

    @property
    def what(self) -> str:
        """Its kind, as `thread.message`."""
        return _COMPANION_OBJECTS[self.kind]


@frozen(kw_only=True)
class Submitted:
    """Tool outputs as they were sent, and taken: the body of a call that was answered with the run.

    Attributes:
        line: Where, from 1.
        run_id: The run they were sent to, or None where the recording does not tell.
        outputs: The pairs (id of the call, output) in order; None stands for what was left out.

    Example:
        >>> Submitted(line=3, run_id="run_1", outputs=(("call_1", "12"),)).outputs[0][0]
        'call_1'
    """

    line: int
    run_id: str | None
    outputs: tuple[tuple[str | None, str | None], ...]
    what: ClassVar[str] = "tool outputs"


@frozen(kw_only=True)
class Refusal:
    """A call that was refused: an observation of the status it met, in the words of the answer. Source: FACTS §3, B5.5.

    Attributes:
        line: Where, from 1.
        call: What was asked for: create, cancel, submit, modify, message (added to a thread), or what the recording
            calls it.
        message: The answer's words.
        http_status: 400 and so on, or None.
        run_id: The run that was asked, or None where the recording does not tell.
        thread_id: Its thread, or None.
        observed_s: When it was answered, Unix seconds, or None.

    Example:
        >>> Refusal(line=3, call="cancel", message="Cannot cancel run with status 'completed'.").http_status is None
        True
    """

    line: int
    call: str
    message: str
    http_status: int | None = None
    run_id: str | None = None
    thread_id: str | None = None
    observed_s: float | None = None
    what: ClassVar[str] = "error"


@frozen(kw_only=True)
class Passed:
    """Something that is part of a recording and about no run: an assistant, a file. Passed over, and counted.

    Attributes:
        line: Where, from 1.
        what: Its kind, as `assistant`.

    Example:
        >>> Passed(line=3, what="assistant").what
        'assistant'
    """

    line: int
    what: str


@frozen(kw_only=True)
class StreamEnd:
    """The end of one event stream.

    Attributes:
        line: Last line of it.
        done: It was closed by `event: done` or by an error event.

    Example:
        >>> StreamEnd(line=9, done=True).done
        True
    """

    line: int
    done: bool


class LeftOut(NamedTuple):
    """Items that are left out: nothing is to be said of them, nor of their threads. They pass as time does.

    Attributes:
        items: How many stand here.
        line: Says nothing.

    Example:
        >>> LeftOut(3).items
        3
    """

    items: int
    line: int = 0

    @property
    def what(self) -> str:
        """Its kind."""
        return "left out"


Skimming = Callable[[bytes, int], bool]
"""A checker's skim: deals with a line (and its number) that is a bare record with nothing wrong, and says so."""

Item = Observation | Companion | Submitted | Refusal | Unreadable | Passed | StreamEnd | LeftOut
"""What a reader yields."""
