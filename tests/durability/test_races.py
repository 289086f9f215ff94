"""Two requests that cannot both win, given at the same moment: one wins, the other is told, and nothing is lost.

Half of the races are between threads that share a runtime, half between processes that each have their own. The two
sides leave together (`Meeting`) and change places by chance, so that no side wins by being the first in line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Final

import pytest

from runengine.embedding import ManualClock, Runtime, Settings
from runengine.stores import Entry, Store
from runengine.stores.opening import open_store
from tests.durability.checking import check_run, check_store, story
from tests.durability.processes import CONTEXT, Meeting, shared_counts
from tests.durability.races import RACES
from tests.durability.racing import EPOCH, SECOND, OwnClock, Race, Ticket, Told, make_ready, run_side

ROUNDS: Final = 84
"""Races of each kind, each way: 12 kinds, 2 ways, 2,016 in all."""

MANY_ROUNDS: Final = 500
LONG_AFTER_US: Final = EPOCH + 10_000_000 * SECOND


def _serve(url: str, arrived: Any, me: int, pipe: Connection) -> None:
    """A process that takes batches: the name of a race and its tickets; it sends back what it was told."""
    with open_store_of(url) as store:
        clock = OwnClock()
        for name, tickets in iter(pipe.recv, None):
            runtime = Runtime(store, clock=clock, settings=RACES[name].settings)
            pipe.send(run_side(RACES[name], runtime, clock, tickets, Meeting(arrived, me), me))


class open_store_of:  # noqa: N801 - a context manager
    """A store, closed at the end."""

    def __init__(self, url: str) -> None:
        self._store = open_store(url)

    def __enter__(self) -> Store:
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


class Arena:
    """A store with whom to race in it: two threads on this process's runtime, or two processes."""

    def __init__(self, url: str) -> None:
        self.store = open_store(url)
        arrived = shared_counts(2)
        self._pipes = []
        self._processes = []
        for me in (0, 1):
            here, there = CONTEXT.Pipe()
            process = CONTEXT.Process(target=_serve, args=(url, arrived, me, there), daemon=True)
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)

    def close(self) -> None:
        """Let the processes go."""
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join(20)
            assert process.exitcode == 0
        self.store.close()

    def between_threads(self, race: Race, _name: str, tickets: list[Ticket]) -> list[list[Told]]:
        """What each of two threads was told."""
        clock, arrived = OwnClock(), [0, 0]
        runtime = Runtime(self.store, clock=clock, settings=race.settings)
        with ThreadPoolExecutor(2) as pool:
            sides = [pool.submit(run_side, race, runtime, clock, tickets, Meeting(arrived, me), me) for me in (0, 1)]
            return [side.result() for side in sides]

    def between_processes(self, _race: Race, name: str, tickets: list[Ticket]) -> list[list[Told]]:
        """What each of two processes was told."""
        for pipe in self._pipes:
            pipe.send((name, tickets))
        return [pipe.recv() for pipe in self._pipes]

    def end_all(self) -> None:
        """Let every open run expire, and those that waited for it, so that the next batch begins alone."""
        clock = ManualClock(LONG_AFTER_US)
        runtime = Runtime(self.store, clock=clock, settings=Settings(ttl_s=1))
        while runtime.next_deadline() is not None:
            clock.advance(1_000_000)
            runtime.sweep()


@pytest.fixture
def arena(durable_url: str) -> Iterator[Arena]:
    """A store, two threads, two processes."""
    arena = Arena(durable_url)
    yield arena
    arena.close()


