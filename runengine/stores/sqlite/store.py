"""The store in a SQLite file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from runengine.core import PRACTICAL, Policy
from runengine.stores.base import Request
from runengine.stores.sqlite.driver import FAILURES, Connection, Durability, Place, understood
from runengine.stores.sqlite.forking import watch
from runengine.stores.sqlite.hosted import HostedStore
from runengine.stores.sqlite.looking import problems, shrink
from runengine.stores.sqlite.preparing import migrate, prepare
from runengine.stores.sqlite.readers import News, Readers
from runengine.stores.sqlite.upkeep import Upkeep
from runengine.stores.sqlite.writer import BATCH_MAX, Piece, Writer, undo

__all__ = ["SQLiteStore"]

A = TypeVar("A")


class SQLiteStore(Upkeep):
    """Runs in a SQLite file; `open` opens it.

    Any number of threads and processes may write: within a process all who wait are written in one transaction, and a
    lock of another process is waited for.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = SQLiteStore.open(f"{folder}/runs.db")
        ...     store.row("run_1") is None
        ...     store.close()
        True
    """

    def __init__(self, place: Place, policy: Policy, identity: tuple[int, int] | None) -> None:
        self._place = place
        self._policy = policy
        self._readers = Readers(place, identity)
        self._news = News(self._readers.open)
        self._writer = Writer(place, identity, self._news.tell)
        self._is_held = False
        watch(self)

    @classmethod
    def open(
        cls,
        path_or_url: str | Path,
        policy: Policy = PRACTICAL,
        *,
        create: bool = True,
        busy_s: float = 60.0,
        durability: Durability = "full",
    ) -> Self:
        """Open the store in a file.

        Args:
            path_or_url: The file, as a path or as `sqlite:///FILE`.
            policy: Whose rules the tables are made for, or were made for.
            create: Whether to make the file, and the tables, where there are none.
            busy_s: For how long a lock of another process is waited for.
            durability: "full": what was answered survives a power cut; "normal": it survives the process.

        Raises:
            StoreUnavailable: it is no file, or it cannot be opened.
            SchemaMismatch: the tables are of another version, or were made for another policy.
        """
        place = Place.of(path_or_url, busy_s, durability)
        return cls(place, policy, prepare(place, policy, create=create))

    @staticmethod
    def migrate(path_or_url: str | Path, policy: Policy = PRACTICAL) -> bool:
        """As `runengine.stores.sqlite.migrate`."""
        return migrate(path_or_url, policy)

    @property
    def url(self) -> str:
        """Where it is."""
        return self._place.url

    def execute(self, request: Request[A]) -> A:
        """As `Store.execute`."""
        piece: Piece[A] = Piece(request)
        self._writer.do((piece,))
        return piece.result()

    def execute_all(self, requests: Sequence[Request[A]]) -> list[A]:
        """As `Store.execute_all`: in as few transactions as may be; where one raises, the others are done."""
        pieces: list[Piece[A]] = [Piece(request) for request in requests]
        for start in range(0, len(pieces), BATCH_MAX):
            self._writer.do(pieces[start : start + BATCH_MAX])
        return [piece.result() for piece in pieces]

    def wait(self, timeout_s: float, after: int) -> None:
        """As `Store.wait`: at once where this process writes, within 50 ms where another does."""
        try:
            self._news.wait(timeout_s, after)
        except FAILURES as error:
            raise understood(error, self._place) from None

    def on(self, connection: Any) -> HostedStore:
        """As `Store.on`, for a `sqlite3.Connection` to the same file.

        Raises:
            StoreError: it is no such connection, or is to another file.
        """
        return HostedStore(connection, self._policy, self._place)

    @contextmanager
    def snapshot(self) -> Iterator[HostedStore]:
        """The store as it is at one moment, for reading only; it holds up no writer."""
        with self._readers.lend() as connection:
            connection.execute("BEGIN")
            try:
                yield self.on(connection)
            finally:
                undo(connection)

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the file, its settings and its tables; the whole file is read."""
        with self._reading() as connection:
            is_full, is_writable = self._place.durability == "full", self._place.is_writable()
            return tuple(problems(connection, self._policy, is_full=is_full, is_writable=is_writable))

    def shrink(self) -> int:
        """Give free room back to the disk, while writers wait; how many bytes."""
        return shrink(self._place)

    def close(self) -> None:
        """As `Store.close`; again does nothing."""
        self._writer.close()
        self._news.close()
        self._readers.close()

    def hold(self, timeout_s: float) -> bool:
        """Before a fork: have nothing open, and do nothing until `go_on`; False where something stays in use."""
        self._is_held = self._writer.hold(timeout_s)
        is_idle = self._readers.hold(timeout_s)
        self._news.hold()
        return self._is_held and is_idle

    def go_on(self) -> None:
        """After a fork, in the parent."""
        self._readers.go_on()
        self._news.go_on()
        if self._is_held:
            self._writer.go_on()

    def renew(self, *, whole: bool) -> None:
        """After a fork, in the child: the store is opened anew, or is closed where its files were in use."""
        self._writer.renew(whole=whole)
        self._readers.renew(whole=whole)
        self._news.renew(whole=whole)

    def _task(self, task: Callable[[Connection], A]) -> A:
        piece: Piece[A] = Piece(task=task)
        self._writer.do((piece,))
        return piece.result()

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._readers.lend()
