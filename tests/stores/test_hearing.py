"""Several readers on one store object: whatever one has read, the others hear in time."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import pytest

from runengine.embedding import AsyncRuntime, Observed, Runtime
from runengine.embedding.worker import Work, Worker
from runengine.stores import Store
from runengine.stores.opening import open_async_store, open_store
from runengine.stores.sqlite import HostedStore, SQLiteStore
from runengine.stores.sqlite import statements as sql
from runengine.stores.threads import Threaded
from tests.stores.asking import birth, note

LATE_S: Final = 0.5
RUNS: Final = 12
PATIENCE_S: Final = 20.0

Place = tuple[str, int]
"""A run and the number of an entry in its history."""


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty store of each kind."""
    return "memory:" if request.param == "memory" else str(request.getfixturevalue(f"{request.param}_url"))


class Hearing:
    """When each entry was committed, and when each reader was shown it."""

    def __init__(self) -> None:
        self.committed: dict[Place, float] = {}
        self.heard: list[dict[Place, float]] = [{}, {}]
        self.entered: dict[str, float] = {}

    def observe(self, seen: Observed) -> None:
        """What was answered is committed."""
        answer = seen.answer
        for seq in range(1, (answer.version or 0) + 1):
            self.committed.setdefault((answer.run_id, seq), time.monotonic())

    def check(self, places: set[Place]) -> None:
        """Every reader was shown every entry, and in time."""
        assert set(self.committed) == places
        for heard in self.heard:
            assert set(heard) == places
            assert max(heard[place] - self.committed[place] for place in places) < LATE_S


async def _until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not check():
            await asyncio.sleep(0.01)


def test_two_subscribers_and_a_worker_hear_everything_in_time(url: str) -> None:
    """Each of two subscribers is shown each entry, and a worker takes each run, within half a second of its commit."""
    hearing = Hearing()

    async def listen(runtime: AsyncRuntime, heard: dict[Place, float]) -> None:
        async for entry in runtime.subscribe():
            heard[entry.run_id, entry.seq] = time.monotonic()

    async def handle(work: Work) -> None:
        hearing.entered[work.run.id] = time.monotonic()

    async def story() -> None:
        async with AsyncRuntime(await open_async_store(url), observers=[hearing]) as runtime:
            listening = [asyncio.create_task(listen(runtime, heard)) for heard in hearing.heard]
            async with Worker(runtime, handle, concurrency=RUNS, poll_s=2.0):
                for number in range(RUNS):
                    await asyncio.sleep(0.03 * (number % 5))
                    await runtime.create(f"thread_{number}", "asst_1", "gpt-4o", run_id=f"run_{number}")
                await _until(lambda: len(hearing.committed) == 3 * RUNS)
                with suppress(TimeoutError):
                    async with asyncio.timeout(2.0):
                        await _until(lambda: all(len(heard) == 3 * RUNS for heard in hearing.heard))
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)

    asyncio.run(story())
    hearing.check({(f"run_{number}", seq) for number in range(RUNS) for seq in (1, 2, 3)})
    assert max(at - hearing.committed[run_id, 1] for run_id, at in hearing.entered.items()) < LATE_S
    assert len(hearing.entered) == RUNS


def test_threads_that_subscribe_hear_everything_in_time(url: str) -> None:
    """Each of two threads that subscribe on one store, while a third reads on, is shown each entry in time."""
    hearing = Hearing()
    done = threading.Event()

    def listen(runtime: Runtime, heard: dict[Place, float]) -> None:
        for entry in runtime.subscribe(timeout_s=PATIENCE_S):
            heard[entry.run_id, entry.seq] = time.monotonic()
            if len(heard) == RUNS:
                return

    def read(store: Store) -> None:
        while not done.wait(0.005):
            store.feed()

    with Runtime(url, observers=[hearing]) as runtime:
        store = runtime.open()
        threads = [threading.Thread(target=listen, args=(runtime, heard)) for heard in hearing.heard]
        threads.append(threading.Thread(target=read, args=(store,)))
        for thread in threads:
            thread.start()
        for number in range(RUNS):
            time.sleep(0.03 * (number % 5))
            runtime.create(f"thread_{number}", "asst_1", "gpt-4o", run_id=f"run_{number}")
        for thread in threads[:2]:
            thread.join(2 * PATIENCE_S)
        done.set()
        threads[2].join()
    hearing.check({(f"run_{number}", 1) for number in range(RUNS)})


