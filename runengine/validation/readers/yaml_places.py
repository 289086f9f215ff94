r"""Where in a YAML file each line of a quoted text stands: quotes fold lines, so that they are not one below another.

In quotes a single line break is a space, and of several the first is none; in double quotes `\n` is one, and a
backslash at the end of a line takes the break away. Source: YAML 1.1 §9.1, https://yaml.org/spec/1.1.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import Factory, define

__all__ = ["Kept", "lines_in_quotes"]

_SINGLE: Final = re.compile(r"(?:[ \t]*\r?\n)+")
_DOUBLE: Final = re.compile(r"(?:[ \t]*\r?\n)+|\\(?:\r?\n|.)")


@define
class Kept:
    r"""The last bytes of a file, with the number of their first line.

    Attributes:
        bytes_max: Most that are kept; past it they are let go, and nothing is known of their lines.
        data: The bytes.
        line: Number of the line they begin in, from 1.

    Example:
        >>> kept = Kept(100)
        >>> kept.add(b"a: 1\nb: 'x\n\n  y'\n")
        >>> kept.forget(2)
        >>> kept.quoted((2, 3), (4, 4))
        "'x\n\n  y'"
    """

    bytes_max: int
    data: bytearray = Factory(bytearray)
    line: int = 1

    def add(self, data: bytes) -> None:
        """Take what was read of the file."""
        if len(self.data) > self.bytes_max:
            self.line += self.data.count(b"\n")
            self.data.clear()
        self.data += data

    def forget(self, line: int) -> None:
        """Let go of the lines before this one."""
        end = 0
        while self.line < line and (found := self.data.find(b"\n", end)) >= 0:
            end = found + 1
            self.line += 1
        del self.data[:end]

    def quoted(self, start: tuple[int, int], end: tuple[int, int]) -> str:
        """What stands between two places, each a line from 1 and a column from 0; '' where it is not kept.

        Args:
            start: Of its first character.
            end: Behind its last.
        """
        at = 0
        for _ in range(start[0] - self.line):
            at = self.data.find(b"\n", at) + 1
            if not at:
                return ""
        if start[0] < self.line:
            return ""
        stop = at
        for _ in range(end[0] - start[0] + 1):
            stop = self.data.find(b"\n", stop) + 1 or len(self.data)
        lines = self.data[at:stop].decode("utf-8", "replace").split("\n")[: end[0] - start[0] + 1]
        lines[-1] = lines[-1][: end[1]]
        return "\n".join(lines)[start[1] :]


def lines_in_quotes(quoted: str, line: int) -> tuple[int, ...]:
    r"""The line of the file for each line of a quoted text.

    Args:
        quoted: As it stands in the file, with its quotes.
        line: In which it begins.

    Returns:
        One number more than the text has line breaks.

    Example:
        >>> lines_in_quotes("'event: a\n\n  data: {}\n\n\n  event:\n  b'", 7)
        (7, 9, 11, 12)
        >>> lines_in_quotes('"event: a\\ndata: \\\n  {}\\n"', 7)
        (7, 7, 8)
    """
    lines, here, begun = [line], line, -1
    for found in (_DOUBLE if quoted.startswith('"') else _SINGLE).finditer(quoted):
        piece = found.group()
        if piece == "\\n":
            lines.append(here)
            begun = found.end()
            continue
        breaks = piece.count("\n")
        if breaks == 1 and begun == found.start():
            lines[-1] = here + 1  # The line has begun, but nothing of it stands before the fold.
        elif not piece.startswith("\\") and breaks > 1:
            # The first break is none; every blank line is one, and the last of them ends where the text goes on.
            lines += [here + 1 + blank for blank in range(1, breaks - 1)]
            lines.append(here + breaks)
        here += breaks
    return tuple(lines)
