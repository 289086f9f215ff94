"""JSON Lines: one value a line, read line by line. A line is at most 64 MiB; a longer one is skipped and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from runengine.dialects.wire import NotJSON, decode
from runengine.validation.observations import Item, Observation, Passed, Unreadable
from runengine.validation.readers.envelopes import items_of

__all__ = ["GIVE_UP_AFTER", "LINE_BYTES_MAX", "numbered_lines", "read_json_lines"]

LINE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Longest line that is read."""

GIVE_UP_AFTER: Final = 100
"""After so many unreadable lines and none that could be read, the input is no recording."""

_CHUNK_BYTES: Final = 256 * 1024
_SPACE: Final = b" \t\r\n"


def numbered_lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    r"""Lines with their numbers from 1, without the line feed; None in place of a line that is too long.

    Example:
        >>> import io
        >>> list(numbered_lines(io.BytesIO(b"a\nb")))
        [(1, b'a'), (2, b'b')]
    """
    number, begun, size = 1, list[bytes](), 0
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


def read_json_lines(file: BinaryIO, skim: Callable[[bytes], bool] | None = None) -> Iterator[Item]:
    r"""Items of a JSON Lines file.

    Example:
        >>> import io
        >>> [type(i).__name__ for i in read_json_lines(io.BytesIO(b'{"id": "run_1", "status": "queued"\n'))]
        ['Unreadable']
    """
    bad, good = 0, False
    for number, line in numbered_lines(file):
        if line is None:
            yield Unreadable(line=number, problem=f"the line is longer than {LINE_BYTES_MAX} bytes")
            continue
        if skim is not None and skim(line):
            good = True
            continue
        if not line.strip(_SPACE):
            continue
        try:
            value = decode(line)
        except NotJSON as error:
            bad += 1
            yield Unreadable(line=number, problem=f"not JSON: {error.problem}", found=_start(line))
            if bad >= GIVE_UP_AFTER and not good:
                problem = f"the first {bad} lines are not JSON; the rest was not read"
                yield Unreadable(line=0, problem=problem)
                return
            continue
        for item in items_of(value, number):
            good = good or isinstance(item, (Observation, Passed))
            yield item


def _start(line: bytes) -> str:
    return line[:80].decode("utf-8", "backslashreplace").rstrip()
