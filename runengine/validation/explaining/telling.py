"""Telling one run's life while its recording is read: what changed, what came beside it, which steps nobody saw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from attrs import evolve

from runengine.core.fields import FIELDS
from runengine.core.shape import ARRIVAL_STAMP
from runengine.core.statuses import QUEUED, STATUSES
from runengine.core.table import TABLE, TERMINAL
from runengine.validation.explaining.causes import without_repair
from runengine.validation.explaining.gaps import best_steps, shown_of
from runengine.validation.explaining.life import Change, Life, Moment
from runengine.validation.explaining.repair import Repair, repair
from runengine.validation.findings import Violation, shown
from runengine.validation.observations import Companion, Observation, Refusal, Submitted, shows_all
from runengine.validation.seen import Mark
from runengine.validation.summary import Options

__all__ = ["Telling"]

_SAID_MAX: Final = 80

_TOLD: Final = (
    "model",
    *(n for n, f in FIELDS.items() if f.role in ("stamp", "deadline", "payload") and n != "created_at"),
)
"""What is told of a first snapshot; created_at stands above it."""

_ENDS: Final[frozenset[str]] = frozenset(TERMINAL)
_LEGAL: Final = Repair(edits=(), cost=0)
_BIRTH: Final[Mark] = (0, QUEUED, None)
_CREATE: Final = next(row for row in TABLE if row.source is None)


class Telling:
    """A life as it is told.

    Args:
        run_id: The run.
        options: What its recordings are held to.

    Attributes:
        status: What the run was last seen in, or None.
        thread_id: Its thread, where a record named it.
        violations: What was found of it.

    Example:
        >>> telling = Telling("run_1", Options())
        >>> telling.observe("a.jsonl", Observation({"id": "run_1", "status": "queued"}, 3), alone=False)
        >>> [(moment.line, moment.status) for moment in telling.life().moments]
        [(3, 'queued')]
    """

    def __init__(self, run_id: str, options: Options) -> None:
        self.status: str | None = None
        self.thread_id: str | None = None
        self.violations: list[Violation] = []
        self._run_id = run_id
        self._options = options
        self._moments: list[Moment] = []
        self._mark_of: list[Mark | None] = []
        self._marks: dict[str, list[Mark]] = {}
        self._complete: dict[str, bool] = {}
        self._record: dict[str, Any] = {}
        self._born = False
        self._observations = 0

    def observe(self, path: str, item: Observation, alone: bool) -> None:
        """Take a snapshot; `alone` where something was found of it, so that it is not one of several that are alike."""
        record, before = item.record, self._moments[-1] if self._moments else None
        status = record.get("status")
        self._born = self._born or (not self._observations and item.created)
        changes = _changes(self._record, record) if self._observations else _held(record)
        self._observations += 1
        is_same = not changes and status == self.status and item.event is None and not alone
        if (
            is_same
            and before is not None
            and before.kind == "observation"
            and (before.event, before.path) == (None, path)
        ):
            self._moments[-1] = evolve(before, last_line=item.line, times=before.times + 1)
        else:
            self._moments.append(self._moment(path, item, changes))
            self._mark_of.append(self._mark(path, item.line, status, record.get("started_at")))
        self._complete[path] = self._complete.get(path, True) and shows_all(item.source, self._options.sampling)
        self._record = record
        self.status = status if isinstance(status, str) else None
        thread_id = record.get("thread_id")
        self.thread_id = thread_id if isinstance(thread_id, str) else self.thread_id

    def companion(self, path: str, item: Companion) -> None:
        """Take an object beside the run; pieces of one object that follow each other are one moment."""
        before = self._moments[-1] if self._moments else None
        says = _said_of(item)
        is_piece = item.kind.endswith("_delta")
        if before is not None and is_piece and (before.path, before.kind, before.says) == (path, item.what, says):
            self._moments[-1] = evolve(before, last_line=item.line, times=before.times + 1)
            return
        self._beside(path, item, item.what, says, item.event, item.observed_s)

    def submitted(self, path: str, item: Submitted) -> None:
        """Take the tool outputs that were sent to it."""
        outputs = (f"{call} = {'nothing' if output is None else _cut(output)}" for call, output in item.outputs)
        self._beside(path, item, item.what, "; ".join(outputs), None, None)

    def refused(self, path: str, item: Refusal) -> None:
        """Take a call that was refused."""
        code = "" if item.http_status is None else f" ({item.http_status})"
        call = f"{item.call}{code}".lstrip()
        says = f"{call}: {item.message}" if call else item.message
        self._beside(path, item, "refused", says, None, item.observed_s)

    def life(self) -> Life:
        """The life as far as it was told."""
        record, recordings = self._record, tuple(self._complete)
        named = {name: record.get(name) for name in ("assistant_id", "model")}
        created_at = record.get("created_at")
        policy = self._options.policy
        mended = {path: repair(marks, policy, self._complete[path]) for path, marks in self._marks.items()}
        return Life(
            path=recordings[0] if recordings else "",
            recordings=recordings,
            run_id=self._run_id,
            thread_id=self.thread_id,
            **{name: value if isinstance(value, str) else None for name, value in named.items()},
            created_at=created_at if type(created_at) is int else None,
            complete=bool(recordings) and all(self._complete.values()),
            observations=self._observations,
            moments=_with_findings(self._with_steps(mended), self.violations, mended),
            repair=_joined(mended) if len(recordings) > 1 else next(iter(mended.values()), _LEGAL),
        )

    def _moment(self, path: str, item: Observation, changes: tuple[Change, ...]) -> Moment:
        record = item.record
        status: Any = record.get("status")
        name = "created_at" if status == QUEUED and not self._record else ARRIVAL_STAMP.get(status)
        stamp = record.get(name) if name is not None and name in _fresh(record, self._record) else None
        return Moment(
            line=item.line,
            path=path,
            last_line=item.line,
            kind="observation",
            observed_s=item.observed_s,
            stamp_s=stamp if type(stamp) is int else None,
            event=item.event,
            status=str(status),
            changes=changes,
            says=_asked(record) if record.get("required_action") != self._record.get("required_action") else "",
        )

    def _mark(self, path: str, line: int, status: Any, started_at: Any) -> Mark | None:
        """The snapshot as a part of the recording's path, unless it shows what the last one did."""
        marks = self._marks.setdefault(path, [])
        if status not in STATUSES or (marks and marks[-1][1:] == (status, started_at)):
            return None
        marks.append((line, status, started_at))
        return marks[-1]

    def _with_steps(self, mended: dict[str, Repair]) -> Iterator[Moment]:
        """Each moment with the steps before it; of what is out of place or wrong, nothing can be said to follow."""
        aside = {(path, edit.line): edit for path, made in mended.items() for edit in made.edits if edit.line}
        came = _Came(_BIRTH)
        for moment, mark in zip(self._moments, self._mark_of, strict=True):
            if mark is None:
                yield moment
                continue
            late = [edit.line for edit in mended[moment.path].edits if (edit.kind, edit.before) == ("move", mark[0])]
            came.late += [known[1] for known in self._marks[moment.path] if known[0] in late]
            edit = aside.get((moment.path, mark[0]))
            if edit is not None:
                came.wrong += [mark[1]] if edit.kind != "move" else []
                yield moment
                continue
            every = self._complete[moment.path] and came.path in ("", moment.path)
            every = every or (came.before is _BIRTH and self._born)
            yield self._after(moment, mark, came, every)
            came = _Came(mark, moment.path)

    def _after(self, moment: Moment, mark: Mark, came: _Came, every: bool) -> Moment:
        """The moment with the steps that lead to it from the last one that stays where it stands.

        Steps are never told out of what stands between them and is given up: least of all out of an end.
        """
        if not _ENDS.isdisjoint(came.wrong):
            return moment
        way = best_steps(self._options.policy, *shown_of((came.before, mark)))
        if way is None:
            return moment
        rows = [_CREATE, *way] if came.before is _BIRTH else list(way)
        if not rows or (len(rows) > 1 and (every or came.wrong)):
            return moment
        *unseen, last = rows
        hidden = [(row.event, row.target) for row in unseen]
        for status in came.late:  # somebody saw it, at a later line
            place = next((n for n, step in enumerate(hidden) if step[1] == status), None)
            if place is not None:
                del hidden[place]
        return evolve(moment, cause=last.event, hidden=tuple(hidden))

    def _beside(
        self,
        path: str,
        item: Companion | Submitted | Refusal,
        kind: str,
        says: str,
        event: str | None,
        observed_s: float | None,
    ) -> None:
        line = item.line
        made = Moment(line=line, path=path, last_line=line, kind=kind, says=says, event=event, observed_s=observed_s)
        self._moments.append(made)
        self._mark_of.append(None)


