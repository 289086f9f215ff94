"""What most payload fields hold, recognised without the rules: a short way, which never says that something is wrong.

That the rules are silent of whatever is recognised here is held by a property test. Source: FACTS §2, B5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

__all__ = ["USUAL"]


def _usual_usage(usage: dict[str, Any]) -> bool:
    try:
        prompt, completion, total = usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]
    except KeyError:
        return False
    if len(usage) != 3 or not prompt.__class__ is completion.__class__ is total.__class__ is int:
        return False
    counted: bool = prompt >= 0 and completion >= 0 and total == prompt + completion
    return counted


def _usual_error(error: dict[str, Any]) -> bool:
    return (
        len(error) == 2
        and error.get("code") in ("server_error", "rate_limit_exceeded")
        and error.get("message").__class__ is str
    )


def _usual_action(action: dict[str, Any]) -> bool:
    """One function call."""
    try:
        (call,) = action["submit_tool_outputs"]["tool_calls"]
        function = call["function"]
        return (
            action["type"] == "submit_tool_outputs"
            and call["type"] == "function"
            and call["id"].__class__ is function["name"].__class__ is function["arguments"].__class__ is str
            and len(action) == len(function) == 2
            and len(call) == 3
            and len(action["submit_tool_outputs"]) == 1
            and action["submit_tool_outputs"]["tool_calls"].__class__ is list
        )
    except (KeyError, TypeError, ValueError):
        return False


USUAL: Final[dict[str, Callable[[dict[str, Any]], bool]]] = {
    "usage": _usual_usage,
    "last_error": _usual_error,
    "required_action": _usual_action,
    "incomplete_details": lambda _details: False,
}
"""By payload field: whether what it holds, an object, is what it mostly is, and right; of any other ask the rules."""
