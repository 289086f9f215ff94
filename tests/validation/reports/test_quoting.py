"""Quotes: the carets stand under the field, within the width, whatever the file holds."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from runengine.validation.reports import quoting
from runengine.validation.reports.plain import cells, plain
from runengine.validation.reports.quoting import WIDTH_MIN, Lines, Quote, Quotes, framed
from tests.validation.reports.making import FOREIGN, found_by, violations

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FOREIGN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FOREIGN, inner, max_size=3),
    max_leaves=6,
)
WIDTHS = st.integers(WIDTH_MIN, 160)
EVENT = 'event: thread.run.queued\ndata: {"id": "run_1", "usage": {"total_tokens": 7}}\n\n'


def quoted(data: bytes, width: int = 100, suffix: str = ".jsonl", **violation: Any) -> Quote | None:
    """The quote of a violation in a file."""
    with tempfile.NamedTemporaryFile(suffix=suffix) as file, Quotes(width) as quotes:
        file.write(data)
        file.flush()
        return quotes.quote(found_by(path=file.name, **violation))


def under(quote: Quote | None) -> str:
    """The characters over the carets."""
    assert quote is not None
    columns = "".join(c * cells(c) if cells(c) else "" for c in quote.text)
    taken = columns[quote.indent : quote.indent + quote.carets]
    return "".join(c for place, c in enumerate(taken) if cells(c) < 2 or place % 2 == 0 or taken[place - 1] != c)


@given(st.data(), WIDTHS, st.booleans(), st.lists(JSON, max_size=3))
def test_carets_stand_under_the_field(data: st.DataObject, width: int, ascii_json: bool, before: list[Any]) -> None:
    """For any record and any of its keys the carets begin under the key and end with what is shown of its value."""
    keys = FOREIGN.filter(lambda key: key and "." not in key and "[" not in key)
    record = data.draw(st.dictionaries(keys, JSON, min_size=1, max_size=5))
    key = data.draw(st.sampled_from(sorted(record)))
    record = {k: v for k, v in record.items() if k == key or quoting_name(k) != quoting_name(key)}
    rows = [json.dumps(row, ensure_ascii=ascii_json) for row in (*before, record)]
    raw = "\n".join(rows).encode("utf-8", "backslashreplace")
    quote = quoted(raw, width, run_id=None, line=len(rows), field=key, found=record[key])
    assert quote is not None
    assert quote.line == len(rows)
    assert cells(quote.text) <= width
    row = rows[-1].encode("utf-8", "backslashreplace").decode()
    piece = json.dumps({key: record[key]}, ensure_ascii=ascii_json).encode("utf-8", "backslashreplace").decode()
    assert piece[1:-1] in row
    shown = plain(piece[1:-1])
    assert quote.text.isprintable()
    start = len(_first(quote.text, quote.indent))
    assert _first(quote.text[start:], quote.carets) == shown[: len(_first(shown, quote.carets))]
    assert quote.whole == (quote.carets == max(cells(shown), 1))


def quoting_name(key: str) -> str:
    """What keys that dialects spell differently have in common."""
    return key.replace("_", "").lower()


def _first(text: str, columns: int) -> str:
    """As much of a text as stands in so many columns, with the marks on its last character."""
    for place, c in enumerate(text):
        columns -= cells(c)
        if columns < 0:
            return text[:place]
    return text


@given(st.binary(max_size=300), violations(), WIDTHS, st.booleans())
def test_any_bytes(raw: bytes, violation: Any, width: int, ascii_only: bool) -> None:
    """Of any file a quote is within the width, printable, with its carets inside; or there is none."""
    with tempfile.NamedTemporaryFile() as file, Quotes(width, ascii_only) as quotes:
        file.write(raw)
        file.flush()
        quote = quotes.quote(found_by(path=file.name, line=violation.line % 4, field=violation.field, run_id=None))
    if quote is not None:
        assert quote.text.isprintable()
        assert quote.text.isascii() or not ascii_only
        assert cells(quote.text) <= width
        assert quote.carets >= 1
        assert quote.indent + quote.carets <= max(width, 1)


@given(FOREIGN, st.integers(0, 20), st.integers(1, 20), st.integers(WIDTH_MIN, 60))
def test_framed(row: str, start: int, length: int, width: int) -> None:
    """A row that fits is shown as it is; one that does not has a mark where it is cut."""
    start = min(start, len(row))
    shown = framed(row, start, start + length, width)
    if cells(plain(row)) <= width - 2:
        assert shown.text == plain(row)
        assert shown.indent == cells(plain(row[:start]))
    else:
        assert "…" in (shown.text[0], shown.text[-1])


@pytest.mark.parametrize("text", ["日本語", "ｆｕｌｌ", "é", "ü", "🚀", "한국", "e\u0301", "→…│"])
def test_widths(text: str) -> None:
    """Wide characters take two columns, marks none: as rich, which writes them, has it."""
    assert cells(text) == cell_len(text)


RECORD = {
    "id": "run_1",
    "usage": {"total_tokens": 7},
    "tools": [{"type": "a"}, {"type": "b"}, {"type": "c"}],
    "metadata": {"a.b": 1, "a": {"b": 2}},
    "createdAt": 5,
}


@pytest.mark.parametrize(
    ("field", "pointed"),
    [
        ("id", '"id": "run_1"'),
        ("usage.total_tokens", '"total_tokens": 7'),
        ("usage.prompt_tokens", "{"),
        ("tools[2].type", '"type": "c"'),
        ("tools[1]", '{"type": "b"}'),
        ("tools[7].type", "["),
        ("metadata.a.b", '"a.b": 1'),
        ("created_at", '"createdAt": 5'),
        ("model", "{"),
        (None, "{"),
    ],
)
def test_paths(field: str | None, pointed: str) -> None:
    """A path leads to its field in any spelling; to the beginning of what lacks it, where it is missing."""
    quote = quoted(json.dumps(RECORD).encode(), 400, field=field)
    assert under(quote) == pointed


@pytest.mark.parametrize(
    ("text", "line", "shown_line", "pointed"),
    [
        (json.dumps({"kind": "poll", "data": RECORD}), 1, 1, '"total_tokens": 7'),
        (json.dumps({"data": [{"id": "run_0", "usage": 1}, RECORD]}), 1, 1, '"total_tokens": 7'),
        (json.dumps([{"id": "run_0"}, RECORD], indent=2), 5, 8, '"total_tokens": 7'),
        (EVENT, 1, 2, '"total_tokens": 7'),
        (EVENT.replace("\n", "\r\n"), 1, 2, '"total_tokens": 7'),
        (json.dumps({"text": json.dumps(RECORD)}), 1, 1, r"\"total_tokens\": 7"),
        (json.dumps(RECORD)[:50], 1, 1, '"total_tokens": 7'),
        (f"\ufeff{json.dumps(RECORD)}", 1, 1, '"total_tokens": 7'),
    ],
)
def test_forms(text: str, line: int, shown_line: int, pointed: str) -> None:
    """In envelopes, lists, documents of many lines, event streams, archives and what is cut off the field is found."""
    for data, suffix in ((text.encode(), ".json"), (gzip.compress(text.encode()), ".json.gz")):
        quote = quoted(data, 500, suffix, line=line, field="usage.total_tokens", found=7)
        assert under(quote) == pointed
        assert quote is not None
        assert quote.line == shown_line


def test_records_of_one_run() -> None:
    """Of two records of a run on one line, that one is pointed at which holds what was found."""
    row = json.dumps([{"id": "run_1", "status": "queued"}, {"id": "run_1", "status": "lost"}])
    quote = quoted(row.encode(), field="status", found="lost")
    assert under(quote) == '"status": "lost"'


def test_no_quote(tmp_path: Path) -> None:
    """Of another run, of a line that is not there, of binary, standard input and databases there is none."""
    row = json.dumps(RECORD).encode()
    assert quoted(row, run_id="run_2", field="id") is None
    assert quoted(row, line=9) is None
    assert quoted(row, line=0) is None
    assert quoted(b"PAR1" + row) is None
    assert quoted(row + b"\0") is None
    with Quotes(80) as quotes:
        for path in ("-", "sqlite:///runs.db", str(tmp_path), str(tmp_path / "no"), "\0"):
            assert quotes.quote(found_by(path=path)) is None


def test_unreadable() -> None:
    """In a line that is of no run the first object is pointed at."""
    quote = quoted(b'\xff{"id\t', run_id=None, field=None)
    assert quote == Quote(1, '\\xff{"id\\t', 4, 1, whole=False)


@given(
    st.lists(st.binary(max_size=9).map(lambda raw: raw.replace(b"\n", b"").replace(b"\0", b"")), max_size=60),
    st.lists(st.integers(1, 61), max_size=12),
    st.booleans(),
)
def test_lines_in_any_order(rows: list[bytes], asked: list[int], packed: bool) -> None:
    """A line is the same in whatever order lines are asked for; a packed file is not gone back in."""
    with pytest.MonkeyPatch.context() as patch, tempfile.NamedTemporaryFile() as file, Lines() as lines:
        patch.setattr(quoting, "_MARK_EVERY", 8)
        patch.setattr(quoting, "WINDOW_BYTES", 7)
        data = b"x" + b"\n".join(rows)
        file.write(gzip.compress(data) if packed else data)
        file.flush()
        whole = data.split(b"\n")
        furthest = 0
        for line in asked:
            text = lines.text(file.name, line)
            rest = b"\n".join(whole[line - 1 :])[:7]
            back = packed and (line < furthest or furthest > len(whole))
            shown = rest.decode("utf-8", "backslashreplace").removeprefix("\ufeff")
            assert text == (shown if rest and not back else None)
            furthest = max(furthest, line)


def test_long_lines_are_bounded() -> None:
    """A field beyond the window is not looked for."""
    row = b'{"id": "run_1", "x": "' + b"x" * quoting.WINDOW_BYTES + b'", "status": 1}'
    assert under(quoted(row, field="status")) == "{"
    assert under(quoted(row, field="x")).startswith('"x": "xxx')
