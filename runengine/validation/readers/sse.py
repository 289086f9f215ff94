"""Event streams (`.sse`): the runs among their events, in order, and whether the stream was closed.

Framing: `event: NAME`, `data: JSON`, a blank line; `:` begins a comment; the last event is `done` with `[DONE]`.
Source: FACTS §5, B7.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from attrs import Factory, define, evolve

from runengine.dialects.wire import NotJSON, decode
from runengine.validation.observations import (
    COMPANIONS,
    Companion,
    CompanionKind,
    Item,
    Observation,
    Passed,
    StreamEnd,
    Unreadable,
)
from runengine.validation.readers.envelopes import items_of
from runengine.validation.readers.json_lines import GIVE_UP_AFTER, LINE_BYTES_MAX, numbered_lines
from runengine.validation.readers.reader import Head, Reader

__all__ = ["HINT", "READER", "read_event_stream"]

_RUN: Final = "thread.run."
_STEP: Final = "thread.run.step."
_DONE: Final = b"[DONE]"
HINT: Final = "it is read as an event stream for how it is named or begins; --reader says what else it is"
"""What may be done where it is none: said once of a file."""

_STARTS: Final = (b"event:", b"data:", b":")


@define
class _Event:
    """One event as its lines come in."""

    line: int = 0
    name: str | None = None
    data: list[bytes] | None = None
    problems: list[Unreadable] = Factory(list)

    @property
    def begun(self) -> bool:
        return self.name is not None or self.data is not None


def read_event_stream(file: BinaryIO) -> Iterator[Item]:
    r"""Items of one or several event streams in a file.

    Example:
        >>> import io
        >>> text = b'event: thread.run.queued\ndata: {"object": "thread.run", "id": "r", "status": "queued"}\n\n'
        >>> [type(i).__name__ for i in read_event_stream(io.BytesIO(text))]
        ['Observation', 'StreamEnd']
    """
    event, number, open_stream, bad, good, seen = _Event(), 0, False, 0, False, False
    for number, line in numbered_lines(file):
        if line is None:
            yield Unreadable(line=number, problem=f"the line is longer than {LINE_BYTES_MAX} bytes")
        elif text := line.rstrip(b"\r\n").removeprefix(b"\xef\xbb\xbf" if number == 1 else b""):
            if unread := _take(event, number, text):
                bad += 1
                yield unread if bad > 1 or good else evolve(unread, hint=HINT)
                if bad >= GIVE_UP_AFTER and not good:
                    problem = f"the first {bad} lines are no event stream; the rest was not read"
                    yield Unreadable(line=0, problem=problem)
                    return
        elif event.begun:
            good, open_stream = True, not _closes(event)
            for item in _items(event):
                seen = seen or not isinstance(item, Unreadable)
                yield item
            event = _Event()
    if event.begun:
        open_stream = not _closes(event)
        for item in _items(event):
            seen = seen or not isinstance(item, Unreadable)
            yield item
    if open_stream and seen:  # of a stream of which nothing can be read no end is missed
        yield StreamEnd(line=number, done=False)


def _take(event: _Event, number: int, text: bytes) -> Unreadable | None:
    if text.startswith(b":"):
        return None
    key, colon, value = text.partition(b":")
    value = value.removeprefix(b" ")
    event.line = event.line if event.begun else number
    if key == b"event" and colon:
        event.name = value.decode("utf-8", "backslashreplace")
    elif key == b"data" and colon:
        event.data = [] if event.data is None else event.data
        event.data.append(value)
    elif key not in (b"id", b"retry"):
        found = text[:80].decode("utf-8", "backslashreplace")
        problem = "no line of an event stream: expected event, data or a blank"
        unreadable = Unreadable(line=number, problem=problem, found=found)
        if not event.begun:
            return unreadable
        event.problems.append(unreadable)
    return None


def _closes(event: _Event) -> bool:
    return event.name in ("done", "error") or bool(event.data and event.data[0].startswith(_DONE))


def _items(event: _Event) -> Iterator[Item]:
    yield from _own_items(event)
    yield from event.problems


def _own_items(event: _Event) -> Iterator[Item]:
    if event.data is None:
        if event.name == "done":
            yield StreamEnd(line=event.line, done=True)
        else:
            yield Unreadable(line=event.line, problem=f"the event {(event.name or '')[:80]} has no data")
        return
    if event.name == "error":
        yield Passed(line=event.line, what="error")
    if _closes(event):
        yield StreamEnd(line=event.line, done=True)
        return
    try:
        value = decode(b"\n".join(event.data))
    except NotJSON as error:
        yield Unreadable(
            line=event.line, problem=f"the data of {event.name or 'an event'} is not JSON: {error.problem}"
        )
        return
    kind = _kind_of(event.name)
    if kind is not None and type(value) is dict:
        yield Companion(value, kind, event.line, "stream", event.name)
    elif event.name is not None and (event.name.startswith(_STEP) or not event.name.startswith(_RUN)):
        yield Passed(line=event.line, what=event.name[:80])
    else:
        for item in items_of(value, event.line):
            if isinstance(item, (Observation, Companion)):
                yield item._replace(source="stream", event=event.name)
            else:
                yield item


def _kind_of(event: str | None) -> CompanionKind | None:
    """What the data of an event is, by its name; None for a run, and for what no one knows."""
    if event is None:
        return None
    family, _, word = event.rpartition(".")
    return COMPANIONS.get(event if word == "delta" else family)


def _recognises(head: Head) -> bool:
    return head.name.endswith(".sse") or head.text.startswith(_STARTS)


READER: Final = Reader(
    name="sse",
    says="event streams",
    suffixes=(".sse",),
    recognises=_recognises,
    read=lambda recorded: read_event_stream(recorded.file),
)
"""For the registry."""
