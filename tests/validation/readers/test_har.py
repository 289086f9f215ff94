"""HAR: entries with their lines and times; a broken or hostile file comes to RE901 and no more."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.validation.catalogue.examples import CREATED
from runengine.validation.observations import Item, Observation, Refusal, Submitted, Unreadable
from runengine.validation.readers import json_entries, read_items
from tests.validation.checking import check_bytes
from tests.validation.readers.taped import LIFE, as_har


def items_of(data: bytes) -> list[Item]:
    """Items of a file's bytes."""
    return list(read_items("a.har", io.BufferedReader(io.BytesIO(data))))


def test_life() -> None:
    """A life with a tool round and a refused cancel is read whole, each item at the line of its entry, and is clean."""
    data = as_har(LIFE)
    items = items_of(data)
    assert [type(i) for i in items] == [Observation] * 3 + [Submitted] + [Observation] * 2 + [Refusal]
    lines = data.decode().splitlines()
    entries = [number for number, line in enumerate(lines, 1) if line == "   {"]
    assert "tool_outputs" in lines[items.pop(3).line - 1]
    assert sorted({item.line for item in items}) == entries
    assert check_bytes(data, path="a.har").violations == []


def test_time() -> None:
    """Without a Date, an answer was seen when its request had begun and taken its time."""
    (item,) = items_of(as_har([LIFE[0]._replace(at_s=None)]))
    assert isinstance(item, Observation)
    assert item.observed_s == float(CREATED)


@pytest.mark.parametrize("time", [None, True, -1, "500", 1e300])
def test_odd_time(time: Any) -> None:
    """A time that is none leaves the moment at which the request had begun."""
    made = json.loads(as_har([LIFE[0]._replace(at_s=None)]))
    made["log"]["entries"][0]["time"] = time
    (item,) = items_of(json.dumps(made).encode())
    assert isinstance(item, Observation)
    assert item.observed_s == CREATED - 0.5


@pytest.mark.parametrize(
    "entry", [1, None, [], {}, {"request": 1}, {"request": {"url": "/a"}}, {"request": {"url": "/a"}, "response": {}}]
)
def test_no_entry(entry: Any) -> None:
    """An entry that is none is unreadable at its line, and the next one is read."""
    made = json.loads(as_har(LIFE[:1]))
    made["log"]["entries"].insert(0, entry)
    text = json.dumps(made, indent=1)
    broken, item = items_of(text.encode())
    assert isinstance(broken, Unreadable)
    assert isinstance(item, Observation)
    assert broken.line < item.line


def test_not_base64() -> None:
    """Content that is not the base64 it is said to be is unreadable."""
    content = {"text": "x", "encoding": "base64"}
    request = {"method": "GET", "url": "/v1/threads/t/runs/r"}
    entry = {"request": request, "response": {"status": 200, "content": content}}
    (item,) = items_of(json.dumps({"log": {"version": "1.2", "entries": [entry]}}).encode())
    assert isinstance(item, Unreadable)


@given(st.data())
def test_cut(data: st.DataObject) -> None:
    """Cut anywhere, the entries before the cut are read as they were, and no error comes of it."""
    whole = as_har(LIFE)
    size = data.draw(st.integers(30, len(whole)))
    cut = [item.record for item in items_of(whole[:size]) if isinstance(item, Observation)]
    assert cut == [call.answer for call in LIFE[:5]][: len(cut)]


@given(st.binary(max_size=200), st.sampled_from(["", "]}}"]))
def test_any_bytes(tail: bytes, end: str) -> None:
    """Whatever follows, it comes to items."""
    items_of(b'{"log": {"version": "1.2", "entries": [' + tail + end.encode())
    items_of(b'{"log": {"version": ' + tail)


@pytest.mark.parametrize(
    "data",
    [
        b'{"log": {"version": "1.2", "entries": [' + b"[" * 100_000,
        b'{"log": {"version": "1.2", "entries": [' + b'{"a":' * 100_000,
        b'{"log": {"version": "1.2", "pages": ' + b"[" * 100_000,
        b'{"log": {"version": "1.2", "pages": ' + b"[" * 900 + b"]" * 900 + b', "entries": [' + b"[" * 900,
        b'{"log": {"version": "1.2", "entries": [' + b"9" * 100_000 + b"]}}",
        b'{"log": {"version": "1.2", "entries": [' + b"1," * 100_000 + b"1]}}",
        b'{"log": {"version": "1.2", "entries": ["\\ud800"]}}',
    ],
    ids=["brackets", "braces", "elsewhere", "both", "digits", "numbers", "surrogate"],
)
def test_bombs(data: bytes) -> None:
    """What is deep, long or much comes to a few unreadable entries, in a few megabytes."""
    tracemalloc.start()
    items = items_of(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 1 <= len(items) <= 101
    assert all(isinstance(item, Unreadable) for item in items)
    assert peak < 8_000_000


@pytest.mark.parametrize("text", ['{"log": {"version": 1}}', '{"log": {"version": 1, "entries": {}}}'])
def test_no_list(text: str) -> None:
    """A HAR without its list is said to be without it."""
    assert items_of(text.encode()) == [Unreadable(line=1, problem="expected a list at log.entries")]


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document larger than one is read whole is said to be, and so is such an entry."""
    monkeypatch.setattr(json_entries, "DOCUMENT_BYTES_MAX", 1_000)
    (item,) = items_of(as_har(LIFE))
    assert isinstance(item, Unreadable)
    assert item.problem == "one document of more than 1000 bytes"
    monkeypatch.setattr(json_entries, "DOCUMENT_BYTES_MAX", 1_000_000)
    monkeypatch.setattr(json_entries, "ELEMENT_CHARS_MAX", 100)
    (item,) = items_of(as_har(LIFE))
    assert isinstance(item, Unreadable)
    assert "more than 100 characters" in item.problem
