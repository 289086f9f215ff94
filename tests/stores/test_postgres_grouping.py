"""Group commit on PostgreSQL: several callers in one statement, and what each of them is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.embedding import Runtime
from runengine.errors import StoreError, StoreUnavailable
from runengine.stores import Wants
from runengine.stores.postgres import AsyncPostgresStore, PostgresStore
from runengine.stores.postgres.timing import Timing
from tests.stores.asking import NOW_US, Ask, birth, note

IDS = [f"r{number}" for number in range(8)]


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    """A store with a few runs, all known to it."""
    store = PostgresStore.open(postgres_url, timeout_s=10)
    for run_id in IDS:
        store.execute(birth(run_id))
    yield store
    store.close()


@pytest.fixture
def admin(store: PostgresStore, postgres_url: str) -> Iterator[psycopg.Connection]:
    """A connection of nobody's."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


@contextmanager
def held(url: str, statement: bytes = b"LOCK TABLE runengine_runs IN EXCLUSIVE MODE") -> Iterator[None]:
    """Whoever writes meanwhile has to wait: one leads, the others queue behind it."""
    with psycopg.connect(url) as holder:
        holder.execute(statement)
        yield


def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def blocked(admin: psycopg.Connection, times: int = 1) -> Callable[[], bool]:
    """Whether so many statements of stores wait for a lock."""
    asked = b"""SELECT count(*) FROM pg_stat_activity WHERE application_name = 'runengine' AND wait_event_type = 'Lock'
      AND pid IN (SELECT pid FROM pg_locks WHERE relation = 'runengine_runs'::regclass)"""
    return lambda: admin.execute(asked).fetchone() == (times,)


def queued(store: Any, count: int) -> Callable[[], bool]:
    """Whether so many callers wait behind the one who writes."""
    return lambda: len(store._grouping._queue) == count


def transactions(admin: psycopg.Connection) -> list[int]:
    """How many second entries each transaction has written."""
    asked = b"SELECT count(*) FROM runengine_history WHERE seq = 2 GROUP BY feed_key ORDER BY 1"
    return [count for (count,) in admin.execute(asked).fetchall()]


def end_all(admin: psycopg.Connection) -> None:
    """End every connection of stores."""
    admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'runengine'"
        " AND pid <> pg_backend_pid()"
    )


def all_at_once(
    store: PostgresStore, url: str, admin: psycopg.Connection, work: Callable[[str], Any]
) -> list[Future[Any]]:
    """The work on every run, so that the first is written alone and all the others together."""
    with ThreadPoolExecutor(len(IDS)) as pool, held(url):
        first = pool.submit(work, IDS[0])
        until(blocked(admin))
        others = [pool.submit(work, run_id) for run_id in IDS[1:]]
        until(queued(store, len(others)))
    return [first, *others]


def test_callers_who_wait_are_written_in_one_transaction(
    store: PostgresStore, postgres_url: str, admin: psycopg.Connection
) -> None:
    """What queues behind a write goes into one statement, and each is answered with its own run."""
    done = all_at_once(store, postgres_url, admin, lambda run_id: store.execute(note(run_id)))
    assert [future.result() for future in done] == [2] * len(IDS)
    assert transactions(admin) == [1, len(IDS) - 1]
    assert all(len(store.history(run_id)) == 2 for run_id in IDS)
    assert store.problems() == ()


def test_a_conflict_hurts_its_own_request_only(
    store: PostgresStore, postgres_url: str, admin: psycopg.Connection
) -> None:
    """A run that another process has moved is planned again; those that were written with it are not."""
    other = PostgresStore.open(postgres_url)
    other.execute(note(IDS[3]))
    other.close()
    asks = {run_id: note(run_id) for run_id in IDS}
    done = all_at_once(store, postgres_url, admin, lambda run_id: store.execute(asks[run_id]))
    assert [future.result() for future in done] == [3 if run_id == IDS[3] else 2 for run_id in IDS]
    assert [len(ask.shown) for ask in asks.values()] == [2 if run_id == IDS[3] else 1 for run_id in IDS]
    assert transactions(admin) == [1, 1, len(IDS) - 2]


