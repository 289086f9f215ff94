"""The rules inside the database, tried by plain UPDATE and INSERT on SQLite files and on PostgreSQL.

What is legal is told by `tests.naive`, which knows nothing of the tables that the rules are generated from.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from itertools import product

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runengine.core import POLICIES, PRACTICAL, STATUSES, Policy, Status, shape_problems
from runengine.stores.columns import COLUMNS
from runengine.stores.schema import birth_statements
from tests.naive import ALL_STATUSES, EDGES, ENDS, LIVE, is_valid
from tests.stores.raw import Line, RawStore, line, shaped

FIELDS = (
    "started_at",
    "expires_at",
    "completed_at",
    "failed_at",
    "cancelled_at",
    "required_action",
    "last_error",
    "incomplete_details",
    "usage",
)
"""What the shape of a record is made of, created_at apart, which is never null."""

NARROWED = PRACTICAL.without("never while cancelling", [("complete", "cancelling"), ("exhaust_tokens", "cancelling")])
_NARROWED_EDGES = [
    e for e in EDGES["practical"] if e not in {("cancelling", "completed"), ("cancelling", "incomplete")}
]
CASES = [*((policy, EDGES[name]) for name, policy in POLICIES.items()), (NARROWED, _NARROWED_EDGES)]


@pytest.fixture
def store(raw_store: RawStore) -> RawStore:
    """A store that lets runs in in the middle of their lives."""
    raw_store.make(PRACTICAL, births_only=False)
    return raw_store


def _shapes() -> Iterator[Line]:
    values = [(None, "{}" if place > 4 else 600 if name == "expires_at" else 12) for place, name in enumerate(FIELDS)]
    for chosen in product(*values):
        yield dict(zip(FIELDS, chosen, strict=True))


def _agrees(status: Status, shape: Line) -> bool:
    record = {name: value for name, value in shape.items() if value is not None}
    legal = is_valid({"status": status, "created_at": 10, **record})
    assert legal == (not shape_problems(status, {"created_at": 10, **shape})), (status, shape)
    return legal


@pytest.mark.parametrize(("policy", "edges"), CASES, ids=lambda case: getattr(case, "name", ""))
def test_every_status_by_every_status(raw_store: RawStore, policy: Policy, edges: list[tuple[str, str]]) -> None:
    """Of the 81 pairs, an UPDATE may make the policy's, and no other."""
    raw_store.make(policy, births_only=False)
    for source, target in product(ALL_STATUSES, repeat=2):
        run_id = raw_store.put(line(source))
        before = raw_store.read(run_id)
        refused = raw_store.update(run_id, shaped(target, before["started_at"] is not None))
        if source == target or (source, target) in edges:
            assert refused is None, (source, target, refused)
            assert raw_store.read(run_id)["status"] == target
        else:
            assert refused is not None, (source, target)
            assert "runengine: " in refused
            assert (f"policy {policy.name}" if source in LIVE else "it has ended") in refused
            assert raw_store.read(run_id) == before
            if raw_store.database == "postgres" and source in LIVE:
                assert f"runengine: {run_id}: {source} -> {target} is not a legal step" in refused


def test_every_status_with_every_shape_by_insert(store: RawStore) -> None:
    """A run is inserted if and only if its fields agree with its status, for every subset of the fields."""
    for status, shape in product(STATUSES, _shapes()):
        refused = store.insert({**line(status), **shape})
        assert (refused is None) == _agrees(status, shape), (status, shape, refused)
        assert refused is None or "_by_status" in refused
    assert store.run("SELECT count(*) FROM runengine_runs") == [
        (sum(_agrees(*p) for p in product(STATUSES, _shapes())),)
    ]


def test_every_birth(raw_store: RawStore) -> None:
    """With all rules on, only a queued run that has not started is inserted, for every status and subset."""
    raw_store.make(PRACTICAL)
    for status, shape in product(STATUSES, _shapes()):
        refused = raw_store.insert({**line(status), **shape})
        birth = status == "queued" and shape["started_at"] is None
        assert (refused is None) == (birth and _agrees(status, shape)), (status, shape, refused)
        assert refused is None or birth or "a run is born queued" in refused


@pytest.mark.parametrize("change", [{"version": 2}, {"fence": 1}, {"losses": 1}], ids=str)
def test_a_birth_has_no_past(raw_store: RawStore, change: Line) -> None:
    """A run is not born with a version, a fence or losses behind it, except in a restore."""
    raw_store.make(PRACTICAL)
    assert "a run is born" in (raw_store.insert(line(**change)) or "")
    assert raw_store.insert(line(waiting=3)) is None


def test_the_rule_on_births_comes_back(store: RawStore) -> None:
    """After a restore the database refuses again what is not a birth."""
    store.put(line("completed"))
    store.run_all(birth_statements(store.database, PRACTICAL))
    assert store.insert(line("completed")) is not None
    assert store.insert(line()) is None


