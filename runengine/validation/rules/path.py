"""Rules on a run's way from one snapshot to the next: legal steps, hidden steps, and what must not change.

A gap in a polled trace is explained by the fewest hidden steps that the stamps allow: started_at moves when, and only
when, the run arrives in in_progress. Source: FACTS §6.1, B2, B3, B4; DESIGN §2.3, §5.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final

from attrs import frozen

from runengine.core.events import EVENTS
from runengine.core.fields import FIELDS, IDENTITY, IMMUTABLE
from runengine.core.shape import ARRIVAL_STAMP, presence
from runengine.core.statuses import QUEUED, STATUSES, Status
from runengine.core.table import DOCUMENTED, ENDED_BY, PERMISSIVE, PRACTICAL, TABLE, TERMINAL, Policy, Transition
from runengine.core.trace import hidden_steps
from runengine.validation.findings import Finding, Severity

__all__ = [
    "STALE_S",
    "STREAM_PREFIX",
    "Point",
    "birth_findings",
    "event_findings",
    "path_findings",
    "same_findings",
    "status_findings",
    "way_between",
]

STALE_S: Final = 3
"""How old an answer may be when it is dated, seconds (FACTS B4: stale reads of up to 3 s)."""

STREAM_PREFIX: Final = "thread.run."
"""Stream events about a run: this, and its status (or `created`)."""

_LASTING: Final = tuple(name for name, f in FIELDS.items() if f.role not in ("metadata", "status") and name != "id")
_EVENT_TARGETS: Final = {name: {row.target for row in TABLE if row.event == name} for name in EVENTS}


@frozen(kw_only=True)
class Point:
    """One end of a step: a snapshot's status, record and time.

    Attributes:
        status: One of the nine.
        record: The record as JSON.
        observed_s: When it was seen, Unix seconds, or None.
        tells_start: The recording shows started_at: its being null says something.

    Example:
        >>> Point(status="queued", record={}).observed_s is None
        True
    """

    status: Status
    record: dict[str, Any]
    observed_s: float | None = None
    tells_start: bool = True


def status_findings(record: dict[str, Any]) -> Iterator[Finding]:
    """RE105, RE307 or RE308, of a record whose status is none of the nine.

    Args:
        record: It.

    Example:
        >>> [(f.code, f.hint) for f in status_findings({"status": "canceled"})]
        [('RE105', 'did you mean cancelled?')]
    """
    status = record.get("status")
    known = ", ".join(STATUSES)
    if "status" not in record:
        yield Finding("RE307", "status", known, "the key status is missing", found=None)
    elif not isinstance(status, str):
        yield Finding("RE308", "status", "string", "status is no string")
    else:
        near = get_close_matches(status[:80], STATUSES, n=1)
        hint = f"did you mean {near[0]}?" if near else None
        yield Finding("RE105", "status", known, f"{status[:80]!r} is no status of a run", hint=hint)


def birth_findings(status: str, created: bool) -> Iterator[Finding]:
    """RE104: the answer that created the run shows another status than queued.

    Example:
        >>> [f.code for f in birth_findings("in_progress", True)]
        ['RE104']
    """
    if created and status != QUEUED:
        yield Finding("RE104", "status", QUEUED, f"the run was created {status}")


def event_findings(event: str | None, status: str) -> Iterator[Finding]:
    """RE403: the event that came with a record names another status.

    Example:
        >>> [f.code for f in event_findings("thread.run.completed", "incomplete")]
        ['RE403']
    """
    if event is None:
        return
    if event.startswith(STREAM_PREFIX):
        word = event.removeprefix(STREAM_PREFIX)
        wanted: set[str] = {QUEUED} if word == "created" else {word}.intersection(STATUSES)
    else:
        wanted = set(_EVENT_TARGETS.get(event, ()))
    if wanted and status not in wanted:
        expected = " or ".join(s for s in STATUSES if s in wanted)
        yield Finding("RE403", "status", expected, f"{event} came with a record that is {status}")


def same_findings(before: Point, now: Point) -> Iterator[Finding]:
    """RE103, RE204, RE401, RE402: what must be the same in both snapshots and is not.

    A key that one of them leaves out is not compared: the set of keys changed within runs (FACTS B6).

    Example:
        >>> before = Point(status="queued", record={"model": "a"})
        >>> [f.code for f in same_findings(before, Point(status="queued", record={"model": "b"}))]
        ['RE402']
    """
    old, new = before.record, now.record
    if before.status in TERMINAL:
        yield from _after_end(before, now)
        return
    for code, names in (("RE401", IDENTITY), ("RE204", ("created_at",)), ("RE402", IMMUTABLE)):
        for name in names:
            if name in old and name in new and old[name] != new[name]:
                yield _changed(code, name, old[name])
    was, is_now = old.get("expires_at"), new.get("expires_at")
    if type(was) is int and type(is_now) is int and was != is_now and now.status not in TERMINAL:
        yield _changed("RE204", "expires_at", was, severity="warning")
    if old.get("started_at") is not None and new.get("started_at") is None:
        yield _changed("RE204", "started_at", old["started_at"])


def _after_end(before: Point, now: Point) -> Iterator[Finding]:
    ended = f"{ENDED_BY[before.status]} had ended the run as {before.status}"
    if now.status != before.status:
        yield Finding("RE103", "status", before.status, f"the run is {now.status}, but {ended}")
        return
    old, new = before.record, now.record
    for name in _LASTING:
        if name in old and name in new and old[name] != new[name]:
            yield Finding("RE103", name, _text(old[name]), f"{name} changed, but {ended}")


def _changed(code: str, name: str, was: Any, severity: Severity | None = None) -> Finding:
    return Finding(code, name, _text(was), f"{name} is not what it was in the run's last snapshot", severity=severity)


def _text(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= 80 else text[:79] + "…"


def path_findings(before: Point, now: Point, policy: Policy, complete: bool, skew_s: float) -> Iterator[Finding]:
    """RE101, RE102, RE106, RE205: the step, or the hidden steps, between two snapshots of a run that had not ended.

    Args:
        before: The earlier snapshot, not terminal.
        now: The later one.
        policy: Which rows are legal.
        complete: Every status is visible, so that the step must be one row.
        skew_s: How far clocks may differ, seconds.

    Example:
        >>> before = Point(status="queued", record={"started_at": None})
        >>> now = Point(status="completed", record={"started_at": 7})
        >>> [f.code for f in path_findings(before, now, DOCUMENTED, True, 2)]
        ['RE101']
        >>> [f.code for f in path_findings(before, now, DOCUMENTED, False, 2)]
        []
    """
    back, forth = _moves(before, now)
    direct = _row(before.status, now.status, policy)
    if _is_visible(before, now, direct, complete, back):
        yield from _visible(before.status, now.status, policy, direct, moved=back or forth, back=back)
    elif before.status != now.status or back or forth:
        yield from _hidden(before, now, policy, back=back, forth=forth, skew_s=skew_s)


def way_between(
    before: Point, now: Point, policy: Policy, complete: bool, skew_s: float
) -> tuple[Transition, ...] | None:
    """The rows that explain the step, or the hidden steps, between two snapshots of a run that had not ended.

    The same that `path_findings` judges, so a row may be one that the policy does not have (RE102).

    Args:
        before: The earlier snapshot, not terminal.
        now: The later one.
        policy: Which rows are legal.
        complete: Every status is visible, so that the step must be one row.
        skew_s: How far clocks may differ, seconds.

    Returns:
        The rows in order, empty where nothing need have happened, or None where nothing explains it.

    Example:
        >>> before = Point(status="queued", record={"started_at": None})
        >>> now = Point(status="completed", record={"started_at": 7})
        >>> [row.event for row in way_between(before, now, DOCUMENTED, False, 2)]
        ['start', 'complete']
        >>> way_between(before, now, DOCUMENTED, True, 2) is None
        True
    """
    back, forth = _moves(before, now)
    direct = _row(before.status, now.status, policy)
    if _is_visible(before, now, direct, complete, back):
        return (direct,) if direct is not None else () if before.status == now.status else None
    if before.status != now.status or back or forth:
        return _explaining(before, now, policy, back=back, forth=forth, skew_s=skew_s)
    return ()


def _moves(before: Point, now: Point) -> tuple[bool, bool]:
    """Whether started_at went back, and whether it was written anew."""
    was, is_now = before.record.get("started_at"), now.record.get("started_at")
    back = type(was) is int and type(is_now) is int and is_now < was
    unknown = _lacks_start(before) or _lacks_start(now)  # RE201 says so; no step is to be blamed for it
    return back, not back and not unknown and is_now is not None and was != is_now


def _is_visible(before: Point, now: Point, direct: Transition | None, complete: bool, back: bool) -> bool:
    """Whether the step is judged as one row, and not as hidden ones."""
    return complete or (back and (direct is not None or before.status == now.status))


def _visible(
    source: Status, target: Status, policy: Policy, row: Transition | None, *, moved: bool, back: bool
) -> Iterator[Finding]:
    if source != target and row is None:
        yield _illegal(source, target, policy)
        return
    if row is not None:
        yield from _graded((row,), source, target, policy)
    restarts = row is not None and ARRIVAL_STAMP.get(row.target) == "started_at"
    if back or (moved and not restarts):
        what = "went back" if back else "moved without a resume"
        yield Finding("RE205", "started_at", "as it was", f"started_at {what} on the way from {source} to {target}")


def _row(source: Status, target: Status, policy: Policy) -> Transition | None:
    return next((row for row in _wider(policy).rows if row.edge == (source, target)), None)


def _hidden(before: Point, now: Point, policy: Policy, *, back: bool, forth: bool, skew_s: float) -> Iterator[Finding]:
    source, target = before.status, now.status
    rows = _explaining(before, now, policy, back=back, forth=forth, skew_s=skew_s)
    if rows is not None:
        yield from _graded(rows, source, target, policy)
        return
    started = _has_started(before)
    if all(hidden_steps(_wider(policy), source, target, restarted, started) is None for restarted in (False, True)):
        yield _illegal(source, target, policy)
    else:
        yield _impossible(before, now, _wider(policy))


def _explaining(
    before: Point, now: Point, policy: Policy, *, back: bool, forth: bool, skew_s: float
) -> tuple[Transition, ...] | None:
    source, target = before.status, now.status
    started = _has_started(before)
    never = not started and now.record.get("started_at") is None and not _lacks_start(now)
    restarts = () if back else (True,) if forth else (False,) if never else (False, True)
    for rows_of in (_documented(policy), _wider(policy)):
        for restarted in restarts:
            rows = hidden_steps(rows_of, source, target, restarted, started)
            if rows is not None and not (restarted and not _could_restart(before, now, skew_s)):
                return rows
    return None


def _has_started(point: Point) -> bool:
    return point.record.get("started_at") is not None or _lacks_start(point)


def _lacks_start(point: Point) -> bool:
    if point.record.get("started_at") is not None:
        return False
    return not point.tells_start or presence("started_at", point.status) == "must"


def _could_restart(before: Point, now: Point, skew_s: float) -> bool:
    """Hidden steps came after the earlier snapshot was seen, so a start among them is stamped no earlier than that."""
    started = now.record.get("started_at")
    if before.observed_s is None or type(started) is not int:
        return True
    return started + 1 > before.observed_s - skew_s - STALE_S  # a stamp is the second it lies in


def _documented(policy: Policy) -> Policy:
    """Documented steps explain best, in a policy that has them all."""
    return DOCUMENTED if DOCUMENTED.edges.keys() <= policy.edges.keys() else policy


def _wider(policy: Policy) -> Policy:
    """Steps outside `documented` are still told from illegal ones."""
    return PRACTICAL if policy is DOCUMENTED else policy


def _graded(rows: tuple[Transition, ...], source: Status, target: Status, policy: Policy) -> Iterator[Finding]:
    """RE102 for every row on the way that the published diagram does not have."""
    for row in rows:
        if row.edge not in DOCUMENTED.edges:
            way = "" if row.edge == (source, target) else f" (hidden between {source} and {target})"
            severity: Severity = "error" if policy is DOCUMENTED else "warning"
            _, _, why = row.evidence.partition(": ")  # without its source, which `explain` names
            message = f"{row.source} to {row.target}{way} is not in the published diagram; {why}"
            yield Finding("RE102", "status", _onward(row.source, DOCUMENTED), message, severity=severity)


def _illegal(source: Status, target: Status, policy: Policy) -> Finding:
    lax = (source, target) in PERMISSIVE.edges
    hint = "--policy permissive allows it" if lax and policy is not PERMISSIVE else None
    return Finding("RE101", "status", _onward(source, policy), f"no step leads from {source} to {target}", hint=hint)


def _onward(source: Status | None, policy: Policy) -> str:
    return ", ".join(dict.fromkeys(target for (here, target) in policy.edges if here == source)) or "no change"


def _impossible(before: Point, now: Point, policy: Policy) -> Finding:
    source, target = before.status, now.status
    rows = hidden_steps(policy, source, target, True) or hidden_steps(policy, source, target, False) or ()
    way = " -> ".join((source, *(row.target for row in rows)))
    was, is_now = before.record.get("started_at"), now.record.get("started_at")
    restarts = any(row.event == "start" for row in rows)
    expected = "a later started_at" if restarts else "the same started_at"
    moved = f"started_at went from {_text(was)} to {_text(is_now)}"
    message = f"{source} to {target} needs the hidden steps {way}, but {moved}"
    return Finding("RE106", "started_at", expected, message)
