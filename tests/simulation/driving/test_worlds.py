"""Worlds: the same seed, the same world; clean by the hundred; and what they explore."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from runengine.core import PRACTICAL
from runengine.simulation.driving import INVARIANTS, STORES, World, explore
from runengine.simulation.driving.processes import CRASHES

_SEEDS = (0, 1, 2)
_PRINT = """
import sys
from tests.simulation.driving.test_worlds import digests
print(*digests(sys.argv[1]), sep="\\n", end="")
"""


def digests(store: str) -> list[str]:
    """Of a few worlds."""
    made = []
    for seed in _SEEDS:
        world = World(seed, store=store)
        world.run()
        made.append(f"{world.digest()} {world.interleaving()}")
    return made


@pytest.mark.parametrize("store", STORES)
def test_the_same_seed_is_the_same_world_in_every_process(store: str) -> None:
    """Twice here, and in processes that hash differently, a seed makes the same history byte for byte."""
    here = digests(store)
    assert digests(store) == here
    assert len(set(here)) == len(_SEEDS)
    for hashing in ("1", "2"):
        command = [sys.executable, "-c", _PRINT, store]
        found = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": hashing}
        )
        assert found.stdout.split("\n") == here


def test_no_invariant_fails_on_memory() -> None:
    """160 worlds on memory are clean; they go every row of the policy, and die at every point."""
    explored = explore(range(160))
    assert not explored.failures, str(explored.failures[0])
    assert explored.seeds == len(explored.interleavings) == 160
    assert explored.edges_missing == ()
    assert sum(explored.edges.values()) > 0
    assert len(PRACTICAL.rows) == len(explored.edges)
    assert {point for _, point in explored.crashes} == set(CRASHES)
    assert set(explored.troubles) == {"refused before", "answer lost", "full", "read-only"}
    assert {kind for kind, _ in explored.refusals} >= {
        "lost",
        "fenced",
        "illegal",
        "guard",
        "stale",
        "replayed",
        "busy",
    }
    assert all(explored.asserted[name] for name in INVARIANTS)


def test_no_invariant_fails_on_sqlite() -> None:
    """Worlds on SQLite are clean, through crashes of the store and plans that are older than their commits."""
    explored = explore(range(1_000, 1_015), store="sqlite")
    assert not explored.failures, str(explored.failures[0])
    assert explored.crashes["store", "open"] > 0
    assert explored.early["refused by the store, and planned again"] > 0
    assert explored.early["committed as planned"] > 0


def test_what_was_explored_does_not_depend_on_who_shares_the_work() -> None:
    """Two processes explore what one does."""
    seeds = range(50, 95)
    assert explore(seeds, steps=60, workers=2) == explore(seeds, steps=60)


def test_a_longer_world_begins_as_a_shorter_one() -> None:
    """A world of more turns is the same up to where the shorter one ends."""
    short, long = World(5, steps=50), World(5, steps=100)
    short.run()
    long.run()
    lines = [line for line in long.lines if line.turn < 50]
    assert lines == short.lines[: len(lines)]


@pytest.mark.slow
def test_ten_thousand_worlds_on_memory_are_clean() -> None:
    """10,000 seeds on memory: no invariant fails, and no two worlds are the same."""
    explored = explore(range(10_000), workers=os.cpu_count() or 1)
    assert not explored.failures, str(explored.failures[0])
    assert len(explored.interleavings) == 10_000


@pytest.mark.slow
def test_a_thousand_worlds_on_sqlite_are_clean() -> None:
    """1,000 seeds on SQLite: no invariant fails."""
    explored = explore(range(1_000), store="sqlite", workers=os.cpu_count() or 1)
    assert not explored.failures, str(explored.failures[0])
