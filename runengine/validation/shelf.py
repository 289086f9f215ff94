"""What is kept of steps and messages, and of the runs that come in streams, while a recording is checked.

Memory: the `forget_after` steps and messages seen last, about 500 bytes each, those that have ended going first; and as
many streamed runs. Where one goes that had not ended, or a run's history is no longer whole, nothing is held to it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final

from attrs import Factory, define, fields

from runengine.validation.memory import Memory
from runengine.validation.rules.companions import TABLES, Call

__all__ = ["Known", "Shelf", "Streamed"]

_STEP: Final = "step"


@define
class Known:
    """What is kept of a step or message.

    Attributes:
        kind: `step` or `message`.
        run_id: Its run, where it names one.
        status: The last one seen.
        lasting: What must not change.
        stamps: Its own stamp, where it has ended.
        calls: Its function calls by id.
        guessed: Only pieces of it have been seen.
        inside: Of a message the step it was written in; of a message_creation step the message.
        polled: It was last seen outside a stream.

    Example:
        >>> Known("step", "run_1", "completed").ended
        True
    """

    kind: str
    run_id: str | None
    status: str
    lasting: dict[str, Any] = Factory(dict)
    stamps: dict[str, Any] = Factory(dict)
    calls: dict[str, Call] = Factory(dict)
    guessed: bool = False
    inside: str | None = None
    polled: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing may follow."""
        return self.status in TABLES[self.kind].terminal


@define
class Streamed:
    """What is kept of a run that comes in a stream.

    Attributes:
        status: The last one of the stream.
        thread_id: Its thread, or None where it contradicted itself.
        assistant_id: Its assistant, likewise.
        started_at: As last seen in the stream.
        born: Its creation was seen, and nothing has been lost of it since.
        sure: The run's own events have followed each other, so that the status is the true one.
        unbroken: It is born, and has not paused since.
        stepped: A step of it came in the stream.
        steps: Its steps that have not ended.
        messages: Its messages that have not ended.
        writes: Of those steps, the message that one creates to its step.

    Example:
        >>> run = Streamed("in_progress", "thread_1", "asst_1", 7, True, steps={"step_1": None})
        >>> run.lose()
        >>> run.born, run.steps
        (False, {})
    """

    status: str
    thread_id: Any
    assistant_id: Any
    started_at: Any
    born: bool
    sure: bool = True
    unbroken: bool = False
    stepped: bool = False
    steps: dict[str, None] = Factory(dict)
    messages: dict[str, None] = Factory(dict)
    writes: dict[str, str] = Factory(dict)

    def lose(self) -> None:
        """Something of it was not seen, or is not remembered: nothing that is open is known any more."""
        self.clear()
        self.born = self.stepped = self.unbroken = False

    def clear(self) -> None:
        """Nothing is open."""
        self.steps.clear()
        self.messages.clear()
        self.writes.clear()

    def open(self, known_id: str, known: Known) -> None:
        """A step or message of it has begun."""
        (self.steps if known.kind == _STEP else self.messages)[known_id] = None
        if known.kind == _STEP and known.inside is not None:
            self.writes[known.inside] = known_id

    def close(self, known_id: str, known: Known) -> None:
        """A step or message of it has ended."""
        (self.steps if known.kind == _STEP else self.messages).pop(known_id, None)
        if known.kind == _STEP and known.inside is not None and self.writes.get(known.inside) == known_id:
            del self.writes[known.inside]


@define
class _OfRun:
    """The steps and messages of a run, and what they have been held to."""

    ids: dict[str, None] = Factory(dict)
    shown: bool = False
    ended: bool = False


