"""A second, naive runtime: the oracle that plans and stores are compared with.

Written from the prose of DESIGN §4, with `if` and `for`, on plain dicts and one list of waiting creates. What an event
makes of a record `tests.naive` says; this says who may do what when, who holds a run, what is kept, and who is born.
It knows nothing of the engine's plans or tables, and must never import them.
"""

from __future__ import annotations

from typing import Any

from tests import naive
from tests.naive import ENDS, Record

Run = dict[str, Any]
"""The record, and `version last_us arrived_us fence owner lease_us grace_us free_us losses body history`."""

Said = dict[str, Any]
"""An answer: `kind`, and what belongs to it."""

S = 1_000_000

OF_THE_WORKER = ("start", "require_action", "complete", "exhaust_tokens", "fail", "finish_cancel")
KEPT_WHEN_LATE = (*OF_THE_WORKER[1:], "submit_tool_outputs", "cancel")


class NaiveRuntime:
    """Runs on a table of dicts.

    Args:
        settings: As of the runtime, all of them.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.runs: dict[str, Run] = {}
        self.queue: list[Run] = []
        self.keys: dict[str, Run] = {}
        self.asked = 0

    # what is asked ---------------------------------------------------------------------------------------------------

    def create(self, now: int, event: Record, thread: str, key: str | None, retry: int, named: bool) -> Said:
        """A run is asked for."""
        active = self.active(event["thread_id"])
        at = now if active is None else max(now, active["last_us"])
        body = {name: value for name, value in event.items() if name != "at_us" and (named or name != "run_id")}
        if key in self.keys:
            return self._replay(key, body)
        run_id = event["run_id"]
        if retry and key is None and (known := self._known(event["thread_id"], body, at)):
            return known
        if run_id in self.runs or any(create["run_id"] == run_id for create in self.queue):
            return {"kind": "exists", "run_id": run_id}
        asked = {"run_id": run_id, "thread_id": event["thread_id"], "event": event, "body": body, "at_us": at}
        if active is not None and self._is_over(active, at) and not self.behind(active):
            self._move(active, {"name": "expire"}, at)
            active = None
        if active is None:
            return self._keep(key, body, self._born(asked, at))
        if thread == "reject":
            return {"kind": "busy", "run_id": run_id, "active": active["record"]["id"]}
        if thread == "interrupt":
            waiters, self.queue = self.queue, []
            self._cancel(active, {"name": "cancel", "reason": f"interrupted by {run_id}"}, at)
            self.queue = waiters
            if active["record"]["status"] in ENDS:
                return self._keep(key, body, self._born(asked, at))
        self._note(active, "enqueue", at)
        firsts = sum(create["first"] for create in self.queue)
        asked["first"], asked["number"] = thread == "interrupt", self.asked
        self.asked += 1
        self.queue.insert(firsts if asked["first"] else len(self.queue), asked)
        return self._keep(key, body, {"kind": "waiting", "run_id": run_id, "active": active["record"]["id"]})

    def act(self, now: int, run_id: str, event: Record, fence: int | None, expect: int | None, key: str | None) -> Said:
        """Something happens to a run."""
        body = {"run": run_id, **{name: value for name, value in event.items() if name != "at_us"}}
        if key in self.keys:
            return self._replay(key, body)
        if run_id not in self.runs:
            return self._absent(now, run_id, event, key, body)
        run = self.runs[run_id]
        at, status, name = max(now, run["last_us"]), run["record"]["status"], event["name"]
        if expect is not None and expect != run["version"]:
            return {"kind": "stale", **self._seen(run)}
        if status not in ENDS:
            if fence is not None and (fence != run["fence"] or run["owner"] is None):
                self._lose(run, name, at)
                return {"kind": "fenced", **self._seen(run)}
            if fence is None and name in OF_THE_WORKER and self._is_held(run, at):
                return {"kind": "fenced", **self._seen(run)}
        is_beaten = status == "cancelling" and name in ("complete", "exhaust_tokens")
        if is_beaten and self.settings["completion"] == "cancel_wins":
            usage = {"usage": event["usage"]} if "usage" in event else {}
            self._move(run, {"name": "finish_cancel", **usage}, at)
            return self._lost(run, name, at)
        said = self._cancel(run, event, at) if name == "cancel" else self._move(run, event, at)
        if said.guard == "before_deadline":
            self._move(run, {"name": "expire"}, at)
            return self._lost(run, name, at)
        if said.reason == "late":
            return self._lost(run, name, at)
        if said.reason is not None:
            return {"kind": said.reason, "guard": said.guard, **self._seen(run)}
        return self._keep(key, body, {"kind": "applied", **self._seen(run)})

    def claim(self, now: int, worker: str, lease_us: int) -> Said | None:
        """A worker asks for the run that has been claimable longest."""
        while True:
            free = self.claimable(now)
            if not free:
                return None
            run = self.runs[free[0][1]]
            at = max(now, run["last_us"])
            if self._is_over(run, at):
                self._move(run, {"name": "expire"}, at)
            elif run["record"]["status"] == "queued":
                run["fence"] += 1
                self._move(run, {"name": "start"}, at)
                run["owner"], run["lease_us"] = worker, at + lease_us
                return {"kind": "applied", "event": "start", **self._seen(run)}
            elif self.settings["lease_lost"] == "fail" and run["owner"] is not None:
                self._lapse(run, at)
            else:
                run["fence"] += 1
                self._note(run, "claim", at)
                run["owner"], run["lease_us"], run["free_us"] = worker, at + lease_us, None
                return {"kind": "applied", "event": "claim", **self._seen(run)}

    def heartbeat(self, now: int, run_id: str, fence: int, lease_us: int) -> Said:
        """A worker is still there; its lease never gets shorter."""
        if refusal := self._not_the_holder(run_id, fence):
            return refusal
        run = self.runs[run_id]
        run["lease_us"] = max(run["lease_us"], now + lease_us)
        return {"kind": "applied", **self._seen(run)}

    def release(self, now: int, run_id: str, fence: int) -> Said:
        """A worker gives a run back."""
        if refusal := self._not_the_holder(run_id, fence):
            return refusal
        run = self.runs[run_id]
        at = max(now, run["last_us"])
        if self._is_over(run, at):
            self._move(run, {"name": "expire"}, at)
            return {"kind": "applied", **self._seen(run)}
        run["owner"] = run["lease_us"] = None
        run["free_us"] = at if run["record"]["status"] == "in_progress" else None
        self._note(run, "release", at)
        if run["record"]["status"] == "cancelling":
            self._move(run, {"name": "finish_cancel"}, at)
        return {"kind": "applied", **self._seen(run)}

    def sweep(self, now: int) -> list[Said]:
        """What is due is done."""
        due = sorted((self.deadline(run) or 0, run_id) for run_id, run in self.runs.items() if self._is_due(run, now))
        for _, run_id in due:
            self._lapse(self.runs[run_id], max(now, self.runs[run_id]["last_us"]))
        return [{"kind": "applied", **self._seen(self.runs[run_id])} for _, run_id in due]

    # what is seen ----------------------------------------------------------------------------------------------------

    def active(self, thread_id: str) -> Run | None:
        """The thread's run that has not ended."""
        for run in self.runs.values():
            if run["record"]["thread_id"] == thread_id and run["record"]["status"] not in ENDS:
                return run
        return None

    def behind(self, run: Run) -> int:
        """How many creates wait for the end of a run."""
        if run["record"]["status"] in ENDS:
            return 0
        return sum(create["thread_id"] == run["record"]["thread_id"] for create in self.queue)

    def deadline(self, run: Run) -> int | None:
        """When something is to be done with a run next."""
        if run["record"]["status"] in ENDS:
            return None
        times: list[int | None] = [run["record"]["expires_at"] * S, run["lease_us"], run["grace_us"]]
        return min(time for time in times if time is not None)

    def claimable(self, now: int) -> list[tuple[int, str]]:
        """Since when which runs may be claimed, in order."""
        since = [(self.free_since(run), run_id) for run_id, run in self.runs.items()]
        return sorted((us, run_id) for us, run_id in since if us is not None and us <= now)

    def free_since(self, run: Run) -> int | None:
        """From when a worker may claim a run."""
        if run["record"]["status"] == "in_progress" and run["owner"] is not None:
            return int(run["lease_us"])
        since: int | None = run["free_us"]
        return since if run["record"]["status"] in ("queued", "in_progress") else None

    # what follows ----------------------------------------------------------------------------------------------------

    def _absent(self, now: int, run_id: str, event: Record, key: str | None, body: Record) -> Said:
        for create in self.queue:
            if create["run_id"] == run_id and event["name"] == "cancel":
                active = self.active(create["thread_id"])
                assert active is not None
                self.queue.remove(create)
                self._note(active, "withdraw", max(now, active["last_us"]))
                return self._keep(key, body, {"kind": "withdrawn", "run_id": run_id})
        return {"kind": "not_found", "run_id": run_id}

    def _known(self, thread_id: str, body: Record, at: int) -> Said | None:
        since = at - round(self.settings["retry_window_s"] * S)
        for create in sorted(self.queue, key=lambda create: -int(create["number"])):
            if (create["thread_id"], create["body"]) == (thread_id, body):
                if create["at_us"] < since:
                    break
                active = self.active(thread_id)
                assert active is not None
                return {"kind": "waiting", "run_id": create["run_id"], "active": active["record"]["id"]}
        twins = [run for run in self.runs.values() if run["body"] == body]
        if not twins:
            return None
        newest = max(twins, key=lambda run: (run["record"]["created_at"], run["record"]["id"]))
        if (newest["record"]["created_at"] + 1) * S <= since:
            return None
        return {"kind": "replayed", "run_id": newest["record"]["id"], "record": newest["record"]}

    def _replay(self, key: str | None, body: Record) -> Said:
        kept = self.keys[key or ""]
        if kept["body"] != body:
            return {"kind": "guard", "run_id": kept["run_id"], "guard": "same_request"}
        kind = "replayed" if kept["record"] is not None else "withdrawn" if body["name"] == "cancel" else "waiting"
        return {"kind": kind, "run_id": kept["run_id"], "record": kept["record"]}

    def _keep(self, key: str | None, body: Record, said: Said) -> Said:
        if key is not None:
            self.keys[key] = {"body": body, "run_id": said["run_id"], "record": said.get("record")}
        return said

    def _born(self, asked: Run, at: int) -> Said:
        record = naive.step(None, {**asked["event"], "at_us": at}, "practical").record
        assert record is not None
        empty = {"version": 0, "fence": 0, "losses": 0, "history": []}
        held = {"owner": None, "lease_us": None, "grace_us": None, "free_us": at}
        run = {"record": record, "body": asked["body"], "last_us": at, "arrived_us": at, **empty, **held}
        self.runs[record["id"]] = run
        self._log(run, "event", "create", at)
        return {"kind": "applied", **self._seen(run)}

    def _move(self, run: Run, event: Record, at: int) -> naive.Answer:
        before = run["record"]["status"]
        said = naive.step(run["record"], {**event, "at_us": at}, "practical")
        if said.record is None:
            return said
        run["record"], after = said.record, said.record["status"]
        if after != before:
            run["arrived_us"] = at
            is_held = self._is_held(run, at)
            if after != "cancelling" or not is_held:
                run["owner"] = run["lease_us"] = None
            run["free_us"] = at if after == "queued" else None
            run["grace_us"] = at + round(self.settings["cancel_grace_s"] * S) if after == "cancelling" else None
        self._log(run, "event", event["name"], at)
        if after in ENDS and before not in ENDS:
            mine = [create for create in self.queue if create["thread_id"] == run["record"]["thread_id"]]
            if mine:
                self.queue.remove(mine[0])
                self._born(mine[0], at)
        return said

    def _cancel(self, run: Run, event: Record, at: int) -> naive.Answer:
        hosted = run["record"]["status"] == "in_progress" and run["owner"] is None and run["free_us"] is None
        somebody = hosted or self._is_held(run, at)
        said = self._move(run, event, at)
        if said.record is not None and not somebody:
            self._move(run, {"name": "finish_cancel"}, at)
        return said

    def _lapse(self, run: Run, at: int) -> None:
        if self._is_over(run, at):
            self._move(run, {"name": "expire"}, at)
        elif run["record"]["status"] == "cancelling":
            self._move(run, {"name": "finish_cancel"}, at)
        elif self.settings["lease_lost"] == "fail":
            message = f"The worker {run['owner']} was lost: its lease ran out."
            self._move(run, {"name": "fail", "code": "server_error", "message": message}, at)
        else:
            run["free_us"] = run["lease_us"]
            run["owner"] = run["lease_us"] = None
            self._note(run, "lease_lost", at)

    def _lost(self, run: Run, name: str, at: int) -> Said:
        self._lose(run, name, at)
        return {"kind": "lost", "ended_by": ENDS[run["record"]["status"]], **self._seen(run)}

    def _lose(self, run: Run, name: str, at: int) -> None:
        if name in KEPT_WHEN_LATE and run["losses"] < self.settings["losses_max"]:
            run["losses"] += 1
            self._log(run, "lost", name, at)

    def _note(self, run: Run, name: str, at: int) -> None:
        self._log(run, "note", name, at)

    def _log(self, run: Run, kind: str, name: str, at: int) -> None:
        run["version"] += 1
        run["last_us"] = at
        run["history"].append((run["version"], kind, name, at, run["record"]["status"]))

    def _not_the_holder(self, run_id: str, fence: int) -> Said | None:
        if run_id not in self.runs:
            return {"kind": "not_found", "run_id": run_id}
        run = self.runs[run_id]
        if run["record"]["status"] in ENDS:
            return {"kind": "lost", "ended_by": ENDS[run["record"]["status"]], **self._seen(run)}
        if run["owner"] is None or fence != run["fence"]:
            return {"kind": "fenced", **self._seen(run)}
        return None

    def _seen(self, run: Run) -> Said:
        record = run["record"]
        more = {"version": run["version"], "fence": run["fence"], "worker": run["owner"]}
        return {"run_id": record["id"], "record": record, **more}

    def _is_held(self, run: Run, at: int) -> bool:
        return run["lease_us"] is not None and run["lease_us"] > at

    def _is_over(self, run: Run, at: int) -> bool:
        return run["record"]["status"] not in ENDS and run["record"]["expires_at"] * S <= at

    def _is_due(self, run: Run, now: int) -> bool:
        deadline = self.deadline(run)
        return deadline is not None and deadline <= now
