"""The suite's tests of reading: lists, histories, the feed."""

from __future__ import annotations

from threading import Event, Thread
from typing import Any

import pytest

from runengine.core import Status
from runengine.embedding import ManualClock, Runtime
from runengine.embedding.clock import ticks_s
from runengine.errors import RunNotFound
from runengine.stores import Entry, Store
from runengine.testing.store_suite.base import T0_S, Suite, all_rows, at_once, born, claimed

__all__ = ["ReadingTests"]


def _ids(runtime: Runtime, **query: Any) -> list[str]:
    return [run.id for run in runtime.list(**query)]


def _in_order(entries: list[Entry]) -> bool:
    """Whether each run's entries come in the order of its history."""
    last: dict[str, int] = {}
    for entry in entries:
        if entry.seq != last.get(entry.run_id, 0) + 1:
            return False
        last[entry.run_id] = entry.seq
    return True


class ReadingTests(Suite):
    """What a store shows.

    Example:
        >>> ReadingTests.test_the_newest_first.__doc__
        'Runs are listed by time, then id, in either order, twenty at a time.'
    """

    @pytest.fixture
    def many(self, runtime: Runtime, clock: ManualClock) -> list[str]:
        """Ids of 25 runs, the oldest first; three a second, on three threads, all but the last of each ended."""
        ids: list[str] = []
        for number in range(25):
            run_id = f"run_{number * 7 % 25:02}"
            if number >= 3:
                runtime.cancel(ids[number - 3])
            clock.set((T0_S + number // 3) * 10**6)
            born(runtime, run_id, f"thread_{number % 3}")
            ids.append(run_id)
        return sorted(ids, key=lambda run_id: (ids.index(run_id) // 3, run_id))

    def test_the_newest_first(self, runtime: Runtime, many: list[str]) -> None:
        """Runs are listed by time, then id, in either order, twenty at a time."""
        assert _ids(runtime) == many[:-21:-1]
        assert _ids(runtime, newest_first=False, limit=100) == many
        assert _ids(runtime, limit=1) == many[-1:]

    @pytest.mark.parametrize("newest_first", [True, False])
    @pytest.mark.parametrize("limit", [1, 7, 25])
    def test_page_by_page(self, runtime: Runtime, many: list[str], newest_first: bool, limit: int) -> None:
        """Going on after the last of each page shows every run once, though some began in the same second."""
        seen: list[str] = []
        while page := _ids(runtime, newest_first=newest_first, limit=limit, after=seen[-1] if seen else None):
            seen += page
        assert seen == (many[::-1] if newest_first else many)

    def test_filters(self, runtime: Runtime, many: list[str]) -> None:
        """Runs are chosen by thread, status and time, and by all of them with a cursor."""
        every = {run.id: run for run in runtime.list(limit=100)}
        for thread_id in (None, "thread_1", "thread_9"):
            for statuses in ((), ("queued",), ("queued", "cancelled"), ("completed",)):
                for span in ((None, None), (T0_S + 2, None), (None, T0_S + 2), (T0_S + 2, T0_S + 7)):
                    wanted = [
                        id
                        for id in many
                        if (thread_id is None or every[id].thread_id == thread_id)
                        and (not statuses or every[id].status in statuses)
                        and (span[0] is None or every[id].created_at >= span[0])
                        and (span[1] is None or every[id].created_at < span[1])
                    ]
                    query = {
                        "thread_id": thread_id,
                        "statuses": statuses,
                        "created_from": span[0],
                        "created_until": span[1],
                        "limit": 100,
                    }
                    assert _ids(runtime, **query) == wanted[::-1]
                    rest = [id for id in many[13:] if id in wanted]
                    assert _ids(runtime, **query, newest_first=False, after=many[12]) == rest

    def test_what_cannot_be_listed(self, runtime: Runtime) -> None:
        """A cursor that is no run, a limit below one and a word that is no status are refused."""
        with pytest.raises(RunNotFound):
            runtime.list(after="run_9")
        with pytest.raises(ValueError, match="limit"):
            runtime.list(limit=0)
        odd: Any = "done"
        statuses: tuple[Status, ...] = ("queued", odd)
        with pytest.raises(ValueError, match="no status 'done'"):
            runtime.list(statuses=statuses)

    def test_a_history_in_pages(self, runtime: Runtime) -> None:
        """A history is read from any entry on, so many at a time."""
        born(runtime)
        for number in range(9):
            runtime.modify("run_1", {"n": number})
        whole = runtime.history("run_1")
        assert [e.seq for e in whole] == list(range(1, 11))
        assert runtime.history("run_1", 4) == whole[4:]
        assert runtime.history("run_1", 4, 3) == whole[4:7]
        assert runtime.history("run_1", limit=2) == whole[:2]
        assert runtime.history("run_1", 10) == ()

    def test_the_feed(self, runtime: Runtime, store: Store) -> None:
        """The feed has every entry of every run once, in the order of each run, from any position on."""
        for number in range(4):
            born(runtime, f"run_{number}")
        for number in range(4):
            runtime.cancel(f"run_{number}")
        entries = list(runtime.subscribe(timeout_s=0))
        assert len(entries) == 12
        assert _in_order(entries)
        assert {e.run_id: e.seq for e in entries} == {row.run.id: row.version for row in all_rows(store)}
        assert [e for e in entries if e.run_id == "run_2"] == list(runtime.history("run_2"))
        positions = [e.position for e in entries]
        assert positions == sorted(set(positions))
        assert positions[0] > 0
        for place, position in enumerate(positions, 1):
            assert list(runtime.subscribe(position, timeout_s=0)) == entries[place:]
        assert store.feed(limit=5) == tuple(entries[:5])
        assert store.feed(positions[4], 5) == tuple(entries[5:10])

    def test_the_feed_wakes(self, runtime: Runtime) -> None:
        """A reader that waits is shown what is written then."""
        born(runtime, "run_1")
        seen: list[Entry] = []
        is_reading = Event()

        def read() -> None:
            for entry in runtime.subscribe(timeout_s=20):
                seen.append(entry)
                is_reading.set()
                if entry.run_id == "run_2":
                    return

        reader = Thread(target=read)
        reader.start()
        assert is_reading.wait(20)
        born(runtime, "run_2")
        reader.join(20)
        assert [e.run_id for e in seen] == ["run_1", "run_2"]

    def test_news_is_no_readers_own(self, runtime: Runtime, store: Store) -> None:
        """Whoever waits waits for what comes after its own position, whatever others have read or waited for."""
        assert store.head() == 0
        born(runtime, "run_1")
        head = store.head()
        assert head == store.feed()[-1].position
        for _ in range(3):
            store.wait(60, head - 1)
            store.feed()
        store.wait(0, head)
        waiters = [Thread(target=store.wait, args=(60, head)) for _ in range(3)]
        for waiter in waiters:
            waiter.start()
        born(runtime, "run_2")
        store.feed()
        for waiter in waiters:
            waiter.join(20)
        assert not any(waiter.is_alive() for waiter in waiters)
        assert store.head() > head

    def test_nothing_new(self, runtime: Runtime, store: Store) -> None:
        """What leaves no entry, as a heartbeat, is no news: who waits is not kept spinning."""
        born(runtime, "run_1", "thread_1")
        fence = claimed(runtime).fence
        runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_2", thread="enqueue")
        last = store.feed()[-1].position
        runtime.heartbeat("run_1", fence or 0)
        assert store.head() == last
        waits = 0
        until_s = ticks_s() + 0.5
        while ticks_s() < until_s:
            store.wait(0.2, last)
            waits += 1
        assert waits < 20

    def test_the_feed_ends(self, runtime: Runtime) -> None:
        """A reader with a time limit stops when there is nothing new for so long."""
        born(runtime)
        assert len(list(runtime.subscribe(timeout_s=0.1))) == 1

    def test_the_feed_beside_writers(self, runtime: Runtime, store: Store) -> None:
        """Beside many writers, a reader that begins again and again misses nothing and sees each run in order."""
        writers, runs = 6, 8
        seen: list[Entry] = []
        done = Event()

        def read() -> None:
            after = 0
            while True:
                is_last = done.is_set()
                for entry in store.feed(after, 5):
                    seen.append(entry)
                    after = entry.position
                if is_last and not store.feed(after, 1):
                    return
                store.wait(0.001, after)

        def write(writer: int) -> None:
            for number in range(runs):
                run_id = f"run_{writer}_{number}"
                born(runtime, run_id, f"thread_{writer}")
                runtime.modify(run_id, {"n": number})
                runtime.cancel(run_id)

        reader = Thread(target=read)
        reader.start()
        try:
            at_once(writers, write)
        finally:
            done.set()
            reader.join(60)
        assert len(seen) == writers * runs * 4
        assert _in_order(seen)

    def test_the_time_of_the_store(self, store: Store) -> None:
        """Without a clock the time is the store's, or the machine's, and goes on."""
        runtime = Runtime(store)
        born(runtime)
        assert claimed(runtime, lease_s=60).run_id == "run_1"
        assert runtime.complete("run_1", fence=1).kind == "applied"
        assert runtime.sweep() == ()
        times = [e.at_us for e in runtime.history("run_1")]
        assert times[0] > T0_S * 10**6
        assert times == sorted(times)
        assert times[-1] - times[0] < 60 * 10**6
