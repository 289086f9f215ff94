"""What else may be asked of a run when it is created."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from runengine.core import JSON, ResponseFormat, Tool, ToolChoice, TruncationStrategy

__all__ = ["RequestFields"]


class RequestFields(TypedDict, total=False):
    """The fields of `Create` beside ids, model and ttl; each may be left out. A test keeps them equal to `Create`'s.

    Example:
        >>> sorted(RequestFields.__optional_keys__)[:3]
        ['extra', 'instructions', 'max_completion_tokens']
    """

    instructions: str | None
    tools: tuple[Tool, ...]
    metadata: Mapping[str, JSON] | None
    temperature: float | None
    top_p: float | None
    max_prompt_tokens: int | None
    max_completion_tokens: int | None
    truncation_strategy: TruncationStrategy | None
    tool_choice: str | ToolChoice | None
    parallel_tool_calls: bool | None
    response_format: str | ResponseFormat | None
    extra: Mapping[str, JSON]
