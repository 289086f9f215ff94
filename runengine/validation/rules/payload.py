"""Rules on the objects inside a record, derived from the record classes, the word table and the range table.

Source: FACTS §2 (shapes, words, ranges), B5 and B6 (what recordings add), §1.2 (metadata limits).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from runengine.core import parts
from runengine.core.fields import FIELDS
from runengine.core.parts import Part
from runengine.core.slots import Slot, slots_of
from runengine.core.words import NESTED_EXTRAS, RANGES, WORDS
from runengine.validation.findings import Finding

__all__ = [
    "LOOKED_INTO",
    "METADATA_KEY",
    "METADATA_PAIRS",
    "METADATA_VALUE",
    "field_findings",
    "payload_findings",
    "same_json",
]

METADATA_PAIRS: Final = 16
METADATA_KEY: Final = 64
METADATA_VALUE: Final = 512
_STRING_MAP_FIRST: Final = 13

LOOKED_INTO: Final = ("object", *(n for n, f in FIELDS.items() if f.role in ("payload", "request", "metadata")))
"""The fields that `payload_findings` looks into."""

Candidates = tuple[int, ...]


def same_json(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: 1 is neither 1.0 nor true here, as a field's type tells them apart.

    Example:
        >>> same_json({"a": 1}, {"a": 1}), same_json([1], [1.0])
        (True, False)
    """
    return bool(one == other) and repr(one) == repr(other)


def payload_findings(
    record: dict[str, Any], candidates: Candidates, changed: Callable[[str], bool]
) -> Iterator[Finding]:
    """What is wrong inside the fields of a record.

    Args:
        record: The record as JSON.
        candidates: Generations it may belong to.
        changed: Whether a field must be looked at: false for one that is the same as in a snapshot already found good.

    Example:
        >>> usage = {"completion_tokens": 1, "prompt_tokens": 2, "total_tokens": 4}
        >>> [f.code for f in payload_findings({"usage": usage}, (16,), lambda name: True)]
        ['RE304']
    """
    for name in LOOKED_INTO:
        value = record.get(name)
        if value is not None and changed(name):
            yield from field_findings(name, value, candidates)


def field_findings(name: str, value: Any, candidates: Candidates) -> Iterator[Finding]:
    """What is wrong inside one field that is not null.

    Args:
        name: A declared field.
        value: Its value as JSON; one of another type than the field's is passed over (that is RE308 already).
        candidates: Generations the record may belong to.

    Example:
        >>> [f.code for f in field_findings("max_prompt_tokens", 255, (16,))]
        ['RE305']
    """
    field = FIELDS[name]
    if name in RANGES:
        yield from _ranged(value, name, name)
    if name in WORDS and type(value) is str:
        yield from _worded(value, name, name, candidates)
    if field.part is not None and type(value) is dict and field.kind != "array":
        yield from _walk(getattr(parts, field.part), value, name, name, candidates)
    elif field.kind == "array" and type(value) is list:
        yield from _array(field.part, value, name, field.items_limit(), candidates)
    if name == "usage":
        yield from _usage_sum(value)
    elif name == "required_action":
        yield from _call_ids(value)
    elif name == "metadata":
        yield from _metadata(value, candidates)


def _array(
    part: str | None, value: list[Any], name: str, limit: int | None, candidates: Candidates
) -> Iterator[Finding]:
    if limit is not None and len(value) > limit:
        yield Finding(
            "RE305", name, f"at most {limit}", f"{name} has too many elements", found=f"{len(value)} elements"
        )
    for i, element in enumerate(value):
        at = f"{name}[{i}]"
        if part is None:
            if type(element) is not str:
                yield Finding("RE308", at, "string", f"{at} is no string", found=element)
        elif type(element) is dict:
            yield from _walk(getattr(parts, part), element, at, f"{name}[]", candidates)
        else:
            yield Finding("RE308", at, "object", f"{at} is no object", found=element)


def _walk(part: type[Part], value: dict[str, Any], at: str, path: str, candidates: Candidates) -> Iterator[Finding]:
    """Every key of one object against its class; `at` names the place, `path` the same without indices."""
    slots = slots_of(part)
    for slot in slots:
        here, place = f"{at}.{slot.name}", f"{path}.{slot.name}"
        if slot.name not in value:
            if not slot.nullable:
                yield Finding("RE307", here, _types(slot), f"the key {here} is missing", found=None)
            continue
        inside = value[slot.name]
        if inside is None:
            if not slot.nullable:
                yield Finding("RE308", here, _types(slot), f"{here} is null", found=None)
        elif type(inside) not in slot.types:
            yield Finding("RE308", here, _types(slot), f"{here} is of type {type(inside).__name__}", found=inside)
        else:
            yield from _inside(slot, inside, here, place, candidates)
    known = {slot.name for slot in slots}
    for name in value:
        if name not in known and f"{path}.{name}" not in NESTED_EXTRAS:
            message = f"no generation declares the key {name[:80]!r} in {at}"
            yield Finding("RE309", f"{at}.{name}", None, message, found=value[name])


