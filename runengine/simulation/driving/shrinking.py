"""A failing world made small: turns are left out and draws replaced by the simplest, while the same invariant fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from runengine.simulation.driving.chance import Turn
from runengine.simulation.driving.invariants.table import Broken
from runengine.simulation.driving.world import STEPS, World

__all__ = ["TRIES_MAX", "Lived", "live", "shrink"]

TRIES_MAX: Final = 1_500
"""How many smaller worlds are tried."""


class Lived(NamedTuple):
    """A world that has been lived to its end, or to where an invariant did not hold.

    Attributes:
        world: The world.
        broken: What did not hold, or None.

    Example:
        >>> live(1, steps=5).broken is None
        True
    """

    world: World
    broken: Broken | None


def live(seed: int, *, store: str = "memory", steps: int = STEPS, tape: Sequence[Turn] | None = None) -> Lived:
    """Live a world; arguments as of `World`.

    Example:
        >>> live(1, steps=5).world.turn
        5
    """
    world = World(seed, store=store, steps=steps, tape=tape)
    try:
        world.run()
    except Broken as broken:
        return Lived(world, broken)
    return Lived(world, None)


def shrink(failed: Lived, *, store: str = "memory", steps: int = STEPS, tries_max: int = TRIES_MAX) -> Lived:
    """The smallest world that was found in which the same invariant fails; a world in which none does stays as it is.

    Args:
        failed: The world.
        store: Where it was lived.
        steps: How many turns it had.
        tries_max: How many smaller ones are tried at most.

    Example:
        >>> lived = live(1, steps=5)
        >>> shrink(lived, steps=5) is lived
        True
    """
    if failed.broken is None:
        return failed
    shrinker = _Shrinker(failed, failed.broken.name, store, steps, tries_max)
    before = None
    while before != shrinker.tape and shrinker.tries_left > 0:
        before = shrinker.tape
        shrinker.leave_out()
        shrinker.leave_out_of_one()
        shrinker.simplify()
    return shrinker.best


class _Shrinker:
    def __init__(self, failed: Lived, name: str, store: str, steps: int, tries_max: int) -> None:
        self.best = failed
        self.tape = failed.world.chance.tape()
        self.tries_left = tries_max
        self._name: Final = name
        self._store: Final = store
        self._steps: Final = steps

    def leave_out(self) -> None:
        """Leave turns out, many at once and then fewer; the first is the world's own, and stays."""
        size = max(1, len(self.tape) // 2)
        while size:
            start = 1
            while start < len(self.tape):
                if not self._fails((*self.tape[:start], *self.tape[start + size :])):
                    start += size
            size //= 2

    def leave_out_of_one(self) -> None:
        """Leave out consecutive turns of one actor, as a request of its that nothing depends on."""
        for size in (4, 3, 2):
            start = 1
            while start < len(self.tape):
                who = self.tape[start].who
                own = [place for place in range(start, len(self.tape)) if self.tape[place].who == who][:size]
                if not self._fails(tuple(turn for place, turn in enumerate(self.tape) if place not in own)):
                    start += 1

    def simplify(self) -> None:
        """Replace what was drawn by 0: all of a turn, then one number after the other."""
        for place in range(len(self.tape)):
            if place >= len(self.tape) or not any(self.tape[place].draws):
                continue
            if self._with_draws(place, ()):
                continue
            for number in range(len(self.tape[place].draws)):
                draws = self.tape[place].draws if place < len(self.tape) else ()
                if number < len(draws) and draws[number]:
                    self._with_draws(place, (*draws[:number], 0, *draws[number + 1 :]))

    def _with_draws(self, place: int, draws: tuple[int, ...]) -> bool:
        changed = Turn(self.tape[place].who, draws)
        return self._fails((*self.tape[:place], changed, *self.tape[place + 1 :]))

    def _fails(self, tape: tuple[Turn, ...]) -> bool:
        """Whether the same invariant fails there; then that is the world to make smaller."""
        if self.tries_left <= 0:
            return False
        self.tries_left -= 1
        lived = live(0, store=self._store, steps=self._steps, tape=tape)
        if lived.broken is None or lived.broken.name != self._name:
            return False
        made = lived.world.chance.tape()
        if _size(made) >= _size(self.tape):
            return False
        self.best, self.tape = lived, made
        return True


def _size(tape: Sequence[Turn]) -> tuple[int, int]:
    """Turns, then all that was drawn: what makes one world smaller than another."""
    return len(tape), sum(1 + draw for turn in tape for draw in turn.draws if draw)
