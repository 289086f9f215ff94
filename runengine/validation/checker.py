"""The checker: observations in, violations out, one scope at a time. Source: DESIGN §5.

What it remembers, and for how long, stands in `runengine.validation.memory`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import Any, Final

from runengine.core.candidates import era_of
from runengine.core.statuses import REQUIRES_ACTION, STATUSES, Status
from runengine.core.table import TERMINAL
from runengine.rendering.durations import brief
from runengine.validation.around import Around, Placed
from runengine.validation.catalogue import RULES
from runengine.validation.explaining.causes import explained
from runengine.validation.findings import IN_RECORD, Finding, Violation, shown
from runengine.validation.memory import Memory
from runengine.validation.observations import (
    Item,
    LeftOut,
    Observation,
    Passed,
    Skimming,
    StreamEnd,
    Unreadable,
    shows_all,
)
from runengine.validation.readers.natively import native
from runengine.validation.rules.layout import layout_of
from runengine.validation.rules.path import (
    STREAM_PREFIX,
    Point,
    birth_findings,
    event_findings,
    path_findings,
    same_findings,
    status_findings,
)
from runengine.validation.rules.payload import payload_findings, same_json
from runengine.validation.rules.stamps import stamp_findings
from runengine.validation.rules.threads import is_another, reused
from runengine.validation.seen import Seen
from runengine.validation.skim import Skim
from runengine.validation.summary import Options, Summary
from runengine.validation.watching import Watch

__all__ = ["HELD_MAX", "Checker"]

_CREATED: Final = f"{STREAM_PREFIX}created"
HELD_MAX: Final = 10_000
"""So many violations are held back at most while something waits for what comes after it."""

_IDENTITY: Final = ("RE401", "RE402")
_TWICE: Final = "RE408"
_BACKWARD: Final = ("RE101", "RE106", "RE205", "RE405")
"""Rules that a run's second recording breaks by beginning again, if the first is taken for its past."""


