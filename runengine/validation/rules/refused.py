"""RE407: a refused call is an observation of the status it met, told in the words of the answer.

Two things can be wrong with one. The call was legal in the status that the words name: legal means that both the
published diagram and the policy have a row for it, so that calls on which servers disagree (a cancel in
requires_action, a change of metadata in progress) may be refused. Nothing of the run is wrong then, and it is a
warning. Or the status is not one the run can have been in, which is an error: one of two writers is wrong about it.
Source: FACTS §3 (the words, as recorded), §6.3, B4 (stale reads), B5.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from runengine.core.shape import end_stamp
from runengine.core.statuses import REQUIRES_ACTION, STATUSES
from runengine.core.table import DOCUMENTED, TERMINAL, Policy
from runengine.core.trace import hidden_steps
from runengine.validation.findings import Finding
from runengine.validation.observations import Refusal
from runengine.validation.rules.path import STALE_S, Point
from runengine.validation.rules.stamps import is_seconds

__all__ = ["ACTIVE", "Met", "contradiction", "met_by", "own_findings"]

ACTIVE: Final = "active"
"""Stands in the words for any status that has not ended."""

_QUOTED: Final = r"['\"](?P<status>[a-z_]+)['\"]"
_WORDS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    ("cancel", re.compile(rf"Cannot cancel run with status {_QUOTED}")),
    ("modify", re.compile(rf"Cannot update run with status {_QUOTED}")),
    ("submit_tool_outputs", re.compile(rf"Runs in status {_QUOTED} do not accept tool outputs")),
    (
        "submit_tool_outputs",
        re.compile(r"Expected tool outputs for call_ids \[(?P<asked>[^\]]*)\], got \[(?P<got>[^\]]*)\]"),
    ),
    ("message", re.compile(r"Can't add messages to (?P<thread>\S+) while a run (?P<run>\S+) is active")),
    ("create", re.compile(r"Thread (?P<thread>\S+) already has an active run (?P<run>[^\s.]+)")),
)
_WORDS_MAX: Final = 4_000


class Met(NamedTuple):
    """What a refusal tells.

    Attributes:
        line: Where, from 1.
        event: The event of the table that the call stands for, or `create` or `message`.
        status: The status it met, or `active`.
        run_id: The run, or None.
        thread_id: Its thread, or None.
        observed_s: When, Unix seconds, or None.

    Example:
        >>> Met(3, "cancel", "completed").run_id is None
        True
    """

    line: int
    event: str
    status: str
    run_id: str | None = None
    thread_id: str | None = None
    observed_s: float | None = None


def met_by(refusal: Refusal) -> Met | None:
    """What a refusal tells, or None where its words are not among the recorded ones.

    Args:
        refusal: The refusal.

    Example:
        >>> met_by(Refusal(line=3, call="cancel", message="Cannot cancel run with status 'completed'.")).status
        'completed'
    """
    text = refusal.message[:_WORDS_MAX]
    for event, pattern in _WORDS:
        found = pattern.search(text)
        if found is None:
            continue
        named = found.groupdict()
        if "asked" in named and _ids(named["asked"]) != _ids(named["got"]):
            event = "partial submit"  # which no status accepts
        status = named.get("status") or (REQUIRES_ACTION if "asked" in named else ACTIVE)
        if status not in STATUSES and status != ACTIVE:
            return None
        run_id, thread_id = named.get("run") or refusal.run_id, named.get("thread") or refusal.thread_id
        return Met(refusal.line, event, status, run_id, thread_id, refusal.observed_s)
    return None


def _ids(text: str) -> set[str]:
    return {part.strip(" '\"") for part in text.split(",")} - {""}


def own_findings(met: Met, policy: Policy) -> Iterator[Finding]:
    """RE407: the call was legal in the status that the words name.

    Args:
        met: What the refusal tells.
        policy: Which steps are legal.

    Example:
        >>> [f.severity for f in own_findings(Met(3, "cancel", "in_progress"), DOCUMENTED)]
        ['warning']
        >>> [f.severity for f in own_findings(Met(3, "cancel", "requires_action"), DOCUMENTED)]
        []
    """
    if all(any(r.event == met.event and r.source == met.status for r in p.rows) for p in (DOCUMENTED, policy)):
        message = f"{met.event} was refused in {met.status}, where it is legal"
        yield Finding("RE407", None, "accepted", message, found=met.status, severity="warning")


def contradiction(met: Met, point: Point, policy: Policy, skew_s: float, before: bool) -> Finding | None:
    """RE407: the run cannot have been in the status that a refusal met, by a snapshot before or after it.

    An answer may be as old as recorded ones were (`STALE_S`), so what a time has to prove is silent without one.

    Args:
        met: What the refusal tells.
        point: The snapshot.
        policy: Which steps are legal.
        skew_s: How far clocks may differ, seconds.
        before: The snapshot was recorded before the refusal.

    Example:
        >>> ended = Point(status="failed", record={"failed_at": 5})
        >>> contradiction(Met(3, "cancel", "completed"), ended, DOCUMENTED, 2, True).code
        'RE407'
    """
    margin_s = skew_s + STALE_S
    status = point.status
    if met.status == status or (met.status == ACTIVE and status not in TERMINAL):
        return None
    if status in TERMINAL and met.status in TERMINAL:
        return _contradicted(met, status)
    if status in TERMINAL:
        ended = point.record.get(end_stamp(status) or "")
        if is_seconds(ended) and met.observed_s is not None and met.observed_s > ended + 1 + margin_s:
            return _contradicted(met, status)
        return None
    if met.observed_s is None or point.observed_s is None or met.status == ACTIVE:
        return None
    late_s = (met.observed_s - point.observed_s) if before else (point.observed_s - met.observed_s)
    if late_s <= margin_s:
        return None
    way: tuple[Any, Any] = (status, met.status) if before else (met.status, status)
    if any(hidden_steps(policy, *way, restarted) is not None for restarted in (False, True)):
        return None
    return _contradicted(met, status)


def _contradicted(met: Met, status: str) -> Finding:
    how = f"a call ({met.event}) was refused because the run was {met.status}"
    return Finding("RE407", "status", status, f"{how}, but it was seen {status}", found=met.status)
