"""Losses: what a dialect does not carry, and what it carries and its generated client refuses.

Source: FACTS §8; what TypeScript and Ruby do was measured on generated clients (`tests/clients/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

from attrs import frozen

from runengine.core.candidates import INCOMPLETE_FIRST
from runengine.core.fields import FIELDS
from runengine.core.generations import GENERATIONS
from runengine.core.parts import JSON
from runengine.core.statuses import INCOMPLETE
from runengine.core.words import RANGES, WORDS
from runengine.dialects.shapes import Shape

__all__ = ["Loss", "limits_of"]


@frozen
class Loss:
    """Something of a document that a dialect cannot carry.

    Attributes:
        keys: The way to it: keys and, in arrays, numbers.
        why: What happens to it.
        kind: "loss": it is not written. "limit": it is, and the dialect's client refuses it.

    Example:
        >>> Loss(("tools", 0, "type"), "").path
        'tools[0].type'
    """

    keys: tuple[str | int, ...]
    why: str
    kind: Literal["loss", "limit"] = "loss"

    @property
    def path(self) -> str:
        """The way as text."""
        return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.keys).removeprefix(".")


def limits_of(document: dict[str, JSON], shape: Shape, target: int) -> Iterator[Loss]:
    """What a dialect carries and its client refuses.

    Args:
        document: A run as plain JSON with the API's own keys.
        shape: The dialect.
        target: The generation its client was made from.

    Example:
        >>> from runengine.dialects.shapes import SHAPES
        >>> [loss.path for loss in limits_of({"model": "m", "max_prompt_tokens": 5}, SHAPES["julia"], 6)]
        ['max_prompt_tokens']
    """
    name = GENERATIONS[target].name
    if document.get("status") == INCOMPLETE and target < INCOMPLETE_FIRST and "words" in shape.refuses:
        yield Loss(("status",), f"{name} has no status incomplete", "limit")
    for limit in shape.limits:
        known = FIELDS[limit.path].declared_in(target) and limit.first <= target <= limit.last
        missing = limit.path not in document and not FIELDS[limit.path].nullable_in(target)  # filled in, not null
        if known and not missing and document.get(limit.path) == limit.when:
            yield Loss((limit.path,), limit.why, "limit")
    for path, words in WORDS.items():
        tool = path == "tools[].type"
        if not FIELDS[path.partition(".")[0].removesuffix("[]")].declared_in(target) or not shape.refuses:
            continue
        for keys, value in _places(document, path):
            if type(value) is not str or (value in words.known_in(target) and value not in _RECORDED):
                continue
            if path == "response_format.type" and "tools" in shape.refuses and target >= _FORMATS_FIRST:
                yield Loss(keys, f"{name} has no format {value!r}; the client drops it", "limit")
            elif tool and "tools" in shape.refuses:
                yield Loss(
                    keys[:-1], f"{name} has no tool of type {value!r}; the client drops it from the list", "limit"
                )
            elif not tool and "words" in shape.refuses and len(keys) > 1:
                yield Loss(keys, f"{name} has no word {value!r} there; the client raises", "limit")
    if "ranges" in shape.refuses:
        yield from _out_of_range(document, target)
    yield from _without_its_object(document, shape, target)
    yield from _free_objects(document, shape, target)


_RECORDED: Final = {"default-2024-08-21"}
_FORMATS_FIRST: Final = 11
_STRING_MAP_FIRST: Final = 13
_NEEDS: Final = (
    ("tools[]", "function", "function", "tools"),
    ("response_format", "json_schema", "json_schema", "tools"),
    ("required_action", "submit_tool_outputs", "submit_tool_outputs", "words"),
    ("tools[].file_search.ranking_options", None, "score_threshold", "ranges"),
)
"""Objects whose class needs a key, when their type is this word; and which of `refuses` says that it minds."""


def _without_its_object(document: dict[str, JSON], shape: Shape, target: int) -> Iterator[Loss]:
    for path, word, key, refuses in _NEEDS:
        if refuses not in shape.refuses or (path == "response_format" and target < _FORMATS_FIRST):
            continue
        for keys, value in _places(document, path):
            if type(value) is dict and (word is None or value.get("type") == word) and value.get(key) is None:
                yield Loss(keys, f"it has no {key}; the client drops or refuses it", "limit")


def _free_objects(document: dict[str, JSON], shape: Shape, target: int) -> Iterator[Loss]:
    metadata = document.get("metadata")
    if target >= _STRING_MAP_FIRST and "words" in shape.refuses and type(metadata) is dict:
        for key, value in metadata.items():
            if type(value) is not str:
                yield Loss(("metadata", key), "the client makes text of it, or refuses it", "limit")
    if "array nulls" in shape.refuses:
        for path in ("metadata", "tools[].function.parameters", "response_format.json_schema.schema"):
            for keys, value in _places(document, path):
                if _null_in_array(value):
                    yield Loss(keys, "the client drops nulls from arrays", "limit")


def _null_in_array(value: JSON) -> bool:
    if type(value) is list:
        return None in value or any(_null_in_array(item) for item in value)
    return type(value) is dict and any(_null_in_array(item) for item in value.values())


def _out_of_range(document: dict[str, JSON], target: int) -> Iterator[Loss]:
    for path, limit in RANGES.items():
        field = FIELDS[path.partition(".")[0].removesuffix("[]")]
        least = (field.minimum if path == field.name else None) or limit.least
        for keys, value in _places(document, path) if field.declared_in(target) else ():
            if type(value) in (int, float) and (value < least or (limit.most is not None and value > limit.most)):
                yield Loss(keys, f"{value} is out of the published range; the client raises", "limit")
    tools, most = document.get("tools"), FIELDS["tools"].items_max
    if type(tools) is list and most is not None and len(tools) > most:
        yield Loss(("tools",), f"more than {most} tools; the client raises", "limit")


def _places(value: Any, path: str, way: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every place of a document that a path of the word or range table speaks of."""
    if not path:
        yield way, value
        return
    step, _, rest = path.partition(".")
    key = step.removesuffix("[]")
    if type(value) is not dict or key not in value:
        return
    if step.endswith("[]"):
        elements = value[key] if type(value[key]) is list else []
        for i, element in enumerate(elements):
            yield from _places(element, rest, (*way, key, i))
    else:
        yield from _places(value[key], rest, (*way, key))
