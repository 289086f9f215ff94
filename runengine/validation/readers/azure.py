"""Recordings of the Azure SDKs' test proxy: `{"Entries": [{"RequestUri", …, "ResponseBody"}], "Variables": {}}`.

A body is an object, a text, a list of the texts it was cut into, or null. The proxy unpacks bodies, leaves the
header that says they are packed, and writes "Sanitized" in place of what is secret, of ids in paths too. Source:
Azure SDK tools, tools/test-proxy, and recordings in Azure/azure-sdk-assets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from runengine.dialects.wire import encode
from runengine.validation.observations import Item, Unreadable
from runengine.validation.readers.exchanges import Exchange, first_values, items_of_exchanges, submits
from runengine.validation.readers.json_entries import JSONEntry, json_entries, line_of_key, lines_of_texts
from runengine.validation.readers.reader import Reader

__all__ = ["READER", "read_azure"]

_HEAD: Final = re.compile(rb'\{\s*"(?:Entries"\s*:\s*\[|Variables"\s*:.*"Entries"\s*:\s*\[)', re.DOTALL)
_BODY: Final = "ResponseBody"


def read_azure(file: BinaryIO) -> Iterator[Item]:
    """Items of a test proxy recording.

    Example:
        >>> import io
        >>> text = b'{"Entries": [{"RequestUri": "https://a.example/assistants", "StatusCode": 200}]}'
        >>> [item.what for item in read_azure(io.BytesIO(text))]
        ['exchange']
    """
    yield from items_of_exchanges(map(_exchange, json_entries(file, ("Entries",))))


def _exchange(entry: JSONEntry | Unreadable) -> Exchange | Unreadable:
    if isinstance(entry, Unreadable):
        return entry
    value = entry.value
    uri, status = (value.get("RequestUri"), value.get("StatusCode")) if isinstance(value, dict) else (None, None)
    if type(uri) is not str or type(status) is not int:
        return Unreadable(line=entry.line, problem="expected an entry with RequestUri and StatusCode")
    method = value.get("RequestMethod")
    body = value.get(_BODY)
    texts = _texts(body)
    return Exchange(
        line=entry.line,
        method=method.upper() if type(method) is str else "GET",
        url=uri,
        http_status=status,
        request=_bytes(value.get("RequestBody")),
        request_line=line_of_key(entry, "RequestBody") if submits(uri) else None,
        headers=first_values(value.get("ResponseHeaders")),
        body=_bytes(body),
        body_lines=lines_of_texts(entry, _BODY, texts) if texts else (),
    )


def _texts(body: Any) -> list[str]:
    """The texts that a body was cut into; none where it is something else."""
    return body if type(body) is list and all(type(each) is str for each in body) else []


def _bytes(body: Any) -> bytes:
    if body is None or body == []:
        return b""
    if type(body) is str:
        return body.encode()
    return "".join(texts).encode() if (texts := _texts(body)) else encode(body)


READER: Final = Reader(
    name="azure",
    says="recordings of the Azure SDKs' test proxy",
    suffixes=(".json",),
    recognises=lambda head: _HEAD.match(head.text) is not None,
    read=lambda recorded: read_azure(recorded.file),
)
"""For the registry."""
