"""`runengine convert`: streaming, losses told, strictness, explanation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runengine.cli import main
from runengine.dialects.documents import DIALECTS
from runengine.validation.catalogue.examples import lines, record, row


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A file of two runs, one of them in an envelope."""
    path = tmp_path / "in.jsonl"
    path.write_text(lines(record("queued"), row(record("completed", id="run_2"), kind="create", observed_at=5)).text)
    return path


def test_it_writes_a_line_for_each_run(trace: Path, tmp_path: Path) -> None:
    """Every run is written in the dialect, and what the recording told of it stays in an envelope."""
    out = tmp_path / "out.jsonl"
    assert main(["convert", "--to", "typescript-instance", str(trace), str(out)]) == 0
    first, second = [json.loads(line) for line in out.read_text().splitlines()]
    assert first["createdAt"] == record("queued")["created_at"]
    assert (second["kind"], second["observed_at"], second["data"]["id"]) == ("create", 5.0, "run_2")


@pytest.mark.parametrize("name", DIALECTS)
def test_there_and_back(name: str, trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a dialect can carry comes back; a second conversion loses nothing more."""
    out, back, again = tmp_path / "out.jsonl", tmp_path / "back.jsonl", tmp_path / "again.jsonl"
    assert main(["convert", "--to", name, "--generation", "G14", str(trace), str(out)]) == 0
    assert main(["convert", "--from", name, "--to", "native", str(out), str(back)]) == 0
    capsys.readouterr()
    assert main(["convert", "--to", name, "--generation", "G14", str(back), str(again)]) == 0
    assert again.read_text() == out.read_text()
    assert "is lost" not in capsys.readouterr().err


def test_losses_are_told_field_by_field(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each loss is one line with its place, its run and its field."""
    assert main(["convert", "--to", "julia", str(trace), str(tmp_path / "out")]) == 0
    told = capsys.readouterr().err
    assert f"{trace}:1: run_1: parallel_tool_calls is lost: G1 has no such field" in told
    assert f"{trace}:2: run_2: usage is lost: G1 has no such field" in told


def test_strict_refuses_and_writes_nothing(trace: Path, tmp_path: Path) -> None:
    """With --strict a loss means exit code 1 and no output, not even a part of one."""
    out = tmp_path / "out.jsonl"
    out.write_text("before")
    assert main(["convert", "--to", "julia", "--strict", str(trace), str(out)]) == 1
    assert out.read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_what_is_no_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Objects that are no runs and lines that cannot be read are told, not dropped in silence."""
    path = tmp_path / "in.jsonl"
    path.write_text(lines(record("queued"), {"object": "thread.message"}, "{oops").text)
    assert main(["convert", "--to", "native", str(path), str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert "1 of thread.message are no runs" in told
    assert f"{path}:3: not JSON" in told


def test_explain(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--explain names the dialect and generation with the reason, and counts."""
    assert main(["convert", "--explain", str(trace)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 of 2: julia (or native")
    assert "nulls are left out" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["IN"], "give --to DIALECT and OUT"),
        (["--to", "ruby", "IN", "IN"], "the same file"),
        (["--to", "ruby", "IN", "/nowhere/out"], "cannot be written"),
        (["--to", "ruby", "/nowhere/in", "OUT"], "No such file"),
    ],
)
def test_misuse(
    arguments: list[str], said: str, trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Misuse is one line and exit code 2."""
    paths = {"IN": str(trace), "OUT": str(tmp_path / "out")}
    assert main(["convert", *(paths.get(a, a) for a in arguments)]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_standard_output(trace: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """`-` writes to standard output."""
    assert main(["convert", "--to", "julia", "--generation", "G14", str(trace), "-"]) == 0
    assert capfdbinary.readouterr().out.count(b"\n") == 2


def test_tables_and_back(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs go into the kotlin-sql tables and come out again; check reads them there."""
    url, back = f"sqlite:///{tmp_path}/runs.db", tmp_path / "back.jsonl"
    assert main(["convert", "--to", "kotlin-sql", str(trace), url]) == 0
    assert f"{trace}:2: run_2: parallel_tool_calls is lost: there is no column for it" in capsys.readouterr().err
    assert main(["convert", "--to", "native", url, str(back)]) == 0
    runs = [json.loads(line) for line in back.read_text().splitlines()]
    assert [(run["id"], run["status"]) for run in runs] == [("run_1", "queued"), ("run_2", "completed")]
    assert main(["check", url]) == 0


def test_tables_strict(trace: Path, tmp_path: Path) -> None:
    """With --strict a loss leaves the tables as they were."""
    url, back = f"sqlite:///{tmp_path}/runs.db", tmp_path / "back.jsonl"
    assert main(["convert", "--to", "kotlin-sql", str(trace), url]) == 0
    more = tmp_path / "more.jsonl"
    more.write_text(lines(record("queued", id="run_3")).text)
    assert main(["convert", "--to", "kotlin-sql", "--strict", str(more), url]) == 1
    assert main(["convert", "--to", "native", url, str(back)]) == 0
    assert "run_3" not in back.read_text()


def test_tables_need_an_address(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file where a database is needed is one line and exit code 2."""
    assert main(["convert", "--to", "kotlin-sql", str(trace), "runs.db"]) == 2
    assert "expected" in (told := capsys.readouterr().err) or "needs sqlite:///FILE" in told
