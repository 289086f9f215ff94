"""HAR: what browsers and proxies write of the exchanges they saw, `{"log": {"entries": […]}}`.

An exchange was answered at its Date header, else at startedDateTime and time (milliseconds). Source: HAR 1.2,
http://www.softwareishard.com/blog/har-12-spec.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

from runengine.validation.observations import Item, Unreadable
from runengine.validation.readers.exchanges import Exchange, first_values, items_of_exchanges, submits
from runengine.validation.readers.json_entries import JSONEntry, json_entries, line_of_key
from runengine.validation.readers.reader import Reader

__all__ = ["READER", "iso_seconds", "read_har"]

_HEAD: Final = re.compile(rb'\{\s*"log"\s*:\s*\{\s*"(?:version|creator|browser|pages|entries|comment)"')


def read_har(file: BinaryIO) -> Iterator[Item]:
    """Items of a HAR file.

    Example:
        >>> import io
        >>> entry = b'{"request": {"method": "GET", "url": "https://a.example/"}, "response": {"status": 200}}'
        >>> [item.what for item in read_har(io.BytesIO(b'{"log": {"entries": [' + entry + b"]}}"))]
        ['exchange']
    """
    yield from items_of_exchanges(map(_exchange, json_entries(file, ("log", "entries"))))


def _exchange(entry: JSONEntry | Unreadable) -> Exchange | Unreadable:
    if isinstance(entry, Unreadable):
        return entry
    request, response = _part(entry.value, "request"), _part(entry.value, "response")
    method, url, status = request.get("method"), request.get("url"), response.get("status")
    if type(url) is not str or type(status) is not int:
        return Unreadable(line=entry.line, problem="expected an entry with request.url and response.status")
    content, posted = _part(response, "content"), _part(request, "postData")
    try:
        body = _bytes(content.get("text"), content.get("encoding"))
    except binascii.Error as error:
        return Unreadable(line=entry.line, problem=f"response.content.text is no base64 ({error})")
    return Exchange(
        line=entry.line,
        method=method.upper() if type(method) is str else "GET",
        url=url,
        http_status=status,
        request=_bytes(posted.get("text"), None),
        request_line=line_of_key(entry, "request", "postData", "text") if submits(url) else None,
        headers=first_values(_pairs(response.get("headers"))),
        body=body,
        observed_s=_answered_s(entry.value),
    )


def _part(value: Any, key: str) -> dict[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _pairs(headers: Any) -> list[tuple[Any, Any]]:
    given = headers if type(headers) is list else []
    return [(each.get("name"), each.get("value")) for each in given if type(each) is dict]


def _bytes(text: Any, encoding: Any) -> bytes:
    if type(text) is not str:
        return b""
    return b64decode(text.encode()) if encoding == "base64" else text.encode()


def _answered_s(value: dict[str, Any]) -> float | None:
    started = value.get("startedDateTime")
    begun = iso_seconds(started) if type(started) is str else None
    took = value.get("time")
    if begun is None or isinstance(took, bool) or not isinstance(took, (int, float)):
        return begun
    return begun + took / 1000 if 0 <= took < 1e12 else begun


def iso_seconds(text: str) -> float | None:
    """An ISO 8601 moment as Unix seconds, in UTC where it names no zone; None where it is none.

    Example:
        >>> iso_seconds("2025-07-24T21:06:50.500Z")
        1753391210.5
        >>> iso_seconds("yesterday") is None
        True
    """
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


READER: Final = Reader(
    name="har",
    says="HAR, as browsers and proxies write",
    suffixes=(".har",),
    recognises=lambda head: _HEAD.match(head.text) is not None,
    read=lambda recorded: read_har(recorded.file),
)
"""For the registry."""
