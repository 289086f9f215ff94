"""VCR cassettes: real ones of vcrpy, made here, and those of Ruby's VCR; a broken one comes to RE901 and no more."""

from __future__ import annotations

import base64
import gzip
import io
import sys
import threading
import tracemalloc
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import vcr  # type: ignore[import-untyped]
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runengine.errors import MissingExtra
from runengine.validation.catalogue.examples import CREATED, record
from runengine.validation.observations import Item, Observation, Passed, Refusal, StreamEnd, Submitted, Unreadable
from runengine.validation.readers import expand, items_in, read_items, yaml_events
from runengine.validation.readers.yaml_events import Entry, Text, yaml_entries
from tests.validation.checking import check_bytes, codes
from tests.validation.readers.taped import LIFE, RUNS, Call, as_ruby, as_vcrpy_json, as_vcrpy_yaml, in_stream


def items_of(data: bytes, path: str = "a.yaml") -> list[Item]:
    """Items of a file's bytes."""
    return list(read_items(path, io.BufferedReader(io.BytesIO(data))))


class Server(HTTPServer):
    """Answers the calls it was given, in their order."""

    calls: list[Call]


class Handler(BaseHTTPRequestHandler):
    """One answer of the server."""

    def do_GET(self) -> None:
        """Answer with what comes next."""
        assert isinstance(self.server, Server)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        call = self.server.calls.pop(0)
        assert (self.command, self.path) == (call.method, call.path)
        self.send_response_only(call.status)
        for name, value in call.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(call.body)))
        self.end_headers()
        self.wfile.write(call.body)

    do_POST = do_GET  # noqa: N815 - the name is the library's


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on a port of its own."""
    made = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def taped(server: Server, calls: Sequence[Call], cassette: Path, serializer: str) -> None:
    """Make the calls while vcrpy records them."""
    server.calls = list(calls)
    tape = vcr.VCR(serializer=serializer, record_mode=vcr.mode.ALL)
    with tape.use_cassette(str(cassette)):
        for call in calls:
            body = None if call.request is None else call.request.encode()
            url = f"http://127.0.0.1:{server.server_port}{call.path}"
            request = urllib.request.Request(url, body, method=call.method)
            try:
                with urllib.request.urlopen(request) as answer:
                    answer.read()
            except urllib.error.HTTPError as error:
                error.read()


class TestRecordedByVcrpy:
    """Cassettes that vcrpy itself wrote of a server that answers like the run API."""

    @pytest.mark.parametrize(("serializer", "packed"), [("yaml", False), ("yaml", True), ("json", False)])
    def test_polled(self, server: Server, tmp_path: Path, serializer: str, packed: bool) -> None:
        """A life with a tool round and a refused cancel is read whole, with its times, and is clean."""
        cassette = tmp_path / f"life.{serializer}"
        taped(server, [call._replace(packed=packed) for call in LIFE], cassette, serializer)
        items = list(items_in(str(cassette)))
        kinds = [Observation] * 3 + [Submitted] + [Observation] * 2 + [Refusal]
        assert [type(item) for item in items] == kinds
        seen = [item for item in items if isinstance(item, Observation)]
        assert [item.record for item in seen] == [call.answer for call in LIFE[:5]]
        assert [item.observed_s for item in seen] == [call.at_s for call in LIFE[:5]]
        assert [item.created for item in seen] == [True, False, False, False, False]
        lines = cassette.read_text(encoding="utf-8").splitlines()
        sent_at = next(number for number, line in enumerate(lines, 1) if '"tool_outputs' in line)
        assert items.pop(3) == Submitted(line=sent_at, run_id="run_1", outputs=(("call_1", "12"),))
        assert all("request" in lines[item.line - 1] + lines[item.line] for item in items)
        checked = check_bytes(cassette.read_bytes(), path=str(cassette))
        assert checked.violations == []

    @pytest.mark.parametrize(("serializer", "packed"), [("yaml", False), ("yaml", True), ("json", False)])
    def test_streamed(self, server: Server, tmp_path: Path, serializer: str, packed: bool) -> None:
        """A streamed create and its submit stream are read as streams, each to its end, and are clean."""
        cassette = tmp_path / f"stream.{serializer}"
        taped(server, [call._replace(packed=packed) for call in in_stream()], cassette, serializer)
        items = list(items_in(str(cassette)))
        kinds = [*[Observation] * 4, StreamEnd, Submitted, *[Observation] * 3, StreamEnd]
        assert [type(item) for item in items] == kinds
        seen = [item for item in items if isinstance(item, Observation)]
        assert {(item.source, item.observed_s) for item in seen} == {("stream", None)}
        assert check_bytes(cassette.read_bytes(), path=str(cassette)).violations == []
        if serializer == "yaml" and not packed:
            lines = cassette.read_text(encoding="utf-8").splitlines()
            assert [lines[item.line - 1].rpartition("event: ")[2] for item in seen] == [item.event for item in seen]

    def test_fault_at_its_line(self, server: Server, tmp_path: Path) -> None:
        """A fault is found at the interaction it is in, and in a stream at its event."""
        cassette = tmp_path / "fault.yaml"
        wrong = LIFE[1]._replace(answer=record("in_progress", failed_at=CREATED + 1))
        taped(server, [LIFE[0], wrong], cassette, "yaml")
        second = items_of(cassette.read_bytes())[1].line
        assert codes(check_bytes(cassette.read_bytes(), path="a.yaml")) == [("RE202", second, "failed_at")]
        assert cassette.read_text(encoding="utf-8").splitlines()[second - 1] == "- request:"


class TestRuby:
    """Cassettes of Ruby's VCR."""

    def test_times(self) -> None:
        """An answer without a Date was seen when it was recorded."""
        undated = [call._replace(at_s=None) for call in LIFE]
        made = yaml.safe_load(as_ruby(LIFE))
        for one, without in zip(made["http_interactions"], undated, strict=True):
            one["response"]["headers"] = {name: [value] for name, value in without.headers.items()}
        seen = [i for i in items_of(yaml.safe_dump(made).encode()) if isinstance(i, Observation)]
        assert [item.observed_s for item in seen] == [call.at_s for call in LIFE[:5]]
        assert seen[0].envelope == {"kind": "create", "observed_at": float(CREATED)}

    def test_literal_stream(self) -> None:
        """Events in a literal block stand at their own lines."""
        data = as_ruby(in_stream())
        lines = data.decode().splitlines()
        events = [(lines[i.line - 1].strip(), i.event) for i in items_of(data) if isinstance(i, Observation)]
        assert events == [(f"event: {event}", event) for _, event in events]
        assert len(events) == 7

    def test_packed(self) -> None:
        """Bodies in `base64_string` are unpacked."""
        packed = [call._replace(packed=True) for call in LIFE]
        assert [type(item) for item in items_of(as_ruby(packed))] == [type(item) for item in items_of(as_ruby(LIFE))]


