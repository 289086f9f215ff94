"""The field table: the 28 declared fields of a run, with kind, role, generations, nullability and range.

Where recordings and the published text differ, the recordings win, and the difference is an `Override` row with
its evidence. Source: FACTS §1.2 (published), Part B and §9 (overrides).
"""

from __future__ import annotations

from typing import Final, Literal

from attrs import field, frozen

from runengine.core.generations import GENERATIONS, LATEST

__all__ = [
    "END_STAMPS",
    "FIELDS",
    "IDENTITY",
    "IMMUTABLE",
    "OVERRIDES",
    "STAMPS",
    "WIRE_EXTRAS",
    "Field",
    "Kind",
    "Override",
    "Role",
    "describe",
]

Kind = Literal["string", "stamp", "integer", "number", "boolean", "array", "object", "word or object"]
"""What a field holds. A `stamp` is an integer of whole Unix seconds."""

Role = Literal["identity", "status", "stamp", "deadline", "payload", "request", "metadata"]
"""How a field behaves in time: `identity` and `request` never change, `stamp` and `deadline` and `payload` follow the
status, `metadata` changes whenever the client likes."""


@frozen
class Field:
    """One declared field of the run object.

    Attributes:
        name: Spelled as on the wire.
        kind: What it holds.
        role: How it behaves in time.
        meaning: What it says, with its unit.
        first: First generation that declares it.
        last: Last generation that declares it.
        nullable_from: First generation that publishes it as nullable, or None for never.
        optional: The key may be left out in every generation.
        minimum: Smallest value of an integer, or None.
        items_max: Published limit on the length of an array, or None.
        part: Name of the record class it holds (each element of it, for an array), or None.

    Example:
        >>> FIELDS["usage"].first, FIELDS["file_ids"].last
        (2, 7)
    """

    name: str
    kind: Kind
    role: Role
    meaning: str
    first: int = field(default=0, kw_only=True)
    last: int = field(default=LATEST.number, kw_only=True)
    nullable_from: int | None = field(default=None, kw_only=True)
    optional: bool = field(default=False, kw_only=True)
    minimum: int | None = field(default=None, kw_only=True)
    items_max: int | None = field(default=None, kw_only=True)
    part: str | None = field(default=None, kw_only=True)

    def declared_in(self, generation: int) -> bool:
        """Whether that generation has the field."""
        return self.first <= generation <= self.last

    def published_nullable_in(self, generation: int) -> bool:
        """Whether that generation publishes the field as nullable."""
        return self.nullable_from is not None and generation >= self.nullable_from

    def nullable_in(self, generation: int) -> bool:
        """Whether a record of that generation may carry null, overrides counted."""
        return self.published_nullable_in(generation) or any(
            o.field == self.name and o.what == "nullable" and o.first <= generation <= o.last for o in OVERRIDES
        )

    def required_in(self, generation: int) -> bool:
        """Whether a record of that generation must have the key with a value: declared, not optional, not nullable."""
        return self.declared_in(generation) and not self.optional and not self.nullable_in(generation)

    def items_limit(self) -> int | None:
        """The limit on an array's length, overrides counted."""
        return self._overridden("items_max", self.items_max)

    def least(self) -> int | None:
        """The smallest value of an integer, overrides counted."""
        return self._overridden("minimum", self.minimum)

    def _overridden(self, what: str, published: int | None) -> int | None:
        return next((o.value for o in OVERRIDES if o.field == self.name and o.what == what), published)


@frozen(kw_only=True)
class Override:
    """Where recordings win over the published schema.

    Attributes:
        field: The field.
        what: Which property differs.
        value: The value that holds instead (unused for `nullable`).
        first: First generation it speaks of.
        last: Last generation it speaks of.
        evidence: Where it was seen.

    Example:
        >>> [o.field for o in OVERRIDES if o.what == "nullable"]
        ['instructions', 'expires_at']
    """

    field: str
    what: Literal["nullable", "items_max", "minimum"]
    evidence: str
    value: int | None = None
    first: int = 0
    last: int = LATEST.number


OVERRIDES: Final[tuple[Override, ...]] = (
    Override(field="instructions", what="nullable", evidence="FACTS C1, B6: null in 199 recorded rows"),
    Override(field="expires_at", what="nullable", last=3, evidence="FACTS C22, B3: null in every ended record, v1 too"),
    Override(
        field="tools",
        what="items_max",
        value=128,
        evidence="FACTS C15: an assistant may have 128 tools, which its runs carry",
    ),
    Override(
        field="max_completion_tokens",
        what="minimum",
        value=1,
        evidence="recorded runs of April 2024 (ruby-openai) were accepted and ran with 16",
    ),
)
"""Every difference between what was published and what was recorded."""

WIRE_EXTRAS: Final[dict[str, str]] = {
    "tool_resources": "on the wire from April 2024, never in the schema (FACTS C4)",
    "reasoning_effort": "on the wire from March 2025, never in the schema (FACTS C4, B6)",
}
"""Keys that recordings carry and no generation declares; known, and kept in `extra`."""


