"""Inputs that keep the form they are of and break what it holds: values replaced, keys lost, doubled and renamed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from random import Random
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from tests.fuzz.seeds import VALUES, in_arrow, seeds_of

__all__ = ["SHAPED", "warped"]

_LEAVES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 1.5, -0.0, 1e308, 2**31, 2**63, 2**64, 10**40, 10**4000),
    *("", " ", "\0", "\ud800", "\u2028", "queued", "completed", "cancelled", "canceled", "x" * 5000, "<script>"),
    *([], {}, [[]], [{}], {"": {}}, [None], {"data": []}, {"data": {"data": {}}}, {"error": {}}, {"error": 1}),
    *("thread.run", "thread.run.step", "thread.message", "2025-07-24", "Thu, 24 Jul 2025 21:06:50 GMT", "run_1"),
    *(float("nan"), float("inf"), {"object": "list", "data": None}, {"text": "e30=", "encoding": "base64"}),
)
_KEYS: Final = (
    *("id", "object", "status", "data", "error", "event", "kind", "observed_at", "http_date", "created_at", "", "\0"),
    *("started_at", "tools", "usage", "required_action", "delta", "content", "body", "string", "text", "log", "run_id"),
    *("thread_id", "createdAt", "entries", "request", "response", "url", "uri", "headers", "a" * 200, "method"),
)


def _deep(rng: Random) -> Any:
    value: Any = None
    for _ in range(rng.choice((5, 9, 50, 400))):
        value = rng.choice(([value], {"a": value}, {"data": value}))
    return value


def warped(value: Any, rng: Random, chance: float = 0.04) -> Any:
    """A JSON value with some of its parts changed.

    Args:
        value: The value; it is left as it is.
        rng: Where chance comes from.
        chance: How likely each part changes.
    """
    if rng.random() < chance:
        return _deep(rng) if rng.random() < 0.05 else rng.choice(_LEAVES)
    if type(value) is dict:
        made: dict[str, Any] = {}
        for key, each in value.items():
            lot = rng.random()
            if lot < chance / 2:
                continue
            made[rng.choice(_KEYS) if lot < chance else key] = warped(each, rng, chance)
        if rng.random() < chance:
            made[rng.choice(_KEYS)] = rng.choice(_LEAVES)
        return made
    if type(value) is list:
        some = [warped(each, rng, chance) for each in value]
        if some and rng.random() < chance:
            some += [rng.choice(some)] * rng.choice((1, 3, 40))
        return some
    return value


def _some(rng: Random) -> list[Any]:
    return [warped(value, rng) for value in rng.choices(VALUES, k=rng.randint(1, 6))]


def _text(value: Any, **options: Any) -> str:
    return json.dumps(value, **options)


def _json_lines(rng: Random) -> bytes:
    return "\n".join(_text(value) for value in _some(rng)).encode()


def _document(rng: Random) -> bytes:
    values: Any = _some(rng)
    whole = values if rng.random() < 0.7 else rng.choice((values[0], {"object": "list", "data": values}))
    return _text(whole, indent=rng.choice((None, 0, 1, 4))).encode()


def _stream(rng: Random) -> bytes:
    names = ("created", "queued", "in_progress", "completed", "step.created", "step.delta", "x", "step.completed")
    lines = []
    for value in _some(rng):
        name = rng.choice((f"thread.run.{rng.choice(names)}", "thread.message.delta", "thread.created", "error"))
        lines.append(f"event: {name}\ndata: {_text(value)}{rng.choice(('', chr(10), chr(13)))}\n")
    lines.append(rng.choice(("event: done\ndata: [DONE]\n\n", "event: done\n\n", "data: [DONE]", "")))
    return "\n".join(lines).encode()


def _parsed(reader: str, parse: Callable[[bytes], Any]) -> Callable[[Random], bytes]:
    """Documents parsed once, warped, and written again."""
    trees: list[Any] = []

    def made(rng: Random) -> bytes:
        if not trees:
            trees.extend(parse(seed) for seed in seeds_of(reader))
        tree = warped(rng.choice(trees), rng, rng.choice((0.003, 0.02)))
        if reader == "vcr" and rng.random() < 0.2:
            with suppress(RecursionError):  # of the writer
                return yaml.safe_dump(_plain(tree)).encode("utf-8", "backslashreplace")
        return json.dumps(tree, indent=rng.choice((None, 2)), default=str).encode()

    return made


def _plain(value: Any) -> Any:
    """The same without what YAML's writer cannot write."""
    return json.loads(json.dumps(value, default=str).replace("\\ud800", "?"))


