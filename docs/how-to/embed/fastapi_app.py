"""Runs behind FastAPI: create, read, submit, cancel; the workers live in the same process.

Run it in a checkout of runengine: `pip install . fastapi uvicorn`, then, in this folder, `uvicorn fastapi_app:app`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from runengine.core import FunctionCall, RunObject, ToolCall, ToolOutput
from runengine.dialects import write_run
from runengine.embedding import Answer, AsyncRuntime
from runengine.embedding.worker import ActionRequired, Work, Worker

STORE = os.environ.get("RUNS", "sqlite:///fastapi-runs.db")
CODES = {"not_found": 404, "busy": 400, "exists": 409, "illegal": 400, "guard": 400, "lost": 400}
runtime = AsyncRuntime(STORE)


class NewRun(BaseModel):
    """What a client sends to create a run."""

    assistant_id: str
    model: str = "gpt-4o"
    instructions: str | None = None


class Output(BaseModel):
    """One tool's output."""

    tool_call_id: str
    output: str


class Outputs(BaseModel):
    """All outputs of a round."""

    tool_outputs: list[Output]


async def work(work: Work) -> ActionRequired | None:
    """What an agent does is here; this one asks one tool one thing."""
    if work.outputs:
        return None
    call = ToolCall(id="call_1", function=FunctionCall(name="get_weather", arguments='{"city": "Lagos"}'))
    return ActionRequired(tool_calls=(call,))


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Open the store, and keep a worker as long as the application lives."""
    async with runtime, Worker(runtime, work, concurrency=4):
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(ValueError)
async def refused(_request: Request, error: ValueError) -> JSONResponse:
    """A value that no run takes, as an empty id; the runtime says so before it asks the store."""
    return JSONResponse({"detail": str(error)}, 400)


def shown(answer: Answer) -> dict[str, Any]:
    """The run, or the refusal as the API words it; a create that waits for its thread has no run yet."""
    if not answer.ok:
        raise HTTPException(CODES.get(answer.kind, 409), answer.message)
    if answer.run is None:
        return {"id": answer.run_id, "object": "thread.run", "status": None, "detail": answer.message}
    return write_run(answer.run)


@app.post("/threads/{thread_id}/runs")
async def create(thread_id: str, new: NewRun, x_stainless_retry_count: int = Header(0)) -> dict[str, Any]:
    """Create a run; a client that retries gets the run its first try made."""
    return shown(
        await runtime.create(
            thread_id,
            new.assistant_id,
            new.model,
            instructions=new.instructions,
            retry=x_stainless_retry_count,
        )
    )


async def found(thread_id: str, run_id: str) -> RunObject:
    """The run of a path; one of another thread is not found there."""
    run = await runtime.get(run_id)
    if run is None or run.thread_id != thread_id:
        raise HTTPException(404, f"No run found with id '{run_id}'.")
    return run


Found = Annotated[RunObject, Depends(found)]


@app.get("/threads/{thread_id}/runs/{run_id}")
async def read(run: Found) -> dict[str, Any]:
    """Read a run."""
    return write_run(run)


@app.post("/threads/{thread_id}/runs/{run_id}/submit_tool_outputs")
async def submit(run: Found, outputs: Outputs) -> dict[str, Any]:
    """Hand in the outputs, every one at once."""
    given = tuple(ToolOutput(tool_call_id=o.tool_call_id, output=o.output) for o in outputs.tool_outputs)
    return shown(await runtime.submit_tool_outputs(run.id, given))


@app.post("/threads/{thread_id}/runs/{run_id}/cancel")
async def cancel(run: Found) -> dict[str, Any]:
    """Ask for a run to stop."""
    return shown(await runtime.cancel(run.id))
