"""Arrow files and streams: what is found in them is what is found in the same rows as Parquet, up to any damage."""

from __future__ import annotations

import gzip
import io
import sys
from typing import Any, Final

import pyarrow as pa
import pyarrow.feather as pf
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.errors import MissingExtra
from runengine.validation.observations import Item, Observation, Unreadable
from runengine.validation.readers import read_items
from runengine.validation.readers.inputs import form_of
from tests.samples import STATUSES
from tests.validation.bulk.arrows import PACKED, Packed, coded, offsets_in, viewed, write_arrow
from tests.validation.checking import check_bytes, clean, codes
from tests.validation.readers.test_parquet import FAULTY, said, simulated

ROWS: Final = [{"id": f"run_{n}", "status": "queued", "model": "m" * 50} for n in range(30)]


def written(rows: Any, batch: int = 10, packed: Packed = None, *, stream: bool = False) -> bytes:
    """A file, or a stream, of these rows."""
    out = io.BytesIO()
    write_arrow(rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows), out, batch, packed, stream=stream)
    return out.getvalue()


def items(data: bytes) -> list[Item]:
    """What is read of a file."""
    return list(read_items("x", io.BytesIO(data)))


def problems(data: bytes) -> list[tuple[int, str]]:
    """What is said of a file that cannot be read."""
    return [(item.line, item.problem) for item in items(data) if isinstance(item, Unreadable)]


