"""The tables and their indexes.

Names are not qualified, so that PostgreSQL's search_path decides where they are; and none needs quotes. On PostgreSQL
every text compares by its bytes (`COLLATE "C"`), as on SQLite and in Python: one order everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from runengine.stores.columns import COLUMNS
from runengine.stores.schema.checks import (
    ENTRY_CHECKS,
    LIVE,
    RUN_CHECKS,
    Check,
    json_check,
    json_checks,
    not_empty,
)
from runengine.stores.schema.parts import Database, Statement, listed

__all__ = [
    "HISTORY",
    "KEYS",
    "ONE_ACTIVE",
    "RUNS",
    "SCHEMA",
    "TABLES",
    "TRANSITIONS",
    "WAITING",
    "drop_table_statements",
    "table_statements",
]

RUNS: Final = "runengine_runs"
HISTORY: Final = "runengine_history"
KEYS: Final = "runengine_keys"
WAITING: Final = "runengine_waiting"
TRANSITIONS: Final = "runengine_transitions"
SCHEMA: Final = "runengine_schema"

TABLES: Final = (RUNS, HISTORY, KEYS, WAITING, TRANSITIONS, SCHEMA)
"""Names of the tables, those referred to first."""

ONE_ACTIVE: Final = "runengine_one_active_run"
"""Name of the index that keeps a thread to one run that has not ended."""

_TEXT: Final[dict[Database, str]] = {"sqlite": "TEXT", "postgres": 'TEXT COLLATE "C"'}
_INTEGER: Final[dict[Database, str]] = {"sqlite": "INTEGER", "postgres": "BIGINT"}
_NUMBERED: Final[dict[Database, str]] = {
    "sqlite": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "postgres": "BIGINT GENERATED ALWAYS AS IDENTITY",
}


def table_statements(database: Database) -> tuple[Statement, ...]:
    """The statements that make the tables and indexes.

    Example:
        >>> [s.sql.split()[2] for s in table_statements("sqlite") if s.sql.startswith("CREATE TABLE")] == [*TABLES]
        True
    """
    return (
        _runs(database),
        *_run_indexes(),
        _history(database),
        *_keys(database),
        *_waiting(database),
        *_small(database),
    )


def drop_table_statements() -> tuple[Statement, ...]:
    """The statements that remove the tables, where they are there.

    Example:
        >>> drop_table_statements()[-1].sql
        'DROP TABLE IF EXISTS runengine_runs'
    """
    return tuple(Statement("", f"DROP TABLE IF EXISTS {name}") for name in reversed(TABLES))


def _table(database: Database, name: str, lines: Iterable[str], checks: Iterable[Check] = ()) -> str:
    constraints = (f"CONSTRAINT {check.name}\n    CHECK ({check.sql})" for check in checks)
    inside = ",\n  ".join((*lines, *constraints))
    return f"CREATE TABLE {name} (\n  {inside}\n){' STRICT' if database == 'sqlite' else ''}"


def _runs(database: Database) -> Statement:
    lines = []
    for column in COLUMNS:
        type_ = (_INTEGER if column.kind == "integer" else _TEXT)[database]
        key = " PRIMARY KEY" if column.name == "id" else ""
        lines.append(f"{column.name} {type_}{' NOT NULL' if column.required else ''}{key}")
    if database == "postgres":
        lines.append("feed_key BIGINT NOT NULL DEFAULT 0")
    comment = (
        "The runs. What the shape table ties to a status has a column of its own, the rest of the record is in body.\n"
        "Stamps are Unix seconds; what ends in _us is Unix microseconds."
    )
    return Statement(comment, _table(database, RUNS, lines, (*RUN_CHECKS, *json_checks(database))))


def _run_indexes() -> tuple[Statement, ...]:
    live = f"WHERE status IN ({listed(LIVE)})"
    return (
        Statement(
            "A thread has at most one run that has not ended.",
            f"CREATE UNIQUE INDEX {ONE_ACTIVE} ON {RUNS} (thread_id)\n  {live}",
        ),
        *(
            Statement(comment, f"CREATE INDEX runengine_runs_{name} ON {RUNS} ({name}) WHERE {name} IS NOT NULL")
            for name, comment in (
                ("claimable_us", "What a worker may claim, the longest waiting first."),
                ("deadline_us", "What a sweep has to do next."),
            )
        ),
        Statement("", f"CREATE INDEX runengine_runs_of_thread ON {RUNS} (thread_id, created_at, id)"),
        Statement("", f"CREATE INDEX runengine_runs_by_age ON {RUNS} (created_at, id)"),
    )


def _history(database: Database) -> Statement:
    text, integer = _TEXT[database], _INTEGER[database]
    number: tuple[str, ...] = (f"position {_NUMBERED['sqlite']}",)
    primary: tuple[str, ...] = ()
    if database == "postgres":
        number = (f"serial {_NUMBERED['postgres']}", "feed_key BIGINT NOT NULL")
        primary = ("PRIMARY KEY (feed_key, serial)",)
    lines = (
        *number,
        f"run_id {text} NOT NULL REFERENCES {RUNS} (id) ON DELETE CASCADE",
        f"seq {integer} NOT NULL",
        f"kind {text} NOT NULL",
        f"name {text} NOT NULL",
        f"at_us {integer} NOT NULL",
        f"status {text} NOT NULL",
        f"data {text} NOT NULL",
        f"worker {text}",
        f"fence {integer}",
        *primary,
        "CONSTRAINT runengine_one_entry_a_seq\n    UNIQUE (run_id, seq)",
    )
    comment = "What happened to each run, in order; and, in the order of its key, the feed of all runs."
    return Statement(comment, _table(database, HISTORY, lines, (*ENTRY_CHECKS, json_check(database, "data"))))


def _keys(database: Database) -> tuple[Statement, ...]:
    text, integer = _TEXT[database], _INTEGER[database]
    lines = (
        f"key {text} NOT NULL PRIMARY KEY",
        f"run_id {text} NOT NULL",
        f"event {text} NOT NULL",
        f"digest {text} NOT NULL",
        f"seq {integer} NOT NULL",
        f"at_us {integer} NOT NULL",
        f"record {text}",
    )
    checks = (*not_empty("key", "run_id"), json_check(database, "record", required=False))
    return (
        Statement("Answers given under an idempotency key.", _table(database, KEYS, lines, checks)),
        Statement("", f"CREATE INDEX runengine_keys_by_age ON {KEYS} (at_us)"),
    )


def _waiting(database: Database) -> tuple[Statement, ...]:
    text, integer = _TEXT[database], _INTEGER[database]
    lines = (
        f"number {_NUMBERED[database]}{'' if database == 'sqlite' else ' PRIMARY KEY'}",
        f"run_id {text} NOT NULL CONSTRAINT runengine_waits_once UNIQUE",
        f"thread_id {text} NOT NULL",
        f"at_us {integer} NOT NULL",
        f"request {text} NOT NULL",
        f"digest {text} NOT NULL",
        f"first {integer} NOT NULL",
    )
    first = Check("runengine_first_is_0_or_1", "first IN (0, 1)")
    checks = (*not_empty("run_id", "thread_id"), first, json_check(database, "request"))
    comment = "Creates that wait for the end of their thread's run: the first by (first DESC, number) is born then."
    return (
        Statement(comment, _table(database, WAITING, lines, checks)),
        Statement("", f"CREATE INDEX runengine_waiting_of_thread ON {WAITING} (thread_id, first DESC, number)"),
    )


def _small(database: Database) -> tuple[Statement, ...]:
    text = _TEXT[database]
    pairs = (f"source {text} NOT NULL", f"target {text} NOT NULL", "PRIMARY KEY (source, target)")
    names = (f"name {text} NOT NULL PRIMARY KEY", f"value {text} NOT NULL")
    return (
        Statement("The legal steps from status to status, by the policy.", _table(database, TRANSITIONS, pairs)),
        Statement("What this store was made by: version, policy, policy_hash.", _table(database, SCHEMA, names)),
    )
