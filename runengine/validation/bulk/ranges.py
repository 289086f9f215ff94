"""A file cut into byte ranges at its line feeds, each with the number of its first line."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from io import BufferedReader
from typing import cast, overload

from attrs import frozen

from runengine.errors import TraceUnreadable
from runengine.validation.readers.inputs import open_input
from runengine.validation.readers.json_lines import LINE_BYTES_MAX

__all__ = ["Cut", "LinesPiece", "cut", "read_range"]


@frozen
class LinesPiece:
    """Whole lines of a file.

    Attributes:
        begin: Offset of the first byte.
        end: Offset behind the last.
        line: Number of the first line, from 1.
        long: It is one line, too long to be read.

    Example:
        >>> LinesPiece(10, 30, 2).bytes
        20
    """

    begin: int
    end: int
    line: int
    long: bool = False

    @property
    def bytes(self) -> int:
        """How many bytes."""
        return self.end - self.begin


class Cut(Sequence[LinesPiece]):
    """Pieces that are cut as they are asked for, and then remembered, so that the first can be read meanwhile.

    Args:
        pieces: What cuts them.

    Example:
        >>> pieces = Cut(iter([LinesPiece(0, 3, 1), LinesPiece(3, 8, 2)]))
        >>> next(iter(pieces)).end, len(pieces), pieces[-1].line
        (3, 2, 2)
    """

    def __init__(self, pieces: Iterator[LinesPiece]) -> None:
        self._cut: list[LinesPiece] = []
        self._pieces = pieces

    def __iter__(self) -> Iterator[LinesPiece]:
        """Each, in order."""
        at = 0
        while at < len(self._cut) or self._next():
            yield self._cut[at]
            at += 1

    def __len__(self) -> int:
        """How many; all are cut for it."""
        return len(self._all())

    @overload
    def __getitem__(self, at: int) -> LinesPiece: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[LinesPiece]: ...
    def __getitem__(self, at: int | slice) -> LinesPiece | Sequence[LinesPiece]:
        """One, or some; all are cut for it."""
        return self._all()[at]

    def _all(self) -> list[LinesPiece]:
        while self._next():
            pass
        return self._cut

    def _next(self) -> bool:
        piece = next(self._pieces, None)
        if piece is not None:
            self._cut.append(piece)
        return piece is not None


def cut(path: str, size: int, begin: int = 0, line: int = 1, end: int = sys.maxsize) -> Iterator[LinesPiece]:
    r"""Cut a file into pieces. All of it is read, to count its line feeds.

    Args:
        path: The file.
        size: About how many bytes a piece has.
        begin: Where the first line begins that is wanted.
        line: Its number.
        end: How far it is read.

    Raises:
        TraceUnreadable: it cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     _ = file.write(b"{}\n{}\n{}"), file.flush()
        ...     [(piece.begin, piece.end, piece.line) for piece in cut(file.name, 4)]
        [(0, 3, 1), (3, 8, 2)]
    """
    with open_input(path) as file:
        try:
            file.seek(begin)
            yield from _cut(cast("BufferedReader", file), size, begin, line, end)
        except OSError as error:
            raise TraceUnreadable(path, 0, 0, error.strerror or str(error)) from None


def _cut(file: BufferedReader, size: int, begin: int, line: int, end: int) -> Iterator[LinesPiece]:
    read, ready, room = begin, list[LinesPiece](), bytearray(size)
    while got := file.readinto(memoryview(room)[: end - read]):
        yield from ready
        ready.clear()
        first, last, lines = room.find(b"\n", 0, got), room.rfind(b"\n", 0, got), room.count(b"\n", 0, got)
        if lines and read + first - begin > LINE_BYTES_MAX:
            ready.append(LinesPiece(begin, read + first + 1, line, long=True))
            begin, line, lines = read + first + 1, line + 1, lines - 1
        if lines:
            ready.append(LinesPiece(begin, read + last + 1, line))
            begin, line = read + last + 1, line + lines
        read += got
    long = read - begin > LINE_BYTES_MAX
    if ready and read > begin and not long and not ready[-1].long:
        before = ready.pop()  # what has no line feed behind it is no piece of its own
        begin, line = before.begin, before.line
    yield from ready
    if read > begin:
        yield LinesPiece(begin, read, line, long=long)


def read_range(path: str, piece: LinesPiece) -> bytes:
    """The bytes of a piece.

    Args:
        path: The file.
        piece: Which.

    Raises:
        TraceUnreadable: it cannot be read, or has become shorter.

    Example:
        >>> read_range("/nowhere", LinesPiece(0, 1, 1))
        Traceback (most recent call last):
        runengine.errors.TraceUnreadable: /nowhere: No such file or directory
    """
    with open_input(path) as file:
        try:
            file.seek(piece.begin)
            data = file.read(piece.bytes)
        except OSError as error:
            raise TraceUnreadable(path, 0, 0, error.strerror or str(error)) from None
    if len(data) < piece.bytes:
        raise TraceUnreadable(path, piece.line, 0, "the file has become shorter while it was read")
    return data