class Checker:
    """Checks one scope after another and counts over all of them.

    Args:
        options: What to hold records to.
        watches: What looks on.
        passes: Whether a violation is to be counted and reported, or is known already; all are when None.

    Attributes:
        options: The same.
        summary: Counts so far.
        told: Lines of what was said of a scope that goes on, before something above them was decided.

    Example:
        >>> from runengine.validation.catalogue.examples import record
        >>> checker = Checker()
        >>> found = checker.check("a.jsonl", [Observation(record("queued", failed_at=1_767_225_609), 1)])
        >>> [(v.code, v.field, v.line) for v in found]
        [('RE202', 'failed_at', 1)]
    """

    def __init__(
        self,
        options: Options | None = None,
        watches: Sequence[Watch] = (),
        passes: Callable[[Violation], bool] | None = None,
    ) -> None:
        self.options = options or Options()
        self._passes = passes
        self.summary = Summary()
        self._watches = tuple(watches)
        self._path = ""
        self.told: list[int] = []
        self._memory = Memory(self.options.forget_after, self.summary)
        self._around = Around(self.options, self.summary, self._memory)
        self._skim = Skim(self.options, self.summary, self._memory, self._around.threads)

    @property
    def skim(self) -> Skimming | None:
        """For readers of lines: deals with a line that is a bare record with nothing wrong, and says whether it did.

        None where something looks on, which is told of every item, and where recordings are joined.
        """
        return None if self._watches or self.options.join else self._skim

    def check(self, path: str, items: Iterable[Item]) -> Iterator[Violation]:
        """Check one recording: a scope in which a run's snapshots belong together.

        Args:
            path: The recording's name, for reports.
            items: What its reader yields.

        Returns:
            Violations in the order of lines, and of codes within a line.
        """
        if not self.options.join or not self._path:
            self.begin()
        yield from self.go_on(path, items)

    def go_on(self, path: str, items: Iterable[Item], *, ends: bool = True) -> Iterator[Violation]:
        """Check more of the current scope.

        Args:
            path: The recording's name, for reports.
            items: What comes next of it.
            ends: It ends with them. Else what waits goes on waiting, and what was held back for it is said.
        """
        self._path = path
        held: list[Violation] = []
        waited_from = 0
        for item in items:
            held += self.observe(path, item)
            if not held and not self.told:
                continue
            if len(held) + len(self.told) > HELD_MAX:
                self._around.give_up()
            waits_from = self._around.waits_from
            if waits_from is None or waits_from > waited_from:
                yield from _in_order([each for each in held if waits_from is None or each.line < waits_from])
                held = [] if waits_from is None else [each for each in held if each.line >= waits_from]
                self.told = [] if waits_from is None else [line for line in self.told if line >= waits_from]
                waited_from = waits_from or 0
        if ends:
            held += self.end(path)
        self.told = [] if ends else [*self.told, *(violation.line for violation in held)]
        yield from _in_order(held)

    @property
    def memory(self) -> Memory:
        """What is remembered of the runs of the current scope."""
        return self._memory

    @property
    def around(self) -> Around:
        """What is remembered of the objects around them."""
        return self._around

    def begin(self) -> None:
        """Begin a new scope: what was remembered of the last one is forgotten."""
        self._memory.clear()
        self._around.clear()
        self.told = []

    def observe(self, path: str, item: Item) -> list[Violation]:
        """Check one item of the current scope, and remember what later ones need."""
        if isinstance(item, Observation):
            item = native(item, self.options.dialect)
        placed = self._around.pass_by(item.items if isinstance(item, LeftOut) else 1)
        try:
            placed += sorted(self._placed(item), key=lambda p: (p.line, p.finding.code))
        except RecursionError:
            too_deep = Finding("RE901", None, None, "nested too deep to be checked", found=None)
            placed.append(Placed(item.line, too_deep, {}))
        self._around.settle()
        found = self._violations(path, placed)
        for watch in self._watches:
            watch.see(path, item, found)
        return found

    def end(self, path: str) -> list[Violation]:
        """The scope has ended: what waited for it is said."""
        found = self._violations(path, self._around.end())
        for watch in self._watches:
            watch.end(path, found)
        return found

    def _placed(self, item: Item) -> Iterator[Placed]:
        if isinstance(item, Observation):
            for finding in self._observe(item):
                yield Placed(item.line, finding, item.record)
            yield from self._around.run(item)
        elif isinstance(item, Unreadable):
            yield Placed(item.line, Finding("RE901", None, None, item.problem, item.found, hint=item.hint), {})
        elif isinstance(item, StreamEnd):
            for finding, record in self._stream_end(item):
                yield Placed(item.line, finding, record)
            yield from self._around.stream_end(item)
        elif isinstance(item, Passed):
            self.summary.passed += 1
        elif isinstance(item, LeftOut):
            return
        else:
            yield from self._around.observe(item)

    def _violations(self, path: str, placed: Iterable[Placed]) -> list[Violation]:
        made = [self._violation(path, *each) for each in placed if self.options.reports(each.finding.code)]
        found = made if self._passes is None else list(filter(self._passes, made))
        for violation in found:
            self.summary.violations[violation.severity] += 1
            self.summary.by_code[violation.code] += 1
        return found

    def _violation(self, path: str, line: int, finding: Finding, record: dict[str, Any]) -> Violation:
        rule = RULES[finding.code]
        severity = finding.severity or rule.severity
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
        run_id, thread_id, status = record.get("id"), record.get("thread_id"), record.get("status")
        seen = self._seen(run_id, thread_id, status in STATUSES)
        last = seen.point
        if status not in STATUSES:
            yield from status_findings(record)
            return
        self.summary.statuses[status] += 1
        if last is not None and isinstance(run_id, str) and is_another(last.record, item):
            if not seen.reused:
                yield reused(last.record, item)
            self._memory.renew(run_id, thread_id)
            seen = self._seen(run_id, thread_id, True)
        yield from self._alone(item, seen)
        together = tuple(self._together(item, seen))
        if isinstance(run_id, str) and any(finding.code == _TWICE for finding in together):
            self._memory.again(run_id)
            self._around.again(run_id)
            seen = self._seen(run_id, thread_id, True)
        yield from together
        self._remember(item, seen)

    def _seen(self, run_id: Any, thread_id: Any, known: bool) -> Seen:
        """What is known of a run, which is on the thread of its first snapshot. One without an id is never known.

        Until there is a snapshot of it, one of a known status, any record will do.
        """
        if not isinstance(run_id, str):
            self.summary.runs += 1
            if isinstance(thread_id, str):
                self._memory.meet(thread_id)
            return Seen()
        seen = self._memory.of(run_id)
        first = seen.thread_id is None or (known and not seen.shown)
        if first and isinstance(thread_id, str) and thread_id != seen.thread_id:
            self._memory.place(run_id, seen, thread_id)
        return seen

    def _alone(self, item: Observation, seen: Seen) -> Iterator[Finding]:
        """Rules on the record by itself."""
        record = item.record
        status = record["status"]
        keys, types = tuple(record), tuple(map(type, record.values()))
        era = era_of(record.get("created_at"))
        layout = layout_of(status, keys, types, era, self.options.generation, item.columns)
        good, bad = seen.good if seen.candidates == layout.candidates else {}, set()

        def changed(name: str) -> bool:
            return name not in good or not same_json(good[name], record.get(name))

        remarks, remarked = set(), seen.remarked if seen.line is None else ()
        for finding in (*layout.findings, *payload_findings(record, layout.candidates, changed)):
            bad.add((finding.field or "").partition(".")[0].partition("[")[0])
            if finding.code != "RE309":
                yield finding
            elif finding.field is not None:
                remarks.add(finding.field)
                if finding.field not in remarked:
                    yield finding
        seen.good = {name: value for name, value in record.items() if type(value) in (list, dict) and name not in bad}
        seen.candidates = layout.candidates
        seen.remarked = frozenset(remarks)
        yield from stamp_findings(record, status, seen.deadline, item.observed_s, self.options.skew_s)

    def _together(self, item: Observation, seen: Seen) -> Iterator[Finding]:
        """Rules on the record and the run's last one."""
        now = _point(item)
        yield from birth_findings(now.status, item.created)
        yield from event_findings(item.event, now.status)
        if not self._is_new_recording(seen):
            yield from self._between(item, now, seen)
            return
        seen.marks = ()  # its lines are another recording's
        between = list(self._between(item, now, seen))
        twice = any(_begins_anew(finding, now) for finding in between)
        if twice and seen.point is not None:
            yield _recorded_twice(seen.point.status, now.status, seen.recording)
            between = [finding for finding in between if finding.code in _IDENTITY or finding.field == "created_at"]
        yield from between

    def _is_new_recording(self, seen: Seen) -> bool:
        return self.options.join and seen.point is not None and seen.recording != self._path

    def _between(self, item: Observation, now: Point, seen: Seen) -> Iterator[Finding]:
        """Rules on the way from the last record to this one."""
        options, before = self.options, seen.point
        complete = self._is_complete(item) and seen.complete and not self._is_new_recording(seen)
        if item.event == _CREATED and seen.born:
            twice = Finding("RE405", None, "one thread.run.created", "the run was created before", found=item.event)
            yield explained(twice, seen, item, options.policy, complete)
        if before is None:
            return
        for finding in same_findings(before, now):
            name = finding.field or ""
            if name == "status" or seen.stray(name, before.record[name], now.record.get(name)):
                yield explained(finding, seen, item, options.policy, complete)
        if before.status not in TERMINAL:
            for finding in path_findings(before, now, options.policy, complete, options.skew_s):
                yield explained(finding, seen, item, options.policy, complete)
            if seen.twin is not None and now.status in TERMINAL:
                yield from same_findings(seen.twin, now)
        if item.observed_s is not None and seen.observed_s is not None and item.observed_s < seen.observed_s:
            back_s = seen.observed_s - item.observed_s
            message = f"it was observed {brief(back_s)} before the run's last snapshot, which stands above it"
            back = Finding("RE406", None, "snapshots in the order they were seen", message, found=item.observed_s)
            yield explained(back, seen, item, options.policy, complete)

    def _is_complete(self, item: Observation) -> bool:
        return shows_all(item.source, self.options.sampling)

    def _remember(self, item: Observation, seen: Seen) -> None:
        record = item.record
        status, run_id = record["status"], record.get("id")
        before = seen.point
        if before is not None and before.status != status:
            self.summary.edges[before.status, status] += 1
        point = _point(item)
        seen.see(point, self._is_complete(item), item.event == _CREATED)
        seen.mark(item.line, status, record.get("started_at"))
        seen.recording = self._path
        if not isinstance(run_id, str):
            return
        if item.source == "stream":
            self._memory.streaming[run_id] = status
        if status in TERMINAL:
            self._memory.streaming.pop(run_id, None)
        self._memory.keep(run_id, seen, status)
        self._skim.resume(run_id, seen)

    def _stream_end(self, end: StreamEnd) -> Iterator[tuple[Finding, dict[str, Any]]]:
        """RE404, once for each run the stream left in the middle; or once for a stream that was not closed."""
        left = {run_id: s for run_id, s in self._memory.streaming.items() if s != REQUIRES_ACTION}
        last_of = {run_id: self._memory.open[run_id].point for run_id in left if run_id in self._memory.open}
        if not end.done or left:
            expected = "a terminal status or requires_action, then done"
            for run_id, status in left.items() or [(None, None)]:
                point = last_of.get(run_id) if run_id else None
                how = "was closed" if end.done else "breaks off"
                what = f"the stream {how} while the run is {status}" if status else "the stream has no done at its end"
                yield Finding("RE404", None, expected, what, found=status), point.record if point else {}
        self._memory.streaming.clear()


def _in_order(held: list[Violation]) -> list[Violation]:
    """What was held back, with what came after it, by line; stable, so that codes keep their order."""
    return sorted(held, key=lambda violation: violation.line) if len(held) > 1 else held


def _begins_anew(finding: Finding, now: Point) -> bool:
    """Whether a recording shows a run again from an earlier place of its life than another one left it."""
    if finding.code == "RE103":
        return finding.field == "status" and now.status not in TERMINAL
    return finding.code in _BACKWARD or (finding.code == "RE204" and finding.field == "started_at")


def _recorded_twice(before: Status, status: Status, recording: str) -> Finding:
    name = PurePath(recording).name or recording
    message = f"the run was recorded twice: {name} had shown it {before}, and this recording begins again"
    return Finding(_TWICE, "status", f"what comes after {before}", message, found=status)


def _point(item: Observation) -> Point:
    tells_start = item.columns is None or "started_at" in item.columns
    return Point(status=item.record["status"], record=item.record, observed_s=item.observed_s, tells_start=tells_start)
