"""The shape table: what differs between the dialects beyond spelling, one row each.

How nulls are written, what a client fills in, which keys it drops, which generations its document has been generated
from, and what its generated client refuses although the wire carries it. Source: FACTS §8; what is said of TypeScript
and Ruby was measured on generated clients (`tests/clients/`).
"""

from __future__ import annotations

from typing import Final, Literal

from attrs import field, frozen

from runengine.core.generations import LATEST

__all__ = ["SHAPES", "Limit", "Shape"]

Nulls = Literal["written", "left out"]


@frozen(kw_only=True)
class Limit:
    """What a generated client refuses to hold.

    Attributes:
        path: The field.
        when: The value it refuses: None for null, or a word.
        why: What it does.
        first: First generation of which that holds.
        last: Last one.

    Example:
        >>> SHAPES["ruby"].limits[0].path
        'instructions'
    """

    path: str
    when: str | None
    why: str
    first: int = 0
    last: int = LATEST.number


@frozen(kw_only=True)
class Shape:
    """One dialect.

    Attributes:
        name: As on the command line.
        follows: The document it follows.
        home: The generation of that document, which is written unless told otherwise.
        spelling: The column of the spelling table its keys are written in, or None for the API's own keys.
        nulls: Nullable fields that the schema requires, while null.
        optional_nulls: Optional fields, while null.
        keeps_unknown: Keys that no generation declares are kept.
        limits: Values that its client refuses.
        refuses: What else it does: "words" and "ranges" that the schema does not have raise; "tools" of a type that
            the schema does not have are dropped from the list; "array nulls" inside free objects vanish.
        fills_in: What its client adds where the wire leaves it out: path and value.
        note: What else is to be known.

    Example:
        >>> SHAPES["julia"].nulls
        'left out'
    """

    name: str
    follows: str
    home: int
    spelling: str | None = None
    nulls: Nulls = "written"
    optional_nulls: Nulls = "left out"
    keeps_unknown: bool = False
    limits: tuple[Limit, ...] = ()
    refuses: tuple[Literal["words", "ranges", "tools", "array nulls"], ...] = ()
    fills_in: tuple[tuple[str, object], ...] = field(default=())
    note: str = ""


_BESIDE_REF: Final = "the generator passes over nullable beside $ref"
_NOT_NULLABLE: Final = (
    Limit(path="instructions", when=None, why="its class does not let it be null"),
    Limit(path="expires_at", when=None, why="not nullable before G4", last=3),
    Limit(path="truncation_strategy", when=None, why=_BESIDE_REF, first=6, last=11),
    Limit(path="tool_choice", when=None, why=_BESIDE_REF, first=6, last=11),
    Limit(path="response_format", when=None, why=_BESIDE_REF, first=6, last=11),
    Limit(path="response_format", when=None, why=_BESIDE_REF, first=14),
    Limit(path="parallel_tool_calls", when=None, why="not nullable", first=10),
)
"""What generated classes with types that may not be null refuse (Ruby: measured; Dart: read from its source)."""

_FILLED: Final = (
    ("parallel_tool_calls", True),
    ("tools[].function.strict", False),
    ("response_format.json_schema.strict", False),
    ("response_format.type", "text"),  # before G11
)

SHAPES: Final[dict[str, Shape]] = {
    shape.name: shape
    for shape in (
        Shape(
            name="native",
            follows="the API's own JSON, and this project's files",
            home=LATEST.number,
            optional_nulls="written",
            keeps_unknown=True,
            note="Absent is told from null.",
        ),
        Shape(
            name="azure",
            follows="azure-ai-agents 1.1.0 and 1.2.0b6",
            home=10,
            optional_nulls="written",
            keeps_unknown=True,
            limits=(Limit(path="status", when="incomplete", why="its enumeration has eight statuses, not incomplete"),),
            note="Adds tool_resources, tool types such as mcp and connected_agent, the action submit_tool_approval and "
            "error codes such as invalid_engine_error.",
        ),
        Shape(
            name="ruby",
            follows="seed 000, OpenApiOpenAIClient (generation G6)",
            home=6,
            limits=(
                *_NOT_NULLABLE,
                Limit(path="max_prompt_tokens", when=None, why="valid? raises on nil", first=6),
                Limit(path="max_completion_tokens", when=None, why="valid? raises on nil", first=6),
            ),
            refuses=("words", "ranges", "tools", "array nulls"),
            fills_in=_FILLED,
            note="From G13 metadata values become text.",
        ),
        Shape(
            name="julia",
            follows="seed 001, OpenAPI.jl (generation G1)",
            home=1,
            nulls="left out",
            refuses=("words", "ranges"),
            fills_in=_FILLED,
            note="check_required is false for every real run, since it wants all stamps at once.",
        ),
        Shape(
            name="dart",
            follows="seed 002, openai_flutter_sdk (v2; generation G14)",
            home=14,
            limits=_NOT_NULLABLE,
            refuses=("words", "tools"),
            fills_in=(*_FILLED, ("tools", []), ("file_ids", [])),
            note="Names in memory have humps, and `function` is `function_`; the wire has the API's keys.",
        ),
        Shape(
            name="typescript",
            follows="seed 003, what RunObjectToJSON writes (v2; generations G10 to G12 have its types)",
            home=12,
            refuses=("tools",),
            note="undefined is dropped by JSON.stringify, null is kept; 1.0 is written 1. Nothing else is checked.",
        ),
        Shape(
            name="typescript-instance",
            follows="seed 003, what JSON.stringify writes of an instance (v2; generations G10 to G12 have its types)",
            home=12,
            spelling="typescript-instance",
            refuses=("tools",),
            note="As typescript, with humps in its keys; `function` is `_function`.",
        ),
    )
}
"""The dialects that are JSON, by name. kotlin-sql is tables: see `runengine.dialects.kotlin_sql`."""
