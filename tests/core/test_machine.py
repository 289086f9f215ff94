"""`runengine.core.machine`: the transitions machine, and what embedders hang on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from transitions import Machine
from transitions.core import EventData
from transitions.extensions.asyncio import AsyncMachine

from runengine.core.decisions import Applied, Refused
from runengine.core.events import Complete, Event, Modify, Start
from runengine.core.machine import Carrier, add_guard, build_async_machine, build_machine, fire, fire_async
from runengine.core.records import RunObject
from runengine.core.step import decide
from runengine.core.table import PRACTICAL
from tests import samples
from tests.samples import at, run_in


def queued() -> RunObject:
    """A run that can be started."""
    return run_in("queued", started=False)


def carrier_of(data: EventData) -> Carrier:
    """The carrier that a callback was given."""
    assert isinstance(data.model, Carrier)
    return data.model


def divide(_data: EventData) -> float:
    """A callback that raises."""
    return 1 / 0


def hang(machine: Machine, where: str, call: Any) -> None:
    """Hang a callback or a guard on starting a run."""
    if where in ("before", "after"):
        machine.events["start"].add_callback(where, call)
    elif where == "guard":
        add_guard(machine, "start", call)
    else:
        machine.states["queued" if where == "exit" else "in_progress"].add_callback(where, call)


class TestCallbacks:
    """What embedders hang on the machine."""

    def test_order_and_carrier(self) -> None:
        """Callbacks come before, on exit, on enter and after, each with the carrier of this one step."""
        machine = build_machine()
        seen: list[tuple[str, Carrier, str]] = []

        def note(what: str) -> Callable[[EventData], None]:
            return lambda data: seen.append((what, carrier_of(data), carrier_of(data).status))

        machine.events["start"].add_callback("before", note("before"))
        machine.events["start"].add_callback("after", note("after"))
        machine.states["queued"].add_callback("exit", note("exit"))
        machine.states["in_progress"].add_callback("enter", note("enter"))
        run, event = queued(), Start(at_us=at(3))
        decision = fire(machine, run, event)
        assert [(what, status) for what, _, status in seen] == [
            ("before", "queued"),
            ("exit", "queued"),
            ("enter", "in_progress"),
            ("after", "in_progress"),
        ]
        (carrier,) = {id(carrier): carrier for _, carrier, _ in seen}.values()
        assert isinstance(carrier, Carrier)
        assert (carrier.run, carrier.event, carrier.decision) == (run, event, decision)
        assert carrier.run is run
        assert carrier.policy is PRACTICAL

    def test_a_refusal_calls_nobody(self) -> None:
        """A refused step, by row or by guard, reaches no callback."""
        machine = build_machine()
        called: list[str] = []
        for event in machine.events.values():
            event.add_callback("before", lambda data: called.append(data.event.name))
        for state in machine.states.values():
            state.add_callback("exit", lambda data: called.append(data.state.name))
        for wrong in (Complete(at_us=at(3)), Start(at_us=0), Start(at_us=at(600))):
            assert isinstance(fire(machine, queued(), wrong), Refused)
        assert called == []

    def test_modify_enters_and_exits_nothing(self) -> None:
        """Modify keeps the status, so only its own callbacks run, not those around the status."""
        machine = build_machine()
        called: list[str] = []
        machine.events["modify"].add_callback("before", lambda _: called.append("before"))
        machine.events["modify"].add_callback("after", lambda _: called.append("after"))
        for state in machine.states.values():
            state.add_callback("enter", lambda _: called.append("enter"))
            state.add_callback("exit", lambda _: called.append("exit"))
        for run in samples.every_run():
            called.clear()
            event = Modify(at_us=samples.legal_moment("modify", run), metadata={})
            assert isinstance(fire(machine, run, event), Applied)
            assert called == ["before", "after"]

    @pytest.mark.parametrize("where", ["before", "exit", "enter", "after", "guard"])
    def test_a_raising_callback(self, where: str) -> None:
        """The error reaches the caller, the run is unchanged, nothing is registered and the machine works on."""
        machine = build_machine()
        angry = [True]

        def burst(_data: EventData) -> bool:
            if angry:
                raise LookupError("burst")
            return True

        hang(machine, where, burst)
        run = queued()
        for _ in range(3):
            with pytest.raises(LookupError, match="burst"):
                fire(machine, run, Start(at_us=at(3)))
        assert run == queued()
        assert machine.models == []
        angry.clear()
        assert fire(machine, run, Start(at_us=at(3))) == decide(run, Start(at_us=at(3)))

    def test_an_error_that_on_exception_takes(self) -> None:
        """Where the embedder's on_exception takes the error, there is still no step, and the refusal says why."""
        machine = build_machine()
        taken: list[BaseException | None] = []
        machine.on_exception = [lambda data: taken.append(data.error)]
        hang(machine, "enter", divide)
        decision = fire(machine, queued(), Start(at_us=at(3)))
        assert isinstance(decision, Refused)
        assert (decision.reason, decision.guard) == ("guard", "on_exception")
        assert "on_exception took the error" in decision.message
        assert [type(error) for error in taken] == [ZeroDivisionError]


