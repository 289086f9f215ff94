"""The same histories of the engine's in three dialects, sound and corrupted: `check` says the same of each.

snake_case is the reference. camelCase is what an instance of the TypeScript client is as JSON; the rows are the tables
of the ktorm document, which hold one snapshot of a run. Corruptions are those that all three can hold: no wrong types.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from runengine.core.fields import FIELDS
from runengine.core.statuses import STATUSES
from runengine.dialects import DIALECTS, encode, write_run
from runengine.dialects.kotlin_sql import read_runs, write_runs
from runengine.dialects.limits import Loss
from runengine.validation import Checker, Options, Violation, check_paths
from runengine.validation.readers.kotlin_sql import read_kotlin_sql
from tests.properties.test_check_engine import Seen, recordings
from tests.validation.checking import clean

Document = dict[str, Any]
T = TypeVar("T")
STAMPS = tuple(name for name, field in FIELDS.items() if field.kind == "stamp")
USAGE = {"completion_tokens": 3, "prompt_tokens": 4, "total_tokens": 7}
CALL = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
ACTION = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [CALL]}}
TWICE = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [CALL, CALL]}}

VALUES: dict[str, tuple[Any, ...]] = {
    "object": ("thread.runs",),
    "status": (*STATUSES, "done", ""),
    "required_action": (None, ACTION, TWICE, {**ACTION, "submit_tool_outputs": {"tool_calls": []}}),
    "last_error": (None, {"code": "server_error", "message": ""}, {"code": "odd", "message": "x"}),
    "incomplete_details": (None, {"reason": "max_prompt_tokens"}, {"reason": "odd"}),
    "usage": (None, USAGE, {**USAGE, "total_tokens": 8}, {**USAGE, "prompt_tokens": -4, "total_tokens": -1}),
    "truncation_strategy": ({"type": "odd"}, {"type": "last_messages", "last_messages": 0}),
    "metadata": ({f"key_{n}": "x" for n in range(17)}, {"k" * 65: "x"}, {"key": "x" * 513}),
    "tools": ([{"type": "odd"}], [{"type": "code_interpreter"}] * 129),
}
"""Field to what is put there, right in some statuses and wrong in others; the stamps are made from `created_at`."""

SHIFTS = (None, -1, 0, 1, 599, 600, 10**6)
"""What is put in a stamp, in seconds after `created_at`."""

CORRUPTIONS = [(name, value) for name, some in VALUES.items() for value in some] + [
    (name, shift) for name in STAMPS for shift in SHIFTS if name != "created_at" or shift is not None
]

_numbers = count()


def corrupted(document: Document, name: str, value: Any) -> Document:
    """The document with one field changed."""
    if name in STAMPS and value is not None:
        value = document["created_at"] + value
    return {**document, name: copy.deepcopy(value)}


@st.composite
def spoiled(draw: DrawFn, documents: Sequence[Document]) -> list[Document]:
    """The documents with a field of some of them changed, or of none."""
    changes = st.none() | st.sampled_from(CORRUPTIONS)
    drawn = draw(st.lists(changes, min_size=len(documents), max_size=len(documents)))
    return [d if change is None else corrupted(d, *change) for d, change in zip(documents, drawn, strict=True)]


def declared(seen: Seen) -> Document:
    """The record as the engine writes it, without the keys that no generation declares."""
    return {name: value for name, value in write_run(seen.run).items() if name in FIELDS}


def run_id(document: Document) -> str:
    """What the tables are read in the order of."""
    return str(document["id"])


def last_of_each(seen: Sequence[Seen]) -> list[Document]:
    """The last snapshot of each run."""
    return list({one.run.id: declared(one) for one in seen}.values())


def check_file(file: Path, documents: Sequence[Document], **options: Any) -> list[Violation]:
    """Check JSON Lines, in the dialect that is detected."""
    file.write_bytes(b"".join(encode(document) + b"\n" for document in documents))
    return list(check_paths([str(file)], Checker(Options(**options))))


def placed(violations: Sequence[Violation]) -> list[Document]:
    """Violations with all they say but the name of the file."""
    return [{**v.as_dict(), "path": ""} for v in violations]


def unplaced(violations: Sequence[Violation]) -> Counter[tuple[Any, ...]]:
    """Violations without their lines and words, as the tables are read in the order of ids."""
    return Counter((v.code, v.field, v.run_id, v.severity, repr(v.found)) for v in violations)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the files of all examples."""
    return tmp_path_factory.mktemp("dialects")


