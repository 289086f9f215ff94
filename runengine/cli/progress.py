"""Bars on standard error for long work, when that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import BinaryIO, Final, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

__all__ = ["counting", "reading"]

_SHOW_BAR_FROM_BYTES: Final = 4 * 1024 * 1024


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


@contextmanager
def reading(path: str, file: BinaryIO) -> Iterator[BinaryIO]:
    """A large file, with a bar of how much of it is read.

    Args:
        path: Its name.
        file: Its bytes.
    """
    console = Console(stderr=True)
    size = Path(path).stat().st_size if Path(path).is_file() else 0
    if not console.is_terminal or size < _SHOW_BAR_FROM_BYTES:
        yield file
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(Path(path).name, total=size)
        yield BufferedReader(cast("RawIOBase", progress.wrap_file(file, task_id=task)))
