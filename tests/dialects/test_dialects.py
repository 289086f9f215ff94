"""Dialects that are JSON: round trips with declared losses, spelling, limits, detection."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.core.fields import FIELDS
from runengine.core.generations import GENERATIONS
from runengine.core.parts import Part
from runengine.core.records import RunObject
from runengine.core.slots import slots_of
from runengine.core.statuses import STATUSES
from runengine.dialects.detection import AZURE_WORDS, detect
from runengine.dialects.documents import DIALECTS, dialect_named
from runengine.dialects.limits import Loss
from runengine.dialects.native import read_run
from runengine.dialects.pages import dialect_page, spelling_page
from runengine.dialects.shapes import SHAPES
from runengine.dialects.spellings import COLUMNS, SPELLINGS, WORD_SPELLINGS, camel
from runengine.validation.catalogue.examples import record
from tests.dialects.documents import documents, full

NUMBERS = [g.number for g in GENERATIONS]
DROPPING = [name for name, shape in SHAPES.items() if not shape.keeps_unknown]
KEEPING = [name for name, shape in SHAPES.items() if shape.keeps_unknown]

any_document = st.sampled_from(NUMBERS).flatmap(documents)


def without(document: dict[str, Any], losses: tuple[Loss, ...]) -> dict[str, Any]:
    """The document without the places that are declared lost."""
    made: Any = copy.deepcopy(document)
    for loss in losses:
        if loss.kind == "loss":
            *way, last = loss.keys
            place = made
            for step in way:
                place = place[step]
            del place[last]
    assert isinstance(made, dict)
    return made


@pytest.mark.parametrize("name", DIALECTS)
@given(data=st.data())
def test_round_trip_but_for_the_declared_losses(name: str, data: st.DataObject) -> None:
    """A document in any dialect and generation reads back as it was, except exactly what is declared lost."""
    document = data.draw(any_document)
    target = data.draw(st.sampled_from([None, *NUMBERS]))
    dialect = DIALECTS[name]
    written = dialect.from_native(document, target)
    assert dialect.read(written.document) == read_run(without(document, written.losses))


@pytest.mark.parametrize("name", DIALECTS)
@given(data=st.data())
def test_nothing_is_declared_lost_that_is_carried(name: str, data: st.DataObject) -> None:
    """What is declared lost is not in the written document, and what is not declared lost is."""
    document = data.draw(any_document)
    target = data.draw(st.sampled_from(NUMBERS))
    written = DIALECTS[name].from_native(document, target)
    back = DIALECTS[name].to_native(written.document)
    lost = {loss.keys[0] for loss in written.losses if loss.kind == "loss" and len(loss.keys) == 1}
    for key, value in document.items():
        if value is not None:
            assert (key in back) != (key in lost), key


@pytest.mark.parametrize("name", KEEPING)
@given(document=any_document)
def test_unknown_keys_are_kept_where_they_can_be(name: str, document: dict[str, Any]) -> None:
    """A dialect that keeps unknown keys keeps each, on every level."""
    written = DIALECTS[name].from_native(document, 16)
    assert all(loss.keys[0] in FIELDS for loss in written.losses)
    for key in document:
        if key not in FIELDS:
            assert written.document[key] == document[key]


@given(document=any_document, target=st.sampled_from(NUMBERS))
def test_humps_and_back_loses_no_key(document: dict[str, Any], target: int) -> None:
    """Respelling keys is undone exactly, whatever keys stand beside them."""
    dialect = DIALECTS["typescript-instance"]
    written = dialect.from_native(document, target).document
    assert dialect.from_native(dialect.to_native(written), target).document == written


def test_a_key_in_both_spellings_is_not_lost() -> None:
    """When both spellings of a key are there, both are kept."""
    both = {"createdAt": 1, "created_at": 2}
    assert DIALECTS["typescript-instance"].to_native(both) == both


def test_reserved_words_and_nesting() -> None:
    """An instance spells `function` as `_function` and every declared key with humps; free objects stay as they are."""
    document = record(
        "requires_action",
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"max_tokens": {"created_at": 1}}}}],
        metadata={"created_at": "x"},
    )
    written = DIALECTS["typescript-instance"].from_native(document).document
    assert written["tools"][0]["_function"]["parameters"] == {"max_tokens": {"created_at": 1}}
    assert written["requiredAction"]["submitToolOutputs"]["toolCalls"][0]["_function"]["name"] == "now"
    assert written["metadata"] == {"created_at": "x"}


@pytest.mark.parametrize("name", DIALECTS)
def test_nulls(name: str) -> None:
    """A dialect writes required nulls, or leaves them out, as its shape says; optional ones likewise."""
    shape = SHAPES[name]
    document = record("queued", started_at=None, temperature=None)
    written = DIALECTS[name].to_native(DIALECTS[name].from_native(document).document)
    assert ("started_at" in written) == (shape.nulls == "written")
    declared = FIELDS["temperature"].declared_in(shape.home)
    assert ("temperature" in written) == (shape.optional_nulls == "written" and declared)


def test_limits_are_told_and_carried() -> None:
    """What a client refuses is written all the same, and told as a limit."""
    written = DIALECTS["ruby"].from_native(record("queued", instructions=None))
    assert Loss(("instructions",), SHAPES["ruby"].limits[0].why, "limit") in written.losses
    assert written.document["instructions"] is None
    azure = DIALECTS["azure"].from_native(record("incomplete"))
    assert [loss.kind for loss in azure.losses if loss.path == "status"] == ["limit"]


def test_every_field_has_a_row() -> None:
    """The spelling table has a row for every declared key of every record class, and a name in every column."""
    todo: list[type[Part]] = [RunObject]
    names = {path.rsplit(".", 1)[-1] for path in SPELLINGS}
    while todo:
        for slot in slots_of(todo.pop()):
            assert slot.name in names
            if slot.part is not None:
                todo.append(slot.part)
    for row in SPELLINGS.values():
        assert set(row.names) == set(COLUMNS)
    assert set(FIELDS) <= set(SPELLINGS)


def test_azure_calls_the_assistant_an_agent() -> None:
    """Azure's Python calls one field otherwise; all others, and only Azure's own approval, are as on the wire."""
    other = {path: row.names["azure"] for path, row in SPELLINGS.items() if row.names["azure"] != path.split(".")[-1]}
    assert other == {"assistant_id": "agent_id"}
    own = {path for path, row in SPELLINGS.items() if row.columns == ("azure",)}
    assert own == {path for path in SPELLINGS if path.startswith("required_action.submit_tool_approval")}
    assert f"| required_action.submit_tool_approval |{' – |' * 6} submit_tool_approval |" in spelling_page()


def test_words_in_memory() -> None:
    """Dart names every status and the object word, no two alike; the page has each."""
    (words,) = WORD_SPELLINGS.values()
    assert set(words["status"]) == set(STATUSES)
    assert words["status"]["requires_action"] == "requiresAction"
    assert words["object"] == {"thread.run": "threadPeriodRun"}
    assert len(set(words["status"].values())) == len(STATUSES)
    for word, name in words["status"].items():
        assert f"| status | `{word}` | `{name}` |" in spelling_page()


@pytest.mark.parametrize("name", DIALECTS)
def test_null_and_absent_are_one(name: str) -> None:
    """A null of a declared field is no loss, left out or written, and each dialect's page says so."""
    assert "| null and absent | one: " in dialect_page(name)
    nulls = record("queued", **dict.fromkeys(n for n, f in FIELDS.items() if f.nullable_from is not None))
    for document in (nulls, {key: value for key, value in nulls.items() if value is not None}):
        losses = DIALECTS[name].from_native(document, 16).losses
        assert [loss for loss in losses if loss.kind == "loss"] == []


