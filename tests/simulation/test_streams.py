"""Event streams of single runs: in the order of recorded ones, with objects that have their own keys."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any, Final

import pytest
from attrs import evolve
from hypothesis import given, settings

from runengine.core import TERMINAL
from runengine.dialects.wire import encode
from runengine.simulation import READY, Scenario, scenario_named
from runengine.simulation.lives import Life, lives_of
from runengine.simulation.recording import Row
from runengine.simulation.streams import DONE, stream_of
from runengine.simulation.vectors.histories import histories
from tests.simulation.scenarios import scenarios
from tests.simulation.writing.chunks import in_generation

STEP_KEYS: Final = [
    "id",
    "object",
    "created_at",
    "run_id",
    "assistant_id",
    "thread_id",
    "type",
    "status",
    "cancelled_at",
    "completed_at",
    "expired_at",
    "failed_at",
    "last_error",
    "step_details",
    "metadata",
    "usage",
]
MESSAGE_KEYS: Final = [
    "id",
    "object",
    "created_at",
    "assistant_id",
    "thread_id",
    "run_id",
    "status",
    "incomplete_details",
    "incomplete_at",
    "completed_at",
    "role",
    "content",
    "attachments",
    "metadata",
]
REASONS: Final = {"failed": "run_failed", "cancelled": "run_cancelled", "expired": "run_expired"}


def lives(scenario: Scenario, runs: int) -> list[Life]:
    """The first runs of a simulation."""
    return list(lives_of(next(histories(scenario, 3, runs))))


def of_life(life: Life) -> list[list[Row]]:
    """The streams of a run, each up to its end."""
    streams: list[list[Row]] = [[]]
    for row in stream_of(life).rows:
        streams[-1].append(row)
        if row.event == "done":
            streams.append([])
    return streams


def names(rows: list[Row], prefix: str = "thread.") -> list[str]:
    """The events' names without their prefix, a row of deltas as one."""
    said = [(row.event or "").removeprefix(prefix) for row in rows]
    return [name for n, name in enumerate(said) if not (name.endswith("delta") and n and said[n - 1] == name)]


def data(row: Row) -> dict[str, Any]:
    """An event's object."""
    assert isinstance(row.data, dict)
    return row.data


@cache
def every() -> list[Life]:
    """Some runs of every ready-made scenario."""
    return [life for name in READY for life in lives(scenario_named(name), 120)]


def following(life: Life) -> tuple[str, ...]:
    """The events of a life but for modifies."""
    return tuple(event.name for event in life.events if event.name != "modify")


def test_a_run_that_completes_has_the_recorded_order() -> None:
    """Create to done, as B7 of the facts has it."""
    life = next(life for life in every() if following(life) == ("create", "start", "complete"))
    assert names(of_life(life)[0]) == [
        "run.created", "run.queued", "run.in_progress",
        "run.step.created", "run.step.in_progress", "message.created", "message.in_progress", "message.delta",
        "message.completed", "run.step.completed", "run.completed", "done",
    ]  # fmt: skip


def test_a_tool_round_ends_one_stream_and_begins_the_next() -> None:
    """The tool's step is open when the first stream ends; the next begins by completing it, and creates no run."""
    path = ("create", "start", "require_action", "submit_tool_outputs", "start", "complete")
    life = next(life for life in every() if following(life) == path)
    first, second, rest = of_life(life)
    assert rest == []
    assert names(first)[3:] == [
        "run.step.created",
        "run.step.in_progress",
        "run.step.delta",
        "run.requires_action",
        "done",
    ]
    assert names(second)[:4] == ["run.step.completed", "run.queued", "run.in_progress", "run.step.created"]
    opened, closed, asked = data(first[3]), data(second[0]), data(first[-2])
    assert opened["id"] == closed["id"]
    assert opened["step_details"] == {"type": "tool_calls", "tool_calls": []}
    calls = asked["required_action"]["submit_tool_outputs"]["tool_calls"]
    done = closed["step_details"]["tool_calls"]
    assert [(call["id"], call["function"]["name"]) for call in done] == [
        (c["id"], c["function"]["name"]) for c in calls
    ]
    assert {call["function"]["output"] for call in done} == {"ok"}


@pytest.mark.parametrize("end", ["failed", "cancelled", "expired"])
def test_what_is_open_ends_as_its_run_does(end: str) -> None:
    """An open message is incomplete with the reason, its step ends like the run, with its own stamp, then the run."""
    found = 0
    for life in every():
        rows = stream_of(life).rows
        if rows[-2].event != f"thread.run.{end}" or rows[-3].event != f"thread.run.step.{end}":
            continue
        found += 1
        message, step = data(rows[-4]), data(rows[-3])
        assert rows[-4].event == "thread.message.incomplete"
        assert message["incomplete_details"] == {"reason": REASONS[end]}
        assert step[f"{end}_at"] == life.events[-1].at_us // 1_000_000 or life.events[-1].name == "modify"
        assert (step["last_error"] is None) == (end != "failed")
    assert found


