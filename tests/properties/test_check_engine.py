"""Whatever the engine makes is checked clean: in any form, whole under `complete`, thinned at random under `polled`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from runengine.core.events import Create, Event
from runengine.core.records import RunObject
from runengine.dialects import encode, write_run
from runengine.validation import Checker, Options, Violation, check_paths
from tests import naive
from tests.deciding import applied
from tests.strategies import histories

SECOND_US = 1_000_000
WORDS = {"RE107", "RE305", "RE309"}
"""What random requests are told: an early `incomplete`, a word of another generation, an unknown key; no errors."""


@frozen
class Seen:
    """One snapshot of the engine's: the record after an event."""

    event: Event
    run: RunObject


def snapshots(history: Sequence[Event]) -> list[Seen]:
    """The record after each event of a history."""
    made: list[Seen] = []
    for event in history:
        made.append(Seen(event, applied(made[-1].run if made else None, event).run))
    return made


@st.composite
def recordings(draw: DrawFn) -> list[Seen]:
    """Several runs of the engine's, their snapshots interleaved at random, each run's in its own order.

    No run is born in the first second of 1970, whose stamp is 0 (RE209).
    """
    runs: list[list[Seen]] = []
    for number in range(draw(st.integers(1, 3))):
        first, *rest = draw(histories(max_steps=8))
        assert isinstance(first, Create)
        # Of runs drawn at random, two would be active on one thread at a time (RE501).
        first = evolve(first, run_id=f"run_{number}", thread_id=f"thread_{number}")
        runs.append(snapshots([evolve(e, at_us=e.at_us + SECOND_US) for e in (first, *rest)]))
    order = draw(st.permutations([number for number, run in enumerate(runs) for _ in run]))
    left = [iter(run) for run in runs]
    return [next(left[number]) for number in order]


@st.composite
def thinned(draw: DrawFn, seen: list[Seen]) -> list[Seen]:
    """The snapshots a poller might have got: some are missing, some came twice or more."""
    times = draw(st.lists(st.sampled_from((0, 0, 1, 1, 2, 3)), min_size=len(seen), max_size=len(seen)))
    return [one for one, count in zip(seen, times, strict=True) for _ in range(count)]


def undocumented(seen: Sequence[Seen]) -> list[tuple[str, str]]:
    """The edges taken that the published diagram does not have."""
    last: dict[str, str] = {}
    taken: list[tuple[str, str]] = []
    for one in seen:
        before = last.get(one.run.id, one.run.status)
        if before != one.run.status and (before, one.run.status) not in naive.DOCUMENTED_EDGES:
            taken.append((before, one.run.status))
        last[one.run.id] = one.run.status
    return taken


def as_json_lines(seen: Sequence[Seen]) -> bytes:
    """Bare records, one a line."""
    return b"".join(encode(write_run(one.run)) + b"\n" for one in seen)


def as_array(seen: Sequence[Seen]) -> bytes:
    """One indented array."""
    return json.dumps([write_run(one.run) for one in seen], indent=1).encode()


def as_list(seen: Sequence[Seen]) -> bytes:
    """A list response."""
    return encode({"object": "list", "data": [write_run(one.run) for one in seen], "has_more": False})


def as_history(seen: Sequence[Seen]) -> bytes:
    """An engine's own history: each record with its cause and its time."""
    rows = [
        {"kind": "history", "event": s.event.name, "observed_at": s.event.at_us / SECOND_US, "data": write_run(s.run)}
        for s in seen
    ]
    return b"".join(encode(row) + b"\n" for row in rows)


def as_polls(seen: Sequence[Seen]) -> bytes:
    """Polled answers, each with the time it was seen."""
    rows = [{"kind": "poll", "observed_at": s.event.at_us / SECOND_US, "data": write_run(s.run)} for s in seen]
    return b"".join(encode(row) + b"\n" for row in rows)


def as_stream(seen: Sequence[Seen]) -> bytes:
    """One event stream, closed by done."""
    text = b""
    for one in seen:
        name = b"created" if isinstance(one.event, Create) else one.run.status.encode()
        text += b"event: thread.run." + name + b"\ndata: " + encode(write_run(one.run)) + b"\n\n"
    return text + b"event: done\ndata: [DONE]\n\n"


Form = Callable[[Sequence[Seen]], bytes]
FORMS: dict[Form, str] = {
    as_json_lines: "a.jsonl",
    as_array: "a.json",
    as_list: "b.json",
    as_history: "b.jsonl",
    as_polls: "c.jsonl",
    as_stream: "a.sse",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the files of all examples."""
    return tmp_path_factory.mktemp("recordings")


def check(folder: Path, form: Form, seen: Sequence[Seen], **options: Any) -> list[Violation]:
    """Write the recording, check the file; as many records must come out as went in."""
    file = folder / FORMS[form]
    file.write_bytes(form(seen))
    checker = Checker(Options(**options))
    found = list(check_paths([str(file)], checker))
    assert checker.summary.observations == len(seen)
    assert checker.summary.runs == len({one.run.id for one in seen})
    return found


@given(recordings(), st.sampled_from(tuple(FORMS)))
def test_complete(folder: Path, seen: list[Seen], form: Form) -> None:
    """Under `complete` no error, and one RE102 for each undocumented edge; streams and histories need no telling."""
    found = check(folder, form, seen, sampling="complete")
    auto = "complete" if form in (as_history, as_stream) else "polled"
    assert check(folder, form, seen) == check(folder, form, seen, sampling=auto)
    told = [v.code for v in found if v.code not in WORDS]
    assert [v for v in found if v.severity == "error"] == []
    assert [code for code in told if code != "RE404"] == ["RE102"] * len(undocumented(seen))
    assert "RE404" not in told or form is as_stream


@given(recordings().flatmap(lambda seen: st.tuples(st.just(seen), thinned(seen))), st.sampled_from(tuple(FORMS)))
def test_polled(folder: Path, both: tuple[list[Seen], list[Seen]], form: Form) -> None:
    """Thinned at random, under `polled`: no error, and no RE102 unless some edge taken was undocumented."""
    whole, polled = both
    if form in (as_history, as_stream):
        polled = [one for n, one in enumerate(polled) if one not in polled[:n] or not isinstance(one.event, Create)]
    found = check(folder, form, polled, sampling="polled") if polled else []
    assert [v for v in found if v.severity == "error"] == []
    inferred = {"RE206", "RE210", "RE404"}
    told = {v.code for v in found} - WORDS - inferred
    assert told <= ({"RE102"} if undocumented(whole) else set())
