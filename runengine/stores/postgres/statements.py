# ruff: noqa: S608
"""The SQL of the store. Every value is bound; what is formatted in are our own names.

All values are sent as text and cast where PostgreSQL cannot tell, so that each statement is prepared once and not once
for every mixture of null and number sizes.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from runengine.core import STATUSES, TERMINAL
from runengine.stores.columns import COLUMNS
from runengine.stores.records import RunQuery

__all__ = [
    "ABSENT",
    "ACTIVE",
    "BEGIN",
    "CHECK_FEED",
    "COMMIT",
    "COMPACT",
    "COPY_HISTORY",
    "COPY_RUNS",
    "COPY_WAITING",
    "CUT",
    "DEQUEUE",
    "DUE",
    "ENQUEUE",
    "FEED",
    "FORGET",
    "FORGET_KEYS",
    "GIVEN",
    "HEAD",
    "HISTORY",
    "HOSTED_BEGIN",
    "HOSTED_COMMIT",
    "HOSTED_ROLLBACK",
    "KEEP",
    "KEYS",
    "LISTEN",
    "LOCK",
    "MADE",
    "MOVE_ALL",
    "MUST_BE_ON",
    "NEXT_DEADLINE",
    "RENUMBER",
    "RESTORE_KEY",
    "ROLLBACK",
    "ROW",
    "SETTINGS",
    "TAKEN",
    "TRIGGERS_WORKING",
    "WAITING",
    "XID",
    "facts",
    "insert",
    "runs",
    "update",
]

LIVE: Final = ", ".join(f"'{status}'" for status in STATUSES if status not in TERMINAL)
ENDED: Final = ", ".join(f"'{status}'" for status in STATUSES if status in TERMINAL)

NAMES: Final = tuple(column.name for column in COLUMNS)
RUN: Final = ", ".join(NAMES)
ENTRY: Final = "run_id, seq, kind, name, at_us, status, data, worker, fence"
KEY: Final = "key, run_id, event, digest, seq, at_us, record"
WAIT: Final = "run_id, thread_id, at_us, request, digest, first"

_NEVER_CHANGE: Final = ("id", "thread_id", "created_at")
_INTEGERS: Final = frozenset(column.name for column in COLUMNS if column.kind == "integer")
_XID: Final = "pg_current_xact_id()::text::bigint"
_CLOCK: Final = "(SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us) AS clock"
_NOW: Final = "(extract(epoch FROM statement_timestamp()) * 1000000)::bigint"
_ENTRY_VALUES: Final = "%s, %s::bigint, %s, %s, %s::bigint, %s, %s, %s, %s::bigint"
_KEY_VALUES: Final = "%s, %s, %s, %s, %s::bigint, %s::bigint, %s"

BEGIN: Final = b"BEGIN"
COMMIT: Final = b"COMMIT"
ROLLBACK: Final = b"ROLLBACK"
HOSTED_BEGIN: Final = b"SAVEPOINT runengine"
HOSTED_COMMIT: Final = b"RELEASE SAVEPOINT runengine"
HOSTED_ROLLBACK: Final = b"ROLLBACK TO SAVEPOINT runengine"
LISTEN: Final = b"LISTEN runengine"


def _of(alias: str, names: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in names.split(", "))


def _one(alias: str, inner: str) -> str:
    return f"LEFT JOIN LATERAL ({inner}) AS {alias} ON true"


@cache
def facts(*, row: str | None, thread: bool, digest: bool, key: bool, pending: bool) -> tuple[bytes, tuple[str, ...]]:
    """The statement that reads what a plan wants, and the names of what it returns one after another.

    Args:
        row: "id" for a run by its id, "claim" for the one to claim, which is locked.
        thread: Whether the thread's active run is wanted.
        digest: Whether a run or a waiting create of the same request is wanted.
        key: Whether the answer under a key is wanted.
        pending: Whether a waiting create is wanted, by `row` or by the digest, and with it its thread's active run.

    Example:
        >>> facts(row="id", thread=False, digest=False, key=True, pending=False)[1]
        ('row', 'key', 'waiting')
    """
    first, joins, found = "", [], []
    if row == "claim":
        first = f"""WITH r AS MATERIALIZED (SELECT {RUN} FROM runengine_runs
  WHERE claimable_us <= coalesce(%(at)s::bigint, {_NOW})
  ORDER BY claimable_us LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
"""
        joins.append("LEFT JOIN r ON true")
    elif row == "id":
        joins.append("LEFT JOIN runengine_runs r ON r.id = %(run)s")
    if digest:
        joins.append(
            _one(
                "t",
                f"SELECT {RUN} FROM runengine_runs WHERE thread_id = %(thread)s AND digest = %(digest)s "
                "ORDER BY created_at DESC, id DESC LIMIT 1",
            )
        )
    if pending:
        by_id, by_body = "run_id = %(run)s", "thread_id = %(thread)s AND digest = %(digest)s"
        which = " OR ".join(([by_id] if row == "id" else []) + ([by_body] if digest else []))
        order = f"({by_id}) DESC, number DESC" if row == "id" else "number DESC"
        joins.append(_one("p", f"SELECT {WAIT} FROM runengine_waiting WHERE {which} ORDER BY {order} LIMIT 1"))
    if thread or pending:
        whose = {(True, True): "coalesce(%(thread)s, p.thread_id)", (True, False): "%(thread)s"}
        on = f"a.thread_id = {whose.get((thread, pending), 'p.thread_id')} AND a.status IN ({LIVE})"
        joins.append(f"LEFT JOIN runengine_runs a ON {on}")
    if key:
        joins.append("LEFT JOIN runengine_keys k ON k.key = %(key)s")
    joins.append(
        _one(
            "w",
            f"SELECT {WAIT} FROM runengine_waiting WHERE thread_id = {_behind(row, thread or pending)} "
            "ORDER BY first DESC, number LIMIT 1",
        )
    )
    parts = (
        ("row", "r", RUN, row is not None),
        ("active", "a", RUN, thread or pending),
        ("twin", "t", RUN, digest),
        ("key", "k", KEY, key),
        ("waiting", "w", WAIT, True),
        ("pending", "p", WAIT, pending),
    )
    found = [part for part in parts if part[3]]
    columns = ", ".join(("clock.us", *(_of(alias, names) for _, alias, names, _ in found)))
    sql = "\n".join((f"{first}SELECT {columns}", f"FROM {_CLOCK}", *joins))
    return sql.encode(), tuple(name for name, _, _, _ in found)


def _behind(row: str | None, active: bool) -> str:
    """Whose thread's first waiting create is wanted: that of the row, else of the active run, if any waits there."""
    of_row = "WHEN r.waiting > 0 THEN r.thread_id WHEN r.id IS NOT NULL THEN NULL" if row is not None else ""
    of_active = "WHEN a.waiting > 0 THEN a.thread_id" if active else ""
    return f"CASE {of_row} {of_active} END"


@cache
def update(*, body: bool, entry: bool, key: bool) -> bytes:
    """The guarded write of a run that is there, with its history entry and the key: all of it or nothing.

    Values: every column but id, thread_id, created_at and body; the body; of the row before its id, version, status,
    fence, lease_until_us, last_us; the entry; the key; the time from which to notify.

    Example:
        >>> update(body=False, entry=True, key=False).count(b"%s")
        38
    """
    changing = [name for name in NAMES if name not in _NEVER_CHANGE and (body or name != "body")]
    sets = [f"{name} = %s{'::bigint' if name in _INTEGERS else ''}" for name in changing]
    if entry:
        sets.append(f"feed_key = greatest(feed_key, {_XID})")
    write = f"""UPDATE runengine_runs SET {", ".join(sets)}
  WHERE id = %s AND version = %s::bigint AND status = %s AND fence = %s::bigint
    AND lease_until_us IS NOT DISTINCT FROM %s::bigint AND last_us = %s::bigint"""
    return _written(write, entry, key)


@cache
def insert(*, entry: bool, key: bool) -> bytes:
    """The write of a new run, with its history entry and the key; no line comes back where it meets another.

    Values: every column; the entry; the key; the time from which to notify.

    Example:
        >>> insert(entry=True, key=True).count(b"%s") == len(COLUMNS) + 9 + 7 + 1
        True
    """
    values = ", ".join(f"%s{'::bigint' if name in _INTEGERS else ''}" for name in NAMES)
    write = f"INSERT INTO runengine_runs ({RUN}, feed_key) VALUES ({values}, {_XID})\n  ON CONFLICT DO NOTHING"
    return _written(write, entry, key)


def _written(write: str, entry: bool, key: bool) -> bytes:
    parts = [f"changed AS (\n  {write}\n  RETURNING feed_key)"]
    if entry:
        into = f"INSERT INTO runengine_history ({ENTRY}, feed_key)"
        parts.append(f"entry AS (\n  {into}\n  SELECT {_ENTRY_VALUES}, feed_key FROM changed)")
    if key:
        parts.append(f"kept AS (\n  INSERT INTO runengine_keys ({KEY})\n  SELECT {_KEY_VALUES} FROM changed)")
    notify = "CASE WHEN clock.us >= %s::bigint THEN pg_notify('runengine', '')::text END"
    return f"WITH {', '.join(parts)}\nSELECT clock.us, {notify} FROM changed, {_CLOCK}".encode()


_GUARD: Final = ("version", "status", "fence", "lease_until_us", "last_us")
_TYPES: Final = {name: "bigint" if name in _INTEGERS else "text" for name in NAMES}
_MOVED: Final = tuple(name for name in NAMES if name not in _NEVER_CHANGE and name != "body")
_ENTERED: Final = tuple(name for name in ENTRY.split(", ") if name != "run_id")
_ENTRY_TYPES: Final = {name: "bigint" if name in ("seq", "at_us", "fence") else "text" for name in _ENTERED}
GIVEN: Final = {
    **{name: _TYPES[name] for name in _MOVED},
    "id": "text",
    **{f"was_{name}": _TYPES[name] for name in _GUARD},
    **{f"entry_{name}": kind for name, kind in _ENTRY_TYPES.items()},
}
"""What `MOVE_ALL` is given of each run, one JSON object each, and its type: every column but id, thread_id, created_at
and body; of the row before its id, version, status, fence, lease_until_us, last_us; the entry without its run."""


def _same(row: str) -> str:
    tests = (f"{row}.{name} IS NOT DISTINCT FROM given.was_{name}" for name in _GUARD if name == "lease_until_us")
    return " AND ".join((*(f"{row}.{name} = given.was_{name}" for name in _GUARD if name != "lease_until_us"), *tests))


MOVE_ALL: Final = f"""WITH given AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%s::json) AS given ({", ".join(f"{name} {kind}" for name, kind in GIVEN.items())})),
free AS MATERIALIZED (
  SELECT r.id FROM given JOIN runengine_runs r ON r.id = given.id
  WHERE {_same("r")}
  FOR NO KEY UPDATE OF r SKIP LOCKED),
moved AS (
  UPDATE runengine_runs r SET {", ".join(f"{name} = given.{name}" for name in _MOVED)},
    feed_key = CASE WHEN given.entry_seq IS NULL THEN r.feed_key ELSE greatest(r.feed_key, {_XID}) END
  FROM given JOIN free ON free.id = given.id
  WHERE r.id = given.id AND {_same("r")}
  RETURNING r.id, r.feed_key),
entry AS (
  INSERT INTO runengine_history ({ENTRY}, feed_key)
  SELECT given.id, {", ".join(f"given.entry_{name}" for name in _ENTERED)}, moved.feed_key
  FROM given JOIN moved ON moved.id = given.id WHERE given.entry_seq IS NOT NULL),
clock AS MATERIALIZED (
  SELECT us, CASE WHEN us >= %s::bigint THEN pg_notify('runengine', '')::text END AS told FROM {_CLOCK})
SELECT clock.us, clock.told, moved.id FROM moved, clock""".encode()
"""The guarded writes of several runs that are there, with their history entries: those whose lines come back.

A row that another transaction holds is left out: whoever wants that one waits for it alone.
"""

KEEP: Final = f"INSERT INTO runengine_keys ({KEY}) VALUES ({_KEY_VALUES}) RETURNING 1".encode()
ENQUEUE: Final = f"""INSERT INTO runengine_waiting ({WAIT})
VALUES (%s, %s, %s::bigint, %s, %s, %s::bigint) RETURNING 1""".encode()
DEQUEUE: Final = b"DELETE FROM runengine_waiting WHERE run_id = %s RETURNING 1"

ROW: Final = f"SELECT {RUN} FROM runengine_runs WHERE id = %s".encode()
HISTORY: Final = f"""SELECT {ENTRY}, feed_key, serial FROM runengine_history
WHERE run_id = %s AND seq > %s::bigint ORDER BY seq LIMIT %s::bigint""".encode()
FEED: Final = f"""SELECT {ENTRY}, feed_key, serial FROM runengine_history
WHERE (feed_key, serial) > (%s::bigint, %s::bigint)
  AND feed_key < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY feed_key, serial LIMIT %s::bigint""".encode()
HEAD: Final = f"""SELECT {ENTRY}, feed_key, serial FROM runengine_history
WHERE feed_key < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY feed_key DESC, serial DESC LIMIT 1""".encode()
WAITING: Final = f"""SELECT {WAIT} FROM runengine_waiting
WHERE %s::text IS NULL OR thread_id = %s ORDER BY first DESC, number LIMIT %s::bigint""".encode()
DUE: Final = f"""SELECT deadline_us, id FROM runengine_runs
WHERE deadline_us <= coalesce(%s::bigint, {_NOW}) ORDER BY deadline_us LIMIT %s::bigint""".encode()
NEXT_DEADLINE: Final = b"""SELECT deadline_us, id FROM runengine_runs
WHERE deadline_us IS NOT NULL ORDER BY deadline_us LIMIT 1"""
KEYS: Final = f"SELECT {KEY} FROM runengine_keys WHERE key > %s ORDER BY key LIMIT %s::bigint".encode()


def runs(query: RunQuery) -> tuple[bytes, list[str | list[str]]]:
    """The statement of a list, and its values.

    Example:
        >>> print(runs(RunQuery(thread_id="t", limit=5))[0].decode().partition("FROM ")[2])
        runengine_runs WHERE thread_id = %s
        ORDER BY created_at DESC, id DESC LIMIT %s::bigint
    """
    order, less = ("DESC", "<") if query.newest_first else ("ASC", ">")
    marked = f"(created_at, id) {less} (SELECT created_at, id FROM runengine_runs WHERE id = %s)"
    wanted: tuple[tuple[str, str | list[str] | None], ...] = (
        ("thread_id = %s", query.thread_id),
        ("status = ANY(%s)", list(query.statuses) or None),
        ("created_at >= %s::bigint", None if query.created_from is None else str(query.created_from)),
        ("created_at < %s::bigint", None if query.created_until is None else str(query.created_until)),
        (marked, query.after),
    )
    given = [(sql, value) for sql, value in wanted if value is not None]
    where = " AND ".join(sql for sql, _ in given)
    sql = f"""SELECT {RUN} FROM runengine_runs{" WHERE " if where else ""}{where}
ORDER BY created_at {order}, id {order} LIMIT %s::bigint"""
    return sql.encode(), [*(value for _, value in given), str(query.limit)]


ABSENT: Final = b"""SELECT NOT EXISTS (
  SELECT FROM pg_class WHERE relname = 'runengine_schema' AND relkind = 'r' AND pg_table_is_visible(oid))"""
"""Unlike `to_regclass`, it sees what was made while this transaction waited for a lock."""
MADE: Final = b"SELECT name, value FROM runengine_schema"
LOCK: Final = b"SELECT pg_advisory_xact_lock(8246197420266133349)"
"""Held while tables are made or changed; the number means nothing, it is only ours."""
MUST_BE_ON: Final = ("synchronous_commit", "fsync", "full_page_writes")
SETTINGS: Final = f"""SELECT name, setting FROM pg_settings
WHERE name IN ('server_version', {", ".join(f"'{name}'" for name in MUST_BE_ON)}) ORDER BY name""".encode()
TRIGGERS_WORKING: Final = b"""SELECT coalesce(array_agg(tgname::text), '{}') FROM pg_trigger
WHERE tgrelid = to_regclass('runengine_runs') AND tgenabled IN ('O', 'A') AND tgname = ANY(%s)"""
COMPACT: Final = f"""SELECT {RUN} FROM runengine_runs r
WHERE status IN ({ENDED}) AND last_us < %s::bigint
  AND EXISTS (SELECT FROM runengine_history h WHERE h.run_id = r.id AND h.seq < r.version)
ORDER BY created_at, id LIMIT %s::bigint FOR NO KEY UPDATE SKIP LOCKED""".encode()
CUT: Final = b"""WITH given AS (
  SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[]) AS given (run_id, seq, data)),
cut AS (DELETE FROM runengine_history h USING given WHERE h.run_id = given.run_id AND h.seq < given.seq)
UPDATE runengine_history h SET kind = 'snapshot', name = 'snapshot', data = given.data, worker = NULL, fence = NULL
FROM given WHERE h.run_id = given.run_id AND h.seq = given.seq RETURNING 1"""
FORGET: Final = f"""WITH old AS (SELECT id FROM runengine_runs
  WHERE status IN ({ENDED}) AND last_us < %s::bigint
  ORDER BY created_at, id LIMIT %s::bigint FOR UPDATE SKIP LOCKED)
DELETE FROM runengine_runs r USING old WHERE r.id = old.id RETURNING 1""".encode()
FORGET_KEYS: Final = b"DELETE FROM runengine_keys WHERE at_us < %s::bigint"

XID: Final = f"SELECT {_XID}".encode()
TAKEN: Final = b"""SELECT id FROM runengine_runs WHERE id = ANY(%(ids)s)
UNION ALL SELECT run_id FROM runengine_waiting WHERE run_id = ANY(%(ids)s)"""
ACTIVE: Final = f"""SELECT thread_id, id FROM runengine_runs
WHERE thread_id = ANY(%(threads)s) AND status IN ({LIVE})""".encode()
COPY_RUNS: Final = f"COPY runengine_runs ({RUN}, feed_key) FROM STDIN".encode()
COPY_HISTORY: Final = f"COPY runengine_history ({ENTRY}, feed_key) FROM STDIN".encode()
COPY_WAITING: Final = f"COPY runengine_waiting ({WAIT}) FROM STDIN".encode()
RESTORE_KEY: Final = f"""INSERT INTO runengine_keys ({KEY}) VALUES ({_KEY_VALUES})
ON CONFLICT (key) DO UPDATE SET (run_id, event, digest, seq, at_us, record)
  = (excluded.run_id, excluded.event, excluded.digest, excluded.seq, excluded.at_us, excluded.record)""".encode()

CHECK_FEED: Final = b"""SELECT (SELECT max(feed_key) FROM runengine_history),
  pg_snapshot_xmax(pg_current_snapshot())::text::bigint, pg_snapshot_xmin(pg_current_snapshot())::text::bigint"""
RENUMBER: Final = (
    b"LOCK TABLE runengine_runs, runengine_history IN SHARE ROW EXCLUSIVE MODE",
    b"UPDATE runengine_history SET feed_key = 0",
    b"UPDATE runengine_runs SET feed_key = 0",
)
"""Within a run the serial rises as the seq does, since whoever writes has locked the run: its order stays."""
