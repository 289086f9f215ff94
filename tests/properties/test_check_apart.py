"""Threads apart: what is said of a thread is the same whether the items of other threads are looked at or left out.

So a recording can be checked in parts, and an engine need show the checker only what it cannot vouch for. Threads that
share a run are one here, and so are runs that share a thread.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, groupby
from typing import Any

import pytest
from attrs import asdict
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.core.statuses import STATUSES
from runengine.core.table import POLICIES
from runengine.validation import Checker, Options, Summary, Violation
from runengine.validation.catalogue.examples import CREATED, record, row
from runengine.validation.observations import Companion, Item, LeftOut, Observation, Refusal, Submitted
from runengine.validation.readers import read_items
from runengine.validation.readers.natively import natively
from runengine.validation.rules.refused import met_by
from runengine.validation.waiting import WAIT
from tests.recall.files import written
from tests.validation.checking import as_lines, check_bytes, check_lines, codes
from tests.validation.lines import LINES
from tests.validation.mixtures import MIXTURES, Mixture, items_of_file, mixtures

FEW = settings(max_examples=settings().max_examples // 4)
PARTS = 3
GAPS = (1, 2, 5, WAIT - 3, WAIT, WAIT + 1)
"""Items of threads that nobody asks about, some so many that what waits is decided meanwhile."""

held_to = st.builds(
    Options,
    policy=st.sampled_from(tuple(POLICIES.values())),
    forget_after=st.integers(0, 12) | st.just(WAIT) | st.just(50_000),
    sampling=st.sampled_from(("auto", "complete", "polled")),
    skew_s=st.sampled_from((0.0, 2.0)),
)


def items_of(mixture: Mixture) -> list[Item]:
    """The items of a file of these recordings, in order of time, with the API's own keys."""
    return list(natively(items_of_file(written(mixture.made).text, mixture.view)))


def keys_of(item: Item) -> set[tuple[str, str]]:
    """The run and the thread that an item speaks of."""
    named: tuple[Any, Any] = (None, None)
    if isinstance(item, Observation | Companion):
        named = item.record.get("id" if isinstance(item, Observation) else "run_id"), item.record.get("thread_id")
    elif isinstance(item, Submitted):
        named = item.run_id, None
    elif isinstance(item, Refusal):
        met = met_by(item)
        named = (item.run_id, item.thread_id) if met is None else (met.run_id, met.thread_id)
    return {(what, name) for what, name in zip(("run", "thread"), named, strict=True) if isinstance(name, str)}


def parts_of(items: Iterable[Item]) -> dict[tuple[str, str], int]:
    """Of each run and thread the number of the part it belongs to."""
    parts: list[set[tuple[str, str]]] = []
    for item in items:
        together = keys_of(item)
        for other in [part for part in parts if part & together]:
            parts.remove(other)
            together |= other
        parts.append(together)
    return {key: number for number, part in enumerate(parts) for key in part}


def is_plain(item: Item) -> bool:
    """Whether an item is one that an engine may leave out; every other one is always looked at."""
    if not isinstance(item, Observation) or item.source == "stream":
        return False
    record = item.record
    return isinstance(record.get("id"), str) and isinstance(record.get("thread_id"), str) and known(record)


def known(record: dict[str, Any]) -> bool:
    """Whether its status is one of the nine."""
    return record.get("status") in STATUSES


def left_out(items: Sequence[Item], shown: Sequence[bool]) -> list[Item]:
    """The items that are looked at, and how many are not between them."""
    made: list[Item] = []
    for is_shown, each in groupby(zip(items, shown, strict=True), key=lambda pair: pair[1]):
        some = [item for item, _ in each]
        made += some if is_shown else [LeftOut(sum(i.items if isinstance(i, LeftOut) else 1 for i in some))]
    return made


def checked(items: Iterable[Item], options: Options) -> tuple[list[Violation], Summary]:
    """What is said of them, and the counts."""
    checker = Checker(options)
    return list(checker.check("made", items)), checker.summary


def of_parts(found: Iterable[Violation], parts: dict[tuple[str, str], int], chosen: set[int]) -> list[Violation]:
    """Those that speak of the chosen parts."""
    return [v for v in found if {parts.get(("run", str(v.run_id))), parts.get(("thread", str(v.thread_id)))} & chosen]


def with_gaps(items: Sequence[Item], data: st.DataObject) -> list[Item]:
    """The same, and at some places items of other threads."""
    gaps = data.draw(st.dictionaries(st.integers(0, len(items)), st.sampled_from(GAPS), max_size=4))
    return [each for n, item in enumerate(items) for each in ((LeftOut(gaps[n]), item) if n in gaps else (item,))]


def number_of(item: Item, parts: dict[tuple[str, str], int]) -> int | None:
    """The part of an item, or None where it speaks of none."""
    return next((parts[key] for key in keys_of(item)), None)