def test_two_writes_of_one_run_are_both_made(
    store: PostgresStore, postgres_url: str, admin: psycopg.Connection
) -> None:
    """Two callers of one run are never in one statement, and neither is lost."""
    done = all_at_once(store, postgres_url, admin, lambda _: store.execute(note("r0")))
    assert sorted(future.result() for future in done) == list(range(2, 2 + len(IDS)))
    assert [entry.seq for entry in store.history("r0")] == list(range(1, 2 + len(IDS)))


def test_an_error_hurts_its_own_request_only(
    store: PostgresStore, postgres_url: str, admin: psycopg.Connection
) -> None:
    """What the tables' own rules refuse is told to the one who asked, and the others are written."""
    admin.execute("DELETE FROM runengine_transitions WHERE source = 'queued'")
    runtime = Runtime(store)

    def work(run_id: str) -> Any:
        return runtime.start(run_id) if run_id == IDS[5] else store.execute(note(run_id))

    done = all_at_once(store, postgres_url, admin, work)
    with pytest.raises(StoreError, match="queued -> expired is not a legal step"):
        done[5].result()
    assert [future.result() for future in done if future is not done[5]] == [2] * (len(IDS) - 1)
    assert [len(store.history(run_id)) for run_id in IDS] == [1 if run_id == IDS[5] else 2 for run_id in IDS]


def test_a_text_that_cannot_be_kept_hurts_its_own_request_only(
    store: PostgresStore, postgres_url: str, admin: psycopg.Connection
) -> None:
    """A NUL in what one of them writes is refused to that one."""
    done = all_at_once(
        store, postgres_url, admin, lambda run_id: store.execute(note(run_id, "a\0b" if run_id == IDS[5] else "note"))
    )
    with pytest.raises(ValueError, match="NUL"):
        done[5].result()
    assert [future.result() for future in done if future is not done[5]] == [2] * (len(IDS) - 1)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_row_that_is_locked_holds_up_its_own_request_only(
    store: PostgresStore, postgres_url: str, is_first: bool
) -> None:
    """While a host's transaction holds one run, those that came with or after it are written."""
    order = sorted(IDS, key=lambda run_id: run_id != "r3") if is_first else IDS
    lock = b"SELECT 1 FROM runengine_runs WHERE id = 'r3' FOR UPDATE"
    with ThreadPoolExecutor(len(IDS)) as pool, held(postgres_url, lock):
        done = [pool.submit(lambda name: store.execute(note(name)), run_id) for run_id in order]
        until(lambda: sum(future.done() for future in done) == len(IDS) - 1)
        assert not done[order.index("r3")].done()
    assert [future.result() for future in done] == [2] * len(IDS)


def test_a_lost_connection_is_a_doubt_of_all_of_them(
    store: PostgresStore, postgres_url: str, admin: psycopg.Connection
) -> None:
    """Whoever was in the statement is told that nobody knows, and the next calls work."""
    with ThreadPoolExecutor(len(IDS)) as pool, held(postgres_url):
        done = [pool.submit(lambda name: store.execute(note(name)), IDS[0])]
        until(blocked(admin))
        done += [pool.submit(lambda name: store.execute(note(name)), run_id) for run_id in IDS[1:]]
        until(queued(store, len(IDS) - 1))
        end_all(admin)
        until(queued(store, 0))
        until(blocked(admin))
        end_all(admin)
    for future in done:
        with pytest.raises(StoreUnavailable, match="is not known"):
            future.result()
    assert [store.execute(note(run_id)) for run_id in IDS] == [2] * len(IDS)


