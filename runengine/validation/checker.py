"""The checker: observations in, violations out, one scope at a time.

Memory grows with the runs that are open, not with the input: of an open run its last record is kept; of an ended run
the same, for the `forget_after` that ended last (10,000 unless told otherwise, about 2 kB each). A run that comes back
after that counts as a new one, seen from the middle of its life. Source: DESIGN §5.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, Final

from attrs import Factory, define, field, frozen

from runengine.core.fields import FIELDS
from runengine.core.statuses import REQUIRES_ACTION, STATUSES
from runengine.core.table import PRACTICAL, TERMINAL, Policy
from runengine.validation.catalogue import RULES
from runengine.validation.findings import IN_RECORD, Finding, Severity, Violation, shown
from runengine.validation.observations import Item, Observation, Passed, Sampling, StreamEnd, Unreadable
from runengine.validation.rules.layout import Layout, era_of, layout_of
from runengine.validation.rules.path import (
    STREAM_PREFIX,
    Point,
    birth_findings,
    event_findings,
    path_findings,
    same_findings,
)
from runengine.validation.rules.payload import payload_findings
from runengine.validation.rules.stamps import Deadline, is_seconds, stamp_findings

__all__ = ["FORGET_AFTER", "SKEW_S", "Checker", "Options", "Summary"]

FORGET_AFTER: Final = 10_000
"""How many ended runs, and how many threads, are remembered."""

SKEW_S: Final = 2.0
"""How far a recording's clock and the server's may differ, seconds."""

_SAME = object()


@frozen(kw_only=True)
class Options:
    """What to hold a recording to.

    Attributes:
        policy: Which steps are legal.
        generation: The schema generation to hold records to, or None to infer it for each.
        sampling: Whether every status is visible.
        skew_s: How far clocks may differ, seconds.
        forget_after: How many ended runs are remembered.
        select: Codes, or beginnings of codes, of the only rules to report; all when empty.
        ignore: Codes, or beginnings of codes, not to report.

    Example:
        >>> Options().policy.name
        'practical'
    """

    policy: Policy = PRACTICAL
    generation: int | None = None
    sampling: Sampling = "auto"
    skew_s: float = SKEW_S
    forget_after: int = FORGET_AFTER
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def reports(self, code: str) -> bool:
        """Whether a rule's findings are reported."""
        return (not self.select or code.startswith(self.select)) and not code.startswith(self.ignore or ("-",))


@define(kw_only=True)
class Summary:
    """Counts over everything checked so far.

    Attributes:
        runs: Runs seen, each file a scope of its own.
        observations: Snapshots seen.
        threads: Threads seen, each file a scope of its own.
        passed: Objects that are no run, passed over.
        violations: Count by severity.
        by_code: Count by rule.
        statuses: Observations by status.
        edges: Observed changes of status, as `queued->in_progress`.

    Example:
        >>> Summary().as_dict()["runs"]
        0
    """

    runs: int = 0
    observations: int = 0
    threads: int = 0
    passed: int = 0
    violations: Counter[Severity] = Factory(Counter)
    by_code: Counter[str] = Factory(Counter)
    statuses: Counter[str] = Factory(Counter)
    edges: Counter[tuple[str, str]] = Factory(Counter)

    def as_dict(self) -> dict[str, Any]:
        """The summary as reports carry it, in a fixed order."""
        return {
            "runs": self.runs,
            "observations": self.observations,
            "threads": self.threads,
            "violations": {s: self.violations[s] for s in ("error", "warning", "info")},
            "by_code": dict(sorted(self.by_code.items())),
            "statuses": {s: self.statuses[s] for s in STATUSES if self.statuses[s]},
            "edges": {f"{a}->{b}": self.edges[a, b] for a in STATUSES for b in STATUSES if self.edges[a, b]},
        }


class Seen:
    """What is kept of a run between its snapshots."""

    __slots__ = ("born", "complete", "deadline", "good", "observed_s", "point", "remarked")

    def __init__(self, point: Point | None) -> None:
        self.point = point
        self.complete = False
        self.deadline = Deadline()
        self.born = False
        self.good: dict[str, Any] = {}
        self.remarked: frozenset[str] = frozenset()
        self.observed_s: float | None = None


