"""Inputs shared out among processes, so that one which hangs, or dies, is named and the others go on."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from attrs import define

from runengine.validation.readers import READERS
from tests.fuzz.running import MEMORY_BYTES_MAX, Failure, Tally, run

__all__ = ["FAILURES_MAX", "HANGS_S", "shared_out"]

HANGS_S: Final = 60.0
"""After so long without an end, an input is said to hang, and its process is ended."""

FAILURES_MAX: Final = 20
"""After so many failures the rest is left."""

_PIECE: Final = 200
_ADDRESSES: Final = 4 * MEMORY_BYTES_MAX
_NAMES: Final = tuple(READERS)
_Piece = tuple[str, int, int]


@define
class _Worker:
    """A process, and what it does.

    Attributes:
        process: It.
        pipe: To it.
        at: Where it says which input it is at.
        piece: What it was given.
        since: The input, and since when it is at it.
    """

    process: Any
    pipe: Connection
    at: Any
    piece: _Piece | None = None
    since: tuple[int, float] = (-1, 0.0)


def _work(pipe: Connection, at: Any, seed: int, parent: Connection) -> None:
    parent.close()
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    with TemporaryDirectory() as folder:
        while (piece := pipe.recv()) is not None:
            reader, start, stop = piece
            tally, failures = Tally(), []
            for number in range(start, stop):
                at.value = number
                if (failure := run(reader, seed, number, tally, Path(folder))) is not None:
                    failures.append(failure)
            pipe.send((reader, tally, failures))


def _pieces(plan: Mapping[str, int]) -> Iterator[_Piece]:
    """All inputs, reader by turns, so that each is under way from the beginning."""
    starts = dict.fromkeys(plan, 0)
    while any(starts[name] < count for name, count in plan.items()):
        for name, count in plan.items():
            start = starts[name]
            if start < count:
                starts[name] = min(count, start + _PIECE)
                yield name, start, starts[name]


def shared_out(
    plan: Mapping[str, int],
    seed: int,
    processes: int,
    told: Callable[[str, Tally], None],
    seconds: float = float("inf"),
) -> tuple[dict[str, Tally], list[Failure]]:
    """What came of every reader's inputs, and what failed.

    Args:
        plan: How many inputs of each reader.
        seed: Of all.
        processes: How many.
        told: Told of each piece that is done.
        seconds: After so many, what has not been begun is left.
    """
    context = multiprocessing.get_context("spawn")
    tallies = {name: Tally() for name in plan}
    failures: list[Failure] = []
    pieces, until_s = list(_pieces(plan))[::-1], time.monotonic() + seconds
    workers = [_started(context, seed) for _ in range(min(processes, len(pieces)))]
    while workers:
        for worker in [*workers]:
            if worker.piece is None:
                more = pieces and len(failures) < FAILURES_MAX and time.monotonic() < until_s
                worker.piece = pieces.pop() if more else None
                worker.pipe.send(worker.piece)
                if worker.piece is None:
                    worker.process.join()
                    workers.remove(worker)
        ready = wait([worker.pipe for worker in workers], timeout=1.0) if workers else []
        for worker in [*workers]:
            if worker.pipe in ready:
                try:
                    reader, tally, failed = worker.pipe.recv()
                except (EOFError, OSError):
                    failures.append(_lost(worker, seed, "the process died", pieces))
                    workers[workers.index(worker)] = _started(context, seed)
                    continue
                tallies[reader].add(tally)
                failures += failed
                worker.piece = None
                told(reader, tally)
            elif _hangs(worker):
                worker.process.kill()
                failures.append(_lost(worker, seed, f"no end after {HANGS_S:g} s", pieces))
                workers[workers.index(worker)] = _started(context, seed)
    return tallies, failures


def _started(context: Any, seed: int) -> _Worker:
    ours, theirs = context.Pipe()
    at = context.Value("q", -1)
    process = context.Process(target=_work, args=(theirs, at, seed, ours), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours, at)


def _hangs(worker: _Worker) -> bool:
    at = worker.at.value
    if at != worker.since[0]:
        worker.since = at, time.monotonic()
    return at >= 0 and time.monotonic() - worker.since[1] > HANGS_S


def _lost(worker: _Worker, seed: int, what: str, pieces: list[_Piece]) -> Failure:
    """The input a process was at when it was lost; what it had not come to is given to another."""
    assert worker.piece is not None
    reader, _, stop = worker.piece
    at = worker.at.value
    if at + 1 < stop:
        pieces.append((reader, at + 1, stop))
    return Failure(reader=reader, seed=seed, number=at, what=what)