def assert_parts_add_up(items: Sequence[Item], options: Options, whole: tuple[list[Violation], Summary]) -> None:
    """Checked in parts, each with the others left out, items say and count together what they do in one."""
    parts = parts_of(items)
    found: list[Violation] = []
    counted: Counter[str] = Counter()
    for turn in range(PARTS):
        shown = [not isinstance(i, LeftOut) and (number_of(i, parts) or 0) % PARTS == turn for i in items]
        violations, summary = checked(left_out(items, shown), options)
        found += violations
        counted.update(flat(summary))
    assert sorted(found, key=repr) == sorted(whole[0], key=repr)
    assert [v.line for v in whole[0]] == sorted(v.line for v in whole[0])
    assert +counted == +flat(whole[1])


def flat(summary: Summary) -> Counter[str]:
    """All counts under names of their own."""
    counts: Counter[str] = Counter()
    for name, value in asdict(summary, recurse=False).items():
        counts.update({f"{name} {each}": n for each, n in value.items()} if isinstance(value, dict) else {name: value})
    return counts


some_lines = st.lists(st.tuples(st.sampled_from(LINES), st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=40)


@given(some_lines, st.fixed_dictionaries({"forget_after": st.integers(0, 12), "skew_s": st.sampled_from((0.0, 2.0))}))
def test_lines_of_threads_apart(drawn: list[tuple[bytes, int, int]], options: dict[str, Any]) -> None:
    """Clean and spoiled lines of five runs on three threads: a whole that was skimmed is the sum of its parts."""
    lines = [
        line.replace(b'"run_1"', b'"run_%d"' % run).replace(b'"thread_1"', b'"thread_%d"' % (run % 3 or thread))
        for line, run, thread in drawn
    ]
    data = as_lines(lines)
    items = items_of_file(data, "history")
    whole = check_bytes(data, path="made", **options)
    assert_parts_add_up(items, Options(**options), (whole.violations, whole.summary))


@FEW
@given(mixtures(("polled", "history")), held_to, st.data())
def test_parts_of_a_recording(mixture: Mixture, options: Options, data: st.DataObject) -> None:
    """A recording of broken runs, with long and short gaps in it, is the sum of its parts."""
    items = with_gaps([item for item in items_of(mixture) if isinstance(item, Observation)], data)
    assert_parts_add_up(items, options, checked(items, options))


@FEW
@given(MIXTURES, held_to, st.data())
def test_with_all_that_is_around(mixture: Mixture, options: Options, data: st.DataObject) -> None:
    """Beside streams, steps, messages and refusals, which are all shown, what is left out of others changes nothing."""
    items = with_gaps(items_of(mixture), data)
    parts = parts_of(items)
    beside = {number_of(item, parts) for item in items if not is_plain(item)}
    chosen = data.draw(st.sets(st.sampled_from(sorted(set(parts.values()))))) | (beside - {None})
    shown = [not isinstance(i, LeftOut) and (not is_plain(i) or number_of(i, parts) in chosen) for i in items]
    found, _ = checked(left_out(items, shown), options)
    whole, _ = checked(items, options)
    picked = {number for number in chosen if number is not None}
    assert of_parts(found, parts, picked) == of_parts(whole, parts, picked)
    assert [v for v in found if v.run_id is None] == [v for v in whole if v.run_id is None]


def looked_at(run: int, seen_s: float, **changes: Any) -> dict[str, Any]:
    """A run of one thread, created at the same time as the other one, at work from the next second on."""
    stamps = {"created_at": CREATED, "started_at": CREATED + 1}
    status = "completed" if "completed_at" in changes else "in_progress"
    return row(record(status, id=f"run_{run}", **stamps, **changes), kind="poll", observed_at=CREATED + seen_s)


@pytest.mark.parametrize("items", [WAIT - 20, WAIT + 20, 5 * WAIT])
def test_what_waits_is_decided_at_its_own_moment(items: int) -> None:
    """Whether two runs overlapped is decided with what is remembered then, even if nothing is looked at for long."""
    together = [looked_at(run, seen_s) for run in (2, 1) for seen_s in (2, 20)]
    lines, last = [*together, looked_at(2, 21, completed_at=CREATED + 1)], looked_at(1, 22)
    others = [record("completed", id=f"run_{n}", thread_id=f"thread_{n}") for n in range(10, items + 10)]
    for skim in (True, False):
        assert codes(check_lines(*lines, *others, last, forget_after=WAIT + 500, skim=skim)) == []
    *first, then = items_of_file(as_lines([*lines, last]), "polled")
    for gap in ([LeftOut(items)], [LeftOut(1)] * items, [LeftOut(items - 7), LeftOut(7)]):
        assert checked([*first, *gap, then], Options(forget_after=WAIT + 500))[0] == []
    begun, going_on = Checker(held := Options(forget_after=WAIT + 500)), Checker(held)
    for item in first:
        assert begun.observe("made", item) == []
    for what, kept in chain(begun.memory.kept(), begun.around.kept()):
        assert going_on.memory.take(what, kept) or going_on.around.take(what, kept)
    rest = io.BufferedReader(io.BytesIO(as_lines([*others, last])))
    assert list(going_on.go_on("made", read_items("made.jsonl", rest, going_on.skim))) == []
