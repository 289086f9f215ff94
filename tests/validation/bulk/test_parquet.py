"""Parquet in columns: nothing is promised that is not so, and nothing is lost."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from runengine.core.fields import FIELDS  # noqa: E402
from runengine.dialects.wire import encode  # noqa: E402
from runengine.simulation.recording import View  # noqa: E402
from runengine.simulation.writing.parquet import Columns  # noqa: E402
from runengine.validation.bulk.parquet import sievable  # noqa: E402
from runengine.validation.summary import Options  # noqa: E402
from tests.samples import STATUSES  # noqa: E402
from tests.validation.bulk.vouching import SMALL_BATCHES, assert_pieces, opened, vouch  # noqa: E402
from tests.validation.checking import clean  # noqa: E402
from tests.validation.lines import RECORDS  # noqa: E402
from tests.validation.readers.test_parquet import FAULTY, simulated  # noqa: E402

T0: Final = 1_767_225_600
STAMPS: Final = ("created_at", "started_at", "expires_at", "completed_at", "failed_at", "cancelled_at")
ODD_STAMPS: Final = (None, 0, -1, 1, T0, T0 + 1, T0 + 600, 1_500_000_000, 100_000_000_000, 2**62)


def _stamps(kind: Any) -> SearchStrategy[Any]:
    whole = st.sampled_from(ODD_STAMPS)
    if kind == pa.float64():
        return whole.map(lambda v: None if v is None else float(v)) | st.sampled_from(
            (T0 + 0.5, float("nan"), float("inf"), -float("inf"), 1e300)
        )
    if kind == pa.string():
        return whole.map(lambda v: None if v is None else str(v))
    if pa.types.is_timestamp(kind):
        per_s = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}[kind.unit]
        return st.sampled_from((None, 0, -per_s, T0 * per_s, T0 * per_s + 1, (T0 + 9) * per_s))
    return st.sampled_from([v for v in ODD_STAMPS if kind == pa.int64() or v is None or 0 <= v < 2**64])


_KINDS: Final = (pa.int64(), pa.uint64(), pa.float64(), *(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")))
_TEXT: Final = {"kind": ("create", "poll", "history", "stream"), "event": ("create", "start", "thread.run.queued", "x")}
_ANY: Final[dict[str, SearchStrategy[Any]]] = {
    "assistant_id": st.sampled_from(("a", "b", "", None)),
    "object": st.sampled_from(("thread.run", "thread.run", "assistant.run", "thread.run.step", "x", None)),
    "model": st.sampled_from(("m", "n", None)),
    "usage": st.sampled_from(
        (None, '{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}', "{}", "null", "1", "x", "[]")
    ),
    "tools": st.sampled_from((None, "[]", '[{"type":"function"}]', '[{"type":"odd"}]', "{")),
    "metadata": st.sampled_from((None, "{}", '{"a":"b"}', '{"a":1}')),
    "tool_choice": st.sampled_from((None, "auto", '"auto"', "odd", '{"type":"function"}')),
    "temperature": st.sampled_from((None, 1.0, -1.0, float("nan"), 0.5)),
    "max_prompt_tokens": st.sampled_from((None, 256, 255, 1000)),
    "parallel_tool_calls": st.sampled_from((None, True, False)),
    "reasoning_effort": st.sampled_from((None, "low", "{}")),
    "observed_at_us": st.sampled_from((None, T0 * 10**6 + 1, 0, -1, 2**60)),
    "http_date": st.sampled_from((None, "Thu, 24 Jul 2025 21:06:50 GMT", "x")),
    "region": st.sampled_from(("eu", None)),
}
_TYPES: Final = {
    "temperature": pa.float64(),
    "max_prompt_tokens": pa.int64(),
    "parallel_tool_calls": pa.bool_(),
    "observed_at_us": pa.int64(),
}


@st.composite
def tables(draw: st.DrawFn) -> Any:
    """Tables of any columns, with values that are mostly fitting."""
    n = draw(st.integers(1, 12))
    text = draw(st.sampled_from((pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int8(), pa.string()))))
    columns: dict[str, Any] = {}

    def column(name: str, kind: Any, plain: Sequence[Any], odd: SearchStrategy[Any]) -> None:
        values = [*plain]
        for place, value in draw(st.lists(st.tuples(st.integers(0, n - 1), odd), max_size=1)):
            values[place] = value
        encoded = [v.encode() if isinstance(v, str) and kind == pa.binary() else v for v in values]
        base = pa.int64() if pa.types.is_timestamp(kind) else kind.value_type if pa.types.is_dictionary(kind) else kind
        held = pa.array(encoded, base)
        columns[name] = held.cast(kind)

    statuses = draw(st.lists(st.sampled_from(STATUSES), min_size=n, max_size=n))
    records = [clean(status) for status in statuses]
    run_ids = st.sampled_from(("r1", "r2", "run_" + "x" * 24, "é", None))
    column(draw(st.sampled_from(("id", "run_id"))), text, draw(st.lists(run_ids, min_size=n, max_size=n)), run_ids)
    column("thread_id", text, [f"t{k % 2}" for k in range(n)], st.sampled_from(("t3", None)))
    column("status", text, statuses, st.sampled_from((*STATUSES, "odd", None)))
    needed = ("created_at", "started_at", "expires_at")
    for name in (*needed, *draw(st.sets(st.sampled_from(STAMPS))) - {*needed}):
        kind = draw(st.sampled_from(_KINDS if name in needed else (*_KINDS, pa.string())))
        column(name, kind, [_held(record[name], kind) for record in records], _stamps(kind))
    for name, words in _TEXT.items():
        if draw(st.booleans()):
            column(name, text, ["history" if name == "kind" else None] * n, st.sampled_from((None, *words)))
    for name in draw(st.sets(st.sampled_from([*_ANY]), max_size=6)):
        values = [record.get(name) for record in records]
        plain = [encode(v).decode() if isinstance(v, (dict, list)) else v for v in values]
        column(name, _TYPES.get(name, text), plain, _ANY[name])
    return pa.table(columns)


def _held(stamp: int | None, kind: Any) -> Any:
    """A stamp as a column of a type has it."""
    if stamp is None:
        return None
    if pa.types.is_timestamp(kind):
        return stamp * {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}[kind.unit]
    return str(stamp) if kind == pa.string() else float(stamp) if kind == pa.float64() else stamp


@settings(max_examples=settings().max_examples // 2)
@given(tables(), st.integers(1, 12), st.booleans(), st.integers(1, 8), st.sampled_from(("auto", "complete", "polled")))
def test_any_table(tmp_path_factory: Any, table: Any, group: int, packed: bool, piece: int, sampling: Any) -> None:
    """Of any table, in any layout, columns say what rows say, and of no place that is not odd the rules say a word."""
    path = tmp_path_factory.mktemp("any") / "a.parquet"
    pq.write_table(table, path, row_group_size=group, use_dictionary=packed)
    vouch(path, Options(sampling=sampling), piece)


def test_what_is_not_there_is_one_value(tmp_path: Path) -> None:
    """A text of null, a number that is none and no value at all make one digest."""
    record = {**clean("queued"), "usage": "null", "temperature": math.nan}
    record = {name: value for name, value in record.items() if type(value) in (str, int, float)}
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([record, {**record, "usage": None}, {**record, "temperature": None}]), path)
    batch = (source := opened(path)).columns(source.pieces[0])
    assert batch.odd.tolist() == [False] * 3
    assert len({*batch.lasting.tolist()}) == len({*batch.same.tolist()}) == 1


@pytest.mark.parametrize("columns", ["lifecycle", "record"])
@pytest.mark.parametrize("view", ["history", "polled"])
def test_clean_files_are_plain(view: View, columns: Columns, tmp_path: Path) -> None:
    """Of a clean simulated file no place is odd."""
    path = tmp_path / "a.parquet"
    path.write_bytes(simulated(view, columns))
    places, odd = vouch(path, piece_rows=200)
    assert (places > 150, odd) == (True, 0)


@pytest.mark.parametrize("view", ["history", "polled"])
def test_every_fault(view: View, tmp_path: Path) -> None:
    """Of a simulated file with every fault, what is not odd has nothing wrong with it by itself."""
    path = tmp_path / "a.parquet"
    path.write_bytes(simulated(view, "record", FAULTY))
    places, odd = vouch(path, piece_rows=100)
    assert 0 < odd < places / 2


_HELD: Final = {pa.int64(): int, pa.float64(): float, pa.bool_(): bool}


def _rows_of_lines() -> list[dict[str, Any]]:
    """Records spoiled in every known way, as far as columns of fitting types hold them."""
    made = []
    for line in RECORDS:
        value = json.loads(line)
        record = value.get("data", value) if isinstance(value, dict) else None
        if isinstance(record, dict):
            made.append(
                {name: v for name, v in record.items() if not (name in STAMPS and type(v) not in (int, type(None)))}
            )
    return [{k: v for k, v in r.items() if not (type(v) is int and abs(v) >= 2**63)} for r in made]


@pytest.mark.parametrize("generation", [None, 13, 16])
def test_spoiled_records(generation: int | None, tmp_path: Path) -> None:
    """Of records spoiled in every way we know of, what is not odd has nothing wrong with it by itself."""
    rows = _rows_of_lines()
    kinds = {"stamp": pa.int64(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
    table = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        kind = kinds.get(FIELDS[name].kind if name in FIELDS else "", pa.string())
        values = [row.get(name) for row in rows]
        if kind == pa.string():
            values = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
        else:
            values = [v if type(v) is _HELD[kind] else None for v in values]
        table[name] = pa.array(values, kind)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(table), path, row_group_size=7)
    places, odd = vouch(path, Options(generation=generation), 20)
    assert 0 < odd < places


def test_structs_lists_and_maps(tmp_path: Path) -> None:
    """Objects may be structs, lists and maps: equal ones have equal digests."""
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    rows = [
        {**clean("completed", id=f"run_{n}"), "usage": {**usage, "total_tokens": 2 + n // 3}, "metadata": [("a", "b")]}
        for n in range(5)
    ]
    kept = ("id", "object", "thread_id", "assistant_id", "status", "created_at", "started_at", "completed_at", "usage")
    table = pa.Table.from_pylist([{name: row[name] for name in kept} for row in rows])
    table = table.append_column(
        "metadata", pa.array([row["metadata"] for row in rows], pa.map_(pa.string(), pa.string()))
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    assert vouch(path) == (5, 2)
    source = opened(path)
    assert len(set(source.columns(source.pieces[0]).lasting.tolist())) == 2


def test_nothing_but_null(tmp_path: Path) -> None:
    """A piece in which a column has nothing but null is judged by that: a run has a model."""
    columns = {"id": ["r"], "thread_id": ["t"], "status": ["queued"], "created_at": [T0], "model": [None]}
    stamps = {"started_at": pa.nulls(1, pa.int64()), "expires_at": [T0 + 600]}
    path = tmp_path / "a.parquet"
    for model, odd in ((None, 1), ("m", 0)):
        table = pa.table({**columns, **stamps, "model": pa.array([model], pa.string())})
        pq.write_table(table, path)
        assert vouch(path) == (1, odd)


class TestPieces:
    """How a file is cut."""

    @pytest.mark.parametrize(("group", "piece"), [(1, 7), (3, 10), (50, 50), (50, 7), (23, 4)])
    def test_any_cut(self, group: int, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Small row groups are read together, large ones in parts, in whatever order: the rows are the same."""
        monkeypatch.setattr(SMALL_BATCHES, 2)
        rows = [{"id": f"run_{n % 9}", "thread_id": "t", "status": "queued", "created_at": T0 + n} for n in range(50)]
        path = tmp_path / "a.parquet"
        table = pa.Table.from_pylist(rows).append_column("started_at", pa.nulls(50, pa.int64()))
        pq.write_table(table, path, row_group_size=group)
        assert vouch(path, piece_rows=piece)[0] == 50
        source = opened(path, piece_rows=piece)
        assert_pieces(source, piece, T0)

    def test_no_rows(self, tmp_path: Path) -> None:
        """A table without rows has no places."""
        path = tmp_path / "a.parquet"
        names = {"id": pa.string(), "thread_id": pa.string(), "status": pa.string()}
        pq.write_table(pa.schema({**names, "created_at": pa.int64(), "started_at": pa.int64()}).empty_table(), path)
        assert vouch(path) == (0, 0)


