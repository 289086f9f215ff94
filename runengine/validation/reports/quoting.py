"""The offending line of a recording, read back from its file and cut to the field at fault, as good compilers quote.

Only text files are read again, packed ones too: no database, no standard input, nothing binary. A file is read once,
forward, with marks to go back to (a packed one is not gone back in); of a line at most `WINDOW_BYTES` are looked at. A
line that cannot be had is not quoted.
"""

from __future__ import annotations

from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from attrs import frozen

from runengine.errors import RunEngineError
from runengine.validation.findings import Violation
from runengine.validation.readers.unpacking import Unpacking, packing_of
from runengine.validation.reports.places import Part, Spot, parts_of, spot_of
from runengine.validation.reports.plain import cells, plain

__all__ = ["WIDTH_MIN", "WINDOW_BYTES", "Lines", "Quote", "Quotes", "framed"]

WINDOW_BYTES: Final = 256 * 1024
"""How far behind the beginning of a line its field is looked for."""

WIDTH_MIN: Final = 24
"""A quote is not cut to less, columns."""

_LEAD: Final = 3  # a third of the width is what stands before the field
_MARK_EVERY: Final = 4096
_SNIFF: Final = 1024
_BINARY: Final = b"PAR1"


class Quote(NamedTuple):
    """One line as it is shown.

    Attributes:
        line: Its number.
        text: What is shown of it, nothing in it that steers a terminal.
        indent: Columns before what is pointed at.
        carets: Columns of it, at least one.
        whole: The field at fault is shown with all it holds.

    Example:
        >>> Quote(2, '{"id": 7}', 1, 7, whole=True).carets
        7
    """

    line: int
    text: str
    indent: int
    carets: int
    whole: bool


@frozen
class _Shown:
    """Characters as they are shown, from a place on in one direction."""

    text: str
    ends: bool


