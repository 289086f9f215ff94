"""A gateway's middleware that checks every run it passes on: the program of the how-to *monitor a gateway*.

It is ASGI, for any FastAPI or Starlette application: `app.add_middleware(WatchRuns, monitor=…, tell=…)`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from itertools import count
from pathlib import Path
from typing import Any

from runengine.validation import Violation
from runengine.validation.monitor import Monitor, SnapshotRefused
from runengine.validation.observations import StreamEnd

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CALLS = (
    (re.compile(r"POST .*/threads(/[^/]+)?/runs"), "create"),
    (re.compile(r"POST .*/runs/[^/]+/cancel"), "cancel"),
    (re.compile(r"POST .*/runs/[^/]+/submit_tool_outputs"), "submit"),
    (re.compile(r"POST .*/runs/[^/]+"), "modify"),
    (re.compile(r"GET .*/runs(/.*)?"), "poll"),
)
"""What is asked for, by method and path; what is nothing of these passes by."""

BODY_BYTES_MAX = 4 * 1024 * 1024
"""A larger answer is passed on, and not looked at."""


class WatchRuns:
    """Shows a monitor what the application answers; the answer itself goes out as it is, and first."""

    def __init__(self, app: Any, monitor: Monitor, tell: Callable[[Violation], None]) -> None:
        self._app = app
        self._monitor = monitor
        self._tell = tell
        self._streams = count()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, and watch its answer."""
        asked = f"{scope.get('method')} {scope.get('path')}"
        kind = next((kind for pattern, kind in CALLS if pattern.fullmatch(asked)), None)
        if scope["type"] != "http" or kind is None:
            await self._app(scope, receive, send)
            return
        answer = Answer(kind, f"stream {next(self._streams)}")

        async def watched(message: Message) -> None:
            await send(message)
            for seen in answer.take(message):
                for violation in self._monitor.observe(seen, stream=answer.stream):
                    self._tell(violation)

        try:
            await self._app(scope, receive, watched)
        finally:
            for seen in answer.end():
                for violation in self._monitor.observe(seen, stream=answer.stream):
                    self._tell(violation)


class Answer:
    """One answer, as its pieces come: JSON is looked at when it is whole, an event stream event by event."""

    def __init__(self, kind: str, stream: str) -> None:
        self.stream = stream
        self._kind = kind
        self._status = 0
        self._streaming = self._done = False
        self._body = b""

    def take(self, message: Message) -> Iterable[Any]:
        """What a message of the application shows."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._streaming = b"text/event-stream" in dict(message["headers"]).get(b"content-type", b"")
        elif message["type"] == "http.response.body" and len(self._body) <= BODY_BYTES_MAX:
            self._body += message.get("body", b"")
            if self._streaming:
                *events, self._body = self._body.replace(b"\r\n", b"\n").split(b"\n\n")
                yield from (seen for event in events for seen in self._event(event))
            elif not message.get("more_body"):
                yield from self._whole()

    def end(self) -> Iterable[StreamEnd]:
        """What is known when nothing more comes: whether the stream was closed."""
        if self._streaming:
            yield StreamEnd(line=0, done=self._done)

    def _whole(self) -> Iterable[dict[str, Any]]:
        try:
            body = json.loads(self._body)
        except ValueError:
            return
        seen = {"kind": self._kind, "observed_at": time.time(), "http_status": self._status}
        if self._status < 400:
            yield {**seen, "data": body}
        elif isinstance(body, dict) and isinstance(body.get("error"), dict):
            yield {**seen, **body}

    def _event(self, event: bytes) -> Iterable[dict[str, Any]]:
        fields: dict[bytes, bytes] = {}
        for line in event.split(b"\n"):
            field, _, value = line.partition(b":")
            fields[field] = fields.get(field, b"") + value.removeprefix(b" ")
        name = fields.get(b"event", b"").decode()
        self._done = self._done or name in ("done", "error")
        try:
            yield {"kind": "stream", "event": name, "data": json.loads(fields.get(b"data", b""))}
        except ValueError:  # `[DONE]`, or something else that is no JSON
            return


def restored(path: Path) -> Monitor:
    """The monitor as it was when the gateway was stopped; a new one where there is nothing to go on from."""
    try:
        return Monitor.restore(path.read_bytes())
    except (FileNotFoundError, SnapshotRefused):
        return Monitor(name="gateway")


def keep(monitor: Monitor, path: Path) -> None:
    """Write what the monitor remembers, whole or not at all."""
    beside = path.with_suffix(".new")
    beside.write_bytes(monitor.snapshot())
    beside.replace(path)
