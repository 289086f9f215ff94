"""From the paths a user gives to items: folders walked, globs expanded, files unpacked, each read by its beginning.

A packed file whose data breaks off, or is damaged, is read up to there; that it was is said once, of the line that was
cut, or of the whole input where none was.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from glob import glob, has_magic
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from runengine.dialects.kotlin_sql import ADDRESS, is_database_url, is_like_address, masked
from runengine.errors import TraceUnreadable
from runengine.validation.observations import Item, Passed, Skimming, Unreadable
from runengine.validation.readers.others import Found, is_other_document, items_or_other
from runengine.validation.readers.reader import Head, Reader, Recorded
from runengine.validation.readers.registry import AUTO, DATABASE_READERS, FILE_READERS
from runengine.validation.readers.unpacking import Unpacking, packing_of, plain_name

__all__ = [
    "LAYERS_MAX",
    "STANDARD_INPUT",
    "SUFFIXES",
    "Watched",
    "expand",
    "form_of",
    "items_in",
    "open_input",
    "read_items",
]

SUFFIXES: Final = tuple(dict.fromkeys(suffix for reader in FILE_READERS.values() for suffix in reader.suffixes))
"""Files taken from a folder, packed or not."""

LAYERS_MAX: Final = 2
"""A packed file may hold a packed file."""

Watched = Callable[[BinaryIO], AbstractContextManager[BinaryIO]]
"""An open file to the same, with somebody who looks on."""

STANDARD_INPUT: Final = "-"

_SNIFF: Final = 64 * 1024
_SQLITE: Final = b"SQLite format 3\0"
_CUT_ITEMS: Final = 2
"""What a reader says where its input breaks off: of a cut line, and of a stream without its end."""


def expand(paths: Iterable[str]) -> Iterator[str]:
    """The files that paths, folders and globs stand for, in order; hidden ones in folders are passed over.

    Those that were found in a folder, or by a glob, are told apart: each is a `Found`.

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
        if path == STANDARD_INPUT or is_database_url(path) or here.is_file() or (here.exists() and not here.is_dir()):
            yield path
        elif here.is_dir():
            yield from _walk(here)
        elif has_magic(path) and (found := sorted(glob(path, recursive=True))):  # noqa: PTH207 - an absolute pattern has no Path.glob
            yield from (Found(f) for f in found if Path(f).is_file())
        else:
            known = f"; a database is given as {ADDRESS}" if is_like_address(path) else ""
            raise TraceUnreadable(masked(path), 0, 0, f"there is no such file or folder{known}")


def _walk(folder: Path) -> Iterator[str]:
    hidden = len(folder.parts)
    files = sorted(
        f
        for f in folder.rglob("*")
        if Path(plain_name(f.name)).suffix in SUFFIXES
        and f.is_file()
        and not any(p.startswith(".") for p in f.parts[hidden:])
    )
    if not files:
        known = f"{', '.join(SUFFIXES)}; any of them packed: .gz, .zst"
        raise TraceUnreadable(str(folder), 0, 0, f"the folder has no file to check ({known})")
    yield from (Found(file) for file in files)


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
        file = Path(path).open("rb", buffering=_SNIFF)  # noqa: SIM115 - closed below; only opening may be reported as such
    except OSError as error:
        known = f"; a database is given as {ADDRESS}" if is_like_address(path) else ""
        raise TraceUnreadable(masked(path), 0, 0, f"{error.strerror or error}{known}") from None
    with file:
        yield file


def form_of(path: str, reader: str = AUTO) -> str | None:
    """Name of the reader that a plain file calls for; None where it is packed, no file, or another document.

    Args:
        path: As `expand` gives it.
        reader: Name of a reader, or `auto`.

    Raises:
        TraceUnreadable: it cannot be opened.

    Example:
        >>> form_of("-") is None
        True
    """
    if path == STANDARD_INPUT or is_database_url(path) or reader in DATABASE_READERS or not Path(path).is_file():
        return None
    with open_input(path) as file:
        start = _begun(file).peek(_SNIFF)[:_SNIFF]
        if packing_of(start) is not None or start.startswith(_SQLITE):
            return None
        if reader != AUTO:
            return reader
        head = Head(name=path, start=start)
        chosen = next(known for known in FILE_READERS.values() if known.recognises(head))
        return None if isinstance(path, Found) and _is_other(path, head, chosen) else chosen.name


def read_items(path: str, file: BinaryIO, skim: Skimming | None = None, reader: str = AUTO) -> Iterator[Item]:
    """Items of a file, unpacked, by the reader that its beginning calls for; nothing for an empty one.

    Args:
        path: Its name.
        file: Its bytes. It is left open, wherever reading ended.
        skim: A checker's skim, for readers of lines.
        reader: Name of a reader of files, or `auto`.

    Raises:
        TraceUnreadable: it cannot be read at all.
        MissingExtra: it is of a form whose library is not installed.

    Example:
        >>> import io
        >>> list(read_items("a", io.BytesIO(b"")))
        []
    """
    outermost = begun = _begun(file)
    try:
        begun, layers = _unpacked(begun)
        if packing_of(begun.peek(_SNIFF)) is not None:
            yield Unreadable(line=0, problem=f"packed more than {LAYERS_MAX} times over: unpack it yourself")
            return
        items = _items(path, begun, skim, reader, bool(layers))
        yield from _with_damage(items, layers) if layers else items
    finally:
        if outermost is not file:
            with suppress(ValueError):  # whoever opened the file has closed it
                outermost.detach()


