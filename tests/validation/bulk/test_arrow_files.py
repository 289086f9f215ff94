"""Arrow files in columns: what Parquet of the same rows says, by both engines, and whatever of it is damaged."""

from __future__ import annotations

import random
from pathlib import Path
from threading import Thread
from typing import Any, Final, Literal

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

import numpy as np  # noqa: E402

from runengine.simulation.recording import View  # noqa: E402
from runengine.validation import Checker, engines  # noqa: E402
from runengine.validation.bulk import engine  # noqa: E402
from runengine.validation.bulk.arrow_files import sievable  # noqa: E402
from runengine.validation.engines import Engines  # noqa: E402
from runengine.validation.observations import Observation, Unreadable  # noqa: E402
from runengine.validation.summary import Options  # noqa: E402
from tests.validation.bulk.arrows import PACKED, Packed, coded, offsets_in, viewed, write_arrow  # noqa: E402
from tests.validation.bulk.both import by_stream, same  # noqa: E402
from tests.validation.bulk.logs import Form, in_time, write_log  # noqa: E402
from tests.validation.bulk.test_equality import all_broken  # noqa: E402
from tests.validation.bulk.test_parquet import tables  # noqa: E402
from tests.validation.bulk.vouching import assert_pieces, opened, scalar_items, vouch  # noqa: E402

T0: Final = 1_767_225_600
ROWS: Final = 60
SMALL: Final = "runengine.validation.readers.arrow_files.BATCH_ROWS"
SHAPES: Final = {"plain": lambda table: table, "coded": coded, "viewed": viewed}


def runs(rows: int = ROWS) -> Any:
    """A table of runs with nothing wrong."""
    return pa.table(
        {
            "id": [f"run_{n}" for n in range(rows)],
            "thread_id": [f"thread_{n}" for n in range(rows)],
            "status": ["queued"] * rows,
            "created_at": [T0 + n for n in range(rows)],
            "started_at": pa.nulls(rows, pa.int64()),
            "expires_at": [T0 + 600 + n for n in range(rows)],
            "model": ["m" * 50] * rows,
        }
    )