class Shelf:
    """Steps, messages and streamed runs by id, as many as are remembered.

    Args:
        forget_after: How many.
        memory: What is known of the runs themselves.

    Attributes:
        runs: The streamed ones, the longest unseen first.

    Example:
        >>> from runengine.validation.summary import Summary
        >>> shelf = Shelf(1, Memory(9, Summary()))
        >>> shelf.put("step_1", Known("step", "run_1", "in_progress"))
        >>> shelf.put("step_2", Known("step", "run_1", "in_progress"))
        >>> shelf.get("step_1") is None, list(shelf.of_run("run_1"))
        (True, ['step_2'])
    """

    def __init__(self, forget_after: int, memory: Memory) -> None:
        self._most = max(forget_after, 1)
        self._memory = memory
        self._open: OrderedDict[str, Known] = OrderedDict()
        self._ended: OrderedDict[str, Known] = OrderedDict()
        self._of_run: dict[str, _OfRun] = {}
        self.runs: OrderedDict[str, Streamed] = OrderedDict()

    def __len__(self) -> int:
        """How many steps and messages are remembered."""
        return len(self._open) + len(self._ended)

    def clear(self) -> None:
        """Forget everything."""
        for held in (self._open, self._ended, self._of_run, self.runs):
            held.clear()

    def get(self, known_id: str) -> Known | None:
        """A step or message."""
        return self._open.get(known_id) or self._ended.get(known_id)

    def put(self, known_id: str, known: Known) -> None:
        """Remember a step or message as the one seen last."""
        self._open.pop(known_id, None)
        self._ended.pop(known_id, None)
        (self._ended if known.ended else self._open)[known_id] = known
        if known.run_id is not None:
            self._list(known_id, known.run_id)
            self.touch(known.run_id)
        while len(self) > self._most:
            self._pop(next(iter(self._ended or self._open)))

    def touch(self, run_id: str) -> None:
        """A streamed run was seen."""
        if run_id in self.runs:
            self.runs.move_to_end(run_id)

    def see(self, run_id: str, run: Streamed) -> None:
        """Remember a streamed run as the one seen last."""
        self.runs[run_id] = run
        self.runs.move_to_end(run_id)
        while len(self.runs) > self._most:
            self.runs.popitem(last=False)

    def of_run(self, run_id: str) -> dict[str, None]:
        """The ids of what is remembered of a run."""
        of_run = self._of_run.get(run_id)
        return {} if of_run is None else of_run.ids

    def due(self, run_id: str, ended: bool) -> tuple[list[str], bool, bool]:
        """A run is shown: what came before it, and is held to it now.

        Args:
            run_id: The run.
            ended: It has ended.

        Returns:
            The ids, whether the run is shown for the first time since, and whether it has ended since.
        """
        of_run = self._of_run.get(run_id)
        if of_run is None:
            return [], False, False
        first, last = not of_run.shown, ended and not of_run.ended
        of_run.shown, of_run.ended = True, of_run.ended or ended
        return list(of_run.ids) if first or last else [], first, last

    def drop_run(self, run_id: str) -> None:
        """Forget a run and all of its steps and messages."""
        self.runs.pop(run_id, None)
        for known_id in list(self.of_run(run_id)):
            self._pop(known_id)

    def kept(self) -> Iterator[tuple[str, Any]]:
        """What is remembered, a part of plain JSON for each; `take` reads them."""
        for known_id, known in (*self._ended.items(), *self._open.items()):
            calls = {call_id: list(call) for call_id, call in known.calls.items()}
            of_run = self._of_run.get(known.run_id or "", _OfRun())
            yield "companion", [known_id, {**_plain(known), "calls": calls}, [of_run.shown, of_run.ended]]
        for run_id, run in self.runs.items():
            yield "streamed", [run_id, _plain(run)]

    def take(self, what: str, kept: Any) -> bool:
        """Remember a part of what `kept` wrote; says whether it was such a part."""
        if what == "companion":
            known_id, told, (shown, ended) = kept
            calls = {call_id: Call(*call) for call_id, call in told["calls"].items()}
            known = Known(**{**told, "calls": calls})
            if known.run_id is not None:
                self._of_run.setdefault(known.run_id, _OfRun(shown=shown, ended=ended))
            self.put(known_id, known)
        elif what == "streamed":
            run_id, told = kept
            run = Streamed(**told)
            if any(self.get(known_id) is None for known_id in (*run.steps, *run.messages)):
                run.lose()  # it could not be written
            self.see(run_id, run)
        else:
            return False
        return True

    def _list(self, known_id: str, run_id: str) -> None:
        of_run = self._of_run.get(run_id)
        if of_run is None:
            ended = run_id in self._memory.ended
            shown = ended or run_id in self._memory.open or run_id in self.runs
            of_run = self._of_run[run_id] = _OfRun(shown=shown, ended=ended)
            if not ended:
                self._memory.apart.add(run_id)  # the skim would pass over what it is held to
        of_run.ids[known_id] = None

    def _pop(self, known_id: str) -> None:
        held = self._open if known_id in self._open else self._ended
        known = held.pop(known_id)
        run_id = known.run_id
        if run_id is None:
            return
        ids = self.of_run(run_id)
        ids.pop(known_id, None)
        if not ids:
            self._of_run.pop(run_id, None)
            if run_id not in self._memory.open:
                self._memory.apart.discard(run_id)
        run = self.runs.get(run_id)
        if run is not None and not known.ended:
            run.lose()
        elif run is not None:
            run.born = run.unbroken = False


def _plain(made: Known | Streamed) -> dict[str, Any]:
    """Its attributes, as they are: what is inside may be of any depth."""
    return {each.name: getattr(made, each.name) for each in fields(type(made))}
