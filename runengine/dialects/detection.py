"""Which dialect and generation a document is of, and why; and an honest answer where it cannot be told.

Source: FACTS §8 (dialect detection), B5.3, B6 and §7 (what Azure adds).
"""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen

from runengine.core.candidates import candidates_of, era_of, span
from runengine.core.fields import FIELDS
from runengine.dialects.documents import DIALECTS
from runengine.dialects.spellings import SPELLINGS

__all__ = ["AZURE_WORDS", "Detection", "detect"]

AZURE_WORDS: Final = {
    "tools[].type": (
        "mcp",
        "connected_agent",
        "azure_ai_search",
        "azure_function",
        "bing_grounding",
        "bing_custom_search",
        "browser_automation",
        "deep_research",
        "fabric_dataagent",
        "openapi",
        "sharepoint_grounding",
    ),
    "required_action.type": ("submit_tool_approval",),
    "last_error.code": ("invalid_engine_error",),
}
"""Words that only Azure uses: tool types and the action type of azure-ai-agents, a recorded error code."""

_HUMPED: Final = {
    row.names["typescript-instance"] for row in SPELLINGS.values() if "." not in row.path and "_" in row.path
}
_ALWAYS_WRITTEN: Final = tuple(
    name for name, f in FIELDS.items() if f.nullable_from == 0 and not f.optional and name != "metadata"
)


@frozen(kw_only=True)
class Detection:
    """What a document is taken for.

    Attributes:
        dialect: The name of the dialect to read it in.
        others: Dialects that would have written the same.
        generations: The generations it may belong to.
        reason: Why.

    Example:
        >>> detect({"createdAt": 7, "status": "queued"}).dialect
        'typescript-instance'
    """

    dialect: str
    others: tuple[str, ...] = ()
    generations: tuple[int, ...]
    reason: str

    def __str__(self) -> str:
        others = f" (or {', '.join(self.others)}: they cannot be told apart here)" if self.others else ""
        return f"{self.dialect}{others}, generation {span(self.generations)}: {self.reason}"


def detect(document: dict[str, Any]) -> Detection:
    """Name the dialect of one document.

    Args:
        document: A run as plain JSON, in any dialect.

    Example:
        >>> print(detect({"id": "run_1", "created_at": 1_760_000_000, "status": "queued", "tools": [{"type": "mcp"}]}))
        azure, generation G8 to G9: tools[].type is 'mcp', which only Azure uses
    """
    humped = next((key for key in document if key in _HUMPED), None)
    if humped is not None:
        native = DIALECTS["typescript-instance"].to_native(document)
        reason = f"the key {humped} has humps, as JSON.stringify writes an instance"
        return Detection(dialect="typescript-instance", generations=_generations(native), reason=reason)
    generations = _generations(document)
    word = _azure_word(document)
    if word is not None:
        return Detection(dialect="azure", generations=generations, reason=f"{word}, which only Azure uses")
    unknown = next((key for key in document if key not in FIELDS), None)
    if unknown is not None:
        reason = f"it has the key {unknown}, which generated clients drop"
        return Detection(dialect="native", others=("azure",), generations=generations, reason=reason)
    missing = [name for name in _ALWAYS_WRITTEN if name not in document]
    if len(missing) > 1 and None not in document.values():
        reason = f"nulls are left out ({', '.join(missing[:3])}{', …' if len(missing) > 3 else ''})"
        return Detection(dialect="julia", others=("native",), generations=generations, reason=reason)
    if missing:
        reason = f"{missing[0]} is left out while other nulls are written, as the API did until February 2024"
        return Detection(dialect="native", generations=generations, reason=reason)
    reason = "the API's own keys with nulls written, which several write alike"
    return Detection(dialect="native", others=_alike(generations), generations=generations, reason=reason)


def _generations(native: dict[str, Any]) -> tuple[int, ...]:
    return candidates_of(native.get("status"), native, era_of(native.get("created_at")))


def _alike(generations: tuple[int, ...]) -> tuple[str, ...]:
    """Dialects of that protocol version that write nulls under the API's own keys."""
    v2_only = ("dart", "typescript") if generations[-1] >= 8 else ()
    return ("azure", "ruby", *v2_only) if v2_only else ("ruby",)


def _azure_word(document: dict[str, Any]) -> str | None:
    tools = document.get("tools")
    found = [("tools[].type", t.get("type")) for t in tools if type(t) is dict] if type(tools) is list else []
    for name, key in (("required_action", "type"), ("last_error", "code")):
        inside = document.get(name)
        if type(inside) is dict:
            found.append((f"{name}.{key}", inside.get(key)))
    return next((f"{path} is {word!r}" for path, word in found if word in AZURE_WORDS[path]), None)
