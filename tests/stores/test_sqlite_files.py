"""What a SQLite file can suffer: other processes, forks, a full disk, no permission, another file in its place."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runengine.core import PRACTICAL
from runengine.errors import SchemaMismatch, StoreUnavailable
from runengine.stores.sqlite import SQLiteStore, writer
from runengine.stores.sqlite.driver import Place
from runengine.stores.sqlite.preparing import prepare
from tests.stores.asking import birth, note

NOBODY = 65534


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "runs.db"


@pytest.fixture
def store(file: Path) -> Iterator[SQLiteStore]:
    """A store with one run."""
    store = SQLiteStore.open(file)
    store.execute(birth("run_1"))
    yield store
    store.close()


def in_child(call: Callable[[], object], user: int | None = None) -> str:
    """What it answers, or the error, in a child made by fork."""
    ends = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if user is not None:
                os.setuid(user)
            said = repr(call())
        except BaseException as error:  # noqa: BLE001 - the child ends here, whatever it is
            said = f"{type(error).__name__}: {error}"
        os.write(ends[1], said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(ends[1])
    with open(ends[0], "rb") as answer:  # noqa: PTH123 - it has no path
        return answer.read().decode()


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Another process, not made by fork."""
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


class TestOtherProcesses:
    def test_a_lock_is_waited_for(self, store: SQLiteStore, file: Path) -> None:
        """A process that holds the lock for a while delays writers, and is seen by none of them; readers go on."""
        code = (
            "import sqlite3, sys\n"
            "raw = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "raw.execute('BEGIN IMMEDIATE')\n"
            "print('locked', flush=True)\n"
            "sys.stdin.read()\n"
            "raw.execute('COMMIT')\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout is not None
            assert other.stdin is not None
            assert other.stdout.readline() == "locked\n"
            answers: list[object] = []
            asking = [threading.Thread(target=lambda: answers.append(store.execute(note("run_1")))) for _ in range(4)]
            for one in asking:
                one.start()
            asking[0].join(0.3)
            assert answers == []
            assert len(store.history("run_1")) == 1
            other.stdin.close()
            for one in asking:
                one.join(10)
        assert sorted(map(repr, answers)) == ["2", "3", "4", "5"]

    def test_a_lock_for_too_long(self, store: SQLiteStore, file: Path) -> None:
        """After `busy_s` all who wait are told, and can write once the lock is free."""
        impatient = SQLiteStore.open(file, busy_s=0.1)
        raw = sqlite3.connect(file, isolation_level=None)
        raw.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match=r"locked for 0\.1 s"):
                impatient.execute_all([note("run_1"), note("run_1")])
        raw.execute("ROLLBACK")
        assert impatient.execute(note("run_1")) == 2
        raw.close()
        impatient.close()

    @pytest.mark.usefixtures("store")
    def test_a_lock_of_ones_own(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who writes beside its own transaction is told so, after `busy_s` even where each pause takes far longer."""

        class Slow:
            def wait(self, _: float) -> None:
                time.sleep(0.05)

        monkeypatch.setattr(writer, "Event", Slow)
        impatient = SQLiteStore.open(file, busy_s=0.1)
        host = sqlite3.connect(file)
        assert impatient.on(host).execute(note("run_1")) == 2
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"a transaction of this one.* runtime\.on\(connection\)"):
            impatient.execute(note("run_1"))
        assert time.monotonic() - began < 1
        assert impatient.on(host).execute(note("run_1")) == 3
        host.close()
        impatient.close()

    def test_many_open_a_new_file(self, file: Path) -> None:
        """Processes that open a new file at once make one store of it, and all write."""
        code = (
            "import sys\n"
            "from runengine.stores.sqlite import SQLiteStore\n"
            "from tests.stores.asking import birth\n"
            "store = SQLiteStore.open(sys.argv[1])\n"
            "for number in range(20):\n"
            "    store.execute(birth(f'run_{sys.argv[2]}_{number}'))\n"
            "print('done')\n"
        )
        processes = [python(code, file, number) for number in range(6)]
        assert [process.communicate()[0] for process in processes] == ["done\n"] * 6
        store = SQLiteStore.open(file, create=False)
        assert len(store.feed()) == 120
        store.close()

    def test_threads_open_a_new_file(self, file: Path) -> None:
        """As with processes."""
        with ThreadPoolExecutor(16) as pool:
            opened = [pool.submit(prepare, Place.of(file), PRACTICAL, create=True) for _ in range(64)]
        assert len({one.result() for one in opened}) == 1


class TestFork:
    def test_both_go_on(self, store: SQLiteStore) -> None:
        """After a fork in the middle of writes and reads, parent and child both write, and nothing is lost."""
        stop = threading.Event()
        written: list[object] = []

        def writing() -> None:
            while not stop.is_set():
                written.append(store.execute(note("run_1")))
                store.row("run_1")

        store.feed()
        threads = [threading.Thread(target=writing) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for number in range(5):
                said = in_child(lambda number=number: store.execute(birth(f"child_{number}")).run.id)  # type: ignore[misc]
                assert said == f"'child_{number}'"
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert [entry.seq for entry in store.history("run_1")] == list(range(1, len(written) + 2))
        assert all(store.row(f"child_{number}") for number in range(5))
        with store._reading() as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    def test_no_file_is_open_in_the_child(self, store: SQLiteStore, file: Path) -> None:
        """A child inherits no connection, as SQLite would believe that it has the parent's locks."""

        def opened() -> list[str]:
            links = (str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink())
            return [name for name in links if name.startswith(str(file))]

        store.feed()
        store.wait(0.01, store.head())
        assert opened()
        assert in_child(opened) == "[]"

    def test_a_fork_in_a_read(self, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where something is in use for too long, the child's store is closed and says so; the parent's goes on."""
        monkeypatch.setattr("runengine.stores.sqlite.forking._WAIT_S", 0.05)
        with store._reading():
            said = in_child(lambda: store.execute(note("run_1")))
        assert said.startswith("StoreUnavailable")
        assert store.execute(note("run_1")) == 2


class TestNoPermission:
    @pytest.fixture
    def open_to_all(self, store: SQLiteStore, file: Path) -> Iterator[Path]:
        """The store's file in a folder that everybody can reach."""
        store.close()
        folder = file.parent
        while folder.stat().st_uid == os.getuid() and folder != Path("/tmp"):
            folder.chmod(0o755)
            folder = folder.parent
        file.chmod(0o444)
        yield file
        file.chmod(0o644)

    def test_read_only(self, open_to_all: Path) -> None:
        """A user who may only read is told so, plainly."""
        user = NOBODY if os.getuid() == 0 else None

        def written() -> object:
            return SQLiteStore.open(open_to_all).execute(note("run_1"))

        said = in_child(written, user)
        assert said.startswith("StoreUnavailable: sqlite:///")
        assert "read-only" in said or "it cannot be opened" in said
        assert "folder" in said

    def test_a_folder_that_is_not_ours(self, open_to_all: Path) -> None:
        """A new file cannot be made there."""
        user = NOBODY if os.getuid() == 0 else None
        open_to_all.parent.chmod(0o555)
        said = in_child(lambda: SQLiteStore.open(open_to_all.parent / "new.db"), user)
        open_to_all.parent.chmod(0o755)
        assert said.startswith("StoreUnavailable")
        assert "it cannot be opened" in said


class TestFullDisk:
    def test_a_full_disk(self, store: SQLiteStore) -> None:
        """A full file is told to each who writes; nothing is half written, reading goes on, and so does writing with
        room.
        """

        def limited(pages: int) -> Callable[[sqlite3.Connection], None]:
            def limit(connection: sqlite3.Connection) -> None:
                used = connection.execute("PRAGMA page_count").fetchone()[0]
                connection.execute(f"PRAGMA max_page_count = {used + pages}")

            return limit

        store._task(limited(20))
        number = 0

        def fill() -> None:
            nonlocal number
            while number < 10_000:
                store.execute_all([birth(f"more_{number + n}") for n in range(10)])
                number += 10

        with pytest.raises(StoreUnavailable, match="the disk is full; make room"):
            fill()
        kept = [entry.run_id for entry in store.feed()]
        assert kept == ["run_1", *(f"more_{n}" for n in range(len(kept) - 1))]
        assert number <= len(kept) - 1 < number + 10
        assert all(store.row(run_id) for run_id in kept)
        assert store.execute(note("none")) is None
        store._task(limited(10_000))
        assert len(store.execute_all([birth(f"last_{n}") for n in range(10)])) == 10

    def test_a_commit_that_fails_on_its_way_to_the_disk(self, store: SQLiteStore, file: Path) -> None:
        """Where the log cannot grow, nobody is answered whose run is not there, and the store goes on once it can."""

        def written() -> tuple[str, bool, int]:
            unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
            done: list[str] = ["run_1"]
            problems: set[str] = set()

            def write(caller: int) -> None:
                for number in range(500):
                    try:
                        store.execute(birth(f"run_{caller}_{number}"))
                    except StoreUnavailable as error:
                        problems.add(error.problem)
                        return
                    done.append(f"run_{caller}_{number}")

            store.execute(note("none"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, unlimited[1]))
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(write, range(8)))
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
            after = store.execute(note("run_1"))
            there = {entry.run_id for entry in store.feed(limit=10_000)}
            return problems.pop(), there == {*done}, after

        said = in_child(written)
        assert said.startswith("('the disk fails or is full")
        assert said.endswith("True, 2)")
        assert len(store.history("run_1")) == 2


class TestAnotherFile:
    def test_gone(self, store: SQLiteStore, file: Path) -> None:
        """A file that is removed or moved is missed by who reads and who writes, and found again."""
        moved = file.with_suffix(".moved")
        file.rename(moved)
        for call in (lambda: store.execute(note("run_1")), lambda: store.row("run_1"), store.feed):
            with pytest.raises(StoreUnavailable, match="the file is gone"):
                call()
        moved.rename(file)
        assert store.execute(note("run_1")) == 2

    def test_replaced(self, store: SQLiteStore, file: Path) -> None:
        """Another file in its place is not written."""
        other = SQLiteStore.open(file.with_suffix(".other"))
        other.execute(birth("run_1"))
        other.close()
        file.with_suffix(".other").rename(file)
        with pytest.raises(StoreUnavailable, match="another file"):
            store.execute(note("run_1"))
        with pytest.raises(StoreUnavailable, match="another file"):
            store.row("run_1")

    @pytest.mark.parametrize("create", [True, False])
    def test_no_database(self, file: Path, create: bool) -> None:
        """A file of something else is refused, and left as it is."""
        file.write_text("Dear diary, " * 100)
        with pytest.raises(StoreUnavailable, match="no SQLite database"):
            SQLiteStore.open(file, create=create)
        assert file.read_text() == "Dear diary, " * 100

    def test_damaged(self, store: SQLiteStore, file: Path) -> None:
        """A damaged file is called so."""
        store.execute_all([birth(f"more_{number}") for number in range(200)])
        store.close()
        size = file.stat().st_size
        with file.open("r+b") as raw:
            raw.seek(4096 * 3)
            raw.write(b"\xff" * (size - 4096 * 3))
        with pytest.raises(StoreUnavailable, match=r"the file is damaged|no SQLite database"):
            SQLiteStore.open(file).feed()

    def test_a_host_of_its_own_tables(self, file: Path) -> None:
        """A database of the host's gets the store's tables beside its own; not where it is only to be opened."""
        with sqlite3.connect(file) as raw:
            raw.execute("CREATE TABLE orders (number INTEGER)")
        raw.close()
        with pytest.raises(SchemaMismatch, match="no runengine store in it; make one: runengine store init URL"):
            SQLiteStore.open(file, create=False)
        store = SQLiteStore.open(file)
        assert store.execute(birth("run_1")) is not None
        store.close()
        with sqlite3.connect(file) as raw:
            raw.execute("DROP TABLE runengine_keys")
        raw.close()
        with pytest.raises(SchemaMismatch, match="it lacks runengine_keys"):
            SQLiteStore.open(file)

    def test_tables_gone_meanwhile(self, store: SQLiteStore, file: Path) -> None:
        """Tables that are dropped under an open store are missed by name."""
        with sqlite3.connect(file) as raw:
            raw.execute("DROP TABLE runengine_history")
        raw.close()
        with pytest.raises(SchemaMismatch, match=r"no such table: .*runengine_history"):
            store.execute(note("run_1"))

    @pytest.mark.parametrize("address", ["", ":memory:", "sqlite:///", "sqlite://runs.db", "file:runs.db", "a\0b"])
    def test_no_address(self, address: str) -> None:
        """What is no address of a file is refused."""
        with pytest.raises(StoreUnavailable, match="give a file"):
            SQLiteStore.open(address)

    def test_nowhere(self, tmp_path: Path) -> None:
        """A file that is not there, a folder that is not there, and a folder are told apart; nothing is made."""
        with pytest.raises(StoreUnavailable, match="no such file; make a store"):
            SQLiteStore.open(tmp_path / "runs.db", create=False)
        with pytest.raises(StoreUnavailable, match="no such folder"):
            SQLiteStore.open(tmp_path / "none" / "runs.db")
        with pytest.raises(StoreUnavailable, match="this is a folder"):
            SQLiteStore.open(tmp_path)
        assert list(tmp_path.iterdir()) == []
