"""How what a client wrote is held against what a dialect declares."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Final

import pytest

from runengine.core.fields import FIELDS
from runengine.core.parts import Part
from runengine.core.records import RunObject
from runengine.core.slots import slots_of
from runengine.dialects import read_run
from runengine.dialects.documents import JsonDialect
from runengine.dialects.limits import Loss
from tests.clients.cases import CASES, CRASHES_ON_NULL, Document
from tests.clients.generated import RUN, Answer
from tests.clients.openapi import places, statuses

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


def alike(one: Document, other: Document) -> None:
    """Both have the same fields, nulls among them, and inside them the same values; nulls inside say nothing."""
    assert set(one) == set(other)
    assert bare(one) == bare(other)


def at(document: Document, keys: Iterable[str | int]) -> Any:
    """The value at the end of a way, or None.

    Example:
        >>> at({"tools": [{"type": "mcp"}]}, ("tools", 0, "type"))
        'mcp'
    """
    value: Any = document
    for key in keys:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def filled(document: Document, dialect: JsonDialect, generation: int) -> Document:
    """A native document with what the client of a dialect fills in where a key is missing."""
    copy = deepcopy(document)
    known = places(generation)
    for path, value in dialect.shape.fills_in:
        if path in known and known[path].default is not None:
            _fill(copy, path.split("."), value)
    return copy


def _fill(inside: Any, way: list[str], value: Any) -> None:
    head, *rest = way
    key = head.removesuffix("[]")
    if not isinstance(inside, dict):
        return
    if not rest:
        inside.setdefault(key, value)
    elif head.endswith("[]"):
        for item in inside.get(key) or ():
            _fill(item, rest, value)
    else:
        _fill(inside.get(key), rest, value)


def limited(losses: Iterable[Loss]) -> set[str | int]:
    """The fields of the run that the client of a dialect refuses something of."""
    return {loss.keys[0] for loss in losses if loss.kind == "limit"}


def losses_are_real(dialect: JsonDialect, put: Document, generation: int) -> None:
    """What we do not write of a document is told, and what is told to be lost was there and is not written."""
    written = dialect.from_native(put, generation)
    ours = dialect.to_native(written.document)
    lost = [loss for loss in written.losses if loss.kind == "loss"]
    for loss in lost:
        assert at(put, loss.keys) is not None, f"{loss.path} was not there to lose"
        assert at(ours, loss.keys) != at(put, loss.keys), f"{loss.path} is not lost"
    assert bool(lost) == (bare(ours) != bare(put)), f"what is told: {[loss.path for loss in lost]}"


def holds_as_declared(dialect: JsonDialect, put: Document, answer: Answer, generation: int) -> None:
    """Of what we write, the client keeps every field but those with a declared limit, and those it does not keep.

    Args:
        dialect: The client's.
        put: A native document.
        answer: What the client said to what we write of it.
        generation: The client's.
    """
    written = dialect.from_native(put, generation)
    refused = limited(written.losses)
    if answer.error is not None:
        assert refused, f"no limit is declared: {answer.error}"
        return
    ours = bare(filled(dialect.to_native(written.document), dialect, generation))
    kept = bare(answer.wire)
    changed = {name for name in ours.keys() | kept.keys() if ours.get(name) != kept.get(name)}
    crashed = {name for name in refused if name in CRASHES_ON_NULL and answer.valid is not True}
    assert changed == refused - crashed, "what the client does not keep is not what is declared"