def _inside(slot: Slot, value: Any, here: str, place: str, candidates: Candidates) -> Iterator[Finding]:
    if place in RANGES:
        yield from _ranged(value, here, place)
    if place in WORDS:
        yield from _worded(value, here, place, candidates)
    if slot.part is None:
        return
    if type(value) is not list:
        yield from _walk(slot.part, value, here, place, candidates)
        return
    for i, element in enumerate(value):
        at = f"{here}[{i}]"
        if type(element) is dict:
            yield from _walk(slot.part, element, at, f"{place}[]", candidates)
        else:
            yield Finding("RE308", at, "object", f"{at} is no object", found=element)


def _ranged(value: Any, here: str, place: str) -> Iterator[Finding]:
    limit = RANGES[place]
    if type(value) not in (int, float):
        return
    if value < limit.least or (limit.most is not None and value > limit.most):
        expected = f"at least {limit.least}" if limit.most is None else f"{limit.least} to {limit.most}"
        yield Finding("RE305", here, expected, f"{here} is {_count(value)}, out of range ({limit.source})", found=value)


def _worded(value: Any, here: str, place: str, candidates: Candidates) -> Iterator[Finding]:
    words = WORDS[place]
    if any(value in words.known_in(g) for g in candidates):
        return
    known = ", ".join(dict.fromkeys(word for g in candidates for word in words.known_in(g)))
    message = f"{here} is {value[:80]!r}, which the schema does not know there"
    if words.open:
        yield Finding("RE309", here, known, message, found=value)
    else:
        yield Finding("RE305", here, known, message, found=value, severity="warning")


def _usage_sum(usage: Any) -> Iterator[Finding]:
    if type(usage) is not dict:
        return
    prompt, completion, total = (usage.get(f"{n}_tokens") for n in ("prompt", "completion", "total"))
    if type(prompt) is int and type(completion) is int and type(total) is int and total != prompt + completion:
        expected = _count(prompt + completion)
        message = f"usage.total_tokens is {_count(total)}, but {_count(prompt)} + {_count(completion)} tokens were used"
        yield Finding("RE304", "usage.total_tokens", expected, message, found=total)


def _count(number: float) -> str:
    """A number in words; Python refuses to print more than 4,300 digits, and nobody reads them."""
    if isinstance(number, int) and abs(number) >= 1 << 63:
        return f"an integer of {number.bit_length()} bits"
    return str(number)


def _call_ids(action: Any) -> Iterator[Finding]:
    if type(action) is not dict:
        return
    for asked in ("submit_tool_outputs", "submit_tool_approval"):
        inside = action.get(asked)
        calls = inside.get("tool_calls") if type(inside) is dict else None
        if type(calls) is not list:
            continue
        at = f"required_action.{asked}.tool_calls"
        if not calls:
            yield Finding("RE301", at, "at least one call", "the required action asks for no tool call", found=[])
        seen: set[str] = set()
        for i, call in enumerate(calls):
            call_id = call.get("id") if type(call) is dict else None
            if type(call_id) is not str:
                continue
            if call_id in seen:
                message = f"two tool calls have the id {call_id[:80]!r}"
                yield Finding("RE310", f"{at}[{i}].id", "an id of its own", message, found=call_id)
            seen.add(call_id)


def _metadata(metadata: Any, candidates: Candidates) -> Iterator[Finding]:
    if type(metadata) is not dict:
        return
    if len(metadata) > METADATA_PAIRS:
        message = f"metadata has {len(metadata)} pairs"
        yield Finding("RE306", "metadata", f"at most {METADATA_PAIRS} pairs", message, found=f"{len(metadata)} pairs")
    strings_only = all(g >= _STRING_MAP_FIRST for g in candidates)
    for key, value in metadata.items():
        at = f"metadata.{key[:80]}"
        if len(key) > METADATA_KEY:
            message = f"a key of metadata has {len(key)} characters"
            yield Finding("RE306", at, f"at most {METADATA_KEY} characters", message, found=key)
        if type(value) is str and len(value) > METADATA_VALUE:
            message = f"{at} has {len(value)} characters"
            yield Finding("RE306", at, f"at most {METADATA_VALUE} characters", message, found=value)
        elif type(value) is not str and strings_only:
            yield Finding("RE308", at, "string", f"{at} is no string", found=value)


def _types(slot: Slot) -> str:
    names = {str: "string", int: "integer", float: "number", bool: "boolean", list: "array", dict: "object"}
    return " or ".join(dict.fromkeys(names[t] for t in slot.types))