class TestForms:
    """Which files are cassettes, and spellings of the same."""

    @pytest.mark.parametrize("path", ["a.yaml", "-"])
    def test_told_by_content(self, path: str) -> None:
        """A cassette is told by its keys, whatever its name."""
        assert [type(item) for item in items_of(as_vcrpy_yaml(LIFE[:1]), path)] == [Observation]
        assert [type(item) for item in items_of(as_ruby(LIFE[:1]), path)] == [Observation]

    @pytest.mark.parametrize(
        "text", ["name: a\non: [push]\n", "- 1\n- 2\n", "interactions: []\n", "just text\n", "---\n", "a: [1]\n"]
    )
    def test_another_document(self, text: str) -> None:
        """YAML that is no cassette is passed over: a folder of fixtures has such files."""
        assert [type(item) for item in items_of(text.encode())] == [Passed]

    def test_folder(self, tmp_path: Path) -> None:
        """Cassettes are taken from a folder."""
        for name in ("a.yaml", "b.yml", "c.har", "d.txt"):
            (tmp_path / name).write_bytes(as_vcrpy_yaml(LIFE[:1]))
        assert [Path(path).name for path in expand([str(tmp_path)])] == ["a.yaml", "b.yml", "c.har"]

    def test_other_spellings(self) -> None:
        """Betamax, go-vcr and vcrpy's old form for httpx say the same with other keys."""
        run = LIFE[0].body.decode()
        request = {"method": "POST", "url": f"https://a.example{RUNS}", "body": None}
        for response in (
            {"status_code": 200, "content": run, "headers": {}},
            {"status": "200 OK", "code": 200, "body": run, "headers": {"Date": ["x"]}},
            {"status": {"code": "200"}, "body": {"string": run}, "headers": {"CF-RAY": "REDACTED"}},
        ):
            text = yaml.safe_dump({"version": 1, "interactions": [{"request": request, "response": response}]})
            (item,) = items_of(text.encode())
            assert isinstance(item, Observation)
            assert item.created

    def test_binary_without_a_type(self) -> None:
        """`!binary` is what Ruby wrote once; a tag of a Python object makes text of it, and no object."""
        packed = base64.b64encode(gzip.compress(LIFE[0].body)).decode()
        text = (
            f"interactions:\n- request: {{method: !!python/unicode POST, uri: {RUNS}}}\n  response:\n"
            f"    status: !!python/object:os.stat_result {{code: 200}}\n"
            f"    headers: {{Content-Encoding: [gzip]}}\n    body: {{string: !binary {packed}}}\n"
        )
        (item,) = items_of(text.encode())
        assert isinstance(item, Observation)
        assert item.record == record("queued")

    def test_alias(self) -> None:
        """An alias stands for what its anchor did, in an earlier interaction too."""
        text = (
            f"interactions:\n- request: &r {{method: POST, uri: {RUNS}}}\n  response: &a\n"
            f"    status: {{code: 200}}\n    body: {{string: '{LIFE[0].body.decode()}'}}\n"
            "- {request: *r, response: *a}\n"
        )
        first, second = items_of(text.encode())
        assert isinstance(first, Observation)
        assert isinstance(second, Observation)
        assert first.record == second.record
        assert first.line < second.line


