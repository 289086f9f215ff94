"""JSON Lines: one value a line, read line by line. A line is at most 64 MiB; a longer one is skipped and named."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedReader
from typing import BinaryIO, Final, cast

from attrs import define

from runengine.dialects.wire import NotJSON, decode
from runengine.validation.observations import Item, Skimming, Unreadable
from runengine.validation.readers.envelopes import items_of
from runengine.validation.readers.reader import FORMS, Reader, Recorded

__all__ = [
    "GIVE_UP_AFTER",
    "LINE_BYTES_MAX",
    "READER",
    "Tally",
    "items_of_line",
    "no_text",
    "numbered_lines",
    "read_json_lines",
]

LINE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Longest line that is read."""

GIVE_UP_AFTER: Final = 100
"""After so many unreadable lines and none that could be read, the input is no recording."""

_CHUNK_BYTES: Final = 256 * 1024
_SPACE: Final = b" \t\r\n"
_SNIFF: Final = 1024
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


@define
class Tally:
    """How far the lines of a file were read: where a file has grown, reading goes on from there.

    Attributes:
        lines: How many lines.
        bad: How many of them were not JSON.
        good: Whether one could be read.
        given_up: The file is no recording; the rest is not read.

    Example:
        >>> Tally().lines
        0
    """

    lines: int = 0
    bad: int = 0
    good: bool = False
    given_up: bool = False


def numbered_lines(file: BinaryIO, number: int = 1) -> Iterator[tuple[int, bytes | None]]:
    r"""Lines with their numbers, without the line feed; None in place of a line that is too long.

    Args:
        file: Its bytes.
        number: Of the first line.

    Example:
        >>> import io
        >>> list(numbered_lines(io.BytesIO(b"a\nb")))
        [(1, b'a'), (2, b'b')]
    """
    begun, size = list[bytes](), 0
    while chunk := file.read(_CHUNK_BYTES):
        first, *pieces = chunk.split(b"\n")
        size += len(first)
        begun.append(first if size <= LINE_BYTES_MAX else b"")
        if not pieces:
            continue
        yield number, b"".join(begun) if size <= LINE_BYTES_MAX else None
        last = pieces.pop()
        for piece in pieces:
            number += 1
            yield number, piece
        number += 1
        begun, size = [last], len(last)
    if size:
        yield number, b"".join(begun) if size <= LINE_BYTES_MAX else None


def items_of_line(line: str | bytes, number: int) -> Iterator[Item]:
    """Items of one line by itself; nothing for a blank one.

    Args:
        line: JSON; in UTF-8, if bytes.
        number: Its number, from 1.

    Example:
        >>> [(item.line, item.problem) for item in items_of_line("{", 7)]
        [(7, 'not JSON: cut off, expected more')]
    """
    if not (line.strip(_SPACE) if isinstance(line, bytes) else line.strip()):
        return
    try:
        value = decode(line)
    except NotJSON as error:
        found = _start(line) if isinstance(line, bytes) else line[:80].rstrip()
        yield Unreadable(line=number, problem=f"not JSON: {error.problem}", found=found)
        return
    yield from items_of(value, number)


def read_json_lines(file: BinaryIO, skim: Skimming | None = None, tally: Tally | None = None) -> Iterator[Item]:
    r"""Items of a JSON Lines file.

    Args:
        file: Its bytes.
        skim: A checker's skim.
        tally: How far the file was read before; it holds how far it is read now when the items come to their end.

    Example:
        >>> import io
        >>> [type(i).__name__ for i in read_json_lines(io.BytesIO(b'{"id": "run_1", "status": "queued"\n'))]
        ['Unreadable']
    """
    tally = tally or Tally()
    last, bad, good = tally.lines, tally.bad, tally.good
    for number, line in numbered_lines(file, last + 1):
        last = number
        if line is None:
            yield Unreadable(line=number, problem=f"the line is longer than {LINE_BYTES_MAX} bytes")
            continue
        if not line:
            continue
        if skim is not None and skim(line, number):
            good = True
            continue
        if not line.strip(_SPACE):
            continue
        try:
            value = decode(line)
        except NotJSON as error:
            bad += 1
            hint = FORMS if bad == 1 and not good else None
            yield Unreadable(line=number, problem=f"not JSON: {error.problem}", found=_start(line), hint=hint)
            if bad >= GIVE_UP_AFTER and not good:
                problem = f"the first {bad} lines are not JSON; the rest was not read"
                yield Unreadable(line=0, problem=problem)
                tally.given_up = True
                break
            continue
        for item in items_of(value, number):
            good = good or not isinstance(item, Unreadable)
            yield item
    tally.lines, tally.bad, tally.good = last, bad, good


def no_text(start: bytes) -> Unreadable | None:
    """What is said of a file that is no text at all, once instead of line by line; None of any other.

    Args:
        start: Its first bytes.

    Example:
        >>> no_text(b"{}") is None, no_text(bytes(2)) is None
        (True, False)
    """
    start = start[:_SNIFF]
    if not start.startswith(_UTF_16) and b"\0" not in start:
        return None
    problem = "zero bytes or a UTF-16 mark: expected JSON or an event stream in UTF-8"
    return Unreadable(line=0, problem=problem, hint=FORMS)


def _start(line: bytes) -> str:
    return line[:80].decode("utf-8", "backslashreplace").rstrip()


def _read(recorded: Recorded) -> Iterator[Item]:
    said = no_text(cast("BufferedReader", recorded.file).peek(_SNIFF))
    if said is not None:
        yield said
    else:
        yield from read_json_lines(recorded.file, recorded.skim)


READER: Final = Reader(
    name="json-lines",
    says="JSON Lines: one snapshot, envelope or list a line",
    suffixes=(".jsonl", ".ndjson"),
    recognises=lambda _head: True,
    read=_read,
)
"""For the registry."""