class Lines:
    r"""Lines of files by number, each file read forward once where lines are asked for in their order.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file, Lines() as lines:
        ...     _ = file.write(b"one\ntwo\nthree\n")
        ...     file.flush()
        ...     lines.text(file.name, 2), lines.text(file.name, 9)
        ('two\nthree\n', None)
    """

    def __init__(self) -> None:
        self._path: str | None = None
        self._file: BinaryIO | None = None
        self._text: BinaryIO | None = None
        self._marks: list[int] = []
        self._packed = False
        self._number = 1
        self._data = b""
        self._at = 0
        self._base = 0

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
        self._path = self._file = self._text = None

    def text(self, path: str, line: int) -> str | None:
        """A file's text from a line on, as far as `WINDOW_BYTES` reach; None where there is none to be had.

        Args:
            path: The file.
            line: Number of the line, from 1.
        """
        try:
            if path != self._path:
                self._open(path)
            if self._text is None or line < 1 or not self._go(line):
                return None
            self._fill(WINDOW_BYTES)
        except (OSError, ValueError, RunEngineError):
            return None
        data = self._data[self._at : self._at + WINDOW_BYTES]
        return data.decode("utf-8", "backslashreplace").removeprefix("\ufeff") if data else None

    def _open(self, path: str) -> None:
        self.close()
        self._path = path
        if not Path(path).is_file():
            return
        self._file = file = Path(path).open("rb")  # noqa: SIM115 - closed by the next one, or by close
        packing = packing_of(file.peek(_SNIFF))
        self._packed = packing is not None
        text = file if packing is None else BufferedReader(Unpacking(file, packing))
        self._text = text if _is_text(text.peek(_SNIFF)[:_SNIFF]) else None
        self._marks, self._data, self._at, self._base, self._number = [0], b"", 0, 0, 1

    def _back_to(self, mark: int) -> None:
        assert self._text is not None
        self._base = self._marks[mark]
        self._text.seek(self._base)
        self._data, self._at, self._number = b"", 0, mark * _MARK_EVERY + 1

    def _fill(self, size: int) -> None:
        """Have as much of the text from here on in memory, where there is as much."""
        assert self._text is not None
        if len(self._data) - self._at >= size:
            return
        self._base += self._at
        self._data, self._at = self._data[self._at :] + self._text.read(size), 0

    def _go(self, line: int) -> bool:
        """To the beginning of a line; false where the file ends before it."""
        known = (line - 1) // _MARK_EVERY < len(self._marks)
        if line < self._number and self._packed:
            return False
        if line < self._number or (known and line - self._number > _MARK_EVERY and not self._packed):
            self._back_to(min((line - 1) // _MARK_EVERY, len(self._marks) - 1))
        while self._number < line:
            end = self._data.find(b"\n", self._at)
            if end < 0:
                self._at = len(self._data)
                self._fill(WINDOW_BYTES)
                if not self._data:
                    self._at_end(line)
                    return False
                continue
            self._at = end + 1
            self._number += 1
            if self._number == len(self._marks) * _MARK_EVERY + 1:
                self._marks.append(self._base + self._at)
        return True

    def _at_end(self, line: int) -> None:
        """There is no such line: whoever asks for one before it has to go back."""
        if self._packed:
            self._number = line
        else:
            self._back_to(len(self._marks) - 1)


def _is_text(start: bytes) -> bool:
    return b"\0" not in start and not start.startswith(_BINARY) and packing_of(start) is None


class Quotes:
    r"""Quotes of the lines that violations are about.

    Args:
        width: Columns that a line may take.
        ascii_only: Show ASCII and nothing else.

    Example:
        >>> import tempfile
        >>> violation = dict(code="RE201", name="missing-stamp", severity="error", message="no", line=1, field="status")
        >>> with tempfile.NamedTemporaryFile() as file, Quotes(40) as quotes:
        ...     _ = file.write(b'{"id": "run_1", "status": "queued", "model": "gpt-4o", "usage": null}')
        ...     file.flush()
        ...     quotes.quote(Violation(path=file.name, run_id="run_1", found="queued", **violation))
        Quote(line=1, text='…": "run_1", "status": "queued", "model…', indent=13, carets=18, whole=True)
    """

    def __init__(self, width: int, ascii_only: bool = False) -> None:
        self._width = max(width, WIDTH_MIN)
        self._ascii_only = ascii_only
        self._lines = Lines()
        self._last: tuple[str, int] | None = None
        self._text: str | None = None
        self._parts: list[Part] = []

    def __enter__(self) -> Quotes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._lines.close()

    def quote(self, violation: Violation) -> Quote | None:
        """The line with the field at fault, or None where it cannot be had."""
        v = violation
        if self._last != (v.path, v.line):
            self._last = (v.path, v.line)
            self._text = self._lines.text(v.path, v.line)
            self._parts = [] if self._text is None else parts_of(self._text)
        if self._text is None:
            return None
        spot = spot_of(self._text, self._parts, v.run_id, v.field, v.found)
        if spot is None:
            if v.run_id is not None or v.field is not None:
                return None
            spot = Spot(0, 1, whole=False)
        begin = self._text.rfind("\n", 0, spot.start) + 1
        end = self._text.find("\n", spot.start)
        row = self._text[begin : len(self._text) if end < 0 else end].rstrip("\r")
        line = v.line + self._text.count("\n", 0, begin)
        shown = framed(row, spot.start - begin, spot.end - begin, self._width, self._ascii_only)
        return Quote(line, shown.text, shown.indent, shown.carets, shown.whole and spot.whole)


def framed(row: str, start: int, end: int, width: int, ascii_only: bool = False) -> Quote:
    """A line cut to a width around what is pointed at, with a mark on each side where it is cut.

    Args:
        row: The line.
        start: First character of what is pointed at.
        end: The one after its last.
        width: Columns there are.
        ascii_only: Show ASCII and nothing else.

    Example:
        >>> framed("abcdefghijklmnopqrstuvwxyz", 12, 14, 10)
        Quote(line=0, text='…klmnopqr…', indent=3, carets=2, whole=True)
    """
    more = "..." if ascii_only else "…"
    room = width - 2 * len(more)
    before = _before(row, start, room // _LEAD, ascii_only)
    after = _after(row, start, room - cells(before.text), ascii_only)
    if after.ends:
        before = _before(row, start, room - cells(after.text), ascii_only)
    pointed = _after(row, start, cells(after.text), ascii_only, stop=end)
    left, right = "" if before.ends else more, "" if after.ends else more
    carets = max(cells(pointed.text), 1)
    whole = pointed.ends and end <= len(row)
    return Quote(0, left + before.text + after.text + right, len(left) + cells(before.text), carets, whole)


def _before(row: str, start: int, room: int, ascii_only: bool) -> _Shown:
    shown: list[str] = []
    for place in range(start - 1, -1, -1):
        piece = plain(row[place], ascii_only)
        room -= cells(piece)
        if room < 0:
            return _Shown("".join(reversed(shown)), ends=False)
        shown.append(piece)
    return _Shown("".join(reversed(shown)), ends=True)


def _after(row: str, start: int, room: int, ascii_only: bool, stop: int | None = None) -> _Shown:
    shown: list[str] = []
    for place in range(start, len(row) if stop is None else min(stop, len(row))):
        piece = plain(row[place], ascii_only)
        room -= cells(piece)
        if room < 0:
            return _Shown("".join(shown), ends=False)
        shown.append(piece)
    return _Shown("".join(shown), ends=True)
