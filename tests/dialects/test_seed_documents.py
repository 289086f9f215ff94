"""The five published documents against the spelling table: every field of every document, its type and optionality."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from runengine.core.fields import FIELDS
from runengine.dialects.shapes import SHAPES
from runengine.dialects.spellings import SPELLINGS
from tests.dialects.seed_fields import JOINS, SEEDS, SeedField, parse

PUBLISHED: Final = Path(__file__).resolve().parents[3] / "shared" / "seeds"

GENERATION: Final = {"ruby": 6, "julia": 1, "dart": 14, "typescript": 12, "kotlin-sql": 6}
"""The generation whose fields a document has (of those with the same fields and types, the last)."""

ROWS: Final = [
    pytest.param(dialect, field, id=f"{dialect}-{field.name}") for dialect, fields in SEEDS.items() for field in fields
]


def native_name(dialect: str, name: str) -> str:
    """The run's field that a document calls so, by the spelling table."""
    found = [path for path, row in SPELLINGS.items() if path in FIELDS and row.names[dialect] == name]
    assert len(found) == 1, f"{dialect}: {name}"
    return found[0]


@pytest.mark.parametrize(("dialect", "field"), ROWS)
def test_every_field_is_in_the_spelling_table(dialect: str, field: SeedField) -> None:
    """Each field of each document is spelled, typed and optional in the spelling table as the document says."""
    row = SPELLINGS[native_name(dialect, field.name)]
    if dialect == "kotlin-sql":
        base = field.column if field.column == "One-To-Many" else field.sql.split(" ")[0]
        assert base == row.types[dialect]
    else:
        assert field.type.removeprefix("*") == row.types[dialect]
    if dialect in ("ruby", "dart", "kotlin-sql"):
        assert field.optional == row.optional


@pytest.mark.parametrize("dialect", SEEDS)
def test_a_document_has_the_fields_of_its_generation(dialect: str) -> None:
    """The fields of a document are those of one generation, each once; the SQL document puts optional ones last."""
    generation = GENERATION[dialect]
    names = [native_name(dialect, field.name) for field in SEEDS[dialect]]
    declared = [f for f in FIELDS.values() if f.declared_in(generation)]
    if dialect == "kotlin-sql":
        declared.sort(key=lambda f: f.optional)
    assert names == [f.name for f in declared]


@pytest.mark.parametrize("field", SEEDS["kotlin-sql"], ids=lambda field: field.name)
def test_columns_are_the_wire_names(field: SeedField) -> None:
    """A column is called as on the wire, is NOT NULL unless optional, and UNSIGNED if it has a minimum."""
    name = native_name("kotlin-sql", field.name)
    if field.column == "One-To-Many":
        assert FIELDS[name].kind == "array"
        return
    assert field.column == name
    assert ("NOT NULL" in field.sql) == (not field.optional)
    assert ("UNSIGNED" in field.sql) == (FIELDS[name].minimum is not None)
    assert ("[foreignkey]" in field.note) == (FIELDS[name].part is not None)


def test_every_dialect_of_a_document_is_a_shape() -> None:
    """Each JSON document has a row in the shape table, whose generation has the document's fields."""
    for dialect in set(SEEDS) - {"kotlin-sql"}:
        home = SHAPES[dialect].home
        here = [name for name, f in FIELDS.items() if f.declared_in(home)]
        assert here == [native_name(dialect, field.name) for field in SEEDS[dialect]]


@pytest.mark.parametrize(("number", "dialect"), list(enumerate(SEEDS)), ids=list(SEEDS))
@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published documents are not beside this checkout")
def test_the_data_is_what_was_published(number: int, dialect: str) -> None:
    """Read again, the document itself has exactly the fields, types, notes and columns written in this project."""
    (path,) = PUBLISHED.glob(f"{number:03}_*")
    tables = parse(path.read_text(encoding="utf-8"))
    joins = list(JOINS.values()) if dialect == "kotlin-sql" else []
    assert tables == [SEEDS[dialect], *joins]
