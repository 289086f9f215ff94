"""What `runengine.stores.base` promises of every store, asked without a runtime."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import psycopg
import pytest

from runengine.errors import StoreUnavailable
from runengine.stores import Commit, Facts, Outcome, Request, Store, Waiting, Wants
from runengine.stores.base import one_by_one
from runengine.stores.opening import open_async_store, open_store
from tests.stores.asking import NOW_US, Ask, birth

KINDS: Final = ("memory", "sqlite", "postgres")


def raising(error: Exception) -> Ask:
    """A request whose plan raises."""

    def decide(_: Facts) -> Outcome[None]:
        raise error

    return Ask(wants=Wants(run_id="none", at_us=NOW_US), decide=decide)


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty store of each kind."""
    return "memory:" if request.param == "memory" else str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An empty store of each kind."""
    store = open_store(url)
    yield store
    store.close()


class TestTogether:
    """Requests that are handed over together."""

    ASKED: Final = (
        birth("run_1"),
        raising(LookupError("first")),
        birth("run_2"),
        raising(KeyError("second")),
        birth("run_3"),
    )

    def check(self, execute_all: Callable[[Sequence[Request[Any]]], Any], read: Callable[[str], Any]) -> None:
        """The first error is raised, and every other request is done."""
        with pytest.raises(LookupError, match="first"):
            execute_all(self.ASKED)
        assert [read(f"run_{number}") is not None for number in (1, 2, 3)] == [True] * 3

    def test_one_that_raises_stops_no_other(self, store: Store) -> None:
        """The others are done all the same, and the first error is raised in the end."""
        self.check(store.execute_all, store.row)

    def test_the_same_in_asyncio(self, url: str) -> None:
        """The same holds of the stores for asyncio."""

        async def story() -> None:
            store = await open_async_store(url)
            with pytest.raises(LookupError, match="first"):
                await store.execute_all(self.ASKED)
            assert all([await store.row(f"run_{number}") for number in (1, 2, 3)])
            await store.close()

        asyncio.run(story())

    @pytest.mark.parametrize("url", ["sqlite", "postgres"], indirect=True)
    def test_the_same_in_the_hosts_transaction(self, url: str, store: Store) -> None:
        """In the host's transaction what the others wrote stays, and the host commits it."""
        host: Any = (
            sqlite3.connect(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else psycopg.connect(url)
        )
        hosted = store.on(host)
        self.check(hosted.execute_all, hosted.row)
        assert store.row("run_1") is None
        host.commit()
        host.close()
        assert store.row("run_3") is not None

    def test_where_the_store_is_gone(self) -> None:
        """A store that cannot be reached is not asked again and again."""
        asked: list[Request[Any]] = []

        def execute(request: Request[None]) -> None:
            asked.append(request)
            raise LookupError if len(asked) == 1 else StoreUnavailable("test:", "gone")

        with pytest.raises(StoreUnavailable):
            one_by_one(execute, self.ASKED)
        assert len(asked) == 2


def test_of_like_creates_that_wait_the_newest_is_pending(store: Store) -> None:
    """By its request the waiting create that came last is found, though one that goes first is born before it."""

    def waits(run_id: str, *, first: bool) -> None:
        create = Waiting(run_id=run_id, thread_id="t", at_us=NOW_US, request={}, digest="9f", first=first)
        commit = Commit(steps=(), enqueue=create)
        wants = Wants(thread_id="t", at_us=NOW_US)
        store.execute(Ask(wants=wants, decide=lambda _: Outcome(answer=None, commit=commit)))

    def pending() -> str | None:
        ask = Ask(
            wants=Wants(thread_id="t", digest="9f", at_us=NOW_US),
            decide=lambda facts: Outcome(answer=facts.pending and facts.pending.run_id),
        )
        found: str | None = store.execute(ask)
        return found

    store.execute(birth("run_0", "t"))
    for run_id, first in (("run_1", False), ("run_2", True), ("run_3", False), ("run_4", True)):
        waits(run_id, first=first)
        assert pending() == run_id
    assert [create.run_id for create in store.waiting("t")] == ["run_2", "run_4", "run_1", "run_3"]
