"""What the benchmarks of stores share: runs to step, the same steps as raw SQL, pairs measured in turn."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from typing import Any

from runengine.core import PRACTICAL, Create, Start
from runengine.embedding import Runtime, Settings
from runengine.embedding.plans.moves import Context, Moves
from runengine.stores import Row, Step
from runengine.stores.columns import COLUMNS, entry_values, row_values

MISSED: list[bool] = []
"""One for each requirement that was not met, in this process."""

T0_US = 1_767_258_000_000_000
COLUMN_NAMES = tuple(column.name for column in COLUMNS if column.name != "body")
ENTRY_NAMES = ("run_id", "seq", "kind", "name", "at_us", "status", "data", "worker", "fence")
GUARD = ("id", "version", "status", "fence", "lease_until_us")


@contextmanager
def folder() -> Iterator[Path]:
    """A folder on the disk that the tests use, removed in the end."""
    path = Path(tempfile.mkdtemp(prefix="runengine-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def fill(runtime: Runtime, prefix: str, count: int) -> list[str]:
    """Queued runs, each on a thread of its own."""
    ids = [f"run_{prefix}{n}" for n in range(count)]

    def create(run_id: str) -> None:
        runtime.create(f"thread_{run_id}", "asst_1", "gpt-4o", run_id=run_id, ttl_s=86_400).or_raise()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(create, ids))
    return ids


def start_of(row: Row) -> Step:
    """The step that `start` makes of a row, for the raw side."""
    moves = Moves(Context(policy=PRACTICAL, settings=Settings()), row.last_us + 1)
    moves.take(row, Start(at_us=moves.at_us))
    return moves.steps[0]


def birth(run_id: str, thread_id: str, at_us: int = T0_US) -> Row:
    """A queued row."""
    create = Create(
        at_us=at_us, run_id=run_id, thread_id=thread_id, assistant_id="asst_1", model="gpt-4o", ttl_s=86_400
    )
    return Moves(Context(policy=PRACTICAL, settings=Settings()), at_us).give_birth(create, digest=None)


def raw_values(step: Step) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The values of the guarded UPDATE, and of the INSERT into history."""
    assert step.before is not None
    assert step.entry is not None
    before = dict(zip(COLUMN_NAMES, row_values(step.before), strict=True))
    return (*row_values(step.after), *(before[name] for name in GUARD)), entry_values(step.entry)


def timed(work: Callable[[], object]) -> float:
    """Seconds it takes."""
    began = perf_counter()
    work()
    return perf_counter() - began


def least_s(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The least seconds of each, taken in turn."""
    least = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for name, work in works.items():
            least[name] = min(least[name], timed(work))
    return least


def by_many(threads: int, work: Callable[[Any], object], items: Sequence[Any]) -> Callable[[], None]:
    """The same work by that many callers at once, who are there already when it is timed."""
    gate = Event()

    def one(share: Sequence[Any]) -> None:
        gate.wait()
        for item in share:
            work(item)

    callers = [Thread(target=one, args=(items[place::threads],)) for place in range(threads)]
    for caller in callers:
        caller.start()

    def run() -> None:
        gate.set()
        for caller in callers:
            caller.join()

    return run


def in_turn(work: Callable[[Any], object], items: Sequence[Any]) -> Callable[[], None]:
    """The same work by one caller."""

    def run() -> None:
        for item in items:
            work(item)

    return run


def chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Pieces of that size, in order."""
    for place in range(0, len(items), size):
        yield items[place : place + size]


def pair(name: str, ours: float, theirs: float, count: int, need: float) -> None:
    """Print one comparison: rates, how many times as fast ours is, and whether that is enough."""
    ratio = theirs / ours
    rates = f"{name:<58} {count / ours:>9,.0f}/s  {count / theirs:>9,.0f}/s"
    print(f"{rates}   {ratio:>6.2f}   {need:.2f}{met(ratio >= need)}")


def met(is_met: bool) -> str:
    """Nothing where a requirement is met; else a word, and the command ends with code 1."""
    if not is_met:
        MISSED.append(True)
    return "" if is_met else "   NOT MET"


def header(theirs: str) -> None:
    """The line above pairs."""
    print(f"{'':<58} {'runengine':>11}  {theirs:>11}   {'ratio':>6}   required")


__all__ = [
    "COLUMN_NAMES",
    "ENTRY_NAMES",
    "GUARD",
    "birth",
    "MISSED",
    "by_many",
    "chunks",
    "fill",
    "folder",
    "header",
    "in_turn",
    "met",
    "pair",
    "raw_values",
    "start_of",
    "timed",
]
