"""What the generated sources say of keys, nulls and defaults, against the spelling and shape tables."""

from __future__ import annotations

import json
from typing import Final

import pytest

from runengine.core.fields import FIELDS
from runengine.dialects.documents import DIALECTS
from runengine.dialects.shapes import SHAPES
from runengine.dialects.spellings import SPELLINGS
from tests.clients.agreement import nulls_of
from tests.clients.cases import REFUSES_NULL, document
from tests.clients.generated import GENERATORS, RUN, Clients
from tests.clients.openapi import places
from tests.clients.sources import MODELS, NOT_PLACED, Key, demanded, keys, models

pytestmark = pytest.mark.slow

COLUMN: Final = {
    "typescript-fetch": "typescript",
    "ruby": "ruby",
    "dart-dio": "dart",
    "julia-client": "julia",
    "ktorm-schema": "kotlin-sql",
}
"""The column of the spelling table for each generator."""

EVERYWHERE: Final = [pytest.param(g, n, id=f"{g}-G{n}") for g in GENERATORS for n in RUN]

LITERALS: Final = {
    "ListBuilder()": [],
    "AssistantsApiResponseFormatTypeEnum.valueOf('text')": "text",
    "'text'": "text",
}
"""Defaults that are not spelled as in JSON."""


def placed(clients: Clients, generator: str, generation: int) -> dict[str, Key]:
    """Every key of a generated client by its path in a run."""
    found: dict[str, Key] = {}
    for name, text in models(clients.source(generator, generation), generator):
        if name not in NOT_PLACED:
            prefix = f"{MODELS[name]}." if MODELS[name] else ""
            found |= {prefix + key.wire: key for key in keys(generator, text)}
    return found


@pytest.mark.parametrize(("generator", "generation"), EVERYWHERE)
def test_names(generated: Clients, generator: str, generation: int) -> None:
    """Every key of every generated class is spelled in the spelling table as in the source, and none is missing."""
    found = placed(generated, generator, generation)
    column = COLUMN[generator]
    assert {path: key.name for path, key in found.items()} == {path: SPELLINGS[path].names[column] for path in found}
    everything = set(places(generation))
    if generator == "ktorm-schema":  # an array has a join table in place of a column
        everything -= {path for path in everything if f"{path}[]" in MODELS.values() or path == "file_ids"}
    assert set(found) == everything


@pytest.mark.parametrize("generator", [g for g in GENERATORS if g != "ktorm-schema"])
@pytest.mark.parametrize("generation", RUN)
def test_defaults(generated: Clients, generator: str, generation: int) -> None:
    """What a generated class fills in is a published default, and the shape table says that its client fills it in."""
    found = placed(generated, generator, generation)
    filled = {path: _value(key.default) for path, key in found.items() if key.default}
    published = {path: place.default for path, place in places(generation).items() if place.default is not None}
    assert filled.items() <= published.items() if generator != "typescript-fetch" else not filled
    assert filled == {p: v for p, v in SHAPES[COLUMN[generator]].fills_in if p in published}


def _value(literal: str) -> object:
    return LITERALS[literal] if literal in LITERALS else json.loads(literal)


@pytest.mark.parametrize(("generation", "name"), nulls_of(RUN))
def test_nulls_of_dart(generated: Clients, generation: int, name: str) -> None:
    """Dart leaves out an optional null and writes a required one, unless its property cannot hold it."""
    key = placed(generated, "dart-dio", generation)[name]
    refused = name in REFUSES_NULL[generation]
    assert key.writes == ("if set" if FIELDS[name].optional else "always" if refused else "or null")
    written = DIALECTS["dart"].from_native(document("queued", generation) | {name: None}, generation)
    assert (name in written.document) == (key.writes != "if set")
    limits = [loss.path for loss in written.losses if loss.kind == "limit"]
    deadline = ["expires_at"] if generation == 2 and name == "expires_at" else []
    assert limits == ([name] if refused else deadline)


@pytest.mark.parametrize("generation", RUN)
def test_nested_nulls_of_dart(generated: Clients, generation: int) -> None:
    """Inside the run, Dart always writes a key that its class requires, and leaves out any other that is null."""
    found = {path: key for path, key in placed(generated, "dart-dio", generation).items() if "." in path}
    known = places(generation)
    assert {path: key.writes for path, key in found.items()} == {
        path: "always" if known[path].required else "if set" for path in found
    }


@pytest.mark.parametrize(("generation", "name"), nulls_of(RUN))
def test_nulls_of_julia(generated: Clients, generation: int, name: str) -> None:
    """Julia's every property may be nothing, which is not written; neither do we write its nulls, without a limit."""
    assert placed(generated, "julia-client", generation)[name].writes == "if set"
    written = DIALECTS["julia"].from_native(document("queued", generation) | {name: None}, generation)
    assert name not in written.document
    assert not [loss for loss in written.losses if loss.kind == "limit"]


@pytest.mark.parametrize("generation", RUN)
def test_julia_wants_all_stamps_at_once(generated: Clients, generation: int) -> None:
    """`check_required` wants every required field set, the three end stamps among them: no real run satisfies it."""
    run = dict(models(generated.source("julia-client", generation), "julia-client"))["RunObject"]
    assert demanded(run) == {n for n, f in FIELDS.items() if f.declared_in(generation) and not f.optional}
    assert {"completed_at", "failed_at", "cancelled_at"} <= demanded(run)
