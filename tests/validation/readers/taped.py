"""Calls of the run API as every form of HTTP recording writes them, and as the JSON Lines of the same observations."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final, NamedTuple

import yaml

from runengine.validation.catalogue.examples import CREATED, record, stream

__all__ = [
    "FORMS",
    "HOST",
    "LIFE",
    "RUNS",
    "Call",
    "as_azure",
    "as_har",
    "as_rows",
    "as_ruby",
    "as_vcrpy_json",
    "as_vcrpy_yaml",
    "http_date",
    "in_stream",
    "life",
]

HOST: Final = "https://api.example"
RUNS: Final = "/v1/threads/thread_1/runs"


class Call(NamedTuple):
    """One request and its answer.

    Attributes:
        kind: As an envelope says it.
        method: GET or POST.
        path: Of the request.
        answer: A JSON value, or text as it is.
        sent: Body of the request, or None.
        status: Of the answer.
        at_s: Its Date, seconds; None leaves the header out.
        packed: The body is gzip.
    """

    kind: str
    method: str
    path: str
    answer: Any
    sent: Any = None
    status: int = 200
    at_s: int | None = CREATED
    packed: bool = False

    @property
    def body(self) -> bytes:
        """The answer as it is sent."""
        text = self.answer if isinstance(self.answer, str) else json.dumps(self.answer, indent=2)
        return gzip.compress(text.encode(), mtime=0) if self.packed else text.encode()

    @property
    def request(self) -> str | None:
        """The request's body as it is sent."""
        return None if self.sent is None else json.dumps(self.sent)

    @property
    def headers(self) -> dict[str, str]:
        """The answer's headers."""
        streamed = isinstance(self.answer, str) and self.answer.startswith("event:")
        said = {"Content-Type": "text/event-stream; charset=utf-8" if streamed else "application/json"}
        if self.at_s is not None:
            said["Date"] = http_date(self.at_s)
        if self.packed:
            said["Content-Encoding"] = "gzip"
        return said


def http_date(at_s: int) -> str:
    """Seconds as a Date header says them."""
    return format_datetime(datetime.fromtimestamp(at_s, UTC), usegmt=True)


_OUTPUTS: Final = {"tool_outputs": [{"tool_call_id": "call_1", "output": "12"}]}
_CANNOT: Final = {"error": {"message": "Cannot cancel run with status 'completed'.", "type": "invalid_request_error"}}


def life(**changes: Any) -> tuple[Call, ...]:
    """A clean life of a run, from its creation over one tool round to a cancel that came too late."""
    there = f"{RUNS}/{changes.get('id', 'run_1')}"

    def seen(status: str, **more: Any) -> dict[str, Any]:
        return record(status, **changes, **more)

    again = seen("queued", started_at=CREATED + 1)
    return (
        Call("create", "POST", RUNS, seen("queued"), {"assistant_id": "asst_1"}),
        Call("poll", "GET", there, seen("in_progress"), at_s=CREATED + 1),
        Call("poll", "GET", there, seen("requires_action"), at_s=CREATED + 2),
        Call("submit", "POST", f"{there}/submit_tool_outputs", again, _OUTPUTS, at_s=CREATED + 3),
        Call("poll", "GET", there, seen("completed", started_at=CREATED + 4), at_s=CREATED + 5),
        Call("cancel", "POST", f"{there}/cancel", _CANNOT, status=400, at_s=CREATED + 6),
    )


LIFE: Final = life()


def in_stream() -> tuple[Call, ...]:
    """A run created and streamed up to its tool call, and the submit stream that continues it."""
    first = stream(
        ("thread.run.created", record("queued")),
        ("thread.run.queued", record("queued")),
        ("thread.run.in_progress", record("in_progress")),
        ("thread.run.requires_action", record("requires_action")),
        ("done", "[DONE]"),
    )
    second = stream(
        ("thread.run.queued", record("queued", started_at=CREATED + 1)),
        ("thread.run.in_progress", record("in_progress", started_at=CREATED + 3)),
        ("thread.run.completed", record("completed", started_at=CREATED + 3)),
        ("done", "[DONE]"),
    )
    submit = f"{RUNS}/run_1/submit_tool_outputs"
    return (
        Call("stream", "POST", RUNS, first.text, {"assistant_id": "asst_1", "stream": True}),
        Call("stream", "POST", submit, second.text, {**_OUTPUTS, "stream": True}, at_s=CREATED + 2),
    )


def _interaction(call: Call, body: dict[str, Any], request: Any) -> dict[str, Any]:
    return {
        "request": {"method": call.method, "uri": HOST + call.path, "body": request, "headers": {}},
        "response": {
            "status": {"code": call.status, "message": "OK"},
            "headers": {name: [value] for name, value in call.headers.items()},
            "body": body,
        },
    }


