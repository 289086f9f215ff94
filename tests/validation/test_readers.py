"""Readers: forms told apart, lines numbered, and whatever cannot be read named with the rest still checked."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.validation.readers import json_document, json_lines, sse
from runengine.validation.readers.reader import FORMS
from runengine.validation.readers.registry import FILE_READERS
from tests.validation.checking import as_lines, check_bytes, check_lines, clean, codes

BAD = clean("queued", failed_at=clean("failed")["failed_at"])
"""A record that breaks RE202 on failed_at."""

BAD_TEXT = json.dumps(BAD).encode()
FOUND = ("RE202", "failed_at")


def outline(data: bytes, **options: Any) -> list[tuple[str, int]]:
    """Code and line of every violation."""
    return [(code, line) for code, line, _ in codes(check_bytes(data, **options))]


class TestUnreadableLines:
    """A line of JSON Lines that cannot be read is RE901 at its number; those around it are checked."""

    @pytest.mark.parametrize(
        "line",
        [
            *(b"{", b'{"id": "run_1", "obj', b"nonsense", b"\x80\x81\xfe", b"NaN", b'{"a": NaN}', b"1e999", b"'x'"),
            *(
                b"Infinity",
                b"-",
                b"01",
                b'"\xc3"',
                rb'"\ud800"',
                b'{"a" 1}',
                b"[1,]",
                b"\x1b[31m",
                b"tru",
                b"[[[",
                b"}",
            ),
            *(b"9" * 5000, b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' * 2000 + b"1" + b"}" * 2000),
            *(b'"' + "é".encode("latin-1") + b'"', b"17", b"null", b'"text"', b"{}", b'{"a": 1}', b'{"data": 5}'),
            BAD_TEXT.replace(b"Be kind", "Sé".encode("latin-1")),
            BAD_TEXT + BAD_TEXT,
        ],
        ids=lambda line: repr(line[:12]),
    )
    def test_between_good_ones(self, line: bytes) -> None:
        """It is found, once, and the violations before and after it are found too."""
        data = as_lines([BAD, line, b"", b" ", BAD])
        assert outline(data) == [("RE202", 1), ("RE901", 2), ("RE202", 5)]
        assert outline(data.replace(b"\n", b"\r\n")) == outline(data)

    @pytest.mark.parametrize("digits", [400, 4300])
    def test_huge_integers(self, digits: int) -> None:
        """An integer that can be held is judged like any other, wherever it stands."""
        huge = int("9" * digits)
        usage = {"completion_tokens": huge, "prompt_tokens": huge, "total_tokens": 1}
        low = {"completion_tokens": -(huge // 10), "prompt_tokens": 0, "total_tokens": -(huge // 10)}
        assert codes(check_lines(clean("in_progress", started_at=huge))) == [("RE207", 1, "started_at")]
        assert codes(check_lines(clean("completed", usage=usage))) == [("RE304", 1, "usage.total_tokens")]
        assert [code for code, _, _ in codes(check_lines(clean("completed", usage=low)))] == ["RE305", "RE305"]
        odd = clean("queued", metadata={"a": huge})
        assert codes(check_lines(odd, generation=16)) == [("RE308", 1, "metadata.a")]
        assert codes(check_lines({"observed_at": huge, "data": BAD})) == [("RE202", 1, "failed_at")]

    def test_byte_order_mark(self) -> None:
        """A UTF-8 mark at the start is passed over in every form."""
        mark = b"\xef\xbb\xbf"
        assert outline(mark + BAD_TEXT) == [("RE202", 1)]
        assert outline(mark + b"[" + BAD_TEXT + b"]") == [("RE202", 1)]
        assert outline(mark + json.dumps(BAD, indent=1).encode()) == [("RE202", 1)]
        stream = b"event: thread.run.queued\ndata: " + BAD_TEXT + b"\n\nevent: done\ndata: [DONE]\n\n"
        assert outline(mark + stream) == outline(stream)

    @pytest.mark.parametrize(
        "data",
        [b"\0" * 99, b"PK\x03\x04\0\0", BAD_TEXT.decode().encode("utf-16"), BAD_TEXT.decode().encode("utf-16-le")],
    )
    def test_binary(self, data: bytes) -> None:
        """Zero bytes and UTF-16 are one RE901 for the whole input."""
        assert outline(data) == [("RE901", 0)]

    def test_given_up(self) -> None:
        """After a hundred bad lines and no good one the rest is not read, and that is said; after a good one it is."""
        garbage = b"garbage\n" * 250
        checked = check_bytes(garbage + BAD_TEXT)
        assert [v.line for v in checked.violations] == [*range(1, 101), 0]
        assert "the rest was not read" in checked.violations[-1].message
        assert outline(BAD_TEXT + b"\n" + garbage + BAD_TEXT)[-2:] == [("RE901", 251), ("RE202", 252)]
        assert outline(garbage, path="a.sse")[-1] == ("RE901", 0)

    @pytest.mark.parametrize(
        ("path", "data", "hints"),
        [
            ("a.jsonl", b"hello\nid,status\n" + BAD_TEXT + b"\nhello\n", [FORMS, None, None]),
            ("a.jsonl", BAD_TEXT + b"\nhello\n", [None]),
            ("a.jsonl", b"PK\x03\x04\0\0", [FORMS]),
            ("a.sse", b"hello\nid,status\n", [sse.HINT, None]),
            ("a.sse", b"event: done\ndata: [DONE]\n\nhello\n", [None]),
        ],
    )
    def test_what_may_be_done(self, path: str, data: bytes, hints: list[str | None]) -> None:
        """Where nothing could be read before it, a bad line says once which forms there are; later ones say nothing."""
        found = check_bytes(data, path=path, select=("RE901",)).violations
        assert [violation.hint for violation in found] == hints

    def test_every_form_is_named(self) -> None:
        """No reader of files is left out of what may be done."""
        names = {"json": "JSON,", "json-lines": "JSON Lines", "sse": "event streams", "parquet": "Parquet"}
        named = {"vcr": "VCR", "har": "HAR", "azure": "Azure", "arrow": "Arrow", **names}
        assert all(named[name] in FORMS for name in FILE_READERS)

    def test_message_says_where_and_what(self) -> None:
        """The message of a broken line says what is wrong, and shows the beginning of the line."""
        (violation,) = check_bytes(b'{"id": "run_1", "obj').violations
        assert violation.message == "not JSON: cut off, expected more"
        assert violation.found == '{"id": "run_1", "obj'


class TestLongLines:
    """A line of many megabytes."""

    def test_fifty_megabytes(self) -> None:
        """A valid one is checked and a garbage one named, each in seconds, and the next line is checked."""
        long = json.dumps(clean("queued", metadata={"a": "x" * 50_000_000})).encode()
        started = time.monotonic()
        assert outline(as_lines([long, b"g" * 50_000_000, BAD])) == [("RE306", 1), ("RE901", 2), ("RE202", 3)]
        odd = b'{"status": "' + b"x" * 50_000_000 + b'", "thread_id": "t"}'
        assert outline(as_lines([odd, BAD])) == [("RE105", 1), ("RE202", 2)]
        assert time.monotonic() - started < 20

    @pytest.mark.parametrize("chunk", [1, 7, 100_000])
    def test_over_the_limit(self, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
        """A line over the limit is skipped and named: the first, one in the middle, the last without a line feed."""
        monkeypatch.setattr(json_lines, "LINE_BYTES_MAX", 3000)
        monkeypatch.setattr(json_lines, "_CHUNK_BYTES", chunk)
        long = b'{"a": "' + b"x" * 150_000 + b'"}'
        found = outline(as_lines([long, BAD, long, BAD]) + long)
        assert found == [("RE901", 1), ("RE202", 2), ("RE901", 3), ("RE202", 4), ("RE901", 5)]

    @given(st.lists(st.binary(max_size=12)), st.integers(1, 9), st.integers(1, 9))
    def test_lines_are_numbered(self, lines: list[bytes], chunk: int, limit: int) -> None:
        """However the file is cut into chunks, lines come out whole, in order, numbered, and None if too long."""
        data = b"\n".join(lines)
        wanted = [*enumerate(data.split(b"\n"), 1)]
        if not wanted[-1][1]:
            wanted.pop()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json_lines, "LINE_BYTES_MAX", limit + chunk)
            patch.setattr(json_lines, "_CHUNK_BYTES", chunk)
            found = list(json_lines.numbered_lines(io.BytesIO(data)))
        assert found == [(number, line if len(line) <= limit + chunk else None) for number, line in wanted]


class TestArrays:
    """JSON arrays, element by element."""

    def elements(self, middle: bytes, between: bytes = b",\n  ") -> bytes:
        """An array of three elements, an element a line, the one in the middle as given."""
        return b"[\n  " + between.join([BAD_TEXT, middle, BAD_TEXT]) + b"\n]\n"

    @pytest.mark.parametrize(
        "middle",
        [
            *(
                b"{",
                b'{"id": }',
                b'{"a": NaN}',
                b"{1}",
                b'{"a": "\xff"}',
                rb'{"a": "\ud800"}',
                b"nonsense",
                b"17",
                b"null",
            ),
            *(b'{"a": 1e999}', b'{"a": %s}' % (b"9" * 5000), b"[" * 5000, b'{"a":' * 5000, b'{"a": "x}', b"{}"),
        ],
        ids=lambda middle: repr(middle[:12]),
    )
    def test_broken_in_the_middle(self, middle: bytes) -> None:
        """A broken element is RE901 on its line, and the ones after it are checked, on theirs."""
        assert outline(self.elements(middle)) == [("RE202", 2), ("RE901", 3), ("RE202", 4)]

    def test_broken_in_the_middle_without_indent(self) -> None:
        """The same where the first element stands beside the bracket."""
        data = b"[" + b",\n".join([BAD_TEXT, b'{"id": }', BAD_TEXT]) + b"]"
        assert outline(data) == [("RE202", 1), ("RE901", 2), ("RE202", 3)]

    def test_broken_far_from_the_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of a broken element no more is read than to its error, and of the file no more than to the next element."""
        monkeypatch.setattr(json_document, "_CHUNK", 4096)
        file = io.BytesIO(b"[\n" + b",\n".join([b'{"id": }', BAD_TEXT] * 2000) + b"\n]")
        items = json_document.read_json_array(file)
        assert [next(items).line for _ in range(4)] == [2, 3, 4, 5]
        assert file.tell() <= 4 * 4096

    @pytest.mark.parametrize("data", [b"[", b"[\n", b"[" + BAD_TEXT, b"[" + BAD_TEXT + b",", b"[" + BAD_TEXT[:-5]])
    def test_cut_off(self, data: bytes) -> None:
        """A truncated array is RE901 where it ends; what stands before the cut is checked."""
        found = outline(data)
        assert found[-1] == ("RE901", data.count(b"\n") + 1)
        assert [code for code, _ in found[:-1]] == (["RE202"] if BAD_TEXT in data else [])

    def test_one_after_another(self) -> None:
        """Arrays that follow each other are all read; other text after the end is RE901."""
        one = json.dumps([BAD], indent=1).encode() + b"\n"
        last_lines = [line for _, line in outline(one * 3)]
        height = one.count(b"\n")
        assert last_lines == [2, 2 + height, 2 + 2 * height]
        assert outline(one + b"oops") == [("RE202", 2), ("RE901", height + 1)]
        assert outline(b"[]\n[]\n") == []
        assert outline(b"[]\nx") == [("RE901", 2)]

    @pytest.mark.parametrize("chunk", [1, 64, 1 << 20])
    @pytest.mark.parametrize("indent", [None, 1, 4])
    def test_lines_are_right(self, monkeypatch: pytest.MonkeyPatch, chunk: int, indent: int | None) -> None:
        """Each element's first line is its line, whatever the chunks; non-ASCII text does not move it."""
        monkeypatch.setattr(json_document, "_CHUNK", chunk)
        names = ({"id": f"run_{n}", "thread_id": f"thread_{n}"} for n in range(12))
        records = [{**BAD, **name, "instructions": "日é\n" * n} for n, name in enumerate(names)]
        text = json.dumps(records, indent=indent, ensure_ascii=False)
        wanted = [1] * 12
        if indent is not None:
            wanted = [n for n, line in enumerate(text.split("\n"), 1) if line == " " * indent + "{"]
        assert [line for _, line in outline(text.encode())] == wanted

    def test_elements_over_the_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An element over the limit is RE901, and reading goes on after it."""
        monkeypatch.setattr(json_document, "ELEMENT_CHARS_MAX", 5000)
        monkeypatch.setattr(json_document, "_CHUNK", 100)
        long = b'{"a": "' + b"x" * 20_000 + b'"}'
        assert outline(self.elements(long)) == [("RE202", 2), ("RE901", 3), ("RE202", 4)]

    def test_a_log_is_no_array(self) -> None:
        """A first line that only looks like an array is RE901 as a line, and the lines after it are checked."""
        for first in (b"[INFO] started", b"[2024-04-01 10:00] started", b"[main] {"):
            assert outline(first + b"\n" + BAD_TEXT) == [("RE901", 1), ("RE202", 2)]


class TestDocuments:
    """Other JSON documents: a list response, one run, in any layout."""

    @pytest.mark.parametrize("indent", [None, 2])
    def test_list_and_run(self, indent: int | None) -> None:
        """A list response and a single run are read whole."""
        assert outline(json.dumps(BAD, indent=indent).encode()) == [("RE202", 1)]
        listed = {"object": "list", "data": [BAD, clean("queued", id="run_2", thread_id="thread_2")], "has_more": False}
        checked = check_bytes(json.dumps(listed, indent=indent).encode())
        assert codes(checked) == [("RE202", 1, "failed_at")]
        assert (checked.summary.runs, checked.summary.observations) == (2, 2)
        assert codes(check_bytes(json.dumps(listed, indent=indent).encode().replace(b"\n", b"\r\n"))) == codes(checked)

    def test_broken(self) -> None:
        """A broken document is one RE901 on the line where it breaks."""
        text = json.dumps(BAD, indent=2).encode()
        (violation,) = check_bytes(text.replace(b'"queued"', b"queued")).violations
        line = next(n for n, one in enumerate(text.split(b"\n"), 1) if b'"queued"' in one)
        assert (violation.code, violation.line) == ("RE901", line)

    def test_over_the_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A document over the limit is RE901, and says what to do."""
        monkeypatch.setattr(json_document, "DOCUMENT_BYTES_MAX", 100)
        (violation,) = check_bytes(json.dumps(BAD, indent=2).encode()).violations
        assert "JSON Lines" in violation.message

    def test_a_cut_first_line_is_no_document(self) -> None:
        """A truncated first line of JSON Lines, whatever comes next, does not hide the lines after it."""
        for second in (b"", b"\r", b" x", b'"x"', b"}"):
            found = outline(as_lines([b'{"id": "run_1", "obj', second, BAD]))
            assert found[0] == ("RE901", 1)
            assert found[-1] == ("RE202", 3)

    def test_nested_envelopes(self) -> None:
        """Lists and envelopes are opened up to a depth, and no deeper."""
        value: Any = BAD
        for _ in range(8):
            value = {"data": value}
        assert outline(as_lines([value])) == [("RE202", 1)]
        assert outline(as_lines([{"data": value}, BAD])) == [("RE901", 1), ("RE202", 2)]