_COLUMNS: Final = (
    *("id", "run_id", "status", "thread_id", "object", "created_at", "started_at", "expires_at", "completed_at"),
    *("tools", "usage", "metadata", "last_error", "data", "body", "kind", "event", "observed_at", "observed_at_us"),
    *("model", "instructions", "createdAt", "region", "http_date", "temperature", "tool_choice", "payload"),
)
_TYPES: Final[tuple[tuple[Any, Callable[[Random], Any]], ...]] = (
    (pa.string(), lambda rng: rng.choice(("run_1", "run_2", "queued", "completed", "{}", "[", '{"a":1}', "", "\0"))),
    (pa.string(), lambda rng: _text(rng.choice(VALUES))),
    (pa.binary(), lambda rng: rng.choice((b"queued", b"\xff\xfe", b"run_1"))),
    (pa.int64(), lambda rng: rng.choice((0, -1, 1_767_225_600, 2**63 - 1, -(2**63)))),
    (pa.uint64(), lambda rng: rng.choice((0, 2**64 - 1))),
    (pa.float64(), lambda rng: rng.choice((0.0, float("nan"), float("inf"), 1.7e9, 1e308))),
    (pa.bool_(), lambda rng: rng.random() < 0.5),
    (pa.timestamp("ns"), lambda rng: rng.choice((0, 2**63 - 1, -(2**63) + 1))),
    (pa.timestamp("s", "UTC"), lambda rng: rng.choice((0, 1_767_225_600))),
    (pa.date32(), lambda rng: rng.randrange(20_000)),
    (pa.decimal128(20, 2), lambda _rng: None),
    (pa.null(), lambda _rng: None),
    (pa.dictionary(pa.int32(), pa.string()), lambda rng: rng.choice(("queued", "failed", "run_1"))),
    (pa.struct({"id": pa.string(), "status": pa.string(), "a": pa.float64()}), lambda rng: {"id": "run_1"}),
    (pa.list_(pa.struct({"type": pa.string()})), lambda rng: [{"type": "function"}, None]),
    (pa.map_(pa.string(), pa.string()), lambda rng: [("a", "b")]),
)


def _table(rng: Random) -> pa.Table:
    count = rng.choice((0, 1, 3, 9))
    names, arrays = [], []
    for name in rng.sample(_COLUMNS, rng.randint(1, 9)):
        kind, value = rng.choice(_TYPES)
        names.append(name)
        arrays.append(pa.array([None if rng.random() < 0.2 else value(rng) for _ in range(count)], kind))
    return pa.Table.from_arrays(arrays, names)


def _parquet(rng: Random) -> bytes:
    table, out = _table(rng), io.BytesIO()
    options: dict[str, Any] = {
        "compression": rng.choice(("none", "snappy", "zstd")),
        "row_group_size": rng.choice((2, 9)),
    }
    pq.write_table(table, out, store_schema=rng.random() < 0.7, **options)
    return out.getvalue()


def _arrow(rng: Random) -> bytes:
    packed = rng.choice((None, "lz4", "zstd"))
    return in_arrow(_table(rng), stream=rng.random() < 0.3, compression=packed, rows=rng.choice((2, 9)))


def _first(documents: Iterable[Any]) -> Any:
    return next(iter(documents))


SHAPED: Final[dict[str, Callable[[Random], bytes]]] = {
    "json-lines": _json_lines,
    "json": _document,
    "sse": _stream,
    "parquet": _parquet,
    "arrow": _arrow,
    "vcr": _parsed("vcr", lambda seed: _first(yaml.load_all(seed, Loader=yaml.CSafeLoader))),
    "har": _parsed("har", json.loads),
    "azure": _parsed("azure", json.loads),
}
"""By reader; one that is not here is fed changed bytes alone."""
