"""The stories of `runengine demo`: what clients ask and workers do, all at once, each story on its own thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Final

from attrs import define, field, frozen

from runengine.core import (
    TERMINAL,
    FunctionCall,
    Status,
    ToolCall,
    ToolOutput,
    Usage,
)
from runengine.embedding import Answer, AsyncRuntime, Observed, ThreadStrategy
from runengine.embedding.outcomes import ActionRequired, Completed, Failed, OutOfTokens, Result
from runengine.embedding.work import Work
from runengine.embedding.worker import Worker
from runengine.stores import Row

__all__ = ["STORIES", "THREAD", "Refusals", "Stage", "Story", "perform"]

THREAD: Final = "thread_demo"
"""What the id of each thread of the demo begins with."""

_WORKERS: Final = ("worker_1", "worker_2", "worker_3")

_TTL_S: Final = 60
_POLL_S: Final = 0.02
_PATIENCE_S: Final = 20.0
_WORK_S: Final = 0.3
_LONG_S: Final = {"takeover": 0.6, "cancel_wins": _PATIENCE_S}
_AT_ONCE: Final = 3
_LEASE_S: Final = 1.2
_LOST_LEASE_S: Final = 0.5
_LOOK_S: Final = 0.1
_CALLS: Final = tuple(
    ToolCall(id=f"call_{city}", function=FunctionCall(name="get_weather", arguments=f'{{"city": "{city}"}}'))
    for city in ("Bergen", "Lagos")
)
_OUTPUTS: Final = tuple(ToolOutput(tool_call_id=call.id, output="rain") for call in _CALLS)


@frozen
class Story:
    """One story.

    Attributes:
        name: In its run's metadata, where the worker finds it.
        title: What it shows.
        ends: How its runs must end.
        play: What its clients do once its run is there, or None.
        opening: What is done to its run before there are workers; None: it is created when they are there.
        ttl_s: Of its run.
    """

    name: str
    title: str
    ends: Status
    play: Callable[[Stage, str], Awaitable[None]] | None = None
    opening: Callable[[Stage, str], Awaitable[None]] | None = None
    ttl_s: int = _TTL_S


class Refusals:
    """An observer that keeps the answers no history has: what the table, a guard or the thread's lock refused."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def observe(self, seen: Observed) -> None:
        """Keep a refusal."""
        if seen.answer.kind in ("illegal", "guard", "busy"):
            self.answers.append(seen.answer)


@define
class Stage:
    """Where the stories play.

    Attributes:
        runtime: The runtime.
        suffix: Of every id, so that a store can be played on again.
        runs: The ids of each story's runs, by its name, in the order in which they were asked for.
    """

    runtime: AsyncRuntime
    suffix: str = ""
    runs: dict[str, list[str]] = field(factory=dict)

    async def create(self, story: Story, thread: ThreadStrategy = "reject") -> str:
        """Ask for a run of a story; the id it has, or would have had."""
        number = STORIES.index(story) + 1
        made = self.runs.setdefault(story.name, [])
        run_id = f"run_demo{number}{'b' if made else ''}{self.suffix}"
        answer = await self.runtime.create(
            f"{THREAD}{number}{self.suffix}",
            "asst_demo",
            "gpt-4o",
            run_id=run_id,
            ttl_s=story.ttl_s,
            thread=thread,
            instructions="Answer in one sentence.",
            metadata={"story": story.name},
        )
        if answer.ok:
            made.append(run_id)
        return run_id

    async def until(self, run_id: str, *statuses: Status, fence: int = 0) -> Row:
        """Wait for a run to be in one of these statuses, claimed so often at least, or to have ended.

        Raises:
            TimeoutError: it does not come to that.
        """
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                row = await self.runtime.row(run_id)
                status = None if row is None else row.run.status
                if row is not None and (status in TERMINAL or (status in statuses and row.fence >= fence)):
                    return row
                await asyncio.sleep(_POLL_S)


async def _tools(stage: Stage, run_id: str) -> None:
    await stage.until(run_id, "requires_action")
    await asyncio.sleep(0.1)
    await stage.runtime.submit_tool_outputs(run_id, _OUTPUTS[:1])
    await asyncio.sleep(0.1)
    await stage.runtime.submit_tool_outputs(run_id, _OUTPUTS)


