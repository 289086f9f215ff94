"""The command; 1 where an input broke a reader."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from runengine.validation.readers import READERS
from tests.fuzz.running import Tally, planned
from tests.fuzz.workers import shared_out

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the readers.")
    parser.add_argument("--inputs", type=int, default=100_000, help="how many in all (default 100,000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reader", choices=[*READERS], help="this one alone")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no more inputs after so many")
    given = parser.parse_args(arguments)
    plan, began_s, done = planned(given.inputs, given.reader), time.monotonic(), 0
    whole = sum(plan.values())

    def told(reader: str, tally: Tally) -> None:
        nonlocal done
        done += tally.inputs
        rate = done / max(time.monotonic() - began_s, 1e-9)
        if sys.stderr.isatty() or done % 10_000 < tally.inputs:
            end = "\r" if sys.stderr.isatty() else "\n"
            sys.stderr.write(f"{done:,} of {whole:,}, {rate:,.0f}/s, now {reader:<12}{end}")

    tallies, failures = shared_out(plan, given.seed, given.processes, told, given.seconds)
    sys.stdout.write(f"{'reader':<12}{'inputs':>10}{'items':>12}{'unreadable':>12}{'refused':>10}  slowest, peak\n")
    for name, tally in tallies.items():
        slowest = f"{tally.slowest_s * 1000:.0f} ms (input {tally.slowest}), {tally.peak_bytes / 1e6:,.0f} MB"
        counts = f"{tally.inputs:>10,}{tally.items:>12,}{tally.unreadable:>12,}{tally.refused:>10,}"
        sys.stdout.write(f"{name:<12}{counts}  {slowest}\n")
    for failure in failures:
        sys.stdout.write(f"\n{failure}\n")
    took_s = time.monotonic() - began_s
    ran = sum(tally.inputs for tally in tallies.values())
    sys.stdout.write(f"{ran:,} inputs in {took_s:.0f} s, seed {given.seed}: {len(failures)} failed\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
