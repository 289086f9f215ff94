"""From the paths a user gives to items: folders walked, globs expanded, each file's form told from its beginning."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from glob import glob, has_magic
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final, cast

from runengine.dialects.kotlin_sql import ADDRESS, is_like_address, masked
from runengine.dialects.wire import NotJSON, decode
from runengine.errors import TraceUnreadable
from runengine.validation.observations import Item, Unreadable
from runengine.validation.readers.json_document import read_json_array, read_json_document
from runengine.validation.readers.json_lines import read_json_lines
from runengine.validation.readers.sse import read_event_stream

__all__ = ["STANDARD_INPUT", "SUFFIXES", "expand", "open_input", "read_items"]

SUFFIXES: Final = (".json", ".jsonl", ".ndjson", ".sse")
"""Files taken from a folder."""

STANDARD_INPUT: Final = "-"

_SNIFF: Final = 64 * 1024
_SSE_STARTS: Final = (b"event:", b"data:", b":")
_SQLITE: Final = b"SQLite format 3\0"
_SPACE: Final = b" \t\r\n"


def expand(paths: Iterable[str]) -> Iterator[str]:
    """The files that paths, folders and globs stand for, in order; hidden ones in folders are passed over.

    Args:
        paths: As given by the user; `-` is standard input.

    Raises:
        TraceUnreadable: a path leads nowhere, or a folder has no file to check.

    Example:
        >>> list(expand(["-"]))
        ['-']
    """
    for path in paths:
        here = Path(path)
        if path == STANDARD_INPUT or here.is_file() or (here.exists() and not here.is_dir()):
            yield path
        elif here.is_dir():
            yield from _walk(here)
        elif has_magic(path) and (found := sorted(glob(path, recursive=True))):  # noqa: PTH207 - an absolute pattern has no Path.glob
            yield from (f for f in found if Path(f).is_file())
        else:
            known = f"; a database is given as {ADDRESS}" if is_like_address(path) else ""
            raise TraceUnreadable(masked(path), 0, 0, f"there is no such file or folder{known}")


def _walk(folder: Path) -> Iterator[str]:
    hidden = len(folder.parts)
    files = sorted(
        f
        for f in folder.rglob("*")
        if f.suffix in SUFFIXES and f.is_file() and not any(p.startswith(".") for p in f.parts[hidden:])
    )
    if not files:
        raise TraceUnreadable(str(folder), 0, 0, f"the folder has no file to check ({', '.join(SUFFIXES)})")
    yield from map(str, files)


@contextmanager
def open_input(path: str) -> Iterator[BinaryIO]:
    """Open a path, or standard input, for reading bytes.

    Raises:
        TraceUnreadable: it cannot be opened.

    Example:
        >>> with open_input("/nowhere") as file: pass
        Traceback (most recent call last):
        runengine.errors.TraceUnreadable: /nowhere: No such file or directory
    """
    if path == STANDARD_INPUT:
        if sys.stdin is None:
            raise TraceUnreadable(path, 0, 0, "standard input is closed")
        yield sys.stdin.buffer
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - closed below; only opening may be reported as such
    except OSError as error:
        known = f"; a database is given as {ADDRESS}" if is_like_address(path) else ""
        raise TraceUnreadable(masked(path), 0, 0, f"{error.strerror or error}{known}") from None
    with file:
        yield file


def read_items(path: str, file: BinaryIO, skim: Callable[[bytes], bool] | None = None) -> Iterator[Item]:
    """Items of a file, by the reader that its beginning (or `.sse`) calls for; nothing for an empty one.

    Args:
        path: Its name.
        file: Its bytes, buffered.
        skim: A checker's skim, for JSON Lines.

    Example:
        >>> import io
        >>> list(read_items("a", io.BufferedReader(io.BytesIO(b""))))
        []
    """
    start = cast("BufferedReader", file).peek(_SNIFF)[:_SNIFF]
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip(_SPACE)
    if not start:
        return
    if start.startswith(_SQLITE):
        address = "sqlite:///FILE" if path == STANDARD_INPUT else f"sqlite:///{path}"
        yield Unreadable(line=0, problem=f"a SQLite database: give it as {address}")
    elif start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start[:1024]:
        yield Unreadable(line=0, problem="zero bytes or a UTF-16 mark: expected JSON or an event stream in UTF-8")
    elif path.endswith(".sse") or text.startswith(_SSE_STARTS):
        yield from read_event_stream(file)
    elif text.startswith(b"[") and _is_array(text):
        yield from read_json_array(file)
    elif text.startswith(b"{") and _is_document(text):
        yield from read_json_document(file)
    else:
        yield from read_json_lines(file, skim)


def _is_array(text: bytes) -> bool:
    """Whether it may hold runs (a log's `[INFO] …` and an array of arrays do not), and is not the first of lines."""
    first, newline, rest = text.partition(b"\n")
    if first[1:].lstrip(_SPACE)[:1] not in (b"", b"{", b"]"):
        return False
    return not (newline and rest.strip(_SPACE) and _decodes(first))


def _is_document(text: bytes) -> bool:
    """The first line is no whole JSON value, the second goes on as a document would, and none after it is an object."""
    first, newline, rest = text.partition(b"\n")
    if not newline or rest[:1] not in (b" ", b"\t", b"}", b'"', b"\r") or _decodes(first):
        return False
    return not any(line.startswith(b"{") and _decodes(line) for line in rest.split(b"\n"))


def _decodes(line: bytes) -> bool:
    try:
        decode(line)
    except NotJSON:
        return False
    return True