@settings(max_examples=settings().max_examples // 3)
@given(
    tables(),
    st.integers(1, 12),
    st.sampled_from(PACKED),
    st.sampled_from(tuple(SHAPES)),
    st.integers(1, 8),
    st.integers(1, 4),
)
def test_any_table(
    tmp_path_factory: Any, table: Any, rows: int, packed: Packed, shape: str, piece: int, batch: int
) -> None:
    """Any table says the same as Arrow as it does as Parquet, and of no place that is not odd the rules say a word."""
    folder = tmp_path_factory.mktemp("any")
    pq.write_table(table, folder / "a.parquet")
    write_arrow(SHAPES[shape](table), folder / "a.arrow", rows, packed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SMALL, batch)
        vouch(folder / "a.arrow", piece_rows=piece)
        in_arrow, in_parquet = (scalar_items(folder / name) for name in ("a.arrow", "a.parquet"))
    assert list(map(repr, in_arrow)) == list(map(repr, in_parquet))


def test_deltas(tmp_path: Path) -> None:
    """Dictionaries that grow from batch to batch are read."""
    path, table = tmp_path / "a.arrow", runs(20)
    ids = table["id"].combine_chunks()
    parts = []
    for end in (5, 10, 15, 20):
        growing = pa.DictionaryArray.from_arrays(pa.array(range(end - 5, end), pa.int16()), ids.slice(0, end))
        parts.append(table.slice(end - 5, 5).set_column(0, "id", growing))
    write_arrow(pa.concat_tables(parts), path, 5, deltas=True)
    assert vouch(path) == (20, 0)
    assert [item.record["id"] for item in scalar_items(path) if isinstance(item, Observation)] == ids.to_pylist()


@pytest.mark.parametrize(("view", "form"), [("history", "lifecycle"), ("history", "record"), ("polled", "record")])
def test_every_fault(view: View, form: Form, tmp_path: Path) -> None:
    """Of a log with runs broken by every operator both engines say the same, and what they say of Parquet."""
    parquet = write_log(tmp_path, in_time(all_broken(view, 1 if view == "history" else 5)), form)
    table, options = pq.read_table(parquet), Options()
    expected = by_stream(parquet, options)
    path = tmp_path / "a.arrow"
    write_arrow(coded(table) if form == "record" else table, path, 50, "lz4" if form == "record" else None)
    found = same(path, options, piece_rows=64, piece_bytes=0)
    assert len(found.violations) > 10
    assert found.summary == expected.summary
    assert [evolve(v, path="") for v in found.violations] == [evolve(v, path="") for v in expected.violations]


class TestPieces:
    """How a file is cut."""

    @pytest.mark.parametrize(("batch", "piece"), [(1, 7), (3, 10), (50, 50), (50, 7), (23, 4)])
    @pytest.mark.parametrize("packed", [None, "zstd"])
    def test_any_cut(
        self, packed: Packed, batch: int, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Small record batches are read together, large ones in parts, in whatever order: the rows are the same."""
        monkeypatch.setattr(SMALL, 2)
        path = tmp_path / "a.arrow"
        write_arrow(runs(50), path, batch, packed)
        assert vouch(path, piece_rows=piece) == (50, 0)
        source = opened(path, piece_rows=piece)
        assert_pieces(source, piece, T0)

    def test_no_rows(self, tmp_path: Path) -> None:
        """A table without rows has no places, nor have batches without rows between others."""
        path = tmp_path / "a.arrow"
        write_arrow(runs(0), path)
        assert vouch(path) == (0, 0)
        with pa.ipc.new_file(str(path), runs().schema) as writer:
            for rows in (0, 5, 0, 0, 9, 0):
                writer.write_table(runs(rows))
        assert vouch(path) == (14, 0)

    @pytest.mark.parametrize("packed", PACKED)
    def test_threads(self, packed: Packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Threads that read pieces of one source at once get what one thread gets."""
        monkeypatch.setattr(SMALL, 10)
        path = tmp_path / "a.arrow"
        write_arrow(coded(runs(400)), path, 100, packed)
        source, alone = opened(path, piece_rows=20), opened(path, piece_rows=20)
        wanted = {piece: alone.columns(piece) for piece in alone.pieces}
        wrong: list[Any] = []

        def read(part: int) -> None:
            for piece in source.pieces[part::2]:
                batch, (run, _) = source.columns(piece), source.keys(piece)
                expected = wanted[piece]
                if [batch.same.tolist(), run.tolist()] != [expected.same.tolist(), expected.run.tolist()]:
                    wrong.append(piece)

        threads = [Thread(target=read, args=(part % 2,)) for part in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(60)
        assert not any(each.is_alive() for each in threads)
        assert wrong == []


class TestBroken:
    """Files that are damaged."""

    @pytest.mark.parametrize("column", ["id", "status", "model"])
    @pytest.mark.parametrize(("batch", "piece"), [(20, 20), (20, 7), (10, 20), (60, 13)])
    def test_a_damaged_column(
        self, column: str, batch: int, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of a record batch that is damaged, and of those read with it, the reader of rows has its say."""
        monkeypatch.setattr(SMALL, 3)
        path = tmp_path / "a.arrow"
        write_arrow(runs(), path, batch)
        damage(path, column, at=5)
        places, odd = vouch(path, piece_rows=piece)
        assert places == ROWS - 3 + 1  # the rows that were taken together, and what is said of them
        assert 0 < odd <= max(batch, piece)
        said = [item for item in scalar_items(path) if isinstance(item, Unreadable)]
        where = f"record batch 1 of {ROWS // batch}, column {column!r}, cannot be read from row 4 to row 6: it is "
        assert [(item.line, item.problem.startswith(where)) for item in said] == [(4, True)]

    @pytest.mark.parametrize("packed", ["lz4", "zstd"])
    def test_a_damaged_packing(self, packed: Literal["lz4", "zstd"], tmp_path: Path) -> None:
        """A record batch that cannot be unpacked is named, with the column at fault; the next are read."""
        path = tmp_path / "a.arrow"
        write_arrow(runs(), path, 20, packed)
        data = bytearray(path.read_bytes())
        begun = {"lz4": b"\x04\x22\x4d\x18", "zstd": b"\x28\xb5\x2f\xfd"}[packed]
        frames = [place for place in range(len(data)) if data.startswith(begun, place)]
        last = frames[len(frames) * 2 // 3 - 1]  # of the second batch: the texts of its last column
        data[last : last + 4] = bytes(4)
        path.write_bytes(data)
        places, odd = vouch(path, piece_rows=20)
        (said,) = [item for item in scalar_items(path) if isinstance(item, Unreadable)]
        assert (places, odd) == (ROWS - 20 + 1, 1)
        assert said.line == 21
        assert said.problem.startswith(
            "record batch 2 of 3, column 'model', cannot be read from row 21 on: it is damaged"
        )

    @pytest.mark.parametrize(
        "seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 60))]
    )
    def test_bytes_that_were_changed(self, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Wherever bytes of a file are changed, columns and rows say the same of it."""
        monkeypatch.setattr(SMALL, 1 + seed % 8)
        path, chance = tmp_path / "a.arrow", random.Random(seed)
        write_arrow((coded, viewed, lambda table: table)[seed % 3](runs()), path, 20, PACKED[seed // 3 % 3])
        data, sieved = path.read_bytes(), 0
        for _ in range(20):
            broken = bytearray(data)
            for _ in range(chance.choice((1, 1, 4))):
                broken[chance.randrange(8, len(broken))] = chance.randrange(256)
            path.write_bytes(broken)
            if not isinstance(sievable(str(path), Options()), str):
                vouch(path, piece_rows=chance.choice((7, 20, 60)))
                sieved += 1
        assert sieved

    def test_a_file_that_changes(self, tmp_path: Path) -> None:
        """A file that was cut off since it was opened is left to the reader of rows, which says so piece by piece."""
        path = tmp_path / "a.arrow"
        write_arrow(runs(), path, 20)
        source = opened(path, piece_rows=20)
        path.write_bytes(path.read_bytes()[:300])
        for piece in source.pieces:
            assert source.columns(piece).odd.tolist() == [True]
            (item,) = source.items(piece, np.array([0]))
            assert isinstance(item, Unreadable)
            assert (item.line, item.problem[:31]) == (piece.row + 1, "the file has changed since its ")

    def test_columns_of_wrong_types(self, tmp_path: Path) -> None:
        """A column that is not read is named before the first row, in a piece of its own."""
        path, table = tmp_path / "a.arrow", runs()
        for name, value in (("tools", 5), ("usage", True)):
            table = table.append_column(name, pa.array([value] * ROWS))
        write_arrow(table, path)
        assert vouch(path) == (ROWS + 2, 2)

    def test_text_that_is_no_text(self, tmp_path: Path) -> None:
        """Text that is no UTF-8 is read as Parquet's is, also as views and in dictionaries."""
        path = tmp_path / "a.arrow"
        ids = pa.array([b"\xff", b"\\xff", b"b", None, "é".encode()] * 12, pa.binary()).view(pa.string())
        for shape in SHAPES.values():
            write_arrow(shape(runs()).set_column(0, "id", shape(pa.table({"id": ids}))["id"]), path, 20)
            assert vouch(path, piece_rows=20) == (ROWS, 12)
            source = opened(path)
            run, _ = source.keys(source.pieces[0])
            assert (run[0] == run[1], run[1] == run[2], int(run[3])) == (True, False, 0)


def damage(path: Path, column: str, at: int) -> None:
    """The offsets of one row of a column of text, in the first record batch, point outside of it."""
    data = bytearray(path.read_bytes())
    place = offsets_in(bytes(data), 0, column)
    data[place + 4 * at : place + 4 * at + 4] = (1 << 30).to_bytes(4, "little")
    path.write_bytes(data)


class TestNotSievable:
    """What is left to the reader of rows."""

    @pytest.mark.parametrize("data", [b"", b"\x1f\x8b", b"FEA1", b"ARROW1", b"ARROW1\0\0" + bytes(60) + b"ARROW1"])
    def test_no_such_file(self, data: bytes, tmp_path: Path) -> None:
        """What is packed, of another version or damaged is left to the reader of rows."""
        path = tmp_path / "a.arrow"
        path.write_bytes(data)
        assert isinstance(sievable(str(path), Options()), str)

    def test_streams(self, tmp_path: Path) -> None:
        """A stream has no footer by which its batches could be found."""
        path = tmp_path / "a.arrow"
        write_arrow(runs(), path, stream=True)
        assert "a stream whose record batches" in str(sievable(str(path), Options()))

    def test_whole_records(self, tmp_path: Path) -> None:
        """Records that stand whole in one column are left to the reader of rows."""
        path = tmp_path / "a.arrow"
        write_arrow(pa.table({"data": ["{}"]}), path)
        assert sievable(str(path), Options()) == "its records stand whole in one column"


def refused(path: str, error: Exception) -> None:
    """Nothing is to be unread."""
    pytest.fail(f"{path}: {error}")


class TestTheChoice:
    """Which engine reads what."""

    @pytest.mark.parametrize(("bound", "stream", "bulk"), [(0, False, True), (1 << 20, False, False), (0, True, False)])
    def test_auto(self, bound: int, stream: bool, bulk: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file from a size on is read by columns, a small one and a stream row by row; the findings are the same."""
        monkeypatch.setitem(engines.BULK_FROM_BYTES, "arrow", bound)
        path, sift, sifted = tmp_path / "a.arrow", engine.sift, list[Any]()

        def sifting(*args: Any, **more: Any) -> Any:
            sifted.append(args)
            return sift(*args, **more)

        monkeypatch.setattr(engine, "sift", sifting)
        write_arrow(pa.concat_tables([runs(), runs(3)]), path, 20, stream=stream)
        found = []
        for name in ("auto", "stream"):
            checker = Checker()
            door = Engines(checker=checker, unread=refused, engine=name)
            found.append((list(door.check([str(path)])), checker.summary))
        assert found[0] == found[1]
        assert found[0][1].observations == ROWS + 3
        assert [bool(sifted), len(sifted) <= 1] == [bulk, True]

    def test_streams_by_name(self, tmp_path: Path) -> None:
        """Where bulk is asked for and cannot be, it is said why."""
        path, told = tmp_path / "a.arrows", list[str]()
        write_arrow(runs(), path, stream=True)
        door = Engines(checker=Checker(), unread=refused, engine="bulk", say=told.append)
        assert list(door.check([str(path)])) == []
        (text,) = told
        assert "not in bulk: it is packed, a stream whose record batches are found one after another, or no A" in text
