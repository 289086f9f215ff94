"""The suite's tests of a store that is kept: opened again, opened twice, and on the host's own connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runengine.embedding import ManualClock, Runtime
from runengine.stores import Store
from runengine.testing.store_suite.base import Suite, all_rows, at_once, born, claimed, names

__all__ = ["Connect", "DurableTests", "Reopen"]

Reopen = Callable[[], Store]
"""Opens the database of the store under test once more; the suite closes what it gives."""

Connect = Callable[[], Any]
"""Opens a connection of the host to that database, with a transaction of its own; the suite closes it."""


class DurableTests(Suite):
    """What outlives the one who wrote it.

    Example:
        >>> DurableTests.test_opened_again.__doc__
        'What one store object wrote another of the same database shows.'
    """

    @pytest.fixture
    def reopen(self) -> Reopen:
        """To be given by the subclass."""
        raise NotImplementedError("give the suite a fixture `reopen`: a function that opens the database again")

    @pytest.fixture
    def connect(self) -> Connect:
        """To be given by the subclass."""
        raise NotImplementedError("give the suite a fixture `connect`: a function to a connection of the host")

    def test_opened_again(self, runtime: Runtime, store: Store, reopen: Reopen) -> None:
        """What one store object wrote another of the same database shows."""
        born(runtime, "run_1", "thread_1", key="key_1", metadata={"a": [1]})
        claimed(runtime)
        runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_2", thread="enqueue")
        again = reopen()
        try:
            assert again.row("run_1") == store.row("run_1")
            assert again.history("run_1") == store.history("run_1")
            assert (again.waiting(), again.keys(), again.feed()) == (store.waiting(), store.keys(), store.feed())
            assert again.next_deadline() == store.next_deadline()
        finally:
            again.close()

    def test_two_at_once(self, runtime: Runtime, store: Store, reopen: Reopen, clock: ManualClock) -> None:
        """Workers on two store objects never hold one run, and no write is refused because the other writes."""
        again = reopen()
        others = [runtime, Runtime(again, clock=clock)]
        for number in range(20):
            born(others[number % 2], f"run_{number}")

        def work(number: int) -> list[str]:
            mine, done = others[number % 2], []
            while (answer := mine.claim(f"worker_{number}")) is not None:
                assert mine.complete(answer.run_id, fence=answer.fence).kind == "applied"
                done.append(answer.run_id)
            return done

        try:
            done = [run_id for some in at_once(6, work) for run_id in some]
        finally:
            again.close()
        assert sorted(done) == sorted(f"run_{number}" for number in range(20))
        assert all(row.version == 3 for row in all_rows(store))

    @pytest.mark.parametrize("is_kept", [True, False])
    def test_on_the_connection_of_the_host(self, runtime: Runtime, connect: Connect, is_kept: bool) -> None:
        """A host's row and a run's steps commit together or not at all, whatever the steps are."""
        born(runtime, "run_1", "thread_1")
        connection = connect()
        try:
            connection.execute("CREATE TABLE orders (id TEXT)")
            connection.commit()
            connection.execute("INSERT INTO orders VALUES ('order_1')")
            mine = runtime.on(connection)
            born(mine, "run_2", "thread_2", key="key_1")
            assert claimed(mine).run_id == "run_1"
            waiting = mine.create("thread_1", "asst_1", "gpt-4o", run_id="run_3", thread="enqueue")
            assert waiting.kind == "waiting"
            assert mine.complete("run_1", fence=1).kind == "applied"
            assert mine.create("thread_1", "asst_1", "gpt-4o", run_id="run_4").kind == "busy"
            mine_row = mine.get("run_3")
            assert mine_row is not None
            assert names(mine.history("run_1")) == ["create", "start", "enqueue", "complete"]
            if is_kept:
                connection.commit()
            else:
                connection.rollback()
            orders = [tuple(row) for row in connection.execute("SELECT id FROM orders")]
            connection.execute("DROP TABLE orders")
            connection.commit()
        finally:
            connection.close()
        assert orders == [("order_1",)] * is_kept
        assert [run.id for run in runtime.list(newest_first=False)] == (
            ["run_1", "run_2", "run_3"] if is_kept else ["run_1"]
        )
        assert names(runtime.history("run_1")) == ["create", *["start", "enqueue", "complete"] * is_kept]
        keys = runtime.open().keys()
        assert [key.key for key in keys] == ["key_1"] * is_kept
        assert runtime.open().waiting() == ()

    def test_the_feed_does_not_show_what_is_not_committed(self, runtime: Runtime, connect: Connect) -> None:
        """What a host has not committed nobody sees, and what commits later is not missed by a reader in between."""
        born(runtime, "run_1")
        connection = connect()
        try:
            mine = runtime.on(connection)
            born(mine, "run_2")
            assert runtime.get("run_2") is None
            seen = list(runtime.subscribe(timeout_s=0))
            assert {e.run_id for e in seen} <= {"run_1"}
            connection.commit()
        finally:
            connection.close()
        after = seen[-1].position if seen else 0
        for entry in runtime.subscribe(after, timeout_s=20):
            seen.append(entry)
            if entry.run_id == "run_2":
                break
        assert [(e.run_id, e.seq) for e in seen] == [("run_1", 1), ("run_2", 1)]
