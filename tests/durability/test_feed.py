"""The feed: everything is delivered, in order within a run, whoever writes and however often the reader dies."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections import defaultdict
from typing import Any, Final

import psycopg
import pytest

from runengine.core import SECOND_US
from runengine.embedding import ManualClock, Runtime
from runengine.stores import Entry, Store
from tests.durability.checking import check_run, every_run
from tests.durability.crashing import Writer, draw_seed
from tests.durability.reading import Heard, Reader
from tests.durability.workload import SETTINGS, Driver, Said

SHORT_S: Final = 3.0
LONG_S: Final = 60.0
READER_MAX_S: Final = 0.6
PATIENCE_S: Final = 30.0


class Host(threading.Thread):
    """A host with a database of its own: it makes a run in its transaction, stays in it, and commits, or does not.

    In a file only one can write, so there it does not stay for long, and lets others in.
    """

    def __init__(self, url: str, seed: int) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._chance = random.Random(seed)
        self._stopping = threading.Event()
        self._stay_max_s, self._pause_s = (0.02, 0.1) if url.startswith("sqlite") else (0.2, 0.0)
        self.committed: list[str] = []
        self.rolled_back: list[str] = []

    def run(self) -> None:
        """Transaction after transaction."""
        with Runtime(self._url, settings=SETTINGS) as runtime:
            while not self._stopping.is_set():
                self._transact(runtime, f"host_{len(self.committed)}_{len(self.rolled_back)}")

    def stop(self) -> None:
        """End after this one."""
        self._stopping.set()
        self.join(PATIENCE_S)
        assert not self.is_alive()

    def _transact(self, runtime: Runtime, run_id: str) -> None:
        connection = connect(self._url)
        try:
            runtime.on(connection).create(f"thread_of_{run_id}", "asst_1", "gpt-4o", run_id=run_id).or_raise()
            time.sleep(self._chance.uniform(0, self._stay_max_s))
            if self._chance.random() < 0.7:
                connection.commit()
                self.committed.append(run_id)
            else:
                connection.rollback()
                self.rolled_back.append(run_id)
        finally:
            connection.close()
        time.sleep(self._pause_s)


def connect(url: str) -> Any:
    """The host's own connection, in a transaction from its first statement on."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=PATIENCE_S, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        return connection
    return psycopg.connect(url)


def everything(store: Store) -> dict[str, int]:
    """How long each run's history is."""
    return {run_id: len(check_run(store, run_id)[1]) for run_id in every_run(store)}


def check_heard(heard: list[Heard], expected: dict[str, int]) -> None:
    """Every entry has come, in order within each run, and positions only rise."""
    positions = [position for position, _, _ in heard]
    assert positions == sorted(set(positions))
    seqs: dict[str, list[int]] = defaultdict(list)
    for _, run_id, seq in heard:
        seqs[run_id].append(seq)
    assert seqs == {run_id: list(range(1, last + 1)) for run_id, last in expected.items()}


def read_while_written(url: str, seconds: float) -> None:
    """Two threads, two processes and a host write, a reader dies and dies; then compare what it heard."""
    seed = draw_seed()
    with Runtime(url, settings=SETTINGS) as runtime:
        runtime.open()
        reader, host = Reader(url, seed, READER_MAX_S), Host(url, seed)
        writers = [Writer(url, f"writer_{n}", seed + n) for n in range(2)]
        said: list[Said] = []
        drivers = [Driver(runtime, f"driver_{n}", seed + n, said.append) for n in range(2)]
        until_s = time.monotonic() + seconds
        threads = [threading.Thread(target=_drive_until, args=(driver, until_s)) for driver in drivers]
        for thread in (reader, host, *threads):
            thread.start()
        for writer in writers:
            writer.run(max(0.0, until_s - time.monotonic()))
        for writer in writers:
            writer.kill()
        for thread in threads:
            thread.join()
        host.stop()
        expected = everything(runtime.open())
        until_s = time.monotonic() + PATIENCE_S
        while len(reader.heard) < sum(expected.values()) and time.monotonic() < until_s:
            time.sleep(0.05)
        reader.stop()
        check_heard(reader.heard, everything(runtime.open()))
        assert set(host.committed) <= set(expected)
        assert not set(host.rolled_back) & set(expected)
        print(f"{len(reader.heard)} entries, {reader.kills} readers, {len(host.committed)} of a host, {len(said)} said")
        assert reader.kills > 2


def _drive_until(driver: Driver, until_s: float) -> None:
    while time.monotonic() < until_s:
        driver.step()


def test_a_reader_that_dies_hears_everything(durable_url: str) -> None:
    """With five writers and a reader killed every half second each entry comes once, in order within its run."""
    read_while_written(durable_url, SHORT_S)


@pytest.mark.slow
def test_a_reader_that_dies_hears_everything_for_a_minute(durable_url: str) -> None:
    """With five writers and a reader killed for a minute each entry comes once, in order within its run."""
    read_while_written(durable_url, LONG_S)


def _names(entries: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.run_id, entry.name) for entry in entries]


def _naive(connection: Any, after: int) -> list[tuple[int, str]]:
    """What most readers do: all with a greater number."""
    query = "SELECT serial, run_id FROM runengine_history WHERE serial > %s ORDER BY serial"
    return list(connection.execute(query, (after,)).fetchall())


