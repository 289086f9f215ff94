"""What is PostgreSQL's own: its feed, its locks, rows known from before, and its upkeep."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from attrs import evolve

from runengine.core import DOCUMENTED, PRACTICAL
from runengine.errors import RunExists, RunNotFound, SchemaMismatch, StoreError, StoreUnavailable, ThreadBusy
from runengine.stores import Commit, Facts, Key, Life, Outcome, RunQuery, Step, Store, Waiting, Wants
from runengine.stores.postgres import PostgresStore
from tests.stores.asking import NOW_US, Ask, birth, new_row, note, noted


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    """An empty store."""
    store = PostgresStore.open(postgres_url, timeout_s=5)
    yield store
    store.close()


@pytest.fixture
def other(store: PostgresStore, postgres_url: str) -> Iterator[PostgresStore]:
    """The same store as another process has it."""
    other = PostgresStore.open(postgres_url, timeout_s=5)
    yield other
    other.close()


@pytest.fixture
def host(store: PostgresStore, postgres_url: str) -> Iterator[psycopg.Connection]:
    """A connection of the host's, to the same database, with a table of the host's."""
    with psycopg.connect(postgres_url) as host:
        host.execute("CREATE TABLE orders (id TEXT)")
        host.commit()
        yield host
        if not host.closed:
            host.rollback()


def _names(store: Store, after: int = 0) -> list[tuple[str, int]]:
    return [(entry.run_id, entry.seq) for entry in store.feed(after)]


def test_the_feed_skips_nothing_where_the_later_serial_commits_first(
    store: PostgresStore, host: psycopg.Connection
) -> None:
    """An entry whose transaction is still open holds back those with later serials until it is there."""
    store.execute(birth("r1"))
    store.execute(birth("r2"))
    read = store.feed()
    store.on(host).execute(note("r1"))
    store.execute(note("r2"))
    assert store.feed(read[-1].position) == ()
    host.commit()
    assert _names(store, read[-1].position) == [("r1", 2), ("r2", 2)]


def test_a_transaction_that_began_early_does_not_turn_a_runs_order_round(
    store: PostgresStore, host: psycopg.Connection
) -> None:
    """A run's entries stay in order where the last is written by the oldest transaction."""
    host.execute("SELECT pg_current_xact_id()")
    store.execute(birth("r1"))
    store.execute(note("r1"))
    assert _names(store) == []
    store.on(host).execute(note("r1"))
    host.commit()
    assert _names(store) == [("r1", 1), ("r1", 2), ("r1", 3)]
    assert [entry.seq for entry in store.history("r1")] == [1, 2, 3]


def test_a_reader_that_goes_on_from_its_position_sees_every_entry_once(store: PostgresStore) -> None:
    """Pages of the feed put together are the feed, while threads write."""
    threads = [
        threading.Thread(target=lambda i=i: [store.execute(birth(f"r{i}.{j}")) for j in range(20)]) for i in range(4)
    ]
    for thread in threads:
        thread.start()
    seen: list[str] = []
    after, deadline = 0, time.monotonic() + 30
    while len(seen) < 80 and time.monotonic() < deadline:
        page = store.feed(after, 7)
        seen += [entry.run_id for entry in page]
        after = page[-1].position if page else after
    for thread in threads:
        thread.join()
    assert sorted(seen) == sorted(f"r{i}.{j}" for i in range(4) for j in range(20))


def test_two_claims_at_once_are_shown_two_runs(store: PostgresStore) -> None:
    """A run that one plan is looking at is not shown to another, and none is where there is no other."""
    store.execute(birth("r1"))
    store.execute(birth("r2"))
    inner: list[str | None] = []

    def decide(facts: Facts) -> Outcome[str | None]:
        shown = None if facts.row is None else facts.row.run.id
        inner.append(shown)
        if len(inner) < 3:
            store.execute(Ask(wants=Wants(claim=True, at_us=NOW_US), decide=decide))
        return Outcome(answer=shown)

    store.execute(Ask(wants=Wants(claim=True, at_us=NOW_US), decide=decide))
    assert sorted(str(run_id) for run_id in inner) == ["None", "r1", "r2"]


def test_a_claim_is_not_shown_what_is_claimable_later(store: PostgresStore) -> None:
    """Claimable is meant at the caller's time, or else at the database's."""
    store.execute(birth("r1"))
    for at_us, found in ((NOW_US - 1, False), (NOW_US, True), (None, True)):
        ask = Ask(wants=Wants(claim=True, at_us=at_us), decide=lambda facts: Outcome(answer=facts.row is not None))
        assert store.execute(ask) is found


