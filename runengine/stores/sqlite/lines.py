"""Facts read, and commits written, on one connection and inside its write transaction."""

from __future__ import annotations

from typing import Any, Final

from attrs import fields

from runengine.core import RunObject
from runengine.dialects import encode, write_run
from runengine.errors import RunExists, StoreError
from runengine.stores.columns import (
    COLUMNS,
    KEPT,
    SHAPED,
    body_of,
    entry_values,
    key_of,
    key_values,
    row_of,
    row_values,
    waiting_of,
    waiting_values,
)
from runengine.stores.records import Commit, Facts, Row, Step, Waiting, Wants
from runengine.stores.sqlite import statements as sql
from runengine.stores.sqlite.driver import FAILURES, Conflict, Connection, is_refused_twin

__all__ = ["ROWS_MAX", "Rows", "append", "facts_of", "write"]

ROWS_MAX: Final = 4096

_COLUMNS: Final = frozenset(column.name for column in COLUMNS)
_STAMPS: Final = ("status", *(c.name for c in SHAPED if c.kind == "integer" and c.name != "created_at"))
_PARTS: Final = tuple(column.name for column in SHAPED if column.kind == "json")
_BODY: Final = tuple(a.name for a in fields(RunObject) if a.name not in _COLUMNS)
_KEPT: Final = tuple(column.name for column in KEPT if column.name != "version")


class Rows:
    """Rows by id as they are in the file: those of this transaction, and of earlier ones as long as nobody else writes.

    Args:
        limit: How many to keep from one transaction to the next.

    Example:
        >>> rows = Rows(2)
        >>> rows.begin(1)
        >>> rows.get("r") is None
        True
    """

    def __init__(self, limit: int = ROWS_MAX) -> None:
        self._limit = limit
        self._version: int | None = None
        self._kept: dict[str, Row] = {}
        self._fresh: dict[str, Row] = {}
        self.entries: list[tuple[Any, ...]] = []

    def begin(self, version: int) -> None:
        """A write transaction begins; the version is SQLite's, and stays the same until another connection writes."""
        if version != self._version:
            self._kept.clear()
            self._version = version
        self._fresh.clear()
        self.entries.clear()

    def get(self, run_id: str) -> Row | None:
        """The row, if it is known."""
        row = self._fresh.get(run_id)
        if row is None:
            row = self._kept.get(run_id)
            if row is not None:
                self._fresh[run_id] = row
        return row

    def put(self, row: Row) -> None:
        """What was read or written just now."""
        self._fresh[row.run.id] = row

    def settle(self) -> None:
        """The transaction is committed: what it saw and wrote is what the file has."""
        kept = self._kept
        for run_id, row in self._fresh.items():
            kept.pop(run_id, None)
            kept[run_id] = row
        while len(kept) > self._limit:
            del kept[next(iter(kept))]
        self._fresh.clear()

    def clear(self) -> None:
        """Nothing is known."""
        self._kept.clear()
        self._fresh.clear()
        self.entries.clear()


def facts_of(connection: Connection, wants: Wants, rows: Rows) -> Facts:
    """Read what a plan wants.

    Example:
        >>> import sqlite3
        >>> facts_of(sqlite3.connect(":memory:"), Wants(at_us=5), Rows())
        Facts(row=None, active=None, twin=None, key=None, waiting=None, pending=None, now_us=None)
    """
    at_us, now_us = wants.at_us, None
    if at_us is None:
        at_us = now_us = connection.execute(sql.NOW).fetchone()[0]
    row = active = twin = pending = waiting = None
    thread_id = wants.thread_id
    if wants.claim:
        row = _row(connection, rows, sql.CLAIM, at_us)
    elif wants.run_id is not None:
        row = rows.get(wants.run_id) or _row(connection, rows, sql.ROW, wants.run_id)
        if row is None:
            pending = _waiting(connection, sql.PENDING, wants.run_id)
            if pending is not None and thread_id is None:
                thread_id = pending.thread_id
    if thread_id is not None:
        active = _row(connection, rows, sql.ACTIVE, thread_id)
    if wants.digest is not None and thread_id is not None:
        twin = _row(connection, rows, sql.TWIN, thread_id, wants.digest)
        if pending is None:
            pending = _waiting(connection, sql.PENDING_LIKE, thread_id, wants.digest)
    behind = active if row is None else row
    if behind is not None and behind.waiting:
        waiting = _waiting(connection, sql.FIRST_WAITING, behind.run.thread_id)
    key = None if wants.key is None else connection.execute(sql.GET_KEY, (wants.key,)).fetchone()
    return Facts(
        row=row,
        active=active,
        twin=twin,
        key=None if key is None else key_of(key),
        waiting=waiting,
        pending=pending,
        now_us=now_us,
    )


