"""A store in a SQLite file that this user may only read: it is looked at, and whatever would write is refused."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import pytest

from runengine.dialects.kotlin_sql import write_runs
from runengine.errors import StoreUnavailable
from runengine.stores.opening import open_store
from runengine.stores.sqlite import SQLiteStore
from runengine.stores.sqlite.driver import Place
from tests.stores.working import content, worked
from tests.validation.checking import clean

_PROGRAM: Final = """
import contextlib, ctypes, io, json, os, sys
from runengine.cli import main
if os.getuid() == 0:  # root may write whatever it is, unless it gives its capabilities up
    version_3, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(version_3, none) == 0
done = []
for command in json.loads(sys.argv[1]):
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(command)
    out.seek(0)
    done.append((code, out.read(), err.getvalue()))
print(json.dumps(done))
"""
_LOOKS: Final = (
    "check URL", "runs list URL", "runs show URL run_0", "runs history URL run_0", "runs why URL run_0",
    "store doctor URL", "store export URL",
)  # fmt: skip
_WRITES: Final = (
    "runs modify URL run_0 a=b", "store vacuum URL --forget-after 1d", "store migrate URL --policy permissive",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that can be removed again."""
    yield tmp_path
    tmp_path.chmod(0o755)


def done(folder: Path, *commands: str) -> list[tuple[int, str, str]]:
    """Exit code, standard output and standard error of each command, given by one who may do no more than modes say."""
    url = f"sqlite:///{folder}/runs.db"
    given = json.dumps([[url if word == "URL" else word for word in command.split()] for command in commands])
    ran = subprocess.run([sys.executable, "-c", _PROGRAM, given], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found: list[tuple[int, str, str]] = json.loads(ran.stdout)
    return found


def made(folder: Path) -> str:
    """The address of a store with a life in it."""
    url = f"sqlite:///{folder}/runs.db"
    with closing(open_store(url)) as store:
        worked(store, [("create", 0, 0, True), ("claim", 0, 0, False)])
    return url


def locked(folder: Path, *, whole: bool) -> None:
    """Take the right to write the file away, and the folder."""
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555 if whole else 0o777)


@pytest.mark.skipif(os.name == "nt", reason="rights are others there")
@pytest.mark.parametrize("whole", [True, False], ids=["folder", "file"])
def test_it_is_looked_at_and_not_written(folder: Path, whole: bool) -> None:
    """Every command that reads does; every one that writes says that it is read-only, and what to do."""
    made(folder)
    locked(folder, whole=whole)
    before = (folder / "runs.db").read_bytes()
    for command, (code, out, err) in zip(_LOOKS, done(folder, *_LOOKS), strict=True):
        assert (code, err) == (0, ""), command
        assert out
    for command, (code, _, err) in zip(_WRITES, done(folder, *_WRITES), strict=True):
        assert (code, "it is read-only: let this user write" in err) == (2, True), (command, err)
        assert "or copy it to a folder" in err
    assert (folder / "runs.db").read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["runs.db"]


@pytest.mark.skipif(os.name == "nt", reason="rights are others there")
def test_while_another_user_writes(folder: Path) -> None:
    """What another user has committed and not yet moved into the file is seen too."""
    url = made(folder)
    with closing(open_store(url)) as store:
        worked(store, [("create", 1, 0, True), ("create", 3, 0, True)])
        assert (folder / "runs.db-wal").exists()
        locked(folder, whole=True)
        [(code, out, err)] = done(folder, "runs list URL --format json")
        folder.chmod(0o755)
        assert (code, err) == (0, "")
        assert len(json.loads(out)["runs"]) == len(content(store)[0])


@pytest.mark.skipif(os.name == "nt", reason="rights are others there")
@pytest.mark.parametrize("runs", [0, 1])
def test_a_database_that_is_no_store(runs: int, folder: Path) -> None:
    """`check` reads kotlin-sql tables as well, and says where there are none."""
    url = f"sqlite:///{folder}/runs.db"
    if runs:
        write_runs(url, [clean("queued")], lambda number, losses: None)
    with closing(sqlite3.connect(folder / "runs.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE other (id TEXT)")
    locked(folder, whole=True)
    [(code, out, err)] = done(folder, "check URL")
    assert (code, out.startswith("clean: 1 run "), "it is neither a runengine store" in err) == (
        (0, True, False) if runs else (2, False, True)
    )


def test_a_change_while_it_is_read_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without locks, what was read while another wrote is not trusted."""
    url = made(folder)
    monkeypatch.setattr(Place, "is_writable", lambda _: False)
    with closing(SQLiteStore.open(url, create=False)) as store, ExitStack() as reading:
        still = reading.enter_context(store.snapshot())
        assert still.row("run_0") is not None
        os.utime(folder / "runs.db", (1, 1))
        with pytest.raises(StoreUnavailable, match="another user wrote it while it was read"):
            reading.close()