def test_a_row_known_from_before_is_written_in_one_plan(store: PostgresStore) -> None:
    """A plan on a row that nobody has changed since is shown it once, with no look at the clock."""
    store.execute(birth("r1"))
    ask = note("r1")
    assert store.execute(ask) == 2
    assert [facts.now_us for facts in ask.shown] == [None]


def test_a_row_that_another_has_changed_is_planned_again(store: PostgresStore, other: PostgresStore) -> None:
    """What a store remembers never decides: the guard finds that it is old."""
    store.execute(birth("r1"))
    other.execute(note("r1"))
    ask = note("r1")
    assert store.execute(ask) == 3
    assert [facts.row.version for facts in ask.shown if facts.row] == [1, 2]
    assert [entry.seq for entry in store.history("r1")] == [1, 2, 3]


def test_a_refusal_is_given_on_fresh_facts_only(store: PostgresStore, other: PostgresStore) -> None:
    """A plan that would write nothing on the row as it was is asked again on the row as it is."""
    store.execute(birth("r1"))
    other.execute(note("r1"))

    def decide(facts: Facts) -> Outcome[int]:
        assert facts.row is not None
        return Outcome(answer=facts.row.version)

    assert store.execute(Ask(wants=Wants(run_id="r1", at_us=NOW_US), decide=decide)) == 2


def test_a_run_made_again_under_its_id_is_not_taken_for_the_old_one(
    store: PostgresStore, other: PostgresStore, postgres_url: str
) -> None:
    """A row that was removed and made again, at the same version, is another row."""
    store.execute(birth("r1"))
    with psycopg.connect(postgres_url) as connection:
        connection.execute("DELETE FROM runengine_runs")
    later = new_row("r1", "another thread")
    later = evolve(later, last_us=NOW_US + 5, run=evolve(later.run, model="n"))
    step = Step(before=None, after=later)
    other.execute(Ask(wants=Wants(thread_id="x"), decide=lambda _: Outcome(answer=0, commit=Commit(steps=(step,)))))
    assert store.execute(note("r1")) == 2
    row = store.row("r1")
    assert row is not None
    assert (row.run.model, row.run.thread_id) == ("n", "another thread")


def test_two_births_on_a_thread_leave_one_and_the_other_is_shown_it(store: PostgresStore, other: PostgresStore) -> None:
    """A unique index that is met is a conflict, not an error."""
    ask = birth("r1", "t")
    decide = ask.decide

    def late(facts: Facts) -> Outcome[object]:
        if len(ask.shown) == 1:
            other.execute(birth("r2", "t"))
        return decide(facts)

    late_ask = Ask(wants=ask.wants, decide=late, shown=ask.shown)
    answer = store.execute(late_ask)
    assert answer.run.id == "r2"
    assert len(late_ask.shown) == 2
    assert store.row("r1") is None


def test_a_conflict_that_stays_ends_in_words(store: PostgresStore) -> None:
    """A plan that is refused for ever by the same row is given up."""
    store.execute(birth("r1"))
    step = Step(before=None, after=new_row("r1"))
    ask = Ask(wants=Wants(run_id="r1", at_us=1), decide=lambda _: Outcome(answer=0, commit=Commit(steps=(step,))))
    with pytest.raises(StoreUnavailable, match="the same conflict 50 times over"):
        store.execute(ask)


def test_several_steps_are_written_all_or_not_at_all(store: PostgresStore, other: PostgresStore) -> None:
    """Where the last of several writes meets a conflict, the first is not there either."""
    store.execute(birth("r1"))
    store.execute(birth("r2"))
    rows = [other.row("r1"), other.row("r2")]
    store.execute(note("r2"))
    assert rows[0]
    assert rows[1]
    commit = Commit(steps=(noted(rows[0]), noted(rows[1])), key=None)
    answers = iter([Outcome(answer="stale", commit=commit), Outcome(answer="again")])
    assert other.execute(Ask(wants=Wants(run_id="r1"), decide=lambda _: next(answers))) == "again"
    assert [entry.seq for entry in store.history("r1")] == [1]