def test_an_early_number_that_commits_late_is_not_lost(postgres_url: str) -> None:
    """A run whose host drew its number first and committed last is delivered, where the naive reader loses it."""
    with (
        Runtime(postgres_url) as runtime,
        psycopg.connect(postgres_url) as host,
        psycopg.connect(postgres_url, autocommit=True) as naive,
    ):
        runtime.open()
        runtime.on(host).create("thread_host", "asst_1", "gpt-4o", run_id="early").or_raise()
        runtime.create("thread_other", "asst_1", "gpt-4o", run_id="late").or_raise()
        first = _naive(naive, 0)
        assert [run_id for _, run_id in first] == ["late"]
        before = list(runtime.subscribe(timeout_s=0.3))
        host.commit()
        assert _naive(naive, first[-1][0]) == [], "the naive reader is past it and never sees it"
        after = before[-1].position if before else 0
        rest = list(runtime.subscribe(after, timeout_s=1))
        assert sorted(_names(before + rest)) == [("early", "create"), ("late", "create")]


def test_a_run_stays_in_order_though_an_older_transaction_moves_it(postgres_url: str) -> None:
    """A run made by a younger transaction and cancelled by an older one is delivered made, then cancelled."""
    with Runtime(postgres_url) as runtime, psycopg.connect(postgres_url) as host:
        runtime.open()
        host.execute("SELECT pg_current_xact_id()")
        runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1").or_raise()
        runtime.create("thread_2", "asst_1", "gpt-4o", run_id="run_2").or_raise()
        runtime.on(host).cancel("run_1").or_raise()
        before = list(runtime.subscribe(timeout_s=0.3))
        host.commit()
        heard = before + list(runtime.subscribe(before[-1].position if before else 0, timeout_s=1))
        names = [entry.name for entry in heard if entry.run_id == "run_1"]
        assert names == ["create", "cancel", "finish_cancel"]
        assert len(heard) == 4


def test_a_host_that_only_reads_holds_nothing_up(postgres_url: str) -> None:
    """A long transaction that writes nothing does not delay the feed."""
    with Runtime(postgres_url) as runtime, psycopg.connect(postgres_url) as host:
        host.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        host.execute("SELECT count(*) FROM pg_class")
        runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1").or_raise()
        heard = next(iter(runtime.subscribe(timeout_s=5)))
        assert heard.run_id == "run_1"


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def any_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty store of each kind."""
    return "memory:" if request.param == "memory" else str(request.getfixturevalue(f"{request.param}_url"))


LIVES: Final = (*(("start", "complete"),) * 4, ("start", "cancel", "finish_cancel"), ("cancel",), ("start",), ())
"""What happens to each run of a store of which the first six are then compacted."""


def _live(runtime: Runtime, chance: random.Random) -> None:
    """All lives, each in its order, mixed."""
    ahead = {f"run_{n}": list(verbs) for n, verbs in enumerate(LIVES)}
    for run_id in ahead:
        runtime.create(f"thread_of_{run_id}", "asst_1", "gpt-4o", run_id=run_id).or_raise()
    while left := [run_id for run_id, verbs in ahead.items() if verbs]:
        run_id = chance.choice(left)
        getattr(runtime, ahead[run_id].pop(0))(run_id).or_raise()


def test_a_reader_that_lags_behind_a_compaction(any_url: str) -> None:
    """Wherever it was, it gets of each cut run a snapshot in its last entry's place, all the others, and the rest."""
    clock = ManualClock(1_700_000_000 * SECOND_US)
    with Runtime(any_url, clock=clock) as runtime:
        store = runtime.open()
        _live(runtime, random.Random(draw_seed()))
        clock.advance(1)
        runtime.complete("run_6").or_raise()  # too late to be cut
        before = store.feed()
        last = {entry.run_id: entry for entry in before}
        cut = {f"run_{n}" for n in range(6)}
        assert store.compact(clock.now_us()) == len(cut)
        runtime.modify("run_0", {"a": "b"}).or_raise()
        runtime.start("run_7").or_raise()
        later = [("run_0", last["run_0"].seq + 1, "modify"), ("run_7", 2, "start")]
        left = [entry for entry in before if entry.run_id not in cut or entry == last[entry.run_id]]
        for after in (0, *(entry.position for entry in before)):
            heard = store.feed(after)
            expected = [entry for entry in left if entry.position > after]
            assert [(e.position, e.run_id, e.seq) for e in heard[:-2]] == [
                (e.position, e.run_id, e.seq) for e in expected
            ]
            assert [e.kind == "snapshot" for e in heard[:-2]] == [e.run_id in cut for e in expected]
            assert [(e.run_id, e.seq, e.name) for e in heard[-2:]] == later
        middle = before[len(before) // 2].position
        assert tuple(runtime.subscribe(middle, timeout_s=0.3)) == store.feed(middle)


def test_a_host_that_gives_up_leaves_nothing(durable_url: str) -> None:
    """A run made in a transaction that is rolled back is in no feed, and its thread is free."""
    with Runtime(durable_url) as runtime:
        runtime.open()
        host = connect(durable_url)
        runtime.on(host).create("thread_1", "asst_1", "gpt-4o", run_id="run_1").or_raise()
        host.rollback()
        host.close()
        assert runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_2").ok
        assert _names(list(runtime.subscribe(timeout_s=0.5))) == [("run_2", "create")]
