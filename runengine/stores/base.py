"""What a store must do: the port between the runtime and its databases.

A *plan* is pure: it says what it wants to know (`Wants`), is shown it (`Facts`), and answers with what is to be
written (`Commit`), if anything. A *store* reads the facts and commits, all or nothing, and only if every row still is
what the plan saw. Nothing is checked first and written later. Source: DESIGN §4; FACTS Part D.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from runengine.errors import StoreUnavailable
from runengine.stores.records import Entry, Facts, Key, Life, Outcome, Row, RunQuery, Waiting, Wants

__all__ = ["AsyncStore", "Request", "Store", "one_by_one"]

A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)


class Request(Protocol[A_co]):
    """A plan and what it wants."""

    @property
    def wants(self) -> Wants:
        """What must be read for it."""
        ...

    def plan(self, facts: Facts) -> Outcome[A_co]:
        """Pure, and called again with fresh facts whenever a commit found them stale."""
        ...


class Store(Protocol):
    """What a database must do for the runtime. One object serves many threads.

    Every method may raise `StoreUnavailable`: the database is full, read-only, locked for too long, or gone. Nothing
    is half written then.
    """

    @property
    def url(self) -> str:
        """Where it is, its password hidden."""
        ...

    def execute(self, request: Request[A]) -> A:
        """Read what the request wants, plan, commit; again with fresh facts as long as the commit finds them stale."""
        ...

    def execute_all(self, requests: Sequence[Request[A]]) -> list[A]:
        """Each of them, in order, as if alone; a store that can makes them durable together.

        Where one raises, the others are done all the same, and the first error is raised in the end: one run that
        cannot be moved holds up no other. Only `StoreUnavailable` may stop at once; what came before it stays.
        """
        ...

    def row(self, run_id: str) -> Row | None:
        """The run, or None."""
        ...

    def runs(self, query: RunQuery) -> tuple[Row, ...]:
        """The runs of a query, in its order; an `after` that is not there raises `RunNotFound`."""
        ...

    def history(self, run_id: str, after: int = 0, limit: int | None = None) -> tuple[Entry, ...]:
        """The run's entries with a greater seq, in order."""
        ...

    def feed(self, after: int = 0, limit: int = 1000) -> tuple[Entry, ...]:
        """Entries of all runs with a greater position, in its order; one written later is never below them."""
        ...

    def head(self) -> int:
        """The position of the newest entry that `feed` shows; 0 where there is none."""
        ...

    def wait(self, timeout_s: float, after: int) -> None:
        """Return as soon as `feed` may have an entry with a greater position, or after that time.

        Where it has one already, return at once. The store remembers no reader: any number may wait, each for what
        comes after its own position. It may return early for nothing, but not again and again without a pause.
        """
        ...

    def waiting(self, thread_id: str | None = None, limit: int = 1000) -> tuple[Waiting, ...]:
        """The creates that wait, in the order in which they will be born."""
        ...

    def due(self, now_us: int | None, limit: int = 1000) -> tuple[str, ...]:
        """Ids of runs whose deadline_us ≤ now, the earliest first; None: the store's time."""
        ...

    def next_deadline(self) -> tuple[int, str] | None:
        """The earliest deadline_us and its run, or None where every run has ended."""
        ...

    def compact(self, before_us: int, limit: int = 1000) -> int:
        """Leave of the histories of runs that ended before that time one snapshot entry each; how many were cut.

        A reader of the feed that lags behind gets that entry instead of the run's events.
        """
        ...

    def forget(self, before_us: int, limit: int = 1000) -> int:
        """Remove runs that ended before that time, with their histories, and keys older than it; how many runs."""
        ...

    def restore(self, lives: Iterable[Life], waiting: Iterable[Waiting] = (), keys: Iterable[Key] = ()) -> None:
        """Take in runs with their histories, all or none; one that is there already raises `RunExists`."""
        ...

    def keys(self, after: str = "", limit: int = 1000) -> tuple[Key, ...]:
        """The idempotency keys that are greater, in order."""
        ...

    def on(self, connection: Any) -> Store:
        """The same store on the host's own connection: it writes in the host's transaction, and the host commits.

        Where the connection commits every statement by itself and the host has begun no transaction, each request is
        committed by itself too. A connection to another store is refused, at its first use at the latest.

        Raises:
            StoreError: the connection is another driver's, or is to another store.
        """
        ...

    def close(self) -> None:
        """Give everything back; the store is not used again."""
        ...


class AsyncStore(Protocol):
    """The same as `Store`, for asyncio."""

    @property
    def url(self) -> str:
        """Where it is, its password hidden."""
        ...

    async def execute(self, request: Request[A]) -> A:
        """As `Store.execute`."""
        ...

    async def execute_all(self, requests: Sequence[Request[A]]) -> list[A]:
        """As `Store.execute_all`."""
        ...

    async def row(self, run_id: str) -> Row | None:
        """As `Store.row`."""
        ...

    async def runs(self, query: RunQuery) -> tuple[Row, ...]:
        """As `Store.runs`."""
        ...

    async def history(self, run_id: str, after: int = 0, limit: int | None = None) -> tuple[Entry, ...]:
        """As `Store.history`."""
        ...

    async def feed(self, after: int = 0, limit: int = 1000) -> tuple[Entry, ...]:
        """As `Store.feed`."""
        ...

    async def head(self) -> int:
        """As `Store.head`."""
        ...

    async def wait(self, timeout_s: float, after: int) -> None:
        """As `Store.wait`."""
        ...

    async def waiting(self, thread_id: str | None = None, limit: int = 1000) -> tuple[Waiting, ...]:
        """As `Store.waiting`."""
        ...

    async def due(self, now_us: int | None, limit: int = 1000) -> tuple[str, ...]:
        """As `Store.due`."""
        ...

    async def next_deadline(self) -> tuple[int, str] | None:
        """As `Store.next_deadline`."""
        ...

    async def compact(self, before_us: int, limit: int = 1000) -> int:
        """As `Store.compact`."""
        ...

    async def forget(self, before_us: int, limit: int = 1000) -> int:
        """As `Store.forget`."""
        ...

    def on(self, connection: Any) -> AsyncStore:
        """As `Store.on`."""
        ...

    async def close(self) -> None:
        """As `Store.close`."""
        ...


def one_by_one(execute: Callable[[Request[A]], A], requests: Sequence[Request[A]]) -> list[A]:
    """What `Store.execute_all` must do, for a store that can do no better.

    Raises:
        StoreUnavailable: at once.
        Exception: the first that one of them has raised, once all are done.

    Example:
        >>> one_by_one(lambda request: 1, [])
        []
    """
    answers: list[A] = []
    errors: list[Exception] = []
    for request in requests:
        try:
            answers.append(execute(request))
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - raised once the others are done
            errors.append(error)
    if errors:
        raise errors[0]
    return answers
