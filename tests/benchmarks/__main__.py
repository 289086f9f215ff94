"""`python -m tests.benchmarks [name …]`: run the named benchmarks, or all of them, each by its `main()`.

The code is 1 where a ratio that the issue of a store requires was not reached.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

import tests.benchmarks
from tests.benchmarks._lives import MISSED


def main(names: list[str]) -> int:
    """Run them in order; a name that is no benchmark is refused before any runs."""
    known = sorted(m.name for m in pkgutil.iter_modules(tests.benchmarks.__path__) if not m.name.startswith("_"))
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}: there are {', '.join(known)}", file=sys.stderr)
        return 2
    for name in names or known:
        print(f"== {name}")
        importlib.import_module(f"tests.benchmarks.{name}").main()
        print()
    return 1 if MISSED else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
