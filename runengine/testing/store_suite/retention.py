"""The suite's tests of what becomes of ended runs, and of taking runs in: compact, forget, restore."""

from __future__ import annotations

import pytest
from attrs import evolve

from runengine.embedding import ManualClock, Runtime
from runengine.errors import RunExists, StoreError
from runengine.stores import Key, Life, Store, Waiting
from runengine.stores.memory import MemoryStore
from runengine.testing.store_suite.base import (
    CALLS,
    T0_US,
    USAGE,
    Suite,
    all_rows,
    born,
    check_sound,
    claimed,
    names,
    us,
)

__all__ = ["RetentionTests", "copied", "other_store"]


def other_store() -> MemoryStore:
    """A store in memory with runs in every status, one that waits, and keys.

    Example:
        >>> len(all_rows(other_store()))
        9
    """
    store = MemoryStore()
    clock = ManualClock(T0_US)
    runtime = Runtime(store, clock=clock)
    for number in range(9):
        born(runtime, f"run_{number}", metadata={"n": number}, key=f"key_{number}")
        clock.advance(1)
    for number in range(2, 9):
        runtime.start(f"run_{number}")
    claimed(runtime)
    runtime.require_action("run_2", CALLS)
    runtime.cancel("run_3", "enough")
    runtime.create("thread_of_run_3", "asst_1", "gpt-4o", run_id="next_1", thread="enqueue")
    runtime.create("thread_of_run_3", "asst_1", "gpt-4o", run_id="next_2", thread="interrupt")
    runtime.complete("run_4", usage=USAGE)
    runtime.fail("run_5", "odd", "it broke")
    runtime.exhaust_tokens("run_6", "max_prompt_tokens")
    runtime.cancel("run_7")
    runtime.finish_cancel("run_7")
    runtime.fail("run_7", "odd", "too late")
    clock.advance(600)
    runtime.expire("run_8")
    return store


def copied(store: Store) -> tuple[list[Life], list[Waiting], list[Key]]:
    """All that a store holds, as `restore` takes it.

    Example:
        >>> [len(part) for part in copied(other_store())]
        [9, 2, 9]
    """
    lives = [Life(row=row, entries=store.history(row.run.id)) for row in all_rows(store)]
    return lives, list(store.waiting()), list(store.keys())


def _bare(lives: list[Life]) -> list[Life]:
    """Without positions, which are each store's own."""
    return [evolve(life, entries=tuple(evolve(e, position=0) for e in life.entries)) for life in lives]