class TestSameAsParquet:
    """The rows of a table, however they are written."""

    @pytest.mark.parametrize(("view", "stream"), [("history", False), ("polled", True)])
    def test_simulated(self, view: Any, stream: bool) -> None:
        """Whole records with every fault break the same rules at the same rows."""
        data = simulated(view, "record", FAULTY)
        table = coded(pq.read_table(io.BytesIO(data)))
        found, expected = check_bytes(written(table, 50, "zstd", stream=stream)), check_bytes(data)
        assert said(found) == said(expected)
        assert found.summary == expected.summary
        assert found.violations

    @given(
        st.lists(st.sampled_from(STATUSES), min_size=1, max_size=30),
        st.integers(1, 7),
        st.sampled_from(PACKED),
        st.booleans(),
        st.sampled_from((lambda table: table, coded, viewed)),
    )
    def test_any_layout(self, statuses: list[str], batch: int, packed: Packed, stream: bool, shape: Any) -> None:
        """Batches, packings, dictionaries and views change nothing."""
        rows = [{"id": "run_1", "status": status} for status in statuses]
        plain = check_bytes(written(rows))
        assert plain.summary.observations == len(rows)
        data = written(shape(pa.Table.from_pylist(rows)), batch, packed, stream=stream)
        assert said(check_bytes(gzip.compress(data) if packed is None else data)) == said(plain)

    def test_feather(self) -> None:
        """Feather of version 2 is read, as it is written by default."""
        out = io.BytesIO()
        pf.write_feather(pa.Table.from_pylist([clean("queued")]).select(["id", "status", "created_at"]), out)
        (item,) = items(out.getvalue())
        assert isinstance(item, Observation)
        assert item.record["id"] == "run_1"

    def test_dictionaries_that_are_replaced(self) -> None:
        """In a stream a batch may have other words than the one before."""
        out = io.BytesIO()
        schema = pa.schema({"id": pa.dictionary(pa.int8(), pa.string()), "status": pa.string()})
        with pa.ipc.new_stream(out, schema) as writer:
            for word in ("a", "b", "c"):
                writer.write_table(
                    pa.table([pa.array([word]).cast(schema.field("id").type), ["queued"]], schema=schema)
                )
        assert [item.record["id"] for item in items(out.getvalue()) if isinstance(item, Observation)] == ["a", "b", "c"]

    def test_large_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A record batch is taken some rows at a time."""
        monkeypatch.setattr("runengine.validation.readers.arrow_files.BATCH_ROWS", 7)
        assert [item.line for item in items(written(ROWS, 30))] == [*range(1, 31)]

    def test_its_form(self, tmp_path: Any) -> None:
        """Files and streams are told by how they begin."""
        for stream in (False, True):
            path = tmp_path / "a"
            path.write_bytes(written(ROWS, stream=stream))
            assert form_of(str(path)) == "arrow"


class TestBroken:
    """Files that cannot be read, or not whole."""

    @pytest.mark.parametrize("data", [b"ARROW1", b"ARROW1\0\0" * 2, b"ARROW1\0\0" + bytes(60) + b"ARROW1"])
    def test_no_such_file(self, data: bytes) -> None:
        """What only begins like one is said to be none."""
        ((line, problem),) = problems(data)
        assert line == 0
        assert problem.startswith(
            "no Arrow file that can be read: it is cut off, damaged, or of a kind that is not read ("
        )
        assert len(problem) < 200

    def test_feather_of_version_1(self) -> None:
        """Feather of version 1 is named."""
        assert problems(b"FEA1" + bytes(90)) == [
            (0, "a Feather file of version 1: write it anew as version 2, which is Arrow")
        ]

    @pytest.mark.parametrize("packed", PACKED)
    @pytest.mark.parametrize("stream", [False, True])
    def test_cut_anywhere(self, stream: bool, packed: Packed) -> None:
        """Of a file that is cut anywhere all whole record batches are read, and it is said once that no more are."""
        data = written(ROWS, packed=packed, stream=stream)
        ends = {0: 0}
        for end in range(8, len(data), 7):
            found = items(data[:end])
            rows = [item.line for item in found if isinstance(item, Observation)]
            assert rows == [*range(1, len(rows) + 1)]
            assert len(rows) % 10 == 0
            ends[len(rows)] = end
            said_of_it = [item for item in found if isinstance(item, Unreadable)]
            assert len(said_of_it) == 1 or (stream and not said_of_it)
            if said_of_it and rows:
                assert f"record batch {len(rows) // 10 + (said_of_it[0].line > 0)}" in said_of_it[0].problem
                assert said_of_it[0].line in (0, len(rows) + 1)
        assert [*ends] == [0, 10, 20, 30]

    def test_a_damaged_batch(self) -> None:
        """A record batch that is damaged is named, with its columns; the others are read with their own numbers."""
        data = bytearray(written(ROWS))
        place = offsets_in(bytes(data), 1, "id") + 4
        data[place : place + 4] = b"\xff" * 4
        found = items(bytes(data))
        assert [item.line for item in found if isinstance(item, Observation)] == [*range(1, 11), *range(21, 31)]
        ((line, problem),) = problems(bytes(data))
        assert line == 11
        where = "record batch 2 of 3, column 'id', cannot be read from row 11 to row 20: it is damaged, or of a kind "
        assert problem.startswith(where)
        assert len(problem) < 250

    def test_a_batch_of_which_nothing_is_left(self) -> None:
        """Where not even the number of rows can be read, it is said that they are not counted."""
        data = bytearray(written(ROWS))
        place = data.rindex(b"\xff\xff\xff\xff", 0, offsets_in(bytes(data), 1, "id"))
        data[place + 8 : place + 40] = bytes(32)
        ((line, problem),) = problems(bytes(data))
        assert (line, "record batch 2 of 3, column " in problem) == (11, True)
        assert problem.endswith("; the rows behind it are counted as if it had none")
        assert len([item for item in items(bytes(data)) if isinstance(item, Observation)]) == 20

    def test_damaged_dictionaries(self) -> None:
        """Where the words of a file are gone, it is said once; nothing can be read behind them."""
        ids = pa.array(["a"] * 30).dictionary_encode()
        data = bytearray(written(pa.Table.from_pylist(ROWS).set_column(0, "id", ids)))
        words = data.index(b"\xff" * 4, 16)  # the message behind the schema
        data[words + 8 : words + 40] = bytes(32)
        ((line, problem),) = problems(bytes(data))
        assert line == 1
        assert problem.startswith("record batch 1, and what follows it, cannot be read from row 1 on: ")

    def test_types_that_cannot_be_read(self) -> None:
        """A column of a type that its field cannot have is named, and not read; the others are."""
        rows = [{"id": "r", "status": "queued", "created_at": [1], "tools": 5}]
        for stream in (False, True):
            *named, item = items(written(rows, stream=stream))
            assert isinstance(item, Observation)
            assert item.columns == frozenset(("id", "status"))
            assert {getattr(p, "problem", "").split(" is of type ")[0] for p in named} == {
                "the column 'created_at'",
                "the column 'tools'",
            }

    def test_no_usable_column(self) -> None:
        """A table of something else is said to be one, once."""
        ((line, problem),) = problems(written([{"a": 1, "b": 2}] * 3))
        assert line == 0
        assert problem.startswith("no column of this table is for a run: expected run_id (or id) and status, or ")

    def test_text_that_is_no_text(self) -> None:
        """Bytes that are no UTF-8 do not keep the rest from being read, whatever they are held as."""
        ids = pa.array([b"\xff", b"b"]).view(pa.string())
        for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.binary()):
            held = ids if kind == pa.string() else ids.view(pa.binary())
            if kind == pa.large_string():
                held = held.cast(pa.large_binary()).view(kind)
            elif kind == pa.string_view():
                held = held.cast(pa.binary_view()).view(kind)
            data = written(pa.table({"id": held, "status": ["queued", "failed"]}))
            assert [i.record["id"] for i in items(data) if isinstance(i, Observation)] == ["\\xff", "b"]

    def test_without_the_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the library it is said which extra brings it."""
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(MissingExtra, match=r"reading Arrow needs pip install 'runengine\[readers\]'"):
            items(b"ARROW1\0\0")


class TestInput:
    """How the file is come by."""

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_pipe(self, stream: bool) -> None:
        """What cannot be sought in is read all the same."""

        class Pipe(io.BytesIO):
            def seekable(self) -> bool:
                return False

        data = written(ROWS, stream=stream)
        assert codes(check_bytes(data)) == []
        assert [type(item) for item in read_items("-", Pipe(data))] == [Observation] * 30

    def test_nothing(self) -> None:
        """A table without rows holds nothing."""
        table = pa.schema({"id": pa.string(), "status": pa.string()}).empty_table()
        assert items(written(table)) == items(written(table, stream=True)) == []
