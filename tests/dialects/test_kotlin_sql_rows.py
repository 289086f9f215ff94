"""Documents to rows and back, without a database: what is carried, and every loss."""

from __future__ import annotations

from itertools import count
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.core.generations import LATEST
from runengine.dialects.kotlin_sql.rows import Rows, from_row, losses, to_rows
from runengine.dialects.kotlin_sql.tables import Array, Column, every_table, run_table
from runengine.dialects.native import read_run, write_run
from runengine.errors import DialectError
from tests.dialects.databases import differences
from tests.dialects.documents import documents, json_values
from tests.dialects.seed_fields import JOINS, SEEDS
from tests.strategies import runs
from tests.validation.checking import clean

GENERATIONS: Final = range(6, LATEST.number + 1)

NESTED: Final = """
RunObject_required_action: type text NOT NULL, submit_tool_outputs long NOT NULL
RunObject_required_action_submit_tool_outputs:
RunToolCallObject: id text NOT NULL, type text NOT NULL, function long NOT NULL
RunToolCallObject_function: name text NOT NULL, arguments text NOT NULL
RunObject_last_error: code text NOT NULL, message text NOT NULL
RunObject_incomplete_details: reason text
AssistantObject_tools_inner: type text NOT NULL, function long NOT NULL
FunctionObject: name text NOT NULL, description text, parameters blob
RunCompletionUsage: completion_tokens int NOT NULL, prompt_tokens int NOT NULL, total_tokens int NOT NULL
TruncationObject: type text NOT NULL, last_messages int UNSIGNED
AssistantsApiToolChoiceOption: type text NOT NULL, function long
AssistantsNamedToolChoice_function: name text NOT NULL
AssistantsApiResponseFormatOption: type text
"""
"""The other tables of G6 and their columns, as openapi-generator 7.26 makes them from its schema."""


def spelled(column: Column) -> str:
    """A column as the document has it."""
    type = "int UNSIGNED" if column.type == "unsigned" else column.type
    return f"{column.name} {type}{' NOT NULL' * column.required}"


def through_rows(document: dict[str, Any], generation: int = 6) -> dict[str, Any]:
    """What the rows of a document make."""
    table, rows = run_table(generation), Rows()
    key = to_rows(document, table, count(1), rows)
    return from_row(rows.tables["RunObject"][key], table, rows)


class TestTables:
    def test_the_columns_of_the_document(self) -> None:
        """RunObject has the document's columns, in its order, with its types."""
        seed = [f"{f.column} {f.sql.removesuffix(' PRIMARY KEY')}" for f in SEEDS["kotlin-sql"] if f.sql != "----"]
        assert [spelled(column) for column in run_table().columns] == seed

    def test_the_join_tables_of_the_document(self) -> None:
        """Each array has the document's join table and its two columns."""
        found = {array.table: [array.owner, array.item] for array in run_table().arrays}
        assert found == {name: [field.column for field in fields] for name, fields in JOINS.items()}

    def test_the_nested_tables(self) -> None:
        """Every other table has the columns that the generator gives it."""
        expected = {name: columns for name, _, columns in (line.partition(":") for line in NESTED.strip().splitlines())}
        found = {t.name: ", ".join(map(spelled, t.columns)) for t in every_table(run_table()) if t.name != "RunObject"}
        assert found == {name: columns.strip() for name, columns in expected.items()}

    def test_later_generations(self) -> None:
        """What a later generation adds or drops is a column or table more or less."""
        names = {g: {m.name for m in run_table(g).members} for g in GENERATIONS}
        assert names[7] - names[6] == {"top_p"}
        assert names[7] - names[8] == {"file_ids"}
        assert names[10] - names[9] == {"parallel_tool_calls"}
        tables = {g: {t.name for t in every_table(run_table(g))} for g in GENERATIONS}
        assert tables[9] - tables[8] == {"AssistantToolsFileSearch_file_search"}
        assert "ResponseFormatJsonSchema_json_schema" in tables[11] - tables[10]

    @pytest.mark.parametrize("generation", [0, 5, 17])
    def test_no_tables(self, generation: int) -> None:
        """An older or unknown generation is refused with those that there are."""
        with pytest.raises(DialectError, match=rf"no tables for G{generation}: there are G6 to G16"):
            run_table(generation)

    @pytest.mark.parametrize("generation", GENERATIONS)
    def test_names_are_short_and_unlike(self, generation: int) -> None:
        """PostgreSQL, which cuts a name at 63 bytes, cannot confuse two."""
        tables = list(every_table(run_table(generation)))
        names = [table.name for table in tables] + [array.table for table in tables for array in table.arrays]
        assert len({name.lower() for name in names}) == len(names)
        assert max(map(len, names)) <= 63


