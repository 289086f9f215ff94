"""Checking at volume: a log in columns beside DuckDB's windows and beside reading alone; JSON Lines; PM4Py; a curve.

Both sides of a pair take the same file in turn, round by round, and the best of the rounds counts, as the machine is
shared. The files are made by `runengine simulate`. What DuckDB is asked is made from the same tables
(`_volume_window`), and PM4Py replays a net made from them (`_volume_replay`). What takes minutes is in
`volume_memory`. A peer that is not installed is said so and left out.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks._lives import folder, least_s, met
from tests.benchmarks._volume_engine import checked
from tests.benchmarks._volume_files import most_open, rows_of, simulated, spoiled
from tests.benchmarks._volume_window import COLUMNS, reading, windowed

ROUNDS = 5
CORES = 2
RUNS = 1_000_000
LINES_RUNS = (60_000, 700_000)
"""The first file is checked before another process has begun to be of use; what is required is required of the last."""

REPLAYED_RUNS = 300_000
SPOILED_ONE_IN = 1000
CURVE = (30_000, 300_000, 3_000_000)
"""Runs of the files of the curve: about 10⁵, 10⁶ and 10⁷ observations."""

WINDOW_MIN = 3.0
FLOOR_MIN = 0.4
PROCESSES_MIN = 1.6
REPLAY_MIN = 30.0


def is_here(library: str, what: str) -> bool:
    """Whether a peer is installed; if not, that is said."""
    if find_spec(library) is not None:
        return True
    print(f"{what}: left out, {library} is not installed (extra `bench`)")
    return False


def rates(count: int, seconds: dict[str, float]) -> None:
    """Print what each does in a second, and how long a row takes it."""
    for name, least in seconds.items():
        print(f"  {name:<64} {count / least:>13,.0f}/s {least / count * 1e9:>9,.0f} ns")


def ratio(name: str, value: float, need: float, unit: str = " ×") -> None:
    """Print a ratio, and whether it is enough."""
    form = f"{value:.0%} of" if unit == "%" else f"{value:.2f}{unit}"
    least = f"{need:.0%}" if unit == "%" else f"{need:g} ×"
    print(f"  {name:<64} {form:>13}   required {least}{met(value >= need)}")


def floor(path: Path) -> None:
    """Read the same columns, and hash the ids of runs and no more: row groups by two threads."""
    import pyarrow.parquet as pq

    from runengine.validation.bulk.hashing import hash_texts

    texts = [name for name in COLUMNS if name.endswith("_id") or name in ("model", "status", "kind", "event")]

    def read(number: int) -> Any:
        file = pq.ParquetFile(path, read_dictionary=texts, pre_buffer=False)
        table = file.read_row_group(number, columns=list(COLUMNS), use_threads=False)
        return hash_texts(table["run_id"].combine_chunks())

    with ThreadPoolExecutor(CORES) as pool:
        for _ in pool.map(read, range(pq.ParquetFile(path).metadata.num_row_groups)):
            pass


def streamed(path: Path) -> None:
    """The same by Polars, as it streams a scan."""
    pl = import_module("polars")
    others = [pl.col(name).count() for name in COLUMNS if name != "run_id"]
    pl.scan_parquet(path).select(pl.col("run_id").hash().sum(), *others).collect(engine="streaming")


def columns(path: Path, broken: Path, broken_runs: int) -> None:
    """Parquet: our check, beside DuckDB's windows and beside reading."""
    count = rows_of(path)
    print(f"Parquet, {count:,} rows in order of time, at most {most_open(path):,} runs open, {CORES} cores")
    works: dict[str, Callable[[], object]] = {
        "check": partial(checked, path, workers=CORES),
        f"check, {broken_runs:,} runs of it broken": partial(checked, broken, workers=CORES),
        "reading the same columns and hashing the run ids": partial(floor, path),
    }
    if is_here("duckdb", "DuckDB"):
        works["the same rules as a window query of DuckDB"] = partial(windowed, path, CORES)
        works["that query, the broken runs"] = partial(windowed, broken, CORES)
        works["DuckDB: reading and hashing alone"] = partial(reading, path, CORES)
    if is_here("polars", "Polars"):
        works["Polars: the same, streamed"] = partial(streamed, path)
    works = {"check": works.pop("check"), **works}
    found = checked(broken, workers=CORES)
    clean = checked(path, workers=CORES)
    assert (clean.found, clean.observations) == (0, count)
    assert found.found >= broken_runs
    least = least_s(works, ROUNDS)
    rates(count, least)
    names = list(works)
    if "the same rules as a window query of DuckDB" in least:
        window_s = least["the same rules as a window query of DuckDB"]
        ratio("check, beside the window query", window_s / least["check"], WINDOW_MIN)
        ratio("the same, broken runs", least["that query, the broken runs"] / least[names[1]], WINDOW_MIN)
    ratio("check, of the rate of reading and hashing", least[names[2]] / least["check"], FLOOR_MIN, "%")


