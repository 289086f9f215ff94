"""Worlds by the thousand: what they explored, and the first in which an invariant failed, made small.

The result for a seed never depends on how many processes share the work, nor does what is told of all of them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import Final

from attrs import Factory, evolve, frozen

from runengine.core import PRACTICAL, Status
from runengine.simulation.driving.invariants.table import INVARIANTS
from runengine.simulation.driving.shrinking import Lived, live, shrink
from runengine.simulation.driving.world import STEPS

__all__ = ["Explored", "Failure", "drive", "explore"]

_CHUNK: Final = 20
_AHEAD: Final = 3


@frozen(kw_only=True)
class Failure:
    """A seed whose world broke an invariant.

    Attributes:
        seed: The seed.
        store: On which store.
        steps: Turns of the world.
        name: The invariant.
        sentence: What it says.
        detail: How it was broken.
        turn: In which turn.
        lines: The trace, one line each.
        smallest: The smallest trace that was found in which the same invariant fails.
        smallest_detail: How it is broken there.

    Example:
        >>> failure = Failure(seed=7, store="sqlite", steps=300, name="fenced", sentence="…", detail="…", turn=3)
        >>> failure.command
        'runengine simulate --drive --seed 7 --store sqlite'
    """

    seed: int
    store: str
    steps: int
    name: str
    sentence: str
    detail: str
    turn: int
    lines: tuple[str, ...] = ()
    smallest: tuple[str, ...] = ()
    smallest_detail: str = ""

    @property
    def command(self) -> str:
        """What replays it."""
        store = "" if self.store == "memory" else f" --store {self.store}"
        steps = "" if self.steps == STEPS else f" --steps {self.steps}"
        return f"runengine simulate --drive --seed {self.seed}{store}{steps}"

    def __str__(self) -> str:
        head = f"{self.name}: {self.sentence}\nseed {self.seed}, turn {self.turn}: {self.detail}\n"
        small = "\n".join(self.smallest or self.lines)
        return f"{head}replay: {self.command}\n{small}\n     ✗ {self.name}: {self.smallest_detail or self.detail}"


@frozen(kw_only=True)
class Explored:
    """What a number of worlds explored.

    Attributes:
        seeds: Worlds that were lived.
        turns: Their turns.
        requests: Requests that reached a store.
        runs: Runs that were born.
        entries: Entries that were committed.
        simulated_us: Time that passed in them.
        interleavings: A number for each distinct one.
        edges: How often each row of the policy was gone: (event, source, target).
        refusals: How often each event was answered otherwise than applied: (answer, event).
        crashes: How often a process of a kind died at a point: (kind, point).
        troubles: How often the store failed, and how.
        early: Plans that were older than their commit, by what became of them.
        asserted: How often each invariant was.
        failures: Worlds in which one did not hold.

    Example:
        >>> (Explored(seeds=1) + Explored(seeds=2)).seeds
        3
    """

    seeds: int = 0
    turns: int = 0
    requests: int = 0
    runs: int = 0
    entries: int = 0
    simulated_us: int = 0
    interleavings: frozenset[int] = frozenset()
    edges: Counter[tuple[str, Status | None, Status]] = Factory(Counter)
    refusals: Counter[tuple[str, str]] = Factory(Counter)
    crashes: Counter[tuple[str, str]] = Factory(Counter)
    troubles: Counter[str] = Factory(Counter)
    early: Counter[str] = Factory(Counter)
    asserted: Counter[str] = Factory(Counter)
    failures: tuple[Failure, ...] = ()

    @property
    def edges_missing(self) -> tuple[str, ...]:
        """Rows of the policy that no world has gone."""
        return tuple(str(row) for row in PRACTICAL.rows if not self.edges[row.event, row.source, row.target])

    def __add__(self, other: Explored) -> Explored:
        return Explored(
            seeds=self.seeds + other.seeds,
            turns=self.turns + other.turns,
            requests=self.requests + other.requests,
            runs=self.runs + other.runs,
            entries=self.entries + other.entries,
            simulated_us=self.simulated_us + other.simulated_us,
            interleavings=self.interleavings | other.interleavings,
            edges=self.edges + other.edges,
            refusals=self.refusals + other.refusals,
            crashes=self.crashes + other.crashes,
            troubles=self.troubles + other.troubles,
            early=self.early + other.early,
            asserted=self.asserted + other.asserted,
            failures=self.failures + other.failures,
        )


def drive(seed: int, *, store: str = "memory", steps: int = STEPS) -> Explored:
    """Live one world; where an invariant fails, the failure is told, and not made small yet.

    Args:
        seed: Of all that is decided.
        store: `memory` or `sqlite`.
        steps: Turns.

    Example:
        >>> drive(1, steps=20).turns
        20
    """
    return _of(seed, store, steps, live(seed, store=store, steps=steps))


def explore(
    seeds: Iterable[int],
    *,
    store: str = "memory",
    steps: int = STEPS,
    workers: int = 1,
    keep_going: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Explored:
    """Live many worlds, up to the first in which an invariant fails, which is made small.

    Args:
        seeds: Of each.
        store: `memory` or `sqlite`.
        steps: Turns of each.
        workers: Processes that share the work; the result is the same.
        keep_going: Whether to live the others too.
        progress: Told how many more worlds are done.

    Example:
        >>> explored = explore(range(3), steps=30)
        >>> explored.seeds, len(explored.interleavings), explored.failures
        (3, 3, ())
    """
    sum_of = Explored()
    for made in _explored(seeds, store, steps, workers, keep_going):
        sum_of += made
        if progress is not None:
            progress(made.seeds)
        if sum_of.failures and not keep_going:
            break
    small = tuple(_smaller(failure) for failure in sum_of.failures)
    return evolve(sum_of, failures=small)


def _explored(seeds: Iterable[int], store: str, steps: int, workers: int, keep_going: bool) -> Iterator[Explored]:
    rest = iter(seeds)
    chunks = iter(lambda: tuple(islice(rest, _CHUNK)), ())
    if workers <= 1:
        for chunk in chunks:
            yield _chunk(chunk, store, steps, keep_going)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        asked: deque[Future[Explored]] = deque()
        try:
            for chunk in chunks:
                asked.append(pool.submit(_chunk, chunk, store, steps, keep_going))
                if len(asked) > workers * _AHEAD:
                    yield asked.popleft().result()
            while asked:
                yield asked.popleft().result()
        finally:
            for future in asked:
                future.cancel()


def _chunk(seeds: Sequence[int], store: str, steps: int, keep_going: bool) -> Explored:
    sum_of = Explored()
    for seed in seeds:
        sum_of += drive(seed, store=store, steps=steps)
        if sum_of.failures and not keep_going:
            break
    return sum_of


def _of(seed: int, store: str, steps: int, lived: Lived) -> Explored:
    world, book, moments = lived.world, lived.world.judge.book, lived.world.judge.moments
    asserted = {
        name: count for name, one in INVARIANTS.items() if (count := moments.get(one.moment, 0) or moments.get(name, 0))
    }
    return Explored(
        seeds=1,
        turns=world.turn,
        requests=world.requests,
        runs=len(book.born),
        entries=moments["entry"],
        simulated_us=world.moved_us,
        interleavings=frozenset((world.interleaving(),)),
        edges=book.edges,
        refusals=world.judge.refusals,
        crashes=world.crashes,
        troubles=world.troubles,
        early=world.early,
        asserted=Counter(asserted),
        failures=() if lived.broken is None else (_failure(seed, store, steps, lived),),
    )


def _failure(seed: int, store: str, steps: int, lived: Lived) -> Failure:
    assert lived.broken is not None
    name = lived.broken.name
    return Failure(
        seed=seed,
        store=store,
        steps=steps,
        name=name,
        sentence=INVARIANTS[name].sentence,
        detail=lived.broken.detail,
        turn=lived.world.turn,
        lines=tuple(map(str, lived.world.lines)),
    )


def _smaller(failure: Failure) -> Failure:
    lived = shrink(
        live(failure.seed, store=failure.store, steps=failure.steps), store=failure.store, steps=failure.steps
    )
    if lived.broken is None:
        return failure
    return evolve(failure, smallest=tuple(map(str, lived.world.lines)), smallest_detail=lived.broken.detail)
