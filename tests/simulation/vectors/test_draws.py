"""Draws: a function of seed, purpose and counter, by the column as one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from runengine.simulation.chance import MASK, Chance, base_of, mixed
from runengine.simulation.vectors.draws import Draws, bits_of, uniforms

_BITS = st.integers(0, MASK)


def test_it_is_splitmix64() -> None:
    """The first draws from state 0 are the published ones of SplitMix64."""
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]
    assert bits_of(0, np.arange(1, 5, dtype=np.uint64)).tolist() == published


@given(base=_BITS, counters=st.lists(_BITS, min_size=1, max_size=20))
def test_a_column_holds_what_is_drawn_one_by_one(base: int, counters: list[int]) -> None:
    """The draw of a counter is the same alone and in a column."""
    golden = 0x9E3779B97F4A7C15
    alone = [mixed(base + counter * golden & MASK) for counter in counters]
    assert bits_of(base, np.array(counters, dtype=np.uint64)).tolist() == alone


@given(seed=_BITS, purpose=st.text(max_size=10), number=st.integers(0, 1000))
def test_chance_draws_what_a_column_holds(seed: int, purpose: str, number: int) -> None:
    """`Chance` and `Draws` draw the same numbers for the same purpose."""
    chance = Chance(seed, purpose, number)
    column = Draws(seed).bits(purpose, number, np.arange(3, dtype=np.uint64))
    assert [chance.bits() for _ in range(3)] == column.tolist()


@given(seed=_BITS)
def test_what_is_drawn_is_in_its_range(seed: int) -> None:
    """Uniforms lie in [0, 1), whole numbers below their bound, and a share of nothing is never chosen."""
    chance = Chance(seed, "range")
    assert 0 <= chance.uniform() < 1
    assert 0 <= chance.below(3) < 3
    assert chance.between(5, 6) in (5, 6)
    assert chance.pick("ab") in "ab"
    assert chance.weighed({"never": 0.0, "always": 2.0, "nor this": 0.0}) == "always"


def test_draws_are_uniform_and_tell_nothing_of_each_other() -> None:
    """A million draws are uniform in each bit and each tenth; neighbours, purposes and seeds do not correlate."""
    counters = np.arange(1_000_000, dtype=np.uint64)
    one, other = Draws(1).bits("one", 0, counters), Draws(1).bits("one", 1, counters)
    for bit in range(64):
        share = ((one >> np.uint64(bit)) & np.uint64(1)).mean()
        assert abs(share - 0.5) < 0.0025
    tenths = np.bincount((uniforms(one) * 10).astype(int), minlength=10)
    assert stats.chisquare(tenths).pvalue > 0.001
    for second in (other, np.roll(one, 1), Draws(2).bits("one", 0, counters), Draws(1).bits("two", 0, counters)):
        assert abs(np.corrcoef(uniforms(one), uniforms(second))[0, 1]) < 0.005


def test_purposes_begin_at_places_of_their_own() -> None:
    """No two of many purposes begin at the same place."""
    bases = {base_of(seed, word, n) for seed in range(20) for word in ("step", "late", "pets") for n in range(50)}
    assert len(bases) == 20 * 3 * 50
