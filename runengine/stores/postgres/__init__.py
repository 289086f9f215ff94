"""The store on PostgreSQL, for threads and for asyncio; it needs `pip install 'runengine[sql]'`.

The async modules are written by hand, and the sync ones made from them by `python -m tests.unasync`.
"""

from runengine.stores.postgres.async_store import AsyncPostgresStore
from runengine.stores.postgres.store import PostgresStore

__all__ = ["AsyncPostgresStore", "PostgresStore"]
