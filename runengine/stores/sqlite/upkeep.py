"""Retention and restore: what is done to many runs, in tasks of the writer, a slice at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, TypeVar

from runengine.core import Policy
from runengine.dialects import encode
from runengine.errors import RunExists, StoreError, ThreadBusy
from runengine.stores.columns import body_of, entry_values, key_values, row_of, row_values, waiting_values
from runengine.stores.memory import snapshot_of
from runengine.stores.records import Key, Life, Row, Waiting
from runengine.stores.schema import birth_statements, drop_birth_statements
from runengine.stores.sqlite import statements as sql
from runengine.stores.sqlite.driver import FAILURES, Connection, is_refused_twin
from runengine.stores.sqlite.reading import Reading

__all__ = ["Upkeep"]

A = TypeVar("A")

_SLICE: Final = 100
"""Runs that are done in one transaction, so that others can write in between."""


class Upkeep(Reading):
    """The half of a store that is not asked by plans.

    Example:
        >>> sorted(Upkeep.__abstractmethods__)
        ['_reading', '_task']
    """

    _policy: Policy

    @abstractmethod
    def _task(self, task: Callable[[Connection], A]) -> A:
        """Do something in a write transaction, all or nothing."""

    def compact(self, before_us: int, limit: int = 1000) -> int:
        """As `Store.compact`."""
        return self._each(sql.COMPACTABLE, before_us, limit, _cut)

    def forget(self, before_us: int, limit: int = 1000) -> int:
        """As `Store.forget`."""
        while self._task(lambda connection: connection.execute(sql.FORGET_KEYS, (before_us, limit)).rowcount) == limit:
            pass
        return self._each(sql.FORGETTABLE, before_us, limit, _forget)

    def restore(self, lives: Iterable[Life], waiting: Iterable[Waiting] = (), keys: Iterable[Key] = ()) -> None:
        """As `Store.restore`; what is taken in gets new positions in the feed.

        Raises:
            RunExists: a run of that id is there, or waits.
            ThreadBusy: its thread has another run that has not ended.
            StoreError: it is none that the engine could have made.
        """

        def take_in(connection: Connection) -> None:
            for statement in drop_birth_statements("sqlite"):
                connection.execute(statement)
            for life in lives:
                _see_free(connection, life.row.run.id)
                _bear(connection, life.row)
                connection.executemany(sql.APPEND, (entry_values(entry) for entry in life.entries))
            for create in waiting:
                _see_free(connection, create.run_id)
                connection.execute(sql.ENQUEUE, waiting_values(create))
            connection.executemany(sql.RESTORE_KEY, (key_values(key) for key in keys))
            for statement in birth_statements("sqlite", self._policy):
                connection.execute(statement)

        self._task(take_in)

    def _each(self, found: str, before_us: int, limit: int, do: Callable[[Connection, str], bool]) -> int:
        """Do something to runs in slices; they are looked for before, on a connection that holds up no writer."""
        ids = [run_id for (run_id,) in self._ask(found, before_us, limit)]
        done = 0
        for start in range(0, len(ids), _SLICE):
            done += self._task(partial(_each_of, ids[start : start + _SLICE], do))
        return done


def _each_of(ids: Sequence[str], do: Callable[[Connection, str], bool], connection: Connection) -> int:
    return sum(do(connection, run_id) for run_id in ids)


def _cut(connection: Connection, run_id: str) -> bool:
    found = connection.execute(sql.ROW, (run_id,)).fetchone()
    if found is None:
        return False
    row = row_of(found)
    entry = snapshot_of(row)
    data = encode(dict(entry.data)).decode()
    values = (entry.at_us, entry.status, data, run_id, entry.seq)
    if connection.execute(sql.CUT_TO, values).rowcount != 1:  # it lacks its last entry: doctor's business
        return False
    return connection.execute(sql.CUT, (run_id, entry.seq)).rowcount > 0


def _forget(connection: Connection, run_id: str) -> bool:
    connection.execute(sql.FORGET_HISTORY, (run_id,))  # a host's connection may not keep foreign keys
    return connection.execute(sql.FORGET, (run_id,)).rowcount > 0


def _see_free(connection: Connection, run_id: str) -> None:
    for statement in (sql.ROW, sql.PENDING):
        if connection.execute(statement, (run_id,)).fetchone() is not None:
            raise RunExists(run_id)


def _bear(connection: Connection, row: Row) -> None:
    try:
        connection.execute(sql.INSERT, (*row_values(row), body_of(row.run)))
    except FAILURES as error:
        if not is_refused_twin(error):
            raise StoreError(f"{row.run.id}: {error}; nothing was taken in") from None
        active = connection.execute(sql.ACTIVE, (row.run.thread_id,)).fetchone()
        raise ThreadBusy(row.run.thread_id, active[0]) from None
