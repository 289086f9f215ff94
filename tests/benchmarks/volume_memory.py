"""Memory at volume: a hundred million observations of which a million runs are open at a time; and the ended ones.

Each check runs in a process of its own, whose peak the system tells. It takes minutes, and about 4 GB on the disk.
"""

from __future__ import annotations

from pathlib import Path

from runengine.validation.bulk.compiled import Compiled
from runengine.validation.bulk.fragments import Fragment
from runengine.validation.bulk.parquet import sievable
from runengine.validation.bulk.state import Sieve
from runengine.validation.summary import Options
from tests.benchmarks._lives import folder, met
from tests.benchmarks._volume_engine import Checked, checked_apart
from tests.benchmarks._volume_files import free_gb, most_open, rows_of, simulated

CORES = 2
OBSERVATIONS = 100_000_000
ROWS_A_RUN = 3.44
"""Of the scenario."""

RATE_PER_S = 76_000
"""So many runs begin in a second that a million are open at a time."""

ENDED_RUNS = 10_000_000
FEW, ALL = 50_000, 10**9
"""Items that ended runs are remembered for: few of them, and all."""

GB = 1 << 30
PEAK_MAX = 2 * GB
ENDED_BYTES_MAX = 32.0
DISK_GB = 6.0


def large(path: Path) -> None:
    """A hundred million observations."""
    simulated(path, round(OBSERVATIONS / ROWS_A_RUN), "--set", f"arrival.rate_per_s={RATE_PER_S}")
    count = rows_of(path)
    print(
        f"{count:,} observations, at most {most_open(path):,} runs open, {path.stat().st_size / 1e9:.2f} GB of Parquet"
    )
    made = checked_apart(path, workers=CORES)
    assert made.observations == count
    told(made)
    print(
        f"  {'peak, GiB':<40} {made.peak_bytes / GB:>9.2f}   at most {PEAK_MAX / GB:g}{met(made.peak_bytes < PEAK_MAX)}"
    )


def told(made: Checked) -> None:
    """Print how long it took."""
    seconds, count = made.seconds, made.observations
    print(f"  {seconds:,.1f} s, {count / seconds:,.0f} observations/s, {seconds / count * 1e9:.0f} ns each")


def ended(path: Path) -> None:
    """What an ended run costs that is remembered: all of them against a few."""
    simulated(path, ENDED_RUNS)
    few, every = (checked_apart(path, workers=CORES, forget_after=items) for items in (FEW, ALL))
    told(every)
    print(f"{every.runs:,} runs, all remembered, against {FEW:,} items")
    print(f"  {'peak, MiB':<40} {every.peak_bytes / 2**20:>9.0f}   against {few.peak_bytes / 2**20:.0f}")
    sieve = held(path)
    _, of_ended, of_threads = sieve.parts_bytes
    each = of_ended / sieve.counts.runs
    enough = met(each <= ENDED_BYTES_MAX)
    print(f"  {'bytes held of each ended run':<40} {each:>9.1f}   at most {ENDED_BYTES_MAX:g}{enough}")
    print(f"  {'bytes held of each of their threads':<40} {of_threads / sieve.counts.threads:>9.1f}")


def held(path: Path) -> Sieve:
    """What is remembered of a file of which all is."""
    options = Options(forget_after=ALL)
    source, compiled = sievable(str(path), options), Compiled.of(options)
    assert not isinstance(source, str), source
    sieve = Sieve(compiled)
    for piece in source.pieces:
        sieve.take(Fragment.of(source.columns(piece), compiled, prefix=True))
    return sieve


def main() -> None:
    """Print peaks, and whether they are low enough."""
    with folder() as here:
        if free_gb(here) < DISK_GB:
            print(f"left out: {free_gb(here):.1f} GB are free there, and it takes {DISK_GB:g}")
            return
        path = here / "large.parquet"
        large(path)
        path.unlink()
        ended(here / "ended.parquet")


if __name__ == "__main__":
    main()
