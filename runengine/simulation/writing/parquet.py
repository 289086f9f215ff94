"""Simulated runs as a Parquet file: columns of the lifecycle, or whole records.

`lifecycle`: one row for each observation, with what the rules of the lifecycle speak of. `record`: every
top-level field of the record as a column; what is an object or an array is its JSON text, so that any field is read the
same way. Times are whole numbers with their unit in the name, or Unix seconds as on the wire; null and a key that is
not there are one.

Creates that were refused on a busy thread are no records, and are left out. Rows are gathered until a row group is
full, whatever the chunks: so the bytes do not depend on the chunks. They do on the version of pyarrow, which writes
its name into the file.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from runengine.core import STATUSES
from runengine.core.shape import presence
from runengine.simulation.errors import MissingExtra
from runengine.simulation.recording import Recording, Row, View
from runengine.simulation.scenario import Scenario
from runengine.simulation.toml import write_scenario
from runengine.simulation.vectors.draws import Draws, Ints
from runengine.simulation.vectors.histories import NEVER
from runengine.simulation.vectors.observing import KINDS
from runengine.simulation.vectors.stamps import Stamps
from runengine.simulation.writing.arrow import HEAD, Records, Rows, chosen, ids, numbers
from runengine.simulation.writing.chunk import Chunk, Told
from runengine.simulation.writing.order import Order

try:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter
except ImportError:
    raise MissingExtra("writing Parquet", "simulation") from None

__all__ = ["Columns", "Parquet", "Writes"]

Columns = Literal["lifecycle", "record"]
"""Which columns a file has."""

GROUP_ROWS: Final = 1 << 18
"""Rows in a row group."""

_STAMPS: Final = ("started_at", "completed_at", "failed_at", "cancelled_at")
_LIFECYCLE: Final = {
    "run_id": pa.string(),
    "thread_id": pa.string(),
    "assistant_id": pa.string(),
    "model": pa.string(),
    "status": pa.string(),
    **HEAD,
    **dict.fromkeys(
        ("created_at", "started_at", "expires_at", "completed_at", "failed_at", "cancelled_at"), pa.int64()
    ),
}


class Writes(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes, /) -> Any:
        """Take some."""


class Parquet:
    """A sink that writes one Parquet file.

    Args:
        out: Where its bytes go.
        scenario: The world.
        seed: The simulation's; scenario, seed and version stand in the file's metadata.
        view: `history` or `polled`.
        columns: Which.
        order: `run`: one run after another; `time`: by the moment of each observation.
        told: As of every sink; it is told the numbers of rows, from 1.
        group_rows: Rows in a row group; it changes the bytes.

    Raises:
        ValueError: streams have no columns, or the scenario's dialect is not native.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.producing import produce
        >>> out, steady = io.BytesIO(), scenario_named("steady")
        >>> counts = produce(steady, 1, 100, Parquet(out, steady, 1, "history"))
        >>> counts.runs, out.getvalue()[:4]
        (100, b'PAR1')
    """

    def __init__(
        self,
        out: Writes,
        scenario: Scenario,
        seed: int,
        view: View,
        *,
        columns: Columns = "lifecycle",
        order: Order = "time",
        told: Told | None = None,
        group_rows: int = GROUP_ROWS,
    ) -> None:
        if view == "stream":
            raise ValueError("a stream has no columns: write .sse or .jsonl, or another view")
        if scenario.dialect != "native":
            raise ValueError(f"columns are those of the native dialect, not {scenario.dialect}: write .jsonl")
        self._view, self._by_time, self._told, self._group_rows = view, order == "time", told, group_rows
        self._records = Records(scenario) if columns == "record" else None
        self._scenario = scenario
        self._draws = Draws(seed)
        self._pending: Rows = {}
        self._ready: list[Rows] = []
        self._special: dict[int, tuple[str, Row]] = {}
        self._left: dict[str, tuple[int, tuple[int, ...]]] = {}
        self._serial = 0
        self._rows = 0
        self._metadata = {
            "runengine.version": version("runengine"),
            "runengine.scenario": write_scenario(scenario),
            "runengine.seed": str(seed),
            "runengine.view": view,
            "runengine.order": order,
        }
        self._out = _Out(out)
        self._writer: ParquetWriter | None = None
        self._hand = ThreadPoolExecutor(max_workers=1)
        self._writing: Future[None] | None = None

    def write(self, chunk: Chunk) -> None:
        """As `Sink.write`."""
        rows = self._rows_of(chunk)
        if self._by_time:
            rows = _joined([self._pending, rows]) if self._pending else rows
            self._order(rows, rows["at_us"] < chunk.horizon_us)
        else:
            self._ready.append(rows)
        self._flush(self._group_rows)
        if self._records is not None:
            self._records.forget([*self._ready, self._pending])

    def close(self) -> None:
        """As `Sink.close`."""
        if self._pending:
            self._order(self._pending, np.ones(len(self._pending["run"]), np.bool_))
        self._flush(1)
        if self._writer is None:
            self._open(pa.schema(list(self._kinds().items())))
        self._await()
        self._hand.shutdown()
        assert self._writer is not None
        self._writer.close()

    def abandon(self) -> None:
        """Write nothing more: what was written is thrown away."""
        self._out.is_dropped = True
        with suppress(Exception):
            self._await()
        self._hand.shutdown()

    def carries(self, recording: Recording) -> bool:
        """Whether the rows of a broken recording are still objects with these columns, of their types.

        Args:
            recording: The recording.
        """
        return self._records is not None and all(self._records.carries(row) for row in recording.rows)

    def _order(self, rows: Rows, is_ready: NDArray[np.bool_]) -> None:
        ready = np.flatnonzero(is_ready)
        self._ready.append(_taken(rows, ready[np.argsort(rows["at_us"][ready], kind="stable")]))
        self._pending = _taken(rows, np.flatnonzero(~is_ready))

    def _rows_of(self, chunk: Chunk) -> Rows:
        """The rows of a chunk, by run."""
        observed = chunk.observed
        entry, run = observed.entry, observed.run
        histories, stamps = chunk.histories, Stamps(chunk.histories)
        first = np.flatnonzero(np.append(True, run[1:] != run[:-1]))
        begins = np.repeat(first, np.diff(np.append(first, len(run))))
        live = np.array([presence("expires_at", row.target) != "never" for row in histories.world.rows])
        created_at = stamps.created_at[run]
        deadline = created_at + self._scenario.ttl_s
        rows: Rows = {
            "at_us": observed.at_us,
            "run": histories.runs[run],
            "thread": histories.thread[run],
            "assistant": chunk.details.assistant[run].astype(np.int32),
            "row": histories.row[entry],
            "kind": observed.kind,
            "seq": (np.arange(len(run)) - begins + 1).astype(np.int32),
            "observed_at_us": observed.seen_us,
            "created_at": created_at,
            "expires_at": np.where(live[histories.row[entry]], deadline, NEVER),
            **{name: stamps.of(name)[entry] for name in _STAMPS},
        }
        if self._records is not None:
            rows |= self._records.rows_of(chunk, stamps)
        return self._broken(chunk, rows, run) if chunk.faulted else rows

    def _broken(self, chunk: Chunk, rows: Rows, run: Ints) -> Rows:
        """The same, with the rows of broken recordings in the places of theirs."""
        kept = np.flatnonzero(~np.isin(run, list(chunk.faulted)))
        parts, places = [_taken(rows, kept)], [run[kept]]
        for place, recording in chunk.faulted.items():
            run_id, count = recording.life.run_id, len(recording.rows)
            if count:
                self._left[run_id] = count, ()
            elif self._told:
                self._told(run_id, ())
            more = {name: np.repeat(values[:1], count) for name, values in rows.items()}
            more["run"][:], more["seq"][:] = recording.life.index, np.arange(count) + 1
            more["at_us"][:] = [row.at_us for row in recording.rows]
            more["special"][:] = self._serial + np.arange(count)
            self._special.update((self._serial + n, (run_id, row)) for n, row in enumerate(recording.rows))
            self._serial += count
            parts.append(more)
            places.append(np.full(count, place))
        return _taken(_joined(parts), np.argsort(np.concatenate(places), kind="stable"))

    def _flush(self, least: int) -> None:
        """Write row groups, as long as there are so many rows."""
        if sum(len(rows["run"]) for rows in self._ready) < least:
            return
        ready = _joined(self._ready)
        for start in range(0, len(ready["run"]), self._group_rows):
            rows = {name: values[start : start + self._group_rows] for name, values in ready.items()}
            self._ready = [rows]
            if len(rows["run"]) < least:
                return
            self._write_group(rows)
        self._ready = []

    def _write_group(self, rows: Rows) -> None:
        columns = self._columns(rows)
        if self._special:
            assert self._records is not None
            places = np.flatnonzero(rows["special"] >= 0)
            broken = [self._special.pop(number) for number in rows["special"][places].tolist()]
            columns = self._records.patched(columns, places, [row for _, row in broken])
            for (run_id, row), place in zip(broken, places.tolist(), strict=True):
                self._tell(run_id, row, self._rows + place + 1)
        table = pa.table(columns)
        if self._writer is None:
            self._open(table.schema)
        assert self._writer is not None
        self._await()
        self._writing = self._hand.submit(self._writer.write_table, table, self._group_rows)
        self._rows += len(rows["run"])

    def _await(self) -> None:
        """Until the row group before is written: one at a time, while the next is gathered."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _tell(self, run_id: str, row: Row, number: int) -> None:
        left, lines = self._left[run_id]
        self._left[run_id] = left, lines = left - 1, (*lines, number) if row.broken else lines
        if not left:
            del self._left[run_id]
            if self._told:
                self._told(run_id, lines)

    def _kinds(self) -> Mapping[str, Any]:
        return _LIFECYCLE if self._records is None else self._records.kinds

    def _open(self, schema: Any) -> None:
        deltas = [name for name in schema.names if name == "seq" or name.endswith(("_at", "_us"))]
        options: dict[str, Any] = {
            "compression": "zstd",
            "compression_level": 1,
            "use_dictionary": [name for name in schema.names if name not in deltas],
            "column_encoding": dict.fromkeys(deltas, "DELTA_BINARY_PACKED"),
            "dictionary_pagesize_limit": 1 << 28,
            "write_statistics": [name for name in schema.names if name not in ("run_id", "id", "thread_id")],
            "store_schema": False,
        }
        self._writer = ParquetWriter(pa.PythonFile(self._out, mode="w"), schema, **options)
        self._writer.add_key_value_metadata(self._metadata)

    def _columns(self, rows: Rows) -> dict[str, Any]:
        table, assistants = self._scenario.machine.rows, self._scenario.assistants
        statuses = np.array([STATUSES.index(row.target) for row in table], np.int8)
        event = rows["row"] if self._view == "history" else np.full(len(rows["row"]), NEVER)
        made = {
            **{name: numbers(rows[name], kind) for name, kind in _LIFECYCLE.items() if name in rows and name != "kind"},
            "run_id": ids("run_", self._draws, "run", rows["run"]),
            "thread_id": ids("thread_", self._draws, "thread", rows["thread"].astype(np.uint64)),
            "assistant_id": chosen([one.assistant_id for one in assistants], rows["assistant"]),
            "model": chosen([one.model for one in assistants], rows["assistant"]),
            "status": chosen(STATUSES, statuses[rows["row"]]),
            "kind": chosen(KINDS, rows["kind"]),
            "event": chosen([row.event for row in table], event),
        }
        if self._records is not None:
            made = self._records.columns(made, rows)
        return {name: made[name] for name in self._kinds()}


class _Out(io.RawIOBase):
    """What pyarrow writes to: it asks for more than `write`."""

    def __init__(self, out: Writes) -> None:
        self._writes = out
        self._place = 0
        self.is_dropped = False

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def write(self, data: Any) -> int:
        if not self.is_dropped:
            self._writes.write(bytes(data))
        self._place += len(data)
        return len(data)


def _joined(parts: Sequence[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _taken(rows: Rows, places: Ints) -> Rows:
    return {name: values[places] for name, values in rows.items()}
