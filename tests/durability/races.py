"""Races: two requests that cannot both win, made of one run each, and what must come of either outcome.

A race is data: how its runs are made ready, what the two sides do, and for every pair of answers that is allowed, who
has won, what the history must tell and how the run must stand. Any other pair of answers is a failure.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from attrs import evolve, frozen

from runengine.core import FunctionCall, ToolCall, ToolOutput, Usage
from runengine.embedding import Answer, Runtime, Settings, ThreadStrategy
from runengine.stores import Store
from tests.durability.processes import Meeting

__all__ = ["RACES", "Ending", "OwnClock", "Race", "Ticket", "Told", "make_ready", "run_side"]

SECOND: Final = 1_000_000
EPOCH: Final = 1_800_000_000 * SECOND
TTL_S: Final = 100_000
LONG_S: Final = 1_000_000
"""A lease that outlasts the run."""

_CALL: Final = ToolCall(id="call_1", function=FunctionCall(name="now", arguments="{}"))


class OwnClock(threading.local):
    """A clock that each thread sets for itself, so that threads at different times can share a runtime."""

    at_us = EPOCH

    def now_us(self) -> int:
        """Where this thread has set it."""
        return self.at_us


@frozen(kw_only=True)
class Ticket:
    """One race: all its two sides need to know.

    Attributes:
        number: Of the race in its batch, from 0.
        swapped: Whether the workers change sides; by chance, as taking turns falls in step with who is woken first.
        run_id: The run both want; for creates the id they want, or a stem for two.
        thread_id: The thread, or a stem for two.
        at_us: The time of each side.
        born_us: The time at which it is made ready.
        fence: The token of its worker.
        version: Of the run when the race begins.
        handicap_s: How long the first side waits after the start.
    """

    number: int
    swapped: bool
    run_id: str
    thread_id: str
    at_us: tuple[int, int]
    born_us: int
    fence: int | None = None
    version: int = 0
    handicap_s: float = 0.0


@frozen(kw_only=True)
class Told:
    """What one side was answered, small enough for a pipe; `kind` is `none` for None, or the error's text.

    `asked_s` is when it asked and when it was answered, on the machine's monotonic clock.
    """

    asked_s: tuple[float, float]
    kind: str
    run_id: str = ""
    version: int | None = None
    fence: int | None = None
    worker: str | None = None
    active: str | None = None


@frozen(kw_only=True)
class Ending:
    """What must be true after one of the allowed pairs of answers.

    Attributes:
        winner: 0 or 1.
        story: The history from the race on, as `checking.story` tells it.
        status: Of the run at its end.
    """

    winner: int
    story: str
    status: str


Side = Callable[[Runtime, Ticket], Answer | None]


@frozen(kw_only=True)
class Race:
    """A kind of race.

    Attributes:
        family: Which of the four of the issue it is.
        settings: Of the runtimes.
        ready: Makes one run ready at the ticket's `born_us`; by the answer fence and version are known.
        sides: What the two do.
        endings: By the pair of the answers' kinds.
        wait_us: From a run's making to its race.
        shift_us: Between the two sides' times: the first is so much earlier.
        apart_us: Between the times of two races of a batch.
        handicap_s: How long the first side waits at most, every other time: the second has more to do before it writes.
        born_at_once: Whether all runs of a batch are made at the same time nevertheless.
    """

    family: str
    settings: Settings = Settings(ttl_s=TTL_S)
    ready: Callable[[Runtime, Ticket], Answer | None]
    sides: tuple[Side, Side]
    endings: dict[tuple[str, str], Ending]
    wait_us: int = 5 * SECOND
    shift_us: int = 0
    apart_us: int = 10 * SECOND
    handicap_s: float = 0.0
    born_at_once: bool = False

    def tickets(self, name: str, races: int) -> list[Ticket]:
        """The tickets of a batch, its runs not made yet."""
        made, chance = [], random.Random(name)
        for number in range(races):
            at_us = EPOCH + self.wait_us + number * self.apart_us
            made.append(
                Ticket(
                    number=number,
                    swapped=chance.random() < 0.5,
                    run_id=f"{name}.{number}",
                    thread_id=f"thread.{name}.{number}",
                    handicap_s=chance.choice((0.0, chance.uniform(0, self.handicap_s))),
                    at_us=(at_us - self.shift_us, at_us),
                    born_us=EPOCH if self.born_at_once else at_us - self.wait_us,
                )
            )
        return made


def make_ready(race: Race, store: Store, tickets: Iterable[Ticket]) -> list[Ticket]:
    """Make the runs of a batch, several at a time."""
    clock = OwnClock()
    runtime = Runtime(store, clock=clock, settings=race.settings)

    def make(ticket: Ticket) -> Ticket:
        clock.at_us = ticket.born_us
        answer = race.ready(runtime, ticket)
        if answer is None:
            return ticket
        answer.or_raise()
        assert answer.version is not None
        assert answer.thread_id is not None
        return evolve(
            ticket,
            run_id=answer.run_id,
            thread_id=answer.thread_id,
            fence=answer.fence or None,
            version=answer.version,
        )

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(make, tickets))


def run_side(
    race: Race, runtime: Runtime, clock: OwnClock, tickets: Iterable[Ticket], meeting: Meeting, me: int
) -> list[Told]:
    """One worker's half of a batch, in step with the other's."""
    told = []
    for ticket in tickets:
        side = me ^ ticket.swapped
        clock.at_us = ticket.at_us[side]
        meeting()
        if side == 0 and ticket.handicap_s:
            time.sleep(ticket.handicap_s)
        began_s = time.monotonic()
        try:
            answer = race.sides[side](runtime, ticket)
        except Exception as error:  # noqa: BLE001 - an answer that no race allows
            told.append(Told(kind=f"{type(error).__name__}: {error}", asked_s=(began_s, time.monotonic())))
        else:
            told.append(_told(answer, (began_s, time.monotonic())))
    return told


def _told(answer: Answer | None, asked_s: tuple[float, float]) -> Told:
    if answer is None:
        return Told(kind="none", asked_s=asked_s)
    return Told(
        kind=answer.kind,
        asked_s=asked_s,
        run_id=answer.run_id,
        version=answer.version,
        fence=answer.fence,
        worker=answer.worker,
        active=answer.active,
    )


def _create(runtime: Runtime, ticket: Ticket) -> Answer:
    return runtime.create(ticket.thread_id, "asst_1", "gpt-4o", run_id=ticket.run_id)


def _claimed(runtime: Runtime, ticket: Ticket, lease_s: float) -> Answer:
    """Any run of the batch: each maker makes one and takes one, so there is one for everybody."""
    _create(runtime, ticket).or_raise()
    while True:
        claim = runtime.claim("worker_0", lease_s=lease_s)
        if claim is not None:
            return claim


def _held(runtime: Runtime, ticket: Ticket) -> Answer:
    return _claimed(runtime, ticket, LONG_S)


def _lapsed(runtime: Runtime, ticket: Ticket) -> Answer:
    """Its lease runs out in the moment of the race."""
    return _claimed(runtime, ticket, (ticket.at_us[0] - ticket.born_us) / SECOND)


def _acting(runtime: Runtime, ticket: Ticket) -> Answer:
    _create(runtime, ticket).or_raise()
    runtime.start(ticket.run_id).or_raise()
    return runtime.require_action(ticket.run_id, (_CALL,))


def _nothing(_runtime: Runtime, _ticket: Ticket) -> None:
    """Creates need nothing to be there."""


def _cancel(runtime: Runtime, ticket: Ticket) -> Answer:
    return runtime.cancel(ticket.run_id, f"reason of {ticket.run_id}")


def _complete(runtime: Runtime, ticket: Ticket) -> Answer:
    usage = Usage(completion_tokens=ticket.number, prompt_tokens=0, total_tokens=ticket.number)
    return runtime.complete(ticket.run_id, usage=usage, fence=ticket.fence)


def _submit(runtime: Runtime, ticket: Ticket) -> Answer:
    return runtime.submit_tool_outputs(ticket.run_id, (ToolOutput(tool_call_id="call_1", output=ticket.run_id),))


def _expire(runtime: Runtime, ticket: Ticket) -> Answer:
    return runtime.expire(ticket.run_id)


def _expire_as_seen(runtime: Runtime, ticket: Ticket) -> Answer:
    return runtime.expire(ticket.run_id, expect=ticket.version)


def _sweep(runtime: Runtime, ticket: Ticket) -> Answer | None:
    return next((answer for answer in runtime.sweep() if answer.run_id == ticket.run_id), None)


def _claim(side: int) -> Side:
    return lambda runtime, _ticket: runtime.claim(f"worker_{side}", lease_s=LONG_S)


def _create_on_thread(side: int, thread: ThreadStrategy) -> Side:
    def create(runtime: Runtime, ticket: Ticket) -> Answer:
        return runtime.create(ticket.thread_id, "asst_1", "gpt-4o", run_id=f"{ticket.run_id}.{side}", thread=thread)

    return create


def _create_with_id(side: int) -> Side:
    return lambda runtime, ticket: runtime.create(
        f"{ticket.thread_id}.{side}", "asst_1", "gpt-4o", run_id=ticket.run_id
    )


def _create_with_key(runtime: Runtime, ticket: Ticket) -> Answer:
    return runtime.create(ticket.thread_id, "asst_1", "gpt-4o", key=f"key of {ticket.run_id}")


def _either(loser: str, story: str, status: str) -> dict[tuple[str, str], Ending]:
    """Of two alike: the one is applied, the other is told so."""
    return {
        ("applied", loser): Ending(winner=0, story=story, status=status),
        (loser, "applied"): Ending(winner=1, story=story, status=status),
    }


_CANCEL_WINS: Final = Settings(ttl_s=TTL_S, completion="cancel_wins")
_SHORT: Final = Settings(ttl_s=600)

_CANCEL_OR_COMPLETE: Final = {
    ("applied", "lost"): Ending(winner=0, story="cancel finish_cancel -complete", status="cancelled"),
    ("lost", "applied"): Ending(winner=1, story="complete -cancel", status="completed"),
}
_EXPIRED_FIRST: Final = Ending(winner=1, story="expire -submit_tool_outputs", status="expired")


RACES: Final = {
    "cancel against the complete of a worker whose lease has run out": Race(
        family="cancel/complete",
        ready=_lapsed,
        sides=(_cancel, _complete),
        endings=_CANCEL_OR_COMPLETE,
        apart_us=0,
    ),
    "cancel against a worker's complete, where cancel wins": Race(
        family="cancel/complete",
        settings=_CANCEL_WINS,
        ready=_held,
        sides=(_cancel, _complete),
        endings=_CANCEL_OR_COMPLETE,
        apart_us=0,
    ),
    "cancel against a worker's complete, where complete wins": Race(
        family="cancel/complete",
        ready=_held,
        sides=(_cancel, _complete),
        endings={
            ("applied", "applied"): Ending(winner=0, story="cancel complete", status="completed"),
            ("lost", "applied"): Ending(winner=1, story="complete -cancel", status="completed"),
        },
        apart_us=0,
    ),
    "the last moment to submit against an expire of what was seen": Race(
        family="submit/expire",
        settings=_SHORT,
        ready=_acting,
        sides=(_submit, _expire_as_seen),
        endings={
            ("applied", "stale"): Ending(winner=0, story="submit_tool_outputs", status="queued"),
            ("lost", "applied"): _EXPIRED_FIRST,
        },
        wait_us=600 * SECOND,
        shift_us=1,
    ),
    "the last moment to submit against a sweep": Race(
        family="submit/expire",
        settings=_SHORT,
        ready=_acting,
        sides=(_submit, _sweep),
        endings={
            ("applied", "applied"): Ending(winner=0, story="submit_tool_outputs expire", status="expired"),
            ("lost", "applied"): _EXPIRED_FIRST,
        },
        wait_us=600 * SECOND,
        shift_us=1,
        handicap_s=0.003,
    ),
    "a submit past the deadline against an expire": Race(
        family="submit/expire",
        settings=_SHORT,
        ready=_acting,
        sides=(_submit, _expire),
        endings={
            ("lost", "lost"): Ending(winner=0, story="expire -submit_tool_outputs", status="expired"),
            ("lost", "applied"): _EXPIRED_FIRST,
        },
        wait_us=600 * SECOND,
    ),
    "two claims of a queued run": Race(
        family="claim/claim",
        ready=_create,
        sides=(_claim(0), _claim(1)),
        endings=_either("none", "start", "in_progress"),
    ),
    "two claims of a run whose worker is gone": Race(
        family="claim/claim",
        ready=_lapsed,
        sides=(_claim(0), _claim(1)),
        endings=_either("none", "+claim", "in_progress"),
        born_at_once=True,
    ),
    "two creates on a thread": Race(
        family="create/create",
        ready=_nothing,
        sides=(_create_on_thread(0, "reject"), _create_on_thread(1, "reject")),
        endings=_either("busy", "create", "queued"),
    ),
    "two creates on a thread where they wait": Race(
        family="create/create",
        ready=_nothing,
        sides=(_create_on_thread(0, "enqueue"), _create_on_thread(1, "enqueue")),
        endings=_either("waiting", "create +enqueue", "queued"),
    ),
    "two creates of an id": Race(
        family="create/create",
        ready=_nothing,
        sides=(_create_with_id(0), _create_with_id(1)),
        endings=_either("exists", "create", "queued"),
    ),
    "two creates under a key": Race(
        family="create/create",
        ready=_nothing,
        sides=(_create_with_key, _create_with_key),
        endings=_either("replayed", "create", "queued"),
    ),
}
"""Every kind of race, by what it is."""
