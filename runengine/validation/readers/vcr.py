"""VCR cassettes: of Python's vcrpy (`interactions:`) and of Ruby's VCR (`http_interactions:`), in YAML or JSON.

A body is a text, or a mapping with `string` or `base64_string`; a header is a text or a list of them. An exchange was
answered at its Date header, else at `recorded_at`. Others write the same: betamax, go-vcr. Source: cassettes written by
them, https://vcrpy.readthedocs.io, FACTS B0.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from io import BufferedReader
from itertools import chain
from typing import Any, BinaryIO, Final, cast

from runengine.validation.observations import Item, Passed, Unreadable
from runengine.validation.readers.envelopes import http_seconds
from runengine.validation.readers.exchanges import Exchange, first_values, items_of_exchanges, submits
from runengine.validation.readers.har import iso_seconds
from runengine.validation.readers.json_entries import JSONEntry, json_entries, line_of_key
from runengine.validation.readers.reader import Head, Reader, Recorded
from runengine.validation.readers.yaml_events import Entry, Text, yaml_entries

__all__ = ["READER", "read_json_cassette", "read_yaml_cassette"]

_NAMES: Final = ("interactions", "http_interactions")
_SUFFIXES: Final = (".yaml", ".yml")
_IN_YAML: Final = re.compile(rb"^(?:http_)?interactions:[ \t]*(?:\r?$|[\[#&!])", re.MULTILINE)
_IN_JSON: Final = re.compile(rb'\{\s*(?:"\w+"\s*:\s*(?:"[^"]*"|[0-9.]+|null)\s*,\s*)*"(?:http_)?interactions"\s*:\s*\[')
_JSON_START: Final = re.compile(rb'[\[\s]*\{\s*"')
_SNIFF: Final = 1024


def read_yaml_cassette(file: BinaryIO) -> Iterator[Item]:
    r"""Items of a cassette in YAML; of another YAML document nothing but that it was passed over.

    Example:
        >>> import io
        >>> text = b"interactions:\n- request: {uri: /v1/files}\n  response: {status: {code: 200}}\n"
        >>> [(item.what, item.line) for item in read_yaml_cassette(io.BytesIO(text))]
        [('exchange', 2)]
    """
    yield from _items(map(_exchange, yaml_entries(file, _NAMES)))


def read_json_cassette(file: BinaryIO) -> Iterator[Item]:
    """Items of a cassette in JSON.

    Example:
        >>> import io
        >>> list(read_json_cassette(io.BytesIO(b'{"version": 1, "interactions": [1]}')))[0].line
        1
    """
    yield from _items(map(_exchange, json_entries(file, ("|".join(_NAMES),))))


def _items(exchanges: Iterator[Exchange | Unreadable]) -> Iterator[Item]:
    first = next(exchanges, None)
    if first is None:
        yield Passed(line=1, what="document")
    else:
        yield from items_of_exchanges(chain((first,), exchanges))


def _exchange(entry: Entry | JSONEntry | Unreadable) -> Exchange | Unreadable:
    if isinstance(entry, Unreadable):
        return entry
    value: Any = entry.value if isinstance(entry, JSONEntry) else entry.node
    line = entry.line
    request, response = _part(value, "request"), _part(value, "response")
    url = _text(request.get("uri", request.get("url")))
    status = _status(response)
    if url is None or status is None:
        return Unreadable(line=line, problem="expected an interaction with request.uri and response.status.code")
    body, lines = _body(response.get("body", response.get("content")))
    recorded_at = _text(value.get("recorded_at"))
    return Exchange(
        line=line,
        method=(_text(request.get("method")) or "GET").upper(),
        url=url,
        http_status=status,
        request=_body(request.get("body"))[0],
        request_line=_request_line(entry, request.get("body")) if submits(url) else None,
        headers=first_values(_plain_headers(response.get("headers"))),
        body=body,
        body_lines=lines,
        observed_s=None if recorded_at is None else _moment(recorded_at),
    )


def _request_line(entry: Entry | JSONEntry, body: Any) -> int | None:
    if isinstance(entry, JSONEntry):
        return line_of_key(entry, "request", "body")
    if isinstance(body, Mapping):
        body = body.get("string", body.get("base64_string"))
    # An alias stands elsewhere, maybe before the exchange: its own line is better then.
    return body.line if isinstance(body, Text) and body.line >= entry.line else None


def _part(value: Any, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _text(value: Any) -> str | None:
    if isinstance(value, Text):
        value = value.value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value) if isinstance(value, (str, int)) else None


def _status(response: Mapping[str, Any]) -> int | None:
    """The HTTP status: vcrpy and VCR write `status.code`, vcrpy for httpx wrote `status_code` once, go-vcr `code`."""
    for found in (_part(response, "status").get("code"), response.get("status_code"), response.get("code")):
        text = _text(found)
        if text is not None and len(text) == 3 and text.isascii() and text.isdigit():
            return int(text)
    return None


def _body(value: Any) -> tuple[bytes, Sequence[int]]:
    """The bytes of a body, and the line in which each of its lines stands where that is known."""
    if isinstance(value, Mapping):
        packed = _text(value.get("base64_string"))
        if packed is not None:
            try:
                return b64decode(packed.encode()), ()
            except binascii.Error:
                return packed.encode(), ()
        value = value.get("string")
    if isinstance(value, Text):
        return _encoded(value.value), value.lines
    return (_encoded(value) if isinstance(value, str) else b""), ()


def _encoded(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def _plain_headers(headers: Any) -> dict[str, Any]:
    if not isinstance(headers, Mapping):
        return {}
    return {name: [_text(each) for each in v[:1]] if isinstance(v, list) else _text(v) for name, v in headers.items()}


def _moment(text: str) -> float | None:
    seconds = iso_seconds(text)
    return http_seconds(text) if seconds is None else seconds


def _recognises(head: Head) -> bool:
    text, is_named = head.text, head.name.endswith(_SUFFIXES)
    # A brace is YAML too, as in a template: {{ name }}: x
    if text.startswith((b"{", b"[")) and (_JSON_START.match(text) or not is_named):
        return _IN_JSON.match(text) is not None
    return is_named or _IN_YAML.search(text) is not None


def _read_either(recorded: Recorded) -> Iterator[Item]:
    start = cast("BufferedReader", recorded.file).peek(_SNIFF)[:_SNIFF]
    is_json = _JSON_START.match(Head(name=recorded.name, start=start).text) is not None
    yield from (read_json_cassette if is_json else read_yaml_cassette)(recorded.file)


READER: Final = Reader(
    name="vcr",
    says="cassettes of vcrpy and VCR, in YAML or JSON",
    suffixes=_SUFFIXES,
    recognises=_recognises,
    read=_read_either,
)
"""For the registry."""
