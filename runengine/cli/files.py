"""Files that commands write: whole, or not at all."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from tempfile import NamedTemporaryFile
from typing import IO

from runengine.dialects.kotlin_sql import masked
from runengine.errors import TraceUnreadable

__all__ = ["Out", "output"]


class Out:
    """What is written, until it is kept or discarded."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.kept = True

    def write(self, data: bytes) -> None:
        """Add to it."""
        self._file.write(data)

    def discard(self) -> None:
        """Keep nothing of it."""
        self.kept = False


@contextmanager
def output(path: str, *, private: bool = False, at_once: bool = False) -> Iterator[Out]:
    """A file that is written beside its place, and moved there at the end if nothing was raised.

    Standard output (`-`), a pipe and a device get a copy at the end.

    Args:
        path: The file.
        private: Whether only its owner may read it; else it keeps the mode of the file it replaces.
        at_once: Whether standard output, a pipe and a device are written to at once, and so cannot be discarded.

    Raises:
        TraceUnreadable: it cannot be written.
    """
    target = Path(path)
    streams = path == "-" or (target.exists() and not target.is_file())
    try:
        if target.is_dir() and path != "-":
            raise TraceUnreadable(masked(path), 0, 0, "cannot be written: it is a folder; give a file")
        if streams and at_once:
            yield from _stream(path)
            return
        with NamedTemporaryFile(
            dir=None if streams else target.absolute().parent, prefix=".runengine-", delete=False
        ) as file:
            temporary = Path(file.name)
            try:
                out = Out(file)
                yield out
                file.flush()
                if out.kept and streams:
                    file.seek(0)
                    for copy in _stream(path):
                        copyfileobj(file, copy)
                elif out.kept:
                    if not private:
                        temporary.chmod(_mode(target))
                    temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise TraceUnreadable(masked(path), 0, 0, f"cannot be written: {error.strerror or error}") from None


def _stream(path: str) -> Iterator[Out]:
    if path == "-":
        yield Out(sys.stdout.buffer)
        sys.stdout.flush()
        return
    with Path(path).open("wb") as file:
        yield Out(file)


def _mode(target: Path) -> int:
    """The mode of the file that is replaced, else what the umask leaves."""
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
