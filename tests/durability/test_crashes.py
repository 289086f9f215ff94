"""Writers killed with `kill -9` at any moment: every step that was acknowledged is there, and the work goes on.

This proves the protocol, not the disk: what a killed process has handed to the kernel survives it, so a power cut is
not simulated. That each commit waits for the disk is asserted on the settings of both databases.
"""

from __future__ import annotations

import gc
import random
import sqlite3
from typing import Final

import psycopg
import pytest

from runengine.embedding import Runtime
from runengine.stores.doctor import Examined
from tests.durability.acknowledged import check_acknowledged, check_done_once, repeat_unanswered
from tests.durability.checking import check_store
from tests.durability.crashing import Writer, draw_seed
from tests.durability.workload import SETTINGS

FEW: Final = 12
MANY: Final = 200
LIFE_MAX_S: Final = 0.15
OPENING_S: Final = 0.05
FULL: Final = 2
"""Of `PRAGMA synchronous`: each commit is synced."""

YOUNG: Final = 0.1
"""The share of writers that are killed while they open the store, or before."""


def kill_writers(url: str, kills: int, seed: int) -> int:
    """Kill one writer after another, and look at the store each time; how many steps were acknowledged."""
    chance = random.Random(seed)
    steps = 0
    for life in range(kills):
        writer = Writer(url, f"life_{life}", chance.randrange(1 << 32))
        if chance.random() < YOUNG:
            writer.run(chance.uniform(0, OPENING_S))
        else:
            writer.wait_ready()
            writer.run(chance.uniform(0.002, LIFE_MAX_S))
        died = writer.kill()
        with Runtime(url, settings=SETTINGS) as runtime:
            steps += check_acknowledged(runtime.open(), died.said)
            repeat_unanswered(runtime, died.said)
    return steps


def kill_and_check(url: str, kills: int) -> None:
    """Kill writers, then check the whole store."""
    steps = kill_writers(url, kills, draw_seed())
    with Runtime(url, settings=SETTINGS) as runtime:
        runs = check_store(runtime.open())
        check_done_once(runtime.open())
    print(f"{kills} kills, {steps} steps acknowledged, {runs} runs")
    assert steps > kills


def test_what_was_acknowledged_survives_its_writer(durable_url: str) -> None:
    """After each of a dozen kills every acknowledged step is in its run's history, and history and row agree."""
    kill_and_check(durable_url, FEW)


@pytest.mark.slow
def test_what_was_acknowledged_survives_two_hundred_writers(durable_url: str) -> None:
    """After each of 200 kills every acknowledged step is in its run's history, and history and row agree."""
    kill_and_check(durable_url, MANY)


def test_every_commit_waits_for_the_disk(durable_url: str) -> None:
    """Every connection to a file syncs in full and in WAL mode; PostgreSQL syncs, and the doctor looks at both."""
    with Runtime(durable_url) as runtime:
        runtime.create("thread_1", "asst_1", "gpt-4o").or_raise()
        runtime.list()
        store = runtime.open()
        assert isinstance(store, Examined)
        assert list(store.problems()) == []
        asked = postgres_settings(durable_url) if "postgres" in durable_url else file_settings()
        assert asked


def file_settings() -> int:
    """Look at all of this process's connections to files, the store's own too; how many there are."""
    gc.collect()
    connections = [thing for thing in gc.get_objects() if isinstance(thing, sqlite3.Connection)]
    for connection in connections:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (FULL,)
    return len(connections)


def postgres_settings(url: str) -> int:
    """Look at what a session on the same address is given; how many settings."""
    names = ("fsync", "synchronous_commit", "full_page_writes")
    with psycopg.connect(url) as connection:
        for name in names:
            assert connection.execute(f"SHOW {name}".encode()).fetchone() == ("on",)
    return len(names)
