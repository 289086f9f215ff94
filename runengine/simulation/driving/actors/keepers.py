"""Those who look after a store: sweepers, readers of the feed, and who removes what is old."""

from __future__ import annotations

from typing import Final

from runengine.core import SECOND_US
from runengine.errors import StoreUnavailable
from runengine.simulation.driving.processes import Process
from runengine.simulation.driving.stage import DrivenRuntime, Stage

__all__ = ["housekeeper", "subscriber", "sweeper"]

_AGES_S: Final = (300, 60, 5, 1000)


async def sweeper(stage: Stage, me: Process, runtime: DrivenRuntime) -> None:  # noqa: ARG001
    """Does what is due; now and then asks when the next is, or expires one run.

    Example:
        >>> sweeper.__name__
        'sweeper'
    """
    chance = stage.chance
    while True:
        try:
            match chance.draw(6):
                case 4:
                    await runtime.next_deadline()
                case 5:
                    await runtime.expire(stage.known())
                case _:
                    await runtime.sweep()
        except StoreUnavailable:
            continue


async def subscriber(stage: Stage, me: Process, runtime: DrivenRuntime) -> None:
    """Reads the feed, and after a crash goes on behind what it has dealt with.

    Example:
        >>> subscriber.__name__
        'subscriber'
    """
    reader = stage.reader(me.name)
    while True:
        try:
            async for entry in runtime.subscribe(reader.until[0]):
                reader.read.append((me.life, entry))
                if not stage.chance.draw(3):
                    reader.until[0] = entry.position  # else a crash comes before it is dealt with
        except StoreUnavailable:
            me.life += 1  # it begins again behind the last that was dealt with
            continue


async def housekeeper(stage: Stage, me: Process, runtime: DrivenRuntime) -> None:  # noqa: ARG001
    """Cuts the histories of runs that ended long ago, and removes them.

    Example:
        >>> housekeeper.__name__
        'housekeeper'
    """
    chance = stage.chance
    store = await runtime.open()
    while True:
        before_us = stage.clock.now_us() - chance.pick(_AGES_S) * SECOND_US
        try:
            if chance.draw(3) == 2:
                await store.forget(before_us)
            else:
                await store.compact(before_us)
        except StoreUnavailable:
            continue
