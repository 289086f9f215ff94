"""JSON Lines as columns: what is plain, what the columns hold, and what the pieces come to."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.core.shape import end_stamp
from runengine.core.statuses import STATUSES
from runengine.dialects.wire import encode
from runengine.simulation.recording import View
from runengine.validation import Options
from runengine.validation.bulk.batch import NONE
from runengine.validation.bulk.hashing import hash_texts
from runengine.validation.bulk.ndjson import NdjsonSource, sievable
from runengine.validation.observations import Item, Observation
from runengine.validation.rules.path import _LASTING  # type: ignore[attr-defined,unused-ignore]
from tests import samples
from tests.recall.worlds import WORLDS, recordings
from tests.validation.bulk.ndjson_worlds import (
    GOOD,
    chosen_of,
    completeness,
    is_plain,
    joined,
    read,
    source_of,
    stitched,
    text_of,
)
from tests.validation.checking import clean
from tests.validation.lines import LINES, RECORDS
from tests.validation.mixtures import Mixture, mixtures

_IDS = ("run", "thread")
_SAME = ("object", "thread_id", "assistant_id", "created_at", "model", "instructions", "tools", "temperature")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to be written over."""
    return tmp_path_factory.mktemp("ndjson") / "a.jsonl"


def _agree(data: bytes, path: Path, **changes: Any) -> tuple[Sequence[Item], dict[str, Any]]:
    """What the reader yields and the columns, after every place that is not odd was held against its item."""
    source = source_of(path, data, **changes)
    items = read(data)
    batches, columns = stitched(source)
    assert len(columns["odd"]) == len(items) == sum(batch.total for batch in batches)
    assert all(batch.at.tolist() == list(range(batch.total)) for batch in batches)
    for place in np.flatnonzero(~columns["odd"]).tolist():
        item = items[place]
        assert is_plain(item)
        assert isinstance(item, Observation)
        record = item.record
        stamp = end_stamp(record["status"])
        told = {
            "run": hash_texts([record["id"]])[0],
            "thread": hash_texts([record["thread_id"]])[0],
            "status": STATUSES.index(record["status"]),
            "created": record["created_at"],
            "complete": completeness(item),
            **{name: record.get(f"{name}_at") or NONE for name in ("started", "expires")},
            "ended": record[stamp] if stamp else NONE,
        }
        assert {name: columns[name][place] for name in told} == told
        seen = columns["observed"][place]
        assert np.isnan(seen) if item.observed_s is None else seen == item.observed_s
    keys = [source.keys(piece) for piece in source.pieces]
    for name, made in zip(_IDS, zip(*keys, strict=True), strict=True):
        known = np.concatenate(made)
        assert ((known == columns[name]) | (columns["odd"] & (columns[name] == 0))).all()
    return items, columns


def test_every_line_we_know_of_is_plain_only_where_the_rules_on_it_are_silent(path: Path) -> None:
    """A line is judged in columns only where the reader and the rules on the record have nothing to say of it."""
    items, columns = _agree(joined(LINES), path)
    plain = sum(map(is_plain, items))
    assert plain - 12 <= int((~columns["odd"]).sum()) <= plain


@pytest.mark.parametrize("status", samples.STATUSES)
def test_clean_records_are_plain(status: str, path: Path) -> None:
    """A clean record in any status is judged in columns, bare or in an envelope."""
    record = clean(status)
    lines = [encode(record), encode({"kind": "poll", "observed_at": 1.8e9, "data": record})]
    _, columns = _agree(joined(lines), path)
    assert columns["odd"].tolist() == [True, False, False]


@given(
    st.lists(st.sampled_from(LINES), max_size=20),
    st.integers(1, 3000),
    st.booleans(),
    st.sampled_from((b"\n", b"\r\n")),
)
@settings(deadline=None, max_examples=25)
def test_any_cut_gives_the_same_places(path: Path, lines: list[bytes], size: int, ends: bool, feed: bytes) -> None:
    """Any lines in any cut, with or without a last line feed, come to the items of the reader."""
    data = feed.join((GOOD, *lines)) + (feed if ends else b"")
    _agree(data, path, piece_bytes=size)


def test_every_cut_of_a_file_gives_the_same_columns(path: Path) -> None:
    """The columns are the same at every size of a piece."""
    data = joined((RECORDS[0], b"", RECORDS[3], b"[{}, {}]", RECORDS[20], b"{"))
    whole = stitched(source_of(path, data))[1]
    for size in range(1, len(data) + 2, 7):
        source = source_of(path, data, piece_bytes=size)
        columns = stitched(source)[1]
        assert all(np.array_equal(columns[name], whole[name], equal_nan=name == "observed") for name in whole)
        assert [piece.line for piece in source.pieces] == [data.count(b"\n", 0, p.begin) + 1 for p in source.pieces]


@given(st.lists(st.sampled_from(LINES), max_size=20), st.integers(1, 3000), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=25)
def test_chosen_items_are_the_readers(path: Path, lines: list[bytes], size: int, chance: Any) -> None:
    """Of any places the items are those of the reader, with their lines, and the others are left out in number."""
    data = joined(lines)
    source = source_of(path, data, piece_bytes=size)
    items = read(data)
    for piece in source.pieces:
        whole = source.columns(piece)
        own, items = items[: whole.total], items[whole.total :]
        chosen = np.array([n for n in range(whole.total) if chance.random() < 0.4], np.int64)
        assert list(source.items(piece, chosen)) == chosen_of(own, chosen)
        some = source.columns(piece, chosen)
        assert some.at.tolist() == chosen.tolist()
        assert some.total == whole.total
        for name in ("odd", "run", "thread", "status", "created", "ended", "same", "lasting", "complete"):
            assert getattr(some, name).tolist() == getattr(whole, name)[chosen].tolist()
    assert not items


