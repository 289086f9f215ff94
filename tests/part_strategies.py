"""Hypothesis strategies for what is inside a run record: `tests.strategies` gives them out with its own."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from runengine.core.parts import (
    FunctionCall,
    FunctionDefinition,
    FunctionName,
    JsonSchemaFormat,
    RequiredAction,
    ResponseFormat,
    SubmitToolOutputs,
    Tool,
    ToolCall,
    ToolChoice,
    TruncationStrategy,
    Usage,
)

__all__ = [
    "call_ids",
    "extras",
    "finite_floats",
    "ids",
    "json_values",
    "metadata",
    "required_actions",
    "response_formats",
    "run_requests",
    "tool_calls",
    "tool_choices",
    "tools",
    "truncation_strategies",
    "usages",
    "words",
]


def words(max_size: int = 12) -> SearchStrategy[str]:
    """Short text without surrogates: what JSON, files and databases can all carry."""
    return st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=max_size)


def ids(prefix: str) -> SearchStrategy[str]:
    """An id as the API spells them: the prefix and a short tail."""
    return st.text("abcXYZ019", min_size=1, max_size=8).map(lambda tail: f"{prefix}_{tail}")


def json_values() -> SearchStrategy[Any]:
    """Any JSON value, small; integers fit 64 bits and floats are finite."""
    leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | finite_floats() | words()
    return st.recursive(
        leaves, lambda x: st.lists(x, max_size=3) | st.dictionaries(words(), x, max_size=3), max_leaves=5
    )


def finite_floats() -> SearchStrategy[float]:
    """Floats that JSON can carry."""
    return st.floats(allow_nan=False, allow_infinity=False)


def metadata() -> SearchStrategy[dict[str, Any] | None]:
    """Metadata within the published limits (strings only), or None."""
    return st.none() | st.dictionaries(words(64), words(), max_size=4)


def extras() -> SearchStrategy[dict[str, Any]]:
    """Undeclared keys; two of them are known from recordings (FACTS B6)."""
    names = st.sampled_from(("tool_resources", "reasoning_effort")) | words().map(lambda word: f"x_{word}")
    return st.dictionaries(names, json_values(), max_size=2)


def usages() -> SearchStrategy[Usage]:
    """Usage whose total is the sum, zero included."""
    tokens = st.integers(0, 2**40)
    return st.builds(lambda c, p: Usage(completion_tokens=c, prompt_tokens=p, total_tokens=c + p), tokens, tokens)


def call_ids(*, unique: bool, min_size: int = 0, max_size: int = 4) -> SearchStrategy[tuple[str, ...]]:
    """Ids of tool calls out of a small pool, so that they collide where they may."""
    pool = st.sampled_from([f"call_{letter}" for letter in "abcde"])
    return st.lists(pool, min_size=min_size, max_size=max_size, unique=unique).map(tuple)


def tool_calls(*, unique: bool, min_size: int = 0, max_size: int = 4) -> SearchStrategy[tuple[ToolCall, ...]]:
    """Tool calls; with `unique=False` ids may repeat and there may be none."""
    arguments = st.sampled_from(("{}", '{"city": "Graz"}', "not JSON", ""))
    call = st.builds(FunctionCall, name=words(), arguments=arguments)
    chosen = call_ids(unique=unique, min_size=min_size, max_size=max_size)
    return chosen.flatmap(
        lambda some: st.tuples(*(st.builds(ToolCall, id=st.just(one), function=call) for one in some))
    )


def required_actions() -> SearchStrategy[RequiredAction]:
    """A valid required action: at least one call, ids distinct."""
    calls = tool_calls(unique=True, min_size=1)
    return calls.map(lambda some: RequiredAction(submit_tool_outputs=SubmitToolOutputs(tool_calls=some)))


def tools() -> SearchStrategy[Tool]:
    """Tools of all published types, and one of Azure's."""
    function = st.builds(
        FunctionDefinition, name=st.text("abc_-9", min_size=1, max_size=8), absent=st.just(frozenset())
    )
    with_function = st.builds(Tool, type=st.just("function"), function=function)
    return st.sampled_from(("code_interpreter", "retrieval", "file_search", "mcp")).map(_tool) | with_function


def _tool(type: str) -> Tool:
    return Tool(type=type)


def tool_choices() -> SearchStrategy[str | ToolChoice | None]:
    """A word, an object, or None."""
    named = ToolChoice(type="function", function=FunctionName(name="now"))
    return st.sampled_from((None, "none", "auto", "required", named, ToolChoice(type="code_interpreter")))


def response_formats() -> SearchStrategy[str | ResponseFormat | None]:
    """A word, an object, or None."""
    schema = ResponseFormat(type="json_schema", json_schema=JsonSchemaFormat(name="city", schema={"type": "object"}))
    return st.sampled_from((None, "none", "auto", ResponseFormat(type="json_object"), schema))


def truncation_strategies() -> SearchStrategy[TruncationStrategy | None]:
    """Both types, with and without a count, or None."""
    counts = st.none() | st.integers(1, 100)
    return st.none() | st.builds(
        TruncationStrategy, type=st.sampled_from(("auto", "last_messages")), last_messages=counts
    )


@st.composite
def run_requests(draw: DrawFn) -> dict[str, Any]:
    """The fields a client fixes when it asks for a run, under the names that `Create` and `RunObject` share.

    Whatever the record has a default for may be left out.
    """
    required = {"thread_id": ids("thread"), "assistant_id": ids("asst"), "model": st.sampled_from(("gpt-4o", "o1"))}
    limit = st.none() | st.integers(256, 2**31)
    optional: dict[str, SearchStrategy[Any]] = {
        "instructions": st.none() | words(),
        "tools": st.lists(tools(), max_size=3).map(tuple),
        "metadata": metadata(),
        "temperature": st.none() | st.floats(0, 2),
        "top_p": st.none() | st.floats(0, 1),
        "max_prompt_tokens": limit,
        "max_completion_tokens": limit,
        "truncation_strategy": truncation_strategies(),
        "tool_choice": tool_choices(),
        "parallel_tool_calls": st.booleans(),
        "response_format": response_formats(),
        "extra": extras(),
    }
    return draw(st.fixed_dictionaries(required, optional=optional))