class TestRoundTrip:
    @pytest.mark.parametrize("generation", [6, 7, 9, 14])
    @given(data=st.data())
    def test_exactly_the_losses(self, generation: int, data: st.DataObject) -> None:
        """Any document of the generation comes back the same but at exactly the places that are called lost."""
        document = data.draw(documents(generation))
        again = through_rows(document, generation)
        assert {loss.keys for loss in losses(document, again)} == differences(document, again)
        assert through_rows(again, generation) == again

    @given(st.dictionaries(st.sampled_from([*(m.name for m in run_table(14).members)]), json_values))
    def test_any_values(self, document: dict[str, Any]) -> None:
        """A document with anything anywhere is split, and what became of it told."""
        again = through_rows(document, 14)
        assert {loss.keys for loss in losses(document, again)} == differences(document, again)

    @given(runs())
    def test_what_the_engine_makes(self, run: Any) -> None:
        """A run of the engine comes back whole, but for zeros, and keys and words that the tables have not."""
        document = write_run(run)
        lost = {loss.keys[0] for loss in losses(document, through_rows(document, 16))}
        zero = {key for key, value in document.items() if value in (0, "")}
        assert lost <= zero | set(run.extra) | {"file_ids", "tool_choice", "tools"}

    def test_a_full_record_loses_nothing(self) -> None:
        """A record with every field of G6 set is the same afterwards, as a record too."""
        document = {
            **clean("requires_action"),
            "instructions": "é",
            "tools": [{"type": "code_interpreter"}, {"type": "function", "function": {"name": "f", "parameters": {}}}],
            "file_ids": ["b", "a", "b"],
            "metadata": {"a": ["b", None, 1.0]},
            "temperature": 0.0,
            "max_prompt_tokens": 256,
            "max_completion_tokens": 2**40,
            "truncation_strategy": {"type": "last_messages", "last_messages": 3},
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "response_format": "auto",
            "incomplete_details": {"reason": None},
            "last_error": {"code": "", "message": ""},
            "usage": {"completion_tokens": 0, "prompt_tokens": 0, "total_tokens": 0},
        }
        known = {member.name for member in run_table().members}
        document = {key: value for key, value in document.items() if key in known}
        assert known == set(document)
        assert not list(losses(document, through_rows(document)))
        assert read_run(through_rows(document)) == read_run(document)


FULL: Final = through_rows(clean("completed"))


class TestLosses:
    @pytest.mark.parametrize(
        ("field", "value", "path", "why"),
        [
            ("seen", 1, "seen", "there is no column for it"),
            ("top_p", None, "top_p", "null reads as left out"),
            ("top_p", 0.5, "top_p", "there is no column for it"),
            ("instructions", "", "instructions", "it stands for null"),
            ("started_at", 0, "started_at", "it stands for null"),
            ("max_prompt_tokens", 0, "max_prompt_tokens", "it stands for null"),
            ("max_prompt_tokens", -1, "max_prompt_tokens", "it does not fit its column and reads as null"),
            ("started_at", "17", "started_at", "it does not fit its column and reads as null"),
            ("started_at", 2**63, "started_at", "it does not fit its column and reads as null"),
            ("created_at", True, "created_at", "it does not fit its column and reads as 0"),
            ("created_at", None, "created_at", "it does not fit its column and reads as 0"),
            ("temperature", 1, "temperature", "a decimal reads as a float"),
            ("temperature", 10**400, "temperature", "it does not fit its column and reads as null"),
            ("model", "a\0b", "model", "NUL and lone surrogates are replaced"),
            ("model", "\ud800", "model", "NUL and lone surrogates are replaced"),
            ("tools", None, "tools", "it does not fit its column and reads as []"),
            ("tools", [{"type": "mcp", "server": 1}], "tools[0].server", "there is no column for it"),
            ("tools", [{"type": "function", "function": None}], "tools[0].function", "null reads as left out"),
            ("tool_choice", "odd", "tool_choice", "a word that is not listed reads as an object"),
            ("tool_choice", {"type": "auto"}, "tool_choice", "an object whose type is a listed word reads as the word"),
            ("usage", 5, "usage", "it does not fit its column and reads as null"),
            ("usage", {"total_tokens": 3, "prompt_tokens": 3}, "usage.completion_tokens", "left out, it reads as 0"),
        ],
    )
    def test_each(self, field: str, value: Any, path: str, why: str) -> None:
        """Each kind of loss is told once, with its place and what becomes of it."""
        document = {**FULL, field: value}
        [loss] = losses(document, through_rows(document))
        assert (loss.path, loss.why, loss.kind) == (path, why, "loss")

    @pytest.mark.parametrize("field", sorted(FULL))
    def test_left_out(self, field: str) -> None:
        """Every column that a document leaves out is told, with what it reads as."""
        document = {key: value for key, value in FULL.items() if key != field}
        [loss] = losses(document, through_rows(document))
        member = next(m for m in run_table().members if m.name == field)
        empty = "[]" if isinstance(member, Array) else "''" if member.type == "text" else "0"
        nullable = isinstance(member, Column) and (member.zero_is_null or member.refers or not member.required)
        assert (loss.path, loss.why) == (field, f"left out, it reads as {'null' if nullable else empty}")

    @pytest.mark.parametrize("word", ["none", "auto", "required"])
    def test_words_of_a_choice(self, word: str) -> None:
        """A bare word is kept as the type of a row and read as a word again."""
        assert through_rows({**FULL, "tool_choice": word})["tool_choice"] == word
