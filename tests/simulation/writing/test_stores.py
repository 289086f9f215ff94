"""Simulated runs in stores: sound, lawful, all or nothing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest

from runengine.core import DOCUMENTED, PERMISSIVE, PRACTICAL
from runengine.errors import SchemaMismatch, StoreError, StoreUnavailable
from runengine.simulation import scenario_named
from runengine.simulation.faults import FAULTS
from runengine.simulation.lives import lives_of
from runengine.simulation.producing import FaultPlan, chunks
from runengine.simulation.vectors.histories import histories
from runengine.simulation.writing.stores import fill, fill_at, kept_of, unfit
from runengine.stores import RunQuery, Store
from runengine.stores.doctor import examine
from runengine.stores.memory import MemoryStore
from runengine.stores.opening import open_as_made, open_store
from runengine.stores.soundness import life_findings
from runengine.validation import Checker, Options
from runengine.validation.readers.store import read_store
from tests.simulation.writing.scenes import with_changes

RUNS = 80


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """The address of a database with nothing in it, of each kind."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


def everything(store: Store) -> list[tuple[object, ...]]:
    """Each run with its history, but for places in the feed."""
    rows = store.runs(RunQuery(limit=10_000, newest_first=False))
    return [(row, *((e.seq, e.name, e.at_us, e.data) for e in store.history(row.run.id))) for row in rows]


@pytest.mark.parametrize("name", ["steady", "flaky", "tool-heavy", "bursty"])
def test_every_database_keeps_the_same(name: str, url: str) -> None:
    """Doctor finds nothing, check finds no error, and what is there is what memory holds."""
    scenario = scenario_named(name)
    fill_at(url, scenario, PRACTICAL, chunks(scenario, 1, RUNS))
    memory = MemoryStore()
    fill(memory, PRACTICAL, chunks(scenario, 1, RUNS, chunk_runs=7))
    store, policy = open_as_made(url)
    with closing(store):
        assert list(examine(store, policy)) == []
        assert everything(store) == everything(memory)
    checker = Checker(Options())
    assert [v for v in checker.check("store", read_store(url)) if v.severity == "error"] == []
    assert checker.summary.runs == RUNS


def test_a_record_is_the_run_as_it_ended() -> None:
    """The row of a run holds the last of its snapshots, and an entry for each event."""
    for life in lives_of(next(histories(scenario_named("tool-heavy"), 3, 200))):
        kept = kept_of(life, PRACTICAL)
        assert kept.row.run == life.snapshots()[-1]
        assert [(entry.name, entry.at_us) for entry in kept.entries] == [(e.name, e.at_us) for e in life.events]
        assert list(life_findings(kept.row, kept.entries)) == []


def test_the_same_runs_again_are_refused(url: str) -> None:
    """A store that has a run of the simulation takes in none, and the words say what to change."""
    steady = scenario_named("steady")
    fill_at(url, steady, PRACTICAL, chunks(steady, 1, 20, first=10))
    with pytest.raises(StoreError, match=r"take another --seed, or --first behind its last \(run_\w+\)"):
        fill_at(url, steady, PRACTICAL, chunks(steady, 1, 30))
    fill_at(url, steady, PRACTICAL, chunks(steady, 1, 10))
    with closing(open_store(url)) as store:
        assert len(store.runs(RunQuery(limit=100))) == 30


def test_a_policy_without_a_step_is_refused(url: str) -> None:
    """A store of another policy takes what fits it, and refuses what may not, naming the step."""
    lax = with_changes(scenario_named("steady"), policy="permissive")
    assert unfit(lax, PRACTICAL) is None
    open_store(url, PERMISSIVE).close()
    fill_at(url, scenario_named("steady"), PRACTICAL, chunks(scenario_named("steady"), 1, 5))
    assert unfit(scenario_named("steady"), DOCUMENTED) == "cancel: requires_action -> cancelling"


def test_what_fails_leaves_nothing(tmp_path: Path, sqlite_url: str) -> None:
    """A SQLite file that was made for runs that do not come is gone again, and an older one is as it was."""
    steady = scenario_named("steady")

    def failing(store_url: str) -> None:
        made = chunks(steady, 1, 100, chunk_runs=10)
        with pytest.raises(KeyboardInterrupt):
            fill_at(store_url, steady, PRACTICAL, (next(made) if n < 3 else _interrupt() for n in range(4)))

    failing(sqlite_url)
    assert list(tmp_path.iterdir()) == []
    open_store(sqlite_url).close()
    failing(sqlite_url)
    with closing(open_store(sqlite_url)) as store:
        assert store.runs(RunQuery()) == ()


def _interrupt() -> NoReturn:
    raise KeyboardInterrupt


def test_broken_runs_are_refused() -> None:
    """A chunk with a broken run is not taken in, nor anything before it."""
    steady, store = scenario_named("steady"), MemoryStore()
    with pytest.raises(StoreError, match="a store keeps no broken runs"):
        fill(store, PRACTICAL, chunks(steady, 1, 50, faults=FaultPlan(rate=1, kinds=tuple(FAULTS))))
    assert store.head() == 0


@pytest.mark.parametrize("address", ["memory:", "mysql://x", "sqlite:////no/such/folder/runs.db"])
def test_what_is_no_store_is_said(address: str) -> None:
    """An address that cannot be opened is an error of stores."""
    with pytest.raises((StoreUnavailable, SchemaMismatch)):
        fill_at(address, scenario_named("steady"), PRACTICAL, ())
