"""Parts of the profile by columns, each against its plain form: histograms, ways, and the busiest thread."""

from __future__ import annotations

from itertools import chain, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.core.statuses import STATUSES
from runengine.validation.profiling.lives import Life, Lives
from runengine.validation.profiling.quantiles import LEAST_S, MOST_S, RELATIVE_ERROR, Histogram
from runengine.validation.profiling.variants import Example, Trail, Variants
from runengine.validation.rules.path import Point

np = pytest.importorskip("numpy")

from runengine.validation.bulk.busiest import Busiest  # noqa: E402 - the extra first
from runengine.validation.bulk.stays import histogram_of  # noqa: E402
from runengine.validation.bulk.ways import Trails, Ways, count_ways, ways_of  # noqa: E402

DURATIONS = st.one_of(
    st.floats(0, MOST_S * 2),
    st.floats(LEAST_S / 2, 100),
    st.integers(0, 5_000).map(float),
    st.integers(-1400, 3900).map(lambda place: (1 + RELATIVE_ERROR) ** place),
)


@given(durations=st.lists(DURATIONS, max_size=60))
def test_histograms(durations: list[float]) -> None:
    """Durations counted at once fall into the buckets that they fall into one by one, also at the bounds of buckets."""
    one_by_one = Histogram()
    for seconds in durations:
        one_by_one.add(seconds)
    assert histogram_of(np.array(durations, np.float64)) == one_by_one


def folded(statuses: list[int]) -> Trail:
    """The trail of a run; a status twice in a row is one."""
    trail = Trail()
    for before, status in zip([None, *statuses], statuses, strict=False):
        if status != before:
            trail.see(STATUSES[status])
    return trail


@st.composite
def lanes(draw: st.DrawFn) -> list[list[int]]:
    """Statuses of some runs: any, and many rounds of tools."""
    rounds = st.lists(st.sampled_from([[2, 0, 1], [2, 1], [2, 0], [0, 1]]), max_size=14)
    ways = st.one_of(st.lists(st.integers(0, 8), max_size=9), rounds.map(lambda each: [0, 1, *chain(*each)]))
    return draw(st.lists(ways, min_size=1, max_size=6))


@given(runs=lanes(), cuts=st.lists(st.integers(1, 9), max_size=3), forget=st.booleans())
def test_ways(runs: list[list[int]], cuts: list[int], forget: bool) -> None:
    """Runs whose statuses come in several parts have gone the ways that they have gone, long ones too."""
    trails, ways = Trails(), Ways.none(len(runs))
    taken = [0] * len(runs)
    for size in [*cuts, 100]:
        rows: list[int] = []
        begins: list[bool] = []
        seen: list[bool] = []
        for number, statuses in enumerate(runs):
            part = statuses[taken[number] : taken[number] + size] or [9]
            before = statuses[taken[number] - 1] if taken[number] else None
            rows += part
            begins += [True] + [False] * (len(part) - 1)
            seen += [a != b and b != 9 for a, b in zip([before, *part], part, strict=False)]
            taken[number] = min(taken[number] + size, len(statuses))
        ways = ways_of(ways, np.array(rows, np.int8), np.array(begins), np.array(seen), trails)
        if forget:
            ways = ways._replace(trail=trails.keep(ways.trail))
    made = [trails.trail(int(trail), int(way)).key for trail, way in zip(ways.trail, ways.way, strict=True)]
    assert made == [folded(statuses).key for statuses in runs]


@given(runs=lanes())
def test_ways_are_counted_together(runs: list[list[int]]) -> None:
    """Runs counted by their ways are the variants that they are one by one, the first of each as its example."""
    trails, ways = Trails(), Ways.none(len(runs))
    rows = [status for statuses in runs for status in statuses or [9]]
    begins = [place == 0 for statuses in runs for place, _ in enumerate(statuses or [9])]
    seen: list[bool] = []
    one_by_one, together = Variants(), Variants()
    for line, statuses in enumerate(runs):
        seen += [a != b for a, b in zip([None, *statuses], statuses, strict=False)] or [False]
        one_by_one.add(folded(statuses), True, Example(None, "", line))
    ways = ways_of(ways, np.array(rows, np.int8), np.array(begins), np.array(seen), trails)
    count_ways(ways, np.arange(len(runs)), True, trails, together)
    assert together.as_list() == one_by_one.as_list()


@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(1, 4)), max_size=30),
    cuts=st.sets(st.integers(1, 29), max_size=3),
    forget_after=st.integers(0, 9),
)
def test_busiest(rows: list[tuple[int, bool, int]], cuts: set[int], forget_after: int) -> None:
    """The most runs on a thread are those that are counted one by one, whatever is forgotten between."""
    lives, most, now = Lives(forget_after), 0, 0
    columns: list[tuple[int, int, bool, bool, bool]] = []
    over_by_run: dict[int, bool] = {}
    names: dict[int, int] = {}
    for run, over, after in rows:
        now += after
        for life in lives.passed(after):
            over_by_run.pop(int(life.example.line))
        name = names.setdefault(run, run)
        known = lives.known(str(name))
        if known is not None and over_by_run[name] and not over:
            name = names[run] = len(names) + len(columns) + 9  # a run that has ended does not go on
            known = None
        thread, was_over = run % 2, over_by_run.get(name, False)
        if known is None:
            known = Life(Example(str(name), "", name))
            most = max(most, lives.enter(known, f"thread_{thread}"))
        columns.append((thread + 1, now, name not in over_by_run, over, was_over))
        over_by_run[name] = over
        known.point = Point(status="completed" if over else "queued", record={})
        lives.keep(known)
    busiest = Busiest(forget_after)
    bounds = [0, *sorted(cuts), len(rows)]
    for begin, end in pairwise(bounds):
        part: Any = columns[begin:end]
        if part:
            thread, at, new, over, was_over = (np.array(column) for column in zip(*part, strict=True))
            busiest.take(thread.astype(np.uint64), at, new, over, was_over)
    assert busiest.most == most
