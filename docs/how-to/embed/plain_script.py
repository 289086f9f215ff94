"""A plain script that drives runs: one worker, one tool, SQLite. Run it: `python plain_script.py [STORE]`."""

from __future__ import annotations

import asyncio
import sys

from runengine.core import FunctionCall, ToolCall, ToolOutput
from runengine.embedding import AsyncRuntime
from runengine.embedding.worker import ActionRequired, Work, Worker


async def answer(work: Work) -> ActionRequired | None:
    """Ask for the weather, and be entered again with it."""
    if not work.outputs:
        call = ToolCall(id="call_1", function=FunctionCall(name="get_weather", arguments='{"city": "Bergen"}'))
        return ActionRequired(tool_calls=(call,))
    print(f"{work.run.id}: the tool said {work.outputs[0].output!r}")
    return None


async def main(store: str) -> None:
    """Create a run, let a worker work, hand in the tool's output, and print what happened."""
    async with AsyncRuntime(store) as runtime:
        run = (await runtime.create("thread_1", "asst_1", "gpt-4o", thread="interrupt")).or_raise()
        async with Worker(runtime, answer, name="worker_1"):
            async for entry in runtime.subscribe(timeout_s=10):
                if entry.run_id != run.run_id:
                    continue
                if entry.status == "requires_action":
                    outputs = (ToolOutput(tool_call_id="call_1", output="rain"),)
                    (await runtime.submit_tool_outputs(run.run_id, outputs)).or_raise()
                if entry.status == "completed":
                    break
        for entry in await runtime.history(run.run_id):
            print(f"{entry.seq}  {entry.name:<20} -> {entry.status}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "sqlite:///plain-script.db"))