class TestBroken:
    """Cassettes that are broken, cut off or made to break the reader."""

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("interactions:\n- 1\n", 2),
            ("interactions:\n- request: {uri: /a}\n", 2),
            ("interactions:\n- request: {uri: /a}\n  response: {status: {code: many}}\n", 2),
            ("interactions:\n- request: {uri: '/a\n", 2),
            ("interactions:\n- request: {uri: *nothing}\n", 2),
            ("interactions:\n- &self [*self]\n", 2),
            ("interactions:\n\t- 1\n", 2),
            ("interactions:\n- request: \x07\n", 1),
            ("interactions: 'not\n", 1),
        ],
    )
    def test_broken(self, text: str, line: int) -> None:
        """It is unreadable, once and near its line."""
        (item,) = items_of(text.encode())
        assert isinstance(item, Unreadable)
        assert abs(item.line - line) <= 1

    @given(st.data())
    def test_cut(self, data: st.DataObject) -> None:
        """Cut anywhere, what stands before the cut is read as it was, and no error comes of it."""
        whole = as_vcrpy_yaml(LIFE)
        size = data.draw(st.integers(0, len(whole)))
        cut = [i.record for i in items_of(whole[:size]) if isinstance(i, Observation)]
        assert cut == [call.answer for call in LIFE[:5]][: len(cut)]

    @given(st.binary(max_size=200))
    def test_any_bytes(self, tail: bytes) -> None:
        """Whatever follows, it comes to items."""
        items_of(b"interactions:\n" + tail)
        items_of(b"interactions:\n- request: {uri: /v1/threads/t/runs}\n  response: " + tail)


_LAUGHS = "interactions:\n- a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n" + "".join(
    f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 11)
)
_URI = "  request: {uri: /v1/threads/t/runs/r}\n  response: {status: {code: 200}, body: {string: *a10}}\n"


