"""Driven simulation: the real runtime over a real store, in a world that one seed decides. Source: DESIGN §6.

`explore` lives worlds by the thousand; `drive` one of them; `INVARIANTS` is what must hold in each.
"""

from runengine.simulation.driving.exploring import Explored, Failure, drive, explore
from runengine.simulation.driving.grounds import STORES, StoreName
from runengine.simulation.driving.invariants.table import INVARIANTS, Broken, Invariant
from runengine.simulation.driving.shrinking import live, shrink
from runengine.simulation.driving.world import STEPS, World

__all__ = [
    "INVARIANTS",
    "STEPS",
    "STORES",
    "Broken",
    "Explored",
    "Failure",
    "Invariant",
    "StoreName",
    "World",
    "drive",
    "explore",
    "live",
    "shrink",
]
