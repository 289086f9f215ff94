"""What a request may carry so that every store can keep it: checked when it is made, before a store is asked."""

from __future__ import annotations

from typing import Any, Final

from attrs import Attribute

__all__ = ["ID_BYTES_MAX", "SECONDS_MAX", "check_id", "check_count", "check_seconds", "count", "identifier", "seconds"]

ID_BYTES_MAX: Final = 1000
"""Two ids stand in one line of PostgreSQL's indexes, which hold 2,704 bytes."""

SECONDS_MAX: Final = 10**11
"""3,170 years: times in microseconds stay within 64 bits."""


def check_id(name: str, value: object) -> None:
    r"""Refuse what is no id: an id is looked up in columns of text, and some databases end text at a zero byte.

    Raises:
        ValueError: it is no text, is empty or too long, or has what UTF-8 or a column cannot hold.

    Example:
        >>> check_id("run_id", "run_" + chr(0))
        Traceback (most recent call last):
        ValueError: run_id must be text without zero characters; got 'run_\x00'
    """
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be text that is not empty; got {value!r}")
    if "\0" in value:
        raise ValueError(f"{name} must be text without zero characters; got {value!r}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be text that UTF-8 can write; got {value!r}") from None
    if size > ID_BYTES_MAX:
        raise ValueError(f"{name} must be at most {ID_BYTES_MAX} bytes in UTF-8; got {size}")


def check_count(name: str, value: object, least: int = 0) -> None:
    """Refuse what is no whole number of 64 bits.

    Raises:
        ValueError: it is no int, is less than the least, or is too large.

    Example:
        >>> check_count("limit", "5", 1)
        Traceback (most recent call last):
        ValueError: limit must be a whole number from 1 to 9223372036854775807; got '5'
    """
    if type(value) is not int or not least <= value < 2**63:
        raise ValueError(f"{name} must be a whole number from {least} to {2**63 - 1}; got {value!r}")


def check_seconds(name: str, value: Any) -> None:
    """Refuse what is no stretch of time.

    Raises:
        ValueError: it is no number, or not in range.

    Example:
        >>> check_seconds("lease_s", 0)
        Traceback (most recent call last):
        ValueError: lease_s must be a number > 0 and <= 100000000000; got 0
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= SECONDS_MAX:  # a NaN is in no range
        raise ValueError(f"{name} must be a number > 0 and <= {SECONDS_MAX}; got {value!r}")


def identifier(_instance: Any, attribute: Attribute[Any], value: object) -> None:
    """`check_id` as a validator.

    Example:
        >>> from attrs import fields
        >>> from runengine.core import Create
        >>> identifier(None, fields(Create).run_id, "run_1")
    """
    check_id(attribute.name, value)


def seconds(_instance: Any, attribute: Attribute[Any], value: object) -> None:
    """`check_seconds` as a validator.

    Example:
        >>> from attrs import fields
        >>> from runengine.core import Create
        >>> seconds(None, fields(Create).ttl_s, 600)
    """
    check_seconds(attribute.name, value)


def count(_instance: Any, attribute: Attribute[Any], value: object) -> None:
    """`check_count` as a validator.

    Example:
        >>> from attrs import fields
        >>> from runengine.stores import Row
        >>> count(None, fields(Row).fence, 1)
    """
    check_count(attribute.name, value)
