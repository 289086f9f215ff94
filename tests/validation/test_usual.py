"""What payload fields mostly hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from runengine.validation.rules.payload import field_findings
from runengine.validation.rules.usual import USUAL

_COUNTS = st.integers(-1, 3) | st.booleans() | st.just(1.0) | st.none()
_TEXTS = st.sampled_from(("submit_tool_outputs", "function", "server_error", "odd", ""))
_LEAVES = _TEXTS | st.integers(0, 1) | st.none()
_CALLS = st.fixed_dictionaries(
    {
        "id": _LEAVES,
        "type": _LEAVES,
        "function": st.fixed_dictionaries({"name": _LEAVES}, optional={"arguments": _LEAVES}),
    },
    optional={"x": _LEAVES},
)
_HELD: dict[str, SearchStrategy[dict[str, Any]]] = {
    "usage": st.fixed_dictionaries(
        {"prompt_tokens": _COUNTS, "completion_tokens": _COUNTS, "total_tokens": _COUNTS}, optional={"x": _COUNTS}
    ),
    "last_error": st.dictionaries(st.sampled_from(("code", "message", "x")), _LEAVES),
    "required_action": st.fixed_dictionaries(
        {"type": _LEAVES, "submit_tool_outputs": st.fixed_dictionaries({"tool_calls": st.lists(_CALLS, max_size=2)})},
        optional={"x": _LEAVES},
    ),
    "incomplete_details": st.dictionaries(st.just("reason"), _LEAVES),
}


@pytest.mark.parametrize("name", USUAL)
@given(data=st.data())
def test_the_rules_are_silent_of_what_is_usual(name: str, data: st.DataObject) -> None:
    """Whatever is recognised as usual breaks no rule, in any generation."""
    value = data.draw(_HELD[name])
    assert not USUAL[name](value) or not any(field_findings(name, value, tuple(range(17))))


def test_usual_values_are_recognised() -> None:
    """A usage that adds up, a known error and one function call are usual."""
    call = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    asked = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
    assert USUAL["usage"]({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
    assert USUAL["last_error"]({"code": "server_error", "message": ""})
    assert USUAL["required_action"](asked)