async def _cancel_wins(stage: Stage, run_id: str) -> None:
    await stage.until(run_id, "in_progress")
    await stage.runtime.cancel(run_id, "the user left")
    row = await stage.until(run_id, "cancelled")
    await stage.runtime.complete(run_id, usage=_usage(80, 40), fence=row.fence)


async def _cancel_loses(stage: Stage, run_id: str) -> None:
    await stage.until(run_id, "in_progress")
    await stage.runtime.cancel(run_id, "changed my mind")


async def _expiry(stage: Stage, run_id: str) -> None:
    await stage.until(run_id, "requires_action")
    await stage.runtime.expire(run_id)


async def _review(stage: Stage, run_id: str) -> None:
    await stage.until(run_id, "incomplete")
    await stage.runtime.modify(run_id, {"story": "incomplete", "reviewed": "yes"})


async def _die(stage: Stage, _run_id: str) -> None:
    await stage.runtime.claim("worker_lost", lease_s=_LOST_LEASE_S)


async def _come_back(stage: Stage, run_id: str) -> None:
    row = await stage.until(run_id, "in_progress", fence=2)
    await stage.runtime.complete(run_id, usage=_usage(50, 9), fence=row.fence - 1)


async def _complete_at_once(stage: Stage, run_id: str) -> None:
    await stage.runtime.complete(run_id)


async def _ask_twice(stage: Stage, run_id: str) -> None:
    await stage.until(run_id, "in_progress")
    await stage.create(_BUSY)
    await stage.create(_BUSY, thread="enqueue")


_BUSY: Final = Story("busy", "a busy thread: a second run is refused, then made to wait", "completed", _ask_twice)

STORIES: Final = (
    Story("plain", "a plain completion", "completed"),
    Story("tools", "a tool round, first answered in part", "completed", _tools),
    Story("cancel_wins", "a cancel that wins, and a completion that comes too late", "cancelled", _cancel_wins),
    Story("cancel_loses", "a cancel that loses the race", "completed", _cancel_loses),
    Story("expiry", "an expiry: nobody ran the tool", "expired", _expiry, ttl_s=2),
    Story("failure", "a failure", "failed"),
    Story("incomplete", "an incomplete run, reviewed afterwards", "incomplete", _review),
    Story("takeover", "a worker that dies, and one that takes over", "completed", _come_back, _die),
    Story("refused", "a refused event", "completed", None, _complete_at_once),
    _BUSY,
)
"""All stories, in the order in which they are told: of those with an opening, the one that claims comes first."""


def _usage(prompt: int, completion: int) -> Usage:
    return Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)


async def _work(work: Work) -> Result:
    """What the workers do with a run: some of it takes so long that only a cancel ends it."""
    story = str((work.run.metadata or {}).get("story"))
    if story == "cancel_loses":
        with suppress(asyncio.CancelledError):  # the work is done by then, and it says so
            await asyncio.sleep(_PATIENCE_S)
        return Completed(usage=_usage(95, 210))
    await asyncio.sleep(_LONG_S.get(story, _WORK_S))
    match story:
        case "tools" if not work.outputs:
            return ActionRequired(tool_calls=_CALLS)
        case "expiry":
            return ActionRequired(tool_calls=_CALLS[:1])
        case "failure":
            return Failed(code="rate_limit_exceeded", message="You exceeded your current quota.")
        case "incomplete":
            return OutOfTokens(reason="max_completion_tokens", usage=_usage(64, 256))
    return Completed(usage=_usage(120, 48))


async def perform(stage: Stage) -> None:
    """Play every story: all clients at once, against three workers.

    Raises:
        ExceptionGroup: of TimeoutError, where a story does not come to its end.
    """
    for story in STORIES:
        if story.opening is not None:
            await story.opening(stage, await stage.create(story))
    async with AsyncExitStack() as stack:
        for name in _WORKERS:
            worker = Worker(stage.runtime, _work, name=name, concurrency=_AT_ONCE, lease_s=_LEASE_S, poll_s=_LOOK_S)
            await stack.enter_async_context(worker)
        async with asyncio.TaskGroup() as clients:
            for story in STORIES:
                clients.create_task(_play(stage, story))


async def _play(stage: Stage, story: Story) -> None:
    made = stage.runs.get(story.name)
    run_id = made[0] if made else await stage.create(story)
    if story.play is not None:
        await story.play(stage, run_id)
    for made_id in stage.runs[story.name]:
        await stage.until(made_id)
