"""Azure test-proxy recordings: bodies as objects, texts or lists of texts, ids written over, and broken ones."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.validation.catalogue.examples import record
from runengine.validation.observations import Item, Observation, Passed, Refusal, StreamEnd, Submitted, Unreadable
from runengine.validation.readers import read_items
from tests.validation.checking import check_bytes
from tests.validation.readers.taped import LIFE, as_azure, in_stream


def items_of(data: bytes, path: str = "a.json") -> list[Item]:
    """Items of a file's bytes."""
    return list(read_items(path, io.BufferedReader(io.BytesIO(data))))


def entry(body: Any, **changes: Any) -> dict[str, Any]:
    """An entry of a poll with this answer."""
    return {
        "RequestUri": "https://a.example/openai/threads/thread_1/runs/run_1?api-version=1",
        "RequestMethod": "GET",
        "RequestBody": None,
        "StatusCode": 200,
        "ResponseHeaders": {"Content-Encoding": "gzip", "Content-Type": "application/json"},
        "ResponseBody": body,
        **changes,
    }


def read(*entries: Any) -> list[Item]:
    """Items of a recording of these entries."""
    return items_of(json.dumps({"Entries": entries, "Variables": {}}, indent=2).encode())


def test_life() -> None:
    """A life with a tool round and a refused cancel is read whole, and is clean."""
    data = as_azure(LIFE)
    kinds = [Observation] * 3 + [Submitted] + [Observation] * 2 + [Refusal]
    items = items_of(data)
    assert [type(item) for item in items] == kinds
    assert '"RequestBody": {' in data.decode().splitlines()[items[3].line - 1]
    assert check_bytes(data, path="a.json").violations == []


def test_stream() -> None:
    """The texts a stream was cut into are put together, and each event stands at the line of its text."""
    data = as_azure(in_stream())
    items = items_of(data)
    assert [type(i) for i in items] == [*[Observation] * 4, StreamEnd, Submitted, *[Observation] * 3, StreamEnd]
    lines = data.decode().splitlines()
    for item in items:
        if isinstance(item, Observation):
            assert f"event: {item.event}" in lines[item.line - 1]


@given(st.lists(st.integers(0, 2_000), max_size=20), st.sampled_from([None, 2]))
def test_stream_cut_anywhere(cuts: list[int], indent: int | None) -> None:
    """However a stream was cut into texts, its events are the same, each at the line of the text it begins in."""
    whole = in_stream()[0].body.decode()
    places = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
    texts = [whole[a:b] for a, b in pairwise(places)]
    recording = {"Entries": [entry(texts, RequestMethod="POST")]}
    data = json.dumps(recording, indent=indent).encode()
    items = [item for item in items_of(data, "a.json") if isinstance(item, Observation)]
    assert [item.record for item in items] == [
        record(s) for s in ("queued", "queued", "in_progress", "requires_action")
    ]
    if indent is not None:
        before = data.decode().splitlines().index('      "ResponseBody": [') + 2
        for item in items:
            at = whole.index(f"event: {item.event}\n")
            assert item.line == before + next(n for n, text in enumerate(places[1:]) if at < text)


@pytest.mark.parametrize("whole", [record("queued"), json.dumps(record("queued")), [json.dumps(record("queued"))]])
def test_bodies(whole: Any) -> None:
    """A body is an object, a text or a list of texts, unpacked whatever its header says."""
    (item,) = read(entry(whole))
    assert isinstance(item, Observation)
    assert item.record == record("queued")


@pytest.mark.parametrize("body", [None, "", [], "Sanitized", ["Sanitized"]])
def test_no_body(body: Any) -> None:
    """A body that is not there, or was written over, is passed over."""
    (item,) = read(entry(body))
    assert isinstance(item, Passed)


def test_run_id_written_over() -> None:
    """Of outputs sent to a run whose id was written over, the answer tells the run."""
    uri = "https://a.example/threads/thread_1/runs/Sanitized/submit_tool_outputs"
    sent = {"tool_outputs": [{"tool_call_id": "call_1", "output": "1"}]}
    submitted, _ = read(entry(record("queued"), RequestUri=uri, RequestMethod="POST", RequestBody=sent))
    assert isinstance(submitted, Submitted)
    assert submitted.run_id == "run_1"


@pytest.mark.parametrize("broken", [1, None, [], {}, {"RequestUri": "/a"}, {"RequestUri": 1, "StatusCode": 200}])
def test_no_entry(broken: Any) -> None:
    """An entry that is none is unreadable, and the next one is read."""
    first, second = read(broken, entry(record("queued")))
    assert isinstance(first, Unreadable)
    assert isinstance(second, Observation)


def test_variables_first() -> None:
    """The order of the two keys does not matter."""
    data = json.dumps({"Variables": {"a": {"b": "c"}}, "Entries": [entry(record("queued"))]}).encode()
    assert [type(item) for item in items_of(data)] == [Observation]


@given(st.binary(max_size=200))
def test_any_bytes(tail: bytes) -> None:
    """Whatever follows, it comes to items."""
    items_of(b'{"Entries": [' + tail)
    items_of(b'{"Entries": [{"RequestUri": "/threads/t/runs", "StatusCode": 200, "ResponseBody": ' + tail)


def test_key_in_a_text() -> None:
    """A request that quotes the key of the answer's body does not move the lines of the events."""
    (call,) = in_stream()[:1]
    recording = json.loads(as_azure([call]))
    recording["Entries"][0]["RequestBody"] = 'say "ResponseBody": [1]'
    data = json.dumps(recording, indent=2).encode()
    lines = data.decode().splitlines()
    seen = [item for item in items_of(data) if isinstance(item, Observation)]
    assert [f"event: {item.event}" in lines[item.line - 1] for item in seen] == [True] * 4
