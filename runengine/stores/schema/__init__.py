"""The rules inside the database: tables, CHECKs, triggers, for SQLite and PostgreSQL, generated from the engine's own.

Raw SQL cannot make a run that the engine would not. Every statement of these functions can be executed on its own, in
order; run them in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runengine.core import Policy
from runengine.stores.schema import tables, triggers, versions
from runengine.stores.schema.parts import DATABASES, Database, Statement
from runengine.stores.schema.tables import ONE_ACTIVE, TABLES
from runengine.stores.schema.triggers import TRIGGERS
from runengine.stores.schema.versions import SCHEMA_VERSION, migration, mismatch, newer, policy_hash

__all__ = [
    "DATABASES",
    "ONE_ACTIVE",
    "SCHEMA_VERSION",
    "TABLES",
    "TRIGGERS",
    "Database",
    "birth_statements",
    "drop_birth_statements",
    "drop_statements",
    "drop_trigger_statements",
    "forward",
    "migration",
    "mismatch",
    "newer",
    "policy_hash",
    "policy_statements",
    "script",
    "statements",
    "trigger_statements",
]


def statements(database: Database, policy: Policy) -> tuple[str, ...]:
    """All that makes a store: tables, indexes, triggers, and the rows that say what it keeps.

    Example:
        >>> import sqlite3
        >>> from runengine.core import PRACTICAL
        >>> connection = sqlite3.connect(":memory:")
        >>> for statement in statements("sqlite", PRACTICAL):
        ...     _ = connection.execute(statement)
        >>> connection.execute("SELECT value FROM runengine_schema WHERE name = 'policy'").fetchone()
        ('practical',)
    """
    return _sql(_all(database, policy))


def drop_statements(database: Database) -> tuple[str, ...]:
    """All that removes a store, whatever of it is there.

    Example:
        >>> len(drop_statements("sqlite")) == len(TABLES)
        True
    """
    return _sql((*tables.drop_table_statements(), *triggers.drop_function_statements(database)))


def script(database: Database, policy: Policy) -> str:
    """The same as `statements`, to be read, and to be run by `sqlite3` or `psql`: all of it or nothing.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> print(script("sqlite", PRACTICAL).splitlines()[0])
        -- runengine store, schema version 2, for SQLite 3.38 or later
    """
    needs = {"sqlite": "SQLite 3.38 or later", "postgres": "PostgreSQL 16 or later"}[database]
    title = f"-- runengine store, schema version {SCHEMA_VERSION}, for {needs}"
    stop = () if database == "sqlite" else ("\\set ON_ERROR_STOP on",)
    shown = (statement.shown for statement in _all(database, policy))
    return "\n\n".join((title, *stop, "BEGIN;", *shown, "COMMIT;")) + "\n"


def trigger_statements(database: Database, policy: Policy) -> tuple[str, ...]:
    """What makes the triggers of a store that has lost them; PostgreSQL's functions are there still.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> len(trigger_statements("sqlite", PRACTICAL)) == len(TRIGGERS)
        True
    """
    return _sql(triggers.trigger_statements(database, policy))


def drop_trigger_statements(database: Database) -> tuple[str, ...]:
    """What removes the triggers, where they are there.

    Example:
        >>> drop_trigger_statements("sqlite")[0]
        'DROP TRIGGER IF EXISTS runengine_step'
    """
    return _sql(triggers.drop_trigger_statements(database))


def birth_statements(database: Database, policy: Policy) -> tuple[str, ...]:
    """What makes the store refuse again runs that are not new; after `drop_birth_statements`, in its transaction.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> birth_statements("postgres", PRACTICAL)
        ('ALTER TABLE runengine_runs ENABLE TRIGGER runengine_birth',)
    """
    return _sql(triggers.birth_statements(database, policy))


def drop_birth_statements(database: Database) -> tuple[str, ...]:
    """What lets runs be inserted that are not new, as a restore does, inside one transaction.

    Example:
        >>> drop_birth_statements("sqlite")
        ('DROP TRIGGER IF EXISTS runengine_birth',)
    """
    return _sql(triggers.drop_birth_statements(database))


def policy_statements(database: Database, policy: Policy) -> tuple[str, ...]:
    """What makes a store of another policy keep this one: triggers, legal steps and hash.

    The CHECKs are the same under every policy; those of another engine's version are a migration's business.

    Example:
        >>> from runengine.core import PERMISSIVE
        >>> policy_statements("sqlite", PERMISSIVE)[-2]
        "UPDATE runengine_schema SET value = 'permissive' WHERE name = 'policy'"
    """
    return _sql(
        (
            *triggers.drop_trigger_statements(database),
            *triggers.trigger_statements(database, policy),
            *versions.policy_row_statements(policy),
        )
    )


def forward(database: Database, version: int, found: Mapping[str, str], policy: Policy) -> tuple[str, ...]:
    """What brings a store to this engine's version and to a policy, for one transaction; nothing where it is there.

    Args:
        database: Which.
        version: The store's.
        found: The lines of its table of the schema.
        policy: Whose rules it is to keep.

    Raises:
        ValueError: there is no such version.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> kept = {"policy": "practical", "policy_hash": policy_hash(PRACTICAL)}
        >>> forward("sqlite", SCHEMA_VERSION, kept, PRACTICAL)
        ()
    """
    steps = migration(database, version)
    if steps or found.get("policy_hash") != policy_hash(policy) or found.get("policy") != policy.name:
        steps += policy_statements(database, policy)  # a migration takes the triggers away
    return steps


def _all(database: Database, policy: Policy) -> tuple[Statement, ...]:
    return (
        *tables.table_statements(database),
        *triggers.function_statements(database),
        *triggers.trigger_statements(database, policy),
        *versions.row_statements(policy),
    )


def _sql(made: Iterable[Statement]) -> tuple[str, ...]:
    return tuple(statement.sql for statement in made)
