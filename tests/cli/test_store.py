"""`runengine store`: a store made, looked at, cleared, moved and printed from the command line."""

from __future__ import annotations

import io
import json
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runengine.cli import main
from runengine.core import PERMISSIVE, PRACTICAL
from runengine.embedding import ManualClock, Runtime
from runengine.stores.opening import open_store, schema_of
from runengine.stores.schema import SCHEMA_VERSION, drop_trigger_statements, script, trigger_statements
from tests.stores.working import BEGIN_US, content, worked

CHOSEN: list[Any] = [
    ("create", 0, 0, True),
    ("claim", 0, 0, False),
    ("create", 0, 0, True),
    ("create", 1, 0, False),
    ("fail", 0, 0, False),
]
NOWHERE = "postgresql://me:s3cret@127.0.0.1:1/runs"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code, standard output and standard error of a command."""

    def run(*argv: str) -> tuple[int, str, str]:
        try:
            code = main(["store", *argv])
        except SystemExit as misuse:
            code = int(misuse.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert "s3cret" not in out + err
        return code, out, err

    return run


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The address of a file that is not there yet."""
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def lived(url: str) -> str:
    """The address of a store with a run at work, one that waits behind it, and one that failed, of November 2023."""
    with closing(open_store(url)) as store:
        worked(store, CHOSEN)
    return url


