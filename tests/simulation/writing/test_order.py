"""Rows in order: total by time, whatever the chunks; and which lines a faulted run is told to have."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runengine.simulation.vectors.ordering import joined
from runengine.simulation.writing.order import InOrder, Lines, Order

RUNS = st.lists(st.lists(st.integers(0, 30), max_size=6), max_size=12)
"""Of each run, the moments of its rows."""


def put(
    runs: list[list[int]], order: Order, size: int, faulted: set[int]
) -> tuple[list[bytes], dict[str, tuple[int, ...]]]:
    """The lines that are written of runs in chunks of a size, and what is told of the faulted ones."""
    written: list[bytes] = []
    told: list[tuple[str, tuple[int, ...]]] = []
    rows = InOrder(written.append, order, lambda run_id, lines: told.append((run_id, lines)))
    for start in range(0, len(runs), size):
        texts: list[bytes] = []
        marks: dict[int, tuple[str, bool]] = {}
        for run in range(start, min(start + size, len(runs))):
            for number in range(len(runs[run])):
                if run in faulted:
                    marks[len(texts)] = (str(run), number % 2 == 0)
                texts.append(b"%d %d\n" % (run, number))
        silent = tuple(
            str(run) for run in range(start, min(start + size, len(runs))) if run in faulted and not runs[run]
        )
        later = [at_us for run in runs[start + size :] for at_us in run]
        moments = [at_us for run in runs[start : start + size] for at_us in run]
        rows.add(Lines(at_us=joined(moments), texts=texts, marks=marks, silent=silent), min(later, default=31))
    rows.close()
    assert len(dict(told)) == len(told)
    return b"".join(written).splitlines(), dict(told)


def ordered(runs: list[list[int]], order: Order) -> list[tuple[int, int]]:
    """Run and number of each row, in order."""
    rows = [(at_us, run, number) for run, moments in enumerate(runs) for number, at_us in enumerate(moments)]
    return [row[1:] for row in (sorted(rows) if order == "time" else rows)]


@given(RUNS, st.sampled_from(("time", "run")), st.integers(1, 13), st.sets(st.integers(0, 11)))
def test_rows_come_in_order_whatever_the_chunks(
    runs: list[list[int]], order: Order, size: int, faulted: set[int]
) -> None:
    """The order is that of all rows at once, and each faulted run is told once, with its own broken lines."""
    lines, told = put(runs, order, size, faulted)
    assert lines == [b"%d %d" % row for row in ordered(runs, order)]
    for run in faulted & set(range(len(runs))):
        broken = [n for n, row in enumerate(ordered(runs, order), 1) if row[0] == run and row[1] % 2 == 0]
        assert told.pop(str(run)) == tuple(broken)
    assert told == {}


def test_rows_are_written_as_soon_as_none_can_come_before_them() -> None:
    """What lies before the horizon is out; what lies at it or beyond is kept, and no more than that."""
    written: list[bytes] = []
    rows = InOrder(written.append, "time")
    rows.add(Lines(at_us=joined([5, 9, 8]), texts=[b"5", b"9", b"8"]), 8)
    assert written == [b"5"]
    rows.add(Lines(at_us=joined([8]), texts=[b"later"]), 9)
    assert written == [b"5", b"8later"]


def test_a_text_of_several_lines_is_counted_as_many() -> None:
    """Lines after a broken row that has two line feeds are numbered as an editor numbers them."""
    told: list[tuple[int, ...]] = []
    rows = InOrder(lambda _: None, "run", lambda _, lines: told.append(lines), height=3)
    marks = {1: ("a", True), 2: ("a", True)}
    rows.add(Lines(at_us=joined([]), texts=[b"1\n2\n3\n", b"4\n5\n", b"6\n", b"7\n8\n9\n"], marks=marks), None)
    rows.add(Lines(at_us=joined([]), texts=[b"10\n"], marks={0: ("b", True)}), None)
    assert told == [(4, 6), (10,)]
