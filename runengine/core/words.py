"""The word and range tables: which words and numbers the schema knows inside a record, by generation.

Paths name a place in the record: a dot enters an object, `[]` any element of an array. A word is *open* where servers
add their own (tool types, error codes, action types), so that an unknown one is only worth a remark.
Source: FACTS §2; the open ones by B5.3, B6 and §2.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from runengine.core.fields import FIELDS
from runengine.core.generations import LATEST

__all__ = ["NESTED_EXTRAS", "RANGES", "WORDS", "Range", "Word", "Words"]


@frozen
class Word:
    """One word and the generations that know it.

    Attributes:
        text: The word.
        first: First generation that knows it.
        last: Last generation that knows it.

    Example:
        >>> Word("retrieval", 0, 7).known_in(8)
        False
    """

    text: str
    first: int = 0
    last: int = LATEST.number

    def known_in(self, generation: int) -> bool:
        """Whether that generation knows the word."""
        return self.first <= generation <= self.last


@frozen(kw_only=True)
class Words:
    """The words of one place.

    Attributes:
        path: The place.
        words: What may stand there.
        open: Servers add words of their own.
        source: Where it is written.

    Example:
        >>> WORDS["last_error.code"].open
        True
    """

    path: str
    words: tuple[Word, ...]
    open: bool = False
    source: str

    def known_in(self, generation: int) -> tuple[str, ...]:
        """The words that generation knows, in order."""
        return tuple(word.text for word in self.words if word.known_in(generation))


_TOOLS = (Word("code_interpreter"), Word("retrieval", 0, 7), Word("file_search", 8), Word("function"))

WORDS: Final[dict[str, Words]] = {
    w.path: w
    for w in (
        Words(
            path="object",
            words=(Word("assistant.run", 0, 0), Word("thread.run", 1)),
            source="FACTS §1.1: G0 misnamed it",
        ),
        Words(path="tools[].type", words=_TOOLS, open=True, source="FACTS §2.7; Azure adds mcp, connected_agent (B6)"),
        Words(
            path="required_action.type",
            words=(Word("submit_tool_outputs"),),
            open=True,
            source="FACTS §2.1; Azure adds submit_tool_approval",
        ),
        Words(
            path="required_action.submit_tool_outputs.tool_calls[].type",
            words=(Word("function"),),
            open=True,
            source="FACTS §2.1",
        ),
        Words(
            path="last_error.code",
            words=(Word("server_error"), Word("rate_limit_exceeded"), Word("invalid_prompt", 3)),
            open=True,
            source="FACTS §2.2; Azure adds invalid_engine_error (B5.3)",
        ),
        Words(
            path="incomplete_details.reason",
            words=(Word("max_completion_tokens"), Word("max_prompt_tokens")),
            source="FACTS §2.3",
        ),
        Words(path="truncation_strategy.type", words=(Word("auto"), Word("last_messages")), source="FACTS §2.5"),
        Words(
            path="tool_choice", words=(Word("none"), Word("auto"), Word("required", 8)), source="FACTS §2.6, §1.1 (G9)"
        ),
        Words(path="tool_choice.type", words=_TOOLS, source="FACTS §2.6"),
        Words(path="response_format", words=(Word("none", 6, 10), Word("auto")), source="FACTS §2.8"),
        Words(
            path="response_format.type",
            words=(Word("text"), Word("json_object"), Word("json_schema", 11)),
            source="FACTS §2.8",
        ),
        Words(
            path="tools[].file_search.ranking_options.ranker",
            words=(Word("auto"), Word("default_2024_08_21"), Word("default-2024-08-21")),
            source="FACTS §2.7; the last spelling is recorded (simple-openai)",
        ),
    )
}
"""Every place whose words are listed."""


@frozen(kw_only=True)
class Range:
    """The least and greatest number of one place.

    Attributes:
        path: The place.
        least: Smallest value allowed.
        most: Greatest, or None for no limit.
        source: Where it is written.

    Example:
        >>> RANGES["max_prompt_tokens"].least
        256
    """

    path: str
    least: int
    most: int | None = None
    source: str


def _published() -> Iterator[Range]:
    for field in FIELDS.values():
        least = field.least()
        if least is not None:
            yield Range(path=field.name, least=least, source="FACTS §1.2, and the overrides of the field table")


RANGES: Final[dict[str, Range]] = {
    r.path: r
    for r in (
        *_published(),
        Range(path="truncation_strategy.last_messages", least=1, source="FACTS §2.5"),
        Range(path="tools[].file_search.max_num_results", least=1, most=50, source="FACTS §2.7"),
        Range(path="tools[].file_search.ranking_options.score_threshold", least=0, most=1, source="FACTS §2.7"),
        Range(path="usage.completion_tokens", least=0, source="FACTS §2.4: a count"),
        Range(path="usage.prompt_tokens", least=0, source="FACTS §2.4: a count"),
        Range(path="usage.total_tokens", least=0, source="FACTS §2.4: a count"),
    )
}
"""Every place whose numbers are limited."""

NESTED_EXTRAS: Final[dict[str, str]] = {
    "usage.prompt_token_details": "on the wire, never in the schema (FACTS B5.4)",
    "usage.prompt_tokens_details": "the same, spelled as in other APIs; recorded beside it",
    "usage.completion_tokens_details": "recorded beside prompt_token_details",
}
"""Keys inside objects that recordings carry and no generation declares."""
