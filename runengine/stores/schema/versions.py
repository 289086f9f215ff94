"""Which schema a store has: its version, the steps from one version to the next, and the policy it keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final

from runengine.core import Policy
from runengine.stores.schema.checks import RUN_CHECKS
from runengine.stores.schema.parts import Database, Statement, literal
from runengine.stores.schema.tables import SCHEMA, TRANSITIONS
from runengine.stores.schema.triggers import drop_trigger_statements

__all__ = [
    "MIGRATIONS",
    "SCHEMA_VERSION",
    "migration",
    "mismatch",
    "newer",
    "policy_hash",
    "policy_row_statements",
    "row_statements",
]

_ARRIVED: Final = """UPDATE runengine_runs SET arrived_us = (
  SELECT min(h.at_us) FROM runengine_history h WHERE h.run_id = runengine_runs.id AND h.seq > coalesce((
    SELECT max(o.seq) FROM runengine_history o
    WHERE o.run_id = runengine_runs.id AND o.status <> runengine_runs.status), 0))"""

_TO_2: Final[Mapping[Database, tuple[str, ...]]] = {
    "sqlite": (
        # SQLite takes a column that is never null with a default only; the engine always gives a value.
        "ALTER TABLE runengine_runs ADD COLUMN arrived_us INTEGER NOT NULL DEFAULT 0",
        _ARRIVED,
    ),
    "postgres": (
        "ALTER TABLE runengine_runs ADD COLUMN arrived_us BIGINT",
        _ARRIVED,
        "ALTER TABLE runengine_runs ALTER COLUMN arrived_us SET NOT NULL",
    ),
}
"""A run's row says since when it is in its status; before, it had to be looked for in the history."""

MIGRATIONS: Final[Mapping[Database, tuple[tuple[str, ...], ...]]] = {
    database: ((*(drop.sql for drop in drop_trigger_statements(database)), *to_2),) for database, to_2 in _TO_2.items()
}
"""For each database the steps forward: the first leads from version 1 to 2, the next from 2 to 3, and so on.

They take the triggers away, which hold records to what they are; whoever migrates makes them anew, for the policy.
"""

SCHEMA_VERSION: Final = 1 + len(MIGRATIONS["sqlite"])
"""Of the tables that this engine makes and uses."""

assert len({len(steps) for steps in MIGRATIONS.values()}) == 1


def policy_hash(policy: Policy) -> str:
    """What an engine compares to know whether a store keeps its rules: the policy's rows and the rules of a run.

    The name does not count, nor does the evidence.

    Example:
        >>> from runengine.core import DOCUMENTED, PRACTICAL
        >>> policy_hash(PRACTICAL) == policy_hash(PRACTICAL.extended("mine", ()))
        True
        >>> policy_hash(PRACTICAL) == policy_hash(DOCUMENTED)
        False
    """
    rows = [(row.event, row.source, row.target, row.guards) for row in policy.rows]
    checks = [(check.name, check.sql) for check in RUN_CHECKS]
    return sha256(json.dumps([rows, checks]).encode()).hexdigest()


def row_statements(policy: Policy) -> tuple[Statement, ...]:
    """The statements that fill the small tables of a new store.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> print(row_statements(PRACTICAL)[1].sql.splitlines()[0])
        INSERT INTO runengine_schema (name, value) VALUES
    """
    rows = {"version": str(SCHEMA_VERSION), "policy": policy.name, "policy_hash": policy_hash(policy)}
    return (_pairs(policy), Statement("", _insert(SCHEMA, ("name", "value"), rows.items())))


def policy_row_statements(policy: Policy) -> tuple[Statement, ...]:
    """The statements that put another policy's rows into the small tables.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> [statement.sql.split()[0] for statement in policy_row_statements(PRACTICAL)]
        ['DELETE', 'INSERT', 'UPDATE', 'UPDATE']
    """
    return (
        Statement("", f"DELETE FROM {TRANSITIONS}"),  # noqa: S608
        _pairs(policy),
        _set("policy", policy.name),
        _set("policy_hash", policy_hash(policy)),
    )


def migration(
    database: Database, from_version: int, steps: Mapping[Database, tuple[tuple[str, ...], ...]] = MIGRATIONS
) -> tuple[str, ...]:
    """The statements that take a store forward to this engine's version, for one transaction.

    Args:
        database: Which.
        from_version: The store's version.
        steps: From each version to the next.

    Returns:
        None where the store is up to date; else the last one notes the new version.

    Raises:
        ValueError: there is no such version, or it is newer than this engine's.

    Example:
        >>> migration("sqlite", SCHEMA_VERSION)
        ()
        >>> migration("sqlite", 1, {"sqlite": (("CREATE TABLE a (b)",),)})[-1]
        "UPDATE runengine_schema SET value = '2' WHERE name = 'version'"
        >>> migration("sqlite", 9)
        Traceback (most recent call last):
        ValueError: schema version 9 is not one of 1 to 2
    """
    newest = 1 + len(steps[database])
    if not 1 <= from_version <= newest:
        raise ValueError(f"schema version {from_version} is not one of 1 to {newest}")
    if from_version == newest:
        return ()
    missing = (statement for step in steps[database][from_version - 1 :] for statement in step)
    return (*missing, _set("version", str(newest)).sql)


def newer(version: int) -> str | None:
    """What is said of a version that this engine does not know yet; None: it knows it.

    Example:
        >>> newer(SCHEMA_VERSION) is None
        True
    """
    if version <= SCHEMA_VERSION:
        return None
    return f"schema version {version} is newer than {SCHEMA_VERSION}, which this runengine knows; update runengine"


def mismatch(version: int, found: Mapping[str, str], policy: Policy) -> str | None:
    """Why a store cannot be used by this engine with a policy, and what to do; None: it can.

    Args:
        version: The store's.
        found: The lines of its table of the schema.
        policy: The engine's.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> mismatch(SCHEMA_VERSION, {"policy": "practical", "policy_hash": policy_hash(PRACTICAL)}, PRACTICAL) is None
        True
    """
    if version > SCHEMA_VERSION:
        return newer(version)
    if version < SCHEMA_VERSION:
        return f"schema version {version} is older than {SCHEMA_VERSION}; bring it up: runengine store migrate URL"
    if found.get("policy_hash") == policy_hash(policy):
        return None
    made = found.get("policy")
    other = f"it keeps the rules of policy {made}, not those of {policy.name}"
    if made == policy.name:
        other = f"it keeps the rules of another policy {made} than this runengine's"
    return f"{other}; open it with its own, or change it: runengine store migrate URL --policy {policy.name}"


def _set(name: str, value: str) -> Statement:
    return Statement("", f"UPDATE {SCHEMA} SET value = {literal(value)} WHERE name = {literal(name)}")  # noqa: S608


def _pairs(policy: Policy) -> Statement:
    pairs = dict.fromkeys(row.edge for row in policy.rows if row.edge)  # two events may lead along one edge
    return Statement("", _insert(TRANSITIONS, ("source", "target"), pairs))


def _insert(table: str, columns: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    lines = ",\n  ".join(f"({literal(first)}, {literal(second)})" for first, second in rows)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES\n  {lines}"
