"""A sweep with nothing due, and a claim, as the queue grows from a thousand runs to a million."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

from runengine.embedding import ManualClock, Runtime
from tests.benchmarks._lives import COLUMN_NAMES, ENTRY_NAMES, T0_US, met, timed

COUNTS = (1_000, 1_000_000)
SAMPLES = 200
SWEEP_MAX = 3.0
"""Point reads that a sweep with nothing due may cost."""
CLAIM_MAX = 2.0
"""How much dearer a claim may be among a million runs than among a thousand, to count as flat on a shared machine."""


def many_runs(new_url: Callable[[], str], run: Callable[[str, Sequence[str]], None], more: Sequence[str] = ()) -> None:
    """Measure on a store of each size.

    Args:
        new_url: The address of a database with nothing in it.
        run: Runs statements on a database, behind the store's back.
        more: Columns that the tables have beside the engine's.
    """
    claims = []
    for count in COUNTS:
        url = new_url()
        with Runtime(url, clock=ManualClock(T0_US)) as template:
            template.create("thread_q", "asst_1", "gpt-4o", run_id="run_q", ttl_s=86_400).or_raise()
        run(url, statements(count, more))
        with Runtime(url, clock=ManualClock(T0_US + count)) as runtime:
            claims.append(measure(runtime, count))
    flat = claims[-1] / claims[0]
    print(f"a claim among {COUNTS[-1]:,} costs {flat:.2f} × one among {COUNTS[0]:,}{met(flat <= CLAIM_MAX)}")


def measure(runtime: Runtime, count: int) -> float:
    """Medians, of each in turn; seconds of a claim."""
    runtime.sweep()
    places = range(0, count, count // SAMPLES)
    reads = median(timed(partial(runtime.row, f"run_q{place}")) for place in places)
    sweeps = median(timed(runtime.sweep) for _ in places)
    claims = median(timed(partial(runtime.claim, "worker_1")) for _ in places)
    ratio = sweeps / reads
    said = f"sweep, none due {sweeps * 1e6:6.0f} µs = {ratio:4.1f} point reads (at most {SWEEP_MAX:.0f})"
    print(f"{count:>9,} queued runs: {said}{met(ratio <= SWEEP_MAX)}   claim {claims * 1e6:6.0f} µs")
    return claims


def statements(count: int, more: Sequence[str]) -> tuple[str, ...]:
    """Copies of one born run and of its history, each claimable a microsecond after the one before."""
    numbers = f"WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < {count - 1})"
    copied = {
        "id": "id || n",
        "thread_id": "thread_id || n",
        "claimable_us": "claimable_us + n",
        "run_id": "run_id || n",
    }

    def copying(table: str, names: Sequence[str], key: str) -> str:
        chosen = ", ".join(copied.get(name, name) for name in names)
        given = f"INSERT INTO {table} ({', '.join(names)}) {numbers} SELECT {chosen}"
        return f"{given} FROM {table}, number WHERE {key} = 'run_q'"

    return (
        copying("runengine_runs", (*COLUMN_NAMES, "body", *more), "id"),
        copying("runengine_history", (*ENTRY_NAMES, *more), "run_id"),
        "DELETE FROM runengine_runs WHERE id = 'run_q'",
        "ANALYZE",
    )
