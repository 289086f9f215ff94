"""JSON documents: arrays of any size, element by element; any other document (a list response, one run) whole.

An array is cut into elements in chunks, so that memory grows with the largest element and not with the file. After an
element that cannot be read, reading goes on at the next line that begins like the first element did. Bytes that are
not UTF-8 spoil the element they are in, and no other.
"""

from __future__ import annotations

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Generator, Iterator
from io import BufferedReader
from typing import BinaryIO, Final, cast

from runengine.dialects.wire import NotJSON, decode
from runengine.validation.observations import Item, Unreadable
from runengine.validation.readers.envelopes import items_of
from runengine.validation.readers.reader import Head, Reader, Recorded

__all__ = ["DOCUMENT_BYTES_MAX", "ELEMENT_CHARS_MAX", "READER", "read_json_array", "read_json_document", "read_up_to"]

DOCUMENT_BYTES_MAX: Final = 256 * 1024 * 1024
"""Largest document that is read whole."""

ELEMENT_CHARS_MAX: Final = 64 * 1024 * 1024
"""Largest element of an array."""

_CHUNK: Final = 1024 * 1024
_CUT_CHARS: Final = 16
"""An error at least so far before the end of the text is not due to the text ending there."""

_SNIFF: Final = 1024
_BLANK: Final = b" \t\r\n"
_SPACE: Final = re.compile(r"[ \t\r\n\ufeff]*")
_scan: Final = json.JSONDecoder().raw_decode


def read_json_document(file: BinaryIO) -> Iterator[Item]:
    """Items of a file that is one JSON value and no array.

    Example:
        >>> import io
        >>> [i.record["id"] for i in read_json_document(io.BytesIO(b'{"data": [{"object": "thread.run", "id": "r"}]}'))]
        ['r']
    """
    data = read_up_to(file, DOCUMENT_BYTES_MAX + 1)
    if len(data) > DOCUMENT_BYTES_MAX:
        yield Unreadable(line=0, problem=f"one document of more than {DOCUMENT_BYTES_MAX} bytes; use JSON Lines")
        return
    try:
        value = decode(data)
    except NotJSON as error:
        line = data.count(b"\n", 0, error.offset) + 1 if error.offset is not None else 1
        yield Unreadable(line=line, problem=f"not JSON: {error.problem}")
        return
    yield from items_of(value, 1)


def read_up_to(file: BinaryIO, size: int) -> bytes:
    """So many bytes, or as many as there are: a file asked for all at once would be given room for all.

    Args:
        file: Its bytes.
        size: How many at most.

    Example:
        >>> import io
        >>> read_up_to(io.BytesIO(b"{} "), 2)
        b'{}'
    """
    data = bytearray()
    while len(data) < size and (chunk := file.read(min(_CHUNK, size - len(data)))):
        data += chunk
    return bytes(data)


class _Window:
    """The part of the text that is in memory: grows at its end, is cut at its beginning."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decode = getincrementaldecoder("utf-8")("surrogateescape").decode
        self.text = ""
        self.at = 0
        self.line = 1
        self.ended = False

    def more(self) -> bool:
        """Read on, at least as much again as is in memory; false at the end of the file."""
        if self.ended:
            return False
        data = self._file.read(max(_CHUNK, len(self.text) - self.at))
        self.ended = not data
        self.text = self.text[self.at :] + self._decode(data, self.ended)
        self.at = 0
        return not self.ended

    def to(self, end: int) -> None:
        """Move on, counting lines."""
        self.line += self.text.count("\n", self.at, end)
        self.at = end

    def peek(self) -> str:
        """The next character that is no space, or '' at the end."""
        while True:
            match = _SPACE.match(self.text, self.at)
            self.to(match.end() if match else self.at)
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def find(self, text: str) -> bool:
        """Move behind the next place that begins with `text`; false when there is none."""
        while (place := self.text.find(text, self.at)) < 0:
            self.to(max(self.at, len(self.text) - len(text)))
            if not self.more():
                return False
        self.to(place)
        return True


def read_json_array(file: BinaryIO) -> Iterator[Item]:
    r"""Items of a file that is a JSON array.

    Example:
        >>> import io
        >>> run = b'{"object": "thread.run", "id": "r"}'
        >>> [i.line for i in read_json_array(io.BytesIO(b"[" + run + b",\n" + run + b"]"))]
        [1, 2]
    """
    window = _Window(file)
    while window.peek() == "[":
        closed = yield from _elements(window)
        if not closed:
            return
    if window.peek():
        yield Unreadable(line=window.line, problem="not JSON: text after the end of the array; it was not read")


def _elements(window: _Window) -> Generator[Item, None, bool]:
    """Items of one array; whether it was read to its end."""
    window.to(window.at + 1)
    if window.peek() == "]":
        window.to(window.at + 1)
        return True
    before = window.text[: window.at]
    indent = before[before.rfind("\n") + 1 :]
    like_first = "\n" + ("" if indent.strip() else indent) + window.text[window.at : window.at + 1]
    while True:
        end = _end_of_element(window)
        if end is None:
            line = window.line
            window.to(min(window.at + 1, len(window.text)))
            found = window.find(like_first)
            rest = "" if found else "; the rest was not read"
            yield Unreadable(line=line, problem=f"not JSON: an element of the array is broken or cut off{rest}")
            if not found:
                return False
            window.peek()
            continue
        try:
            yield from items_of(decode(window.text[window.at : end]), window.line)
        except NotJSON as error:
            yield Unreadable(line=window.line, problem=f"not JSON: {error.problem}")
        window.to(end)
        mark = window.peek()
        if mark == ",":
            window.to(window.at + 1)
            window.peek()
        elif mark == "]":
            window.to(window.at + 1)
            return True
        else:
            problem = "cut off" if mark == "" else f"expected , or ] after an element, found {mark!r}"
            yield Unreadable(line=window.line, problem=f"not JSON: {problem}; the rest was not read")
            return False


def _end_of_element(window: _Window) -> int | None:
    while True:
        try:
            return _scan(window.text, window.at)[1]
        except json.JSONDecodeError as error:
            broken = not error.msg.startswith("Unterminated") and len(window.text) - error.pos > _CUT_CHARS
            if broken or len(window.text) - window.at > ELEMENT_CHARS_MAX or not window.more():
                return None
        except (ValueError, RecursionError):
            return None


def _recognises(head: Head) -> bool:
    text = head.text
    if b"\0" in head.start[:_SNIFF]:
        return False
    return (text.startswith(b"[") and _is_array(text)) or (text.startswith(b"{") and _is_document(text))


def _is_array(text: bytes) -> bool:
    """Whether it may hold runs (a log's `[INFO] …` and an array of arrays do not), and is not the first of lines."""
    first, newline, rest = text.partition(b"\n")
    if first[1:].lstrip(_BLANK)[:1] not in (b"", b"{", b"]"):
        return False
    return not (newline and rest.strip(_BLANK) and _decodes(first))


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


def _read(recorded: Recorded) -> Iterator[Item]:
    start = cast("BufferedReader", recorded.file).peek(_SNIFF)[:_SNIFF]
    begins = Head(name=recorded.name, start=start).text[:1]
    yield from (read_json_array if begins == b"[" else read_json_document)(recorded.file)


READER: Final = Reader(
    name="json",
    says="a JSON document: an array of snapshots, a list response, one run",
    suffixes=(".json",),
    recognises=_recognises,
    read=_read,
)
"""For the registry."""
