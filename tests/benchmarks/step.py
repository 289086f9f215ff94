"""What one step costs, beside what `transitions` alone and `attrs.evolve` cost; and what a run keeps in memory.

Peers are timed in turn within the same rounds and the least of the rounds counts, so that a busy machine disturbs all
alike. Events, runs and machines are made outside the timed loop. Times are microseconds.

| peer | what is timed |
|---|---|
| decide | `decide(run, event)`: look-up, guards, stamps and all writes on the 28-field record |
| bare | the trigger of a shared `transitions.Machine` without conditions, on a slots carrier whose status is reset |
| evolve | the same trigger, and the same writes on the record by `attrs.evolve` |
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from functools import partial
from itertools import repeat
from statistics import median
from time import perf_counter_ns
from typing import Any

from attrs import evolve
from transitions import Machine

from runengine.core.decisions import Applied, Refused
from runengine.core.events import Complete, Event, Start
from runengine.core.machine import build_machine, fire
from runengine.core.records import RunObject
from runengine.core.statuses import STATUSES
from runengine.core.step import apply, decide
from runengine.core.table import PRACTICAL, Transition
from tests.samples import T0_S, at, create, first_event, legal_moment, run_in

ROUNDS = 25
LOOPS = 2_000
RUNS = 20_000

Timed = Callable[[int], None]


class BareCarrier:
    """The least that transitions can move: one slot."""

    __slots__ = ("status",)

    def __init__(self, status: str) -> None:
        self.status = status


def bare_machine() -> Machine:
    """The shared machine without conditions and callbacks: what transitions costs by itself."""
    machine = Machine(
        model=None,
        states=list(STATUSES),
        initial=None,
        auto_transitions=False,
        send_event=True,
        queued=False,
        model_attribute="status",
    )
    for row in PRACTICAL.rows:
        if row.source is not None:
            machine.add_transition(row.event, row.source, row.target)
    return machine


def least_us(peers: dict[str, Timed]) -> dict[str, float]:
    """The least time of one call of each peer, over interleaved rounds."""
    best = dict.fromkeys(peers, float("inf"))
    gc.collect()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            for name, timed in peers.items():
                began = perf_counter_ns()
                timed(LOOPS)
                best[name] = min(best[name], (perf_counter_ns() - began) / LOOPS / 1_000)
    finally:
        gc.enable()
    return best


def by_decide(run: RunObject, event: Event, loops: int) -> None:
    """Decide again and again."""
    for _ in repeat(None, loops):
        decide(run, event)


def by_bare(trigger: Callable[..., Any], carrier: BareCarrier, event: Event, loops: int) -> None:
    """Trigger and put the carrier's status back."""
    status = carrier.status
    for _ in repeat(None, loops):
        trigger(carrier, event=event)
        carrier.status = status


def by_evolve(
    trigger: Callable[..., Any], carrier: BareCarrier, run: RunObject, event: Event, writes: dict[str, Any], loops: int
) -> None:
    """Trigger, write the record by `attrs.evolve`, and put the carrier's status back."""
    status = carrier.status
    for _ in repeat(None, loops):
        trigger(carrier, event=event)
        evolve(run, **writes)
        carrier.status = status


def by_fire(machine: Machine, run: RunObject, event: Event, loops: int) -> None:
    """Through runengine's own machine: trigger and decide."""
    for _ in repeat(None, loops):
        fire(machine, run, event)


def edge_peers(row: Transition, bare: Machine, own: Machine) -> dict[str, Timed]:
    """The peers for one edge, each checked once to do what it is timed for."""
    assert row.source is not None
    run = run_in(row.source)
    event = first_event(row.event, legal_moment(row.event, run), run)
    decision = decide(run, event)
    assert isinstance(decision, Applied)
    writes = decision.changes
    assert evolve(run, **writes) == decision.run
    trigger = bare.events[row.event].trigger
    carrier = BareCarrier(row.source)
    assert trigger(carrier, event=event)
    assert carrier.status == row.target
    return {
        "decide": partial(by_decide, run, event),
        "bare": partial(by_bare, trigger, BareCarrier(row.source), event),
        "evolve": partial(by_evolve, trigger, BareCarrier(row.source), run, event, writes),
        "fire": partial(by_fire, own, run, event),
    }


