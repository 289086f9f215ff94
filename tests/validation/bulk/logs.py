"""Small logs, written in every form that both engines read, in pieces so small that seams are everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args

import pytest

from runengine.core import SECOND_US
from runengine.core.fields import FIELDS
from runengine.dialects.spellings import camel
from runengine.dialects.wire import encode
from runengine.simulation.recording import Recording, Row
from runengine.simulation.writing.arrow import HEAD

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

__all__ = ["FORMS", "Form", "in_time", "observed", "write_log"]

Form = Literal["lifecycle", "record", "bare", "enveloped"]
"""Parquet with the columns of the lifecycle, or with all fields; JSON Lines of records, or of envelopes."""

FORMS: Final[tuple[Form, ...]] = get_args(Form)
GROUP_ROWS: Final = 5

_STAMPS: Final = ("created_at", "started_at", "expires_at", "completed_at", "failed_at", "cancelled_at")
_LIFECYCLE: Final = ("id", "thread_id", "assistant_id", "model", "status", *_STAMPS)
_KINDS: Final = {"string": pa.string(), "stamp": pa.int64(), "integer": pa.int64(), "number": pa.float64()}
_PLAIN: Final = {camel(name): name for name in FIELDS} | {name: name for name in FIELDS}
_INT64: Final = range(-(2**63), 2**63)


def in_time(made: Iterable[Recording]) -> list[Row]:
    """The rows of recordings in order of time; those of one in their own order."""
    rows: list[tuple[int, Row]] = []
    for recording in made:
        latest = 0
        for row in recording.rows:
            latest = max(latest, row.at_us)
            rows.append((latest, row))
    return [row for _, row in sorted(rows, key=lambda each: each[0])]


def observed(rows: Iterable[Row]) -> Iterator[Row]:
    """Those of which a record can be told apart: what a line of a bare log, or a row of columns, can be made of."""
    return (row for row in rows if row.raw is None and isinstance(row.data, dict))


def write_log(folder: Path, rows: Sequence[Row], form: Form, *, group_rows: int = GROUP_ROWS) -> Path:
    """Write rows, in the order given.

    Args:
        folder: Where to.
        rows: What was seen. What a form cannot hold is left out: of columns and bare records, rows that are no
            objects; of columns, values of another type, which are null.
        form: How they are written.
        group_rows: Rows in a row group.
    """
    if form in ("bare", "enveloped"):
        path = folder / f"{form}.jsonl"
        lines = (_line(row, bare=form == "bare") for row in rows)
        path.write_bytes(b"".join(line if line.endswith(b"\n") else line + b"\n" for line in lines))
        return path
    path = folder / f"{form}.parquet"
    pq.write_table(_table(list(observed(rows)), form), path, row_group_size=group_rows, use_dictionary=form != "record")
    return path


def _line(row: Row, *, bare: bool) -> bytes:
    if row.raw is not None:
        return row.raw
    return encode(row.data if bare else row.envelope())


def _table(rows: Sequence[Row], form: Form) -> Any:
    columns: dict[str, Any] = {
        "kind": pa.array([row.kind for row in rows], HEAD["kind"]),
        "event": pa.array([row.event for row in rows], HEAD["event"]),
        "observed_at_us": pa.array(
            [None if row.observed_at is None else round(row.observed_at * SECOND_US) for row in rows], pa.int64()
        ),
    }
    names: Iterable[str] = _LIFECYCLE
    if form == "record":
        keys = dict.fromkeys(key for row in rows for key in _record(row))
        names = dict.fromkeys((*(name for name in FIELDS if name in keys or name in _LIFECYCLE), *keys))
    for name in names:
        kind = _kind(name)
        values = [_value(_record(row).get(name), kind, name) for row in rows]
        columns["run_id" if form == "lifecycle" and name == "id" else name] = pa.array(values, kind)
    return pa.table(columns)


def _record(row: Row) -> dict[str, Any]:
    assert isinstance(row.data, dict)
    return row.data


def _kind(name: str) -> Any:
    plain = _PLAIN.get(name)
    form = "object" if plain is None else FIELDS[plain].kind
    return pa.bool_() if form == "boolean" else _KINDS.get(form, pa.string())


def _value(value: Any, kind: Any, name: str) -> Any:
    """What a column of a type holds of it."""
    if value is None:
        return None
    if kind == pa.int64():
        return value if type(value) is int and value in _INT64 else None
    if kind == pa.float64():
        return value if type(value) in (int, float) else None
    if kind == pa.bool_():
        return value if type(value) is bool else None
    plain = _PLAIN.get(name)
    if plain is not None and FIELDS[plain].kind == "string":
        return value if type(value) is str else None
    return encode(value).decode()