class TestNotSievable:
    """What is left to the reader of rows."""

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"thread_id": None}, "it has no column of a fitting type for thread_id"),
            ({"created_at": ["x"]}, "it has no column of a fitting type for created_at"),
            ({"id": None}, "no column of it is for a run"),
            ({"id": None, "data": ["{}"]}, "its records stand whole in one column"),
            ({"assistantId": ["a"]}, "its column 'assistantId' is spelled as a dialect does"),
        ],
    )
    def test_columns(self, change: dict[str, Any], why: str, tmp_path: Path) -> None:
        """Columns that do not make a run's lifecycle are said."""
        columns = {
            "id": ["r"],
            "thread_id": ["t"],
            "status": ["queued"],
            "created_at": [T0],
            "started_at": [T0],
            **change,
        }
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table({name: values for name, values in columns.items() if values is not None}), path)
        assert sievable(str(path), Options()) == why

    def test_dialects(self, tmp_path: Path) -> None:
        """Records that are to be read in another spelling are left to the reader of rows."""
        path = tmp_path / "a.parquet"
        columns = {"id": ["r"], "thread_id": ["t"], "status": ["queued"], "created_at": [T0], "started_at": [T0]}
        pq.write_table(pa.table(columns), path)
        said = sievable(str(path), Options(dialect="typescript-instance"))
        assert said == "its columns are to be read as typescript-instance"
        assert not isinstance(sievable(str(path), Options(dialect="native")), str)

    @pytest.mark.parametrize("data", [b"", b"\x1f\x8b", b"PARE", b"PAR1", b"PAR1" * 3, b"PAR1" + bytes(60) + b"PAR1"])
    def test_no_such_file(self, data: bytes, tmp_path: Path) -> None:
        """What is packed, encrypted or damaged is left to the reader of rows."""
        path = tmp_path / "a.parquet"
        path.write_bytes(data)
        assert isinstance(sievable(str(path), Options()), str)
