"""`runengine check` on the tables of the ktorm document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from runengine.cli import main
from runengine.core.statuses import STATUSES
from runengine.dialects.kotlin_sql import write_runs
from tests.validation.checking import clean


def filled(path: Path, generation: int = 9) -> str:
    """A database with one sound run in each status, in their order."""
    url = f"sqlite:///{path}"
    some = (clean(status, id=f"run_{place}", thread_id=f"thread_{place}") for place, status in enumerate(STATUSES))
    write_runs(url, some, lambda number, losses: None, generation)
    return url


def check(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, violations and standard error."""
    code = main(["check", "--format", "jsonl", *argv])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, [json.loads(line) for line in out.splitlines() if '"code"' in line], err


@pytest.mark.parametrize("generation", [9, 10, 16])
def test_sound_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str], generation: int) -> None:
    """Zeros are nulls: a sound run of any status has no violation, of a zero stamp either."""
    url = filled(tmp_path / "a.db", generation)
    assert check(capsys, url) == (0, [], "")
    assert check(capsys, "--reader", "kotlin-sql", url) == (0, [], "")


@pytest.mark.parametrize(
    ("sql", "code", "field", "line"),
    [
        ("UPDATE RunObject SET completed_at = 0 WHERE status = 'completed'", "RE201", "completed_at", 5),
        ("UPDATE RunObject SET failed_at = 1700000005 WHERE status = 'queued'", "RE202", "failed_at", 1),
        ("UPDATE RunObject SET last_error = 0 WHERE status = 'failed'", "RE302", "last_error", 7),
        ("UPDATE RunObject SET last_error = 99 WHERE status = 'failed'", "RE308", "last_error", 7),
        ("UPDATE RunObject SET status = 'canceled' WHERE status = 'cancelled'", "RE105", "status", 8),
        ("UPDATE RunObject SET started_at = 'soon' WHERE status = 'in_progress'", "RE207", "started_at", 2),
    ],
)
def test_a_corruption(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sql: str, code: str, field: str, line: int
) -> None:
    """What raw SQL spoils is found, at its row, in its field, under the address."""
    url = filled(tmp_path / "a.db")
    with sa.create_engine(url).begin() as connection:
        connection.exec_driver_sql(sql)
    exit_code, found, _ = check(capsys, url)
    assert exit_code == 1
    assert (code, field, line, url) in {(v["code"], v["field"], v["line"], v["path"]) for v in found}
    assert {v["line"] for v in found} == {line}


def test_readers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A reader of files takes no address, and `kotlin-sql` takes a path for an address; each says so."""
    url = filled(tmp_path / "a.db")
    code, _, err = check(capsys, "--reader", "json-lines", url)
    assert (code, "--reader json-lines reads files, and this is the address of a database" in err) == (2, True)
    code, _, err = check(capsys, "--reader", "kotlin-sql", str(tmp_path / "a.db"), url)
    assert (code, "expected sqlite:///FILE or postgresql://HOST/DATABASE" in err) == (1, True)


def test_other_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A database without the tables has no reader, and the line says what it is not."""
    url = f"sqlite:///{tmp_path}/a.db"
    with sa.create_engine(url).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE runs (id TEXT)")
    (tmp_path / "empty.db").touch()
    for none in (url, f"sqlite:///{tmp_path}/empty.db"):
        code, _, err = check(capsys, none)
        assert code == 2
        assert f"{none}: it is neither a runengine store nor does it have the kotlin-sql tables" in err


def test_a_password_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Not where the server does not answer, either."""
    code, _, err = check(capsys, "postgresql://me:s3cret@127.0.0.1:1/runs")
    assert code == 2
    assert "postgresql://me:***@127.0.0.1:1/runs: nothing listens there" in err
    assert "s3cret" not in err