def write(connection: Connection, commit: Commit, rows: Rows) -> None:
    """Write a commit, in its order, but for its history, which `append` writes; the caller rolls back where it raises.

    Raises:
        Conflict: a row is not what the plan saw, or is there already.

    Example:
        >>> import sqlite3
        >>> write(sqlite3.connect(":memory:"), Commit(steps=()), Rows())
    """
    for step in commit.steps:
        if step.before is None:
            _insert(connection, step.after)
        else:
            _update(connection, step, step.before)
        if step.entry is not None:
            rows.entries.append(entry_values(step.entry))
        rows.put(step.after)
    if commit.key is not None:
        _unique(connection, sql.KEEP, key_values(commit.key), commit.key.run_id, f"answer under {commit.key.key!r}")
    if commit.dequeue is not None and connection.execute(sql.DEQUEUE, (commit.dequeue,)).rowcount != 1:
        raise Conflict(StoreError(f"{commit.dequeue}: no such create waits"))
    if commit.enqueue is not None:
        _unique(connection, sql.ENQUEUE, waiting_values(commit.enqueue), commit.enqueue.run_id, "create that waits")


def append(connection: Connection, rows: Rows) -> None:
    """Write the history of all commits of a transaction at once: a statement for each costs a third of a step.

    Raises:
        Conflict: an entry of that number is there already.

    Example:
        >>> import sqlite3
        >>> append(sqlite3.connect(":memory:"), Rows())
    """
    if rows.entries:
        try:
            connection.executemany(sql.APPEND, rows.entries)
        except FAILURES as error:
            if not is_refused_twin(error):
                raise
            raise Conflict(StoreError("there is a history entry of this number already")) from None
        rows.entries.clear()


def _row(connection: Connection, rows: Rows, statement: str, *values: Any) -> Row | None:
    found = connection.execute(statement, values).fetchone()
    if found is None:
        return None
    row = rows.get(found[0])
    if row is None:
        row = row_of(found)
        rows.put(row)
    return row


def _waiting(connection: Connection, statement: str, *values: Any) -> Waiting | None:
    found = connection.execute(statement, values).fetchone()
    return None if found is None else waiting_of(found)


def _insert(connection: Connection, row: Row) -> None:
    try:
        connection.execute(sql.INSERT, (*row_values(row), body_of(row.run)))
    except FAILURES as error:
        if not is_refused_twin(error):
            raise
        taken = connection.execute(sql.ROW, (row.run.id,)).fetchone() is not None
        run = f"{row.run.id}: the thread {row.run.thread_id} has a run that has not ended"
        raise Conflict(RunExists(row.run.id) if taken else StoreError(run)) from None


def _update(connection: Connection, step: Step, before: Row) -> None:
    names, values = _changes(before, step.after)
    run = before.run
    guard = (run.id, before.version, run.status, before.fence, before.lease_until_us)
    if connection.execute(sql.update(tuple(names)), (*values, *guard)).rowcount != 1:
        raise Conflict(StoreError(f"{run.id}: it is not what was seen, version {before.version} as {run.status}"))


def _changes(before: Row, after: Row) -> tuple[list[str], list[Any]]:
    """The columns to write, and their values. The version is always among them, so there is always one."""
    names: list[str] = ["version"]
    values: list[Any] = [after.version]
    old, new = vars(before.run), vars(after.run)
    if new is not old:
        for name in _STAMPS:
            value = new[name]
            if value is not old[name] and value != old[name]:
                names.append(name)
                values.append(value)
        for name in _PARTS:
            value = new[name]
            if value is not old[name]:
                names.append(name)
                values.append(None if value is None else encode(write_run(after.run)[name]).decode())
        if any(new[name] is not old[name] for name in _BODY):
            names.append("body")
            values.append(body_of(after.run))
    for name in _KEPT:
        value = getattr(after, name)
        if value != getattr(before, name):
            names.append(name)
            values.append(value)
    return names, values


def _unique(connection: Connection, statement: str, values: tuple[Any, ...], run_id: str, what: str) -> None:
    try:
        connection.execute(statement, values)
    except FAILURES as error:
        if not is_refused_twin(error):
            raise
        raise Conflict(StoreError(f"{run_id}: there is an {what} already")) from None
