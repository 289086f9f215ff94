"""What the tests of kotlin-sql do with databases behind its back, and a second opinion on what was lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from runengine.dialects.kotlin_sql import read_runs, write_runs
from runengine.dialects.limits import Loss

__all__ = ["differences", "execute", "ids", "rows", "written"]

Way = tuple[str | int, ...]


def written(
    url: str, documents: Iterable[dict[str, Any]], generation: int = 6, batch: int = 1000
) -> dict[int, list[Loss]]:
    """Write runs; the losses by the document's number."""
    found: dict[int, list[Loss]] = {}
    write_runs(url, documents, found.__setitem__, generation, batch)
    return found


def ids(url: str, batch: int = 1000) -> list[Any]:
    """The ids that are read, in order."""
    return [run["id"] for run in read_runs(url, batch)]


def _engine(url: str) -> sa.Engine:
    return sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)


def execute(url: str, sql: str) -> None:
    """Change a database by raw SQL."""
    with _engine(url).begin() as connection:
        connection.exec_driver_sql(sql)


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Ask a database by raw SQL."""
    with _engine(url).begin() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def differences(one: Any, other: Any, way: Way = ()) -> set[Way]:
    """Where two JSON values differ, an int and a float of the same size too."""
    if isinstance(one, dict) and isinstance(other, dict):
        inside = [differences(one[key], other[key], (*way, key)) for key in one.keys() & other.keys()]
        return {(*way, key) for key in one.keys() ^ other.keys()}.union(*inside)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return set[Way]().union(
            *(differences(*pair, (*way, place)) for place, pair in enumerate(zip(one, other, strict=True)))
        )
    return set() if one == other and type(one) is type(other) else {way}