class TestAddGuard:
    """One more condition."""

    def test_it_refuses_by_name(self) -> None:
        """A guard that says no refuses the step in every status that has the event, and is named."""
        machine = build_machine()

        def office_hours(data: EventData) -> bool:
            return isinstance(carrier_of(data).event, Start)

        add_guard(machine, "fail", office_hours)
        for run in samples.every_run():
            event = samples.first_event("fail", samples.legal_moment("fail", run))
            expected = decide(run, event)
            found = fire(machine, run, event)
            if isinstance(expected, Refused):
                assert found == expected
            else:
                assert isinstance(found, Refused)
                assert (found.reason, found.guard, found.run_id) == ("guard", "office_hours", run.id)
                assert found.allowed == PRACTICAL.allowed(run.status)
        assert isinstance(fire(machine, queued(), Start(at_us=at(3))), Applied)

    def test_the_one_that_refused(self) -> None:
        """Of several guards the first that says no is named, and those after it are not asked."""
        machine = build_machine()
        asked: list[str] = []

        def guard(name: str, answer: object) -> Callable[[EventData], object]:
            def check(_data: EventData) -> object:
                asked.append(name)
                return answer

            check.__name__ = name
            return check

        for name, answer in (("first", True), ("second", None), ("third", True)):
            add_guard(machine, "start", guard(name, answer))
        decision = fire(machine, queued(), Start(at_us=at(3)))
        assert isinstance(decision, Refused)
        assert decision.guard == "second"
        assert asked == ["first", "second"]

    @pytest.mark.parametrize(
        ("answer", "goes"), [(True, True), (1, True), ("yes", True), (False, False), (0, False), ("", False)]
    )
    def test_any_true_answer_agrees(self, answer: object, goes: bool) -> None:
        """An answer counts as Python counts it: a word is a yes, nothing is a no."""
        machine = build_machine()
        add_guard(machine, "start", lambda _: answer)
        assert isinstance(fire(machine, queued(), Start(at_us=at(3))), Applied) == goes

    def test_the_table_comes_first(self) -> None:
        """A guard cannot allow what the table refuses, and is not asked."""
        machine = build_machine()
        add_guard(machine, "start", divide)
        late = Start(at_us=at(600))
        assert fire(machine, queued(), late) == decide(queued(), late)

    def test_no_such_event(self) -> None:
        """A guard for an event that the machine does not have is a mistake; create has no machine."""
        for name in ("strat", "create"):
            with pytest.raises(KeyError):
                add_guard(build_machine(), name, divide)


class TestAsync:
    """The async machine's own matters."""

    def test_callbacks_and_guards_are_awaited(self) -> None:
        """Coroutine callbacks run to their end before the answer comes, in order, and so do guards."""
        machine = build_async_machine()
        seen: list[str] = []

        async def slow_guard(_data: EventData) -> bool:
            await asyncio.sleep(0)
            seen.append("guard")
            return True

        async def slow_enter(_data: EventData) -> None:
            await asyncio.sleep(0)
            seen.append("enter")

        add_guard(machine, "start", slow_guard)
        hang(machine, "enter", slow_enter)
        machine.events["start"].add_callback("after", lambda _: seen.append("after"))
        assert isinstance(_run(machine, queued(), Start(at_us=at(3))), Applied)
        assert seen == ["guard", "enter", "after"]

    def test_a_guard_refuses(self) -> None:
        """A coroutine guard that says no is named as a plain one is."""
        machine = build_async_machine()

        async def quota(_data: EventData) -> bool:
            await asyncio.sleep(0)
            return False

        add_guard(machine, "start", quota)
        decision = _run(machine, queued(), Start(at_us=at(3)))
        assert isinstance(decision, Refused)
        assert decision.guard == "quota"

    @pytest.mark.parametrize("where", ["before", "exit", "enter", "after", "guard"])
    def test_a_raising_callback(self, where: str) -> None:
        """The error reaches the caller; the run is unchanged, and no model and no task is registered."""
        machine = build_async_machine()

        async def burst(_data: EventData) -> None:
            await asyncio.sleep(0)
            raise LookupError("burst")

        hang(machine, where, burst)
        run = queued()
        with pytest.raises(LookupError, match="burst"):
            _run(machine, run, Start(at_us=at(3)))
        assert run == queued()
        assert (machine.models, machine.async_tasks) == ([], {})

    def test_a_timeout_goes_through(self) -> None:
        """A cancelled task stays cancelled: transitions would answer that the step was refused."""
        machine = build_async_machine()

        async def sleep_long(_data: EventData) -> None:
            await asyncio.sleep(60)

        hang(machine, "before", sleep_long)

        async def impatient() -> None:
            async with asyncio.timeout(0.01):
                await fire_async(machine, queued(), Start(at_us=at(3)))

        with pytest.raises(TimeoutError):
            asyncio.run(impatient())
        assert machine.async_tasks == {}

    def test_many_tasks_and_a_step_within_a_step(self) -> None:
        """Steps of many runs interleave, and a callback may fire another run: every answer is the right one."""
        machine = build_async_machine()
        inner: list[object] = []

        async def start_another(data: EventData) -> None:
            await asyncio.sleep(0)
            carrier = carrier_of(data)
            if carrier.run.id == "outer":
                inner.append(await fire_async(machine, run_in("queued", id="inner"), carrier.event))

        hang(machine, "before", start_another)
        event = Start(at_us=at(3))
        many = [run_in("queued", id="outer", thread_id=f"thread_{n}") for n in range(50)]

        async def together() -> list[object]:
            return list(await asyncio.gather(*(fire_async(machine, run, event) for run in many)))

        assert asyncio.run(together()) == [decide(run, event) for run in many]
        assert inner == [decide(run_in("queued", id="inner"), event)] * 50
        assert (machine.models, machine.async_tasks) == ([], {})


def _run(machine: AsyncMachine, run: RunObject, event: Event) -> object:
    return asyncio.run(fire_async(machine, run, event))
