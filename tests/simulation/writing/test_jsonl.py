"""JSON Lines: the same bytes as the engine's own records, whatever the scenario, the chunks and the order."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.core.generations import GENERATIONS
from runengine.dialects import DIALECTS
from runengine.dialects.wire import decode, encode
from runengine.simulation import READY, Assistant, Scenario, Tools, scenario_named
from runengine.simulation.recording import Recording, Row, View, is_refusal
from runengine.simulation.writing.jsonl import JsonLines, LineMaker
from runengine.simulation.writing.order import Order
from runengine.validation.checker import Checker
from runengine.validation.readers.json_lines import read_json_lines
from tests.simulation.scenarios import scenarios
from tests.simulation.writing.chunks import chunks_of, in_generation, recordings_of

VIEWS: tuple[View, ...] = ("history", "polled", "stream")
FAST: tuple[View, ...] = ("history", "polled")


def written(
    scenario: Scenario, runs: int, view: View, *, order: Order = "run", bare: bool = False, cuts: Sequence[int] = ()
) -> bytes:
    """A file of the first runs."""
    out = io.BytesIO()
    sink = JsonLines(out, scenario, view, order=order, bare=bare)
    for chunk in chunks_of(scenario, runs, view, cuts=cuts):
        sink.write(chunk)
    sink.close()
    return out.getvalue()


def expected(recordings: Sequence[Recording], *, bare: bool = False) -> bytes:
    """The same file, each row encoded by itself, run after run."""
    rows = [row for recording in recordings for row in recording.rows if row.event != "done"]
    if bare:
        return b"".join(encode(row.data) + b"\n" for row in rows if not is_refusal(row))
    return b"".join(encode(row.envelope()) + b"\n" for row in rows)


@pytest.mark.parametrize("bare", [False, True], ids=["enveloped", "bare"])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", READY)
def test_rows_are_the_bytes_of_their_envelopes(name: str, view: View, bare: bool) -> None:
    """What templates write of the ready-made scenarios is what the engine's records are encoded to."""
    scenario = scenario_named(name)
    assert written(scenario, 30, view, bare=bare) == expected(recordings_of(scenario, 30, view), bare=bare)


@settings(max_examples=15)
@given(scenarios(), st.sampled_from(FAST), st.booleans())
def test_any_scenario_is_written_as_the_engine_lives_it(scenario: Scenario, view: View, bare: bool) -> None:
    """Templates are right for every policy, generation, dialect and text there can be."""
    assert written(scenario, 25, view, bare=bare) == expected(recordings_of(scenario, 25, view), bare=bare)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("generation", range(1, len(GENERATIONS)))
def test_each_dialect_and_generation(generation: int, dialect: str) -> None:
    """Each dialect in each generation has its own templates, with tool rounds, several calls, modifies and cancels."""
    scenario = in_generation(scenario_named("tool-heavy"), generation, dialect)
    assert written(scenario, 8, "history") == expected(recordings_of(scenario, 8, "history"))


def test_texts_that_look_like_marks_or_formats() -> None:
    """Signs of formats, digits of marks and letters beyond ASCII stand in a record as they were given."""
    scenario = evolve(
        scenario_named("tool-heavy"),
        assistants=(
            Assistant(
                assistant_id="asst_%d",
                model="100 %b \x01",
                instructions="mark 100000000000000001 \u00e9\u4e2d\U0001f600 %% 100000000000000007",
                max_prompt_tokens=2_147_483_647,
                metadata={"modified": "mark 100000000000000000", "%s": "%"},
            ),
        ),
        tools=Tools(functions=("d", "mark"), calls=(0.2, 0.3, 0.5)),
    )
    assert written(scenario, 40, "history") == expected(recordings_of(scenario, 40, "history"))


@settings(max_examples=15)
@given(
    st.sampled_from(READY),
    st.sampled_from(FAST),
    st.sampled_from(("time", "run")),
    st.lists(st.integers(1, 199), max_size=6),
)
def test_chunks_change_no_byte(name: str, view: View, order: Order, cuts: list[int]) -> None:
    """The same runs in other chunks are the same file, in either order."""
    scenario = scenario_named(name)
    assert written(scenario, 200, view, order=order, cuts=cuts) == written(scenario, 200, view, order=order)


@pytest.mark.parametrize("view", FAST)
def test_in_order_of_time_the_lines_are_the_same(view: View) -> None:
    """By time, the lines are those of run after run, sorted by moment, run and number."""
    scenario = scenario_named("rush-hour")
    rows = [
        (row.at_us, run, number, encode(row.envelope()))
        for run, recording in enumerate(recordings_of(scenario, 150, view))
        for number, row in enumerate(recording.rows)
    ]
    assert written(scenario, 150, view, order="time").splitlines() == [row[-1] for row in sorted(rows)]


