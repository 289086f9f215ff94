"""The suite's tests of values: what every store keeps as it is, and what none takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from runengine.core import FunctionDefinition, ResponseFormat, Tool, ToolChoice, TruncationStrategy
from runengine.embedding import Runtime
from runengine.errors import RunNotFound
from runengine.stores import Store
from runengine.testing.store_suite.base import Suite, all_rows, born, claimed

__all__ = ["ODD_IDS", "ODD_VALUES", "ValueTests"]

ODD_IDS: Final = (
    "Grüße 🎈 \u202e\u00a0",
    "'; DROP TABLE runengine_runs; --",
    "%s ? :name {} $1 \\",
    " ",
    "\n\t\x01\x7f",
    "ÅA\u030a",
    "x" * 1000,
)
"""Text that an id may be."""

ODD_VALUES: Final[dict[str, Any]] = {
    "big": 2**63,
    "bigger": -(2**200),
    "float": 0.1,
    "small": 5e-324,
    "zero": "a\0b",
    "text": "Grüße 🎈 ' \" \\ %s ? :name \u2028",
    "deep": {"a": [[], {}, [None, True, {"": ""}]]},
    "": False,
    "\0": 1,
}
"""JSON that metadata and unknown fields may have."""

_FIELDS: Final[dict[str, Any]] = {
    "instructions": "Be kind.\0\n🎈",
    "tools": (Tool(type="function", function=FunctionDefinition(name="now")), Tool(type="code_interpreter")),
    "metadata": {"ticket": "42"},
    "temperature": 0.7,
    "top_p": 1.0,
    "max_prompt_tokens": 256,
    "max_completion_tokens": 2**70,
    "truncation_strategy": TruncationStrategy(type="auto"),
    "tool_choice": ToolChoice(type="code_interpreter"),
    "parallel_tool_calls": False,
    "response_format": ResponseFormat(type="json_object"),
    "extra": {"tool_resources": {"n": [1, 2]}, "status_details": None},
}


class ValueTests(Suite):
    """What goes in comes out, or is refused before anything is written.

    Example:
        >>> len(ODD_IDS[-1])
        1000
    """

    def test_every_field_of_the_request(self, runtime: Runtime) -> None:
        """A run has every field of its request, as it was asked."""
        answer = born(runtime, **_FIELDS)
        run = runtime.get("run_1")
        assert run == answer.run
        assert {name: getattr(run, name) for name in _FIELDS} == _FIELDS

    @pytest.mark.parametrize("text", ODD_IDS, ids=ascii)
    def test_odd_ids(self, runtime: Runtime, text: str) -> None:
        """Any text is an id: of a run, a thread, a key and a worker."""
        assert born(runtime, text, text, key=text).run_id == text
        assert runtime.create(text, "asst_1", "gpt-4o", run_id=text, key=text).kind == "replayed"
        assert claimed(runtime, text).worker == text
        waiting = runtime.create(text, "asst_1", "gpt-4o", run_id="run_2", thread="enqueue")
        assert (waiting.kind, waiting.active) == ("waiting", text)
        row = runtime.row(text)
        assert row is not None
        assert (row.run.id, row.run.thread_id, row.owner) == (text, text, text)
        assert [run.id for run in runtime.list(thread_id=text)] == [text]
        assert [entry.run_id for entry in runtime.history(text)] == [text] * 3
        assert runtime.list(thread_id=text, after=text) == ()

    def test_odd_values(self, runtime: Runtime) -> None:
        """Metadata and unknown fields keep any JSON: exact integers, zero characters, empty names."""
        born(runtime, metadata=ODD_VALUES, extra={"odd": ODD_VALUES})
        runtime.modify("run_1", {"again": ODD_VALUES})
        run = runtime.get("run_1")
        assert run is not None
        assert (run.metadata, run.extra) == ({"again": ODD_VALUES}, {"odd": ODD_VALUES})
        assert runtime.history("run_1")[1].data["metadata"] == {"again": ODD_VALUES}

    def test_a_large_record(self, runtime: Runtime) -> None:
        """A record of megabytes is kept."""
        born(runtime, instructions="é" * 1_000_000)
        runtime.fail("run_1", "odd", "x" * 1_000_000)
        run = runtime.get("run_1")
        assert run is not None
        assert run.last_error is not None
        assert (len(run.instructions or ""), len(run.last_error.message)) == (1_000_000, 1_000_000)

    @pytest.mark.parametrize("text", ["", "a\0b", "a\ud800", "é" * 501], ids=ascii)
    def test_no_ids(self, runtime: Runtime, store: Store, text: str) -> None:
        """Text that some database cannot keep is refused as an id by all, and nothing is written."""
        born(runtime)
        calls: tuple[Callable[[], object], ...] = (
            lambda: runtime.create("thread_1", "asst_1", "gpt-4o", run_id=text),
            lambda: runtime.create(text, "asst_1", "gpt-4o"),
            lambda: runtime.create("thread_1", "asst_1", "gpt-4o", key=text),
            lambda: runtime.cancel("run_1", key=text),
            lambda: runtime.cancel(text),
            lambda: runtime.claim(text),
            lambda: runtime.heartbeat(text, 1),
            lambda: runtime.release(text, 1),
        )
        for call in calls:
            with pytest.raises(ValueError, match="must be"):
                call()
        assert len(store.feed()) == 1
        assert store.keys() == ()

    @pytest.mark.parametrize("text", ["", "a\0b", "a\ud800", "é" * 501], ids=ascii)
    def test_what_cannot_be_there_is_not(self, runtime: Runtime, text: str) -> None:
        """Reading what can be no id finds nothing."""
        assert runtime.get(text) is None
        assert runtime.history(text) == ()
        assert runtime.why(text) is None
        assert runtime.list(thread_id=text) == ()
        with pytest.raises(RunNotFound):
            runtime.list(after=text)

    @pytest.mark.parametrize(
        "value", [float("nan"), float("inf"), "\ud800", (1, 2), object(), {1: 2}], ids=lambda v: type(v).__name__
    )
    def test_no_json(self, runtime: Runtime, store: Store, value: object) -> None:
        """What is no JSON is refused in a create and in a modify, and nothing is written."""
        odd: Any = {"n": value}
        born(runtime)
        before = runtime.row("run_1")
        for key in (None, "key_1"):
            with pytest.raises(ValueError, match="not JSON"):
                runtime.create("thread_2", "asst_1", "gpt-4o", metadata=odd, key=key)
            with pytest.raises(ValueError, match="not JSON"):
                runtime.modify("run_1", odd, key=key)
        assert runtime.row("run_1") == before
        assert len(all_rows(store)) == len(store.feed()) == 1
        assert store.keys() == ()

    @pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 10**30, True, "5"])
    def test_no_time(self, runtime: Runtime, store: Store, seconds: Any) -> None:
        """A ttl or a lease that is no stretch of time, or past all databases, is refused."""
        born(runtime)
        with pytest.raises(ValueError, match="must be"):
            runtime.create("thread_2", "asst_1", "gpt-4o", ttl_s=seconds)
        with pytest.raises(ValueError, match="must be"):
            runtime.claim("worker_1", lease_s=seconds)
        with pytest.raises(ValueError, match="must be"):
            runtime.heartbeat("run_1", 1, lease_s=seconds)
        assert len(store.feed()) == 1

    def test_far_away(self, runtime: Runtime) -> None:
        """A ttl and a lease of three thousand years fit."""
        born(runtime, ttl_s=10**11)
        assert claimed(runtime, lease_s=10**11).kind == "applied"
        row = runtime.row("run_1")
        assert row is not None
        assert row.deadline_us == 1_700_000_000 * 10**6 + 10**17
        assert runtime.next_deadline() == (row.deadline_us, "run_1")

    def test_no_strategy(self, runtime: Runtime) -> None:
        """A thread strategy that is none is refused, on a busy thread and on a free one."""
        strategy: Any = "que"
        for _ in range(2):
            with pytest.raises(ValueError, match="thread"):
                runtime.create("thread_1", "asst_1", "gpt-4o", thread=strategy)
            runtime.create("thread_1", "asst_1", "gpt-4o")
