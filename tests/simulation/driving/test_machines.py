"""The real `Worker` in a simulated world, and processes that die."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

import pytest

from runengine.simulation.driving import World
from runengine.simulation.driving.machines import VirtualLoop


def _worlds(seeds: range) -> list[World]:
    worlds = [World(seed) for seed in seeds]
    for world in worlds:
        world.run()
    return worlds


def test_the_real_worker_works_there() -> None:
    """It claims, sends heartbeats, ends runs in every way, sweeps, loses runs to others, and dies."""
    asked = Counter(
        line.text.split(" ")[0] for world in _worlds(range(70)) for line in world.lines if "machine" in line.who
    )
    wanted = {"claim", "heartbeat", "complete", "fail", "exhaust_tokens", "require_action", "finish_cancel", "do"}
    assert wanted <= set(asked)
    assert asked["dies,"] > 0


def test_the_dead_ask_for_nothing() -> None:
    """After a process has died, nothing that it had asked for reaches the store."""
    deaths = 0
    for world in _worlds(range(30)):
        dead: set[str] = set()
        for line in world.lines:
            assert line.who not in dead, line
            if line.text.startswith("dies, ") and not line.who.startswith("subscriber"):
                dead.add(line.who)
                deaths += 1
    assert deaths > 50


def test_nothing_of_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What simulated workers would tell their host, nobody is told."""
    _worlds(range(30))
    assert not [record for record in caplog.records if re.search("machine-", record.getMessage())]


def test_a_virtual_loop_has_the_time_it_is_given() -> None:
    """A sleeper wakes when the other time has come, and the loop has not waited for it."""
    now_s = [0.0]
    loop = VirtualLoop(lambda: now_s[0])
    woken: list[float] = []

    async def sleeper() -> None:
        await asyncio.sleep(3_600)
        woken.append(loop.time())

    task = loop.create_task(sleeper())
    loop.spin(3)
    assert not woken
    now_s[0] = 3_600.0
    loop.spin(3)
    assert woken == [3_600.0]
    assert task.done()
    loop.close()
