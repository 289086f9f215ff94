"""What is SQLite's own: its settings, the commit that many share, the host's connection, what its file can suffer."""

from __future__ import annotations

import sqlite3
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from runengine.core import DOCUMENTED, PRACTICAL
from runengine.errors import RunExists, SchemaMismatch, StoreError, StoreUnavailable, ThreadBusy
from runengine.stores import Commit, Facts, Life, Outcome, Step, Waiting, Wants
from runengine.stores.schema import SCHEMA_VERSION
from runengine.stores.sqlite import HostedStore, SQLiteStore, migrate
from runengine.stores.sqlite import statements as sql
from tests.stores.asking import NOW_US, Ask, birth, entry_of, new_row, note


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that is not there yet, in a folder whose name an address must quote."""
    folder = tmp_path / "a b?c#%41"
    folder.mkdir()
    return folder / "runs.db"


@pytest.fixture
def store(file: Path) -> Iterator[SQLiteStore]:
    """A new store."""
    store = SQLiteStore.open(file)
    yield store
    store.close()


def commits(file: Path) -> int:
    """Transactions in the write-ahead log: a frame that ends one says how large the file is then, all others 0."""
    log = Path(f"{file}-wal").read_bytes()
    if not log:
        return 0
    page = struct.unpack(">I", log[8:12])[0]
    salt = log[16:24]
    frames = (log[start : start + 24] for start in range(32, len(log), 24 + page))
    return sum(1 for frame in frames if frame[8:16] == salt and frame[4:8] != b"\0\0\0\0")


def counting(file: Path, calls: Callable[[], object]) -> int:
    """How many transactions are committed meanwhile."""
    keeper = sqlite3.connect(file, isolation_level=None)  # so that the log is not removed
    keeper.execute("SELECT * FROM runengine_schema").fetchall()
    before = commits(file)
    calls()
    after = commits(file)
    keeper.close()
    return after - before


def raising(error: Exception) -> Ask:
    """A request whose plan raises."""

    def decide(_: Facts) -> Outcome[None]:
        raise error

    return Ask(wants=Wants(at_us=NOW_US), decide=decide)


def forged(run_id: str, **changes: Any) -> Ask:
    """A request that writes what the database refuses."""
    row = evolve(new_row(run_id), **changes)
    step = Step(before=None, after=row, entry=entry_of(row, "create"))
    return Ask(wants=Wants(at_us=NOW_US), decide=lambda _: Outcome(answer=None, commit=Commit(steps=(step,))))


def many(threads: int, each: Callable[[int], object]) -> list[Any]:
    """Call it in many threads at the same time."""
    barrier = threading.Barrier(threads)

    def one(number: int) -> object:
        barrier.wait()
        return each(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(threads)))


class TestSettings:
    @pytest.mark.parametrize(("durability", "synchronous"), [("full", 2), ("normal", 1)])
    def test_every_connection_has_them(self, file: Path, durability: Any, synchronous: int) -> None:
        """WAL, foreign keys, and a commit that reaches the disk unless the host chose otherwise."""
        store = SQLiteStore.open(file, durability=durability)
        names = ("journal_mode", "synchronous", "foreign_keys", "query_only")

        def read(connection: sqlite3.Connection) -> tuple[Any, ...]:
            return tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)

        assert store._task(read) == ("wal", synchronous, 1, 0)
        with store._reading() as connection:
            assert read(connection) == ("wal", synchronous, 1, 1)
            assert connection.execute("PRAGMA busy_timeout").fetchone() == (60_000,)
        store.close()

    def test_no_such_durability(self, file: Path) -> None:
        """A durability that is none is refused, and no file is made."""
        with pytest.raises(ValueError, match="full or normal"):
            SQLiteStore.open(file, durability="off")  # type: ignore[arg-type]
        assert not file.exists()

    @pytest.mark.parametrize("statement", ["ACTIVE", "CLAIM", "TWIN", "FIRST_WAITING", "FEED", "NEXT_DEADLINE", "DUE"])
    def test_every_read_has_its_index(self, store: SQLiteStore, statement: str) -> None:
        """No statement of a plan or a sweep reads a whole table."""
        text = getattr(sql, statement)
        with store._reading() as connection:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {text}", (1,) * text.count("?")).fetchall()
        table = [line[3] for line in plan if line[3] != "SCAN CONSTANT ROW" and "SUBQUERY" not in line[3]]
        assert "USING" in table[0]
        assert not any(line.startswith("USE TEMP B-TREE FOR ORDER BY") for line in table)


class TestGroupCommit:
    def test_callers_share_a_commit(self, store: SQLiteStore, file: Path) -> None:
        """64 threads that write at once wait for the disk far less often than they write."""
        for number in range(64):
            store.execute(birth(f"run_{number}"))
        used = counting(file, lambda: many(64, lambda n: [store.execute(note(f"run_{n}")) for _ in range(5)]))
        assert 5 <= used <= 160
        assert all(len(store.history(f"run_{n}")) == 6 for n in range(64))

    def test_a_batch_is_one_commit(self, store: SQLiteStore, file: Path) -> None:
        """What is asked together is durable together, 256 at once."""
        asked = [birth(f"run_{number}") for number in range(300)]
        assert counting(file, lambda: store.execute_all(asked)) == 2
        assert store.execute_all([]) == []

    def test_no_write_no_commit(self, store: SQLiteStore, file: Path) -> None:
        """A request that changes nothing writes nothing."""
        store.execute(birth("run_1"))
        assert counting(file, lambda: store.execute(note("run_2"))) == 0
        assert counting(file, lambda: store.execute_all([birth("run_1", "thread of run_1")] * 3)) == 0

    @pytest.mark.parametrize(
        ("guilty", "error"),
        [
            (raising(LookupError("mine")), LookupError),
            (forged("bad", version=2), StoreError),
            (forged("run_0"), RunExists),
            (forged("bad", fence=2**63), ValueError),
            (forged("bad", digest="\ud800"), ValueError),
        ],
    )
    def test_only_the_guilty_fails(self, store: SQLiteStore, guilty: Ask, error: type[Exception]) -> None:
        """One request that fails in a batch takes none of the others with it, and leaves nothing."""
        store.execute(birth("run_0"))
        asked = [birth("run_1"), guilty, birth("run_2")]
        with pytest.raises(error):
            store.execute_all(asked)
        assert [entry.run_id for entry in store.feed()] == ["run_0", "run_1", "run_2"]
        assert store.execute(note("run_0")) == 2

    def test_a_stale_plan_is_made_again(self, store: SQLiteStore) -> None:
        """A plan that does not write what it was shown is asked again, and told in the end."""
        store.execute(birth("run_1"))
        row = new_row("run_1")
        stale = evolve(row, version=7)
        step = Step(before=stale, after=evolve(row, version=8), entry=None)
        ask = Ask(wants=Wants(run_id="run_1"), decide=lambda _: Outcome(answer=0, commit=Commit(steps=(step,))))
        with pytest.raises(StoreError, match="run_1: it is not what was seen, version 7 as queued"):
            store.execute(ask)
        assert len(ask.shown) > 1
        assert store.row("run_1") == row

    def test_an_interrupt_loses_nobody(self, store: SQLiteStore) -> None:
        """A writer that is interrupted while it writes for others leaves their requests to the next."""
        store.execute(birth("run_0"))
        started, go = threading.Event(), threading.Event()

        def slow(_: Facts) -> Outcome[None]:
            started.set()
            go.wait()
            raise KeyboardInterrupt

        def interrupted() -> None:
            with pytest.raises(KeyboardInterrupt):
                store.execute(Ask(wants=Wants(at_us=NOW_US), decide=slow))

        first = threading.Thread(target=interrupted)
        first.start()
        started.wait()
        with ThreadPoolExecutor(8) as pool:
            others = [pool.submit(store.execute, birth(f"run_{n}")) for n in range(1, 9)]
            go.set()
            assert [other.result(10).run.id for other in others] == [f"run_{n}" for n in range(1, 9)]
        first.join()

    def test_what_another_connection_wrote_is_seen(self, store: SQLiteStore, file: Path) -> None:
        """A row that is kept in memory is not believed once another connection has written."""
        store.execute(birth("run_1"))
        assert store.execute(note("run_1")) == 2
        other = SQLiteStore.open(file)
        assert other.execute(note("run_1")) == 3
        assert store.execute(note("run_1")) == 4
        with sqlite3.connect(file) as raw:
            raw.execute("UPDATE runengine_runs SET version = 9")
        raw.close()
        assert store.execute(note("run_1")) == 10
        other.close()

    def test_a_closed_store(self, store: SQLiteStore) -> None:
        """A store that is closed says so, to whoever writes, reads or waits; closing it again does nothing."""
        store.execute(birth("run_1"))
        store.close()
        store.close()
        for call in (lambda: store.execute(note("run_1")), lambda: store.row("run_1"), store.feed):
            with pytest.raises(StoreUnavailable, match="closed"):
                call()
        store.wait(10, 0)


class TestHost:
    @pytest.fixture(params=["DEFERRED", None, "row"])
    def host(self, request: pytest.FixtureRequest, store: SQLiteStore, file: Path) -> Iterator[sqlite3.Connection]:
        """The host's connection, as Python makes it, without its transactions, and with its own idea of lines."""
        assert store.row("none") is None
        host = sqlite3.connect(file, isolation_level=request.param and "DEFERRED", timeout=0.1)
        if request.param == "row":
            host.row_factory = lambda cursor, line: {"line": line}
            host.text_factory = bytes
        host.execute("CREATE TABLE orders (run_id TEXT)")
        host.commit()
        yield host
        host.close()

    @pytest.mark.parametrize("ends_with", ["commit", "rollback"])
    def test_together_or_not_at_all(self, store: SQLiteStore, host: sqlite3.Connection, ends_with: str) -> None:
        """The host's row and the run are there after its commit, and neither after its rollback."""
        hosted = store.on(host)
        if host.isolation_level is None:
            host.execute("BEGIN")
        hosted.execute(birth("run_1"))
        host.execute("INSERT INTO orders VALUES ('run_1')")
        assert hosted.execute(note("run_1")) == 2
        row = hosted.row("run_1")
        assert row is not None
        assert row.version == 2
        assert store.row("run_1") is None
        getattr(host, ends_with)()
        there = int(ends_with == "commit")
        (line,) = host.execute("SELECT count(*) FROM orders").fetchall()
        assert line in ((there,), {"line": (there,)})
        assert (store.row("run_1") is not None) == bool(there)
        assert len(store.history("run_1")) == 2 * there

    def test_no_lock_is_left_behind(self, store: SQLiteStore, host: sqlite3.Connection) -> None:
        """A request that writes nothing, or fails, ends the transaction that it began; one of the host's goes on."""
        hosted = store.on(host)
        assert hosted.execute(note("run_1")) is None
        with pytest.raises(LookupError):
            hosted.execute(raising(LookupError()))
        assert not host.in_transaction
        host.execute("BEGIN")
        host.execute("INSERT INTO orders VALUES ('run_1')")
        hosted.execute(birth("run_1"))
        with pytest.raises(StoreError, match="refuses"):
            hosted.execute(forged("bad", version=2))
        assert host.in_transaction
        host.commit()
        assert [entry.run_id for entry in store.feed()] == ["run_1"]

    def test_a_host_that_commits_by_itself(self, store: SQLiteStore, file: Path) -> None:
        """On a connection that commits each statement, each request is committed, unless a transaction was begun."""
        host = sqlite3.connect(file, isolation_level=None)
        store.on(host).execute(birth("run_1"))
        assert store.on(host).execute_all([note("run_1"), note("run_1")]) == [2, 3]
        assert not host.in_transaction
        assert store.execute(note("run_1")) == 4
        store.on(host).restore([Life(row=new_row("run_2"), entries=())])
        assert not host.in_transaction
        host.execute("BEGIN")
        store.on(host).execute(birth("run_3"))
        store.on(host).restore([Life(row=new_row("run_4"), entries=())])
        assert host.in_transaction
        host.close()
        assert [store.row(f"run_{n}") is not None for n in (1, 2, 3, 4)] == [True, True, False, False]

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="sqlite3.connect(autocommit=) came with Python 3.12")
    @pytest.mark.parametrize("autocommit", [True, False])
    def test_a_host_that_says_autocommit(self, store: SQLiteStore, file: Path, autocommit: bool) -> None:
        """Where the host says whether its connection commits by itself, that counts, whatever its isolation level."""
        level = "DEFERRED" if autocommit else None
        given: dict[str, Any] = {"autocommit": autocommit, "isolation_level": level}
        host = sqlite3.connect(file, **given)
        store.on(host).execute(birth("run_1"))
        host.close()
        assert (store.row("run_1") is not None) is autocommit

    def test_a_transaction_that_read_too_early(self, store: SQLiteStore, host: sqlite3.Connection) -> None:
        """The host's transaction that began before another's write is told to begin again."""
        host.execute("BEGIN")
        host.execute("SELECT * FROM orders").fetchall()
        store.execute(birth("run_1"))
        with pytest.raises(StoreUnavailable, match="BEGIN IMMEDIATE"):
            store.on(host).execute(note("run_1"))

    def test_another_file(self, store: SQLiteStore, tmp_path: Path) -> None:
        """A connection to another file, or to another database, is refused."""
        with pytest.raises(StoreError, match="another file"):
            store.on(sqlite3.connect(tmp_path / "other.db"))
        with pytest.raises(StoreError, match=r"give a sqlite3\.Connection"):
            store.on(store)
        with pytest.raises(SchemaMismatch, match="no runengine store"):
            HostedStore(sqlite3.connect(":memory:"))


