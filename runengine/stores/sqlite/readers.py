"""Connections that only read, lent to one thread at a time; and waiting for what others write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Final

from runengine.stores.sqlite import statements as sql
from runengine.stores.sqlite.driver import FAILURES, Connection, Place, connect, understood

__all__ = ["News", "Readers"]

_IDLE_MAX: Final = 8
_POLL_S: Final = 0.05


class Readers:
    """Connections that only read.

    Args:
        place: The file.
        identity: Of the file that was opened.

    Example:
        >>> readers = Readers(Place.of("sqlite:///nowhere/runs.db"), None)
        >>> with readers.lend():
        ...     pass
        Traceback (most recent call last):
        runengine.errors.StoreUnavailable: sqlite:///nowhere/runs.db: there is no such folder; make it first
    """

    def __init__(self, place: Place, identity: tuple[int, int] | None) -> None:
        self._place = place
        self._identity = identity
        self._closed = False
        self._idle: list[Connection] = []
        self.renew()

    def renew(self, *, whole: bool = True) -> None:
        """Begin afresh, as the child of a fork must."""
        self._closed = self._closed or not whole
        self._returned = Condition()
        self._lent = 0
        self._held = False

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """A connection, for a moment.

        Raises:
            StoreUnavailable: the file cannot be read, or the store is closed.
        """
        with self._returned:
            while self._held:
                self._returned.wait()
            self._lent += 1
            connection = self._idle.pop() if self._idle else None
        stamp = None
        try:
            if connection is None:  # one that reads without locks is never used again: it sees no change
                stamp = self._place.stamp()
            connection = self.open(connection)
            yield connection
            self._place.check_still(stamp)
        except FAILURES as error:
            raise understood(error, self._place) from None
        finally:
            with self._returned:
                self._lent -= 1
                if self._held:
                    self._returned.notify_all()
                keeps = len(self._idle) < _IDLE_MAX and not self._closed and stamp is None
                if connection is not None and keeps:
                    self._idle.append(connection)
                    connection = None
            if connection is not None:
                connection.close()

    def open(self, connection: Connection | None = None) -> Connection:
        """A connection to the file that was opened, a new one where none is given.

        Raises:
            StoreUnavailable: there is none any more, or another; or the store is closed.
        """
        if self._closed:
            raise self._place.unavailable("the store is closed; open it again")
        self._place.check(self._identity)
        return connection or connect(self._place)

    def hold(self, timeout_s: float) -> bool:
        """Lend nothing, and have nothing open, until `go_on`; False where something is still in use after that time."""
        with self._returned:
            self._held = True
            whole = self._returned.wait_for(lambda: self._lent == 0, timeout_s)
        self._close_idle()
        return whole

    def go_on(self) -> None:
        """Lend again."""
        with self._returned:
            self._held = False
            self._returned.notify_all()

    def close(self) -> None:
        """Lend nothing any more; what is in use is closed when it comes back."""
        self._closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        with self._returned:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


class News:
    """Waiting for entries of the feed: told at once of what this process writes, others' is polled for.

    It knows the file's newest entry, and nothing of those who wait.

    Args:
        open: Opens a connection to look with.

    Example:
        >>> import sqlite3
        >>> connection = sqlite3.connect(":memory:")
        >>> _ = connection.execute("CREATE TABLE runengine_history (position INTEGER PRIMARY KEY)")
        >>> News(lambda: connection).wait(0.01, after=0)
    """

    def __init__(self, open: Callable[[], Connection]) -> None:
        self._open = open
        self._connection: Connection | None = None
        self._closed = False
        self.renew()

    def renew(self, *, whole: bool = True) -> None:
        """Begin afresh, as the child of a fork must."""
        self._closed = self._closed or not whole
        self._changed = Condition()
        self._waiting = 0
        self._held = False
        self._version: int | None = None
        self._head = 0

    def tell(self) -> None:
        """Something was written."""
        if self._waiting:
            with self._changed:
                self._changed.notify_all()

    def wait(self, timeout_s: float, after: int) -> None:
        """Wait until there is an entry with a greater position, or for that time."""
        with self._changed:
            self._waiting += 1  # before it looks: what is committed after that is told
            try:
                while timeout_s > 0 and not self._closed and self._newest() <= after:
                    pause_s = min(timeout_s, _POLL_S)
                    self._changed.wait(pause_s)
                    timeout_s -= pause_s
            finally:
                self._waiting -= 1

    def hold(self) -> None:
        """Have nothing open until `go_on`."""
        with self._changed:
            self._held = True
            self._disconnect()

    def go_on(self) -> None:
        """Look again."""
        with self._changed:
            self._held = False

    def close(self) -> None:
        """Wait for nothing any more."""
        with self._changed:
            self._closed = True
            self._disconnect()
            self._changed.notify_all()

    def _newest(self) -> int:
        if self._held:  # nothing is missed: it is looked for again soon
            return 0
        if self._connection is None:
            self._connection, self._version = self._open(), None
        version = self._connection.execute(sql.VERSION).fetchone()[0]
        if version != self._version:
            self._head = self._connection.execute(sql.HEAD).fetchone()[0]
            self._version = version
        return self._head

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
