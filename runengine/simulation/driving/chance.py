"""The one seeded source of chance of a simulated world, and the record of what it decided. The only importer of random.

What is decided is recorded by *turns*: who is next, and what is drawn until somebody else is. A record can be played
again, and a turn can be left out of it without changing what the others draw: so a failing world is made small.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

__all__ = ["Chance", "Turn"]

A = TypeVar("A")


class Turn(NamedTuple):
    """One decision on who is next, and what was drawn in that turn.

    Attributes:
        who: Name of an actor, or of what happens to the world.
        draws: Numbers, in order; 0 is always the simplest choice.

    Example:
        >>> Turn("client-1", (0, 2)).who
        'client-1'
    """

    who: str
    draws: tuple[int, ...]


class Chance:
    """Decides all that is left open, and records it.

    Args:
        seed: Of what is decided; the same seed decides the same, in every process.
        tape: A record to play instead; where it has no number, 0 is drawn, and where it ends, nobody is next.

    Example:
        >>> chance = Chance(7)
        >>> names = [chance.turn(("a", "b")) for _ in range(4)]
        >>> again = Chance(0, chance.tape())
        >>> [again.turn(("a", "b")) for _ in range(5)] == [*names, None]
        True
    """

    def __init__(self, seed: int, tape: Sequence[Turn] | None = None) -> None:
        self._random: Final = random.Random(seed).random  # noqa: S311 - it is to be guessed: by its seed
        self._tape: Final = tape
        self._place = 0
        self._given: Sequence[int] = ()
        self._who: list[str] = []
        self._draws: list[list[int]] = []
        self._now: list[int] = []

    def turn(self, names: Sequence[str]) -> str | None:
        """Who is next: one of the names; in a record, whoever it says, and None at its end."""
        if self._tape is None:
            who = names[int(self._random() * len(names))]
        elif self._place < len(self._tape):
            who, self._given = self._tape[self._place]
            self._place += 1
        else:
            return None
        self._now = []
        self._who.append(who)
        self._draws.append(self._now)
        return who

    def draw(self, choices: int) -> int:
        """A number from 0, the simplest choice, to below `choices`."""
        now = self._now
        if self._tape is None:
            drawn = int(self._random() * choices)
        else:
            drawn = self._given[len(now)] % choices if len(now) < len(self._given) else 0
        now.append(drawn)
        return drawn

    def pick(self, options: Sequence[A]) -> A:
        """One of the options; the first is the simplest."""
        return options[self.draw(len(options))]

    def tape(self) -> tuple[Turn, ...]:
        """What was decided so far."""
        return tuple(Turn(who, tuple(draws)) for who, draws in zip(self._who, self._draws, strict=True))
