"""The simulator must be able to fail: every mistake made on purpose is found, by name, and soon."""

from __future__ import annotations

import pytest

from runengine.core import PRACTICAL
from runengine.embedding import Settings
from runengine.simulation.driving import INVARIANTS, Failure, drive
from runengine.simulation.driving.book import Book
from runengine.simulation.driving.invariants.ends import born_or_withdrawn
from tests.simulation.driving.mutations import MUTATIONS

_SEEDS = 100


def _first_failure(store: str) -> Failure | None:
    for seed in range(_SEEDS):
        explored = drive(seed, store=store)
        if explored.failures:
            return explored.failures[0]
    return None


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mistake_is_found_within_100_seeds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime or a store with that mistake breaks the invariant that speaks of it."""
    mutate, found_by, store = MUTATIONS[name]
    mutate(monkeypatch)
    failure = _first_failure(store)
    assert failure is not None
    assert failure.name in found_by, str(failure)


def test_every_invariant_can_fail() -> None:
    """No invariant is there for show: each is broken by some mistake, or in its own test."""
    broken = {name for _, found_by, _ in MUTATIONS.values() if len(found_by) == 1 for name in found_by}
    assert broken | {"born-or-withdrawn"} == set(INVARIANTS)


def test_a_create_that_vanishes_is_missed() -> None:
    """A create that was answered that it waits, and was neither born nor withdrawn, breaks an invariant."""
    book = Book(PRACTICAL, Settings())
    book.waited.append("run_9")
    assert born_or_withdrawn(book) == "run_9 was to wait, and was never born"
    book.withdrawn.add("run_9")
    assert born_or_withdrawn(book) is None
