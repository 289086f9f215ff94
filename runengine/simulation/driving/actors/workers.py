"""Those who work on runs: workers with leases, and a host that works without."""

from __future__ import annotations

from typing import Final

from runengine.core import FunctionCall, ToolCall, Usage
from runengine.embedding import Answer
from runengine.errors import StoreUnavailable
from runengine.simulation.driving.chance import Chance
from runengine.simulation.driving.processes import Process
from runengine.simulation.driving.stage import DrivenRuntime, Stage

__all__ = ["host", "worker"]

_CALLS: Final = tuple(ToolCall(id=f"call_{n}", function=FunctionCall(name="now", arguments="{}")) for n in (1, 2, 3))
_TRIES: Final = 3
_PAST_MAX: Final = 4
_SILENT: Final = 25


async def worker(stage: Stage, me: Process, runtime: DrivenRuntime) -> None:
    """Claims runs, works on them, goes silent, and comes back to write with a token that may be old.

    Example:
        >>> worker.__name__
        'worker'
    """
    chance = stage.chance
    held: dict[str, int] = {}
    past: list[tuple[str, int]] = []
    while True:
        try:
            if past and chance.draw(8) == 7:
                run_id, fence = chance.pick(past)
                await _write(stage, runtime, run_id, fence)
                continue
            if not held or (len(held) < 2 and chance.draw(4) == 3):
                claim = await runtime.claim(me.alias)
                if claim is not None and claim.fence is not None:
                    held[claim.run_id] = claim.fence
                    stage.tell(claim.run_id)
                continue
            if chance.draw(6) == 5:
                me.silent = 1 + chance.draw(_SILENT)
            run_id = chance.pick(list(held))
            answer = await _write(stage, runtime, run_id, held[run_id])
        except StoreUnavailable:
            continue
        if answer.event == "heartbeat" and answer.ok:
            continue
        if not answer.ok and answer.kind in ("illegal", "guard") and chance.draw(2):
            continue
        past.insert(0, (run_id, held.pop(run_id)))
        del past[_PAST_MAX:]


async def _write(stage: Stage, runtime: DrivenRuntime, run_id: str, fence: int) -> Answer:
    """Say one thing about a run, again where that was not answered."""
    chance = stage.chance
    what = chance.draw(9)
    usage = _usage(chance)
    key = stage.new_id("key_work") if chance.draw(4) == 3 else None
    expect = chance.draw(6) if chance.draw(16) == 15 else None
    calls = _calls(chance) if what in (0, 1) else ()
    for left in range(_TRIES, 0, -1):
        try:
            match what:
                case 0 | 1:
                    return await runtime.require_action(run_id, calls, fence=fence, expect=expect, key=key)
                case 2 | 3:
                    return await runtime.complete(run_id, usage=usage, fence=fence, expect=expect, key=key)
                case 4:
                    return await runtime.finish_cancel(run_id, usage=usage, fence=fence, expect=expect, key=key)
                case 5:
                    return await runtime.fail(run_id, "server_error", "no", usage=usage, fence=fence, key=key)
                case 6:
                    reason = "max_completion_tokens"
                    return await runtime.exhaust_tokens(run_id, reason, usage=usage, fence=fence, key=key)
                case 7:
                    return await runtime.release(run_id, fence)
                case _:
                    return await runtime.heartbeat(run_id, fence)
        except StoreUnavailable:
            if left == 1:
                raise
    raise AssertionError("there is at least one try")


def _usage(chance: Chance) -> Usage | None:
    used = chance.draw(3)
    return Usage(prompt_tokens=used, completion_tokens=1, total_tokens=used + 1) if used else None


def _calls(chance: Chance) -> tuple[ToolCall, ...]:
    """One call to three; sometimes none, or one twice, which is refused."""
    how = chance.draw(10)
    if how == 9:
        return ()
    return (_CALLS[0], _CALLS[0]) if how == 8 else _CALLS[: 1 + how % 3]


async def host(stage: Stage, me: Process, runtime: DrivenRuntime) -> None:  # noqa: ARG001
    """Works without leases and tokens, on whatever run it has heard of.

    Example:
        >>> host.__name__
        'host'
    """
    chance = stage.chance
    while True:
        run_id = stage.known()
        try:
            if chance.draw(4) == 3:
                for run in await runtime.list(statuses=("requires_action", "queued"), limit=1, newest_first=False):
                    await runtime.fail(run.id, "server_error", "the host is gone")
                continue
            match chance.draw(8):
                case 0 | 1 | 2:
                    await runtime.start(run_id)
                case 3:
                    await runtime.complete(run_id, usage=_usage(chance))
                case 4:
                    await runtime.fail(run_id, "server_error", "no")
                case 5:
                    await runtime.require_action(run_id, _calls(chance))
                case 6:
                    await runtime.exhaust_tokens(run_id, "max_prompt_tokens")
                case _:
                    await runtime.finish_cancel(run_id)
        except StoreUnavailable:
            continue