class _Came:
    """Where the path stands, while it is walked: what it was last seen in, and what came between."""

    def __init__(self, before: Mark, path: str = "") -> None:
        self.before = before
        self.path = path
        self.late: list[str] = []
        self.wrong: list[str] = []


def _joined(mended: dict[str, Repair]) -> Repair:
    """The repairs of several recordings as one."""
    edits = tuple(evolve(edit, path=path) for path, made in mended.items() for edit in made.edits)
    return Repair(edits=edits, cost=sum(made.cost for made in mended.values()))


def _held(record: dict[str, Any]) -> tuple[Change, ...]:
    """What a run's first snapshot holds of what events write, and the model."""
    return tuple(
        Change(field=name, was=None, is_now=shown(record[name])) for name in _TOLD if record.get(name) is not None
    )


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


def _with_findings(
    moments: Iterable[Moment], violations: list[Violation], mended: dict[str, Repair]
) -> tuple[Moment, ...]:
    """Each violation at the moment of its line, or at one made for it; without its repair, as the whole path's is told.

    A finding's own repair knows only what stands above it, and may be another than the one the whole path needs.
    """
    at: dict[str, dict[int, list[Violation]]] = {}
    aside = {(path, edit.line) for path, made in mended.items() for edit in made.edits}
    for told in violations:
        here = at.setdefault(told.path, {}).setdefault(told.line, [])
        hint = told.hint and without_repair(told.hint, given_up=(told.path, told.line) in aside)
        here.append(evolve(told, hint=hint))
    placed: list[Moment] = []
    for moment in moments:
        found_in = at.setdefault(moment.path, {})
        lines = {moment.line} & found_in.keys()
        if moment.times > 1:
            lines = {line for line in found_in if moment.line <= line <= moment.last_line}
        found = tuple(violation for line in sorted(lines) for violation in found_in.pop(line))
        placed.append(evolve(moment, violations=found) if found else moment)
    placed += (
        Moment(line=line, path=path, last_line=line, kind="line", violations=tuple(found))
        for path, found_in in at.items()
        for line, found in sorted(found_in.items())
    )
    order = {path: number for number, path in enumerate(dict.fromkeys(moment.path for moment in placed))}
    return tuple(sorted(placed, key=lambda moment: (order[moment.path], moment.line)))
