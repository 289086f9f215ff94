"""Lines to check: clean ones in every status, and every way of spoiling one that we know of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests import samples
from tests.validation.checking import ABSENT, clean, without

__all__ = ["LINES", "RECORDS"]

T0, START, END, DEADLINE = samples.T0_S, samples.START_S, samples.END_S, samples.DEADLINE_S

_CALL = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}


def _asks(*calls: Any, **more: Any) -> dict[str, Any]:
    return {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": list(calls)}, **more}


def _usage(completion: Any, prompt: Any, total: Any, **more: Any) -> dict[str, Any]:
    return {"completion_tokens": completion, "prompt_tokens": prompt, "total_tokens": total, **more}


def _search(results: Any) -> list[Any]:
    return [{"type": "file_search", "file_search": {"max_num_results": results}}]


_PAIRS = {f"k{n}": "v" for n in range(17)}

_ACTIONS: tuple[Any, ...] = (
    *(None, {}, [], "x", _asks(), _asks(1), _asks(_CALL, _CALL), _asks(_CALL, x=1), {**_asks(_CALL), "type": "odd"}),
    *(_asks({**_CALL, **more}) for more in ({"x": 1}, {"type": "odd"}, {"id": 1})),
    {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": {"a": _CALL}}},
)

_CHANGES: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...] = (
    (
        "queued",
        (
            *(
                ("started_at", v)
                for v in (START, 1.5, float(START), "x", True, 0, -5, T0 - 1, DEADLINE, 10**400, ABSENT)
            ),
            *(("expires_at", v) for v in (None, DEADLINE + 1, -5, 0, 10**14, float(DEADLINE), str(DEADLINE), True)),
            *(("created_at", v) for v in (None, ABSENT, T0 + 1, float(T0), "x", 0, -1, 1)),
            *(("tools", v) for v in (_search(1), _search(1.0), _search(True), [{"type": "retrieval"}], [1], None)),
            *(("temperature", v) for v in (1, True, None, ABSENT, "1")),
            *(("metadata", v) for v in (None, ABSENT, {}, {"a": 1}, {"a": 1.0}, {"a": True}, _PAIRS, [], "x")),
            *(("metadata", v) for v in ({"k" * 65: "v"}, {"k": "v" * 513}, {"k": "v" * 512})),
            *(("model", v) for v in ("other", None, ABSENT)),
            *(("parallel_tool_calls", v) for v in (False, 1, ABSENT)),
            *(("tool_choice", v) for v in ("required", "odd", {"type": "function"}, {"type": "odd"})),
            *(("object", v) for v in ("assistant.run", "thread.message", None, ABSENT)),
            *((name, "other") for name in ("thread_id", "assistant_id")),
            *(("status", v) for v in ("canceled", None, 7, ABSENT)),
            ("thread_id", None),
            ("file_ids", []),
            ("tool_resources", {}),
            ("reasoning_effort", "low"),
            ("priority", "high"),
            ("failed_at", END),
            ("usage", _usage(1, 1, 2)),
            ("max_prompt_tokens", 255),
        ),
    ),
    (
        "in_progress",
        (
            *(("started_at", v) for v in (START + 1, START - 1, None, 1.5, float(START), ABSENT)),
            ("expires_at", DEADLINE + 1),
            ("expires_at", START),
        ),
    ),
    (
        "requires_action",
        tuple(("required_action", v) for v in _ACTIONS),
    ),
    ("cancelling", (("started_at", None), ("started_at", START + 1), ("cancelled_at", END))),
    (
        "completed",
        (
            *(("usage", v) for v in (None, ABSENT, _usage(5.0, 7, 12), _usage(True, 1, 2), _usage(5, 7, 13), {}, [])),
            *(
                ("usage", v)
                for v in (_usage(-1, 1, 0), _usage(5, 7, 12, prompt_token_details={}), _usage(0, 0, 0, x=1))
            ),
            *(("completed_at", v) for v in (None, ABSENT, START - 1, DEADLINE, float(END), END * 1000)),
            ("incomplete_details", {"reason": "max_prompt_tokens"}),
        ),
    ),
    ("incomplete", tuple(("incomplete_details", v) for v in ({}, {"reason": None}, {"reason": "odd"}, {"reason": 1}))),
    (
        "failed",
        tuple(
            ("last_error", v)
            for v in (None, {}, {"code": "odd", "message": ""}, {"code": "server_error", "message": 1})
        ),
    ),
    ("expired", (("completed_at", DEADLINE - 1), ("started_at", None))),
)


def _changed() -> Iterator[Any]:
    for status in samples.STATUSES:
        yield clean(status)
        yield without(clean(status), *(name for name, value in clean(status).items() if value is None))
    yield from (clean(status, started_at=None) for status in samples.UNSTARTED_STATUSES)
    for spoiled, changes in _CHANGES:
        yield from (clean(spoiled, **{name: value}) for name, value in changes)
    both = {"file_ids": [], "tools": [{"type": "retrieval"}]}
    yield from (clean(name, **both) for name in ("queued", "in_progress", "incomplete"))
    for name in ("queued", "in_progress"):
        yield {"kind": "poll", "observed_at": T0 + 3, "data": clean(name)}
    yield {"kind": "create", "data": clean("in_progress")}
    yield {"event": "thread.run.created", "data": clean("queued")}
    yield {"kind": "history", "event": "start", "observed_at": T0 + 4.5, "data": clean("in_progress")}
    yield [clean("queued"), clean("in_progress")]


def _spelled() -> Iterator[bytes]:
    text = json.dumps(clean("queued")).encode()
    yield b" " + text
    yield text + b"\r"
    yield json.dumps(clean("queued"), separators=(",", ":")).encode()
    yield json.dumps(dict(reversed(clean("queued").items()))).encode()
    yield b"\xef\xbb\xbf" + text
    yield text.replace(b'"status"', rb'"st\u0061tus"')
    yield text[:-1] + b', "status": "in_progress"}'
    yield text[:-1] + b', "model": "twice"}'
    for value in (b'"\xff"', rb'"\ud800"', b"NaN", b"1e999", b"9" * 5000, b"01", b'"\x01"', b'"\xc3\xa9"'):
        yield text.replace(b'"Be kind."', value)
        yield text.replace(b'"42"', value)
        yield text.replace(b'"run_1"', value)
    yield from (b"", b" \t", b"{", b"null", b'"run_1"', text[:-9], text + text, text + b" x", b"[" * 2000, b"\x80")
    yield b'{"id": "msg_1", "object": "thread.message"}'


RECORDS: tuple[bytes, ...] = tuple(json.dumps(value).encode() for value in _changed())
"""Lines of one run, `run_1` (but where that is what is spoiled): readable all."""

LINES: tuple[bytes, ...] = (*RECORDS, *_spelled())
"""The same and lines that are odd as text, many of them unreadable."""
