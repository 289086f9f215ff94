"""JSON Lines that grow: reading goes on where it stood, as far as the last line that has its end.

A line without a line feed may still be written to: it is left for the next time. What was read before is told by its
first and last bytes, so that a file that was replaced, or cut, is not taken for one that has grown.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from hashlib import sha256
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, Final

from attrs import Factory, asdict, evolve, frozen

from runengine.validation.observations import Item, Skimming
from runengine.validation.readers.inputs import Watched, open_input
from runengine.validation.readers.json_lines import Tally, no_text, read_json_lines

__all__ = ["Growing", "Mark", "mark_of"]

_PRINT_BYTES: Final = 4096
"""So much of the beginning, and of the end of what was read, tells a file from another."""

_CHUNK_BYTES: Final = 64 * 1024


@frozen(kw_only=True)
class Mark:
    """How far a file was read.

    Attributes:
        path: Absolute.
        name: As it was given.
        grows: It is read line by line, and more lines may follow; else it was read whole.
        bytes: So many were read.
        head: Digest of the first of them.
        tail: Digest of the last of them.
        tally: Of its lines.

    Example:
        >>> Mark(path="/a.jsonl", name="a.jsonl", grows=True, bytes=0, head="", tail="").tally.lines
        0
    """

    path: str
    name: str
    grows: bool
    bytes: int
    head: str
    tail: str
    tally: Tally = Factory(Tally)

    def kept(self) -> dict[str, Any]:
        """The same as plain JSON; `taken` reads it."""
        return asdict(self)

    @classmethod
    def taken(cls, kept: dict[str, Any]) -> Mark:
        """What `kept` wrote.

        Raises:
            KeyError: something is missing.
            TypeError: something is of another type.
        """
        return cls(**{**kept, "tally": Tally(**kept["tally"])})

    def problem(self) -> str | None:
        """Why the file is no longer the one that was read; None where it is."""
        size = Path(self.path).stat().st_size
        if size < self.bytes:
            return f"it has {size:,} bytes, and {self.bytes:,} of it were checked before: it was cut, or replaced"
        if (self.head, self.tail) != _prints(self.path, self.bytes):
            return "what was checked of it before has changed since: it was replaced, or written anew"
        if size > self.bytes and not self.grows:
            return "it was checked before and has grown since, and only JSON Lines are checked from where they stood"
        return None


def mark_of(path: str, name: str, *, grows: bool, size: int | None = None, tally: Tally | None = None) -> Mark:
    """A mark of a file as it is now.

    Args:
        path: Where it is.
        name: As it was given.
        grows: More lines may follow.
        size: So many bytes were read; all where None.
        tally: Of its lines.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     mark_of(file.name, "a.parquet", grows=False).problem() is None
        True
    """
    count = Path(path).stat().st_size if size is None else size
    head, tail = _prints(path, count)
    here = os.path.abspath(path)  # noqa: PTH100 - of text
    return Mark(path=here, name=name, grows=grows, bytes=count, head=head, tail=tail, tally=tally or Tally())


def _prints(path: str, size: int) -> tuple[str, str]:
    with Path(path).open("rb") as file:
        head = file.read(min(size, _PRINT_BYTES))
        file.seek(max(size - _PRINT_BYTES, 0))
        tail = file.read(min(size, _PRINT_BYTES))
    return sha256(head).hexdigest(), sha256(tail).hexdigest()


class Growing:
    r"""What a file has got since it was read last.

    Args:
        path: Where it is.
        before: How far it was read, or None.
        whole: It grows no more: a last line without a line feed is read too.

    Attributes:
        start: So many bytes were read before.
        stop: So far it is read now.
        tally: Of its lines; of the new ones too, when `items` has come to its end.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     _ = file.write(b'{"object": "thread.run"}\n{"obj'), file.flush()
        ...     growing = Growing(file.name, None)
        ...     [item.line for item in growing.items()], growing.stop, growing.tally.lines
        ([1], 25, 1)
    """

    def __init__(self, path: str, before: Mark | None, whole: bool = False) -> None:
        self.path = path
        self.start = 0 if before is None else before.bytes
        self.tally = Tally() if before is None else evolve(before.tally)
        self.stop = Path(path).stat().st_size if whole else _last_line_end(path, self.start)

    def items(self, skim: Skimming | None = None, watched: Watched = nullcontext) -> Iterator[Item]:
        """Items of the new lines, numbered on from the old ones.

        Args:
            skim: A checker's skim.
            watched: Wraps the open file, for a bar.

        Raises:
            TraceUnreadable: it cannot be opened.
        """
        if self.tally.given_up or self.start == self.stop:
            return
        with open_input(self.path) as file, watched(file) as bytes_of:
            bytes_of.seek(self.start)
            part = BufferedReader(_Part(bytes_of, self.stop - self.start), _CHUNK_BYTES)
            said = no_text(part.peek(_CHUNK_BYTES)) if not self.start else None
            if said is None:
                yield from read_json_lines(part, skim, self.tally)
            else:
                yield said
                self.tally.given_up = True

    def passed(self, line: int, begin: int) -> None:
        """All of it was read by somebody else.

        Args:
            line: Number of one of its lines.
            begin: Where that line begins.
        """
        with Path(self.path).open("rb") as file:
            file.seek(begin)
            part = _Part(file, self.stop - begin)
            self.tally.lines = line - 1 + sum(chunk.count(b"\n") for chunk in iter(partial(part.read, 1 << 20), b""))
        self.tally.good = True

    def mark(self, name: str) -> Mark:
        """How far it has been read now.

        Args:
            name: As it was given.
        """
        return mark_of(self.path, name, grows=True, size=self.stop, tally=self.tally)


class _Part(RawIOBase):
    """So many bytes of a file."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        super().__init__()
        self._file = file
        self._left = left

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any, /) -> int:
        data = self._file.read(min(len(into), self._left))
        into[: len(data)] = data
        self._left -= len(data)
        return len(data)


def _last_line_end(path: str, start: int) -> int:
    """Where the last whole line ends."""
    with Path(path).open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > start:
            begin = max(end - _CHUNK_BYTES, start)
            file.seek(begin)
            place = file.read(end - begin).rfind(b"\n")
            if place >= 0:
                return begin + place + 1
            end = begin
    return start
