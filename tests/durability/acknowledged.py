"""What was acknowledged must be there: answers, as the workload said them, held against the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from runengine.core import TERMINAL
from runengine.embedding import Runtime
from runengine.stores import Entry, RunQuery, Store
from tests.durability.checking import check_run, every_run
from tests.durability.workload import Said

__all__ = ["check_acknowledged", "check_done_once", "repeat_unanswered"]

_FOLLOWED = {"cancel": ("cancel", "finish_cancel"), "release": ("release", "finish_cancel")}
"""Entries an event may end with, where that is not its own name alone."""

_CARRIED = ("require_action", "submit_tool_outputs", "cancel", "complete", "fail")
"""Events whose outcome is kept though it came too late."""

_WROTE_NOTHING = ("illegal", "guard", "stale", "not_found", "exists", "busy", "replayed")


def check_acknowledged(store: Store, said: Iterable[Said]) -> int:
    """Hold every answer against the store, and every run that was named; how many steps were acknowledged."""
    said = list(said)
    histories: dict[str, tuple[Entry, ...]] = {}
    withdrawn = {answer.run_id for answer in said if answer.kind == "withdrawn"}
    steps = 0
    for answer in said:
        if answer.kind in ("asking", *_WROTE_NOTHING):
            continue
        steps += 1
        if answer.kind in ("waiting", "withdrawn"):
            _check_queue(store, answer, withdrawn)
            continue
        if answer.run_id not in histories:
            histories[answer.run_id] = check_run(store, answer.run_id)[1]
        _check_step(store, answer, histories[answer.run_id])
    return steps


def _check_step(store: Store, answer: Said, entries: tuple[Entry, ...]) -> None:
    assert answer.version is not None
    assert answer.version <= len(entries), f"{answer} is not in {entries}"
    entry = entries[answer.version - 1]
    assert entry.status == answer.status, f"{answer}: {entry}"
    if answer.event == "heartbeat":
        row = store.row(answer.run_id)
        assert row is not None
        assert row.fence >= (answer.fence or 0)
        return
    if answer.kind == "applied":
        assert entry.name in _FOLLOWED.get(answer.event, (answer.event,)), f"{answer}: {entry}"
        assert entry.kind in ("event", "note")
    elif answer.event in _CARRIED:
        assert (entry.kind, entry.name) == ("lost", answer.event), f"{answer}: {entry}"
    if answer.kind == "lost":
        assert answer.status in TERMINAL
    if answer.mark is not None and answer.kind == "applied":
        assert any(answer.mark in str(e.data) for e in entries[: answer.version]), f"{answer}: its mark is gone"


def _check_queue(store: Store, answer: Said, withdrawn: set[str]) -> None:
    """A create that was told to wait waits, is born, or was taken back; one that was taken back is none of these."""
    is_waiting = any(create.run_id == answer.run_id for create in store.waiting(answer.thread_id))
    is_born = store.row(answer.run_id) is not None
    if answer.kind == "withdrawn":
        assert not is_waiting, f"{answer}: it still waits"
        assert not is_born, f"{answer}: it was born"
    elif not is_waiting and not is_born and answer.run_id not in withdrawn:
        runs = store.runs(RunQuery(thread_id=answer.thread_id, limit=1_000))
        notes = [entry for row in runs for entry in store.history(row.run.id) if entry.name == "withdraw"]
        assert answer.run_id in [entry.data["run_id"] for entry in notes], f"{answer}: it is gone"


def repeat_unanswered(runtime: Runtime, said: Iterable[Said]) -> None:
    """Send every keyed create again: what was answered is answered alike, and what was not is done at most once."""
    answers = {answer.key: answer for answer in said if answer.key is not None}
    for key, answer in answers.items():
        again = runtime.create(answer.thread_id or "", "asst_1", "gpt-4o", key=key)
        assert again.kind in ("applied", "busy", "replayed", "waiting"), again
        expected = {"applied": "replayed", "waiting": "waiting"}.get(answer.kind)
        if expected is not None:
            assert (again.kind, again.run_id) == (expected, answer.run_id), f"{answer}: {again}"


def check_done_once(store: Store) -> None:
    """No mark is in the histories twice: no request was done again behind its caller's back."""
    marks: Counter[str] = Counter()
    for run_id in every_run(store):
        for entry in store.history(run_id):
            mark = _mark(entry)
            if mark is not None:
                marks[mark] += 1
    assert [mark for mark, count in marks.items() if count > 1] == []


def _mark(entry: Entry) -> str | None:
    data: Any = entry.data["payload"] if entry.kind == "lost" else entry.data
    match entry.name:
        case "cancel" if not str(data.get("reason")).startswith("interrupted"):
            return str(data["reason"])
        case "fail" if data["code"] == "server_error" and not data["message"].startswith("The worker"):
            return str(data["message"])
        case "modify":
            return str(data["metadata"]["mark"])
        case "submit_tool_outputs":
            return str(data["outputs"][0]["output"])
    return None
