"""Bars on standard error for long work, when that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from runengine.validation.reports.plain import plain

__all__ = ["Reading", "counting", "reading"]

_SHOW_BAR_FROM_BYTES: Final = 4 * 1024 * 1024
_DRAWN: Final = 200
"""So many times at most, where no report takes the bar's place."""
_BUFFER_BYTES: Final = 64 * 1024


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s", style="progress.data.speed")


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with how many are done, how many a second, and the time left.

    Args:
        what: What is counted.
        total: How many there will be.

    Example:
        >>> with counting("runs", 10) as done:
        ...     done(7)
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


class Reading:
    """A bar of how much of a large file is read, on standard error, which makes way for what is written meanwhile.

    It is drawn anew where the file is read on, and by nothing else: no thread draws it between two lines of a report.
    """

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._next = 0
        self._step = 1

    @contextmanager
    def of(self, path: str, file: BinaryIO) -> Iterator[BinaryIO]:
        """A file, with the bar if it is large and standard error is a terminal.

        Args:
            path: Its name.
            file: Its bytes.
        """
        console = Console(stderr=True)
        size = Path(path).stat().st_size if Path(path).is_file() else 0
        if not console.is_terminal or size < _SHOW_BAR_FROM_BYTES:
            yield file
            return
        self._begin(Path(path).name, size, console)
        try:
            yield BufferedReader(_Watched(file, self._at), _BUFFER_BYTES)
        finally:
            self.make_way()
            self._progress = None

    @contextmanager
    def passes(self, what: str, path: str, size: int) -> Iterator[Callable[[int], None]]:
        """A bar for a pass over a large file: how many bytes are dealt with, at which rate, and the time left.

        Args:
            what: What is done meanwhile.
            path: The file's name.
            size: How many bytes there are.
        """
        console = Console(stderr=True)
        if not console.is_terminal or size < _SHOW_BAR_FROM_BYTES:
            yield lambda _done: None
            return
        self._begin(f"{Path(path).name}: {what}", size, console)
        try:
            yield self._at
        finally:
            self.make_way()
            self._progress = None

    def make_way(self) -> None:
        """Take the bar away; it is there again when more of the file is read."""
        if self._progress is not None and self._progress.live.is_started:
            self._progress.stop()

    def _begin(self, what: str, size: int, console: Console) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        # Standard output stays what it is: a report may hold on to it.
        self._progress = Progress(*columns, console=console, transient=True, auto_refresh=False, redirect_stdout=False)
        self._task = self._progress.add_task(plain(what), total=size)
        self._next, self._step = 0, max(size // _DRAWN, 1)

    def _at(self, position: int) -> None:
        if self._progress is None or abs(position - self._next) < self._step:
            return
        self._next = position
        self._progress.update(self._task, completed=position)
        if self._progress.live.is_started:
            self._progress.refresh()
        else:
            self._progress.start()


class _Watched(RawIOBase):
    """A file, and somebody who is told how far it is read."""

    def __init__(self, file: BinaryIO, at: Callable[[int], None]) -> None:
        super().__init__()
        self._file = cast("BufferedReader", file)
        self._at = at
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def readinto(self, into: Any, /) -> int:
        count = self._file.readinto(into)
        self._position += count
        self._at(self._position)
        return count

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._position = self._file.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        return self._file.tell()


@contextmanager
def reading(path: str, file: BinaryIO) -> Iterator[BinaryIO]:
    """A large file, with a bar of how much of it is read, where nothing is written to the terminal meanwhile.

    Args:
        path: Its name.
        file: Its bytes.
    """
    with Reading().of(path, file) as watched:
        yield watched
