# ruff: noqa: S608
"""The SQL of the store. Every value is bound; what is formatted in are our own names."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from runengine.stores.columns import COLUMNS
from runengine.stores.records import RunQuery
from runengine.stores.schema.checks import LIVE
from runengine.stores.schema.parts import listed
from runengine.stores.schema.tables import HISTORY, KEYS, RUNS, SCHEMA, WAITING

__all__ = [
    "ACTIVE",
    "APPEND",
    "BEGIN",
    "CLAIM",
    "COMPACTABLE",
    "CUT",
    "CUT_TO",
    "DEQUEUE",
    "DUE",
    "ENQUEUE",
    "FEED",
    "FIRST_WAITING",
    "FORGET",
    "FORGETTABLE",
    "FORGET_HISTORY",
    "FORGET_KEYS",
    "GET_KEY",
    "HEAD",
    "INSERT",
    "KEEP",
    "KEPT_KEYS",
    "MADE",
    "NEXT_DEADLINE",
    "NOW",
    "OF_RUN",
    "PENDING",
    "PENDING_LIKE",
    "RESERVE",
    "RESTORE_KEY",
    "ROW",
    "TABLES",
    "TWIN",
    "VERSION",
    "WAITING_ALL",
    "WAITING_OF",
    "runs",
    "update",
]

_NAMES: Final = tuple(column.name for column in COLUMNS)
_RUN: Final = ", ".join(_NAMES)
_ENTRY: Final = "run_id, seq, kind, name, at_us, status, data, worker, fence"
_KEY: Final = "key, run_id, event, digest, seq, at_us, record"
_WAIT: Final = "run_id, thread_id, at_us, request, digest, first"
_BORN_IN_ORDER: Final = "ORDER BY first DESC, number"

# that of the file's machine, to the millisecond that SQLite knows it by
NOW: Final = "SELECT CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000"

BEGIN: Final = "BEGIN IMMEDIATE"
VERSION: Final = "PRAGMA data_version"
RESERVE: Final = f"DELETE FROM {SCHEMA} WHERE 0"
"""Writes nothing, and takes the lock of a writer for a transaction that began without it."""

TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table'"
MADE: Final = f"SELECT name, value FROM {SCHEMA}"

ROW: Final = f"SELECT {_RUN} FROM {RUNS} WHERE id = ?"
ACTIVE: Final = f"SELECT {_RUN} FROM {RUNS} WHERE thread_id = ? AND status IN ({listed(LIVE)})"
CLAIM: Final = f"SELECT {_RUN} FROM {RUNS} WHERE claimable_us <= ? ORDER BY claimable_us, id LIMIT 1"
TWIN: Final = f"SELECT {_RUN} FROM {RUNS} WHERE thread_id = ? AND digest = ? ORDER BY created_at DESC, id DESC LIMIT 1"
GET_KEY: Final = f"SELECT {_KEY} FROM {KEYS} WHERE key = ?"
PENDING: Final = f"SELECT {_WAIT} FROM {WAITING} WHERE run_id = ?"
PENDING_LIKE: Final = f"SELECT {_WAIT} FROM {WAITING} WHERE thread_id = ? AND digest = ? ORDER BY number DESC LIMIT 1"
FIRST_WAITING: Final = f"SELECT {_WAIT} FROM {WAITING} WHERE thread_id = ? {_BORN_IN_ORDER} LIMIT 1"

INSERT: Final = f"INSERT INTO {RUNS} ({_RUN}) VALUES ({', '.join('?' * len(_NAMES))})"
APPEND: Final = f"INSERT INTO {HISTORY} ({_ENTRY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
KEEP: Final = f"INSERT INTO {KEYS} ({_KEY}) VALUES (?, ?, ?, ?, ?, ?, ?)"
RESTORE_KEY: Final = f"INSERT OR REPLACE INTO {KEYS} ({_KEY}) VALUES (?, ?, ?, ?, ?, ?, ?)"
ENQUEUE: Final = f"INSERT INTO {WAITING} ({_WAIT}) VALUES (?, ?, ?, ?, ?, ?)"
DEQUEUE: Final = f"DELETE FROM {WAITING} WHERE run_id = ?"

OF_RUN: Final = f"SELECT {_ENTRY}, position FROM {HISTORY} WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?"
FEED: Final = f"SELECT {_ENTRY}, position FROM {HISTORY} WHERE position > ? ORDER BY position LIMIT ?"
HEAD: Final = f"SELECT coalesce(max(position), 0) FROM {HISTORY}"
WAITING_ALL: Final = f"SELECT {_WAIT} FROM {WAITING} {_BORN_IN_ORDER} LIMIT ?"
WAITING_OF: Final = f"SELECT {_WAIT} FROM {WAITING} WHERE thread_id = ? {_BORN_IN_ORDER} LIMIT ?"
DUE: Final = f"SELECT id FROM {RUNS} WHERE deadline_us <= coalesce(?, ({NOW})) ORDER BY deadline_us, id LIMIT ?"
NEXT_DEADLINE: Final = (
    f"SELECT deadline_us, id FROM {RUNS} WHERE deadline_us IS NOT NULL ORDER BY deadline_us, id LIMIT 1"
)
KEPT_KEYS: Final = f"SELECT {_KEY} FROM {KEYS} WHERE key > ? ORDER BY key LIMIT ?"

_OLD: Final = "deadline_us IS NULL AND last_us < ?"
COMPACTABLE: Final = (
    f"SELECT id FROM {RUNS} WHERE {_OLD} AND EXISTS (SELECT 1 FROM {HISTORY} WHERE run_id = id AND seq < version) "
    "LIMIT ?"
)
CUT_TO: Final = (
    f"UPDATE {HISTORY} SET kind = 'snapshot', name = 'snapshot', at_us = ?, status = ?, data = ?, worker = NULL, "
    "fence = NULL WHERE run_id = ? AND seq = ?"
)
CUT: Final = f"DELETE FROM {HISTORY} WHERE run_id = ? AND seq < ?"
FORGETTABLE: Final = f"SELECT id FROM {RUNS} WHERE {_OLD} LIMIT ?"
FORGET: Final = f"DELETE FROM {RUNS} WHERE id = ?"
FORGET_HISTORY: Final = f"DELETE FROM {HISTORY} WHERE run_id = ?"
FORGET_KEYS: Final = f"DELETE FROM {KEYS} WHERE key IN (SELECT key FROM {KEYS} WHERE at_us < ? LIMIT ?)"


@lru_cache(maxsize=512)
def update(names: tuple[str, ...]) -> str:
    """The guarded write of the columns that change: what does not change costs no index and no CHECK.

    Values: the columns; of the row before its id, version, status, fence, lease_until_us.

    Example:
        >>> print(update(("version", "last_us")))
        UPDATE runengine_runs SET version = ?, last_us = ? WHERE id = ? AND version = ? AND status = ? AND fence = ? ...
    """
    sets = ", ".join(f"{name} = ?" for name in names)
    guard = "id = ? AND version = ? AND status = ? AND fence = ? AND lease_until_us IS ?"
    return f"UPDATE {RUNS} SET {sets} WHERE {guard}"


def runs(query: RunQuery, mark: tuple[int, str] | None) -> tuple[str, list[Any]]:
    """The statement of a query, and its values.

    Args:
        query: Which runs.
        mark: created_at and id of the run after which to begin.

    Example:
        >>> runs(RunQuery(thread_id="t", limit=5), (9, "r"))[1]
        ['t', 9, 'r', 5]
    """
    where: list[str] = []
    values: list[Any] = []
    for condition, value in (
        ("thread_id = ?", query.thread_id),
        ("created_at >= ?", query.created_from),
        ("created_at < ?", query.created_until),
    ):
        if value is not None:
            where.append(condition)
            values.append(value)
    if query.statuses:
        where.append(f"status IN ({', '.join('?' * len(query.statuses))})")
        values += query.statuses
    if mark is not None:
        where.append(f"(created_at, id) {'<' if query.newest_first else '>'} (?, ?)")
        values += mark
    found = f" WHERE {' AND '.join(where)}" if where else ""
    way = " DESC" if query.newest_first else ""
    return f"SELECT {_RUN} FROM {RUNS}{found} ORDER BY created_at{way}, id{way} LIMIT ?", [*values, query.limit]