def judge(race: Race, ticket: Ticket, told: tuple[Told, Told], store: Store) -> int:
    """Who has won a race, once everything about it is found right."""
    kinds = (told[0].kind, told[1].kind)
    assert kinds in race.endings, f"{ticket}: {told}"
    ending = race.endings[kinds]
    winner = told[ending.winner]
    row, entries = check_run(store, winner.run_id)
    assert story(entries, ticket.version) == ending.story, f"{ticket}: {told}"
    assert row.run.status == ending.status
    for entry in entries[ticket.version :]:
        _check_outcome(entry, ticket)
    loser = told[1 - ending.winner]
    match race.family:
        case "claim/claim":
            assert (winner.fence, winner.worker) == (row.fence, row.owner)
            assert row.fence == (ticket.fence or 0) + 1
            assert row.owner == f"worker_{ending.winner}"
        case "create/create":
            _check_created(loser, winner, store)
        case _:
            assert {side.run_id for side in told} == {ticket.run_id}
    return ending.winner


def _check_outcome(entry: Entry, ticket: Ticket) -> None:
    """What an outcome carried is kept, whether it won or came too late."""
    data: Any = entry.data.get("payload", entry.data) if entry.kind == "lost" else entry.data
    match entry.name:
        case "cancel":
            assert data["reason"] == f"reason of {ticket.run_id}"
        case "complete":
            assert data["usage"]["total_tokens"] == ticket.number
        case "submit_tool_outputs":
            assert data["outputs"][0]["output"] == ticket.run_id


def _check_created(loser: Told, winner: Told, store: Store) -> None:
    match loser.kind:
        case "busy":
            assert loser.active == winner.run_id
            assert store.row(loser.run_id) is None
        case "waiting":
            row = store.row(winner.run_id)
            assert row is not None
            assert loser.active == winner.run_id
            assert [create.run_id for create in store.waiting(row.run.thread_id)] == [loser.run_id]
        case "replayed" | "exists":
            assert loser.run_id == winner.run_id


Tally = Counter[tuple[str, str, int | str]]


def run_races(arena: Arena, rounds: int) -> Tally:
    """Every kind of race, both ways: how often each side has won, and how often both were asking at once."""
    tally: Tally = Counter()
    for way in (arena.between_threads, arena.between_processes):
        for number, (name, race) in enumerate(RACES.items()):
            batch = make_ready(race, arena.store, race.tickets(f"{way.__name__}.{number}", rounds))
            batch.sort(key=lambda ticket: ticket.at_us)
            workers = way(race, name, batch)
            for ticket, *answers in zip(batch, *workers, strict=True):
                first, second = answers[:: -1 if ticket.swapped else 1]
                tally[name, way.__name__, judge(race, ticket, (first, second), arena.store)] += 1
                at_once = max(first.asked_s[0], second.asked_s[0]) < min(first.asked_s[1], second.asked_s[1])
                tally[name, way.__name__, "at once"] += at_once
            arena.end_all()
    return tally


def check_head_on(tally: Tally, rounds: int) -> None:
    """Both sides of every kind have won some, and many were asked at once, or it was no race."""
    lines = []
    for name, race in RACES.items():
        for way in ("between_threads", "between_processes"):
            first, second, at_once = (tally[name, way, what] for what in (0, 1, "at once"))
            lines.append(f"{race.family:16} {way:18} {first:4} : {second:<4} at once {at_once:4} {name}")
    print("", *lines, sep="\n")
    for name in RACES:
        for way in ("between_threads", "between_processes"):
            assert tally[name, way, 0] + tally[name, way, 1] == rounds
            assert min(tally[name, way, 0], tally[name, way, 1]) > 0, name
            assert tally[name, way, "at once"] > rounds / 3, name


def test_one_side_wins_and_the_other_is_told(arena: Arena) -> None:
    """Of 2,016 races each has one winner, a loser that is told why, and a history that has both where both count."""
    check_head_on(run_races(arena, ROUNDS), ROUNDS)
    assert check_store(arena.store) > 0


@pytest.mark.slow
def test_one_side_wins_however_often_they_race(arena: Arena) -> None:
    """Of 12,000 races each has one winner, a loser that is told why, and a history that has both where both count."""
    check_head_on(run_races(arena, MANY_ROUNDS), MANY_ROUNDS)
    assert check_store(arena.store) > 0
