"""The small lifecycles: what they allow, against FACTS written by hand; and what is no lifecycle."""

from __future__ import annotations

from typing import Any

import pytest

from runengine.core.companions import LIFECYCLES, MESSAGE, STEP, THREAD, TOOL_CALL, Lifecycle, Move, Stage
from runengine.errors import LifecycleDefinitionError
from tests.naive_companions import MESSAGE_STAMPS, STEP_STAMPS, may_follow

LIVE, DONE = Stage(name="live", meaning=""), Stage(name="done", meaning="", stamps=("done_at",))
BIRTH, END = Move("create", None, "live", ""), Move("end", "live", "done", "")


@pytest.mark.parametrize(("table", "stamps"), [(STEP, STEP_STAMPS), (MESSAGE, MESSAGE_STAMPS)])
def test_steps_and_messages(table: Lifecycle, stamps: dict[str, str | None]) -> None:
    """Every pair of statuses is legal exactly where FACTS says so, and each ending has its own stamp."""
    assert set(table.statuses) == set(stamps)
    for before in table.statuses:
        for after in table.statuses:
            assert ((before, after) in table.edges or before == after) == may_follow(before, after)
    assert {s: names[0] for s, names in table.stamps.items()} == {s: n for s, n in stamps.items() if n}
    assert table.initial == "in_progress"
    assert table.terminal == tuple(status for status in table.statuses if stamps[status])


def test_calls_and_threads() -> None:
    """A call is answered once and for all; a thread goes back and forth, and never ends."""
    assert (set(TOOL_CALL.edges), list(TOOL_CALL.terminal)) == ({("called", "answered")}, ["answered"])
    assert (set(THREAD.edges), list(THREAD.terminal)) == ({("idle", "active"), ("active", "idle")}, [])


@pytest.mark.parametrize("table", LIFECYCLES.values(), ids=LIFECYCLES)
def test_evidence(table: Lifecycle) -> None:
    """Every row says where it comes from, and every status what it means."""
    assert all("FACTS" in row.evidence for row in table.rows)
    assert all(stage.meaning.endswith(".") for stage in table.stages)
    assert LIFECYCLES[table.name] is table


@pytest.mark.parametrize(
    ("stages", "rows", "rule"),
    [
        ((LIVE, DONE), (BIRTH, END, Move("end", "live", "gone", "")), "every status exists"),
        ((LIVE, DONE), (BIRTH, END, Move("stay", "live", "live", "")), "every row changes the status"),
        ((LIVE, DONE), (BIRTH, END, Move("end", "live", "done", "")), "no two rows overlap"),
        ((LIVE, DONE), (END,), "exactly one row creates"),
        ((LIVE, DONE), (BIRTH, END, Move("make", None, "done", "")), "exactly one row creates"),
        ((LIVE, DONE), (BIRTH,), "reachable"),
        ((LIVE, DONE, LIVE), (BIRTH, END), "named once"),
        ((LIVE, DONE), (BIRTH, END, Move("back", "done", "live", "")), "only a status that nothing leaves"),
        (
            (LIVE, DONE, Stage(name="other", meaning="", stamps=("done_at",))),
            (BIRTH, END, Move("turn", "live", "other", "")),
            "is the stamp of one status",
        ),
    ],
)
def test_no_lifecycle(stages: Any, rows: Any, rule: str) -> None:
    """A broken table is refused with the rule it breaks."""
    with pytest.raises(LifecycleDefinitionError, match=rule):
        Lifecycle(name="odd", thing="odd thing", stages=stages, rows=rows)
