"""Those who ask for runs and about them: clients, callers of tools, cancellers, modifiers, pollers."""

from __future__ import annotations

from typing import Final

from attrs import evolve, frozen

from runengine.core import TERMINAL, RunObject, ToolOutput
from runengine.embedding import Answer, ThreadStrategy
from runengine.errors import RunNotFound, StoreUnavailable
from runengine.simulation.driving.processes import Process
from runengine.simulation.driving.stage import THREADS, DrivenRuntime, Stage

__all__ = ["caller", "canceller", "client", "modifier", "poller"]

_STRATEGIES: Final[tuple[ThreadStrategy, ...]] = ("reject", "enqueue", "interrupt")
_TRIES: Final = 4


@frozen(kw_only=True)
class _Wish:
    mark: str
    thread_id: str
    strategy: ThreadStrategy
    run_id: str | None
    key: str | None
    ttl_s: int | None


async def client(stage: Stage, me: Process, runtime: DrivenRuntime) -> None:  # noqa: ARG001
    """Asks for runs, with keys and without; sends again what was not answered, and sometimes what was.

    Example:
        >>> client.__name__
        'client'
    """
    chance = stage.chance
    last: _Wish | None = None
    while True:
        mark = stage.new_id("mark")
        wish = _Wish(
            mark=mark,
            thread_id=chance.pick(THREADS),
            strategy=chance.pick(_STRATEGIES),
            run_id=None if chance.draw(2) else stage.new_id("run"),
            key=f"key_{mark}" if chance.draw(2) else None,
            ttl_s=chance.pick((None, None, None, None, 20, 5)),
        )
        if last is not None and last.key is not None and chance.draw(12) == 11:
            wish = evolve(wish, key=last.key)  # a key that was used for another request
        last = wish
        again = chance.draw(8) == 7
        for retry in range(_TRIES):
            try:
                answer = await _create(stage, runtime, wish, retry)
            except StoreUnavailable:
                continue
            stage.tell(answer.run_id)
            if not again:
                break
            again = False


async def _create(stage: Stage, runtime: DrivenRuntime, wish: _Wish, retry: int) -> Answer:
    if wish.run_id is None:
        return await runtime.create_unnamed(
            stage.new_id("run"),
            wish.thread_id,
            ttl_s=wish.ttl_s,
            thread=wish.strategy,
            key=wish.key,
            retry=retry,
            metadata={"mark": wish.mark},
        )
    return await runtime.create(
        wish.thread_id,
        "asst_1",
        "gpt-4o",
        run_id=wish.run_id,
        ttl_s=wish.ttl_s,
        thread=wish.strategy,
        key=wish.key,
        retry=retry,
        metadata={"mark": wish.mark},
    )


async def caller(stage: Stage, me: Process, runtime: DrivenRuntime) -> None:  # noqa: ARG001
    """Hands in tool outputs: right ones, and wrong, partial and doubled ones.

    Example:
        >>> caller.__name__
        'caller'
    """
    chance = stage.chance
    while True:
        try:
            runs = await runtime.list(statuses=("requires_action",), limit=3)
            if not runs:
                continue
            run = chance.pick(runs)
            outputs = _outputs(run, chance.draw(8))
            key = stage.new_id("key_tools") if chance.draw(4) == 3 else None
            for _ in range(_TRIES if key else 1):
                try:
                    await runtime.submit_tool_outputs(run.id, outputs, key=key)
                except StoreUnavailable:
                    continue
                if chance.draw(8) != 7:
                    break
        except StoreUnavailable:
            continue


def _outputs(run: RunObject, how: int) -> tuple[ToolOutput, ...]:
    asked = run.required_action
    calls = () if asked is None or asked.submit_tool_outputs is None else asked.submit_tool_outputs.tool_calls
    outputs = tuple(ToolOutput(tool_call_id=call.id, output=f"of {call.id}") for call in calls)
    if how == 5:
        return outputs[1:]
    if how == 6:
        return (*outputs, *outputs[:1])
    if how == 7:
        return (ToolOutput(tool_call_id="call_0"), *outputs[1:])
    return outputs


async def canceller(stage: Stage, me: Process, runtime: DrivenRuntime) -> None:  # noqa: ARG001
    """Cancels runs, and creates that wait.

    Example:
        >>> canceller.__name__
        'canceller'
    """
    chance = stage.chance
    while True:
        run_id = stage.known()
        key = stage.new_id("key_cancel") if chance.draw(3) == 2 else None
        expect = chance.draw(4) if chance.draw(8) == 7 else None
        for _ in range(_TRIES):
            try:
                await runtime.cancel(run_id, "enough", key=key, expect=expect)
            except StoreUnavailable:
                continue
            if key is None or chance.draw(4) != 3:
                break


async def modifier(stage: Stage, me: Process, runtime: DrivenRuntime) -> None:  # noqa: ARG001
    """Changes metadata, of the version it has read or of whichever.

    Example:
        >>> modifier.__name__
        'modifier'
    """
    chance = stage.chance
    while True:
        run_id = stage.known()
        try:
            expect = None
            if chance.draw(2):
                row = await runtime.row(run_id)
                expect = None if row is None else row.version
            await runtime.modify(run_id, {"ticket": stage.new_id("ticket")}, expect=expect)
        except StoreUnavailable:
            continue


async def poller(stage: Stage, me: Process, runtime: DrivenRuntime) -> None:  # noqa: ARG001
    """Reads: a run until it has ended, its history, a thread's runs, and why it stands where it stands.

    Example:
        >>> poller.__name__
        'poller'
    """
    chance = stage.chance
    while True:
        run_id = stage.known()
        try:
            for _ in range(_TRIES):
                run = await runtime.get(run_id)
                if run is None or run.status in TERMINAL:
                    break
            what = chance.draw(3)
            if what == 0:
                await runtime.history(run_id, chance.draw(3))
            elif what == 1:
                await runtime.list(thread_id=chance.pick(THREADS), limit=5)
            else:
                await runtime.why(run_id)
        except (StoreUnavailable, RunNotFound):
            continue
