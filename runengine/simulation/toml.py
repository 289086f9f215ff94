"""A scenario as a TOML file: read with every problem named by its place, and written.

What is read is told by the records themselves (their annotations, and the metadata of `runengine.simulation.keys`);
there is no second list of keys. The writer is our own: `tomli_w` writes no inline table where a table may stand, and a
scenario is read by its inline tables.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, time
from functools import cache
from json import dumps
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

from attrs import NOTHING, fields, has

from runengine.core import POLICIES
from runengine.simulation.distributions import DISTRIBUTIONS, Distribution
from runengine.simulation.errors import ScenarioInvalid
from runengine.simulation.keys import default_of, place_of
from runengine.simulation.scenario import Scenario
from runengine.simulation.soundness import nearest, problems_of_steps

__all__ = ["load_scenario", "read_scenario", "write_scenario"]

_BROKEN: Final = object()
"""Stands for a value with a problem; the problem has been noted."""

_POLICY: Final = fields(Scenario).policy.default
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_AT: Final = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)")


def read_scenario(text: str, source: str = "scenario.toml") -> Scenario:
    """A scenario from the text of a TOML file.

    Args:
        text: The text.
        source: What an error calls it.

    Raises:
        ScenarioInvalid: the text is not TOML, or a key is missing, unknown, or has a value it cannot have; every
            problem is named, with its place.

    Example:
        >>> read_scenario("name = 3", "mine.toml")
        Traceback (most recent call last):
        runengine.simulation.errors.ScenarioInvalid: mine.toml: name: expected a string, got 3; arrival: missing; \
