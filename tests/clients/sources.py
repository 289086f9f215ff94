"""What the source of a generated client says of its keys, read with plain patterns: the code itself is not run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from attrs import frozen

MODELS: Final = {
    "RunObject": "",
    "RunObjectRequiredAction": "required_action",
    "RunObjectRequiredActionSubmitToolOutputs": "required_action.submit_tool_outputs",
    "RunToolCallObject": "required_action.submit_tool_outputs.tool_calls[]",
    "RunToolCallObjectFunction": "required_action.submit_tool_outputs.tool_calls[].function",
    "RunObjectLastError": "last_error",
    "RunObjectIncompleteDetails": "incomplete_details",
    "RunCompletionUsage": "usage",
    "AssistantToolsCode": "tools[]",
    "AssistantToolsRetrieval": "tools[]",
    "AssistantToolsFileSearch": "tools[]",
    "AssistantToolsFunction": "tools[]",
    "AssistantToolsFileSearchFileSearch": "tools[].file_search",
    "FileSearchRankingOptions": "tools[].file_search.ranking_options",
    "FunctionObject": "tools[].function",
    "TruncationObject": "truncation_strategy",
    "AssistantsNamedToolChoice": "tool_choice",
    "AssistantsNamedToolChoiceFunction": "tool_choice.function",
    "AssistantsApiResponseFormat": "response_format",
    "ResponseFormatText": "response_format",
    "ResponseFormatJsonObject": "response_format",
    "ResponseFormatJsonSchema": "response_format",
    "ResponseFormatJsonSchemaJsonSchema": "response_format.json_schema",
}
"""The place of each generated class in a run."""

NOT_PLACED: Final = {
    "AssistantObject",
    "AssistantObjectToolsInner",
    "AssistantsApiToolChoiceOption",
    "AssistantsApiResponseFormatOption",
    "FileSearchRanker",
    "Date",
    "index",
}
"""Generated classes without keys of a run: unions, an enumeration, and what is not about runs."""

FOLDERS: Final = {
    "typescript-fetch": "models",
    "ruby": "lib/run_client/models",
    "dart-dio": "lib/src/model",
    "julia-client": "src/models",
    "ktorm-schema": "src/main/kotlin/org/openapitools/database/models",
}

Mode = Literal["always", "or null", "if set", "unknown"]


@frozen(kw_only=True)
class Key:
    """One key of a generated class.

    Attributes:
        name: In memory.
        wire: In JSON, or the column.
        writes: When it is written: "always", "or null" (always, null where there is nothing) or "if set".
        default: What the class fills in, in its own language, or "".
    """

    name: str
    wire: str
    writes: Mode = "unknown"
    default: str = ""


def models(folder: Path, generator: str) -> Iterator[tuple[str, str]]:
    """Each generated class with its source."""
    for path in sorted((folder / FOLDERS[generator]).iterdir()):
        name = path.stem.removeprefix("model_")
        if generator in ("ruby", "dart-dio"):
            name = "".join(word.capitalize() for word in name.split("_"))
        yield name, path.read_text(encoding="utf-8")


def keys(generator: str, text: str) -> list[Key]:
    """The keys of a class, by its source."""
    read = {
        "typescript-fetch": _typescript,
        "ruby": _ruby,
        "dart-dio": _dart,
        "julia-client": _julia,
        "ktorm-schema": _kotlin,
    }
    return list(read[generator](text))


def _typescript(text: str) -> Iterator[Key]:
    for name, wire in re.findall(r"^ {8}'(\w+)': .*?json\['(\w+)'\]", text, re.MULTILINE):
        yield Key(name=name, wire=wire)


def _ruby(text: str) -> Iterator[Key]:
    attributes = re.search(r"def self\.attribute_map\n(.*?)\n    end", text, re.DOTALL)
    defaults = dict(re.findall(r"^      else\n        self\.(\w+) = (?!nil)(.+)$", text, re.MULTILINE))
    for name, wire in re.findall(r":'(\w+)' => :'(\w+)'", attributes[1] if attributes else ""):
        yield Key(name=name, wire=wire, default=defaults.get(name, ""))


_DART_WRITE: Final = (
    r"(?P<if>if \(object\.\w+ != null\) \{\s+)?"
    r"yield r'(?P<wire>\w+)';\s+"
    r"yield (?P<null>object\.\w+ == null \? null : )?"
)


def _dart(text: str) -> Iterator[Key]:
    writes: dict[str, Mode] = {
        found["wire"]: "if set" if found["if"] else "or null" if found["null"] else "always"
        for found in re.finditer(_DART_WRITE, text)
    }
    defaults = dict(re.findall(r"^      \.\.(\w+) = (.+?);?$", text, re.MULTILINE))
    for wire, name in re.findall(r"@BuiltValueField\(wireName: r'(\w+)'\)\n\s+.+ get (\w+);", text):
        yield Key(name=name, wire=wire, writes=writes[wire], default=defaults.get(name, ""))


def _julia(text: str) -> Iterator[Key]:
    """OpenAPI.jl writes what is not `nothing`, so every key is written if set."""
    body = re.search(r"mutable struct \w+ <: OpenAPI\.APIModel\n(.*?)\n\n", text, re.DOTALL)
    pattern = r"^    (?:var\")?(\w+)\"?(?:::\S.*?)? = (\S+)"
    for name, default in re.findall(pattern, body[1] if body else "", re.MULTILINE):
        yield Key(name=name, wire=name, writes="if set", default="" if default == "nothing" else default)


def _kotlin(text: str) -> Iterator[Key]:
    table = text.split("\n}\n")[0]
    nulls = dict(re.findall(r"^ +(\w+) = row\[\w+\] \?: (.+?) /\*", text, re.MULTILINE))
    for name, column in re.findall(r"^    val (\w+) = \w+\(\"(\w+)\"\)", table, re.MULTILINE):
        yield Key(name=name, wire=column, default=nulls.get(name, ""))


def demanded(text: str) -> set[str]:
    """The keys that Julia's `check_required` wants at once."""
    return set(re.findall(r"o\.(?:var\")?(\w+)\"? === nothing && \(return false\)", text))


def tables(folder: Path) -> dict[str, str]:
    """The body of each CREATE TABLE that the generator wrote, by the table's name."""
    text = (folder / "ktorm_schema.sql").read_text(encoding="utf-8")
    found = re.findall(r"CREATE TABLE IF NOT EXISTS `(\w+)` \(\n(.*?)\);", text, re.DOTALL)
    assert len(found) == text.count("CREATE TABLE")
    return dict(found)


def columns(body: str) -> dict[str, str]:
    """The columns of a table and their types."""
    return dict(re.findall(r"^  `(\w+)`\s+(.+?),?$", body, re.MULTILINE))
