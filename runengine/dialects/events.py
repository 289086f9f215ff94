"""Events as JSON and back: what a history keeps of them. Their time is kept beside, in microseconds."""

from __future__ import annotations

from typing import Final

from runengine.core.events import EVENTS, Event
from runengine.core.parts import JSON
from runengine.dialects.structuring import make_event_reader, make_event_writer
from runengine.errors import UnknownSpelling

__all__ = ["read_event", "write_event"]

_readers: Final = {name: make_event_reader(kind) for name, kind in EVENTS.items()}
_writers: Final = {kind: make_event_writer(kind) for kind in EVENTS.values()}


def read_event(name: str, at_us: int, data: JSON) -> Event:
    """Read an event.

    Args:
        name: Its name.
        at_us: Its time, microseconds since the epoch.
        data: Its payload, as `write_event` made it.

    Raises:
        UnknownSpelling: there is no such event.
        PayloadError: the payload is not that of the event; every problem is named with its path.

    Example:
        >>> read_event("fail", 5, {"code": "server_error", "message": "sorry"}).code
        'server_error'
        >>> read_event("fail", 5, {"code": 7})
        Traceback (most recent call last):
        runengine.errors.PayloadError: $.code: expected str, found int 7; $.message: missing, expected str
    """
    if name not in _readers:
        raise UnknownSpelling("history", "$.name", name, tuple(EVENTS))
    return _readers[name](data, at_us)


def write_event(event: Event) -> dict[str, JSON]:
    """Write an event's payload: all but its name and time; what is None by default is left out.

    Example:
        >>> from runengine.core import Cancel
        >>> write_event(Cancel(at_us=5, reason="the user left"))
        {'reason': 'the user left'}
    """
    return _writers[type(event)](event)
