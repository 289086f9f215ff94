"""Small valid inputs of every form, made by the project's own code."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from runengine.dialects.kotlin_sql import write_runs
from runengine.simulation import scenario_named
from runengine.simulation.producing import produce
from runengine.simulation.recording import View
from runengine.simulation.writing.jsonl import JsonLines
from runengine.simulation.writing.parquet import Columns, Parquet
from runengine.simulation.writing.sse import EventStreams
from runengine.stores.opening import open_store
from runengine.validation.catalogue.examples import record
from tests.samples import STATUSES
from tests.stores.working import worked
from tests.validation.readers.taped import FORMS, LIFE, as_rows, in_stream

__all__ = ["DATABASES", "SEEDS", "VALUES", "in_arrow", "seeds_of"]

_SCENARIO: Final = "steady"
_STEP: Final = {
    "id": "step_1",
    "object": "thread.run.step",
    "run_id": "run_1",
    "thread_id": "thread_1",
    "created_at": 1,
    "type": "tool_calls",
    "status": "in_progress",
    "step_details": {"type": "tool_calls", "tool_calls": []},
}
_MESSAGE: Final = {
    "id": "msg_1",
    "object": "thread.message",
    "thread_id": "thread_1",
    "run_id": "run_1",
    "role": "assistant",
    "status": "in_progress",
    "created_at": 1,
    "content": [{"type": "text", "text": {"value": "x"}}],
}

VALUES: Final[tuple[Any, ...]] = (
    *(record(status) for status in STATUSES),
    {"kind": "create", "http_date": "Thu, 24 Jul 2025 21:06:50 GMT", "data": record("queued")},
    {"kind": "history", "event": "complete", "observed_at": 1.5, "data": record("completed")},
    {"object": "list", "data": [record("queued"), record("expired")], "has_more": False},
    {"kind": "cancel", "http_status": 400, "error": {"message": "Cannot cancel run with status 'completed'."}},
    {"kind": "stream", "event": "thread.run.step.created", "data": _STEP},
    _STEP,
    _MESSAGE,
    {"id": "step_1", "object": "thread.run.step.delta", "delta": {"step_details": None}},
    {"id": "thread_1", "object": "thread", "created_at": 1, "metadata": {}, "tool_resources": None},
    {"id": "asst_1", "object": "assistant"},
)
"""What a recording may hold."""


def _simulated(view: View, sink: Callable[[Any], Any]) -> bytes:
    out = io.BytesIO()
    produce(scenario_named(_SCENARIO), 3, 3, sink(out), view=view)
    return out.getvalue()


def _lines(view: View) -> bytes:
    return _simulated(view, lambda out: JsonLines(out, scenario_named(_SCENARIO), view))


def _table(columns: Columns) -> bytes:
    return _simulated(
        "history",
        lambda out: Parquet(out, scenario_named(_SCENARIO), 3, "history", columns=columns, group_rows=8),
    )


def _written(rows: list[dict[str, Any]], **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out, row_group_size=4, **options)
    return out.getvalue()


def _json_lines() -> list[bytes]:
    values = "".join(json.dumps(value) + "\n" for value in VALUES).encode()
    return [values, _lines("history")[:6_000], _lines("polled")[:20_000], as_rows(LIFE)]


def _documents() -> list[bytes]:
    runs = [record(status) for status in STATUSES]
    return [
        json.dumps(runs).encode(),
        json.dumps(runs, indent=2).encode(),
        json.dumps(VALUES, indent=1).encode(),
        json.dumps({"object": "list", "data": runs}, indent=4).encode(),
    ]


def _streams() -> list[bytes]:
    made = _simulated("stream", lambda out: EventStreams(out, scenario_named(_SCENARIO)))
    return [made[:6_000], *(str(call.answer).encode() for call in in_stream())]


def _parquet() -> list[bytes]:
    runs = [record(status) for status in STATUSES]
    bare = [{k: v for k, v in run.items() if v not in (None, {}, [])} for run in runs]
    text = [{"data": json.dumps(value), "observed_at": 1.5, "event": None} for value in VALUES]
    return [
        _table("lifecycle"),
        _table("record"),
        _written(bare, compression="none"),
        _written(bare, compression="gzip", use_dictionary=False, data_page_version="2.0"),
        _written(text, compression="snappy"),
    ]


def in_arrow(table: pa.Table, *, stream: bool = False, compression: str | None = None, rows: int = 5) -> bytes:
    """A table as an Arrow file, or as a stream.

    Args:
        table: The table.
        stream: As a stream.
        compression: Of its buffers.
        rows: How many a record batch has.
    """
    out = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    begin = pa.ipc.new_stream if stream else pa.ipc.new_file
    with begin(out, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)
    return out.getvalue()


def _arrow() -> list[bytes]:
    tables = [pq.read_table(io.BytesIO(seed)) for seed in _parquet()]
    coded = pq.read_table(io.BytesIO(_table("lifecycle")), read_dictionary=["status", "run_id"])
    packed = [in_arrow(table, compression=how) for table, how in zip(tables, ("lz4", "zstd"), strict=False)]
    return [*map(in_arrow, tables), *packed, in_arrow(coded.unify_dictionaries()), in_arrow(tables[0], stream=True)]


def _taped(*names: str) -> list[bytes]:
    packed = [call._replace(packed=True) for call in LIFE]
    return [FORMS[name](calls) for name in names for calls in (LIFE, in_stream(), packed)]


def _store() -> list[bytes]:
    chosen: list[Any] = [("create", 0, 0, True), ("claim", 0, 0, False), ("complete", 0, 0, False)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        worked(open_store(f"sqlite:///{path}"), chosen).close()
        return [path.read_bytes()]


def _unheard(_number: int, _losses: list[Any]) -> None:
    """What the tables cannot carry is no matter."""


def _kotlin() -> list[bytes]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        write_runs(f"sqlite:///{path}", [record(status, id=f"run_{status}") for status in STATUSES], _unheard)
        return [path.read_bytes()]


SEEDS: Final[dict[str, Callable[[], list[bytes]]]] = {
    "json-lines": _json_lines,
    "json": _documents,
    "sse": _streams,
    "parquet": _parquet,
    "arrow": _arrow,
    "vcr": lambda: _taped("vcrpy.yaml", "vcrpy.json", "ruby.yml"),
    "har": lambda: _taped("browser.har"),
    "azure": lambda: _taped("proxy.json"),
    "store": _store,
    "kotlin-sql": _kotlin,
}
"""By reader."""

DATABASES: Final = ("store", "kotlin-sql")
"""Readers of an address: the input is a file of SQLite's."""


@cache
def seeds_of(reader: str) -> tuple[bytes, ...]:
    """The seeds of a reader.

    Args:
        reader: Its name.
    """
    return tuple(SEEDS[reader]())
