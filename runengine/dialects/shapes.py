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
        limits: What its client refuses.
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
    fills_in: tuple[tuple[str, object], ...] = field(default=())
    note: str = ""


_NO_INCOMPLETE: Final = "the status was published in G9"

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
                Limit(path="instructions", when=None, why="the client raises: instructions cannot be nil"),
                Limit(path="max_prompt_tokens", when=None, why="valid? raises on nil", first=6),
                Limit(path="max_completion_tokens", when=None, why="valid? raises on nil", first=6),
            ),
            fills_in=(("parallel_tool_calls", True), ("tools[].function.strict", False)),
        ),
        Shape(
            name="julia",
            follows="seed 001, OpenAPI.jl (generation G1)",
            home=1,
            nulls="left out",
            fills_in=(("parallel_tool_calls", True),),
            note="check_required is false for every real run, since it wants all stamps at once.",
        ),
        Shape(
            name="dart",
            follows="seed 002, openai_flutter_sdk (v2; generation G14)",
            home=14,
            note="Names in memory have humps; the wire has the API's keys.",
        ),
        Shape(
            name="typescript",
            follows="seed 003, what RunObjectToJSON writes (v2; generation G14)",
            home=14,
            note="undefined is dropped by JSON.stringify, null is kept.",
        ),
        Shape(
            name="typescript-instance",
            follows="seed 003, what JSON.stringify writes of an instance (v2; generation G14)",
            home=14,
            spelling="typescript-instance",
            note="Keys with humps; `function` is `_function`.",
        ),
    )
}
"""The dialects that are JSON, by name. kotlin-sql is tables: see `runengine.dialects.kotlin_sql`."""
