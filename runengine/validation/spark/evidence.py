"""What the workers do then: the rows of suspects are picked out, brought together, and shown to the checker.

Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
from attrs import fields

from runengine.validation.bulk.compiled import Compiled
from runengine.validation.bulk.counts import Counts
from runengine.validation.bulk.fragments import Suspects
from runengine.validation.checker import Checker
from runengine.validation.findings import Violation
from runengine.validation.observations import LeftOut
from runengine.validation.spark.chains import Chain, in_order
from runengine.validation.spark.decoding import Told, scoped
from runengine.validation.spark.shipping import RUN, THREAD, Entries, counts_of, of_counts
from runengine.validation.spark.sieving import Part, fragment_of, joined_rows, parts
from runengine.validation.summary import Summary

__all__ = ["COLUMNS", "FINDINGS", "PLACES", "chosen", "judged", "row_of", "summary_of", "violation_of"]

PLACES: Final = "runengine_base bigint, runengine_run bigint, runengine_thread bigint"
"""What is added to a row that is picked out: where its part stands, and its keys."""

_TEXTS: Final = tuple(each.name for each in fields(Violation) if each.name not in ("line", "found"))
_NAMES: Final = tuple(each.name for each in fields(Violation))
_KINDS: Final = {"line": "bigint"}

COLUMNS: Final = ", ".join(f"{name} {_KINDS.get(name, 'string')}" for name in _NAMES)
"""A violation, `found` as JSON."""

FINDINGS: Final = f"{COLUMNS}, turn bigint, place bigint, counted string"
"""The same, the turn of its recording, and its place among others; or counts in place of all that."""

_SCHEMA: Final = pa.schema(
    [
        *((name, pa.int64() if name == "line" else pa.string()) for name in _NAMES),
        ("turn", pa.int64()),
        ("place", pa.int64()),
        ("counted", pa.string()),
    ]
)
_FOUND_ROWS: Final = 4096
_COUNTERS: Final = ("violations", "by_code", "statuses")
_NUMBERS: Final = ("runs", "observations", "threads", "passed", "companions", "unread")


def chosen(told: Told, suspects: Suspects | None, batches: Iterable[Any]) -> Iterator[Any]:
    """The rows of suspects, and those whose keys are not known, with `PLACES`.

    Args:
        told: What the worker is told.
        suspects: Who is suspect; None for all.
        batches: Record batches as `fragments` takes them.

    Example:
        >>> from runengine.validation.summary import Options
        >>> stamps = {"created_at": [5], "started_at": pa.array([None], pa.int64())}
        >>> record = {"id": ["r"], "thread_id": ["t"], "status": ["queued"], **stamps}
        >>> told = Told.of(Options(), pa.record_batch(record).schema, True)
        >>> rows = pa.record_batch({**record, "runengine_path": ["a"], "runengine_row": [7]})
        >>> [each.num_rows for known in (Suspects(), None) for each in chosen(told, known, [rows])]
        [1]
    """
    for part in parts(batches, told.in_files):
        run, thread = (scoped(keys, part.scope) for keys in told.keys(part.rows))
        wanted = np.ones(len(run), np.bool_) if suspects is None else (run == 0) | suspects.mask(run, thread)
        places = np.flatnonzero(wanted)
        if len(places):
            added = np.full(len(places), part.base, np.int64), run[places].view(np.int64), thread[places].view(np.int64)
            rows = part.rows.take(pa.array(places))
            names = [*rows.schema.names, *(each.split()[0] for each in PLACES.split(", "))]
            yield pa.RecordBatch.from_arrays([*rows.columns, *map(pa.array, added)], names=names)


def judged(told: Told, batches: Iterable[Any]) -> Iterator[Any]:
    """What the checker says of rows that were picked out, each recording's in order (`FINDINGS`); at last the counts.

    Args:
        told: What the worker is told.
        batches: Record batches as `chosen` yields them, whole threads of them.

    Example:
        >>> from runengine.validation.summary import Options
        >>> stamps = {"created_at": [5], "started_at": pa.array([None], pa.int64())}
        >>> record = {"id": ["r"], "thread_id": ["t"], "status": ["queue"], **stamps}
        >>> told = Told.of(Options(), pa.record_batch(record).schema, True)
        >>> rows = pa.record_batch({**record, "runengine_path": ["a"], "runengine_row": [7]})
        >>> *found, counted = judged(told, chosen(told, None, [rows]))
        >>> [(each.column("code").to_pylist(), each.column("line").to_pylist()) for each in (*found, counted)]
        [(['RE105'], [8]), ([None], [None])]
    """
    options = told.options
    checker, report, told_of = Checker(options), _Report(), _Fed(told)
    path: str | None = None
    turn, name, after = 0, "", 0
    for part in parts(batches, told.in_files):
        if part.path != path:
            report.add(turn, checker.end(name) if path is not None else ())
            checker.begin()
            path, after = part.path, int(part.at[0])
            turn, name = told.name(path)
        told_of.take(part)
        at = part.at.tolist()
        lines = [row + 1 for row in at] if told.in_files else [0] * len(at)
        line = 0
        for item in told.items(part.rows, lines):
            if item.line > after + 1 and told.in_files and item.line != line:
                checker.observe(name, LeftOut(item.line - after - 1))
            line = item.line
            after = max(after, line)
            report.add(turn, checker.observe(name, item))
        yield from report.full()
    report.add(turn, checker.end(name) if path is not None else ())
    yield from report.full(0)
    yield _counted(checker.summary, told_of.counts())


class _Fed:
    """Counts of the rows that the checker is shown, as they were counted before with all others: to be taken off."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._compiled = Compiled.of(told.options)
        self._decoder = told.decoder()
        self._entries: dict[int, list[Entries]] = {RUN: [], THREAD: []}
        self._counts = Counts()
        self._held: list[Part] = []

    def take(self, part: Part) -> None:
        """Count rows of one recording, in the same pieces as before."""
        if not self._told.sieved:
            return
        bases = part.at
        begins = np.zeros(1, np.int64)
        if self._told.in_files:
            bases = part.rows.column("runengine_base").to_numpy(zero_copy_only=False)
            begins = np.flatnonzero(np.diff(bases, prepend=-1))
        for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(bases)], strict=True):
            rows, at = part.rows.slice(begin, end - begin), part.at[begin:end]
            piece = Part(part.scope, part.path, int(bases[begin]), at, part.tie[begin:end], rows)
            if self._held and (self._held[0].scope, self._held[0].base) != (piece.scope, piece.base):
                self._flush()
            self._held.append(piece)

    def counts(self) -> Counts:
        """Counts of all rows so far."""
        self._flush()
        counts = self._counts
        for kind, entries in self._entries.items():
            if entries:
                chain = Chain(kind, self._compiled)
                chain.take(in_order(entries))
                counts -= chain.counts
        return counts

    def _flush(self) -> None:
        if not self._held:
            return
        pieces, self._held = self._held, []
        at, tie = (np.concatenate(each) for each in zip(*((p.at, p.tie) for p in pieces), strict=True))
        rows = joined_rows([piece.rows for piece in pieces])
        piece = pieces[0]._replace(at=at, tie=tie, rows=rows)
        batch = self._decoder.batch(pa.Table.from_batches([rows]))
        runs, threads, fragment = fragment_of(piece, batch, self._compiled, self._told.in_files)
        self._counts += fragment.counts
        self._entries[RUN].append(runs)
        self._entries[THREAD].append(threads)


