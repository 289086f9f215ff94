"""Tables: what is drawn from them is distributed as the scenario says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from runengine.simulation.chance import MASK
from runengine.simulation.distributions import (
    Constant,
    Distribution,
    Exponential,
    Gamma,
    Lognormal,
    Quantiles,
)
from runengine.simulation.vectors.draws import Draws
from runengine.simulation.vectors.tables import Choice, Table, quantiles

_SAMPLE = Draws(7).bits("sample", 0, np.arange(400_000, dtype=np.uint64))
_STEPS = Quantiles(values=(0.0, 1.0, 1.5, 7.0, 20.0))


def _steps_cdf(x: Any) -> Any:
    return np.interp(x, _STEPS.values, np.linspace(0, 1, 5))


@pytest.mark.parametrize(
    ("distribution", "truth"),
    [
        (Exponential(mean=3), stats.expon(scale=3).cdf),
        (Lognormal(median=0.6, sigma=0.7), stats.lognorm(0.7, scale=0.6).cdf),
        (Lognormal(median=40, sigma=2.5), stats.lognorm(2.5, scale=40).cdf),
        (Gamma(shape=0.4, mean=2), stats.gamma(0.4, scale=5).cdf),
        (Gamma(shape=9, mean=4.5), stats.gamma(9, scale=0.5).cdf),
        (_STEPS, _steps_cdf),
    ],
    ids=lambda value: getattr(value, "kind", "truth"),
)
def test_samples_are_distributed_as_told(distribution: Distribution, truth: Any) -> None:
    """400,000 samples do not differ from the distribution (Kolmogorov–Smirnov, 1 %), and have its mean."""
    sample = Table(distribution).of(_SAMPLE)
    assert stats.kstest(sample, truth).pvalue > 0.01
    assert sample.mean() == pytest.approx(distribution.mean, rel=0.05)


@pytest.mark.parametrize(
    ("distribution", "truth"),
    [
        (Exponential(mean=3), stats.expon(scale=3).cdf),
        (Lognormal(median=40, sigma=0.05), stats.lognorm(0.05, scale=40).cdf),
        (Lognormal(median=0.6, sigma=0.7), stats.lognorm(0.7, scale=0.6).cdf),
        (Gamma(shape=2, mean=5), stats.gamma(2, scale=2.5).cdf),
        (Gamma(shape=10_000, mean=1), stats.gamma(10_000, scale=1e-4).cdf),
        (_STEPS, _steps_cdf),
    ],
    ids=lambda value: getattr(value, "kind", "truth"),
)
def test_a_sample_is_off_by_less_than_a_ten_thousandth(distribution: Distribution, truth: Any) -> None:
    """For every probability, the lowest and the uppermost too, the sample is where the distribution has it."""
    bits = np.arange(0, 1 << 32, 1 << 11, dtype=np.uint64)
    assert np.abs(truth(Table(distribution).of(bits)) - bits / 2**32).max() < 1e-4


def test_a_narrow_distribution_is_narrow() -> None:
    """The spread of logarithms is the one told, within four parts in a thousand: no sample is far below the others."""
    for sigma in (0.05, 0.2, 0.8):
        assert np.log(Table(Lognormal(median=40, sigma=sigma)).of(_SAMPLE)).std() == pytest.approx(sigma, rel=0.004)


@given(bits=st.integers(0, MASK), mean=st.floats(0, 1e4), sigma=st.floats(0, 2.5))
def test_any_bits_give_a_time(bits: int, mean: float, sigma: float) -> None:
    """Whatever is drawn, a sample is finite and not negative, and a constant is itself."""
    column = np.array([bits], dtype=np.uint64)
    for distribution in (Exponential(mean=mean), Lognormal(median=mean, sigma=sigma), Gamma(shape=2, mean=mean)):
        sample = Table(distribution).of(column)[0]
        assert 0 <= sample < np.inf
    assert Table(Constant(value=mean)).of(column)[0] == mean


def test_a_higher_draw_is_no_shorter() -> None:
    """A table is a quantile function: it never goes down, not even into its finer upper part."""
    low = np.sort(_SAMPLE & np.uint64(0xFFFFFFFF))
    assert (np.diff(Table(Lognormal(median=1, sigma=2)).of(low)) >= 0).all()


def test_the_upper_part_is_as_fine_as_the_whole() -> None:
    """The one in a hundred thousand is where the distribution has it."""
    sample = Table(Exponential(mean=1)).of(Draws(3).bits("tail", 0, np.arange(4_000_000, dtype=np.uint64)))
    expected = quantiles(Exponential(mean=1), np.array([0.99999]))[0]
    assert np.quantile(sample, 0.99999) == pytest.approx(expected, rel=0.03)


@given(
    shares=st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 100)), min_size=1, max_size=8).filter(any),
    bits=st.integers(0, MASK),
)
def test_a_share_of_nothing_is_never_chosen(shares: list[float], bits: int) -> None:
    """Whatever is drawn, what is chosen has a share."""
    assert all(shares[number] > 0 for number in Choice(shares).of(np.array([0, bits, MASK], dtype=np.uint64)))


def test_shares_are_kept() -> None:
    """400,000 choices have the shares told (chi-square, 1 %)."""
    shares = [0.9, 0.05, 0.0, 0.02, 0.02, 0.01]
    counts = np.bincount(Choice(shares).of(_SAMPLE), minlength=len(shares))
    given_shares = np.array(shares)
    positive = given_shares > 0
    assert stats.chisquare(counts[positive], given_shares[positive] * len(_SAMPLE)).pvalue > 0.01