class TestBombs:
    """Recordings that are small and would be large, or deep."""

    @pytest.mark.parametrize(
        "data",
        [
            (_LAUGHS + _URI).encode(),
            b"interactions:\n- " + b"[" * 100_000,
            b"interactions:\n- " + b"{a: " * 100_000,
            b"interactions:\n" + b"".join(b" " * n + b"-\n" for n in range(1_000)),
            b"interactions:\n- &a {a: " + b"*a, " * 100_000,
            b"interactions:\n" + b"- x\n" * 100_000,
            b"a: " + b"[" * 100_000,
            b"interactions:\n- " + b"? " * 50_000,
            b"interactions:\n-\n" + b" - 'event:\n\n  b'\n" * 20_000,
        ],
        ids=["laughs", "brackets", "braces", "dashes", "self", "scalars", "elsewhere", "keys", "streams"],
    )
    def test_small(self, data: bytes) -> None:
        """They come to a few items, in a few megabytes."""
        tracemalloc.start()
        items = items_of(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(items) <= 101
        assert all(isinstance(item, (Unreadable, Passed)) for item in items)
        assert peak < 8_000_000

    @pytest.mark.parametrize(
        ("start", "fill"),
        [(b"- '", b"x" * 99), (b"- '", b"x" * 99 + b"\n  "), (b"- |\n", b" x\n"), (b"", b"# \n" * 9)],
    )
    def test_huge_text(self, start: bytes, fill: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        """A text longer than an entry may be is given up where the bound is, and not read to its end."""
        monkeypatch.setattr(yaml_events, "ENTRY_BYTES_MAX", 300_000)
        file = io.BytesIO(b"interactions:\n" + start + fill * 200_000)
        (item,) = yaml_entries(file, ["interactions"])
        assert isinstance(item, Unreadable)
        assert "300000 bytes" in item.problem
        assert file.tell() < 1_000_000

    def test_long(self) -> None:
        """Of a cassette no more is kept than its interactions need, one after the other."""
        text = b"interactions:\n" + (b"- a: '" + b"x" * 9_000 + b"'\n") * 1_000
        tracemalloc.start()
        assert sum(1 for _ in yaml_entries(io.BytesIO(text), ["interactions"])) == 1_000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2_000_000

    def test_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An entry of more parts than one may have is given up, and the entries before it are read."""
        monkeypatch.setattr(yaml_events, "ENTRY_EVENTS_MAX", 100)
        text = b"a:\n- x\n- [" + b"x, " * 90 + b"x]\n- [" + b"x, " * 100 + b"x]\n- x\n"
        entries = list(yaml_entries(io.BytesIO(text), ["a"]))
        assert [(type(entry), entry.line) for entry in entries] == [(Entry, 2), (Entry, 3), (Unreadable, 4)]

    def test_anchors(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What anchors keep, and what aliases stand for, is bounded over the whole file."""
        monkeypatch.setattr(yaml_events, "ENTRY_BYTES_MAX", 100_000)
        text = "a:\n" + "".join(f"- &x{n} {'x' * 999}\n" for n in range(200))
        *entries, last = yaml_entries(io.BytesIO(text.encode()), ["a"])
        assert 90 < len(entries) < 110
        assert isinstance(last, Unreadable)
        aliases = f"a:\n- &x {'x' * 999}\n" + "- *x\n" * 200
        *entries, last = yaml_entries(io.BytesIO(aliases.encode()), ["a"])
        assert 90 < len(entries) < 110
        assert isinstance(last, Unreadable)
        again = "a:\n" + "".join(f"- &x {'x' * 999}\n" for n in range(200))
        assert len(list(yaml_entries(io.BytesIO(again.encode()), ["a"]))) == 200


_WORDS = st.text(st.sampled_from("ab cé\"'\\:#{}\t\n"), max_size=60)


@given(st.lists(_WORDS, max_size=12), st.sampled_from([None, "'", '"', "|"]), st.integers(20, 90), st.integers(0, 3))
def test_lines_of_texts(words: list[str], style: str | None, width: int, before: int) -> None:
    """Each line of a stream, in quotes or a block, is told to stand in the line of the file in which it begins."""
    marks = "".join(f"{word}\nm{number}m" for number, word in enumerate(words))
    text = f"event: {marks}"
    node: Any = {"a": ["x\ny"] * before + [{"k": text}]}
    dumped = yaml.dump(node, default_style=style, width=width, allow_unicode=True, Dumper=yaml.SafeDumper)
    found = list(yaml_entries(io.BytesIO(dumped.encode()), ["a"]))[-1]
    assert isinstance(found, Entry)
    assert isinstance(found.node, dict)
    kept = found.node["k"]
    assert isinstance(kept, Text)
    assert kept.value == text
    if not kept.lines:
        return
    assert len(kept.lines) == text.count("\n") + 1
    file = dumped.splitlines()
    for line, place in zip(text.split("\n"), kept.lines, strict=True):
        if line.startswith("m"):
            assert line.split("m")[1].join("mm") in file[place - 1]


class TestParsers:
    """The parser of libyaml, that in Python, and none."""

    @pytest.mark.parametrize("calls", [LIFE, in_stream()], ids=["polled", "streamed"])
    def test_without_libyaml(self, calls: Sequence[Call], monkeypatch: pytest.MonkeyPatch) -> None:
        """Without libyaml the same is read, more slowly."""
        expected = [items_of(form(calls)) for form in (as_vcrpy_yaml, as_ruby)]
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
        assert [items_of(form(calls)) for form in (as_vcrpy_yaml, as_ruby)] == expected

    def test_without_yaml(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the extra, a cassette in YAML is refused in one line that names it, and one in JSON is read."""
        monkeypatch.setitem(sys.modules, "yaml", None)
        with pytest.raises(MissingExtra, match="readers"):
            items_of(as_ruby(LIFE))
        assert len(items_of(as_vcrpy_json(LIFE), "a.json")) == 7
