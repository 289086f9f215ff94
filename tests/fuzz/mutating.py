"""Bytes changed at random: flipped, cut, spliced, repeated, numbers taken to extremes, words of the forms put in."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

__all__ = ["LONGEST", "WORDS", "mutated"]

LONGEST: Final = 128 * 1024
"""Inputs are at most about so long, bytes: what breaks a reader breaks it in little."""

_TEXT: Final = (
    '{ } [ ] , : " \\ \\u0000 \\ud800 \n \r\n \n\n \0 \t - & * ! | > % @ # ? <<: --- ... !!binary !!str !!python/name:x'
    " null true false NaN Infinity -0 1e999 1e-999 0 -1 9223372036854775807 18446744073709551616 1.5"
    ' "id" "object" "thread.run" "status" "queued" "completed" "data" "list" "error" "kind" "create" "history"'
    ' "observed_at" "http_date" "created_at" "started_at" "tools" "usage" "metadata" "required_action"'
    ' "thread.run.step" "thread.message" "log" "entries" "request" "response" "content" "text" "encoding" "base64"'
    ' "Entries" "RequestUri" "ResponseBody" "interactions" "http_interactions" "body" "string" "base64_string"'
    " event: data: id: retry: event:done data:[DONE] event:thread.run.completed event:error"
    " PAR1 \x1f\x8b\x08 (\xb5/\xfd \xef\xbb\xbf \xff\xfe SQLite"
)
WORDS: Final = tuple(word.encode("latin-1") for word in _TEXT.split(" "))
"""Words that mean something to some reader."""

_NUMBER: Final = re.compile(rb"-?\d+(\.\d+)?")
_EXTREMES: Final = (
    b"0",
    b"-1",
    b"1e308",
    b"1e999",
    b"-0.0",
    b"9" * 20,
    b"9" * 400,
    b"9" * 5000,
    b"4294967296",
    b"-9223372036854775809",
    b"0.1e-9",
)
_BINARY: Final = (
    *(struct.pack(form, value) for form in ("<I", ">I", "<Q", "<H") for value in (0, 1, 65535)),
    *(b"\xff\xff\xff\x7f", b"\xff" * 4, b"\xff" * 8, b"\x00\x00\x00\x80"),
)
_NESTS: Final = ((b"[", b"]"), (b'{"a":', b"}"), (b'{"data":', b"}"), (b"- ", b""), (b"(", b")"))

_Change = Callable[[bytearray, Random, Sequence[bytes]], None]


def _span(data: bytearray, rng: Random, most: int = 256) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.randint(1, most))


def _flip(data: bytearray, rng: Random, _seeds: Sequence[bytes]) -> None:
    for _ in range(rng.choice((1, 1, 2, 8)) if data else 0):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set(data: bytearray, rng: Random, _seeds: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice((0, 255, 10, 34, 92, 123, 91, rng.randrange(256)))


def _cut(data: bytearray, rng: Random, _seeds: Sequence[bytes]) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _drop(data: bytearray, rng: Random, _seeds: Sequence[bytes]) -> None:
    start, end = _span(data, rng)
    del data[start:end]


def _repeat(data: bytearray, rng: Random, _seeds: Sequence[bytes]) -> None:
    start, end = _span(data, rng)
    data[start:start] = data[start:end] * rng.choice((1, 2, 10, 100))


def _splice(data: bytearray, rng: Random, seeds: Sequence[bytes]) -> None:
    other = rng.choice(seeds)
    start, end = _span(data, rng, 4096)
    where = rng.randrange(len(other) + 1)
    data[start:end] = other[where : where + rng.randint(1, 4096)]


def _move(data: bytearray, rng: Random, _seeds: Sequence[bytes]) -> None:
    start, end = _span(data, rng)
    piece = data[start:end]
    del data[start:end]
    where = rng.randrange(len(data) + 1)
    data[where:where] = piece


def _word(data: bytearray, rng: Random, _seeds: Sequence[bytes]) -> None:
    start, end = _span(data, rng, 16)
    data[start : end if rng.random() < 0.5 else start] = rng.choice(WORDS)


def _number(data: bytearray, rng: Random, _seeds: Sequence[bytes]) -> None:
    found = list(_NUMBER.finditer(bytes(data)))
    if found:
        match = rng.choice(found)
        data[match.start() : match.end()] = rng.choice(_EXTREMES)


def _binary(data: bytearray, rng: Random, _seeds: Sequence[bytes]) -> None:
    value = rng.choice(_BINARY)
    # The end is where footers are.
    start = rng.randrange(len(data) + 1) if rng.random() < 0.5 else max(0, len(data) - rng.randrange(1, 600))
    data[start : start + len(value)] = value


def _nest(data: bytearray, rng: Random, _seeds: Sequence[bytes]) -> None:
    begin, end = rng.choice(_NESTS)
    depth = rng.choice((9, 100, 990, 1001, 5000))
    start, stop = _span(data, rng)
    data[start:stop] = begin * depth + bytes(data[start:stop]) + end * depth


def _lines(data: bytearray, rng: Random, _seeds: Sequence[bytes]) -> None:
    lines = bytes(data).split(b"\n")
    rng.shuffle(lines)
    data[:] = b"\n".join(lines)


_CHANGES: Final[tuple[_Change, ...]] = (
    *(_flip, _flip, _set, _cut, _drop, _repeat, _splice, _move, _word, _word, _number, _binary, _nest, _lines),
)


def mutated(rng: Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds, changed a few times.

    Args:
        rng: Where chance comes from.
        seeds: Small valid inputs.
    """
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        rng.choice(_CHANGES)(data, rng, seeds)
        del data[LONGEST:]
    return bytes(data)
