"""Recordings in a dialect with keys of its own: a fault is the same, whatever the keys are called."""

from __future__ import annotations

import pytest
from attrs import evolve

from runengine.dialects import DIALECTS
from runengine.simulation.chance import Chance
from runengine.simulation.faults import FAULTS, made_by
from runengine.simulation.faults.draft import Draft
from runengine.simulation.recording import Recording
from tests.recall.worlds import WORLDS, recordings

HUMPED = WORLDS["steady, typescript-instance"]
PLAIN = evolve(HUMPED, dialect="typescript")
DIALECT = DIALECTS["typescript-instance"]


def humped(recording: Recording) -> list[object]:
    """What stands in the rows of a recording with the API's own keys, respelled."""
    return [
        DIALECT.respelled(row.data)
        if isinstance(row.data, dict) and row.data.get("object") == "thread.run"
        else row.data
        for row in recording.rows
    ]


def test_keys_go_there_and_back() -> None:
    """What is read with the API's own keys is written as it was."""
    for recording in recordings(HUMPED, 4, 20, "history"):
        draft = Draft(recording)
        for n in range(len(draft)):
            assert "created_at" in draft[n]
            assert "createdAt" in draft.spelled(draft[n])
            assert draft.spelled(draft[n]) == recording.rows[n].data


@pytest.mark.parametrize(
    "name", [n for n, f in FAULTS.items() if "history" in f.views and f.family in ("stamps", "path")]
)
def test_same_fault(name: str) -> None:
    """The same draws make the same fault, in other words."""
    for one, other in zip(recordings(PLAIN, 4, 40, "history"), recordings(HUMPED, 4, 40, "history"), strict=True):
        made, told = (made_by(FAULTS[name], r, Chance(4, r.life.index)) for r in (one, other))
        assert (made is None) == (told is None)
        if made is not None and told is not None:
            assert humped(made[0]) == [row.data for row in told[0].rows]
            assert made[1] == told[1]
