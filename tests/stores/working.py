"""Stores that were worked with: what is chosen is done through the runtime, whatever comes of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import evolve
from hypothesis import strategies as st

from runengine.core import PRACTICAL, FunctionCall, Policy, ToolCall, ToolOutput, Usage
from runengine.embedding import ManualClock, Runtime, Settings
from runengine.stores import Store
from runengine.stores.walking import every_entry, every_key, every_row, every_waiting

__all__ = ["BEGIN_US", "choices", "content", "work", "worked"]

BEGIN_US = 1_700_000_000_000_000
_VERBS = ("create", "claim", "start", "tools", "submit", "cancel", "complete", "fail", "modify", "sweep", "release")
_CALL = ToolCall(id="call_1", function=FunctionCall(name="now", arguments="{}"))
_USAGE = Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)

Choice = tuple[str, int, int, bool]


def choices(max_size: int = 40) -> st.SearchStrategy[list[Choice]]:
    """What to do, to which run, after how many seconds, and whether with a key."""
    one = st.tuples(st.sampled_from(_VERBS), st.integers(0, 7), st.sampled_from((0, 1, 29, 31, 601)), st.booleans())
    return st.lists(one, max_size=max_size).map(lambda rest: [("create", 0, 0, True), ("claim", 0, 0, False), *rest])


def work(runtime: Runtime, clock: ManualClock, chosen: Iterable[Choice]) -> None:
    """Do it all, to the runs that were asked for last."""
    ids: list[str] = []
    for number, (verb, which, seconds, keyed) in enumerate(chosen):
        clock.advance(seconds + 0.25)
        key = f"key_{number}" if keyed else None
        if verb == "create":
            ids.append(f"run_{number}")
            strategy: Any = ("enqueue", "interrupt", "reject")[which % 3]
            thread_id = f"thread_{which % 2}"
            runtime.create(thread_id, "asst_1", "gpt-4o", run_id=ids[-1], thread=strategy, key=key)
        else:
            _move(runtime, verb, ids[-1 - which % len(ids)], number, key)


def _move(runtime: Runtime, verb: str, run_id: str, number: int, key: str | None) -> None:
    row = runtime.row(run_id)
    fence = None if row is None else row.fence or None  # never claimed: no token is due
    match verb:
        case "claim":
            runtime.claim(f"worker_{number}")
        case "start":
            runtime.start(run_id, key=key)
        case "tools":
            runtime.require_action(run_id, [_CALL], fence=fence)
        case "submit":
            runtime.submit_tool_outputs(run_id, [ToolOutput(tool_call_id=_CALL.id, output="ok")], key=key)
        case "cancel":
            runtime.cancel(run_id, "why not", key=key)
        case "complete":
            runtime.complete(run_id, usage=_USAGE, fence=fence, key=key)
        case "fail":
            runtime.fail(run_id, "server_error", "sorry", fence=fence)
        case "modify":
            runtime.modify(run_id, {"at": str(number), "name": "Zoë"}, key=key)
        case "release":
            runtime.release(run_id, fence or 0)
        case "sweep":
            runtime.sweep()


def worked(store: Store, chosen: Iterable[Choice], policy: Policy = PRACTICAL) -> Store:
    """The same store, after that."""
    clock = ManualClock(BEGIN_US)
    settings = Settings(losses_max=3)
    runtime = Runtime(store, clock=clock, settings=settings, policy=policy)
    work(runtime, clock, chosen)
    return store


def content(store: Store) -> Any:
    """All that it holds, but for the positions of the feed."""
    rows = {row.run.id: row for row in every_row(store)}
    histories = {run_id: [evolve(entry, position=0) for entry in every_entry(store, run_id)] for run_id in rows}
    return rows, histories, every_waiting(store), tuple(every_key(store))
