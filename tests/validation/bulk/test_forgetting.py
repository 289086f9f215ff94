"""Two rows of a thread, and others between: whatever is remembered, and wherever it is cut, all is said and counted."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import pytest

from runengine.validation import Checker, Options
from runengine.validation.observations import Item, Observation

pytest.importorskip("numpy")
pytest.importorskip("pyarrow")

from tests.validation.bulk.plainly import sieved
from tests.validation.checking import clean

ROWS = 4
LATER_S = 5000


def row(run: str, thread: str, number: int, by_s: int = 0, **changed: Any) -> Observation:
    """A run that has ended, all of its stamps so much later."""
    record = {**clean("completed"), "id": run, "thread_id": thread}
    later = {name: at + by_s for name, at in record.items() if name.endswith("_at") and isinstance(at, int)}
    return Observation(record=record | later | changed, line=number)


SECOND = {
    "the next run": lambda number: row("next", "thread", number, LATER_S),
    "a run that overlaps": lambda number: row("next", "thread", number),
    "the same run": lambda number: row("run", "thread", number),
    "the same run, changed": lambda number: row("run", "thread", number, instructions="others"),
    "the same run elsewhere": lambda number: row("run", "elsewhere", number),
}


@pytest.mark.parametrize("second", SECOND)
def test_every_distance(second: str) -> None:
    """At every distance, for every number of items that are remembered, and with every two cuts."""
    for place, forget_after in product(range(1, ROWS), range(ROWS)):
        items: list[Item] = [row(f"run{n}", f"thread{n}", n + 1) for n in range(ROWS)]
        items[0], items[place] = row("run", "thread", 1), SECOND[second](place + 1)
        checker = Checker(Options(forget_after=forget_after))
        expected = list(checker.check("made", items))
        for cuts in (each for count in range(3) for each in combinations(range(1, ROWS), count)):
            found, summary, _ = sieved(items, cuts, forget_after=forget_after)
            assert (found, summary) == (expected, checker.summary), (place, forget_after, cuts)