def broken(url: str, statement: str) -> None:
    """Change a file behind every guard."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        for sql in (*drop_trigger_statements("sqlite"), statement, *trigger_statements("sqlite", PRACTICAL)):
            connection.execute(sql)


def test_init(run: Run, url: str) -> None:
    """A store is made once; again, it is left as it is, and another policy is refused with the way to it."""
    said = f"{url}: a store is made: schema version {SCHEMA_VERSION}, policy permissive\n"
    assert run("init", url, "--policy", "permissive") == (0, said, "")
    assert run("init", url) == (0, said.replace("a store is made", "is a store already"), "")
    code, _, err = run("init", url, "--policy", "practical")
    assert code == 2
    assert "it keeps the rules of policy permissive, not those of practical" in err
    assert "runengine store migrate URL --policy practical" in err


@pytest.mark.parametrize("action", ["init", "migrate"])
def test_a_policy_under_which_runs_are_stuck(action: str, run: Run, lived: str, tmp_path: Path) -> None:
    """No store is made for it, or changed to it, and the line names those to take instead."""
    said = "under documented a run that is queued or cancelling could not expire, and so be stuck"
    for url in (lived, f"sqlite:///{tmp_path}/new.db"):
        code, out, err = run(action, url, "--policy", "documented")
        assert (code, out) == (2, "")
        assert err == f"runengine store {action}: {said}; use practical or permissive\n"
    assert not (tmp_path / "new.db").exists()
    assert (schema_of(lived) or {})["policy"] == "practical"


def test_migrate(run: Run, lived: str) -> None:
    """The policy changes and no run is lost; a newer store is refused by its version."""
    with closing(open_store(lived)) as store:
        before = content(store)
    assert run("migrate", lived) == (
        0,
        f"{lived}: schema version {SCHEMA_VERSION}, policy practical; there was nothing to do\n",
        "",
    )
    assert run("migrate", lived, "--policy", "permissive")[1].endswith(
        f"policy permissive (it was {SCHEMA_VERSION}, practical)\n"
    )
    with closing(open_store(lived, PERMISSIVE)) as store:
        assert content(store) == before
    assert run("doctor", lived)[0] == 0
    assert run("migrate", lived)[0] == 0
    assert (schema_of(lived) or {})["policy"] == "permissive"
    broken(lived, "UPDATE runengine_schema SET value = '9' WHERE name = 'version'")
    for action in ("migrate", "doctor"):
        code, _, err = run(action, lived)
        assert code == 2
        assert f"schema version 9 is newer than {SCHEMA_VERSION}, which this runengine knows; update runengine" in err


def test_migrate_of_a_policy_of_the_hosts_own(run: Run, url: str) -> None:
    """It is not replaced unless somebody says so."""
    mine = PRACTICAL.without("mine", [("complete", "cancelling")])
    open_store(url, mine).close()
    code, _, err = run("migrate", url)
    assert (code, "its policy, mine, is the host's own" in err) == (2, True)
    assert run("migrate", url, "--policy", "practical")[0] == 0
    assert run("doctor", url)[0] == 0


def test_doctor(run: Run, lived: str) -> None:
    """Warnings leave it sound; an error is told with run and rule, in text and as JSON, and is exit code 1."""
    code, out, _ = run("doctor", lived)
    assert code == 0
    assert out.splitlines()[0].startswith("warning overdue: run_0: its deadline passed ")
    assert out.splitlines()[-1] == f"{lived}: sound: 2 runs, 0 errors, 1 warning"
    broken(lived, "UPDATE runengine_runs SET losses = 5 WHERE id = 'run_3'")
    code, out, _ = run("doctor", lived)
    assert code == 1
    assert "error losses: run_3: losses is 5, but its history has 0" in out.splitlines()
    assert out.splitlines()[-1] == f"{lived}: not sound: 2 runs, 1 error, 1 warning"
    code, out, _ = run("doctor", lived, "--format", "json")
    document = json.loads(out)
    assert code == 1
    assert [*document] == ["version", "url", "findings", "runs", "errors", "warnings"]
    assert (document["version"], document["runs"], document["errors"], document["warnings"]) == (1, 2, 1, 1)
    assert [*document["findings"][0]] == ["severity", "rule", "run_id", "message"]


def test_doctor_tells_the_first_few(run: Run, url: str) -> None:
    """Of what is wrong with many runs some are told, and how many more there are."""
    with closing(open_store(url)) as store:
        worked(store, [(verb, 0, 0, False) for _ in range(25) for verb in ("create", "start", "fail")])
    broken(url, "UPDATE runengine_runs SET losses = 5")
    code, out, _ = run("doctor", url)
    assert code == 1
    assert [line.split(":")[0] for line in out.splitlines()[:-2]] == ["error losses"] * 20
    assert out.splitlines()[-2] == "losses: 5 more; --format json shows all"
    assert len(json.loads(run("doctor", url, "--format", "json")[1])["findings"]) == 25


def test_control_characters_of_ids_do_not_reach_the_terminal(run: Run, url: str) -> None:
    """They are shown as what they are."""
    with Runtime(url) as runtime:
        runtime.create("thread_1", "a", "m", run_id="run\x1b[2J")
    broken(url, "UPDATE runengine_runs SET losses = 5")
    assert r"run\x1b[2J: losses is 5" in run("doctor", url)[1]


def test_vacuum(run: Run, lived: str) -> None:
    """What ended so long ago is shortened, then removed; what has not ended stays whole."""
    code, _, err = run("vacuum", lived)
    assert (code, "--compact-after 7d" in err) == (2, True)
    assert run("vacuum", lived, "--compact-after", "5000w")[1] == f"{lived}: 0 runs compacted\n"
    assert run("vacuum", lived, "--compact-after", "7d")[1] == f"{lived}: 1 run compacted\n"
    with closing(open_store(lived)) as store:
        assert [entry.kind for entry in store.history("run_3")] == ["snapshot"]
        assert len(store.history("run_0")) == 3
    _, out, _ = run("vacuum", lived, "--forget-after", "90d", "--compact-after", "30s", "--shrink")
    assert out.splitlines()[:2] == [f"{lived}: 1 run forgotten", f"{lived}: 0 runs compacted"]
    assert out.splitlines()[2].endswith(" bytes given back to the disk")
    with closing(open_store(lived)) as store:
        assert [*content(store)[0]] == ["run_0"]
        assert store.keys() == ()
    assert run("doctor", lived)[0] == 0


@pytest.mark.parametrize("age", ["7", "d", "-7d", "7 d", "1.5h", "7y", "٣d"])
def test_a_time_that_is_none(run: Run, lived: str, age: str) -> None:
    """It is misuse, and the forms are named."""
    code, _, err = run("vacuum", lived, f"--forget-after={age}")
    assert code == 2
    assert "expected a time as 30s, 10m, 12h, 7d or 2w" in err


def test_export_and_import(run: Run, lived: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store goes through a file, or through a pipe, into another, and is there whole."""
    file, copy, third = tmp_path / "runs.jsonl", f"sqlite:///{tmp_path}/copy.db", f"sqlite:///{tmp_path}/third.db"
    assert run("export", lived, "-o", str(file)) == (0, "", "")
    assert run("export", lived) == (0, file.read_text(), "")
    assert not list(tmp_path.glob(".runengine-*"))
    for target in (copy, third):
        run("init", target)
    said = f"{copy}: 2 runs, 1 waiting create, 2 idempotency keys taken in\n"
    assert run("import", copy, str(file)) == (0, said, "")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    assert run("import", third, "-")[0] == 0
    with closing(open_store(lived)) as store, closing(open_store(copy)) as one, closing(open_store(third)) as other:
        assert content(store) == content(one) == content(other)


def test_import_refused(run: Run, lived: str, tmp_path: Path, url: str) -> None:
    """File and line are named, nothing is taken in, and it is exit code 1; what cannot be read is 2."""
    file, copy = tmp_path / "runs.jsonl", f"sqlite:///{tmp_path}/copy.db"
    run("export", lived, "-o", str(file))
    run("init", copy)
    code, _, err = run("import", lived, str(file))
    assert code == 1
    assert "run_0: there is a run of this id already" in err
    file.write_bytes(file.read_bytes().replace(b'"gpt-4o"', b'"gpt-4"', 1))
    code, _, err = run("import", copy, str(file))
    assert code == 1
    assert f"{file}: line 2: run_0: model is 'gpt-4', but its history makes it 'gpt-4o'" in err
    assert err.endswith("nothing was taken in\n")
    assert "0 runs" in run("doctor", copy)[1]
    code, _, err = run("import", copy, str(tmp_path / "none.jsonl"))
    assert (code, "cannot be read: No such file" in err) == (2, True)
    code, _, err = run("export", lived, "-o", str(tmp_path / "no" / "file"))
    assert (code, "cannot be written: No such file" in err) == (2, True)
    code, _, err = run("export", lived, "-o", str(tmp_path))
    assert (code, err) == (2, f"runengine: {tmp_path}: cannot be written: it is a folder; give a file\n")


