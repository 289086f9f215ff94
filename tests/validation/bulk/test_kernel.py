"""The kernel: whatever it lets pass, the checker is silent of, however the recording is cut."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.core.statuses import STATUSES
from runengine.core.table import POLICIES, TERMINAL, Policy
from runengine.validation import Checker, Options
from runengine.validation.bulk.compiled import Compiled, move_code
from runengine.validation.observations import Item
from runengine.validation.rules.path import Point, path_findings
from tests.recall.files import written
from tests.validation.bulk.plainly import sieved
from tests.validation.checking import as_lines
from tests.validation.lines import LINES
from tests.validation.mixtures import Mixture, items_of_file, mixtures

FEW = settings(max_examples=settings().max_examples // 4)

options_drawn = st.fixed_dictionaries(
    {},
    optional={
        "sampling": st.sampled_from(("auto", "complete", "polled")),
        "policy": st.sampled_from(tuple(POLICIES.values())),
        "generation": st.integers(0, 16),
        "forget_after": st.integers(0, 12),
        "skew_s": st.sampled_from((0.0, 2.0)),
    },
)


def assert_same(items: list[Item], cuts: list[int], **options: Any) -> int:
    """By the sieve or without it, the same violations and counts; how many rows the checker was given."""
    checker = Checker(Options(**options))
    violations = list(checker.check("made", items))
    found, summary, given_rows = sieved(items, cuts, **options)
    assert found == violations
    assert summary == checker.summary
    return given_rows


def cuts_of(data: st.DataObject, items: list[Item]) -> list[int]:
    """Somewhere to cut."""
    return sorted(data.draw(st.sets(st.integers(1, max(1, len(items) - 1)), max_size=8)))


@FEW
@given(mixtures(("history", "polled")), st.data(), options_drawn)
def test_simulated_runs(mixture: Mixture, data: st.DataObject, options: dict[str, Any]) -> None:
    """Every other run broken by a fault, cut anywhere, under any options."""
    items = items_of_file(written(mixture.made).text, mixture.view)
    assert_same(items, cuts_of(data, items), **options)


def of_run(line: bytes, run: int, thread: int) -> bytes:
    """The line as one of another run and thread."""
    return line.replace(b'"run_1"', b'"run_%d"' % run).replace(b'"thread_1"', b'"thread_%d"' % thread)


some_lines = st.lists(st.tuples(st.sampled_from(LINES), st.integers(1, 4), st.integers(1, 2)), min_size=1, max_size=25)


@given(some_lines, st.data(), options_drawn)
def test_lines(drawn: list[tuple[bytes, int, int]], data: st.DataObject, options: dict[str, Any]) -> None:
    """Clean and spoiled lines of four runs on two threads, in any order."""
    items = items_of_file(as_lines(of_run(*each) for each in drawn), "history")
    assert_same(items, cuts_of(data, items), **options)


@pytest.mark.parametrize("observed_s", [None, 99.0])
@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_steps_are_the_rules(policy: Policy, observed_s: float | None) -> None:
    """A step is silent in the tables if, and only if, the rules on the path say nothing of it; seen late, too."""
    compiled = Compiled.of(Options(policy=policy))
    table = compiled.steps if observed_s is None else compiled.stale_steps
    stamps = ((None, None), (None, 5), (5, 5), (5, 6), (6, 5), (5, None))
    for was, is_now in stamps:
        before, after = (-1 if at is None else at for at in (was, is_now))
        code = move_code(int(before == -1), int(before == after), int(before < after))
        for i, source in enumerate(STATUSES):
            for j, target in enumerate(STATUSES):
                for complete in (False, True):
                    before_point = Point(status=source, record={"started_at": was}, observed_s=observed_s)
                    found = any(
                        path_findings(
                            before_point, Point(status=target, record={"started_at": is_now}), policy, complete, 2.0
                        )
                    )
                    silent = bool(table[compiled.step(int(complete), i, j, code)])
                    assert not (silent and found)
                    if source not in TERMINAL and (was is None or is_now is not None) and was != 6:
                        assert silent == (not found)


def test_clean_runs_are_left_out() -> None:
    """Of clean recordings the checker is given nothing, but what the published diagram does not have."""
    mixture = Mixture("steady", "history", 0)
    clean = [made for number, made in enumerate(mixture.made) if number % 2 == 0]
    items = items_of_file(written(clean).text, "history")
    assert assert_same(items, []) == 0
    assert assert_same(items, list(range(1, len(items)))) == 0
    assert len(items) > 10