def lines(path: Path, is_long: bool) -> None:
    """JSON Lines: two processes beside one, and beside the stream engine."""
    count = sum(1 for _ in path.open("rb"))
    print(f"JSON Lines, {count:,} lines, {path.stat().st_size / count:,.0f} bytes each")
    works: dict[str, Callable[[], object]] = {
        "bulk, two processes": partial(checked, path, workers=2),
        "bulk, one": partial(checked, path, workers=1),
        "stream": partial(checked, path, engine="stream"),
    }
    least = least_s(works, 3)
    rates(count, least)
    name, two = "two processes beside one", least["bulk, one"] / least["bulk, two processes"]
    if is_long:
        ratio(name, two, PROCESSES_MIN)
    else:
        print(f"  {name:<64} {two:>11.2f} ×")
    print(f"  {'one process, beside the stream engine':<64} {least['stream'] / least['bulk, one']:>11.2f} ×")


def replay(path: Path) -> None:
    """PM4Py's token replay of the same log; the log is in its memory already, ours is read from the file."""
    if not is_here("pm4py", "PM4Py"):
        return
    from tests.benchmarks._volume_replay import replayed

    count = rows_of(path)
    print(f"PM4Py's token-based replay, {count:,} rows")
    ours = least_s({"check": partial(checked, path, workers=CORES)}, 3)["check"]
    theirs = replayed(path)
    assert theirs.fit == theirs.runs
    rates(count, {"check, from the file": ours, "replay, from memory": theirs.seconds})
    ratio("check, beside the replay", theirs.seconds / ours, REPLAY_MIN)


def curve(files: dict[str, Path]) -> None:
    """Seconds, and nanoseconds a row, by the number of rows."""
    print("growth: the least of three")
    print(f"  {'rows':>13} {'seconds':>9} {'ns a row':>9}")
    for path in files.values():
        count = rows_of(path)
        least = least_s({"check": partial(checked, path, workers=CORES)}, 3)["check"]
        print(f"  {count:>13,} {least:>9.2f} {least / count * 1e9:>9.0f}")


def main() -> None:
    """Print rates and ratios."""
    with folder() as here:
        path = simulated(here / "log.parquet", RUNS)
        broken, broken_runs = spoiled(path, here / "broken.parquet", SPOILED_ONE_IN)
        columns(path, broken, broken_runs)
        busy = simulated(here / "busy.parquet", RUNS, "--set", "arrival.rate_per_s=5000")
        columns(busy, *spoiled(busy, here / "broken.parquet", SPOILED_ONE_IN))
        for runs in LINES_RUNS:
            lines(simulated(here / "log.jsonl", runs, "--bare"), runs == LINES_RUNS[-1])
        replay(simulated(here / "replay.parquet", REPLAYED_RUNS))
        curve({str(runs): simulated(here / f"{runs}.parquet", runs) for runs in CURVE})


if __name__ == "__main__":
    main()
