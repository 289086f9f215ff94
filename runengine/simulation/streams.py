"""Event streams of single runs: what a caller reads who asked for the run, and sent its outputs, with `stream`.

The order is that of recorded streams (FACTS §5, B7): created and queued with one payload; a message's step opens before
the message and completes after it; a tool's step stays open while the run requires action, the stream ends there, and
the stream of the outputs begins by completing it. No stream that was cancelled, expired, or failed at work is recorded,
so this is inferred: what is open ends as the run does (a message as incomplete, with the reason), just before the run's
event.

A modify has no event; the next record shows it. A run that leaves requires_action otherwise than by outputs has no
stream that shows it: nobody is listening. Steps and messages are in the API's own form in every dialect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from runengine.core import JSON, SECOND_US, TERMINAL, Event, RequireAction, RunObject, Status, SubmitToolOutputs
from runengine.core.fields import FIELDS
from runengine.core.parts import Usage
from runengine.simulation.chance import Chance
from runengine.simulation.lives import OUTPUT, Life, document_of
from runengine.simulation.recording import Recording, Row

__all__ = ["DONE", "stream_of"]

DONE: Final = "[DONE]"
"""The data of a stream's last event."""

_SENTENCE: Final = (
    "The order left the warehouse this morning and should arrive by Friday, weather permitting; "
    "here is the number to follow it with."
)
_WORDS: Final = tuple(_SENTENCE.split(" "))

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

_STEP_ENDS: Final[dict[Status, str]] = {"incomplete": "completed"}
"""How a step ends where its run ends so, if not as the run: recorded once (FACTS B5.1)."""

_REASONS: Final[dict[Status, str]] = {
    "incomplete": "max_tokens",
    "failed": "run_failed",
    "cancelled": "run_cancelled",
    "expired": "run_expired",
}
"""Why a message is incomplete where its run ends so (FACTS §4)."""

_STEP_CODES: Final = ("server_error", "rate_limit_exceeded")
"""The codes of a step's last_error; a run has more (FACTS §2.2)."""

_STAMPS: Final = ("cancelled", "completed", "expired", "failed")
_BEGUN: Final = 0.7
"""Share of the interrupted stretches of work in which a message had begun."""


def stream_of(life: Life) -> Recording:
    """A run as its event streams show it, the first, and one for each time outputs were sent.

    Args:
        life: The run.

    Example:
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> rows = stream_of(life_of(scenario_named("steady"), 1, 7)).rows
        >>> [row.event for row in rows if row.event.startswith("thread.run") and "step" not in row.event]
        ['thread.run.created', 'thread.run.queued', 'thread.run.in_progress', 'thread.run.completed']
        >>> rows[-1].event, rows[-1].data
        ('done', '[DONE]')
    """
    snapshots = life.snapshots()
    teller = _Teller(life, snapshots[-1].usage)
    moves = [n for n, event in enumerate(life.events) if event.name != "modify"]
    for here, following in zip(moves, [*moves[1:], None], strict=True):
        after = (life.events[following], snapshots[following]) if following is not None else None
        teller.tell(life.events[here], snapshots[here], after)
    return Recording(life=life, view="stream", rows=teller.rows())


_After = tuple[Event, RunObject] | None


