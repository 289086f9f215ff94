"""The JSON Schema of a scenario's file, for editors, made of the records that read it.

It says what one key says by itself, and which steps a policy has. What several keys say together (that runs come to an
end, that the generation knows a word) only `read_scenario` knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, get_args, get_origin, get_type_hints

from attrs import NOTHING, Attribute, fields, has

from runengine.core import POLICIES, Status
from runengine.simulation.distributions import DISTRIBUTIONS, Distribution
from runengine.simulation.keys import (
    CONTROLS,
    LEAST,
    LINE,
    MOMENT,
    MOST,
    ONE_OF,
    PATTERN,
    SAYS,
    SHARES,
    SIZE,
    default_of,
)
from runengine.simulation.scenario import Scenario, Step

__all__ = ["plain", "scenario_schema", "schema_text"]

_STEPS: Final = "steps"
_REF: Final = {"$ref": "#/$defs/distribution"}


def scenario_schema() -> dict[str, Any]:
    """The schema, draft 2020-12.

    Example:
        >>> schema = scenario_schema()
        >>> schema["required"], schema["properties"]["ttl_s"]["minimum"]
        (['name', 'arrival', 'steps'], 1)
    """
    kinds = [
        {**_object(cls, kind), "title": kind, "description": _first_line(cls)} for kind, cls in DISTRIBUTIONS.items()
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scenario of runengine",
        **_object(Scenario),
        "allOf": [_of_policy(name) for name in POLICIES],
        "$defs": {"distribution": {"oneOf": kinds}, "step": _object(Step)},
    }


def schema_text() -> str:
    """The schema as the text of `docs/reference/scenario.schema.json`; a test compares them.

    Example:
        >>> schema_text().splitlines()[1]
        '  "$schema": "https://json-schema.org/draft/2020-12/schema",'
    """
    return json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"


def plain(value: Any) -> Any:
    """A value of a scenario as plain data, with every key that is not None.

    Args:
        value: Any.

    Example:
        >>> from runengine.simulation.distributions import Constant
        >>> plain(Step(share=1, after_s=Constant(value=2)))
        {'share': 1, 'after_s': {'kind': 'constant', 'value': 2}}
    """
    if isinstance(value, tuple):
        return [plain(element) for element in value]
    if isinstance(value, Mapping):
        return {word: plain(element) for word, element in value.items()}
    if not has(type(value)):
        return value
    kind = {"kind": value.kind} if isinstance(value, Distribution) else {}
    given = {attribute.name: getattr(value, attribute.name) for attribute in fields(type(value))}
    return {**kind, **{name: plain(part) for name, part in given.items() if part is not None}}


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").partition("\n")[0]


def _object(cls: type, kind: str | None = None) -> dict[str, Any]:
    types, attributes = get_type_hints(cls), fields(cls)
    properties = {attribute.name: _key(types[attribute.name], attribute) for attribute in attributes}
    required = [attribute.name for attribute in attributes if attribute.default is NOTHING]
    if kind is not None:
        properties, required = {"kind": {"const": kind}, **properties}, ["kind", *required]
    made: dict[str, Any] = {"type": "object", "properties": properties}
    return {**made, "required": required, "additionalProperties": False}


def _key(kind: Any, attribute: Attribute[Any]) -> dict[str, Any]:
    made = _steps() if attribute.name == _STEPS else _value(kind, attribute.metadata)
    default = default_of(attribute)
    described = {"description": attribute.metadata[SAYS], **made}
    return described if default is NOTHING or default is None else {**described, "default": plain(default)}


def _steps() -> dict[str, Any]:
    """Every status with the events of any policy; `_of_policy` narrows them."""
    events: dict[str, dict[str, Any]] = {}
    for policy in POLICIES.values():
        for row in policy.rows:
            if row.source is not None:
                events.setdefault(row.source, {})[row.event] = {"$ref": "#/$defs/step"}
    tables = {s: {"type": "object", "properties": taken, "additionalProperties": False} for s, taken in events.items()}
    return {"type": "object", "properties": tables, "additionalProperties": False}


def _of_policy(name: str) -> dict[str, Any]:
    machine, is_default = POLICIES[name], fields(Scenario).policy.default == name
    given = {"properties": {"policy": {"const": name}}, "required": [] if is_default else ["policy"]}
    sources: tuple[Status, ...] = tuple(row.source for row in machine.rows if row.source is not None)
    narrowed = {source: {"propertyNames": {"enum": list(machine.allowed(source))}} for source in sources}
    return {"if": given, "then": {"properties": {_STEPS: {"properties": narrowed}}}}


def _value(kind: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    if kind == Distribution:
        return dict(_REF)
    origin, parts = get_origin(kind), get_args(kind)
    if type(None) in parts:
        return _value(next(part for part in parts if part is not type(None)), told)
    least, most = told[SIZE] or (None, None)
    shares = {"exclusiveMinimum": 0}
    if origin is tuple:
        sizes = {"minItems": least, "maxItems": most, "contains": shares if told[SHARES] else None}
        element = _value(parts[0], {**told, SIZE: None})
        return {"type": "array", "items": element, **_said(sizes)}
    if origin is not None and issubclass(origin, Mapping):
        names = {"enum": list(told[ONE_OF])} if told[ONE_OF] else {"minLength": 1}
        element = _value(parts[1], {**told, SIZE: None, ONE_OF: ()})
        sizes = {"minProperties": 1 if told[SHARES] else least, "maxProperties": most}
        return {"type": "object", "additionalProperties": element, "propertyNames": names, **_said(sizes)}
    if has(kind):
        return _object(kind)
    if kind is str:
        pattern = f"^(?:{told[PATTERN]})$" if told[PATTERN] else f"^[^{CONTROLS}]*$" if told[LINE] else None
        form = {"minLength": least, "maxLength": most, "pattern": pattern, "enum": list(told[ONE_OF]) or None}
        return {"type": "string", **_said({**form, "format": "date-time" if told[MOMENT] else None})}
    limits = {"minimum": told[LEAST], "maximum": told[MOST]}
    return {"type": "integer" if kind is int else "number", **_said(limits)}


def _said(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if part is not None}
