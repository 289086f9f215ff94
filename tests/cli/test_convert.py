"""`runengine convert`: streaming, losses told, strictness, explanation."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from runengine.cli import main
from runengine.dialects.documents import DIALECTS
from runengine.dialects.kotlin_sql import write_runs
from runengine.validation.catalogue.examples import lines, record, row

SNAPSHOTS = Path(__file__).parents[3] / "shared" / "traces" / "snapshots"
RUN = {"id": "run_1", "object": "thread.run", "created_at": 1_712_900_000, "status": "queued"}


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
    whole, *groups = said.splitlines()
    assert whole.startswith("as a whole: julia or native can have written every record, and generation ")
    assert groups[0].startswith("2 of 2: julia (or native")
    assert "nulls are left out" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["IN"], "give --to DIALECT and OUT"),
        (["--to", "ruby", "IN", "IN"], "the same file"),
        (["--to", "ruby", "IN", "/nowhere/out"], "cannot be written"),
        (["--to", "ruby", "/nowhere/in", "OUT"], "No such file"),
        (["--to", "native", "IN", "sqlite:///z.db"], "sqlite:///z.db: the address of a database goes with --to kotlin"),
        (["--to", "native", "mysql://me:pw@host/z", "OUT"], "mysql://me:***@host/z: expected sqlite:///FILE or"),
        (["--to", "kotlin-sql", "IN", "mysql+x://me:pw@host/z"], "mysql+x://me:***@host/z: expected sqlite:///FILE or"),
        (["--explain", "--from", "kotlin-sql", "IN"], "expected sqlite:///FILE"),
        (["--explain", "redis://:pw@host/z"], "redis://:***@host/z: expected sqlite:///FILE or postgres"),
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


def native(text: str, folder: Path, name: str = "a.jsonl") -> list[Any]:
    """The lines that a recording is written as."""
    path, out = folder / name, folder / "native.jsonl"
    path.write_text(text)
    assert main(["convert", "--to", "native", str(path), str(out)]) == 0
    return [json.loads(line) for line in out.read_text().splitlines()]


@pytest.mark.parametrize(
    "line",
    [
        RUN,
        {"kind": "create", "data": RUN},
        {"kind": "cancel", "note": ["by", "hand"], "source": None, "http_date": "soon", "data": RUN, "observed": 3},
        {"event": "thread.run.queued", "observed_at": 1.5, "data": RUN},
        {"kind": "history", "event": "start", "observed_at": "never", "data": RUN},
        {"data": RUN},
    ],
)
def test_an_envelope_is_written_as_it_was(line: dict[str, Any], tmp_path: Path) -> None:
    """Whatever a recording said around a run is said again, known or not."""
    assert native(json.dumps(line), tmp_path) == [line]


def test_nested_envelopes_are_one(tmp_path: Path) -> None:
    """Of envelopes inside each other every key is kept, the innermost where both have it."""
    line = {"kind": "create", "run": 1, "data": {"kind": "retrieve", "note": 2, "data": RUN}}
    assert native(json.dumps(line), tmp_path) == [{"kind": "retrieve", "run": 1, "note": 2, "data": RUN}]


def test_list_responses_are_written_as_their_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The runs of a list are written bare, in an envelope if it had one, and what is not written is told once."""
    page = {"object": "list", "data": [RUN, RUN], "has_more": False}
    assert native("\n".join(map(json.dumps, (page, page))), tmp_path) == [RUN] * 4
    assert capsys.readouterr().err.count("list responses are written as their runs") == 1
    assert native(json.dumps({"kind": "list", "data": page}), tmp_path) == [{"kind": "list", "data": RUN}] * 2
    assert "list responses" in capsys.readouterr().err
    assert native(json.dumps([RUN, {"object": "list", "data": [RUN]}]), tmp_path) == [RUN, RUN]
    assert capsys.readouterr().err == ""


def test_event_streams_are_written_in_envelopes(tmp_path: Path) -> None:
    """The event's name stays with its run."""
    text = f"event: thread.run.queued\ndata: {json.dumps(RUN)}\n\nevent: done\ndata: [DONE]\n\n"
    assert native(text, tmp_path, "a.sse") == [{"kind": "stream", "event": "thread.run.queued", "data": RUN}]


