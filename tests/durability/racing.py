"""How two race: what a race is made of, how its runs are made ready, and one worker's half of a batch.

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

from runengine.embedding import Answer, Runtime, Settings
from runengine.stores import Store
from tests.durability.processes import Meeting

__all__ = ["EPOCH", "SECOND", "TTL_S", "Ending", "OwnClock", "Race", "Side", "Ticket", "Told", "make_ready", "run_side"]

SECOND: Final = 1_000_000
EPOCH: Final = 1_800_000_000 * SECOND
TTL_S: Final = 100_000


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
