"""The source of chance: the same seed decides the same, and what it decided can be played again, whole or in part."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runengine.simulation.driving.chance import Chance, Turn

_NAMES = ("a", "b", "c")


def _decide(chance: Chance, turns: int) -> list[tuple[str | None, int, str]]:
    return [(chance.turn(_NAMES), chance.draw(5), chance.pick("xyz")) for _ in range(turns)]


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=20))
def test_a_seed_decides_the_same(seed: int, turns: int) -> None:
    """Two sources of one seed decide the same."""
    assert _decide(Chance(seed), turns) == _decide(Chance(seed), turns)


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=20))
def test_a_tape_is_played_as_it_was_recorded(seed: int, turns: int) -> None:
    """A record decides what was decided when it was made, and is recorded as itself."""
    first = Chance(seed)
    decided = _decide(first, turns)
    again = Chance(seed + 1, first.tape())
    assert _decide(again, turns) == decided
    assert again.tape() == first.tape()


@given(st.lists(st.tuples(st.sampled_from(_NAMES), st.lists(st.integers(0, 99), max_size=3)), max_size=9))
def test_any_tape_can_be_played(tape: list[tuple[str, list[int]]]) -> None:
    """Whatever a record has lost, its numbers are in range, what is missing is 0, and at its end nobody is next."""
    chance = Chance(0, [Turn(who, tuple(draws)) for who, draws in tape])
    for who, draws in tape:
        assert chance.turn(_NAMES) == who
        wanted = [*(draw % 4 for draw in draws), 0, 0, 0][:3]
        assert [chance.draw(4) for _ in range(3)] == wanted
    assert chance.turn(_NAMES) is None
