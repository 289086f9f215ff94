"""Faults in the bytes of a file, and changes of them that mean nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from runengine.dialects.wire import encode
from runengine.simulation.chance import Chance
from runengine.simulation.faults.draft import Draft, anywhere, some
from runengine.simulation.faults.fault import Apply, Fault
from runengine.simulation.faults.path import LOST
from runengine.simulation.recording import Recording, Row, View

__all__ = ["LINE_FAULTS", "event_of"]

Spoil = Callable[[bytes, Chance], bytes]


def _spoiled(spoil: Spoil, *, seen: bool = True, framed: bool = False) -> Apply:
    """One row is written otherwise.

    Args:
        spoil: The JSON text to what stands in its place.
        seen: Whether that can be seen.
        framed: Whether `spoil` is given the whole event of a stream.
    """

    def apply(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
        draft = Draft(recording)
        n = some(draft, anywhere, chance)
        if n is None:
            return None
        row = draft.row(n)
        if recording.view != "stream":
            draft.put(n, raw=spoil(encode(row.envelope()), chance), seen=seen)
        elif framed:
            draft.put(n, raw=spoil(event_of(row, encode(row.data)), chance), seen=seen)
        else:
            draft.put(n, raw=event_of(row, spoil(encode(row.data), chance)), seen=seen)
        return draft.made()

    return apply


def event_of(row: Row, data: bytes) -> bytes:
    r"""A whole event of a stream, with the blank line at its end.

    Args:
        row: The row, for its event's name.
        data: What stands for its data.

    Example:
        >>> event_of(Row(at_us=5, kind="stream", event="done", data=None), b"[DONE]")
        b'event: done\ndata: [DONE]\n\n'
    """
    return b"event: " + str(row.event).encode() + b"\ndata: " + data + b"\n\n"


def _cut(text: bytes, chance: Chance) -> bytes:
    return text[: chance.between(1, len(text) - 1)]


def _not_utf8(text: bytes, _chance: Chance) -> bytes:
    return text.replace(b"thread.run", b"\xffthread.run", 1)


def _two(text: bytes, chance: Chance) -> bytes:
    return text + chance.pick((b"", b" ", b",")) + text


def _html(_text: bytes, chance: Chance) -> bytes:
    return chance.pick((b"<html><h1>502 Bad Gateway</h1></html>", b"upstream connect error", b"Traceback (most recent"))


def _no_object(_text: bytes, chance: Chance) -> bytes:
    return chance.pick((b"null", b"17", b'"queued"', b"{}", b'{"ok":true}'))


def _quoted(text: bytes, _chance: Chance) -> bytes:
    return text.replace(b'"', b"'")


def _not_a_number(text: bytes, _chance: Chance) -> bytes:
    return b'{"score":NaN,' + text[1:]


def _spaced(text: bytes, _chance: Chance) -> bytes:
    return json.dumps(json.loads(text)).encode()


def _carriage_return(text: bytes, _chance: Chance) -> bytes:
    return text.replace(b"\n", b"\r\n") if text.endswith(b"\n") else text + b"\r"


def _blank(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, anywhere, chance)
    if n is None:
        return None
    row = draft.row(n)
    draft.add_row(draft.places[n], Row(at_us=row.at_us, kind=row.kind, data=None, raw=b"\n"))
    return draft.made()


def _fault(name: str, says: str, spoil: Spoil, views: tuple[View, ...] = ("history", "polled", "stream")) -> Fault:
    return Fault(
        name=name,
        family="lines",
        says=says,
        breaks=("RE901",),
        may=LOST,
        views=views,
        framed=True,
        apply=_spoiled(spoil),
    )


def _harmless(name: str, says: str, unseen: str, apply: Apply) -> Fault:
    return Fault(name=name, family="lines", says=says, breaks=(), unseen=unseen, framed=True, apply=apply)


LINE_FAULTS: Final[tuple[Fault, ...]] = (
    _fault("cut_line", "A line breaks off in the middle.", _cut),
    _fault("not_utf8", "A line is not UTF-8.", _not_utf8),
    _fault("two_values", "Two JSON values stand on one line.", _two),
    _fault("not_json", "A line is the text of an error, not JSON.", _html),
    _fault("no_object", "A line is JSON, but no object that belongs into a recording.", _no_object),
    _fault("single_quotes", "A line is written as Python prints it.", _quoted),
    _fault("not_a_number", "A line holds NaN, which JSON does not have.", _not_a_number),
    _harmless(
        "blank_line",
        "A blank line stands between two others.",
        "blank lines are passed over",
        _blank,
    ),
    _harmless(
        "spaced_line",
        "A line is written with spaces, and with escapes for what is not ASCII.",
        "it is the same JSON",
        _spoiled(_spaced, seen=False),
    ),
    _harmless(
        "carriage_return",
        "A line ends as on Windows.",
        "a carriage return is space to JSON, and an end of line to event streams",
        _spoiled(_carriage_return, seen=False, framed=True),
    ),
)
"""The faults of this family."""