def _unpacked(file: BufferedReader) -> tuple[BufferedReader, list[Unpacking]]:
    """What a file holds, and the layers in which it is packed."""
    layers: list[Unpacking] = []
    while len(layers) < LAYERS_MAX and (packing := packing_of(file.peek(_SNIFF))) is not None:
        layers.append(Unpacking(file, packing, layers[-1] if layers else None))
        file = BufferedReader(layers[-1], _SNIFF)
    return file, layers


def _begun(file: BinaryIO) -> BufferedReader:
    """The same file, such that all of its beginning can be looked at: a pipe gives what it happens to have."""
    if isinstance(file, BufferedReader) and len(file.peek(_SNIFF)) >= _SNIFF:
        return file
    return BufferedReader(cast("RawIOBase", file), _SNIFF)


def _items(path: str, file: Any, skim: Skimming | None, reader: str, packed: bool) -> Iterator[Item]:
    start = file.peek(_SNIFF)[:_SNIFF]
    if not start:
        return
    head = Head(name=plain_name(path), start=start)
    if start.startswith(_SQLITE):
        address = f"sqlite:///{'FILE' if packed or path == STANDARD_INPUT else path}"
        yield Unreadable(
            line=0, problem=f"a SQLite database: {'unpack it, and ' if packed else ''}give it as {address}"
        )
        return
    recorded = Recorded(name=path, file=file, skim=skim)
    if reader != AUTO:
        chosen = FILE_READERS[reader]
        yield from items_or_other(chosen.read(recorded), head, chosen)
        return
    chosen = next(known for known in FILE_READERS.values() if known.recognises(head))
    if isinstance(path, Found) and _is_other(path, head, chosen):
        yield Passed(line=1, what="document")
    else:
        yield from chosen.read(recorded)


def _is_other(path: Found, head: Head, chosen: Reader) -> bool:
    """Whether a file that nobody named is no recording; it is opened once more, as the signs of one may be anywhere."""
    with open_input(path) as file:
        return is_other_document(head, chosen, _unpacked(_begun(file))[0])


def _with_damage(items: Iterator[Item], layers: list[Unpacking]) -> Iterator[Item]:
    """Items, and what is wrong with the packed data, said with the line that it cut, if it cut one."""
    last: deque[Item] = deque()
    try:
        for item in items:
            last.append(item)
            if len(last) > _CUT_ITEMS:
                yield last.popleft()
    except TraceUnreadable:
        yield from last
        raise
    # An inner layer is cut off where the outer one breaks: the outer one says why.
    problem = next((layer.problem for layer in layers if layer.problem is not None), None)
    cut = next((item for item in reversed(last) if isinstance(item, Unreadable)), None)
    for item in last:
        if cut is not None and item is cut and problem is not None:
            yield Unreadable(line=cut.line, problem=f"{cut.problem}; {problem}", found=cut.found)
        else:
            yield item
    if problem is not None and cut is None:
        yield Unreadable(line=0, problem=problem)


def items_in(
    path: str, *, reader: str = AUTO, skim: Skimming | None = None, watched: Watched = nullcontext
) -> Iterator[Item]:
    """Items of whatever one path stands for: a file, standard input, a database.

    Args:
        path: As `expand` gives it.
        reader: Name of a reader, or `auto`.
        skim: A checker's skim, for readers of lines.
        watched: Wraps an open file, for a bar of how much of it is read.

    Raises:
        TraceUnreadable: it cannot be opened, or it is the address of a database and a reader of files was chosen.
        MissingExtra: it is of a form whose library is not installed.

    Example:
        >>> list(items_in("/nowhere"))
        Traceback (most recent call last):
        runengine.errors.TraceUnreadable: /nowhere: No such file or directory
    """
    if reader in DATABASE_READERS or (reader == AUTO and is_database_url(path)):
        known = DATABASE_READERS.values() if reader == AUTO else (DATABASE_READERS[reader],)
        # The last one says what was expected of a database that is of no kind.
        chosen = next((each for each in known if each.recognises(path)), tuple(known)[-1])
        yield from chosen.read(path)
        return
    if is_database_url(path):
        known_names = ", ".join(DATABASE_READERS)
        problem = (
            f"--reader {reader} reads files, and this is the address of a database; leave --reader out ({known_names})"
        )
        raise TraceUnreadable(masked(path), 0, 0, problem)
    with open_input(path) as file, watched(file) as bytes_of:
        yield from read_items(path, bytes_of, skim, reader)
