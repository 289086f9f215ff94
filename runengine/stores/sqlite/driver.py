"""Connections to a SQLite file, and what its errors mean. The only importer of sqlite3."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

from attrs import field, frozen

from runengine.errors import SchemaMismatch, StoreError, StoreUnavailable

__all__ = [
    "FAILURES",
    "Conflict",
    "Connection",
    "Durability",
    "Place",
    "commits_by_itself",
    "connect",
    "files_of",
    "is_busy",
    "is_refused_twin",
    "understood",
]

Connection: TypeAlias = sqlite3.Connection
Durability = Literal["full", "normal"]
"""full: a commit that was answered survives a power cut. normal: it survives the process, and a power cut may take the
last ones; the file stays whole."""

FAILURES: Final = (sqlite3.Error, OverflowError, UnicodeError)
"""What the driver raises; `understood` tells what it means."""

_VERSION_MIN: Final = (3, 38)
_STATEMENTS: Final = 256
_BY_LEVEL: Final = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL, of Python 3.12
_TWINS: Final = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)

_SENTENCES: Final = {
    sqlite3.SQLITE_BUSY: "it was locked for too long, by another process or by a transaction of this one; end that, "
    "then ask again",
    sqlite3.SQLITE_LOCKED: "another connection of this process keeps its tables locked; end what it does, ask again",
    sqlite3.SQLITE_FULL: "the disk is full; make room, then ask again",
    sqlite3.SQLITE_READONLY: "it is read-only: let this user write the file and its folder, or copy it to a folder "
    "that this user may write",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: see that this user may read and write the file and its folder",
    sqlite3.SQLITE_PERM: "this user may not open it; let this user read and write the file and its folder",
    sqlite3.SQLITE_AUTH: "this user may not open it; let this user read and write the file and its folder",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; keep a copy, and restore a backup or save what can be read: "
    "sqlite3 FILE .recover",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database; give the address of another",
    sqlite3.SQLITE_IOERR: "the disk fails or is full, or cannot do what SQLite needs; look at the disk, then ask again",
    sqlite3.SQLITE_NOMEM: "the memory is used up; ask again later",
    sqlite3.SQLITE_PROTOCOL: "its locks cannot be had: too many processes, or a network disk; use a disk of its own",
    sqlite3.SQLITE_NOLFS: "the file is larger than its file system allows; move it to another",
    sqlite3.SQLITE_INTERRUPT: "the statement was interrupted; ask again",
}
_CLOSED: Final = "the store is closed; open it again"
_GONE: Final = "the file is gone: it was moved or removed while it was open; bring it back, or open the store again"
_CHANGED: Final = "it is read-only here, and another user wrote it while it was read; ask again"
_REPLACED: Final = "another file has taken the place of the one that was opened; open the store again"


class Conflict(Exception):
    """A write did not find what its plan had seen: read again, plan again.

    Attributes:
        error: What the caller is told where that happens again and again.

    Example:
        >>> Conflict(StoreError("r: no")).error
        StoreError('r: no')
    """

    def __init__(self, error: StoreError) -> None:
        super().__init__(error)
        self.error = error


@frozen(kw_only=True)
class Place:
    """A file, and how it is used.

    Attributes:
        file: The file, absolute, so that a change of the working folder changes nothing.
        url: Its address as it was given.
        busy_s: For how long a lock of another process is waited for.
        durability: See `Durability`.

    Example:
        >>> Place.of("sqlite:///runs.db").url, Place.of("/tmp/runs.db").url
        ('sqlite:///runs.db', 'sqlite:////tmp/runs.db')
    """

    file: Path
    url: str
    busy_s: float = field(default=60.0)
    durability: Durability = "full"

    @classmethod
    def of(cls, path_or_url: str | Path, busy_s: float = 60.0, durability: Durability = "full") -> Place:
        """The place of an address, `sqlite:///FILE`, or of a path.

        Raises:
            StoreUnavailable: it is neither.
        """
        path = str(path_or_url).removeprefix("sqlite:///")
        url = f"sqlite:///{path}"
        if path in ("", ".", ":memory:") or path.startswith(("file:", "sqlite:")) or "\0" in path:
            raise StoreUnavailable(url, "give a file, as sqlite:///runs.db; for a store in memory, memory:")
        if durability not in ("full", "normal"):
            raise ValueError(f"durability must be full or normal; got {durability!r}")
        return cls(file=Path(path).absolute(), url=url, busy_s=busy_s, durability=durability)

    def is_writable(self) -> bool:
        """Whether this user may write the file, and what SQLite puts beside it."""
        return os.access(self.file, os.W_OK) and os.access(self.file.parent, os.W_OK)

    def mode(self, *, create: bool) -> str:
        """How SQLite is to open the file.

        Readers of a file in WAL mode write beside it, to be seen by writers. Where they may not, and nobody has it open
        (there is no such file), it is read as one that does not change.
        """
        if create:
            return "rwc"
        if self.is_writable():
            return "rw"
        return "ro" if self.stamp() is None else "ro&immutable=1"

    def stamp(self) -> tuple[int, int] | None:
        """What tells whether a file that is read without locks has changed; None where it is read with them."""
        if self.is_writable() or Path(f"{self.file}-wal").exists():
            return None
        try:
            found = self.file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

    def unavailable(self, problem: str) -> StoreUnavailable:
        """The error that says so of this file."""
        return StoreUnavailable(self.url, problem)

    def mismatch(self, problem: str) -> SchemaMismatch:
        """The error that says so of its tables."""
        return SchemaMismatch(self.url, problem)

    def busy(self) -> StoreUnavailable:
        """It was locked for too long."""
        return self.unavailable(
            f"it was locked for {self.busy_s:g} s, by another process or by a transaction of this one, SQLite does not "
            "tell which: inside a transaction of your own, write through runtime.on(connection); else find the process "
            f"(try: fuser {self.file}), end its transaction, and ask again"
        )

    def identity(self, file: str | None = None) -> tuple[int, int] | None:
        """What tells the file, or another, from all others; None where there is none."""
        try:
            found = os.stat(self.file if file is None else file)  # noqa: PTH116 - three times as fast, and done with every commit
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def check_still(self, stamp: tuple[int, int] | None) -> None:
        """See that a file that was read without locks has not changed meanwhile.

        Raises:
            StoreUnavailable: it has.
        """
        if stamp is not None and self.stamp() != stamp:
            raise self.unavailable(_CHANGED)

    def check(self, identity: tuple[int, int] | None) -> None:
        """See that the file is still the one that was opened; SQLite would go on writing into one that is removed.

        Raises:
            StoreUnavailable: it is not.
        """
        found = self.identity()
        if found != identity:
            raise self.unavailable(_GONE if found is None else _REPLACED)


def connect(place: Place, *, create: bool = False, writes: bool = False) -> Connection:
    """Open a connection; the file is looked at with its first statement.

    Args:
        place: The file.
        create: Whether to make the file where there is none.
        writes: Whether it is a writer's: such a one asks for a lock again by itself, so it never waits inside SQLite,
            whose pauses grow to a tenth of a second.

    Raises:
        StoreUnavailable: there is no such file or folder, or this SQLite is too old.

    Example:
        >>> connect(Place.of("sqlite:///nowhere/runs.db"))
        Traceback (most recent call last):
        runengine.errors.StoreUnavailable: sqlite:///nowhere/runs.db: there is no such folder; make it first
    """
    if sqlite3.sqlite_version_info < _VERSION_MIN:
        raise place.unavailable(f"this is SQLite {sqlite3.sqlite_version}; 3.38 or later is needed")
    if not place.file.parent.is_dir():
        raise place.unavailable("there is no such folder; make it first")
    if place.file.is_dir():
        raise place.unavailable("this is a folder; give a file")
    if not create and not place.file.exists():
        raise place.unavailable("there is no such file; make a store: runengine store init URL")
    address = f"file:{quote(str(place.file))}?mode={place.mode(create=create)}"
    connection = None
    try:
        connection = sqlite3.connect(
            address,
            uri=True,
            timeout=place.busy_s,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS,
        )
        connection.execute(f"PRAGMA synchronous = {place.durability}")
        connection.execute("PRAGMA fullfsync = ON")  # of macOS alone, where fsync does not reach the disk
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA busy_timeout = 0" if writes else "PRAGMA query_only = ON")
    except FAILURES as error:
        if connection is not None:
            connection.close()
        raise understood(error, place) from None
    return connection


def files_of(connection: Any) -> list[str]:
    """The files behind a host's connection.

    Raises:
        TypeError: it is none of this driver's.

    Example:
        >>> files_of(sqlite3.connect(":memory:"))
        ['']
    """
    if not isinstance(connection, sqlite3.Connection):
        raise TypeError(f"this is a {type(connection).__name__}; give a sqlite3.Connection")
    cursor = connection.cursor()
    cursor.row_factory = None
    return [os.fsdecode(line[2]) for line in cursor.execute("PRAGMA database_list")]


def commits_by_itself(connection: Connection) -> bool:
    """Whether a host's connection commits each statement, unless the host begins a transaction in words.

    Example:
        >>> commits_by_itself(sqlite3.connect(":memory:")), commits_by_itself(sqlite3.connect("", isolation_level=None))
        (False, True)
    """
    chosen = getattr(connection, "autocommit", _BY_LEVEL)
    return connection.isolation_level is None if chosen == _BY_LEVEL else bool(chosen)


def is_busy(error: BaseException) -> bool:
    """Whether an error says that somebody else has the lock.

    Example:
        >>> is_busy(ValueError())
        False
    """
    return bool(_code(error) == sqlite3.SQLITE_BUSY)


def is_refused_twin(error: BaseException) -> bool:
    """Whether an error says that a unique index has such a line already.

    Example:
        >>> is_refused_twin(sqlite3.OperationalError())
        False
    """
    return getattr(error, "sqlite_errorcode", None) in _TWINS


def understood(error: Exception, place: Place) -> Exception:
    """What an error means to the caller; one that is none of the driver's stays as it is.

    Example:
        >>> understood(OverflowError(), Place.of("sqlite:///runs.db"))
        ValueError('SQLite keeps whole numbers of 64 bits; one is larger')
    """
    if isinstance(error, Conflict):
        return error.error
    if isinstance(error, OverflowError):
        return ValueError("SQLite keeps whole numbers of 64 bits; one is larger")
    if isinstance(error, UnicodeDecodeError):  # not even the names of the tables are text
        return place.unavailable(_SENTENCES[sqlite3.SQLITE_CORRUPT])
    if isinstance(error, UnicodeError):
        return ValueError("SQLite cannot store a text with a lone surrogate")
    if not isinstance(error, sqlite3.Error):
        return error
    code = _code(error)
    if code == sqlite3.SQLITE_CONSTRAINT:
        return StoreError(f"{place.url}: the database refuses: {error}; nothing was written")
    if code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA) and "no such" in str(error):
        return place.mismatch(f"its tables are not runengine's, or gone ({error}): runengine store init URL")
    if "closed database" in str(error):
        return place.unavailable(_CLOSED)
    sentence = _SENTENCES.get(code or -1)
    return StoreError(f"{place.url}: the driver fails: {error}") if sentence is None else place.unavailable(sentence)


def _code(error: BaseException) -> Any:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