def edges() -> None:
    """Print the table of edges."""
    bare, own = bare_machine(), build_machine()
    rows = [row for row in PRACTICAL.rows if row.edge]
    print(f"{'edge':48}{'decide':>8}{'bare':>8}{'evolve':>8}{'fire':>8}{'/bare':>8}{'/evolve':>9}")
    found = []
    for row in rows:
        us = least_us(edge_peers(row, bare, own))
        found.append(us)
        print(line(str(row), us))
    middle = {name: median(us[name] for us in found) for name in found[0]}
    print(line("median of times", middle))
    to_bare, to_evolve = (median(us["decide"] / us[peer] for us in found) for peer in ("bare", "evolve"))
    worst = max(us["decide"] / us["bare"] for us in found)
    print(f"median of ratios: decide/bare {to_bare:.3f} (worst edge {worst:.3f}), decide/evolve {to_evolve:.3f}")


def line(name: str, us: dict[str, float]) -> str:
    """One line of the table."""
    times = "".join(f"{us[peer]:8.2f}" for peer in ("decide", "bare", "evolve", "fire"))
    return f"{name:48}{times}{us['decide'] / us['bare']:8.3f}{us['decide'] / us['evolve']:9.3f}"


def refusals() -> None:
    """Print what refusals cost beside a legal step of the same rounds."""
    cases: dict[str, tuple[RunObject, Event]] = {
        "legal": (run_in("in_progress"), Complete(at_us=at(9))),
        "illegal": (run_in("queued"), Complete(at_us=at(9))),
        "late": (run_in("completed"), Start(at_us=at(9))),
        "guard before_deadline": (run_in("in_progress"), Complete(at_us=at(600))),
        "guard not_before_last_stamp": (run_in("in_progress"), Complete(at_us=at(1))),
        "guard past_deadline": (run_in("in_progress"), first_event("expire", at(9))),
    }
    for name, (run, event) in cases.items():
        assert isinstance(decide(run, event), Refused) == (name != "legal")
    us = least_us({name: partial(by_decide, *case) for name, case in cases.items()})
    print(f"{'decision':48}{'us':>8}{'/legal':>8}")
    for name, time_us in us.items():
        print(f"{name:48}{time_us:8.2f}{time_us / us['legal']:8.3f}")


def held_bytes(make: Callable[[int], object]) -> float:
    """Bytes that each thing made keeps alive, over `RUNS` of them held in a list."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    held = [make(number) for number in range(RUNS)]
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(held) == RUNS
    return (after - before) / RUNS


def memory() -> None:
    """Print what a live run keeps beyond its record: driven through six decisions, or only put together."""
    call = first_event("require_action", at(2))
    history: list[Event] = [
        Start(at_us=at(1)),
        call,
        first_event("submit_tool_outputs", at(3), run_in("requires_action")),
    ]
    history += [Start(at_us=at(4)), first_event("modify", at(5))]
    request = create()

    def driven(_number: int) -> RunObject:
        run = apply(None, request)
        for event in history:
            run = apply(run, event)
        return run

    fields: dict[str, Any] = dict(vars(driven(0)))

    def built(number: int) -> RunObject:
        born_s = T0_S + number
        own: dict[str, Any] = {"created_at": born_s, "started_at": born_s + 4, "expires_at": born_s + 600}
        return RunObject(**(fields | own))

    made: dict[str, Callable[[int], object]] = {
        "a record put together by its constructor": built,
        "driven through six decisions": driven,
        "driven, and forgotten": lambda number: driven(number) and None,
    }
    print(f"{'bytes kept by each run':48}{'bytes':>8}")
    for name, make in made.items():
        print(f"{name:48}{held_bytes(make):8.0f}")
    print(f"{'(a transitions.Machine of its own)':48}{machine_bytes():8.0f}")


def machine_bytes(count: int = 50) -> float:
    """Bytes of one machine: what a Machine per run would keep."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    held = [bare_machine() for _ in range(count)]
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / len(held)


def main() -> None:
    """Print everything."""
    edges()
    print()
    refusals()
    print()
    memory()
