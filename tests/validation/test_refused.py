"""RE407: what refused calls tell of the run they met."""

from __future__ import annotations

from typing import Any

import pytest

from runengine.core.statuses import STATUSES
from runengine.core.table import DOCUMENTED, PRACTICAL
from runengine.validation.catalogue.examples import CREATED, record, row
from runengine.validation.observations import Refusal
from runengine.validation.rules.refused import ACTIVE, met_by, own_findings
from tests.validation.checking import check_lines

WORDS = {
    "cancel": "Cannot cancel run with status '{}'.",
    "modify": "Cannot update run with status '{}'.",
    "submit_tool_outputs": 'Runs in status "{}" do not accept tool outputs.',
}
BUSY = {
    "message": "Can't add messages to thread_1 while a run run_1 is active.",
    "create": "Thread thread_1 already has an active run run_1.",
}
LEGAL = {
    "cancel": {"queued", "in_progress"},
    "submit_tool_outputs": {"requires_action"},
    "modify": {"queued", "requires_action", "completed", "incomplete", "failed", "cancelled", "expired"},
}
"""By hand from FACTS §6.3 and the diagram: where a refusal is a surprise."""


def refused(words: str, at_s: float | None = None, run: str | None = "run_1") -> dict[str, Any]:
    """A refusal as recorded."""
    said: dict[str, Any] = {"kind": "call", "http_status": 400, "error": {"message": words}}
    if run is not None:
        said["run_id"] = run
    return said if at_s is None else {**said, "observed_at": CREATED + at_s}


def seen(status: str, at_s: float) -> dict[str, Any]:
    """A snapshot that was observed."""
    return row(record(status), kind="poll", observed_at=CREATED + at_s)


def severities(*lines: Any) -> list[str]:
    """Of each RE407; nothing else is said."""
    found = check_lines(*lines).violations
    assert {v.code for v in found} <= {"RE407"}
    return [v.severity for v in found]


@pytest.mark.parametrize("call", WORDS)
@pytest.mark.parametrize("status", STATUSES)
def test_alone(call: str, status: str) -> None:
    """A refusal alone is a warning exactly where the call was legal."""
    assert severities(refused(WORDS[call].format(status))) == ["warning"] * (status in LEGAL[call])
    met = met_by(Refusal(line=1, call="", message=WORDS[call].format(status)))
    assert met is not None
    assert (met.event, met.status) == (call, status)


def test_policy() -> None:
    """Where the policy does not have the step, its refusal is right."""
    narrow = PRACTICAL.without("no-cancel-in-the-queue", [("cancel", "queued")])
    met = met_by(Refusal(line=1, call="", message=WORDS["cancel"].format("queued")))
    assert met is not None
    assert [len(list(own_findings(met, policy))) for policy in (DOCUMENTED, PRACTICAL, narrow)] == [1, 1, 0]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("Expected tool outputs for call_ids ['a', 'b'], got ['a']", []),
        ("Expected tool outputs for call_ids ['a', 'b'], got ['b', 'a']", ["warning"]),
        ("Cannot cancel run with status 'odd'.", []),
        ("Run creation requires a Thread with a user message or an assistant with instructions.", []),
        *((words, []) for words in BUSY.values()),
    ],
)
def test_words(words: str, wanted: list[str]) -> None:
    """Partial outputs are refused rightly, whole ones are not; unknown words say nothing."""
    assert severities(refused(words)) == wanted


@pytest.mark.parametrize("call", BUSY)
def test_busy(call: str) -> None:
    """The words name the run and the thread; the run is active."""
    met = met_by(Refusal(line=1, call="", message=BUSY[call]))
    assert met is not None
    assert (met.event, met.status, met.run_id, met.thread_id) == (call, ACTIVE, "run_1", "thread_1")


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(("at_s", "wanted"), [(5, []), (11, []), (11.5, ["error"])])
def test_busy_with_a_run_that_had_ended(before: bool, at_s: float, wanted: list[str]) -> None:
    """A run that ended at 5 s cannot be what keeps a thread busy later than 3 s and the skew after that second."""
    lines = [row(record("completed"), kind="poll"), refused(BUSY["create"], at_s, None)]
    assert severities(*(lines if before else lines[::-1])) == wanted


@pytest.mark.parametrize("before", [True, False])
def test_two_ends(before: bool) -> None:
    """A run that failed was not refused as completed, whenever that was; the later of the two lines says so."""
    lines = [record("failed"), refused(WORDS["cancel"].format("completed"))]
    found = check_lines(*(lines if before else lines[::-1])).violations
    assert [(v.code, v.severity, v.line, v.run_id) for v in found] == [("RE407", "error", 2, "run_1")]


@pytest.mark.parametrize(("late_s", "wanted"), [(5, []), (6, ["error"])])
def test_no_way(late_s: float, wanted: list[str]) -> None:
    """From cancelling no step leads back to in_progress, which an answer as old as recorded ones may still show."""
    words = WORDS["submit_tool_outputs"].format("in_progress")
    assert severities(seen("cancelling", 2), refused(words, 2 + late_s)) == wanted
    first = WORDS["submit_tool_outputs"].format("cancelling")
    assert severities(refused(first, 2), seen("in_progress", 2 + late_s)) == wanted


def test_a_way() -> None:
    """What a run may have been in between its snapshots is no contradiction."""
    words = WORDS["submit_tool_outputs"].format("queued")
    assert severities(seen("requires_action", 2), refused(words, 90), seen("requires_action", 99)) == []
