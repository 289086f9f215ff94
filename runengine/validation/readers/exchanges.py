"""HTTP exchanges of the run API to items: what was asked for, and what the answer shows. Recordings of HTTP share it.

An answer's Date header is when it was made; where it has none, the recording's own time is taken. An event stream's
Date is its start, a lower bound, so what comes in a stream has no time. Source: FACTS §3, DESIGN §5.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from attrs import evolve, frozen

from runengine.dialects.wire import NotJSON, decode
from runengine.validation.observations import Companion, Item, LeftOut, Observation, Passed, Submitted, Unreadable
from runengine.validation.readers.envelopes import RUN_OBJECTS, http_seconds, items_of, refusal_of
from runengine.validation.readers.json_lines import GIVE_UP_AFTER
from runengine.validation.readers.sse import read_event_stream
from runengine.validation.readers.unpacking import unpacked

__all__ = [
    "BODY_BYTES_MAX",
    "Call",
    "Exchange",
    "call_of",
    "first_values",
    "is_stream",
    "items_of_exchange",
    "items_of_exchanges",
    "submits",
]

BODY_BYTES_MAX: Final = 64 * 1024 * 1024
"""Largest body, once it is unpacked."""

_SMALL_BYTES: Final = 1024 * 1024
_RATIO_MAX: Final = 256
"""A body that becomes so many times as large, and is not small then, is made to be."""

_HEADERS_MAX: Final = 1_000
_PLAIN: Final = re.compile(rb"[ \t\r\n\xef\xbb\xbf]*(?:[\[{]|event:|data:|:)")
_STREAM: Final = re.compile(rb"[ \t\r\n\xef\xbb\xbf]*(?:event|data)?:")
_REDACTED: Final = re.compile(r"redact|sanitiz|filtered|scrubbed|[<>*]", re.IGNORECASE)
_REDACTED_CHARS_MAX: Final = 80

_SUBMITS: Final = "submit_tool_outputs"
_RUN_VERBS: Final = {"cancel": "cancel", _SUBMITS: "submit"}
_CALLS: Final = ("create", "cancel", "submit", "modify", "message", "poll", "list", "steps")
"""Calls that are about a run, so that their refusal tells of one."""


@frozen(kw_only=True)
class Exchange:
    """One request and its answer, as recorded.

    Attributes:
        line: Where it stands in the recording, from 1.
        method: In capitals.
        url: As requested.
        http_status: Of the answer.
        request: Body of the request, or None.
        request_line: Where it begins, or None where that is not known; asked for of calls that submit (`submits`).
        headers: Of the answer: names in small letters to first values; see `first_values`.
        body: Of the answer; packed or not, whatever its headers say.
        body_lines: The line of the recording in which each line of the body stands; empty where that is not known.
        observed_s: When the recording says it was made, Unix seconds, or None. A Date header is believed before it.

    Example:
        >>> Exchange(line=3, method="GET", url="/v1/threads/t/runs/r", http_status=200).body
        b''
    """

    line: int
    method: str
    url: str
    http_status: int
    request: bytes | None = None
    request_line: int | None = None
    headers: Mapping[str, str] = {}
    body: bytes = b""
    body_lines: Sequence[int] = ()
    observed_s: float | None = None


class Call(NamedTuple):
    """What a request asks for.

    Attributes:
        kind: create, poll, list, cancel, submit, modify, message, steps, messages or thread; None for anything else.
        thread_id: From the path, or None.
        run_id: From the path, or None where it has none, or one that was made unreadable.

    Example:
        >>> Call("thread").run_id is None
        True
    """

    kind: str | None
    thread_id: str | None = None
    run_id: str | None = None


def call_of(method: str, url: str) -> Call:
    """What a request asks for, by its method and path; whatever stands before `/threads` is passed over.

    Example:
        >>> call_of("POST", "https://api.example/openai/threads/t_1/runs/run_1/cancel?api-version=2024-05-01")
        Call(kind='cancel', thread_id='t_1', run_id='run_1')
        >>> call_of("POST", "/v1/chat/completions").kind is None
        True
    """
    try:
        parts = [part for part in urlsplit(url).path.split("/") if part]
    except ValueError:
        return Call(None)
    if "threads" not in parts:
        return Call(None)
    rest = parts[len(parts) - parts[::-1].index("threads") :]
    if rest == ["runs"]:
        return Call("create" if method == "POST" else None)
    thread_id, family, below = _told(rest[:1]), rest[1] if len(rest) > 1 else "", rest[2:]
    if family == "":
        return Call("thread", thread_id)
    if family == "messages":
        return Call("message" if method == "POST" and not below else "messages", thread_id)
    if family != "runs" or method not in ("GET", "POST"):
        return Call(None, thread_id)
    return Call(_run_call(method, below), thread_id, _told(below[:1]))


def submits(url: str) -> bool:
    """Whether a request may submit tool outputs, so that the line of its body is worth looking for.

    Example:
        >>> submits("/v1/threads/t_1/runs/run_1/submit_tool_outputs")
        True
    """
    return _SUBMITS in url


def _run_call(method: str, below: list[str]) -> str | None:
    """The call, from what stands behind `/runs`."""
    post = method == "POST"
    if len(below) < 2:
        return (("list", "create"), ("poll", "modify"))[len(below)][post]
    if below[1] == "steps" and not post:
        return "steps"
    return _RUN_VERBS.get(below[1]) if post and len(below) == 2 else None


def _told(segment: list[str]) -> str | None:
    return segment[0] if segment and not _REDACTED.search(segment[0]) else None


def first_values(headers: object) -> dict[str, str]:
    """Headers to names in small letters and first values, from a mapping (of texts or lists of them) or from pairs.

    Anything else in them is passed over.

    Example:
        >>> first_values({"Date": ["today", "tomorrow"], "CF-RAY": "x", "Age": 3})
        {'date': 'today', 'cf-ray': 'x'}
        >>> first_values([("date", "today"), ("Date", "tomorrow")])
        {'date': 'today'}
    """
    pairs: Iterable[object]
    if isinstance(headers, Mapping):
        pairs = headers.items()
    else:
        pairs = headers if isinstance(headers, Sequence) and not isinstance(headers, (str, bytes)) else ()
    found: dict[str, str] = {}
    for pair in pairs:
        if not isinstance(pair, Sequence) or isinstance(pair, (str, bytes)) or len(pair) != 2:
            continue
        name, value = pair
        if isinstance(value, (list, tuple)):
            value = value[0] if value else None
        if isinstance(name, str) and isinstance(value, str):
            found.setdefault(name.lower(), value)
        if len(found) >= _HEADERS_MAX:
            break
    return found


def is_stream(headers: Mapping[str, str], body: bytes) -> bool:
    r"""Whether an answer is an event stream, by its content type or its beginning.

    Example:
        >>> is_stream({}, b": hello\n"), is_stream({}, b"{}")
        (True, False)
    """
    kind = headers.get("content-type", "").lower()
    return bool(_STREAM.match(body)) or (kind.startswith("text/event-stream") and not body.lstrip().startswith(b"{"))


def items_of_exchange(exchange: Exchange) -> Iterator[Item]:
    """What one exchange shows of runs and of the objects around them.

    Example:
        >>> run = b'{"id": "run_1", "object": "thread.run", "status": "queued"}'
        >>> url = "https://api.example/v1/threads/thread_1/runs"
        >>> made = Exchange(line=1, method="POST", url=url, http_status=200, body=run)
        >>> [(item.record["id"], item.created) for item in items_of_exchange(made)]
        [('run_1', True)]
        >>> error = b'{"error": {"message": "Thread thread_1 already has an active run run_1."}}'
        >>> refused = Exchange(line=9, method="POST", url=url, http_status=400, body=error)
        >>> [(item.call, item.thread_id, item.http_status) for item in items_of_exchange(refused)]
        [('create', 'thread_1', 400)]
    """
    call, line = call_of(exchange.method, exchange.url), exchange.line
    good, refused = 200 <= exchange.http_status < 300, 400 <= exchange.http_status < 500
    if not good and not (refused and call.kind in _CALLS):
        yield Passed(line=line, what="exchange" if refused or call.kind is None else "error")
        return
    if _is_redacted(exchange.body) or (call.kind is None and b"thread.run" not in exchange.body):
        # A packed body of a call that nobody knows is not unpacked to see whether it speaks of a run.
        yield Passed(line=line, what="exchange")
        return
    try:
        body = _plain(exchange)
    except ValueError as error:
        yield Unreadable(line=line, problem=f"the body of the answer cannot be unpacked: {error}")
        return
    if refused:
        yield _refused(exchange, call, body)
    elif call.kind == "submit":
        yield from _submitted(exchange, call, list(_answered(exchange, call, body)))
    else:
        yield from _answered(exchange, call, body)


def items_of_exchanges(exchanges: Iterable[Exchange | Unreadable]) -> Iterator[Item]:
    """What a recording's exchanges show, in its order; a file in which many entries are none, and none is, is left.

    Args:
        exchanges: Of one recording; an entry that is none is said to be.

    Example:
        >>> list(items_of_exchanges([Unreadable(line=1, problem="no exchange")] * 1000))[-1].problem
        'the first 100 entries are no exchanges; the rest was not read'
    """
    bad, good = 0, False
    for exchange in exchanges:
        if not isinstance(exchange, Unreadable):
            good = True
            yield from items_of_exchange(exchange)
            continue
        yield exchange
        bad += 1
        if bad >= GIVE_UP_AFTER and not good:
            yield Unreadable(line=0, problem=f"the first {bad} entries are no exchanges; the rest was not read")
            return


def _is_redacted(body: bytes) -> bool:
    if len(body) > _REDACTED_CHARS_MAX:
        return False
    text = body.decode("utf-8", "replace").strip().strip('"')
    return not text or (text[:1] not in ("{", "[") and _REDACTED.search(text) is not None)


def _plain(exchange: Exchange) -> bytes:
    """The body unpacked; recorders mostly unpack it and leave the header as it was.

    Raises:
        ValueError: it cannot be.
    """
    body = exchange.body
    packing = exchange.headers.get("content-encoding", "")
    if packing and not (_PLAIN.match(body) and _is_text(body)):
        body = unpacked(body, packing, min(BODY_BYTES_MAX, max(_SMALL_BYTES, len(body) * _RATIO_MAX)))
    if len(body) > BODY_BYTES_MAX:
        raise ValueError(f"it is longer than {BODY_BYTES_MAX} bytes")
    return body


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _around(exchange: Exchange, kind: str | None) -> dict[str, Any]:
    """What is said around an answer, as in an envelope."""
    said: dict[str, Any] = {} if kind is None else {"kind": kind}
    date = exchange.headers.get("date")
    if date is not None and http_seconds(date) is not None:
        said["http_date"] = date
    elif exchange.observed_s is not None:
        said["observed_at"] = exchange.observed_s
    return said


def _refused(exchange: Exchange, call: Call, body: bytes) -> Item:
    try:
        value = decode(body)
    except NotJSON:
        value = None
    if type(value) is not dict or type(value.get("error")) is not dict:
        return Passed(line=exchange.line, what="error")
    said = {"http_status": exchange.http_status, "run_id": call.run_id, "thread_id": call.thread_id}
    return refusal_of({**_around(exchange, call.kind), **said, "error": value["error"]}, exchange.line)


def _submitted(exchange: Exchange, call: Call, answer: list[Item]) -> Iterator[Item]:
    runs = (item.record.get("id") for item in answer if isinstance(item, Observation))
    run_id = call.run_id or next((known for known in runs if isinstance(known, str)), None)
    try:
        sent = decode(exchange.request or b"null")
    except NotJSON:
        sent = None
    outputs = sent.get("tool_outputs") if type(sent) is dict else None
    if type(outputs) is list:
        pairs = tuple((_text(each, "tool_call_id"), _text(each, "output")) for each in outputs)
        yield Submitted(line=exchange.request_line or exchange.line, run_id=run_id, outputs=pairs)
    yield from answer


def _text(value: object, key: str) -> str | None:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _answered(exchange: Exchange, call: Call, body: bytes) -> Iterator[Item]:
    if is_stream(exchange.headers, body):
        around = _around(exchange, "stream")
        for item in read_event_stream(io.BytesIO(body)):
            yield _streamed(exchange, item, around)
        return
    try:
        value = decode(body)
    except NotJSON as error:
        if call.kind is None:
            yield Passed(line=exchange.line, what="exchange")
            return
        found = body[:80].decode("utf-8", "backslashreplace").rstrip()
        yield Unreadable(line=exchange.line, problem=f"the answer is not JSON: {error.problem}", found=found)
        return
    if call.kind is None and (type(value) is not dict or value.get("object") not in RUN_OBJECTS):
        yield Passed(line=exchange.line, what="exchange")
    elif type(value) is not dict:
        yield Unreadable(line=exchange.line, problem="expected an object in answer", found=repr(value)[:80])
    else:
        yield from items_of({**_around(exchange, call.kind), "data": value}, exchange.line)


def _streamed(exchange: Exchange, item: Item, around: dict[str, Any]) -> Item:
    """An item of a stream, at its place in the recording."""
    lines = exchange.body_lines
    line = lines[item.line - 1] if 0 < item.line <= len(lines) else exchange.line
    if isinstance(item, Observation):
        # No time: the stream's Date is its start, and says only that this was seen no earlier.
        said = around if item.event is None else {**around, "event": item.event}
        return item._replace(line=line, envelope=said)
    return item._replace(line=line) if isinstance(item, Companion | LeftOut) else evolve(item, line=line)