class _Teller:
    """Tells one life, event by event."""

    def __init__(self, life: Life, usage: Usage | None) -> None:
        self._life: Final = life
        self._chance: Final = Chance(0, "stream", life.run_id)
        self._generation: Final = life.scenario.generation_number
        self._usage: Final = usage
        self._rows: Final[list[Row]] = []
        self._steps: Final[list[dict[str, Any]]] = []
        self._open: dict[str, Any] | None = None
        self._message: dict[str, Any] | None = None
        self._words: list[str] = []
        self._said: list[str] = []
        self._asked: RequireAction | None = None
        self._listening = True

    def rows(self) -> tuple[Row, ...]:
        """All that was told; what the steps have used is known now."""
        ended = [step for step in self._steps if step["status"] != "in_progress"]
        for number, step in enumerate(ended):
            if "usage" in step and self._usage is not None:
                step["usage"] = _part(self._usage, number, len(ended))
        return tuple(self._rows)

    def tell(self, event: Event, run: RunObject, after: _After) -> None:
        """What an event sends down the stream, up to the next."""
        if isinstance(event, SubmitToolOutputs):
            self._listening = True
            self._end_tools(event)
        if not self._listening:
            return
        if run.status in TERMINAL:
            self._end(event, run)
        document = document_of(run, self._life.scenario)
        if event.name == "create":
            self._send(event.at_us, "thread.run.created", document)
        self._send(event.at_us, f"thread.run.{run.status}", document)
        if run.status == "requires_action" or run.status in TERMINAL:
            self._send(event.at_us, "done", DONE)
            self._listening = False
        elif run.status == "in_progress" and after is not None:
            self._work(event.at_us, *after)

    def _send(self, at_us: int, event: str, data: Mapping[str, JSON] | str) -> None:
        copy: JSON = data if isinstance(data, str) else dict(data)
        self._rows.append(Row(at_us=at_us, kind="stream", event=event, data=copy))

    def _work(self, start_us: int, event: Event, run: RunObject) -> None:
        """A stretch of work, which ends with an event."""
        begin_us = start_us + (event.at_us - start_us) // 3
        if isinstance(event, RequireAction):
            self._call_tools(begin_us, event)
        elif run.status in ("completed", "incomplete"):
            self._begin_message(begin_us)
            self._say(begin_us, event.at_us, len(self._words))
        elif self._chance.uniform() < _BEGUN:
            self._begin_message(begin_us)
            self._say(begin_us, event.at_us, self._chance.below(len(self._words)))

    def _begin_step(self, at_us: int, kind: str, details: JSON) -> None:
        life = self._life
        self._open = {
            "id": self._name("step_"),
            "object": "thread.run.step",
            "created_at": at_us // SECOND_US,
            "run_id": life.run_id,
            "assistant_id": self._assistant_id(),
            "thread_id": life.thread_id,
            "type": kind,
            "status": "in_progress",
            **{f"{end}_at": None for end in _STAMPS},
            "last_error": None,
            "step_details": {"type": kind, kind: details},
            "metadata": {},
        }
        if FIELDS["usage"].declared_in(self._generation):
            self._open["usage"] = None
        for word in ("created", "in_progress"):
            self._send(at_us, f"thread.run.step.{word}", self._open)

    def _end_step(self, at_us: int, status: str, **changes: JSON) -> None:
        assert self._open is not None
        ended = {**self._open, "status": status, f"{status}_at": at_us // SECOND_US, **changes}
        self._rows.append(Row(at_us=at_us, kind="stream", event=f"thread.run.step.{status}", data=ended))
        self._steps.append(ended)
        self._open = None

    def _call_tools(self, at_us: int, event: RequireAction) -> None:
        self._begin_step(at_us, "tool_calls", [])
        assert self._open is not None
        step_id, spread_us = self._open["id"], event.at_us - at_us
        pieces: list[dict[str, JSON]] = []
        for number, call in enumerate(event.tool_calls):
            said: dict[str, JSON] = {"index": number, "id": call.id, "type": "function"}
            pieces.append({**said, "function": {"name": call.function.name, "arguments": "", "output": None}})
            arguments: dict[str, JSON] = {"arguments": call.function.arguments}
            pieces.append({"index": number, "type": "function", "function": arguments})
        for number, piece in enumerate(pieces, 1):
            delta: dict[str, JSON] = {"step_details": {"type": "tool_calls", "tool_calls": [piece]}}
            then_us = at_us + spread_us * number // (len(pieces) + 1)
            self._send(
                then_us,
                "thread.run.step.delta",
                {"id": step_id, "object": "thread.run.step.delta", "delta": delta},
            )
        self._open["step_details"] = _called(event, None)
        self._asked = event

    def _end_tools(self, event: SubmitToolOutputs) -> None:
        if self._open is not None and self._asked is not None:
            self._end_step(event.at_us, "completed", step_details=_called(self._asked, OUTPUT))

    def _begin_message(self, at_us: int) -> None:
        life = self._life
        self._words = list(_WORDS[: self._chance.between(4, len(_WORDS))])
        self._said = []
        message_id = self._name("msg_")
        self._begin_step(at_us, "message_creation", {"message_id": message_id})
        files = "file_ids" if FIELDS["file_ids"].declared_in(self._generation) else "attachments"
        self._message = {
            "id": message_id,
            "object": "thread.message",
            "created_at": at_us // SECOND_US,
            "assistant_id": self._assistant_id(),
            "thread_id": life.thread_id,
            "run_id": life.run_id,
            "status": "in_progress",
            "incomplete_details": None,
            "incomplete_at": None,
            "completed_at": None,
            "role": "assistant",
            "content": [],
            files: [],
            "metadata": {},
        }
        for word in ("created", "in_progress"):
            self._send(at_us, f"thread.message.{word}", self._message)

    def _say(self, from_us: int, until_us: int, words: int) -> None:
        assert self._message is not None
        for number in range(words):
            value = " " * bool(self._said) + self._words[len(self._said)]
            text: dict[str, JSON] = {"value": value} if self._said else {"value": value, "annotations": []}
            self._said.append(value)
            content: JSON = [{"index": 0, "type": "text", "text": text}]
            self._send(
                from_us + (until_us - from_us) * (number + 1) // (words + 1),
                "thread.message.delta",
                {"id": self._message["id"], "object": "thread.message.delta", "delta": {"content": content}},
            )

    def _end(self, event: Event, run: RunObject) -> None:
        """What is open ends as the run does, before it."""
        at_us, status = event.at_us, run.status
        if status in ("completed", "incomplete") and self._open is None:
            self._begin_message(at_us)
        if self._message is not None:
            if status in ("completed", "incomplete"):
                self._say(at_us, at_us, len(self._words) - len(self._said))
            self._end_message(at_us, status)
        if self._open is not None:
            error: dict[str, JSON] = {}
            if status == "failed" and run.last_error is not None:
                code = run.last_error.code if run.last_error.code in _STEP_CODES else _STEP_CODES[0]
                error["last_error"] = {"code": code, "message": run.last_error.message}
            self._end_step(at_us, _STEP_ENDS.get(status, status), **error)

    def _end_message(self, at_us: int, status: Status) -> None:
        assert self._message is not None
        word = "incomplete" if status in _REASONS else "completed"
        content: JSON = []
        if self._said:
            content = [{"type": "text", "text": {"value": "".join(self._said), "annotations": []}}]
        ended = {**self._message, "status": word, f"{word}_at": at_us // SECOND_US, "content": content}
        if status in _REASONS:
            ended["incomplete_details"] = {"reason": _REASONS[status]}
        self._send(at_us, f"thread.message.{word}", ended)
        self._message = None

    def _assistant_id(self) -> str:
        return str(getattr(self._life.events[0], "assistant_id"))  # noqa: B009 - the first event is the create

    def _name(self, prefix: str) -> str:
        return prefix + "".join(self._chance.pick(_LETTERS) for _ in range(24))


def _called(event: RequireAction, output: str | None) -> dict[str, JSON]:
    """The details of a tool step."""
    calls: list[JSON] = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments, "output": output},
        }
        for call in event.tool_calls
    ]
    return {"type": "tool_calls", "tool_calls": calls}


def _part(usage: Usage, number: int, steps: int) -> dict[str, JSON]:
    """The share of one of several steps in what the run has used; the last has what is left over."""
    counts: dict[str, int] = {}
    for name in ("completion_tokens", "prompt_tokens"):
        whole = getattr(usage, name)
        each = whole // steps
        counts[name] = whole - each * (steps - 1) if number == steps - 1 else each
    return {**counts, "total_tokens": sum(counts.values())}
