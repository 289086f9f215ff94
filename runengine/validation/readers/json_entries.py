"""JSON documents that hold one long list somewhere inside: its entries, one at a time, each with its line.

The document is held in memory as text, up to `DOCUMENT_BYTES_MAX`; of its values only one entry at a time is.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final, NamedTuple

from runengine.dialects.wire import NotJSON, decode
from runengine.validation.observations import Unreadable
from runengine.validation.readers.json_document import DOCUMENT_BYTES_MAX, ELEMENT_CHARS_MAX, read_up_to

__all__ = ["JSONEntry", "json_entries", "line_of_key", "lines_of_texts"]

_SPACE: Final = re.compile(r"[ \t\r\n\ufeff]*")
_scan: Final = json.JSONDecoder().raw_decode


class JSONEntry(NamedTuple):
    """One entry of the list.

    Attributes:
        line: Where it begins, from 1.
        value: What it is.
        text: The same as it stands in the file.

    Example:
        >>> JSONEntry(1, 7, "7").value
        7
    """

    line: int
    value: Any
    text: str


class _Broken(Exception):
    """The document is no JSON from here on."""

    def __init__(self, at: int, problem: str) -> None:
        super().__init__(at, problem)
        self.at = at
        self.problem = problem


def json_entries(file: BinaryIO, path: Sequence[str]) -> Iterator[JSONEntry | Unreadable]:
    r"""The entries of the list at a path of keys.

    An entry that is no right JSON (a lone surrogate, a number too long) is said, and the next one is read; after one
    whose end is not found nothing is.

    Args:
        file: Its bytes, in UTF-8.
        path: Keys from the document down to the list; whichever of several at the last step, parted by `|`.

    Example:
        >>> import io
        >>> text = b'{"made": 1, "log": {"entries": [{"a": 1},\n {"a": 2}]}}'
        >>> [(entry.line, entry.value) for entry in json_entries(io.BytesIO(text), ("log", "entries"))]
        [(1, {'a': 1}), (2, {'a': 2})]
    """
    data = read_up_to(file, DOCUMENT_BYTES_MAX + 1)
    if len(data) > DOCUMENT_BYTES_MAX:
        yield Unreadable(line=0, problem=f"one document of more than {DOCUMENT_BYTES_MAX} bytes")
        return
    text = data.decode("utf-8", "surrogateescape")
    del data
    line, counted = 1, 0
    try:
        begins = _list_at(text, path)
        if begins is None:
            yield Unreadable(line=1, problem=f"expected a list at {'.'.join(path).partition('|')[0]}")
            return
        for start, end in _entries(text, begins):
            line, counted = line + text.count("\n", counted, start), start
            try:
                yield JSONEntry(line, decode(text[start:end]), text[start:end])
            except NotJSON as error:
                yield Unreadable(line=line, problem=f"not JSON: {error.problem}")
    except _Broken as broken:
        line = text.count("\n", 0, broken.at) + 1
        yield Unreadable(line=line, problem=f"not JSON: {broken.problem}; the rest was not read")


def _list_at(text: str, path: Sequence[str]) -> int | None:
    """Where the list begins, behind its bracket; None where there is none."""
    at = _past_space(text, 0)
    for names in path:
        if text[at : at + 1] != "{":
            return None
        found = _key_in(text, at + 1, names.split("|"))
        if found is None:
            return None
        at = found
    return at + 1 if text[at : at + 1] == "[" else None


def _key_in(text: str, at: int, names: Sequence[str]) -> int | None:
    """Where the value of one of these keys begins, in the object whose inside begins here."""
    at = _past_space(text, at)
    while text[at : at + 1] == '"':
        key, at = _value(text, at)
        at = _past_space(text, at)
        if text[at : at + 1] != ":":
            raise _Broken(at, "expected : after a key")
        at = _past_space(text, at + 1)
        if key in names:
            return at
        at = _past_space(text, _value(text, at)[1])
        if text[at : at + 1] != ",":
            break
        at = _past_space(text, at + 1)
    if text[at : at + 1] != "}":
        raise _Broken(at, "expected , or } in an object")
    return None


def _entries(text: str, at: int) -> Iterator[tuple[int, int]]:
    """From where to where each entry stands, of the list whose inside begins here."""
    at = _past_space(text, at)
    while text[at : at + 1] != "]":
        end = _value(text, at)[1]
        if end - at > ELEMENT_CHARS_MAX:
            raise _Broken(at, f"an entry of more than {ELEMENT_CHARS_MAX} characters")
        yield at, end
        at = _past_space(text, end)
        if text[at : at + 1] == ",":
            at = _past_space(text, at + 1)
        elif text[at : at + 1] != "]":
            raise _Broken(at, "expected , or ] after an entry")


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int) -> tuple[Any, int]:
    try:
        return _scan(text, at)
    except json.JSONDecodeError as error:
        raise _Broken(error.pos, f"{error.msg[:1].lower()}{error.msg[1:]}") from None
    except RecursionError:
        raise _Broken(at, "nested deeper than the recursion limit") from None
    except (ValueError, StopIteration) as error:
        raise _Broken(at, str(error).partition(";")[0] or "cut off") from None


def line_of_key(entry: JSONEntry, *keys: str) -> int | None:
    r"""The line of the file in which what stands at a path of keys of an entry begins; None where nothing does.

    Args:
        entry: The entry.
        keys: From the entry down.

    Example:
        >>> line_of_key(JSONEntry(7, None, '{"request":\n {"url": "/",\n  "body": 1}}'), "request", "body")
        9
    """
    at = _past_space(entry.text, 0)
    try:
        for key in keys:
            found = _key_in(entry.text, at + 1, (key,)) if entry.text[at : at + 1] == "{" else None
            if found is None:
                return None
            at = found
    except _Broken:
        return None
    return entry.line + entry.text.count("\n", 0, at)


def lines_of_texts(entry: JSONEntry, key: str, texts: Sequence[str]) -> tuple[int, ...]:
    r"""The line of the file for each line of some texts that stand in a list under a key, put together.

    Args:
        entry: The entry that has the key.
        key: Of the list.
        texts: What is in it.

    Returns:
        As many lines as the texts have together; none where the list is not found.

    Example:
        >>> text = '{"body":\n ["event: a\\n",\n  "data: {}\\n\\n"]}'
        >>> lines_of_texts(JSONEntry(7, None, text), "body", ["event: a\n", "data: {}\n\n"])
        (8, 9, 9)
    """
    found = re.search(rf'(?<!\\)"{re.escape(key)}"\s*:\s*\[', entry.text)
    if found is None:
        return ()
    try:
        places = [at for at, _ in _entries(entry.text, found.end())]
    except _Broken:
        return ()
    if len(places) != len(texts):
        return ()
    breaks = [match.start() for match in re.finditer("\n", entry.text)]
    lines: list[int] = []
    ended = True
    for place, text in zip(places, texts, strict=True):
        if text:
            # A line that began in the text before this one stands where it began.
            begun = ended + text.count("\n") - text.endswith("\n")
            lines += [entry.line + bisect_right(breaks, place)] * begun
            ended = text.endswith("\n")
    return tuple(lines)