class _Report:
    """Violations on their way to a record batch."""

    def __init__(self) -> None:
        self._held: list[tuple[int, int, Violation]] = []
        self._count = 0

    def add(self, turn: int, found: Iterable[Violation]) -> None:
        for violation in found:
            self._held.append((turn, self._count, violation))
            self._count += 1

    def full(self, rows: int = _FOUND_ROWS) -> Iterator[Any]:
        """What there is, where it is more than that."""
        if len(self._held) > rows:
            columns: dict[str, list[Any]] = {
                name: [_text(getattr(violation, name)) for _, _, violation in self._held] for name in _TEXTS
            }
            columns["line"] = [violation.line for _, _, violation in self._held]
            columns["found"] = [json.dumps(violation.found) for _, _, violation in self._held]
            columns["turn"], columns["place"] = ([each[i] for each in self._held] for i in (0, 1))
            columns["counted"] = [None] * len(self._held)
            yield pa.RecordBatch.from_pydict(columns, schema=_SCHEMA)
            self._held = []


def _counted(summary: Summary, fed: Counts) -> Any:
    said: dict[str, Any] = {name: getattr(summary, name) for name in _NUMBERS}
    said |= {name: dict(getattr(summary, name)) for name in _COUNTERS}
    said["edges"] = [[*edge, count] for edge, count in summary.edges.items()]
    said["fed"] = of_counts(fed).column("held")[0].as_py().hex()
    row: dict[str, list[Any]] = {name: [None] for name in _SCHEMA.names}
    return pa.RecordBatch.from_pydict({**row, "counted": [json.dumps(said)]}, schema=_SCHEMA)


def summary_of(counted: Iterable[str], counts: Counts) -> Summary:
    """The counts of all: what the checkers counted, and what was counted of all rows, less of those they were shown.

    Args:
        counted: Texts of `FINDINGS`.
        counts: Of all rows.

    Example:
        >>> summary_of([], Counts(runs=2)).runs
        2
    """
    total = Summary()
    for text in counted:
        said = json.loads(text)
        for name in _NUMBERS:
            setattr(total, name, getattr(total, name) + said[name])
        for name in _COUNTERS:
            getattr(total, name).update(said[name])
        total.edges.update(Counter({(source, target): count for source, target, count in said["edges"]}))
        held = pa.record_batch({"held": pa.array([bytes.fromhex(said["fed"])], pa.binary())})
        counts -= counts_of([held])
    counts.add_to(total)
    return total


def violation_of(row: dict[str, Any]) -> Violation:
    """A row of `FINDINGS` as a violation again.

    Example:
        >>> row = dict.fromkeys(_NAMES) | {"code": "RE101", "line": 7, "found": '"queued"', "place": 3}
        >>> violation_of(row).found
        'queued'
    """
    return Violation(
        **{name: row[name] for name in _NAMES if name != "found"}, found=json.loads(row["found"] or "null")
    )


def row_of(violation: Violation) -> tuple[Any, ...]:
    """A violation as a row of `COLUMNS`.

    Example:
        >>> violation = Violation(code="RE901", name="unreadable", severity="error", path="a", line=1, message="no")
        >>> row_of(violation)[:6]
        ('RE901', 'unreadable', 'error', None, None, 'a')
    """
    held = {"line": violation.line, "found": json.dumps(violation.found)}
    return tuple(held[name] if name in held else _text(getattr(violation, name)) for name in _NAMES)


def _text(text: str | None) -> str | None:
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()