@pytest.mark.parametrize("target", STATUSES)
def test_every_shape_by_update(store: RawStore, target: Status) -> None:
    """A run arrives in a status, and changes in it, if and only if its fields agree with it, for every subset."""
    source = next(source for source, there in EDGES["practical"] if there == target)
    for start in {source, target} & set(LIVE):
        run_id = None
        for shape in _shapes():
            run_id = run_id or store.put(line(start))
            refused = store.update(run_id, {**shaped(target), **shape})
            assert (refused is None) == _agrees(target, shape), (start, target, shape, refused)
            assert refused is None or "_by_status" in refused
            run_id = None if refused is None else run_id


@pytest.mark.parametrize("status", STATUSES)
def test_every_order_of_stamps(store: RawStore, status: Status) -> None:
    """Stamps are in order, equal ones too, in every status: every choice of three moments for every stamp."""
    for started in (True, False):
        whole = {**line(status), **shaped(status, started)}
        names = [name for name in ("created_at", *FIELDS[:5]) if whole[name] is not None]
        for moments in product((10, 11, 12), repeat=len(names)):
            stamps = dict(zip(names, moments, strict=True))
            row = {**line(status), **shaped(status, started), **stamps}
            legal = is_valid({name: value for name, value in row.items() if value is not None})
            refused = store.insert(row)
            assert (refused is None) == legal, (status, stamps, refused)
            assert refused is None or "_not_before_" in refused


def _kept_agrees(status: str, kept: Line) -> bool:
    """The rules of a row, the obvious way."""
    if (kept["deadline_us"] is not None) != (status in LIVE):
        return False
    if status == "queued" and kept["claimable_us"] is None:
        return False
    if status not in ("queued", "in_progress") and kept["claimable_us"] is not None:
        return False
    if (kept["owner"] is None) != (kept["lease_until_us"] is None):
        return False
    if status not in ("in_progress", "cancelling") and kept["owner"] is not None:
        return False
    return (kept["cancel_until_us"] is not None) == (status == "cancelling")


@pytest.mark.parametrize("status", STATUSES)
def test_every_row_beside_the_record(store: RawStore, status: Status) -> None:
    """Deadline, claim, lease and cancel are there when the status has them, and not else, for every subset."""
    names = ("deadline_us", "claimable_us", "owner", "lease_until_us", "cancel_until_us")
    for chosen in product((False, True), repeat=len(names)):
        values = [
            ("w" if name == "owner" else 30_000_000) if on else None for name, on in zip(names, chosen, strict=True)
        ]
        kept: Line = dict(zip(names, values, strict=True))
        refused = store.insert({**line(status), **kept})
        assert (refused is None) == _kept_agrees(status, kept), (status, kept, refused)


@pytest.mark.parametrize("ended", ENDS)
def test_an_ended_run_is_frozen(store: RawStore, ended: str) -> None:
    """Of a run that has ended only body, version, last_us, losses and waiting change, and waiting not upward."""
    moving: Line = {"body": '{"metadata":{}}', "version": 9, "last_us": 21_000_000, "losses": 4, "waiting": 0}
    run_id = store.put(line(ended, waiting=1, owner=None))
    before = store.read(run_id)
    for column in COLUMNS:
        name = column.name
        others = (None, 0, 11, 13) if column.kind == "integer" else (None, "queued", "{}", '{"a":1}')
        for value in [moving[name]] if name in moving else [other for other in others if other != before[name]]:
            refused = store.update(run_id, {name: value})
            assert (refused is None) == (name in moving), (name, value, refused)
    assert store.read(run_id) == before | moving
    assert store.update(run_id, {"waiting": 1}) is not None
    usage = store.update(run_id, {"usage": "{}"})
    assert usage is not None
    assert "nothing but its metadata changes" in usage


@pytest.mark.parametrize("status", STATUSES)
def test_identity_and_guards(store: RawStore, status: Status) -> None:
    """Nothing changes what a run is known by, and its version, fence and last time never go down."""
    run_id = store.put(line(status, version=5, fence=3))
    before = store.read(run_id)
    for change in (
        {"id": "x"},
        {"thread_id": "x"},
        {"created_at": 9},
        {"version": 4},
        {"fence": 2},
        {"last_us": 19_999_999},
    ):
        assert "never" in (store.update(run_id, change) or ""), change
    assert store.read(run_id) == before
    assert store.update(run_id, {"version": 6, "last_us": 20_000_001}) is None


def test_one_active_run_on_a_thread(store: RawStore) -> None:
    """On one thread there is no second run that has not ended, whatever the statuses, and any number that have."""
    for first, second in product(STATUSES, repeat=2):
        thread_id = f"busy_{first}_{second}"
        store.put(line(first, thread_id=thread_id))
        refused = store.insert(line(second, thread_id=thread_id))
        assert (refused is not None) == (first in LIVE and second in LIVE), (first, second)
        assert refused is None or "unique" in refused.lower()


