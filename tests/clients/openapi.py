"""An OpenAPI document of our own, made from the project's tables, that describes the run of one generation.

Schemas are named and nested as the published ones are, since a generated client takes its class names from there and
the generator merges inline schemas that are equal. What no table of the project holds stands in the small tables below:
the names, and which keys of a nested object are nullable instead of optional. Source: FACTS §1.2, §2.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from attrs import fields as attrs_fields
from attrs import frozen

from runengine.core import parts
from runengine.core.fields import FIELDS, Field
from runengine.core.generations import GENERATIONS
from runengine.core.statuses import STATUSES
from runengine.core.words import RANGES, WORDS

Schema = dict[str, Any]

NULL_REFERENCES_FROM: Final = 12
"""G12: nullability of three referring fields moved to `allOf`."""

STRICT_FROM: Final = 11
STRINGS_FROM: Final = 13
DEFINED_AS_3_1_FROM: Final = 15

NAMES: Final[dict[type[parts.Part], str]] = {
    parts.ToolCall: "RunToolCallObject",
    parts.Usage: "RunCompletionUsage",
    parts.TruncationStrategy: "TruncationObject",
    parts.FunctionDefinition: "FunctionObject",
    parts.RankingOptions: "FileSearchRankingOptions",
    parts.ToolChoice: "AssistantsNamedToolChoice",
}
"""Published names of the parts that are schemas of their own; the others stand inline."""

TOOLS: Final = {
    "code_interpreter": "AssistantToolsCode",
    "retrieval": "AssistantToolsRetrieval",
    "file_search": "AssistantToolsFileSearch",
    "function": "AssistantToolsFunction",
}
FORMATS: Final = {
    "text": "ResponseFormatText",
    "json_object": "ResponseFormatJsonObject",
    "json_schema": "ResponseFormatJsonSchema",
}
OPTIONS: Final = {
    "tool_choice": "AssistantsApiToolChoiceOption",
    "response_format": "AssistantsApiResponseFormatOption",
}
FREE: Final = {"parameters": "FunctionParameters", "schema": "ResponseFormatJsonSchemaSchema"}

NULLABLE: Final = {"last_messages", "strict"}
"""Nested keys published as nullable; other nested keys that may be missing may not be null."""

NESTED_FIRST: Final = {"strict": STRICT_FROM}
"""Nested keys that came later than the object they stand in."""

REQUIRED_BESIDE: Final[dict[str, tuple[str, ...]]] = {
    "RequiredAction": ("submit_tool_outputs",),
    "FileSearchRankingOptions": ("score_threshold",),
    "AssistantToolsFunction": ("function",),
    "ResponseFormatJsonSchema": ("json_schema",),
    "ResponseFormatText": ("type",),
    "ResponseFormatJsonObject": ("type",),
}
"""Keys that the schema requires and the record class does not: there it says that they may be missing elsewhere."""

AZURE: Final = {"submit_tool_approval"}
"""Keys of the record classes that no published generation has."""

RECORDED: Final = {"default-2024-08-21"}
"""Words that only recordings have."""


def reference(name: str) -> Schema:
    """A reference to a schema by name."""
    return {"$ref": f"#/components/schemas/{name}"}


class Describer:
    """Writes the schemas of one generation.

    Attributes:
        generation: Its number.
        schemas: What has been named so far.
    """

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.schemas: dict[str, Schema] = {}
        self.is_3_1 = generation >= DEFINED_AS_3_1_FROM

    def words(self, path: str) -> list[str]:
        """The published words of a place."""
        return [word for word in WORDS[path].known_in(self.generation) if word not in RECORDED]

    def named(self, name: str, schema: Schema) -> Schema:
        """Name a schema and refer to it."""
        self.schemas[name] = schema
        return reference(name)

    def or_null(self, schema: Schema) -> Schema:
        """A schema that may be null, as this generation writes it where it is a definition."""
        if self.is_3_1:
            return {"anyOf": [schema, {"type": "null"}]}
        return schema | {"nullable": True}

    def part(self, cls: type[parts.Part], path: str) -> Schema:
        """An object inside the run: named if it is published under a name."""
        schema = self.plain_object(cls, path)
        name = NAMES.get(cls)
        if cls is parts.Usage:
            schema = self.or_null(schema)
        return schema if name is None else self.named(name, schema)

    def plain_object(self, cls: type[parts.Part], path: str, only: frozenset[str] | None = None) -> Schema:
        """The schema of a record class at a place, with some of its keys or all."""
        hints = get_type_hints(cls)
        properties: dict[str, Schema] = {}
        required = list(REQUIRED_BESIDE.get(NAMES.get(cls, cls.__name__), ()))
        for name in (a.name for a in attrs_fields(cls)):
            late = self.generation < NESTED_FIRST.get(name, 0)
            if name in {"extra", "absent", *AZURE} or late or (only is not None and name not in only):
                continue
            members = _members(hints[name])
            properties[name] = self.nested(name, members[0], f"{path}.{name}")
            if NoneType not in members:
                required.append(name)
        ordered = [name for name in properties if name in required]
        return {"type": "object", "properties": properties} | ({"required": ordered} if ordered else {})

    def nested(self, name: str, annotation: Any, path: str) -> Schema:
        """The schema of one key inside an object."""
        if name in FREE:
            return self.named(FREE[name], {"type": "object", "additionalProperties": True})
        if get_origin(annotation) is tuple:
            item = get_args(annotation)[0]
            return {"type": "array", "items": self.part(item, f"{path}[]")}
        if isinstance(annotation, type) and issubclass(annotation, parts.Part):
            return self.part(annotation, path)
        schema: Schema = {"type": {str: "string", int: "integer", float: "number", bool: "boolean"}[annotation]}
        if path in WORDS:
            schema["enum"] = self.words(path)
        if path in RANGES and not path.startswith("usage."):
            schema["minimum"] = RANGES[path].least
            schema |= {} if RANGES[path].most is None else {"maximum": RANGES[path].most}
        if name == "strict":
            schema["default"] = False
        if name == "ranker":
            return self.named("FileSearchRanker", schema)
        return self.or_null(schema) if name in NULLABLE else schema

    def tools(self, most: int | None) -> Schema:
        """The array of tools: a union without a discriminator."""
        union = []
        for word in self.words("tools[].type"):
            schema = self.plain_object(parts.Tool, "tools[]", only=frozenset({"type", word}))
            schema["properties"]["type"] = {"type": "string", "enum": [word]}
            schema["required"] = ["type", *REQUIRED_BESIDE.get(TOOLS[word], ())]
            union.append(self.named(TOOLS[word], schema))
        return {"type": "array", "items": {"oneOf": union}, "maxItems": most, "default": []}

    def choice(self, name: str) -> Schema:
        """A word or an object, under its published name."""
        words: Schema = {"type": "string", "enum": self.words(name)}
        if name == "tool_choice":
            objects = [self.part(parts.ToolChoice, "tool_choice")]
        elif self.generation < STRICT_FROM:
            schema = self.plain_object(parts.ResponseFormat, name, only=frozenset({"type"}))
            schema["properties"]["type"]["default"] = "text"
            objects = [self.named("AssistantsApiResponseFormat", schema)]
        else:
            objects = [self.format(word) for word in self.words("response_format.type")]
        return self.named(OPTIONS[name], {"oneOf": [words, *objects]})

    def format(self, word: str) -> Schema:
        """One of the three response formats."""
        only = frozenset({"type", word})
        schema = self.plain_object(parts.ResponseFormat, "response_format", only=only)
        schema["properties"]["type"] = {"type": "string", "enum": [word]}
        schema["required"] = list(schema["properties"])
        return self.named(FORMATS[word], schema)

    def field(self, f: Field) -> Schema:
        """The schema of one declared field."""
        schema = self._bare(f)
        if not f.published_nullable_in(self.generation) or f.name == "usage":
            return schema
        if "$ref" in schema and f.name == "metadata":
            return schema
        if self._null_by_all_of(f):
            return {"allOf": [schema, {"nullable": True}]}
        return schema | {"nullable": True}  # in 3.1 too, where the keyword means nothing (FACTS C5)

    def _null_by_all_of(self, f: Field) -> bool:
        moved = f.name in {"truncation_strategy", "tool_choice"}
        back_again = f.name == "response_format" and self.generation < GENERATIONS[14].number
        return self.generation >= NULL_REFERENCES_FROM and (moved or back_again)

    def _bare(self, f: Field) -> Schema:
        if f.name in OPTIONS:
            return self.choice(f.name)
        if f.name == "tools":
            return self.tools(f.items_max)
        if f.part is not None:
            return self.part(getattr(parts, f.part), f.name)
        if f.name == "metadata":
            return self.metadata()
        match f.kind:
            case "array":
                return {"type": "array", "items": {"type": "string"}, "default": []}
            case "stamp":
                return {"type": "integer"} | ({"format": "unixtime"} if self.is_3_1 else {})
            case "integer" if f.minimum is not None:
                return {"type": "integer", "minimum": f.minimum}
            case "boolean":
                return self.named("ParallelToolCalls", {"type": "boolean", "default": True})
        return {"type": f.kind} | self._enum(f.name)

    def _enum(self, name: str) -> Schema:
        if name == "object":
            return {"enum": ["thread.run" if self.generation else "assistant.run"]}
        if name == "status":
            return {"enum": [s for s in STATUSES if s in statuses(self.generation)]}
        return {}

    def metadata(self) -> Schema:
        """Free until G13, then a map of strings under a name."""
        if self.generation < STRINGS_FROM:
            return {"type": "object"}
        return self.named("Metadata", self.or_null({"type": "object", "additionalProperties": {"type": "string"}}))

    def run(self) -> Schema:
        """The run object."""
        declared = [f for f in FIELDS.values() if f.declared_in(self.generation)]
        return {
            "type": "object",
            "properties": {f.name: self.field(f) for f in declared},
            "required": [f.name for f in declared if not f.optional],
        }


def statuses(generation: int) -> tuple[str, ...]:
    """The statuses that a generation publishes: `incomplete` came with G9."""
    return tuple(status for status in STATUSES if status != "incomplete" or generation >= 9)


def document(generation: int) -> Schema:
    """The OpenAPI document of one generation, with one path that answers a run."""
    describe = Describer(generation)
    run = describe.named("RunObject", describe.run())
    assistant = {
        "type": "object",
        "properties": {"id": {"type": "string"}, "tools": describe.tools(128)},
        "required": ["id", "tools"],
    }
    answer = {"description": "OK", "content": {"application/json": {"schema": run}}}
    helper = {"description": "OK", "content": {"application/json": {"schema": reference("AssistantObject")}}}
    return {
        "openapi": "3.1.0" if describe.is_3_1 else "3.0.0",
        "info": {"title": f"Runs of {GENERATIONS[generation].name}", "version": "1.0.0"},
        "paths": {
            "/assistant": {"get": {"operationId": "getAssistant", "responses": {"200": helper}}},
            "/run": {"get": {"operationId": "getRun", "responses": {"200": answer}}},
        },
        "components": {"schemas": {"AssistantObject": assistant, **describe.schemas}},
    }


@frozen
class Place:
    """A key in a run, as the document of a generation describes it.

    Attributes:
        required: By every schema that has it.
        default: Or None.
    """

    required: bool
    default: Any = None


@cache
def places(generation: int) -> Mapping[str, Place]:
    """Every key in a run that the document of a generation has, by its path, as `tools[].function.name`."""
    schemas = document(generation)["components"]["schemas"]
    found: dict[str, Place] = {}

    def referred(schema: Schema) -> Schema:
        return schemas[schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema

    def walk(schema: Schema, path: str) -> None:
        whole = referred(schema)
        for name, inner in whole.get("properties", {}).items():
            here = f"{path}.{name}".removeprefix(".")
            before = found.get(here, Place(required=True))
            required = before.required and name in whole.get("required", ())
            found[here] = Place(required, referred(inner).get("default", before.default))
            walk(inner, here)
        if "items" in whole:
            walk(whole["items"], f"{path}[]")
        for kind in ("oneOf", "allOf", "anyOf"):
            for member in whole.get(kind, ()):
                walk(member, path)

    walk(reference("RunObject"), "")
    return found


def _members(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) not in (Union, UnionType):
        return (dict,) if get_origin(annotation) is Mapping else (annotation,)
    return get_args(annotation)
