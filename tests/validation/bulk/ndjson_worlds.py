"""Files of JSON Lines for the tests of their columns: simulated ones, and what the scalar reader says of them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import fields

from runengine.core.candidates import era_of
from runengine.core.statuses import STATUSES
from runengine.dialects.wire import encode
from runengine.simulation.recording import Recording
from runengine.validation.bulk.batch import Batch, Ints
from runengine.validation.bulk.ndjson import NdjsonSource
from runengine.validation.observations import Item, LeftOut, Observation, shows_all
from runengine.validation.readers.json_lines import read_json_lines
from runengine.validation.readers.natively import native
from runengine.validation.rules.layout import layout_of
from runengine.validation.rules.path import birth_findings, event_findings
from runengine.validation.rules.payload import payload_findings
from runengine.validation.rules.stamps import is_seconds

__all__ = ["GOOD", "chosen_of", "completeness", "is_plain", "joined", "read", "source_of", "stitched", "text_of"]

GOOD = b'{"object": "assistant"}'
"""A line that begins a file well: what is read after it is read line by line."""


def source_of(path: Path, data: bytes, **changes: Any) -> NdjsonSource:
    """A file with these bytes."""
    path.write_bytes(data)
    return NdjsonSource(path=str(path), **changes)


def text_of(recordings: Iterable[Recording]) -> bytes:
    """Recordings as JSON Lines, one after another, after a line that begins the file well."""
    rows = (row for recording in recordings for row in recording.rows)
    lines = (encode(row.envelope()) if row.raw is None else row.raw.removesuffix(b"\n") for row in rows)
    return joined(tuple(lines))


def read(data: bytes) -> list[Item]:
    """What the scalar reader yields."""
    return list(read_json_lines(io.BytesIO(data)))


def joined(lines: Sequence[bytes]) -> bytes:
    """Lines after one that begins a file well."""
    return b"\n".join((GOOD, *lines))


def stitched(source: NdjsonSource) -> tuple[list[Batch], dict[str, Any]]:
    """The batches of all pieces, and their columns one after another."""
    batches = [source.columns(piece) for piece in source.pieces]
    names = [field.name for field in fields(Batch) if field.name not in ("at", "total", "details")]
    return batches, {name: np.concatenate([getattr(b, name) for b in batches]) for name in names}


def _findings(item: Observation) -> Iterator[object]:
    record = item.record
    status = record["status"]
    layout = layout_of(status, tuple(record), tuple(map(type, record.values())), era_of(record.get("created_at")))
    yield from layout.findings
    yield from payload_findings(record, layout.candidates, lambda _name: True)
    yield from birth_findings(status, item.created)
    yield from event_findings(item.event, status)


def is_plain(item: Item) -> bool:
    """Whether an item may be plain: no stream's, its stamps in range, and the rules on the record alone silent."""
    if not isinstance(item, Observation):
        return False
    item = native(item)
    stamps = [v for k, v in item.record.items() if k.endswith("_at") and v is not None]
    ids = [item.record.get(name) for name in ("id", "thread_id")]
    return (
        item.source != "stream"
        and item.record.get("status") in STATUSES
        and all(isinstance(text, str) for text in ids)
        and all(map(is_seconds, stamps))
        and not any(_findings(item))
    )


def chosen_of(items: Sequence[Item], chosen: Ints) -> list[Item]:
    """The chosen items, and what stands for the others."""
    made: list[Item] = []
    last = 0
    for place in [*chosen.tolist(), len(items)]:
        if place > last:
            made.append(LeftOut(place - last))
        made += items[place : place + 1]
        last = place + 1
    return made


def completeness(item: Observation) -> bool:
    """Whether every status is visible where it was seen."""
    return shows_all(item.source, "auto")
