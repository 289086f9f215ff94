"""The plainest decoder of a batch, item by item with the rules themselves: what the fast ones are held to."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from attrs import fields

from runengine.core.candidates import era_of
from runengine.core.fields import FIELDS, IDENTITY, IMMUTABLE
from runengine.core.shape import end_stamp
from runengine.core.statuses import STATUSES
from runengine.core.table import TERMINAL
from runengine.dialects.wire import encode
from runengine.validation import Checker, Options, Violation
from runengine.validation.bulk.batch import NONE, Batch
from runengine.validation.bulk.compiled import Compiled
from runengine.validation.bulk.fragments import Fragment, Suspects
from runengine.validation.bulk.state import Sieve
from runengine.validation.observations import Item, LeftOut, Observation, shows_all
from runengine.validation.readers.natively import native
from runengine.validation.rules.layout import layout_of
from runengine.validation.rules.path import birth_findings, event_findings
from runengine.validation.rules.payload import payload_findings
from runengine.validation.rules.stamps import is_seconds
from runengine.validation.summary import Summary

__all__ = ["batch_of", "key_of", "kept", "looked_at", "sieved"]

SAME = ("object", "created_at", *IDENTITY, *IMMUTABLE)
LASTING = tuple(name for name, each in FIELDS.items() if each.role not in ("metadata", "status") and name != "id")
STAMPS = ("created_at", "started_at", "expires_at")


def key_of(value: Any) -> int:
    """A key of some JSON; 0 of what is no text at all."""
    return int.from_bytes(blake2b(encode(value), digest_size=8).digest(), "little") or 1


def _named(item: Item) -> tuple[int, int]:
    """Keys of the run and the thread that an item is about."""
    record: dict[str, Any] = getattr(native(item, "auto") if isinstance(item, Observation) else item, "record", {})
    run = getattr(item, "run_id", None) or record.get("id" if isinstance(item, Observation) else "run_id")
    thread = getattr(item, "thread_id", None) or record.get("thread_id")
    run, thread = (key_of(each) if isinstance(each, str) else 0 for each in (run, thread))
    return run, thread


def _columns(item: Item, options: Options) -> dict[str, Any] | None:
    """What stands in the columns for an item, or None where they do not vouch for it."""
    if not isinstance(item, Observation) or item.source == "stream":
        return None
    record = native(item, options.dialect).record
    status = record.get("status")
    if status not in STATUSES or not all(isinstance(record.get(name), str) for name in ("id", "thread_id")):
        return None
    end = end_stamp(status) if status in TERMINAL else None
    stamps = {name: record.get(name) for name in (*STAMPS, *filter(None, (end,)))}
    if not is_seconds(stamps["created_at"]) or not all(v is None or is_seconds(v) for v in stamps.values()):
        return None
    keys, types = tuple(record), tuple(map(type, record.values()))
    layout = layout_of(status, keys, types, era_of(record["created_at"]), options.generation, item.columns)
    wrong = (
        *layout.findings,
        *payload_findings(record, layout.candidates, lambda _name: True),
        *event_findings(item.event, status),
        *birth_findings(status, item.created),
    )
    if wrong:
        return None
    run, thread = _named(item._replace(record=record))
    created, started, expires = (NONE if stamps[name] is None else stamps[name] for name in STAMPS)
    return {
        "run": run,
        "thread": thread,
        "status": STATUSES.index(status),
        "created": created,
        "started": started,
        "expires": expires,
        "ended": NONE if end is None or stamps[end] is None else stamps[end],
        "same": key_of([record.get(name, "absent") for name in SAME]),
        "lasting": key_of([record.get(name, "absent") for name in LASTING]),
        "observed": np.nan if item.observed_s is None else item.observed_s,
        "complete": shows_all(item.source, options.sampling),
    }


def batch_of(items: Sequence[Item], options: Options) -> Batch:
    """Items as a batch, a place each."""
    made = [_columns(item, options) for item in items]
    run, thread = np.array([_named(item) for item in items], np.uint64).reshape(-1, 2).T
    odd = Batch.of_odd(run, thread)
    plain = [n for n, each in enumerate(made) if each is not None]
    changed: dict[str, Any] = {"odd": np.array([each is None for each in made], np.bool_)}
    for name in ("run", "thread", "status", "created", "started", "expires", "ended", "same", "lasting"):
        changed[name] = getattr(odd, name).copy()
    changed |= {"observed": odd.observed.copy(), "complete": odd.complete.copy()}
    for n in plain:
        for name, value in (made[n] or {}).items():
            changed[name][n] = value
    return Batch(at=odd.at, total=odd.total, **changed)


def kept(fragments: Iterable[Fragment], compiled: Compiled) -> Sieve:
    """What is kept of pieces in order."""
    sieve = Sieve(compiled)
    for fragment in fragments:
        sieve.take(fragment)
    return sieve


def looked_at(items: Sequence[Item], batch: Batch, suspects: Suspects) -> tuple[list[Item], np.ndarray[Any, Any]]:
    """What the checker is given, and which places those are."""
    chosen = batch.odd | suspects.mask(batch.run, batch.thread)
    return [item if mine else LeftOut(1) for item, mine in zip(items, chosen, strict=True)], chosen


def sieved(items: Sequence[Item], cuts: Sequence[int], **options: Any) -> tuple[list[Violation], Summary, int]:
    """Check items by the sieve, cut before these places: violations, counts, and how many the checker was given."""
    held_to = Options(**options)
    compiled = Compiled.of(held_to)
    bounds = [0, *cuts, len(items)]
    batches = [batch_of(items[a:b], held_to) for a, b in itertools.pairwise(bounds)]
    sieve = kept((Fragment.of(batch, compiled) for batch in batches), compiled)
    checker, fed = Checker(held_to), Sieve(compiled)

    def given() -> Iterator[Item]:
        for batch, begin in zip(batches, bounds, strict=False):
            some, chosen = looked_at(items[begin : begin + len(batch)], batch, sieve.suspects())
            fed.take(Fragment.of(part_of(batch, chosen), compiled))
            yield from some

    found = list(checker.check("made", given()))
    (sieve.counts - fed.counts).add_to(checker.summary)
    return found, checker.summary, sum(fed.counts.statuses)


def part_of(batch: Batch, chosen: np.ndarray[Any, Any]) -> Batch:
    """Some places of a batch."""
    columns: dict[str, Any] = {each.name: getattr(batch, each.name) for each in fields(Batch) if each.name != "total"}
    some: dict[str, Any] = {name: None if each is None else each[chosen] for name, each in columns.items()}
    return Batch(total=batch.total, **some)
