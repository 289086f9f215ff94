"""`check` on a store: every run from its history, entry by entry."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings

from runengine.cli import main
from runengine.core import PERMISSIVE, PRACTICAL
from runengine.dialects import write_run
from runengine.dialects.kotlin_sql import write_runs
from runengine.embedding import ManualClock, Runtime
from runengine.errors import TraceUnreadable
from runengine.stores.opening import open_store
from runengine.stores.schema import drop_trigger_statements
from runengine.stores.walking import every_row
from runengine.validation import Checker
from runengine.validation.observations import Observation, Unreadable
from runengine.validation.readers.store import is_store, read_store
from tests.stores.working import BEGIN_US, choices, worked
from tests.validation.checking import clean

CHOSEN: list[Any] = [
    ("create", 0, 0, True),
    ("claim", 0, 0, False),
    ("create", 0, 0, True),
    ("create", 1, 1, False),
    ("claim", 0, 1, False),
    ("fail", 0, 1, False),
    ("complete", 0, 0, False),
]
"""run_0 is at work, run_2 waits behind it (a note), run_3 has failed, with a completion that came late (a loss)."""


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The address of a store with two runs and one that waits."""
    url = f"sqlite:///{tmp_path}/runs.db"
    with closing(open_store(url)) as store:
        worked(store, CHOSEN)
    return url


def broken(url: str, *statements: str) -> None:
    """Change a file behind every guard."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        for sql in (*drop_trigger_statements("sqlite"), *statements):
            connection.execute(sql)


def found(url: str) -> set[tuple[str, str | None, int]]:
    """Code, run and line of every violation."""
    return {(v.code, v.run_id, v.line) for v in Checker().check(url, read_store(url))}


def test_observations(url: str) -> None:
    """Each event is an observation of the run as it was after it; notes and losses are none."""
    items = [item for item in read_store(url) if isinstance(item, Observation)]
    assert [(i.record["id"], i.line, i.event, i.record["status"]) for i in items] == [
        ("run_0", 1, "create", "queued"),
        ("run_0", 2, "start", "in_progress"),
        ("run_3", 1, "create", "queued"),
        ("run_3", 2, "start", "in_progress"),
        ("run_3", 3, "fail", "failed"),
    ]
    assert {i.source for i in items} == {"history"}
    assert [i.created for i in items] == [True, False, True, False, False]
    assert items[0].observed_s == (BEGIN_US + 250_000) / 1e6


@settings(max_examples=25)
@given(choices())
def test_what_the_runtime_writes_is_clean(chosen: list[Any]) -> None:
    """No store that was only worked with through the runtime has a violation of severity error, compacted or not."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/runs.db"
        with closing(open_store(url)) as store:
            worked(store, chosen)
            runs = len([*every_row(store)])
            for _ in range(2):
                checker = Checker()
                assert [v for v in checker.check(url, read_store(url)) if v.severity == "error"] == []
                assert checker.summary.runs == runs
                store.compact(10**18)


def test_a_compacted_run_begins_with_a_snapshot(url: str) -> None:
    """It is one observation, of its end, at the number of its last entry."""
    with closing(open_store(url)) as store:
        store.compact(10**18)
        last = store.row("run_3")
    assert last is not None
    items = [i for i in read_store(url) if isinstance(i, Observation) and i.record["id"] == "run_3"]
    assert [(i.line, i.event, i.created, i.record) for i in items] == [(last.version, None, False, write_run(last.run))]


