"""Telling one run's life while its recording is read: what changed, what came beside it, which steps nobody saw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from attrs import evolve

from runengine.core.fields import FIELDS
from runengine.core.shape import ARRIVAL_STAMP
from runengine.core.statuses import QUEUED, STATUSES
from runengine.validation.explaining.gaps import best_steps, shown_of
from runengine.validation.explaining.life import Change, Life, Moment
from runengine.validation.explaining.repair import OBSERVATIONS_MAX, Repair, repair
from runengine.validation.findings import Violation, shown
from runengine.validation.memory import Mark
from runengine.validation.observations import Companion, Observation, Refusal, Submitted
from runengine.validation.summary import Options

__all__ = ["Telling"]

_SAID_MAX: Final = 80


class Telling:
    """A life as it is told.

    Args:
        path: The recording.
        run_id: The run.
        options: What the recording is held to.

    Attributes:
        status: What the run was last seen in, or None.
        thread_id: Its thread, where a record named it.
        violations: What was found of it.

    Example:
        >>> telling = Telling("a.jsonl", "run_1", Options())
        >>> telling.observe(Observation({"id": "run_1", "status": "queued"}, 3), alone=False)
        >>> [(moment.line, moment.status) for moment in telling.life().moments]
        [(3, 'queued')]
    """

    def __init__(self, path: str, run_id: str, options: Options) -> None:
        self.status: str | None = None
        self.thread_id: str | None = None
        self.violations: list[Violation] = []
        self._path = path
        self._run_id = run_id
        self._options = options
        self._moments: list[Moment] = []
        self._mark_of: list[Mark | None] = []
        self._marks: list[Mark] = []
        self._record: dict[str, Any] = {}
        self._complete = True
        self._observations = 0

    def observe(self, item: Observation, alone: bool) -> None:
        """Take a snapshot; `alone` where something was found of it, so that it is not one of several that are alike."""
        record, before = item.record, self._moments[-1] if self._moments else None
        status = record.get("status")
        self._observations += 1
        changes = _changes(self._record, record) if self._record else ()
        is_same = not changes and status == self.status and item.event is None and not alone
        if is_same and before is not None and before.kind == "observation" and before.event is None:
            self._moments[-1] = evolve(before, last_line=item.line, times=before.times + 1)
        else:
            self._moments.append(self._moment(item, changes))
            self._mark_of.append(self._mark(item.line, status, record.get("started_at")))
        self._complete = self._complete and self._is_complete(item)
        self._record = record
        self.status = status if isinstance(status, str) else None
        thread_id = record.get("thread_id")
        self.thread_id = thread_id if isinstance(thread_id, str) else self.thread_id

    def companion(self, item: Companion) -> None:
        """Take an object beside the run; pieces of one object that follow each other are one moment."""
        before = self._moments[-1] if self._moments else None
        says = _said_of(item)
        if before is not None and item.kind.endswith("_delta") and (before.kind, before.says) == (item.what, says):
            self._moments[-1] = evolve(before, last_line=item.line, times=before.times + 1)
            return
        self._beside(item, item.what, says, item.event, item.observed_s)

    def submitted(self, item: Submitted) -> None:
        """Take the tool outputs that were sent to it."""
        outputs = (f"{call} = {'nothing' if output is None else _cut(output)}" for call, output in item.outputs)
        self._beside(item, item.what, "; ".join(outputs), None, None)

    def refused(self, item: Refusal) -> None:
        """Take a call that was refused."""
        code = "" if item.http_status is None else f" ({item.http_status})"
        self._beside(item, item.what, f"{item.call} was refused{code}: {item.message}", None, item.observed_s)

    def life(self) -> Life:
        """The life as far as it was told."""
        record, complete = self._record, self._complete and bool(self._observations)
        named = {name: record.get(name) for name in ("assistant_id", "model")}
        created_at = record.get("created_at")
        mended = repair(self._marks[-OBSERVATIONS_MAX:], self._options.policy, complete)
        return Life(
            path=self._path,
            run_id=self._run_id,
            thread_id=self.thread_id,
            **{name: value if isinstance(value, str) else None for name, value in named.items()},
            created_at=created_at if type(created_at) is int else None,
            complete=complete,
            observations=self._observations,
            moments=_with_findings(self._with_steps(mended, complete), self.violations),
            repair=mended,
        )

    def _is_complete(self, item: Observation) -> bool:
        sampling = self._options.sampling
        return item.source != "snapshot" if sampling == "auto" else sampling == "complete"

    def _moment(self, item: Observation, changes: tuple[Change, ...]) -> Moment:
        record = item.record
        status: Any = record.get("status")
        name = "created_at" if status == QUEUED and not self._record else ARRIVAL_STAMP.get(status)
        stamp = record.get(name) if name is not None and name in _fresh(record, self._record) else None
        return Moment(
            line=item.line,
            last_line=item.line,
            kind="observation",
            observed_s=item.observed_s,
            stamp_s=stamp if type(stamp) is int else None,
            event=item.event,
            status=str(status),
            changes=changes,
            says=_asked(record) if record.get("required_action") != self._record.get("required_action") else "",
        )

    def _mark(self, line: int, status: Any, started_at: Any) -> Mark | None:
        """The snapshot as a part of the path, unless it shows what the last one did."""
        if status not in STATUSES or (self._marks and self._marks[-1][1:] == (status, started_at)):
            return None
        self._marks.append((line, status, started_at))
        return self._marks[-1]

    def _with_steps(self, mended: Repair, complete: bool) -> Iterator[Moment]:
        """Each moment with the steps before it; of what is out of place or wrong, nothing can be said to follow."""
        aside = {edit.line for edit in mended.edits if edit.kind != "insert"}
        before: Mark | None = None
        for moment, mark in zip(self._moments, self._mark_of, strict=True):
            if mark is None or mark[0] in aside:
                yield moment
                continue
            rows = best_steps(self._options.policy, *shown_of((before, mark))) if before is not None else ()
            before = mark
            if not rows or (complete and len(rows) > 1):
                yield moment
                continue
            unseen = tuple((row.event, row.target) for row in rows)
            yield evolve(moment, cause=unseen[-1][0], hidden=unseen[:-1])

    def _beside(
        self,
        item: Companion | Submitted | Refusal,
        kind: str,
        says: str,
        event: str | None,
        observed_s: float | None,
    ) -> None:
        made = Moment(line=item.line, last_line=item.line, kind=kind, says=says, event=event, observed_s=observed_s)
        self._moments.append(made)
        self._mark_of.append(None)


def _changes(old: dict[str, Any], new: dict[str, Any]) -> tuple[Change, ...]:
    names = dict.fromkeys((*FIELDS, *old, *new))
    return tuple(
        Change(field=name, was=shown(old.get(name)), is_now=shown(new.get(name)))
        for name in names
        if name != "status" and old.get(name) != new.get(name)
    )


def _fresh(new: dict[str, Any], old: dict[str, Any]) -> set[str]:
    """Keys whose values are not what they were."""
    return {name for name, value in new.items() if old.get(name) != value}


def _asked(record: dict[str, Any]) -> str:
    """The tool calls that a run waits for."""
    action = record.get("required_action")
    given = action.get("submit_tool_outputs") if isinstance(action, dict) else None
    calls = given.get("tool_calls") if isinstance(given, dict) else None
    return "; ".join(_call(call) for call in calls if isinstance(call, dict)) if isinstance(calls, list) else ""


def _call(call: dict[str, Any]) -> str:
    function = call.get("function")
    named = function if isinstance(function, dict) else {}
    return (
        f"asks for {named.get('name', call.get('type'))}({_cut(str(named.get('arguments', '')))}) as {call.get('id')}"
    )


def _said_of(item: Companion) -> str:
    """An object beside the run in words."""
    record = item.record
    parts = [str(record[name]) for name in ("id", "type", "role", "status") if isinstance(record.get(name), str)]
    if item.kind.endswith("_delta"):
        return f"piece of {record.get('id')}"
    text = _text_of(record.get("content"))
    return ", ".join(parts) + (f": {_cut(text)}" if text else "")


def _text_of(content: Any) -> str:
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content if isinstance(part, dict))
    return " ".join(str(text["value"]) for text in texts if isinstance(text, dict) and "value" in text)


def _cut(text: str) -> str:
    return text if len(text) <= _SAID_MAX else text[: _SAID_MAX - 1] + "…"


def _with_findings(moments: Iterable[Moment], violations: list[Violation]) -> tuple[Moment, ...]:
    """Each violation at the moment of its line, or at one made for it."""
    at: dict[int, list[Violation]] = {}
    for violation in violations:
        at.setdefault(violation.line, []).append(violation)
    placed: list[Moment] = []
    for moment in moments:
        lines = {moment.line} & at.keys()
        if moment.times > 1:
            lines = {line for line in at if moment.line <= line <= moment.last_line}
        found = tuple(violation for line in sorted(lines) for violation in at.pop(line))
        placed.append(evolve(moment, violations=found) if found else moment)
    placed += (
        Moment(line=line, last_line=line, kind="line", violations=tuple(found)) for line, found in sorted(at.items())
    )
    return tuple(sorted(placed, key=lambda moment: moment.line))
