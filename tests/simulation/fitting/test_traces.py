"""Real recordings: what is learned of them is plausible, and agrees with what FACTS B counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from runengine.simulation import read_scenario, write_scenario
from runengine.simulation.fitting.choosing import median_of
from runengine.simulation.fitting.comparing import compared
from runengine.simulation.fitting.estimating import Fit, fitted
from runengine.simulation.fitting.reading import Reading
from runengine.validation.readers import expand, open_input, read_items

TRACES = Path(__file__).parents[4] / "shared" / "traces"

pytestmark = pytest.mark.skipif(not TRACES.is_dir(), reason=f"the recordings are not here: {TRACES}")


@pytest.fixture(scope="module")
def read() -> tuple[Reading, Fit]:
    """All snapshots, each file a recording."""
    reading = Reading()
    for path in expand([str(TRACES / "snapshots")]):
        with open_input(path) as file:
            reading.add(read_items(path, file))
    return reading, fitted(reading)


def test_everything_is_read(read: tuple[Reading, Fit]) -> None:
    """All rows and files are read, none is unusable, and no change is left unexplained."""
    counts = read[0].counts
    assert (counts.recordings, counts.observations) == (129, 601)
    assert (counts.unreadable, counts.unusable, counts.unexplained, counts.disordered) == (0, 0, 0, 0)


def test_scenario(read: tuple[Reading, Fit]) -> None:
    """The published steps alone, 600 s, most runs completed, started within a second or so (FACTS B2, B4)."""
    scenario = read[1].scenario
    assert (scenario.policy, scenario.ttl_s, scenario.dialect) == ("documented", 600, "native")
    work = scenario.steps["in_progress"]
    total = sum(step.share for step in work.values())
    assert 0.7 < work["complete"].share / total < 0.9
    assert 0.05 < work["require_action"].share / total < 0.2
    assert 0.3 < median_of(scenario.steps["queued"]["start"].after_s) < 0.9
    assert 4 < median_of(work["complete"].after_s) < 12
    assert scenario.steps["requires_action"].keys() == {"submit_tool_outputs"}
    assert 0.8 < scenario.pollers.interval_s < 2
    assert read_scenario(write_scenario(scenario)) == scenario


def test_no_secrets(read: tuple[Reading, Fit]) -> None:
    """No instructions and no metadata are copied, and no name of a function that was called."""
    reading, fit = read
    text = write_scenario(fit.scenario)
    assert "instructions" not in text
    assert "metadata" not in text
    assert reading.facts.functions
    assert not any(name in text for name in reading.facts.functions)


def test_compared(read: tuple[Reading, Fit]) -> None:
    """What it simulates has the recorded shares, all within their intervals."""
    comparison = compared(*(read[0], read[1].scenario))
    assert all(one.agrees for one in (*comparison.shares, *comparison.ends))


def test_streams() -> None:
    """Event streams are read too: complete, and timed by their stamps alone."""
    reading = Reading()
    for path in expand([str(TRACES / "streams")]):
        with open_input(path) as file:
            reading.add(read_items(path, file))
    assert reading.counts.streamed == reading.counts.observations > 90
    assert fitted(reading).scenario.steps["queued"].keys() == {"start"}
