"""The likelihood of stays known within bounds, against integration by brute force; families told apart; shares."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.simulation.distributions import Constant, Distribution, Exponential, Gamma, Lognormal, Quantiles
from runengine.simulation.fitting.choosing import FEW, chosen, median_of, scaled
from runengine.simulation.fitting.empirical import bounds_of, empirical_of
from runengine.simulation.fitting.likelihood import Sample, below, log_likelihood, off_by, sample_of, survival
from runengine.simulation.fitting.risks import Ended, interval_of, risks_of
from runengine.simulation.vectors.tables import quantiles

SHAPES: list[Distribution] = [
    Exponential(mean=1.7),
    Lognormal(median=0.6, sigma=0.7),
    Gamma(shape=0.6, mean=2.0),
    Gamma(shape=8.0, mean=3.0),
    Quantiles(values=(0.5, 1.0, 1.0, 4.0)),
]
DEFAULT = Exponential(mean=1.0)


def drawn(distribution: Distribution, count: int, seed: int = 1) -> np.ndarray:
    """Values of a distribution."""
    made: np.ndarray = quantiles(distribution, np.random.default_rng(seed).random(count))
    return made


def exactly(values: np.ndarray) -> Sample:
    """A sample of known lengths."""
    return sample_of([(0.0, value, value) for value in values])


def by_stamps(values: np.ndarray, seed: int = 2) -> Sample:
    """The same lengths as whole-second stamps of both ends tell them."""
    began = np.random.default_rng(seed).random(len(values))
    whole = np.floor(began + values)
    return sample_of([(1.0, second, second + 1) for second in whole])


@pytest.mark.parametrize("distribution", SHAPES, ids=lambda d: d.kind)
class TestLikelihood:
    """Against sums over a fine grid of beginnings."""

    @given(width=st.floats(0, 5), low=st.floats(0, 9), more=st.floats(0.01, 9))
    def test_within_bounds(self, distribution: Distribution, width: float, low: float, more: float) -> None:
        """The likelihood of a stay within bounds is the average over when it can have begun."""
        starts = (np.arange(2000) + 0.5) / 2000 * width
        brute = float(np.mean(below(distribution, low + more - starts) - below(distribution, low - starts)))
        told = np.exp(log_likelihood(distribution, sample_of([(width, low, low + more)])))
        assert told == pytest.approx(brute, abs=2e-3)

    def test_stamps_sum_to_one(self, distribution: Distribution) -> None:
        """What two whole-second stamps can show has a likelihood of 1 in all."""
        shown = [sample_of([(1.0, float(second), second + 1.0)]) for second in range(400)]
        assert sum(np.exp(log_likelihood(distribution, one)) for one in shown) == pytest.approx(1, abs=1e-6)

    def test_survival(self, distribution: Distribution) -> None:
        """Lasting beyond a moment is not having ended before it."""
        at = sample_of([(0.0, 1.3, np.inf)])
        assert survival(distribution, at)[0] == pytest.approx(1 - below(distribution, np.array([1.3]))[0])

    def test_off_by_is_kolmogorovs(self, distribution: Distribution) -> None:
        """Of exact stays, how far a distribution is off is Kolmogorov and Smirnov's distance."""
        values = np.sort(drawn(distribution, 60))
        share, steps = below(distribution, values), np.arange(61) / 60
        brute = max(np.abs(steps[1:] - share).max(), np.abs(share - steps[:-1]).max())
        assert off_by(distribution, exactly(values)) == pytest.approx(brute, abs=0.02)

    def test_off_by_sees_the_wrong_one(self, distribution: Distribution) -> None:
        """The right distribution is near what stamps show, one three times as long is not."""
        sample = by_stamps(drawn(distribution, 2000))
        assert off_by(distribution, sample) < 0.04 < off_by(scaled(distribution, 3.0), sample)

    def test_median(self, distribution: Distribution) -> None:
        """Half lies below the median."""
        at = np.array([median_of(distribution) - 1e-6, median_of(distribution) + 1e-6])
        less, more = below(distribution, at)
        assert less <= 0.5 <= more


