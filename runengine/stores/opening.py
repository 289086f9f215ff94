"""From an address to a store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from runengine.core import PRACTICAL, Policy
from runengine.dialects.kotlin_sql import masked
from runengine.errors import StoreUnavailable
from runengine.stores.base import AsyncStore, Store
from runengine.stores.memory import MemoryStore
from runengine.stores.threads import Threaded

__all__ = ["has_clock", "open_async_store", "open_store"]

_FORMS: Final = "memory:, sqlite:///FILE or postgresql://…"


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