def test_a_cancelled_leader_leaves_nobody_behind(
    store: PostgresStore, postgres_url: str, admin: psycopg.Connection
) -> None:
    """Where the task that writes for others is cancelled, they are answered all the same."""

    async def all_of_them() -> list[Any]:
        aside = await AsyncPostgresStore.open(postgres_url)
        for run_id in IDS:
            await aside.execute(note(run_id))
        with held(postgres_url):
            tasks = [asyncio.create_task(aside.execute(note(run_id))) for run_id in IDS]
            while not (blocked(admin)() and queued(aside, len(IDS) - 1)()):
                await asyncio.sleep(0.01)
            tasks[0].cancel()
            while not (blocked(admin)() and queued(aside, 0)()):
                await asyncio.sleep(0.01)
            tasks[1].cancel()
            await asyncio.sleep(0.05)
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        again = [await aside.execute(note(run_id)) for run_id in IDS[2:]]
        await aside.close()
        return [*answers, *again]

    first, second, *others = asyncio.run(all_of_them())
    assert isinstance(first, asyncio.CancelledError)
    assert isinstance(second, asyncio.CancelledError)
    assert others == [3] * (len(IDS) - 2) + [4] * (len(IDS) - 2)


def test_many_threads_on_many_runs_lose_nothing(store: PostgresStore) -> None:
    """Whatever is written together, every answer that says applied has its entry, in order."""
    with ThreadPoolExecutor(8) as pool:
        work = [pool.submit(lambda name: store.execute(note(name)), IDS[n * n % 7]) for n in range(400)]
    assert all(future.result() > 1 for future in work)
    for run_id in IDS:
        row = store.row(run_id)
        assert row is not None
        assert [entry.seq for entry in store.history(run_id)] == list(range(1, row.version + 1))
    assert sum(len(store.history(run_id)) - 1 for run_id in IDS) == 400
    positions = [entry.position for entry in store.feed(0, 1000)]
    assert positions == sorted(positions)


def test_the_databases_time_is_not_asked_for_each_time(store: PostgresStore, admin: psycopg.Connection) -> None:
    """A plan that wants the store's time is shown it on the row as it was last seen, and it is the database's."""
    ask = Ask(wants=Wants(run_id="r0"), decide=note("r0").decide)
    assert store.execute(ask) == 2
    found = admin.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").fetchone()
    assert found is not None
    [facts] = ask.shown
    assert facts.now_us is not None
    assert 0 <= found[0] - facts.now_us < 1_000_000


_MOMENTS = st.tuples(st.integers(0, 50_000_000), st.integers(0, 900_000), st.integers(0, 900_000))


@given(st.lists(_MOMENTS, min_size=1), st.integers(0, 10**6))
def test_the_estimate_is_never_early_and_late_by_a_round_trip_at_most(
    moments: list[tuple[int, int, int]], later_us: int
) -> None:
    """Whatever it was told before, what it says lies between the last answer's earliest and latest."""
    timing, ticks_us, width_us = Timing(), 0, 0
    for pause_us, there_us, back_us in moments:
        began_us = ticks_us + pause_us
        ticks_us = began_us + there_us + back_us
        timing.saw(NOW_US + began_us + there_us, began_us / 1e6, ticks_us / 1e6)
        width_us = there_us + back_us
    if width_us > 1_000_000:
        return
    told = timing.now_us((ticks_us + later_us) / 1e6)
    assert told is not None
    assert -2 <= NOW_US + ticks_us + later_us - told <= width_us + 2


def test_the_estimate_follows_a_clock_that_is_put_back_and_is_forgotten() -> None:
    """The next answer corrects it, and after a minute without any there is none; slow answers are no news."""
    timing = Timing()
    timing.saw(NOW_US, 1.0, 1.0)
    timing.saw(NOW_US - 7_000_000, 2.0, 2.0)
    assert timing.now_us(3.0) == NOW_US - 6_000_000
    timing.saw(NOW_US, 3.0, 5.0)
    assert timing.now_us(61.0) == NOW_US + 52_000_000
    assert timing.now_us(63.0) is None