class TestChosen:
    """The distribution a sample is given."""

    @pytest.mark.parametrize("view", [exactly, by_stamps])
    @pytest.mark.parametrize("distribution", [d for d in SHAPES if not isinstance(d, Quantiles)], ids=lambda d: d.kind)
    def test_recovers(self, distribution: Distribution, view: Callable[[np.ndarray], Sample]) -> None:
        """Median and mean are the distribution's, exact or by stamps."""
        choice = chosen(view(drawn(distribution, 3000)), DEFAULT)
        assert median_of(choice.distribution) == pytest.approx(median_of(distribution), rel=0.08)
        assert choice.distribution.mean == pytest.approx(distribution.mean, rel=0.08)
        assert choice.basis == "fitted"
        assert choice.off is not None
        assert choice.off < 0.03

    @pytest.mark.parametrize("distribution", [SHAPES[0], SHAPES[1], SHAPES[3]], ids=lambda d: d.kind)
    def test_family(self, distribution: Distribution) -> None:
        """Of many stays the family itself is found, and its intervals hold its numbers."""
        choice = chosen(exactly(drawn(distribution, 3000, seed=4)), DEFAULT)
        assert type(choice.distribution) is type(distribution)
        for one in choice.parameters:
            assert one.low is not None
            assert one.high is not None
            assert one.low * 0.98 <= getattr(distribution, one.name) <= one.high * 1.02

    def test_constant(self) -> None:
        """What is always the same is constant, known exactly or by stamps."""
        assert chosen(exactly(np.full(30, 2.5)), DEFAULT).distribution == Constant(value=2.5)
        choice = chosen(by_stamps(np.full(500, 5.3)), DEFAULT)
        assert choice.distribution.mean == pytest.approx(5.3, abs=0.15)

    def test_two_humps_are_measured(self) -> None:
        """What no family fits is kept as measured quantiles, if there are enough stays."""
        values = np.append(drawn(Lognormal(median=1.0, sigma=0.1), 400), drawn(Lognormal(median=60.0, sigma=0.1), 400))
        choice = chosen(exactly(values), DEFAULT)
        assert isinstance(choice.distribution, Quantiles)
        assert off_by(choice.distribution, exactly(values)) < 0.03
        assert isinstance(chosen(exactly(values[::20]), DEFAULT).distribution, Lognormal | Gamma | Exponential)

    def test_few_keep_the_defaults_shape(self) -> None:
        """Of few stays the scale alone is learned, between the default's and theirs."""
        default = Lognormal(median=1.0, sigma=0.5)
        choice = chosen(exactly(np.full(FEW - 1, 3.0)), default)
        assert choice.basis == "scaled"
        assert isinstance(choice.distribution, Lognormal)
        assert choice.distribution.sigma == 0.5
        assert 1.0 < choice.distribution.median <= 3.0
        assert chosen(exactly(np.array([3.0])), default).distribution.mean < choice.distribution.mean
        assert chosen(sample_of([]), default).distribution is default

    @given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 50), st.floats(0, 5)), min_size=1, max_size=20))
    @settings(max_examples=25, deadline=None)
    def test_anything(self, known: list[tuple[float, float, float]]) -> None:
        """Whatever the stays, a distribution comes of them."""
        sample = sample_of([(width, low, low + more) for width, low, more in known])
        assert 0 <= chosen(sample, DEFAULT).distribution.mean < 1e6


class TestEmpirical:
    """Measured distributions."""

    def test_bounds_hold_the_truth(self) -> None:
        """The distribution of the true lengths lies within the bounds of what stamps show of them."""
        values = drawn(SHAPES[1], 500)
        at = np.linspace(0, 6, 50)
        surely, possibly = bounds_of(by_stamps(values), at)
        truth = np.array([(values <= one).mean() for one in at])
        assert (surely <= truth + 1e-9).all()
        assert (truth <= possibly + 1e-9).all()

    @given(st.lists(st.floats(0.001, 99), min_size=1, max_size=50))
    def test_exact_is_the_steps(self, values: list[float]) -> None:
        """Of exact stays it is the share at or below each."""
        found = empirical_of(exactly(np.array(values)))
        for at, share in zip(found.at, found.below, strict=True):
            assert share == pytest.approx(np.mean(np.array(values) <= at))

    def test_stamps(self) -> None:
        """By stamps alone its quantiles are near the true ones, closer than a second."""
        found = empirical_of(by_stamps(drawn(Lognormal(median=4.0, sigma=0.8), 3000)))
        for share, true in ((0.1, 1.435), (0.5, 4.0), (0.9, 11.15)):
            assert found.quantile(share) == pytest.approx(true, abs=0.7)
        assert all(a <= b + 1e-12 for a, b in pairwise(found.below))


class TestRisks:
    """Shares and distributions together."""

    def test_open_stays_go_where_they_belong(self) -> None:
        """Stays that were cut short count for the event that takes long, not by the counts of those that ended."""
        rng = np.random.default_rng(3)
        is_slow = rng.random(4000) < 0.5
        lengths = np.where(is_slow, rng.exponential(20, 4000), rng.exponential(1, 4000))
        seen = lengths < 10
        ended = {
            event: Ended(sample=exactly(lengths[here & seen]), counts={"": int((here & seen).sum())})
            for event, here in (("slow", is_slow), ("fast", ~is_slow))
        }
        left = sample_of([(0.0, 10.0, np.inf)] * int((~seen).sum()))
        risks = risks_of(ended, left, sample_of([]), {}, dict.fromkeys(ended, DEFAULT))
        naive = ended["slow"].count / (ended["slow"].count + ended["fast"].count)
        assert naive < 0.35
        assert risks["slow"].share == pytest.approx(0.5, abs=0.04)
        assert risks["slow"].choice.distribution.mean == pytest.approx(20, rel=0.2)

    def test_closed_rows(self) -> None:
        """An event that could not come to half of the stays has twice the share of what is counted of it."""
        one = exactly(np.ones(20))
        ended = {
            "cancel": Ended(sample=one, counts={"open": 50, "shut": 100}),
            "complete": Ended(sample=one, counts={"open": 50}),
        }
        risks = risks_of(
            ended, sample_of([]), sample_of([]), {"shut": frozenset({"complete"})}, dict.fromkeys(ended, DEFAULT)
        )
        assert risks["complete"].share == pytest.approx(0.5, abs=1e-3)

    @given(st.integers(1, 500), st.floats(0, 1))
    def test_intervals(self, count: int, share: float) -> None:
        """An interval holds its share, within 0 and 1, and more cases narrow it."""
        low, high = interval_of(share, count)
        assert 0 <= low <= share + 1e-9
        assert share - 1e-9 <= high <= 1
        more_low, more_high = interval_of(share, 4 * count)
        assert more_high - more_low <= high - low
