"""A table in parts is one table: whatever is put in and taken out, and however small the parts and the filter."""

from __future__ import annotations

from typing import Final
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

np = pytest.importorskip("numpy")
pytest.importorskip("pyarrow")

from runengine.validation.bulk import held  # noqa: E402 - numpy first
from runengine.validation.bulk.held import Held  # noqa: E402

ROW: Final = np.dtype([("run", np.uint64), ("at", np.int64)])
KEYS: Final = 40
STEPS: Final = st.lists(
    st.tuples(st.sampled_from((1, 2, 8, 30)), st.integers(0, 2**KEYS - 1), st.booleans()), min_size=1, max_size=12
)
"""How many rows are put in, of which keys rows are taken out, and whether those come back changed."""


@given(STEPS, st.permutations(range(KEYS)), st.sampled_from((8, 64, held._FILTER_MIN)))
def test_one_table(steps: list[tuple[int, int, bool]], keys: list[int], filter_min: int) -> None:
    """What is taken out is what was put in last under its key, once; nothing else goes, and nothing comes back."""
    with patch.object(held, "_FILTER_MIN", filter_min):
        table, model = Held(np.zeros(0, ROW)), dict[int, int]()
        for now, (count, mask, again) in enumerate(steps):
            asked = [1 + key for key in keys if mask >> key & 1]
            taken, places = table.take(np.array(asked, np.uint64))
            found = {int(row["run"]): int(row["at"]) for row in taken}
            assert [asked[place] for place in places.tolist()] == taken["run"].tolist()
            assert found == {key: model.pop(key) for key in asked if key in model}
            fresh = [1 + key for key in keys if 1 + key not in model and 1 + key not in found][:count]
            new = dict.fromkeys((*(found if again else ()), *fresh), now)
            model |= new
            table.put(np.array(list(new.items()), ROW))
            assert table.all()["run"].tolist() == sorted(model)
            assert table.all()["at"].tolist() == [model[key] for key in sorted(model)]


@given(STEPS)
def test_no_more_than_that(steps: list[tuple[int, int, bool]]) -> None:
    """Rows that are of no use any more go with time, others stay, and what is held is no more than some times them."""
    table, used, now = Held(np.zeros(0, ROW)), set[int](), 0
    for count, mask, _ in steps * 4:
        table.put(np.array([(now + n, mask >> n & 1) for n in range(count)], ROW), lambda rows: rows["at"] > 0)
        used |= {now + n for n in range(count) if mask >> n & 1}
        now += count
        there = table.all()
        assert used == set(there["run"][there["at"] > 0].tolist())
        assert table.nbytes <= (ROW.itemsize + 1) * 2 * len(there) + held._FILTER_MIN // 8 + now
        assert used == set(np.concatenate(table.present(lambda rows: rows["at"] > 0)).tolist())
        assert np.sort(np.concatenate(table.present())).tolist() == there["run"].tolist()
        taken, _ = table.take(there["run"][::3])
        used -= set(taken["run"].tolist())


def test_it_lets_go() -> None:
    """Where only the rows that came last are of use, not many more are held."""
    table = Held(np.zeros(0, ROW))
    for now in range(100):
        rows = np.array([(100 * now + n, now) for n in range(10)], ROW)
        table.put(rows, lambda rows, old=now - 3: rows["at"] >= old)  # type: ignore[misc]
        assert len(table.all()) < 150
    assert table.nbytes < held._FILTER_MIN // 8 + 150 * 2 * (ROW.itemsize + 1)
