"""Our own check at volume: in this process, or in a child whose peak of memory is told.

`python -m tests.benchmarks._volume_engine PATH ENGINE WORKERS FORGET_AFTER` is the child.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from subprocess import PIPE, run
from time import perf_counter
from typing import Final

from attrs import asdict, frozen

from runengine.validation import Checker, Options
from runengine.validation.engines import Engines
from runengine.validation.summary import FORGET_AFTER

__all__ = ["Checked", "checked", "checked_apart"]

_STATUS: Final = Path("/proc/self/status")
_PEAK: Final = "VmHWM:"


@frozen(kw_only=True)
class Checked:
    """What a check came to.

    Attributes:
        observations: Snapshots.
        runs: Runs.
        found: Violations.
        seconds: How long it took.
        peak_bytes: The most memory the process had, or 0 where the system does not tell.
    """

    observations: int
    runs: int
    found: int
    seconds: float
    peak_bytes: int


def checked(path: Path, *, engine: str = "bulk", workers: int = 2, forget_after: int = FORGET_AFTER) -> Checked:
    """Check a file.

    Args:
        path: The file.
        engine: `bulk` or `stream`.
        workers: Threads, or processes, of the bulk engine.
        forget_after: As of `Options`.

    Raises:
        RuntimeError: another engine than the one asked for would check it.
        Exception: whatever keeps it from being read.
    """
    checker = Checker(Options(forget_after=forget_after))
    engines = Engines(checker=checker, engine=engine, workers=workers, unread=_raised, say=_refused)
    began_s = perf_counter()
    found = sum(1 for _ in engines.check([str(path)]))
    seconds = perf_counter() - began_s
    summary = checker.summary
    return Checked(
        observations=summary.observations, runs=summary.runs, found=found, seconds=seconds, peak_bytes=_peak_bytes()
    )


def _raised(_path: str, error: Exception) -> None:
    raise error


def _refused(text: str) -> None:
    raise RuntimeError(text)


def _peak_bytes() -> int:
    if not _STATUS.exists():
        return 0
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(_PEAK))
    return int(line.split()[1]) * 1024


def checked_apart(path: Path, *, engine: str = "bulk", workers: int = 2, forget_after: int = FORGET_AFTER) -> Checked:
    """The same in a process of its own, so that the peak is that of the check alone.

    Args:
        path: The file.
        engine: `bulk` or `stream`.
        workers: As of `checked`.
        forget_after: As of `Options`.
    """
    given = (str(path), engine, str(workers), str(forget_after))
    done = run((sys.executable, "-m", "tests.benchmarks._volume_engine", *given), check=True, stdout=PIPE)
    return Checked(**json.loads(done.stdout))


def _main(path: str, engine: str, workers: str, forget_after: str) -> None:
    made = checked(Path(path), engine=engine, workers=int(workers), forget_after=int(forget_after))
    print(json.dumps(asdict(made)))


if __name__ == "__main__":
    _main(*sys.argv[1:])
