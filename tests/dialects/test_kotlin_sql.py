"""The tables in real SQLite and PostgreSQL databases: written, read, refused."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event
from sqlalchemy.exc import IntegrityError

from runengine.dialects.kotlin_sql import read_runs, write_runs
from runengine.dialects.kotlin_sql.database import open_reading, statements
from runengine.dialects.kotlin_sql.tables import every_table, run_table
from runengine.errors import DialectError, PayloadError, TraceUnreadable
from tests.dialects.databases import differences, execute, ids, rows, written
from tests.dialects.documents import documents
from tests.dialects.seed_fields import SEEDS
from tests.validation.checking import clean

HARMFUL: Final = """'; DROP TABLE "RunObject"; -- %s %(id)s :id {0} \\ \n\t\N{COMBINING ACUTE ACCENT}\N{PILE OF POO}"""
COMPATIBLE: Final = {
    "text": {"text"},
    "int": {"bigint"},
    "long": {"bigint"},
    "blob": {"blob", "bytea"},
    "decimal": {"numeric"},
}


def run(number: int, **changes: Any) -> dict[str, Any]:
    """A run that ended well, with every field of G6, two tools and a file."""
    tools = [{"type": "code_interpreter"}, {"type": "function", "function": {"name": f"f{number}"}}]
    document = clean("completed", id=f"run_{number:05}", tools=tools, metadata={"n": str(number)}, temperature=0.5)
    known = [member.name for member in run_table().members]
    return {name: document.get(name) for name in known} | {"file_ids": [f"file_{number}"]}


def columns(url: str, table: str) -> list[tuple[str, str]]:
    """The columns of a table with their types, as the database tells them."""
    if url.startswith("sqlite"):
        return [(name, type.lower()) for _, name, type, *_ in rows(url, f'PRAGMA table_info("{table}")')]
    asked = (
        "SELECT column_name, data_type FROM information_schema.columns "
        f"WHERE table_name = '{table}' AND table_schema = current_schema() ORDER BY ordinal_position"
    )
    return [(name, type) for name, type in rows(url, asked)]


def delete_through(url: str) -> None:
    """Try to delete every run through a connection that is for reading."""
    with open_reading(url) as database:
        assert database is not None
        database.connection.exec_driver_sql('DELETE FROM "RunObject"')


class TestTables:
    def test_a_column_of_somebody_else(self, url: str) -> None:
        """A column that no generation has is a key of its name, and is left alone by writing."""
        written(url, [run(1), run(2)])
        execute(url, 'ALTER TABLE "RunObject" ADD COLUMN "the Tenant" TEXT')
        execute(url, """UPDATE "RunObject" SET "the Tenant" = 'x' WHERE id = 'run_00001'""")
        written(url, [run(3)])
        read = list(read_runs(url, 1))
        assert [document["the Tenant"] for document in read] == ["x", None, None]
        assert {key: value for key, value in read[0].items() if key != "the Tenant"} == run(1)

    def test_every_column_of_the_document(self, url: str) -> None:
        """The database has the document's columns in its order, of a compatible type; only `rowKey` follows."""
        written(url, [])
        seed = [(f.column, f.sql.split(" ")[0]) for f in SEEDS["kotlin-sql"] if f.sql != "----"]
        *found, last = columns(url, "RunObject")
        assert [name for name, _ in found] == [name for name, _ in seed]
        assert all(type in COMPATIBLE[wanted] for (_, type), (_, wanted) in zip(found, seed, strict=True))
        assert last == ("rowKey", "bigint")

    @pytest.mark.parametrize("generation", [6, 7, 8, 9, 10, 16])
    def test_every_generation(self, url: str, generation: int) -> None:
        """Its tables are made, hold a run, are known again, and made a second time without harm."""
        document = {**run(1), "parallel_tool_calls": True}
        written(url, [document], generation)
        written(url, [], generation)
        with open_reading(url) as database:
            assert database is not None
            assert database.run_table == run_table(generation)
        assert ids(url) == ["run_00001"]

    @pytest.mark.parametrize(("there", "asked"), [(6, 14), (14, 6), (6, 7)])
    def test_another_generation(self, url: str, there: int, asked: int) -> None:
        """Tables of another generation are not written to, and stay as they are."""
        written(url, [run(1)], there)
        with pytest.raises(
            DialectError, match=rf"its tables are those of G{there if there < 11 else 16}, not of G{asked}"
        ):
            written(url, [run(2)], asked)
        assert ids(url) == ["run_00001"]

    def test_negative_counts_are_refused_by_the_database(self, url: str) -> None:
        """`int UNSIGNED` is a check, as neither database has the type."""
        written(url, [run(1)])
        with pytest.raises(IntegrityError):
            execute(url, 'UPDATE "RunObject" SET max_prompt_tokens = -1')

    @pytest.mark.parametrize("database", ["sqlite", "postgresql"])
    def test_the_page_shows_the_statements(self, database: Any) -> None:
        """The reference page prints the statements of G6 as SQLite gets them; PostgreSQL's differ as it says."""
        page = (Path(__file__).parents[2] / "docs/reference/dialects/kotlin-sql.md").read_text(encoding="utf-8")
        for statement in statements(6, database):
            shown = statement.replace("BYTEA", "BLOB").replace(' COLLATE "C"', "")
            if database == "postgresql" and not shown.startswith('CREATE TABLE "RunObject" ('):
                shown = shown.replace('"rowKey" BIGINT', '"rowKey" INTEGER')
            assert shown + ";" in page


