"""The skim: a line that is a bare record with nothing wrong is recognised as such, without being decoded whole.

It writes no rule a second time where the answer can be remembered: what depends on keys, types, status and request
alone is judged once by the rules themselves and remembered for records with the same (the request compared as
bytes). Only the comparisons of stamps are made here again, in their short form; whatever they do not pass is left to
the rules, which say what is wrong. A property test holds that skimmed or not, the violations are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from types import NoneType
from typing import Any, Final, Literal

from runengine.core.candidates import era_of
from runengine.core.events import TTL_S
from runengine.core.fields import FIELDS, STAMPS, WIRE_EXTRAS
from runengine.core.guards import DEADLINE_FREE
from runengine.core.shape import end_stamp
from runengine.core.statuses import EXPIRED, STATUSES, Status
from runengine.core.table import ENDED_BY, TERMINAL, Policy
from runengine.dialects.wire import ABSENT, NOT_A_ROW, NotJSON, decode, row_decoder
from runengine.validation.memory import Memory
from runengine.validation.readers.envelopes import RUN_OBJECTS
from runengine.validation.rules.layout import layout_of
from runengine.validation.rules.path import Point, path_findings
from runengine.validation.rules.payload import field_findings
from runengine.validation.rules.stamps import MILLISECONDS_FROM
from runengine.validation.rules.usual import USUAL
from runengine.validation.seen import Seen
from runengine.validation.summary import SKEW_S, Options, Summary
from runengine.validation.threads import Threads

__all__ = ["Skim"]

_PAYLOAD: Final = tuple(name for name, f in FIELDS.items() if f.role == "payload")
_MOVING: Final = (*STAMPS, *_PAYLOAD)
_REQUEST: Final = (*(name for name, f in FIELDS.items() if f.role == "request"), *WIRE_EXTRAS)

_KINDS: Final[dict[str, Literal["text", "value", "raw"]]] = {
    **{name: "raw" if name in _REQUEST else "value" for name in (*FIELDS, *WIRE_EXTRAS)},
    **{name: "text" for name, f in FIELDS.items() if f.role in ("identity", "status")},
}

_row_of: Final = row_decoder(_KINDS)
_moving_of: Final = attrgetter(*_MOVING)

_ENDED_AT: Final = {status: stamp for status in STATUSES if (stamp := end_stamp(status)) is not None}
_REQUESTS_MAX: Final = 1024
_KEYS_MAX: Final = 256
_FEW_PAIRS: Final = 8
_SHORT: Final = 64
"""Metadata of few pairs of short strings is within every limit; other metadata is left to the rules."""

_BOTH_NULL, _FIRST, _SAME, _FORTH, _NO = range(5)
_TERMINAL: Final = frozenset(TERMINAL)
_STARTS: Final = (int, NoneType, type(ABSENT))

_asked_of: Final = attrgetter(*_REQUEST, "object", "created_at", "thread_id", "assistant_id")
_ASKED: Final = len(_REQUEST)

_Key = tuple[Any, ...]
"""Status and the type of each moving field."""

_Good = tuple[tuple[int, ...], tuple[str, ...]]
"""The generations of such records (none where something is wrong), and their payload fields that hold an object."""

_Layouts = dict[_Key, _Good]
"""What layouts were judged to be; of records with one request, object and era."""


class _Request:
    """What a run was asked with, as bytes, and the layouts that have been judged with it."""

    __slots__ = ("layouts", "raws")

    def __init__(self, raws: tuple[Any, ...]) -> None:
        self.raws = raws
        self.layouts: dict[tuple[str, int], _Layouts] = {}


class Skim:
    """Deals with lines of one scope that have nothing wrong.

    Args:
        options: What records are held to.
        summary: Where they are counted.
        memory: Where runs are remembered.
        threads: Which runs their threads have had.

    Example:
        >>> import json
        >>> from runengine.validation.catalogue.examples import record
        >>> memory = Memory(9, summary := Summary())
        >>> skim = Skim(Options(), summary, memory, Threads(memory, SKEW_S))
        >>> skim(json.dumps(record("queued")).encode(), 1), skim(json.dumps(record("queued", failed_at=1)).encode(), 2)
        (True, False)
    """

    def __init__(self, options: Options, summary: Summary, memory: Memory, threads: Threads) -> None:
        self._summary = summary
        self._threads = threads
        self._memory = memory
        self._generation = options.generation
        self._complete = options.sampling == "complete"
        self._steps = _clean_steps(options.policy)
        self._requests: dict[str, _Request] = {}
        self._left: Any = None
        """The row of the line that was skimmed last."""

    def __call__(self, line: bytes, number: int) -> bool:
        """Whether a line, and its number, was dealt with; if not, nothing was counted or remembered."""
        try:
            self._left = row = _row_of(line)
        except NOT_A_ROW:
            self._left = None
            return False
        memory = self._memory
        now = memory.now + 1
        if now >= memory.wake:
            if now >= memory.due:
                return False
            memory.sweep(now)
        run_id = row.id
        if memory.apart and run_id in memory.apart:
            return False
        seen = memory.open.get(run_id)
        asked = _asked_of(row)
        before = None
        if seen is None:
            if run_id in memory.ended:
                return False
            layouts, known_s = self._layouts(row, asked), None
        else:
            if seen.line == line:
                self._summary.observations += 1
                self._summary.statuses[row.status] += 1
                seen.complete = self._complete
                memory.now = now
                return True
            before = seen.row
            if before is None or seen.asked != asked:
                return False
            alike = before.status == row.status and before.started_at == row.started_at
            if not alike and not self._follows(before, row, seen.complete):
                return False
            layouts, known_s = seen.layouts, seen.deadline_s
        key = (row.status, *map(type, _moving_of(row)))
        good = layouts.get(key)
        if good is None:
            good = self._judged(layouts, key, row, line)
        candidates, objects = good
        if not candidates:
            return False
        deadline_s = _stamps_fit(row, known_s)
        if deadline_s is None:
            return False
        for name in objects:
            value = getattr(row, name)
            if not USUAL[name](value) and any(field_findings(name, value, candidates)):
                return False
        metadata = row.metadata
        if metadata is not None and not _metadata_good(metadata, candidates):
            return False
        if seen is None:
            if row.thread_id not in memory.threads.held:
                seen = memory.begin(run_id, row.thread_id)
            elif self._threads.fits(row):
                seen = self._threads.enter(row)
            else:
                return False
            seen.asked, seen.layouts = asked, layouts
        memory.now = now
        self._keep(row, line, number, seen, before, deadline_s)
        return True

    def resume(self, run_id: str, seen: Seen) -> None:
        """After the rules have seen a line that was left to them: its run can be skimmed again."""
        row, seen.row = self._left, None
        if row is None or row.id != run_id or row.started_at.__class__ not in _STARTS:
            return
        if row.expires_at.__class__ is int and row.expires_at != seen.deadline_s:
            return
        seen.row = row
        seen.asked = asked = _asked_of(row)
        seen.layouts = self._layouts(row, asked)

    def _layouts(self, row: Any, asked: tuple[Any, ...]) -> _Layouts:
        """What is known of layouts with a request; that of the same assistant's last run is the likeliest."""
        request, raws = self._requests.get(row.assistant_id), asked[:_ASKED]
        if request is None or request.raws != raws:
            if len(self._requests) >= _REQUESTS_MAX:
                self._requests.clear()
            request = self._requests[row.assistant_id] = _Request(raws)
        of = (row.object, era_of(row.created_at))
        layouts = request.layouts.get(of)
        if layouts is None:
            if len(request.layouts) >= _KEYS_MAX:
                request.layouts.clear()
            layouts = request.layouts[of] = {}
        return layouts

    def _judged(self, layouts: _Layouts, key: _Key, row: Any, line: bytes) -> _Good:
        """Judge a layout with a request by the rules, once."""
        if len(layouts) >= _KEYS_MAX:
            layouts.clear()
        layouts[key] = good = (self._candidates(line, era_of(row.created_at)), _objects_of(key))
        return good

    def _candidates(self, line: bytes, era: int) -> tuple[int, ...]:
        """Generations of the record, or none where its layout or its request is not good."""
        try:
            record = decode(line)
        except NotJSON:
            return ()
        if record["status"] not in STATUSES or record["object"] not in RUN_OBJECTS:
            return ()
        layout = layout_of(record["status"], tuple(record), tuple(map(type, record.values())), era, self._generation)
        asked = ((name, record.get(name)) for name in ("object", *_REQUEST) if name in FIELDS)
        if layout.findings or any(any(field_findings(n, v, layout.candidates)) for n, v in asked if v is not None):
            return ()
        return layout.candidates

    def _follows(self, before: Any, row: Any, complete: bool) -> bool:
        """The run's last snapshot leads here without a word."""
        was, is_now = before.started_at, row.started_at
        if was is None or was is ABSENT:
            moved = _FIRST if is_now.__class__ is int else _BOTH_NULL
        elif was.__class__ is is_now.__class__ is int:
            moved = _SAME if is_now == was else _FORTH if is_now > was else _NO
        else:
            moved = _NO
        if before.status == row.status and moved in (_BOTH_NULL, _SAME):
            return True
        return (before.status, row.status, moved, complete and self._complete) in self._steps

    def _keep(self, row: Any, line: bytes, number: int, seen: Seen, before: Any, deadline_s: int) -> None:
        summary, status, started = self._summary, row.status, row.started_at
        summary.observations += 1
        summary.statuses[status] += 1
        if before is None or before.status != status:
            if before is not None:
                summary.edges[before.status, status] += 1
            seen.mark(number, status, None if started is ABSENT else started)
        elif before.started_at != started:
            seen.mark(number, status, None if started is ABSENT else started)
        if seen.deadline_s is None and row.expires_at.__class__ is int:
            seen.deadline_s = deadline_s
        seen.row, seen.line, seen.complete = row, line, self._complete
        if status in _TERMINAL:
            # Whatever comes after the end is the rules'.
            seen.begun_s, seen.ended_s = row.created_at, getattr(row, _ENDED_AT[status])
            seen.row = seen.layouts = None
            seen.asked = ()
            self._memory.keep(row.id, seen, status)


