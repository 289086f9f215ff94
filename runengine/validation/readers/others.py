"""Files that are of another form than was thought: other documents in a folder, and not what a reader is chosen for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from runengine.dialects.wire import NotJSON, decode, encode
from runengine.validation.observations import Item, Passed, StreamEnd, Unreadable
from runengine.validation.readers import json_document, json_lines
from runengine.validation.readers.reader import Head, Reader
from runengine.validation.readers.registry import FILE_READERS

__all__ = ["OTHER_BYTES_MAX", "Found", "is_other_document", "items_or_other"]

OTHER_BYTES_MAX: Final = 64 * 1024 * 1024
"""Largest document that is looked through for signs of a run; a larger one is taken for a recording."""

_CHUNK: Final = 1024 * 1024
_OVERLAP: Final = 128
_HELD_MAX: Final = 200
_SIGNS: Final = re.compile(
    rb'"(?:(?i:id|object|status|error|(?:thread|assistant|run)_?id|required_?action|last_?error|incomplete_?details'
    rb'|tool_?outputs)|\w+_at|\w+At)"\s{0,64}:|thread\.run|/threads'
)
_JSON: Final = (json_document.READER, json_lines.READER)


class Found(str):
    """A path that was found, in a folder or by a glob: nobody named this very file.

    Example:
        >>> Found("a/package.json") == "a/package.json"
        True
    """

    __slots__ = ()


def is_other_document(head: Head, reader: Reader, file: BinaryIO) -> bool:
    """Whether a file is one JSON document in which nothing has a sign of a run, of what is around it, or of an error.

    Args:
        head: Its beginning.
        reader: What would read it.
        file: Its bytes, unpacked, from the beginning.

    Example:
        >>> import io
        >>> head = Head(name="package.json", start=b"{")
        >>> is_other_document(head, _JSON[0], io.BytesIO(b'{"name": "left-pad"}'))
        True
        >>> is_other_document(head, _JSON[0], io.BytesIO(b'{"jobs": [{"status": "done"}]}'))
        False
    """
    if reader not in _JSON or head.name.endswith(json_lines.READER.suffixes):
        return False
    data = bytearray()
    while chunk := file.read(_CHUNK):
        seen = max(len(data) - _OVERLAP, 0)
        data += chunk
        if len(data) > OTHER_BYTES_MAX or _SIGNS.search(data, seen):
            return False
    try:
        value = decode(bytes(data))
        # A key may be written with escapes.
        return value != [] and not _SIGNS.search(encode(value))
    except NotJSON:
        return False


def items_or_other(items: Iterator[Item], head: Head, chosen: Reader) -> Iterator[Item]:
    """Items of a reader that was chosen; where it can read nothing, one word on what the file looks like instead.

    Args:
        items: What it reads.
        head: The beginning of the file.
        chosen: The reader.

    Example:
        >>> head = Head(name="a", start=b"event: done")
        >>> nothing = iter([Passed(line=1, what="document")])
        >>> [item.problem for item in items_or_other(nothing, head, FILE_READERS["vcr"])]
        ['--reader vcr reads nothing of it: it looks like sse; leave --reader out, or use --reader sse']
    """
    other = _looks_like(head, chosen)
    if other is None:
        yield from items
        return
    held: list[Item] = []
    for item in items:
        held.append(item)
        is_document = isinstance(item, Passed) and item.what == "document"
        if not is_document and not isinstance(item, (Unreadable, StreamEnd)):
            yield from held
            yield from items
            return
        if len(held) >= _HELD_MAX:
            break
    if held:
        advice = f"it looks like {other.name}; leave --reader out, or use --reader {other.name}"
        yield Unreadable(line=0, problem=f"--reader {chosen.name} reads nothing of it: {advice}")


def _looks_like(head: Head, chosen: Reader) -> Reader | None:
    """The reader that the beginning calls for, where it is another; None too where nothing calls for one."""
    other = next(known for known in FILE_READERS.values() if known.recognises(head))
    if other is chosen or (other is json_lines.READER and not head.text.startswith((b"{", b"["))):
        return None
    if other in _JSON and chosen in _JSON and b"\n" not in head.text.rstrip():
        return None  # both read a value in one line
    return other
