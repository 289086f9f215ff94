"""The seventeen published generations of the run schema.

A *generation* is a published state of the `RunObject` schema that differs in meaning from the one before it.
Which field belongs to which generation stands in `runengine.core.fields`. Source: FACTS §1.1.
"""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

from attrs import frozen

__all__ = ["GENERATIONS", "LATEST", "Generation", "generation_named"]

_EPOCH = date(1970, 1, 1)


@frozen(kw_only=True)
class Generation:
    """One published generation.

    Attributes:
        number: 0 to 16; `name` is `G` and the number.
        published: ISO date of the commit.
        commit: Commit of the published schema's repository.
        api: "v1" or "v2" of the protocol.
        news: What changed against the generation before.

    Example:
        >>> GENERATIONS[6].name, GENERATIONS[6].api, GENERATIONS[6].published
        ('G6', 'v1', '2024-04-12')
    """

    number: int
    published: str
    commit: str
    api: Literal["v1", "v2"]
    news: str

    @property
    def name(self) -> str:
        """`G0` to `G16`."""
        return f"G{self.number}"

    @property
    def published_s(self) -> int:
        """Midnight UTC of the day it was published, in Unix seconds."""
        return (date.fromisoformat(self.published) - _EPOCH).days * 86_400


def _generation(number: int, published: str, commit: str, news: str) -> Generation:
    return Generation(number=number, published=published, commit=commit, api="v1" if number <= 7 else "v2", news=news)


GENERATIONS: Final[tuple[Generation, ...]] = (
    _generation(0, "2023-11-06", "0e28219", "first publication, 18 fields; object is assistant.run"),
    _generation(1, "2023-11-08", "5c1857e", "object is thread.run"),
    _generation(2, "2024-01-19", "14cdf21", "+ usage"),
    _generation(3, "2024-03-04", "28a300c", "last_error.code + invalid_prompt"),
    _generation(4, "2024-03-27", "399458c", "expires_at may be null; streaming published"),
    _generation(5, "2024-03-29", "9d36a33", "+ temperature (optional)"),
    _generation(
        6,
        "2024-04-12",
        "6d5c7a0",
        "+ incomplete_details, max_prompt_tokens, max_completion_tokens, truncation_strategy, tool_choice, "
        "response_format",
    ),
    _generation(7, "2024-04-16", "af97d0a", "+ top_p (optional); the last v1 shape"),
    _generation(8, "2024-04-17", "d3f8430", "v2: - file_ids; tool retrieval becomes file_search"),
    _generation(9, "2024-05-13", "893ba52", "status + incomplete"),
    _generation(10, "2024-06-06", "c2fa626", "+ parallel_tool_calls"),
    _generation(11, "2024-08-06", "b48827c", "response_format: none dropped, json_schema added"),
    _generation(12, "2025-01-22", "ea125b7", "nullability of three references moved to allOf"),
    _generation(13, "2025-01-31", "2fb90fe", "metadata becomes a map of strings"),
    _generation(14, "2025-04-29", "498c71d", "the last hand-kept OpenAPI 3.0.0 text"),
    _generation(15, "2026-05-13", "5162af9", "republished as OpenAPI 3.1.0; stamps get format unixtime"),
    _generation(16, "2026-08-21", "f85dbe2", "the last published; as G15"),
)
"""All of them, oldest first; the position is the number."""

LATEST: Final = GENERATIONS[-1]
"""The last published generation, which the engine writes."""


def generation_named(name: str) -> Generation:
    """The generation called `name`.

    Args:
        name: As `G6`, in any case.

    Raises:
        ValueError: there is no such generation; the message lists what there is.

    Example:
        >>> generation_named("g9").news
        'status + incomplete'
    """
    for generation in GENERATIONS:
        if generation.name == name.upper():
            return generation
    raise ValueError(f"no generation {name!r}: there are {GENERATIONS[0].name} to {LATEST.name}")
