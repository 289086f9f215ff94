"""Recordings of simulated worlds, every other run broken by a fault: what orders, cuts and monitors are tried on."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from runengine.simulation.chance import Chance
from runengine.simulation.faults import FAULTS, made_by
from runengine.simulation.recording import Recording, View
from runengine.validation.observations import Item
from runengine.validation.readers import read_items
from tests.recall.worlds import VIEWS, WORLDS, recordings

__all__ = ["MIXTURES", "Mixture", "items_of_file", "mixtures"]

RUNS: Final = 8
SEED: Final = 3


@lru_cache(maxsize=64)
def _clean(label: str, view: View) -> tuple[Recording, ...]:
    return tuple(recordings(WORLDS[label], SEED, RUNS, view))


class Mixture(NamedTuple):
    """Some runs of a world, every other one broken.

    Attributes:
        label: The world.
        view: How they are recorded.
        turn: Which fault is tried first; the others follow in their order.
    """

    label: str
    view: View
    turn: int

    @property
    def made(self) -> tuple[Recording, ...]:
        """The recordings."""
        return _made(self)


@lru_cache(maxsize=256)
def _made(mixture: Mixture) -> tuple[Recording, ...]:
    made = list(_clean(mixture.label, mixture.view))
    usable = [name for name, fault in FAULTS.items() if mixture.view in fault.views and not fault.alone]
    for number in range(1, len(made), 2):
        chance = Chance(SEED, "fault", made[number].life.index)
        for place in range(len(usable)):
            fault = FAULTS[usable[(mixture.turn + number * 7 + place) % len(usable)]]
            broken = made_by(fault, made[number], chance, made[number - 1])
            if broken is not None:
                made[number] = broken[0]
                break
    return tuple(made)


def mixtures(views: Sequence[View] = VIEWS) -> SearchStrategy[Mixture]:
    """Any mixture: every world, and any fault first."""
    turns = st.integers(0, len(FAULTS) - 1)
    return st.builds(Mixture, st.sampled_from(tuple(WORLDS)), st.sampled_from(views), turns)


MIXTURES: Final = mixtures()
"""Any mixture in any view."""


def items_of_file(text: bytes, view: View) -> list[Item]:
    """What the reader of such a file yields."""
    name = "made.sse" if view == "stream" else "made.jsonl"
    return list(read_items(name, io.BufferedReader(io.BytesIO(text))))
