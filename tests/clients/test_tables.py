"""The DDL and the Kotlin that ktorm-schema generates, against the seed document and our own tables."""

from __future__ import annotations

import sqlite3
from typing import Final

import pytest

from runengine.core.fields import FIELDS
from runengine.dialects.kotlin_sql.tables import Array, Column, Table, every_table, run_table
from tests.clients.generated import RUN, Clients
from tests.clients.sources import columns, keys, models, tables
from tests.dialects.seed_fields import JOINS, SEEDS

pytestmark = pytest.mark.slow

OURS: Final = [n for n in RUN if n >= 6]
"""Generations that we have tables for."""


NO_TABLE: Final = {"ranker": "long"}
"""Columns for an enumeration under a name of its own: generated as a key of a table that there is none of; ours hold
the word."""


def spelled(column: Column, table: Table) -> str:
    """A column's type as the generator writes it."""
    plain = "int UNSIGNED" if column.type == "unsigned" else column.type
    key = " PRIMARY KEY" if column.name == "id" and table.name in ("RunObject", "RunToolCallObject") else ""
    return plain + " NOT NULL" * column.required + key


def joined(array: Array) -> dict[str, str]:
    """The columns of a join table as the generator writes them."""
    return {array.owner: "long NOT NULL", array.item: ("long" if array.items else "text") + " NOT NULL"}


def test_the_generator_makes_the_document(generated: Clients) -> None:
    """From our OpenAPI document of G6 comes the DDL of the published document: columns, types, order, join tables."""
    made = tables(generated.source("ktorm-schema", 6))
    seed = {field.column: field.sql for field in SEEDS["kotlin-sql"] if field.column != "One-To-Many"}
    assert list(columns(made["RunObject"]).items()) == list(seed.items())
    for name, fields in JOINS.items():
        assert columns(made[name]) == {field.column: f"{field.sql} NOT NULL" for field in fields}


@pytest.mark.parametrize("generation", OURS)
def test_our_tables_are_the_generated_ones(generated: Clients, generation: int) -> None:
    """Each of our tables has the generated one's name and columns, in its order, besides `rowKey` and `position`."""
    made = tables(generated.source("ktorm-schema", generation))
    assert "FileSearchRanker" not in made
    for table in every_table(run_table(generation)):
        ours = [(column.name, spelled(column, table)) for column in table.columns]
        generated_columns = columns(made[table.name]).items()
        theirs = [(name, "text" if type_ == NO_TABLE.get(name) else type_) for name, type_ in generated_columns]
        assert ours == theirs, table.name
        for array in table.arrays:
            assert columns(made[array.table]) == joined(array)


@pytest.mark.parametrize("generation", RUN)
def test_columns_of_a_run(generated: Clients, generation: int) -> None:
    """A column is NOT NULL if required, nullable or not, UNSIGNED if it has a minimum, a long if it is an object."""
    made = columns(tables(generated.source("ktorm-schema", generation))["RunObject"])
    declared = [f for f in FIELDS.values() if f.declared_in(generation) and f.kind != "array"]
    assert set(made) == {f.name for f in declared}
    for f in declared:
        assert ("NOT NULL" in made[f.name]) == (not f.optional)
        assert ("UNSIGNED" in made[f.name]) == (f.minimum is not None)
        assert made[f.name].startswith("long") == (f.part is not None)


@pytest.mark.parametrize("generation", OURS)
def test_what_stands_for_null(generated: Clients, generation: int) -> None:
    """Kotlin reads SQL's NULL in a required number as 0 and in a text as '': our reader takes these for null."""
    source = dict(models(generated.source("ktorm-schema", generation), "ktorm-schema"))["RunObject"]
    made = {key.wire: key.default for key in keys("ktorm-schema", source)}
    for column in run_table(generation).columns:
        if column.zero_is_null and column.refers is None and column.type != "blob":
            assert made[column.name] == ('""' if column.type == "text" else "0")
        if not column.required:
            assert not made[column.name]


@pytest.mark.parametrize("generation", RUN)
def test_why_our_tables_differ(generated: Clients, generation: int) -> None:
    """SQLite takes the generated table of runs, and none of the join tables: a comma is missing in each."""
    made = tables(generated.source("ktorm-schema", generation))
    with sqlite3.connect(":memory:") as database:
        database.execute(f"CREATE TABLE RunObject ({made['RunObject']})")
        joins = [name for name, body in made.items() if name.endswith(("ToolsInner", "FileIds", "RunToolCallObject"))]
        joins.remove("RunToolCallObject")
        assert len(joins) >= 3
        for name in joins:
            with pytest.raises(sqlite3.OperationalError, match="syntax error"):
                database.execute(f"CREATE TABLE {name} ({made[name]})")