@pytest.mark.skipif(not SNAPSHOTS.is_dir(), reason="the recorded traces are not here")
def test_recorded_traces_come_back_whole(tmp_path: Path) -> None:
    """Every line of every recording is, in native, the JSON value that it was."""
    for file in sorted(SNAPSHOTS.glob("*.jsonl")):
        text = file.read_text()
        assert native(text, tmp_path) == [json.loads(line) for line in text.splitlines()], file.name


def test_tables_hold_runs_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What envelopes said has no place in tables, which is told once."""
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(json.dumps({"kind": "retrieve", "data": {**RUN, "id": f"run_{n}"}}) for n in (1, 2)))
    assert main(["convert", "--to", "kotlin-sql", str(path), f"sqlite:///{tmp_path}/runs.db"]) == 0
    assert "2 times: what was said around the run is not written" in capsys.readouterr().err


def test_explain_tells_of_the_whole_file_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """First what fits every record, then a line for each answer with one reason, however many keys differ."""
    path = tmp_path / "in.jsonl"
    path.write_text(lines({**RUN, "model": "a"}, {**RUN, "instructions": "b"}, {**RUN, "started_at": None}).text)
    assert main(["convert", "--explain", str(path)]) == 0
    whole, first, *rest = capsys.readouterr().out.splitlines()
    assert whole.startswith("as a whole: native can have written every record, and generation ")
    assert first.startswith("2 of 3: julia (or native")
    assert len(rest) == 1
    path.write_text(lines({**RUN, "model": "a"}, {"object": "thread.run", "createdAt": 7, "status": "queued"}).text)
    assert main(["convert", "--explain", str(path)]) == 0
    assert capsys.readouterr().out.startswith("as a whole: no one dialect can have written every record, and ")


@pytest.mark.parametrize("more", [[], ["--from", "kotlin-sql"]])
def test_explain_tables(more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a database the generation is told from its tables."""
    url = f"sqlite:///{tmp_path}/runs.db"
    write_runs(url, [RUN, {**RUN, "id": "run_2"}], lambda number, lost: None)
    assert main(["convert", "--explain", *more, url]) == 0
    said = "2 of 2: kotlin-sql, generation G6: its tables and columns are those of G6\n"
    assert capsys.readouterr().out == said


def test_strict_makes_no_database(trace: Path, tmp_path: Path) -> None:
    """A database that was not there is not there after a refusal either."""
    assert main(["convert", "--to", "kotlin-sql", "--strict", str(trace), f"sqlite:///{tmp_path}/new.db"]) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["in.jsonl"]


def test_modes_of_files(trace: Path, tmp_path: Path) -> None:
    """A new file has the mode that the umask leaves, a replaced one the mode that it had."""
    out = tmp_path / "out.jsonl"
    before = os.umask(0o027)
    try:
        assert main(["convert", "--to", "native", str(trace), str(out)]) == 0
        assert stat.S_IMODE(out.stat().st_mode) == 0o640
        out.chmod(0o604)
        assert main(["convert", "--to", "native", str(trace), str(out)]) == 0
        assert stat.S_IMODE(out.stat().st_mode) == 0o604
    finally:
        os.umask(before)


def test_a_pipe_is_written_to(trace: Path, tmp_path: Path) -> None:
    """What is no regular file is written to, and never replaced."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert main(["convert", "--to", "native", str(trace), str(pipe)]) == 0
        assert os.read(reading, 1 << 16).count(b"\n") == 2
    finally:
        os.close(reading)
    assert pipe.is_fifo()


def test_a_database_as_a_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A SQLite file that is given as a path is answered with its address."""
    path = tmp_path / "runs.db"
    write_runs(f"sqlite:///{path}", [RUN], lambda number, lost: None)
    assert main(["convert", "--to", "native", str(path), "-"]) != 0
    assert f"a SQLite database: give it as sqlite:///{path}" in capsys.readouterr().err
    assert main(["check", str(path)]) != 0
    assert f"sqlite:///{path}" in capsys.readouterr().out
    assert main(["check", "mysql://me:pw@host/runs"]) == 2
    assert "mysql://me:***@host/runs: expected sqlite:///FILE or postgresql://" in capsys.readouterr().err
