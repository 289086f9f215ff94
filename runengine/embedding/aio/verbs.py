"""The verbs of a runtime: `create`, and one for each event on a run that is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

from runengine.core import (
    JSON,
    Cancel,
    Complete,
    Create,
    ExhaustTokens,
    Expire,
    Fail,
    FinishCancel,
    Modify,
    RequireAction,
    Start,
    SubmitToolOutputs,
    ToolCall,
    ToolOutput,
    Usage,
)
from runengine.embedding.aio.base import AsyncBase
from runengine.embedding.answers import Answer
from runengine.embedding.identity import new_run_id
from runengine.embedding.plans import Birth
from runengine.embedding.requests import RequestFields
from runengine.embedding.settings import ThreadStrategy

__all__ = ["AsyncVerbs"]


class AsyncVerbs(AsyncBase):
    """One method for each event of the table: see `AsyncRuntime`.

    Example:
        >>> import asyncio
        >>> async def status():
        ...     async with AsyncVerbs("memory:") as verbs:
        ...         return (await verbs.create("thread_1", "asst_1", "gpt-4o")).status
        >>> asyncio.run(status())
        'queued'
    """

    async def create(
        self,
        thread_id: str,
        assistant_id: str,
        model: str,
        *,
        run_id: str | None = None,
        ttl_s: int | None = None,
        thread: ThreadStrategy | None = None,
        key: str | None = None,
        retry: int = 0,
        **request: Unpack[RequestFields],
    ) -> Answer:
        """Ask for a run.

        Args:
            thread_id: The thread it will run on.
            assistant_id: The assistant that will run.
            model: The model to use.
            run_id: Its id; made up by default.
            ttl_s: Seconds until its deadline; the settings' by default.
            thread: What to do if the thread's run has not ended; the settings' by default. One that interrupts goes
                before those that wait, and after those that interrupted before it.
            key: The same key with the same request gets the same answer, however often it is sent, once it was applied
                or made to wait; what was refused is decided anew.
            retry: How often this request was sent before. From 1 on, and without a key, a run that the same body made
                on the thread within the settings' window is the answer (the official clients retry a create with
                `x-stainless-retry-count` and no key: FACTS Part C).
            **request: What else is asked: instructions, tools, metadata, and the other fields of `RequestFields`.

        Returns:
            applied, replayed, waiting (`answer.run_id` is the id it will have), busy, exists, or guard.
        """
        create = Create(
            at_us=0,
            run_id=run_id if run_id is not None else new_run_id(),
            thread_id=thread_id,
            assistant_id=assistant_id,
            model=model,
            ttl_s=self.settings.ttl_s if ttl_s is None else ttl_s,
            **request,
        )
        store = await self.open()
        strategy = thread if thread is not None else self.settings.thread
        birth = Birth(
            context=self._context,
            create=create,
            at_us=self._now_us(),
            thread=strategy,
            key=key,
            retry=retry,
            named=run_id is not None,
        )
        return await self._ask(store, birth)

    async def start(
        self, run_id: str, *, fence: int | None = None, expect: int | None = None, key: str | None = None
    ) -> Answer:
        """Begin to work on a queued run without a lease; workers `claim` instead.

        Args:
            run_id: The run.
            fence: The worker's token, from its claim; needed by whoever works on a run that is claimed. It is good
                until the worker gives the run up, its lease is swept away, or another claims it.
            expect: The version the run must have, else the answer is stale.
            key: The same key with the same request gets the same answer, once it was applied; what was refused is
                decided anew.
        """
        return await self._act(run_id, Start(at_us=0), fence, expect, key)

    async def require_action(
        self,
        run_id: str,
        tool_calls: Sequence[ToolCall],
        *,
        fence: int | None = None,
        expect: int | None = None,
        key: str | None = None,
    ) -> Answer:
        """Ask for tool calls; the lease ends, and the run waits for `submit_tool_outputs`. Arguments as of `start`."""
        return await self._act(run_id, RequireAction(at_us=0, tool_calls=tuple(tool_calls)), fence, expect, key)

    async def submit_tool_outputs(
        self, run_id: str, outputs: Sequence[ToolOutput], *, expect: int | None = None, key: str | None = None
    ) -> Answer:
        """Hand in one output for every pending call; the run is queued again. Arguments as of `start`."""
        return await self._act(run_id, SubmitToolOutputs(at_us=0, outputs=tuple(outputs)), None, expect, key)

    async def cancel(
        self, run_id: str, reason: str | None = None, *, expect: int | None = None, key: str | None = None
    ) -> Answer:
        """Ask for a run to stop: its worker has the settings' grace, and where none lives it is cancelled at once.

        The id of a create that still waits takes that create back. Arguments as of `start`.
        """
        return await self._act(run_id, Cancel(at_us=0, reason=reason), None, expect, key)

    async def finish_cancel(
        self,
        run_id: str,
        *,
        usage: Usage | None = None,
        fence: int | None = None,
        expect: int | None = None,
        key: str | None = None,
    ) -> Answer:
        """Say that the work has stopped. Arguments as of `start`."""
        return await self._act(run_id, FinishCancel(at_us=0, usage=usage), fence, expect, key)

    async def complete(
        self,
        run_id: str,
        *,
        usage: Usage | None = None,
        fence: int | None = None,
        expect: int | None = None,
        key: str | None = None,
    ) -> Answer:
        """Say that the work is done. Arguments as of `start`."""
        return await self._act(run_id, Complete(at_us=0, usage=usage), fence, expect, key)

    async def exhaust_tokens(
        self,
        run_id: str,
        reason: str,
        *,
        usage: Usage | None = None,
        fence: int | None = None,
        expect: int | None = None,
        key: str | None = None,
    ) -> Answer:
        """Say that a token limit ended the work: `max_completion_tokens` or `max_prompt_tokens`. Else as `start`."""
        return await self._act(run_id, ExhaustTokens(at_us=0, reason=reason, usage=usage), fence, expect, key)

    async def fail(
        self,
        run_id: str,
        code: str,
        message: str,
        *,
        usage: Usage | None = None,
        fence: int | None = None,
        expect: int | None = None,
        key: str | None = None,
    ) -> Answer:
        """Say that an error ended the work: `server_error`, `rate_limit_exceeded`, or another. Else as `start`."""
        return await self._act(run_id, Fail(at_us=0, code=code, message=message, usage=usage), fence, expect, key)

    async def expire(
        self, run_id: str, *, usage: Usage | None = None, expect: int | None = None, key: str | None = None
    ) -> Answer:
        """End a run whose deadline has passed; `sweep` does it for all of them. Arguments as of `start`."""
        return await self._act(run_id, Expire(at_us=0, usage=usage), None, expect, key)

    async def modify(
        self, run_id: str, metadata: Mapping[str, JSON] | None, *, expect: int | None = None, key: str | None = None
    ) -> Answer:
        """Replace a run's metadata, whole; the one thing that may change after its end. Arguments as of `start`."""
        return await self._act(run_id, Modify(at_us=0, metadata=metadata), None, expect, key)
