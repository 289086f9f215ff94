"""The store on the host's own connection: it writes in the host's transaction, and the host commits or rolls back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any, Final, TypeVar

from runengine.core import PRACTICAL, Policy
from runengine.errors import StoreError
from runengine.stores.base import Request, one_by_one
from runengine.stores.sqlite import statements as sql
from runengine.stores.sqlite.driver import (
    FAILURES,
    Conflict,
    Connection,
    Place,
    commits_by_itself,
    files_of,
    is_busy,
    understood,
)
from runengine.stores.sqlite.lines import Rows, append, facts_of, write
from runengine.stores.sqlite.preparing import compare
from runengine.stores.sqlite.upkeep import Upkeep

__all__ = ["HostedStore"]

A = TypeVar("A")

_POLL_S: Final = 0.05
_LOCKED: Final = (
    "the host's transaction cannot write: another one is writing, or has written since this one first read; roll it "
    "back, and begin it again with BEGIN IMMEDIATE"
)


class HostedStore(Upkeep):
    """The store in the host's transaction.

    What is asked begins one with BEGIN IMMEDIATE, unless the host has begun one. The host commits or rolls back; but
    where it was begun here, it is ended here too if nothing was written, so that no lock is left behind, and committed
    if the connection is one that commits each statement by itself (`isolation_level=None`, `autocommit=True`), as a
    statement of the host's would be. Each request is a savepoint: one that fails leaves nothing. The connection is used
    on the host's thread.

    Args:
        connection: A `sqlite3.Connection` to a file that has the tables.
        policy: Whose rules they keep.
        place: The file of an open store, whose tables are known; by default they are looked at.

    Raises:
        StoreError: it is no such connection, or is to another file.
        SchemaMismatch: there are no tables, or others.

    Example:
        >>> import sqlite3
        >>> from runengine.stores.schema import statements
        >>> connection = sqlite3.connect(":memory:")
        >>> for statement in statements("sqlite", PRACTICAL):
        ...     _ = connection.execute(statement)
        >>> HostedStore(connection).row("run_1") is None
        True
    """

    def __init__(self, connection: Any, policy: Policy = PRACTICAL, place: Place | None = None) -> None:
        try:
            files = files_of(connection)
        except (TypeError, *FAILURES) as error:
            raise StoreError(f"{place.url if place else 'sqlite'}: {error}") from None
        self._host: Final[Connection] = connection
        self._policy = policy
        self._place = place or Place(file=Path(files[0]), url=f"sqlite:///{files[0]}")
        if place is None:
            with self._plain():
                compare(connection, self._place, policy)
        elif place.identity() not in [place.identity(file) for file in files]:
            raise StoreError(f"{place.url}: the connection is to another file, {', '.join(files)}; give one to this")

    @property
    def url(self) -> str:
        """Where it is."""
        return self._place.url

    def execute(self, request: Request[A]) -> A:
        """As `Store.execute`, in the host's transaction."""
        with self._plain():
            is_begun = self._begin()
            try:
                facts = facts_of(self._host, request.wants, Rows(0))
                outcome = request.plan(facts)
                if outcome.commit is not None:
                    rows = Rows(0)
                    with self._savepoint():
                        write(self._host, outcome.commit, rows)
                        append(self._host, rows)
                    self._leave(is_begun)
                    is_begun = False
                return outcome.answer
            except Conflict as conflict:  # nothing is stale inside a write transaction: it would happen again
                raise conflict.error from None
            finally:
                if is_begun:
                    self._end()

    def execute_all(self, requests: Sequence[Request[A]]) -> list[A]:
        """As `Store.execute_all`, in the host's transaction."""
        return one_by_one(self.execute, requests)

    def wait(self, timeout_s: float, after: int) -> None:
        """As `Store.wait`: what other connections commit is seen, unless the host is inside a transaction."""
        while timeout_s > 0 and self.head() <= after:
            Event().wait(min(timeout_s, _POLL_S))
            timeout_s -= _POLL_S

    def on(self, connection: Any) -> HostedStore:
        """As `Store.on`."""
        return HostedStore(connection, self._policy, self._place)

    def close(self) -> None:
        """As `Store.close`: the connection is the host's, and stays open."""

    def _task(self, task: Callable[[Connection], A]) -> A:
        with self._plain():
            is_begun = self._begin()
            try:
                with self._savepoint():
                    result = task(self._host)
                self._leave(is_begun)
            except BaseException:
                if is_begun:
                    self._end()
                raise
            return result

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._plain():
            yield self._host

    def _begin(self) -> bool:
        """Have the lock of a writer; whether the transaction was begun here."""
        is_begun = not self._host.in_transaction
        try:
            self._host.execute(sql.BEGIN if is_begun else sql.RESERVE)
        except FAILURES as error:
            if is_busy(error):
                raise self._place.unavailable(_LOCKED) from None
            raise
        return is_begun

    def _leave(self, is_begun: bool) -> None:
        """What was written is the host's to commit, unless nobody would."""
        if is_begun and commits_by_itself(self._host):
            self._host.execute("COMMIT")

    def _end(self) -> None:
        with suppress(*FAILURES):
            self._host.execute("ROLLBACK")

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        self._host.execute("SAVEPOINT runengine")
        try:
            yield
        except BaseException:
            if self._host.in_transaction:  # else SQLite has rolled all of it back
                self._host.execute("ROLLBACK TO runengine")
                self._host.execute("RELEASE runengine")
            raise
        self._host.execute("RELEASE runengine")

    @contextmanager
    def _plain(self) -> Iterator[None]:
        """Lines as tuples and texts as str, whatever the host has set."""
        host = self._host
        made = (host.row_factory, host.text_factory)
        try:
            host.row_factory, host.text_factory = None, str
            yield
        except FAILURES as error:
            raise understood(error, self._place) from None
        finally:
            with suppress(*FAILURES):
                host.row_factory, host.text_factory = made
