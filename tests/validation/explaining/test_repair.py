"""The cheapest repair: what it makes of a path is legal, nothing cheaper is, and a legal path needs none.

The oracle is the naive model's list of edges, walked by brute force; it knows nothing of the table or of the search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise, permutations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.core import POLICIES, STATUSES, policy_named
from runengine.core.table import Policy
from runengine.validation.explaining.repair import COSTS, OBSERVATIONS_MAX, Edit, Repair, repair
from runengine.validation.seen import Mark
from tests import naive

MUST = ("in_progress", "requires_action", "completed", "incomplete")
PRICE = {kind: cost.cost for kind, cost in COSTS.items()}
LATE_MAX, AWAY_MAX = 6, 2

Seen = tuple[str, int | None]
"""A snapshot: status and started_at."""


@cache
def gap(policy: str, source: Seen, target: Seen) -> int | None:
    """The fewest edges from one snapshot to the next that agree with started_at, by brute force; None where none do."""
    (status, was), (goal, is_now) = source, target
    was_open = was is None and status in MUST
    is_open = is_now is None and goal in MUST
    if was is not None and is_now is not None and is_now < was:
        return None
    if was is not None and is_now is None and not is_open:
        return None
    here = {(status, False)}
    for steps in range(12):
        for at, restarted in here:
            open_end = was_open or is_open
            fits = open_end or (restarted if was != is_now else was is not None or not restarted)
            if at == goal and fits:
                return steps
        here = {
            (to, restarted or to == "in_progress")
            for at, restarted in here
            for to in naive.ALL_STATUSES
            if (at, to) in naive.EDGES[policy]
            and (
                at != "cancelling" or to not in ("completed", "incomplete") or was is not None or was_open or restarted
            )
        }
    return None


def cost_of(path: Sequence[Seen], policy: str, complete: bool) -> int | None:
    """What must be inserted into a path, priced; None where nothing makes it legal."""
    total = 0
    for source, target in pairwise(path):
        steps = gap(policy, source, target)
        if steps is None:
            return None
        if steps > 1 and (documented := gap("documented", source, target)) is not None:
            steps = documented
        total += max(0, steps - 1) * PRICE["insert"] if complete else 0
    return total


@cache
def orders(count: int) -> dict[tuple[int, ...], int]:
    """Every order that moves to earlier places make, and the least that the moves cost."""
    found: dict[tuple[int, ...], int] = {}
    for order, moved in product(permutations(range(count)), product((False, True), repeat=count)):
        late = [n for n in range(count) if moved[n]]
        stay = [n for n in order if n not in late]
        if stay == sorted(stay) and all(_moves_back(order, n, late) for n in late) and _within(order, late):
            found[order] = min(found.get(order, 99), len(late) * PRICE["move"])
    return found


def _moves_back(order: tuple[int, ...], late: int, moved: list[int]) -> bool:
    """It stands before some observation that was not moved and came before it."""
    following = [n for n in order[order.index(late) + 1 :] if n not in moved]
    return bool(following) and following[0] < late and late - following[0] <= LATE_MAX


def _within(order: tuple[int, ...], moved: list[int]) -> bool:
    """No more than two are away at once: taken out of their places, and those not reached yet."""
    for place in range(len(order)):
        if place not in moved:
            away = [n for n in moved if n > place and place in order[order.index(n) :]]
            if len(away) > AWAY_MAX:
                return False
    return True


def cheapest(seen: Sequence[Seen], policy: str, complete: bool) -> int:
    """The least cost of any edits, by trying them all."""
    best = len(seen) * PRICE["drop"]
    for kept in product((False, True), repeat=len(seen)):
        base = kept.count(False) * PRICE["drop"]
        if base >= best:
            continue
        left = [n for n in range(len(seen)) if kept[n]]
        for path, price in _changed([seen[n] for n in left], complete):
            if base + price >= best:
                continue
            for order, moves in orders(len(left)).items():
                if order and order[0] and path[order[0]][0] != "queued" and ("queued", None) in seen:
                    continue
                total = base + price + moves
                if total < best and (more := cost_of([path[n] for n in order], policy, complete)) is not None:
                    best = min(best, total + more)
    return best


def _changed(path: list[Seen], complete: bool) -> Iterator[tuple[list[Seen], int]]:
    """The path as it is, and with any one or two observations changed (more cost as much as to drop the rest)."""
    yield path, 0
    if not complete:
        return
    for n, status in product(range(len(path)), STATUSES):
        if status != path[n][0] and not (status in MUST and path[n][1] is None):
            yield [*path[:n], (status, path[n][1]), *path[n + 1 :]], PRICE["change"]


def marks_of(seen: Sequence[Seen]) -> list[Any]:
    """The snapshots on lines 10, 20, …"""
    return [(10 * n, *each) for n, each in enumerate(seen, 1)]


def mended(marks: Sequence[Mark], made: Repair) -> list[Seen]:
    """The path after the edits, done by hand, one by one in order of the mended path."""
    gone = {edit.line for edit in made.edits if edit.kind in ("drop", "move")}
    status_of = {edit.line: edit.status for edit in made.edits if edit.kind == "change"}
    shown: dict[int, Seen] = {line: (status_of.get(line) or status, at) for line, status, at in marks}
    path: list[tuple[int, Seen]] = [(line, shown[line]) for line, _, _ in marks if line not in gone]
    for edit in made.edits:
        if edit.kind == "move":
            assert edit.line is not None
            _put(path, edit, (edit.line, shown[edit.line]))
    return [each for _, each in path]


def _put(path: list[tuple[int, Seen]], edit: Edit, what: tuple[int, Seen]) -> None:
    """Behind the line it follows, or at the beginning."""
    places = [line for line, _ in path]
    place = 0 if edit.after is None else places.index(edit.after) + 1
    path.insert(place, what)


STARTS = (None, 5, 6)
SNAPSHOTS = st.tuples(st.sampled_from(STATUSES), st.sampled_from(STARTS))
PATHS = st.lists(SNAPSHOTS, max_size=4)
POLICY = st.sampled_from(sorted(POLICIES))


@settings(max_examples=100, deadline=None)
@given(seen=PATHS, policy=POLICY, complete=st.booleans())
def test_nothing_is_cheaper(seen: list[Seen], policy: str, complete: bool) -> None:
    """No other edits make the path legal for less."""
    assert repair(marks_of(seen), policy_named(policy), complete).cost == cheapest(seen, policy, complete)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(seen=st.lists(SNAPSHOTS, min_size=5, max_size=5), policy=POLICY, complete=st.booleans())
def test_nothing_is_cheaper_for_five(seen: list[Seen], policy: str, complete: bool) -> None:
    """No other edits make a path of five legal for less."""
    assert repair(marks_of(seen), policy_named(policy), complete).cost == cheapest(seen, policy, complete)


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("policy", POLICIES)
def test_every_pair(policy: str, complete: bool) -> None:
    """For every two snapshots the cost is that of brute force, and 0 where, and only where, the pair is legal."""
    for seen in product(product(STATUSES, STARTS), repeat=2):
        cost = repair(marks_of(seen), policy_named(policy), complete).cost
        assert cost == cheapest(seen, policy, complete), seen
        assert (cost == 0) == (cost_of(seen, policy, complete) == 0), seen


@settings(max_examples=300, deadline=None)
@given(seen=st.lists(SNAPSHOTS, max_size=9), policy=POLICY, complete=st.booleans(), movable=st.booleans())
def test_what_it_makes_is_legal(seen: list[Seen], policy: str, complete: bool, movable: bool) -> None:
    """After the edits the naive model walks the path with the insertions that are named, and the sum holds."""
    marks = marks_of(seen)
    made = repair(marks, policy_named(policy), complete, movable)
    path = mended(marks, made)
    inserted = [edit for edit in made.edits if edit.kind == "insert"]
    assert cost_of(path, policy, complete) == len(inserted) * PRICE["insert"]
    assert made.cost == sum(PRICE[edit.kind] for edit in made.edits)
    assert (made.cost == 0) == (cost_of(seen, policy, complete) == 0) == (made.edits == ())
    assert movable or all(edit.kind != "move" for edit in made.edits)


@settings(max_examples=100, deadline=None)
@given(seen=st.lists(SNAPSHOTS, max_size=8), policy=POLICY)
def test_insertions_lead_on(seen: list[Seen], policy: str) -> None:
    """Each inserted event is one that the naive model allows where it is inserted, and leads where the edit says."""
    marks = marks_of(seen)
    made = repair(marks, policy_named(policy), True)
    now: dict[int | None, str] = {line: status for line, status, _ in marks}
    now.update({edit.line: edit.status for edit in made.edits if edit.kind == "change" and edit.status})
    before: tuple[int | None, str] = (None, "")
    for edit in made.edits:
        if edit.kind == "insert":
            source = before[1] if before[0] == edit.before else now[edit.after]
            assert edit.event is not None
            assert naive.is_legal(source, edit.event, policy)
            assert naive.leads_to(source, edit.event) == edit.status
            before = (edit.before, str(edit.status))


@settings(max_examples=50, deadline=None)
@given(seen=PATHS, policy=POLICY, complete=st.booleans())
def test_the_answer_is_one(seen: list[Seen], policy: str, complete: bool) -> None:
    """The same edits come of a fresh policy after other questions, and of other seconds."""
    known = policy_named(policy)
    fresh = Policy(known.name, known.rows)
    repair(marks_of([*seen, ("expired", None)]), fresh, not complete)
    made = repair(marks_of(seen), known, complete)
    assert repair(marks_of(seen), fresh, complete) == made
    later = [(status, None if at is None else at * 1000) for status, at in seen]
    assert repair(marks_of(later), known, complete) == made


@pytest.mark.parametrize(
    ("seen", "complete", "says"),
    [
        ([("queued", None), ("completed", 5)], True, "insert start between line 10 and line 20"),
        ([("queued", None), ("completed", 5)], False, ""),
        ([("completed", 5), ("in_progress", 5)], True, "line 20 belongs before line 10"),
        ([("completed", 5), ("cancelled", 5)], False, "drop line 20"),
        (
            [("queued", None), ("in_progress", 5), ("completed", 5), ("requires_action", 5)],
            False,
            "line 40 belongs between line 20 and line 30",
        ),
        ([("in_progress", 5), ("failed", 5), ("cancelled", 5)], True, "drop line 30"),
        ([("requires_action", 5), ("completed", 6)], True, "drop line 20"),
        ([("queued", None), ("in_progress", 5), ("requires_action", None), ("completed", 5)], True, "drop line 40"),
        ([("queued", None), ("in_progress", 5), ("requires_action", 5), ("completed", 5)], True, "drop line 40"),
    ],
)
def test_in_words(seen: list[Seen], complete: bool, says: str) -> None:
    """The edits are said by line and event; of equals the latest line is given up."""
    assert repair(marks_of(seen), policy_named("practical"), complete).text == says


def test_a_change_in_words() -> None:
    """A wrong status between two that need one there is changed, which is cheaper than to give it up and insert."""
    seen: list[Seen] = [("queued", None), ("expired", 5), ("requires_action", 5), ("queued", 5)]
    assert repair(marks_of(seen), policy_named("documented"), True).text == "change line 20 from expired to in_progress"


def test_no_change_to_what_cannot_be() -> None:
    """No snapshot without a start is changed to a status that has one, though such a path would be legal for less."""
    seen: list[Seen] = [("queued", None), ("in_progress", 5), ("queued", 6), ("queued", 6), ("queued", None)]
    for policy in POLICIES:
        edits = repair(marks_of(seen), policy_named(policy), True).edits
        assert not [edit for edit in edits if edit.kind == "change" and edit.line in (10, 50) and edit.status in MUST]


@settings(max_examples=200, deadline=None)
@given(seen=st.lists(SNAPSHOTS, max_size=6), policy=POLICY, complete=st.booleans())
def test_nothing_comes_before_the_birth(seen: list[Seen], policy: str, complete: bool) -> None:
    """Where a run was seen queued and never started, only a queued snapshot is moved to the beginning."""
    seen = [("queued", None), *seen]
    edits = repair(marks_of(seen), policy_named(policy), complete).edits
    first = [edit.line for edit in edits if edit.kind == "move" and edit.after is None]
    assert all(line is not None and seen[line // 10 - 1][0] == "queued" for line in first)


@pytest.mark.parametrize("policy", POLICIES)
def test_insertions_are_documented_where_they_can_be(policy: str) -> None:
    """No undocumented step is inserted between two snapshots that documented steps join."""
    for seen in product(product(STATUSES, STARTS), repeat=2):
        if gap("documented", *seen) is not None:
            edits = repair(marks_of(seen), policy_named(policy), True).edits
            steps = [seen[0][0], *(str(edit.status) for edit in edits if edit.kind == "insert"), seen[1][0]]
            if len(steps) > len(seen):
                assert all(step in naive.EDGES["documented"] for step in pairwise(steps)), (seen, edits)


def test_long_paths_are_cut() -> None:
    """Only the last 64 observations are looked at."""
    seen: list[Seen] = [("completed", 5), ("queued", None), ("cancelling", None)]
    assert repair(marks_of(seen), policy_named("practical"), False).cost > 0
    idle: Seen = ("queued", None)
    long: list[Seen] = [("completed", 5), *[idle] * OBSERVATIONS_MAX]
    assert repair(marks_of(long), policy_named("practical"), False).cost == 0


def test_prices() -> None:
    """Each kind has its price and its reason, cheapest first."""
    assert list(PRICE.values()) == sorted(set(PRICE.values()))
    assert all(cost.why.endswith(".") for cost in COSTS.values())
