"""A store's database, spoken to in plain SQL behind the engine's back; and lines of the table of runs to put there."""

from __future__ import annotations

import sqlite3
from itertools import count
from typing import Any

import psycopg

from runengine.core import Policy
from runengine.stores.columns import COLUMNS
from runengine.stores.schema import Database, drop_birth_statements, statements
from tests.naive import ENDS

__all__ = ["NAMES", "Line", "RawStore", "line", "shaped"]

Line = dict[str, Any]

NAMES = tuple(column.name for column in COLUMNS)
_numbers = count()


class RawStore:
    """A connection that commits every statement at once.

    Attributes:
        database: Which.
        url: Where.
        connection: The driver's.
    """

    def __init__(self, database: Database, url: str) -> None:
        self.database: Database = database
        self.url = url
        self.connection: Any
        if database == "sqlite":
            self.connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
            self.connection.execute("PRAGMA foreign_keys = ON")
            self.connection.execute("PRAGMA synchronous = OFF")
        else:
            self.connection = psycopg.connect(url, autocommit=True)
            self.connection.execute("SET synchronous_commit = off")

    def make(self, policy: Policy, *, births_only: bool = True) -> None:
        """The tables and all; with `births_only=False` a run may be inserted in the middle of its life."""
        self.run_all(statements(self.database, policy))
        if not births_only:
            self.run_all(drop_birth_statements(self.database))

    def run_all(self, many: tuple[str, ...]) -> None:
        """One statement after the other."""
        for sql in many:
            self.connection.execute(sql)

    def run(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What a statement returns; it has a `?` for each value."""
        if self.database == "postgres":
            cursor = self.connection.execute(sql.replace("?", "%s"), values)
            return [tuple(row) for row in cursor] if cursor.description else []
        return [tuple(row) for row in self.connection.execute(sql, values)]

    def refusal(self, sql: str, *values: object) -> str | None:
        """Why a statement is refused by a rule of the database, or None where it is done."""
        try:
            self.run(sql, *values)
        except (sqlite3.IntegrityError, psycopg.IntegrityError) as error:
            return str(error)
        return None

    def insert(self, row: Line) -> str | None:
        """Insert a run; why it is refused, or None."""
        names = ", ".join(row)
        return self.refusal(f"INSERT INTO runengine_runs ({names}) VALUES ({', '.join('?' * len(row))})", *row.values())

    def update(self, run_id: str, changes: Line) -> str | None:
        """Change a run; why it is refused, or None."""
        pairs = ", ".join(f"{name} = ?" for name in changes)
        return self.refusal(f"UPDATE runengine_runs SET {pairs} WHERE id = ?", *changes.values(), run_id)

    def put(self, row: Line) -> str:
        """Insert a run that is legal; its id."""
        assert self.insert(row) is None
        return str(row["id"])

    def read(self, run_id: str) -> Line:
        """A run as it is there."""
        (values,) = self.run(f"SELECT {', '.join(NAMES)} FROM runengine_runs WHERE id = ?", run_id)
        return dict(zip(NAMES, values, strict=True))


def shaped(status: str, started: bool = True) -> Line:
    """What a status asks of a line: a legal choice of every column that depends on it, by the list of DESIGN §2.3."""
    ended = status in ENDS
    has_started = started or status in ("in_progress", "requires_action", "completed", "incomplete")
    completed = status in ("completed", "incomplete", "expired")
    return {
        "status": status,
        "started_at": 11 if has_started else None,
        "expires_at": None if ended else 600,
        "completed_at": 12 if completed else None,
        "failed_at": 12 if status == "failed" else None,
        "cancelled_at": 12 if status == "cancelled" else None,
        "required_action": "{}" if status == "requires_action" else None,
        "last_error": "{}" if status == "failed" else None,
        "incomplete_details": "{}" if status == "incomplete" else None,
        "usage": None,
        "deadline_us": None if ended else 600_000_000,
        "claimable_us": 10_000_000 if status == "queued" else None,
        "cancel_until_us": 50_000_000 if status == "cancelling" else None,
    }


def line(status: str = "queued", **changes: object) -> Line:
    """A whole line that every database takes once births are not asked for, on a thread of its own."""
    number = next(_numbers)
    rest = {"owner": None, "lease_until_us": None, "waiting": 0, "losses": 0, "digest": None, "body": "{}"}
    first = {"id": f"run_{number}", "thread_id": f"thread_{number}", "created_at": 10}
    counters = {"version": 1, "last_us": 20_000_000, "arrived_us": 15_000_000, "fence": 0}
    started = {"started": False} if status == "queued" else {}
    return {**first, **counters, **rest, **shaped(status, **started), **changes}


assert set(line()) == set(NAMES)
