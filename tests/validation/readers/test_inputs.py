"""Packed files, pipes and tables through the door that every command uses."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from runengine.cli import main
from runengine.errors import TraceUnreadable
from runengine.validation.observations import Item, Observation
from runengine.validation.readers import DATABASE_READERS, expand, items_in, read_items
from runengine.validation.readers.inputs import STANDARD_INPUT
from tests.fuzz.seeds import seeds_of
from tests.validation.checking import as_lines, clean

LINES = as_lines(clean("queued", id=f"run_{n}") for n in range(30))


def table() -> bytes:
    """The same runs as a table."""
    out = io.BytesIO()
    rows = [json.loads(line) for line in LINES.splitlines()]
    texts = [{k: json.dumps(v) if isinstance(v, (dict, list)) else v for k, v in row.items()} for row in rows]
    pq.write_table(pa.Table.from_pylist(texts), out)
    return out.getvalue()


FORMS: dict[str, Callable[[], bytes]] = {
    "x.jsonl": lambda: LINES,
    "x.jsonl.gz": lambda: gzip.compress(LINES),
    "x.jsonl.zst": lambda: zstandard.compress(LINES),
    "x.parquet": table,
    "x.parquet.gz": lambda: gzip.compress(table()),
    "x.json.gz": lambda: gzip.compress(json.dumps([json.loads(line) for line in LINES.splitlines()]).encode()),
    "no ending": lambda: zstandard.compress(LINES),
}


@contextmanager
def piped(*pieces: bytes) -> Iterator[BinaryIO]:
    """A pipe, into which these are written one after another."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as out:
            for piece in pieces:
                out.write(piece)
                time.sleep(0.01)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reading, "rb") as file:
        yield file
    thread.join()


def ids(items: Iterator[Item]) -> list[str]:
    """The runs, in order."""
    return [item.record["id"] for item in items if isinstance(item, Observation)]


@pytest.mark.parametrize("name", FORMS)
class TestForms:
    """One recording, packed and not."""

    def test_a_file(self, name: str, tmp_path: Path) -> None:
        """A file is read whatever it is packed in."""
        file = tmp_path / name
        file.write_bytes(FORMS[name]())
        assert ids(items_in(str(file))) == [f"run_{n}" for n in range(30)]

    def test_standard_input(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """So is standard input, which comes in pieces and cannot be sought in."""
        data = FORMS[name]()
        with piped(data[:3], data[3:50], data[50:]) as file:
            monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=file))
            assert ids(items_in(STANDARD_INPUT)) == [f"run_{n}" for n in range(30)]

    def test_convert(self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What is written of it is what is written of the plain lines."""
        for number, data in enumerate((FORMS[name](), LINES)):
            (tmp_path / f"in{number}").write_bytes(data)
            assert (
                main(["convert", "--to", "azure", str(tmp_path / f"in{number}"), str(tmp_path / f"out{number}")]) == 0
            )
        first, second = (
            [json.loads(line) for line in (tmp_path / f"out{n}").read_bytes().splitlines()] for n in (0, 1)
        )
        assert first == second

    def test_explain(self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Its dialect is told."""
        (tmp_path / name).write_bytes(FORMS[name]())
        assert main(["convert", "--explain", str(tmp_path / name)]) == 0
        assert "30 of 30: native" in capsys.readouterr().out


class TestPaths:
    """Which files are taken."""

    def test_packed_files_in_folders(self, tmp_path: Path) -> None:
        """Of a folder, files of every known form are taken, packed ones too; those of another ending are not."""
        taken = ("a.jsonl.gz", "b.json.zst", "c.sse.gz", "d.parquet", "e/f.har.gz", "g.jsonl.gz.zst", "h.yaml")
        for name in (*taken, "x.gz", "x.txt.gz", ".b.jsonl.gz", "x.tar.zst"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"{}")
        assert [str(Path(p).relative_to(tmp_path)) for p in expand([str(tmp_path)])] == sorted(taken)

    def test_a_folder_without_any(self, tmp_path: Path) -> None:
        """It is said which files would be taken."""
        with pytest.raises(TraceUnreadable, match=r"\.jsonl.*any of them packed: \.gz, \.zst\)"):
            list(expand([str(tmp_path)]))


class TestOpenFiles:
    """Files that somebody else opened."""

    def test_the_bar_counts_packed_bytes(self, tmp_path: Path) -> None:
        """Who looks on sees the bytes of the file, each once, and not what they unpack to."""
        file = tmp_path / "x.jsonl.gz"
        file.write_bytes(gzip.compress(as_lines(clean("queued", id=os.urandom(8).hex()) for _ in range(9000))))
        seen: list[int] = []

        class Looked(io.RawIOBase):
            def __init__(self, inner: BinaryIO) -> None:
                self._inner = inner

            def readable(self) -> bool:
                return True

            def readinto(self, buffer: Any) -> int:
                data = self._inner.read(len(buffer))
                seen.append(len(data))
                buffer[: len(data)] = data
                return len(data)

        @contextmanager
        def watched(inner: BinaryIO) -> Iterator[BinaryIO]:
            yield io.BufferedReader(Looked(inner))

        assert len(ids(items_in(str(file), watched=watched))) == 9000
        assert sum(seen) == file.stat().st_size

    @pytest.mark.parametrize("name", FORMS)
    def test_it_is_left_open(self, name: str) -> None:
        """A file that was handed in is left open, whether it was read to its end or not."""
        file = io.BufferedReader(io.BytesIO(FORMS[name]()))
        items = read_items(name, file)
        next(items)
        del items
        assert not file.closed

    def test_a_slow_pipe(self) -> None:
        """The form is told by the beginning of the file, not by the first bytes that happened to come."""
        with piped(b" ", b"[", b"\n" + LINES.splitlines()[0], b"\n]") as file:
            assert ids(read_items("-", file)) == ["run_0"]


@pytest.mark.parametrize("reader", DATABASE_READERS)
@pytest.mark.parametrize("made_by", DATABASE_READERS)
@pytest.mark.parametrize("name", [b"CREATE T\xff\xffLE", b"\xffREATE TABLE"])
def test_a_database_whose_names_are_no_text(reader: str, made_by: str, name: bytes, tmp_path: Path) -> None:
    """A database that is damaged where its tables are named is said to be; the driver itself cannot say it."""
    file = tmp_path / "x.db"
    file.write_bytes(seeds_of(made_by)[0].replace(b"CREATE TABLE", name))
    with pytest.raises(TraceUnreadable, match=r"damaged|malformed"):
        list(items_in(f"sqlite:///{file}", reader=reader))


def test_convert_refuses_tables_of_the_lifecycle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows that are not whole records are not written as if they were."""
    file = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_pylist([{"run_id": "run_1", "status": "queued"}]), file)
    assert main(["convert", "--to", "native", str(file), str(tmp_path / "out")]) == 2
    assert "has no column for object, created_at, thread_id, assistant_id, model, tools" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
