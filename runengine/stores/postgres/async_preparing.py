"""The tables of a store on PostgreSQL: made where there are none, compared, brought up to date."""

from __future__ import annotations

from typing import Any

from runengine.core import Policy
from runengine.errors import SchemaMismatch
from runengine.stores.postgres import statements as sql
from runengine.stores.postgres.driver import FAILURES, AsyncConnection, ask_async, understood
from runengine.stores.postgres.wording import Conflict, Gone, Where
from runengine.stores.schema import forward, mismatch, newer, statements

__all__ = ["migrate_async", "prepare_async"]


async def prepare_async(connection: AsyncConnection, where: Where, policy: Policy, *, create: bool) -> None:
    """See that the tables are there and are this engine's.

    Args:
        connection: One that commits by itself.
        where: The database.
        policy: Whose rules they keep.
        create: Whether to make them where there are none.

    Raises:
        SchemaMismatch: there are none, or they are others.
        StoreUnavailable: the database cannot be used.

    Example:
        >>> prepare_async.__name__
        'prepare_async'
    """
    problem: Exception
    try:
        if create and await _is_absent(connection):
            async with connection.transaction():
                await ask_async(connection, (sql.LOCK, None))
                if await _is_absent(connection):
                    for statement in statements("postgres", policy):
                        await ask_async(connection, (statement.encode(), None))
        found = {} if await _is_absent(connection) else await _made(connection)
    except FAILURES as error:
        problem = _told(error, where)
    else:
        _compare(found, where, policy)
        return
    raise problem


async def migrate_async(connection: AsyncConnection, where: Where, policy: Policy) -> bool:
    """Bring the tables up to this engine's version, and to a policy; whether there was anything to do.

    Args:
        connection: One that commits by itself.
        where: The database.
        policy: Whose rules they are to keep.

    Raises:
        SchemaMismatch: there are none, or they are newer.
        StoreUnavailable: the database cannot be used.

    Example:
        >>> migrate_async.__name__
        'migrate_async'
    """
    problem: Exception
    try:
        async with connection.transaction():
            await ask_async(connection, (sql.LOCK, None))
            found = {} if await _is_absent(connection) else await _made(connection)
            steps = forward("postgres", _version(found, where), found, policy)
            for step in steps:
                await ask_async(connection, (step.encode(), None))
        return bool(steps)
    except FAILURES as error:
        problem = _told(error, where)
    raise problem


async def _is_absent(connection: AsyncConnection) -> bool:
    return bool((await ask_async(connection, (sql.ABSENT, None)))[0][0])


async def _made(connection: AsyncConnection) -> dict[str, Any]:
    return dict(await ask_async(connection, (sql.MADE, None)))


def _told(error: Exception, where: Where) -> Exception:
    problem = understood(error, where)
    if isinstance(problem, (Gone, Conflict)):
        return where.unavailable("the connection was lost while its tables were looked at; ask again")
    return problem


def _version(found: dict[str, Any], where: Where) -> int:
    if not found:
        raise SchemaMismatch(where.shown, "there is no runengine store; make one: runengine store init URL")
    version = str(found.get("version"))
    if not version.isdecimal():
        raise SchemaMismatch(where.shown, f"its table runengine_schema says version {version!r}, which is no number")
    if problem := newer(int(version)):
        raise SchemaMismatch(where.shown, problem)
    return int(version)


def _compare(found: dict[str, Any], where: Where, policy: Policy) -> None:
    if problem := mismatch(_version(found, where), found, policy):
        raise SchemaMismatch(where.shown, problem)
