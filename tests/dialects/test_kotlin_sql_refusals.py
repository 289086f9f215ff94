"""What kotlin-sql answers to databases that it cannot read or write: one line, and never a password."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runengine.dialects.kotlin_sql import is_kotlin_sql, masked
from runengine.dialects.kotlin_sql.tables import every_table, run_table
from runengine.errors import DialectError, RunEngineError, TraceUnreadable
from tests.dialects.databases import execute, ids, written


class TestRefusals:
    @pytest.mark.parametrize(
        ("sql", "missing"),
        [
            ('ALTER TABLE "RunObject" DROP COLUMN started_at', "column RunObject.started_at"),
            ('ALTER TABLE "RunObject" RENAME COLUMN usage TO used', "column RunObject.usage"),
            ('ALTER TABLE "FunctionObject" DROP COLUMN "description"', "column FunctionObject.description"),
            ('DROP TABLE "RunCompletionUsage"', "table RunCompletionUsage"),
            ('DROP TABLE "RunObjectFileIds"', "table RunObjectFileIds"),
        ],
    )
    def test_half_a_set_of_tables(self, url: str, sql: str, missing: str) -> None:
        """A table or column that is missing is named; writing makes a table, and refuses to go without a column."""
        written(url, [])
        execute(url, sql)
        for attempt in (lambda: is_kotlin_sql(url), lambda: ids(url)):
            with pytest.raises(TraceUnreadable, match=rf"kotlin-sql: half a set of tables: no {missing}$"):
                attempt()
        if missing.startswith("table"):
            written(url, [])
            assert is_kotlin_sql(url)
        else:
            with pytest.raises(DialectError, match=rf"half a set of tables: no {missing}$"):
                written(url, [])

    @pytest.mark.parametrize(
        ("column", "said"),
        [
            (
                "parallel_tool_calls BOOLEAN",
                r"between two generations: the tables are those of G6, but RunObject\.parallel_tool_calls is a column "
                r"of G\d+ to G16, and for G\d+ there is no column RunObject\.top_p",
            ),
            ("tools TEXT", r"RunObject\.tools: it is no column in any generation but a table of its own$"),
        ],
    )
    def test_between_two_generations(self, url: str, column: str, said: str) -> None:
        """A column of another generation is named, with what that one has besides."""
        written(url, [])
        execute(url, f'ALTER TABLE "RunObject" ADD COLUMN {column}')
        with pytest.raises(TraceUnreadable, match=said):
            ids(url)
        with pytest.raises(DialectError, match=said):
            written(url, [])

    def test_the_documents_own_tables(self, tmp_path: Path) -> None:
        """The document's statements with no more than commas repaired are known for what they are."""
        url = f"sqlite:///{tmp_path}/own.db"
        for table in every_table(run_table()):
            if table.columns:
                columns = ", ".join(f'"{column.name}" BLOB' for column in table.columns)
                execute(url, f'CREATE TABLE "{table.name}" ({columns})')
            for array in table.arrays:
                execute(url, f'CREATE TABLE "{array.table}" ("{array.owner}" BIGINT, "{array.item}" BIGINT)')
        with pytest.raises(TraceUnreadable, match="these are the document's own tables, without rowKey and position"):
            ids(url)

    def test_no_such_tables(self, url: str) -> None:
        """A database with other tables is not recognised, and not read."""
        execute(url, "CREATE TABLE runs (id TEXT)")
        assert is_kotlin_sql(url) is False
        with pytest.raises(TraceUnreadable, match="no table RunObject"):
            ids(url)

    @pytest.mark.parametrize(
        "url",
        [
            "sqlite://",
            "sqlite:///",
            "postgresql://localhost",
            "mysql://localhost/runs",
            "postgresql://localhost:port/runs",
            "postgresql://me:p@ss@localhost/runs",
            "runs.db",
            "",
            "sqlite+aiosqlite:///runs.db",
        ],
    )
    def test_no_address(self, url: str) -> None:
        """What is no address of a database is answered with what one looks like."""
        for attempt in (lambda: is_kotlin_sql(url), lambda: written(url, [])):
            with pytest.raises(DialectError, match=r"expected sqlite:///FILE or postgresql://HOST/DATABASE$"):
                attempt()

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda path: None, "there is no such file"),
            (lambda path: path.mkdir(), "there is no such file"),
            (lambda path: path.write_bytes(b"{}" * 999), "file is not a database"),
        ],
    )
    def test_files_that_are_none(self, tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
        """A file that is missing or no database is named in one line, and not made by looking."""
        file = tmp_path / "a.db"
        make(file)
        there = file.exists()
        with pytest.raises(TraceUnreadable) as caught:
            ids(f"sqlite:///{file}")
        assert str(caught.value) == f"sqlite:///{file}: {said}"
        assert file.exists() == there

    def test_a_server_that_does_not_answer(self) -> None:
        """It is one line, without the password."""
        url = "postgresql://me:s3%40cret@127.0.0.1:1/runs?password=s3cret"
        for attempt in (lambda: ids(url), lambda: written(url, [])):
            with pytest.raises(RunEngineError) as caught:
                attempt()
            said = str(caught.value)
            assert "s3" not in said
            assert "\n" not in said
            assert "refused" in said

    @pytest.mark.parametrize(("library", "reader"), [("sqlalchemy", "kotlin-sql"), ("psycopg", "auto")])
    def test_without_the_extra(self, library: str, reader: str) -> None:
        """Where a driver is not installed, the line names the extra; nothing imports it before it is needed."""
        program = f"""
import sys
sys.modules[{library!r}] = None
from runengine.cli import main
assert "sqlalchemy" not in sys.modules or sys.modules["sqlalchemy"] is None
sys.exit(main(["check", "--reader", {reader!r}, "postgresql://localhost/runs"]))
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "pip install 'runengine[sql]'" in done.stderr
        assert "Traceback" not in done.stderr

    def test_masked(self) -> None:
        """Whatever a password has in it is not shown; an address without one is."""
        assert masked("postgresql://me:a@b:c/d@host/runs?x=1") == "postgresql://me:***@host/runs?x=1"
        assert (
            masked("postgresql:///runs?host=/tmp&password=a&sslpassword=b")
            == "postgresql:///runs?host=/tmp&password=***&sslpassword=***"
        )
        for plain in ("sqlite:////tmp/a@b:c.db", "postgresql://me@host:5432/runs", "postgresql:///runs?host=/tmp"):
            assert masked(plain) == plain