def test_an_export_is_private(run: Run, lived: str, tmp_path: Path) -> None:
    """What runs hold is nobody's but the owner's."""
    assert run("export", lived, "-o", str(tmp_path / "runs.jsonl"))[0] == 0
    assert stat.S_IMODE((tmp_path / "runs.jsonl").stat().st_mode) == 0o600


@pytest.mark.parametrize("option", ["--compact-after", "--forget-after"])
def test_ages_of_vacuum(option: str, run: Run, lived: str) -> None:
    """100 years are the most; more is a usage error that says so."""
    assert run("vacuum", lived, option, "36525d")[0] == 0
    for age in ("36526d", "999999999w"):
        code, _, err = run("vacuum", lived, option, age)
        assert (code, "expected at most 36525d, 100 years" in err) == (2, True)


def test_help_of_vacuum(run: Run) -> None:
    """It says what a slow reader of the feed finds."""
    assert "entry of kind `snapshot` instead of that run's events" in " ".join(run("vacuum", "--help")[1].split())


def test_export_of_what_cannot_be_read(run: Run, lived: str, tmp_path: Path) -> None:
    """It says who tells more, and leaves the file that was there."""
    (tmp_path / "runs.jsonl").write_text("precious")
    broken(lived, "UPDATE runengine_runs SET body = '{}' WHERE id = 'run_0'")
    code, _, err = run("export", lived, "-o", str(tmp_path / "runs.jsonl"))
    assert code == 2
    assert "runengine store doctor URL says where" in err
    assert (tmp_path / "runs.jsonl").read_text() == "precious"


def test_schema(run: Run, url: str) -> None:
    """The script of a kind of database, or of the kind behind an address, which is not opened."""
    assert run("schema", "sqlite") == (0, script("sqlite", PRACTICAL), "")
    assert run("schema", url, "--policy", "permissive") == (0, script("sqlite", PERMISSIVE), "")
    assert run("schema", NOWHERE) == (0, script("postgres", PRACTICAL), "")
    code, _, err = run("schema", "memory:")
    assert (code, "give sqlite or postgres" in err) == (2, True)


@pytest.mark.parametrize("action", ["init", "migrate", "doctor", "vacuum", "export", "import"])
@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("memory:", "memory: it is new and empty each time; give sqlite:///FILE or postgresql://…"),
        ("mysql://me:s3cret@host/runs", "mysql://me:***@host/runs: no store is known for it; give "),
        (NOWHERE, "postgresql://me:***@127.0.0.1:1/runs: nothing listens there; "),
        ("sqlite:///no/such/runs.db", "sqlite:///no/such/runs.db: there is no such folder; make it first"),
        ("runs.db", "runs.db: no store is known for it; give "),
    ],
)
def test_a_wrong_address(run: Run, action: str, where: str, said: str) -> None:
    """One line, with what to do; never a password."""
    more = {"import": ["-"], "vacuum": ["--forget-after", "7d"]}.get(action, [])
    code, _, err = run(action, where, *more)
    assert code == 2
    assert err.startswith(f"runengine: {said}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("action", ["migrate", "doctor", "export"])
def test_a_database_that_is_no_store(run: Run, url: str, action: str) -> None:
    """It says how to make one, and makes none."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.execute("CREATE TABLE other (id TEXT)")
    code, _, err = run(action, url)
    assert (code, "runengine store init URL" in err) == (2, True)
    assert schema_of(url) is None


def test_on_postgresql(run: Run, postgres_url: str, lived: str, tmp_path: Path) -> None:
    """The same commands do the same there; room is made by the server itself."""
    file = tmp_path / "runs.jsonl"
    run("export", lived, "-o", str(file))
    assert run("init", postgres_url)[0] == 0
    assert run("import", postgres_url, str(file))[0] == 0
    assert run("doctor", postgres_url)[1].splitlines()[-1].endswith(": sound: 2 runs, 0 errors, 1 warning")
    assert run("migrate", postgres_url, "--policy", "permissive")[0] == 0
    assert run("vacuum", postgres_url, "--forget-after", "90d")[1].endswith(": 1 run forgotten\n")
    code, _, err = run("vacuum", postgres_url, "--shrink")
    assert (code, "it makes room by itself" in err) == (2, True)
    assert run("doctor", postgres_url)[0] == 0


def test_a_terminal_sees_the_count(run: Run, lived: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, and only there, long work counts on standard error."""
    monkeypatch.setattr("runengine.cli.store._TICK", 1)
    assert run("doctor", lived)[2] == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with Runtime(lived, clock=ManualClock(BEGIN_US)) as runtime:
        runtime.create("thread_8", "a", "m")
    assert "\r2 runs" in run("doctor", lived)[2]
