"""A look at a PostgreSQL database itself: which store is in it, whether it keeps what it is told, and the rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from runengine.core import Policy
from runengine.stores.postgres import statements as sql
from runengine.stores.postgres.driver import FAILURES, Connections, Lines, ask, understood
from runengine.stores.postgres.wording import Conflict, Gone, Where
from runengine.stores.schema import ONE_ACTIVE, TABLES
from runengine.stores.schema.tables import TRANSITIONS

__all__ = ["HOME", "PAIRS", "STILL", "THINGS", "problems", "schema_rows"]

_TIMEOUT_S: Final = 30.0

STILL: Final = (
    b"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    b"SET LOCAL idle_in_transaction_session_timeout = 0",  # whoever reads an export may be slow
)
"""What begins a transaction that sees the same throughout."""

THINGS: Final = b"""SELECT relname FROM pg_class LEFT JOIN pg_index ON indexrelid = pg_class.oid
WHERE relnamespace = current_schema()::regnamespace AND relname LIKE 'runengine%%' AND indisvalid IS NOT FALSE"""
"""Names of the tables and indexes that are there, and work."""

HOME: Final = b"""SELECT (SELECT system_identifier FROM pg_control_system()),
  (SELECT oid FROM pg_database WHERE datname = current_database()), to_regclass('runengine_runs')::oid,
  format('%s of database %s', coalesce('schema ' || current_schema(), 'no schema'), current_database())"""
"""What tells one store from all others, but from a copy of its server's disk; and where it is, in words."""

PAIRS: Final = f"SELECT source, target FROM {TRANSITIONS}".encode()  # noqa: S608 - our own name


def schema_rows(url: str) -> dict[str, str] | None:
    """What a database says of the store in it, or None where there is none.

    Raises:
        StoreUnavailable: the address is none, or the database cannot be opened.

    Example:
        >>> schema_rows("postgresql://me:secret@127.0.0.1:1/runs")
        Traceback (most recent call last):
        runengine.errors.StoreUnavailable: postgresql://me:***@127.0.0.1:1/runs: nothing listens there; start the ...
    """
    where = Where(url=url, timeout_s=_TIMEOUT_S)
    connection = Connections(where, 1).connect()
    problem: Exception
    try:
        [[is_absent]] = ask(connection, (sql.ABSENT, None))
        return None if is_absent else {str(name): str(value) for name, value in ask(connection, (sql.MADE, None))}
    except FAILURES as error:
        problem = understood(error, where)
    finally:
        connection.close()
    if isinstance(problem, (Gone, Conflict)):
        problem = where.unavailable("the connection was lost while its tables were looked at; ask again")
    raise problem


def problems(things: Lines, pairs: Lines, policy: Policy) -> Iterator[str]:
    """What is wrong with the tables; what with the settings and the triggers, the store itself knows.

    Args:
        things: What `THINGS` returns.
        pairs: What `PAIRS` returns.
        policy: Whose rules the tables are made for.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> list(problems([(name,) for name in TABLES], [*PRACTICAL.edges], PRACTICAL))
        ['runengine_one_active_run is missing or not valid, so a thread may have two runs that have not ended']
    """
    there = {name for (name,) in things}
    for name in TABLES:
        if name not in there:
            yield f"the table {name} is missing"
    if ONE_ACTIVE not in there:
        yield f"{ONE_ACTIVE} is missing or not valid, so a thread may have two runs that have not ended"
    if set(pairs) != policy.edges.keys():
        yield f"the legal steps in {TRANSITIONS} are not those of policy {policy.name}: runengine store migrate URL"
