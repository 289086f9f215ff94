"""The command; 1 where something was missed, or said too much."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.recall import RUNS, SEED
from tests.recall.measuring import measure
from tests.recall.page import as_page


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.recall", description="Recall and precision of the checker.")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"runs of each world and view (default {RUNS})")
    parser.add_argument("--notes", action="store_true", help="list what was missed, and what was said too much")
    parser.add_argument("-o", "--output", type=Path, help="write the page there")
    given = parser.parse_args(arguments)
    measured = measure(given.runs, SEED)
    if given.output is not None:
        given.output.write_text(as_page(measured, given.runs), encoding="utf-8")
    total = measured.total
    for note in (*total.notes, *measured.notes) if given.notes else ():
        sys.stdout.write(f"{note}\n")
    sys.stdout.write(
        f"{total.made:,} faults made, {total.seen:,} can be seen, {total.found:,} found, {total.placed:,} at their "
        f"line; more said of {total.extra:,}; {measured.clean:,} clean runs, {measured.spoken_of:,} spoken of\n"
    )
    return 0 if total.found == total.seen and not total.extra and not measured.spoken_of else 1


if __name__ == "__main__":
    sys.exit(main())
