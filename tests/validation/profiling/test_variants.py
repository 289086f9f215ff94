"""Variants: tool rounds folded, the simplest kept, and the same however they were brought together."""

from __future__ import annotations

import re
from collections import Counter
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from runengine.core.statuses import STATUSES, Status
from runengine.validation.profiling.variants import PIECES_MAX, Example, Trail, Variants, wording

LETTERS: dict[str, Status] = dict(zip("qpaCcifxe", STATUSES, strict=True))
PART = re.compile(r"aqp|ap|aq(?=a)|.")
HERE = Example("run_1", "a.jsonl", 1)

ways = st.lists(st.sampled_from(["q", "p", "aqp", "ap", "aq", "a", "C", "c", "f", "e"]), max_size=12).map(
    lambda parts: "".join(letter for letter, _ in groupby("".join(parts)))
)


def naive(way: str) -> str:
    """A way in words, by a regular expression over letters."""
    said: list[str] = []
    for part, same in groupby(PART.findall(way)):
        words, count = " → ".join(LETTERS[letter] for letter in part), len(list(same))
        said += [f"({words}) ×{count}"] if len(part) > 1 < count else [words] * count
    return " → ".join(said) or "no known status"


def trail(way: str) -> Trail:
    """A run that went that way."""
    made = Trail()
    for letter in way:
        made.see(LETTERS[letter])
    return made


def counted(ways_of: list[str], most: int = 1_000) -> Variants:
    """Variants of runs."""
    made = Variants(most)
    for way in ways_of:
        made.add(trail(way), True, HERE)
    return made


@given(way=ways)
def test_folded_as_by_a_naive_reading(way: str) -> None:
    """Tool rounds in a row are folded and counted, everything else stands as it was."""
    pieces, rounds = trail(way).folded()
    if not trail(way).cut:
        assert wording(pieces, tuple((n, n) for n in rounds)) == naive(way)


def test_rounds_of_several_runs() -> None:
    """Runs that differ in the number of rounds are one variant, which says the least and the most."""
    shown = counted(["qpaqpc", "qpaqpaqpaqpc", "qpaqpaqpc", "qpc"]).as_list()
    way = "queued → in_progress → (requires_action → queued → in_progress) ×1–3 → completed"
    assert [(each["way"], each["runs"], each["share"]) for each in shown] == [
        (way, 3, 0.75),
        ("queued → in_progress → completed", 1, 0.25),
    ]


def test_open_and_cut_ways_are_marked() -> None:
    """A run that had not ended has an ellipsis, and is another variant than one that had."""
    made = Variants()
    made.add(trail("qp"), False, HERE)
    made.add(trail("qp"), True, HERE)
    assert sorted(each["way"] for each in made.as_list()) == ["queued → in_progress", "queued → in_progress → …"]
    long = trail("qp" * 5_000)
    assert long.cut
    assert wording(long.folded()[0], cut=True).count("→") == PIECES_MAX
    many = trail("qp" + "aqp" * 5_000 + "c")
    assert not many.cut
    assert many.folded()[1] == (5_000,)


@given(runs=st.lists(ways, max_size=25), most=st.integers(1, 6))
def test_bounded(runs: list[str], most: int) -> None:
    """No more variants are kept than may be, those that are have exact counts, and no run is lost."""
    few, all_of = counted(runs, most), counted(runs)
    assert len(few.kept) == min(most, len(all_of.kept))
    assert all(few.kept[key].runs == all_of.kept[key].runs for key in few.kept)
    assert sum(variant.runs for variant in few.kept.values()) + few.other_runs == len(runs)
    lengths = Counter({key: sum(len(piece.statuses) for piece in key[0]) for key in all_of.kept})
    left_out = [lengths[key] for key in all_of.kept if key not in few.kept]
    assert not left_out or max(lengths[key] for key in few.kept) <= min(left_out)


@given(parts=st.lists(st.lists(ways, max_size=10), min_size=3, max_size=3), most=st.integers(1, 5))
def test_any_grouping_is_the_whole(parts: list[list[str]], most: int) -> None:
    """Variants of three parts, the first two or the last two brought together first, are the variants of all."""
    one, two, three = (counted(part, most) for part in parts)
    left = counted(parts[0], most)
    left.take(two)
    left.take(three)
    right = counted(parts[1], most)
    right.take(three)
    one.take(right)
    assert left.as_list() == one.as_list() == counted([way for part in parts for way in part], most).as_list()
    assert left.other_runs == one.other_runs
