"""What a worker hands to a handler, and what it makes of the handler's end: pure but for one signal.

A handler is entered with a `Work`, once for each stretch of work: from a claim to an outcome, or to a round of tool
calls. See `runengine.embedding.worker`.
"""

from __future__ import annotations

import inspect
from asyncio import CancelledError, Future, Task, get_running_loop, wait
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor
from contextvars import copy_context
from threading import Event
from typing import Any, Final, Literal

from attrs import frozen

from runengine.core import (
    TERMINAL,
    RequireAction,
    RunObject,
    Status,
    SubmitToolOutputs,
    ToolCall,
    ToolOutput,
    Usage,
)
from runengine.core.table import ENDED_BY
from runengine.dialects.events import read_event
from runengine.embedding.outcomes import Completed, Outcome, Result, Stopped, failure_of
from runengine.stores import Entry

__all__ = [
    "Ending",
    "Handler",
    "Round",
    "StopReason",
    "Stretch",
    "Work",
    "enter",
    "enter_async",
    "enter_stretch",
    "gone_by",
    "is_async",
    "outcome_of",
    "rounds_of",
]

StopReason = Literal["shutdown", "cancel", "fence"]
"""Why a handler is to stop: the worker leaves, the run is cancelled, or the run is no longer this worker's."""

_WEIGHT: Final[dict[StopReason | None, int]] = {None: 0, "shutdown": 1, "cancel": 2, "fence": 3}


@frozen(kw_only=True)
class Round:
    """A round of tool calls that is done.

    Attributes:
        calls: What the run waited for.
        outputs: What was handed in, one for each call.

    Example:
        >>> Round(calls=(), outputs=(ToolOutput(tool_call_id="call_1", output="12:00"),)).outputs[0].output
        '12:00'
    """

    calls: tuple[ToolCall, ...]
    outputs: tuple[ToolOutput, ...]


class Work:
    """One stretch of work on a run.

    The signal to stop reaches an `async def` handler as `asyncio.CancelledError`, where it waits. A plain function has
    to look: `is_cancelled`, `raise_if_cancelled`, `wait_cancelled`.

    Attributes:
        run: The run as it was claimed.
        fence: The token of the claim, for a host's own writes elsewhere.
        worker: The worker's name.
        rounds: Every round of tool calls so far, from the run's history.
        stopped_by: Why the handler is to stop, or None.

    Example:
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="in_progress", created_at=0)
        >>> work = Work(run=run, fence=1, worker="w")
        >>> work.is_cancelled, work.outputs
        (False, ())
        >>> work.tell("cancel")
        >>> work.is_cancelled
        True
    """

    def __init__(self, *, run: RunObject, fence: int, worker: str, rounds: tuple[Round, ...] = ()) -> None:
        self.run: Final = run
        self.fence: Final = fence
        self.worker: Final = worker
        self.rounds = rounds
        self.stopped_by: StopReason | None = None
        self.has_heard = False
        self._signal: Final = Event()

    @property
    def outputs(self) -> tuple[ToolOutput, ...]:
        """The tool outputs that were handed in last; empty before the first round."""
        return self.rounds[-1].outputs if self.rounds else ()

    @property
    def is_cancelled(self) -> bool:
        """Whether the handler is to stop; `stopped_by` says why."""
        return self.wait_cancelled(0)

    def raise_if_cancelled(self) -> None:
        """Leave the handler if it is to stop.

        Raises:
            CancelledError: asyncio's, in a thread too: `except Exception` does not catch it.
        """
        if self.is_cancelled:
            raise CancelledError(f"{self.run.id}: {self.stopped_by}")

    def wait_cancelled(self, timeout_s: float) -> bool:
        """Sleep, but no longer than until the handler is to stop; for plain functions.

        Returns:
            Whether it is to stop.
        """
        told = self._signal.wait(timeout_s) if timeout_s > 0 else self._signal.is_set()
        self.has_heard = self.has_heard or told
        return told

    def tell(self, reason: StopReason) -> None:
        """Give the signal to stop: the worker does, and so may a test. The weightiest reason stays."""
        if _WEIGHT[reason] > _WEIGHT[self.stopped_by]:
            self.stopped_by = reason
        self._signal.set()


