"""The steps and messages of runs as they come by: their order, their nesting, and whose they are. RE503 to RE506.

In streams the order of events is part of the protocol (see `runengine.validation.nesting`). What was seen by polling is
held to the tables alone, and to its run's end: anything may lie between two looks. A poll beside a stream may see what
the stream shows later, and what has changed meanwhile was not in the stream.

Memory: see `runengine.validation.shelf`, `.calls` and `.waiting`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Final

from runengine.core.shape import end_stamp
from runengine.core.statuses import IN_PROGRESS, REQUIRES_ACTION, STATUSES, Status
from runengine.core.table import PRACTICAL, TERMINAL
from runengine.validation.calls import Calls
from runengine.validation.findings import Finding
from runengine.validation.memory import Memory
from runengine.validation.nesting import CREATED, Nesting, late_findings, left_open, placed_by, word_of
from runengine.validation.observations import Companion, Observation, StreamEnd
from runengine.validation.rules.companions import CODES, TABLES, lasting_of, move_findings, own_findings
from runengine.validation.rules.path import STALE_S
from runengine.validation.rules.stamps import is_seconds
from runengine.validation.shelf import Known, Shelf, Streamed
from runengine.validation.summary import Options
from runengine.validation.waiting import Placed, Waiting, Why

__all__ = ["Beside"]

_STEP: Final = "step"
_BIRTHS: Final = ("thread.created", "thread.run.created")
_OWNERS: Final = ("thread_id", "assistant_id")


class Beside:
    """What is known of the steps and messages of one scope.

    Args:
        options: What to hold them to.
        memory: What is known of the runs.

    Attributes:
        waiting: What waits for a run's next snapshot.
        patient: What waits for a run, or for the whole of a piece, that may be shown at any time.
        calls: What is known of tool calls.

    Example:
        >>> from runengine.validation.summary import Summary
        >>> beside = Beside(Options(), Memory(9, Summary()))
        >>> step = Companion({"id": "step_1", "status": "completed", "completed_at": None}, "step", 7)
        >>> [(p.line, p.finding.code) for p in beside.companion(step)]
        [(7, 'RE505')]
    """

    def __init__(self, options: Options, memory: Memory) -> None:
        self._options = options
        self._memory = memory
        self._edges = options.policy.edges.keys() | PRACTICAL.edges.keys()
        self.waiting = Waiting()
        self.patient = Waiting()
        self.calls = Calls(options.forget_after)
        self._shelf = Shelf(options.forget_after, memory)
        self._nesting = Nesting(self._shelf, self.calls, self.waiting)
        self._told: OrderedDict[str, None] = OrderedDict()
        """Runs that were said never to be shown."""
        self._shows_runs = False
        self._streams = 0
        """So many streams have begun and not ended."""
        self._whole = False
        """The current stream began with a creation, so that nothing of it is missing at its head."""
        self._head = True

    def clear(self) -> None:
        """Begin a new scope."""
        self._shelf.clear()
        self.calls.clear()
        self.waiting.clear()
        self.patient.clear()
        self._told.clear()
        self._shows_runs = self._whole = False
        self._head, self._streams = True, 0

    def forget(self, run_id: str) -> None:
        """Forget what belongs to a run."""
        self._shelf.drop_run(run_id)
        self.calls.forget(run_id)

    @property
    def place(self) -> tuple[bool, bool]:
        """Where the current stream stands: whether nothing of it was seen, and whether it began with a creation."""
        return self._head, self._whole

    @place.setter
    def place(self, place: tuple[bool, bool]) -> None:
        self._head, self._whole = place

    @property
    def waits_from(self) -> int | None:
        """The earliest line of which something waits, or None."""
        return min((w.first for w in (self.waiting, self.patient) if w.first is not None), default=None)

    def give_up(self) -> None:
        """Nothing is waited for any longer, and what waited is not said."""
        self.waiting.clear()
        self.patient.clear()

    def kept(self) -> Iterator[tuple[str, Any]]:
        """What is remembered, in parts of plain JSON; what a record holds may be of any depth."""
        yield from (("waiting", part) for part in self.waiting.kept())
        yield from (("patient", part) for part in self.patient.kept())
        yield from self._shelf.kept()
        yield from self.calls.kept()
        yield "stream", [self._shows_runs, self._whole, self._head, self._streams, list(self._told)]

    def take(self, what: str, kept: Any) -> bool:
        """Remember a part of that; says whether it was such a part."""
        if what in ("waiting", "patient"):
            (self.waiting if what == "waiting" else self.patient).take(kept)
        elif what == "calls":
            self.calls.take(kept)
        elif what == "stream":
            self._shows_runs, self._whole, self._head, self._streams, told = kept
            self._told.update(dict.fromkeys(told))
        else:
            return self._shelf.take(what, kept)
        return True

    def run(self, item: Observation) -> Iterator[Placed]:
        """Take a run's snapshot, after the rules on the run itself."""
        record = item.record
        run_id, status = record.get("id"), record.get("status")
        if item.source == "stream":
            self._begin(item.event)
        if not isinstance(run_id, str) or status not in STATUSES:
            return
        self.calls.ask(run_id, status, record)
        yield from self.patient.decided(run_id, lambda why: False if why == "unknown" else None)
        yield from self._overdue(item, run_id, status)
        run = self._shelf.runs.get(run_id)
        if item.source == "stream":
            yield from self._streamed(item, run_id, status, run)
        elif run is not None and (run.status, run.started_at) != (status, record.get("started_at")):
            run.lose()  # what happened meanwhile was not in a stream

    def _streamed(self, item: Observation, run_id: str, status: str, run: Streamed | None) -> Iterator[Placed]:
        record = item.record
        self._shows_runs = True
        if run is None:
            born = item.event == _BIRTHS[1]
            thread_id, assistant_id = (record.get(name) for name in _OWNERS)
            run = Streamed(status, thread_id, assistant_id, record.get("started_at"), born, unbroken=born)
        else:
            # A start that shows in the stamp alone is an event that was lost.
            unseen = status != IN_PROGRESS and record.get("started_at") != run.started_at
            legal = not unseen and (run.status == status or (run.status, status) in self._edges)
            yield from self._decide(run, run_id, status, record, legal)
            run.sure = legal and (run.sure or status == IN_PROGRESS)
            if status in TERMINAL and run.status not in TERMINAL:
                if run.sure:
                    yield from left_open(run, item)
                run.clear()
        run.unbroken = run.unbroken and run.sure and status != REQUIRES_ACTION
        run.status, run.started_at = status, record.get("started_at")
        self._shelf.see(run_id, run)

    def _begin(self, event: str | None) -> None:
        if self._head:
            self._head, self._whole = False, event in _BIRTHS
            self._streams += 1

    def _decide(self, run: Streamed, run_id: str, status: str, record: dict[str, Any], legal: bool) -> Iterator[Placed]:
        same = (run.thread_id, run.assistant_id) == (record.get("thread_id"), record.get("assistant_id"))
        if not same:
            run.thread_id = run.assistant_id = None  # it contradicts itself, and nothing can be held to it

        def stands(why: Why) -> bool | None:
            if why in ("identity", "alive"):
                return same if why == "identity" else None
            if run.status == status:
                return None
            return legal and why == "place"

        yield from self.waiting.decided(run_id, stands)

    def _overdue(self, item: Observation, run_id: str, status: Status) -> Iterator[Placed]:
        """Steps and messages that were polled before their run was shown, or before it was shown to have ended."""
        ids, first, last = self._shelf.due(run_id, status in TERMINAL)
        ended_s = item.record.get(end_stamp(status) or "") if last else None
        for known_id in ids:
            known = self._shelf.get(known_id)
            if known is None or not known.polled:
                continue
            for name in _OWNERS if first else ():
                was, is_now = known.lasting.get(name), item.record.get(name)
                if isinstance(was, str) and isinstance(is_now, str) and was != is_now:
                    message = f"{name} is not that of its {TABLES[known.kind].thing} {known_id[:80]}, seen before it"
                    yield Placed(item.line, Finding("RE504", name, was[:80], message, found=is_now), item.record)
            if is_seconds(ended_s) and known.kind == _STEP:
                for finding in late_findings(known.lasting, known.status, None, status, ended_s, 0.0):
                    message = f"{known_id[:80]}: {finding.message}"
                    yield Placed(item.line, finding._replace(message=message), item.record)

    def companion(self, item: Companion) -> Iterator[Placed]:
        """Take a step, a message, or a piece of one."""
        if item.source == "stream":
            self._begin(item.event)
        if item.kind in TABLES:
            yield from (placed_by(item, finding) for finding in own_findings(item))
            known_id, status = item.record.get("id"), item.record.get("status")
            if isinstance(known_id, str) and status in TABLES[item.kind].statuses:
                yield from self._whole_object(item, known_id, str(status))
        elif item.kind in ("step_delta", "message_delta") and item.source == "stream":
            yield from self._delta(item)

    def _whole_object(self, item: Companion, known_id: str, status: str) -> Iterator[Placed]:
        kind, run_id = item.kind, item.record.get("run_id")
        known = self._shelf.get(known_id)
        if known is not None and known.guessed:
            yield from self._pieces(item, known_id, run_id)
        new = known is None or known.guessed or known.kind != kind
        unborn = self._whole and (known is None or known.guessed)
        if known is None or new:
            run = run_id if isinstance(run_id, str) else None
            known = Known(kind, run, TABLES[kind].initial, lasting_of(item.record))
        streamed = item.source == "stream"
        before = None if new or (known.polled and streamed) else known.status
        # What a poll has seen to end may still be on its way in a stream.
        overtaken = streamed and known.polled and known.ended and status == TABLES[kind].initial
        for finding in self._findings(item, known_id, known, before, new or overtaken, unborn):
            yield placed_by(item, finding)
        if not known.ended:
            known.status = status
            own = TABLES[kind].stamps.get(status, ())
            known.stamps = {name: item.record[name] for name in own if item.record.get(name) is not None}
        known.polled = overtaken or not streamed
        self._shelf.put(known_id, known)

    def _findings(
        self, item: Companion, known_id: str, known: Known, before: str | None, apart: bool, unborn: bool
    ) -> Iterator[Finding]:
        """What is said of a whole object; where it stands apart, nothing before it is looked at."""
        record, kind, run_id = item.record, item.kind, item.record.get("run_id")
        if not apart:
            yield from move_findings(kind, known.status, known.lasting, known.stamps, record)
            yield from self.calls.changed(known.calls, record, known.ended)
        if kind == _STEP:
            yield from self.calls.shown(known.calls, record)
        if not isinstance(run_id, str):
            return
        yield from self._belonging(item, run_id)
        if item.source == "stream":
            yield from self._nesting.findings(item, known_id, known, run_id, before, unborn)
        elif kind == _STEP:
            seen = self._memory.ended.get(run_id)
            point = None if seen is None else seen.point
            ended_s = None if point is None else point.record.get(end_stamp(point.status) or "")
            if point is not None and is_seconds(ended_s):
                allowed_s = STALE_S + self._options.skew_s
                yield from late_findings(record, record["status"], item.observed_s, point.status, ended_s, allowed_s)

    def _pieces(self, item: Companion, known_id: str, run_id: Any) -> Iterator[Placed]:
        """The whole of which a piece came: it came too early where the whole begins only now, in a run seen whole."""
        run = self._shelf.runs.get(run_id) if isinstance(run_id, str) else None
        begins = item.source == "stream" and word_of(item) in (CREATED, TABLES[item.kind].initial)
        early = run is not None and run.born and begins
        for placed in self.patient.decided(known_id, lambda why: early if why == "piece" else None):
            yield placed._replace(record=placed_by(item, placed.finding).record)

    def _belonging(self, item: Companion, run_id: str) -> Iterator[Finding]:
        """RE504: the run is never shown, or is not on that thread, or not of that assistant."""
        record = item.record
        run = self._shelf.runs.get(run_id)
        seen = self._memory.known(run_id)
        if run is None and seen is None:
            if item.source == "stream" and run_id not in self._told and not self.patient.holds(run_id, "unknown"):
                message = f"the {TABLES[item.kind].thing}'s run is never shown"
                finding = Finding("RE504", "run_id", "a run of this recording", message, found=run_id)
                self.patient.put(run_id, "unknown", placed_by(item, finding))
            return
        for name in _OWNERS:
            if run is not None:
                wanted = getattr(run, name)
            else:
                wanted = seen.point.record.get(name) if seen is not None and seen.point is not None else None
            is_now = record.get(name)
            if isinstance(wanted, str) and isinstance(is_now, str) and wanted != is_now:
                message = f"{name} is not that of its run"
                finding = Finding("RE504", name, wanted[:80], message, found=is_now)
                if run is None or run.status in TERMINAL:
                    yield finding
                else:
                    self.waiting.put(run_id, "identity", placed_by(item, finding))

    def _delta(self, item: Companion) -> Iterator[Placed]:
        known_id = item.record.get("id")
        kind = item.kind.removesuffix("_delta")
        if not isinstance(known_id, str):
            return
        known = self._shelf.get(known_id)
        expected = "pieces between the creation and the end"
        if known is None:
            if not self._whole:
                return
            message = f"a piece of a {TABLES[kind].thing} comes before it was created"
            finding = Finding(CODES[kind], "id", expected, message, found=known_id)
            self.patient.put(known_id, "piece", Placed(item.line, finding, {}))
            known = Known(kind, None, TABLES[kind].initial, guessed=True)
        elif known.ended and not known.polled:
            message = f"a piece of a {TABLES[kind].thing} comes after it had ended as {known.status}"
            record = {"id": known.run_id, "thread_id": known.lasting.get("thread_id")}
            yield Placed(item.line, Finding(CODES[kind], "id", expected, message, found=known_id), record)
        self._shelf.put(known_id, known)

    def stream_end(self, _end: StreamEnd) -> Iterator[Placed]:
        """Take the end of a stream; where no other one is open, no run of it can still be shown."""
        self._head, self._whole = True, False
        self._streams = max(self._streams - 1, 0)
        if not self._streams:
            yield from self._tell(lambda why: self._shows_runs if why == "unknown" else None)

    def end(self) -> Iterator[Placed]:
        """Take the end of the scope."""
        yield from sorted((*self._tell(self.stands), *self.waiting.all(self.stands)), key=lambda placed: placed.line)
        self.patient.clear()

    def stands(self, why: Why) -> bool:
        """Whether what waits is said when there is nothing more to wait for."""
        return self._shows_runs if why == "unknown" else why not in ("place", "piece")

    def _tell(self, stands: Callable[[Why], bool | None]) -> Iterator[Placed]:
        for placed in self.patient.all(stands):
            self._told[str(placed.record["id"])] = None
            yield placed
        while len(self._told) > max(self._options.forget_after, 1):
            self._told.popitem(last=False)