def as_vcrpy_yaml(calls: Iterable[Call]) -> bytes:
    """As vcrpy writes them: a packed body is `!!binary`."""
    made = [_interaction(c, {"string": c.body if c.packed else c.body.decode()}, c.request) for c in calls]
    return yaml.safe_dump({"interactions": made, "version": 1}).encode()


def as_vcrpy_json(calls: Iterable[Call]) -> bytes:
    """As vcrpy's JSON serializer writes them; it has no packed bodies."""
    plain = [call._replace(packed=False) for call in calls]
    made = [_interaction(call, {"string": call.body.decode()}, call.request) for call in plain]
    return json.dumps({"version": 1, "interactions": made}, indent=4).encode()


class _Block(str):
    """Text that is written as a literal block."""

    __slots__ = ()


class _Ruby(yaml.SafeDumper):
    """Writes literal blocks, as Ruby does."""


_Ruby.add_representer(
    _Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
)


def as_ruby(calls: Iterable[Call], *, dated: bool = True) -> bytes:
    """As Ruby's VCR writes them: bodies in literal blocks, packed ones in base64, and when each was recorded."""
    made = []
    for call in calls:
        body: dict[str, Any] = {"encoding": "ASCII-8BIT"}
        if call.packed:
            body["base64_string"] = base64.encodebytes(call.body).decode()
        else:
            body["string"] = _Block(call.body.decode())
        one = _interaction(call, body, {"encoding": "UTF-8", "string": call.request or ""})
        one["request"]["method"] = call.method.lower()
        if dated:
            one["recorded_at"] = http_date(call.at_s or 0)
        made.append(one)
    text = yaml.dump({"http_interactions": made, "recorded_with": "VCR 6.1.0"}, Dumper=_Ruby, explicit_start=True)
    return text.encode()


def as_har(calls: Iterable[Call]) -> bytes:
    """As a browser writes them: a body is unpacked, or in base64."""
    made = []
    for call in calls:
        content = {"mimeType": call.headers["Content-Type"], "text": call.body.decode("latin-1")}
        if call.packed:
            content.update(text=base64.b64encode(call.body).decode(), encoding="base64")
        headers = [{"name": name.lower(), "value": value} for name, value in call.headers.items()]
        request: dict[str, Any] = {"method": call.method, "url": HOST + call.path, "headers": []}
        if call.request is not None:
            request["postData"] = {"mimeType": "application/json", "text": call.request}
        started = datetime.fromtimestamp((call.at_s or CREATED) - 0.5, UTC).isoformat()
        answer = {"status": call.status, "headers": headers, "content": content}
        made.append({"startedDateTime": started, "time": 500.0, "request": request, "response": answer})
    return json.dumps({"log": {"version": "1.2", "creator": {"name": "t"}, "entries": made}}, indent=1).encode()


def as_azure(calls: Iterable[Call]) -> bytes:
    """As the test proxy writes them: JSON as it is, a stream as the texts it came in, packed ones unpacked."""
    made = []
    for call in calls:
        body = call.answer
        if isinstance(body, str):
            body = body.replace("\ndata: ", "\n\0data: ").replace("\n\n", "\n\n\0").split("\0")[:-1]
        made.append(
            {
                "RequestUri": f"{HOST}/openai{call.path.removeprefix('/v1')}?api-version=2024-05-01-preview",
                "RequestMethod": call.method,
                "RequestHeaders": {"Authorization": "Sanitized"},
                "RequestBody": call.sent,
                "StatusCode": call.status,
                "ResponseHeaders": call.headers,
                "ResponseBody": body,
            }
        )
    return json.dumps({"Entries": made, "Variables": {}}, indent=2).encode()


def as_rows(calls: Sequence[Call]) -> bytes:
    """The JSON Lines of what the same calls show; a stream's events one a line."""
    rows: list[dict[str, Any]] = []
    for call in calls:
        said: dict[str, Any] = {"kind": call.kind}
        if call.at_s is not None:
            said["http_date"] = http_date(call.at_s)
        if call.status == 200:
            rows.append({**said, "data": call.answer})
        else:
            rows.append({**said, "http_status": call.status, **call.answer})
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


FORMS: Final = {
    "vcrpy.yaml": as_vcrpy_yaml,
    "vcrpy.json": as_vcrpy_json,
    "ruby.yml": as_ruby,
    "browser.har": as_har,
    "proxy.json": as_azure,
}
"""How each form is written, by the name of a file."""