def test_a_file_is_its_parts_put_together() -> None:
    """Lines made of parts apart, as by several processes, are together the lines of the whole."""
    scenario = scenario_named("steady")
    parts = [
        LineMaker(scenario, "polled").lines_of(chunk) for chunk in chunks_of(scenario, 90, "polled", cuts=(31, 60))
    ]
    assert b"".join(text for part in parts for text in part.texts) == written(scenario, 90, "polled")


def test_refused_creates_are_passed_over_by_the_checker() -> None:
    """A create on a busy thread is a row of the polled view that no rule holds against a run; bare files lack it."""
    scenario = scenario_named("flaky")
    text = written(scenario, 150, "polled", order="time")
    refused = [row for row in map(decode, text.splitlines()) if isinstance(row, dict) and "error" in row["data"]]
    assert refused
    assert all(row["kind"] == "create" and "observed_at" in row for row in refused)
    checker = Checker()
    found = [v for v in checker.check("polled.jsonl", read_json_lines(io.BytesIO(text))) if v.code != "RE102"]
    assert found == []
    assert b'"error":{"message"' not in written(scenario, 150, "polled", bare=True)


def test_a_refusal_names_the_run_that_was_active() -> None:
    """The run a refused create speaks of is on the same thread, and had begun and not ended at that moment."""
    lives = [recording.life for recording in recordings_of(scenario_named("flaky"), 150, "polled")]
    active = {life.run_id: life for life in lives}
    refused = [life for life in lives if life.refused_us is not None]
    assert refused
    for life in refused:
        before = active[str(life.active_id)]
        assert before.thread_id == life.thread_id
        assert before.events[0].at_us <= (life.refused_us or 0) <= life.events[0].at_us
        assert before.index < life.index


@pytest.mark.parametrize("order", ["time", "run"])
def test_faulted_runs_are_written_in_place_of_what_was_seen(order: Order) -> None:
    """A faulted run's own rows are in the file, the true ones are not; its broken lines are told once all are there."""
    scenario = scenario_named("steady")
    recordings = recordings_of(scenario, 60, "polled")
    rows = recordings[20].rows
    broken = {
        20: recordings[20].changed(
            [rows[0].changed(broken=True), *rows[1:-1], rows[-1].changed(raw=b"{", broken=True)]
        ),
        33: recordings[33].changed([]),
        41: recordings[41].changed([recordings[41].rows[0]]),
    }
    told: dict[str, tuple[int, ...]] = {}
    out = io.BytesIO()
    sink = JsonLines(out, scenario, "polled", order=order, told=lambda run_id, lines: told.update({run_id: lines}))
    for chunk in chunks_of(scenario, 60, "polled", cuts=(10, 30, 34), faulted=broken):
        sink.write(chunk)
    sink.close()
    lines = out.getvalue().splitlines()
    ids = [recordings[n].life.run_id for n in broken]
    first = encode(rows[0].envelope())
    assert told == {ids[0]: (lines.index(first) + 1, lines.index(b"{") + 1), ids[1]: (), ids[2]: ()}
    assert [sum(run_id.encode() in line for line in lines) for run_id in ids] == [len(rows) - 1, 0, 1]
    sound = sum(len(recording.rows) for n, recording in enumerate(recordings) if n not in broken)
    assert len(lines) == sound + len(rows) + 1


def test_a_row_of_the_wrong_form_is_written_as_it_stands() -> None:
    """What stands in a row's place has one line feed, its own or ours."""
    scenario = scenario_named("steady")
    recording = recordings_of(scenario, 1, "history")[0]
    raws = [Row(at_us=n, kind="history", data=None, raw=raw) for n, raw in enumerate((b"[1,", b"{}\n"))]
    chunk = next(chunks_of(scenario, 1, "history", faulted={0: recording.changed(raws)}))
    assert LineMaker(scenario, "history").lines_of(chunk).texts == [b"[1,\n", b"{}\n"]


def test_moments_far_ahead_are_written_as_an_encoder_does() -> None:
    """Where microseconds no longer fit a float, a moment is rounded as the recording rounds it."""
    scenario = evolve(scenario_named("steady"), start="2499-01-01T00:00:00Z")
    assert written(scenario, 40, "history") == expected(recordings_of(scenario, 40, "history"))
