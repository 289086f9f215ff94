"""Rules that need only a record's status, keys and the types of its values: decided once for each such layout.

Recordings repeat a few layouts over and over, so the answer is remembered (at most 4,096 layouts).
Source: FACTS §1.2, §6.4, B3; DESIGN §2.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from attrs import frozen

from runengine.core.candidates import INCOMPLETE_FIRST, candidates_of, span
from runengine.core.fields import FIELDS, STAMPS, WIRE_EXTRAS, Field
from runengine.core.shape import shape_problems
from runengine.core.statuses import INCOMPLETE, STATUSES, Status
from runengine.validation.findings import Finding

__all__ = ["KIND_TYPES", "Layout", "layout_of"]

NULL: Final = type(None)

KIND_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "stamp": (int,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "word or object": (str, dict),
}
"""The JSON types each kind of field takes, null apart."""


_PRESENCE_CODES: Final[dict[str, tuple[str, str]]] = {
    **dict.fromkeys(STAMPS, ("RE201", "RE202")),
    "expires_at": ("RE206", "RE206"),
    "required_action": ("RE301", "RE301"),
    "last_error": ("RE302", "RE302"),
    "incomplete_details": ("RE303", "RE303"),
    "usage": ("RE304", "RE304"),
}
"""Rules for a field of the shape table that is (missing, unexpected)."""


@frozen(kw_only=True)
class Layout:
    """What is known of every record with one layout.

    Attributes:
        findings: What the layout alone breaks.
        candidates: The generations the record may belong to.

    Example:
        >>> layout_of("queued", ("file_ids", "usage"), (list, dict), -1).candidates
        (2, 3, 4, 5, 6, 7)
    """

    findings: tuple[Finding, ...]
    candidates: tuple[int, ...]


@lru_cache(maxsize=4096)
def layout_of(
    status: Status,
    keys: tuple[str, ...],
    types: tuple[type, ...],
    era: int,
    generation: int | None = None,
    columns: frozenset[str] | None = None,
) -> Layout:
    """Judge a layout.

    Args:
        status: The record's status, one of the nine.
        keys: Its keys, in order.
        types: The type of each value.
        era: From `runengine.core.candidates.era_of`.
        generation: The generation to hold the record to, or None to infer candidates.
        columns: Of a table, the fields it has a column for: of the others nothing is said, and a null in a column may
            stand for no key. None for a record that is whole.

    Example:
        >>> keys = ("id", "object", "created_at", "thread_id", "assistant_id", "status", "expires_at", "model",
        ...         "instructions", "tools", "parallel_tool_calls")
        >>> types = (str, str, int, str, str, str, int, str, str, list, bool)
        >>> layout_of("queued", keys, types, -1).findings
        ()
        >>> [(f.code, f.field) for f in layout_of("in_progress", keys, types, -1).findings]
        [('RE201', 'started_at')]
    """
    kinds = dict(zip(keys, types, strict=True))
    candidates = (generation,) if generation is not None else _candidates(status, kinds, era, columns)
    if columns is not None:
        kinds = {name: kind for name, kind in kinds.items() if kind is not NULL or _declared_in(name, candidates)}
    findings = (
        *_presence(status, kinds, columns),
        *_declared(kinds, candidates, columns),
        *_undeclared(kinds, candidates),
        *_status_known(status, candidates),
    )
    return Layout(findings=findings, candidates=candidates)


def _candidates(status: Status, kinds: dict[str, type], era: int, columns: frozenset[str] | None) -> tuple[int, ...]:
    if columns is None:
        return candidates_of(status, kinds, era)
    unknown = FIELDS.keys() - columns
    candidates = candidates_of(status, kinds, era, unknown)
    nulls = {name for name, kind in kinds.items() if kind is NULL}
    if all(_declared_in(name, candidates) for name in nulls):
        return candidates
    # A table of many generations has columns that some of its rows have nothing for.
    return candidates_of(status, kinds, era, unknown | nulls)


def _declared_in(name: str, candidates: tuple[int, ...]) -> bool:
    return name not in FIELDS or any(FIELDS[name].declared_in(g) for g in candidates)


def _presence(status: Status, kinds: dict[str, type], columns: frozenset[str] | None) -> Iterator[Finding]:
    present = {name: True for name, kind in kinds.items() if kind is not NULL}
    for problem in shape_problems(status, present):
        missing = problem.kind == "missing"
        if missing and columns is not None and problem.field not in columns:
            continue
        code = _PRESENCE_CODES[problem.field][0 if missing else 1]
        yield Finding(
            code,
            problem.field,
            "a value" if missing else "null",
            f"{problem.field} is null: a run that is {status} has one"
            if missing
            else f"{problem.field} is set: a run that is {status} has none",
        )


def _declared(kinds: dict[str, type], candidates: tuple[int, ...], columns: frozenset[str] | None) -> Iterator[Finding]:
    for field in FIELDS.values():
        kind = kinds.get(field.name)
        if kind is None and columns is not None:
            continue
        if kind is None:
            if field.kind != "stamp" and all(field.required_in(g) for g in candidates):
                expected = _expected(field, null=False)
                yield Finding("RE307", field.name, expected, f"the key {field.name} is missing", found=None)
        elif kind is NULL:
            if field.kind != "stamp" and not any(field.nullable_in(g) or not field.declared_in(g) for g in candidates):
                yield Finding("RE308", field.name, _expected(field, null=False), f"{field.name} is null")
        elif kind not in KIND_TYPES[field.kind]:
            expected = _expected(field, null=field.nullable_from is not None)
            code = "RE207" if field.kind == "stamp" else "RE308"
            yield Finding(code, field.name, expected, f"{field.name} is of type {_json_type(kind)}")


def _undeclared(kinds: dict[str, type], candidates: tuple[int, ...]) -> Iterator[Finding]:
    for name in kinds:
        field = FIELDS.get(name)
        if field is None and name not in WIRE_EXTRAS:
            yield Finding("RE309", name, None, f"no generation declares the key {name[:80]!r}")
        elif field is not None and not any(field.declared_in(g) for g in candidates):
            generations = f"G{field.first} to G{field.last}"
            message = f"the key {name} belongs to {generations}, and the rest of the record to {span(candidates)}"
            yield Finding("RE309", name, None, message)


def _status_known(status: Status, candidates: tuple[int, ...]) -> Iterator[Finding]:
    if status == INCOMPLETE and all(g < INCOMPLETE_FIRST for g in candidates):
        known = ", ".join(s for s in STATUSES if s != INCOMPLETE)
        message = f"status incomplete was published in G{INCOMPLETE_FIRST}; the record is of {span(candidates)}"
        yield Finding("RE107", "status", known, message)


def _expected(field: Field, *, null: bool) -> str:
    kind = "whole Unix seconds" if field.kind == "stamp" else field.kind
    return f"{kind} or null" if null else kind


def _json_type(kind: type) -> str:
    return {str: "string", int: "integer", float: "number", bool: "boolean", list: "array", dict: "object"}.get(
        kind, kind.__name__
    )
