"""The store in a SQLite file: the embedded default. WAL, one writer with group commit, nobody sees a lock."""

from runengine.stores.sqlite.hosted import HostedStore
from runengine.stores.sqlite.preparing import migrate
from runengine.stores.sqlite.store import SQLiteStore

__all__ = ["HostedStore", "SQLiteStore", "migrate"]