class TestUpkeep:
    def test_restore_is_all_or_nothing(self, store: SQLiteStore) -> None:
        """Where one run cannot be taken in none is, and births are held to their rules again."""
        lives = []
        for name in ("run_1", "run_2"):
            row = evolve(new_row(name), version=3, fence=1)
            lives.append(Life(row=row, entries=tuple(evolve(entry_of(row, "note"), seq=seq) for seq in (1, 2, 3))))
        twice = Waiting(run_id="run_1", thread_id="t", at_us=NOW_US, request={}, digest="9f")
        rival = evolve(lives[0].row, run=evolve(lives[0].row.run, id="run_3"))
        for wrong, waiting, error in (
            ([*lives, lives[0]], (), RunExists),
            (lives, (twice,), RunExists),
            ([*lives, Life(row=rival, entries=())], (), ThreadBusy),
            ([*lives, Life(row=evolve(new_row("run_4"), owner="w"), entries=())], (), StoreError),
        ):
            with pytest.raises(error):
                store.restore(iter(wrong), waiting)
            assert store.feed() == ()
        with pytest.raises(StoreError, match="born"):
            store.execute(forged("run_1", version=3))
        store.restore(lives)
        assert store.row("run_2") == lives[1].row
        assert store.execute(note("run_1")) == 4
        with pytest.raises(StoreError, match="born"):
            store.execute(forged("run_5", version=3))


