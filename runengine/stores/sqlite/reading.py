"""What is read outside of any write: the same statements for the store's own connections and for the host's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from runengine.errors import RunNotFound
from runengine.stores.columns import entry_of, key_of, row_of, waiting_of
from runengine.stores.records import Entry, Key, Row, RunQuery, Waiting
from runengine.stores.sqlite import statements as sql
from runengine.stores.sqlite.driver import Connection

__all__ = ["Reading"]

A = TypeVar("A")


class Reading(ABC):
    """The reading half of a store.

    Example:
        >>> sorted(Reading.__abstractmethods__)
        ['_reading']
    """

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Connection]:
        """A connection to read on; what the driver raises inside is understood."""

    def row(self, run_id: str) -> Row | None:
        """As `Store.row`."""
        found = self._ask(sql.ROW, run_id)
        return row_of(found[0]) if found else None

    def runs(self, query: RunQuery) -> tuple[Row, ...]:
        """As `Store.runs`."""
        mark = None
        if query.after is not None:
            after = self.row(query.after)
            if after is None:
                raise RunNotFound(query.after)
            mark = (after.run.created_at, after.run.id)
        statement, values = sql.runs(query, mark)
        return tuple(row_of(line) for line in self._ask(statement, *values))

    def history(self, run_id: str, after: int = 0, limit: int | None = None) -> tuple[Entry, ...]:
        """As `Store.history`."""
        return tuple(entry_of(line) for line in self._ask(sql.OF_RUN, run_id, after, -1 if limit is None else limit))

    def feed(self, after: int = 0, limit: int = 1000) -> tuple[Entry, ...]:
        """As `Store.feed`."""
        return tuple(entry_of(line) for line in self._ask(sql.FEED, after, limit))

    def head(self) -> int:
        """As `Store.head`."""
        ((head,),) = self._ask(sql.HEAD)
        return int(head)

    def waiting(self, thread_id: str | None = None, limit: int = 1000) -> tuple[Waiting, ...]:
        """As `Store.waiting`."""
        found = self._ask(sql.WAITING_ALL, limit) if thread_id is None else self._ask(sql.WAITING_OF, thread_id, limit)
        return tuple(waiting_of(line) for line in found)

    def due(self, now_us: int | None, limit: int = 1000) -> tuple[str, ...]:
        """As `Store.due`."""
        return tuple(run_id for (run_id,) in self._ask(sql.DUE, now_us, limit))

    def next_deadline(self) -> tuple[int, str] | None:
        """As `Store.next_deadline`."""
        for deadline_us, run_id in self._ask(sql.NEXT_DEADLINE):
            return deadline_us, run_id
        return None

    def keys(self, after: str = "", limit: int = 1000) -> tuple[Key, ...]:
        """As `Store.keys`."""
        return tuple(key_of(line) for line in self._ask(sql.KEPT_KEYS, after, limit))

    def _ask(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._reading() as connection:
            cursor = connection.cursor()
            cursor.row_factory = None
            try:
                return cursor.execute(statement, values).fetchall()
            except UnicodeEncodeError:  # a lone surrogate: what cannot be stored is not there
                return []