Handler = Callable[[Work], Awaitable[Result]] | Callable[[Work], Result]
"""What works on runs: an `async def`, or a plain function, which is run in a thread."""


@frozen(kw_only=True)
class Ending:
    """How a handler was left.

    Attributes:
        value: What it returned.
        error: What it raised, or None.
        heard: Whether it had heard by then that it was to stop.
        is_exit: Whether the error is one that, raised on an event loop, ends the process.

    Example:
        >>> Ending(value=None).error is None
        True
    """

    value: object = None
    error: BaseException | None = None
    heard: bool = False
    is_exit: bool = False


def gone_by(status: Status | None, fence: int | None, owner: str | None, mine: int) -> str | None:
    """What has become of a run that is no longer the worker's who has that token; None: it is.

    Example:
        >>> gone_by("expired", 1, None, 1), gone_by("in_progress", 2, "w2", 1), gone_by("cancelling", 1, "w", 1)
        ('has ended by expire', 'was taken over by w2', None)
    """
    if status is None:
        return "is not there any more"
    if status in TERMINAL:
        return f"has ended by {ENDED_BY[status]}"
    if fence != mine:
        return "was taken over" + (f" by {owner}" if owner else ", and given up since")
    return "is held no more: its lease ran out, or it was given up" if owner is None else None


class Stretch:
    """A run in a worker's hands.

    Attributes:
        work: What the handler was, or will be, entered with.
        entered: The handler, once it is entered.
        ended: How the handler was left, once it is; its outcome may not be written yet.
        serving: The worker's task that sees to it.
        gone: What has become of the run, once it is known to be no longer this worker's.

    Example:
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="in_progress", created_at=0)
        >>> stretch = Stretch(Work(run=run, fence=1, worker="w"))
        >>> stretch.tell("cancel")
        >>> stretch.work.stopped_by
        'cancel'
    """

    def __init__(self, work: Work) -> None:
        self.work: Final = work
        self.entered: Future[Ending] | None = None
        self.ended: Ending | None = None
        self.serving: Task[None] | None = None
        self.gone: str | None = None

    def tell(self, reason: StopReason) -> None:
        """Tell the handler to stop; a thread cannot be cancelled, it looks at `work`."""
        is_new = reason == "shutdown" or _WEIGHT[reason] > _WEIGHT[self.work.stopped_by]
        self.work.tell(reason)
        if is_new and isinstance(self.entered, Task):  # told the same again, it would be cancelled while it clears up
            self.entered.cancel()

    def learn(self, status: Status | None, fence: int | None, owner: str | None) -> None:
        """Where the run is now; the handler is told to stop if that is no longer in the worker's hands, or cancelling.

        Args:
            status: Its status; None: there is no such run.
            fence: Its fence.
            owner: Who holds it.
        """
        gone = gone_by(status, fence, owner, self.work.fence)
        if gone is not None:
            self.gone = gone
            self.tell("fence")
        elif status == "cancelling":
            self.tell("cancel")


def is_async(handler: Handler) -> bool:
    """Whether a handler is an `async def`, or an object called by one.

    Example:
        >>> is_async(lambda work: None)
        False
    """
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__)


def enter(handler: Callable[[Work], Any], work: Work) -> Ending:
    """Enter a plain function; whatever it raises is in the ending.

    Example:
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="in_progress", created_at=0)
        >>> enter(lambda work: work.fence, Work(run=run, fence=1, worker="w")).value
        1
    """
    try:
        return Ending(value=handler(work), heard=work.has_heard)
    except BaseException as error:  # noqa: BLE001 - in a thread nobody else would see it, and the run would hang
        return Ending(error=error, heard=work.has_heard)


async def enter_async(handler: Callable[[Work], Awaitable[Any]], work: Work) -> Ending:
    """Enter an `async def`; whatever it raises is in the ending.

    Example:
        >>> import asyncio
        >>> async def fence(work):
        ...     return work.fence
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="in_progress", created_at=0)
        >>> asyncio.run(enter_async(fence, Work(run=run, fence=1, worker="w"))).value
        1
    """
    try:
        return Ending(value=await handler(work), heard=work.stopped_by is not None)
    except BaseException as error:  # noqa: BLE001 - it becomes the run's outcome, before it ends the process
        is_exit = isinstance(error, KeyboardInterrupt | SystemExit)
        return Ending(error=error, heard=work.stopped_by is not None, is_exit=is_exit)