def test_a_wait_is_over_at_once_where_there_is_an_entry(url: str) -> None:
    """However often it is asked and whatever was read, a wait for what is there already does not wait."""
    store = open_store(url)
    store.execute(birth("run_1"))
    head = store.head()
    began = time.monotonic()
    for _ in range(5):
        store.wait(PATIENCE_S, 0)
        store.wait(PATIENCE_S, head - 1)
        store.feed()
    assert time.monotonic() - began < LATE_S
    store.close()


def test_the_head_follows_what_is_removed(url: str) -> None:
    """The newest position is that of what is there, and a wait for more is not over before there is more."""
    store = open_store(url)
    runtime = Runtime(store)
    runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1")
    first = store.head()
    runtime.create("thread_2", "asst_1", "gpt-4o", run_id="run_2")
    runtime.cancel("run_2")
    assert store.head() > first
    row = runtime.row("run_2")
    assert row is not None
    assert store.forget(row.last_us + 1) == 1
    assert store.head() == first
    began = time.monotonic()
    store.wait(0.2, first)
    assert time.monotonic() - began > 0.15
    store.close()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_host_waits_on_its_own_connection(url: str) -> None:
    """A wait on the host's connection hears other connections, in the host's thread and on its event loop."""
    file = url.removeprefix("sqlite:///")
    store = SQLiteStore.open(file)

    def later(run_id: str) -> threading.Timer:
        timer = threading.Timer(0.2, lambda: store.execute(birth(run_id)))
        timer.start()
        return timer

    def waited(wait: Callable[[], Any]) -> float:
        began = time.monotonic()
        wait()
        return time.monotonic() - began

    host = sqlite3.connect(file, isolation_level=None)
    hosted: HostedStore = store.on(host)
    timer = later("run_1")
    assert 0.1 < waited(lambda: hosted.wait(PATIENCE_S, 0)) < 0.2 + LATE_S
    timer.join()
    head = hosted.head()
    timer = later("run_2")
    threaded = Threaded(store).on(host)
    assert 0.1 < waited(lambda: asyncio.run(threaded.wait(PATIENCE_S, head))) < 0.2 + LATE_S
    timer.join()
    host.close()
    store.close()


class TestSQLite:
    @pytest.fixture
    def store(self, sqlite_url: str) -> Iterator[SQLiteStore]:
        """A new store."""
        store = SQLiteStore.open(sqlite_url)
        yield store
        store.close()

    def test_a_write_here_wakes_at_once(self, store: SQLiteStore) -> None:
        """Who waits is woken by a commit, and does not wait where there is an entry already."""
        done = threading.Event()

        def wait() -> None:
            store.wait(30, 0)
            done.set()

        waiter = threading.Thread(target=wait)
        waiter.start()
        assert not done.wait(0.2)
        store.execute(birth("run_1"))
        assert done.wait(5)
        waiter.join()
        mark = store.head()
        store.execute(note("run_1"))
        store.wait(30, mark)

    def test_a_write_elsewhere_wakes(self, store: SQLiteStore, sqlite_url: str) -> None:
        """Another store on the file is heard too."""
        other = SQLiteStore.open(sqlite_url)
        writer = threading.Timer(0.1, lambda: other.execute(birth("run_1")))
        writer.start()
        store.wait(30, 0)
        assert [entry.run_id for entry in store.feed()] == ["run_1"]
        writer.join()
        other.close()

    def test_closing_wakes(self, store: SQLiteStore) -> None:
        """Who waits returns when the store is closed."""
        waiters = [threading.Thread(target=store.wait, args=(30, 0)) for _ in range(3)]
        for waiter in waiters:
            waiter.start()
        time.sleep(0.1)
        store.close()
        for waiter in waiters:
            waiter.join(5)
        assert not any(waiter.is_alive() for waiter in waiters)

    def test_the_newest_has_its_index(self, store: SQLiteStore) -> None:
        """What is polled for does not read the table."""
        with store._reading() as connection:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {sql.HEAD}").fetchall()
        assert [line[3] for line in plan] == ["SEARCH runengine_history"]
