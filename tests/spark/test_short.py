"""Runs and threads that travel short come to the same as those that travel as rows, and nobody suspect is missed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from runengine.validation.bulk.fragments import Suspects  # noqa: E402
from runengine.validation.bulk.hashing import hash_texts  # noqa: E402
from runengine.validation.spark import sieving  # noqa: E402
from runengine.validation.spark.decoding import Told, scoped  # noqa: E402
from runengine.validation.spark.shipping import COUNTS, SUSPECT_RUN, SUSPECT_THREAD, split  # noqa: E402
from runengine.validation.spark.sieving import fragments, merged  # noqa: E402
from runengine.validation.summary import Options  # noqa: E402


def _sieved(told: Told, rows: Any, batch_rows: int) -> tuple[Any, list[bytes], int]:
    """Which rows of a file are picked, what is counted, and how many bytes cross."""
    crossed = pa.Table.from_batches(list(fragments(told, rows.to_batches(max_chunksize=batch_rows))))
    crossed = crossed.sort_by([("kind", "ascending"), ("key", "ascending"), ("at", "ascending")])
    keys: dict[int, list[Any]] = {SUSPECT_RUN: [], SUSPECT_THREAD: []}
    counts: list[bytes] = []
    for kind, batch in (each for whole in merged(told, crossed.to_batches(max_chunksize=300)) for each in split(whole)):
        if kind == COUNTS:
            counts += batch.column("held").to_pylist()
        else:
            keys[kind].append(batch.column("key").to_numpy().view(np.uint64))
    batch = told.decoder().batch(rows)
    scope = int(hash_texts(["a"])[0])
    suspects = Suspects.of(keys[SUSPECT_RUN], keys[SUSPECT_THREAD])
    return suspects.mask(scoped(batch.run, scope), scoped(batch.thread, scope)), counts, crossed.nbytes


@pytest.mark.parametrize("view", ["history", "polled"])
@pytest.mark.parametrize("forget_after", [40, 50_000])
@pytest.mark.parametrize("piece_rows", [20, 90, 1200])
def test_short(
    archive: Callable[..., str], monkeypatch: pytest.MonkeyPatch, view: str, forget_after: int, piece_rows: int
) -> None:
    """However a file is cut, all is counted the same, all who were suspect still are, and less crosses."""
    table = pq.read_table(archive("flaky", 300, view=view)).slice(0, 1500)
    told = Told.of(Options(forget_after=forget_after), table.schema, True)
    n = table.num_rows
    rows = table.append_column("runengine_path", pa.array(["a"] * n))
    rows = rows.append_column("runengine_row", pa.array(np.arange(n)))
    monkeypatch.setattr(sieving, "PIECE_ROWS", piece_rows)
    short, counts, size = _sieved(told, rows, min(piece_rows, 100))
    monkeypatch.setattr(
        sieving, "short_of", lambda one, _: (np.zeros(len(one.first), bool), np.zeros(len(one.begins), bool))
    )
    whole, wanted_counts, whole_size = _sieved(told, rows, min(piece_rows, 100))
    assert counts == wanted_counts
    assert whole.any()
    assert not whole.all()
    assert short[whole].all()
    if piece_rows > 20:
        assert size < whole_size
