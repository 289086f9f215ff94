"""A workload that does everything a host does, on a few threads that everybody fights over, and says what it was told.

Every request that carries something carries a mark of its own, so that one which was done twice is seen in the
histories.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from attrs import frozen

from runengine.core import FunctionCall, ToolCall, ToolOutput, Usage
from runengine.embedding import Answer, Runtime, Settings, ThreadStrategy

__all__ = ["SETTINGS", "Driver", "Said"]

SETTINGS: Final = Settings(ttl_s=3, lease_s=0.4, cancel_grace_s=0.2)
"""Everything runs out soon, so that who was killed is soon replaced."""

_THREADS: Final = 12
_STRATEGIES: Final[tuple[ThreadStrategy, ...]] = ("reject", "reject", "reject", "interrupt", "enqueue")
_OPEN: Final = ("queued", "in_progress", "requires_action", "cancelling")
_CALL: Final = ToolCall(id="call_1", function=FunctionCall(name="now", arguments="{}"))
_KNOWN_MAX: Final = 30


@frozen(kw_only=True)
class Said:
    """What the workload was told, or is about to ask for.

    Attributes:
        kind: Of the answer, or `asking`: the request is made next, and its answer may never come.
        event: The answer's.
        run_id: The answer's.
        thread_id: The answer's.
        version: The answer's: the seq of the last entry it wrote.
        status: The answer's.
        fence: The answer's.
        mark: What the request carried, if anything.
        key: The idempotency key it was made under.
    """

    kind: str
    event: str
    run_id: str
    thread_id: str | None = None
    version: int | None = None
    status: str | None = None
    fence: int | None = None
    mark: str | None = None
    key: str | None = None


class Driver:
    """One thread of the workload.

    Args:
        runtime: Where it asks.
        name: Of this driver, unlike any other's, also of another life.
        seed: Of what it does.
        say: Told of each answer after the call has returned, and of keyed creates before.
    """

    def __init__(self, runtime: Runtime, name: str, seed: int, say: Callable[[Said], None]) -> None:
        self._runtime = runtime
        self._name = name
        self._chance = random.Random(seed)
        self._say = say
        self._held: dict[str, int] = {}
        self._known: list[str] = []
        self._count = 0
        self._acts: Final[tuple[Callable[[], None], ...]] = (
            *(self._create,) * 4,
            *(self._claim,) * 4,
            *(self._finish,) * 3,
            *(self._require_action,) * 2,
            *(self._submit,) * 2,
            *(self._cancel,) * 2,
            self._heartbeat,
            self._release,
            self._modify,
            self._sweep,
            self._look_around,
        )

    def step(self) -> None:
        """Ask for one thing; nothing, where there is nothing to do it to."""
        self._count += 1
        self._chance.choice(self._acts)()

    @property
    def _mark(self) -> str:
        return f"{self._name}.{self._count}"

    def _tell(self, answer: Answer, mark: str | None = None, key: str | None = None) -> Answer:
        self._say(
            Said(
                kind=answer.kind,
                event=answer.event,
                run_id=answer.run_id,
                thread_id=answer.thread_id,
                version=answer.version,
                status=answer.status,
                fence=answer.fence,
                mark=mark,
                key=key,
            )
        )
        return answer

    def _know(self, run_id: str) -> None:
        self._known.append(run_id)
        del self._known[:-_KNOWN_MAX]

    def _create(self) -> None:
        thread_id = f"thread_{self._chance.randrange(_THREADS)}"
        strategy = self._chance.choice(_STRATEGIES)
        key = f"key_{self._mark}" if self._chance.random() < 0.5 else None
        if key is not None:
            self._say(Said(kind="asking", event="create", run_id="", thread_id=thread_id, key=key))
        made = self._runtime.create(thread_id, "asst_1", "gpt-4o", thread=strategy, key=key)
        self._know(self._tell(made, key=key).run_id)

    def _claim(self) -> None:
        claim = self._runtime.claim(self._name)
        if claim is not None:
            assert claim.fence is not None
            self._held[self._tell(claim).run_id] = claim.fence

    def _finish(self) -> None:
        if not self._held:
            return
        run_id = self._chance.choice(list(self._held))
        fence, mark = self._held.pop(run_id), self._mark
        if self._chance.random() < 0.3:
            self._tell(self._runtime.fail(run_id, "server_error", mark, fence=fence), mark)
            return
        usage = Usage(prompt_tokens=self._count, completion_tokens=0, total_tokens=self._count)
        self._tell(self._runtime.complete(run_id, usage=usage, fence=fence))

    def _require_action(self) -> None:
        if self._held:
            run_id = self._chance.choice(list(self._held))
            self._tell(self._runtime.require_action(run_id, (_CALL,), fence=self._held.pop(run_id)))

    def _submit(self) -> None:
        waiting = self._runtime.list(statuses=("requires_action",), limit=3)
        if waiting:
            output = ToolOutput(tool_call_id="call_1", output=self._mark)
            self._tell(self._runtime.submit_tool_outputs(self._chance.choice(waiting).id, (output,)), self._mark)

    def _cancel(self) -> None:
        if self._known:
            self._tell(self._runtime.cancel(self._chance.choice(self._known), self._mark), self._mark)

    def _heartbeat(self) -> None:
        if self._held:
            run_id = self._chance.choice(list(self._held))
            self._tell(self._runtime.heartbeat(run_id, self._held[run_id]))

    def _release(self) -> None:
        if self._held:
            run_id = self._chance.choice(list(self._held))
            self._tell(self._runtime.release(run_id, self._held.pop(run_id)))

    def _modify(self) -> None:
        if self._known:
            self._tell(self._runtime.modify(self._chance.choice(self._known), {"mark": self._mark}), self._mark)

    def _sweep(self) -> None:
        for answer in self._runtime.sweep():
            self._tell(answer)

    def _look_around(self) -> None:
        for run in self._runtime.list(statuses=_OPEN, limit=10):
            self._know(run.id)
