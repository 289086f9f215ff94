"""How a key of a scenario is declared: once, for its check, its JSON Schema and its line in the reference.

What kind of value it takes is told by its annotation; the rest is here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from attrs import NOTHING, Attribute, Factory, field

__all__ = [
    "CONTROLS",
    "LEAST",
    "LINE",
    "MAY_BE_NULL",
    "MOMENT",
    "MOST",
    "ONE_OF",
    "PATTERN",
    "SAYS",
    "SHARES",
    "SIZE",
    "YEARS",
    "default_of",
    "key",
    "place_of",
]

SAYS: Final = "says"
"""Metadata of a key: what it says, one sentence."""

LEAST: Final = "least"
"""Metadata of a key: its smallest number, or that of each element."""

MOST: Final = "most"
"""Metadata of a key: its largest number, or that of each element."""

ONE_OF: Final = "one_of"
"""Metadata of a key: the words it takes; of a table, the words that its keys are."""

PATTERN: Final = "pattern"
"""Metadata of a key: what its text, or that of each element, must match."""

SIZE: Final = "size"
"""Metadata of a key: least and largest number of characters, elements or pairs."""

MOMENT: Final = "moment"
"""Metadata of a key: it is a moment."""

SHARES: Final = "shares"
"""Metadata of a key: its numbers are shares, so one of them is greater than 0."""

LINE: Final = "line"
"""Metadata of a key: its text is one line, which a terminal may print."""

MAY_BE_NULL: Final = "may_be_null"
"""Metadata of a key: None stands for it being left out."""

_KINDS: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    "float": ((int, float), "a number"),
    "int": ((int,), "a whole number"),
    "str": ((str,), "a string"),
}
_CONTAINERS: Final[tuple[tuple[str, type, str], ...]] = (
    ("tuple[", tuple, "a tuple"),
    ("Mapping[", Mapping, "a mapping"),
)
YEARS: Final = (1971, 2500)
"""The first and the last year of a moment."""

CONTROLS: Final = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
"""What is not in a line, for a regular expression: control characters (C0, DEL, C1) and what ends lines in Unicode."""

_CONTROL: Final = re.compile(f"[{CONTROLS}]")


def key(
    says: str,
    *,
    default: Any = NOTHING,
    factory: Callable[[], Any] | None = None,
    least: float | None = None,
    most: float | None = None,
    one_of: tuple[str, ...] = (),
    pattern: str | None = None,
    size: tuple[int, int] | None = None,
    moment: bool = False,
    shares: bool = False,
    line: bool = False,
    check: Any = None,
) -> Any:
    """A field of a scenario's record.

    Args:
        says: What it says, one sentence, with its unit.
        default: Its value where it is left out; none: it must be there.
        factory: Makes that value.
        least: Its smallest number, or that of each element of an array or table.
        most: Its largest number, or that of each element.
        one_of: The words it takes; of a table, the words that its keys are.
        pattern: What its text, or each element's, must match from end to end.
        size: Least and largest number of characters, elements or pairs.
        moment: Whether it is a moment, as `2026-01-05T09:00:00Z`.
        shares: Whether one of its numbers at least must be greater than 0.
        line: Whether its text is one line, without control characters.
        check: Another validator, called after these.

    Example:
        >>> from attrs import frozen
        >>> @frozen(kw_only=True)
        ... class Part:
        ...     share: float = key("Its share.", least=0, most=1)
        >>> Part(share=2)
        Traceback (most recent call last):
        ValueError: share: expected a number from 0 to 1, got 2
    """
    metadata = {
        SAYS: says,
        LEAST: least,
        MOST: most,
        ONE_OF: one_of,
        PATTERN: pattern,
        SIZE: size,
        MOMENT: moment,
        SHARES: shares,
        LINE: line,
        MAY_BE_NULL: default is None,
    }
    given: dict[str, Any] = {"factory": factory} if factory is not None else {"default": default}
    return field(metadata=metadata, validator=[_check, check] if check else [_check], **given)


def place_of(error: ValueError) -> tuple[str, str]:
    """The key an error speaks of, and what it says of it.

    Args:
        error: As a validator of `key` raises it.

    Example:
        >>> place_of(ValueError("share: expected a number from 0 to 1, got 2"))
        ('share', 'expected a number from 0 to 1, got 2')
    """
    place, _, problem = str(error).partition(": ")
    return (place, problem) if problem else ("", place)


def _check(_instance: Any, attribute: Attribute[Any], given: object) -> None:
    """That a value is as its key declares it."""
    name, told = attribute.name, attribute.metadata
    if given is None and told[MAY_BE_NULL]:
        return
    value: Any = given
    annotation = str(attribute.type).removesuffix(" | None")
    element_kind = (
        annotation.removeprefix("tuple[").removeprefix("Mapping[str, ").removesuffix("]").removesuffix(", ...")
    )
    for begins, kind, expected in _CONTAINERS:
        if annotation.startswith(begins) and not isinstance(given, kind):
            raise ValueError(f"{name}: expected {expected}, got {value!r}")
    if element_kind in _KINDS:
        for place, element in _elements(name, value):
            _check_one(place, element_kind, told, element)
        if annotation.startswith("Mapping["):
            _check_keys(name, told, value)
    if told[SIZE]:
        _check_size(name, told[SIZE], value)
    if told[MOMENT]:
        _check_moment(name, value)
    if told[SHARES] and not any(share for _, share in _elements(name, value)):
        raise ValueError(f"{name}: expected shares, one of them greater than 0")


def _elements(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, tuple):
        yield from ((f"{name}[{number}]", element) for number, element in enumerate(value))
    elif isinstance(value, Mapping):
        yield from ((f"{name}.{word}", element) for word, element in value.items())
    else:
        yield name, value


def _check_one(place: str, kind: str, told: Mapping[str, Any], value: Any) -> None:
    types, expected = _KINDS[kind]
    if kind == "str":
        if type(value) is str and told[ONE_OF] and value not in told[ONE_OF]:
            raise ValueError(f"{place}: expected one of {', '.join(told[ONE_OF])}, got {value!r}")
        if type(value) is not str or not _is_text(value):
            raise ValueError(f"{place}: expected {expected} that UTF-8 can write, without NUL, got {value!r}")
        if told[LINE] and _CONTROL.search(value):
            raise ValueError(f"{place}: expected one line without control characters, got {value!r}")
        if told[PATTERN] and not re.fullmatch(told[PATTERN], value):
            raise ValueError(f"{place}: expected {told[PATTERN]}, got {value!r}")
        return
    least, most = told[LEAST], told[MOST]
    finite = type(value) in types and value == value and abs(value) != float("inf")
    if not finite or (least is not None and value < least) or (most is not None and value > most):
        span = "" if least is None else f" of at least {least:g}" if most is None else f" from {least:g} to {most:g}"
        raise ValueError(f"{place}: expected {expected}{span}, got {value!r}")


def _check_keys(name: str, told: Mapping[str, Any], table: Mapping[Any, Any]) -> None:
    for word in table:
        if type(word) is not str or not word or not _is_text(word):
            raise ValueError(f"{name}: expected keys that are not empty and UTF-8 can write, without NUL, got {word!r}")
        if told[ONE_OF] and word not in told[ONE_OF]:
            raise ValueError(f"{name}.{word}: no such key; there are {', '.join(told[ONE_OF])}")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in value


def _check_size(name: str, size: tuple[int, int], value: Any) -> None:
    if not size[0] <= len(value) <= size[1]:
        what = "characters" if isinstance(value, str) else "elements" if isinstance(value, tuple) else "pairs"
        raise ValueError(f"{name}: expected {size[0]} to {size[1]} {what}, got {len(value)}")


def _check_moment(name: str, value: str) -> None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{name}: expected a moment as 2026-01-05T09:00:00Z, got {value!r}") from None
    if moment.tzinfo is None or not YEARS[0] <= moment.year <= YEARS[1] or moment.microsecond:
        span = f"from {YEARS[0]} to {YEARS[1]}"
        raise ValueError(f"{name}: expected a whole second {span} with its zone, got {value!r}")


def default_of(attribute: Attribute[Any]) -> Any:
    """What a key is where it is left out; `NOTHING` where it must be there.

    Args:
        attribute: The key, as attrs knows it.

    Example:
        >>> from attrs import fields, frozen
        >>> @frozen(kw_only=True)
        ... class Part:
        ...     share: float = key("Its share.", default=0.5)
        >>> default_of(fields(Part).share)
        0.5
    """
    default: Any = attribute.default
    return default.factory() if isinstance(default, Factory) else default  # type: ignore[arg-type] # a class, typed as a function
