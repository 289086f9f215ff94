"""Objects around the run: steps, messages, tool outputs, threads, and calls that were refused. Rules RE5xx, RE407."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

from runengine.core.table import PRACTICAL, TERMINAL
from runengine.validation.beside import Beside
from runengine.validation.memory import NEVER, Memory
from runengine.validation.observations import Companion, Observation, Refusal, StreamEnd, Submitted
from runengine.validation.rules.path import Point
from runengine.validation.rules.refused import Met, contradiction, met_by, own_findings
from runengine.validation.summary import Options, Summary
from runengine.validation.threads import Threads
from runengine.validation.waiting import Placed

__all__ = ["Around", "Placed"]


class Around:
    """What is known of the objects around the runs of one scope.

    Memory: see `runengine.validation.threads` and `.beside`; and of refusals the `forget_after` met last.

    Args:
        options: What to hold them to.
        summary: Where they are counted.
        memory: What is known of the runs.

    Attributes:
        threads: Which runs each thread has had.

    Example:
        >>> options, summary = Options(), Summary()
        >>> Around(options, summary, Memory(9, summary)).undecided
        False
    """

    def __init__(self, options: Options, summary: Summary, memory: Memory) -> None:
        self._options = options
        self._summary = summary
        self._memory = memory
        self._beside = Beside(options, memory)
        self._met: OrderedDict[str, Met] = OrderedDict()
        # A refusal is held to the widest of what is known, so that policy alone never makes a contradiction.
        self._policy = options.policy if options.policy.edges.keys() >= PRACTICAL.edges.keys() else PRACTICAL
        self.threads = Threads(memory, options.skew_s)

    @property
    def undecided(self) -> bool:
        """Whether something waits for what comes after it, so that what is found meanwhile has to wait for it."""
        return self.waits_from is not None

    @property
    def waits_from(self) -> int | None:
        """The earliest line of which something may still be said, or None; what was found above it can be told."""
        return self._beside.waits_from

    def give_up(self) -> None:
        """Nothing is waited for any longer: more was found meanwhile than can be held back."""
        self._beside.give_up()

    def clear(self) -> None:
        """Begin a new scope."""
        self._beside.clear()
        self._met.clear()

    def forget(self, run_id: str) -> None:
        """Forget what belongs to a run that a monitor has evicted."""
        self._beside.forget(run_id)
        self._met.pop(run_id, None)

    def again(self, run_id: str) -> None:
        """Forget all that belongs to a run that is recorded once more, from anew."""
        self._beside.forget(run_id)
        self._met.pop(run_id, None)

    @property
    def place(self) -> tuple[bool, bool]:
        """Where the current stream stands; for a monitor, which sees several at a time."""
        return self._beside.place

    @place.setter
    def place(self, place: tuple[bool, bool]) -> None:
        self._beside.place = place

    def pass_by(self, items: int) -> list[Placed]:
        """The next items are looked at, or left out: the clock moves on, and what has waited long enough is decided.

        Each decision is taken at its own moment, with what is remembered then, so that it matters not whether items
        are looked at or left out.
        """
        memory, waiting = self._memory, self._beside.waiting
        until = memory.now + items
        said: list[Placed] = []
        while (due := waiting.due) is not None and due <= until:
            memory.pass_to(due)
            waiting.now = due
            said += self._said(waiting.passed(self._beside.stands))
        memory.pass_to(until)
        waiting.now = until
        return said

    def settle(self) -> None:
        """An item was looked at: the memory is told until when nothing is to be decided."""
        due = self._beside.waiting.due
        self._memory.wait(NEVER if due is None else due)

    def kept(self) -> Iterator[tuple[str, Any]]:
        """What is remembered, a part for each thing, each with what it is; `take` reads them one by one.

        A part is plain JSON, but for what a record has that is none: whoever writes it may have to leave out that one.
        """
        yield from (("met", [run_id, list(met)]) for run_id, met in self._met.items())
        yield from self._beside.kept()

    def take(self, what: str, kept: Any) -> bool:
        """Remember a part of what another one kept; says whether it was such a part.

        Raises:
            KeyError: something is missing.
            TypeError: something is of another type.
            ValueError: something is of another length.
        """
        if what == "met":
            run_id, met = kept
            self._met[run_id] = Met(*met)
            return True
        was_taken = self._beside.take(what, kept)
        self.settle()
        return was_taken

    def run(self, item: Observation) -> Iterator[Placed]:
        """Take a run's snapshot, after the rules on the run itself."""
        waiting = self._beside.waiting
        for finding, record, earlier, until in self.threads.see(item):
            placed = Placed(item.line, finding, {**record, "earlier": earlier})
            if until is None:
                yield placed
            elif not waiting.holds(until, "alive", placed.record):
                waiting.put(until, "alive", placed)
        if waiting and item.record.get("status") in TERMINAL:
            yield from waiting.decided(str(item.record.get("id")), lambda why: False if why == "alive" else None)
        yield from self._beside.run(item)
        if self._met:
            yield from self._after(item)

    def observe(self, item: Companion | Submitted | Refusal) -> Iterator[Placed]:
        """Take an object around the run."""
        self._summary.companions += 1
        if isinstance(item, Companion):
            yield from self._beside.companion(item)
        elif isinstance(item, Submitted):
            for finding in self._beside.calls.submitted(item):
                yield Placed(item.line, finding, {"id": item.run_id})
        else:
            yield from self._refused(item)

    def stream_end(self, end: StreamEnd) -> Iterator[Placed]:
        """Take the end of a stream, after the rules on its runs."""
        yield from self._said(self._beside.stream_end(end))

    def end(self) -> Iterable[Placed]:
        """Take the end of the scope."""
        yield from self._said(self._beside.end())

    def _said(self, decided: Iterable[Placed]) -> Iterator[Placed]:
        """What is decided, each pair of runs once of RE501."""
        for placed in decided:
            if placed.finding.code != "RE501" or self.threads.tell(placed.record["id"], placed.record["earlier"]):
                yield placed

    def _refused(self, item: Refusal) -> Iterator[Placed]:
        met = met_by(item)
        if met is None:
            return
        record = {"id": met.run_id, "thread_id": met.thread_id}
        for finding in own_findings(met, self._options.policy):
            yield Placed(item.line, finding, record)
        if met.run_id is None:
            return
        seen = self._memory.known(met.run_id)
        point = None if seen is None else seen.point
        if point is not None:
            against = contradiction(met, point, self._policy, self._options.skew_s, True)
            if against is not None:
                yield Placed(item.line, against, record)
        self._met[met.run_id] = met
        self._met.move_to_end(met.run_id)
        # The skim would pass over a snapshot that contradicts it.
        self._memory.apart.add(met.run_id)
        while len(self._met) > max(self._options.forget_after, 1):
            other_id, _ = self._met.popitem(last=False)
            if other_id not in self._memory.open:  # an open one may be apart for what its thread shows
                self._memory.apart.discard(other_id)

    def _after(self, item: Observation) -> Iterator[Placed]:
        run_id = item.record.get("id")
        met = self._met.get(run_id) if isinstance(run_id, str) else None
        seen = self._memory.known(run_id) if isinstance(run_id, str) else None
        if met is None or seen is None or seen.point is None or seen.point.record is not item.record:
            return
        point = Point(status=seen.point.status, record=item.record, observed_s=item.observed_s)
        finding = contradiction(met, point, self._policy, self._options.skew_s, False)
        if finding is not None:
            del self._met[str(run_id)]
            yield Placed(item.line, finding, item.record)
