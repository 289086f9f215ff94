"""`runengine.core.fields`, `generations` and `records`: 28 fields, 17 generations, one record."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from runengine.core.fields import (
    END_STAMPS,
    FIELDS,
    IDENTITY,
    IMMUTABLE,
    OVERRIDES,
    STAMPS,
    WIRE_EXTRAS,
    describe,
)
from runengine.core.generations import GENERATIONS, LATEST, Generation, generation_named
from runengine.core.records import RunObject

PUBLISHED = Path(__file__).parents[3] / "shared" / "spec" / "runobject_fields_by_generation.json"

FIELD_COUNTS = (18, 18, 19, 19, 19, 20, 26, 27, 26, 26, 27, 27, 27, 27, 27, 27, 27)
"""Fields of G0 to G16, FACTS §1.1."""

KEY_COUNTS = (18, 18, 19, 19, 19, 19, 25, 25, 24, 24, 25, 25, 25, 25, 25, 25, 25)
"""Required keys of G0 to G16, FACTS §1.1; nullable or not."""


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    """The machine-readable table of the published schemas."""
    if not PUBLISHED.is_file():
        pytest.skip(f"the published field table is not here: {PUBLISHED}")
    table: dict[str, Any] = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    return table


_SCHEMA = "#/components/schemas/"
REFERENCED = {
    _SCHEMA + "Metadata": "object",
    _SCHEMA + "ParallelToolCalls": "boolean",
    _SCHEMA + "AssistantsApiResponseFormatOption": "word or object",
    _SCHEMA + "AssistantsApiToolChoiceOption": "word or object",
    _SCHEMA + "TruncationObject": "object",
    _SCHEMA + "RunCompletionUsage": "object",
}
"""What each schema that a field refers to holds, FACTS §2."""


class TestGenerations:
    """The published states of the schema."""

    def test_numbers_are_positions(self) -> None:
        """A generation's number is its place, and the last is the latest."""
        assert [g.number for g in GENERATIONS] == list(range(17))
        assert LATEST is GENERATIONS[16]

    def test_dates_only_go_forward(self) -> None:
        """Each generation was published after the one before, and its date in seconds agrees with the text."""
        moments = [g.published_s for g in GENERATIONS]
        assert moments == sorted(set(moments))
        assert GENERATIONS[0].published_s == 1_699_228_800

    def test_v2_begins_when_file_ids_go(self) -> None:
        """The v1 generations are those that declare file_ids."""
        assert [g.number for g in GENERATIONS if g.api == "v1"] == [
            g.number for g in GENERATIONS if FIELDS["file_ids"].declared_in(g.number)
        ]

    def test_by_name(self) -> None:
        """Each generation is found by its name in any case; another name is refused with what there is."""
        for generation in GENERATIONS:
            assert generation_named(generation.name.lower()) is generation
        with pytest.raises(ValueError, match=r"no generation 'G17': there are G0 to G16"):
            generation_named("G17")


class TestAgainstThePublishedSchemas:
    """Field by field, generation by generation."""

    def test_generations(self, published: dict[str, Any]) -> None:
        """Names, dates and commits are the published ones."""
        ours = {g.name: (g.published, g.commit) for g in GENERATIONS}
        assert ours == {name: (row["date"], row["commit"]) for name, row in published.items()}

    @pytest.mark.parametrize("generation", GENERATIONS, ids=lambda g: g.name)
    def test_fields(self, generation: Generation, published: dict[str, Any]) -> None:
        """A generation declares the published fields, in the published order."""
        declared = [name for name, f in FIELDS.items() if f.declared_in(generation.number)]
        assert declared == list(published[generation.name]["fields"])

    @pytest.mark.parametrize("generation", GENERATIONS, ids=lambda g: g.name)
    def test_properties(self, generation: Generation, published: dict[str, Any]) -> None:
        """Required, nullable, minimum and maxItems of every field are the published ones."""
        for name, row in published[generation.name]["fields"].items():
            field = FIELDS[name]
            ours = (
                not field.optional,
                field.published_nullable_in(generation.number),
                field.minimum,
                field.items_max,
            )
            assert ours == (row["required"], row["nullable"] != "no", row["min"], row["maxItems"]), name

    @pytest.mark.parametrize("generation", GENERATIONS, ids=lambda g: g.name)
    def test_kinds(self, generation: Generation, published: dict[str, Any]) -> None:
        """What a field holds is what the generation publishes, references resolved."""
        for name, row in published[generation.name]["fields"].items():
            found = row["type"][0] if isinstance(row["type"], list) else row["type"]
            expected = REFERENCED.get(found, found)
            assert FIELDS[name].kind.replace("stamp", "integer") == expected, name


