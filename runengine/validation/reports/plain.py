"""Foreign text as a terminal may have it: nothing steers it, and how wide each character stands is known."""

from __future__ import annotations

import os
import unicodedata
from functools import lru_cache
from pathlib import Path

from runengine.dialects.kotlin_sql import is_database_url

__all__ = ["cells", "plain", "relative"]


def plain(text: str, ascii_only: bool = False) -> str:
    r"""Control characters made visible, so that they cannot steer the terminal; all but ASCII too, where asked for.

    Example:
        >>> plain("a\x1b[31m\u202eb"), plain("é", ascii_only=True)
        ('a\\x1b[31m\\u202eb', '\\xe9')
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c.isprintable() and not (ascii_only and not c.isascii()) else c.encode("unicode_escape").decode()
        for c in text
    )


def cells(text: str) -> int:
    """How many columns printable text takes on a terminal.

    Source: Unicode Standard Annex #11 (wide and fullwidth take two); marks take none.

    Example:
        >>> cells("run"), cells("日本"), cells("e\u0301")
        (3, 4, 1)
    """
    return len(text) if text.isascii() else sum(map(_cells, text))


@lru_cache(maxsize=4096)
def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me") or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def relative(path: str) -> str:
    """A path as hosts of reports take it: below the working directory where it is, with forward slashes.

    Addresses of databases, and standard input, stay what they are.

    Example:
        >>> relative("./recordings//a.jsonl"), relative("sqlite:///runs.db")
        ('recordings/a.jsonl', 'sqlite:///runs.db')
    """
    if not path or is_database_url(path):
        return path
    here = os.path.relpath(path) if not os.path.isabs(path) else _below(path)  # noqa: PTH117 - of text, not of a file
    return here.replace(os.sep, "/")


def _below(path: str) -> str:
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