@given(mixtures(("history", "polled")))
@settings(deadline=None, max_examples=12)
def test_broken_runs_are_judged_as_the_rules_judge_them(path: Path, mixture: Mixture) -> None:
    """Whatever breaks a simulated run, its lines are plain only where the rules on a record are silent."""
    _agree(text_of(mixture.made), path)


@pytest.mark.parametrize("view", ["history", "polled"])
@pytest.mark.parametrize("label", [name for name in WORLDS if "julia" not in name and "instance" not in name])
def test_clean_files_have_next_to_nothing_odd(path: Path, label: str, view: View) -> None:
    """Of a clean simulated file nearly every line is judged in columns."""
    _, columns = _agree(text_of(recordings(WORLDS[label], 3, 12, view)), path)
    assert int(columns["odd"].sum()) <= 1 + len(columns["odd"]) // 100


@given(st.lists(st.sampled_from(RECORDS), min_size=2, max_size=30))
@settings(deadline=None, max_examples=25)
def test_equal_digests_stand_for_equal_json(path: Path, lines: list[bytes]) -> None:
    """Two plain places with one digest have equal values, as the rules compare them, in all that it speaks of."""
    items, columns = _agree(joined(lines), path)
    seen: dict[tuple[str, int], dict[str, Any]] = {}
    for place in np.flatnonzero(~columns["odd"]).tolist():
        item = items[place]
        assert isinstance(item, Observation)
        for name, fields in (("same", _SAME), ("lasting", _LASTING if columns["ended"][place] != NONE else ())):
            told = {field: item.record.get(field) for field in fields}
            assert seen.setdefault((name, int(columns[name][place])), told) == told


def test_an_ended_run_seen_twice_has_the_same_digests(path: Path) -> None:
    """Records that differ in what may change, in status or metadata, have the same digests."""
    lines = [encode(clean("failed")), encode(clean("failed", metadata={"a": "b"})), encode(clean("completed"))]
    _, columns = _agree(joined(lines), path)
    assert not columns["odd"][1:].any()
    assert len(set(columns["same"][1:].tolist())) == 1
    assert columns["lasting"][1] == columns["lasting"][2] != columns["lasting"][3]


def test_a_long_line_is_longer_than_the_piece(path: Path) -> None:
    """A line may be longer than a piece, and then the piece is as long as the line."""
    line = encode(clean("queued", instructions="x" * 100_000))
    _, columns = _agree(joined((line, line)), path, piece_bytes=1000)
    assert columns["odd"].tolist() == [True, False, False]


def test_a_line_that_is_too_long_is_said_to_be(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line past the limit is one unreadable item, in a piece of its own where it is longer than a piece."""
    for module in ("bulk.ranges", "bulk.lines", "bulk.ndjson", "readers.json_lines"):
        monkeypatch.setattr(f"runengine.validation.{module}.LINE_BYTES_MAX", 5000)
    monkeypatch.setattr("runengine.validation.readers.json_lines._CHUNK_BYTES", 100)
    line = encode(clean("queued"))
    data = joined((line, b"x" * 6000, line, b"y" * 5000, line, b"z" * 5001))
    for size in (900, 4000, 10**6):
        source = source_of(path, data, piece_bytes=size)
        found = [item for p in source.pieces for item in source.items(p, np.arange(source.columns(p).total))]
        assert found == read(data)
        assert sum(source.columns(piece).total for piece in source.pieces) == 7


def test_lines_are_no_rows_that_run_on(path: Path) -> None:
    """Two records in a line, and one in two lines, are what the reader says they are."""
    line = encode(clean("queued"))
    _, columns = _agree(joined((line + line, line[:-1] + b",", b'"metadata": {}}', b"", line)), path)
    assert (~columns["odd"]).sum() == 1


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "nothing that can be read"),
        (b"\n\n[1,2]", "nothing that can be read"),
        (b"[[1]]\n{}", "nothing that can be read"),
        (b"{\n" + GOOD, "line 1 is not JSON"),
        (b"\xff\xfe{\0}\0", "UTF-8"),
        (b"event: done\n", "plain file"),
        (GOOD, ""),
        (b"\n[1]\n" + GOOD + b"\n{", ""),
    ],
)
def test_a_beginning_that_is_no_recording_is_left_to_the_stream(path: Path, data: bytes, says: str) -> None:
    """A file is taken only where the reader says nothing of it that it does not say of a line by itself."""
    path.write_bytes(data)
    found = sievable(str(path), Options())
    assert says in found if isinstance(found, str) else not says


def test_a_source_and_its_pieces_can_be_sent_to_processes(path: Path) -> None:
    """What another process makes of a piece is what this one makes of it."""
    source = source_of(path, joined(RECORDS[:40]), piece_bytes=9000)
    assert pickle.loads(pickle.dumps(source)) == source
    assert len(source.pieces) > 1
    assert len(pickle.dumps(source)) < 500
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        made = list(pool.map(source.columns, source.pieces))
    for batch, piece in zip(made, source.pieces, strict=True):
        assert batch.same.tolist() == source.columns(piece).same.tolist()
        assert batch.lasting.tolist() == source.columns(piece).lasting.tolist()


def test_other_options_are_held_to(path: Path) -> None:
    """A generation that does not know a field makes its records odd; polled sampling shows no status for sure."""
    line = encode({"kind": "history", "data": clean("queued")})
    old = source_of(path, joined((line,)), generation=1)
    assert old.columns(old.pieces[0]).odd.tolist() == [True, True]
    polled = NdjsonSource.of(str(path), Options(sampling="polled"))
    assert not polled.columns(polled.pieces[0]).complete[1]
