"""A store of an earlier schema version, kept as it was written, is brought up without loss; a newer one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from runengine.core import PRACTICAL, STATUSES
from runengine.embedding import ManualClock, Runtime
from runengine.errors import SchemaMismatch
from runengine.stores import RunQuery, Store
from runengine.stores.doctor import examine
from runengine.stores.folding import fold
from runengine.stores.opening import migrate_store, open_as_made, open_store
from runengine.stores.schema import SCHEMA_VERSION
from tests.stores.raw import RawStore

FIXTURES = Path(__file__).parent / "fixtures"
EVERY = RunQuery(limit=1000, newest_first=False)
TABLES = ("runs", "history", "keys", "waiting", "transitions")
NOW_US = 1_767_258_060_000_000


@pytest.fixture
def old(raw_store: RawStore) -> str:
    """A store of version 1 with a run in every status, a waiting create, keys and a compacted history; its address."""
    script = (FIXTURES / f"version-1.{raw_store.database}.sql").read_text(encoding="utf-8")
    if raw_store.database == "sqlite":
        raw_store.connection.executescript(script)
    else:
        raw_store.connection.execute(script)
    return raw_store.url


def _migrated(url: str) -> Store:
    assert migrate_store(url, PRACTICAL)
    store, _ = open_as_made(url)
    return store


def test_the_fixture_has_a_run_in_every_status(old: str) -> None:
    """The old store is worth migrating: all nine statuses, a waiting create, a key, a snapshot."""
    store = _migrated(old)
    assert {row.run.status for row in store.runs(EVERY)} == set(STATUSES)
    assert len(store.waiting()) == 2
    assert len(store.keys()) == 2
    assert [entry.kind for entry in store.history("run_old")] == ["snapshot"]


def test_an_older_store_is_refused_until_it_is_migrated(old: str) -> None:
    """The refusal names both versions and the command; after the command, and a second time, nothing is left to do."""
    with pytest.raises(SchemaMismatch, match=rf"version 1 is older than {SCHEMA_VERSION}.*runengine store migrate"):
        open_store(old)
    assert migrate_store(old, PRACTICAL)
    assert not migrate_store(old, PRACTICAL)
    open_store(old).close()


def test_nothing_is_lost(old: str, raw_store: RawStore) -> None:
    """Every line of every table is there afterwards with what it held, and one column more."""
    queries = [f"SELECT * FROM runengine_{name} ORDER BY 1, 2" for name in TABLES]
    before = [raw_store.run(query) for query in queries]
    _migrated(old).close()
    for query, lines in zip(queries, before, strict=True):
        assert lines
        assert [line[: len(lines[0])] for line in raw_store.run(query)] == lines


def test_the_new_column_is_what_the_history_says(old: str) -> None:
    """arrived_us is the time of the entry that led to the status; doctor finds nothing."""
    store = _migrated(old)
    for row in store.runs(EVERY):
        since_us, status = 0, None
        for entry, _ in fold(store.history(row.run.id)):
            if entry.status != status:
                since_us, status = entry.at_us, entry.status
        assert row.arrived_us == since_us, row.run.id
    assert list(examine(store, now_us=NOW_US)) == []


def test_life_goes_on(old: str) -> None:
    """After the migration the waiting create is born when its run ends, and a key is still answered."""
    _migrated(old).close()
    with Runtime(old, clock=ManualClock(NOW_US)) as runtime:
        assert runtime.complete("run_done", key="key_2", usage=None).kind == "guard"  # the key was for another usage
        claim = runtime.row("run_queued")
        assert claim is not None
        assert runtime.complete("run_queued", fence=claim.fence).kind == "applied"
        born = runtime.get("run_waits")
        assert born is not None
        assert born.status == "queued"
        assert runtime.cancel("run_asks").status == "cancelled"


def test_a_migrated_store_is_as_a_new_one(old: str, raw_store: RawStore) -> None:
    """The columns, and the rules against raw SQL, are those of a store that was made today."""
    _migrated(old).close()
    assert raw_store.update("run_done", {"status": "queued"}) is not None
    assert raw_store.update("run_done", {"completed_at": 5}) is not None
    assert "runengine" in str(raw_store.update("run_asks", {"status": "completed"}))
    raw_store.run("SELECT arrived_us FROM runengine_runs WHERE arrived_us IS NOT NULL")


def test_a_newer_store_is_refused_by_name(old: str, raw_store: RawStore) -> None:
    """A store of a version that this engine does not know is neither opened nor migrated; the message says which."""
    migrate_store(old, PRACTICAL)
    raw_store.run("UPDATE runengine_schema SET value = '99' WHERE name = 'version'")
    for refused in (open_store, migrate_store):
        with pytest.raises(SchemaMismatch, match=rf"schema version 99 is newer than {SCHEMA_VERSION}"):
            refused(old, PRACTICAL)