class TestSchema:
    def set(self, file: Path, name: str, value: str) -> None:
        """Change what the store says of itself."""
        with sqlite3.connect(file) as raw:
            raw.execute("UPDATE runengine_schema SET value = ? WHERE name = ?", (value, name))
        raw.close()

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            (
                "version",
                "99",
                f"version 99 is newer than {SCHEMA_VERSION}, which this runengine knows; update runengine",
            ),
            ("version", "1", f"version 1 is older than {SCHEMA_VERSION}; bring it up: runengine store migrate URL"),
            ("version", "x", "version 'x'"),
            ("policy_hash", "0", "another policy practical .*migrate URL --policy practical"),
        ],
    )
    def test_another(self, store: SQLiteStore, file: Path, name: str, value: str, said: str) -> None:
        """A store of another version or of other rules is refused by name."""
        store.close()
        self.set(file, name, value)
        with pytest.raises(SchemaMismatch, match=said):
            SQLiteStore.open(file)

    def test_another_policy(self, store: SQLiteStore, file: Path) -> None:
        """A policy is changed by migration alone, and runs stay."""
        store.execute(birth("run_1"))
        with pytest.raises(SchemaMismatch, match=r"practical, not those of documented.*--policy documented"):
            SQLiteStore.open(file, DOCUMENTED)
        assert migrate(file, DOCUMENTED)
        assert not migrate(f"sqlite:///{file}", DOCUMENTED)
        other = SQLiteStore.open(file, DOCUMENTED)
        assert other.row("run_1") == store.row("run_1")
        other.close()
        with pytest.raises(SchemaMismatch, match="documented, not those of practical"):
            SQLiteStore.open(file, PRACTICAL)
