"""Bombs of every kind through the one door, each in a process of its own whose memory and time are measured."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.validation.checking import clean

MB: Final = 1024 * 1024
_ADDRESSES: Final = 6 * 1024 * MB
_PROGRAM: Final = """
import json, re, resource, sys, time
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
from runengine.validation import Checker
from runengine.validation.readers import items_in
checker = Checker()
found = [(v.code, v.line, v.message[:300]) for v in checker.check("x", items_in(sys.argv[1], skim=checker.skim))]
print(json.dumps({
    "found": found[:50],
    "runs": checker.summary.observations,
    # ru_maxrss would count the memory of the process that started this one.
    "peak": 1024 * int(re.search(r"VmHWM:\\s*([0-9]+)", Path("/proc/self/status").read_text())[1]),
    "took_s": time.process_time(),
}))
"""


def checked(path: Path) -> dict[str, Any]:
    """What a check of a file finds, what memory it takes at the most, and how long of a processor."""
    command = [sys.executable, "-c", _PROGRAM, str(path), str(_ADDRESSES)]
    done = subprocess.run(command, capture_output=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def _packed(packer: Any, pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def _good() -> bytes:
    return json.dumps(clean("queued")).encode() + b"\n"


def _spaces(size: int) -> Iterator[bytes]:
    yield _good()
    for _ in range(size // MB):
        yield b" " * MB


@cache
def _in_gzip() -> bytes:
    return b"".join(_packed(zlib.compressobj(9, wbits=31), _spaces(160 * MB)))


def _gzip_bomb() -> Iterator[bytes]:
    yield _in_gzip()


def _zstd_bomb() -> Iterator[bytes]:
    return _packed(zstandard.ZstdCompressor(level=1).compressobj(), _spaces(512 * MB))


def _nested_bomb() -> Iterator[bytes]:
    yield gzip.compress(_in_gzip())


def _deep_line() -> Iterator[bytes]:
    yield b'{"data":' * 1_000_000 + b"1" + b"}" * 1_000_000 + b"\n" + _good()


def _deep_array() -> Iterator[bytes]:
    yield b"[\n" + b"[" * 1_000_000 + b"]" * 1_000_000 + b",\n" + _good() + b"]"


def _laughs() -> Iterator[bytes]:
    yield b"interactions:\n- request: {method: GET, uri: x}\n  a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
    for n in range(1, 40):
        yield f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n".encode()
    yield b"  response: {status: {code: 200}, body: {string: *a39}, headers: {}}\n"


def _deep_yaml() -> Iterator[bytes]:
    yield b"interactions:\n- " + b"[" * 1_000_000 + b"]" * 1_000_000


def _har(text: str, encoding: str | None = None, headers: tuple[dict[str, str], ...] = ()) -> bytes:
    content = {"mimeType": "application/json", "text": text, **({"encoding": encoding} if encoding else {})}
    entry = {
        "request": {"method": "GET", "url": "https://x.example/v1/threads/t/runs/r", "headers": []},
        "response": {"status": 200, "headers": list(headers), "content": content},
    }
    return json.dumps({"log": {"entries": [entry]}}).encode()


def _har_bomb() -> Iterator[bytes]:
    packed = b64encode(b"".join(_packed(zlib.compressobj(1, wbits=31), _spaces(96 * MB)))).decode()
    yield _har(packed, "base64", ({"name": "content-encoding", "value": "gzip"},))


def _har_deep() -> Iterator[bytes]:
    yield b'{"log": {"entries": [' + b'{"a":' * 1_000_000 + b"1" + b"}" * 1_000_000 + b"]}}"


def _parquet_bomb() -> Iterator[bytes]:
    out = io.BytesIO()
    text = json.dumps(clean("queued", instructions="x" * 8 * MB))
    data = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array([text]))
    pq.write_table(pa.table({"data": data}), out, compression="zstd")
    yield out.getvalue()


BOMBS: Final[dict[str, tuple[str, Callable[[], Iterator[bytes]], int, str | None]]] = {
    "gzip": ("x.jsonl.gz", _gzip_bomb, 250 * MB, "looks like a bomb"),
    "zstd": ("x.jsonl.zst", _zstd_bomb, 250 * MB, "looks like a bomb"),
    "packed twice": ("x.jsonl.gz", _nested_bomb, 250 * MB, "looks like a bomb"),
    "a deep line": ("x.jsonl", _deep_line, 200 * MB, "nested deeper"),
    "a deep array": ("x.json", _deep_array, 200 * MB, "the rest was not read"),
    "a billion laughs": ("x.yaml", _laughs, 200 * MB, None),
    "deep YAML": ("x.yaml", _deep_yaml, 200 * MB, "nested deeper"),
    "a packed body in HAR": ("x.har", _har_bomb, 300 * MB, "unpacks to more than"),
    "deep HAR": ("x.har", _har_deep, 200 * MB, "nested deeper"),
    "one text in many rows": ("x.parquet", _parquet_bomb, 500 * MB, None),
}
"""By name: the file's, its bytes, the most memory that checking it may take, and what is said of it, if anything."""


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb(bomb: str, tmp_path: Path) -> None:
    """A bomb is checked within a bound of memory and of time, and is said to be unreadable where it is."""
    name, pieces, most_bytes, says = BOMBS[bomb]
    file = tmp_path / name
    with file.open("wb") as out:
        out.writelines(pieces())
    found = checked(file)
    assert found["peak"] < most_bytes, found
    assert found["took_s"] < 40, found
    said = [message for code, _, message in found["found"] if code == "RE901"]
    assert not said if says is None else any(says in message for message in said), found


PACKERS: Final[dict[str, Callable[[], Any]]] = {
    "gzip": lambda: zlib.compressobj(9, wbits=31),
    "zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
}


@pytest.mark.slow
@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("byte", [b"\0", b" ", b"\n"], ids=["zeros", "spaces", "lines"])
def test_ten_gigabytes(packer: str, byte: bytes, tmp_path: Path) -> None:
    """Of ten gigabytes in a small file no more is unpacked than the bound allows."""
    file, piece = tmp_path / "x.jsonl", byte * MB
    with file.open("wb") as out:
        out.writelines(_packed(PACKERS[packer](), (piece for _ in range(10 * 1024))))
    found = checked(file)
    assert found["peak"] < 250 * MB, found
    assert found["took_s"] < 60, found
    assert {code for code, *_ in found["found"]} == {"RE901"}


@pytest.mark.slow
def test_a_line_of_a_gigabyte(tmp_path: Path) -> None:
    """A line of a gigabyte is skipped and named, and the next one is checked."""
    file = tmp_path / "x.jsonl"
    with file.open("wb") as out:
        out.write(_good() + b'{"a":"')
        out.writelines(b"x" * MB for _ in range(1024))
        out.write(b'"}\n' + _good())
    found = checked(file)
    assert found["peak"] < 350 * MB, found
    assert [(code, line) for code, line, _ in found["found"]] == [("RE901", 2)]
    assert found["runs"] == 2
