"""The real stores a simulated world stands on, and what a crash leaves of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from shutil import copyfile, rmtree
from tempfile import mkdtemp
from typing import Final, Literal, Protocol

from runengine.core import PRACTICAL
from runengine.stores import Store
from runengine.stores.memory import MemoryStore
from runengine.stores.sqlite import SQLiteStore

__all__ = ["STORES", "Ground", "MemoryGround", "SQLiteGround", "StoreName", "ground_named"]

StoreName = Literal["memory", "sqlite"]
STORES: Final[tuple[StoreName, ...]] = ("memory", "sqlite")
"""The stores a world can stand on."""

_FILE: Final = "runs.db"


class Ground(Protocol):
    """A store, and its fate.

    Attributes:
        guards: Whether it refuses what was planned on facts that are stale: then such commits are tried.
        survives: Whether it outlives the process it is open in.
    """

    guards: bool
    survives: bool

    @property
    def store(self) -> Store:
        """The store as it is open now."""
        ...

    def crash(self) -> None:
        """The process dies without closing it; another opens what it left."""
        ...

    def close(self) -> None:
        """Leave nothing behind."""
        ...


class MemoryGround:
    """A store in memory.

    Example:
        >>> MemoryGround().store.url
        'memory:'
    """

    def __init__(self) -> None:
        self.guards = self.survives = False
        self.store: Store = MemoryStore()

    def crash(self) -> None:
        """Nothing would be left, so it does not happen."""

    def close(self) -> None:
        """Nothing to do."""


class SQLiteGround:
    """A store in a SQLite file in a folder of its own.

    A crash leaves the file and its log as they are on the disk at that moment: they are copied from under the open
    store, as nobody closes it, and the copy is opened. That is the death of a process; a power cut, which may take what
    is not yet on the disk, is not simulated, so commits need not wait for the disk.

    Example:
        >>> ground = SQLiteGround()
        >>> ground.crash()
        >>> ground.store.row("run_1") is None
        True
        >>> ground.close()
    """

    def __init__(self) -> None:
        self.guards = self.survives = True
        self._folder: Final = Path(mkdtemp(prefix="runengine-world-"))
        self._lives = 0
        self._old: list[SQLiteStore] = []
        (self._folder / "0").mkdir()
        (self._folder / "0" / _FILE).write_bytes(_empty())
        self.store = self._open()

    def crash(self) -> None:
        """Open what is on the disk, in a new place; the old store is left open, as a dead process leaves it."""
        here = self._folder / str(self._lives)
        self._lives += 1
        there = self._folder / str(self._lives)
        there.mkdir()
        for name in (_FILE, f"{_FILE}-wal"):
            if (here / name).exists():
                copyfile(here / name, there / name)
        self._old.append(self.store)
        self.store = self._open()

    def close(self) -> None:
        """Close what is open, and remove the folder."""
        for store in (*self._old, self.store):
            store.close()
        rmtree(self._folder, ignore_errors=True)

    def _open(self) -> SQLiteStore:
        file = self._folder / str(self._lives) / _FILE
        return SQLiteStore.open(file, PRACTICAL, create=False, durability="normal")


@cache
def _empty() -> bytes:
    """An empty store's file: to make its tables takes longer than a world."""
    folder = Path(mkdtemp(prefix="runengine-world-"))
    try:
        SQLiteStore.open(folder / _FILE, PRACTICAL).close()
        return (folder / _FILE).read_bytes()
    finally:
        rmtree(folder, ignore_errors=True)


def ground_named(name: str) -> Ground:
    """A new ground of that name.

    Raises:
        ValueError: there is none; the message lists what there is.

    Example:
        >>> ground_named("disk")
        Traceback (most recent call last):
        ValueError: no store 'disk' to simulate on: there are memory, sqlite
    """
    if name == "memory":
        return MemoryGround()
    if name == "sqlite":
        return SQLiteGround()
    raise ValueError(f"no store {name!r} to simulate on: there are {', '.join(STORES)}")
