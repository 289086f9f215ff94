"""One input after another through its reader, or the whole checker, and what came of it."""

from __future__ import annotations

import gzip
import io
import resource
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import zstandard
from attrs import define, frozen

from runengine.errors import TraceUnreadable
from runengine.validation import Checker
from runengine.validation.observations import Item, Unreadable
from runengine.validation.readers import AUTO, DATABASE_READERS, READERS, read_items
from runengine.validation.readers.reader import DatabaseReader, Reader
from tests.fuzz.mutating import mutated
from tests.fuzz.seeds import DATABASES, seeds_of
from tests.fuzz.shapes import SHAPED

__all__ = [
    "CHECKED",
    "MEMORY_BYTES_MAX",
    "SECONDS_MAX",
    "SHARES",
    "Failure",
    "Tally",
    "input_of",
    "peak_bytes",
    "planned",
    "run",
]

SECONDS_MAX: Final = 2.0
"""Longest time of a processor that one input may take."""

MEMORY_BYTES_MAX: Final = 1024 * 1024 * 1024
"""Most memory that a process which reads them, one after another, may ever hold."""

SHARES: Final[dict[str, int]] = {"parquet": 40, "arrow": 40, "vcr": 60, "store": 4, "kotlin-sql": 4}
"""How many inputs each reader gets, beside 100 of any other: what takes long gets fewer."""

CHECKED: Final = 0.3
"""The share of inputs that go through the whole checker, not only through the reader."""

_NAMES: Final = {
    "sse": "x.sse",
    "json": "x.json",
    "vcr": "x.yaml",
    "har": "x.har",
    "parquet": "x.parquet",
    "arrow": "x.arrow",
}


@frozen(kw_only=True)
class Failure:
    """An input that broke a reader.

    Attributes:
        reader: The reader's name.
        seed: The seed of all.
        number: The input's number.
        what: What happened.
    """

    reader: str
    seed: int
    number: int
    what: str

    def __str__(self) -> str:
        data = input_of(self.reader, self.seed, self.number)
        return f"{self.reader}, seed {self.seed}, input {self.number}: {self.what}\n{data[:4000]!r}"


@define(kw_only=True)
class Tally:
    """What came of the inputs of one reader.

    Attributes:
        inputs: How many there were.
        items: What the reader yielded.
        unreadable: How many of these were lines or documents that cannot be read.
        refused: Inputs that were refused as a whole.
        slowest_s: The longest that one took, seconds of a processor.
        slowest: Its number.
        peak_bytes: The most memory the process held.
    """

    inputs: int = 0
    items: int = 0
    unreadable: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    slowest: int = 0
    peak_bytes: int = 0

    def add(self, other: Tally) -> None:
        """Add the inputs of another process."""
        self.inputs += other.inputs
        self.items += other.items
        self.unreadable += other.unreadable
        self.refused += other.refused
        if other.slowest_s > self.slowest_s:
            self.slowest_s, self.slowest = other.slowest_s, other.slowest
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)


def planned(inputs: int, reader: str | None = None) -> dict[str, int]:
    """How many inputs each reader gets, so many in all; at least one.

    Args:
        inputs: How many.
        reader: The only one, or None for all in the registry.
    """
    shares = {name: SHARES.get(name, 100) for name in READERS if reader in (None, name)}
    whole = sum(shares.values())
    made = {name: max(1, inputs * share // whole) for name, share in shares.items()}
    made[max(made, key=lambda name: made[name])] += max(0, inputs - sum(made.values()))
    return made


def _rng(reader: str, seed: int, number: int) -> Random:
    return Random(f"{seed}/{reader}/{number}")


def input_of(reader: str, seed: int, number: int) -> bytes:
    """The bytes of one input, always the same.

    Args:
        reader: The reader's name.
        seed: The seed of all.
        number: Its number.
    """
    rng = _rng(reader, seed, number)
    shape = SHAPED.get(reader)
    if shape is None or rng.random() < 0.6:
        data = mutated(rng, seeds_of(reader))
    else:
        data = shape(rng)
        if rng.random() < 0.3:
            data = mutated(rng, [data])
    if reader not in DATABASES and rng.random() < 0.03:
        data = gzip.compress(data, 1, mtime=0) if rng.random() < 0.5 else zstandard.compress(data, 1)
        if rng.random() < 0.5:
            data = mutated(rng, [data])
    return data


def peak_bytes() -> int:
    """The most memory this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _items(reader: str, data: bytes, rng: Random, folder: Path, skim: Any) -> Iterator[Item]:
    chosen = READERS[reader]
    if isinstance(chosen, DatabaseReader):
        file = folder / "fuzzed.db"
        for journal in folder.glob("fuzzed.db-*"):
            journal.unlink()
        file.write_bytes(data)
        url = f"sqlite:///{file}"
        known = [chosen] if rng.random() < 0.5 else [*DATABASE_READERS.values()]
        yield from next((each for each in known if each.recognises(url)), known[-1]).read(url)
        return
    assert isinstance(chosen, Reader)
    name = _NAMES.get(reader, "x") if rng.random() < 0.7 else "x"
    yield from read_items(name, io.BytesIO(data), skim, AUTO if rng.random() < 0.3 else reader)


def run(reader: str, seed: int, number: int, tally: Tally, folder: Path) -> Failure | None:
    """Read one input, and check it too where chance has it so.

    Args:
        reader: The reader's name.
        seed: The seed of all.
        number: The input's number.
        tally: Where it is counted.
        folder: Where files may be put.
    """
    data, rng = input_of(reader, seed, number), Random(number)
    before_s, problem = time.process_time(), None
    tally.inputs += 1
    try:
        checker = Checker() if rng.random() < CHECKED else None
        items = _counted(_items(reader, data, rng, folder, checker.skim if checker is not None else None), tally)
        for _ in items if checker is None else checker.check("x", items):
            pass
    except TraceUnreadable:
        tally.refused += 1
    except MemoryError:
        problem = "no memory left"
    except Exception:  # noqa: BLE001 - any is a failure
        problem = traceback.format_exc()
    took_s, held_bytes = time.process_time() - before_s, peak_bytes()
    if took_s > tally.slowest_s:
        tally.slowest_s, tally.slowest = took_s, number
    if problem is None and took_s > SECONDS_MAX:
        problem = f"took {took_s:.1f} s"
    if problem is None and held_bytes > MEMORY_BYTES_MAX >= tally.peak_bytes:
        problem = f"the process held {held_bytes:,} bytes"
    tally.peak_bytes = max(tally.peak_bytes, held_bytes)
    return None if problem is None else Failure(reader=reader, seed=seed, number=number, what=problem)


def _counted(items: Iterator[Item], tally: Tally) -> Iterator[Item]:
    for item in items:
        tally.items += 1
        tally.unreadable += isinstance(item, Unreadable)
        yield item
