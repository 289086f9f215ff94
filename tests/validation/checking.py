"""Checking bytes in memory: shared by the tests of validation."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from runengine.dialects import write_run
from runengine.validation import Checker, Options, Summary, Violation
from runengine.validation.catalogue.examples import Example
from runengine.validation.readers import read_items
from tests import samples

__all__ = ["ABSENT", "Checked", "as_lines", "check_bytes", "check_example", "check_lines", "clean", "codes", "without"]

ABSENT = object()
"""As a value in `clean`: the key is left out."""


class Checked(NamedTuple):
    """What a check came to.

    Attributes:
        violations: In the order they were found.
        summary: The counts.
    """

    violations: list[Violation]
    summary: Summary


def check_bytes(data: bytes, *, path: str = "trace.jsonl", skim: bool = True, **options: Any) -> Checked:
    """Check one file's bytes.

    Args:
        data: The file.
        path: Its name.
        skim: Whether lines are skimmed first, as everywhere outside tests.
        options: Of `Options`.
    """
    checker = Checker(Options(**options))
    file = io.BufferedReader(io.BytesIO(data))
    return Checked(list(checker.check(path, read_items(path, file, checker.skim if skim else None))), checker.summary)


def check_example(example: Example) -> Checked:
    """Check an example of the catalogue as `runengine check` would, joined where it has several recordings."""
    checker = Checker(Options(join=bool(example.joined)))
    found: list[Violation] = []
    for name, text in zip("abcdefgh", (example.text, *example.joined), strict=False):
        path = f"{name}{example.suffix}"
        found += checker.check(path, read_items(path, io.BufferedReader(io.BytesIO(text.encode())), checker.skim))
    return Checked(found, checker.summary)


def as_lines(values: Iterable[Any]) -> bytes:
    """JSON Lines; bytes are taken as they are."""
    return b"".join((v if isinstance(v, bytes) else json.dumps(v).encode()) + b"\n" for v in values)


def check_lines(*values: Any, **options: Any) -> Checked:
    """Check JSON Lines made of these values; see `as_lines` and `check_bytes`."""
    return check_bytes(as_lines(values), **options)


def codes(checked: Checked) -> list[tuple[str, int, str | None]]:
    """Code, line and field of every violation."""
    return [(v.code, v.line, v.field) for v in checked.violations]


def clean(status: Any, /, **changes: Any) -> dict[str, Any]:
    """A clean record in a status as JSON, every declared key of G16 there; `ABSENT` leaves a key out."""
    record: dict[str, Any] = {**write_run(samples.run_in(status)), **changes}
    return {name: value for name, value in record.items() if value is not ABSENT}


def without(record: dict[str, Any], *names: str) -> dict[str, Any]:
    """The record without these keys."""
    return {name: value for name, value in record.items() if name not in names}
