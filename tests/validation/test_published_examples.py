"""The published examples that cannot be, built from their facts (FACTS §9): each is flagged."""

from __future__ import annotations

import json
from typing import Any

from tests.validation.checking import ABSENT, check_bytes, check_lines, clean, codes, without

CREATED_S = 1_699_063_290
"""As in the published createRun example."""


def v1(status: str, **changes: Any) -> dict[str, Any]:
    """A published v1 record: the first 18 keys only."""
    first = ("incomplete_details", "usage", "temperature", "top_p", "max_prompt_tokens", "max_completion_tokens")
    later = ("truncation_strategy", "tool_choice", "parallel_tool_calls", "response_format")
    stamps = {"created_at": CREATED_S, "started_at": CREATED_S, "expires_at": CREATED_S + 600}
    tools = [{"type": "code_interpreter"}]
    return without(clean(status, **{**stamps, "tools": tools, "file_ids": [], **changes}), *first, *later)


def test_c2_queued_with_an_end() -> None:
    """C2, createRun: queued, but started and completed and without a deadline: RE202 and RE206."""
    example = v1("queued", completed_at=CREATED_S + 1, expires_at=None)
    assert codes(check_lines(example)) == [("RE202", 1, "completed_at"), ("RE206", 1, "expires_at")]
    assert {v.severity for v in check_lines(example).violations} == {"error"}


def test_c11_started_days_later() -> None:
    """C11, RunObject's own: started 11 days after creation; RE210 by an inferred deadline, so a warning."""
    example = v1(
        "completed", created_at=1_698_107_661, started_at=1_699_073_476, completed_at=1_699_073_498, expires_at=None
    )
    checked = check_lines(example)
    assert [(v.code, v.field, v.severity) for v in checked.violations] == [
        ("RE210", "started_at", "warning"),
        ("RE210", "completed_at", "warning"),
    ]


def event(name: str, data: Any) -> str:
    """One event as published; None leaves the data line out."""
    line = "" if data is None else f"data: {data if isinstance(data, str) else json.dumps(data)}\n"
    return f"event: {name}\n{line}\n"


def test_c10_head_stream() -> None:
    """C10: in_progress without started_at, created_at that changes, an event without data: RE201, RE204, RE901."""
    stamps = {"created_at": 1_710_330_640, "started_at": None, "expires_at": 1_710_331_240}
    queued = v1("queued", **stamps)
    changed = {**stamps, "created_at": 1_710_330_641}
    text = (
        event("thread.run.created", queued)
        + event("thread.run.queued", queued)
        + event("thread.run.in_progress", v1("in_progress", **changed))
        + event("done", None)
        + event("thread.run.completed", None)
    )
    checked = check_bytes(text.encode(), path="head.sse")
    lines = {
        number for number, line in enumerate(text.splitlines(), 1) if line.startswith("event: thread.run.in_progr")
    }
    assert [(v.code, v.field) for v in checked.violations if {v.line} == lines] == [
        ("RE201", "started_at"),
        ("RE204", "created_at"),
    ]
    assert ("RE901", text.splitlines().index("event: thread.run.completed") + 1, None) in codes(checked)


def test_c10_stray_brace() -> None:
    """C10, v2 examples: a stray brace after the payload is RE901 at its event, and the rest is checked."""
    queued = v1("queued", started_at=None, tool_resources={})
    text = (
        event("thread.run.created", json.dumps(queued) + "}")
        + event("thread.run.in_progress", v1("in_progress", failed_at=CREATED_S, tool_resources={}))
        + event("done", "[DONE]")
    )
    checked = check_bytes(text.encode(), path="v2.sse")
    assert codes(checked)[:2] == [("RE901", 1, None), ("RE202", 4, "failed_at")]
    assert "trailing" in checked.violations[0].message


def test_c26_absent_equals_null() -> None:
    """C26: a record without its nulls, as Julia writes it, is as clean as the one with them."""
    queued = clean("queued", started_at=ABSENT)
    assert check_lines(queued).violations == []
    assert check_lines(without(queued, *(n for n, v in queued.items() if v is None))).violations == []


def test_c10_as_polled_lines() -> None:
    """C10 as JSON Lines: the missing started_at is RE201 alone; no step is blamed for it."""
    checked = check_lines(clean("queued", started_at=None), clean("in_progress", started_at=None))
    assert codes(checked) == [("RE201", 2, "started_at")]


def test_a_run_by_another_name() -> None:
    """A record that is a run in all but its object word is checked, and the word is pointed out."""
    checked = check_lines(clean("queued", object="thread.runs", failed_at=CREATED_S))
    assert ("RE305", 1, "object") in codes(checked)
    assert ("RE202", 1, "failed_at") in codes(checked)


def test_a_deadline_before_creation() -> None:
    """A deadline that lies before the creation is out of order."""
    run = clean("queued")
    assert ("RE203", 1, "expires_at") in codes(check_lines({**run, "expires_at": run["created_at"] - 10}))


def test_a_first_line_nested_too_deep() -> None:
    """One line that nests too deep does not hide the others."""
    deep = b"[" * 100_000
    checked = check_bytes(deep + b"\n" + json.dumps(clean("canceled")).encode() + b"\n")
    assert [code for code, *_ in codes(checked)] == ["RE901", "RE105"]