def in_database(folder: Path, documents: Sequence[Document], then: Callable[[str, dict[int, list[Loss]]], T]) -> T:
    """What `then` makes of a database with these runs, given its address and what was lost on the way."""
    file = folder / f"{next(_numbers)}.db"
    lost: dict[int, list[Loss]] = {}
    write_runs(f"sqlite:///{file}", documents, lost.__setitem__)
    try:
        return then(f"sqlite:///{file}", lost)
    finally:
        file.unlink()


def carried(folder: Path, documents: Sequence[Document]) -> list[Document]:
    """What the tables carry of the documents."""
    return in_database(folder, documents, lambda url, lost: list(read_runs(url)))


def check_rows(folder: Path, documents: Sequence[Document], **options: Any) -> list[Violation]:
    """Check the tables, which hold all of the documents."""

    def check(url: str, lost: dict[int, list[Loss]]) -> list[Violation]:
        assert not lost
        return list(Checker(Options(**options)).check(url, read_kotlin_sql(url)))

    return in_database(folder, documents, check)


def humped(documents: Sequence[Document]) -> list[Document]:
    """The documents as JSON of instances; nothing of them may be lost."""
    written = [DIALECTS["typescript-instance"].from_native(document, 14) for document in documents]
    assert [loss for one in written for loss in one.losses if loss.kind == "loss"] == []
    assert all("created_at" not in one.document and "createdAt" in one.document for one in written)
    return [one.document for one in written]


def of_g14(documents: Sequence[Document]) -> list[Document]:
    """The documents with the fields of G14, and without nulls inside their objects, as an instance has none."""
    return [DIALECTS["typescript"].from_native(document, 14).document for document in documents]


@settings(max_examples=settings().max_examples // 3)
@given(seen=recordings(), data=st.data(), generation=st.sampled_from((None, 14)))
def test_humps(folder: Path, seen: list[Seen], data: st.DataObject, generation: int | None) -> None:
    """A trace in camelCase has the violations of the same trace in snake_case, word for word and line for line."""
    documents = data.draw(spoiled(of_g14([declared(one) for one in seen])))
    native = check_file(folder / "native.jsonl", documents, generation=generation)
    spelled = check_file(folder / "humps.jsonl", humped(documents), generation=generation)
    assert placed(spelled) == placed(native)


@settings(max_examples=settings().max_examples // 3)
@given(seen=recordings(), data=st.data(), generation=st.sampled_from((None, 6)))
def test_rows(folder: Path, seen: list[Seen], data: st.DataObject, generation: int | None) -> None:
    """Rows of tables have the violations of the same snapshots in snake_case."""
    documents = data.draw(spoiled(carried(folder, last_of_each(seen))))
    assume(carried(folder, documents) == sorted(documents, key=run_id))
    rows = check_rows(folder, documents, generation=generation)
    assert unplaced(rows) == unplaced(check_file(folder / "rows.jsonl", documents, generation=generation))


def test_every_corruption_is_told(folder: Path) -> None:
    """Each changed field is told in some status, in all three dialects alike: two that are silent would agree too."""
    shaped = of_g14([clean(status) for status in STATUSES])
    cases = [(name, corrupted(document, name, value)) for name, value in CORRUPTIONS for document in shaped]
    fields = {f"run_{number:04}": name for number, (name, _) in enumerate(cases)}
    documents = [{**document, "id": id} for id, (_, document) in zip(fields, cases, strict=True)]
    native = check_file(folder / "native.jsonl", documents)
    assert placed(check_file(folder / "humps.jsonl", humped(documents))) == placed(native)
    rows = carried(folder, documents)
    assert carried(folder, rows) == rows
    alike = check_file(folder / "rows.jsonl", rows)
    assert unplaced(check_rows(folder, rows)) == unplaced(alike)
    for found in (native, alike):
        told = {fields[v.run_id] for v in found if v.run_id is not None and v.code != "RE309"}
        assert set(fields.values()) - told == set()
