"""Quantiles: within the stated error of the exact ones, and the same however they were brought together."""

from __future__ import annotations

from fractions import Fraction
from math import nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.validation.profiling.quantiles import LEAST_S, MOST_S, RELATIVE_ERROR, Histogram

DURATIONS = st.one_of(
    st.floats(LEAST_S, MOST_S),
    st.integers(0, 100_000).map(float),
    st.integers(-1400, 3900).map(lambda place: min(max((1 + RELATIVE_ERROR) ** place, LEAST_S), MOST_S)),
)


def histogram(durations: list[float]) -> Histogram:
    """What was counted of durations."""
    made = Histogram()
    for seconds in durations:
        made.add(seconds)
    return made


@given(durations=st.lists(DURATIONS, min_size=1, max_size=60), share=st.floats(0, 1))
def test_within_the_stated_error(durations: list[float], share: float) -> None:
    """Any quantile is within 1 % of the exact one, also where durations lie on the bounds of buckets."""
    exact = min(d for d in durations if sum(each <= d for each in durations) >= Fraction(str(share)) * len(durations))
    assert histogram(durations).quantile(share) == pytest.approx(exact, rel=RELATIVE_ERROR + 1e-9, abs=LEAST_S)


@pytest.mark.parametrize(
    ("n", "wanted"), [(1, (1, 1, 1)), (2, (1, 2, 2)), (3, (2, 3, 3)), (10, (5, 9, 10)), (100, (50, 90, 99))]
)
def test_nearest_rank(n: int, wanted: tuple[int, ...]) -> None:
    """A quantile is the first duration that so large a share of all does not exceed: never one that fewer reach."""
    made = histogram([float(seconds) for seconds in range(1, n + 1)])
    assert tuple(made.quantile(share) for share in (0.5, 0.9, 0.99)) == wanted
    assert [histogram([1.0] * 7 + [2.0] * 93).quantile(share) for share in (0.07, 0.08)] == [1, 2]


@given(durations=st.lists(DURATIONS, min_size=1, max_size=60))
def test_the_ends_are_exact(durations: list[float]) -> None:
    """The count and the longest are exact, and no quantile lies outside the durations."""
    made = histogram(durations)
    shown = made.as_dict()
    assert shown is not None
    assert shown["n"] == len(durations)
    assert made.most_s == max(d if d >= LEAST_S else 0 for d in durations)
    assert made.least_s <= made.quantile(0) <= made.quantile(0.5) <= made.quantile(1) <= made.most_s


@given(seconds=st.integers(1, 99), others=st.lists(DURATIONS, max_size=5))
def test_whole_seconds_come_back(seconds: int, others: list[float]) -> None:
    """Stamps are whole seconds: a stay of such a length is shown as such."""
    below = [min(other, seconds / 2) for other in others]
    above = [max(other, seconds * 2) for other in others]
    assert histogram([*below, float(seconds), *above]).quantile(0.5) == pytest.approx(seconds, rel=1e-12)


@given(parts=st.lists(st.lists(DURATIONS, max_size=20), min_size=1, max_size=4))
def test_parts_make_the_whole(parts: list[list[float]]) -> None:
    """Histograms of parts, added from the left or from the right, are the histogram of all."""
    left, right = Histogram(), Histogram()
    for part in parts:
        left.take(histogram(part))
    for part in reversed(parts):
        right.take(histogram(part))
    assert left == right == histogram([seconds for part in parts for seconds in part])
    if any(parts):
        assert left != Histogram()


def test_out_of_range() -> None:
    """What is shorter than a microsecond counts as 0, what is longer than can be as the most."""
    assert histogram([-5.0, 0.0, nextafter(LEAST_S, 0)]).as_dict() == dict.fromkeys(
        ("p50", "p90", "p99", "max"), 0.0
    ) | {"n": 3}
    assert histogram([float("inf")]).quantile(1) == MOST_S
    assert Histogram().as_dict() is None
    assert Histogram().quantile(0.5) == 0


def test_memory_is_bounded() -> None:
    """A million times the range of durations fills no more than the stated buckets."""
    made = Histogram()
    seconds = LEAST_S / 2
    while seconds < MOST_S * 10:
        made.add(seconds)
        seconds *= 1.003
    assert len(made._buckets) <= 3_936
