"""`doctor` finds what is wrong with a store, and nothing where nothing is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runengine.core import PRACTICAL, SECOND_US
from runengine.embedding import Runtime
from runengine.stores import Entry, Key, Life, Row, Store, Waiting
from runengine.stores.doctor import RULES, Finding, examine
from runengine.stores.memory import MemoryStore
from runengine.stores.opening import open_store
from runengine.stores.schema import drop_trigger_statements, trigger_statements
from runengine.stores.walking import every_entry, every_row
from tests.stores.working import BEGIN_US, choices, worked

NOW_US = BEGIN_US + 10 * SECOND_US
BUSY: list[Any] = [
    ("create", 0, 0, True),  # run_0 on thread_0, claimed, with run_2 waiting behind it
    ("claim", 0, 0, False),
    ("create", 0, 0, True),
    ("create", 1, 0, False),  # run_3 on thread_1, ended by a fail, with a completion that came late
    ("fail", 0, 0, False),
    ("complete", 0, 0, False),
]


def lives(store: Store) -> dict[str, Life]:
    """Every run with its history."""
    return {row.run.id: Life(row=row, entries=tuple(every_entry(store, row.run.id))) for row in every_row(store)}


def restored(some: list[Life], waiting: tuple[Waiting, ...] = (), keys: tuple[Key, ...] = ()) -> Store:
    """A store that was told to hold this."""
    store = MemoryStore()
    store.restore(some, waiting, keys)
    return store


class _Damaged(MemoryStore):
    """A store that takes in a run without asking whether its thread is free."""

    def add(self, row: Row) -> None:
        """Take it in, without a history."""
        self._rows[row.run.id] = row
        self._by_thread.setdefault(row.run.thread_id, []).append(row.run.id)


def rules(found: Iterator[Finding]) -> set[str]:
    """The rules that are broken."""
    return {finding.rule for finding in found}


@given(choices(), st.booleans())
def test_a_store_that_was_worked_with_is_sound(chosen: list[Any], compacted: bool) -> None:
    """Whatever is done through the runtime, nothing is wrong afterwards, with histories cut too."""
    store = worked(MemoryStore(), chosen)
    if compacted:
        store.compact(10**18)
    assert list(examine(store)) == []


_CORRUPT: dict[str, Callable[[Any], Any]] = {
    "version": lambda value: value + 1,
    "last_us": lambda value: value + 1,
    "deadline_us": lambda value: 7 if value is None else None,
    "claimable_us": lambda value: 7 if value is None else None,
    "fence": lambda value: value + 1,
    "owner": lambda value: "w" if value is None else None,
    "lease_until_us": lambda value: 7 if value is None else None,
    "cancel_until_us": lambda value: 7 if value is None else None,
    "waiting": lambda value: value + 1,
    "losses": lambda value: value + 1,
}


@given(choices(20), st.data())
def test_a_changed_row_is_found(chosen: list[Any], data: st.DataObject) -> None:
    """Whatever of a row the history or the status tells is found when it is changed."""
    store = worked(MemoryStore(), chosen)
    kept = lives(store)
    run_id = data.draw(st.sampled_from(sorted(kept)))
    row = kept[run_id].row
    free = {"claimable_us"} if row.run.status == "in_progress" and row.owner is None else set[str]()
    name = data.draw(st.sampled_from(sorted(_CORRUPT.keys() - free)))
    kept[run_id] = evolve(kept[run_id], row=evolve(row, **{name: _CORRUPT[name](getattr(row, name))}))
    found = list(examine(restored([*kept.values()], store.waiting())))
    assert {(f.severity, f.run_id) for f in found} >= {("error", run_id)}
    assert {f.run_id for f in found} <= {run_id, None}


@given(choices(20), st.data())
def test_a_changed_record_is_found(chosen: list[Any], data: st.DataObject) -> None:
    """A field of a record that is not what the history makes of it is named."""
    kept = lives(worked(MemoryStore(), chosen))
    run_id = data.draw(st.sampled_from(sorted(kept)))
    row = kept[run_id].row
    wrong: dict[str, Any] = {"model": "other", "metadata": {"no": "no"}, "created_at": 5}
    name = data.draw(st.sampled_from(sorted(wrong)))
    changed = {name: wrong[name]}
    kept[run_id] = evolve(kept[run_id], row=evolve(row, run=evolve(row.run, **changed)))
    found = [f for f in examine(restored([*kept.values()])) if f.rule == "record"]
    assert [(f.run_id, f.message.split()[0]) for f in found] == [(run_id, name)]


@given(choices(20), st.data())
def test_a_missing_or_changed_entry_is_found(chosen: list[Any], data: st.DataObject) -> None:
    """An entry that is gone, or has another number, status, time or event, is found."""
    kept = lives(worked(MemoryStore(), chosen))
    run_id = data.draw(st.sampled_from(sorted(kept)))
    entries = list(kept[run_id].entries)
    place = data.draw(st.integers(0, len(entries) - 1))
    change: Callable[[Entry], list[Entry]] = data.draw(
        st.sampled_from(
            [
                lambda entry: [],
                lambda entry: [evolve(entry, seq=entry.seq + 1)],
                lambda entry: [evolve(entry, status="expired" if entry.status != "expired" else "failed")],
                lambda entry: [evolve(entry, at_us=entry.at_us - 10**9)] if place else [],
                lambda entry: [evolve(entry, kind="event", name="no_such")],
                lambda entry: [evolve(entry, data={"run": 5}, kind="event", name="create")],
            ]
        )
    )
    entries[place : place + 1] = change(entries[place])
    kept[run_id] = evolve(kept[run_id], entries=tuple(entries))
    assert "error" in {f.severity for f in examine(restored([*kept.values()])) if f.run_id == run_id}


def test_what_is_wrong_among_runs() -> None:
    """Two active runs on a thread, creates that wait for nobody, and keys of no run are found."""
    store = worked(MemoryStore(), BUSY)
    kept, [waiting], (key, *_) = lives(store), store.waiting(), store.keys()
    row = kept["run_0"].row
    twinned = _Damaged()
    twinned.restore([kept["run_0"]], (waiting,))
    twinned.add(evolve(row, run=evolve(row.run, id="twin")))
    assert {(f.rule, f.run_id) for f in examine(twinned)} == {("one-active", "twin"), ("history", "twin")}
    assert rules(examine(restored([kept["run_3"]], (waiting,)))) == {"waiting"}
    assert rules(examine(restored([kept["run_0"]]))) == {"waiting"}
    wrong = evolve(waiting, run_id="other")
    assert rules(examine(restored([kept["run_0"]], (wrong,)))) == {"waiting"}
    assert rules(examine(restored([], (), (key,)))) == {"key"}
    for changed in (evolve(key, seq=99), evolve(key, record={}), evolve(key, run_id="run_3")):
        found = list(examine(restored([*kept.values()], (waiting,), (changed,))))
        assert {f.rule for f in found} == {"key"}
    assert not rules(examine(restored([], (), (evolve(key, seq=0, record=None),))))


def test_what_is_overdue() -> None:
    """A deadline that passed more than a minute ago is a warning: nobody sweeps."""
    store = worked(MemoryStore(), [("create", 0, 0, False)])
    due = store.next_deadline()
    assert due is not None
    assert not list(examine(store, now_us=due[0] + 60 * SECOND_US))
    [finding] = examine(store, now_us=due[0] + 61 * SECOND_US)
    assert (finding.severity, finding.rule, finding.run_id) == ("warning", "overdue", "run_0")


@pytest.fixture
def broken(sqlite_url: str) -> Iterator[Callable[[str], set[str]]]:
    """The rules broken in a file after a statement that no trigger and no CHECK stopped."""
    store = worked(open_store(sqlite_url), BUSY)

    def after(statement: str) -> set[str]:
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            for sql in (*drop_trigger_statements("sqlite"), statement, *trigger_statements("sqlite", PRACTICAL)):
                connection.execute(sql)
        return rules(examine(store))

    assert list(examine(store)) == []
    yield after
    store.close()


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE runengine_runs SET deadline_us = NULL WHERE id = 'run_0'", "deadline"),
        ("UPDATE runengine_runs SET failed_at = 5 WHERE id = 'run_0'", "shape"),
        ("UPDATE runengine_runs SET body = '{}' WHERE id = 'run_0'", "unreadable"),
        ("DELETE FROM runengine_history WHERE run_id = 'run_3' AND seq = 2", "history"),
        ("UPDATE runengine_history SET data = '{' WHERE run_id = 'run_3' AND seq = 2", "unreadable"),
        ("UPDATE runengine_history SET position = -position WHERE run_id = 'run_3'", "feed"),
        ("DELETE FROM runengine_waiting", "waiting"),
        ("DELETE FROM runengine_keys WHERE 0; ", ""),
        ("UPDATE runengine_keys SET run_id = 'nobody' WHERE seq > 0", "key"),
        ("DROP INDEX runengine_one_active_run", "store"),
        ("DELETE FROM runengine_transitions WHERE source = 'queued'", "store"),
        ("UPDATE runengine_history SET run_id = 'nobody' WHERE run_id = 'run_3'", "store"),
    ],
)
def test_what_raw_sql_broke(broken: Callable[[str], set[str]], statement: str, rule: str) -> None:
    """What somebody does to the tables behind every guard is found by its rule."""
    assert (rule in broken(statement)) == bool(rule)


def test_a_missing_trigger(sqlite_url: str) -> None:
    """A trigger that is gone is named, on SQLite."""
    with closing(open_store(sqlite_url)) as store:
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
            connection.execute(drop_trigger_statements("sqlite")[0])
        [finding] = examine(store)
    assert "runengine_step is missing" in finding.message


def test_a_row_that_cannot_be_read_hides_no_other(sqlite_url: str) -> None:
    """The runs before and behind it are looked at, and it is told where it is."""
    store = worked(
        open_store(sqlite_url), [(verb, 0, 2, False) for _ in range(6) for verb in ("create", "start", "fail")]
    )
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        for sql in drop_trigger_statements("sqlite"):
            connection.execute(sql)
        connection.execute("UPDATE runengine_runs SET body = '{}' WHERE id = 'run_6'")
        connection.execute("UPDATE runengine_runs SET losses = 5 WHERE id IN ('run_3', 'run_15')")
    found = [f for f in examine(store) if f.rule != "store"]
    store.close()
    assert [(f.rule, f.run_id) for f in found] == [("losses", "run_3"), ("losses", "run_15"), ("unreadable", None)]
    assert "after run_3 and before run_9 cannot be read: $" in found[-1].message


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_while_others_write(request: pytest.FixtureRequest, kind: str) -> None:
    """What moves while it is looked at is not taken for broken."""
    store = open_store(request.getfixturevalue(f"{kind}_url"))
    stop = Event()

    def write() -> None:
        runtime, number = Runtime(store), 0
        while not stop.is_set():
            number += 1
            run_id = f"run_{number}"
            runtime.create(f"thread_{number % 3}", "a", "m", run_id=run_id, thread="enqueue", key=run_id)
            if claimed := runtime.claim("w"):
                runtime.complete(claimed.run_id, fence=claimed.fence)

    writer = Thread(target=write)
    writer.start()
    try:
        while store.row("run_20") is None:
            assert list(examine(store)) == []
    finally:
        stop.set()
        writer.join()
    store.close()


class _Restless:
    """A store that cannot show itself at one moment, and whose runs move whenever a history is asked for."""

    def __init__(self, store: Store, moves: int) -> None:
        self._store, self._moves = store, moves

    def __getattr__(self, name: str) -> Any:
        if name == "snapshot":
            raise AttributeError(name)
        return getattr(self._store, name)

    def history(self, run_id: str, after: int = 0, limit: int | None = None) -> tuple[Entry, ...]:
        if self._moves:
            self._moves -= 1
            Runtime(self._store).modify(run_id, {"left": str(self._moves)})
        return self._store.history(run_id, after, limit)


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_a_store_that_never_stands_still(moves: int) -> None:
    """Where a run has moved between two looks, it is looked at again."""
    store: Any = _Restless(worked(MemoryStore(), BUSY), moves)
    assert list(examine(store)) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE runengine_runs DISABLE TRIGGER runengine_step", "runengine_step"),
        ("DROP INDEX runengine_one_active_run", "runengine_one_active_run"),
        ("DELETE FROM runengine_transitions WHERE source = 'queued'", "runengine_transitions"),
        ("UPDATE runengine_history SET feed_key = 9000000000", "feed"),
    ],
)
def test_what_is_wrong_on_postgresql(postgres_url: str, statement: str, said: str) -> None:
    """Guards that are gone, and a feed that nobody can read, are named."""
    with closing(worked(open_store(postgres_url), BUSY)) as store:
        assert list(examine(store)) == []
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(statement.encode())
        assert [f.rule for f in examine(store) if said in f.message] == ["store"]


def test_a_server_that_may_forget(postgres_url: str) -> None:
    """A connection whose commits need not reach the disk is named."""
    open_store(postgres_url).close()
    with closing(open_store(f"{postgres_url}%20-csynchronous_commit%3Doff")) as store:
        assert any("synchronous_commit" in finding.message for finding in examine(store))


def test_every_rule_is_said() -> None:
    """No rule is without its sentence, and none is broken by an empty store."""
    assert all(RULES.values())
    assert not list(examine(MemoryStore(), now_us=NOW_US))


class _Moving(MemoryStore):
    """A store whose last run of each page is gone when the next one is asked for."""

    def runs(self, query: Any) -> tuple[Row, ...]:
        rows = super().runs(query)
        if rows and len(rows) == query.limit:
            self._rows.pop(rows[-1].run.id)
        return rows


@pytest.mark.parametrize("newest_first", [False, True])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 4))
def test_pages_of_a_store_that_is_cleared_meanwhile(newest_first: bool, seconds: list[int], page: int) -> None:
    """Every run comes once, though the one that marked the place is removed."""
    store = _Moving()
    template = lives(worked(MemoryStore(), [("create", 0, 0, False)]))["run_0"].row
    made = [
        evolve(template, run=evolve(template.run, id=f"run_{n}", thread_id=f"t{n}", created_at=10 + s))
        for n, s in enumerate(seconds)
    ]
    store.restore([Life(row=row, entries=()) for row in made])
    came = [row.run.id for row in every_row(store, newest_first=newest_first, page=page)]
    in_order = sorted(made, key=lambda row: (row.run.created_at, row.run.id), reverse=newest_first)
    assert came == [row.run.id for row in in_order]