def test_a_restored_store_is_what_it_was(store: PostgresStore, new_postgres_url: Callable[[], str]) -> None:
    """Runs, histories, waiting creates and keys are taken in together, and raw births are refused again after it."""
    store.execute(birth("r1", key="k"))
    store.execute(note("r1"))
    row = store.row("r1")
    assert row is not None
    life = Life(row=row, entries=store.history("r1"))
    waits = [
        Waiting(run_id=name, thread_id="t", at_us=5, request={}, digest="9f", first=first)
        for name, first in (("w1", False), ("w2", True))
    ]
    keys = [*store.keys(), Key(key="l", run_id="r9", event="cancel", digest="0", seq=2, at_us=1, record={"id": "r9"})]
    copy = PostgresStore.open(new_postgres_url())
    copy.restore(iter([life]), iter(waits), iter(keys))
    assert copy.row("r1") == row
    assert [evolve(entry, position=0) for entry in copy.history("r1")] == [
        evolve(entry, position=0) for entry in life.entries
    ]
    assert [create.run_id for create in copy.waiting("t")] == ["w2", "w1"]
    assert list(copy.keys()) == sorted(keys, key=lambda key: key.key)
    with pytest.raises(RunExists, match="r1"):
        copy.restore([life])
    with pytest.raises(ThreadBusy, match="active run r1"):
        copy.restore([Life(row=new_row("r5", row.run.thread_id), entries=())])
    with pytest.raises(StoreError, match="twice"):
        copy.restore([Life(row=new_row("r6"), entries=(evolve(life.entries[0], run_id="r6"),) * 2)])
    assert copy.problems() == ()
    copy.close()


def test_lists_are_pages_from_a_mark(store: PostgresStore) -> None:
    """A page begins after its mark, and a mark that is not there is refused."""
    for number in range(3):
        store.execute(birth(f"r{number}"))
    assert [row.run.id for row in store.runs(RunQuery(after="r2"))] == ["r1", "r0"]
    assert [row.run.id for row in store.runs(RunQuery(after="r0", newest_first=False, limit=1))] == ["r1"]
    assert store.runs(RunQuery(after="r0")) == ()
    with pytest.raises(RunNotFound):
        store.runs(RunQuery(after="nobody"))


def test_a_feed_from_another_server_is_found_and_renumbered(store: PostgresStore, postgres_url: str) -> None:
    """Entries with another cluster's transaction numbers are told, and can be read once renumbered."""
    for name in ("r1", "r2"):
        store.execute(birth(name))
        store.execute(note(name))
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE runengine_history SET feed_key = feed_key + 1000000000000")
        connection.execute("UPDATE runengine_runs SET feed_key = feed_key + 1000000000000")
    assert store.feed() == ()
    assert "renumber" in store.problems()[0]
    store.renumber()
    assert store.problems() == ()
    store.execute(note("r1"))
    assert _names(store) == [("r1", 1), ("r1", 2), ("r2", 1), ("r2", 2), ("r1", 3)]


def test_another_policys_store_is_refused_and_can_be_migrated(store: PostgresStore, postgres_url: str) -> None:
    """A store keeps one policy's rules; an engine with another says how to change them."""
    with pytest.raises(SchemaMismatch, match="runengine store migrate URL --policy documented"):
        PostgresStore.open(postgres_url, DOCUMENTED)
    assert PostgresStore.migrate(postgres_url, DOCUMENTED)
    PostgresStore.open(postgres_url, DOCUMENTED).close()
    assert not PostgresStore.migrate(postgres_url, DOCUMENTED)
    with pytest.raises(SchemaMismatch, match=PRACTICAL.name):
        PostgresStore.open(postgres_url)


def _third_time(place: int) -> Ask:
    """Several writes that meet a key that is there, twice, and, planned again, do not; some kinds come in later."""
    key = Key(key="k", run_id="r1", event="e", digest="9f", seq=1, at_us=1, record=None)
    keys = iter((key, key, evolve(key, key=f"k{place}")))
    wait = Waiting(run_id=f"w{place}", thread_id="t", at_us=1, request={}, digest="9f")
    born = f"w{place - 1}" if place >= 4 else None

    def decide(facts: Facts) -> Outcome[int]:
        assert facts.row is not None
        once = noted(facts.row)
        commit = Commit(steps=(once,), key=next(keys), enqueue=wait, dequeue=born)
        return Outcome(answer=once.after.version, commit=commit)

    return Ask(wants=Wants(run_id="r1"), decide=decide)


@pytest.mark.parametrize("hosted", [False, True])
def test_conflicts_in_several_writes_leave_the_connection_whole(
    store: PostgresStore, postgres_url: str, hosted: bool
) -> None:
    """However often one of several writes meets a unique index, the same writes are made the next time."""
    store.execute(birth("r1", key="k"))
    fresh = PostgresStore.open(postgres_url, connections_max=1)
    with psycopg.connect(postgres_url) as host:
        writer = fresh.on(host) if hosted else fresh
        assert [writer.execute(_third_time(place)) for place in range(9)] == list(range(2, 11))
        host.commit()
    fresh.close()
    assert [entry.seq for entry in store.history("r1")] == list(range(1, 11))
    assert [wait.run_id for wait in store.waiting()] == ["w0", "w1", "w2", "w8"]