def test_a_broken_history(url: str) -> None:
    """It is RE901 at its entry, the record that is kept is looked at instead, and the other runs are still checked."""
    broken(url, "DELETE FROM runengine_history WHERE run_id = 'run_0' AND seq = 2")
    [unreadable] = [item for item in read_store(url) if isinstance(item, Unreadable)]
    assert unreadable.problem == "run_0, entry 3: the one before is 1; the history has a gap"
    assert found(url) == {("RE901", None, 2)}
    assert [i.record["id"] for i in read_store(url) if isinstance(i, Observation)] == ["run_0"] * 2 + ["run_3"] * 3
    broken(url, "DELETE FROM runengine_history WHERE run_id = 'run_0'")
    assert found(url) == {("RE901", None, 0)}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("status = 'completed', completed_at = failed_at, failed_at = NULL, last_error = NULL", "RE103"),
        ("body = json_set(body, '$.model', 'other')", "RE103"),
    ],
)
def test_a_record_that_its_history_does_not_make(url: str, change: str, code: str) -> None:
    """It is held against the run's last entry, at the number that it says."""
    broken(url, f"UPDATE runengine_runs SET {change} WHERE id = 'run_3'")
    assert (code, "run_3", 4) in found(url)


def test_a_record_that_cannot_be_read(url: str) -> None:
    """It is RE901 for the store, and the other runs are still checked."""
    broken(url, "UPDATE runengine_runs SET body = '{}' WHERE id = 'run_0'")
    assert found(url) == {("RE901", None, 0)}
    assert {i.record["id"] for i in read_store(url) if isinstance(i, Observation)} == {"run_3"}


@pytest.mark.parametrize("sampling", ["auto", "complete"])
def test_check(url: str, capsys: pytest.CaptureFixture[str], sampling: str) -> None:
    """The command tells a store by its table, and checks it whatever policy it was made for."""
    assert main(["check", url, "--sampling", sampling, "--format", "json"]) == 0
    summary = json.loads(capsys.readouterr().out)["summary"]
    assert (summary["runs"], summary["observations"], summary["threads"]) == (2, 5, 2)
    assert summary["edges"] == {"queued->in_progress": 2, "in_progress->failed": 1}
    assert main(["check", url, "--reader", "kotlin-sql"]) == 2
    assert "it is neither a runengine store" in capsys.readouterr().err


def test_another_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a lax store allows is read, and judged by the policy that is asked for."""
    url = f"sqlite:///{tmp_path}/lax.db"
    with Runtime(url, policy=PERMISSIVE, clock=ManualClock(BEGIN_US)) as runtime:
        runtime.create("thread_1", "a", "m", run_id="run_1")
        runtime.finish_cancel("run_1").or_raise()
    assert [(v.code, v.line) for v in Checker().check(url, read_store(url))] == [("RE101", 2)]
    assert main(["check", url, "--policy", "permissive"]) == 0
    capsys.readouterr()


def test_a_policy_of_the_hosts_own(tmp_path: Path) -> None:
    """It is refused by name: the engine does not know its rules."""
    url = f"sqlite:///{tmp_path}/own.db"
    open_store(url, PRACTICAL.without("mine", [("complete", "cancelling")])).close()
    with pytest.raises(TraceUnreadable, match="it keeps the rules of policy mine, not those of practical"):
        list(read_store(url))


def test_what_is_a_store(tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The tables of the ktorm document are not, nor is a file by its bare path, which names the address."""
    kotlin = f"sqlite:///{tmp_path}/kotlin.db"
    write_runs(kotlin, [clean("queued")], lambda number, losses: None)
    assert (is_store(url), is_store(kotlin), is_store("mysql://nowhere")) == (True, False, False)
    with pytest.raises(TraceUnreadable, match=r"there is no such file$"):
        is_store("sqlite:///nowhere.db")
    assert main(["check", kotlin, url]) == 0
    assert main(["check", f"{tmp_path}/runs.db"]) in (1, 2)
    assert f"give it as sqlite:///{tmp_path}/runs.db" in capsys.readouterr().out
    with pytest.raises(TraceUnreadable, match="there is no runengine store in it"):
        list(read_store(kotlin))


def test_on_postgresql(postgres_url: str) -> None:
    """A store there is told, read and checked in the same way."""
    with closing(open_store(postgres_url)) as store:
        assert is_store(postgres_url)
        worked(store, CHOSEN)
    assert len([*read_store(postgres_url)]) == 5
    assert found(postgres_url) == set()
