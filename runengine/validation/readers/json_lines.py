"""JSON Lines: one value a line, read line by line. A line is at most 64 MiB; a longer one is skipped and named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from runengine.dialects.wire import NotJSON, decode
from runengine.validation.observations import Item, Observation, Passed, Unreadable
from runengine.validation.readers.envelopes import items_of

__all__ = ["GIVE_UP_AFTER", "LINE_BYTES_MAX", "numbered_lines", "read_json_lines"]

LINE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Longest line that is read."""

GIVE_UP_AFTER: Final = 100
"""After so many unreadable lines and none that could be read, the input is no recording."""

_SPACE: Final = b" \t\r\n"


def numbered_lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    r"""Lines with their numbers from 1; None in place of a line that is too long.

    Example:
        >>> import io
        >>> list(numbered_lines(io.BytesIO(b"a\nb")))
        [(1, b'a\n'), (2, b'b')]
    """
    number = 0
    while line := file.readline(LINE_BYTES_MAX):
        number += 1
        if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
            while (rest := file.readline(LINE_BYTES_MAX)) and not rest.endswith(b"\n"):
                pass
            yield number, None
        else:
            yield number, line


def read_json_lines(file: BinaryIO) -> Iterator[Item]:
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