steps: missing
    """
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise ScenarioInvalid(source, ("not TOML: nested too deeply",)) from None
    except ValueError as error:
        raise ScenarioInvalid(source, (_syntax(str(error)),)) from None
    problems: list[str] = []
    scenario = _part(Scenario, document, "", problems)
    if scenario is _BROKEN:
        problems += [problem for problem in _misnamed_steps(document) if problem not in problems]
    if problems:
        raise ScenarioInvalid(source, tuple(problems))
    assert isinstance(scenario, Scenario)
    return scenario


def load_scenario(path_or_name: str) -> Scenario:
    """A ready-made scenario by its name, else that of a file.

    Args:
        path_or_name: As `steady`, or `mine.toml`.

    Raises:
        ScenarioInvalid: there is neither, or the file cannot be read or is no scenario.

    Example:
        >>> load_scenario("steady").name
        'steady'
    """
    from runengine.simulation.ready import READY, scenario_named

    if not path_or_name:
        raise ScenarioInvalid("''", (f"neither a file nor a ready-made scenario; there are {', '.join(READY)}",))
    if path_or_name in READY:
        return scenario_named(path_or_name)
    path = Path(path_or_name)
    if not path.exists() and path.suffix != ".toml" and path.name == path_or_name:
        hint = nearest(path_or_name, READY)
        raise ScenarioInvalid(path_or_name, (f"no such file, and no ready-made scenario; {hint}",))
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ScenarioInvalid(path_or_name, (f"not UTF-8 at byte {error.start}",)) from None
    except (OSError, ValueError) as error:
        raise ScenarioInvalid(path_or_name, (f"cannot be read: {getattr(error, 'strerror', None) or error}",)) from None
    return read_scenario(text, path_or_name)


def _syntax(message: str) -> str:
    found = _AT.fullmatch(message)
    if found is None:
        return f"not TOML: {message}"
    place = f"line {found[2]}, column {found[3]}" if found[2] else "at its end"
    return f"{place}: not TOML: {found[1]}"


def _misnamed_steps(document: dict[str, Any]) -> Iterator[str]:
    """Steps that are no rows of the policy: said also where the steps have other problems."""
    policy, steps = document.get("policy", _POLICY), document.get("steps")
    if isinstance(policy, str) and policy in POLICIES and isinstance(steps, dict):
        named = {source: dict.fromkeys(taken) for source, taken in steps.items() if isinstance(taken, dict)}
        yield from problems_of_steps(policy, named)


def _joined(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


@cache
def _types(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _part(cls: type, value: Any, place: str, problems: list[str]) -> Any:
    """A record of a table, or `_BROKEN`."""
    if not isinstance(value, dict):
        problems.append(f"{place}: expected a table, got {_shown(value)}")
        return _BROKEN
    before = len(problems)
    known = {attribute.name: attribute for attribute in fields(cls)}
    own = {*known, "kind"} if cls in DISTRIBUTIONS.values() else {*known}
    problems += [f"{_joined(place, key)}: no such key; {nearest(key, known)}" for key in value if key not in own]
    given: dict[str, Any] = {}
    for name, attribute in known.items():
        if name not in value:
            if attribute.default is NOTHING:
                problems.append(f"{_joined(place, name)}: missing")
            continue
        here = _joined(place, name)
        read = _value(_types(cls)[name], value[name], here, problems)
        if read is _BROKEN:
            continue
        try:
            if attribute.validator:
                attribute.validator(None, attribute, read)
        except ValueError as error:
            problems.append(f"{_joined(place, str(error))}")
            continue
        given[name] = read
    if len(problems) > before:
        return _BROKEN
    try:
        return cls(**given)
    except ScenarioInvalid as error:
        problems += [_joined(place, problem) for problem in error.problems]
    except ValueError as error:
        problems.append(_joined(place, ": ".join(part for part in place_of(error) if part)))
    return _BROKEN


def _value(kind: Any, value: Any, place: str, problems: list[str]) -> Any:
    """A value of a kind that an annotation names, or `_BROKEN`."""
    if kind == Distribution:
        return _distribution(value, place, problems)
    origin, parts = get_origin(kind), get_args(kind)
    if type(None) in parts:
        return _value(next(p for p in parts if p is not type(None)), value, place, problems)
    if origin is tuple:
        if not isinstance(value, list):
            problems.append(f"{place}: expected an array, got {_shown(value)}")
            return _BROKEN
        read = [_value(parts[0], element, f"{place}[{n}]", problems) for n, element in enumerate(value)]
        return _BROKEN if any(element is _BROKEN for element in read) else tuple(read)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            problems.append(f"{place}: expected a table, got {_shown(value)}")
            return _BROKEN
        made = {k: _value(parts[1], element, _joined(place, k), problems) for k, element in value.items()}
        return _BROKEN if any(element is _BROKEN for element in made.values()) else made
    if has(kind):
        return _part(kind, value, place, problems)
    if kind is str and isinstance(value, (date, time)):
        value = value.isoformat()
    wanted = {float: (int, float), int: (int,), str: (str,)}[kind]
    if type(value) in wanted:
        return value
    name = {float: "a number", int: "a whole number", str: "a string"}[kind]
    problems.append(f"{place}: expected {name}, got {_shown(value)}")
    return _BROKEN


def _distribution(value: Any, place: str, problems: list[str]) -> Any:
    if not isinstance(value, dict):
        kinds = ", ".join(DISTRIBUTIONS)
        problems.append(f"{place}: expected a table with a kind ({kinds}), got {_shown(value)}")
        return _BROKEN
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in DISTRIBUTIONS:
        got = "missing" if kind is None else f"got {_shown(kind)}"
        problems.append(f"{place}.kind: expected one of {', '.join(DISTRIBUTIONS)}, {got}")
        return _BROKEN
    return _part(DISTRIBUTIONS[kind], value, place, problems)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, (int, float, str)) else value.isoformat()


def write_scenario(scenario: Scenario) -> str:
    """A scenario as the text of a TOML file; what is as it is by itself is left out.

    Args:
        scenario: Any.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> print(write_scenario(scenario_named("steady"))[:15])
        name = "steady"
    """
    simple, tables = [], []
    for name, value in _given(scenario):
        if isinstance(value, (str, int, float)):
            simple.append(f"{_key(name)} = {_text(value)}")
        elif name == "steps":
            for source, steps in value.items():
                tables.append(_table(f"steps.{_key(source)}", steps.items()))
        elif name == "assistants":
            tables += [_table(name, _given(assistant)).replace("[assistants]", "[[assistants]]") for assistant in value]
        else:
            tables.append(_table(_key(name), value.items() if isinstance(value, Mapping) else _given(value)))
    return "\n\n".join(["\n".join(simple), *tables]) + "\n"


def _table(name: str, items: Any) -> str:
    return "\n".join([f"[{name}]", *(f"{_key(key)} = {_text(value)}" for key, value in items)])


def _given(part: Any) -> Iterator[tuple[str, Any]]:
    """The keys of a record that are not as they are by themselves."""
    for attribute in fields(type(part)):
        value = getattr(part, attribute.name)
        default = default_of(attribute)
        if value is not None and (default is NOTHING or value != default):
            yield attribute.name, value


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_text, value))}]"
    items = value.items() if isinstance(value, Mapping) else _given(value)
    kind = [("kind", value.kind)] if isinstance(value, Distribution) else []
    return f"{{ {', '.join(f'{_key(k)} = {_text(v)}' for k, v in [*kind, *items])} }}".replace("{  }", "{}")
