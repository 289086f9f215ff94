"""The steps and messages of runs as they come by: their order, their nesting, and whose they are. RE503 to RE506.

In streams the order of events is part of the protocol (FACTS §5, B7), and runs are told apart by id, since streams of
several may interleave. What was seen by polling is held to the tables alone: anything may lie between two looks.

Where a run's own events do not follow each other, one was lost, and what depends on it is not held against a step.

Memory: of the `forget_after` steps, messages, calls and streamed runs seen last, about 500 bytes each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final

from attrs import Factory, asdict, define

from runengine.core.companions import STEP
from runengine.core.shape import end_stamp
from runengine.core.statuses import CANCELLING, IN_PROGRESS, STATUSES
from runengine.core.table import PRACTICAL, TERMINAL
from runengine.rendering.durations import brief
from runengine.validation.calls import Calls
from runengine.validation.findings import Finding
from runengine.validation.memory import Memory
from runengine.validation.observations import Companion, Observation, StreamEnd
from runengine.validation.rules.companions import CODES, TABLES, lasting_of, move_findings, own_findings
from runengine.validation.rules.path import STALE_S
from runengine.validation.rules.stamps import is_seconds
from runengine.validation.summary import Options
from runengine.validation.waiting import Placed, Waiting, Why

__all__ = ["Beside"]

_STEP: Final = "step"
_MESSAGE: Final = "message"
_CREATED: Final = "created"
_BIRTHS: Final = ("thread.created", "thread.run.created")
_THINGS: Final = {kind: table.thing for kind, table in TABLES.items()}


@define
class _Known:
    """What is kept of a step or message."""

    kind: str
    run_id: str | None
    status: str
    lasting: dict[str, Any]
    stamps: dict[str, Any]
    calls: dict[str, str | None]
    guessed: bool = False
    """Only pieces of it have been seen."""
    inside: str | None = None
    """Of a message the step it was written in; of a message_creation step the message."""


@define
class _Run:
    """What is kept of a run that came in a stream."""

    status: str
    thread_id: Any
    assistant_id: Any
    started_at: Any
    born: bool
    open: dict[str, str] = Factory(dict)
    """Its steps and messages that have not ended: id to kind."""
    stepped: bool = False
    """A step of it came in the stream."""


class Beside:
    """What is known of the steps and messages of one scope.

    Args:
        options: What to hold them to.
        memory: What is known of the runs.

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
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self.calls = Calls(options.forget_after)
        self._shows_runs = False
        self._whole = False
        """The current stream began with a creation, so that nothing of it is missing at its head."""
        self._head = True

    def clear(self) -> None:
        """Begin a new scope."""
        self._known.clear()
        self._runs.clear()
        self.calls.clear()
        self.waiting.clear()
        self._shows_runs = self._whole = False
        self._head = True

    def forget(self, run_id: str) -> None:
        """Forget what belongs to a run."""
        run = self._runs.pop(run_id, None)
        for known in run.open if run is not None else ():
            self._known.pop(known, None)
        self.calls.forget(run_id)

    def again(self, run_id: str) -> None:
        """Forget all of a run that is recorded once more, from anew."""
        self.forget(run_id)
        for known_id in [i for i, known in self._known.items() if known.run_id == run_id]:
            del self._known[known_id]

    @property
    def place(self) -> tuple[bool, bool]:
        """Where the current stream stands: whether nothing of it was seen, and whether it began with a creation."""
        return self._head, self._whole

    @place.setter
    def place(self, place: tuple[bool, bool]) -> None:
        self._head, self._whole = place

    def kept(self) -> Iterator[tuple[str, Any]]:
        """What is remembered, as plain JSON."""
        yield "waiting", self.waiting.kept()
        yield "companions", [[i, asdict(known)] for i, known in self._known.items()]
        yield "streamed", [[i, asdict(run)] for i, run in self._runs.items()]
        yield "calls", self.calls.kept()
        yield "stream", [self._shows_runs, self._whole, self._head]

    def take(self, what: str, kept: Any) -> bool:
        """Remember a part of that; says whether it was such a part."""
        if what == "waiting":
            self.waiting.take(kept)
        elif what == "companions":
            self._known.update((i, _Known(**known)) for i, known in kept)
        elif what == "streamed":
            self._runs.update((i, _Run(**run)) for i, run in kept)
        elif what == "calls":
            self.calls.take(kept)
        elif what == "stream":
            self._shows_runs, self._whole, self._head = kept
        else:
            return False
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
        run = self._runs.get(run_id)
        if item.source != "stream":
            if run is not None:
                run.open.clear()  # what happened to them was not in a stream
            return
        self._shows_runs = True
        if run is None:
            yield from self.waiting.decided(run_id, lambda why: False if why == "unknown" else None)
            born = item.event == _BIRTHS[1]
            run = self._runs[run_id] = _Run(
                status, record.get("thread_id"), record.get("assistant_id"), record.get("started_at"), born
            )
            _bound(self._runs, self._options.forget_after)
            legal = True
        else:
            # A start that shows in the stamp alone is an event that was lost.
            unseen = status != IN_PROGRESS and record.get("started_at") != run.started_at
            legal = not unseen and (run.status == status or (run.status, status) in self._edges)
            yield from self._decide(run, run_id, status, record, legal)
        if status in TERMINAL and run.status not in TERMINAL:
            if legal:
                yield from self._left_open(run, item)
            run.open.clear()
        run.status, run.started_at = status, record.get("started_at")

    def _begin(self, event: str | None) -> None:
        if self._head:
            self._head, self._whole = False, event in _BIRTHS

    def _decide(self, run: _Run, run_id: str, status: str, record: dict[str, Any], legal: bool) -> Iterator[Placed]:
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

    def _left_open(self, run: _Run, item: Observation) -> Iterator[Placed]:
        status = item.record["status"]
        for known_id, kind in run.open.items():
            thing = _THINGS[kind]
            code = "RE503" if kind == _STEP else CODES[kind]
            ends = ", ".join(TABLES[kind].terminal)
            message = f"the run is {status}, and its {thing} {known_id[:80]} has not ended"
            yield Placed(item.line, Finding(code, None, ends, message, found=known_id), item.record)

    def companion(self, item: Companion) -> Iterator[Placed]:
        """Take a step, a message, or a piece of one."""
        if item.source == "stream":
            self._begin(item.event)
        if item.kind in TABLES:
            for finding in self._whole_object(item):
                yield _placed(item, finding)
        elif item.kind in ("step_delta", "message_delta"):
            yield from self._delta(item)

    def _whole_object(self, item: Companion) -> Iterator[Finding]:
        record, kind = item.record, item.kind
        yield from own_findings(item)
        known_id, status = record.get("id"), record.get("status")
        if not isinstance(known_id, str) or status not in TABLES[kind].statuses:
            return
        run_id = record.get("run_id")
        known = self._known.get(known_id)
        before = None if known is None or known.guessed else known.status
        if known is not None and known.kind == kind and not known.guessed:
            yield from move_findings(kind, known.status, known.lasting, known.stamps, record)
            yield from self.calls.changed(known.calls, record)
        else:
            lasting = lasting_of(record)
            known = _Known(kind, run_id if isinstance(run_id, str) else None, str(status), lasting, {}, {})
        if kind == _STEP:
            yield from self.calls.shown(known.calls, record)
        if isinstance(run_id, str):
            yield from self._belonging(item, run_id)
            if item.source == "stream":
                yield from self._nested(item, known_id, known, run_id, before)
            elif kind == _STEP:
                yield from self._late(item, run_id, str(status))
        if before is None or before not in TABLES[kind].terminal:
            known.status = str(status)
            own = (stamp for stamps in TABLES[kind].stamps.values() for stamp in stamps)
            known.stamps = {name: record[name] for name in own if record.get(name) is not None}
        self._known[known_id] = known
        self._known.move_to_end(known_id)
        _bound(self._known, self._options.forget_after)

    def _belonging(self, item: Companion, run_id: str) -> Iterator[Finding]:
        """RE504: the run is never shown, or is not on that thread, or not of that assistant."""
        record = item.record
        run = self._runs.get(run_id)
        seen = self._memory.open.get(run_id) or self._memory.ended.get(run_id)
        if run is None and seen is None:
            if item.source == "stream" and not self.waiting.holds(run_id, "unknown"):
                thing = _THINGS[item.kind]
                finding = Finding(
                    "RE504", "run_id", "a run of this recording", f"the {thing}'s run is never shown", found=run_id
                )
                self.waiting.put(run_id, "unknown", _placed(item, finding))
            return
        for name in ("thread_id", "assistant_id"):
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
                    self.waiting.put(run_id, "identity", _placed(item, finding))

    def _late(self, item: Companion, run_id: str, status: str) -> Iterator[Finding]:
        """Of a step that was polled: RE505 where it was created after its run's end, RE503 where it outlives it."""
        ended_s = self._ended_s(run_id)
        if ended_s is None:
            return
        created = item.record.get("created_at")
        if is_seconds(created) and created > ended_s:
            message = f"the step was created {created - ended_s} s after its run had ended"
            yield Finding("RE505", "created_at", f"at most {ended_s}", message, found=created)
        elif status == STEP.initial and item.observed_s is not None:
            late_s = item.observed_s - ended_s
            if late_s > STALE_S + self._options.skew_s:
                message = f"the run ended {brief(late_s)} before, and its step has not ended"
                yield Finding("RE503", "status", ", ".join(STEP.terminal), message, found=status)

    def _ended_s(self, run_id: str) -> int | None:
        seen = self._memory.ended.get(run_id)
        point = None if seen is None else seen.point
        stamp = None if point is None else end_stamp(point.status)
        value = None if point is None or stamp is None else point.record.get(stamp)
        return value if is_seconds(value) else None

    def _nested(
        self, item: Companion, known_id: str, known: _Known, run_id: str, before: str | None
    ) -> Iterator[Finding]:
        run, kind = self._runs.get(run_id), item.kind
        code, thing = CODES[kind], _THINGS[kind]
        word = (item.event or "").rpartition(".")[2]
        if word == _CREATED and before is not None:
            yield Finding(code, None, f"one {item.event}", f"the {thing} was created before", found=item.event)
        if run is None:
            return
        if before is None and word in (_CREATED, TABLES[kind].initial):
            yield from self._begun(item, known_id, known, run_id, run)
        elif kind == _MESSAGE and before == TABLES[kind].initial and item.record.get("status") != before:
            inside = self._known.get(known.inside or "")
            if inside is not None and inside.status in STEP.terminal:
                message = f"the message ended after its step {(known.inside or '')[:80]}"
                yield Finding(code, None, "a message ends before its step", message, found=item.event)
        if item.record.get("status") in TABLES[kind].terminal:
            run.open.pop(known_id, None)

    def _begun(self, item: Companion, known_id: str, known: _Known, run_id: str, run: _Run) -> Iterator[Finding]:
        kind = item.kind
        thing = _THINGS[kind]
        if run.status in TERMINAL:
            message = f"the {thing} begins after its run had ended as {run.status}"
            finding = Finding(CODES[kind], None, "nothing after the run's end", message, found=item.event)
            self.waiting.put(run_id, "end", _placed(item, finding))
        elif run.status not in (IN_PROGRESS, CANCELLING):
            message = f"the {thing} begins while its run is {run.status}"
            finding = Finding(CODES[kind], None, f"its run {IN_PROGRESS}", message, found=item.event)
            self.waiting.put(run_id, "place", _placed(item, finding))
        if kind == _STEP:
            known.inside = _message_of(item.record)
            for other_id in [i for i, other in run.open.items() if other == _STEP]:
                message = f"the step begins before {other_id[:80]} has ended"
                yield Finding("RE505", None, "one step of a run at a time", message, found=item.event)
            run.stepped = True
        elif run.born or run.stepped:
            steps = (i for i, other in run.open.items() if other == _STEP)
            known.inside = next((i for i in steps if i in self._known and self._known[i].inside == known_id), None)
            if known.inside is None and run.status not in TERMINAL:
                message = "no open step of the run creates the message"
                yield Finding("RE506", None, "a message_creation step around it", message, found=item.event)
        if run.status not in TERMINAL:
            run.open[known_id] = kind

    def _delta(self, item: Companion) -> Iterator[Placed]:
        known_id = item.record.get("id")
        kind = item.kind.removesuffix("_delta")
        if not isinstance(known_id, str) or item.source != "stream":
            return
        known = self._known.get(known_id)
        if known is None:
            streaming = self._memory.streaming
            runs = [self._runs.get(run_id) for run_id in streaming]
            if not self._whole or not runs or not all(run is not None and run.born for run in runs):
                return
            message = f"a piece of a {_THINGS[kind]} comes before it was created"
            record: dict[str, Any] = {"id": next(iter(streaming))} if len(streaming) == 1 else {}
            self._known[known_id] = _Known(kind, record.get("id"), TABLES[kind].initial, {}, {}, {}, guessed=True)
        elif known.status in TABLES[kind].terminal:
            message = f"a piece of a {_THINGS[kind]} comes after it had ended as {known.status}"
            record = {"id": known.run_id, "thread_id": known.lasting.get("thread_id")}
        else:
            return
        expected = "pieces between the creation and the end"
        yield Placed(item.line, Finding(CODES[kind], "id", expected, message, found=known_id), record)

    def stream_end(self, _end: StreamEnd) -> None:
        """Take the end of a stream."""
        self._head, self._whole = True, False

    def stands(self, why: Why) -> bool:
        """Whether what waits is said when there is nothing more to wait for."""
        return self._shows_runs if why == "unknown" else why != "place"


def _placed(item: Companion, finding: Finding) -> Placed:
    """At the step's or message's own line; its run is named by it."""
    return Placed(item.line, finding, {"id": item.record.get("run_id"), "thread_id": item.record.get("thread_id")})


def _message_of(step: dict[str, Any]) -> str | None:
    details = step.get("step_details")
    creation = details.get("message_creation") if isinstance(details, dict) else None
    message_id = creation.get("message_id") if isinstance(creation, dict) else None
    return message_id if isinstance(message_id, str) else None


def _bound(held: OrderedDict[str, Any], most: int) -> None:
    while len(held) > max(most, 1):
        held.popitem(last=False)