def test_a_limit_leaves_the_message_incomplete_and_its_step_completed() -> None:
    """So it was recorded once, in April 2024."""
    life = next(life for life in every() if following(life)[-1] == "exhaust_tokens")
    rows = stream_of(life).rows
    assert names(list(rows))[-4:] == ["message.incomplete", "run.step.completed", "run.incomplete", "done"]
    assert data(rows[-4])["incomplete_details"] == {"reason": "max_tokens"}


def test_nobody_listens_to_a_run_that_requires_action() -> None:
    """A run that is cancelled or expires while it waits for outputs is last seen requiring action."""
    lost = [life for life in every() if following(life)[-2:] == ("require_action", "expire")]
    assert lost
    for life in lost:
        assert [row.event for row in stream_of(life).rows[-2:]] == ["thread.run.requires_action", "done"]


def check(life: Life) -> None:
    """What holds of the streams of any run."""
    recording = stream_of(life)
    assert recording == stream_of(life)
    assert [row.at_us for row in recording.rows] == sorted(row.at_us for row in recording.rows)
    assert all(row.kind == "stream" and row.observed_at is None for row in recording.rows)
    steps, messages = dict[str, str](), dict[str, str]()
    created = Counter(row.event for row in recording.rows)["thread.run.created"]
    assert created == 1
    for stream in of_life(life)[:-1]:
        assert stream[-1].data == DONE
        assert data(stream[-2])["status"] in (*TERMINAL, "requires_action")
        for row in stream[:-1]:
            assert row.event is not None
            kind, _, word = row.event.rpartition(".")
            one = data(row)
            encode(one)
            if word == "delta":
                assert (steps if kind == "thread.run.step" else messages)[one["id"]] == "in_progress"
            elif kind == "thread.run.step":
                assert [one["status"] == word, word == "created"].count(True) == 1
                assert steps.get(one["id"], "in_progress") == "in_progress"
                steps[one["id"]] = one["status"]
                assert list(steps.values()).count("in_progress") <= 1
                assert one["created_at"] <= (one.get(f"{word}_at") or one["created_at"])
            elif kind == "thread.message":
                assert one["status"] == word or word == "created"
                messages[one["id"]] = one["status"]
            elif word != "created":
                assert one["status"] == word
                assert word not in TERMINAL or "in_progress" not in (*steps.values(), *messages.values())


@pytest.mark.parametrize("name", READY)
def test_streams_keep_the_rules_of_clients(name: str) -> None:
    """Deltas follow what they add to, steps never overlap, and nothing is open when the run has ended."""
    for life in lives(scenario_named(name), 50):
        check(life)


@settings(max_examples=12)
@given(scenarios())
def test_streams_of_any_scenario_keep_them(scenario: Scenario) -> None:
    """Whatever the policy and the shares."""
    named = scenario.dialect in ("native", "ruby")
    for life in lives(scenario if named else evolve(scenario, dialect="native"), 12):
        check(life)


def test_steps_and_messages_have_their_keys_and_add_up() -> None:
    """Every key of their schemas is there; the steps' tokens sum up to the run's, the deltas to the message."""
    for life in lives(scenario_named("tool-heavy"), 60):
        rows = stream_of(life).rows
        said: dict[str, str] = {}
        for row in rows:
            if row.event == "thread.message.delta":
                one = data(row)
                said[one["id"]] = said.get(one["id"], "") + one["delta"]["content"][0]["text"]["value"]
            elif (row.event or "").startswith("thread.run.step.") and "delta" not in str(row.event):
                assert list(data(row)) == STEP_KEYS
            elif (row.event or "").startswith("thread.message."):
                assert list(data(row)) == MESSAGE_KEYS
                content = data(row)["content"]
                assert not content or content[0]["text"]["value"] == said[data(row)["id"]]
        ended = [data(row) for row in rows if "run.step." in str(row.event) and data(row).get("usage")]
        usage = data(rows[-2]).get("usage")
        if usage and ended:
            for name, whole in usage.items():
                assert sum(step["usage"][name] for step in ended) == whole


def test_a_modify_has_no_event() -> None:
    """What was modified is seen in the run's next event."""
    life = next(life for life in every() if [e.name for e in life.events[:3]] == ["create", "modify", "start"])
    runs = [data(row) for row in stream_of(life).rows[:3]]
    assert ["modified" in run["metadata"] for run in runs] == [False, False, True]


@pytest.mark.parametrize("number", [1, 2, 7, 8])
def test_generations_have_their_own_keys(number: int) -> None:
    """Steps have usage from G2 on; messages have file_ids up to G7, attachments after."""
    scenario = in_generation(scenario_named("archive-2024"), number)
    rows = [row for life in lives(scenario, 20) for row in stream_of(life).rows]
    steps = [data(row) for row in rows if row.event == "thread.run.step.created"]
    messages = [data(row) for row in rows if row.event == "thread.message.created"]
    assert steps
    assert messages
    assert {"usage" in step for step in steps} == {number >= 2}
    assert {("file_ids" in one, "attachments" in one) for one in messages} == {(number <= 7, number > 7)}