class TestRoundTrip:
    @settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    @given(
        some=st.lists(documents(6), max_size=6, unique_by=lambda d: str(d["id"]).replace("\0", "\ufffd")),
        batch=st.integers(1, 4),
    )
    def test_exactly_the_losses(self, url: str, some: list[dict[str, Any]], batch: int) -> None:
        """Any documents of G6 come back in the order of ids, each the same but at exactly the places told as lost."""
        written(url, [])
        execute(url, 'DELETE FROM "RunObject"')
        told = written(url, some, batch=batch)
        read = list(read_runs(url, batch))
        at = {str(run["id"]): run for run in read}
        assert [str(run["id"]).encode() for run in read] == sorted(key.encode() for key in at)
        assert len(read) == len(some)
        for number, document in enumerate(some, 1):
            again = at[document["id"].replace("\0", "\ufffd")]
            assert {loss.keys for loss in told.get(number, [])} == differences(document, again)

    def test_both_databases_say_the_same(self, sqlite_url: str, postgres_url: str) -> None:
        """What SQLite gives back PostgreSQL gives back, in the same order, numbers of the same kind."""
        some = [run(n, temperature=t) | {"temperature": t} for n, t in enumerate((1.0, 0.1, 1e-300, 2.5e18, 0.0, None))]
        some += [
            run(9) | {"id": f"run_{word}", "max_prompt_tokens": 2**31}
            for word in ("Z", "a", "_", "é", "\U0001f4a9", "")
        ]
        urls = (sqlite_url, postgres_url)
        for url in urls:
            assert not written(url, some)
        one, other = (list(read_runs(url)) for url in urls)
        assert repr(one) == repr(other)
        assert one == sorted(some, key=lambda document: str(document["id"]).encode())

    def test_harmful_strings(self, url: str) -> None:
        """Text that would be SQL, a placeholder or an escape is only text."""
        harmful = run(1) | {
            "id": HARMFUL,
            "instructions": HARMFUL,
            "file_ids": [HARMFUL],
            "metadata": {HARMFUL: HARMFUL},
        }
        assert not written(url, [harmful, run(2)])
        assert not set(written(url, [harmful])[1][1:])
        assert list(read_runs(url)) == [harmful, run(2)]

    def test_one_snapshot_a_run(self, url: str) -> None:
        """A later snapshot replaces the earlier one with all its rows, in a batch or over batches, and it is told."""
        new = run(1) | {"status": "failed", "tools": [], "last_error": {"code": "server_error", "message": "m"}}
        for batch in (1, 1000):
            told = written(url, [run(1), run(2), new], batch=batch)
            assert "replaced" in told[3][0].why
            assert list(read_runs(url)) == [new, run(2)]
        counted = {t.name: rows(url, f'SELECT count(*) FROM "{t.name}"')[0][0] for t in every_table(run_table())}
        assert counted["AssistantObject_tools_inner"] == 2
        assert counted["FunctionObject"] == counted["RunObject_last_error"] == 1
        assert rows(url, 'SELECT count(*) FROM "RunObjectFileIds"') == [(2,)]

    def test_all_or_nothing(self, url: str) -> None:
        """What the teller of losses or the source raises leaves the database as it was, whole batches too."""
        written(url, [run(1)])

        def broken() -> Iterator[dict[str, Any]]:
            yield from (run(n) for n in range(2, 9))
            raise KeyError

        def refuse(number: int, losses: object) -> None:
            raise InterruptedError(number, losses)

        with pytest.raises(KeyError):
            written(url, broken(), batch=2)
        with pytest.raises(InterruptedError):
            write_runs(url, [run(2), {**run(3), "seen": 1}], refuse, batch=1)
        with pytest.raises(PayloadError, match=r"\$\.id: of document 2: expected str, found None"):
            written(url, [run(2), {}], batch=1)
        assert ids(url) == ["run_00001"]


