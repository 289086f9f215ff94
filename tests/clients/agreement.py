"""How what a client wrote is held against what a dialect declares."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import pytest

from runengine.core.fields import FIELDS
from runengine.core.parts import Part
from runengine.core.records import RunObject
from runengine.dialects import read_run
from runengine.dialects.documents import JsonDialect
from runengine.dialects.spellings import slots_of
from tests.clients.cases import CASES, Document
from tests.clients.generated import RUN
from tests.clients.openapi import statuses

FORMS: Final = ("typescript", "typescript-instance")

STATUS_CASES: Final = [
    pytest.param(generation, status, id=f"G{generation}-{status}")
    for generation in RUN
    for status in statuses(generation)
]
"""Every status a generation publishes."""

RUN_CASES: Final = [
    pytest.param(generation, case, id=f"G{generation}-{case.name}")
    for generation in RUN
    for case in CASES
    if case.first <= generation <= case.last
]
"""Every odd document of a generation."""


def nulls_of(generations: Iterable[int]) -> list[Any]:
    """Every generation with each field that may be null in a record of it."""
    return [
        pytest.param(generation, f.name, id=f"G{generation}-{f.name}")
        for generation in generations
        for f in FIELDS.values()
        if f.declared_in(generation) and f.nullable_in(generation)
    ]


def bare(document: Document, part: type[Part] = RunObject) -> Document:
    """The document without nulls of declared keys, which say what a missing key says; free objects as they are."""
    inside = {slot.name: slot for slot in slots_of(part)}
    kept: Document = {}
    for key, value in document.items():
        slot = inside.get(key)
        if slot is None or value is not None:
            kept[key] = value if slot is None or slot.part is None else _bare(value, slot.part)
    return kept


def _bare(value: Any, part: type[Part]) -> Any:
    if isinstance(value, list):
        return [_bare(item, part) for item in value]
    return bare(value, part) if isinstance(value, dict) else value


def same_run(one: Document, other: Document) -> None:
    """Both are read, to equal runs, without unknown keys."""
    run = read_run(one)
    assert run == read_run(other)
    assert not run.extra


def at(document: Document, path: str) -> Any:
    """The value at a path as losses spell it, or None.

    Example:
        >>> at({"tools": [{"type": "mcp"}]}, "tools[0].type")
        'mcp'
    """
    value: Any = document
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        try:
            value = value[int(index)] if index else value[name]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def holds_as_declared(dialect: JsonDialect, put: Document, theirs: Document, generation: int) -> None:
    """A client kept of a document what the dialect says it would, and the dialect tells what is lost, no more."""
    declared = dialect.from_native(put, generation)
    assert not [loss for loss in declared.losses if loss.kind == "limit"]
    kept = bare(dialect.to_native(theirs))
    assert bare(dialect.to_native(declared.document)) == kept
    for loss in declared.losses:
        assert at(put, loss.path) is not None, f"{loss.path} was not there to lose"
        assert at(kept, loss.path) != at(put, loss.path), f"{loss.path} is not lost"
    assert bool(declared.losses) == (kept != bare(put))
