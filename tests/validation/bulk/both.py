"""Both engines on one file: what they say, and what they count, must be the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from runengine.validation import Checker, Options
from runengine.validation.readers import items_in
from tests.validation.checking import Checked

pytest.importorskip("numpy")
pytest.importorskip("pyarrow")

from runengine.validation.bulk import arrow_files, ndjson, parquet
from runengine.validation.bulk.compiled import Compiled
from runengine.validation.bulk.engine import checked, sift
from runengine.validation.bulk.fragments import Fragment
from runengine.validation.bulk.pools import Pool

__all__ = ["SMALL", "by_bulk", "by_stream", "same", "source_of", "suspected"]

SMALL = {"piece_bytes": 700, "piece_rows": 5}
"""About so large are pieces where seams are to be everywhere."""


def source_of(path: Path, options: Options, *, piece_bytes: int, piece_rows: int) -> Any:
    """A file as a source, in pieces of that size; None where it is not for the sieve."""
    if path.suffix in (".parquet", ".arrow"):
        form = parquet if path.suffix == ".parquet" else arrow_files
        table = form.sievable(str(path), options, piece_rows=piece_rows)
        return None if isinstance(table, str) else table
    lines = ndjson.sievable(str(path), options)
    return None if isinstance(lines, str) else evolve(lines, piece_bytes=piece_bytes)


def by_stream(path: Path, options: Options) -> Checked:
    """What the checker says of all of it."""
    checker = Checker(options)
    return Checked(list(checker.check(str(path), items_in(str(path), skim=checker.skim))), checker.summary)


def by_bulk(path: Path, options: Options, *, memory_max: int | None = None, **pieces: int) -> Checked | None:
    """What comes of it through the sieve, with pieces of that size, read by threads; None where it is not for it."""
    checker, given = Checker(options), source_of(path, options, **(pieces or SMALL))
    if given is None:
        return None
    with Pool(1) as pool:
        source: Any = _InThreads(given)
        sifted = sift(source, Compiled.of(options), pool, memory_max=memory_max)
        assert sifted is not None
        found = list(checked(checker, str(path), source, sifted, pool))
    return Checked(found, checker.summary)


class _InThreads:
    """A source that is read by threads, which begin sooner than processes."""

    in_threads = True

    def __init__(self, source: Any) -> None:
        self._source = source

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


def same(path: Path, options: Options, **more: Any) -> Checked:
    """Check a file by both engines, and hold one against the other; what the stream engine says."""
    stream, bulk = by_stream(path, options), by_bulk(path, options, **more)
    assert bulk is not None, f"{path.name} is not for the sieve"
    assert bulk.violations == stream.violations
    assert bulk.summary == stream.summary
    return stream


def suspected(path: Path, options: Options, **pieces: int) -> list[bool]:
    """Of each place of a file, whether it is for the checker."""
    source, compiled = source_of(path, options, **(pieces or SMALL)), Compiled.of(options)
    batches = [source.columns(piece) for piece in source.pieces]
    whole: Fragment | None = None
    for batch in batches:
        fragment = Fragment.of(batch, compiled)
        whole = fragment if whole is None else whole.merge(fragment, compiled)
    if whole is None:
        return []
    suspects = whole.finished(compiled)
    return [fed for batch in batches for fed in (batch.odd | suspects.mask(batch.run, batch.thread)).tolist()]