def test_spellings_do_not_collide() -> None:
    """No two fields of one object have the same spelling in a column."""
    for column in COLUMNS:
        parts: list[type[Part]] = [RunObject, *(s.part for s in slots_of(RunObject) if s.part is not None)]
        for part in parts:
            spelled = [camel(slot.name) for slot in slots_of(part)]
            assert len(set(spelled)) == len(spelled), (column, part)


def test_an_unknown_dialect_is_named() -> None:
    """A wrong name is refused with the list of right ones."""
    with pytest.raises(ValueError, match="there are native, azure, ruby"):
        dialect_named("perl")


class TestDetection:
    """Which dialect a document is taken for."""

    @pytest.mark.parametrize("name", ["typescript-instance", "julia"])
    def test_what_can_be_told(self, name: str) -> None:
        """Humps and missing nulls name their dialect."""
        written = DIALECTS[name].from_native(full())
        queued = DIALECTS[name].from_native(record("queued"))
        assert detect(queued.document).dialect == name
        assert "cannot be told apart" not in str(detect(written.document)) or name == "julia"

    @pytest.mark.parametrize("name", ["ruby", "dart", "typescript"])
    def test_what_cannot_be_told(self, name: str) -> None:
        """A document that several dialects write alike names them all, and is read natively."""
        document = {key: None for key in FIELDS if key != "file_ids"} | record("queued")
        found = detect(DIALECTS[name].from_native(document, 14).document)
        assert found.dialect == "native"
        assert name in found.others
        assert "cannot be told apart" in str(found)

    def test_wire_extras_are_the_api_s_own(self) -> None:
        """A key that generated clients drop means that no generated client wrote the document."""
        found = detect(record("queued", reasoning_effort=None))
        assert (found.dialect, found.others) == ("native", ("azure",))
        assert "reasoning_effort" in found.reason

    @pytest.mark.parametrize("word", AZURE_WORDS["tools[].type"])
    def test_azure(self, word: str) -> None:
        """A tool type, an action type or an error code of Azure's names it."""
        assert detect(record("queued", tools=[{"type": word}])).dialect == "azure"
        action = {"type": "submit_tool_approval", "submit_tool_approval": {"tool_calls": []}}
        assert detect(record("requires_action", required_action=action)).dialect == "azure"
        assert detect(record("failed", last_error={"code": "invalid_engine_error", "message": ""})).dialect == "azure"

    @given(document=any_document)
    def test_detection_never_fails(self, document: dict[str, Any]) -> None:
        """Any document is taken for something, with a reason and at least one generation."""
        found = detect(document)
        assert found.dialect in DIALECTS
        assert found.generations
        assert found.reason

    @given(data=st.data())
    def test_what_is_detected_reads(self, data: st.DataObject) -> None:
        """A document written in any dialect reads, in the dialect it is detected to be of, as the same run."""
        document = data.draw(any_document)
        name = data.draw(st.sampled_from(sorted(DIALECTS)))
        written = DIALECTS[name].from_native(document)
        found = detect(written.document)
        assert DIALECTS[found.dialect].read(written.document) == DIALECTS[name].read(written.document)