@define
class Checker:
    """Checks one scope after another and counts over all of them.

    Attributes:
        options: What to hold records to.
        summary: Counts so far.

    Example:
        >>> from runengine.validation.catalogue.examples import record
        >>> checker = Checker()
        >>> found = checker.check("a.jsonl", [Observation(record("queued", failed_at=1_767_225_609), 1)])
        >>> [(v.code, v.field, v.line) for v in found]
        [('RE202', 'failed_at', 1)]
    """

    options: Options = Factory(Options)
    summary: Summary = Factory(Summary)
    _open: dict[str, Seen] = field(factory=dict, init=False)
    _ended: OrderedDict[str, Seen] = field(factory=OrderedDict, init=False)
    _threads: OrderedDict[str, None] = field(factory=OrderedDict, init=False)
    _streaming: dict[str, str] = field(factory=dict, init=False)

    def check(self, path: str, items: Iterable[Item]) -> Iterator[Violation]:
        """Check one recording: a scope in which a run's snapshots belong together.

        Args:
            path: The recording's name, for reports.
            items: What its reader yields.

        Returns:
            Violations in the order of lines, and of codes within a line.
        """
        self._open.clear()
        self._ended.clear()
        self._threads.clear()
        self._streaming.clear()
        for item in items:
            yield from self.observe(path, item)

    def observe(self, path: str, item: Item) -> list[Violation]:
        """Check one item of the current scope, and remember what later ones need."""
        if isinstance(item, Observation):
            found = sorted(self._observe(item), key=lambda f: f.code)
            return self._violations(path, item.line, ((f, item.record) for f in found))
        if isinstance(item, Unreadable):
            return self._violations(path, item.line, [(Finding("RE901", None, None, item.problem, item.found), {})])
        if isinstance(item, StreamEnd):
            return self._violations(path, item.line, self._stream_end(item))
        assert isinstance(item, Passed)
        self.summary.passed += 1
        return []

    def _violations(self, path: str, line: int, found: Iterable[tuple[Finding, dict[str, Any]]]) -> list[Violation]:
        return [self._violation(path, line, f, record) for f, record in found if self.options.reports(f.code)]

    def _violation(self, path: str, line: int, finding: Finding, record: dict[str, Any]) -> Violation:
        rule = RULES[finding.code]
        severity = finding.severity or rule.severity
        self.summary.violations[severity] += 1
        self.summary.by_code[rule.code] += 1
        run_id, thread_id = record.get("id"), record.get("thread_id")
        found = record.get(finding.field or "") if finding.found is IN_RECORD else finding.found
        return Violation(
            code=rule.code,
            name=rule.name,
            severity=severity,
            run_id=run_id if isinstance(run_id, str) else None,
            thread_id=thread_id if isinstance(thread_id, str) else None,
            path=path,
            line=line,
            field=finding.field,
            found=shown(found),
            expected=finding.expected,
            message=finding.message,
            hint=finding.hint or rule.hint,
        )

    def _observe(self, item: Observation) -> Iterator[Finding]:
        record = item.record
        self.summary.observations += 1
        run_id = record.get("id")
        status = record.get("status")
        seen = self._remembered(run_id) if isinstance(run_id, str) else Seen(None)
        self._count_thread(record.get("thread_id"))
        if not isinstance(run_id, str):
            self.summary.runs += 1
        if status not in STATUSES:
            yield from _status_findings(record)
            return
        self.summary.statuses[status] += 1
        yield from self._alone(item, seen)
        yield from self._together(item, seen)
        self._remember(item, seen)

    def _alone(self, item: Observation, seen: Seen) -> Iterator[Finding]:
        """Rules on the record by itself."""
        record = item.record
        status = record["status"]
        keys, types = tuple(record), tuple(map(type, record.values()))
        layout: Layout = layout_of(status, keys, types, era_of(record.get("created_at")), self.options.generation)
        good, bad = seen.good, set()

        def changed(name: str) -> bool:
            return name not in good or good[name] != record.get(name)

        remarks = set()
        for finding in (*layout.findings, *payload_findings(record, layout.candidates, changed)):
            bad.add((finding.field or "").partition(".")[0].partition("[")[0])
            if finding.code != "RE309":
                yield finding
            elif finding.field is not None:
                remarks.add(finding.field)
                if finding.field not in seen.remarked:
                    yield finding
        seen.good = {name: value for name, value in record.items() if type(value) in (list, dict) and name not in bad}
        seen.remarked = frozenset(remarks)
        yield from stamp_findings(record, status, seen.deadline, item.observed_s, self.options.skew_s)

    def _together(self, item: Observation, seen: Seen) -> Iterator[Finding]:
        """Rules on the record and the run's last one."""
        record, options = item.record, self.options
        now = Point(status=record["status"], record=record, observed_s=item.observed_s)
        yield from birth_findings(now.status, item.created)
        yield from event_findings(item.event, now.status)
        before = seen.point
        if item.event == f"{STREAM_PREFIX}created" and seen.born:
            yield Finding("RE405", None, "one thread.run.created", "the run was created before", found=item.event)
        if before is None:
            return
        yield from same_findings(before, now)
        if before.status not in TERMINAL:
            complete = self._is_complete(item) and seen.complete
            yield from path_findings(before, now, options.policy, complete, options.skew_s)
        if item.observed_s is not None and seen.observed_s is not None and item.observed_s < seen.observed_s:
            back_s = seen.observed_s - item.observed_s
            message = f"it was observed {back_s:g} s before the run's last snapshot, which stands above it"
            yield Finding("RE406", None, "snapshots in the order they were seen", message, found=item.observed_s)

    def _is_complete(self, item: Observation) -> bool:
        sampling = self.options.sampling
        return item.source != "snapshot" if sampling == "auto" else sampling == "complete"

    def _remembered(self, run_id: str) -> Seen:
        seen = self._open.get(run_id) or self._ended.get(run_id)
        if seen is None:
            self.summary.runs += 1
            seen = self._open[run_id] = Seen(None)
        return seen

    def _remember(self, item: Observation, seen: Seen) -> None:
        record = item.record
        status, run_id = record["status"], record.get("id")
        before = seen.point
        if before is not None and before.status != status:
            self.summary.edges[before.status, status] += 1
        seen.point = Point(status=status, record=record, observed_s=item.observed_s)
        seen.complete = self._is_complete(item)
        seen.born = seen.born or item.event == f"{STREAM_PREFIX}created"
        if item.observed_s is not None:
            seen.observed_s = item.observed_s
        deadline = record.get("expires_at")
        if is_seconds(deadline):
            moved = seen.deadline.at_s not in (None, deadline)
            seen.deadline = Deadline(at_s=deadline, moved=seen.deadline.moved or moved)
        if not isinstance(run_id, str):
            return
        if item.source == "stream" and status not in TERMINAL:
            self._streaming[run_id] = status
        if status in TERMINAL:
            self._streaming.pop(run_id, None)
            self._open.pop(run_id, None)
            self._ended[run_id] = seen
            while len(self._ended) > self.options.forget_after:
                self._ended.popitem(last=False)
        elif run_id in self._ended:
            self._open[run_id] = self._ended.pop(run_id)

    def _count_thread(self, thread_id: object) -> None:
        if not isinstance(thread_id, str):
            return
        if thread_id not in self._threads:
            self.summary.threads += 1
            self._threads[thread_id] = None
            if len(self._threads) > self.options.forget_after:
                self._threads.popitem(last=False)

    def _stream_end(self, end: StreamEnd) -> Iterator[tuple[Finding, dict[str, Any]]]:
        """RE404, once for each run the stream left in the middle; or once for a stream that was not closed."""
        left = {run_id: s for run_id, s in self._streaming.items() if s != REQUIRES_ACTION}
        last_of = {run_id: self._open[run_id].point for run_id in left if run_id in self._open}
        if not end.done or left:
            expected = "a terminal status or requires_action, then done"
            for run_id, status in left.items() or [(None, None)]:
                point = last_of.get(run_id) if run_id else None
                how = "was closed" if end.done else "breaks off"
                what = f"the stream {how} while the run is {status}" if status else "the stream has no done at its end"
                yield Finding("RE404", None, expected, what, found=status), point.record if point else {}
        self._streaming.clear()


def _status_findings(record: dict[str, Any]) -> Iterator[Finding]:
    status = record.get("status", _SAME)
    known = ", ".join(STATUSES)
    if status is _SAME:
        yield Finding("RE307", "status", known, "the key status is missing", found=None)
    elif not isinstance(status, str):
        yield Finding("RE308", "status", FIELDS["status"].kind, "status is no string")
    else:
        near = get_close_matches(status, STATUSES, n=1)
        hint = f"did you mean {near[0]}?" if near else None
        yield Finding("RE105", "status", known, f"{status[:80]!r} is no status of a run", hint=hint)
