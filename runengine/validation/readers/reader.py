"""What a reader is: one form of recording, how it is told from others, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from attrs import frozen

from runengine.validation.observations import Item, Skimming

__all__ = ["FORMS", "DatabaseReader", "Head", "Reader", "Recorded"]

FORMS: Final = (
    "JSON, JSON Lines, event streams, cassettes (VCR, HAR, Azure's test proxy), Parquet and Arrow are read, plain or "
    "packed with gzip or zstd; --reader says which it is"
)
"""What may be done where a file is of no form: said once of a file."""

_SPACE = b" \t\r\n"


@frozen(kw_only=True)
class Head:
    """The beginning of a file, by which its form is told.

    Attributes:
        name: The path, without the ending of a compression.
        start: Its first 64 KiB, unpacked.

    Example:
        >>> Head(name="a.jsonl", start=b" {}").text
        b'{}'
    """

    name: str
    start: bytes

    @property
    def text(self) -> bytes:
        """The same without a byte order mark and leading space."""
        return self.start.removeprefix(b"\xef\xbb\xbf").lstrip(_SPACE)


@frozen(kw_only=True)
class Recorded:
    """A file to be read.

    Attributes:
        name: The path, as the user gave it.
        file: Its bytes, unpacked, from the beginning.
        skim: A checker's skim, for readers of lines that hold bare records.

    Example:
        >>> import io
        >>> Recorded(name="a.jsonl", file=io.BytesIO()).skim is None
        True
    """

    name: str
    file: BinaryIO
    skim: Skimming | None = None


@frozen(kw_only=True)
class Reader:
    """One form of file.

    Attributes:
        name: As `--reader` takes it.
        says: What it reads, a few words.
        suffixes: Endings of files that are taken from a folder for its sake.
        recognises: Whether a file is of this form.
        read: A file to items. It raises nothing but TraceUnreadable, whatever the bytes.

    Example:
        >>> from runengine.validation.readers import READERS
        >>> READERS["sse"].suffixes
        ('.sse',)
    """

    name: str
    says: str
    suffixes: tuple[str, ...]
    recognises: Callable[[Head], bool]
    read: Callable[[Recorded], Iterator[Item]]


@frozen(kw_only=True)
class DatabaseReader:
    """One kind of database.

    Attributes:
        name: As `--reader` takes it.
        says: What it reads, a few words.
        recognises: Whether the database at an address is of this kind.
        read: An address to items.

    Example:
        >>> from runengine.validation.readers import READERS
        >>> READERS["store"].recognises("mysql://nowhere")
        False
    """

    name: str
    says: str
    recognises: Callable[[str], bool]
    read: Callable[[str], Iterator[Item]]
