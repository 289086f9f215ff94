"""Arrays by key: the orders are what they are said to be, also where keys are nearly alike."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

np = pytest.importorskip("numpy")
pytest.importorskip("pyarrow")

from runengine.validation.bulk.keyed import by_key, grouped, joined  # noqa: E402

ALIKE: Final = st.builds(lambda high, low: (high << 40) | low, st.integers(0, 3), st.integers(0, 3))
"""Keys of which the high halves are often alike, as of two in four thousand million they may be."""


@given(st.lists(ALIKE | st.integers(0, 2**64 - 1), max_size=60))
def test_grouped(keys: list[int]) -> None:
    """Groups stand in the order of their first rows, and the rows of each in theirs."""
    order, found = grouped(np.array(keys, np.uint64))
    leads = {key: keys.index(key) for key in keys}
    assert order.tolist() == sorted(range(len(keys)), key=lambda place: (leads[keys[place]], place))
    assert found.tolist() == [keys[place] for place in order.tolist()]


@given(st.lists(ALIKE, max_size=60), st.randoms())
def test_by_key(keys: list[int], chance: object) -> None:
    """Rows stand by key, and by place where keys are equal."""
    places = [*range(0, 2 * len(keys), 2)]
    chance.shuffle(places)  # type: ignore[attr-defined]
    order = by_key(np.array(keys, np.uint64), np.array(places, np.int64), 2 * len(keys))
    assert order.tolist() == sorted(range(len(keys)), key=lambda n: (keys[n], places[n]))


@given(st.sets(ALIKE), st.integers(0, 9))
def test_joined(keys: set[int], cut: int) -> None:
    """Tables without a key in common are one, in the order of their keys."""
    rows = np.array([(key,) for key in keys], [("run", np.uint64)])
    assert joined("run", rows[cut:], rows[:cut])["run"].tolist() == sorted(keys)