class TestReading:
    @pytest.mark.parametrize("batch", [1, 2, 3, 6, 7, 8, 1000])
    def test_batches(self, url: str, batch: int) -> None:
        """Every size of batch gives each run once, whole."""
        some = [run(n) for n in range(7)]
        written(url, reversed(some), batch=batch)
        assert list(read_runs(url, batch)) == some

    def test_queries_do_not_grow_with_runs(self, url: str) -> None:
        """A batch takes the same few queries whether it has one run or hundreds."""
        written(url, [run(n) for n in range(300)])
        asked: list[str] = []

        @event.listens_for(Engine, "before_cursor_execute")
        def count(*arguments: Any) -> None:
            asked.append(arguments[2])

        try:
            next(read_runs(url, 1))
            one, asked[:] = len(asked), []
            next(read_runs(url, 300))
        finally:
            event.remove(Engine, "before_cursor_execute", count)
        assert len(asked) == one

    def test_memory_does_not_grow_with_runs(self, tmp_path: Path) -> None:
        """Writing and reading thousands of runs takes no more memory than hundreds."""

        def peak(count: int) -> int:
            url = f"sqlite:///{tmp_path}/{count}.db"
            tracemalloc.reset_peak()
            write_runs(url, (run(n) for n in range(count)), print, batch=100)
            assert sum(1 for _ in read_runs(url, 100)) == count
            return tracemalloc.get_traced_memory()[1]

        peak(50)  # what is cached once
        tracemalloc.start()
        try:
            assert peak(2400) < 1.5 * peak(300)
        finally:
            tracemalloc.stop()

    def test_the_connection_cannot_write(self, url: str) -> None:
        """A statement that would change something is refused by the database itself."""
        written(url, [run(1)])
        with pytest.raises(TraceUnreadable, match=r"read-?only"):
            delete_through(url)
        assert ids(url) == ["run_00001"]

    def test_the_file_stays_as_it_is(self, tmp_path: Path) -> None:
        """Reading changes no byte of a SQLite file, needs no right to write it, and leaves no file beside it."""
        file = tmp_path / "a b#.db"
        written(f"sqlite:///{file}", [run(1)])
        before = file.read_bytes()
        assert ids(f"sqlite:///{file}") == ["run_00001"]
        assert file.read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == [file.name]

    def test_one_state_throughout(self, url: str) -> None:
        """Runs that are written while others are read do not appear half way."""
        written(url, [run(n) for n in range(4)])
        if url.startswith("sqlite"):
            execute(url, "PRAGMA journal_mode = wal")
        reading = read_runs(url, 2)
        next(reading)
        written(url, [run(9), run(3) | {"status": "failed"}])
        assert [(run["id"], run["status"]) for run in reading][1:] == [
            ("run_00002", "completed"),
            ("run_00003", "completed"),
        ]
        assert len(ids(url)) == 5

    @pytest.mark.parametrize(
        ("sql", "field", "value"),
        [
            ('UPDATE "RunObject" SET last_error = 99', "last_error", 99),
            ("UPDATE \"RunObject\" SET status = 'done'", "status", "done"),
            ('UPDATE "RunObject" SET created_at = 0', "created_at", 0),
            (
                'DELETE FROM "FunctionObject"',
                "tools",
                [{"type": "code_interpreter"}, {"type": "function", "function": 5}],
            ),
            ('DELETE FROM "AssistantObject_tools_inner"', "tools", [3, 4]),
        ],
    )
    def test_what_cannot_be_understood(self, url: str, sql: str, field: str, value: Any) -> None:
        """A number that names no row, or a wrong word, is left in its field as it stands."""
        written(url, [run(1)])
        execute(url, sql)
        [read] = read_runs(url)
        assert {way[0] for way in differences(read, run(1))} == {field}
        assert read[field] == value

    @pytest.mark.parametrize(
        ("cell", "field", "value"),
        [
            ("started_at = 'soon'", "started_at", "soon"),
            ("started_at = 1.5", "started_at", 1.5),
            ("started_at = x'c3a9ff'", "started_at", "é\\xff"),
            ("metadata = '{\"a\": 1}'", "metadata", {"a": 1}),
            ("metadata = x'7b'", "metadata", "{"),
            ("metadata = 5", "metadata", 5),
            ("temperature = 'warm'", "temperature", "warm"),
            ("usage = 'none'", "usage", "none"),
        ],
    )
    def test_sqlite_cells_of_any_type(self, tmp_path: Path, cell: str, field: str, value: Any) -> None:
        """SQLite lets any type into any cell: a wrong one is left in its field, legible."""
        url = f"sqlite:///{tmp_path}/a.db"
        written(url, [run(1)])
        execute(url, f'UPDATE "RunObject" SET {cell}')
        [read] = read_runs(url)
        assert {way[0] for way in differences(read, run(1))} == {field}
        assert read[field] == value