class TestStreams:
    """Event streams."""

    GOOD = b"event: thread.run.queued\ndata: " + BAD_TEXT + b"\n\n"
    DONE = b"event: done\ndata: [DONE]\n\n"

    @pytest.mark.parametrize(
        "event",
        [
            b"event: thread.run.in_progress\ndata: {\n\n",
            b"event: thread.run.in_progress\n\n",
            b"data: nonsense\n\n",
            b"nonsense\n\n",
            b"event: thread.run.queued\ndata: 17\n\n",
            b"event: thread.run.queued\ndata: \xff\n\n",
        ],
    )
    def test_unreadable_event(self, event: bytes) -> None:
        """It is RE901 on its first line, and the events around it are checked."""
        found = outline(self.GOOD + event + self.GOOD + self.DONE, path="a.sse", select=("RE901", "RE202"))
        assert found == [("RE202", 1), ("RE901", 4), ("RE202", 4 + event.count(b"\n"))]
        crlf = (self.GOOD + event + self.GOOD + self.DONE).replace(b"\n", b"\r\n")
        assert outline(crlf, path="a.sse", select=("RE901", "RE202")) == found

    def test_nothing_to_end(self) -> None:
        """Of a stream of which no event can be read no end is missed; of one with a good event it is."""
        assert outline(b"data: nonsense\n\ndata: {\n", path="a.sse") == [("RE901", 1), ("RE901", 3)]
        assert ("RE404", 4) in outline(self.GOOD + b"data: nonsense\n", path="a.sse")

    def test_order_of_lines(self) -> None:
        """A bad line inside an event is named after what is wrong with the event, which begins before it."""
        event = b"event: thread.run.queued\nnonsense\ndata: " + BAD_TEXT + b"\n\n"
        assert outline(event + self.DONE, path="a.sse", select=("RE901", "RE202")) == [("RE202", 1), ("RE901", 2)]

    def test_data_in_many_lines(self) -> None:
        """Data in many lines is joined, in time that grows with their number and not its square."""
        lines = json.dumps(BAD, indent=1).encode().split(b"\n")
        data = b"".join(b"data: " + line + b"\n" for line in lines)
        spaces = b"data:\n" * 200_000
        started = time.monotonic()
        assert outline(b"event: thread.run.queued\n" + data + spaces + b"\n" + self.DONE, select=("RE2",)) == [
            ("RE202", 1)
        ]
        assert time.monotonic() - started < 5

    def test_comments_ids_and_unknown_events(self) -> None:
        """Comments, ids and events of other objects are passed over; what is unknown is no error."""
        text = b": hello\nid: 1\nretry: 5\nevent: thread.message.delta\ndata: {}\n\nevent: x\ndata: {}\n\n" + self.DONE
        checked = check_bytes(text)
        assert (codes(checked), checked.summary.companions, checked.summary.passed) == ([], 1, 1)


def test_a_document_is_read_in_pieces() -> None:
    """A document is never asked for all at once, for which there would be room made: a small one costs little."""

    class Asked(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert 0 < size <= 1024 * 1024
            return super().read(size)

    text = json.dumps({"data": [clean("queued")]}).encode()
    assert len(list(json_document.read_json_document(Asked(text)))) == 1
