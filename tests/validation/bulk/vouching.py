"""Holding what a source of columns promises against what the reader of rows yields and the rules say."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from runengine.core.candidates import era_of
from runengine.core.fields import END_STAMPS, FIELDS, IDENTITY, IMMUTABLE
from runengine.core.shape import end_stamp
from runengine.core.statuses import STATUSES
from runengine.core.table import TERMINAL
from runengine.validation.bulk import arrow_files, parquet
from runengine.validation.bulk.batch import NONE, Batch
from runengine.validation.bulk.hashing import hash_texts
from runengine.validation.bulk.table_source import TableSource
from runengine.validation.observations import Item, LeftOut, Observation, shows_all
from runengine.validation.readers import items_in
from runengine.validation.rules.layout import layout_of
from runengine.validation.rules.path import birth_findings, event_findings
from runengine.validation.rules.payload import payload_findings
from runengine.validation.summary import Options

__all__ = ["SMALL_BATCHES", "assert_pieces", "opened", "scalar_items", "vouch"]

SMALL_BATCHES = "runengine.validation.readers.parquet.BATCH_ROWS"
"""What to set to a small number, so that row groups are read in many batches and cut into many parts."""

_SAME = (*IDENTITY, *IMMUTABLE)
_LASTING = tuple(name for name, f in FIELDS.items() if f.role not in ("metadata", "status") and name != "id")


def scalar_items(path: Path) -> list[Item]:
    """What the reader of rows yields."""
    return list(items_in(str(path)))


def opened(path: Path, options: Options | None = None, piece_rows: int = 8) -> TableSource:
    """The file as a source."""
    form = parquet if path.suffix == ".parquet" else arrow_files
    source = form.sievable(str(path), options or Options(), piece_rows=piece_rows)
    assert isinstance(source, TableSource), source
    return source


def vouch(path: Path, options: Options | None = None, piece_rows: int = 8, seed: int = 0) -> tuple[int, int]:
    """Assert all that a source promises; how many places there are, and how many of them are odd."""
    options = options or Options()
    source, fresh = (opened(path, options, piece_rows) for _ in range(2))
    expected = scalar_items(path)
    chance = np.random.default_rng(seed)
    at = odd = 0
    digests: tuple[dict[int, str], dict[int, str]] = {}, {}
    for piece in source.pieces:
        batch = source.columns(piece)
        items = expected[at : at + len(batch)]
        assert len(items) == len(batch) == batch.total
        assert batch.at.tolist() == list(range(len(batch)))
        for which in (source, fresh):
            assert [keys.tolist() for keys in which.keys(piece)] == [batch.run.tolist(), batch.thread.tolist()]
        everything = np.arange(len(batch))
        assert _same_items(list(source.items(piece, everything)), items)
        chosen = np.flatnonzero(chance.random(len(batch)) < 0.4)
        assert _same_items(list(fresh.items(piece, chosen)), _left_out(items, chosen.tolist()))
        _assert_some(batch, source.columns(piece, chosen), chosen)
        for place in np.flatnonzero(~batch.odd).tolist():
            _assert_place(batch, place, items[place], options, digests)
        at, odd = at + len(batch), odd + int(batch.odd.sum())
    assert at == len(expected)
    return at, odd


def assert_pieces(source: TableSource, piece_rows: int, first: int) -> None:
    """Assert that pieces stand one behind another, none too large, and hold the right rows in whatever order.

    Args:
        source: Rows of which each was created a second after the one before it.
        piece_rows: About how many rows a piece has.
        first: When the first was created, Unix seconds.
    """
    assert [each.row for each in source.pieces] == [
        sum(p.rows for p in source.pieces[:n]) for n in range(len(source.pieces))
    ]
    assert all(each.rows <= 2 * piece_rows for each in source.pieces)
    for each in [*source.pieces[::-1], *source.pieces[::2]]:
        assert source.columns(each).created.tolist() == [first + n for n in range(each.row, each.row + each.rows)]


def _same_items(found: list[Item], wanted: list[Item]) -> bool:
    return [(type(f), repr(f)) for f in found] == [(type(w), repr(w)) for w in wanted]


def _left_out(items: list[Item], chosen: list[int]) -> list[Item]:
    made: list[Item] = []
    following = 0
    for place in [*chosen, len(items)]:
        if place > following:
            made.append(LeftOut(place - following))
        made += items[place : place + 1]
        following = place + 1
    return made


def _assert_some(batch: Batch, some: Batch, chosen: Any) -> None:
    assert some.total == batch.total
    assert some.odd.tolist() == batch.odd[chosen].tolist()
    for name in ("at", "run", "thread"):
        assert getattr(some, name).tolist() == getattr(batch, name)[chosen].tolist()
    plain = ~some.odd
    for name in ("status", "created", "started", "expires", "ended", "same", "lasting", "observed", "complete"):
        assert repr(getattr(some, name)[plain].tolist()) == repr(getattr(batch, name)[chosen][plain].tolist()), name


def _assert_place(
    batch: Batch, place: int, item: Item, options: Options, digests: tuple[dict[int, str], dict[int, str]]
) -> None:
    """A place that is not odd is what its columns say, and the rules on the record alone are silent of it."""
    assert isinstance(item, Observation)
    record, status = item.record, item.record["status"]
    assert isinstance(record["id"], str)
    assert isinstance(record["thread_id"], str)
    keys, types = tuple(record), tuple(map(type, record.values()))
    layout = layout_of(status, keys, types, era_of(record["created_at"]), options.generation, item.columns)
    assert not layout.findings
    assert not [*payload_findings(record, layout.candidates, lambda _name: True)]
    assert not [*birth_findings(status, item.created), *event_findings(item.event, status)]
    assert item.source != "stream"
    assert STATUSES[batch.status[place]] == status
    assert [batch.run[place], batch.thread[place]] == hash_texts([record["id"], record["thread_id"]]).tolist()
    stamps = {"created": "created_at", "started": "started_at", "expires": "expires_at", "ended": end_stamp(status)}
    for column, name in stamps.items():
        value = None if name is None else record.get(name)
        assert getattr(batch, column)[place] == (NONE if value is None else value)
        assert value is None or (type(value) is int and 0 < value < 100_000_000_000)
    assert all(record.get(name) is None for name in END_STAMPS if name != end_stamp(status))
    seen_s = float(batch.observed[place])
    assert (None if math.isnan(seen_s) else seen_s) == item.observed_s
    assert batch.complete[place] == shows_all(item.source, options.sampling)
    for known, digest, names in zip(digests, (batch.same, batch.lasting), (_SAME, _LASTING), strict=True):
        if names is _LASTING and status not in TERMINAL:
            continue
        fields = repr({name: record[name] for name in names if name in record})
        fields += status if names is _LASTING else ""
        assert known.setdefault(int(digest[place]), fields) == fields
        assert len(set(known.values())) == len(known)
