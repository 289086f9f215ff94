"""The profile for people: what is printed, and that nothing foreign steers the terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from runengine.validation import Checker
from runengine.validation.profiling.profile import Profile
from runengine.validation.readers import read_items
from runengine.validation.reports.profile_text import VARIANTS_SHOWN, print_profile
from tests.samples import T0_S as T0
from tests.validation.checking import as_lines, clean


def printed(*values: object, path: str = "a.jsonl", **console: Any) -> str:
    """What is printed of JSON Lines."""
    profile = Profile()
    checker = Checker(watches=(profile,))
    for _ in checker.check(path, read_items(path, io.BufferedReader(io.BytesIO(as_lines(values))))):
        pass
    out = console.pop("file", io.StringIO())
    print_profile(Console(file=out, soft_wrap=True, markup=False, highlight=False, emoji=False, **console), profile)
    out.flush()
    text = out.buffer.getvalue().decode("ascii") if isinstance(out, io.TextIOWrapper) else out.getvalue()
    assert isinstance(text, str)
    return text


def words(text: str) -> list[str]:
    """Lines without the spaces of columns."""
    return [" ".join(line.split()) for line in text.splitlines()]


LIFE = [
    clean("queued", started_at=None),
    clean("in_progress", started_at=T0 + 3),
    clean("completed", started_at=T0 + 3, completed_at=T0 + 10),
    clean("in_progress", started_at=T0 + 3),
]


def test_everything_is_said() -> None:
    """Fitness, variants with their example, edges with their stays, what was never seen, and what is undeclared."""
    lines = words(printed(*LIFE))
    assert "runs without an error 0% (0 of 1)" in lines
    assert "steps that practical explains 66.7% (3 polled; 1 undeclared)" in lines
    assert "replay fitness 0.6667 by run, 0.6667 by step" in lines
    assert "1 100% queued → in_progress → completed → in_progress → …" in lines
    assert "a.jsonl:1" in lines
    assert "queued → in_progress 1 0 3 s 3 s 3 s 3 s 1" in lines
    assert "in_progress → completed 1 0 7 s 7 s 7 s 7 s 1" in lines
    assert "completed → in_progress 1 a.jsonl:4 (run_1)" in lines
    assert any(line.startswith("never seen: ") and "queued → failed" in line for line in lines)


def test_bounds_are_marked_as_such() -> None:
    """A stay that only polls bound is printed as a span, and the span is explained."""
    polls = [
        {"kind": "poll", "observed_at": T0 + at_s, "data": clean(status)}
        for at_s, status in ((4, "in_progress"), (7, "requires_action"), (8, "requires_action"), (9, "queued"))
    ]
    lines = words(printed(*polls))
    assert "requires_action → queued 1 0 1–5 s 1–5 s 1–5 s 1–5 s 1" in lines
    assert any("a–b: bounds, from the times of polls" in line for line in lines)


def test_almost_all_is_not_all() -> None:
    """A share is printed as 100 % only if it is all, and as 0 % only if it is nothing."""
    good = [clean("queued", id=f"run_{n}", thread_id=f"thread_{n}") for n in range(3_000)]
    text = printed(*good, clean("queued", failed_at=T0 + 9, id="x", thread_id="x"))
    assert "runs without an error 99.9% (3,000 of 3,001)" in words(text)


def test_many_variants_are_counted_together() -> None:
    """Beyond the first dozen, variants are counted in one line."""
    statuses = ("queued", "in_progress", "cancelling", "completed", "failed", "expired", "cancelled", "incomplete")
    runs = [(a, b) for a in statuses[:2] for b in statuses[2:]] + [(a, a) for a in statuses]
    values = [
        clean(status, id=f"run_{n}", thread_id=f"thread_{n}")
        for n, run in enumerate(runs)
        for status in dict.fromkeys(run)
    ]
    text = printed(*values)
    assert f"of {len(runs) - VARIANTS_SHOWN} other variants" in text


def test_foreign_text_steers_nothing() -> None:
    """Control characters in a path or an id are made visible, and markup of rich's stays text."""
    lines = [{**line, "id": "run\x1b[31m[bold]"} for line in LIFE]
    text = printed(*lines, path="[red]\x1b]0;x\x07.jsonl")
    assert "\x1b" not in text
    assert "[red]\\x1b]0;x\\x07.jsonl:4 (run\\x1b[31m[bold])" in text


def test_ascii_where_there_is_nothing_else() -> None:
    """On an output that has only ASCII, arrows and dashes are written with its signs."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    text = printed(*LIFE, file=out)
    assert "queued -> in_progress -> completed -> in_progress -> ..." in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_pipe_breaks_no_line(width: int) -> None:
    """Whatever the width is said to be, a row of a table stays one line in a file or a pipe."""
    assert "completed → in_progress 1 a.jsonl:4 (run_1)" in words(printed(*LIFE, width=width))


def test_nothing_is_printed_of_nothing() -> None:
    """A profile without a snapshot prints nothing."""
    assert printed() == ""
