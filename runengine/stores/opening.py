"""From an address to a store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from runengine.core import POLICIES, PRACTICAL, Policy
from runengine.dialects.kotlin_sql import ADDRESS, masked
from runengine.errors import StoreUnavailable
from runengine.stores.base import AsyncStore, Store
from runengine.stores.memory import MemoryStore
from runengine.stores.schema import DATABASES, Database
from runengine.stores.threads import Threaded

__all__ = [
    "database_of",
    "has_clock",
    "migrate_store",
    "open_as_made",
    "open_async_store",
    "open_store",
    "schema_of",
    "stored_policy",
]

_FORMS: Final = f"memory:, {ADDRESS}"


def open_store(url: str, policy: Policy = PRACTICAL, *, create: bool = True) -> Store:
    """Open a store.

    Args:
        url: `memory:`, `sqlite:///FILE`, or `postgresql://…` (which needs `pip install 'runengine[sql]'`).
        policy: Whose rules the tables are made for, or were made for.
        create: Whether to make the tables where there are none.

    Raises:
        StoreUnavailable: it is no such address, or the database cannot be opened.
        SchemaMismatch: the tables are of another version, or were made for another policy.

    Example:
        >>> open_store("memory:").url
        'memory:'
        >>> open_store("mysql://runs")
        Traceback (most recent call last):
        runengine.errors.StoreUnavailable: mysql://runs: no store is known for it; give memory:, sqlite:///FILE or ...
    """
    kind, rest = _split(url)
    if kind == "memory":
        return MemoryStore()
    if kind == "sqlite":
        from runengine.stores.sqlite import SQLiteStore

        return SQLiteStore.open(rest, policy, create=create)
    from runengine.stores.postgres import PostgresStore

    return PostgresStore.open(url, policy, create=create)


async def open_async_store(url: str, policy: Policy = PRACTICAL, *, create: bool = True) -> AsyncStore:
    """Open a store for asyncio; arguments and errors as of `open_store`.

    Example:
        >>> import asyncio
        >>> asyncio.run(open_async_store("memory:")).url
        'memory:'
    """
    kind, _ = _split(url)
    if kind == "memory":
        return Threaded(MemoryStore(), threads=0)
    if kind == "sqlite":
        return Threaded(open_store(url, policy, create=create))
    from runengine.stores.postgres import AsyncPostgresStore

    return await AsyncPostgresStore.open(url, policy, create=create)


def open_as_made(url: str) -> tuple[Store, Policy]:
    """Open a store that is there, with the policy it was made for.

    Args:
        url: `sqlite:///FILE` or `postgresql://…`; a store in memory is never there already.

    Raises:
        StoreUnavailable: it is no such address, or there is no such database, or it cannot be opened.
        SchemaMismatch: it has no tables, tables of another version, or those of a policy of the host's own.

    Example:
        >>> open_as_made("memory:")
        Traceback (most recent call last):
        runengine.errors.StoreUnavailable: memory: it is new and empty each time; give sqlite:///FILE or postgresql://…
    """
    if _split(url)[0] == "memory":
        raise StoreUnavailable("memory", "it is new and empty each time; give sqlite:///FILE or postgresql://…")
    policy = stored_policy(url) or PRACTICAL
    return open_store(url, policy, create=False), policy


def stored_policy(url: str) -> Policy | None:
    """The policy that a store was made for; None where there is no store, or its policy is none of `POLICIES`.

    It is found by its name. Whether it has the same rows is for `open_store` to see.

    Args:
        url: As of `open_store`.

    Raises:
        StoreUnavailable: it is no such address, or there is no such database, or it cannot be opened.

    Example:
        >>> stored_policy("memory:") is None
        True
    """
    return POLICIES.get((schema_of(url) or {}).get("policy", ""))


def schema_of(url: str) -> dict[str, str] | None:
    """What a database says of the store in it: version, policy, policy_hash; None where there is no store.

    Args:
        url: As of `open_store`.

    Raises:
        StoreUnavailable: it is no such address, or there is no such database, or it cannot be opened.

    Example:
        >>> schema_of("memory:") is None
        True
    """
    kind, rest = _split(url)
    if kind == "memory":
        return None
    if kind == "sqlite":
        from runengine.stores.sqlite.looking import schema_rows as sqlite_rows

        return sqlite_rows(rest)
    from runengine.stores.postgres.looking import schema_rows

    return schema_rows(url)


def migrate_store(url: str, policy: Policy) -> bool:
    """Bring a store's tables up to this engine's version, and to a policy; whether there was anything to do.

    Raises:
        StoreUnavailable: it is no such address, or there is no such database, or it cannot be opened.
        SchemaMismatch: there are no tables, or they are newer.

    Example:
        >>> migrate_store("memory:", PRACTICAL)
        False
    """
    kind, rest = _split(url)
    if kind == "memory":
        return False
    if kind == "sqlite":
        from runengine.stores.sqlite import migrate

        return migrate(rest, policy)
    from runengine.stores.postgres import PostgresStore

    return PostgresStore.migrate(url, policy)


def database_of(url: str) -> Database | None:
    """The kind of database behind an address, as the schema is written for; None for memory.

    Raises:
        StoreUnavailable: it is no such address.

    Example:
        >>> database_of("sqlite:///runs.db"), database_of("memory:")
        ('sqlite', None)
    """
    kind = _split(url)[0]
    return next((database for database in DATABASES if database == kind), None)


def has_clock(store: Any) -> bool:
    """Whether a store's own clock is to be preferred: that of a database which several machines share.

    Example:
        >>> has_clock(MemoryStore())
        False
    """
    return bool(getattr(store, "has_clock", False))


def _split(url: str) -> tuple[str, str]:
    if url in ("memory:", "memory://"):
        return "memory", ""
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        return "sqlite", str(Path(url.removeprefix("sqlite:///")))
    if re.match(r"postgres(ql)?://", url):
        return "postgres", url
    raise StoreUnavailable(masked(url), f"no store is known for it; give {_FORMS}")