def _objects_of(key: _Key) -> tuple[str, ...]:
    """The payload fields that hold an object."""
    kinds = dict(zip(_MOVING, key[1:], strict=True))
    return tuple(name for name in _PAYLOAD if kinds[name] is dict)


def _metadata_good(metadata: Any, candidates: tuple[int, ...]) -> bool:
    if metadata is ABSENT:
        return True
    if metadata.__class__ is not dict:
        return False
    if len(metadata) <= _FEW_PAIRS:
        for key, value in metadata.items():
            if value.__class__ is not str or len(key) > _SHORT or len(value) > _SHORT:
                break
        else:
            return True
    return not any(field_findings("metadata", metadata, candidates))


def _stamps_fit(row: Any, known_s: int | None) -> int | None:
    """The deadline the stamps were held to, or None where they need a word. The layout is good: types are right."""
    created, started, expires = row.created_at, row.started_at, row.expires_at
    if not 0 < created < MILLISECONDS_FROM:
        return None
    if expires.__class__ is int:
        if not created <= expires < MILLISECONDS_FROM or (known_s is not None and known_s != expires):
            return None
        deadline_s: int = expires
    else:
        deadline_s = created + TTL_S if known_s is None else known_s
    last = created
    if started.__class__ is int:
        if not created <= started < deadline_s or started >= MILLISECONDS_FROM:
            return None
        last = started
    stamp = _ENDED_AT.get(row.status)
    if stamp is not None:
        ended = getattr(row, stamp)
        if not last <= ended < MILLISECONDS_FROM:
            return None
        if row.status == EXPIRED:
            return deadline_s if ended >= deadline_s else None
        if ENDED_BY[row.status] not in DEADLINE_FREE and ended >= deadline_s:
            return None
    return deadline_s


_Steps = frozenset[tuple[Status, Status, int, bool]]


def _clean_steps(policy: Policy) -> _Steps:
    """Every (source, target, how started_at moved, complete) that the path rules say nothing of; made once a policy."""
    if _clean_steps not in policy.memo:
        policy.memo[_clean_steps] = frozenset(_steps_of(policy))
    steps: _Steps = policy.memo[_clean_steps]
    return steps


def _steps_of(policy: Policy) -> Iterator[tuple[Status, Status, int, bool]]:
    stamps = {_BOTH_NULL: (None, None), _FIRST: (None, 1), _SAME: (1, 1), _FORTH: (1, 2)}
    return (
        (source, target, moved, complete)
        for source in STATUSES
        if source not in TERMINAL
        for target in STATUSES
        for moved, (was, is_now) in stamps.items()
        for complete in (False, True)
        if not any(
            path_findings(
                Point(status=source, record={"started_at": was}),
                Point(status=target, record={"started_at": is_now}),
                policy,
                complete,
                SKEW_S,
            )
        )
    )