@pytest.mark.parametrize(
    "change",
    [
        {"status": "canceled"},
        {"status": None},
        {"id": ""},
        {"id": None},
        {"thread_id": ""},
        {"created_at": None},
        {"version": 0},
        {"fence": -1},
        {"waiting": -1},
        {"losses": -1},
        {"last_us": 9_999_999},
        {"deadline_us": None},
        {"body": "{"},
        {"body": "[]"},
        {"body": "null"},
        {"body": None},
    ],
    ids=str,
)
def test_no_such_run(store: RawStore, change: Line) -> None:
    """A row that says nothing, or nonsense, is refused."""
    assert store.insert({**line(), **change}) is not None
    run_id = store.put(line())
    assert store.update(run_id, change) is not None


@pytest.mark.parametrize(
    ("status", "name"),
    [
        ("requires_action", "required_action"),
        ("failed", "last_error"),
        ("incomplete", "incomplete_details"),
        ("completed", "usage"),
    ],
)
def test_parts_are_json_objects(store: RawStore, status: str, name: str) -> None:
    """What is an object of the record is a JSON object in its column."""
    for text in ("", "{", "null", "[]", "1", '"{}"'):
        assert f"runengine_{name}_is_json" in (store.insert(line(status, **{name: text})) or "")


def test_stamps_are_whole_numbers(store: RawStore) -> None:
    """No column of moments or counters ever holds anything but an integer."""
    columns = [column.name for column in COLUMNS if column.kind == "integer"]
    for name in columns:
        for value in ("soon", "", 12.5, b"1"):
            run_id = store.put(line("completed"))
            with suppress(sqlite3.Error, psycopg.Error):
                store.update(run_id, {name: value})
            assert isinstance(store.read(run_id)[name], int | None), (name, value)


def test_history_is_of_a_run(store: RawStore) -> None:
    """A line of history is of a run that is there, of a known kind and status, once a number, and goes with the run."""
    run_id = store.put(line())
    good: Line = {
        "run_id": run_id,
        "seq": 1,
        "kind": "event",
        "name": "create",
        "at_us": 5,
        "status": "queued",
        "data": "{}",
    }
    if store.database == "postgres":
        good["feed_key"] = 1
    sql = f"INSERT INTO runengine_history ({', '.join(good)}) VALUES ({', '.join('?' * len(good))})"
    bad = (
        {"run_id": "x"},
        {"seq": 0},
        {"kind": "job"},
        {"name": ""},
        {"at_us": None},
        {"status": "done"},
        {"data": "[]"},
    )
    for change in bad:
        assert store.refusal(sql, *{**good, **change}.values()) is not None, change
    for number, kind in enumerate(("event", "lost", "note", "snapshot"), start=1):
        assert store.refusal(sql, *{**good, "seq": number, "kind": kind}.values()) is None
    assert store.refusal(sql, *good.values()) is not None
    store.run("DELETE FROM runengine_runs WHERE id = ?", run_id)
    assert store.run("SELECT count(*) FROM runengine_history") == [(0,)]


def test_waiting_and_keys(store: RawStore) -> None:
    """A create waits once, and goes first or not; a key has one answer, which is JSON."""
    names = "run_id, thread_id, at_us, request, digest, first"
    waits = f"INSERT INTO runengine_waiting ({names}) VALUES (?, 't', 5, ?, '9f', ?)"
    assert store.refusal(waits, "r1", "{}", 0) is None
    assert store.refusal(waits, "r2", "{}", 1) is None
    assert store.run("SELECT run_id FROM runengine_waiting ORDER BY first DESC, number") == [("r2",), ("r1",)]
    for values in (("r1", "{}", 0), ("", "{}", 0), ("r3", "{", 0), ("r3", "{}", 2)):
        assert store.refusal(waits, *values) is not None, values
    names = "key, run_id, event, digest, seq, at_us, record"
    keys = f"INSERT INTO runengine_keys ({names}) VALUES (?, 'r', 'cancel', '9f', 1, 5, ?)"
    assert store.refusal(keys, "k1", None) is None
    assert store.refusal(keys, "k2", "{}") is None
    for key, record in (("k1", None), ("", None), ("k3", "null")):
        assert store.refusal(keys, key, record) is not None, (key, record)


def _wanted(status: Status) -> list[tuple[str, object]]:
    return [(name, value) for name, value in shaped(status).items() if name in FIELDS]


_stamps = st.none() | st.integers(8, 14)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    status=st.sampled_from(STATUSES),
    stamps=st.fixed_dictionaries(dict.fromkeys(FIELDS[:5], _stamps)),
    parts=st.fixed_dictionaries({name: st.none() | st.just("{}") for name in FIELDS[5:]}),
    helped=st.booleans(),
)
def test_any_record(store: RawStore, status: Status, stamps: Line, parts: Line, helped: bool) -> None:
    """Whatever stamps and parts a record has, the database keeps it if and only if the naive model calls it valid."""
    shape = stamps | parts
    if helped:  # else hardly any is valid: only the moments are left to chance
        shape = {name: wanted and shape[name] if name in stamps else wanted for name, wanted in _wanted(status)}
    record = {name: value for name, value in shape.items() if value is not None}
    refused = store.insert({**line(status), **shape})
    assert (refused is None) == is_valid({"status": status, "created_at": 10, **record}), refused