class RetentionTests(Suite):
    """Runs leave a store, and enter another.

    Example:
        >>> RetentionTests.test_restore.__doc__
        'A store takes in the runs of another, with histories, waiting creates and keys, and goes on with them.'
    """

    def test_compact(self, runtime: Runtime, clock: ManualClock, store: Store) -> None:
        """Of the history of a run that ended before then, one snapshot is left, in the place of the last entry."""
        born(runtime, "run_1")
        born(runtime, "run_2")
        born(runtime, "run_3")
        runtime.cancel("run_1")
        runtime.fail("run_1", "odd", "too late")
        clock.advance(10)
        runtime.cancel("run_2")
        before = runtime.row("run_1"), runtime.history("run_1")[-1]
        assert store.compact(us(10)) == 1
        (snapshot,) = runtime.history("run_1")
        assert (snapshot.kind, snapshot.seq, snapshot.status) == ("snapshot", 4, "cancelled")
        assert (snapshot.position, snapshot.at_us) == (before[1].position, before[1].at_us)
        assert runtime.row("run_1") == before[0]
        assert [len(runtime.history(f"run_{n}")) for n in (1, 2, 3)] == [1, 3, 1]
        assert store.compact(us(10)) == 0
        assert store.compact(us(10) + 1) == 1
        assert [e.run_id for e in store.feed()] == ["run_3", "run_1", "run_2"]

    def test_after_compacting(self, runtime: Runtime, clock: ManualClock, store: Store) -> None:
        """A compacted history goes on where it was, and can be compacted again."""
        born(runtime)
        runtime.cancel("run_1")
        clock.advance(1)
        assert store.compact(us(1)) == 1
        assert runtime.modify("run_1", {"a": "b"}).version == 4
        assert runtime.complete("run_1").ended_by == "finish_cancel"
        assert names(runtime.history("run_1")) == ["snapshot", "modify", "(complete)"]
        check_sound(store)
        assert store.compact(us(1)) == 0
        assert store.compact(us(2)) == 1
        row = runtime.row("run_1")
        assert row is not None
        assert (row.version, row.losses, row.run.metadata) == (5, 1, {"a": "b"})
        assert [e.seq for e in runtime.history("run_1")] == [5]

    def test_forget(self, runtime: Runtime, clock: ManualClock, store: Store) -> None:
        """Runs that ended before then are gone with their histories and keys; open ones stay; the ids are free."""
        for number in (1, 2, 3):
            born(runtime, f"run_{number}", "thread_1" if number == 1 else None, key=f"key_{number}")
        runtime.cancel("run_1")
        clock.advance(10)
        runtime.cancel("run_2", key="key_4")
        assert store.forget(us(10)) == 1
        assert runtime.get("run_1") is None
        assert runtime.history("run_1") == ()
        assert [row.run.id for row in all_rows(store)] == ["run_2", "run_3"]
        keys = store.keys()
        assert [key.key for key in keys] == ["key_4"]
        assert "run_1" not in {entry.run_id for entry in store.feed()}
        born(runtime, "run_1", "thread_1")
        assert store.forget(us(10) + 1) == 1
        assert [row.run.id for row in all_rows(store)] == ["run_3", "run_1"]

    def test_so_many_at_once(self, runtime: Runtime, store: Store) -> None:
        """Compacting and forgetting do so many at most, and go on when called again."""
        for number in range(5):
            born(runtime, f"run_{number}")
            runtime.cancel(f"run_{number}")
        assert [store.compact(us(1), 2) for _ in range(4)] == [2, 2, 1, 0]
        assert [store.forget(us(1), 2) for _ in range(4)] == [2, 2, 1, 0]
        assert (all_rows(store), store.feed()) == ((), ())

    def test_restore(self, store: Store, runtime: Runtime, clock: ManualClock) -> None:
        """A store takes in the runs of another, with histories, waiting creates and keys, and goes on with them."""
        lives, waiting, keys = copied(other_store())
        store.restore(lives, waiting, keys)
        again = copied(store)
        assert (_bare(again[0]), again[1], again[2]) == (_bare(lives), waiting, keys)
        assert len(store.feed()) == sum(len(life.entries) for life in lives)
        clock.set(us(20))
        assert runtime.create("thread_of_run_1", "a", "m").kind == "busy"
        assert claimed(runtime, "worker_2").run_id == "run_1"
        assert runtime.finish_cancel("run_3").kind == "applied"
        assert runtime.get("next_2") is not None
        assert [w.run_id for w in store.waiting()] == ["next_1"]
        assert runtime.complete("run_4").ended_by == "complete"
        assert {a.event for a in runtime.sweep(us(3_000))} == {"expire"}
        born(runtime, "run_new", "thread_of_run_1")

    def test_restore_is_whole(self, store: Store, runtime: Runtime) -> None:
        """Where one run is there already, or waits, nothing is taken in."""
        lives, waiting, keys = copied(other_store())
        born(runtime, "run_8", "thread_1")
        with pytest.raises(RunExists):
            store.restore(lives, waiting, keys)
        with pytest.raises(RunExists):
            store.restore(lives[-1:])
        assert runtime.create("thread_1", "a", "m", run_id="next_1", thread="enqueue").kind == "waiting"
        with pytest.raises(RunExists):
            store.restore(lives[:-1], waiting)
        assert [row.run.id for row in all_rows(store)] == ["run_8"]
        assert (len(store.feed()), store.keys()) == (2, ())
        runtime.cancel("next_1")
        store.restore(lives[:-1], waiting, keys)
        assert len(all_rows(store)) == 9

    def test_restore_keeps_threads_apart(self, store: Store, runtime: Runtime) -> None:
        """A run that has not ended is not taken in on a thread that has another."""
        lives, _, _ = copied(other_store())
        born(runtime, "run_new", "thread_of_run_0")
        with pytest.raises(StoreError):
            store.restore(lives)
        assert [row.run.id for row in all_rows(store)] == ["run_new"]

    def test_no_connection_of_a_stranger(self, store: Store) -> None:
        """A store refuses to write on what is no connection to its database."""
        with pytest.raises((StoreError, TypeError)):
            store.on(object()).row("run_1")