async def enter_stretch(stretch: Stretch, handler: Handler, threads: Executor | None) -> Ending:
    """Enter a handler, unless it is to stop already.

    Args:
        stretch: The run in hand.
        handler: The handler.
        threads: Where a plain function runs; None: the handler is an `async def`. What a plain function returns is
            awaited, if it can be: it may be a lambda around an `async def`.

    Example:
        >>> import asyncio
        >>> async def fence(work):
        ...     return work.fence
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="in_progress", created_at=0)
        >>> asyncio.run(enter_stretch(Stretch(Work(run=run, fence=1, worker="w")), fence, None)).value
        1
    """
    work, loop = stretch.work, get_running_loop()
    function: Callable[[Work], Any] = handler
    if work.stopped_by is not None:
        return Ending(heard=True)
    if threads is None:
        return await _left(stretch, loop.create_task(enter_async(function, work)))
    context = copy_context()
    ending = await _left(stretch, loop.run_in_executor(threads, lambda: context.run(enter, function, work)))
    made: Any = ending.value
    if not inspect.isawaitable(made):
        return ending
    if work.stopped_by is None:
        return await _left(stretch, loop.create_task(enter_async(lambda _: made, work)))
    if inspect.iscoroutine(made):
        made.close()
    return Ending(heard=True)


async def _left(stretch: Stretch, entered: Future[Ending]) -> Ending:
    stretch.entered = entered
    await wait({entered})
    return Ending(heard=True) if entered.cancelled() else entered.result()  # cancelled before its first step


def outcome_of(work: Work, ending: Ending) -> Outcome | None:
    """What becomes of the run; None: nothing was made, and it is given back for another worker to begin anew.

    A handler that has heard the signal, and then returns None or a usage or raises, has stopped. To say that the work
    is done all the same, it returns `Completed`. What was made of a run that is no longer the worker's is an outcome
    like any other: the runtime keeps it as lost.

    Example:
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="in_progress", created_at=0)
        >>> outcome_of(Work(run=run, fence=1, worker="w"), Ending(error=KeyError("city")))
        Failed(code='server_error', message="KeyError: 'city'", usage=None)
    """
    value = ending.value
    if ending.error is None and isinstance(value, Outcome):
        return value
    try:
        usage = _usage(value)
        if not ending.heard:
            return Completed(usage=usage) if ending.error is None else failure_of(ending.error)
        has_made = work.stopped_by == "cancel" or (work.stopped_by == "fence" and usage is not None)
        return Stopped(usage=usage) if has_made else None
    except (TypeError, ValueError) as error:
        return failure_of(error)


def _usage(value: object) -> Usage | None:
    if value is None or isinstance(value, Usage):
        return value
    raise TypeError(f"the handler returned {type(value).__name__}; it may return None, a Usage, or an outcome")


def rounds_of(entries: Iterable[Entry]) -> tuple[Round, ...]:
    """The rounds of tool calls in a run's history.

    Example:
        >>> data = {"outputs": [{"tool_call_id": "call_1", "output": "12:00"}]}
        >>> entry = Entry(run_id="r", seq=4, kind="event", name="submit_tool_outputs", at_us=5, status="queued",
        ...               data=data)
        >>> rounds_of([entry])[0].outputs[0].output
        '12:00'
    """
    rounds: list[Round] = []
    calls: tuple[ToolCall, ...] = ()
    for entry in entries:
        if entry.kind != "event" or entry.name not in (RequireAction.name, SubmitToolOutputs.name):
            continue
        event = read_event(entry.name, entry.at_us, dict(entry.data))
        if isinstance(event, RequireAction):
            calls = event.tool_calls
        elif isinstance(event, SubmitToolOutputs):
            rounds.append(Round(calls=calls, outputs=event.outputs))
    return tuple(rounds)
