"""The command: writes the corpus; with `--check` compares, and answers 1 where something differs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.corpus import FOLDER, contents, differences


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, or compare."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description="The corpus, from the catalogue.")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    given = parser.parse_args(arguments)
    said = differences()
    if given.check:
        for line in said:
            sys.stdout.write(f"{line}\n")
        return 1 if said else 0
    for line in said:
        if line.endswith("of no rule"):
            (FOLDER / line.partition(":")[0]).unlink()
    for name, content in contents().items():
        (FOLDER / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
