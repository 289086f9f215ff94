"""Stores: where runs and their histories live. `open_store` opens one by its address.

The contract is `runengine.stores.base`; what passes through it, `runengine.stores.records`.
"""

from runengine.stores.base import AsyncStore, Request, Store
from runengine.stores.records import (
    Commit,
    Entry,
    EntryKind,
    Facts,
    Key,
    Life,
    Outcome,
    Row,
    RunQuery,
    Step,
    Waiting,
    Wants,
)

__all__ = [
    "AsyncStore",
    "Commit",
    "Entry",
    "EntryKind",
    "Facts",
    "Key",
    "Life",
    "Outcome",
    "Request",
    "Row",
    "RunQuery",
    "Step",
    "Store",
    "Waiting",
    "Wants",
]