class TestFields:
    """The field table by itself."""

    def test_there_are_28(self) -> None:
        """28 fields were ever declared, and each generation has as many as FACTS counts."""
        assert len(FIELDS) == 28
        assert all(name == field.name for name, field in FIELDS.items())
        counts = tuple(sum(f.declared_in(g.number) for f in FIELDS.values()) for g in GENERATIONS)
        assert counts == FIELD_COUNTS
        keys = (sum(f.declared_in(g.number) and not f.optional for f in FIELDS.values()) for g in GENERATIONS)
        assert tuple(keys) == KEY_COUNTS

    def test_ranges(self) -> None:
        """The published ranges are those of the two token limits and of the tools."""
        minima = {name: f.minimum for name, f in FIELDS.items() if f.minimum is not None}
        assert minima == {"max_prompt_tokens": 256, "max_completion_tokens": 256}
        assert {name: f.items_max for name, f in FIELDS.items() if f.items_max is not None} == {"tools": 20}

    def test_stamps(self) -> None:
        """The stamps are the six `*_at` fields, and three of them end a run."""
        assert set(STAMPS) == {name for name in FIELDS if name.endswith("_at")}
        assert len(STAMPS) == 6
        assert set(END_STAMPS) < set(STAMPS)

    def test_roles_divide_the_fields(self) -> None:
        """A field that never changes is an identity or part of the request."""
        assert IDENTITY == ("object", "thread_id", "assistant_id")
        assert set(IMMUTABLE) == {name for name, f in FIELDS.items() if f.role == "request"}
        assert not set(IDENTITY) & set(IMMUTABLE)

    def test_overrides(self) -> None:
        """Where recordings win: instructions may be null everywhere, expires_at in G0 to G3, tools may be 128."""
        for override in OVERRIDES:
            assert override.field in FIELDS
            assert override.evidence
        for generation in range(17):
            assert FIELDS["instructions"].nullable_in(generation)
            assert not FIELDS["instructions"].published_nullable_in(generation)
            assert FIELDS["expires_at"].nullable_in(generation)
            assert FIELDS["expires_at"].published_nullable_in(generation) == (generation >= 4)
            assert not FIELDS["model"].nullable_in(generation)
        assert (FIELDS["tools"].items_max, FIELDS["tools"].items_limit()) == (20, 128)
        assert FIELDS["file_ids"].items_limit() is None

    def test_required(self) -> None:
        """A key is demanded with a value only where it is declared, not optional and never null."""
        for name, field in FIELDS.items():
            for generation in range(17):
                demanded = field.required_in(generation)
                if demanded:
                    assert field.declared_in(generation)
                    assert not field.nullable_in(generation)
                    assert not field.optional
                assert demanded or name not in ("id", "status", "created_at", "model", "tools")
        assert [g for g in range(17) if FIELDS["parallel_tool_calls"].required_in(g)] == list(range(10, 17))

    def test_wire_extras_are_not_declared(self) -> None:
        """What recordings carry beyond the schema is not among the 28."""
        assert not WIRE_EXTRAS.keys() & FIELDS.keys()


class TestRunObject:
    """The record class against the table."""

    def test_it_has_the_fields(self) -> None:
        """The record has the declared fields in the table's order, and `extra` and `absent`."""
        names = [a.name for a in attrs.fields(RunObject)]
        assert [name for name in names if name not in ("extra", "absent")] == list(FIELDS)
        assert set(names) - set(FIELDS) == {"extra", "absent"}

    def test_its_docstring_is_the_table(self) -> None:
        """Each line of `Attributes:` is what `describe` says of the field, in the table's order."""
        text = (RunObject.__doc__ or "").split("Attributes:")[1].split("Example:")[0]
        lines = dict(re.findall(r"^ {8}(\w+): (.+?)(?=^ {8}\w|\Z)", text, re.MULTILINE | re.DOTALL))
        assert {name: " ".join(line.split()) for name, line in lines.items()} == {
            name: describe(name) for name in FIELDS
        }
        assert list(lines) == list(FIELDS)

    def test_defaults_fit_the_latest_generation(self) -> None:
        """A default is null only where a record may carry null, or the latest generation has no such field."""
        for attribute in attrs.fields(RunObject):
            if attribute.name in FIELDS and attribute.default is None:
                field = FIELDS[attribute.name]
                assert field.nullable_in(LATEST.number) or not field.declared_in(LATEST.number), attribute.name

    def test_it_is_frozen(self) -> None:
        """A field cannot be assigned."""
        run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="queued", created_at=0)
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            run.status = "completed"  # type: ignore[misc]

    def test_absent_is_not_compared(self) -> None:
        """Two records that differ only in which null keys were left out are equal."""
        run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="queued", created_at=0)
        assert attrs.evolve(run, absent=frozenset({"usage"})) == run
        assert attrs.evolve(run, extra={"x": 1}) != run