FIELDS: Final[dict[str, Field]] = {
    f.name: f
    for f in (
        Field("id", "string", "identity", "The run's id; `run_…` by convention only."),
        Field("object", "string", "identity", "Always `thread.run` (`assistant.run` in G0)."),
        Field("created_at", "stamp", "stamp", "When the run was created, Unix seconds."),
        Field("thread_id", "string", "identity", "The thread it runs on."),
        Field("assistant_id", "string", "identity", "The assistant that runs."),
        Field("status", "string", "status", "One of the nine statuses (`incomplete` from G9)."),
        Field(
            "required_action", "object", "payload", "The tool calls waited for.", nullable_from=0, part="RequiredAction"
        ),
        Field("last_error", "object", "payload", "The error that ended the run.", nullable_from=0, part="LastError"),
        Field(
            "expires_at",
            "stamp",
            "deadline",
            "The deadline, Unix seconds; null once the run has ended.",
            nullable_from=4,
        ),
        Field("started_at", "stamp", "stamp", "Start of the latest stretch of work, Unix seconds.", nullable_from=0),
        Field("cancelled_at", "stamp", "stamp", "When it was cancelled, Unix seconds.", nullable_from=0),
        Field("failed_at", "stamp", "stamp", "When it failed, Unix seconds.", nullable_from=0),
        Field(
            "completed_at",
            "stamp",
            "stamp",
            "When it completed, became incomplete or expired, Unix seconds.",
            nullable_from=0,
        ),
        Field(
            "incomplete_details",
            "object",
            "payload",
            "Which token limit ended the run.",
            first=6,
            nullable_from=6,
            part="IncompleteDetails",
        ),
        Field("model", "string", "request", "The model used."),
        Field("instructions", "string", "request", "The instructions used."),
        Field("tools", "array", "request", "The tools the model may call.", items_max=20, part="Tool"),
        Field("file_ids", "array", "request", "Files of the assistant (v1 only).", last=7),
        Field(
            "metadata",
            "object",
            "metadata",
            "Up to 16 pairs, keys of 64 and values of 512 characters.",
            nullable_from=0,
        ),
        Field("usage", "object", "payload", "Tokens used, known once ended.", first=2, nullable_from=2, part="Usage"),
        Field(
            "temperature",
            "number",
            "request",
            "Sampling temperature.",
            first=5,
            nullable_from=5,
            optional=True,
        ),
        Field("top_p", "number", "request", "Nucleus sampling mass.", first=7, nullable_from=7, optional=True),
        Field(
            "max_prompt_tokens",
            "integer",
            "request",
            "Limit on prompt tokens over the whole run.",
            first=6,
            nullable_from=6,
            minimum=256,
        ),
        Field(
            "max_completion_tokens",
            "integer",
            "request",
            "Limit on completion tokens over the whole run.",
            first=6,
            nullable_from=6,
            minimum=256,
        ),
        Field(
            "truncation_strategy",
            "object",
            "request",
            "How the thread is cut to fit.",
            first=6,
            nullable_from=6,
            part="TruncationStrategy",
        ),
        Field(
            "tool_choice",
            "word or object",
            "request",
            "Which tool the model must call, if any.",
            first=6,
            nullable_from=6,
            part="ToolChoice",
        ),
        Field("parallel_tool_calls", "boolean", "request", "Whether several calls may be made at once.", first=10),
        Field(
            "response_format",
            "word or object",
            "request",
            "The form the model must answer in.",
            first=6,
            nullable_from=6,
            part="ResponseFormat",
        ),
    )
}
"""The 28 fields, in the order of the last generation; `file_ids`, which it dropped, stands where it stood."""

STAMPS: Final = tuple(f.name for f in FIELDS.values() if f.kind == "stamp")
"""The six `*_at` fields."""

END_STAMPS: Final = ("completed_at", "failed_at", "cancelled_at")
"""The stamps that say a run has ended."""

IDENTITY: Final = tuple(f.name for f in FIELDS.values() if f.role == "identity" and f.name != "id")
"""Fields that say which run this is, beside its id."""

IMMUTABLE: Final = tuple(f.name for f in FIELDS.values() if f.role == "request")
"""Fields fixed when the run is created."""


def describe(name: str) -> str:
    """One line about a field: kind, nullability, generations, meaning; the docstring of `RunObject` holds the same.

    Args:
        name: A declared field.

    Raises:
        KeyError: no such field is declared.

    Example:
        >>> describe("usage")
        'object or null, G2 to G16. Tokens used, known once ended.'
    """
    f = FIELDS[name]
    null = " or null" if any(f.nullable_in(g.number) for g in GENERATIONS if f.declared_in(g.number)) else ""
    optional = ", optional" if f.optional else ""
    return f"{f.kind}{null}{optional}, G{f.first} to G{f.last}. {f.meaning}"
