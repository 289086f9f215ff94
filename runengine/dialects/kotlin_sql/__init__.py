"""The tables of the ktorm document (seed 004), as SQLite and PostgreSQL accept them, written and read."""

from runengine.dialects.kotlin_sql.runs import described, is_kotlin_sql, read_runs, write_runs
from runengine.dialects.kotlin_sql.urls import is_database_url, masked

__all__ = ["described", "is_database_url", "is_kotlin_sql", "masked", "read_runs", "write_runs"]
