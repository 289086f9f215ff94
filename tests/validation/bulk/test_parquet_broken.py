"""Parquet that is damaged, in columns: the reader of rows says what is wrong, and the rest is sieved."""

from __future__ import annotations

import random
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest

pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from runengine.validation.bulk.parquet import sievable  # noqa: E402
from runengine.validation.observations import Unreadable  # noqa: E402
from runengine.validation.summary import Options  # noqa: E402
from tests.validation.bulk.vouching import SMALL_BATCHES, opened, vouch  # noqa: E402
from tests.validation.readers.test_parquet import simulated  # noqa: E402

T0: Final = 1_767_225_600
ROWS: Final = 60


def _written(path: Path, **options: Any) -> None:
    columns = {
        "id": [f"run_{n}" for n in range(ROWS)],
        "thread_id": ["t"] * ROWS,
        "status": ["queued"] * ROWS,
        "created_at": [T0 + n for n in range(ROWS)],
        "started_at": pa.nulls(ROWS, pa.int64()),
        "expires_at": [T0 + 600 + n for n in range(ROWS)],
        "model": ["m" * 50] * ROWS,
    }
    pq.write_table(pa.table(columns), path, **options)


def _damage(path: Path, group: int, column: str) -> None:
    """The pages of one column of one row group are overwritten with zeros."""
    data, metadata = bytearray(path.read_bytes()), pq.read_metadata(path).row_group(group)
    chunk = next(c for c in map(metadata.column, range(metadata.num_columns)) if c.path_in_schema == column)
    start = chunk.data_page_offset
    end = (chunk.dictionary_page_offset or start) + chunk.total_compressed_size
    data[start:end] = bytes(end - start)
    path.write_bytes(data)


@pytest.mark.parametrize("column", ["id", "status", "created_at", "model"])
@pytest.mark.parametrize(("group_rows", "piece_rows"), [(20, 20), (20, 7), (10, 20), (60, 13)])
def test_a_damaged_row_group(
    column: str, group_rows: int, piece_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a row group that is damaged, and of those read with it, the reader of rows has its say; others are plain."""
    monkeypatch.setattr(SMALL_BATCHES, 3)
    path = tmp_path / "a.parquet"
    _written(path, row_group_size=group_rows, compression="zstd", use_dictionary=False)
    _damage(path, 0, column)
    places, odd = vouch(path, piece_rows=piece_rows)
    spoiled = max(group_rows, piece_rows)
    assert places == ROWS - group_rows + 1
    assert odd == spoiled - group_rows + 1
    source = opened(path, piece_rows=piece_rows)
    said = [
        i
        for piece in source.pieces
        for i in source.items(piece, _everything(source, piece))
        if isinstance(i, Unreadable)
    ]
    assert [f"column {column!r}" in item.problem for item in said] == [True]


def _everything(source: Any, piece: Any) -> Any:
    import numpy as np

    return np.arange(len(source.columns(piece)))


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 100))])
def test_bytes_that_were_changed(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever bytes of a file are changed, columns and rows say the same of it."""
    monkeypatch.setattr(SMALL_BATCHES, 1 + seed % 8)
    path = tmp_path / "a.parquet"
    chance = random.Random(seed)
    _written(
        path,
        row_group_size=20,
        use_dictionary=seed % 3 > 0,
        compression=("none", "zstd")[seed % 2],
        write_page_checksum=False,
    )
    data = path.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for _ in range(5):
        broken = bytearray(data)
        for _ in range(chance.choice((1, 1, 4))):
            broken[chance.randrange(4, footer)] = chance.randrange(256)
        path.write_bytes(broken)
        if not isinstance(sievable(str(path), Options()), str):
            vouch(path, piece_rows=chance.choice((7, 20, 60)))


def test_columns_of_wrong_types(tmp_path: Path) -> None:
    """A column that is not read is named before the first row, in a piece of its own."""
    path = tmp_path / "a.parquet"
    _written(path)
    table = (
        pq.read_table(path).append_column("tools", pa.array([5] * ROWS)).append_column("usage", pa.array([True] * ROWS))
    )
    pq.write_table(table, path)
    assert vouch(path) == (ROWS + 2, 2)
    source = opened(path)
    found = [*source.items(source.pieces[0], _everything(source, source.pieces[0]))]
    assert [isinstance(item, Unreadable) and item.line == 0 for item in found] == [True, True]


def test_ids_that_are_no_text(tmp_path: Path) -> None:
    """Ids of bytes that are no UTF-8 have the keys of the texts that are made of them."""
    path = tmp_path / "a.parquet"
    _written(path)
    ids = [b"\xff", b"\\xff", b"b", None, "é".encode()] * 12
    table = pq.read_table(path)
    for use_dictionary in (False, True):
        pq.write_table(table.set_column(0, "id", pa.array(ids, pa.binary())), path, use_dictionary=use_dictionary)
        assert vouch(path) == (ROWS, 12)
        source = opened(path)
        run, _ = source.keys(source.pieces[0])
        assert (run[0] == run[1], run[1] == run[2], int(run[3])) == (True, False, 0)


def test_a_footer_that_lies(tmp_path: Path) -> None:
    """A file that was cut off, or written over, since it was opened is left to the reader of rows piece by piece."""
    path = tmp_path / "a.parquet"
    _written(path, row_group_size=20)
    source = opened(path, piece_rows=20)
    path.write_bytes(path.read_bytes()[:300])
    for piece in source.pieces:
        assert source.columns(piece).odd.tolist() == [True]
        (item,) = source.items(piece, _everything(source, piece))
        assert isinstance(item, Unreadable)
        assert (item.line, item.problem[:31]) == (piece.row + 1, "the file has changed since its ")


@pytest.mark.parametrize("piece_rows", [50, 200])
def test_threads(piece_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that read pieces of one source at once get what one thread gets."""
    monkeypatch.setattr(SMALL_BATCHES, 10)
    path = tmp_path / "a.parquet"
    path.write_bytes(simulated("history", "lifecycle"))
    table = pq.read_table(path)
    pq.write_table(table, path, row_group_size=300)
    source, alone = opened(path, piece_rows=piece_rows), opened(path, piece_rows=piece_rows)
    pieces = list(source.pieces)
    wanted = {piece: alone.columns(piece) for piece in pieces}
    wrong: list[Any] = []

    def read(part: int) -> None:
        for turn in range(2):
            for piece in pieces[part :: 1 + turn]:
                batch, (run, thread) = source.columns(piece), source.keys(piece)
                same = batch.same.tolist() == wanted[piece].same.tolist() and run.tolist() == wanted[piece].run.tolist()
                if not same or thread.tolist() != wanted[piece].thread.tolist():
                    wrong.append(piece)

    threads = [Thread(target=read, args=(part,)) for part in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert not any(each.is_alive() for each in threads)
    assert wrong == []
