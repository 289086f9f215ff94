"""A failing world is made small, and stays readable and the same failure."""

from __future__ import annotations

import pytest

from runengine.simulation.driving import Failure, explore, live, shrink
from tests.simulation.driving.mutations import MUTATIONS


def _found(name: str, monkeypatch: pytest.MonkeyPatch, steps: int = 300) -> Failure:
    mutate, _, store = MUTATIONS[name]
    mutate(monkeypatch)
    explored = explore(range(100), store=store, steps=steps)
    assert len(explored.failures) == 1
    return explored.failures[0]


@pytest.mark.parametrize("name", ["fence_dropped", "key_dropped", "status_guard_dropped", "log_lost_in_a_crash"])
def test_a_failure_is_made_small(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest trace has a line for each step that is needed, and hardly any other."""
    failure = _found(name, monkeypatch)
    assert len(failure.smallest) <= 9
    assert len(failure.smallest) < len(failure.lines)


def test_the_smallest_trace_of_a_dropped_fence_tells_its_story(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is claimed, its lease runs out, another claims it, and the first writes."""
    failure = _found("old_tokens_believed", monkeypatch)
    told = [line.split("  ")[-1] for line in failure.smallest]
    order = ["create run_", "fence 1", "forward by", "fence 2", "fence 1 → applied"]
    places = [next(place for place, text in enumerate(told) if word in text) for word in order[:-1]]
    assert places == sorted(places)
    assert order[-1] in told[-1]
    assert failure.name in str(failure)
    assert failure.sentence in str(failure)


def test_the_command_replays_the_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seed alone brings the failure back, in the same turn and with the same trace."""
    failure = _found("fence_dropped", monkeypatch, steps=200)
    assert failure.command == f"runengine simulate --drive --seed {failure.seed} --steps 200"
    again = live(failure.seed, store=failure.store, steps=failure.steps)
    assert again.broken is not None
    assert (again.broken.name, again.broken.detail, again.world.turn) == (failure.name, failure.detail, failure.turn)
    assert tuple(map(str, again.world.lines)) == failure.lines


def test_shrinking_keeps_the_invariant(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shrunk still fails by the same invariant, and its tape plays it again."""
    failure = _found("status_guard_dropped", monkeypatch)
    small = shrink(live(failure.seed))
    again = live(0, tape=small.world.chance.tape())
    assert small.broken is not None
    assert again.broken is not None
    assert small.broken.name == again.broken.name == failure.name
    assert again.world.lines == small.world.lines


def test_shrinking_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more smaller worlds are tried than allowed."""
    failure = _found("fence_dropped", monkeypatch)
    failed = live(failure.seed)
    assert len(shrink(failed, tries_max=0).world.lines) == len(failed.world.lines)
    assert len(shrink(failed, tries_max=5).world.lines) <= len(failed.world.lines)
