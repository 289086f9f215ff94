"""The tables of the ktorm document (seed 004), as SQLite and PostgreSQL accept them, written and read."""

from runengine.dialects.kotlin_sql.runs import described, is_kotlin_sql, read_runs, write_runs
from runengine.dialects.kotlin_sql.urls import ADDRESS, is_database_url, is_like_address, masked

__all__ = [
    "ADDRESS",
    "described",
    "is_database_url",
    "is_kotlin_sql",
    "is_like_address",
    "masked",
    "read_runs",
    "write_runs",
]
