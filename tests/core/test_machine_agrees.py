"""`runengine.core.machine`: the transitions machine, which must never say anything but what `decide` says."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transitions import Machine

from runengine.core.decisions import Applied, Refused
from runengine.core.events import EVENTS, Event, Start
from runengine.core.machine import Carrier, add_guard, build_async_machine, build_machine, fire, fire_async
from runengine.core.records import RunObject
from runengine.core.statuses import STATUSES
from runengine.core.step import apply, decide
from runengine.core.table import POLICIES, PRACTICAL, Policy
from runengine.errors import InvalidSnapshot
from tests import samples, strategies
from tests.samples import at, run_in

MACHINES = {name: build_machine(policy) for name, policy in POLICIES.items()}
ASYNC_MACHINES = {name: build_async_machine(policy) for name, policy in POLICIES.items()}


def walk(seed: int, length_max: int = 12) -> Iterator[tuple[RunObject, Event]]:
    """A random walk by `decide`: each run it passes, with an event that is as often a wrong one."""
    rng = random.Random(seed)
    run = apply(None, samples.create())
    at_us = at(0)
    for _ in range(length_max):
        names = PRACTICAL.allowed(run.status) if rng.random() < 0.7 else tuple(EVENTS)
        name = rng.choice(names)
        at_us += rng.choice((0, 1, 1_000_000, 30_000_000, -5_000_000))
        time_us = at(600) if name == "expire" and rng.random() < 0.8 else at_us
        fits = rng.random() < 0.8
        event = samples.first_event(name, time_us, run) if fits else rng.choice(samples.every_event(name, time_us))
        yield run, event
        decision = decide(run, event)
        if isinstance(decision, Applied):
            run = decision.run


def assert_same_walks(seeds: range) -> None:
    """On every walk the machine answers every event as `decide` does."""
    machine = MACHINES["practical"]
    seen: set[str] = set()
    for seed in seeds:
        for run, event in walk(seed):
            decision = decide(run, event)
            assert fire(machine, run, event) == decision, seed
            seen.add(decision.reason if isinstance(decision, Refused) else decision.run.status)
    assert seen == {*STATUSES, "illegal", "late", "guard"}, "the walks do not go everywhere"


class TestAgreesWithDecide:
    """The machine and the compiled step are made from the table by different ways, and say the same."""

    @pytest.mark.parametrize("policy", POLICIES)
    @pytest.mark.parametrize("run", samples.every_run(), ids=lambda r: r.status)
    def test_every_status_and_event(self, run: RunObject, policy: str) -> None:
        """Every event with every payload gets the same answer in every status, at a good time and at bad ones."""
        for name in EVENTS:
            for at_us in (0, samples.legal_moment(name, run), at(600), at(9_999)):
                for event in samples.every_event(name, at_us):
                    assert fire(MACHINES[policy], run, event) == decide(run, event, POLICIES[policy])

    @pytest.mark.parametrize("policy", POLICIES)
    def test_the_async_one_too(self, policy: str) -> None:
        """The async machine gives the same answers."""

        async def compare() -> None:
            for run in samples.every_run():
                for name in EVENTS:
                    for event in samples.every_event(name, samples.legal_moment(name, run)):
                        expected = decide(run, event, POLICIES[policy])
                        assert await fire_async(ASYNC_MACHINES[policy], run, event) == expected

        asyncio.run(compare())

    def test_its_rows_are_the_tables(self) -> None:
        """Read from the machine itself, its transitions are the policy's rows, and it has no events of its own."""
        for name, policy in POLICIES.items():
            found = {
                (event.name, source, row.dest or source)
                for event in MACHINES[name].events.values()
                for source, rows in event.transitions.items()
                for row in rows
            }
            assert found == {(row.event, row.source, row.target) for row in policy.rows if row.source is not None}
            assert list(MACHINES[name].states) == list(STATUSES)

    def test_10_000_walks(self) -> None:
        """Ten thousand random walks, refusals among them."""
        assert_same_walks(range(10_000))

    @given(st.data(), strategies.runs(), st.sampled_from(tuple(POLICIES)))
    def test_anything(self, data: st.DataObject, run: RunObject, policy: str) -> None:
        """Whatever the run, the payload and the time, the answers are equal."""
        event = data.draw(strategies.events(run))
        assert fire(MACHINES[policy], run, event) == decide(run, event, POLICIES[policy])

    def test_what_is_no_event(self) -> None:
        """A name, a foreign object and a foreign status are answered as decide answers them."""
        machine = MACHINES["practical"]
        for odd in ("start", "zzz", object()):
            stranger: Any = odd
            assert fire(machine, run_in("queued"), stranger) == decide(run_in("queued"), stranger)
        status: Any = "canceled"
        with pytest.raises(InvalidSnapshot):
            fire(machine, run_in(status), Start(at_us=at(3)))


class TestSharing:
    """One machine for every run."""

    def test_eight_threads(self) -> None:
        """Eight threads that share a machine with callbacks get the answers each would get alone."""
        machine = build_machine()
        machine.states["in_progress"].add_callback("enter", lambda data: data.model.run.id)

        def work(worker: int) -> int:
            steps = 0
            for seed in range(worker, 400, 8):
                for run, event in walk(seed):
                    assert fire(machine, run, event) == decide(run, event)
                    steps += 1
            return steps

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(work, range(8))) == 400 * 12
        assert machine.models == []

    def test_no_machine_per_run(self) -> None:
        """Firing makes no machine and keeps no carrier: after a thousand steps there are as many as before."""
        machine = build_machine()
        gc.collect()
        before = _count(Machine), _count(Carrier)
        runs = [run_in("queued", id=f"run_{n}") for n in range(1_000)]
        kept = [fire(machine, run, Start(at_us=at(3))) for run in runs]
        gc.collect()
        assert (_count(Machine), _count(Carrier)) == before
        assert len(kept) == 1_000
        assert machine.models == []

    def test_build_gives_a_fresh_one(self) -> None:
        """Each built machine is its own: a guard on one is not on another."""
        machine = build_machine()
        add_guard(machine, "start", lambda _: False)
        assert isinstance(fire(machine, run_in("queued"), Start(at_us=at(3))), Refused)
        assert isinstance(fire(build_machine(), run_in("queued"), Start(at_us=at(3))), Applied)

    def test_a_policy_of_ones_own(self) -> None:
        """A machine has the rows of the policy it was built from."""
        narrow: Policy = PRACTICAL.without("narrow", [("fail", "queued")])
        event = samples.first_event("fail", at(3))
        assert fire(build_machine(narrow), run_in("queued"), event) == decide(run_in("queued"), event, narrow)
        assert isinstance(decide(run_in("queued"), event, narrow), Refused)


def _count(kind: type) -> int:
    return sum(isinstance(thing, kind) for thing in gc.get_objects())
