"""Event streams in files: framed as the API frames them, and clean to the checker."""

from __future__ import annotations

import io
from collections import Counter

import pytest

from runengine.simulation import READY, scenario_named
from runengine.simulation.recording import Recording
from runengine.simulation.writing.sse import EventStreams, framed
from runengine.validation.checker import Checker
from runengine.validation.observations import Companion, Observation, StreamEnd
from runengine.validation.readers.sse import read_event_stream
from tests.simulation.writing.chunks import chunks_of, recordings_of


def written(
    name: str, runs: int, cuts: tuple[int, ...] = (), faulted: dict[int, Recording] | None = None
) -> tuple[bytes, dict[str, tuple[int, ...]]]:
    """A file of the streams of the first runs, and what was told of the faulted ones."""
    out, told = io.BytesIO(), dict[str, tuple[int, ...]]()
    sink = EventStreams(out, scenario_named(name), lambda run_id, lines: told.update({run_id: lines}))
    for chunk in chunks_of(scenario_named(name), runs, "stream", cuts=cuts, faulted=faulted):
        sink.write(chunk)
    sink.close()
    return out.getvalue(), told


@pytest.mark.parametrize("name", READY)
def test_streams_are_checked_clean(name: str) -> None:
    """No error, no stream cut short, nothing unreadable; RE102 says that a step is practical only."""
    text, _ = written(name, 60)
    found = Counter(v.code for v in Checker().check("a.sse", read_event_stream(io.BytesIO(text))))
    assert set(found) <= {"RE102"}


def test_every_event_is_read_back() -> None:
    """The reader finds the runs' own events as observations, and steps and messages as companions."""
    text, _ = written("tool-heavy", 40)
    items = list(read_event_stream(io.BytesIO(text)))
    rows = [row for one in recordings_of(scenario_named("tool-heavy"), 40, "stream") for row in one.rows]
    assert text == b"".join(map(framed, rows))
    assert [i.event for i in items if isinstance(i, Observation)] == [
        r.event for r in rows if isinstance(r.data, dict) and r.data["object"] == "thread.run"
    ]
    assert sum(isinstance(i, StreamEnd) for i in items) == sum(row.event == "done" for row in rows)
    assert {type(item) for item in items} == {Companion, Observation, StreamEnd}


def test_chunks_change_no_byte() -> None:
    """The same runs in other chunks are the same file."""
    assert written("steady", 60, (7, 33))[0] == written("steady", 60)[0]


def test_broken_rows_stand_as_they_are_and_their_lines_are_told() -> None:
    """A stream may lack its end, or have a row cut off; the lines told are those where the events begin."""
    recordings = recordings_of(scenario_named("steady"), 12, "stream")
    rows = recordings[5].rows
    cut = rows[2].changed(raw=b"event: thread.run.in_progress\ndata: {\n\n", broken=True)
    faulted = {
        5: recordings[5].changed([*rows[:2], cut, *rows[3:-1]]),
        8: recordings[8].changed([]),
        9: recordings[9].changed([recordings[9].rows[0].changed(broken=True)]),
    }
    text, told = written("steady", 12, (6,), faulted)
    before = sum(3 * len(recordings[n].rows) for n in range(5))
    after = before + 3 * (len(rows) - 1) + sum(3 * len(recordings[n].rows) for n in (6, 7))
    ids = [recordings[n].life.run_id for n in (5, 8, 9)]
    assert told == {ids[0]: (before + 7,), ids[1]: (), ids[2]: (after + 1,)}
    lines = text.splitlines()
    assert lines[before + 7] == b"data: {"
    assert lines[after] == b"event: thread.run.created"
    assert recordings[9].life.run_id.encode() in lines[after + 1]
