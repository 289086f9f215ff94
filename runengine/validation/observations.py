"""What readers make of a recording: observations, in the order they were recorded.

An observation is a snapshot that somebody saw; it is never called an event, which is a cause. Source: DESIGN §5.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from attrs import frozen

__all__ = ["Item", "Observation", "Passed", "Sampling", "Source", "StreamEnd", "Unreadable"]

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


@frozen(kw_only=True)
class Unreadable:
    """A line or document that cannot be read; the rest is still checked.

    Attributes:
        line: Where, from 1; 0 for the whole input.
        problem: What is wrong and what was expected.
        found: The beginning of it, or None.

    Example:
        >>> Unreadable(line=3, problem="not JSON").line
        3
    """

    line: int
    problem: str
    found: str | None = None


@frozen(kw_only=True)
class Passed:
    """Something that is part of a recording and no run: a message, a step, a refused call. Passed over, and counted.

    Attributes:
        line: Where, from 1.
        what: Its kind, as `thread.message`.

    Example:
        >>> Passed(line=3, what="thread.message").what
        'thread.message'
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


Item = Observation | Unreadable | Passed | StreamEnd
"""What a reader yields."""
