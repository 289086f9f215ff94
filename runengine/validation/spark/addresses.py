"""Names of files: as people write them, and as Spark does."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

__all__ = ["is_remote", "name_of", "plain_name_of"]

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_remote(path: str) -> bool:
    """Whether a path is for Spark to open, not for this machine.

    Example:
        >>> is_remote("s3a://runs/*.parquet"), is_remote("runs/a.parquet"), is_remote("file:///runs/a.parquet")
        (True, False, False)
    """
    return _SCHEME.match(path) is not None and not path.startswith("file:")


def name_of(path: str) -> str:
    """The name of a file as people write it, from what Spark calls it.

    Example:
        >>> name_of("file:/tmp/a%20b.parquet"), name_of("s3a://runs/a.parquet")
        ('/tmp/a b.parquet', 's3a://runs/a.parquet')
    """
    if not path.startswith("file:"):
        return path
    return "/" + unquote(path.removeprefix("file:").lstrip("/"))


def plain_name_of(path: str) -> str:
    """The name of a file without what differs from one of Spark's spellings to the next.

    Example:
        >>> plain_name_of("file:///tmp/a%20b.parquet") == plain_name_of("file:/tmp/a b.parquet")
        True
    """
    return name_of(path) if path.startswith("file:") else unquote(path)
